"""What a model was compiled with as plain data, as Keras 3 writes it. Must not know layers or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sdgraph.keras import losses, metrics, optimizers


def compile_config(optimizer: Any, wishes: tuple[Any, Any, Any, Any]) -> dict[str, Any]:
    """The arguments of `Model.compile` that say what is computed.

    Args:
        optimizer: The optimizer in use.
        wishes: The losses, their weights, metrics and weighted metrics, as they were given.

    Raises:
        ArgumentTypeError: For a lambda, and for an optimizer that is none of Keras'.
    """
    loss, weights, plain, weighted = wishes
    return {
        "optimizer": optimizers.serialize(optimizer),
        "loss": _tree(losses.serialize, loss),
        "loss_weights": _tree(lambda w: w if w is None else float(w), weights),
        "metrics": _tree(metrics.serialize, plain),
        "weighted_metrics": _tree(metrics.serialize, weighted),
    }


def _tree(serialize: Callable[[Any], Any], given: Any) -> Any:
    """One thing, or a nesting of them by outputs; what is a description already stays one."""
    if isinstance(given, Mapping):
        if "class_name" in given:
            return dict(given)
        return {str(name): _tree(serialize, one) for name, one in given.items()}
    if isinstance(given, list | tuple):
        return [_tree(serialize, one) for one in given]
    return serialize(given)
