"""Graphs in pickles: the bytes of a file, and where the ops of the user's are to be found.

A pickle runs code by its nature; what it holds of a graph goes through the checks of a file all the same. Must not know
how a file is written.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sdgraph.build.op import Op
from sdgraph.ops.graph import OpGraph
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes

G = TypeVar("G", bound=OpGraph)


def reduced(sd: G, own: dict[str, Any]) -> tuple[Callable[..., G], tuple[Any, ...], dict[str, Any] | None]:
    """What a pickle keeps of a graph: how to make it again, and what was set on it."""
    ops = {op: None for node in sd.nodes for op in _users(node.op)}
    return _restored, (type(sd), to_bytes(sd), [_Place.of(op) for op in ops]), own or None


def _restored(make: type[G], data: bytes, places: list[_Place]) -> G:
    return from_bytes(make, data, ops=[op for place in places for op in place.ops()])


def _users(op: Op) -> Iterator[Op]:
    """The op of a user's that an op is, or is the gradient of."""
    while op.gradient_of is not None:
        op = op.gradient_of.op
    written = op.body or op.kernel
    if not op.is_ours and callable(written) and not getattr(written, "__module__", "").startswith("sdgraph."):
        yield op


class _Place:
    """Where a module has an op: in the class that owns it, or as a function."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    @classmethod
    def of(cls, op: Op) -> _Place:
        """The place of a user's op."""
        found: Any = op.owner or op.signature.fn
        return cls(found.__module__, found.__qualname__)

    def ops(self) -> list[Any]:
        """What stands there, if the module can be imported; the error that lists unknown ops says the rest."""
        try:
            return [functools.reduce(getattr, self.name.split("."), importlib.import_module(self.module))]
        except (ImportError, AttributeError):
            return []
