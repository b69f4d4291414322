"""Pictures of graphs: what to draw, how it looks, who lays it out.

`import sdgraph` does not load this. networkx, graphviz and pygraphviz are imported where they are used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgraph.errors import ArgumentError
from sdgraph.show.options import Options, make_options
from sdgraph.show.pictures.choose.selection import select
from sdgraph.show.pictures.dress.long_arrows import cut_long_arrows
from sdgraph.show.pictures.dress.plan_scene import make_plan_scene
from sdgraph.show.pictures.dress.scene import make_scene
from sdgraph.show.pictures.picture import GraphView, checked_path

if TYPE_CHECKING:
    from typing import Unpack

    from graphviz import Digraph

    from sdgraph.build.variable import Variables
    from sdgraph.ops.graph import OpGraph
    from sdgraph.plan.made import Made
    from sdgraph.show.keywords import PictureOptions

__all__ = ["GraphView", "Options", "plot", "render", "to_dot", "to_graphviz", "to_mermaid"]


def plot(
    sd: OpGraph, *, targets: Variables | None = None, plan: Made | None = None, **options: Unpack[PictureOptions]
) -> GraphView:
    """A picture of a graph, or of a plan made from it. See `Options` for what can be chosen.

    Raises:
        ArgumentError: For a wrong value of an option.
        ArgumentTypeError: For an unknown option.
        UnknownVariableError: If a target, a focus or a variable to differentiate by is not in the graph.
        GradientError: If a gradient is asked for that does not exist.
        FeedError: For feeds that do not fit.
    """
    chosen = make_options(options)
    if plan is not None:
        if targets is not None or chosen.view != "forward":
            raise ArgumentError("A picture of a plan has no targets and no other view.")
        return GraphView(make_plan_scene(plan, chosen), chosen)
    selection = select(sd, targets, chosen)
    scene = make_scene(selection.parts, selection.groups, selection.values, chosen)
    cut_long_arrows(scene)
    return GraphView(scene, chosen)


def render(sd: OpGraph, path: str | os.PathLike[str], **asked: Any) -> Path:
    """Draw a graph into a file and return its path; the suffix chooses the format."""
    checked_path(path)
    return plot(sd, **asked).save(path)


def to_dot(sd: OpGraph, **asked: Any) -> str:
    """A picture as Graphviz source."""
    return plot(sd, **asked).dot


def to_mermaid(sd: OpGraph, **asked: Any) -> str:
    """A picture as Mermaid source."""
    return plot(sd, **asked).mermaid


def to_graphviz(sd: OpGraph, **asked: Any) -> Digraph:
    """A picture as an object of the graphviz package."""
    return plot(sd, **asked).graphviz
