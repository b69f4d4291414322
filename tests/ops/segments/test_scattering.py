"""Arrays changed at places: order, types, errors, and updates of places that do not count."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import DTypeError, LabelError

ENGINES = ("numpy", "llvm")


def test_updates_take_effect_one_after_the_other():
    """So no product of updates has to be a number of the type."""
    sd = SameDiff(dtype="float64")
    assert sd.scatter_div([1e300], [0, 0], [1e200, 1e200]).eval() == pytest.approx(1e-100)
    assert sd.scatter_mul([1e-300], [0, 0], [1e200, 1e200]).eval() == pytest.approx(1e100)


def test_types():
    sd = SameDiff(dtype="float32")
    small, wide = np.array([5, 6], np.uint8), np.array([1000, 7], np.int64)
    assert sd.scatter_sub(wide, [0], small[:1]).eval().tolist() == [995, 7]
    assert sd.scatter_div(small, [1], small[:1]).dtype == "float64"
    assert sd.scatter_max(small, [1], wide[:1]).eval().tolist() == [5, 1000]
    with pytest.raises(DTypeError, match="no largest"):
        sd.scatter_max(np.ones(2, complex), [0], np.ones(1))


@pytest.mark.parametrize("name", ["sub", "mul", "div", "max", "min"])
def test_many_updates_of_slices(name):
    rng = np.random.default_rng(0)
    ref, updates = rng.uniform(0.5, 1.5, (3, 20, 4)), rng.uniform(0.9, 1.1, (3, 400, 4))
    indices = rng.integers(0, 20, 400)
    want = ref.copy()
    ufunc = {"sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": np.maximum, "min": np.minimum}[name]
    for k, i in enumerate(indices):
        want[:, i] = ufunc(want[:, i], updates[:, k])
    got = getattr(SameDiff(), f"scatter_{name}")(ref, indices, updates, 1).eval()
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_indices_out_of_range():
    sd = SameDiff()
    for name in ("sub", "mul", "div", "max", "min"):
        for bad in (2, -1):
            with pytest.raises(LabelError, match=f"Index {bad} at position 0"):
                getattr(sd, f"scatter_{name}")([1.0, 2.0], [bad], [1.0]).eval()
    with pytest.raises(LabelError, match="Index of axis 1, 3"):
        sd.scatter_nd_update([[1.0, 2.0]], [[0, 3]], [1.0]).eval()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["mul", "div", "max", "min"])
def test_places_that_do_not_count_leave_nothing(engine, name):
    sd = SameDiff(dtype="float64")
    ref, updates = sd.var("ref", [2.0, np.inf, 4.0]), sd.var("updates", [3.0, np.nan, 0.5])
    y = getattr(sd, f"scatter_{name}")(ref, [0, 1, 0], updates)
    taken = sd.where(np.array([True, False, True]), y * y, 0.0)
    for v, g in zip((ref, updates), sd.grad(sd.sum(taken), [ref, updates]), strict=True):
        first = g.eval(engine=engine)
        second = sd.grad(sd.sum(g * g), v).eval(engine=engine)
        assert first[1] == second[1] == 0 and np.isfinite(first).all() and np.isfinite(second).all()


def test_coordinates_of_no_axis_replace_everything():
    sd = SameDiff(dtype="float64")
    ref, updates = sd.var("ref", [1.0, 2.0]), sd.var("updates", [[3.0, 4.0], [5.0, 6.0]])
    y = sd.scatter_nd_update(ref, np.zeros((2, 0), np.int64), updates)
    assert y.eval().tolist() == [5, 6]
    assert [g.eval().tolist() for g in sd.grad(sd.sum(y), [ref, updates])] == [[0, 0], [[0, 0], [1, 1]]]
