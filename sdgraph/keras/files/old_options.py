"""Settings of layers as Keras 1 and 2 wrote them, under the names and with the meaning that they have in Keras 3.

One table for each sort of difference. Must not know files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sdgraph.errors import FormatError, shown
from sdgraph.wording import listed

CLASSES: Final = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
}
"""Classes that are called something else in Keras 3."""

_MERGES: Final = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
}
"""What the modes of Keras 1's Merge are in Keras 3."""

HARD_SIGMOID: Final = "keras2>hard_sigmoid"
"""Stands for the activation "hard_sigmoid" of Keras 1 and 2, ``clip(0.2 x + 0.5, 0, 1)``.

That of Keras 3 is ``clip(x / 6 + 0.5, 0, 1)``."""

_ACTIVATIONS: Final = ("activation", "recurrent_activation")

_OF_KERAS_1: Final = {
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "filter_length": "kernel_size",
    "atrous_rate": "dilation_rate",
    "dim_ordering": "data_format",
    "pool_length": "pool_size",
    "stride": "strides",
    "length": "size",
    "p": "rate",
    "sigma": "stddev",
    "bias": "use_bias",
    "output_dim": "units",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "gamma_init": "gamma_initializer",
    "beta_init": "beta_initializer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "W_regularizer": "kernel_regularizer",
    "W_constraint": "kernel_constraint",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "b_constraint": "bias_constraint",
}
"""Names of settings of Keras 1 in Keras 3, for all layers but these:"""

_OF_KERAS_1_IN: Final[Mapping[str, Mapping[str, str]]] = {
    "Embedding": {
        "output_dim": "output_dim",
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "PReLU": {"init": "alpha_initializer"},
}

_OF_KERAS_2_IN: Final[Mapping[str, Mapping[str, str]]] = {"LeakyReLU": {"alpha": "negative_slope"}}
"""Names of settings of Keras 1 and 2 in Keras 3."""

_JOINED: Final = {
    ("nb_row", "nb_col"): "kernel_size",
    ("kernel_dim1", "kernel_dim2", "kernel_dim3"): "kernel_size",
}
"""Settings of Keras 1 that are one list in Keras 3."""

_VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "data_format": {"th": "channels_first", "tf": "channels_last"},
    "padding": {"half": "same"},
}
"""What values are called in Keras 3, by the name of the setting there."""

_ABSENT: Final[Mapping[str, Mapping[str, Any]]] = {
    "LSTM": {"recurrent_activation": "hard_sigmoid"},
    "GRU": {"recurrent_activation": "hard_sigmoid", "reset_after": False},
    "ConvLSTM2D": {"recurrent_activation": "hard_sigmoid"},
}
"""Defaults of versions before 2.3 that are others in Keras 3, where a file does not tell."""

_CUDNN: Final = {
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
    "CuDNNGRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
}
"""What the layers for one sort of hardware always do."""

_WITHOUT_EFFECT: Final = frozenset(
    (
        *("implementation", "consume_less", "input_length", "weights", "forget_bias_init", "fused", "input_dtype"),
        *("renorm_clipping", "renorm_momentum", "dynamic", "build_input_shape", "lora_alpha", "quantization_mode"),
        *("batch_size", "ragged", "autocast"),
    )
)
"""Settings that say how something is computed, or what other settings say, too."""

_ONLY: Final[Mapping[str, tuple[Any, ...]]] = {
    "time_major": (False, None),
    "renorm": (False, None),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "quantization_config": (None,),
    "lora_rank": (None,),
    "sparse": (False, None),
    "causal": (False, None),
}
"""Settings that Keras 3 or sdgraph does not have, with the values that change nothing."""

_ONE_GROUP: Final = {"groups": (1,)}
_ONLY_IN: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    # Keras 2 derives these from Conv, whose settings it wrote with theirs.
    "DepthwiseConv1D": _ONE_GROUP,
    "DepthwiseConv2D": _ONE_GROUP,
    "SeparableConv1D": _ONE_GROUP,
    "SeparableConv2D": _ONE_GROUP,
    "Conv1DTranspose": _ONE_GROUP,
    "Conv2DTranspose": _ONE_GROUP,
    "Conv3DTranspose": _ONE_GROUP,
    "BatchNormalization": {"mode": (0,)},
    "Embedding": {"dropout": (0, None)},
}

_KEEP_IN: Final[Mapping[str, frozenset[str]]] = {
    "CategoryEncoding": frozenset({"sparse"}),
    "InputLayer": frozenset({"batch_size"}),
}
"""Where a name means something."""


