"""The losses as SameDiff itself computes them (nd4j-native 1.0.0-M2.1), in value and gradients, and programs of them.

Where SameDiff departs from its documentation or from mathematics, or one of the two refuses what the other accepts, the
case has a row in ``DIFFERENCES`` that says what is expected instead; each row counts its cases.
"""

import json
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff, errors
from tests.golden import cases
from tests.golden.documented_losses import Documented
from tests.golden.names import operation

FILE = json.loads((cases.FOLDER / "samediff_losses.json").read_text())
METHODS = [c for c in FILE["cases"] if "kind" not in c]
NATIVE = [c for c in FILE["cases"] if "kind" in c]

# What is expected of a case.
RECORDED = "what SameDiff computes"
DOCUMENTED = "the documented formula and its derivatives"
REFUSED = "an error that says what fits"


class Difference(NamedTuple):
    """What SameDiff does, what is expected here, and in how many cases."""

    there: str
    here: str
    count: int


# In the words of the file's own key `documentation`.
NAMED = [
    Difference("twice the documented value", DOCUMENTED, 25),
    Difference("rank 3: sums over all elements of a row, but divides by the pairs of dimension 1", DOCUMENTED, 17),
    Difference("one element a row: NaN, from 0 * infinity", DOCUMENTED, 11),
    Difference("rank 1: always 0, no gradient", DOCUMENTED, 2),
    Difference("cancellation: n*sum(d^2) - (sum d)^2", DOCUMENTED, 1),
    Difference("weights of the labels' shape are accepted by the forward op only; column 0 is used", REFUSED, 4),
    Difference(
        "Stirling's term for labels of 1 or less, where it approximates nothing (TensorFlow and PyTorch: only above "
        "1); NaN at 0",
        DOCUMENTED,
        16,
    ),
    Difference("the gradient op rounds the smoothing to float32: off by up to 6e-9 times the weight", DOCUMENTED, 11),
    Difference(
        "weights larger than the labels along an axis of size 1 pass the check; only their first entry along that "
        "axis is used, and the gradient fails",
        REFUSED,
        14,
    ),
    Difference("NONE: shape [2, 1], documented [2]", DOCUMENTED, 5),
    Difference("NONE: shape [3, 1], documented [3]", DOCUMENTED, 3),
    Difference("NONE: shape [1, 1], documented []", DOCUMENTED, 1),
    Difference("NONE: shape [1, 1], documented [1]", DOCUMENTED, 1),
    Difference("label smoothing divides by the size of dimension 1, not by the number of classes", DOCUMENTED, 4),
    Difference("gradient of the labels overflows: logarithm of the underflowed probability", DOCUMENTED, 1),
    Difference("logarithm of an underflowed probability: infinity", DOCUMENTED, 1),
    Difference("0 * infinity", DOCUMENTED, 1),
    Difference("0 * log 0 is NaN", DOCUMENTED, 4),
    Difference("0 * NaN or 0 * infinity: a weight of 0 does not mask", DOCUMENTED, 2),
    Difference("counts losses that are not 0, documented: weights that are not 0", DOCUMENTED, 2),
    Difference(
        "weights of another shape than the loss [2, 1] pass the forward op (their first column, or their first "
        "entry, is used); the gradient fails",
        REFUSED,
        3,
    ),
    Difference("ends the process: labels of another dtype than the predictions", DOCUMENTED, 1),
    Difference("label not checked: reads outside the row", REFUSED, 1),
    Difference(
        "not a method of this version; the op class passes its arrays in another order than the op expects",
        DOCUMENTED,
        1,
    ),
]
# What else differs. The first rule that holds for a case is its row.
OTHERS = [
    (
        Difference("the gradient of the weights is twice that of the documented value", DOCUMENTED, 3),
        lambda c: c["op"] == "meanPairwiseSquaredError" and "error" not in c,
    ),
    (
        Difference("integer labels give no gradient of the logits", DOCUMENTED, 2),
        lambda c: "gradients_error" in c and "/dtypes/" in c["id"],
    ),
    (
        Difference("weights [batch, 1] give a loss without a gradient", DOCUMENTED, 5),
        lambda c: "gradients_error" in c,
    ),
    (
        Difference("sd.loss().weightedCrossEntropyWithLogits is no method of this version", DOCUMENTED, 8),
        lambda c: c["op"] == "weightedCrossEntropyWithLogits",
    ),
    (Difference("sd.loss().ctcLoss cannot run", DOCUMENTED, 1), lambda c: c["op"] == "ctcLoss"),
    (
        Difference("empty arrays are refused", DOCUMENTED, 2),
        lambda c: "error" in c and any(0 in shape for shape in shapes(c).values()),
    ),
    (
        Difference("labels, predictions and weights must share one floating data type", DOCUMENTED, 9),
        lambda c: "error" in c and "/dtypes/" in c["id"],
    ),
    (
        Difference("weights of one number per example are refused, although documented", DOCUMENTED, 9),
        lambda c: "error" in c and c["op"] == "meanPairwiseSquaredError",
    ),
    (
        Difference("weights [batch] are refused where the losses are not reduced", DOCUMENTED, 6),
        lambda c: "error" in c and c["op"] == "softmaxCrossEntropy" and len(shapes(c).get("weights", [])) == 1,
    ),
    (
        Difference("weights of the labels' rank, 1 along the classes, are refused from rank 3 on", DOCUMENTED, 7),
        lambda c: (
            "error" in c
            and c["op"] == "softmaxCrossEntropy"
            and len(shapes(c).get("weights", [])) == len(shapes(c)["label"])
            and shapes(c)["weights"][-1] == 1
        ),
    ),
    (
        Difference("label smoothing of one example is an error", DOCUMENTED, 2),
        lambda c: "error" in c and c["op"] == "softmaxCrossEntropy" and len(shapes(c)["label"]) == 1,
    ),
    (Difference("an error", REFUSED, 35), lambda c: "error" in c),
]


