"""Losses as plots, in the style of the graph pictures, and what the machine can draw graphs with.

The graph pictures themselves are methods of a graph: ``sd.plot``, ``sd.render``, ``sd.explore``. The plots here need
matplotlib, which is loaded when something is drawn, not when this is imported.
"""

from __future__ import annotations

from sdgraph.viz.contributions import plot_contributions
from sdgraph.viz.curves import plot_loss
from sdgraph.viz.surface import loss_surface

__all__ = ["engines", "loss_surface", "plot_contributions", "plot_loss"]


def engines() -> dict[str, str | None]:
    """The Graphviz layout engines and their versions; None for one that is not installed.

    Pictures use the first one that is there. DOT and Mermaid text need none.

    Example:
        >>> sorted(engines())
        ['dot', 'pygraphviz']
    """
    from sdgraph.render.engines import versions

    return versions()