def class_and_options(
    written: str, options: Mapping[str, Any], version: tuple[int, ...], where: str
) -> tuple[str, dict[str, Any]]:
    """The class and the settings of a layer in Keras 3.

    Args:
        written: The class as the file has it.
        options: The settings as the file has them, its wrapped values unwrapped.
        version: The version of Keras that wrote them.
        where: The place in the file.

    Raises:
        FormatError: For a setting that changes results and that Keras 3 does not have.

    Example:
        >>> old = {"nb_filter": 8, "nb_row": 3, "nb_col": 3, "border_mode": "same", "dim_ordering": "th"}
        >>> class_and_options("Convolution2D", old, (1, 2, 2), "layer")
        ('Conv2D', {'kernel_size': [3, 3], 'filters': 8, 'padding': 'same', 'data_format': 'channels_first'})
    """
    found = dict(options)
    if written == "Merge":
        return _merged(found, where)
    name = CLASSES.get(written, written)
    if version < (2,):
        found = _from_keras_1(name, found, where)
    if version < (3,):
        names = _OF_KERAS_2_IN.get(name, {})
        found = {names.get(key, key): value for key, value in found.items()}
        absent = _ABSENT.get(name, {}) if version < (2, 3) else {}
        found = {**absent, **found, **_CUDNN.get(written, {})}
        for key in _ACTIVATIONS:
            if found.get(key) == "hard_sigmoid":
                found[key] = HARD_SIGMOID
        if name == "BatchNormalization" and isinstance(found.get("axis"), list) and len(found["axis"]) == 1:
            found["axis"] = found["axis"][0]
    return name, _with_effect(name, found, where)


def _with_effect(name: str, options: dict[str, Any], where: str) -> dict[str, Any]:
    keep, only = _KEEP_IN.get(name, frozenset()), {**_ONLY, **_ONLY_IN.get(name, {})}
    found = {}
    for key, value in options.items():
        if key in keep:
            found[key] = value
        elif key in only:
            if not any(value is one or (value == one and type(value) is not bool) for one in only[key]):
                raise FormatError(
                    f"{where}: {name} with {key} is not read.",
                    given=f"{key}={shown(value)}",
                    expected=listed(only[key]),
                )
        elif key not in _WITHOUT_EFFECT:
            found[key] = value
    return found


# ---------------------------------------------------------------------- Keras 1


def _from_keras_1(name: str, options: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parts, whole in _JOINED.items():
        if all(part in options for part in parts):
            found[whole] = [options.pop(part) for part in parts]
    if name != "Embedding":
        options.pop("input_dim", None)
    if name == "Conv2DTranspose":
        options.pop("output_shape", None)
    names = {**_OF_KERAS_1, **_OF_KERAS_1_IN.get(name, {})}
    for key, value in options.items():
        new = names.get(key, key)
        values = _VALUES.get(new, {})
        value = values.get(value, value) if isinstance(value, str) else value
        if new == "padding" and value == "full":
            raise FormatError(f"{where}: border_mode 'full' is not read.", expected="'valid' or 'same'")
        found[new] = _rule_of_keras_1(value) if new.endswith(("_regularizer", "_constraint")) else value
    return found


_RULES: Final = {
    "WeightRegularizer": "L1L2",
    "L1L2Regularizer": "L1L2",
    "ActivityRegularizer": "L1L2",
    "MaxNorm": "MaxNorm",
    "NonNeg": "NonNeg",
    "UnitNorm": "UnitNorm",
}
_OF_RULES: Final = {"m": "max_value"}


def _rule_of_keras_1(value: Any) -> Any:
    """A regulariser or constraint, whose settings stood beside its name."""
    if not isinstance(value, Mapping) or "name" not in value:
        return value
    name = str(value["name"])
    settings = {_OF_RULES.get(key, key): one for key, one in value.items() if key != "name"}
    return {"class_name": _RULES.get(name, name), "config": settings}


def _merged(options: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    mode = options.get("mode", "sum")
    name = _MERGES.get(mode) if isinstance(mode, str) else None
    if name is None or options.get("layers"):
        what = "with layers of its own" if name else f"with the mode {shown(mode)}"
        raise FormatError(f"{where}: a Merge {what} is not read.", expected=f"a mode of {listed(_MERGES)}")
    if name == "Concatenate":
        return name, {"axis": options.get("concat_axis", -1)}
    return name, {"axes": options.get("dot_axes", -1)} if name == "Dot" else {}
