"""Value and all gradients of typical losses: sdgraph against its peers, in one process.

Run it alone: ``python tests/benchmarks/bench_peers.py``. Engines that are not installed are left out. Every
measurement calls all engines in turn, so that a busy machine is equally unkind to all; the first calls of a turn do
not count, and all rows are gone through several times. The table shows medians, how many times faster sdgraph's fused
engine is than the best peer, and what part of the memory bandwidth it uses where arrays are larger than caches.
``--compile`` times the way to the first result instead (with SDGRAPH_CACHE=0 in the environment a cold one),
``--growth`` long graphs. ``--json FILE`` keeps the figures for ``draw_peers.py``.
"""

import argparse
import importlib.metadata
import json
import platform
import re
import shlex
import sys
import time
from pathlib import Path

import numpy as np
from peer_engines import ENGINES, FUSED, PEERS, installed
from peer_problems import all_rows

from sdgraph import SameDiff, set_num_threads
from sdgraph.run.engines import choice
from sdgraph.run.engines.threads import get_num_threads, usable_cores

WARM = 1e-2
"""Seconds of calls at the start of a turn that do not count: caches fill, other threads fall asleep."""
TURN = 2e-2
"""Seconds of calls that count in a turn, at least: many in a row, as in training."""
CACHES = 8 << 20
"""Bytes from which the bandwidth of memory matters."""


def agree(results):
    """Whether all engines computed the same; the last digits differ."""
    first = results[0]
    return all(
        len(r) == len(first)
        and all(
            np.allclose(np.squeeze(a), np.squeeze(b), rtol=1e-3, atol=1e-4 * (np.abs(b).max() + 1e-30))
            for a, b in zip(r, first, strict=True)
        )
        for r in results[1:]
    )


def timed(run, repeat=1):
    start = time.perf_counter()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - start) / repeat


def measure(runs, times, seconds):
    """Times per call of each, added to ``times``; all are called in turn until the time is up, three turns at least."""
    once = {k: max(min(timed(run) for _ in range(3)), 1e-9) for k, run in runs.items()}
    end, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turns < 3:
        turns += 1
        for k, run in runs.items():
            timed(run, max(1, int(WARM / once[k])))
            times.setdefault(k, []).append(timed(run, max(1, int(TURN / once[k]))))


def first_calls(row, engines):
    """Seconds from nothing to the first result."""
    found = {}
    for name in engines:
        start = time.perf_counter()
        run = ENGINES[name][1](row)
        if run is not None:
            run()
            found[name] = time.perf_counter() - start
    return found


def moved_bytes(row):
    """Bytes of operands and results, each once: what any engine must move."""
    size = sum(a.nbytes for a in row.operands.values())
    return size + sum(row.operands[k].nbytes for k in ((row.hvp,) if row.hvp else row.wrt))


def copied():
    """Bytes per second that copying large arrays moves, read and written, with all threads that compiled code uses."""
    return 1 / choice.limits(get_num_threads(), again=True).places[-1].seconds[2]