def shapes(case):
    """The shapes of the operands that are there, by name."""
    return {k: FILE["arrays"][at]["shape"] for k, at in case["inputs"].items() if at}


def difference(case):
    """The row of a case, or None where SameDiff's numbers are expected."""
    if "documentation" in case:
        return next(row for row in NAMED if row.there == case["documentation"])
    return next((row for row, holds in OTHERS if holds(case)), None)


def test_the_whole_file_is_run_and_the_differences_do_not_spread():
    assert (len(METHODS), len(NATIVE)) == (1028, 7)
    counted = Counter(row for c in METHODS if (row := difference(c)))
    assert counted == {row: row.count for row in [*NAMED, *(row for row, _ in OTHERS)]}


def given(case):
    return {k: cases.array(FILE["arrays"][at]) if at else None for k, at in case["inputs"].items()}


def attributes(case):
    args = dict(case["args"])
    if "loss_reduce" in args:
        args["loss_reduce"] = LossReduce[args["loss_reduce"]]
    return args


def expected(case, row):
    """The value and the gradients by operand, and how near they are meant."""
    op, operands, attrs = operation("loss", case["op"]).removeprefix("loss."), given(case), attributes(case)
    # SameDiff's own rounding costs it up to 6e-10 where 1 + epsilon - p cancels.
    tol = 1e-5 if any(a is not None and a.dtype == np.float32 for a in operands.values()) else 1e-9
    if row is None:
        value = cases.array(case["value"])
        grads = {k: cases.array({"shape": operands[k].shape, **g}) for k, g in case["gradients"].items()}
        return value, grads, tol, tol
    documented = Documented(op, operands, attrs)
    return documented.value(), documented.gradients(), tol, max(tol, 1e-6)


