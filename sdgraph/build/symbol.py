"""What a variable of a graph cannot do in Python, having no value yet, and what to write instead. Must not know ops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from sdgraph.errors import ArgumentTypeError


class Symbol:
    """Something with a name and without a value: what Python would need one for is an error."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def name(self) -> str:
            """The name."""
            ...

    def _no_value(self, what: str, fix: str) -> NoReturn:
        raise ArgumentTypeError(
            f"{self.name!r} is a symbol: it has no {what} until it is evaluated.", given=repr(self), fix=fix
        )

    def __bool__(self) -> NoReturn:
        self._no_value("truth value", "Use sd.where(condition, a, b) in the graph, or test v.eval(feeds).")

    def __iter__(self) -> Iterator[NoReturn]:
        self._no_value("elements to loop over", "Use sd.unstack(v, axis=0), or loop over v.eval(feeds).")

    if not TYPE_CHECKING:
        # A type checker reports them, and knows that ``np.ones(3) @ v`` is no product of arrays.

        def __float__(self) -> NoReturn:
            self._no_value("number", "Evaluate it first: float(v.eval(feeds)).")

        def __int__(self) -> NoReturn:
            self._no_value("number", "Evaluate it first: int(v.eval(feeds)).")

        __index__ = __int__

        def __len__(self) -> NoReturn:
            self._no_value("length", "Use v.shape[0] for a known size, or v.length() in the graph.")

        def __array__(self, *_: Any, **__: Any) -> NoReturn:
            self._no_value("array", "Evaluate it first: v.eval(feeds). Inside the graph use sd.math instead of numpy.")
