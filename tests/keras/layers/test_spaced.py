"""Layers on sequences, pictures and volumes: formulas in numpy, unknown sizes, and settings that are wrong."""

import itertools

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError
from sdgraph.keras import layers
from sdgraph.keras.layers.notes import mask_of

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape)


def convolved(x, w, stride, dilation, before, places):
    """A convolution place by place, from its formula."""
    k, out = w.shape[:-2], np.zeros((len(x), *places, w.shape[-1]))
    for o in np.ndindex(*places):
        for t in np.ndindex(*k):
            at = tuple(s * i + d * j - b for s, i, d, j, b in zip(stride, o, dilation, t, before, strict=True))
            if all(0 <= a < n for a, n in zip(at, x.shape[1:-1], strict=True)):
                out[(slice(None), *o)] += x[(slice(None), *at)] @ w[t]
    return out


def with_weights(layer, x, **weights):
    """The layer with weights of these names, and what it gives in float64."""
    layer(x)
    layer.set_weights([weights[w.name.rpartition("/")[2]] for w in layer.weights])
    return layer(x)


def f64(name, *args, **kwargs):
    return getattr(layers, name)(*args, **kwargs, dtype="float64")


@pytest.mark.parametrize(
    ("padding", "before", "places"), [("valid", (0, 0), (2, 3)), ("same", (0, 1), (3, 5)), ("SAME", (0, 1), (3, 5))]
)
def test_a_convolution_is_its_formula(padding, before, places):
    x, w, b = normal(2, 6, 5, 3), normal(3, 3, 3, 4), normal(4)
    layer = f64("Conv2D", 4, 3, strides=(2, 1), padding=padding, activation="tanh")
    got = with_weights(layer, x, kernel=w, bias=b)
    np.testing.assert_allclose(got, np.tanh(convolved(x, w, (2, 1), (1, 1), before, places) + b), rtol=1e-12)


def test_strides_and_dilation_go_together():
    x, w = normal(1, 9, 2), normal(2, 2, 3)
    layer = f64("Conv1D", 3, 2, strides=2, dilation_rate=3, padding="causal", use_bias=False)
    np.testing.assert_allclose(with_weights(layer, x, kernel=w), convolved(x, w, (2,), (3,), (3,), (5,)), rtol=1e-12)


def test_groups_are_convolutions_side_by_side():
    x, w = normal(2, 5, 5, 4), normal(2, 2, 2, 6)
    layer = f64("Conv2D", 6, 2, groups=2, use_bias=False)
    halves = [
        convolved(x[..., 2 * g : 2 * g + 2], w[..., 3 * g : 3 * g + 3], (1, 1), (1, 1), (0, 0), (4, 4)) for g in (0, 1)
    ]
    np.testing.assert_allclose(with_weights(layer, x, kernel=w), np.concatenate(halves, -1), rtol=1e-12)


def test_a_channel_has_filters_of_its_own():
    x, w, b = normal(2, 5, 4, 3), normal(2, 3, 3, 2), normal(6)
    each = [convolved(x[..., c : c + 1], w[:, :, c : c + 1], (1, 1), (1, 1), (0, 0), (4, 2)) for c in range(3)]
    got = with_weights(f64("DepthwiseConv2D", (2, 3), depth_multiplier=2), x, kernel=w, bias=b)
    np.testing.assert_allclose(got, np.concatenate(each, -1) + b, rtol=1e-12)


def test_two_steps_are_one_after_the_other():
    x, first, second, b = normal(2, 6, 3), normal(2, 3, 2), normal(1, 6, 4), normal(4)
    layer = f64("SeparableConv1D", 4, 2, strides=2, depth_multiplier=2, activation="relu")
    got = with_weights(layer, x, depthwise_kernel=first, pointwise_kernel=second, bias=b)
    middle = with_weights(f64("DepthwiseConv1D", 2, strides=2, depth_multiplier=2, use_bias=False), x, kernel=first)
    np.testing.assert_allclose(got, np.maximum(middle @ second[0] + b, 0), rtol=1e-12)


