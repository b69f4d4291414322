"""Weights of Keras' recurrent layers in the layouts of ``sd.rnn``; against Keras itself: ``tests/ops/test_rnn.py``."""

import numpy as np
import pytest

from sdgraph import errors
from sdgraph.keras.recurrent import gru_weights, lstm_weights, simple_rnn_weights


def test_an_lstm_keeps_its_order_and_adds_the_halves_of_a_bias():
    w, r, b = np.arange(8.0).reshape(1, 8), np.arange(16.0).reshape(2, 8), np.arange(16.0)
    found = lstm_weights(w, r, b)
    np.testing.assert_array_equal(found["weights"], w)
    np.testing.assert_array_equal(found["r_weights"], r)
    np.testing.assert_array_equal(found["bias"], b[:8] + b[8:])
    assert set(lstm_weights(w, r)) == {"weights", "r_weights"}


@pytest.mark.parametrize("shape", [(2, 6), (12,)])
def test_the_reset_gate_of_a_gru_comes_first(shape):
    w, b = np.arange(6.0).reshape(1, 6), np.arange(12.0).reshape(shape)
    found = gru_weights(w, np.vstack([w, w]), b)
    np.testing.assert_array_equal(found["wx"], [[2, 3, 0, 1, 4, 5]])
    np.testing.assert_array_equal(found["wh"], [[2, 3, 0, 1, 4, 5]] * 2)
    np.testing.assert_array_equal(found["biases"], [2, 3, 0, 1, 4, 5])
    np.testing.assert_array_equal(found["r_biases"], [8, 9, 6, 7, 10, 11])
    assert "r_biases" not in gru_weights(w, np.vstack([w, w]), b.reshape(-1)[:6])


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (lstm_weights, [(1, 8), (2, 6)]),
        (lstm_weights, [(1, 8), (2, 8), (4,)]),
        (gru_weights, [(6,), (2, 6)]),
        (simple_rnn_weights, [(1, 2), (2, 2), (4,)]),
    ],
)
def test_weights_of_another_layer_are_refused(make, shapes):
    with pytest.raises(errors.ShapeError, match="not the weights of such a layer"):
        make(*map(np.zeros, shapes))
