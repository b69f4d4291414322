"""Every operation that sdgraph has, read as SameDiff stores it: the values are those that SameDiff computed.

The nodes are those that nd4j-native 1.0.0-M2.1 saved for the calls of the golden cases. Where the values differ, the
conventions of the operations say what stands here instead (``tests/test_golden_samediff_ops.py``), and a table of this
file names the cases.
"""

import json

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import errors
from sdgraph.files import samediff
from tests.files.samediff import flat
from tests.golden import cases
from tests.test_golden_samediff_ops import flat as flat_values
from tests.test_golden_samediff_ops import qualified, rows_of, wanted

GOLDEN = json.loads((cases.FOLDER / "samediff_nodes.json").read_text())
NODES = GOLDEN["nodes"]
OF_OURS = [case for case in cases.load("samediff_ops") if case["id"] in NODES]
SLOTS = {"tArgs": "t", "iArgs": "i", "bArgs": "b", "sArgs": "s", "dimensions": "dimensions"}

# What the graph computes otherwise than SameDiff did, by reason. What it computes is what the operation is here.
OTHER = {
    "SameDiff computes something else than the operation is said to": """
        sd.max.2 sd.min.2 sd.norm2.2 sd.prod.2 sd.squaredNorm.2 sd.sum.2 math.countNonZero.2 math.mean.2 math.norm2.2
        math.normMax.2 math.prod.2 math.reduceAMax.2 math.reduceMax.2 math.reduceMin.2 math.sum.2 math.asinh.3
        image.resizeBiCubic.13 image.imageResize.4 image.imageResize.14 image.imageResize.24 image.imageResize.29
        image.imageResize.34 image.nonMaxSuppression.3
        math.rdiv.7 math.max.7 math.step.1 math.step.2 math.isMax.1 math.isMax.2 math.logSumExp.9 nn.relu6.4
        nn.logSoftmax.6 nn.topK.1 nn.topK.3 sd.range.3 sd.permute.4 sd.sequenceMask.6 sd.stridedSlice.3
        sd.replaceWhere.15 sd.replaceWhere.16 math.reduceAmean.2 math.reduceAmin.2 sd.batchMmul.1 sd.batchMmul.2
        sd.batchMmul.4 linalg.lstsq.4 linalg.qr.3 bitwise.bitsHammingDistance.1 sd.sparseToDense.1 sd.sparseToDense.3
        sd.sparseToDense.5
        cnn.avgPooling3d.1 cnn.avgPooling3d.2 cnn.avgPooling3d.4 cnn.maxPooling3d.1 cnn.maxPooling3d.2
        cnn.maxPooling3d.3 cnn.maxPoolWithArgmax.1 cnn.maxPoolWithArgmax.4 cnn.maxPoolWithArgmax.5""",
    "SameDiff takes the initial state of a cell for its initial output, and the other way round": """
        rnn.lstmLayer.1 rnn.lstmLayer.6 rnn.lstmLayer.8 rnn.lstmLayer.9 rnn.lstmLayer.10
        rnn.lstmLayer.13 rnn.lstmLayer.14 rnn.lstmLayer.16 rnn.lstmLayer.21 rnn.lstmLayer.22
        rnn.lstmLayer.23 rnn.lstmLayer.25 rnn.lstmLayer.26 rnn.lstmLayer.27 rnn.lstmLayer.28
        rnn.lstmLayer.29 rnn.lstmLayer.30 rnn.lstmLayer.31 rnn.lstmLayer.32 rnn.lstmLayer.37
        rnn.lstmLayer.41 rnn.lstmLayer.42 rnn.lstmLayer.43 rnn.lstmLayer.45""",
    "rotation of negative numbers is cyclic": """
        math.bitShiftRotl.1 math.bitShiftRotr.1 math.bitShiftRotr.2 bitwise.bitRotl.1 bitwise.bitRotl.2
        bitwise.bitRotr.1 bitwise.leftShiftCyclic.1 bitwise.rightShiftCyclic.1 bitwise.rightShiftCyclic.2""",
    "another convention": """
        bitwise.bitShift.3 bitwise.bitShiftRight.3 sd.argmin.6 sd.variance.9
        sd.standardDeviation.9 linalg.qr.1 linalg.qr.5 linalg.qr.7 linalg.qr.8""",
}
DIFFERENT = {name for names in OTHER.values() for name in names.split()}
# What is refused, and how.
REFUSED = {
    "Where.*it is stored in a form that is not known": "sd.where.8",
    "Where.*do not broadcast": "sd.where.4",
    "tensordot.*only the first": "sd.tensorMmul.3",
    "another number of windows": "cnn.col2Im.2",
    "repeat.*its axis is not in the file": "sd.repeat.1 sd.repeat.2 sd.repeat.3 sd.repeat.4 sd.repeat.5",
}
REFUSED_CASES = {name: how for how, names in REFUSED.items() for name in names.split()}
# Constants of SameDiff's that have single precision.
ROUGH = {"cnn.localResponseNormalization", "math.rationalTanh", "nn.gelu", "nn.hardSigmoid", "math.mergeAvg"}


