"""The graph as a networkx graph.

Every variable is a node, also those that pictures fold away. Must not know pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sdgraph.errors import ArgumentError, shown
from sdgraph.show.visible import Item, Listing, visible

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    from sdgraph.ops.graph import OpGraph

VIEWS: Final = ("forward", "gradient", "both")


def to_networkx(sd: OpGraph, view: str = "forward") -> MultiDiGraph:
    """A MultiDiGraph with a node per variable, in creation order; edge keys are operand positions.

    Node attributes: ``kind``, ``op`` (None for leaves), ``shape``, ``dtype``, ``is_loss``, ``is_output``,
    ``is_gradient``, ``gradient_of`` (a name or None), ``scope``, ``origin`` (the user's line) and ``attributes`` (the
    op's settings). The edge attribute ``operand`` is the parameter's name.

    Raises:
        ArgumentError: For a view that is none of "forward", "gradient", "both".
    """
    import networkx as nx

    if not isinstance(view, str) or view not in VIEWS:
        raise ArgumentError("There is no such view.", given=shown(view), expected=", ".join(VIEWS))
    listing = visible(sd)
    chosen = _chosen(listing, view)
    graph = nx.MultiDiGraph(view=view)
    # Nodes made by one line share one origin; finding its line number is the slow part.
    origins: dict[int, str] = {}
    for i in sorted(chosen):
        item = listing.items[i]
        graph.add_node(item.name, **_attributes(listing, item, origins))
    for i in sorted(chosen):
        item = listing.items[i]
        for position, operand, j in item.operands:
            if j in chosen:
                graph.add_edge(listing.items[j].name, item.name, key=position, operand=operand)
    return graph


def _chosen(listing: Listing, view: str) -> set[int]:
    items = listing.items
    if view == "forward":
        return {i for i, item in items.items() if not item.is_gradient}
    if view == "both":
        return set(items)
    made = {i for i, item in items.items() if item.is_gradient}
    return made | {o.id for i in made for o in items[i].operands}


def _attributes(listing: Listing, item: Item, origins: dict[int, str]) -> dict[str, Any]:
    node = listing.sd.nodes[item.id]
    if node.origin is not None and id(node.origin) not in origins:
        origins[id(node.origin)] = str(node.origin)
    return {
        "kind": item.kind.value,
        "op": None if item.op is None else item.op.qualname,
        "shape": item.aval.shape,
        "dtype": item.aval.dtype.name,
        "is_loss": item.is_loss,
        "is_output": item.is_output,
        "is_gradient": item.is_gradient,
        "gradient_of": None if item.wrt is None else listing.sd.nodes[item.wrt].name,
        "scope": "/".join(item.scope),
        "origin": None if node.origin is None else origins[id(node.origin)],
        "attributes": dict(node.attrs),
    }
