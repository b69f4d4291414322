"""What a Keras user knows by heart: `Model`, and the modules `losses`, `metrics`, `optimizers`, `callbacks`, `utils`.

Example:
    >>> from sdgraph.keras import losses
    >>> losses.MeanSquaredError()([[0.0, 1.0]], [[0.0, 3.0]])
    array(2., dtype=float32)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sdgraph.build.spelling.lacking import of_module

if TYPE_CHECKING:
    from sdgraph.keras import callbacks, losses, metrics, optimizers, utils
    from sdgraph.keras.model import Model

_MODULES = ("callbacks", "losses", "metrics", "optimizers", "utils")
__all__ = ["Model", "callbacks", "losses", "metrics", "optimizers", "utils"]


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        # Graphs have the formulas in this package, and `losses` builds graphs: it is loaded when it is asked for.
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name == "Model":
            return importlib.import_module(f"{__name__}.model").Model
        raise of_module("sdgraph.keras", name, __all__, elsewhere=_elsewhere)


def _elsewhere() -> dict[str, str]:
    """What is one module further down."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in _MODULES]
    return {name: f"{module.__name__}.{name}" for module in modules for name in module.__all__}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
