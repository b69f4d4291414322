"""The literal cases of libnd4j's own tests of its loss ops, in value and gradients.

Where sdgraph decides otherwise a rule here says how the expected number changes; each rule counts its cases, so that
none of them grows unnoticed.
"""

from collections import Counter

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from tests.golden import cases

LIBND4J = cases.load("libnd4j_losses")

OPS = {
    "absolute_difference_loss": "absolute_difference",
    "cosine_distance_loss": "cosine_distance",
    "ctc_loss": "ctc_loss",
    "hinge_loss": "hinge_loss",
    "huber_loss": "huber_loss",
    "l2_loss": "l2_loss",
    "log_loss": "log_loss",
    "log_poisson_loss": "log_poisson",
    "mean_pairwssqerr_loss": "mean_pairwise_squared_error",
    "mean_sqerr_loss": "mean_squared_error",
    "sigm_cross_entropy_loss": "sigmoid_cross_entropy",
    "softmax_cross_entropy_loss": "softmax_cross_entropy",
    "softmax_cross_entropy_loss_with_logits": "softmax_cross_entropy",
    "sparse_softmax_cross_entropy_loss_with_logits": "sparse_softmax_cross_entropy",
    "weighted_cross_entropy_with_logits": "weighted_cross_entropy_with_logits",
}

# How many cases each rule below adapts.
ADAPTED = {
    "pairwise factor": 5,
    "one loss per example": 5,
    "smoothing by classes": 6,
    "stirling above 1": 0,
    "non-zero weights": 0,
    "classes last": 13,
}


def rules(case):
    """The names of the rules that apply to a case."""
    op = OPS[case["base_op"]]
    mode = case["reduction"]
    out = []
    if op == "mean_pairwise_squared_error":
        out.append("pairwise factor")
    by_row = op == "mean_pairwise_squared_error" or (op == "softmax_cross_entropy" and case["expected"])
    if by_row and mode == "NONE" and len(case["labels"]["shape"]) == 2:
        out.append("one loss per example")
    if op == "softmax_cross_entropy" and case["params"].get("label_smoothing") and len(case["labels"]["shape"]) > 2:
        out.append("smoothing by classes")
    if op == "log_poisson" and case["params"]["full"] and (cases.array(case["labels"]) <= 1).any():
        out.append("stirling above 1")
    if op == "cosine_distance" and case["expected"] and mode == "MEAN_BY_NONZERO_WEIGHT_COUNT":
        x, y, w = (cases.array(case[k], np.float64) for k in ("predictions", "labels", "weights"))
        e = 1 - (x * y).sum(axis=case["params"]["dimension"], keepdims=True)
        if np.count_nonzero(e * w) != np.count_nonzero(np.broadcast_to(w, e.shape)):
            out.append("non-zero weights")
    if case["base_op"].endswith("with_logits") and op == "softmax_cross_entropy":
        out.append("classes last")
    return out


def test_the_whole_file_is_run_and_the_rules_do_not_spread():
    assert len(LIBND4J) == 142
    assert {c["base_op"] for c in LIBND4J} == OPS.keys()
    counted = Counter(rule for c in LIBND4J for rule in rules(c))
    assert {k: counted[k] for k in ADAPTED} == ADAPTED
    assert counted.keys() <= ADAPTED.keys()


def mode_of(case):
    return LossReduce[case["reduction"]] if case["reduction"] else None


def smoothing_change(case):
    """What the loss gains when smoothing divides by the number of classes, not by the size of dimension 1."""
    x = cases.array(case["predictions"])
    s = case["params"]["label_smoothing"]
    z = x - x.max(axis=-1, keepdims=True)
    surprise = (np.log(np.exp(z).sum(axis=-1, keepdims=True)) - z).sum(axis=-1)
    return s * (1 / x.shape[-1] - 1 / x.shape[1]) * surprise


def adapted_value(case, want, w):
    mode = mode_of(case)
    for rule in rules(case):
        if rule == "pairwise factor":
            # ND4J sums ordered pairs but divides by the number of unordered ones: twice the documented value.
            want = want / 2
        elif rule == "one loss per example":
            # The documented shape is [batch]; the op returns [batch, 1].
            want = want[:, 0]
        elif rule == "smoothing by classes":
            want = want + cases.reduced(smoothing_change(case), w, mode)
        elif rule == "stirling above 1":
            # ND4J applies the Stirling term to all labels, so that label 0 gives NaN.
            y = cases.array(case["labels"])
            want = want - cases.reduced(np.where(y <= 1, cases.stirling(y), 0.0), w, mode)
        elif rule == "non-zero weights":
            # ND4J counts non-zero losses instead of non-zero weights.
            raise AssertionError("no case needs this rule today")
    return want


def operands(case):
    """The operands of sdgraph's op, by role and in its order."""
    op = OPS[case["base_op"]]
    given = {k: cases.array(case[k]) for k in ("labels", "predictions", "weights")}
    extra = {k: cases.array(v) for k, v in case.get("extra_inputs", {}).items()}
    if op == "l2_loss":
        return extra
    if op == "ctc_loss":
        # ND4J wants log-softmax values and sdgraph logits; the softmax leaves log-softmax values as they are.
        rest = ("logits", "label_lengths", "logit_lengths")
        return {"labels": given["labels"], **{k: extra[k] for k in rest}}
    if op == "sparse_softmax_cross_entropy":
        return {"predictions": given["predictions"], "labels": given["labels"]}
    w, y = given["weights"], given["labels"]
    if op == "softmax_cross_entropy" and w is not None and w.ndim == y.ndim == 2 and w.size > 1:
        # Weights of shape [batch, 1] are [batch] here, the shape of the losses.
        given["weights"] = w[:, 0]
    return given


def run(case):
    op = OPS[case["base_op"]]
    given = operands(case)
    wrt = list(case["expected_grads"] or {})
    if "classes last" not in rules(case):
        attrs = {**case["params"], **({"loss_reduce": mode_of(case)} if case["reduction"] else {})}
        return cases.run(op, given, wrt=wrt, **attrs)
    # SDLoss has no method for this op. It is softmax_cross_entropy, unreduced, with the classes moved to the last axis.
    sd = SameDiff("float64")
    axis = case["params"].get("classes_dim", -1)
    x, y = given["predictions"], given["labels"]
    order = [k for k in range(x.ndim) if k != axis % x.ndim] + [axis % x.ndim]
    vs = {k: sd.placeholder(k, given[k].shape, "float64") for k in ("labels", "predictions")}
    moved = {k: sd.permute(v, order) for k, v in vs.items()}
    loss = sd.loss.softmax_cross_entropy(
        moved["labels"], moved["predictions"], loss_reduce=LossReduce.NONE, name="loss"
    )
    out, grads = sd.calculate_gradients_and_outputs({"labels": y, "predictions": x}, [loss], wrt)
    return out["loss"], grads


@pytest.mark.parametrize("case", LIBND4J, ids=lambda c: c["test_name"])
def test_libnd4j(case):
    value, grads = run(case)
    w = cases.array(case["weights"], np.float64)
    if case["expected"]:
        want = adapted_value(case, cases.array(case["expected"]), w)
        assert cases.close(value, want, case["expected"]["tol"]), value - want
    for k, g in grads.items():
        spec = case["expected_grads"][k]
        want = cases.array(spec)
        if "pairwise factor" in rules(case):
            want = want / 2
        assert not {"smoothing by classes", "stirling above 1"} & set(rules(case))
        assert cases.close(g, want, spec["tol"]), (k, g - want)
    assert case["expected"] or grads
