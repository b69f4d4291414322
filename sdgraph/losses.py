"""What a loss of your own is made with: how the values of examples become one number."""

from typing import TYPE_CHECKING, Any

from sdgraph.build.spelling.lacking import of_module as _of_module
from sdgraph.ops.losses.reduction import LossReduce, reduce_loss

__all__ = ["LossReduce", "reduce_loss"]

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise _of_module("sdgraph.losses", name, __all__, elsewhere=_classes, graph=_graph)


def _classes() -> dict[str, str]:
    """Where the losses of Keras are."""
    from sdgraph.keras import losses

    return {name: f"sdgraph.keras.losses.{name}" for name in losses.__all__ if name[0].isupper()}


def _graph() -> Any:
    """A graph, whose losses may be meant."""
    from sdgraph.samediff import SameDiff

    return SameDiff()
