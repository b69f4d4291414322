"""The number that is finite only if nodes are: for products by their factors, and for all that arrays may hold."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.run.executable import Executable

BAD = [np.nan, np.inf, -np.inf]


@pytest.fixture(params=["numpy", "llvm"])
def engine(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


def watching(sd, *watched, engine):
    """What tells of variables: the number, and the variables."""
    f = Executable(sd, watched, engine, watched=watched)

    def run(**feeds):
        *values, number = f.run(feeds)
        return number, values

    return run


def layered(dtype, width=70):
    """Products and sums of the same arrays, as a layer's gradients are; the last product comes last."""
    sd = SameDiff(dtype)
    x, d = sd.placeholder("x", ("n", 40)), sd.placeholder("d", ("n", width))
    v = sd.placeholder("v", ("n",))
    delta = sd.math.tanh(d) * d
    return sd, [sd.sum(delta, axis=0), x.T @ delta, sd.sum(v), x.T @ (2.0 * delta)]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_one_bad_element_anywhere_is_noticed_and_finite_ones_are_not(engine, dtype):
    sd, watched = layered(dtype)
    run = watching(sd, *watched, engine=engine)
    rng = np.random.default_rng(0)
    for rows in (1, 2, 200):
        feeds = {name: rng.normal(size=(rows, n)).astype(dtype) for name, n in (("x", 40), ("d", 70))}
        feeds["v"] = rng.normal(size=rows).astype(dtype)
        number, _ = run(**feeds)
        assert number.shape == () and number.dtype == np.float64 and np.isfinite(number)
        for name, bad in (("x", BAD[0]), ("x", BAD[1]), ("d", BAD[2]), ("v", BAD[0]), ("v", BAD[2])):
            spoilt = feeds[name].copy()
            spoilt.flat[rng.integers(spoilt.size)] = bad
            number, values = run(**{**feeds, name: spoilt})
            assert not all(np.isfinite(a).all() for a in values)
            assert not np.isfinite(number), (rows, name, bad)


def test_what_overflows_is_noticed(engine):
    """Factors are finite, and their product is not, or not all along its sum."""
    sd, watched = layered("float32")
    run = watching(sd, *watched, engine=engine)
    x, d = np.zeros((3, 40), "f"), np.zeros((3, 70), "f")
    x[0, 5], d[0, 7] = 1e30, 1e15
    number, values = run(x=x, d=d, v=np.zeros(3, "f"))
    assert not np.isfinite(values[1]).all()
    assert not np.isfinite(number)
    x[1, 5], d[1, 7] = -1e30, 1e15  # Infinity less infinity.
    assert not np.isfinite(run(x=x, d=d, v=np.zeros(3, "f"))[0])


def test_nothing_to_look_at_and_numbers_of_no_dimension(engine):
    sd = SameDiff("float64")
    a, b = sd.placeholder("a", (0, 4)), sd.placeholder("b", ())
    run = watching(sd, a * 2.0, engine=engine)
    assert run(a=np.zeros((0, 4)))[0] == 0
    run = watching(sd, a * 2.0, b + 1.0, engine=engine)
    assert np.isfinite(run(a=np.zeros((0, 4)), b=3.0)[0])
    assert np.isnan(run(a=np.zeros((0, 4)), b=np.nan)[0])


@pytest.mark.any_engine
def test_large_products_are_not_read():
    sd, watched = layered("float32")
    f = Executable(sd, watched, "numpy", watched=watched)
    f.run({"x": np.ones((2, 40), "f"), "d": np.ones((2, 70), "f"), "v": np.ones(2, "f")})
    sizes = [step.aval.size for step in f.plan.steps if step.op.key == "math.abs"]
    assert sizes and max(sizes) <= 2 * 70 < 40 * 70
