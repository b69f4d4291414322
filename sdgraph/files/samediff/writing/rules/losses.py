"""Rules of the losses.

SameDiff's loss ops ignore the gradient that comes in, so one that other ops are differentiated through is written as
the ops of its body. So is one of which SameDiff makes other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sdgraph.files.samediff.writing.call import Call, Written
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused, RefusedAltogether
from sdgraph.ops.losses.reduction import LossReduce

LOSS_OPS: Final = {
    "loss.absolute_difference": "absolute_difference_loss",
    "loss.hinge_loss": "hinge_loss",
    "loss.mean_squared_error": "mean_sqerr_loss",
    "loss.huber_loss": "huber_loss",
    "loss.log_loss": "log_loss",
    "loss.log_poisson": "log_poisson_loss",
    "loss.sigmoid_cross_entropy": "sigm_cross_entropy_loss",
    "loss.softmax_cross_entropy": "softmax_cross_entropy_loss",
    "loss.cosine_distance": "cosine_distance_loss",
    "loss.sparse_softmax_cross_entropy": "sparse_softmax_cross_entropy_loss_with_logits",
    "loss.l2_loss": "l2_loss",
}
"""Ours and SameDiff's names; of a file, only these may be a loss that is no scalar."""


def _alone(c: Call) -> None:
    if c.used and c.on_path:
        raise Refused("SameDiff's loss ops ignore the gradient that comes in")


def _loss(t: str = "", only: Callable[[Call], bool] = lambda c: True, i: Mapping[str, int] | None = None) -> Callable:
    """Inputs are predictions, weights and labels; absent weights are 1, of the same dtype."""

    def rule(c: Call, op_name: str) -> Value:
        _alone(c)
        if not only(c):
            raise Refused("SameDiff makes other numbers of it")
        label, predictions, weights = (None if x is None else c.cast(x, c.dtype) for x in c.inputs)
        if weights is None:
            weights = c.number(1)
        reduction = c.attrs["loss_reduce"].value
        more = [c.attrs[name] % c.inputs[1].rank for name in (i or {})]
        return c.node(
            op_name,
            predictions,  # type: ignore[arg-type]
            weights,
            label,  # type: ignore[arg-type]
            shape=c.shape,
            dtype=c.dtype,
            t=[c.attrs[t]] if t else [],
            i=[reduction, *more],
        )

    return rule


def _smooth_sigmoid_aside(c: Call) -> bool:
    """Its gradient rounds the smoothing to single precision."""
    return not (c.attrs["label_smoothing"] and c.on_path)


def _is_plain_softmax(c: Call) -> bool:
    """Without a reduction SameDiff gives a column for a matrix, and it smooths by the size of the second axis."""
    rank, smooth = c.inputs[1].rank, bool(c.attrs["label_smoothing"])
    if c.attrs["loss_reduce"] is LossReduce.NONE:
        return rank > 2 and not smooth
    return rank > 1 and not (smooth and rank > 2)


def _has_one_weight(c: Call) -> bool:
    """With more weights SameDiff counts the losses that are not 0."""
    weights = c.inputs[2]
    return weights is None or weights.shape in ((), (1,), (1, 1))


def _sparse(c: Call, op_name: str) -> Value:
    _alone(c)
    logits, labels, *weights = c.inputs
    if any(w is not None for w in weights) or c.attrs.get("loss_reduce", LossReduce.NONE) is not LossReduce.NONE:
        raise Refused("SameDiff's op has neither weights nor a reduction")
    return c.node(op_name, labels, c.cast(logits, c.dtype), shape=c.shape, dtype=c.dtype)


def _l2(c: Call, op_name: str) -> Value:
    _alone(c)
    return c.node(op_name, c.cast(c.x, c.dtype), shape=c.shape)


_FORMS: Final[dict[str, Callable[[Call, str], Value]]] = {
    "loss.absolute_difference": _loss(),
    "loss.hinge_loss": _loss(),
    "loss.mean_squared_error": _loss(),
    "loss.huber_loss": _loss("delta"),
    "loss.log_loss": _loss("epsilon"),
    "loss.log_poisson": _loss(only=lambda c: not c.attrs["full"]),
    "loss.sigmoid_cross_entropy": _loss("label_smoothing", _smooth_sigmoid_aside),
    "loss.softmax_cross_entropy": _loss("label_smoothing", _is_plain_softmax),
    "loss.cosine_distance": _loss(only=_has_one_weight, i={"dimension": 0}),
    "loss.sparse_softmax_cross_entropy": _sparse,
    "loss.l2_loss": _l2,
}


def _of_infinities(c: Call) -> Value:
    """A loss with infinities inside that count nothing: in SameDiff's gradient 0 times infinity is NaN."""
    if c.on_path:
        raise RefusedAltogether("SameDiff's gradient is NaN where an infinity inside it counts nothing")
    raise Refused("SameDiff has no such op")


RULES: Final[dict[str, Callable[[Call], Written]]] = {
    **{name: (lambda c, form=form, op_name=LOSS_OPS[name]: form(c, op_name)) for name, form in _FORMS.items()},
    **dict.fromkeys(("keras.circle", "keras.ctc", "loss.ctc_loss"), _of_infinities),
}
