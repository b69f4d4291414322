"""Sums of pieces that were put back into zeros, each where it was picked out: one array for all of them.

The gradient of an array that is used piece by piece is such a sum. Added up one by one, n pieces would cost n arrays
of the full size; here they cost their own sizes and one array. Knows keys and indices, and no other gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.attributes import attr_key
from sdgraph.build.totals import total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.graph import Node
    from sdgraph.build.variable import SDVariable
    from sdgraph.infer.aval import Dim, Shape


def _node(v: SDVariable) -> Node:
    return v.sd.nodes[v.id]


def _operands(v: SDVariable) -> list[SDVariable]:
    return [v.sd.handle(j) for j in _node(v).inputs]


# ---------------------------------------------------------------------- slices


class _Span(NamedTuple):
    """The part of an axis that a piece covers; ``single`` if it is an entry without that axis."""

    axis: int
    start: int
    stop: int
    single: bool


def total_of_slices(terms: Sequence[SDVariable]) -> list[SDVariable]:
    """Results of `index_scatter` for one array: a concat or stack where they tile it, one node for three or more.

    Two stay two: they cost no more than two arrays, which an engine can add to other terms in one pass.
    """
    sd = terms[0].sd
    like = _operands(terms[0])[1]
    at_key: dict[tuple[Any, ...], list[SDVariable]] = {}
    for v in terms:
        at_key.setdefault(_node(v).attrs["key"], []).append(_operands(v)[0])
    parts = [total(sd, several) for several in at_key.values()]
    keys = tuple(at_key)
    tiled = _tiled(like, parts, keys) if len(keys) > 1 else None
    if tiled is not None:
        return [tiled]
    if len(keys) > 2:
        return [sd.scatter_slices(like, *parts, keys=keys)]
    return [sd.index_scatter(part, like, key=key) for part, key in zip(parts, keys, strict=True)]


def _tiled(like: SDVariable, parts: list[SDVariable], keys: tuple[Any, ...]) -> SDVariable | None:
    """The pieces side by side, if they cover one axis without gap or overlap and the others entirely."""
    sd, shape = like.sd, like.shape
    found = [span for key in keys if (span := _span(key, shape)) is not None]
    k = found[0].axis if found else 0
    if len(found) < len(keys) or any(s.axis != k for s in found):
        return None
    order = sorted(range(len(parts)), key=lambda i: found[i].start)
    spans = [found[i] for i in order]
    ends = [0, *(s.stop for s in spans)]
    if [s.start for s in spans] != ends[:-1] or ends[-1] != shape[k]:
        return None
    pieces = [parts[i] for i in order]
    if all(s.single for s in spans):
        return sd.stack(*pieces, axis=k)
    return sd.concat(*[sd.expand_dims(v, k) if s.single else v for v, s in zip(pieces, spans, strict=True)], axis=k)


def _span(key: tuple[Any, ...], shape: Shape) -> _Span | None:
    """The one axis of which a key takes a part without gaps, and the part; None if it is not that simple."""
    if any(k is None for k in key):
        return None
    rest = len(shape) - sum(k is not Ellipsis for k in key)
    everything = (("slice", None, None, None),) * rest
    at = key.index(Ellipsis) if Ellipsis in key else len(key)
    full = (*key[:at], *everything, *key[at + 1 :])
    partial = [axis for axis, (k, d) in enumerate(zip(full, shape, strict=True)) if not _takes_all(k, d)]
    if len(partial) != 1:
        return None
    (axis,) = partial
    k, d = full[axis], shape[axis]
    if type(d) is not int:
        return None
    if isinstance(k, int):
        return _Span(axis, k % d, k % d + 1, True)
    start, stop, step = slice(*k[1:]).indices(d)
    return _Span(axis, start, stop, False) if step == 1 and start < stop else None


def _takes_all(k: Any, d: Dim) -> bool:
    if isinstance(k, int):
        return False
    if type(d) is int:
        return slice(*k[1:]).indices(d) == (0, d, 1)
    return k[1] in (None, 0) and k[2] is None and k[3] in (None, 1)


# ---------------------------------------------------------------------- pieces that index arrays name


class _Pieces(NamedTuple):
    """Indices and updates that can be joined with others along an axis of each."""

    indices: SDVariable
    updates: SDVariable
    index_axis: int
    axis: int


def total_of_added(terms: Sequence[SDVariable]) -> list[SDVariable]:
    """Results of `scatter_add`, `scatter_nd_add` or `add_along_axis`: additions to zeros become one at all indices."""
    sd = terms[0].sd
    out: list[SDVariable] = []
    alike: dict[Any, list[tuple[SDVariable, _Pieces]]] = {}
    for v in terms:
        pieces = _pieces(v)
        if pieces is None:
            out.append(v)
        else:
            dtypes = pieces.indices.dtype, pieces.updates.dtype
            alike.setdefault((attr_key(_node(v).attrs), dtypes, pieces.index_axis), []).append((v, pieces))
    for several in alike.values():
        v, first = several[0]
        if len(several) > 1:
            indices = sd.concat(*[p.indices for _, p in several], axis=first.index_axis)
            updates = sd.concat(*[p.updates for _, p in several], axis=first.axis)
            v = sd.apply(_node(v).op, (_operands(v)[0], indices, updates), _node(v).attrs)
        out.append(v)
    return out


def _pieces(v: SDVariable) -> _Pieces | None:
    """What was added to zeros to get a variable; None if it was not zeros, or too few sizes are known to join it."""
    node, (zeros, indices, updates) = _node(v), _operands(v)
    if zeros.op_name != "zeros_like":
        return None
    k = node.attrs["axis"] % v.ndim if "axis" in node.attrs else 0
    if node.op.key == "add_along_axis":
        return _Pieces(indices, updates, k, k)
    # The axes of one index, if it takes several numbers to name a place, stay behind the axis of the pieces.
    n = indices.ndim - (node.op.key == "scatter_nd_add")
    if n == 1:
        return _Pieces(indices, updates, 0, k)
    sd = v.sd
    if n == 0:
        return _Pieces(sd.expand_dims(indices, 0), sd.expand_dims(updates, k), 0, k)
    index, before, after = indices.shape[n:], updates.shape[:k], updates.shape[k + n :]
    if not all(type(d) is int for d in (*index, *before, *after)) or 0 in (*index, *before, *after):
        return None
    return _Pieces(sd.reshape(indices, (-1, *index)), sd.reshape(updates, (*before, -1, *after)), 0, k)
