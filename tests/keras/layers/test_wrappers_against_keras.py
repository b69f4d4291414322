"""Layers around layers, cells, embeddings and masks beside Keras' own."""

import numpy as np
import pytest

from tests.keras.layers.against_keras import array, check, compare

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]
X = array((2, 5, 3))
MASK = np.array([[True, True, False, True, False], [False, True, True, True, True]])
IDS = array((2, 5), dtype="int32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "inside", "config", "mask"),
    [
        ("LSTM", {"return_sequences": True}, {"merge_mode": "sum"}, MASK),
        ("LSTM", {}, {}, None),
        ("GRU", {"return_sequences": True, "return_state": True}, {"merge_mode": None}, MASK),
        ("GRU", {"return_state": True, "reset_after": False}, {"merge_mode": "ave"}, MASK),
        ("SimpleRNN", {"return_sequences": True}, {"merge_mode": "mul"}, None),
    ],
)
def test_both_directions(cls, inside, config, mask):
    compare(lambda of: of.Bidirectional(getattr(of, cls)(4, **inside), **config), X, masks=mask)


@pytest.mark.slow
def test_a_backward_layer_of_its_own():
    compare(lambda of: of.Bidirectional(of.LSTM(4), backward_layer=of.GRU(2, go_backwards=True)), X)


@pytest.mark.slow
def test_a_layer_at_each_step():
    compare(lambda of: of.TimeDistributed(of.Dense(4, activation="tanh")), X, masks=MASK)
    compare(lambda of: of.TimeDistributed(of.LSTM(2)), array((2, 3, 4, 2)))
    compare(
        lambda of: of.TimeDistributed(of.TimeDistributed(of.Dense(2))),
        array((2, 3, 4, 2)),
        gradients=False,
        config=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "mask"),
    [
        (lambda of: of.RNN(of.LSTMCell(4), return_sequences=True), MASK),
        (lambda of: of.RNN(of.GRUCell(4, reset_after=False), return_state=True, go_backwards=True), None),
        (lambda of: of.RNN([of.LSTMCell(4), of.GRUCell(3)], return_sequences=True, return_state=True), MASK),
        (lambda of: of.RNN(of.StackedRNNCells([of.SimpleRNNCell(4), of.SimpleRNNCell(2)])), None),
    ],
)
def test_cells_over_time(make, mask):
    compare(make, X, masks=mask, config=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("SimpleRNNCell", (array((2, 3)), [array((2, 4))])),
        ("GRUCell", (array((2, 3)), array((2, 4)))),
        ("LSTMCell", (array((2, 3)), [array((2, 4)), array((2, 4), 1)])),
    ],
)
def test_one_step(name, inputs):
    check(name, inputs, {"units": 4}, gradients=False)


@pytest.mark.slow
def test_initial_states():
    check("LSTM", (X, [array((2, 4)), array((2, 4), 1)]), {"units": 4, "return_sequences": True})
    check("GRU", (X, array((2, 4))), {"units": 4}, gradients=False)
    states = [array((2, 4), k) for k in range(4)]
    compare(lambda of: of.Bidirectional(of.LSTM(4)), (X, states), gradients=False)


def test_embeddings():
    check("Embedding", IDS, {"input_dim": 7, "output_dim": 3})
    check("Embedding", IDS, {"input_dim": 7, "output_dim": 3, "mask_zero": True}, gradients=False)
    check("Embedding", IDS.astype("float32"), {"input_dim": 7, "output_dim": 3}, gradients=False)


def test_steps_left_out():
    x = X.copy()
    x[0, 1] = x[1, 3] = 0
    x[0, 2] = 2
    check("Masking", x)
    check("Masking", x, {"mask_value": 2.0})
