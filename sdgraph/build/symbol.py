"""What Python asks of numbers, and a variable of a graph cannot do, having no value yet; and what to write instead.

Rounding it can do: the results are nodes like those of operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from sdgraph.build import numpy_calls
from sdgraph.build.index_key import not_assigned
from sdgraph.errors import ArgumentTypeError

if TYPE_CHECKING:
    import numpy as np

_INSTEAD_OF_MATH: Final = "Inside the graph use sd.math instead of Python's math."


class Symbol:
    """Something with a name and without a value: what Python would need one for is an error."""

    __slots__ = ()

    if TYPE_CHECKING:
        sd: Any

        @property
        def name(self) -> str:
            """The name."""
            ...

    def _no_value(self, what: str, fix: str) -> NoReturn:
        raise ArgumentTypeError(
            f"{self.name!r} is a symbol: it has no {what} until it is evaluated.", given=repr(self), fix=fix
        )

    def __bool__(self) -> NoReturn:
        self._no_value(
            "truth value",
            "In the graph: sd.where(condition, a, b), sd.cond and sd.while_loop, & for and, | for or, ~ for not, "
            "sd.math.max and sd.math.min of two. Or test v.eval(feeds).",
        )

    def __round__(self, ndigits: int | None = None) -> Any:
        if ndigits:
            self._no_value("digits to round", f"Evaluate it first: v.eval(feeds).round({ndigits}).")
        return self.sd.math.round(self)

    def __floor__(self) -> Any:
        return self.sd.math.floor(self)

    def __ceil__(self) -> Any:
        return self.sd.math.ceil(self)

    def __iter__(self) -> Iterator[NoReturn]:
        self._no_value(
            "elements to loop over",
            "Use sd.unstack(v, axis=0), or loop over v.eval(feeds). v.sum(), v.max() and v.min() are in the graph.",
        )

    def __reversed__(self) -> NoReturn:
        self._no_value("elements to loop over", "Use v[::-1], or loop over v.eval(feeds).")

    def __contains__(self, value: object) -> NoReturn:
        self._no_value("elements to look through", "Use sd.any(v.eq(value)), or value in v.eval(feeds).")

    def __format__(self, spec: str) -> str:
        try:
            return format(str(self), spec)
        except ValueError:
            return self._no_value("number to write", f"Evaluate it first: {{v.eval(feeds):{spec}}}.")

    if TYPE_CHECKING:
        # To numpy's types, that an array leaves its operators to a variable.
        __array_ufunc__: ClassVar[None] = None
    else:
        # A type checker reports them, and knows that ``np.ones(3) @ v`` is no product of arrays.

        def __float__(self) -> NoReturn:
            self._no_value("number", f"Evaluate it first: float(v.eval(feeds)). {_INSTEAD_OF_MATH}")

        def __int__(self) -> NoReturn:
            self._no_value("number", f"Evaluate it first: int(v.eval(feeds)). {_INSTEAD_OF_MATH}")

        __index__ = __int__

        def __complex__(self) -> NoReturn:
            self._no_value("number", f"Evaluate it first: complex(v.eval(feeds)). {_INSTEAD_OF_MATH}")

        def __trunc__(self) -> NoReturn:
            self._no_value("number", "In the graph: sd.math.sign(v) * sd.math.floor(abs(v)).")

        def __len__(self) -> NoReturn:
            self._no_value("length", "Use v.shape[0] for a known size, or v.length() in the graph.")

        def __setitem__(self, key: Any, value: Any) -> NoReturn:
            raise not_assigned(self, key)

        def __delitem__(self, key: Any) -> NoReturn:
            raise not_assigned(self, key, deleted=True)

        def __array__(self, *_: Any, **__: Any) -> NoReturn:
            self._no_value("array", "Evaluate it first: v.eval(feeds). Inside the graph use sd.math instead of numpy.")

        def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
            return numpy_calls.operator(self, ufunc, method, inputs, keywords)

        def __array_function__(self, called: Any, types: Any, args: Any, keywords: Any) -> NoReturn:
            name = getattr(called, "__name__", str(called))
            numpy_calls.function(self, name, name)
