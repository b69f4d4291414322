"""Operations as SameDiff itself computes them (nd4j-native 1.0.0-M2.1), in value, data type and gradients.

A case whose numbers are wrong there carries the right ones in its key `expected`. Where both are right and differ, or
one of the two refuses what the other accepts, the case has rows in ``CONVENTIONS``, which say what stands here instead;
each row counts its cases.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.testing import check_grads
from tests.golden import cases, samediff_calls
from tests.golden.names import operations
from tests.ops import image_references, recurrent, windows_by_hand
from tests.ops.references import REFERENCES

CASES = cases.load("samediff_ops")
DRAWN = [c for c in CASES if c["namespace"] == "random" or c["id"] in ("nn.dropout.1", "image.randomCrop.1")]
COMPUTED = [c for c in CASES if c not in DRAWN]

# Operations of SameDiff that sdgraph does not have under a name of its own; the porting page says what to write.
NOT_THERE = {
    "sd": "create createView merge minMax setShape switchOp",
    "nn": "dotProductAttentionV2 hardTanhDerivative leakyReluDerivative sigmoidDerivative softsignDerivative",
}
# There, but without a case in the file; losses have a file of their own.
WITHOUT_CASES = {"sd.scatterNdAdd", "sd.scatterNdSub", "sd.scatterNdUpdate", "math.divNoNan", "math.lgamma"}


def test_every_operation_is_mapped_or_named_as_not_there():
    missing = {f"{namespace}.{name}" for (namespace, name), op in operations().items() if not op}
    assert missing == {f"{space}.{name}" for space, names in NOT_THERE.items() for name in names.split()}
    there = {f"{space}.{name}" for (space, name), op in operations().items() if op and space != "loss"}
    assert there == {qualified(c) for c in CASES} | WITHOUT_CASES


def qualified(case):
    return f"{case['namespace']}.{case['op']}"


# ---------------------------------------------------------------------- conventions


class Row(NamedTuple):
    """A convention: what is done there and here, for which cases, and what is expected instead of SameDiff's numbers.

    ``values`` and ``gradients`` compute it in numpy; ``differences`` asks for gradients that agree with differences
    of sdgraph's own values; ``refused`` for an error.
    """

    there: str
    here: str
    count: int
    holds: Callable[[dict], bool]
    values: Callable[[dict], list] | None = None
    gradients: Callable[[dict, list], dict] | None = None
    differences: bool = False
    refused: bool = False
    tol: float = 0.0


def is_one_of(*names):
    return lambda case: qualified(case) in names


def both(*conditions):
    return lambda case: all(holds(case) for holds in conditions)


def refused_there(case):
    return "error" in case or case.get("crash") == "forward"


def noted(*notes):
    return lambda case: case.get("note") in notes


def arrays(case):
    return list(samediff_calls.inputs(case).values())


def has(condition):
    return lambda case: any(condition(a) for a in arrays(case))


def operands(case):
    """The operands as arrays and the attributes, by sdgraph's names."""
    _, given, attrs = samediff_calls.call(case, samediff_calls.inputs(case))
    return given, attrs


def in_numpy(case):
    given, attrs = operands(case)
    result = FORMULAS[samediff_calls.op_of(case).qualname](**given, **attrs)
    return list(result) if isinstance(result, (list, tuple)) else [result]


def clipped(x, clip_value, axis=None):
    norm = np.sqrt((x**2).sum(axis=None if axis is None else tuple(axis), keepdims=axis is not None))
    return np.where(norm > clip_value, x * clip_value / norm, x)


def updated(ref, indices, updates):
    out = ref.copy()
    out[indices] = updates
    return out


def bits_that_differ(x, y):
    wide = x.astype(np.int64) ^ y.astype(np.int64)
    return np.array(sum(bin(int(v) & (2 ** (8 * x.itemsize) - 1)).count("1") for v in wide.reshape(-1)))


def without(axis_of):
    """A reduction of numpy for attributes as SameDiff spells them."""
    return lambda x, axis=None, keepdims=False: axis_of(
        x, axis=None if axis is None else tuple(axis), keepdims=keepdims
    )


