"""A loss that is one op of ``sd.keras``: settings as attributes, one node per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdgraph.build.variable import SDVariable
from sdgraph.keras.losses.base import Loss, node_name
from sdgraph.nd import calls as eager

if TYPE_CHECKING:
    import numpy as np

    from sdgraph.build.op import Op
    from sdgraph.samediff import SameDiff


class OpLoss(Loss):
    """A loss that is one op: its call adds one node, whose operands are labels, predictions, weights and mask."""

    op: Op

    def __init_subclass__(cls, of: Any = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if of is not None:
            cls.op = of.op

    def call(self, y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
        """One loss per sample."""
        return y_pred.sd.apply(self.op, *self._bound(y_true, y_pred, None, None, None))

    def _bound(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any, reduction: str | None) -> Any:
        settings = {k: getattr(self, k) for k in self.options}
        extra = {"sample_weight": sample_weight, "mask": mask, "reduction": reduction, "dtype": self.dtype}
        return self.op.bind((y_true, y_pred), settings | extra)

    def _is_op(self) -> bool:
        # A user's subclass may write a `call` of its own.
        return type(self).call is OpLoss.call

    def _on_arrays(self, operands: dict[str, Any]) -> np.ndarray[Any, Any]:
        if not self._is_op():
            return super()._on_arrays(operands)
        return eager.call(self.op, *self._bound(**operands, reduction=self.reduction))

    def _append(self, sd: SameDiff, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> SDVariable:
        if not self._is_op():
            return super()._append(sd, y_true, y_pred, sample_weight, mask)
        bound = self._bound(y_true, y_pred, sample_weight, mask, self.reduction)
        return sd.apply(self.op, *bound, name=node_name(sd, self.name))
