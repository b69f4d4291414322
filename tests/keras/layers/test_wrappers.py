"""Layers around layers, and embeddings, without Keras."""

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.keras import layers
from sdgraph.keras.layers.notes import mask_of

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


def test_both_directions_are_two_layers():
    layer = layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="memory"), name="both")
    found = layer(X)
    there, back = layer.forward_layer, layer.backward_layer
    np.testing.assert_allclose(found, np.concatenate([there(X), back(X)[:, ::-1]], axis=-1), rtol=1e-6)
    assert [w.name.rpartition("/")[0] for w in layer.weights[::3]] == [
        "both/forward_memory/lstm_cell",
        "both/backward_memory/lstm_cell",
    ]
    other = layers.Bidirectional.from_config(layer.get_config())
    other(X)
    other.set_weights(layer.get_weights())
    np.testing.assert_array_equal(other(X), found)
    assert other.get_config() == layer.get_config()


def test_a_layer_at_each_step():
    inside = layers.Dense(2)
    found = layers.TimeDistributed(inside)(X)
    np.testing.assert_allclose(found, X @ inside.get_weights()[0], rtol=1e-5, atol=1e-6)
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("v", (None, None, 3))
    out = layers.TimeDistributed(layers.Dense(2))(v)
    assert out.eval({"v": X}).shape == (2, 4, 2)
    assert out.eval({"v": X[:, :0]}).shape == (2, 0, 2)


def test_moving_means_see_one_step_after_another():
    layer = layers.TimeDistributed(layers.BatchNormalization(momentum=0.5))
    np.testing.assert_allclose(layer(X, training=True).mean(axis=0), 0, atol=1e-5)
    expected = np.zeros(3)
    for t in range(4):
        expected = 0.5 * expected + 0.5 * X[:, t].mean(axis=0)
    np.testing.assert_allclose(layer.get_weights()[2], expected, rtol=1e-5)


def test_embeddings_and_masks():
    layer = layers.Embedding(4, 2, mask_zero=True)
    sd = SameDiff()
    ids = sd.placeholder("ids", (None, 3), "int32")
    out = layer(ids)
    feeds = {"ids": [[0, 3, 1]]}
    np.testing.assert_array_equal(out.eval(feeds)[0], layer.get_weights()[0][[0, 3, 1]])
    np.testing.assert_array_equal(mask_of(out).eval(feeds), [[False, True, True]])
    np.testing.assert_array_equal(layers.Masking(1.0)(np.float32([[[1, 1], [1, 2]]])), [[[0, 0], [1, 2]]])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: layers.Bidirectional(layers.Dense(2)), errors.ArgumentTypeError, "recurrent layer"),
        (lambda: layers.Bidirectional(layers.LSTM(2), merge_mode="max"), errors.ArgumentError, "merge_mode"),
        (
            lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2)),
            errors.ArgumentError,
            "backwards",
        ),
        (
            lambda: layers.Bidirectional(
                layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, return_sequences=True)
            ),
            errors.ArgumentError,
            "return_sequences",
        ),
        (lambda: layers.TimeDistributed(3), errors.ArgumentTypeError, "made of a layer"),
        (lambda: layers.TimeDistributed(layers.Dense), errors.ArgumentTypeError, "Make one"),
        (lambda: layers.TimeDistributed(layers.Dense(2))(X[0]), errors.ShapeError, "at least one axis more"),
        (lambda: layers.Embedding(0, 3), errors.ArgumentError, "input_dim"),
        (lambda: layers.Embedding(3, 2, weights=np.ones((2, 2))), errors.ShapeError, "embeddings"),
        (lambda: layers.Embedding(3, 2)([5]), errors.SDGraphError, "out of range"),
        (lambda: layers.Masking("a"), errors.ArgumentError, "mask_value"),
    ],
)
def test_what_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