def stored(case):
    """The file of a case, and the names of its outputs."""
    file = flat.File()
    for name, spec in case["call"]["inputs"].items():
        trained = spec["dtype"] in ("DOUBLE", "FLOAT", "HALF") and not spec.get("constant")
        kind = "variable" if trained else "constant"
        file.leaf(name, kind, spec["dtype"], cases.numbers(spec["data"]), spec["shape"])
    outputs = []
    for j, node in enumerate(NODES[case["id"]]):
        inputs = [x if isinstance(x, str) else _anonymous(file, x) for x in node["in"]]
        base = node.get("name", f"out{j}")
        outputs = [(f"{base}:{k}" if k else base, dtype) for k, dtype in enumerate(node["types"])]
        scalar = node.get("scalar")
        file.op(
            node["op"], inputs, outputs, number=GOLDEN["numbers"][node["op"]], properties=node.get("props"),
            scalar=scalar and flat.array(scalar["value"], scalar["dtype"]),
            d=[flat.CODES[name] for name in node.get("dArgs", [])],
            **{ours: node.get(theirs, []) for theirs, ours in SLOTS.items()},
        )  # fmt: skip
    return file, [name for name, _ in outputs]


def _anonymous(file, spec):
    ((kind, value),) = spec.items()
    name = f"sd_var_{len(file.places)}"
    return file.leaf(name, kind, value["dtype"], value["value"], value.get("shape"))


def load(case, path):
    file, outputs = stored(case)
    sd = samediff.load(file.write(path / "case.fb"))
    return sd, [sd[name] for name in outputs]


def near(case, got, want):
    """Whether two arrays agree as well as their types can."""
    kinds = {spec["dtype"] for spec in case["call"]["inputs"].values()}
    single = "FLOAT" in kinds or got.dtype == np.float32
    tol = 1e-6 if single else 1e-7 if qualified(case) in ROUGH else 1e-10
    if case["namespace"] == "image":
        tol = max([tol, *(row.tol for row in rows_of(case))])
    if got.shape != want.shape:
        return False
    return np.allclose(np.asarray(got, float), np.asarray(want, float), rtol=tol, atol=tol, equal_nan=True)


COMPUTED = [
    case
    for case in [*OF_OURS, *GOLDEN["cases"]]
    if "outputs" in case
    and case["id"] not in REFUSED_CASES
    and case["namespace"] != "random"
    and "crash" not in case
    and "outside the array" not in case.get("suspect", "")
]


def recorded(spec):
    if spec["data"] == []:
        return np.zeros(spec["shape"] or (0,), cases.DTYPES[spec["dtype"]])
    return cases.array(spec)


FIXED = [case for case in COMPUTED if all("data" in (spec or {}) for spec in case["outputs"])]
"""Those whose numbers are the same each time."""


@pytest.mark.parametrize("case", FIXED, ids=lambda case: case["id"])
def test_values_and_types_are_those_that_samediff_computed(case, tmp_path):
    _, outs = load(case, tmp_path)
    node = NODES[case["id"]][-1]
    if node["op"] not in ("dropout", "dropout_inverted"):  # for which a file says FLOAT always
        assert [out.dtype.name for out in outs] == [cases.DTYPES[name] for name in node["types"]]
    got = [np.asarray(out.eval()) for out in outs]
    agree = all(near(case, a, recorded(spec)) for a, spec in zip(got, case["outputs"], strict=False))
    assert agree == (case["id"] not in DIFFERENT)
    if not agree:
        right = wanted(case, rows_of(case)) if case in OF_OURS else [flat_values(spec) for spec in case["expected"]]
        for a, b in zip(got, right, strict=False):
            assert b is None or near(case, a, np.asarray(b))


@pytest.mark.parametrize("name", REFUSED_CASES)
def test_what_is_refused(name, tmp_path):
    (case,) = [case for case in OF_OURS if case["id"] == name]
    with pytest.raises(errors.FormatError, match=f"(?s){REFUSED_CASES[name]}"):
        load(case, tmp_path)


STEPS = ["nn.hardTanhDerivative.1", "nn.leakyReluDerivative.1", "math.round.1", "nn.softsignDerivative.1"]


@pytest.mark.parametrize("name", STEPS)
def test_what_is_written_with_steps_has_a_gradient(name, tmp_path):
    (case,) = [case for case in [*OF_OURS, *GOLDEN["cases"]] if case["id"] == name]
    sd, (out,) = load(case, tmp_path)
    (g,) = sd.grad(sd.sum(out), ["x"])
    assert (g.eval() == 0).all() == (case["op"] != "softsignDerivative")


DRAWN = [case for case in OF_OURS if case["namespace"] == "random" or case["op"].startswith("dropout")]


MOMENTS = [c for c in DRAWN if "n" in c.get("outputs", [{}])[0] and c["id"] not in REFUSED_CASES]


@pytest.mark.parametrize("case", MOMENTS, ids=lambda case: case["id"])
def test_random_numbers_have_the_moments_that_they_have_there(case, tmp_path):
    _, (out,) = load(case, tmp_path)
    got, want = out.eval().astype(float), case["outputs"][0]
    error = np.sqrt(2 / want["n"])
    assert list(got.shape) == want["shape"]
    assert abs(got.mean() - want["mean"]) < 6 * error * np.sqrt(want["variance"])
    assert abs(got.var() - want["variance"]) < 6 * error * np.sqrt(want["kurtosis"] - 1) * want["variance"]


def test_every_operation_of_ours_is_read():
    """But for those that SameDiff cannot put into a graph at all, or stores without what it needs."""
    there = {qualified(case) for case in cases.load("samediff_ops")}
    read = {qualified(case) for case in OF_OURS if case["id"] not in REFUSED_CASES}
    never = {"linalg.eig", "nn.prelu", "rnn.sru", "rnn.sruCell", "sd.repeat", "sd.whereNumpy"}
    assert there - read == never
