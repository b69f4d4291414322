"""Why a value is no array of numbers, and what to write: tables, tensors of other libraries, collections, texts.

Other libraries are known by what their objects have; none is imported. Must not know what the value is for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from sdgraph.errors import shown


class Reason(NamedTuple):
    """What to say of a value beside what it is."""

    where: str = ""
    """The part of it that is no number, and where that is."""
    fix: str | None = None


def reason(x: Any) -> Reason:
    """Why ``x`` is no array of numbers; empty if there is nothing more to say.

    Example:
        >>> reason({1.0, 2.0}).fix, reason(np.array([1.0, "red", None], object)).where
        ('A set has no order: give a list.', "'red' at position 1")
    """
    for found in (_table, _tensor, _sparse, _collection, _dates, _element):
        try:
            told = found(x)
        except Exception:
            # Whatever an object does when it is asked what it has.
            continue
        if told is not None:
            return told
    return Reason()


def _table(x: Any) -> Reason | None:
    """A DataFrame, or a Series, of pandas or polars."""
    columns = getattr(x, "columns", None)
    if columns is not None and hasattr(x, "dtypes"):
        for name in columns:
            told = _of_column(x[name])
            if told is not None:
                choice = f"Choose the columns that are numbers, or encode it: df.drop(columns=[{name!r}])."
                return Reason(f"column {name!r} holds {told.where}", told.fix or choice)
    if columns is None and hasattr(x, "dtype") and hasattr(x, "to_numpy"):
        told = _of_column(x)
        return None if told is None else Reason(told.where, told.fix or "Encode it as numbers first.")
    return None


def _of_column(column: Any) -> Reason | None:
    values = np.asarray(column)
    if values.dtype.kind in "biufc":
        return None
    missing = [k for k, value in enumerate(values.tolist()) if _is_missing(value)]
    if missing:
        return Reason(f"a missing value at row {missing[0]}", "Fill what is missing first: df.fillna(0).")
    told = _element(values)
    return Reason(told.where if told else f"{values.dtype.name}, not numbers")


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _tensor(x: Any) -> Reason | None:
    """A tensor of torch, or an array of jax or tensorflow."""
    if getattr(x, "requires_grad", False) is True:
        return Reason("it is part of a computation of torch", "Take it out of that: x.detach().numpy().")
    if "bfloat16" in str(getattr(x, "dtype", "")):
        # Torch has a method for it, the others do as numpy does.
        how = "x.float()" if hasattr(x, "requires_grad") else "x.astype('float32')"
        return Reason("bfloat16, which numpy does not have", f"Convert it first: {how}.")
    if type(x).__module__.partition(".")[0] == "torch" and str(getattr(x, "device", "cpu")) != "cpu":
        return Reason(f"it is on {x.device}", "Fetch it first: x.cpu().")
    return None


def _sparse(x: Any) -> Reason | None:
    if callable(getattr(x, "toarray", None)):
        return Reason("a sparse matrix", "Make it dense first: x.toarray().")
    return None


def _collection(x: Any) -> Reason | None:
    """What holds numbers, but not as an array does."""
    if x is None:
        return Reason(fix="None is no value.")
    if isinstance(x, str | bytes):
        return Reason(fix="A text is no number: float(text), if it is the text of one.")
    if isinstance(x, set | frozenset):
        return Reason(fix="A set has no order: give a list.")
    if isinstance(x, Mapping):
        return Reason(fix="Give the values as a list: list(x.values()).")
    if isinstance(x, Iterator):
        return Reason(fix="It gives its values only once, one by one: list(x).")
    return None


def _dates(x: Any) -> Reason | None:
    if np.asarray(x).dtype.kind in "mM":
        return Reason("dates or times", "Make numbers of them: (x - start) / np.timedelta64(1, 'D') counts days.")
    return None


def _element(x: Any) -> Reason | None:
    """The first element that is no number."""
    array = np.asarray(x, object) if isinstance(x, list | tuple) else np.asarray(x)
    if array.ndim == 0 or array.size > sys.maxsize:
        return None
    for k, value in enumerate(array.ravel().tolist()):
        if not isinstance(value, int | float | complex):
            return Reason(f"{shown(value, 60)} at position {position(array.shape, k)}")
    return None


def position(shape: tuple[int, ...], k: int) -> str:
    """The place of element ``k``, counted row by row, as an index."""
    index = tuple(int(i) for i in np.unravel_index(k, shape)) if shape else ()
    return str(index[0]) if len(index) == 1 else str(index)