# What operations are, for cases in which SameDiff says nothing or something wrong.
FORMULAS = {
    "bitwise.bits_hamming_distance": bits_that_differ,
    "image.non_max_suppression": image_references.non_max_suppression,
    "cnn.conv1d": windows_by_hand.REFERENCES["cnn.conv1d"],
    "cnn.upsampling2d": REFERENCES["cnn.upsampling2d"],
    "cnn.max_pool_with_argmax": windows_by_hand.maxima_with_positions,
    "concat": lambda inputs, axis: np.concatenate(inputs, axis),
    "cumprod": lambda x, axis=None: np.cumprod(x).reshape(-1),
    "cumsum": lambda x, axis=None: np.cumsum(x).reshape(-1),
    "is_numeric_tensor": lambda x: np.array(x.dtype != bool),
    "fill": lambda shape, dtype, value: np.full(shape, value, dtype),
    "image.image_resize": image_references.image_resize,
    "image.resize_bi_cubic": image_references.resize_bi_cubic,
    "linalg.diag_part": lambda x: np.diagonal(x),
    "linalg.eig": lambda x: (None, None),  # in any order and of any length: a test of its own
    "linalg.logdet": lambda x: np.array(np.nan),
    "linalg.matmul": lambda a, b: np.matmul(a, b),
    "math.and_": lambda x, y: np.logical_and(x, y),
    "math.clip_by_norm": clipped,
    "math.cos": lambda x: np.cos(x),
    "math.count_non_zero": without(np.count_nonzero),
    "math.count_zero": without(lambda x, **kw: (x == 0).sum(**kw)),
    "math.exp": lambda x: np.exp(x),
    "math.eye": lambda rows, cols, dimensions=(), dtype=float: np.zeros((*dimensions, 1, 1)) + np.eye(rows, cols),
    "math.iamax": lambda x, axis, keepdims: np.argmax(np.abs(x)),
    "math.iamin": lambda x, axis, keepdims: np.argmin(np.abs(x)),
    "math.max": lambda x, y: np.maximum(x, y),
    "math.merge_add": lambda inputs: sum(inputs),
    "math.merge_avg": lambda inputs: sum(inputs) / len(inputs),
    "math.min": lambda x, y: np.minimum(x, y),
    "max": without(np.max),
    "mean": without(np.mean),
    "min": without(np.min),
    "mmul": lambda x, y, transpose_x=False, transpose_y=False, transpose_z=False: np.matmul(x, y),
    "nn.linear": lambda x, weights, bias: x @ weights + bias,
    "nn.prelu": lambda x, alpha, shared_axes: np.where(x >= 0, x, alpha * x),
    "rnn.gru_cell": recurrent.gru_cell,
    "norm1": without(lambda x, **kw: np.abs(x).sum(**kw)),
    "norm2": without(lambda x, **kw: np.sqrt((x**2).sum(**kw))),
    "normmax": without(lambda x, **kw: np.abs(x).max(**kw)),
    "prod": without(np.prod),
    "repeat": lambda x, repeats, axis: np.repeat(x, repeats, axis),
    "scatter_update": updated,
    "split": lambda x, num_split, axis: np.split(x, num_split, axis),
    "squared_norm": without(lambda x, **kw: (x**2).sum(**kw)),
    "standard_deviation": lambda x, axis, **_: x.sum(axis=tuple(axis)) * np.nan,
    "sum": without(np.sum),
    "tensor_mmul": lambda x, y, dimensions_x, dimensions_y: np.tensordot(x, y, (dimensions_x, dimensions_y)),
    "variance": lambda x, axis, **_: x.sum(axis=tuple(axis)) * np.nan,
    "where": lambda condition, x, y: np.where(condition, x, y),
}


def row_by_row(combine, empty):
    """Segments of rows whose ids are a matrix."""

    def reference(data, segment_ids, num_segments):
        rest = data.shape[segment_ids.ndim :]
        found = [data[segment_ids == k] for k in range(num_segments)]
        return np.array([combine(rows) if len(rows) else np.full(rest, empty) for rows in found])

    return reference


FORMULAS |= {
    f"unsorted_segment_{name}": row_by_row(combine, empty)
    for name, combine, empty in [
        ("max", lambda rows: rows.max(0), np.finfo(float).min), ("min", lambda rows: rows.min(0), np.finfo(float).max),
        ("sum", lambda rows: rows.sum(0), 0.0), ("mean", lambda rows: rows.mean(0), 0.0),
        ("prod", lambda rows: rows.prod(0), 1.0), ("sqrt_n", lambda rows: rows.sum(0) / np.sqrt(len(rows)), 0.0),
    ]
}  # fmt: skip


def shared_at_places(case, cotangents):
    """The largest or smallest of each place, in what was there and in what comes there: all that are tied share it."""
    given, _ = operands(case)
    if "ref" in given:
        out = (np.maximum if "Max" in case["op"] else np.minimum).at
        y = given["ref"].copy()
        out(y, given["indices"], given["updates"])
        kept, taken = given["ref"] == y, given["updates"] == y[given["indices"]]
        n = kept.astype(float)
        np.add.at(n, given["indices"], taken)
        return {"ref": cotangents[0] * kept / n, "u": taken * (cotangents[0] / n)[given["indices"]]}
    data, ids = given["data"], given["segment_ids"]
    out = np.zeros(data.shape)
    for k in set(ids.tolist()):
        rows = data[ids == k]
        best = rows == (rows.max if "Max" in case["op"] else rows.min)(0)
        out[ids == k] = cotangents[0][k] * best / best.sum(0)
    return {"d": out}


