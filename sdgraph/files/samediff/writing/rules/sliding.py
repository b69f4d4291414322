"""Rules of convolutions and pooling, as far as SameDiff has them: one group, and the same padding on both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sdgraph.files.samediff.writing.call import Call, Written, known
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.infer import windows
from sdgraph.ops.cnn.convolutions import WEIGHTS
from sdgraph.ops.cnn.layouts import FORMATS, channels_first

Rule = Callable[[Call], Written]

_LETTERS: Final = {1: ("",), 2: ("H", "W"), 3: ("D", "H", "W")}
_MODES: Final = {"valid": 0, "same": 1, "causal": 2}


def _slid(c: Call, axes: int, k: Sequence[int], strides: Any) -> tuple[list[int], str]:
    """Sizes, strides, padding and dilation by axis, and the mode of the padding.

    Raises:
        Refused: If the padding is another at the two sides of an axis.
    """
    s = windows.per_axis("strides", strides, axes)
    d = windows.per_axis("dilation", c.attrs["dilation"], axes)
    given = c.attrs["padding"]
    if isinstance(given, str):
        if given not in _MODES:
            raise Refused("SameDiff has the odd place of padding behind")
        return [*k, *s, *(0,) * axes, *d], given
    pads = windows.per_side(given, axes, "padding")
    if any(low != high or low < 0 for low, high in pads):
        raise Refused("SameDiff pads both sides of an axis alike")
    return [*k, *s, *(low for low, _ in pads), *d], "valid"


def _properties(axes: int, numbers: Sequence[int], more: dict[str, Any]) -> dict[str, Any]:
    """What the settings of a configuration are called in Java."""
    names = [kind + letter for kind in "kspd" for letter in _LETTERS[axes]]
    return {**dict(zip(names, numbers, strict=True)), **more}


def _operands(c: Call) -> list[Value]:
    """All that there are, in the dtype of the result."""
    if c.dtype.kind != "f":
        raise Refused("SameDiff has this for floats only")
    return [c.cast(v, c.dtype) for v in c.inputs if v is not None]


def _convolution(op_name: str, axes: int, *, formats: bool = False) -> Rule:
    def rule(c: Call) -> Value:
        if c.attrs.get("groups", 1) != 1:
            raise Refused("SameDiff has no groups of channels")
        x, w, *rest = _operands(c)
        # It has no gradient for other orders of the axes.
        w = c.permute(w, WEIGHTS[c.attrs["weights_format"]]) if "weights_format" in c.attrs else w
        numbers, mode = _slid(c, axes, known(w.shape[:-2], "the sizes of the windows"), c.attrs["strides"])
        first = channels_first(c.attrs["data_format"], axes)
        more = {"paddingMode": mode.upper(), "dataFormat": c.attrs["data_format"]}
        i = [*numbers, _MODES[mode], 0 if first else 1, *([0] if formats else [])]
        return c.node(op_name, x, w, *rest, shape=c.shape, i=i, more=_properties(axes, numbers, more))

    return rule


def _deconvolution(op_name: str, axes: int) -> Rule:
    def rule(c: Call) -> Value:
        if c.attrs["groups"] != 1 or c.attrs["output_padding"] is not None:
            raise Refused("SameDiff has no groups of channels, and no more places behind")
        x, w, *rest = _operands(c)
        k = known(w.shape[:-2], "the sizes of the windows")
        numbers, mode = _slid(c, axes, k, c.attrs["strides"])
        by_axis = list(zip(*(numbers[q * axes : (q + 1) * axes] for q in range(4)), strict=True))
        if any(d != 1 for *_, d in by_axis):
            raise Refused("SameDiff has transposed convolutions without dilation")
        if c.attrs["padding"] == "valid" and any(k < s for k, s, *_ in by_axis):
            raise Refused("where strides are longer than windows, SameDiff has fewer places behind")
        first = channels_first(c.attrs["data_format"], axes)
        i = [*numbers, int(mode == "same"), 0 if first else 1]
        more = {"isSameMode": mode == "same", "dataFormat": c.attrs["data_format"]}
        return c.node(op_name, x, w, *rest, shape=c.shape, i=i, more=_properties(axes, numbers, more))

    return rule


def _pooling(op_name: str, axes: int, kind: str) -> Rule:
    def rule(c: Call) -> Value:
        attrs = c.attrs
        (x,) = _operands(c)
        if attrs["ceil"]:
            raise Refused("SameDiff leaves out windows that are not whole")
        if kind == "AVG" and (attrs["count_padding"] and attrs["padding"] != "valid"):
            raise Refused("SameDiff leaves padding out of means")
        k = windows.per_axis("size", attrs["size"], axes)
        numbers, mode = _slid(c, axes, k, k if attrs["strides"] is None else attrs["strides"])
        if kind == "AVG" and any(d != 1 for d in numbers[3 * axes :]):
            raise Refused("SameDiff has means of windows without dilation")
        if axes == 3 and any(numbers[q + 1] != numbers[q + 2] for q in (0, 3, 6, 9)):
            raise Refused("SameDiff exchanges height and width of windows")
        first = channels_first(attrs["data_format"], axes)
        i = [*numbers, _MODES[mode], 0, 0 if first else 1]
        if axes == 3:
            more = {"type": kind, "isSameMode": mode == "same", "isNCDHW": first}
        else:
            more = {"type": kind, "extra": 0.0, "paddingMode": mode.upper(), "isNHWC": not first}
        return c.node(op_name, x, shape=c.shape, i=i, more=_properties(axes, numbers, more))

    return rule


RULES: Final[dict[str, Rule]] = {
    "cnn.conv1d": _convolution("conv1d", 1),
    "cnn.conv2d": _convolution("conv2d", 2, formats=True),
    "cnn.conv3d": _convolution("conv3dnew", 3),
    "cnn.depth_wise_conv2d": _convolution("depthwise_conv2d", 2),
    "cnn.separable_conv2d": _convolution("sconv2d", 2, formats=True),
    "cnn.deconv2d": _deconvolution("deconv2d", 2),
    "cnn.deconv3d": _deconvolution("deconv3d", 3),
    "cnn.max_pooling2d": _pooling("maxpool2d", 2, "MAX"),
    "cnn.max_pooling3d": _pooling("maxpool3dnew", 3, "MAX"),
    "cnn.avg_pooling2d": _pooling("avgpool2d", 2, "AVG"),
    "cnn.avg_pooling3d": _pooling("avgpool3dnew", 3, "AVG"),
}


# ---------------------------------------------------------------------- what they come down to


def _as_call(c: Call, name: str, inputs: list[Any], **attrs: Any) -> Written:
    """The rule of another op, for these operands and settings."""
    return RULES[name](Call(c.records, c.name, attrs, inputs, c.avals, c.needed, c.used))


def _conv(c: Call) -> Written:
    """By its name for as many axes, or for each channel."""
    x, w = c.inputs
    axes = x.rank - 2
    settings = {"strides": c.attrs["strides"], "dilation": c.attrs["dilation"], "padding": c.attrs["pads"]}
    if axes > 3:
        raise Refused("SameDiff has windows along three axes at most")
    settings["data_format"] = FORMATS[axes][0]
    (channels,) = known(x.shape[-1:], "the number of channels")
    if axes == 2 and c.attrs["groups"] == channels > 1:
        (f,) = known(w.shape[-1:], "the number of filters")
        filters = c.reshape(w, (*w.shape[:-2], channels, f // channels))
        return _as_call(c, "cnn.depth_wise_conv2d", [x, filters], **settings)
    more = {"weights_format": "YXIO"} if axes == 2 else {}
    return _as_call(c, f"cnn.conv{axes}d", [x, w], groups=c.attrs["groups"], **settings, **more)


RULES["cnn.conv"] = _conv
