"""Layers on sequences, pictures and volumes beside Keras' own, with all their settings."""

import inspect
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgraph.keras import layers
from tests.keras.keras_itself import keras
from tests.keras.layers.against_keras import array, check, compare

pytestmark = pytest.mark.keras

FIRST = {"data_format": "channels_first"}
SAME = {"padding": "same"}

QUICK = [
    ("Conv2D", (2, 6, 5, 2), {"filters": 4, "kernel_size": (3, 2), "strides": 2, "groups": 2, **SAME}),
    ("Conv1DTranspose", (2, 4, 3), {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1, **SAME}),
    ("AveragePooling2D", (1, 2, 5, 7), {"pool_size": (2, 3), **SAME, **FIRST}),
    ("UpSampling2D", (1, 3, 2, 2), {"size": (2, 3), "interpolation": "bicubic"}),
]
LESS_QUICK = [
    ("Conv1D", (2, 7, 3), {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2, "activation": "relu"}),
    ("Conv3D", (1, 3, 4, 5, 2), {"filters": 2, "kernel_size": 2, "strides": (1, 2, 1), **SAME, **FIRST}),
    ("Conv2DTranspose", (1, 3, 4, 2), {"filters": 3, "kernel_size": (3, 2), "strides": (2, 3), **SAME}),
    ("DepthwiseConv2D", (1, 2, 5, 6), {"kernel_size": 3, "strides": 2, "depth_multiplier": 2, **SAME, **FIRST}),
    ("SeparableConv1D", (1, 5, 2), {"filters": 3, "kernel_size": 3, "depth_multiplier": 2, "dilation_rate": 2}),
    ("MaxPooling1D", (2, 7, 3), {"pool_size": 3, "strides": 2, **SAME}),
    ("GlobalAveragePooling1D", (2, 5, 3), {}),
]

KERNELS = [
    *({"kernel_size": k, "padding": p, "strides": s} for k in (1, 2, 3) for p in ("valid", "same") for s in (1, 2, 4)),
    *({"kernel_size": k, "padding": p, "dilation_rate": 2} for k in (2, 3) for p in ("valid", "same")),
]
SHAPES = {1: (2, 9, 4), 2: (2, 8, 9, 4), 3: (1, 5, 6, 5, 2)}


def first(shape):
    """The shape with the channels behind the batch."""
    return (shape[0], shape[-1], *shape[1:-1])


def each(name, axes, configs):
    """A case for each configuration, now in one format and now in the other."""
    for k, config in enumerate(configs):
        turned = (k + k // 2 + axes) % 2
        yield name, first(SHAPES[axes]) if turned else SHAPES[axes], {**config, **(FIRST if turned else {})}


LONG = [
    *(c for n in (1, 2, 3) for c in each(f"Conv{n}D", n, [{"filters": 4, **c} for c in KERNELS])),
    *(c for n in (1, 2, 3) for c in each(f"Conv{n}D", n, [{"filters": 4, "kernel_size": 2, "groups": 2}])),
    *each("Conv1D", 1, [{"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": d} for d in (1, 3)]),
    *(c for n in (1, 2, 3) for c in each(f"Conv{n}DTranspose", n, [{"filters": 3, **c} for c in KERNELS])),
    *(
        c
        for n in (1, 2)
        for c in each(
            f"Conv{n}DTranspose",
            n,
            [
                {"filters": 2, "kernel_size": k, "strides": 3, "padding": p, "output_padding": e}
                for k in (1, 2, 3, 4)
                for p in ("valid", "same")
                for e in (0, 1, 2)
            ],
        )
    ),
    *(c for n in (1, 2) for c in each(f"DepthwiseConv{n}D", n, [{"depth_multiplier": 2, **c} for c in KERNELS])),
    *(c for n in (1, 2) for c in each(f"SeparableConv{n}D", n, [{"filters": 3, **c} for c in KERNELS])),
    *(
        c
        for n in (1, 2, 3)
        for kind in ("MaxPooling", "AveragePooling")
        for c in each(
            f"{kind}{n}D",
            n,
            [
                {"pool_size": k, "strides": s, "padding": p}
                for k in (1, 2, 3)
                for s in (None, 1, 3)
                for p in ("valid", "same")
            ],
        )
    ),
    *(
        c
        for n in (1, 2, 3)
        for kind in ("Max", "Average")
        for c in each(f"Global{kind}Pooling{n}D", n, [{"keepdims": k} for k in (False, True)])
    ),
    *each(
        "UpSampling2D",
        2,
        [{"interpolation": m} for m in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")],
    ),
    *each("UpSampling3D", 3, [{"size": (1, 2, 3)}]),
    ("UpSampling1D", SHAPES[1], {"size": 3}),
]

BORDERS = [
    ("ZeroPadding1D", (2, 3, 2), {"padding": 2}),
    ("ZeroPadding1D", (2, 2, 3), {"padding": (0, 2), **FIRST}),
    ("ZeroPadding2D", (1, 2, 3, 2), {"padding": (1, 2)}),
    ("ZeroPadding2D", (1, 2, 2, 3), {"padding": ((0, 1), (2, 0)), **FIRST}),
    ("ZeroPadding3D", (1, 2, 2, 2, 1), {"padding": ((0, 1), (1, 0), (2, 0))}),
    ("Cropping1D", (2, 5, 2), {}),
    ("Cropping1D", (2, 5, 2), {"cropping": (0, 3)}),
    ("Cropping2D", (1, 4, 5, 2), {}),
    ("Cropping2D", (1, 2, 4, 5), {"cropping": ((1, 0), (0, 2)), **FIRST}),
    ("Cropping3D", (1, 3, 4, 3, 1), {}),
    ("Cropping3D", (1, 1, 3, 4, 3), {"cropping": ((0, 1), (1, 0), (2, 0)), **FIRST}),
]


def named(case):
    """What a case is called."""
    return f"{case[0]}-{'x'.join(map(str, case[1]))}-{json.dumps(case[2])}"


@pytest.mark.parametrize("case", QUICK, ids=named)
def test_a_layer_is_that_of_keras(case):
    name, shape, config = case
    check(name, array(shape), config)


@pytest.mark.parametrize("case", LESS_QUICK, ids=named)
def test_outputs_are_those_of_keras(case):
    name, shape, config = case
    check(name, array(shape), config, gradients=False)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*LONG, *LESS_QUICK], ids=named)