def not_replaced(case, cotangents):
    """The derivative by x: 0 wherever it is replaced."""
    x, value = arrays(case)[0], case["call"]["args"]["condition"]["value"]
    met = {"absGreaterThan": abs(x) > value, "absGreaterThanOrEqual": abs(x) >= value, "absLessThan": abs(x) < value,
           "absLessThanOrEqual": abs(x) <= value}[case["call"]["args"]["condition"]["condition"]]  # fmt: skip
    return {"x": cotangents[0] * ~met}


def per_row(case):
    return case.get("note") == "condition per row" or case["call"]["inputs"].get("c", {}).get("shape") == [2]


EXTREMES = ("sd.segmentMax", "sd.segmentMin", "sd.unsortedSegmentMax", "sd.unsortedSegmentMin", "sd.scatterMax",
            "sd.scatterMin")  # fmt: skip


def quotients(case):
    """Of integers: what the operation is for the same numbers as floats."""
    given, _ = operands(case)
    x, y = (np.asarray(a, float) for a in given.values())
    name = case["op"]
    return [{"sub": x - y, "div": x / y, "rdiv": y / x, "floorDiv": np.floor(x / y).astype(int)}[name]]


def shifted_out(case):
    given, _ = operands(case)
    x, shift = given.values()
    left = samediff_calls.op_of(case).name in ("bit_shift", "left_shift")
    width = 8 * x.itemsize
    moved = [
        int(a) << int(s) if left else int(a) >> int(s) for a, s in zip(x, np.broadcast_to(shift, x.shape), strict=True)
    ]
    return [np.array([(v + 2 ** (width - 1)) % 2**width - 2 ** (width - 1) for v in moved])]


def both_alignments(case):
    """Pixels aligned by their corners and by their centres."""
    args = case["call"]["args"]
    return bool(args.get("alignCorners") and (args.get("alignPixelCenters") or args.get("halfPixelCenters")))


def weighs_by_table(case):
    args = case["call"]["args"]
    cubic = args.get("ImageResizeMethod") in (None, "ResizeBicubic")
    return cubic and "outputs" in case and "suspect" not in case and not args.get("preserveAspectRatio")


def in_small_proportions(case):
    return case["op"] == "imageResize" and bool(case["call"]["args"].get("preserveAspectRatio"))


def pairs(spec):
    """Complex numbers that are recorded as [re, im]."""
    parts = cases.array(spec)
    return parts[..., 0] + 1j * parts[..., 1]


def qr_signs(case):
    """The recorded factors with the signs that LAPACK gives R's diagonal; of a full Q a test of its own says enough."""
    q, r = (cases.array(spec) for spec in case["outputs"])
    k = min(r.shape[-2:])
    lapack = np.linalg.qr(cases.array(case["call"]["inputs"]["x"]))[1]
    signs = np.sign(np.einsum("...ii->...i", r[..., :k, :k])) * np.sign(np.einsum("...ii->...i", lapack[..., :k, :k]))
    q, r = q.copy(), r.copy()
    q[..., :k] *= signs[..., None, :]
    r[..., :k, :] *= signs[..., None]
    return [None if q.shape[-1] > k else q, r]


def tied(case):
    x, y = (np.asarray(a) for a in operands(case)[0].values())
    return bool((x == y).any())


def halves(case, cotangents):
    """Pairwise maxima and minima of operands of one shape, or of one and a number."""
    x, y = (np.asarray(a) for a in operands(case)[0].values())
    first = x > y if samediff_calls.op_of(case).name == "max" else x < y
    part = np.where(x == y, 0.5, first)
    return {"x": cotangents[0] * part, "y": cotangents[0] * (1 - part)}


def picked(case):
    """Where a reduction finds its result, and that result in the shape of the operand."""
    given, attrs = operands(case)
    x = given["x"]
    name = samediff_calls.op_of(case).name
    of = np.abs(x) if name in ("normmax", "reduce_amin") else x
    axis = None if attrs["axis"] is None else tuple(attrs["axis"])
    best = (np.min if name in ("min", "reduce_amin") else np.max)(of, axis=axis, keepdims=True)
    return x, of == best, axis


def tied_in_reduction(case):
    _, at, axis = picked(case)
    return "gradients" in case and bool((at.sum(axis=axis) > 1).any())


def shared(case, cotangents):
    x, at, axis = picked(case)
    g = np.broadcast_to(cotangents[0].reshape(at.sum(axis=axis, keepdims=True).shape), x.shape)
    slope = np.sign(x) if samediff_calls.op_of(case).name in ("normmax", "reduce_amin") else 1.0
    return {"x": g * slope * at / at.sum(axis=axis, keepdims=True)}


