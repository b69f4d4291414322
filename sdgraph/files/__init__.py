"""Graphs and their values in files: the methods of a graph, and the formats of other programs."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgraph.files import samediff

__all__ = ["samediff"]

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        """Load a format that not every program needs."""
        if name in __all__:
            return importlib.import_module(f"sdgraph.files.{name}")
        raise AttributeError(f"module 'sdgraph.files' has no attribute {name!r}")