@pytest.mark.parametrize("name", ["Conv1D", "Conv2D", "Conv3D"])
def test_a_transposed_convolution_is_the_gradient_of_one(name):
    axes = int(name[-2])
    w, g = normal(*(3, 2, 2)[:axes], 2, 4), normal(1, *(3,) * axes, 4)
    got = with_weights(f64(f"{name}Transpose", 2, w.shape[:axes], strides=2, use_bias=False), g, kernel=w)
    v = normal(*got.shape)
    forward = with_weights(f64(name, 4, w.shape[:axes], strides=2, use_bias=False), v, kernel=w)
    assert (got * v).sum() == pytest.approx((forward * g).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("config", "n"), [({}, 9), ({"padding": "same"}, 8), ({"output_padding": 0}, 9), ({"output_padding": 1}, 10)]
)
def test_sizes_of_transposed_convolutions(config, n):
    assert layers.Conv1DTranspose(2, 3, strides=2, **config)(normal(1, 4, 3)).shape == (1, n, 2)
    assert layers.Conv3DTranspose(2, 3, strides=2, **config)(normal(1, 4, 4, 4, 3)).shape == (1, n, n, n, 2)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pooling_is_its_formula(axes):
    x = normal(2, *(4, 5, 4)[:axes], 3)
    blocks = [x[(slice(None), *(slice(2 * i, 2 * i + 2) for i in at))] for at in np.ndindex(*(2,) * axes)]
    space = tuple(range(1, axes + 1))
    for kind, f in (("Max", np.max), ("Average", np.mean)):
        expected = np.stack([f(b, space) for b in blocks], 1).reshape(2, *(2,) * axes, 3)
        np.testing.assert_allclose(f64(f"{kind}Pooling{axes}D", 2)(x), expected, rtol=1e-14)
        turned = f64(f"{kind}Pooling{axes}D", 2, data_format="channels_first")(np.moveaxis(x, -1, 1))
        np.testing.assert_allclose(np.moveaxis(turned, 1, -1), expected, rtol=1e-14)
        np.testing.assert_allclose(f64(f"Global{kind}Pooling{axes}D")(x), f(x, space), rtol=1e-14)


def test_a_mean_counts_no_padding():
    x = np.arange(1.0, 6).reshape(1, 5, 1)
    np.testing.assert_array_equal(f64("AveragePooling1D", 2, padding="same")(x).ravel(), [1.5, 3.5, 5.0])


def test_whole_numbers_become_the_dtype_of_the_layer():
    x = np.arange(8).reshape(1, 4, 2)
    for layer in (layers.Conv1D(2, 2), layers.AveragePooling1D(2), layers.GlobalAveragePooling1D()):
        assert layer(x).dtype == "float32"
    assert layers.MaxPooling1D(2)(x).dtype == x.dtype


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_mean_leaves_out_steps_that_are_masked(data_format):
    sd, a = SameDiff("float64"), normal(2, 4, 3)
    counts = np.array([[True, False, True, True], [False, False, True, False]])
    x, m = sd.placeholder("x", (None, 4, 3)), sd.placeholder("m", (None, 4), "bool")
    v, axis = (x, 1) if data_format == "channels_last" else (sd.permute(x, (0, 2, 1)), 2)
    y = layers.GlobalAveragePooling1D(data_format, keepdims=True)(v, mask=m)
    expected = np.stack([row[c].mean(0) for row, c in zip(a, counts, strict=True)])
    np.testing.assert_allclose(y.eval({"x": a, "m": counts}), np.expand_dims(expected, axis), rtol=1e-14)
    assert mask_of(y) is None


def test_borders_come_and_go():
    x = normal(1, 3, 4, 2)
    larger = f64("ZeroPadding2D", ((1, 0), (2, 3)))(x)
    np.testing.assert_array_equal(larger, np.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0))))
    np.testing.assert_array_equal(f64("Cropping2D", ((1, 0), (2, 3)))(larger), x)
    np.testing.assert_array_equal(f64("UpSampling2D", (2, 3))(x), x.repeat(2, 1).repeat(3, 2))


# ---------------------------------------------------------------------- sizes that are not known