def shares(case, cotangents):
    """The largest of several operands: each of those that are tied."""
    xs = samediff_calls.inputs(case)
    at = {k: x == np.max([*xs.values()], axis=0) for k, x in xs.items()}
    return {k: cotangents[0] * here / sum(at.values()) for k, here in at.items()}


def bounds(case):
    given, attrs = operands(case)
    low, high = ({**given, **attrs}[k] for k in ("clip_value_min", "clip_value_max"))
    return given["x"], low, high


def at_a_bound(case):
    x, low, high = bounds(case)
    return np.ndim(low) == 0 and bool(((x == low) | (x == high)).any())


def ones_within(case, cotangents):
    x, low, high = bounds(case)
    return {"x": cotangents[0] * ((x >= low) & (x <= high))}


def slope_below(case, cotangents):
    given, attrs = operands(case)
    return {"x": cotangents[0] * np.where(given["x"] > 0, 1.0, attrs["alpha"])}


def slope_of_acosh(case, cotangents):
    x = operands(case)[0]["x"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"x": np.where(x < 1, np.nan, cotangents[0] / np.sqrt(x**2 - 1))}


def all_integers(case):
    return bool(arrays(case)) and all(a.dtype.kind in "iu" for a in arrays(case))


def shift_of_the_width(case):
    x, shift = operands(case)[0].values()
    return bool((shift >= 8 * x.itemsize).any())


REDUCTIONS = ("sd.max", "sd.min", "sd.normmax", "math.reduceMax", "math.reduceMin", "math.normMax", "math.reduceAMax",
              "math.reduceAmin")  # fmt: skip
PAIRWISE = ("math.max", "math.min", "sd.scalarMax", "sd.scalarMin", "sd.max", "sd.min")
DIVISIONS = ("math.div", "math.rdiv", "math.floorDiv")
SHIFTS = ("math.bitShift", "math.bitShiftRight", "bitwise.bitShift", "bitwise.bitShiftRight", "bitwise.leftShift",
          "bitwise.rightShift")  # fmt: skip