@pytest.mark.parametrize("case", METHODS, ids=lambda c: c["id"])
def test_loss(case):
    row = difference(case)
    op, operands = operation("loss", case["op"]).removeprefix("loss."), given(case)
    trainable = [k for k, a in operands.items() if a is not None and a.dtype.kind == "f"]
    if row and row.here is REFUSED:
        with pytest.raises(errors.SDGraphError):
            cases.run(op, operands, wrt=trainable, **attributes(case))
        return
    want, slopes, tol, slope_tol = expected(case, row)
    value, grads = cases.run(op, operands, wrt=trainable, **attributes(case))
    assert cases.close(value, want, tol), (value, want)
    if not any(a is not None and (a < 0).any() for k, a in operands.items() if k == "weights"):
        assert not (np.signbit(value) & (value == 0)).any()  # 0, not -0.0
    assert set(grads) == set(slopes)
    for k, g in grads.items():
        assert cases.close(g, slopes[k], slope_tol), (k, g, slopes[k])


# ---------------------------------------------------------------------- losses that only a native operation computes

CTC = [c for c in NATIVE if c["op"].startswith("ctc")]
WEIGHTED = [c for c in NATIVE if c["op"] == "weighted_cross_entropy_with_logits"]
# SameDiff takes the logarithms of probabilities and normalises nothing; a blank that it does not know it replaces.
UNKNOWN_BLANK = "blank=-1: the largest length of a label less 1 is taken for the blank; here an error"
CTC_COUNTS = {UNKNOWN_BLANK: 2, None: 3}


def test_the_native_operations_are_all_run():
    assert len(CTC) + len(WEIGHTED) == len(NATIVE)
    assert Counter(UNKNOWN_BLANK if c["i_args"][0] < 0 else None for c in CTC) == CTC_COUNTS


@pytest.mark.parametrize("case", CTC, ids=lambda c: c["id"])
def test_ctc(case):
    names = ("labels", "logits", "label_lengths", "frames")
    operands = {k: cases.array(FILE["arrays"][at]) for k, at in zip(names, case["inputs"], strict=True)}
    blank = case["i_args"][0]
    if blank < 0:
        with pytest.raises(errors.ArgumentError):
            cases.run("ctc_loss", operands, wrt=["logits"], blank_index=blank)
        return
    value, grads = cases.run("ctc_loss", operands, wrt=["logits"], blank_index=blank)
    want = cases.array(case["outputs"][0])
    if case["op"] == "ctc_loss":
        assert cases.close(value, want, 1e-12)
        return
    # Its gradient is exp(x) less the posterior probabilities; the softmax inside makes softmax(x) of exp(x).
    x = operands["logits"]
    inside = (np.arange(x.shape[1]) < operands["frames"][:, None])[:, :, None]
    want = want + np.where(inside, np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) - np.exp(x), 0.0)
    assert cases.close(grads["logits"], want, 1e-12)


@pytest.mark.parametrize("case", WEIGHTED, ids=lambda c: c["id"])
def test_weighted_cross_entropy(case):
    names = ("targets", "inputs", "weights")
    operands = {k: cases.array(FILE["arrays"][at]) for k, at in zip(names, case["inputs"], strict=True)}
    value, grads = cases.run("weighted_cross_entropy_with_logits", operands, wrt=list(names))
    documented = Documented("weighted_cross_entropy_with_logits", operands, {})
    # Weights of the shape of the targets are refused there.
    want = documented.value() if "error" in case else cases.array(case["outputs"][0])
    assert cases.close(value, want, 1e-12)
    for k, g in documented.gradients().items():
        assert cases.close(grads[k], g, 1e-6), k


@pytest.mark.parametrize(
    "case", [c for c in METHODS if "value" in c.get("version_1.0.0-M1.1", ())], ids=lambda c: c["id"]
)
def test_weighted_cross_entropy_of_an_older_version(case):
    """In 1.0.0-M1.1 the method was there, and right."""
    value, _ = cases.run(operation("loss", case["op"]).removeprefix("loss."), given(case), wrt=[])
    assert cases.close(value, cases.array(case["version_1.0.0-M1.1"]["value"]), 1e-12)


# ---------------------------------------------------------------------- losses that are scaled, combined and marked