LAYERS = {
    "Conv2D": {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"},
    "Conv2DTranspose": {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"},
    "DepthwiseConv2D": {"kernel_size": 2},
    "SeparableConv2D": {"filters": 2, "kernel_size": 2, "activation": "relu"},
    "Conv1D": {"filters": 2, "kernel_size": 3, "padding": "causal"},
    "Conv1DTranspose": {"filters": 2, "kernel_size": 3, "strides": 2},
    "DepthwiseConv1D": {"kernel_size": 2, "strides": 2, "padding": "same"},
    "MaxPooling2D": {"padding": "same"},
    "AveragePooling1D": {"pool_size": 2, "padding": "same"},
    "GlobalMaxPooling2D": {},
    "ZeroPadding2D": {},
    "Cropping2D": {"cropping": 1},
    "Cropping1D": {},
    "UpSampling2D": {"interpolation": "bilinear"},
    "UpSampling1D": {},
}


FORMATS = ("channels_last", "channels_first")
ONE_FORMAT = ("Cropping1D", "UpSampling1D")


@pytest.mark.parametrize(
    ("name", "data_format"), [(n, f) for n in LAYERS for f in FORMATS[: 1 + (n not in ONE_FORMAT)]]
)
def test_sizes_may_be_known_when_it_runs(name, data_format):
    axes, config = 1 if "1D" in name else 2, LAYERS[name]
    config = config if name in ONE_FORMAT else {**config, "data_format": data_format}
    last = data_format == "channels_last"
    layer = getattr(layers, name)(**config)
    a = normal(2, *(5, 6)[:axes], 3).astype("float32") if last else normal(2, 3, *(5, 6)[:axes]).astype("float32")
    expected = layer(a)
    sd = SameDiff()
    x = sd.placeholder("x", (None, *(None,) * axes, 3) if last else (None, 3, *(None,) * axes))
    y = layer(x)
    total = sd.sum(y**2)
    for engine in ("numpy", "llvm"):
        got = sd.compile([y, sd.grad(total, x)], engine)({"x": a})
        np.testing.assert_allclose(got[y.name], expected, rtol=2e-5, atol=1e-6)
        assert next(v for k, v in got.items() if k != y.name).shape == a.shape


def test_an_empty_batch_stays_empty():
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 2), layers.MaxPooling2D(), layers.UpSampling2D()]
    )
    assert model(np.zeros((0, 6, 6, 2))).shape == (0, 4, 4, 3)


# ---------------------------------------------------------------------- configurations and weights


def test_a_configuration_has_settings_in_their_one_form():
    config = layers.Conv2D(4, 3, padding="SAME", activation="relu").get_config()
    assert config["kernel_size"] == [3, 3]
    assert config["strides"] == config["dilation_rate"] == [1, 1]
    assert (config["padding"], config["data_format"]) == ("same", "channels_last")
    assert layers.MaxPooling3D(2).get_config()["strides"] == [2, 2, 2]
    assert layers.ZeroPadding2D(1).get_config()["padding"] == [[1, 1], [1, 1]]
    assert layers.Cropping1D(2).get_config()["cropping"] == [2, 2]


def test_weights_have_the_names_and_shapes_of_keras():
    made = {
        "Conv3D": ({"filters": 4, "kernel_size": (1, 2, 3), "groups": 2}, {"kernel": (1, 2, 3, 1, 4), "bias": (4,)}),
        "Conv2DTranspose": ({"filters": 4, "kernel_size": 3}, {"kernel": (3, 3, 4, 2), "bias": (4,)}),
        "DepthwiseConv2D": ({"kernel_size": 3, "depth_multiplier": 3}, {"kernel": (3, 3, 2, 3), "bias": (6,)}),
        "SeparableConv1D": (
            {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "use_bias": False},
            {"depthwise_kernel": (3, 2, 2), "pointwise_kernel": (1, 4, 5)},
        ),
    }
    for name, (config, weights) in made.items():
        layer = getattr(layers, name)(**config)
        layer(normal(1, *(5,) * (3 if "3D" in name else 2 if "2D" in name else 1), 2))
        assert {w.name.rpartition("/")[2]: w.shape for w in layer.weights} == weights


def test_penalties_are_those_of_each_weight():
    layer = f64("SeparableConv2D", 2, 2, depthwise_regularizer="l1", pointwise_regularizer="l2", bias_regularizer="l1")
    layer(normal(1, 4, 4, 3))
    depth, point, _ = layer.get_weights()
    assert sum(layer.losses) == pytest.approx(0.01 * abs(depth).sum() + 0.01 * (point**2).sum())


