"""The configurations that SameDiff's operations on pictures take, as settings of sdgraph's."""

FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
AXES = {1: ("",), 2: ("H", "W"), 3: ("D", "H", "W")}


def _each(config, letter, axes, default):
    return tuple(int(config.get(f"{letter}{axis}", default)) for axis in AXES[axes])


def _windows(config, axes):
    """Strides, dilation and padding; that which is given in numbers counts only without a mode."""
    mode = config.get("paddingMode", "SAME" if config.get("isSameMode") else "VALID").lower()
    return {
        "strides": _each(config, "s", axes, 1),
        "dilation": _each(config, "d", axes, 1),
        "padding": _each(config, "p", axes, 0) if mode == "valid" else mode,
    }


def _convolution(axes):
    def settings(op, config):
        found = {**_windows(config, axes), "data_format": config.get("dataFormat", FORMATS[axes][1])}
        if "weightsFormat" in config:
            found["weights_format"] = config["weightsFormat"]
        return found

    return settings


def _pooling(axes):
    def settings(op, config):
        last = not config["isNCDHW"] if "isNCDHW" in config else config.get("isNHWC", False)
        found = {
            **_windows(config, axes),
            "size": _each(config, "k", axes, 1),
            "data_format": FORMATS[axes][0 if last else 1],
        }
        if "count_padding" in op.attr_names:
            found["count_padding"] = config.get("divisor") == "INCLUDE_PADDING"
        return found

    return settings


CONFIGS = {
    "Conv1DConfig": _convolution(1),
    "Conv2DConfig": _convolution(2),
    "Conv3DConfig": _convolution(3),
    "DeConv2DConfig": _convolution(2),
    "DeConv3DConfig": _convolution(3),
    "Pooling2DConfig": _pooling(2),
    "Pooling3DConfig": _pooling(3),
}
