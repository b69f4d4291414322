"""Rules of images: a resize is the product with a matrix; what else there is, is written as its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sdgraph.files.samediff.writing.call import Call, Written, known, size_of
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.ops.image import taps


def _settings(c: Call) -> tuple[taps.Sampling, int]:
    settings: dict[str, Any] = {k: v for k, v in c.attrs.items() if k != "axis"}
    return taps.Sampling(**settings), c.attrs["axis"]


def _resample(c: Call) -> Value:
    s, axis = _settings(c)
    (old,) = known([c.x.shape[axis]], "the size of the axis")
    return _times(c, axis % c.x.rank, taps.dense(s, old))


def _unresample(c: Call) -> Value:
    s, axis = _settings(c)
    (old,) = known([c.shape[axis]], "the size of the axis")
    return _times(c, axis % c.x.rank, taps.dense(s, old, transposed=True))


def _times(c: Call, axis: int, matrix: Any) -> Value:
    """A matrix times an axis, which stands last meanwhile."""
    if c.dtype.kind != "f":
        raise Refused("SameDiff multiplies matrices of floats only")
    x = c.cast(c.x, c.dtype)
    order = [*(k for k in range(x.rank) if k != axis), axis]
    x = c.permute(x, order)
    shape = x.shape[:-1]
    rows = x if x.rank == 2 else c.reshape(x, (size_of(shape), x.shape[-1]))
    product = c.matmul(rows, c.array("weights", matrix.T))
    product = product if x.rank == 2 else c.reshape(product, (*shape, matrix.shape[0]))
    return c.permute(product, [order.index(k) for k in range(x.rank)])


RULES: Final[dict[str, Callable[[Call], Written]]] = {
    "image.resample": _resample,
    "image.unresample": _unresample,
}
