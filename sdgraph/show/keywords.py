"""The options of pictures as type checkers know them: keywords of the methods that draw.

For annotations only. The options themselves, what they mean and their defaults are in `options`. Must not know more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from sdgraph.build.variable import Feeds, SDVariable, Variables
    from sdgraph.show.options import Colours, Direction, EdgeLabels, LayoutEngine, Shown, Theme, View


class PageOptions(TypedDict, total=False):
    """Those that the page of the explorer has, too."""

    wrt: Variables | None
    feeds: Feeds | None
    values: Shown
    show_shapes: bool
    show_dtypes: bool
    show_scopes: bool
    edge_labels: EdgeLabels
    direction: Direction
    depth: int | None
    max_nodes: int | None
    radius: int
    legend: bool
    title: str | None
    engine: LayoutEngine
    timeout: float
    dpi: float
    display_png: bool


class PictureOptions(PageOptions, total=False):
    """All of them."""

    view: View
    color_by: Colours | Mapping[Any, float] | Callable[[SDVariable], float | None]
    focus: SDVariable | str | None
    expand: Variables
    theme: Theme