WRONG_CALLS = noted(
    "singular", "not positive definite", "not symmetric", "negative index", "index out of range", "too large",
    "zero in the shape", "length too large", "negative segment", "unsorted", "rank 2",
)  # fmt: skip
CONVENTIONS = [
    # what only one of the two accepts
    Row(
        "an error, or memory outside the array is read or written",
        "an error",
        20,
        both(WRONG_CALLS, lambda c: refused_there(c) or "crash" in c or "outside the array" in c.get("suspect", "")),
        refused=True,
    ),
    Row(
        "repeat ends the process, for one number for all elements as well",
        "repeats is a number, or names each element",
        2,
        both(is_one_of("sd.repeat"), lambda c: c["call"]["inputs"]["r"]["shape"] == [1]),
        refused=True,
    ),
    Row(
        "where(condition) gives the indices of what is true",
        "needs both branches; numpy.argwhere outside of a graph",
        2,
        both(is_one_of("sd.where"), lambda c: len(c["call"]["args"]) == 1),
        refused=True,
    ),
    Row(
        "where takes one condition per row",
        "the condition broadcasts as in numpy: reshape it to [rows, 1]",
        2,
        both(is_one_of("sd.where", "sd.whereNumpy"), per_row),
        refused=True,
    ),
    Row(
        "corners and centres of pixels are aligned: an error",
        "an error",
        5,
        both_alignments,
        refused=True,
    ),
    Row(
        "an error: other shapes, data types or ranks than the operation takes there",
        "computed: broadcast, promoted to floats, along all axes",
        52,
        both(refused_there, lambda c: samediff_calls.op_of(c).qualname in FORMULAS),
        values=in_numpy,
        differences=True,
    ),
    Row(
        "nonMaxSuppression fills up with box 0",
        "with -1",
        1,
        both(is_one_of("image.nonMaxSuppression"), lambda c: "suspect" in c),
        values=in_numpy,
    ),
    Row(
        "keepDims with a negative axis gives garbage",
        "as with the positive axis",
        15,
        lambda c: "suspect" in c and "expected" not in c,
        values=in_numpy,
        differences=True,
    ),
    Row(
        "a size of splitV may be -1, but fails",
        "all sizes are given",
        1,
        both(is_one_of("sd.splitV"), refused_there),
        refused=True,
    ),
    Row(
        "maxPoolWithArgmax fills arrays of the shape of its operand, and numbers the entries as its positions",
        "one place for each window, and the position of the largest number in its picture",
        3,
        is_one_of("cnn.maxPoolWithArgmax"),
        values=in_numpy,
        differences=True,
    ),
    Row(
        "columns of more windows than a picture has: those beyond it are left out",
        "an error",
        1,
        lambda c: c["id"] == "cnn.col2Im.2",
        refused=True,
    ),
    Row(
        "lstmblock without initial states cannot run; the file expects those that the call leaves out",
        "they are 0",
        1,
        both(is_one_of("rnn.lstmblock"), noted("short form")),
        values=lambda c: [
            recurrent.lstmblock(**{k: v for k, v in operands(c)[0].items() if k in ("x", "weights", "bias")})[0]
        ],
        differences=True,
    ),
    # values
    Row(
        "division of integers truncates",
        "`/` of integers is float, `//` floors",
        4,
        both(is_one_of(*DIVISIONS), all_integers),
        values=quotients,
    ),
    Row(
        "integers less a number are rounded to integers",
        "float",
        1,
        both(is_one_of("math.sub", "math.add", "math.mul"), all_integers, lambda c: "value" in c["call"]["args"]),
        values=quotients,
    ),
    Row(
        "mod of integers has the sign of x, of floats that of y",
        "the sign of y",
        1,
        both(is_one_of("math.mod"), all_integers),
        values=lambda c: [np.mod(*operands(c)[0].values())],
    ),
    Row(
        "lstsq of a wide matrix is NaN; the file expects one of many exact solutions",
        "the shortest of them",
        1,
        both(is_one_of("linalg.lstsq"), noted("wide")),
        values=lambda c: [np.linalg.lstsq(*operands(c)[0].values(), rcond=None)[0]],
        differences=True,
    ),
    Row(
        "a shift by the width of the type or more is taken modulo the width",
        "all bits are shifted out",
        2,
        both(is_one_of(*SHIFTS), shift_of_the_width),
        values=shifted_out,
    ),
    Row(
        "round takes halves away from zero",
        "to the even neighbour, as numpy and IEEE 754 do",
        2,
        both(is_one_of("math.round"), has(lambda a: (np.rint(a) != np.copysign(np.floor(abs(a) + 0.5), a)).any())),
        values=lambda c: [np.rint(arrays(c)[0])],
    ),
    Row(
        "argmax and argmin skip NaN",
        "NaN is what they find, as in numpy",
        1,
        both(is_one_of("sd.argmax", "sd.argmin"), noted("nan")),
        values=lambda c: [getattr(np, c["op"])(arrays(c)[0], axis=c["call"]["args"]["dimensions"][0])],
    ),
    Row(
        "qr gives R another sign",
        "the signs are LAPACK's",
        4,
        both(is_one_of("linalg.qr"), lambda c: c["id"] != "linalg.qr.3"),
        values=qr_signs,
        differences=True,
    ),
    Row(
        "eig gives [real, imaginary] pairs",
        "complex numbers",
        2,
        both(is_one_of("linalg.eig"), lambda c: "outputs" in c),
        values=lambda c: [pairs(spec) for spec in c["outputs"]],
    ),
    Row(
        "preserveAspectRatio cuts the resized image off",
        "resizes to the smaller size",
        5,
        in_small_proportions,
        values=in_numpy,
    ),
    Row(
        "weights of bicubic resizing are those of a table of 1024",
        "computed",
        7,
        both(is_one_of("image.resizeBiCubic", "image.imageResize"), weighs_by_table),
        tol=1e-3,
    ),
    Row(
        "colours and places of pixels are computed in single precision",
        "in that of x",
        18,
        is_one_of("image.adjustHue", "image.adjustSaturation", "image.hsvToRgb", "image.resizeBiLinear"),
        differences=True,
        tol=1e-6,
    ),
    # gradients
    Row(
        "cropAndResize has a gradient of zeros",
        "the derivative",
        4,
        is_one_of("image.cropAndResize"),
        differences=True,
    ),
    Row(
        "ties of two operands: both get the whole gradient, or none against a number",
        "half to each",
        8,
        both(is_one_of(*PAIRWISE), lambda c: samediff_calls.op_of(c).namespace == "math" and tied(c)),
        gradients=halves,
    ),
    Row(
        "ties in a reduction: the first gets the gradient",
        "all that are tied share it",
        5,
        both(is_one_of(*REDUCTIONS), lambda c: "first" not in c["call"]["args"] and tied_in_reduction(c)),
        gradients=shared,
    ),
    Row(
        "of what is tied each gets the whole gradient; where segments are empty it is wrong",
        "all that are tied share it",
        5,
        both(is_one_of(*EXTREMES), noted("ties", "zero and ties", "empty segments", "number as a variable")),
        gradients=shared_at_places,
    ),
    Row(
        "replaceWhere by a condition on sizes has a gradient at -value, where it replaces",
        "0 wherever it is replaced",
        2,
        both(is_one_of("sd.replaceWhere"), lambda c: c["call"]["args"]["condition"]["condition"].startswith("abs")),
        gradients=not_replaced,
    ),
    Row(
        "ties of several operands: the first gets the gradient",
        "all that are tied share it",
        1,
        both(is_one_of("math.mergeMax"), noted("ties")),
        gradients=shares,
    ),
    Row(
        "clipByValue at a bound: gradient 0",
        "1: the bound is reached, not passed",
        2,
        both(is_one_of("sd.clipByValue", "math.clipByValue"), at_a_bound),
        gradients=ones_within,
    ),
    Row(
        "leakyRelu at 0: slope 1; alpha is a float of single precision",
        "alpha, in the type of x",
        2,
        both(is_one_of("nn.leakyRelu"), has(lambda a: (a == 0).any())),
        gradients=slope_below,
        tol=1e-7,
    ),
    Row(
        "mod of a float and a double has no gradient",
        "the derivative",
        1,
        both(is_one_of("math.mod"), lambda c: "gradients" in c and "suspect_gradient" not in c),
        differences=True,
    ),
    Row(
        "gru over more than one step: not the derivative of the values, in single precision without a note",
        "the derivative",
        1,
        both(is_one_of("rnn.gru"), lambda c: c["id"] == "rnn.gru.3"),
        differences=True,
    ),
    Row(
        "acosh has a gradient where it has no value",
        "NaN",
        1,
        both(is_one_of("math.acosh"), has(lambda a: (a < 1).any())),
        gradients=slope_of_acosh,
    ),
    Row(
        "a constant of the function or of its derivative has single precision",
        "the precision of x",
        26,
        is_one_of(
            "sd.variance",
            "sd.standardDeviation",
            "math.moments",
            "math.mergeAvg",
            "math.rationalTanh",
            "nn.hardSigmoid",
            "nn.gelu",
        ),
        tol=1e-7,
    ),
]
# Where a gradient is refused: LU's pivots jump; the last columns of a full Q, and a wide R, are not determined.
UNDIFFERENTIABLE = {"linalg.lu.1", "linalg.lu.3", "linalg.qr.3", "linalg.qr.5"}
# Values that are NaN whatever their operands' neighbours are: there is no derivative to compare with.
UNDEFINED = {"sd.variance.8", "sd.standardDeviation.8", "linalg.logdet.3"}


