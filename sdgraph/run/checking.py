"""Whose results are looked at for NaN and infinity: graphs, per thread and task. Must not know how to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_graphs: ContextVar[tuple[object, ...]] = ContextVar("_graphs", default=())
"""One entry for each open block."""


def is_checked(graph: object) -> bool:
    """Whether a block for this graph is open here."""
    return graph in _graphs.get()


@contextmanager
def checked(graph: object) -> Iterator[None]:
    """Look at the graph's results in this block. Blocks may end in another order than they began."""
    _graphs.set((*_graphs.get(), graph))
    try:
        yield
    finally:
        left = list(_graphs.get())
        if graph in left:
            left.remove(graph)
        _graphs.set(tuple(left))
