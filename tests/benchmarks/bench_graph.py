"""What one node costs: to build, to differentiate, to compile, to run, to keep. From a thousand nodes to a million.

    python tests/benchmarks/bench_graph.py [--largest N] [--repeat R]

Every array has one element, so that a run shows the cost of a step and not that of arithmetic. The cost per node should
not depend on the number of nodes. Times are processor times: what else runs on the machine counts less.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

from sdgraph import SameDiff, SDVariable

TARGETS = {"build": 5.0, "grad": 8.0, "run": 1.0, "bytes": 400.0}


class Cost(NamedTuple):
    """Microseconds per node, gradient node or step."""

    kind: str
    nodes: int
    build: float
    grad: float
    compile: float
    run: float


def chain(sd: SameDiff, x: SDVariable, n: int) -> SDVariable:
    """Each node needs the one before."""
    y = x
    for _ in range(n // 2):
        y = sd.math.tanh(y + x)
    return y


def wide(sd: SameDiff, x: SDVariable, n: int) -> SDVariable:
    """Many branches that start at one node and end in one."""
    y = sd.math.tanh(x)
    branches = []
    for _ in range(n // 2):
        branches.append(x * y)
        y = x + branches[-1]
    return sd.math.merge_add(*branches)


def layered(sd: SameDiff, x: SDVariable, n: int) -> SDVariable:
    """Layers of a hundred nodes, each using two of the layer before."""
    layer = [x + float(k) for k in range(100)]
    for _ in range(n // 100 - 2):
        layer = [layer[k] * layer[k - 1] for k in range(100)]
    return sd.math.merge_add(*layer)


KINDS: dict[str, Callable[[SameDiff, SDVariable, int], SDVariable]] = {"chain": chain, "wide": wide, "layered": layered}


def build(kind: str, n: int) -> tuple[SameDiff, SDVariable, SDVariable]:
    sd = SameDiff(dtype="float64")
    x = sd.var("x", 0.5)
    return sd, x, KINDS[kind](sd, x, n)


def measure(kind: str, n: int, repeat: int = 3) -> Cost:
    """Costs of a graph of about ``n`` nodes; the best of several, because whatever else runs only adds."""
    best = [float("inf")] * 4
    for _ in range(repeat):
        gc.collect()
        begin = time.process_time()
        sd, x, y = build(kind, n)
        built = time.process_time()
        size = len(sd.nodes)
        slope = sd.grad(y, x)
        differentiated = time.process_time()
        f = sd.compile([y, slope], engine="numpy")
        compiled = time.process_time()
        steps = max(1, len(f.plan.steps))
        f()
        again = time.process_time()
        f()
        done = time.process_time()
        found = (
            (built - begin) / size,
            (differentiated - built) / max(1, len(sd.nodes) - size),
            (compiled - differentiated) / steps,
            (done - again) / steps,
        )
        best = [min(a, b) for a, b in zip(best, found, strict=True)]
        del sd, x, y, slope, f
    return Cost(kind, n, *(1e6 * t for t in best))


def bytes_per_node(kind: str, n: int) -> float:
    """What Python allocates for the graph alone."""
    build(kind, 100)  # what a first graph loads is not the graph
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = build(kind, n)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / len(kept[0])
    finally:
        tracemalloc.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=float, default=1e6, help="number of nodes to stop at (default: %(default)g)")
    parser.add_argument("--repeat", type=int, default=2, help="take the best of this many (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"{'':<8} {'nodes':>9} {'build':>9} {'grad':>9} {'compile':>9} {'run':>9} {'memory':>9}")
    print(f"{'':<8} {'':>9} {'us/node':>9} {'us/node':>9} {'us/step':>9} {'us/step':>9} {'B/node':>9}")
    t = TARGETS
    print(f"{'target':<8} {'':>9} {t['build']:>9.2f} {t['grad']:>9.2f} {'-':>9} {t['run']:>9.2f} {t['bytes']:>9.0f}")
    for kind in KINDS:
        n = 1000
        while n <= arguments.largest:
            c = measure(kind, n, arguments.repeat if n < 1_000_000 else 1)
            kept = bytes_per_node(kind, min(n, 100_000))
            costs = f"{c.build:>9.2f} {c.grad:>9.2f} {c.compile:>9.2f} {c.run:>9.2f} {kept:>9.0f}"
            print(f"{kind:<8} {n:>9,} {costs}", flush=True)
            n *= 10


if __name__ == "__main__":
    main()
