"""Abstract values: what is known of an array before it exists, its shape and its dtype.

Knows shapes with unknown dimensions, broadcasting and numpy's promotion. Must not know ops or graphs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, shown
from sdgraph.infer.names import EXPECTED, is_short, is_writable
from sdgraph.wording import did_you_mean

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Dim: TypeAlias = int | str | None
"""A dimension: a size, the name of an unknown size, or None for an unnamed unknown size."""

Shape: TypeAlias = tuple[Dim, ...]

MAX_RANK = 64
"""Dimensions that numpy's arrays can have."""

MAX_SIZE = 2**64
"""More than any array has: a run says that there is no room for it. A larger number is no size at all."""


class Aval(NamedTuple):
    """Abstract value: shape and dtype of an array that does not exist yet."""

    shape: Shape
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.dtype.name} {shape_str(self.shape)}"

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a known size."""
        return all(type(d) is int for d in self.shape)

    @property
    def size(self) -> int:
        """The number of elements; only for known sizes."""
        return math.prod(d for d in self.shape if isinstance(d, int))

    @property
    def nbytes(self) -> int:
        """The number of bytes; only for known sizes."""
        return self.size * self.dtype.itemsize


def shape_str(shape: Sequence[Dim]) -> str:
    """A shape as a user writes it.

    Example:
        >>> shape_str((None, "time", 3))
        '(?, time, 3)'
    """
    inner = ", ".join("?" if d is None else str(d) for d in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def as_shape(shape: Iterable[Dim] | int | str | None) -> Shape:
    """Check a user's shape and bring it into its one form; -1 and None both mean unknown.

    Example:
        >>> as_shape([-1, 3]), as_shape(4), as_shape(("batch", 2))
        ((None, 3), (4,), ('batch', 2))
    """
    if shape is None:
        return ()
    try:
        dims = [shape] if isinstance(shape, int | str | np.integer) else list(shape)
    except Exception as e:
        raise ArgumentTypeError("This is no shape.", given=shown(shape), expected="a sequence of sizes") from e
    if len(dims) > MAX_RANK:
        raise ArgumentError(f"Arrays have at most {MAX_RANK} dimensions.", given=f"{len(dims)} sizes")
    out: list[Dim] = []
    for d in dims:
        if d is None or (isinstance(d, str) and d and is_short(d) and is_writable(d)):
            out.append(d)
        elif is_whole(d, -1, MAX_SIZE):
            out.append(None if d == -1 else int(d))
        else:
            raise ArgumentError(
                "A shape has a dimension that is none.",
                given=shown(shape),
                expected=f"whole numbers >= 0, names, and None or -1 for unknown sizes; a name has {EXPECTED}",
            )
    return tuple(out)


def known_size(n: int) -> int:
    """A number of elements that is known; raises ArgumentError for one that no array has."""
    as_shape(n)
    return n


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """A user's dtype as a numpy dtype; numbers and bools only."""
    try:
        result = np.dtype(dtype)
    except Exception as e:
        raise _no_dtype(dtype) from e
    if result.name == "bfloat16":  # Some libraries register it with numpy.
        raise _no_dtype(dtype)
    if result.kind not in "fiubc" or dtype is None:
        raise DTypeError(
            "Arrays hold numbers or bools.", given=shown(dtype), expected="a float, integer, complex or bool dtype"
        )
    # The object that numpy has for it, not one that equals it: calls look for the same object.
    return result if result.isnative else result.newbyteorder("=")


_DTYPES: Final = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
_OTHER_NAMES: Final = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "HALF": "float16",
    "LONG": "int64",
    "INT": "int32",
    "SHORT": "int16",
    "BYTE": "int8",
    "UBYTE": "uint8",
    "BOOL": "bool",
    "integer": "int64",
    "boolean": "bool",
}
"""What other libraries call a dtype, SameDiff's data types first, where numpy does not know the name."""


def _no_dtype(dtype: Any) -> DTypeError:
    return DTypeError(
        f"There is no data type {shown(dtype)}.",
        expected='a numpy dtype such as "float32"',
        fix=_meant_dtype(dtype if isinstance(dtype, str) else shown(dtype)),
    )


def _meant_dtype(name: str) -> str | None:
    """A hint for a dtype of another library, such as ``torch.float32``, or a misspelt one."""
    name = name.rpartition(".")[2]
    if "bfloat16" in name.lower():
        return "Numpy has no bfloat16; 'float32' holds all its values."
    known = _OTHER_NAMES.get(name)
    return f"Did you mean {known!r}?" if known else did_you_mean(name, _DTYPES)


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether values of this dtype carry gradients."""
    return dtype.kind in "fc"


@functools.cache
def promote(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Numpy's common dtype of two."""
    return np.promote_types(a, b)


