"""The losses of ``sd.keras``: Keras' losses, each one composite whose body is its formula.

Every class and function of `sdgraph.keras.losses` comes down to one of these ops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.reading import Reading
from sdgraph.build.variable import SDVariable
from sdgraph.ops.losses.keras.crossentropies import SDKerasCrossentropies
from sdgraph.ops.losses.keras.hinges import SDKerasHinges
from sdgraph.ops.losses.keras.probabilities import SDKerasProbabilities
from sdgraph.ops.losses.keras.regression import SDKerasRegression
from sdgraph.ops.losses.keras.structured import SDKerasStructured
from sdgraph.ops.losses.keras.weighting import Reduction, Weighting, work_dtypes
from sdgraph.ops.precision import cast_to
from sdgraph.ops.written import reduced_losses

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


class SDKeras(
    SDKerasRegression,
    SDKerasHinges,
    SDKerasProbabilities,
    SDKerasCrossentropies,
    SDKerasStructured,
    prefix="keras",
):
    """Keras' losses (``sd.keras``), under Keras' names and with its arguments in its order.

    Each gives one loss per sample. All of them also take, by keyword,

    - ``sample_weight``: a scalar, one weight per sample, or what broadcasts to the per-sample losses;
    - ``mask``: the same, True where a loss counts;
    - ``reduction``: "sum_over_batch_size" or "mean" (over the number of losses), "sum", "mean_with_sample_weight" (over
      the sum of the weights), "none" or None;
    - ``dtype``: to compute in; by default that of ``y_pred``.

    Labels and predictions must have the same shape, but for one last axis of size 1.
    """

    @composite(is_loss=True, reads=Reading(reduced_losses))
    def reduce(
        self,
        values: Operand,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = "sum_over_batch_size",
        dtype: DTypeLike | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Weight, mask and reduce losses that were computed in another way, as every Keras loss does.

        Args:
            values: Losses, one or several per sample.
            sample_weight: None, a scalar, one weight per sample, or what broadcasts to the losses.
            mask: The same, True where a loss counts.
            reduction: As for all losses.
            dtype: Of the result; by default that of the losses.

        Returns:
            A scalar, or the weighted losses for "none" and None.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().keras.reduce([1.0, 2.0, 3.0], mask=[True, True, False]).eval()
            array(1.5, dtype=float32)
        """
        sd = self.sd
        work, result = work_dtypes(sd, values, None, dtype)
        each = cast_to(values, work)
        w = Weighting(sd, each.shape, each.shape[0] if each.ndim else None, work, result, sample_weight, mask)
        (each,) = w.shield(each, axes=())
        return w.reduce(each, reduction)


__all__ = ["SDKeras"]
