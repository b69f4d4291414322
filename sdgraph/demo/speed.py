"""Which engine runs compiled functions here, and what it gains over numpy on this computer.

Both engines take turns, and the median counts, so that whatever else the computer does meets both. Must not know what
a model computes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.demo.models import Model
from sdgraph.errors import MissingDependencyError
from sdgraph.run.executable import Executable
from sdgraph.samediff import SameDiff

_SECONDS = 0.25
"""Time for one function on both engines, after a first call of each."""

_MANY = 1_000_000


class Task(NamedTuple):
    """A value with its gradients, and what to feed for it."""

    name: str
    sd: SameDiff
    fetches: list[SDVariable]
    feeds: Mapping[str, Any]


def speed(models: Mapping[str, Model], feeds: Mapping[str, Any]) -> Iterator[str]:
    """Name the engine; if it is not numpy, also a table of times beside numpy's."""
    tasks = [Task(name, m.sd, [m.objective, *m.sd.grad(m.objective, m.weights)], feeds) for name, m in models.items()]
    tasks.append(_large_loss())
    engine = _first_call(tasks[0], "auto").engine
    if engine == "numpy":
        yield "Compiled functions ran on the engine numpy."
        yield from _what_is_missing(tasks[0])
        return
    yield f"Compiled functions ran on the engine {engine}, which fuses them into loops of machine code. A value with"
    yield "its gradients, on this computer, median of calls in turn with numpy:"
    yield ""
    width = max(len(task.name) for task in tasks)
    yield f"  {'function':<{width}}  {'numpy':>9}  {engine:>9}  {'gain':>5}"
    for task in tasks:
        on_numpy, fused = _times(task, ("numpy", engine))
        yield (
            f"  {task.name:<{width}}  {on_numpy * 1e6:>6,.0f} us  {fused * 1e6:>6,.0f} us  {on_numpy / fused:>4.1f}x"
        )


def _what_is_missing(task: Task) -> Iterator[str]:
    """Why it is not the fused engine, where that is for want of a package."""
    try:
        task.sd.compile(task.fetches, "llvm")
    except MissingDependencyError as e:
        yield f"{e.message} It makes them faster: `{e.fix}`."


def _large_loss() -> Task:
    sd = SameDiff()
    label, prediction = (sd.placeholder(name, (_MANY,)) for name in ("label", "prediction"))
    loss = sd.loss.huber_loss(label, prediction)
    rng = np.random.default_rng(1)
    feeds = {name: rng.normal(size=_MANY).astype(sd.dtype) for name in ("label", "prediction")}
    return Task(f"Huber loss of {_MANY:,} numbers", sd, [loss, sd.grad(loss, prediction)], feeds)


def _first_call(task: Task, engine: str) -> Executable:
    """The function, with what its first call compiles behind it."""
    f = task.sd.compile(task.fetches, engine)
    f(task.feeds)
    return f


def _times(task: Task, engines: tuple[str, ...]) -> list[float]:
    """Seconds that a call takes on each engine."""
    functions = [_first_call(task, engine) for engine in engines]
    found: list[list[float]] = [[] for _ in engines]
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end or len(found[0]) < 5:
        for f, times in zip(functions, found, strict=True):
            begin = time.perf_counter()
            f(task.feeds)
            times.append(time.perf_counter() - begin)
    return [statistics.median(times) for times in found]
