"""Which layers are being called, in which graph, and for training or not. One stack for each thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph
    from sdgraph.keras.layers.notes import Call


@dataclass(eq=False)
class Trace:
    """A call of a layer that has begun."""

    sd: AnyGraph
    layer: Any
    training: bool | None
    """Whether for training; None where the graph is for both."""
    call: Call
    """The outermost one."""
    outer: Trace | None
    scope: str
    built: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    """Layers that were built meanwhile, with what they were before."""

    def layers(self) -> tuple[Any, ...]:
        """The layers being called, the outermost first."""
        return (*(self.outer.layers() if self.outer is not None else ()), self.layer)


class _Stack(threading.local):
    top: Trace | None = None


_stack = _Stack()


def current() -> Trace | None:
    """The innermost call that has begun in this thread."""
    return _stack.top


@contextlib.contextmanager
def entered(trace: Trace) -> Iterator[None]:
    """Be within a call. Layers that were built in one that fails are as they were before."""
    before = _stack.top
    _stack.top = trace
    try:
        yield
        if before is not None:
            before.built += trace.built
    except BaseException:
        for layer, state in reversed(trace.built):
            layer.__dict__.clear()
            layer.__dict__.update(state)
        raise
    finally:
        _stack.top = before


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Be within no call: what is called in the block is called by itself."""
    before = _stack.top
    _stack.top = None
    try:
        yield
    finally:
        _stack.top = before
