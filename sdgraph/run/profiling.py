"""Measuring where a compiled function spends its time.

Knows that an engine may tell its parts; must not know any engine.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import as_mapping
from sdgraph.checks import whole
from sdgraph.errors import ArgumentTypeError, EngineError, shown
from sdgraph.run.engines import threads
from sdgraph.run.executable import Executable

if TYPE_CHECKING:
    from sdgraph.build.variable import Feeds

_BANDWIDTH_BYTES = 1 << 26


class PartTime(NamedTuple):
    """One part of a compiled function: the shortest of the measured times, and how much memory it moves."""

    part: str
    seconds: float
    bytes: int
    bandwidth: float
    """Bytes per second."""
    roofline: float
    """``bandwidth`` as a fraction of what copying a large array reaches on this machine."""


class Profile(NamedTuple):
    """The parts in the order they run, and the memory bandwidth they are compared with, in bytes per second."""

    parts: tuple[PartTime, ...]
    memory_bandwidth: float

    def __str__(self) -> str:
        """One line per part."""
        total = sum(p.seconds for p in self.parts) or 1.0
        lines = [f"memory bandwidth of this machine: {self.memory_bandwidth / 1e9:.1f} GB/s"]
        lines += [
            f"  {p.seconds * 1e6:10.1f} us {100 * p.seconds / total:5.1f} %  {p.bandwidth / 1e9:6.1f} GB/s "
            f"{100 * p.roofline:5.0f} % of roofline  {p.part}"
            for p in self.parts
        ]
        return "\n".join(lines)


def memory_bandwidth() -> float:
    """Bytes per second that copying a large array moves, read and written, with all threads that compiled code uses."""
    a = np.zeros(_BANDWIDTH_BYTES, np.uint8)
    b = np.ones_like(a)
    pieces = 64
    bounds = np.linspace(0, a.size, pieces + 1).astype(int)

    def copy(_: int, first: int, last: int) -> None:
        part = slice(bounds[first], bounds[last])
        np.copyto(b[part], a[part])

    best = min(_timed(lambda: threads.share(copy, 0, pieces)) for _ in range(5))
    return 2 * a.nbytes / best


def _timed(run: Any) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@readable
def profile(f: Executable, feeds: Feeds | None = None, *, repeat: int = 10) -> Profile:
    """Run a compiled function part by part and measure each.

    Args:
        f: A compiled function.
        feeds: Its feeds.
        repeat: How many runs; the shortest time of each part counts.

    Returns:
        The time of each part; printing it gives a table.

    Raises:
        EngineError: If the engine cannot tell its parts.
    """
    if not isinstance(f, Executable):
        raise ArgumentTypeError("Only compiled functions are measured.", given=shown(f), fix="Use sd.compile(...).")
    whole("repeat", repeat, least=1, message="repeat is a number of runs, 1 or more.")
    given = as_mapping(feeds)
    f.run(given)
    slots, parts = f.parts(given)
    if parts is None:
        raise EngineError(
            f"The engine {f.engine!r} cannot be measured part by part.", fix="Compile with engine='llvm'."
        )
    best = [float("inf")] * len(parts)
    for _ in range(max(1, repeat)):
        own = list(slots)
        for k, part in enumerate(parts):
            best[k] = min(best[k], _timed(partial(part.run, own)))
    peak = memory_bandwidth()
    return Profile(
        tuple(
            PartTime(part.title, seconds, part.bytes, part.bytes / seconds, part.bytes / seconds / peak)
            for part, seconds in zip(parts, best, strict=True)
        ),
        peak,
    )
