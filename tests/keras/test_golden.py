"""Every golden case of Keras: value on arrays, value in a graph, and gradient.

A case counts as met if it equals what Keras gave on either of two backends: they differ at ties, at the bounds of clips
and where logits saturate.
"""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import LabelError
from sdgraph.keras import losses
from tests.golden import cases

CASES = cases.load("keras_losses")
RTOL = 1e-9
# Keras' own rounding where terms cancel, next to values of size 1.
ATOL = 1e-15

# What is decided otherwise than Keras does, by the case's tag or number, with the reason.
EXEMPT = {
    "surprising_broadcast": "labels (n, 1) hold one label per row; Keras broadcasts them to (n, n)",
    "out_of_range_label": "a label that is no class is an error; Keras counts it 0 on one backend and fails on another",
    "delta_0": "Huber's delta is positive; Keras accepts 0 and gives 0",
}


def exemption(case):
    found = [t for t in case["tags"] if t in EXEMPT]
    return found[0] if found else "delta_0" if case["kwargs"].get("delta") == 0 else None


def operands(case):
    names = ("y_true", "y_pred", "sample_weight", "mask")
    return {k: cases.array(case[k]) for k in names}


def settings(case):
    return {
        k: np.array(v) if k.startswith("ref_") else tuple(v) if isinstance(v, list) and k == "axis" else v
        for k, v in case["kwargs"].items()
    }


def loss_of(case):
    """The loss of a case as a function of its operands."""
    if case["form"] == "class":
        return getattr(losses, case["loss"])(reduction=case["reduction"], **settings(case))
    fn = getattr(losses, case["loss"])
    return lambda y_true, y_pred, sample_weight, mask: fn(y_true, y_pred, **settings(case))


def accepted(case, what):
    also = case.get("also_accepted") or {}
    found = [cases.array(spec) for spec in (case[what], also.get(what)) if spec is not None]
    if case["loss"] == "CategoricalGeneralizedCrossEntropy" and what == "grad_y_pred":
        # Beside a label of probability 0 Keras multiplies 0 by an infinite slope; other classes have no influence.
        found = [np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf) for x in found]
    return found


def check(got, wanted, what):
    for want in wanted:
        if np.shape(got) == want.shape and np.allclose(got, want, rtol=RTOL, atol=ATOL, equal_nan=True):
            return
    np.testing.assert_allclose(got, wanted[0], rtol=RTOL, atol=ATOL, err_msg=what)


@pytest.mark.parametrize("case", [c for c in CASES if not exemption(c)], ids=lambda c: f"{c['id']}-{c['loss']}")
def test_value_and_gradient(case):
    loss, arrays = loss_of(case), operands(case)
    check(loss(**arrays), accepted(case, "output"), "eager value")
    sd = SameDiff(dtype="float64")
    fed = {k: x for k, x in arrays.items() if x is not None}
    variables = {k: sd.placeholder(k, x.shape, x.dtype) for k, x in fed.items()}
    out = loss(**{k: variables.get(k) for k in arrays})
    values, grads = sd.calculate_gradients_and_outputs(fed, [out], ["y_pred"])
    check(values[out.name], accepted(case, "output"), "value in a graph")
    if case["grad_y_pred"] is not None:
        check(grads["y_pred"], accepted(case, "grad_y_pred"), "gradient")


@pytest.mark.parametrize("case", [c for c in CASES if not exemption(c)][::7], ids=lambda c: f"{c['id']}-{c['loss']}")
def test_with_sizes_unknown(case):
    """The same where the graph does not know the batch size, nor any size but the last."""
    arrays = operands(case)
    fed = {k: x for k, x in arrays.items() if x is not None}
    sd = SameDiff(dtype="float64")
    variables = {
        k: sd.placeholder(k, tuple(None if axis == 0 and n > 1 else n for axis, n in enumerate(x.shape)), x.dtype)
        for k, x in fed.items()
    }
    weight = arrays["sample_weight"]
    if weight is not None and weight.shape == (5,) and case["y_pred"]["shape"][:2] == [2, 5]:
        pytest.skip("a vector of unknown size is one weight per sample")
    out = loss_of(case)(**{k: variables.get(k) for k in arrays})
    values, grads = sd.calculate_gradients_and_outputs(fed, [out], ["y_pred"])
    check(values[out.name], accepted(case, "output"), "value")
    if case["grad_y_pred"] is not None:
        check(grads["y_pred"], accepted(case, "grad_y_pred"), "gradient")


def test_the_exemptions_are_few():
    exempt = [c for c in CASES if exemption(c)]
    assert {exemption(c) for c in exempt} == EXEMPT.keys()
    assert len(exempt) == 3


def by_tag(tag):
    (case,) = [c for c in CASES if exemption(c) == tag]
    return case, operands(case)


def test_column_of_labels_instead_of_a_surprising_broadcast():
    case, arrays = by_tag("surprising_broadcast")
    y, p = arrays["y_true"], arrays["y_pred"]
    got = loss_of(case)(y, p)
    chosen = p[np.arange(len(p)), y[:, 0]]
    np.testing.assert_allclose(got, (1 - np.sqrt(chosen)) / 0.5, rtol=1e-12)


def test_label_out_of_range_instead_of_zero():
    case, arrays = by_tag("out_of_range_label")
    with pytest.raises(LabelError, match="label 5 at position 1"):
        loss_of(case)(**arrays)


def test_delta_of_zero_is_refused():
    with pytest.raises(ValueError, match="delta must be a positive number"):
        loss_of(by_tag("delta_0")[0])