def duration(seconds):
    if seconds is None:
        return "-"
    size, unit = next((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")) if seconds >= s or u == "us")
    return f"{seconds / size:.3g} {unit}"


def processor():
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine_line():
    packages = [p for p in ("numpy", "llvmlite", "jax", "torch", "autograd") if installed(p)]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    return f"{processor()}, {usable_cores()} cores, Python {platform.python_version()}, {versions}"


def compare(rows, engines, options, bandwidth):
    """The table. All rows are measured, then all again: a machine that is slow for a while spoils no row."""
    runs = [{k: r for k in engines if (r := ENGINES[k][1](row)) is not None} for row in rows]
    same = [agree([run() for run in several.values()]) for several in runs]
    times = [{} for _ in rows]
    for _ in range(options.sweeps):
        for several, found in zip(runs, times, strict=True):
            measure(several, found, options.seconds / options.sweeps)
    print(" | ".join(["value and all gradients, float32", *engines, "fused against best peer", "of bandwidth"]))
    found = zip(rows, times, same, strict=True)
    return [line(row, {k: float(np.median(v)) for k, v in t.items()}, ok, engines, bandwidth) for row, t, ok in found]


def line(row, times, same, engines, bandwidth):
    """One line of the table."""
    best = min((times[k] for k in PEERS if k in times), default=None)
    ratio = best / times[FUSED] if best and FUSED in times else None
    moved = moved_bytes(row)
    roofline = moved / times[FUSED] / bandwidth if FUSED in times and moved > CACHES else None
    cells = [duration(times.get(k)) for k in engines]
    cells += [f"{ratio:.2f}x" if ratio else "-", f"{100 * roofline:.0f} %" if roofline else "-"]
    print(" | ".join([row.name, *cells]) + ("" if same else "  RESULTS DIFFER"), flush=True)
    return {"row": row.name, "times": times, "ratio": ratio, "roofline": roofline, "same": same}


def first_results(row, engines):
    """One line of the table of first calls."""
    times = first_calls(row, engines)
    print(" | ".join([row.name, *(duration(times.get(k)) for k in engines)]), flush=True)
    return {"row": row.name, "times": times}


def chain(sd, n):
    """A chain that has, with its gradient, about n nodes: six for each link."""
    x = sd.placeholder("x", shape=(100,))
    v = x
    for k in range(n // 6):
        v = sd.math.tanh(v * (1.001 + 1e-3 * (k % 7)))
    return sd.sum(v, name="total"), x


def growth(sizes=(100, 1000, 10_000, 100_000)):
    """What long graphs cost: time to compile value and gradient of a chain, and to run it."""
    print("nodes | engine | compile and first call | per node | a call | per node")
    found = []
    for n in sizes:
        for engine in ("llvm", "numpy"):
            sd = SameDiff("float32")
            total, x = chain(sd, n)
            fetches = [total, sd.grad(total, x)]
            feeds = {"x": np.linspace(-1, 1, 100, dtype="float32")}
            start = time.perf_counter()
            f = sd.compile(fetches, engine=engine)
            f(feeds)
            first = time.perf_counter() - start
            call = float(np.median([timed(lambda f=f, feeds=feeds: f(feeds)) for _ in range(9)]))
            print(
                f"{n} | {engine} | {duration(first)} | {duration(first / n)} | {duration(call)} | {duration(call / n)}",
                flush=True,
            )
            found.append({"nodes": n, "engine": engine, "first": first, "call": call})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="only rows whose name has a match of this")
    parser.add_argument("--engines", default=",".join(ENGINES), help="comma-separated")
    parser.add_argument("--seconds", type=float, default=5.0, help="time per row")
    parser.add_argument("--sweeps", type=int, default=4, help="how often all rows are gone through")
    parser.add_argument("--threads", type=int, help="threads of sdgraph's engine")
    parser.add_argument(
        "--compile", action="store_true", help="time to the first result; SDGRAPH_CACHE=0 for a cold one"
    )
    parser.add_argument("--growth", action="store_true", help="time over the number of nodes")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    if options.threads:
        set_num_threads(options.threads)
    engines = [k for k in options.engines.split(",") if installed(ENGINES[k][0])]
    bandwidth = copied()
    print(machine_line())
    print(f"memory bandwidth {bandwidth / 1e9:.1f} GB/s")
    if options.growth:
        rows = growth()
    elif options.compile:
        print(" | ".join(["time to the first result", *engines]))
        rows = [first_results(row, engines) for make in all_rows() if re.search(options.rows, (row := make()).name)]
    else:
        problems = [row for make in all_rows() if re.search(options.rows, (row := make()).name)]
        rows = compare(problems, engines, options, bandwidth)
    if options.json:
        command = shlex.join(["python", "tests/benchmarks/bench_peers.py", *sys.argv[1:]])
        figures = {"machine": machine_line(), "command": command, "bandwidth": bandwidth, "rows": rows}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
