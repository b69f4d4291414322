"""From what a caller gives to feeds of a graph: names, shapes and dtypes are checked before anything is trained.

Knows graphs. Must not know batches or steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import FeedError
from sdgraph.run.feeds import Placeholder, as_array, missing, unknown
from sdgraph.train.data.batches import Reader, by_name
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph
    from sdgraph.train.config import TrainingConfig

Array = np.ndarray[Any, Any]


def reader(sd: OpGraph, fetches: Sequence[SDVariable], config: TrainingConfig | None = None) -> Reader:
    """What makes feeds for some variables.

    Args:
        sd: The graph.
        fetches: What is to be computed.
        config: Says for which placeholders arrays without names are; by default those that are needed, in order.
    """
    needed = needed_placeholders(sd, fetches)
    order = [p.name for p in needed]

    of_examples = [p.name for p in needed if p.aval.shape and p.aval.shape[0] is None]

    def unread(n: int) -> str | None:
        others = [v.name for v in sd.placeholders() if v.name not in order]
        if n != len(order) + len(others):
            return None
        names = listed([v.name for v in fetches], "and")
        several = "does not depend" if len(fetches) == 1 else "do not depend"
        return f"{names} {several} on {listed(others)}: leave that out, or say what the loss is, with mark_as_loss()."

    def feeds(item: Any) -> Mapping[str, Any]:
        return _by_names(by_name(item, order, unread) if config is None or not config.maps else config.feeds(item))

    def arrays(given: Any) -> dict[str, Array]:
        found = feeds(given)
        _check_names(sd, needed, found)
        return {name: _examples(sd, name, a) for name, a in found.items()}

    def batch(item: Any) -> Mapping[str, Any]:
        found = feeds(item)
        _check_sizes(found, of_examples)
        return found

    return Reader(arrays, batch)


def needed_placeholders(sd: OpGraph, fetches: Sequence[SDVariable]) -> list[Placeholder]:
    """The placeholders that variables depend on, in order."""
    nodes = sd.nodes
    need = sd.reachable([v.id for v in fetches])
    found = [nodes[i] for i in range(len(need)) if need[i] and nodes[i].op.kind is VariableKind.PLACEHOLDER]
    return [Placeholder(node.id, node.name, node.aval, node.origin) for node in found]


def _by_names(feeds: Mapping[Any, Any]) -> dict[str, Any]:
    return {key.name if isinstance(key, SDVariable) else key: a for key, a in feeds.items()}


def _check_names(sd: OpGraph, needed: Sequence[Placeholder], given: Mapping[str, Any]) -> None:
    known = {v.name: v for v in sd.placeholders()}
    for name in given:
        if name not in known:
            kind = sd[name].kind if isinstance(name, str) and name in sd else None
            raise unknown(name, known, kind)
    for p in needed:
        if p.name not in given:
            raise missing(p, given, known)


def _check_sizes(feeds: Mapping[str, Any], of_examples: Sequence[str]) -> None:
    """The arrays of a batch have as many examples: another number would be broadcast where it is 1.

    A first axis that has a name, or a size, may be something else than the examples.
    """
    sizes = {name: np.shape(feeds[name])[:1] for name in of_examples if name in feeds}
    if len(set(sizes.values())) > 1:
        raise FeedError(
            "The arrays of a batch do not have the same number of examples.",
            given=", ".join(f"{name}: {size[0] if size else 'one number'}" for name, size in sizes.items()),
            fix='Name the first axis of a placeholder that is something else, as in shape=("classes", 3).',
        )


def _examples(sd: OpGraph, name: str, value: Any) -> Array:
    """All examples for a placeholder, in its dtype; how many are in a batch, it may say itself."""
    node = sd[name].node
    aval = node.aval
    if aval.shape:
        aval = aval._replace(shape=(None, *aval.shape[1:]))
    return as_array(Placeholder(node.id, name, aval, node.origin), value)
