"""From what users give to arrays of numbers, and whether numbers can be those of a dtype.

The one place for feeds, values of variables, constants and operands. Must not know which of them it reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.errors import DTypeError, SDGraphError, ShapeError, shown
from sdgraph.infer.aval import as_dtype, shape_str
from sdgraph.infer.not_numbers import position, reason

_FILL = "Fill it, for example a.filled(0), and give the mask itself where it counts: as weights, or to sd.where."


def as_numbers(x: Any, *, copy: bool | None = None, what: str = "This value") -> np.ndarray[Any, Any]:
    """An array of numbers or bools in native byte order.

    Args:
        x: Numbers.
        copy: Whether the array must be a new one, in C order; None for only if need be.
        what: What an error calls it.

    Raises:
        ShapeError: For nested sequences that are ragged.
        DTypeError: For what is no number or bool, and for masked arrays.
    """
    cause = None
    try:
        array = np.array(x, order="C" if copy else "K", copy=copy)
        if array.dtype.kind == "O" and all(type(e) is int for e in array.flat):
            array = array.astype("float64")
        if array.dtype.kind in "biufc" and not _is_masked(x):
            return array.astype(as_dtype(array.dtype), copy=False)
    except SDGraphError:
        raise
    except Exception as e:
        # Whatever an object that claims to be an array does when it is asked for its numbers.
        cause = e
    if _is_masked(x):
        raise DTypeError(f"{what} is masked: some of its elements may be missing.", given=shown(x), fix=_FILL)
    if "inhomogeneous" in str(cause):
        raise ShapeError(f"{what} is ragged: its rows differ in length.", given=shown(x)) from cause
    why = reason(x)
    where = f" ({why.where})" if why.where else ""
    raise DTypeError(
        f"{what} is not an array of numbers.", given=f"{type(x).__name__}{where}: {shown(x)}", fix=why.fix
    ) from cause


def _is_masked(x: Any) -> bool:
    """Whether there is a masked array in a nested sequence, or it is one: numpy reads what is under the mask."""
    if type(x) is np.ndarray:
        return False
    pending, seen = [x], set()
    while pending:
        e = pending.pop()
        if isinstance(e, np.ma.MaskedArray):
            return True
        if isinstance(e, list | tuple) and id(e) not in seen:
            seen.add(id(e))
            kinds = set(map(type, e))
            if any(issubclass(kind, list | tuple | np.ma.MaskedArray) for kind in kinds):
                pending += e
    return False


def own_array(x: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A copy in C order and native byte order that nobody else holds.

    Args:
        x: Numbers.
        dtype: To convert to, if every value survives that.

    Raises:
        ShapeError: For ragged nested sequences.
        DTypeError: For values that are not numbers or bools, or that the dtype cannot hold.
    """
    array = as_numbers(x, copy=True)
    return array if dtype is None else converted(array, as_dtype(dtype), literal=True)


def converted(
    array: np.ndarray[Any, Any], dtype: np.dtype[Any], *, literal: bool, what: str = "This value"
) -> np.ndarray[Any, Any]:
    """The array as one of another dtype, not copied if it is of that dtype.

    Args:
        array: Numbers.
        dtype: The dtype to convert to.
        literal: Whether the numbers had no dtype to lose, as Python's have none: then it is enough that every value
            survives. Otherwise no number of one kind becomes one of another: a float no integer, whatever its value.
        what: What an error calls it.

    Raises:
        DTypeError: If the dtype cannot hold them.
    """
    if array.dtype == dtype:
        return array
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise _misfit(what, array, dtype)
    if np.can_cast(array.dtype, dtype, "safe"):
        return array.astype(dtype)
    if not literal and not np.can_cast(array.dtype, dtype, "same_kind"):
        with np.errstate(all="ignore"):
            raise _misfit(what, array, dtype, _lost(array, array.astype(dtype)) if dtype.kind in "iub" else None)
    try:
        with np.errstate(over="raise", invalid="ignore"):
            cast = array.astype(dtype)
    except FloatingPointError as e:
        with np.errstate(all="ignore"):
            lost = np.isinf(array.astype(dtype)) & ~np.isinf(array)
        raise _misfit(what, array, dtype, lost) from e
    if dtype.kind not in "fc":
        lost = _lost(array, cast)
        if lost.any():
            raise _misfit(what, array, dtype, lost)
    return cast


def _lost(array: np.ndarray[Any, Any], cast: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where numbers did not survive becoming integers or bools."""
    if array.dtype.kind == "f" and cast.dtype.kind in "iu":
        # Compared as floats: what numpy makes of a float out of range is the machine's affair.
        info = np.iinfo(cast.dtype)
        return ~((array >= float(info.min)) & (array < float(info.max) + 1) & (array == np.trunc(array)))
    return (cast.astype(array.dtype) != array) | ((cast < 0) != (array < 0))


def _misfit(what: str, array: np.ndarray[Any, Any], dtype: np.dtype[Any], lost: Any = None) -> DTypeError:
    """The error for numbers that a dtype cannot hold; ``lost`` marks them."""
    given = f"{array.dtype.name} {shape_str(array.shape)}"
    if lost is None or not lost.any():
        how = "array.real" if array.dtype.kind == "c" else f"array.astype({dtype.name!r})"
        return DTypeError(f"{what} does not cast to {dtype.name}.", given=given, fix=f"Convert it first: {how}.")
    k = int(np.argmax(lost))
    value = array.flat[k]
    text = f"{value!s:.40}" + (f" at position {position(array.shape, k)}" if array.ndim else "")
    why, fix = _why_lost(value, dtype)
    return DTypeError(f"{what} does not cast to {dtype.name}: {text} {why}.", given=given, fix=fix)


def _why_lost(value: Any, dtype: np.dtype[Any]) -> tuple[str, str]:
    """What a number is that a dtype cannot hold, and what to do about it."""
    if value != value:
        return "is no number", "Fill what is missing first: np.nan_to_num(array)."
    if dtype.kind == "b":
        return "is neither 0 nor 1", "Compare it, for example array > 0."
    if dtype.kind in "iu" and np.isfinite(value) and value != np.trunc(value):
        return "is no whole number", f"If rounding is meant: np.round(array).astype({dtype.name!r})."
    return f"is out of the range of {dtype.name}", "Scale it, or use a wider dtype."