def rows_of(case):
    """The rows that hold for a case: the first that says what its values are or that it is refused, and all others."""
    holding = [row for row in CONVENTIONS if row.holds(case)]
    deciding = [row for row in holding if row.refused or row.values]
    return deciding[:1] + [row for row in holding if not (row.refused or row.values)]


def test_the_conventions_do_not_spread():
    assert (len(COMPUTED), len(DRAWN)) == (1233, 15)
    counted = Counter(row for c in COMPUTED for row in rows_of(c))
    assert {row.there: counted[row] for row in CONVENTIONS} == {row.there: row.count for row in CONVENTIONS}


# ---------------------------------------------------------------------- values


def build(case):
    """The graph of a case: its floating inputs, its outputs, and what to feed."""
    sd = SameDiff("float64")
    inputs = samediff_calls.inputs(case)
    constant = {k for k, spec in case["call"]["inputs"].items() if spec.get("constant")}
    fed = {k: a for k, a in inputs.items() if a.dtype.kind == "f" and k not in constant}
    variables = {k: sd.placeholder(k, a.shape, a.dtype) if k in fed else sd.constant(k, a) for k, a in inputs.items()}
    return sd, fed, samediff_calls.results(sd, case, variables)


def flat(spec):
    """An array of a file: recorded with its type, or expected as nested lists."""
    if isinstance(spec, dict):
        return cases.array(spec)
    return np.array(cases.numbers(spec))


def wanted(case, rows):
    for row in rows:
        if row.values:
            return [None if a is None else np.asarray(a) for a in row.values(case)]
    specs = case["expected"] if "expected" in case else case["outputs"]
    return [None if spec is None else flat(spec) for spec in specs]


def tolerance(case, rows, *others):
    """How near numbers are meant: those of single precision, or of which some part has it, less."""
    single = any(getattr(a, "dtype", None) == np.float32 for a in [*arrays(case), *others])
    return max([1e-6 if single else 1e-10, *(row.tol for row in rows)])


@pytest.mark.parametrize("case", COMPUTED, ids=lambda c: c["id"])
def test_values(case):
    rows = rows_of(case)
    if any(row.refused for row in rows):
        with pytest.raises(errors.SDGraphError):
            _, fed, outs = build(case)
            [out.eval(fed) for out in outs]
        return
    _, fed, outs = build(case)
    got = [np.asarray(out.eval(fed)) for out in outs]
    want = wanted(case, rows)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        if b is not None:
            assert a.shape == b.shape
            tol = tolerance(case, rows, b)
            np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


# ---------------------------------------------------------------------- data types


class TypeRow(NamedTuple):
    """A convention on the data type of a result."""

    there: str
    here: str
    dtype: str
    count: int
    holds: Callable[[dict], bool]


