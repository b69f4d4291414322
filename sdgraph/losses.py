"""What a loss of your own is made with: how the values of examples become one number."""

from sdgraph.ops.losses.reduction import LossReduce, reduce_loss

__all__ = ["LossReduce", "reduce_loss"]
