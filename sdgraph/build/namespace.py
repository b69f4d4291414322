"""Namespace, the base of everything ops hang on, and what it sees of its graph. Must not know any op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.docstrings import Shared, completed
from sdgraph.build.kinds import AnyGraph
from sdgraph.build.listing import as_html, as_text, ops_of
from sdgraph.build.op import register
from sdgraph.build.spelling.lacking import of_namespace
from sdgraph.build.variable import SDVariable


class Ops(Protocol):
    """A namespace as ops see it: whatever is called on it makes a variable."""

    def __getattr__(self, name: str) -> Callable[..., SDVariable]: ...


class GraphLike(Protocol):
    """A graph as ops see it. They are written with each other, so none of them can name a class that has all."""

    dtype: np.dtype[Any]
    seed: int
    nodes: list[Any]
    math: Ops
    nn: Ops
    cnn: Ops
    loss: Ops
    keras: Ops
    linalg: Ops
    random: Ops
    rnn: Ops
    bitwise: Ops
    image: Ops

    def apply(self, op: Any, operands: Sequence[Any], attrs: Mapping[str, Any] = ..., name: str | None = None) -> Any:
        """Append one call of an op."""
        ...

    def __getattr__(self, name: str) -> Callable[..., SDVariable]: ...


@readable
class Namespace:
    """Base of a group of ops. Subclass it with a ``prefix`` and decorated methods to add ops of your own.

    With ``shared``, which tells parameters that mean the same in all ops of the group, their docstrings get what they
    do not say themselves.

    Example:
        >>> from sdgraph import Namespace, SameDiff, composite
        >>> class Mine(Namespace, prefix="mine"):
        ...     @composite
        ...     def double(self, x: "Operand", *, name: str | None = None) -> SDVariable:
        ...         return x + x
        >>> sd = SameDiff()
        >>> Mine(sd).double(sd.constant("a", 2.0)).eval()
        array(4., dtype=float32)
    """

    sd: GraphLike
    prefix: ClassVar[str] = ""

    def __init__(self, sd: AnyGraph) -> None:
        self.sd = sd

    def __init_subclass__(cls, prefix: str | None = None, shared: Shared | None = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if prefix is None:
            return
        cls.prefix = prefix
        for member in vars(cls).values():
            op = getattr(member, "op", None)
            if op is not None:
                register(op, prefix, cls)
                if shared is not None and op.doc:
                    member.__doc__ = op.doc = completed(op.doc, op.signature.names, shared, op.infer)

    if not TYPE_CHECKING:  # To a type checker every name would be there.

        def __getattr__(self, name: str) -> Any:
            """Tell where an operation is, or how it is spelt, that is not there."""
            raise of_namespace(self, SDVariable, name)

    def __dir__(self) -> list[str]:
        """The ops: a user has the graph already."""
        return sorted({*super().__dir__()} - {"sd", "prefix"})

    @property
    def _called(self) -> str:
        """What users write for it."""
        if isinstance(self, OnArrays):
            return f"nd.{self.prefix}".rstrip(".")
        return f"sd.{self.prefix}" if vars(self.sd).get(self.prefix) is self else type(self).__name__

    def __repr__(self) -> str:
        return as_text(self._called, ops_of(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": as_html(self._called, ops_of(self))}

    def __call__(self) -> Self:
        """The namespace itself, so that code ported from Java may write ``sd.math()``."""
        return self


class OnArrays:
    """Base of a namespace, beside its class, whose ops compute arrays at once."""
