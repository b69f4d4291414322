"""Shapes of which some sizes are known only when the graph runs: ``ops.zeros((ops.shape(x)[0], 3))``.

Such a size knows the variable and the axis that it is read from. In a shape it stands for that axis; in arithmetic
it is a whole number as a variable. Knows no function.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.infer.aval import as_dtype
from sdgraph.keras.config import floatx

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Shape: TypeAlias = Any
"""A sequence of sizes, or one size: whole numbers, and `Size` objects where a size is unknown."""


class Size:
    """The size of one axis of a variable, known when the graph runs.

    It equals None, as unknown sizes read in a shape, and itself. Arithmetic with it gives variables.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.keras import ops
        >>> sd = SameDiff()
        >>> x = sd.placeholder("x", (None, 3))
        >>> batch = ops.shape(x)[0]
        >>> (batch * 2).eval({x: [[1.0, 2.0, 3.0]]})
        array(2, dtype=int32)
    """

    __slots__ = ("axis", "x")
    __array_ufunc__ = None

    def __init__(self, x: SDVariable, axis: int) -> None:
        self.x = x
        self.axis = axis

    def as_operand(self) -> SDVariable:
        """The size as an int32 variable."""
        return self.x.sd.axis_size(self.x, self.axis, "int32")

    def zeros(self, dtype: Any) -> SDVariable:
        """As many zeros as the size says."""
        x = self.x.sd.zeros_like(self.x, dtype)
        others = [k for k in range(x.ndim) if k != self.axis]
        return x.sd.sum(x, others) if others else x

    def __index__(self) -> NoReturn:
        raise ArgumentTypeError(
            "This size is known only when the graph runs.",
            given=repr(self),
            fix="Use it in a shape, as in ops.zeros((size, 3)), or in arithmetic.",
        )

    def __repr__(self) -> str:
        return f"<size of axis {self.axis} of {self.x.name!r}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Size):
            return self.x is other.x and self.axis == other.axis
        return other is None

    def __hash__(self) -> int:
        return hash(None)

    def __add__(self, other: Any) -> SDVariable:
        return self.as_operand() + other

    def __radd__(self, other: Any) -> SDVariable:
        return other + self.as_operand()

    def __sub__(self, other: Any) -> SDVariable:
        return self.as_operand() - other

    def __rsub__(self, other: Any) -> SDVariable:
        return other - self.as_operand()

    def __mul__(self, other: Any) -> SDVariable:
        return self.as_operand() * other

    def __rmul__(self, other: Any) -> SDVariable:
        return other * self.as_operand()

    def __truediv__(self, other: Any) -> SDVariable:
        return self.as_operand() / other

    def __rtruediv__(self, other: Any) -> SDVariable:
        return other / self.as_operand()

    def __floordiv__(self, other: Any) -> SDVariable:
        return self.as_operand() // other

    def __mod__(self, other: Any) -> SDVariable:
        return self.as_operand() % other


class Sizes(tuple[Any, ...]):
    """The shape of a variable: a tuple that knows whose shape it is."""

    x: SDVariable


def shape_of(x: SDVariable) -> Sizes:
    """The sizes of a variable; a `Size` where one is unknown."""
    sizes = Sizes(Size(x, k) if d is None else d for k, d in enumerate(x.shape))
    sizes.x = x
    return sizes


def entries(shape: Shape) -> tuple[Any, ...]:
    """A shape as a tuple of whole numbers, None and sizes.

    Raises:
        ArgumentTypeError: If it holds something else.
    """
    if isinstance(shape, SDVariable | Size) or not isinstance(shape, Iterable):
        shape = (shape,)
    out = []
    for d in shape:
        if isinstance(d, np.ndarray) and d.shape == () and d.dtype.kind in "iu":
            d = int(d)
        if not (d is None or isinstance(d, Size) or is_whole(d)):
            raise ArgumentTypeError(
                "A shape is made of whole numbers.",
                given=shown(d),
                expected="whole numbers, or entries of ops.shape(x)",
            )
        out.append(int(d) if is_whole(d) else d)
    return tuple(out)


def filled(shape: Shape, value: float | bool, dtype: DTypeLike | None) -> Any:
    """An array of one value, or a variable of it if a size of the shape is unknown."""
    sizes = entries(shape)
    if not any(isinstance(d, Size) for d in sizes):
        return np.full(sizes, value, as_dtype(dtype or floatx()))
    zeros = blank(sizes, dtype)
    return zeros.sd.full_like(zeros, value)


def blank(sizes: Sequence[Any], dtype: DTypeLike | None) -> SDVariable:
    """A variable of zeros whose shape has unknown sizes."""
    unknown = [(k, d) for k, d in enumerate(sizes) if isinstance(d, Size)]
    sd = unknown[0][1].x.sd
    chosen = as_dtype(dtype or sd.dtype)
    out = sd.fill([1 if isinstance(d, Size) else d for d in sizes], 0, chosen)
    for k, d in unknown:
        out = out + sd.reshape(d.zeros(chosen), [None if j == k else 1 for j in range(len(sizes))])
    return out


def reshaped(x: SDVariable, shape: Shape) -> SDVariable:
    """A variable in another shape; where its unknown sizes are those of the shape, -1 is what is left of the others."""
    sizes = list(entries(shape))
    own = [d for d in x.shape if type(d) is int]
    open_ = [k for k, d in enumerate(sizes) if d is None or isinstance(d, Size)]
    if -1 in sizes and open_ and len(open_) == len(x.shape) - len(own):
        given = math.prod(d for d in sizes if type(d) is int and d != -1)
        if given and math.prod(own) % given == 0:
            sizes[sizes.index(-1)] = math.prod(own) // given
    several = len(open_) > 1 or len(x.shape) - len(own) > 1
    if several and open_ and all(isinstance(sizes[k], Size) for k in open_) and -1 not in sizes:
        # Of one size that is left open alone nobody would see that it is another one.
        return x.sd.reshape_like(x, blank(sizes, x.dtype))
    return x.sd.reshape(x, [None if isinstance(d, Size) else d for d in sizes])


__all__ = ["Shape", "Size", "Sizes", "blank", "entries", "filled", "reshaped", "shape_of"]