def mixes(*kinds):
    return lambda case: {spec["dtype"] for spec in case["call"]["inputs"].values()} >= set(kinds)


TYPES = [
    TypeRow(
        "sums and products of integers are INT, their norms DOUBLE",
        "as wide as numpy's sums",
        "int64",
        8,
        both(
            is_one_of(
                "sd.sum",
                "sd.prod",
                "sd.norm1",
                "sd.squaredNorm",
                "sd.cumsum",
                "sd.cumprod",
                "math.sum",
                "math.prod",
                "math.norm1",
                "math.asum",
                "math.squaredNorm",
                "sd.unsortedSegmentSum",
                "sd.segmentSum",
                "sd.segmentProd",
                "sd.unsortedSegmentProd",
            ),
            all_integers,
        ),
    ),
    TypeRow(
        "the largest of integers in size is DOUBLE",
        "the integer's type",
        "int32",
        2,
        both(is_one_of("sd.normmax", "math.normMax", "math.reduceAMax"), lambda c: arrays(c)[0].dtype.kind == "i"),
    ),
    TypeRow(
        "ranks and places in an array are INT", "int64", "int64", 4, is_one_of("sd.rank", "image.nonMaxSuppression")
    ),
    TypeRow(
        "FLOAT where no type is asked for",
        "the graph's type, float64 here",
        "float64",
        8,
        both(
            is_one_of("sd.oneHot", "math.eye", "linalg.tri", "math.zeroFraction"),
            lambda c: "dataType" not in c["call"]["args"],
        ),
    ),
    TypeRow("FLOAT with DOUBLE gives FLOAT", "the wider type", "float64", 9, mixes("FLOAT", "DOUBLE")),
    TypeRow(
        "integers divided, or with a number that is a double in Java, stay integers",
        "float64",
        "float64",
        6,
        both(
            all_integers,
            lambda c: c["op"] in ("div", "rdiv") or type(c["call"]["args"].get("value")) is float,
            lambda c: samediff_calls.op_of(c).namespace == "math",
        ),
    ),
    TypeRow(
        "variances of integers are INT",
        "float64",
        "float64",
        2,
        both(is_one_of("sd.variance", "sd.standardDeviation"), all_integers),
    ),
    TypeRow(
        "sparseToDense gives the type of the indices", "that of the values", "float64", 3, is_one_of("sd.sparseToDense")
    ),
    TypeRow(
        "the number of places that differ is DOUBLE, a share of them",
        "int64",
        "int64",
        3,
        is_one_of("math.hammingDistance"),
    ),
    TypeRow("eig gives [real, imaginary] pairs", "complex numbers", "complex128", 2, is_one_of("linalg.eig")),
]


def type_row(case):
    return next((row for row in TYPES if row.holds(case)), None)


TYPED = [c for c in COMPUTED if c.get("outputs") and not any(row.refused for row in rows_of(c))]


def test_conventions_on_types_do_not_spread():
    counted = Counter(type_row(c) for c in TYPED)
    assert {row.there: counted[row] for row in TYPES} == {row.there: row.count for row in TYPES}


@pytest.mark.parametrize("case", TYPED, ids=lambda c: c["id"])
def test_data_types(case):
    row = type_row(case)
    _, _, outs = build(case)
    for k, (out, spec) in enumerate(zip(outs, case["outputs"], strict=True)):
        if spec is not None:
            wanted_type = row.dtype if row else cases.DTYPES[spec["dtype"]]
            # The indices that come with the largest values, or with those that are left.
            assert out.dtype == (
                "int64" if case["op"] in ("topK", "maxPoolWithArgmax", "listDiff") and k == 1 else wanted_type
            )


# ---------------------------------------------------------------------- gradients


def cotangent(k, shape):
    """What the file multiplies output k with."""
    return np.sin(1.3 * np.arange(np.prod(shape, dtype=int)) + 0.7 * k + 0.5).reshape(shape)


def is_differentiated(case):
    floating = [spec for spec in case["call"]["inputs"].values() if spec["dtype"] in ("DOUBLE", "FLOAT", "HALF")]
    trained = [spec for spec in floating if not spec.get("constant")]
    refused = any(row.refused for row in rows_of(case))
    return bool(trained) and not refused and case["id"] not in UNDIFFERENTIABLE | UNDEFINED


def recorded(case, name):
    """The gradient of an input, how near it is meant, and which entries are; None where there is none."""
    if "suspect" in case:
        return None
    spec = case.get("gradients", {}).get(name)
    if spec and "suspect_gradient" not in case:
        return flat(spec), 0.0, ...
    data = (case.get("differences") or {}).get(name)
    if data is None:
        return None
    entries = np.array(data, dtype=object).reshape(-1)
    known = np.array([v is not None for v in entries])
    values = np.array([float(v) if v is not None else 0.0 for v in entries])
    shape = case["call"]["inputs"][name]["shape"]
    return values.reshape(shape), 1e-5, known.reshape(shape)


