"""Convolutions and pooling of SameDiff's files: what their numbers say, in the order in which each has them.

Must not know in which file they stand, nor how files are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sdgraph.files.samediff.reading.call import Call
from sdgraph.files.samediff.reading.stored import Unfit
from sdgraph.ops.cnn.layouts import FORMATS

_MODES: Final = ("valid", "same", "causal")
_WEIGHTS: Final = ("YXIO", "OIYX", "OYXI")


def _one_of(names: tuple[str, ...], k: int, what: str) -> str:
    if not 0 <= k < len(names):
        raise Unfit(f"its {what} {k} is none")
    return names[k]


def _windows(i: list[int], axes: int) -> dict[str, Any]:
    """Sizes, strides, padding and dilation by axis, then the mode; what is padded in numbers counts without one."""
    if len(i) < 4 * axes + 2:
        raise Unfit(f"it has {len(i)} numbers")
    size, strides, padding, dilation = (tuple(i[k * axes : (k + 1) * axes]) for k in range(4))
    mode = _one_of(_MODES, i[4 * axes], "mode of padding")
    return {
        "size": size,
        "strides": strides,
        "dilation": dilation,
        "padding": padding if mode == "valid" else mode,
    }


def _convolution(op: str, axes: int) -> Callable[[Call], Any]:
    def rule(c: Call) -> Any:
        i = c.stored.i
        found = _windows(i, axes)
        del found["size"]  # As the filters have it.
        found["data_format"] = _one_of(FORMATS[axes][::-1], i[4 * axes + 1], "data format")
        weights = _one_of(_WEIGHTS, i[10], "weights format") if axes == 2 and len(i) > 10 else "YXIO"
        if op == "cnn.conv2d":
            found["weights_format"] = weights
        elif weights != "YXIO":
            raise Unfit(f"its filters are {weights}")
        return c.apply(op, *c.operands, name=c.own, **found)

    return rule


def _pooling(op: str, axes: int) -> Callable[[Call], Any]:
    def rule(c: Call) -> Any:
        i = list(c.stored.i)
        if axes == 3:  # Depth, width and height are what the file has.
            i[:12] = [i[k + q] for k in (0, 3, 6, 9) for q in (0, 2, 1)] if len(i) >= 12 else i[:12]
        found = _windows(i, axes)
        found["data_format"] = _one_of(FORMATS[axes][::-1], (*i, 0)[4 * axes + 2], "data format")
        if op.startswith("cnn.avg"):
            found["count_padding"] = bool(i[4 * axes + 1])
        return c.apply(op, *c.operands, name=c.own, **found)

    return rule


def _with_positions(c: Call) -> Any:
    values, at = _pooling("cnn.max_pool_with_argmax", 2)(c)
    return values, c.apply("cast", at, dtype="int32")


SLIDING: Final[Mapping[str, Callable[[Call], Any]]] = {
    "conv1d": _convolution("cnn.conv1d", 1),
    "conv2d": _convolution("cnn.conv2d", 2),
    "conv3dnew": _convolution("cnn.conv3d", 3),
    "depthwise_conv2d": _convolution("cnn.depth_wise_conv2d", 2),
    "sconv2d": _convolution("cnn.separable_conv2d", 2),
    "deconv2d": _convolution("cnn.deconv2d", 2),
    "deconv3d": _convolution("cnn.deconv3d", 3),
    "maxpool2d": _pooling("cnn.max_pooling2d", 2),
    "avgpool2d": _pooling("cnn.avg_pooling2d", 2),
    "maxpool3dnew": _pooling("cnn.max_pooling3d", 3),
    "avgpool3dnew": _pooling("cnn.avg_pooling3d", 3),
    "max_pool_with_argmax": _with_positions,
}
"""By the name of the operation there."""
