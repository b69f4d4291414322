"""What the side panel says of each variable, as plain data. Must not know pictures or HTML."""

from __future__ import annotations

import linecache
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from sdgraph.build.graph import Node
from sdgraph.build.op import STREAM
from sdgraph.infer.aval import shape_str
from sdgraph.show.pictures.choose.values import Values
from sdgraph.show.pictures.dress.scene import card_kind
from sdgraph.show.visible import Item, Listing
from sdgraph.wording import byte_size, clean, number

_BINS: Final = 24
_FEW: Final = 12
_LONG: Final = 200

Arrays = Mapping[int, np.ndarray[Any, Any]]


def facts(
    listing: Listing, arrays: Arrays, values: Values, n_own: int, chosen: Collection[int]
) -> dict[int, dict[str, Any]]:
    """For each of the chosen variables what is known of it, and of its neighbours those that are chosen, too.

    ``arrays`` are the values that could be computed. Nodes from ``n_own`` on were added for the page: no line of the
    user's made them.
    """
    uses: dict[int, dict[int, None]] = {i: {} for i in chosen}
    gradients: dict[int, int] = {}
    for i in sorted(chosen):
        item = listing.items[i]
        for o in item.operands:
            # What the backward pass reads of a forward variable is its own affair.
            if o.id in uses and item.is_gradient <= listing.items[o.id].is_gradient:
                uses[o.id][i] = None
        if item.wrt is not None:
            gradients.setdefault(item.wrt, i)
    return {
        i: _filled(
            _about(listing, item, arrays.get(i), values),
            inputs=[(o.name, o.id) for o in item.operands if o.id in uses],
            uses=list(uses[i]),
        )
        | (_made_at(listing.sd.nodes[i]) if i < n_own else {})
        | ({"gradient": gradients[i]} if i in gradients else {})
        for i, item in listing.items.items()
        if i in uses
    }


def _filled(known: Mapping[str, Any], **lists: Any) -> dict[str, Any]:
    return {k: v for k, v in known.items() if v is not None} | lists


def _about(listing: Listing, item: Item, array: Any, values: Values) -> dict[str, Any]:
    node = listing.sd.nodes[item.id]
    gradient = listing.gradient_name(item)
    return {
        "name": clean(item.name),
        "title": clean(gradient or item.short_name),
        "kind": "bad" if item.id in values.bad else "gradient" if item.is_gradient else card_kind(item),
        "word": _word(item, is_derivative=gradient is not None),
        "op": None if item.op is None else clean(item.op.qualname),
        "shape": shape_str(item.aval.shape),
        "dtype": item.aval.dtype.name,
        "size": None if item.size is None else f"{item.size:,}",
        "memory": None if item.nbytes is None else byte_size(item.nbytes),
        "scope": "/".join(item.scope),
        "settings": _settings(listing, item, node),
        "hidden": True if item.is_literal or (item.is_gradient and gradient is None) else None,
        "numbers": None if array is None else statistics(array, values.norms.get(item.id), values.bad.get(item.id)),
    }


def _word(item: Item, *, is_derivative: bool) -> str:
    if item.is_gradient:
        return "gradient" if is_derivative else "backward pass"
    kind = card_kind(item)
    return "operation" if kind == "op" else kind


def _settings(listing: Listing, item: Item, node: Node) -> list[tuple[str, str]] | None:
    """The settings of the op call that makes the variable; None for an optional one says nothing."""
    if item.op is None:
        return None
    given = listing.sd.call_of(node).attrs
    said = {k: v for k, v in given.items() if k != STREAM and not (v is None and k in item.op.attr_defaults)}
    return [(clean(k), clean(_setting(v))[:_LONG]) for k, v in said.items()] or None


def _setting(value: Any) -> str:
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else str(value)


def _made_at(node: Node) -> dict[str, str]:
    """The line of the user's code that made the variable, and what it says."""
    if node.origin is None:
        return {}
    code = linecache.getline(node.origin.filename, node.origin.line).strip()
    return {"at": clean(str(node.origin)), **({"code": clean(code)[:_LONG]} if code else {})}


# ---------------------------------------------------------------------- statistics


def statistics(value: Any, norm: float | None = None, bad: str | None = None) -> dict[str, Any]:
    """An array in a few numbers, as words: its elements if they are few, else moments and a histogram.

    Example:
        >>> statistics(np.array([1.0, 3.0]))
        {'values': '1, 3', 'mean': '2', 'std': '1', '‖·‖₂': '3.162'}
        >>> statistics(np.array(2.5)), statistics(np.array([True, False]))
        ({'value': '2.5'}, {'values': 'true, false', 'true': '1 of 2'})
    """
    array = np.asarray(value)
    said: dict[str, Any] = {} if bad is None else {"bad": bad}
    if array.shape == ():
        return {"value": number(array), **said}
    if 0 < array.size <= _FEW:
        said["values"] = ", ".join(number(v) for v in array.ravel())
    if array.dtype.kind == "b":
        return said | {"true": f"{int(array.sum()):,} of {array.size:,}"}
    if array.dtype.kind not in "iuf" or not array.size:
        return said
    usable = array[np.isfinite(array)].astype("float64") if array.dtype.kind == "f" else array.astype("float64").ravel()
    if not usable.size:
        return said
    scale = float(np.abs(usable).max()) or 1.0
    if array.size > _FEW:
        said |= {"min": number(usable.min()), "max": number(usable.max())}
    # Scaled first: the squares of large values would overflow.
    said |= {"mean": number(scale * (usable / scale).mean()), "std": number(scale * (usable / scale).std())}
    length = norm if norm is not None else scale * float(np.linalg.norm(usable / scale))
    said["‖·‖₂"] = number(length)
    zeros = int((usable == 0).sum())
    if zeros:
        said["zeros"] = f"{zeros:,} of {array.size:,}"
    return said | (_histogram(usable) if array.size > _FEW else {})


def _histogram(usable: np.ndarray[Any, Any]) -> dict[str, Any]:
    low, high = float(usable.min()), float(usable.max())
    if not (high > low and np.isfinite(high - low)):
        return {}
    shares = (usable - low) / (high - low)
    counts = np.bincount(np.minimum((shares * _BINS).astype(int), _BINS - 1), minlength=_BINS)
    return {"bins": counts.tolist(), "low": number(low), "high": number(high)}
