"""What the first call of a function costs: its graph, its gradient, its plan, its code and one run.

    python tests/benchmarks/first_call.py TREE [TREE ...] [--rounds N] [--processes N]

A tree is a checkout of this repository. Each is measured in processes of its own, which take turns, so that whatever
else the machine does hits all of them; medians count. Nothing comes from a cache: code is not kept on disk, and what a
process knows is forgotten before each call. LLVM has been started. Where a tree makes better code of the same graph in
the background, that is waited for between two calls.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

GRADIENT = Callable[..., tuple]
"""From an empty graph to the value, and the variables that the gradient is wanted for."""


def softmax(sd):
    x, y = (sd.placeholder(name, shape=(None, 10)) for name in "xy")
    return sd.loss.softmax_cross_entropy(y, x, name="loss"), [x]


def elementwise(loss):
    def graph(sd):
        x, y = (sd.placeholder(name, shape=(None,)) for name in "xy")
        return getattr(sd.loss, loss)(y, x, name="loss"), [x]

    return graph


def layer_norm(sd):
    x, u = (sd.placeholder(name, shape=(None, 1024)) for name in "xu")
    gain, bias = (sd.placeholder(name, shape=(1024,)) for name in ("gain", "bias"))
    return sd.sum(sd.nn.layer_norm(x, gain, bias) * u, name="loss"), [x, gain, bias]


def chain(sd):
    """33 products and hyperbolic tangents one after another: with the gradient some 200 operations."""
    x = sd.placeholder("x", shape=(100,))
    y = x
    for k in range(33):
        y = sd.math.tanh(y * (1.001 + 1e-3 * (k % 7)))
    return sd.sum(y, name="loss"), [x]


def normal(**shapes):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def picked(rows, columns):
    """Labels with a one in each row."""
    rng = np.random.default_rng(1)
    return np.eye(columns, dtype=np.float32)[rng.integers(0, columns, rows)]


def coins(n):
    return (np.random.default_rng(1).random(n) < 0.5).astype(np.float32)


PROBLEMS = {
    "softmax 32x10": (softmax, lambda: {**normal(x=(32, 10)), "y": picked(32, 10)}),
    "sigmoid CE 1e4": (elementwise("sigmoid_cross_entropy"), lambda: {**normal(x=10_000), "y": coins(10_000)}),
    "MSE 1e6": (elementwise("mean_squared_error"), lambda: normal(x=1_000_000, y=1_000_000)),
    "layer_norm 1024x1024": (
        layer_norm,
        lambda: normal(x=(1024, 1024), u=(1024, 1024), gain=1024, bias=1024),
    ),
    "chain of 200": (chain, lambda: {"x": np.ones(100, np.float32)}),
}


def first_call(graph: GRADIENT, feeds: dict) -> float:
    """Seconds from an empty graph to the value and the gradient."""
    from sdgraph import SameDiff

    start = time.perf_counter()
    sd = SameDiff()
    value, variables = graph(sd)
    sd.compile([value, *sd.grad(value, variables)], engine="llvm")(feeds)
    return time.perf_counter() - start


def forget() -> None:
    """Wait for what goes on in the background, then let no code be known."""
    for name, module in list(sys.modules.items()):
        if name.startswith("sdgraph."):
            getattr(module, "settled", lambda: None)()
            for kept in ("_kernels", "_codes"):
                if isinstance(found := getattr(module, kept, None), dict):
                    found.clear()


def measure_here(rounds: int) -> dict[str, list[float]]:
    """By problem the seconds of that many first calls in this process, without what starts LLVM."""
    given = {name: feeds() for name, (_, feeds) in PROBLEMS.items()}
    first_call(*((graph, given[name]) for name, (graph, _) in PROBLEMS.items()).__next__())
    found: dict[str, list[float]] = {name: [] for name in PROBLEMS}
    for _ in range(rounds):
        for name, (graph, _) in PROBLEMS.items():
            forget()
            found[name].append(first_call(graph, given[name]))
    forget()
    return found


def measure(tree: Path, rounds: int = 5) -> dict[str, list[float]]:
    """The same of another checkout, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(tree), "SDGRAPH_CACHE": "0"}
    command = [sys.executable, str(Path(__file__).resolve()), "--here", "--rounds", str(rounds)]
    done = subprocess.run(command, env=env, cwd=tree, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compare(trees: Iterable[Path], rounds: int = 5, processes: int = 3) -> list[dict[str, float]]:
    """Per tree the median seconds of each problem."""
    trees = list(trees)
    found: list[dict[str, list[float]]] = [{name: [] for name in PROBLEMS} for _ in trees]
    for _ in range(processes):
        for tree, times in zip(trees, found, strict=True):
            for name, seconds in measure(tree, rounds).items():
                times[name] += seconds
    return [{name: statistics.median(seconds) for name, seconds in times.items()} for times in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--here", action="store_true", help="measure the package that is imported, print JSON")
    chosen = parser.parse_args()
    if chosen.here:
        print(json.dumps(measure_here(chosen.rounds)))
        return
    medians = compare([t.resolve() for t in chosen.trees], chosen.rounds, chosen.processes)
    for name in PROBLEMS:
        times = [m[name] for m in medians]
        ratios = "".join(f"  {t / times[0]:5.2f}" for t in times[1:])
        print(f"{name:22}" + "".join(f"{t * 1e3:9.1f} ms" for t in times) + ratios)


if __name__ == "__main__":
    main()