DIFFERENTIATED = [c for c in COMPUTED if is_differentiated(c)]
# Loops take long to differentiate by steps: of each recurrent layer a few.
FEW = {"rnn.lstmLayer.16", "rnn.lstmLayer.20", "rnn.lstmLayer.23", "rnn.lstmblock.9", "rnn.gru.1", "rnn.sru.1"}
LONG = [c["id"] for c in DIFFERENTIATED if c["op"] in ("lstmLayer", "lstmblock", "gru", "sru") and c["id"] not in FEW]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c["id"], marks=[pytest.mark.slow] * (c["id"] in LONG)) for c in DIFFERENTIATED]
)
def test_gradients(case):
    rows = rows_of(case)
    sd, fed, outs = build(case)
    floating = {k: out for k, out in enumerate(outs) if np.issubdtype(out.dtype, np.floating)}
    if not floating:
        return
    arrays_out = {k: np.asarray(out.eval(fed)) for k, out in floating.items()}
    cotangents = {k: cotangent(k, a.shape) for k, a in arrays_out.items()}
    total = sum(sd.sum(out * cotangents[k]) for k, out in floating.items())
    ours = {k: g for row in rows if row.gradients for k, g in row.gradients(case, cotangents).items()}
    if any(row.differences for row in rows) or any(k not in ours and recorded(case, k) is None for k in fed):
        check_grads(total, fed, list(fed), allow_kinks=True)
        return
    grads = sd.grad(total, [sd[k] for k in fed])
    for k, g in zip(fed, sd.compile(grads)(fed).values() if grads else (), strict=True):
        want, loose, known = (ours[k], 0.0, ...) if k in ours else recorded(case, k)
        tol = max(tolerance(case, rows), loose)
        assert g.shape == want.shape
        np.testing.assert_allclose(g[known], want[known], rtol=tol, atol=tol, err_msg=k)


@pytest.mark.parametrize("case", [c for c in COMPUTED if c["id"] in UNDIFFERENTIABLE], ids=lambda c: c["id"])
def test_gradients_that_are_refused(case):
    sd, fed, outs = build(case)
    with pytest.raises(errors.GradientError):
        sd.compile(sd.grad(sum(sd.sum(out) for out in outs), [sd[k] for k in fed]))


@pytest.mark.parametrize("case", [c for c in COMPUTED if qualified(c) == "linalg.eig"], ids=lambda c: c["id"])
def test_eigenvectors(case):
    x = arrays(case)[0]
    _, fed, outs = build(case)
    values, vectors = (out.eval(fed) for out in outs)
    np.testing.assert_allclose(x @ vectors, vectors * values[..., None, :], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-2), 1.0)
    np.testing.assert_allclose(values.sum(axis=-1), np.trace(x, axis1=-2, axis2=-1))


@pytest.mark.parametrize("case", [c for c in COMPUTED if qualified(c) == "linalg.qr"], ids=lambda c: c["id"])
def test_orthogonal_factors(case):
    x = arrays(case)[0]
    _, fed, outs = build(case)
    q, r = (out.eval(fed) for out in outs)
    np.testing.assert_allclose(q @ r, x, atol=1e-12)
    np.testing.assert_allclose(
        np.swapaxes(q, -1, -2) @ q,
        np.broadcast_to(np.eye(q.shape[-1]), (*x.shape[:-2], *[q.shape[-1]] * 2)),
        atol=1e-12,
    )


# ---------------------------------------------------------------------- random numbers


NOT_DRAWN = {"random.uniform.2"}  # integers between two bounds, on either side


@pytest.mark.parametrize("case", DRAWN, ids=lambda c: c["id"])
def test_random_numbers(case):
    """The same moments, within six times what a sample of this size makes uncertain."""
    if case["id"] in NOT_DRAWN:
        with pytest.raises(errors.DTypeError):
            build(case)
        return
    _, fed, (out,) = build(case)
    got = out.eval(fed).astype(float)
    if "error" in case:  # integers and booleans are drawn here only
        assert out.dtype == cases.DTYPES[case["call"]["args"]["datatype"]]
        return
    (want,) = case["outputs"]
    if case["op"] == "dropout":
        got = got * case["call"]["args"]["inputRetainProbability"]  # which divides nothing there
    assert list(got.shape) == want["shape"]
    error = np.sqrt(2 / want["n"])
    assert abs(got.mean() - want["mean"]) < 6 * error * np.sqrt(want["variance"])
    assert abs(got.var() - want["variance"]) < 6 * error * np.sqrt(want["kurtosis"] - 1) * want["variance"]
