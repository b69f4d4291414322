"""What the machine can draw with. Pictures themselves are methods of a graph: ``sd.plot``, ``sd.render``."""

from __future__ import annotations


def engines() -> dict[str, str | None]:
    """The Graphviz layout engines and their versions; None for one that is not installed.

    Pictures use the first one that is there. DOT and Mermaid text need none.

    Example:
        >>> sorted(engines())
        ['dot', 'pygraphviz']
    """
    from sdgraph.render.engines import versions

    return versions()
