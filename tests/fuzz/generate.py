"""Random programs by seed.

Each has a dtype, sizes for several runs of one compiled function, a number of single ops, and a sum of terms that is
differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.fuzz import motifs, recipes
from tests.fuzz.growth import MOST_NODES, Growth
from tests.fuzz.program import DRAW, GRAD, Program, Ref

DTYPES = ["float64"] * 5 + ["float32"] * 4 + ["float16"]
EXTREME = 0.1
"""How many programs compute with infinity and NaN."""

_FEW_NODES = 150
"""Nodes of graphs that may be given arrays large enough for several threads."""

SIZES = [1, 1, 1, 2, 3, 3, 0, 7]


def generate(seed: int) -> Program:
    """The program of a seed. Raises `growth.Wrong` where building it fails badly."""
    rng = np.random.default_rng(seed)
    extreme = bool(rng.random() < EXTREME)
    g = Growth(rng, "float64" if extreme else DTYPES[int(rng.integers(len(DTYPES)))], extreme=extreme)
    outs = _grown(g)
    return Program(g.dtype, g.steps, tuple(dict.fromkeys(outs)), _runs(g), frozenset(g.free)).cleaned()


def _weighted(g: Growth, options: Sequence[tuple[Callable[[Growth], Ref | None], int]]) -> Callable[[Growth], Any]:
    total = sum(w for _, w in options)
    at = g.integer(1, total)
    for option, w in options:
        at -= w
        if at <= 0:
            return option
    raise AssertionError


def _grown(g: Growth) -> list[Ref]:
    """Grow the program; what to fetch."""
    half = g.dtype == "float16" and g.chance(0.4)
    g.leaf(g.choice([("n", 3), ("n", 2), ("n",), ("n", 4), ("n", 17)]))
    g.leaf(g.choice([(3,), (2, 3), (), (1, 3), (3, 2), (4,), (0, 3), (17, 1), (3, 40), (4, 1, 3), (33,)]))
    if g.chance(0.4):
        g.leaf(g.choice([("n", 3), ("n", 2), ("n", 1), ("n",), ("n", 2, 3), ("n", "t"), ("t",)]))
    options = (
        [*recipes.RECIPES, (recipes.random_numbers, 2)] if g.dtype == "float64" and g.chance(0.2) else recipes.RECIPES
    )
    for _ in range(g.choice([1, 2, 3, 4, 6, 9, 14, 30])):
        _weighted(g, options)(g)
    ends = g.ends()
    terms = [_weighted(g, motifs.MOTIFS)(g) for _ in range(g.integer(1, 3))]
    terms += [g.scalar(r) for r in ends[: g.integer(1, 4)]]
    for motif, p in [(motifs.recurrence, 0.04), (motifs.repeated, 0.03), (motifs.ctc, 0.03), (motifs.meeting, 0.12),
                     (motifs.channels, 0.15)]:  # fmt: skip
        if g.chance(p):
            terms.append(motif(g))
    halves = motifs.many_halves(g) if half else None
    loss = g.total([*terms[:1], halves] if half else terms)
    outs = [r for r in ends if not g.is_float(r)][:3]
    outs += [r for r in (g.pick() for _ in range(g.integer(0, 2))) if r is not None]
    outs += [halves] if halves is not None else []  # By itself, too: among other terms a small one is rounded away.
    if loss is None:
        return outs or g.pool[-1:]
    outs.append(loss)
    leaves = g.float_leaves()
    if leaves and g.n_nodes < MOST_NODES:
        g.rng.shuffle(leaves)  # type: ignore[arg-type]
        wanted = leaves[: g.integer(1, 4)]
        for k in range(len(wanted)):  # Leaves that the loss does not depend on are refused all together, or give zeros.
            found = g.calls(GRAD, loss, *wanted[k:], pool=False)
            if found is not None:
                outs += found
                break
    return outs


def _runs(g: Growth) -> tuple[dict[str, int], ...]:
    """Sizes for several runs in a row."""
    runs = []
    for draw in range(g.choice([1, 2, 2, 3])):
        n = 70 if g.chance(0.06) else g.choice(SIZES)
        if g.n_nodes < _FEW_NODES and g.chance(0.01) and g.is_linear:
            n = 20_000
        sizes = {DRAW: draw, "n": n, "t": g.choice([1, 2, 5])}
        for name in g.free:
            sizes[name] = n if g.chance(0.5) else g.choice([1, 1, 3])
        runs.append(sizes)
    return tuple(runs)
