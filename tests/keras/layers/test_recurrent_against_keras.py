"""Recurrent layers beside Keras' own."""

import numpy as np
import pytest

from sdgraph import keras as sdgraph_keras
from tests.keras.keras_itself import keras
from tests.keras.layers.against_keras import array, check

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]
X = array((2, 5, 3))
MASK = array((2, 5), dtype="bool")
CASES = [
    ("SimpleRNN", {}, None),
    ("SimpleRNN", {"activation": "relu", "return_sequences": True, "use_bias": False}, None),
    ("SimpleRNN", {"go_backwards": True, "return_state": True}, MASK),
    ("LSTM", {}, None),
    ("LSTM", {"return_sequences": True, "return_state": True}, MASK),
    ("LSTM", {"go_backwards": True, "return_sequences": True, "unit_forget_bias": False}, MASK),
    ("LSTM", {"recurrent_activation": "hard_sigmoid", "activation": "relu", "use_bias": False}, MASK),
    ("LSTM", {"zero_output_for_mask": True, "return_sequences": True}, MASK),
    ("LSTM", {"zero_output_for_mask": True}, MASK),
    ("GRU", {}, None),
    ("GRU", {"return_sequences": True, "return_state": True, "go_backwards": True}, MASK),
    ("GRU", {"reset_after": False, "return_sequences": True}, MASK),
    ("GRU", {"reset_after": False, "use_bias": False, "go_backwards": True}, None),
    ("GRU", {"use_bias": False, "activation": "softsign"}, None),
]


FAST = (4, 11)


@pytest.mark.parametrize(
    ("name", "config", "mask"),
    [pytest.param(*case, marks=[] if k in FAST else pytest.mark.slow) for k, case in enumerate(CASES)],
)
def test_the_same_numbers(name, config, mask):
    check(name, X, {"units": 4, **config}, masks=mask)


@pytest.mark.parametrize("sequences", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_steps_that_are_left_out_are_not_trained_on(sequences):
    models = []
    for k in (sdgraph_keras, keras):
        x = k.Input((5,), dtype="int32", name="x")
        h = k.layers.Embedding(7, 3, mask_zero=True)(x)
        h = k.layers.LSTM(4, return_sequences=sequences)(h)
        h = k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True))(h) if sequences else h
        models.append(k.Model(x, k.layers.Dense(2)(h)))
        models[-1].compile(k.optimizers.SGD(0.1), "mse")
    ours, theirs = models
    ours.set_weights(theirs.get_weights())
    ids = array((8, 5), dtype="int32")
    y = array((8, 5, 2) if sequences else (8, 2))
    first, second = (m.fit(ids, y, epochs=2, batch_size=4, shuffle=False, verbose=0).history["loss"] for m in models)
    np.testing.assert_allclose(first, second, rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.predict(ids, verbose=0), theirs.predict(ids, verbose=0), rtol=1e-4, atol=1e-6)
