"""Where a compiled function spends its time, and how near that comes to what the computer can do.

Knows what parts do at least and how the limits of a computer are measured; must not know any engine.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sdgraph.errors import EngineError
from sdgraph.infer.aval import Aval
from sdgraph.ops.graph import OpGraph
from sdgraph.plan.schedule import make_plan
from sdgraph.run.engines import threads
from sdgraph.run.engines.choice import compile_plan, limits
from sdgraph.run.engines.interface import Part
from sdgraph.run.engines.limits import Limits, Need, Touch, Work, distances, need
from sdgraph.run.slots import Slots
from sdgraph.wording import byte_size, counted, duration, html_table, text_table

_HEADINGS = ("part", "holds", "time", "share", "moves", "needs", "bound", "of limit")
_RIGHT = frozenset(("time", "share", "moves", "needs", "of limit"))
_MOST_NAMES = 3
_MOST_ROWS = 60
"""Parts that a table shows: those that take longest."""
_DOUBT = 1.1
"""By how much a part may be quicker than its limit before that is measured again."""


class PartTime(NamedTuple):
    """One part of a compiled function: the shortest of the measured times, and what this computer needs for it."""

    part: str
    holds: tuple[str, ...]
    """The variables whose operations it has."""
    seconds: float
    bytes: int
    """What it reads and writes of memory."""
    needs: float
    """Seconds that this computer needs at least: the longest of memory, arithmetic and a call that does nothing."""
    bound: str
    """Which of them that is: ``"L2"``, ``"L3"``, ``"memory"``, ``"arithmetic"`` or ``"call"``."""

    @property
    def bandwidth(self) -> float:
        """Bytes per second."""
        return self.bytes / self.seconds

    @property
    def of_limit(self) -> float:
        """``needs / seconds``: 1 for what is as quick as it can be."""
        return self.needs / self.seconds

    @property
    def to_gain(self) -> float:
        """Seconds above what this computer needs."""
        return max(self.seconds - self.needs, 0.0)


class Profile(NamedTuple):
    """The parts in the order they run, how long a whole call takes, and the limits that they are compared with.

    It shows itself as a table: of each part its variables, its time, what share of all that is, how many bytes it
    moves, how long this computer needs for it, what that is bound by, and how near the part comes to it.
    """

    parts: tuple[PartTime, ...]
    call: float
    """The shortest time of a whole call."""
    limits: tuple[Limits, ...]
    """What one thread can do, and what all threads can do together."""

    @property
    def seconds(self) -> float:
        """The time of all parts together."""
        return sum(p.seconds for p in self.parts)

    @property
    def needs(self) -> float:
        """What this computer needs for all parts."""
        return sum(p.needs for p in self.parts)

    @property
    def memory_bandwidth(self) -> float:
        """Bytes per second that all threads move in memory, as much read as written."""
        return 1 / self.limits[-1].places[-1].seconds[2]

    def farthest(self) -> list[PartTime]:
        """The parts by the time that lies between them and their limits, most first."""
        return sorted(self.parts, key=lambda p: p.to_gain, reverse=True)

    def _shown(self) -> list[PartTime]:
        longest = sorted(self.parts, key=lambda p: p.seconds, reverse=True)[:_MOST_ROWS]
        chosen = set(map(id, longest))
        return [p for p in self.parts if id(p) in chosen]

    def _rows(self) -> list[tuple[str, ...]]:
        total = self.seconds or 1.0
        return [
            (
                p.part,
                _names(p.holds),
                duration(p.seconds),
                f"{p.seconds / total:.1%}",
                byte_size(p.bytes),
                duration(p.needs),
                p.bound,
                f"{p.of_limit:.0%}",
            )
            for p in self._shown()
        ]

    def _below(self) -> list[str]:
        parts = f"{counted(len(self.parts), 'part')} in {duration(self.seconds)}"
        if self.parts:
            parts += f"; this computer needs {duration(self.needs)}, {self.needs / self.seconds:.0%}"
        farthest = [f"{p.part} {' '.join(p.holds[:1])} {duration(p.to_gain)}" for p in self.farthest()[:_MOST_NAMES]]
        more = [f"most to gain: {', '.join(farthest)}"] if len(self.parts) > _MOST_NAMES else []
        return [parts, *more, f"a whole call: {duration(self.call)}", *map(_told, self.limits)]

    def __repr__(self) -> str:
        lines = text_table(_HEADINGS, self._rows(), _RIGHT)
        left = len(self.parts) - len(lines) + 2
        lines += [f"… {left:,} more parts"] if left else []
        return "\n".join([*lines, lines[1], *self._below()])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        rows = self._rows()
        return html_table(_HEADINGS, rows, _RIGHT, self._below(), len(self.parts) - len(rows))


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _told(limits: Limits) -> str:
    """The limits of some threads in a line."""
    moved = [f"{place.name} {byte_size(round(1 / place.seconds[1]))}/s" for place in limits.places]
    flops = 2 * limits.vector / 4 / limits.product
    return f"{counted(limits.threads, 'thread')}: {', '.join(moved)} for a + b -> c; {flops / 1e9:.3g} GFLOP/s"


# ---------------------------------------------------------------------- measuring


class Measurable(NamedTuple):
    """A compiled function that is ready to be measured, with its feeds."""

    engine: str
    run: Callable[[], object]
    """A whole call."""
    settle: Callable[[], None]
    """Waits until it is as quick as it becomes."""
    slots: Sequence[Any]
    """What a run starts from."""
    parts: Sequence[Part] | None
    alive: int
    """Bytes of results that are there at the same time, at most."""


def profiled(f: Measurable, repeat: int) -> Profile:
    """Each part of a function by itself, in the order they run, several times; the shortest times count."""
    if f.parts is None:
        raise EngineError(
            f"The engine {f.engine!r} cannot be measured part by part.", fix="Compile with engine='llvm' or 'numpy'."
        )
    f.settle()
    f.run()
    call = min(_timed(f.run) for _ in range(repeat))
    best = [float("inf")] * len(f.parts)
    for _ in range(repeat):
        own = list(f.slots)
        for k, part in enumerate(f.parts):
            best[k] = min(best[k], _timed(partial(part.run, own)))
    least, used = _needs(f, best)
    found = zip(f.parts, best, least, strict=True)
    return Profile(
        tuple(PartTime(p.title, p.holds, max(t, 1e-9), p.bytes, n.seconds, n.bound) for p, t, n in found), call, used
    )


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _needs(f: Measurable, best: Sequence[float]) -> tuple[list[Need], tuple[Limits, ...]]:
    """What each part needs at least, and the limits that it follows from."""
    works = [_work(k, part) for k, part in enumerate(f.parts or ())]
    away = distances([w.touches for w in works], _memory(works) + f.alive)
    counts = sorted({1, threads.get_num_threads()})

    def found(*, again: bool) -> tuple[list[Need], tuple[Limits, ...]]:
        known = tuple(limits(count, again=again) for count in counts)
        needs = [
            need(w, zip(w.touches, far, strict=True), known[-1 if w.is_shared else 0], overhead(part.engine))
            for w, far, part in zip(works, away, f.parts or (), strict=True)
        ]
        return needs, known

    needs, known = found(again=False)
    # Limits that were measured while the computer had something else to do are too low; parts show it.
    if any(n.seconds > _DOUBT * t for n, t in zip(needs, best, strict=True) if n.bound != "call"):
        needs, known = found(again=True)
    return needs, known


def _work(k: int, part: Part) -> Work:
    """What a part does; of one whose engine tells only bytes, these."""
    return part.does if part.does is not None else Work((Touch(-1 - k, part.bytes, 0),))


def _memory(works: Sequence[Work]) -> int:
    """Bytes of arrays that are read and that no part makes."""
    touches = [t for w in works for t in w.touches]
    made = {t.value for t in touches if t.written}
    given = {t.value: t.read for t in touches if t.value not in made}
    return sum(given.values())


@functools.cache
def overhead(engine: str) -> float:
    """Seconds that a part takes which has as good as nothing to do."""
    sd = OpGraph()
    x = sd.placeholder("x", (1,))
    plan = make_plan(sd, [(x + x).id], {x.id: Aval((1,), np.dtype("float32"))}, ("y",))
    program, _ = compile_plan(plan, engine, check_numerics=False)
    program.settle()
    slots = Slots(plan, program.n_slots).filled({x.id: np.ones(1, np.float32)}, sd.values, 0)
    parts = program.parts()
    assert parts is not None
    (part,) = parts
    return min(_timed(partial(part.run, list(slots))) for _ in range(200))
