"""Functions of labels and predictions that are defined on variables, and take arrays, too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.keras.metrics.small_graphs import SmallGraphs, as_arrays
from sdgraph.nd.calls import as_operands, graph_of

Formula = Callable[..., SDVariable]

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The functions of Keras' metrics that are no losses, by name."""


def on_both(formula: Formula) -> Callable[..., Any]:
    """A function of variables as one that gives an array for arrays."""

    @functools.wraps(formula)
    def call(y_true: Any, y_pred: Any, *args: Any, **settings: Any) -> Any:
        sd = graph_of((y_true, y_pred))
        if sd is not None:
            y, p = (sd.as_variable(x) for x in as_operands((y_true, y_pred)))
            return formula(y, p, *args, **settings)

        def build(operands: Any) -> tuple[None, list[SDVariable]]:
            return None, [formula(operands["y_true"], operands["y_pred"], *args, **settings)]

        return SmallGraphs().computed(build, as_arrays({"y_true": y_true, "y_pred": y_pred}))[1][0]

    FUNCTIONS[formula.__name__] = readable(call)
    return call
