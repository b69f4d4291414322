"""From what users feed to arrays that a plan can take.

Knows placeholders and their shapes. Must not know plans or engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.errors import DTypeError, FeedError, ShapeError, shown
from sdgraph.frames.origin import Origin
from sdgraph.infer.arrays import as_numbers, converted
from sdgraph.infer.aval import Aval, Shape, compatible, shape_str
from sdgraph.wording import did_you_mean, listed, nearest


class Placeholder(NamedTuple):
    """What a compiled function keeps of a placeholder."""

    id: int
    name: str
    aval: Aval
    origin: Origin | None


def as_array(p: Placeholder, value: Any) -> np.ndarray[Any, Any]:
    """The fed value as an array of the placeholder's dtype in C order, its shape checked.

    Raises:
        FeedError: If the value is ragged, is not numeric, does not cast or has a shape that does not fit.
    """
    shape, dtype = p.aval
    if type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous:
        array = value
    else:
        array = _converted(p, value)
    if array.shape != shape and not compatible(shape, array.shape):
        raise _bad(
            p,
            f"The feed for {p.name!r} has the wrong shape.",
            given=shape_str(array.shape),
            fix=_shape_fix(shape, array.shape),
        )
    return array


def _converted(p: Placeholder, value: Any) -> np.ndarray[Any, Any]:
    what = f"The feed for {p.name!r}"
    try:
        array = converted(as_numbers(value, what=what), p.aval.dtype, literal=not hasattr(value, "dtype"), what=what)
    except (DTypeError, ShapeError) as e:
        raise _bad(p, e.message, given=e.given, fix=e.fix) from e
    return np.asarray(array, order="C")


def _shape_fix(shape: Shape, given: tuple[int, ...]) -> str | None:
    if not shape:
        return "A placeholder without a shape is a scalar. Declare one, for example shape=(None, 3)."
    if len(given) == len(shape) - 1 and compatible(shape[1:], given):
        return "Add the leading dimension: array[None]."
    if len(given) == len(shape) - 1 and compatible(shape[:-1], given):
        n = shape[-1]
        return _columns(n) if isinstance(n, int) and n != 1 else "Add the last dimension: array[..., None]."
    return None


def _bad(p: Placeholder, message: str, *, given: str | None = None, fix: str | None = None) -> FeedError:
    return FeedError(message, given=given, expected=str(p.aval), node=p.name, node_origin=p.origin, fix=fix)


def check_named_dims(placeholders: tuple[Placeholder, ...], arrays: list[np.ndarray[Any, Any]]) -> None:
    """Raise FeedError if two feeds give one named dimension two sizes."""
    sizes: dict[str, tuple[int, str]] = {}
    for p, array in zip(placeholders, arrays, strict=True):
        for d, n in zip(p.aval.shape, array.shape, strict=True):
            if isinstance(d, str):
                size, first = sizes.setdefault(d, (n, p.name))
                if size != n:
                    raise _bad(
                        p,
                        f"The dimension {d!r} has two sizes.",
                        given=f"{size} in the feed for {first!r}, {n} in the feed for {p.name!r}",
                    )


_NOT_BY_KEYWORD = " The keyword step= is an argument, the counter of random ops, and feeds nothing."


def missing(p: Placeholder, given: Mapping[str, Any], known: Iterable[str]) -> FeedError:
    """The error for a placeholder that was not fed.

    Args:
        p: The placeholder.
        given: What is fed, by name.
        known: All placeholders of the graph: a feed for none of them was probably meant for this one.
    """
    strangers = [name for name in given if name not in set(known)]
    meant = nearest(p.name, strangers, most=1) or (strangers if len(strangers) == 1 else [])
    fix = f"You fed {meant[0]!r}, which is no placeholder: did you mean {p.name!r}?" if meant else ""
    return _bad(
        p,
        f"The placeholder {p.name!r} is not fed.",
        given=f"feeds for {listed(given, 'and')}" if given else "no feeds",
        fix=(fix or f"Add it: {{{p.name!r}: ...}}.") + (_NOT_BY_KEYWORD if p.name == "step" else ""),
    )


def unknown(name: Any, known: Mapping[str, Any], kind: VariableKind | None = None) -> FeedError:
    """The error for a feed that no placeholder of the graph takes; ``kind`` is that of the variable of its name."""
    fix = did_you_mean(name, known)
    if kind in (VariableKind.VARIABLE, VariableKind.CONSTANT):
        fix = f"{name!r} is {kind.in_words}, which has its value: change that of a variable with v.value = ..."
    elif kind is not None:
        fix = f"{name!r} is {kind.in_words}, which is computed: feed what it is computed from."
    return FeedError(
        f"The graph has no placeholder {shown(name)}.",
        given=f"a feed for {shown(name)}",
        expected=f"feeds for {listed(known, 'and')}" if known else "no feeds: the graph has no placeholders",
        fix=fix,
    )


def _columns(n: int) -> str:
    """What to do with one number where several belong: often it is that of a class."""
    return f"Give {n} numbers for each. Of numbers of classes np.eye({n})[array] makes them."
