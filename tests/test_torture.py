"""The torture cases: extreme but legal inputs, with values and gradients known to fifty digits."""

import numpy as np
import pytest

from sdgraph import LossReduce
from tests.golden import cases

TORTURE = cases.load("torture")

# Loss of the file: op of sdgraph, and how its parameters are called here.
OPS = {
    "absolute_difference": "absolute_difference",
    "cosine_distance": "cosine_distance",
    "ctc": "ctc_loss",
    "hinge": "hinge_loss",
    "huber": "huber_loss",
    "l2_loss": "l2_loss",
    "log_loss": "log_loss",
    "log_poisson": "log_poisson",
    "mean_pairwise_squared_error": "mean_pairwise_squared_error",
    "mean_squared_error": "mean_squared_error",
    "sigmoid_cross_entropy": "sigmoid_cross_entropy",
    "softmax_cross_entropy": "softmax_cross_entropy",
    "sparse_softmax_cross_entropy": "sparse_softmax_cross_entropy",
    "weighted_cross_entropy_with_logits": "weighted_cross_entropy_with_logits",
}
# Losses of Keras that SDLoss does not have; they belong to the tests of the Keras losses.
KERAS = {"poisson", "kl_divergence", "log_cosh", "cosine_distance_normalized", "msle", "mape"}
ROWS = ("softmax_cross_entropy", "sparse_softmax_cross_entropy", "cosine_distance", "mean_pairwise_squared_error")


def test_every_case_is_run_here_or_belongs_to_keras():
    losses = [c["loss"] for c in TORTURE]
    assert set(losses) == OPS.keys() | KERAS
    assert sum(loss in OPS for loss in losses) == 93
    assert sum(loss in KERAS for loss in losses) == 25


def operands(case):
    loss, inputs = case["loss"], case["inputs"]
    x = np.array(cases.numbers(inputs["predictions"]), np.float64)
    if not x.size and loss in ROWS:
        x = x.reshape(0, 2)
    if loss == "l2_loss":
        return {"x": x}
    if loss == "ctc":
        longest = max(map(len, inputs["labels"]))
        labels = np.array([[*row, *[0] * (longest - len(row))] for row in inputs["labels"]], np.int64)
        lengths = np.array([len(row) for row in inputs["labels"]], np.int64)
        frames = np.full(len(x), x.shape[1], np.int64)
        return {"labels": labels.reshape(len(x), longest), "x": x, "lengths": lengths, "frames": frames}
    if loss == "sparse_softmax_cross_entropy":
        return {"x": x, "labels": np.array(inputs["labels"], np.int64)}
    y = np.array(cases.numbers(inputs["labels"]), np.float64).reshape(x.shape)
    w = None if inputs["weights"] is None else np.array(cases.numbers(inputs["weights"]), np.float64)
    if loss == "weighted_cross_entropy_with_logits":
        assert w is None
        w = np.array(cases.numbers(case["params"])["pos_weight"])
    return {"labels": y, "x": x, "weights": w}


def attributes(case):
    loss = case["loss"]
    if loss in ("ctc", "l2_loss", "sparse_softmax_cross_entropy", "weighted_cross_entropy_with_logits"):
        return {}
    attrs = {k: cases.numbers(v) for k, v in case["params"].items()}
    if loss == "cosine_distance":
        attrs["dimension"] = -1
    return {"loss_reduce": LossReduce[case["reduction"].upper()], **attrs}


def assert_close(got, want, rtol, atol):
    want = np.array(cases.numbers(want), np.float64)
    assert got.size == want.size
    got = np.asarray(got, np.float64).reshape(want.shape)
    finite = np.isfinite(want)
    assert np.array_equal(got[~finite], want[~finite], equal_nan=True), (got, want)
    assert np.all(np.abs(got[finite] - want[finite]) <= atol + rtol * np.abs(want[finite])), (got, want)


@pytest.mark.parametrize("case", [c for c in TORTURE if c["loss"] in OPS], ids=lambda c: c["id"])
def test_torture(case):
    value, grads = cases.run(OPS[case["loss"]], operands(case), wrt=["x"], **attributes(case))
    assert_close(value, case["expected"], case["rtol"], case["atol"])
    assert_close(grads["x"], case["expected_grad"], case["grad_rtol"], case["grad_atol"])
    if case["reduction"] != "none":
        assert value.shape == ()