@functools.cache
def ufunc_dtype(ufunc: np.ufunc, dtypes: tuple[np.dtype[Any], ...]) -> np.dtype[Any]:
    """The dtype a numpy ufunc returns for operands of these dtypes."""
    try:
        return ufunc.resolve_dtypes((*dtypes, None))[-1]
    except TypeError as e:
        raise DTypeError(
            f"{ufunc.__name__} is not defined for these data types.",
            given=", ".join(d.name for d in dtypes),
            fix="Cast the operands first, for example x.cast('float32').",
        ) from e


class TurnedOne(str):
    """An unknown size that turned out to be 1: to shape rules still a name, as it was when the graph was built.

    Whoever runs a rule again to learn whether it would broadcast that size marks it with this, which remembers the
    operand and the axis it belongs to. Two without a name are equal, as None is to None.
    """

    operand: int
    axis: int

    @classmethod
    def of(cls, dim: str | None, operand: int, axis: int) -> TurnedOne:
        """The mark of an unknown dimension of an operand."""
        mark = cls("?" if dim is None else dim)
        mark.operand, mark.axis = operand, axis
        return mark


class UnknownBroadcastError(Exception):
    """A size marked as `TurnedOne` met another size in a broadcast. Never leaves the package."""

    def __init__(self, mark: TurnedOne, size: int) -> None:
        super().__init__(mark, size)
        self.mark = mark
        self.size = size


def _broadcast_dim(a: Dim, b: Dim) -> Dim:
    """One broadcast dimension. An unknown one counts as equal to the other, never as 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if type(a) is int:
        if type(b) is int:
            raise ValueError
        if type(b) is TurnedOne:
            raise UnknownBroadcastError(b, a)
        return a
    if type(b) is int:
        if type(a) is TurnedOne:
            raise UnknownBroadcastError(a, b)
        return b
    return a if a is not None else b


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Broadcast shapes as numpy does; raises ShapeError with all of them.

    Example:
        >>> broadcast_shapes((3, 1), (4,)), broadcast_shapes((None, 4), (1, 4))
        ((3, 4), (None, 4))
    """
    result = shapes[0]
    for other in shapes[1:]:
        if other == result or not other:
            continue
        if not result:
            result = other
            continue
        n = max(len(result), len(other))
        a, b = (1,) * (n - len(result)) + result, (1,) * (n - len(other)) + other
        try:
            result = tuple(map(_broadcast_dim, a, b))
        except ValueError:
            raise ShapeError(
                "These shapes do not broadcast.",
                given=" and ".join(shape_str(s) for s in shapes),
                expected="shapes whose dimensions, compared from the last, are equal or 1",
                fix="Reshape one of them, for example (n,) to (n, 1).",
            ) from None
    return result


def broadcasts_to(shape: Shape, target: Shape) -> bool:
    """Whether an array of a shape broadcasts to another shape, as far as the sizes are known.

    Example:
        >>> broadcasts_to((3,), (2, 3)), broadcasts_to((2, 3), (1, 3)), broadcasts_to((None,), (2, 3))
        (True, False, True)
    """
    if len(shape) > len(target):
        return False
    joint = broadcast_shapes(shape, target)
    return not any(b == 1 and a != 1 for a, b in zip(joint, target, strict=True))


def compatible(symbolic: Sequence[Dim], concrete: Sequence[int]) -> bool:
    """Whether a concrete shape is one that the symbolic shape allows."""
    return len(symbolic) == len(concrete) and all(
        type(d) is not int or d == n for d, n in zip(symbolic, concrete, strict=True)
    )


def normalize_axis(axis: Any, ndim: int, *, what: str = "axis") -> tuple[int, ...]:
    """Axes as a sorted tuple of non-negative integers; None means all.

    Example:
        >>> normalize_axis(-1, 3), normalize_axis(None, 2), normalize_axis((1, 0), 2)
        ((2,), (0, 1), (0, 1))
    """
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int) else axis
    if not isinstance(axes, tuple) or not all(isinstance(k, int) and type(k) is not bool for k in axes):
        raise ArgumentTypeError(
            f"{what} is not an axis.",
            given=shown(axis),
            expected="an integer, several, or None",
            fix="Give flags by name, such as keepdims=True." if type(axis) is bool else None,
        )
    out = sorted(k + ndim if k < 0 else k for k in axes)
    if any(k < 0 or k >= ndim for k in out):
        raise ArgumentError(
            f"{what} is out of range.", given=f"{what}={shown(axis)} for an array of rank {ndim}", expected=_range(ndim)
        )
    if len(set(out)) != len(out):
        raise ArgumentError(f"{what} names an axis twice.", given=shown(axis))
    return tuple(out)


def _range(ndim: int) -> str:
    return f"an axis between {-ndim} and {ndim - 1}" if ndim else "no axis: a scalar has none"