class Program:
    """The variables of one program, and shorthand for what the programs are made of."""

    def __init__(self):
        self.sd = sd = SameDiff("float64")
        self.w, self.v = sd.var("w", [0.5, -1.0, 2.0]), sd.var("v", [0.3, 0.6, -0.2])
        self.y, self.c = sd.var("y", [1.0, 0.0, 1.0]), sd.constant("c", [1.0, 0.0, 1.0])

    def mse(self, predictions=None, labels=None, weights=None, name="loss", **kwargs):
        p, y = (b if a is None else a for a, b in ((predictions, self.w), (labels, self.y)))
        return self.sd.loss.mean_squared_error(y, p, weights, name=name, **kwargs)

    def mae(self, predictions, name="l2"):
        return self.sd.loss.absolute_difference(self.y, predictions, name=name)

    def each(self, weights=None):
        return self.mse(weights=weights, loss_reduce=LossReduce.NONE)

    def total(self, x):
        """What is minimised: x is the only loss variable."""
        self.sd.set_loss_variables(x.rename("total"))

    def two(self, predictions=None):
        return self.mse(name="l1"), self.mae(self.w if predictions is None else predictions)


def scaled(mode):
    return lambda p: p.total(p.mse(weights=p.c, loss_reduce=mode) * 3)


ONE_HOT = np.array([0.0, 1.0, 0.0])
# What each program of the file does, beside making the variables.
PROGRAMS = {
    "mse": lambda p: p.mse(),
    "mse*2, default loss variables": lambda p: p.sd.math.mul(p.mse(), 2, name="total"),
    "mse*2, setLossVariables(total)": lambda p: p.total(p.mse() * 2),
    "mse*2 + 0.1*sum(w^2), setLossVariables(total)": lambda p: p.total(p.mse() * 2 + 0.1 * (p.w**2).sum()),
    "mse + 0.01*l2Loss(w), setLossVariables(total)": lambda p: p.total(p.mse() + 0.01 * p.sd.loss.l2_loss(p.w)),
    "mse + 0.01*l2Loss(w), default loss variables": lambda p: p.sd.math.add(
        p.mse(), 0.01 * p.sd.loss.l2_loss(p.w), name="total"
    ),
    "0.3*mse + 0.7*absolute, setLossVariables(total)": lambda p: p.total(0.3 * p.mse() + 0.7 * p.mae(p.w)),
    "-mse, setLossVariables(total)": lambda p: p.total(-p.mse()),
    "log(mse), setLossVariables(total)": lambda p: p.total(p.sd.math.log(p.mse())),
    "sqrt(mse), setLossVariables(total)": lambda p: p.total(p.sd.math.sqrt(p.mse())),
    "NONE": lambda p: p.each(),
    "mean(NONE), setLossVariables(total)": lambda p: p.total(p.each().mean()),
    "mean(NONE), default loss variables": lambda p: p.sd.mean(p.each(), name="total"),
    "sum(NONE * c), setLossVariables(total)": lambda p: p.total((p.each() * p.c).sum()),
    "two losses": lambda p: p.two(),
    "two losses, setLossVariables(l2)": lambda p: p.sd.set_loss_variables(p.two()[1]),
    "two losses, gradient of a variable of one only": lambda p: p.sd.set_loss_variables(p.two(p.v)[0]),
    "own loss without mark: sum((w-y)^2)": lambda p: p.sd.sum((p.w - p.y) ** 2, name="total"),
    "own loss, two candidates": lambda p: (p.sd.math.mul(p.w, 2, name="a"), p.sd.math.mul(p.w, 3, name="b")),
    "own loss, markAsLoss, not scalar": lambda p: p.sd.math.mul(p.w, 2, name="a").mark_as_loss(),
    "setLossVariables(w)": lambda p: p.sd.set_loss_variables("w"),
    "setLossVariables(unknown)": lambda p: p.sd.set_loss_variables("nothing"),
    "addLossVariable twice": lambda p: [p.sd.add_loss_variable(loss) for loss in [p.mse()] * 2],
    "label depends on w": lambda p: p.mse(labels=p.w * 0.5),
    "weights depend on v": lambda p: p.mse(weights=p.sd.nn.sigmoid(p.v), loss_reduce=LossReduce.MEAN_BY_WEIGHT),
    "gradient of a constant label": lambda p: p.mse(labels=p.c),
    "gradient of the loss itself": lambda p: p.mse(),
    "gradient of an activation": lambda p: p.mse(p.sd.math.mul(p.w, 3, name="p")),
    "variable used twice": lambda p: (p.mse(p.w * p.w, name="l1"), p.sd.sum(p.w, name="total")),
    "mse of a mse": lambda p: p.total(p.mse(p.mse(), 0.25, name=None)),
    "unnamed": lambda p: p.mse(name=None),
    "NONE-scaled/NONE*3, setLossVariables": scaled(LossReduce.NONE),
    "NONE-scaled/SUM*3, setLossVariables": scaled(LossReduce.SUM),
    "NONE-scaled/MEAN_BY_WEIGHT*3, setLossVariables": scaled(LossReduce.MEAN_BY_WEIGHT),
    "NONE-scaled/MEAN_BY_NONZERO_WEIGHT_COUNT*3, setLossVariables": scaled(LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT),
    "softmax*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.softmax_cross_entropy(ONE_HOT, p.w) * 2),
    "sigmoid*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.sigmoid_cross_entropy(p.c, p.w) * 2),
    "huber*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.huber_loss(p.c, p.w, delta=1.0) * 2),
    "hinge*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.hinge_loss(p.c, p.w) * 2),
    "log*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.log_loss(p.c, p.sd.nn.sigmoid(p.w)) * 2),
    "cosine*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.cosine_distance(p.c, p.w, dimension=0) * 2),
    "sparse*2, setLossVariables(total)": lambda p: p.total(p.sd.loss.sparse_softmax_cross_entropy(p.w, 1) * 2),
}
COMPOSITION = cases.load("samediff_composition")
LEADS_ON = "the loss stays the loss variable there; here the one scalar that is computed from the losses is the loss"
# Programs in which something else than the chain rule makes the difference.
CONVENTIONS = {
    "mse*2, default loss variables": LEADS_ON,
    "mse + 0.01*l2Loss(w), default loss variables": LEADS_ON,
    "mean(NONE), default loss variables": LEADS_ON,
    "own loss without mark: sum((w-y)^2)": "an error there; here the one result that feeds nothing is the loss",
    "two losses, gradient of a variable of one only": "no gradient of v there; here zeros",
    "variable used twice": "the loss feeds nothing, but total would be a second candidate, so it is not looked at",
    "hinge*2, setLossVariables(total)": "at a kink: twice the gradient of the loss, which is 0 there",
}


