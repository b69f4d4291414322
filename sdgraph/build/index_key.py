"""What stands between the brackets of ``v[...]``, in the one form that a graph keeps.

Knows numpy's basic indexing. Must not know what an index does to a shape.
"""

from __future__ import annotations

from typing import Any

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
        expected="integers, slices, ... and None",
        fix="Use sd.gather(v, indices, axis=0) for index arrays and sd.where(mask, v, other) for masks.",
    )
