"""`sdgraph.keras.regularizers` and `constraints`: values by numpy, gradients, names and configurations."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, NotDefinedError, ShapeError
from sdgraph.keras import constraints, regularizers
from sdgraph.testing import check_grads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))


def pairs(x, factor=1.0):
    """By its definition."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-7)
    found = [abs(unit[i] @ unit[j]) for i in range(len(x)) for j in range(i)]
    return factor * np.mean(found) if found else 0.0


CASES = [
    (regularizers.L1(0.2), lambda x: 0.2 * abs(x).sum()),
    (regularizers.L2(0.3), lambda x: 0.3 * (x**2).sum()),
    (regularizers.L1L2(0.2, 0.3), lambda x: 0.2 * abs(x).sum() + 0.3 * (x**2).sum()),
    (regularizers.L1L2(l2=0.3), lambda x: 0.3 * (x**2).sum()),
    (regularizers.L1L2(), lambda x: 0.0),
    (regularizers.L1(None), lambda x: 0.01 * abs(x).sum()),
    (regularizers.OrthogonalRegularizer(0.5), lambda x: pairs(x, 0.5)),
    (regularizers.OrthogonalRegularizer(0.5, "columns"), lambda x: pairs(x.T, 0.5)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_penalties(case, dtype):
    reg, formula = CASES[case]
    x = X.astype(dtype)
    sd = SameDiff(dtype=dtype)
    for value in (reg(x), reg(sd.var("x", x)).eval(), reg(sd.var("y", x)).eval(engine="numpy")):
        assert value.dtype == dtype
        assert value.shape == ()
        np.testing.assert_allclose(value, formula(X), rtol=1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("case", [0, 1, 2, 6, 7])
def test_gradients_of_penalties(case):
    sd = SameDiff(dtype="float64")
    reg, _ = CASES[case]
    check_grads(reg(sd.var("x", X)))


def test_penalties_of_little():
    assert regularizers.OrthogonalRegularizer()(np.ones((1, 3))) == 0
    assert regularizers.OrthogonalRegularizer()(np.zeros((3, 2))) == 0
    assert regularizers.L2()(np.ones((0, 3))) == 0
    assert regularizers.L1L2(1.0, 1.0)(np.zeros(())) == 0
    with pytest.raises(ShapeError):
        regularizers.OrthogonalRegularizer()(np.ones(3))


def test_names_of_regularizers():
    assert regularizers.get("l1") == regularizers.L1(0.01)
    assert regularizers.get("L2") == regularizers.get("l2") == regularizers.l2()
    assert regularizers.get("l1_l2") == regularizers.L1L2(0.01, 0.01)
    assert regularizers.get("l1l2") == regularizers.get("L1L2") == regularizers.L1L2()
    assert regularizers.get("orthogonal_regularizer") == regularizers.OrthogonalRegularizer()
    assert regularizers.get(None) is None
    old = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.009999999776482582}}
    assert regularizers.get(old).l2 == 0.009999999776482582
    assert regularizers.get({"name": "ActivityRegularizer", "l1": 0.5, "l2": 0.0}) == regularizers.L1L2(0.5)
    for reg, _ in CASES:
        assert regularizers.deserialize(regularizers.serialize(reg)) == reg
        assert hash(regularizers.deserialize(regularizers.serialize(reg))) == hash(reg)
    with pytest.raises(ArgumentError, match="orthogonal"):
        regularizers.get("orthogonal_regulariser")


def test_ones_own_regularizer():
    def mine(x):
        return abs(x).sum()

    assert regularizers.get(mine) is mine
    assert regularizers.deserialize(regularizers.serialize(mine), {"mine": mine}) is mine
    with pytest.raises(NotDefinedError):
        regularizers.Regularizer()(X)

    class Hidden(regularizers.Regularizer):
        def __init__(self, factor):
            self._factor = factor

    with pytest.raises(NotDefinedError, match="factor"):
        regularizers.serialize(Hidden(1.0))
    assert Hidden(1.0) != Hidden(1.0)
    assert repr(Hidden(1.0)) == "Hidden()"


@pytest.mark.parametrize("bad", [-1.0, np.inf, "a", True])
def test_factors_are_looked_at(bad):
    for make in (regularizers.L1, regularizers.L2, regularizers.OrthogonalRegularizer):
        with pytest.raises(ArgumentError):
            make(bad)
    with pytest.raises(ArgumentError, match="rows"):
        regularizers.OrthogonalRegularizer(mode="row")


# ---------------------------------------------------------------------- constraints


def norms(w, axis):
    return np.sqrt((w**2).sum(axis=axis, keepdims=True))


PROJECTIONS = [
    (constraints.NonNeg(), lambda w: w.clip(0)),
    (constraints.MaxNorm(1.5), lambda w: w * norms(w, 0).clip(0, 1.5) / (1e-7 + norms(w, 0))),
    (constraints.MaxNorm(1.5, [0, 1]), lambda w: w * norms(w, (0, 1)).clip(0, 1.5) / (1e-7 + norms(w, (0, 1)))),
    (constraints.UnitNorm(1), lambda w: w / (1e-7 + norms(w, 1))),
    (
        constraints.MinMaxNorm(1.0, 1.5, 0.75),
        lambda w: w * (0.75 * norms(w, 0).clip(1, 1.5) + 0.25 * norms(w, 0)) / (1e-7 + norms(w, 0)),
    ),
]


@pytest.mark.parametrize("case", range(len(PROJECTIONS)))
def test_projections(case):
    constraint, formula = PROJECTIONS[case]
    sd = SameDiff(dtype="float64")
    w = 2 * X
    w[:, 1] = 0
    np.testing.assert_allclose(constraint(w), formula(w), rtol=1e-13)
    np.testing.assert_allclose(constraint(sd.var("w", w)).eval(), formula(w), rtol=1e-13)
    assert constraint(w.astype("float32")).dtype == np.float32
    assert constraint(np.zeros((0, 3))).shape == (0, 3)
    assert constraints.deserialize(constraints.serialize(constraint)) == constraint


def test_names_of_constraints():
    assert constraints.get("max_norm") == constraints.get("maxnorm") == constraints.MaxNorm(2, 0)
    assert constraints.get("non_neg") == constraints.get("NonNeg") == constraints.non_neg()
    assert constraints.get({"name": "MaxNorm", "m": 3, "axis": 1}) == constraints.MaxNorm(3, 1)
    assert constraints.get(None) is None
    assert constraints.Constraint()(X) is X
    with pytest.raises(ArgumentError, match="no constraint"):
        constraints.get("max_nrm")
    with pytest.raises(ArgumentError):
        constraints.MaxNorm(-1.0)
    with pytest.raises(ArgumentError, match="allowed"):
        constraints.MinMaxNorm(2.0, 1.0)
