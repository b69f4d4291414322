"""Layers without windows or states, by their formulas: random ones, moving statistics, golden models, bad input."""

import json

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, ShapeError
from sdgraph.keras import layers
from sdgraph.keras.layers.lacking import LACKING
from sdgraph.keras.layers.notes import mask_of, notes_of
from tests.golden.cases import FOLDER

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 6)).astype("float32")


def used(layer, x, engine, training=None):
    """What a layer gives in a graph that is used, not trained."""
    sd = SameDiff(dtype="float32")
    out = layer(sd.placeholder("x", (None, *x.shape[1:])), training=training)
    return sd.compile([out], engine, inference=True)({"x": x})[out.name]


RANDOM = [
    layers.Dropout(0.5),
    layers.Dropout(1.0),
    layers.Dropout(0.5, noise_shape=(None, 1, 6)),
    layers.SpatialDropout1D(0.5),
    layers.AlphaDropout(0.5),
    layers.GaussianDropout(0.5),
    layers.GaussianNoise(0.5),
]


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("layer", RANDOM, ids=lambda v: v.name)
def test_random_layers_act_in_training_only(layer, engine):
    np.testing.assert_array_equal(layer(X), X)
    np.testing.assert_array_equal(used(layer, X, engine), X)
    np.testing.assert_array_equal(used(layer, X, engine, training=False), X)
    assert (used(layer, X, engine, training=True) != X).any()
    first, second = layer(X, training=True), layer(X, training=True)
    assert (first != X).any()
    assert getattr(layer, "rate", None) == 1.0 or (first != second).any()


def test_a_call_for_use_has_nothing_random():
    sd = SameDiff(dtype="float32")
    for layer in RANDOM:
        layer(sd.placeholder(layer.name, X.shape), training=False)
    assert not any(node.op.is_random or node.op.name == "dropout" for node in sd.nodes)


def test_what_is_kept_is_scaled():
    x = np.ones((200, 50), "float32")
    y = layers.Dropout(0.2, seed=1)(x, training=True)
    assert set(np.unique(y)) == {0.0, np.float32(1.25)}
    assert (y == 0).mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(y, layers.Dropout(0.2, seed=1)(x, training=True))
    rows = layers.Dropout(0.5, noise_shape=(None, 1))(x, training=True)
    assert (rows == rows[:, :1]).all()
    assert 60 < (rows[:, 0] == 0).sum() < 140
    big = np.full((2, 3), np.inf, "float32")
    assert not np.isnan(layers.Dropout(0.5, noise_shape=(None, 1))(big, training=True)).any()


@pytest.mark.parametrize(
    "layer", [layers.AlphaDropout(0.3, seed=2), layers.GaussianDropout(0.3), layers.GaussianNoise(0.1)]
)
def test_mean_and_spread_are_those_of_the_formula(layer):
    x = RNG.normal(size=(400, 300)).astype("float32")
    y = layer(x, training=True)
    spread = {"AlphaDropout": 1.0, "GaussianDropout": np.sqrt(1 + 3 / 7), "GaussianNoise": np.sqrt(1.01)}
    assert y.mean() == pytest.approx(0, abs=0.02)
    assert y.std() == pytest.approx(spread[type(layer).__name__], rel=0.02)


@pytest.mark.parametrize("shape", [(2, 8, 3), (2, 4, 6, 3), (2, 2, 4, 6, 3)])
def test_whole_channels_are_dropped(shape):
    cls = getattr(layers, f"SpatialDropout{len(shape) - 2}D")
    y = cls(0.5, seed=3)(np.ones(shape, "float32"), training=True)
    flat = y.reshape(shape[0], -1, shape[-1])
    assert (flat == flat[:, :1]).all()
    assert {0.0, 2.0} == set(np.unique(y))
    with pytest.raises(ShapeError):
        cls(0.5)(np.ones(shape[1:], "float32"), training=True)


