"""What a file may come to, whoever made it: a graph that is whole, or the one error; soon, and without much memory."""

import contextlib
import time
import warnings

import numpy as np

from sdgraph import SameDiff, errors
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes

SECONDS, MEGABYTES = 4.0, 100
_SMALL = 10_000
"""Elements of all variables together in a graph that is evaluated."""


def peak() -> float:
    """Megabytes that the process had in memory at most since `forget_peak`; 0 where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    return 0.0


def forget_peak() -> None:
    """Let `peak` begin anew."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def loaded(data: bytes) -> SameDiff | None:
    """The graph of a file, or None where it is refused; raises AssertionError for time, memory and long messages."""
    forget_peak()
    before, begin = peak(), time.process_time()
    try:
        sd = from_bytes(SameDiff, data)
    except errors.FormatError as e:
        assert len(str(e)) < 2000, "a message that nobody reads"
        sd = None
    seconds, megabytes = time.process_time() - begin, peak() - before
    assert seconds < SECONDS, f"{seconds:.1f} s"
    assert megabytes < MEGABYTES + 20 * len(data) / 2**20, f"{megabytes:.0f} MB"
    return sd


def judge(data: bytes) -> SameDiff | None:
    """Load a file and use its graph as one uses any; raises for what must not be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sd = loaded(data)
        if sd is not None:
            again = to_bytes(sd)
            assert to_bytes(from_bytes(SameDiff, again)) == again, "it is another graph when it is saved again"
            str(sd.summary())
            sd.to_dot()
            sd.copy()
            _use(sd)
    return sd


def _use(sd: SameDiff) -> None:
    sizes = [np.prod([max(d, 1) if type(d) is int else 2 for d in v.shape], dtype=float) for v in sd.variables()]
    if sum(sizes) > _SMALL:
        return
    rng = np.random.default_rng(0)
    feeds = {}
    for v in sd.placeholders():
        shape = [d if type(d) is int else 2 for d in v.shape]
        feeds[v.name] = rng.integers(0, 2, shape).astype(v.dtype)
    for v in sd.variables("array"):
        with contextlib.suppress(errors.SDGraphError):
            v.eval(feeds)
    losses = [v for v in sd.variables("array") if v.dtype.kind == "f"][-1:]
    with contextlib.suppress(errors.SDGraphError):
        sd.grad(losses, sd.variables("variable"))
