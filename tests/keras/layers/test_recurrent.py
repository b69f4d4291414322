"""Recurrent layers: their formulas in numpy, dropout, cells of one's own, and what is refused."""

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.keras import layers

X = np.random.default_rng(0).normal(size=(2, 4, 3))
MASK = np.array([[False, True, False, True], [True, True, False, False]])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple(x, states, kernel, recurrent, bias):
    return (np.tanh(x @ kernel + states[0] @ recurrent + bias),)


def lstm(x, states, kernel, recurrent, bias):
    i, f, g, o = np.split(x @ kernel + states[0] @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, states, kernel, recurrent, bias):
    (x_z, x_r, x_n), (q_z, q_r, q_n) = (
        np.split(a, 3, axis=-1) for a in (x @ kernel + bias[0], states[0] @ recurrent + bias[1])
    )
    z = sigmoid(x_z + q_z)
    return (z * states[0] + (1 - z) * np.tanh(x_n + sigmoid(x_r + q_r) * q_n),)


FORMULAS = {"SimpleRNN": (simple, 1), "LSTM": (lstm, 2), "GRU": (gru, 1)}


def over_time(name, weights, mask, backwards):
    step, count = FORMULAS[name]
    states = [np.zeros((2, 5))] * count
    outputs = []
    for t in range(4)[:: -1 if backwards else 1]:
        new = step(X[:, t], states, *weights)
        states = [np.where(mask[:, t : t + 1], a, b) for a, b in zip(new, states, strict=True)]
        outputs.append(states[0])
    return np.stack(outputs, axis=1), states


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name, backwards, engine):
    layer = getattr(layers, name)(
        5, return_sequences=True, return_state=True, go_backwards=backwards, bias_initializer="uniform"
    )
    sd = SameDiff(dtype="float64")
    x, mask = sd.placeholder("x", (None, None, 3)), sd.placeholder("mask", (None, None), "bool")
    found = layer(x, mask=mask)
    ys, states = over_time(name, [w.value for w in layer.weights], MASK, backwards)
    got = sd.compile(list(found), engine)({"x": X, "mask": MASK})
    for a, b in zip(got.values(), [ys, *states], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_weights_are_those_of_the_cell():
    layer = layers.LSTM(2, name="memory")
    layer(X.astype("float32"))
    assert [(w.name, w.shape) for w in layer.weights] == [
        ("memory/lstm_cell/kernel", (3, 8)),
        ("memory/lstm_cell/recurrent_kernel", (2, 8)),
        ("memory/lstm_cell/bias", (8,)),
    ]
    np.testing.assert_array_equal(layer.get_weights()[2], [0, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "layer",
    [
        layers.SimpleRNN(3, dropout=0.5, recurrent_dropout=0.2),
        layers.LSTM(3, dropout=0.5, implementation=1),
        layers.GRU(3, recurrent_dropout=0.5, reset_after=False),
        layers.RNN([layers.LSTMCell(3, dropout=0.5), layers.GRUCell(2)]),
    ],
)
def test_dropout_acts_in_training_only(layer):
    x = X.astype("float32")
    np.testing.assert_array_equal(layer(x), layer(x))
    assert (layer(x, training=True) != layer(x)).any()
    sd = SameDiff()
    v = sd.placeholder("v", (None, 4, 3))
    used, trained = layer(v), layer(v, training=True)
    found = sd.compile([used, trained], inference=True)({"v": x})
    np.testing.assert_allclose(found[used.name], layer(x), rtol=1e-5, atol=1e-6)
    assert (found[trained.name] != layer(x)).any()


def test_dropout_is_the_same_at_each_step():
    layer = layers.SimpleRNN(
        6, activation=None, dropout=0.5, return_sequences=True, kernel_initializer="identity",
        recurrent_initializer="zeros",
    )  # fmt: skip
    ys = layer(np.ones((1, 4, 6), "float32"), training=True)
    np.testing.assert_array_equal(ys, np.repeat(ys[:, :1], 4, axis=1))
    assert set(np.unique(ys)) <= {0.0, 2.0}


class Sum(layers.Layer):
    """A cell of somebody's."""

    state_size = 3

    def build(self, input_shape):
        self.scale = self.add_weight((3,), "ones", name="scale")

    def call(self, inputs, states):
        total = states[0] + inputs * self.scale
        return 2 * total, [total]


def test_a_cell_of_ones_own():
    layer = layers.RNN(Sum(), return_state=True)
    out, state = layer(X.astype("float32"))
    np.testing.assert_allclose(state, X.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(out, 2 * state, rtol=1e-6)


def test_layers_of_configurations():
    x = X.astype("float32")
    for layer in (
        layers.LSTM(3, "relu", return_sequences=True, zero_output_for_mask=True),
        layers.RNN([layers.LSTMCell(3), layers.GRUCell(2, reset_after=False)], go_backwards=True),
    ):
        other = type(layer).from_config(layer.get_config())
        other(x)
        before = layer(x)
        other.set_weights(layer.get_weights())
        np.testing.assert_array_equal(other(x), before)
        assert other.get_config() == layer.get_config()


def test_no_steps():
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("v", (None, None, 3))
    np.testing.assert_array_equal(layers.GRU(2)(v).eval({"v": X[:, :0]}), np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: layers.LSTM(0), errors.ArgumentError, "units"),
        (lambda: layers.LSTM(3, stateful=True), errors.ArgumentError, "stateful"),
        (lambda: layers.GRU(3, recurrent_constraint="non_neg"), errors.ArgumentError, "constraint"),
        (lambda: layers.LSTM(3, dropout=1.0), errors.ArgumentError, "less than 1"),
        (lambda: layers.LSTM(3, wrong=1), errors.ArgumentTypeError, "wrong"),
        (lambda: layers.LSTM(3, use_cudnn="no"), errors.ArgumentTypeError, "use_cudnn"),
        (lambda: layers.LSTM(3)(X[0]), errors.ShapeError, "batch, time and features"),
        (lambda: layers.LSTM(3)(X, initial_state=[X[:, 0]]), errors.ShapeError, "initial states"),
        (lambda: layers.RNN(layers.Dense(2)), errors.ArgumentTypeError, "state_size"),
        (lambda: layers.RNN(3), errors.ArgumentTypeError, "made of a layer"),
        (lambda: layers.RNN([]), errors.ArgumentTypeError, "one or more"),
        (lambda: layers.RNN({"class_name": "LSTMCel", "config": {}}), errors.ArgumentError, "not there"),
    ],
)
def test_what_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
