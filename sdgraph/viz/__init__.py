"""Losses, training and evaluations as plots in the style of the graph pictures, and what can draw graphs here.

The graph pictures themselves are methods of a graph: ``sd.plot``, ``sd.render``, ``sd.explore``. The plots here need
matplotlib, which is loaded when something is drawn, not when this is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdgraph.build.annotations import readable
from sdgraph.build.spelling.lacking import of_module as _of_module
from sdgraph.show.options import set_defaults, takes_options
from sdgraph.viz.contributions import plot_contributions
from sdgraph.viz.curves import plot_loss
from sdgraph.viz.evaluations import plot_calibration, plot_confusion, plot_roc
from sdgraph.viz.surface import loss_surface
from sdgraph.viz.training import LivePlot, plot_history, plot_norms

if TYPE_CHECKING:
    from typing import Unpack

    from sdgraph.show.keywords import PictureOptions

__all__ = [
    "LivePlot",
    "engines",
    "loss_surface",
    "plot_calibration",
    "plot_confusion",
    "plot_contributions",
    "plot_history",
    "plot_loss",
    "plot_norms",
    "plot_roc",
    "set_options",
]


def __dir__() -> list[str]:
    return __all__


@readable
def engines() -> dict[str, str | None]:
    """The Graphviz layout engines and their versions; None for one that is not installed.

    Pictures use the first one that is there. DOT and Mermaid text need none.

    Example:
        >>> sorted(engines())
        ['dot', 'pygraphviz']
    """
    from sdgraph.show.pictures.lay_out.programs import versions

    return versions()


@takes_options()
def set_options(**options: Unpack[PictureOptions]) -> dict[str, Any]:
    """Change the options that pictures have when they are not given, also of those that notebooks show.

    Args:
        **options: Those of `sdgraph.show.options.Options`, such as ``theme``, ``max_nodes`` or ``engine``; and
            ``display_png``: whether notebooks get a PNG as well, for printing and for viewers that show no SVG.

    Returns:
        What these options were before; pass it on to restore them.

    Raises:
        ArgumentTypeError: For an unknown option.
        ArgumentError: For a wrong value; nothing is changed then.

    Example:
        >>> before = set_options(theme="dark", max_nodes=80)
        >>> before
        {'theme': 'auto', 'max_nodes': 150}
        >>> _ = set_options(**before)
    """
    return set_defaults(options)


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        from sdgraph.samediff import SameDiff

        raise _of_module("sdgraph.viz", name, __all__, graph=SameDiff)
