"""What a Keras user knows by heart: `sdgraph.keras.losses` and `sdgraph.keras.utils`.

Example:
    >>> from sdgraph.keras import losses
    >>> losses.MeanSquaredError()([[0.0, 1.0]], [[0.0, 3.0]])
    array(2., dtype=float32)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdgraph.keras import losses, utils

__all__ = ["losses", "utils"]


def __getattr__(name: str) -> Any:
    # Graphs have the formulas in this package, and `losses` builds graphs: it is loaded when it is asked for.
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