def test_moving_statistics_move_in_training_only():
    layer = layers.BatchNormalization(momentum=0.75, epsilon=0.0)
    x = RNG.normal(3, 2, size=(50, 4)).astype("float32")
    layer(x)
    np.testing.assert_array_equal(layer.get_weights()[2], 0)
    y = layer(x, training=True)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[2], 0.25 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[3], 0.75 + 0.25 * x.var(0), rtol=1e-5)
    before = layer.get_weights()
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), (x - before[2]) / np.sqrt(before[3]), rtol=1e-4, atol=1e-5)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_that_is_called_twice_moves_twice():
    layer, sd = layers.BatchNormalization(momentum=0.5), SameDiff(dtype="float64")
    a, b = sd.placeholder("a", (None, 1)), sd.placeholder("b", (None, 1))
    out = keras.Model([a, b], layers.add([layer(a), layer(b)]))
    out.compile("sgd", "mse")
    out.fit([np.full((4, 1), 2.0), np.full((4, 1), 6.0)], np.zeros((4, 1)), batch_size=4, verbose=0)
    np.testing.assert_allclose(layer.get_weights()[2], [0.5 * (0.5 * 2) + 0.5 * 6])


SCALES = [layers.UnitNormalization(), layers.RMSNormalization(), layers.LayerNormalization(rms_scaling=True)]


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30, 3e38])
@pytest.mark.parametrize("layer", SCALES, ids=lambda v: v.name)
def test_squares_neither_overflow_nor_vanish(layer, size):
    x = np.array([[1.0, -1.0, 0.5, 0.0]], "float32") * np.float32(size)
    sd = SameDiff(dtype="float32")
    v = sd.var("v", x)
    out = layer(v)
    wide, axis = x.astype("float64"), -1
    floor = {"unit_normalization": 1e-12, "rms_normalization": 1e-6}.get(layer.name, 1e-3)
    length = np.sqrt((wide**2).sum(axis, keepdims=True))
    if isinstance(layer, layers.UnitNormalization):
        expected = wide / np.maximum(length, floor)
    else:
        square = wide.var(axis, keepdims=True) if isinstance(layer, layers.LayerNormalization) else length**2 / 4
        expected = wide / np.sqrt(square + floor)
    for engine in ("numpy", "llvm"):
        np.testing.assert_allclose(out.eval(engine=engine), expected, rtol=1e-5, atol=1e-30)
    assert np.isfinite(sd.grad(sd.sum(out * np.array([1.0, 2.0, 3.0, 4.0], "float32")), [v])[0].eval()).all()


def test_unknown_sizes_do():
    sd = SameDiff(dtype="float32")
    x = sd.placeholder("x", (None, None, None, 6))
    picture = RNG.normal(size=(2, 3, 4, 6)).astype("float32")
    for layer in (layers.GroupNormalization(3), layers.BatchNormalization(), layers.LayerNormalization()):
        out = layer(x)
        got = sd.compile([out], inference=True)({"x": picture})[out.name]
        np.testing.assert_allclose(got, layer(picture), rtol=1e-5, atol=1e-6)
    assert layers.GlobalAveragePooling2D()(x).shape == (None, 6)


def golden(name):
    file = json.loads((FOLDER / "keras_models" / f"{name}.json").read_text())
    arrays = {k: np.array(v["data"], v["dtype"]).reshape(v["shape"]) for k, v in file["inputs"].items()}
    weights = [np.array(w["data"], "float64").reshape(w["shape"]) for w in file["weights"]]
    return file, arrays, weights


def test_a_golden_model_of_these_layers():
    file, given, weights = golden("regression_two_inputs")
    a, b = keras.Input((3,), name="a", dtype="float64"), keras.Input((2,), name="b", dtype="float64")
    left = layers.Dense(weights[0].shape[1], "elu", dtype="float64")(a)
    right = layers.Dense(weights[2].shape[1], "gelu", dtype="float64")(b)
    both = layers.LayerNormalization(epsilon=1e-4, dtype="float64")(layers.Concatenate(dtype="float64")([left, right]))
    model = keras.Model([a, b], layers.Dense(weights[-1].size, dtype="float64")(both))
    model.set_weights(weights)
    (expected,) = (np.array(v["data"]).reshape(v["shape"]) for v in file["outputs"].values())
    np.testing.assert_allclose(model.predict([given["a"], given["b"]]), expected, rtol=1e-10)


