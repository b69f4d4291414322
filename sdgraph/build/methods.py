"""What an op is to a type checker: called on a graph it makes variables, called on arrays it computes arrays.

For type checkers only: what the decorators make is a plain function. Must not know any op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, Self, TypeAlias, TypeVar, overload

import numpy as np

from sdgraph.build.namespace import OnArrays
from sdgraph.build.op import Op
from sdgraph.build.variable import SDVariable

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_V: TypeAlias = SDVariable
Array: TypeAlias = np.ndarray[Any, Any]


class OpMethod(Protocol[P, R]):
    """A method that is an op, as its decorator gives it to the class: ``P`` is what it takes, ``R`` what it makes."""

    op: Op

    @overload
    def __get__(self, of: None, owner: type) -> Self: ...
    @overload
    def __get__(self: OpMethod[P, _V], of: OnArrays, owner: type) -> Callable[P, Array]: ...
    @overload
    def __get__(self: OpMethod[P, tuple[_V, _V]], of: OnArrays, owner: type) -> Callable[P, tuple[Array, Array]]: ...
    @overload
    def __get__(
        self: OpMethod[P, tuple[_V, _V, _V]], of: OnArrays, owner: type
    ) -> Callable[P, tuple[Array, Array, Array]]: ...
    @overload
    def __get__(self: OpMethod[P, tuple[_V, ...]], of: OnArrays, owner: type) -> Callable[P, tuple[Array, ...]]: ...
    @overload
    def __get__(self, of: object, owner: type) -> Callable[P, R]: ...
    def __get__(self, of: Any, owner: type) -> Any:
        """On a graph's namespace the op itself, on that of arrays the same with arrays for variables."""

    # The op by itself: of a composite that stands outside of a class, for a graph.
    def __call__(self, sd: Any, /, *args: P.args, **keywords: P.kwargs) -> R: ...  # noqa: D102  (no code runs it)