def test_every_program_is_there():
    assert PROGRAMS.keys() == {c["id"] for c in COMPOSITION}
    assert len(COMPOSITION) == 42
    assert CONVENTIONS.keys() <= PROGRAMS.keys()


def slopes(case):
    """The gradients that the chain rule gives, and how near the file has them."""
    if CONVENTIONS.get(case["id"]) == LEADS_ON:
        # The same program with the total named has the differences of the total's values.
        named = case["id"].replace("default loss variables", "setLossVariables(total)")
        (case,) = [c for c in COMPOSITION if c["id"] == named]
    recorded = {k: cases.array(g) for k, g in case["gradients"].items() if g}
    if "suspect" in case or "gradients_error" in case:
        return {"w": np.array(case["differences_w"])}, 1e-5
    return recorded, 1e-12


@pytest.mark.parametrize("case", COMPOSITION, ids=lambda c: c["id"])
def test_program(case):
    p = Program()
    if "error" in case:
        with pytest.raises(errors.SDGraphError):
            PROGRAMS[case["id"]](p)
        return
    PROGRAMS[case["id"]](p)
    for k, spec in case["values"].items():
        assert cases.close(p.sd[k].eval(), cases.array(spec), 1e-12), k
    if not case["loss_variables"] and "differences_w" not in case:
        with pytest.raises(errors.GradientError):
            p.sd.calculate_gradients({})
        return
    want, tol = slopes(case)
    if case["id"].startswith("hinge"):
        want = {"w": 2 * want["w"]}
    if "v" in case["gradients"] and "v" not in want:
        want["v"] = np.zeros(3)
    grads = p.sd.calculate_gradients({}, list(want))
    for k, g in want.items():
        assert cases.close(grads[k], g, tol), (k, grads[k], g)
