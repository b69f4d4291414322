"""Reading the golden files, comparing with them, and the reduction formulas that adapt their values.

The formulas are written out in numpy on their own: nothing here calls sdgraph's losses.
"""

import json
from pathlib import Path

import numpy as np

from sdgraph import LossReduce, SameDiff

FOLDER = Path(__file__).parent


def load(name):
    """The cases of a golden file."""
    return json.loads((FOLDER / f"{name}.json").read_text())["cases"]


def numbers(data):
    """Nested lists whose non-finite numbers are written as texts."""
    if isinstance(data, list):
        return [numbers(x) for x in data]
    return float(data) if isinstance(data, str) else data


# What ND4J calls the data types of its arrays.
DTYPES = {
    "DOUBLE": "float64", "FLOAT": "float32", "HALF": "float16", "BOOL": "bool", "LONG": "int64", "INT": "int32",
    "SHORT": "int16", "BYTE": "int8", "UBYTE": "uint8",
}  # fmt: skip


def array(spec, dtype=None):
    """An array from its shape, dtype and flat data; None stays None."""
    if spec is None:
        return None
    named = spec.get("dtype", "float64")
    return np.array(numbers(spec["data"]), dtype=dtype or DTYPES.get(named, named)).reshape(spec["shape"])


def close(got, want, tol):
    """Equal within ``tol``, absolute or relative, as the source of the cases compares."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    with np.errstate(invalid="ignore"):
        error = np.abs(got - want)
        fits = (error <= tol) | (error <= tol * np.maximum(np.abs(got), np.abs(want)))
    return bool(np.all(fits | (got == want) | (np.isnan(got) & np.isnan(want))))


def run(op, operands, *, wrt, **attrs):
    """Value and gradients by operand of one loss call; operands are fed through placeholders."""
    sd = SameDiff("float64")
    method = getattr(sd.loss, op)
    feeds = {k: v for k, v in operands.items() if v is not None}
    variables = {k: sd.placeholder(k, v.shape, v.dtype) for k, v in feeds.items()}
    loss = method(*(variables.get(k) for k in operands), name="loss", **attrs)
    out, grads = sd.calculate_gradients_and_outputs(feeds, [loss], list(wrt))
    return out["loss"], grads


# ---------------------------------------------------------------------- reduction, written out


def reduced(e, w, mode):
    """The per-element loss ``e`` weighted and reduced; a weight of 0 removes whatever stands there."""
    w = np.broadcast_to(1.0 if w is None else w, e.shape)
    weighted = np.where(w == 0, 0.0, e) * w
    total = weighted.sum()
    if mode is LossReduce.NONE:
        return weighted
    if mode is LossReduce.SUM:
        return total
    return total * _over(w, mode)


def _over(w, mode):
    count = {LossReduce.MEAN_BY_WEIGHT: w.sum(), LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT: np.count_nonzero(w)}[mode]
    return 1 / count if count else 0.0


def factor(w, shape, mode):
    """What each element's own gradient is multiplied with."""
    w = np.broadcast_to(1.0 if w is None else w, shape)
    return w if mode in (LossReduce.NONE, LossReduce.SUM) else w * _over(w, mode)


def weights_gradient(e, w, mode):
    """The gradient with respect to the weights."""
    wide = np.broadcast_to(w, e.shape)
    if mode is LossReduce.MEAN_BY_WEIGHT:
        s = wide.sum()
        each = (e * s - (e * wide).sum()) / s**2 if s else np.zeros_like(e)
    else:
        each = e if mode in (LossReduce.NONE, LossReduce.SUM) else e * _over(wide, mode)
    lead = each.ndim - np.ndim(w)
    each = each.sum(axis=tuple(range(lead))) if lead > 0 else each
    ones = tuple(k for k, n in enumerate(np.shape(w)) if n == 1 and each.ndim == np.ndim(w) and each.shape[k] != 1)
    each = each.sum(axis=ones, keepdims=True) if ones else each
    return np.reshape(each.sum() if np.size(w) == 1 else each, np.shape(w))


def stirling(y):
    """``y log y - y + log(2 pi y) / 2``."""
    return y * np.log(y) - y + 0.5 * np.log(2 * np.pi * y)
