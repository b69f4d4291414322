"""What a second thread brings, alone and where another process wants the cores, too; also against another version.

    python tests/benchmarks/bench_threads.py [--old PATH] [--seconds S]

Value and gradient of losses in float32. "alone" is microseconds per call with one thread and with the default number,
medians of rounds in turns. "two processes" is how many calls per millisecond two processes finish together, each with
the default number of threads. Numbers of a computer that has much to do mean nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
KINDS = (
    "mean of squares 30000",
    "mean of squares 100000",
    "mean of squares 1000000",
    "softmax 1000x100",
    "softmax 1024x1000",
)

_WORKER = """
import json, os, sys, time
import numpy as np
import sdgraph

def made(kind):
    name, size = kind.rsplit(" ", 1)
    shape = tuple(map(int, size.split("x")))
    sd = sdgraph.SameDiff()
    x, y = sd.placeholder("x", shape), sd.placeholder("y", shape)
    loss = (sd.loss.softmax_cross_entropy if name == "softmax" else sd.loss.mean_squared_error)(y, x)
    f = sd.compile([loss, sd.grad(loss, x)], engine="llvm")
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=shape).astype("float32"), "y": rng.random(shape, "float32")}
    return lambda: f(feeds)

def alone(f, seconds):
    cores, times = len(os.sched_getaffinity(0)), {}
    for n in (1, cores) * 4:
        sdgraph.set_num_threads(n)
        end, found = time.perf_counter() + seconds / 8, []
        while (start := time.perf_counter()) < end:
            f()
            found.append(time.perf_counter() - start)
        times.setdefault(n, []).append(sorted(found)[len(found) // 2])
    return [1e6 * min(t) for t in times.values()]

def beside(f, seconds, begin):
    while time.time() < begin:
        time.sleep(0.001)
    n, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        f()
        n += 1
    return n / seconds / 1e3

kind, seconds, begin = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
f = made(kind)
end = time.perf_counter() + 1.0
while time.perf_counter() < end:
    f()
print(json.dumps(beside(f, seconds, begin) if begin else alone(f, seconds)))
"""
_START = 4.0
"""Seconds after which two processes begin together."""


def _started(tree: Path, kind: str, seconds: float, begin: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _WORKER, kind, str(seconds), str(begin)]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.Popen(words, cwd=tree, env=env, stdout=subprocess.PIPE, text=True)


def _answer(process: subprocess.Popen[str]):
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(said)


def alone(tree: Path, kind: str, seconds: float) -> list[float]:
    """Microseconds per call with one thread and with several."""
    return _answer(_started(tree, kind, seconds, 0.0))


def together(tree: Path, kind: str, seconds: float) -> float:
    """Calls per millisecond of two processes."""
    begin = time.time() + _START
    return sum(map(_answer, [_started(tree, kind, seconds, begin) for _ in range(2)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", type=Path, help="a checkout to compare with")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    trees = {"here": HERE} | ({"old": given.old.resolve()} if given.old else {})
    for kind in KINDS:
        rounds = {name: ([], []) for name in trees}
        for _ in range(given.rounds):
            for name, tree in trees.items():
                rounds[name][0].append(alone(tree, kind, given.seconds))
                rounds[name][1].append(together(tree, kind, given.seconds))
        for name, (one, two) in rounds.items():
            single, several = (statistics.median(column) for column in zip(*one, strict=True))
            print(
                f"{kind:26} {name:5} alone {single:8.1f} us on one thread, {several:8.1f} on several;"
                f" two processes {statistics.median(two):7.2f} calls/ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
