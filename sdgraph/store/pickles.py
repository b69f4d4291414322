"""Graphs in pickles: the bytes of a file, and where the ops of the user's are to be found.

A pickle runs code by its nature; what it holds of a graph goes through the checks of a file all the same. Must not know
how a file is written.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sdgraph.build.bodies import bodies_of
from sdgraph.build.op import Op
from sdgraph.errors import ArgumentTypeError
from sdgraph.ops.graph import OpGraph
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes

G = TypeVar("G", bound=OpGraph)


def reduced(sd: G, own: dict[str, Any]) -> tuple[Callable[..., G], tuple[Any, ...], dict[str, Any] | None]:
    """What a pickle keeps of a graph: how to make it again, and what was set on it."""
    return _restored, (type(sd), to_bytes(sd), [_place(op) for op in users_ops(sd)]), own or None


def users_ops(sd: OpGraph) -> list[Op]:
    """The ops of a user's that a graph has, each once."""
    graphs, found = [sd], {}
    while graphs:
        for node in graphs.pop().nodes:
            found |= dict.fromkeys(_users(node.op))
            graphs += [f.graph for f in bodies_of(node.attrs)]
    return list(found)


def _restored(make: type[G], data: bytes, places: list[Any]) -> G:
    ops = [op for place in places for op in (place.ops() if isinstance(place, _Place) else [place])]
    return from_bytes(make, data, "The pickled graph", ops)


def _users(op: Op) -> Iterator[Op]:
    """The op of a user's that an op is, or is the gradient of."""
    while op.gradient_of is not None:
        op = op.gradient_of.op
    written = op.body or op.kernel
    if not op.is_ours and callable(written) and not getattr(written, "__module__", "").startswith("sdgraph."):
        yield op


def _place(op: Op) -> Any:
    """Where a user's op is to be found: a place in a module, or the class or function itself.

    What stands in the program that is run goes as itself, so that cloudpickle sends its code; pickle sends its name.

    Raises:
        ArgumentTypeError: If no name leads to it.
    """
    maker: Any = op.owner or op.signature.fn
    place = _Place(maker.__module__, maker.__qualname__)
    found = place.ops()
    if op.owner is None and not any(getattr(x, "op", None) is op for x in found):
        raise ArgumentTypeError(
            f"The op {op.qualname} cannot be sent to another process: no name leads to it there.",
            given=f"{place.name} in the module {place.module}",
            fix="Define it at the top level of a module.",
        )
    if op.owner is not None and not any(x is op.owner for x in found):
        return op.owner  # Pickle refuses it with its name; cloudpickle sends its code.
    return found[0] if place.module == "__main__" else place


class _Place:
    """Where a module has an op: in the class that owns it, or as a function."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def ops(self) -> list[Any]:
        """What stands there, if the module can be imported; the error that lists unknown ops says the rest."""
        try:
            return [functools.reduce(getattr, self.name.split("."), importlib.import_module(self.module))]
        except (ImportError, AttributeError):
            return []