BAD = [
    (lambda: layers.Dropout(1.5), ArgumentError),
    (lambda: layers.Dropout(0.5, noise_shape="a"), ArgumentTypeError),
    (lambda: layers.Dropout(0.5, noise_shape=(None, 3))(X, training=True), ShapeError),
    (lambda: layers.AlphaDropout(1), ArgumentError),
    (lambda: layers.GaussianNoise(-1), ArgumentError),
    (lambda: layers.ReLU(negative_slope=-1), ArgumentError),
    (lambda: layers.PReLU(shared_axes=[3])(X), ShapeError),
    (lambda: layers.PReLU(alpha_constraint="nonneg"), ArgumentError),
    (lambda: layers.Add()(X), ArgumentTypeError),
    (lambda: layers.Subtract()([X, X, X]), ArgumentTypeError),
    (lambda: layers.Add()([X, X[:, :2]]), ShapeError),
    (lambda: layers.Concatenate()([X, X[:, :2]]), ShapeError),
    (lambda: layers.Dot(axes=0)([X, X]), ArgumentError),
    (lambda: layers.Dot(axes=(1, 2))([X, X]), ShapeError),
    (lambda: layers.Dot(axes="a"), ArgumentTypeError),
    (lambda: layers.Reshape((-1, -1)), ArgumentError),
    (lambda: layers.Reshape((7,))(X), ShapeError),
    (lambda: layers.Permute((0, 1)), ArgumentError),
    (lambda: layers.Permute((2, 1))(X[0]), ShapeError),
    (lambda: layers.RepeatVector(2)(X), ShapeError),
    (lambda: layers.BatchNormalization(synchronized=True), ArgumentError),
    (lambda: layers.BatchNormalization(renorm=True), ArgumentError),
    (lambda: layers.BatchNormalization(axis=[1, 2]), ArgumentTypeError),
    (lambda: layers.BatchNormalization(axis=4)(X), ArgumentError),
    (lambda: layers.GroupNormalization(4)(X), ShapeError),
    (lambda: layers.GroupNormalization(0), ArgumentError),
    (lambda: layers.Normalization(mean=1.0), ArgumentError),
    (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(X), ArgumentError),
    (lambda: layers.Normalization().adapt([]), ArgumentError),
    (lambda: layers.Normalization().adapt([[1.0]]), ArgumentTypeError),
    (lambda: layers.Rescaling("a"), SDGraphError),
    (lambda: layers.CategoryEncoding(), ArgumentError),
    (lambda: layers.CategoryEncoding(3, sparse=True), ArgumentError),
    (lambda: layers.EinsumDense("ab,bc", 3), ArgumentError),
    (lambda: layers.EinsumDense("ab,bc->ad", 3), ArgumentError),
    (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="z"), ArgumentError),
    (lambda: layers.EinsumDense("ab,bc->ac", 3)(X), ShapeError),
    (lambda: layers.EinsumDense("abc,cd->abd", (4, 3))(X), ShapeError),
    (lambda: layers.Lambda({"class_name": "__lambda__"}), ArgumentTypeError),
]


@pytest.mark.parametrize("k", range(len(BAD)))
def test_bad_settings_and_inputs_are_errors(k):
    make, error = BAD[k]
    with pytest.raises(error):
        make()


def test_layers_that_are_not_here_say_why():
    assert not set(LACKING) & set(layers.__all__)
    for name in LACKING:
        with pytest.raises(AttributeError, match=f"There is no layer {name} here: "):
            getattr(layers, name)
    with pytest.raises(AttributeError, match="Dropuot"):
        layers.Dropuot  # noqa: B018


def test_old_names_of_settings():
    assert layers.LeakyReLU(alpha=0.1).get_config()["negative_slope"] == 0.1
    np.testing.assert_array_equal(layers.ThresholdedReLU(1.0)([0.5, 1.0, 2.0]), [0, 0, 2])


def test_a_function_is_a_layer():
    layer = layers.Lambda(lambda x, factor, training=None: x * factor, arguments={"factor": 3.0})
    np.testing.assert_array_equal(layer([1.0, 2.0]), [3, 6])
    masked = layers.Lambda(lambda x, mask: x.sd.where(mask, x, 0), mask=lambda x, m: m)
    sd = SameDiff(dtype="float32")
    x, mask = sd.placeholder("x", (None, 2)), sd.placeholder("mask", (None, 2), "bool")
    notes_of(sd).masks[x.node] = mask
    out = masked(x)
    assert mask_of(out) is mask
    np.testing.assert_array_equal(out.eval({x: [[1.0, 2.0]], mask: [[True, False]]}), [[1, 0]])
