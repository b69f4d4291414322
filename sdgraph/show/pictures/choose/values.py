"""Numbers for the cards: values of scalars, norms of gradients, and where NaN or infinity is.

With feeds, everything they determine is computed in one run. Must not know cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.feeding import as_mapping
from sdgraph.build.kinds import VariableKind
from sdgraph.run.evaluate import evaluate
from sdgraph.show.options import Options
from sdgraph.show.visible import Item, Listing
from sdgraph.wording import number

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph


@dataclass(slots=True)
class Values:
    """Scalars by id, gradient norms by id, and words for values that are not finite."""

    arrays: dict[int, np.ndarray[Any, Any]] = field(default_factory=dict)
    norms: dict[int, float] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)
    stats: dict[int, str] = field(default_factory=dict)


def read_values(sd: OpGraph, listing: Listing, ids: Iterable[int], options: Options) -> Values:
    """Values of what is drawn: of constants, and with ``feeds`` of all that they determine.

    Raises:
        FeedError: For feeds that are unknown or do not fit.
    """
    wanted = [i for i in ids if i in listing.items]
    if options.feeds is None:
        wanted = [i for i in wanted if listing.items[i].kind is VariableKind.CONSTANT]
    return noted(listing, computed(sd, wanted, options.feeds), options)


def noted(listing: Listing, arrays: Mapping[int, np.ndarray[Any, Any]], options: Options) -> Values:
    """What cards say of these arrays."""
    found = Values()
    for i, value in arrays.items():
        array = np.asarray(value)
        _note(found, listing.items[i], array, norm=listing.items[i].is_gradient or options.color_by == "value_norm")
        if options.values == "stats" and array.ndim and array.size:
            found.stats[i] = statistics(array)
    return found


def computed(sd: OpGraph, ids: Iterable[int], feeds: Any) -> dict[int, np.ndarray[Any, Any]]:
    """The arrays of ``ids`` that ``feeds`` determine, in one run; without feeds, those of leaves that hold one.

    Raises:
        FeedError: For feeds that are unknown or do not fit.
    """
    if feeds is None:
        return {i: sd.values[i] for i in ids if i in sd.values}
    given = {v if isinstance(v, str) else v.name: a for v, a in as_mapping(feeds).items()}
    known = _determined(sd, given)
    fetched = [i for i in ids if known[i]]
    names = [sd.nodes[i].name for i in fetched]
    needed = sd.reachable(fetched)
    unused = [n for n in given if n in sd and not (sd[n].id < len(needed) and needed[sd[n].id])]
    results = evaluate(sd, sd.several(names), {n: a for n, a in given.items() if n not in unused}) if names else {}
    return {i: results[name] for i, name in zip(fetched, names, strict=True)}


def _determined(sd: OpGraph, given: dict[str, Any]) -> bytearray:
    """A flag per node: whether it can be computed from these feeds."""
    known = bytearray(len(sd.nodes))
    for i, node in enumerate(sd.nodes):
        if node.op.kind is VariableKind.PLACEHOLDER:
            known[i] = node.name in given
        else:
            is_drawn_only = node.op.kernel is node.op.body is None and node.op.kind is VariableKind.ARRAY
            known[i] = not is_drawn_only and all(known[j] for j in node.inputs if j >= 0)
    return known


def _note(found: Values, item: Item, array: np.ndarray[Any, Any], *, norm: bool) -> None:
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        found.bad[item.id] = _bad_words(array)
    if array.shape == ():
        found.arrays[item.id] = array
    if norm and array.dtype.kind in "fciu":
        # Scaled first: squares of large or small entries would leave the range of the dtype.
        array = array.astype("float64") if array.dtype.kind in "iu" else array
        largest = float(np.max(np.abs(array), initial=0.0))
        usable = 0.0 < largest < float("inf")
        found.norms[item.id] = largest * float(np.linalg.norm((array / largest).ravel())) if usable else largest


def statistics(array: np.ndarray[Any, Any]) -> str:
    """Range and mean of the finite entries of an array.

    Example:
        >>> statistics(np.array([1.0, 2.0, 6.0])), statistics(np.array([True, False])), statistics(np.array([2, 2]))
        ('1 … 6, mean 3', '1 of 2 true', 'all 2')
    """
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true"
    if array.dtype.kind == "c":
        array, what = np.abs(array), "absolute "
    else:
        what = ""
    finite = array[np.isfinite(array)].astype("float64")
    if not finite.size:
        return "nothing finite"
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return f"{what}all {number(low)}"
    scale = max(abs(low), abs(high))
    return f"{what}{number(low)} … {number(high)}, mean {number(scale * (finite / scale).mean())}"


def _bad_words(array: np.ndarray[Any, Any]) -> str:
    words = []
    for word, count in (("NaN", int(np.isnan(array).sum())), ("∞", int(np.isinf(array).sum()))):
        if count:
            words.append(word if array.ndim == 0 else f"{count:,} × {word}")
    return ", ".join(words)
