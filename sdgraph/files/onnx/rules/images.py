"""Images: a resize is the product with a matrix, or picks entries; what else is there is exported by its body."""

from __future__ import annotations

from typing import Any, Final

from sdgraph.files.onnx.fragments import Recorder, Value
from sdgraph.files.onnx.registry import BODY, exports, refuses
from sdgraph.ops.image import taps
from sdgraph.ops.precision import wide

_ZEROS: Final = "weights of 0 are multiplied, too: what is infinite or no number makes NaN of all along the axis"


@exports("image.resample", loses=_ZEROS)
def _resample(b: Recorder, x: Value, *, axis: int, **settings: Any) -> Any:
    s, old = taps.Sampling(**settings), x.shape[axis]
    if type(old) is not int:
        return BODY
    if s.method == "nearest":
        return b.Gather(x, taps.pairs_of(s, old).columns, axis=axis % x.rank)
    return _times(b, x, axis % x.rank, taps.dense(s, old))


@exports("image.unresample", loses=_ZEROS)
def _unresample(b: Recorder, g: Value, x: Value, *, axis: int, **settings: Any) -> Any:
    old = x.shape[axis]
    if type(old) is not int:
        return BODY
    return _times(b, g, axis % x.rank, taps.dense(taps.Sampling(**settings), old, transposed=True))


def _times(b: Recorder, x: Value, axis: int, matrix: Any) -> Value:
    """A matrix times an axis: one of the last two where it stands, another one exchanged with the last but one."""
    dtype = wide(b.out.dtype)
    x, factor, n = b.cast(x, dtype), b.constant(matrix.astype(dtype)), x.rank
    order = list(range(n))
    if axis == n - 1 and n > 1:
        product = b.MatMul(x, b.constant(matrix.T.astype(dtype)))
    else:
        if n > 1:
            order[axis], order[n - 2] = n - 2, axis
        product = b.transpose(b.MatMul(factor, b.transpose(x, order)).shaped((None,) * n), order)
    return b.cast(product.shaped(b.out.shape), b.out.dtype)


refuses("ONNX's compares in single precision, and its number of results hangs on values", "image.non_max_suppression")
