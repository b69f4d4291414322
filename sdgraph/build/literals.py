"""Operands that are Python or numpy values: the arrays that stand for them. Must not know graphs.

Only arrays bring a dtype. Numpy's scalars, such as ``np.sqrt(8)``, count as the Python numbers that they stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.op import Op
from sdgraph.errors import ArgumentTypeError, DTypeError, SDGraphError, shown
from sdgraph.infer.arrays import as_numbers, converted, own_array
from sdgraph.infer.aval import Aval

FLOATING: Final = "float32"
"""The dtype of Python numbers where nobody chose another."""

_SCALARS = (bool, int, float, complex)
_KINDS = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
_INT64 = np.dtype("int64")


def dtypes_of(op: Op, operands: Sequence[Any], avals: Sequence[Aval | None]) -> list[np.dtype[Any]]:
    """The dtypes that a call has already, of its variables and its arrays.

    An operand that has a dtype of its own, as labels and indices have, says nothing of the others.
    """
    if op.literals:
        others = [k for k, name in enumerate(op.operand_names) if name not in op.literals]
        operands, avals = [operands[k] for k in others], [avals[k] for k in others]
    found = [a.dtype for a in avals if a is not None]
    return found + [x.dtype for x in operands if isinstance(x, np.ndarray)]


def python_number(x: Any) -> Any:
    """A scalar of numpy's as the Python number of its value; anything else as it is.

    Example:
        >>> python_number(np.float32(0.5)), python_number(np.int8(3)), python_number([1, 2])
        (0.5, 3, [1, 2])
    """
    return x.item() if isinstance(x, np.number | np.bool) else x


def operand_array(
    op: Op, k: int, x: Any, dtypes: Sequence[np.dtype[Any]], floating: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """The array for operand ``k`` of a call whose operands have these dtypes.

    Raises:
        ArgumentTypeError: If there is none.
    """
    name = op.operand_names[0 if op.variadic else k]
    try:
        return literal(x, op.literals.get(name), dtypes, floating)
    except (SDGraphError, TypeError, ValueError, OverflowError) as e:
        if isinstance(x, list | tuple) and any(type(v).__name__ == "SDVariable" for v in x):
            raise ArgumentTypeError(
                f"{op.qualname} takes one variable as its operand {name!r}, not several.",
                given=f"{type(x).__name__}: {shown(x)}",
                fix="Take one of them: x[0] is the first. Or join them, with sd.stack(*x) or sd.concat(*x).",
            ) from None
        raise not_an_operand(op, k, x, e) from e


def literal(
    x: Any, dtype: str | None, others: Sequence[np.dtype[Any]], floating: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """A Python value in the dtype of the other operands, if it is one of its values; arrays keep theirs.

    Args:
        x: A number, one of numpy's included, an array, or what numpy makes one of.
        dtype: The one it must have, if there is only one.
        others: The dtypes of the other operands.
        floating: That of a graph's own numbers, for a value that stands alone.
    """
    if isinstance(x, np.ndarray):
        return own_array(x)
    x = python_number(x)
    array = None if isinstance(x, _SCALARS) else as_numbers(x)
    if dtype is not None:
        array = as_numbers(x) if array is None else array
        fixed = np.dtype(dtype)
        if array.dtype.kind != "f" or fixed.kind not in "iu":
            return converted(array, fixed, literal=np.can_cast(array.dtype, fixed, "same_kind"))
        # Floats where integers belong stay what they are: the op knows what they may have been meant for.
    kind = type(x) if array is None else _KINDS[array.dtype.kind]
    if others:
        # What is floating decides alone: of integers, as labels may be, and a float32 numpy makes a float64.
        floats = [d for d in others if d.kind in "fc"]
        wanted = np.result_type(*(floats or others), x if array is None else kind(0))
    else:
        wanted = np.dtype(bool) if kind is bool else np.result_type(floating, kind(0))
    if array is None:
        return _scalar(x, wanted)
    try:
        return converted(array, wanted, literal=True)
    except DTypeError:
        # As for a scalar: integers that the other operand cannot hold make it a wider one.
        if array.dtype.kind not in "iu" or wanted.kind not in "iu":
            raise
        return converted(array, _INT64, literal=True)


def not_an_operand(op: Op, k: int, x: Any, why: Exception | None = None) -> SDGraphError:
    """The error for a value that no operand can be."""
    told = why if isinstance(why, SDGraphError) else None
    name = op.operand_names[0 if op.variadic else k]
    return ArgumentTypeError(
        f"{op.qualname} cannot use its operand {name!r}." + (f" {told.message}" if told else ""),
        given=(told.given if told else None) or f"{type(x).__name__}: {shown(x)}",
        expected="an SDVariable of this graph, a number, or an array of numbers",
        fix=told.fix if told else None,
    )


def _scalar(x: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A Python number as an array; an integer that the dtype cannot hold becomes int64."""
    try:
        with np.errstate(over="raise"):
            return np.asarray(x, dtype)
    except OverflowError:
        return np.asarray(x, _INT64)
    except FloatingPointError as e:
        raise DTypeError(
            f"{shown(x)} is no value of {dtype.name}.",
            fix="Use a wider dtype, such as float64: cast the other operand, or give an array of that dtype.",
        ) from e
