"""Classes picked from rows and gradients put back, extremes over any axes, truths over any axes."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from scipy.special import log_softmax, softmax

from sdgraph import SameDiff
from sdgraph.errors import LabelError


def sparse_loss(classes, dtype, integers):
    sd = SameDiff(dtype)
    x, k = sd.placeholder("x", shape=(None, classes)), sd.placeholder("k", shape=(None,), dtype=integers)
    loss = sd.mean(sd.loss.sparse_softmax_cross_entropy(x, k), name="loss")
    return sd.compile([loss, sd.identity(sd.grad(loss, x), name="gradient")], engine="llvm")


@pytest.mark.parametrize("integers", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("rows, classes", [(1, 5), (8, 5), (40, 33), (30, 400), (3, 2), (7, 1)])
def test_sparse_cross_entropy(rows, classes, dtype, tolerance, integers):
    rng = np.random.default_rng(rows)
    x, k = rng.normal(size=(rows, classes)).astype(dtype), rng.integers(0, min(classes, 127), rows).astype(integers)
    f = sparse_loss(classes, dtype, integers)
    got = f(x=x, k=k)
    value = -log_softmax(x.astype("float64"), axis=1)[np.arange(rows), k].mean()
    gradient = (softmax(x.astype("float64"), axis=1) - np.eye(classes)[k]) / rows
    np.testing.assert_allclose(got["loss"], value, rtol=tolerance)
    np.testing.assert_allclose(got["gradient"], gradient, atol=tolerance)


def test_rows_of_classes_and_their_check_are_one_region():
    f = sparse_loss(10, "float32", "int32")
    f(x=np.zeros((4, 10), "float32"), k=np.zeros(4, "int32"))
    notes = str(f.plan).split("engine llvm:")[1]
    assert notes.count("region over") == 1
    assert "  numpy " not in notes


def test_a_class_out_of_range_is_an_error():
    with pytest.raises(LabelError, match="label 3 at position 1 is out of range"):
        sparse_loss(3, "float32", "int32")(x=np.zeros((2, 3), "float32"), k=np.array([0, 3], "int32"))


def test_indices_that_nobody_checked_are_checked_by_the_kernel():
    sd = SameDiff("float32")
    x, k = sd.placeholder("x", shape=(3, 4)), sd.placeholder("k", shape=(3, 1), dtype="int64")
    f = sd.compile(sd.take_along_axis(x, k, axis=-1), engine="llvm")
    a = np.arange(12, dtype="float32").reshape(3, 4)
    assert next(iter(f(x=a, k=[[3], [0], [2]]).values())).tolist() == [[3.0], [4.0], [10.0]]
    with pytest.raises(LabelError, match="out of range"):
        f(x=a, k=[[-1], [0], [2]])


@pytest.mark.parametrize("shape, axis", [((7, 5), 0), ((7, 5), 1), ((7, 5), None), ((40, 300), 0), ((2, 3, 4), (0, 1))])
@pytest.mark.parametrize("with_nan", [False, True])
def test_extremes_and_truths(shape, axis, with_nan):
    sd = SameDiff("float32")
    x = sd.placeholder("x", shape=shape)
    wanted = {
        "max": (sd.max(x, axis=axis), lambda a: a.max(axis)),
        "min": (sd.min(x, axis=axis), lambda a: a.min(axis)),
        "largest": (sd.largest(x, axis=axis), lambda a: a.max(axis, keepdims=True)),
        "all": (sd.all(x > -2.0, axis=axis), lambda a: (a > -2.0).all(axis)),
        "any": (sd.any(x > 2.0, axis=axis), lambda a: (a > 2.0).any(axis)),
    }
    a = np.random.default_rng(5).normal(size=shape).astype("float32")
    if with_nan:
        a.flat[3] = np.nan
    f = sd.compile([sd.identity(v, name=f"{n}_of_x") for n, (v, _) in wanted.items()], engine="llvm")
    got = f(x=a)
    assert "numpy" not in str(f.plan).split("engine llvm:")[1]
    for name, (_, function) in wanted.items():
        np.testing.assert_array_equal(got[f"{name}_of_x"], function(a), err_msg=name)
