"""The matrix of losses, kinds of weights and reductions of ND4J's own tests, in value and gradients.

Its numbers follow ND4J's formulas. Where sdgraph decides otherwise a rule here says how the number changes.
"""

import numpy as np
import pytest

from sdgraph import LossReduce
from tests.golden import cases

MATRIX = cases.load("samediff_loss_matrix")

OPS = {
    "absolute_difference_loss": "absolute_difference",
    "cosine_distance_loss": "cosine_distance",
    "hinge_loss": "hinge_loss",
    "huber_loss": "huber_loss",
    "log_loss": "log_loss",
    "log_poisson_loss": "log_poisson",
    "mean_pairwssqerr_loss": "mean_pairwise_squared_error",
    "mean_sqerr_loss": "mean_squared_error",
    "sigm_cross_entropy_loss": "sigmoid_cross_entropy",
    "softmax_cross_entropy_loss": "softmax_cross_entropy",
    "sparse_softmax_cross_entropy_loss_with_logits": "sparse_softmax_cross_entropy",
}


def test_the_whole_file_is_run():
    assert len(MATRIX) == 82
    assert {c["op"] for c in MATRIX} == OPS.keys()


def adapted(case, want, y, w, mode):
    """The expected numbers as sdgraph's decisions have them."""
    op = OPS[case["op"]]
    if op == "mean_pairwise_squared_error":
        # ND4J sums ordered pairs but divides by the number of unordered ones: twice the documented value.
        want = {k: v / 2 for k, v in want.items()}
        if mode is LossReduce.NONE:
            # One loss per example has the shape [batch] here, not [batch, 1].
            want["loss"] = want["loss"][:, 0]
    if op == "log_poisson" and case["params"]["full"]:
        # The Stirling term counts for labels above 1 only; ND4J applies it to all.
        small = y <= 1
        e = np.where(small, cases.stirling(y), 0.0)
        want["loss"] = want["loss"] - cases.reduced(e, w, mode)
        slope = np.where(small, np.log(y) + 0.5 / y, 0.0)
        want["labels"] = want["labels"] - cases.factor(w, y.shape, mode) * slope
        if w is not None:
            want["weights"] = want["weights"] - cases.weights_gradient(e, w, mode)
    if op == "cosine_distance" and mode is LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT:
        # ND4J's value counts non-zero losses, sdgraph's non-zero weights; no loss of these cases is exactly 0.
        x = cases.array(case["predictions"])
        assert np.all((x * y).sum(axis=case["params"]["dimension"]) != 1)
    return want


@pytest.mark.parametrize("case", MATRIX, ids=lambda c: c["case"])
def test_matrix(case):
    op = OPS[case["op"]]
    x, y, w = (cases.array(case[k]) for k in ("predictions", "labels", "weights"))
    mode = LossReduce[case["reduction"]]
    want = {"loss": cases.array(case["expected"])}
    want |= {k: cases.array(v) for k, v in case["expected_grads"].items()}
    want = adapted(case, want, y, w, mode)
    if op == "sparse_softmax_cross_entropy":
        value, grads = cases.run(op, {"predictions": x, "labels": y}, wrt=["predictions"])
        value = value.sum()  # The test that these numbers come from sums the losses of the batch.
    else:
        wrt = ["predictions", "labels", *(["weights"] if w is not None else [])]
        given = {"labels": y, "predictions": x, "weights": w}
        value, grads = cases.run(op, given, wrt=wrt, loss_reduce=mode, **case["params"])
    assert set(want) == {"loss", *grads}
    assert cases.close(value, want["loss"], 1e-12)
    for k, g in grads.items():
        assert cases.close(g, want[k], 1e-12), (k, g - want[k])
