"""Measuring where a compiled function spends its time.

Knows that an engine may tell its parts; must not know any engine.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.feeding import as_mapping
from sdgraph.checks import whole
from sdgraph.errors import ArgumentTypeError, EngineError, shown
from sdgraph.run.engines import threads
from sdgraph.run.executable import Executable
from sdgraph.wording import byte_size, counted, duration, html_table, text_table

if TYPE_CHECKING:
    from sdgraph.build.variable import Feeds

_BANDWIDTH_BYTES = 1 << 26
_HEADINGS = ("part", "time", "share", "moves", "bandwidth", "of roofline")
_RIGHT = frozenset(_HEADINGS[1:])


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
    """The parts in the order they run, and the memory bandwidth they are compared with, in bytes per second.

    It shows itself as a table: of each part the time, what share of all that is, how many bytes it moves and how fast,
    and how near that comes to what the memory can do.
    """

    parts: tuple[PartTime, ...]
    memory_bandwidth: float

    @property
    def seconds(self) -> float:
        """The time of all parts together."""
        return sum(p.seconds for p in self.parts)

    def _rows(self) -> list[tuple[str, ...]]:
        total = self.seconds or 1.0
        return [
            (
                p.part,
                duration(p.seconds),
                f"{p.seconds / total:.1%}",
                byte_size(p.bytes),
                f"{byte_size(round(p.bandwidth))}/s",
                f"{p.roofline:.0%}",
            )
            for p in self.parts
        ]

    def _below(self) -> list[str]:
        return [
            f"{counted(len(self.parts), 'part')} in {duration(self.seconds)}",
            f"memory bandwidth of this machine, the roofline: {byte_size(round(self.memory_bandwidth))}/s",
        ]

    def __repr__(self) -> str:
        lines = text_table(_HEADINGS, self._rows(), _RIGHT)
        return "\n".join([*lines, lines[1], *self._below()])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, self._rows(), _RIGHT, self._below())


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
        The time of each part; a notebook and ``print`` show a table.

    Raises:
        ArgumentTypeError: If ``f`` is no compiled function.
        EngineError: If the engine cannot tell its parts.

    Example:
        >>> import sdgraph
        >>> sd = sdgraph.SameDiff()
        >>> f = sd.compile((sd.placeholder("x", ("n",)) ** 2).sum(), engine="llvm")
        >>> sdgraph.profile(f, {"x": [1.0, 2.0]})
        part...time...share...moves...bandwidth  of roofline
        ----...
        1 part in ...
        memory bandwidth of this machine, the roofline: .../s
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
