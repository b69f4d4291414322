"""SameDiff's operations on pictures beside convolution and pooling, as ops of sdgraph: what is read.

They are read as SameDiff computes them, not as it says: `lrn` runs along the last axis whatever the format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sdgraph.files.samediff.reading.call import Call
from sdgraph.files.samediff.reading.stored import Unfit

_FORMATS: Final = ("NCHW", "NHWC")


def _numbers(c: Call, *possible: int) -> list[int]:
    """The whole numbers of a node, as many as it may have."""
    if len(c.stored.i) not in possible:
        raise Unfit(f"it has {len(c.stored.i)} numbers")
    return list(c.stored.i)


def _depth(op: str) -> Callable[[Call], Any]:
    def rule(c: Call) -> Any:
        block, last = _numbers(c, 2)
        return c.apply(op, c.operands[0], block_size=block, data_format=_FORMATS[bool(last)])

    return rule


def _sides(c: Call, what: str) -> list[list[int]]:
    """Entries before and after along two axes, of which a node has an array."""
    sides = c.known(1, what)
    if sides.shape != (2, 2):
        raise Unfit(f"its {what} is no array of 2 by 2")
    return sides.tolist()


def _space_to_batch(c: Call) -> Any:
    (block,), (top, bottom) = _numbers(c, 1), _sides(c, "padding")
    return c.apply("cnn.space_to_batch", c.operands[0], blocks=(block, block), padding_top=top, padding_bottom=bottom)


def _batch_to_space(c: Call) -> Any:
    top, bottom = _sides(c, "cropping")
    return c.apply("cnn.batch_to_space", c.operands[0], blocks=_numbers(c, 2), cropping_top=top, cropping_bottom=bottom)


def _window(strides: list[int], padding: list[int], dilation: list[int], mode: int) -> dict[str, Any]:
    if mode not in (0, 1):
        raise Unfit(f"its mode {mode} of padding is none for pictures")
    padded = "same" if mode else padding
    return {"strides": strides, "padding": padded, "dilation": dilation, "data_format": "NCHW"}


def _im2col(c: Call) -> Any:
    *n, mode = _numbers(c, 9)
    return c.apply("cnn.im2_col", c.operands[0], size=n[:2], **_window(n[2:4], n[4:6], n[6:], mode))


def _col2im(c: Call) -> Any:
    *n, mode = _numbers(c, 9)
    return c.apply("cnn.col2_im", c.operands[0], sizes=n[4:6], **_window(n[:2], n[2:4], n[6:], mode))


def _patches(c: Call) -> Any:
    *n, same = _numbers(c, 7)
    names = ("k_h", "k_w", "s_h", "s_w", "r_h", "r_w")
    settings = dict(zip(names, n, strict=True))
    return c.apply("cnn.extract_image_patches", c.operands[0], **settings, same_mode=bool(same))


def _dilation(c: Call) -> Any:
    same, *n = _numbers(c, 9)
    return c.apply("cnn.dilation2d", *c.operands, strides=n[4:], rates=n[:4], is_same_mode=bool(same))


def _upsampling2d(c: Call) -> Any:
    n = _numbers(c, 1, 2, 3)
    scales = n[:2] if len(n) > 1 else n * 2
    return c.apply("cnn.upsampling2d", c.operands[0], *scales, bool(n[2]) if len(n) > 2 else True)


def _upsampling3d(c: Call) -> Any:
    """The fourth number tells the format; a fifth one is not looked at."""
    n = _numbers(c, 3, 4, 5)
    return c.apply("cnn.upsampling3d", c.operands[0], bool(n[3]) if len(n) > 3 else True, *n[:3])


def _lrn(c: Call) -> Any:
    (depth,), t = _numbers(c, 1), c.stored.t
    if len(t) != 3:
        raise Unfit(f"it has {len(t)} factors")
    settings = {"alpha": t[1], "beta": t[2], "bias": t[0], "depth": depth}
    return c.apply("cnn.local_response_normalization", c.operands[0], **settings, data_format="NHWC")


PICTURES: Final[Mapping[str, Callable[[Call], Any]]] = {
    "space_to_depth": _depth("cnn.space_to_depth"),
    "depth_to_space": _depth("cnn.depth_to_space"),
    "space_to_batch": _space_to_batch,
    "batch_to_space": _batch_to_space,
    "im2col": _im2col,
    "col2im": _col2im,
    "extract_image_patches": _patches,
    "dilation2d": _dilation,
    "upsampling2d": _upsampling2d,
    "upsampling3d": _upsampling3d,
    "lrn": _lrn,
}
"""What each operation is."""
