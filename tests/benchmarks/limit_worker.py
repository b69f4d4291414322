"""One version of the package, as `bench_limits` commands it: a line of JSON comes in, a line of JSON goes out.

The package is the one that Python finds first. Every command names what it does in ``do``.
"""

import gc
import json
import os
import sys
import time

import numpy as np
from limit_rows import named

import sdgraph
from sdgraph import SameDiff

_state = {}


def settled():
    """Wait until no better code is made in the background, where this version does that."""
    for name, module in list(sys.modules.items()):
        if name.startswith("sdgraph.run.engines."):
            getattr(module, "settled", lambda: None)()


def started(threads):
    """The version, ready to measure."""
    sdgraph.set_num_threads(threads)
    sd = SameDiff()
    sd.compile(sd.placeholder("x", (1,)) + 1, engine="llvm")({"x": np.ones(1, np.float32)})
    settled()
    return {"file": sdgraph.__file__}


def make(row):
    """The function of a row; the answer tells of its results what two versions must agree on."""
    operands, graph = named(row).make()
    sd = SameDiff()
    value, variables = graph(sd)
    f = sd.compile([value, *(sd.grad(value, variables) if variables else [])], engine="llvm")
    f(operands)
    settled()
    _state.update(call=lambda: f(operands))
    results = [np.asarray(a, np.float64) for a in f(operands).values()]
    return {"results": [[float(a.sum()), float(np.abs(a).sum()), float(a.size)] for a in results]}


def timed(run, calls):
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def measured(run, warm, seconds):
    """Seconds per call, over many calls in a row; the first ones do not count."""
    once = max(timed(run, 1), 1e-7)
    timed(run, max(1, int(warm / once)))
    once = max(timed(run, 1), 1e-7)
    return timed(run, max(1, int(seconds / once)))


def measure(warm, seconds):
    return {"seconds": measured(_state["call"], warm, seconds)}


def drop():
    _state.clear()
    gc.collect()
    return {}


# ---------------------------------------------------------------------- limits, asked of the version that has them


def prepare(n, reads, writes, past):
    """Loops that only read and write as many arrays of n floats."""
    from sdgraph.run.engines.llvm import yardsticks as y

    chunks = max(1, n // 8192)
    arrays = y.arrays(y.aligned(y.room(n, 3)), 3, chunks)
    size = arrays[0].size
    _state["loops"] = [
        (y.stream(y.Stream(reads, writes, p), arrays, chunks, max(1, 100_000 // n)), max(1, 100_000 // n)) for p in past
    ]
    return {"n": size}


def limits(warm, seconds, threads):
    """Seconds of the faster of the loops, once over all arrays."""
    found = [
        measured(lambda s=stick: s.run(shared=threads > 1), warm, seconds) / again for stick, again in _state["loops"]
    ]
    return {"seconds": min(found)}


def machine(threads):
    """What this machine can do: bytes and operations per second, and seconds for an exponential and a division."""
    from sdgraph.run.engines.caches import caches
    from sdgraph.run.engines.llvm import yardsticks as y
    from sdgraph.run.engines.llvm.translate.machine import computer

    found = []
    places = {"L2": caches().second * 5 // 8, "L3": min(caches().last * 3 // 8, 16 << 20), "memory": 4 * caches().last}
    for place, size in places.items():
        for count in sorted({1, threads}):
            n = y.whole_chunks(size * (count if place == "L2" else 1) // 12, count)
            arrays = y.arrays(y.aligned(y.room(n, 3)), 3, count)
            again = max(1, (64 << 20) // (12 * n))
            for kind in y.STREAMS:
                stick = y.stream(kind, arrays, count, again)
                seconds = y.best(lambda s=stick, c=count: s.run(shared=c > 1), 7)
                moved = 4 * n * again * (kind.reads + kind.writes)
                found.append({"what": place, "kind": kind.name, "threads": count, "rate": moved / seconds})
    for name in y.CHAINS:
        for count in sorted({1, threads}):
            stick = y.chains(name, 4 * count)
            seconds = y.best(lambda s=stick, c=count: s.run(shared=c > 1), 7)
            rate = y.instructions() * 4 * count * computer().lanes(4) / seconds
            found.append({"what": "arithmetic", "kind": name, "threads": count, "rate": rate})
    stick, n = y.exponentials(64)
    found.append(
        {"what": "arithmetic", "kind": "exp", "threads": 1, "rate": n / y.best(lambda: stick.run(shared=False), 7)}
    )
    return {"limits": found}


# ---------------------------------------------------------------------- memory


def _resident(field):
    with open("/proc/self/status") as f:
        return next((1024 * int(line.split()[1]) for line in f if line.startswith(field)), 0)


def peak(row):
    """Bytes that making a row and calling it a few times adds at most to what the process has."""
    gc.collect()
    before = _resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    make(row)
    for _ in range(3):
        _state["call"]()
    return {"bytes": _resident("VmHWM") - before}


COMMANDS = {f.__name__: f for f in (started, make, measure, drop, prepare, limits, machine, peak)}


def main():
    # Whatever else prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(COMMANDS[command.pop("do")](**command)), file=answers, flush=True)


if __name__ == "__main__":
    main()
