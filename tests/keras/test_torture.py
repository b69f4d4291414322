"""The torture cases, for Keras' losses where their documented formulas coincide with the definitions of the file.

Elementwise losses become per-sample losses by giving each element an axis of its own.
"""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import losses
from tests.accuracy import assert_same
from tests.golden import cases

CLASSES = {
    "absolute_difference": "MeanAbsoluteError",
    "cosine_distance_normalized": "CosineSimilarity",
    "ctc": "CTC",
    "hinge": "Hinge",
    "huber": "Huber",
    "kl_divergence": "KLDivergence",
    "log_cosh": "LogCosh",
    "mape": "MeanAbsolutePercentageError",
    "mean_squared_error": "MeanSquaredError",
    "msle": "MeanSquaredLogarithmicError",
    "poisson": "Poisson",
    "sigmoid_cross_entropy": "BinaryCrossentropy",
    "softmax_cross_entropy": "CategoricalCrossentropy",
    "sparse_softmax_cross_entropy": "SparseCategoricalCrossentropy",
}
ROWS = ("cosine_distance_normalized", "ctc", "kl_divergence", "softmax_cross_entropy", "sparse_softmax_cross_entropy")
REDUCTIONS = {"none": "none", "sum": "sum", "mean_by_weight": "mean_with_sample_weight"}

EXEMPT = {
    "poisson/p=0,y=1,eps=0": "Keras adds 1e-7 inside the logarithm",
    "kl/zeros in labels": "Keras clips labels to 1e-7",
    "kl/y>0,p=0": "Keras clips predictions to 1e-7, so the loss is at most 16.2",
    "kl/y=1e-300": "Keras clips labels to 1e-7",
    "hinge/kink p=1": "ties are split: half of the gradient, where SDLoss' hinge has 0",
    "msle/p=-0.9999999999999999,y=0": "Keras clips to 1e-7",
}
# Keras has no mean over the number of weights that are not 0, unless there are no weights.
CASES = [
    c
    for c in cases.load("torture")
    if c["loss"] in CLASSES and (c["reduction"] in REDUCTIONS or c["inputs"]["weights"] is None)
]


def operands(case):
    loss, inputs = case["loss"], case["inputs"]
    p = np.array(cases.numbers(inputs["predictions"]), np.float64)
    if loss == "ctc":
        longest = max(1, *map(len, inputs["labels"]))
        return np.array([[*row, *[0] * (longest - len(row))] for row in inputs["labels"]]), p, None
    integers = loss == "sparse_softmax_cross_entropy"
    y = np.array(cases.numbers(inputs["labels"]), np.int64 if integers else np.float64)
    w = inputs["weights"] if inputs["weights"] is None else np.array(cases.numbers(inputs["weights"]), np.float64)
    return (y, p, w) if loss in ROWS else (y[..., None], p[..., None], w)


def settings(case):
    if case["loss"].endswith("cross_entropy"):
        return {"from_logits": True, **case["params"]}
    return {k: v for k, v in cases.numbers(case["params"]).items() if k == "delta"} if case["params"] else {}


def weighted_by_row(case):
    """Whether weights (n, 1) stand for rows of units, of which Keras' mean by weight counts each once."""
    w = case["inputs"]["weights"]
    return isinstance(w, list) and isinstance(w[0], list)


@pytest.mark.parametrize("case", [c for c in CASES if c["id"] not in EXEMPT], ids=lambda c: c["id"])
def test_torture(case):
    y, p, w = operands(case)
    loss = getattr(losses, CLASSES[case["loss"]])(
        reduction=REDUCTIONS.get(case["reduction"], "mean"), **{k: cases.numbers(v) for k, v in settings(case).items()}
    )
    sd = SameDiff(dtype="float64")
    x = sd.var("x", p)
    out = loss(y, x, w)
    values, grads = sd.calculate_gradients_and_outputs({}, [out], ["x"])
    value, grad = values[out.name], grads["x"]
    # On arrays nothing is constant; in the graph, labels are.
    assert_same(loss(y, p, w), value, rtol=1e-14)
    want, want_grad = (np.array(cases.numbers(case[k]), np.float64) for k in ("expected", "expected_grad"))
    if case["loss"] == "cosine_distance_normalized":
        value = 1 + value
    if weighted_by_row(case) and case["reduction"] == "mean_by_weight":
        units = p.shape[1]
        value, grad = value / units, grad / units
    for got, expected, tolerance in ((value, want, ""), (grad, want_grad, "grad_")):
        np.testing.assert_allclose(
            got.reshape(expected.shape), expected, rtol=case[f"{tolerance}rtol"], atol=case[f"{tolerance}atol"]
        )


def test_every_exemption_is_a_case_of_the_file():
    assert EXEMPT.keys() <= {c["id"] for c in CASES}
    for name in ("poisson", "kl_divergence", "log_cosh", "msle", "mape", "cosine_distance_normalized"):
        assert any(c["loss"] == name and c["id"] not in EXEMPT for c in CASES)
