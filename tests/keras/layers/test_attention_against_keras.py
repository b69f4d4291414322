"""Attention beside Keras' own."""

import numpy as np
import pytest

from tests.keras.layers.against_keras import Case, Graph, array, check

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]
Q, V, K = array((2, 3, 4)), array((2, 5, 6), 1), array((2, 5, 2), 2)
QM = np.array([[True, True, False], [True, False, True]])
VM = np.array([[True, True, False, True, False], [False, False, False, True, True]])
MHA = {"num_heads": 2, "key_dim": 3}
GQA = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
CASES = [
    ("MultiHeadAttention", (Q, V), {}, {}, None),
    ("MultiHeadAttention", (Q, V, K), {"value_dim": 5, "use_bias": False, "output_shape": 7, "dropout": 0.1}, {}, None),
    ("MultiHeadAttention", (Q, V), {"output_shape": (2, 3)}, {"return_attention_scores": True}, None),
    ("MultiHeadAttention", (Q, V), {}, {"use_causal_mask": True}, None),
    ("MultiHeadAttention", (Q, V), {}, {"use_causal_mask": True, "return_attention_scores": True}, [QM, VM]),
    ("MultiHeadAttention", (Q, V), {"dropout": 0.5}, {"use_causal_mask": True}, [QM, VM]),
    ("MultiHeadAttention", (Q, V), {"sliding_window": 2, "use_gate": True}, {}, [QM, VM]),
    ("MultiHeadAttention", (Q, V), {}, {"attention_mask": array((2, 3, 5), dtype="bool")}, None),
    ("MultiHeadAttention", (Q, V), {}, {"attention_mask": array((3, 5), dtype="bool")}, [None, VM]),
    ("GroupQueryAttention", (Q, V), GQA, {}, None),
    (
        "GroupQueryAttention",
        (Q, V),
        {**GQA, "use_bias": False, "sliding_window": 2},
        {"use_causal_mask": True},
        [QM, VM],
    ),
    ("GroupQueryAttention", (Q, V), {**GQA, "use_gate": True}, {"return_attention_scores": True}, [QM, VM]),
]
AXES = [
    ((array((2, 3, 4, 5)), array((2, 6, 4, 5), 1)), {"attention_axes": (1,)}),
    ((array((2, 3, 4, 5)), array((2, 3, 6, 5), 1)), {"attention_axes": 2}),
    ((array((2, 3, 4, 5)), array((2, 2, 3, 5), 1)), {}),
    ((array((2, 3, 4, 5)), array((2, 2, 3, 5), 1)), {"attention_axes": [-3, -2]}),
]


@pytest.mark.parametrize(("name", "inputs", "config", "call", "masks"), CASES)
def test_the_same_numbers(name, inputs, config, call, masks):
    if name == "MultiHeadAttention":
        config = {**MHA, **config}
    ours, theirs = check(name, inputs, config, call=call, masks=masks, gradients=False)
    same_gradients(ours, theirs, Case(inputs, masks, call))


def same_gradients(ours, theirs, case):
    """Keys' biases have none but rounding: values are compared with an absolute tolerance."""
    found = Graph(ours, case, False, None).gradients()
    expected = case.their_gradients(theirs)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("inputs", "config"), AXES)
def test_more_axes(inputs, config):
    ours, theirs = check("MultiHeadAttention", inputs, {**MHA, **config}, gradients=False)
    same_gradients(ours, theirs, Case(inputs, None, {}))


@pytest.mark.parametrize("masks", [None, [QM, VM]])
@pytest.mark.parametrize(
    ("name", "config", "call"),
    [
        ("Attention", {}, {}),
        ("Attention", {"use_scale": True}, {"use_causal_mask": True}),
        ("Attention", {"score_mode": "concat"}, {"return_attention_scores": True}),
        ("Attention", {"score_mode": "concat", "use_scale": True}, {}),
        ("AdditiveAttention", {}, {}),
        ("AdditiveAttention", {"use_scale": False}, {"use_causal_mask": True, "return_attention_scores": True}),
    ],
)
def test_without_projections(name, config, call, masks):
    check(name, [Q, array((2, 5, 4), 1)], config, call=call, masks=masks)


def test_a_key_of_its_own():
    check("Attention", [Q, V, array((2, 5, 4), 1)], masks=[QM, VM, None])
