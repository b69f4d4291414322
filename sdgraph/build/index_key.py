"""What stands between the brackets of ``v[...]``, in the one form that a graph keeps.

Knows numpy's basic indexing. Must not know what an index does to a shape.
"""

from __future__ import annotations

import keyword
from typing import Any

import numpy as np

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentTypeError, shown


def index_key(key: Any, x: Any) -> tuple[Any, ...]:
    """A numpy basic index as a hashable tuple; a slice becomes ("slice", start, stop, step)."""
    out: list[Any] = []
    for k in key if isinstance(key, tuple) else (key,):
        if k is None or k is Ellipsis:
            out.append(k)
        elif is_whole(k):
            out.append(int(k))
        elif isinstance(k, slice):
            bounds = [None if b is None else _bound(b, key, x) for b in (k.start, k.stop, k.step)]
            out.append(("slice", *bounds))
        else:
            raise _bad_index(key, x)
    return tuple(out)


def _bound(b: Any, key: Any, x: Any) -> int:
    if is_whole(b):
        return int(b)
    raise _bad_index(key, x)


def _bad_index(key: Any, x: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"{x.name!r} cannot be indexed like this.",
        given=shown(key),
        expected="integers, slices, ... and None; or one integer variable, to gather rows",
        fix=_instead(key, x),
    )


def no_mask(mask: Any, x: Any) -> ArgumentTypeError:
    """The error for a variable of bools between the brackets."""
    return _bad_index(mask, x)


def _instead(key: Any, x: Any) -> str:
    """What to write for an index that numpy has and a graph does not."""
    v = as_code(x.name)
    for k, part in enumerate(key if isinstance(key, tuple) else (key,)):
        kind = _kind(part)
        if kind == "b":
            return f"Shapes do not depend on values: sd.where(mask, {v}, 0) keeps all, with 0 for what is left out."
        if kind in ("i", "u"):
            indices = as_code(part.name, "indices") if hasattr(part, "name") else shown(part, 60)
            return f"Write sd.gather({v}, {indices}, axis={_axis(key, k, x)})."
        if isinstance(part, str):
            return f"Variables are looked up in their graph: sd[{shown(part, 60)}]."
        if kind == "f":
            return "Give whole numbers, for example int(i) or n // 2."
    return f"sd.gather({v}, indices, axis=0) takes index arrays, sd.where(mask, {v}, other) masks."


def as_code(name: str, other: str = "v") -> str:
    """A variable as a line of code would have it: its name, or another if that is no name in Python."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else other


def _kind(part: Any) -> str:
    """The kind of numbers of an index, as numpy tells it; empty for what has none."""
    if part is None or part is Ellipsis or isinstance(part, slice | str) or is_whole(part):
        return ""
    try:
        return np.dtype(getattr(part, "dtype", None) or np.asarray(part).dtype).kind
    except Exception:
        # Whatever an object does that is asked what it holds.
        return ""


def _axis(key: Any, k: int, x: Any) -> int:
    """The axis that part ``k`` of an index is for."""
    parts = key if isinstance(key, tuple) else (key,)
    before = [part for part in parts[:k] if part is not None]
    if Ellipsis in [part for part in before if isinstance(part, type(Ellipsis))]:
        return x.ndim - len([part for part in parts[k:] if part is not None])
    return len(before)


def not_assigned(x: Any, key: Any, *, deleted: bool = False) -> ArgumentTypeError:
    """The error for ``x[key] = value`` and ``del x[key]``."""
    v = as_code(x.name)
    fix = f"sd.scatter_update({v}, indices, updates) makes a changed copy."
    if deleted:
        fix = f"Take what stays: {v}[1:], or sd.gather({v}, indices, axis=0)."
    elif x.kind.value == "variable":
        fix = f"a = {v}.value.copy(); a[...] = ...; {v}.value = a changes its value. In the graph {fix}"
    return ArgumentTypeError(
        f"{x.name!r} is a symbol: its elements cannot be {'deleted' if deleted else 'assigned'}.",
        given=f"[{shown(key)}] of {x!r}",
        fix=fix,
    )
