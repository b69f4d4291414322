"""Costs grow with the number of nodes and not faster. Ratios only: no test depends on how fast the machine is."""

import pytest

from tests.benchmarks.bench_graph import KINDS, TARGETS, bytes_per_node, measure

SMALL, LARGE = 10_000, 100_000
FACTOR = 3.0
"""Noise and caches that a large graph does not fit into; a cost that grew with the square would show 10."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_cost_per_node_does_not_grow(kind):
    """The best of a few rounds: another process can slow down a round but cannot speed one up."""
    worst = {}
    for _ in range(3):
        small, large = measure(kind, SMALL, repeat=1), measure(kind, LARGE, repeat=1)
        ratios = {name: getattr(large, name) / getattr(small, name) for name in ("build", "grad", "compile", "run")}
        worst = {name: min(ratio, worst.get(name, ratio)) for name, ratio in ratios.items()}
        if max(worst.values()) < FACTOR:
            return
    pytest.fail(f"cost per node at {LARGE:,} nodes in units of that at {SMALL:,}: {worst}")


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_per_node(kind):
    small, large = bytes_per_node(kind, 1_000), bytes_per_node(kind, 20_000)
    assert large < TARGETS["bytes"]
    assert large < 1.2 * small
