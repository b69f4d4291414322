"""Accuracy of the elementary functions that the fused engine computes, against 40-digit values, and special values."""

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff

BOUND = {
    "exp": (1.2, 1.0),
    "expm1": (2.1, 2.0),
    "ln": (1.0, 1.0),
    "log1p": (1.0, 1.0),
    "tanh": (1.8, 2.5),
    "sqrt": (0.5, 0.5),
    "erf": (2.6, 4.0),
    "erfc": (5.3, 4.0),
    "sigmoid": (3.4, 2.5),
    "softplus": (3.0, 2.5),
}
"""Most units in the last place that a value may be off, in single and double precision. The page says so."""

TRUE = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "ln": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sqrt": mpmath.sqrt,
    "erf": mpmath.erf,
    "erfc": lambda x: mpmath.erfc(min(max(x, -200), 200)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0]


def compiled(name, dtype):
    sd = SameDiff(dtype)
    x = sd.placeholder("x", shape=(None,))
    namespace = sd.nn if name in ("sigmoid", "softplus") else sd.math
    return sd.compile(getattr(namespace, name)(x, name="y"), engine="llvm"), sd.compile("y", engine="numpy")


def points(name, dtype):
    """Numbers of every size, and the whole range that the function varies in."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(1)
    least, largest = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max))
    sizes = 2.0 ** rng.uniform(least, largest - 1e-6, 300)
    far = np.log(float(info.max))
    wide = rng.uniform(-far * 1.2, far * 1.2, 300)
    near = np.concatenate([rng.uniform(-2, 2, 300), 1 + rng.uniform(-1e-3, 1e-3, 40), rng.uniform(-40, 40, 200)])
    x = np.concatenate([sizes, -sizes, wide, near, [info.tiny, info.smallest_subnormal, info.max, info.min]])
    if name in ("ln", "sqrt"):
        x = np.abs(x)
    if name == "log1p":
        x = np.where(x <= -1, -x, x)
        x = np.concatenate([x, -1 + 2.0 ** -rng.uniform(0, -np.log2(float(info.eps)) - 1, 60)])
    return x.astype(dtype)


def in_ulp(got, function, dtype, *operands):
    """The error of each value in units of its last digit; infinity where it should be finite or the other way round."""
    info = np.finfo(dtype)
    below = np.nextafter(info.max, dtype(0))  # The largest has no next one to be so far from.
    errors = np.empty(got.size)
    with mpmath.workdps(40):
        for k, (g, *v) in enumerate(zip(got, *operands, strict=True)):
            want = function(*(mpmath.mpf(float(x)) for x in v))
            with np.errstate(over="ignore"):
                rounded = dtype(mpmath.nstr(want, 25))
            if not np.isfinite(rounded) or not np.isfinite(g):
                errors[k] = 0.0 if g == rounded else (1.0 if abs(want) > info.max * 0.9999 else np.inf)
                continue
            unit = max(float(np.spacing(min(np.abs(rounded), below))), float(info.smallest_subnormal))
            errors[k] = float(abs(mpmath.mpf(float(g)) - want) / unit)
    return errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRUE)
def test_within_the_bound(name, dtype):
    f, _ = compiled(name, dtype)
    x = points(name, dtype)
    errors = in_ulp(f(x=x)["y"], TRUE[name], dtype, x)
    worst = int(np.argmax(errors))
    assert errors[worst] <= BOUND[name][dtype is np.float64], (x[worst], errors[worst])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRUE)
def test_special_values_are_those_of_the_numpy_engine(name, dtype):
    f, g = compiled(name, dtype)
    info = np.finfo(dtype)
    x = np.array([*SPECIAL, info.max, info.min, info.tiny, -info.tiny, info.smallest_subnormal], dtype)
    got, want = f(x=x)["y"], g(x=x)["y"]
    kinds = ~np.isfinite(want) | (want == 0)
    assert np.array_equal(got[kinds], want[kinds], equal_nan=True)
    assert np.array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(want[~np.isnan(want)]))
    assert np.allclose(got, want, rtol=8 * info.eps, atol=2 * info.smallest_subnormal, equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shorter_ways_for_bounded_arguments_give_the_same(dtype):
    sd = SameDiff(dtype)
    x = sd.placeholder("x", shape=(None,))
    m, s, t = sd.math, sd.nn.sigmoid(x), sd.math.tanh(x)
    values = [
        m.log(s + 1.0), m.log1p(s), m.log1p(s * 0.5 + 0.2), m.log1p(t * 0.5), m.exp(-m.square(t)), m.expm1(t),
        m.expm1(-m.square(t)), 1.0 / (s + 1.0), s / (s + 1.0) + 1.0 / (s + 1.0), m.tanh(t), sd.nn.softplus(t),
        m.max(s, t), m.max(t, s), m.min(m.abs(t), s),
    ]  # fmt: skip
    info = np.finfo(dtype)
    special = np.array([*SPECIAL, info.tiny, -info.tiny, info.smallest_subnormal, info.max, info.min])
    feeds = {"x": np.concatenate([special, np.linspace(-50, 50, 1001), np.linspace(-1000, 1000, 101)]).astype(dtype)}
    got, want = (sd.compile(values, engine=engine)(feeds) for engine in ("llvm", "numpy"))
    for name, a in want.items():
        np.testing.assert_allclose(got[name], a, rtol=8 * info.eps, atol=2 * info.tiny, err_msg=name)
        numbers = ~np.isnan(a)
        assert np.array_equal(np.signbit(got[name][numbers]), np.signbit(a[numbers])), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_quotient_of_equals_misses_one_and_no_tanh_exceeds_it(dtype):
    sd = SameDiff(dtype)
    x = sd.placeholder("x", shape=(None,))
    m, s = sd.math, sd.nn.sigmoid(x)
    quotients = [x / m.min(m.max(x, 0.5), 2.0), s / m.max(s, 0.5)]
    f = sd.compile(
        [*(sd.identity(q, name=f"q{k}") for k, q in enumerate(quotients)), sd.identity(m.tanh(x), name="t")],
        engine="llvm",
    )
    got = f(x=np.linspace(0.5, 2.0, 100_001).astype(dtype))
    assert f.engine == "llvm"
    assert (got["q0"] == 1).all()
    assert (got["q1"] == 1).all()
    assert (got["t"] <= 1).all()