def test_settings_mean_what_they_mean_in_keras(case):
    name, shape, config = case
    check(name, array(shape), config)


@pytest.mark.parametrize("case", BORDERS, ids=named)
def test_borders_are_those_of_keras(case):
    name, shape, config = case
    ours, theirs = compare(lambda of: getattr(of, name)(**config), array(shape), config=False, gradients=False)
    written, expected = (json.loads(json.dumps(layer.get_config())) for layer in (ours, theirs))
    for k in expected.keys() & {"padding", "cropping", "data_format"}:
        assert written[k] == expected[k]
    assert type(ours).from_config(theirs.get_config()).get_config()[next(iter(config), "name")] is not None


@pytest.mark.parametrize("keepdims", [False, True])
def test_the_mean_of_sequences_leaves_out_what_is_masked(keepdims):
    mask = np.array([[True, True, False, True], [False, True, False, False]])
    check("GlobalAveragePooling1D", array((2, 4, 3)), {"keepdims": keepdims}, masks=mask)


def test_the_mean_of_sequences_with_channels_first_and_a_mask():
    # Keras takes a mask of the steps, wherever these are.
    mask = np.array([[True, True, False, True], [False, True, False, False]])
    check("GlobalAveragePooling1D", array((2, 3, 4)), FIRST, masks=mask)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_any_convolution_that_keras_makes(data):
    name = data.draw(st.sampled_from(["Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose", "SeparableConv2D"]))
    axes = 1 if "1D" in name else 2
    sizes = data.draw(st.tuples(*[st.integers(5, 9)] * axes))
    groups = data.draw(st.sampled_from([1, 2])) if name in ("Conv1D", "Conv2D") else 1
    config = {
        "filters": 2 * data.draw(st.integers(1, 2)),
        "kernel_size": data.draw(st.tuples(*[st.integers(1, 3)] * axes)),
        "padding": data.draw(st.sampled_from(["valid", "same", *(["causal"] if name == "Conv1D" else [])])),
        "use_bias": data.draw(st.booleans()),
        "activation": data.draw(st.sampled_from([None, "tanh", "softmax"])),
    }
    config |= {"groups": groups} if groups > 1 else {}
    which = data.draw(st.sampled_from(["strides", "dilation_rate"]))
    config[which] = data.draw(st.tuples(*[st.integers(1, 2 if which == "dilation_rate" else 4)] * axes))
    shape = (data.draw(st.integers(1, 2)), *sizes, 2)
    if data.draw(st.booleans()):
        config["data_format"], shape = "channels_first", first(shape)
    check(name, array(shape), config)


NAMES = [n for n in dir(keras.layers) if n.removesuffix("Transpose")[-2:] in ("1D", "2D", "3D") and hasattr(layers, n)]


def parameters(cls):
    """The arguments of a class, with what they are if they are left out."""
    found = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in found if p.kind is not p.VAR_KEYWORD}


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_keras_in_its_order(name):
    ours, theirs = parameters(getattr(layers, name)), parameters(getattr(keras.layers, name))
    assert list(ours)[: len(theirs)] == list(theirs)
    for k, v in theirs.items():
        assert (ours[k] is inspect.Parameter.empty) == (v is inspect.Parameter.empty), k
        if isinstance(v, bool | str | None):
            assert ours[k] == v, k


def test_other_names_are_those_of_the_same_layers():
    every = {n: getattr(keras.layers, n) for n in dir(keras.layers)}
    for name in NAMES:
        (own,) = [n for n in NAMES if every[n] is every[name] and n == every[name].__name__]
        assert getattr(layers, name) is getattr(layers, own)
