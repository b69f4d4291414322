"""Weights of examples, for metrics that count single predictions."""

from __future__ import annotations

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.infer.shapes import known_to_differ


def weights_like(p: SDVariable, sample_weight: SDVariable) -> SDVariable:
    """Weights in the shape of predictions: one number, one for each example, or one for each prediction.

    Raises:
        ShapeError: If they do not fit.
    """
    sd, w = p.sd, p.sd.cast(sample_weight, p.dtype)
    if w.ndim == p.ndim + 1 and w.shape[-1] == 1:
        w = sd.squeeze(w, -1)
    if w.ndim > p.ndim or any(d != 1 and known_to_differ(d, n) for d, n in zip(w.shape, p.shape, strict=False)):
        raise ShapeError(
            "Weights do not fit predictions.",
            given=f"sample_weight {shape_str(sample_weight.shape)}, y_pred {shape_str(p.shape)}",
            expected="one for each example, or one for each prediction",
        )
    if 0 < w.ndim < p.ndim:
        w = sd.expand_dims(w, tuple(range(w.ndim, p.ndim)))
    return w * sd.ones_like(p)
