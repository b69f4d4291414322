"""The graph as a networkx graph, with values as they are, or as what files of other programs can hold.

Every variable is a node, also those that pictures fold away. Must not know pictures.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any, Final, get_args

from sdgraph.checks import one_of
from sdgraph.errors import shown
from sdgraph.infer.aval import shape_str
from sdgraph.show.options import Data, View
from sdgraph.show.visible import Item, Listing, visible

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    from sdgraph.ops.graph import OpGraph

_NOT_IN_FILES: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML has no way to write, or advises against."""
_TAKEN_FOR_EMPTY: Final = ("()", "[]")
"""Texts that networkx reads from GML as an empty tuple and an empty list."""


def to_networkx(sd: OpGraph, view: View = "forward", *, data: Data = "rich") -> MultiDiGraph:
    """A MultiDiGraph with a node per variable, in creation order; see `sdgraph.show.views.GraphViews.to_networkx`."""
    import networkx as nx

    one_of("view", view, get_args(View))
    one_of("form of data", data, get_args(Data))
    listing = visible(sd)
    chosen = _chosen(listing, view)
    graph = nx.MultiDiGraph(view=view)
    names = {i: listing.items[i].name for i in chosen}
    if data == "plain":
        names = _writable_names(names)
    # Nodes made by one line share one origin; finding its line number is the slow part.
    origins: dict[int, str] = {}
    for i in chosen:
        found = _attributes(listing, listing.items[i], origins)
        if data == "plain":
            found = {key: _plain(key, value) for key, value in found.items()}
            wrt = listing.items[i].wrt
            if wrt in names:
                found["gradient_of"] = names[wrt]
        graph.add_node(names[i], **found)
    for i in chosen:
        for position, operand, j in listing.items[i].operands:
            if j in names:
                # A program that reads a file and knows no keys has the position all the same.
                place = {"position": position} if data == "plain" else {}
                graph.add_edge(names[j], names[i], key=position, operand=operand, **place)
    return graph


def _chosen(listing: Listing, view: View) -> list[int]:
    items = listing.items
    if view == "forward":
        return [i for i, item in items.items() if not item.is_gradient]
    if view == "both":
        return list(items)
    made = {i for i, item in items.items() if item.is_gradient}
    return sorted(made | {o.id for i in made for o in items[i].operands})


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
        "attributes": _all_settings(listing, item),
    }


def _all_settings(listing: Listing, item: Item) -> dict[str, Any]:
    """The settings of the op that makes a variable, and which output of it the variable is if there are several."""
    node = listing.sd.nodes[item.id]
    if item.op is None or item.op is node.op:
        return dict(node.attrs)
    return {**listing.sd.nodes[node.inputs[0]].attrs, **node.attrs}


# ---------------------------------------------------------------------- what files can hold


def _plain(key: str, value: Any) -> str | int | float | bool:
    """An attribute as a truth value, a number or a text."""
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return ""
    if key == "shape":
        return _writable(shape_str(value)) if value else "scalar"
    if key == "attributes":
        return _settings(value)
    return _writable(value)


def _settings(attrs: dict[str, Any]) -> str:
    """An op's settings as JSON; nothing where it has none."""
    import json

    return _writable(json.dumps(attrs, default=_in_json, ensure_ascii=False)) if attrs else ""


def _in_json(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    if hasattr(value, "tolist"):
        return value.tolist()
    return shown(value)


def _writable(text: str) -> str:
    """A text with a code in place of each character that some format cannot hold."""
    return _NOT_IN_FILES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _writable_names(names: dict[int, str]) -> dict[int, str]:
    """Names that every format can hold, each other than the rest."""
    found: dict[int, str] = {}
    taken = set(names.values())
    for i, name in names.items():
        text = f" {name}" if name in _TAKEN_FOR_EMPTY else _writable(name)
        while text != name and text in taken:
            text += "'"
        taken.add(text)
        found[i] = text
    return found
