"""Every loss of SameDiff's as it stands in a file: inputs, reductions and arguments."""

import json
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import LossReduce, errors
from sdgraph.files import samediff
from tests.files.samediff import flat
from tests.golden import cases
from tests.golden.documented_losses import Documented
from tests.golden.names import operation

FILE = json.loads((cases.FOLDER / "samediff_losses.json").read_text())

# What SameDiff calls an operation in a file, and its floating argument.
STORED = {
    "absoluteDifference": ("absolute_difference_loss", None),
    "cosineDistance": ("cosine_distance_loss", None),
    "hingeLoss": ("hinge_loss", None),
    "huberLoss": ("huber_loss", "delta"),
    "logLoss": ("log_loss", "epsilon"),
    "logPoisson": ("log_poisson_loss", None),
    "meanPairwiseSquaredError": ("mean_pairwssqerr_loss", None),
    "meanSquaredError": ("mean_sqerr_loss", None),
    "sigmoidCrossEntropy": ("sigm_cross_entropy_loss", "label_smoothing"),
    "softmaxCrossEntropy": ("softmax_cross_entropy_loss", "label_smoothing"),
    "sparseSoftmaxCrossEntropy": ("sparse_softmax_cross_entropy_loss_with_logits", None),
    "l2Loss": ("l2_loss", None),
}
NAMES = {"float64": "DOUBLE", "float32": "FLOAT", "int32": "INT", "int64": "LONG", "bool": "BOOL"}
CASES = [
    case
    for case in FILE["cases"]
    if "value" in case
    and "kind" not in case
    and case["op"] in STORED
    and STORED[case["op"]][1] in {None, *case["args"]}
]

# Where the documented value stands instead of SameDiff's, in the words of the file, and how often.
DOCUMENTED = {
    "rank 3: sums over all elements of a row, but divides by the pairs of dimension 1": 17,
    "one element a row: NaN, from 0 * infinity": 11,
    "cancellation: n*sum(d^2) - (sum d)^2": 1,
    "counts losses that are not 0, documented: weights that are not 0": 2,
    "NONE: shape [1, 1], documented []": 1,
    "label smoothing divides by the size of dimension 1, not by the number of classes": 4,
    "0 * NaN or 0 * infinity: a weight of 0 does not mask": 2,
    "0 * log 0 is NaN": 4,
    "0 * infinity": 1,
    "logarithm of an underflowed probability: infinity": 1,
}
# What fails, in the file or when the graph runs, and how often.
REFUSED = {
    "weights of another shape than the loss [2, 1] pass the forward op (their first column, or their first "
    "entry, is used); the gradient fails": 3,
    "weights of the labels' shape are accepted by the forward op only; column 0 is used": 4,
    "weights larger than the labels along an axis of size 1 pass the check; only their first entry along that "
    "axis is used, and the gradient fails": 14,
    "label not checked: reads outside the row": 1,
}


def operands(case):
    return {name: cases.array(FILE["arrays"][at]) for name, at in case["inputs"].items() if at}


def load(case, path):
    """The graph of a case, out of a file as SameDiff writes it."""
    file, arrays = flat.File(), operands(case)
    for name, array in arrays.items():
        kind = "variable" if array.dtype.kind == "f" else "constant"
        file.leaf(name, kind, NAMES[array.dtype.name], array.tolist(), array.shape)
    name, floating = STORED[case["op"]]
    args = case["args"]
    dtype = next(NAMES[a.dtype.name] for k, a in arrays.items() if k in ("predictions", "logits", "var"))
    if "label" in arrays:
        i = [LossReduce[args.get("loss_reduce", "MEAN_BY_NONZERO_WEIGHT_COUNT")].value]
        i += [args["dimension"]] if "dimension" in args else [1] if args.get("full") else []
        weights = "weights" if "weights" in arrays else file.leaf("sd_var", "constant", dtype, 1.0, ())
        inputs = ["predictions", weights, "label"]
    else:
        i, inputs = [], ["labels", "logits"] if "logits" in arrays else ["var"]
    file.op(name, inputs, [("loss", dtype)], t=[args[floating]] if floating else [], i=i)
    file.losses.append("loss")
    return samediff.load(file.write(path / "loss.fb"))


def agrees(case, got, want):
    if got.shape != want.shape or (np.isinf(got) != np.isinf(want)).any():
        return False
    return cases.close(got, want, 1e-5 if got.dtype == np.float32 else 1e-9)


def documented(case):
    """The documented value; twice that for what SameDiff computes twice of a matrix, always."""
    args = dict(case["args"])
    if "loss_reduce" in args:
        args["loss_reduce"] = LossReduce[args["loss_reduce"]]
    given = {name: cases.array(FILE["arrays"][at]) if at else None for name, at in case["inputs"].items()}
    twice = case["op"] == "meanPairwiseSquaredError" and given["predictions"].ndim == 2
    return Documented(operation("loss", case["op"]).removeprefix("loss."), given, args).value() * (2 if twice else 1)


@cache
def departures(op):
    """How many cases of a loss depart from SameDiff's numbers, by reason; each has the documented value, or fails."""
    counted = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in [case for case in CASES if case["op"] == op]:
            if case.get("documentation") in REFUSED:
                counted[case["documentation"]] += 1
                with pytest.raises(errors.SDGraphError):
                    load(case, Path(folder))["loss"].eval()
                continue
            sd = load(case, Path(folder))
            got = sd["loss"].eval()
            assert [v.name for v in sd.loss_variables()] == ["loss"]
            if not agrees(case, got, cases.array(case["value"])):
                counted[case.get("documentation")] += 1
                assert agrees(case, got, documented(case).reshape(got.shape)), case["id"]
    return counted


@pytest.mark.parametrize("op", STORED)
def test_losses_are_those_that_samediff_computed(op):
    assert departures(op).keys() <= {*DOCUMENTED, *REFUSED}


def test_departures_do_not_spread():
    assert sum((departures(op) for op in STORED), Counter()) == {**DOCUMENTED, **REFUSED}