# ---------------------------------------------------------------------- what is refused

WRONG = [
    ("Conv2D", {"filters": 0, "kernel_size": 3}, "filters must be a whole number, 1 or more"),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 3, 3)}, "one for each of 2 axes"),
    ("Conv2D", {"filters": 4, "kernel_size": 0}, "kernel_size is a whole number, 1 or more"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 1.5}, "strides is a whole number"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "causal"}, "no padding 'causal'"),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "sane"}, "Did you mean 'same'"),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "data_format": "NHWC"}, "no data format 'nhwc'"),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "groups": 3}, "Filters are divided among groups"),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "lora_rank": 2}, "has no lora_rank"),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "kernel_constraint": "non_neg"}, "kernel_constraint"),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "output_padding": 1}, "below the strides"),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "padding": "causal"}, "no padding 'causal'"),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 0}, "depth_multiplier"),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "pointwise_constraint": "unit_norm"}, "pointwise_constraint"),
    ("MaxPooling2D", {"pool_size": (2,)}, "pool_size"),
    ("MaxPooling2D", {"strides": 0}, "strides"),
    ("AveragePooling1D", {"pool_size": 2, "padding": "causal"}, "no padding"),
    ("ZeroPadding2D", {"padding": (1, -1)}, "not negative"),
    ("ZeroPadding2D", {"padding": (1, 1, 1)}, "2 axes"),
    ("Cropping3D", {"cropping": "all"}, "cropping"),
    ("UpSampling1D", {"size": (2,)}, "size"),
    ("UpSampling2D", {"interpolation": "area"}, "no interpolation 'area'"),
]


@pytest.mark.parametrize(("name", "config", "told"), WRONG)
def test_a_setting_that_is_wrong_is_named(name, config, told):
    with pytest.raises(ArgumentError, match=told):
        getattr(layers, name)(**config)


def test_flags_and_names_are_checked():
    with pytest.raises(ArgumentTypeError, match="use_bias"):
        layers.Conv2D(3, 3, use_bias="yes")
    with pytest.raises(ArgumentTypeError, match="keepdims"):
        layers.GlobalMaxPooling2D(keepdims=1)
    with pytest.raises(ArgumentTypeError, match="no setting 'rank'"):
        layers.Conv2D(3, 3, rank=2)


UNFIT = [
    (layers.Conv2D(3, 3), (2, 8, 8), r"expected: +\(batch, height, width, channels\)"),
    (layers.Conv1D(3, 3, data_format="channels_first"), (2, 8), r"\(batch, channels, steps\)"),
    (layers.Conv2D(4, 3, groups=2), (1, 8, 8, 3), "divided among its groups"),
    (layers.Conv2D(4, 9), (1, 8, 8, 3), "larger than the array"),
    (layers.MaxPooling2D(9), (1, 8, 8, 3), "larger than the array"),
    (layers.GlobalAveragePooling2D(), (1, 8, 3), "rank 4"),
    (layers.Cropping2D(4), (1, 8, 8, 3), "Nothing would be left"),
    (layers.UpSampling3D(), (1, 8, 8, 3), "rank 5"),
]


@pytest.mark.parametrize(("layer", "shape", "told"), UNFIT)
def test_inputs_that_do_not_fit_are_told(layer, shape, told):
    with pytest.raises(ShapeError, match=told):
        layer(np.ones(shape))
    assert not layer.built
    assert not layer.weights


def test_weights_need_channels_that_are_known():
    sd = SameDiff()
    with pytest.raises(ShapeError, match="how many channels there are"):
        layers.Conv2D(3, 3)(sd.placeholder("x", (None, 8, 8, None)))
    assert len(sd.nodes) == 1


def test_inputs_of_a_later_call_fit_the_weights():
    layer = layers.Conv2D(3, 3)
    layer(np.ones((1, 4, 4, 2)))
    with pytest.raises(ShapeError, match="channels"):
        layer(np.ones((1, 4, 4, 5)))


def test_aliases_are_the_same_layers():
    pairs = itertools.product(("Convolution", "Conv"), "123")
    assert all(getattr(layers, f"{kind}{n}D") is getattr(layers, f"Conv{n}D") for kind, n in pairs)
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.GlobalAvgPool1D is layers.GlobalAveragePooling1D
