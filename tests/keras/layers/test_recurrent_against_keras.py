"""Recurrent layers beside Keras' own."""

import pytest

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


@pytest.mark.parametrize(("name", "config", "mask"), CASES)
def test_the_same_numbers(name, config, mask):
    check(name, X, {"units": 4, **config}, masks=mask)
