"""Every elementwise op that compiles, in every dtype that compiles, against the numpy engine on special values."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.errors import DTypeError, SDGraphError
from sdgraph.run.engines.llvm.scalars import narrow, scalar_ops

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
DTYPES = ["bool", *INTEGERS, *FLOATS]
MIXED = [("int32", "float32"), ("uint8", "int8"), ("float16", "int8"), ("bool", "float16"), ("uint64", "float32")]

ONE = (
    "neg abs sign square ceil floor round exp expm1 ln log1p tanh sqrt rsqrt sin cos tan asin acos atan sinh cosh "
    "asinh acosh atanh erf erfc is_nan is_infinite is_finite not_"
)
TWO = "add sub mul div multiply_no_nan divide_no_nan xdivy max min hypot atan2 fmod floor_mod floor_div and_ or_ xor"
COMPARISONS = ("eq", "neq", "gt", "gte", "lt", "lte")
NETWORK = ("sigmoid", "softplus", "relu", "leaky_relu", "elu", "softsign")


def values(dtype, seed=0):
    """Limits, special values and ordinary ones, in an order of their own for each seed."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(70) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low = max(-10, info.min)
        parts = [
            np.array([0, 1, 2, 7, info.min, info.max, info.min + 1, info.max - 1], dtype),
            rng.integers(info.min, info.max, 20, dtype=dtype, endpoint=True),
            rng.integers(low, 10, 42, dtype=dtype),
        ]
        return rng.permutation(np.concatenate(parts))
    info = np.finfo(dtype)
    limits = [info.max, info.min, info.tiny, -info.tiny, info.smallest_subnormal]
    special = [0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, -2, 0.5, -0.5, 2.5, 0.1, *map(float, limits)]
    sizes = 10.0 ** rng.uniform(-4, 4, 12)
    return rng.permutation(np.concatenate([special, rng.normal(size=20) * 3, rng.uniform(-1, 1, 20), sizes])).astype(
        dtype
    )


def agree(got, want, message):
    """Equal integers; floats within a few units in the last place, limits and zeros with their signs."""
    assert got.dtype == want.dtype, message
    if want.dtype.kind != "f":
        assert np.array_equal(got, want), message
        return
    info = np.finfo(want.dtype)
    with np.errstate(all="ignore"):
        near = np.abs(got.astype(float) - want.astype(float)) <= 6 * float(info.eps) * np.abs(
            want.astype(float)
        ) + 4 * float(info.smallest_subnormal)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    exact = ~np.isfinite(want) | (want == 0)
    assert np.all(np.where(exact, same, near)), message
    if want.dtype == np.float16 and message[0] in ("max", "min", "relu"):
        return  # Of 0 and -0 numpy takes the first in float16 and the second in wider floats.
    assert np.array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0])), message


def both(build, **feeds):
    """What both engines give for several results of one graph, by name; what does not fit these dtypes is left out."""
    sd = SameDiff("float64")
    operands = [sd.placeholder(k, shape=v.shape, dtype=v.dtype) for k, v in feeds.items()]
    outs = []
    for name, make in build.items():
        try:
            outs.append(sd.identity(make(sd, *operands), name=f"result_{name}"))
        except DTypeError:
            continue
    f = sd.compile(outs, engine="llvm")
    got, want = (
        {k.removeprefix("result_"): a for k, a in g(feeds).items()} for g in (f, sd.compile(outs, engine="numpy"))
    )
    return got, want, f


def compare(build, **feeds):
    """Both engines agree; the names of the results, and what was compiled."""
    got, want, f = both(build, **feeds)
    for name, a in want.items():
        agree(got[name], a, (name, {k: v.dtype.name for k, v in feeds.items()}))
    return want.keys(), f


def of_math(names):
    return {name: lambda sd, *xs, name=name: getattr(sd.math, name)(*xs) for name in names.split()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_ops_of_one_operand(dtype):
    build = of_math(ONE) | {name: lambda sd, x, name=name: getattr(sd.nn, name)(x) for name in NETWORK}
    build["clip"] = lambda sd, x: sd.math.clip_by_value(x, -3, 1000)
    build["step"] = lambda sd, x: sd.math.step(x, 0.1)
    build["where"] = lambda sd, x: sd.where(x > 1, x, sd.math.square(x))
    build["merged"] = lambda sd, x: sd.math.merge_add(x, x, x)
    got, f = compare(build, x=values(dtype))
    if dtype in FLOATS:
        assert got == build.keys()
        assert "numpy" not in f.plan.notes


@pytest.mark.parametrize("dtypes", [*((d, d) for d in DTYPES), *MIXED], ids="-".join)
def test_ops_of_two_operands(dtypes):
    build = of_math(TWO) | {name: lambda sd, x, y, name=name: getattr(sd, name)(x, y) for name in COMPARISONS}
    got, f = compare(build, x=values(dtypes[0]), y=values(dtypes[1], 1))
    if dtypes[0] != "bool":
        assert got == build.keys()
        assert "numpy" not in f.plan.notes


@pytest.mark.parametrize("new", DTYPES)
@pytest.mark.parametrize("old", ["bool", *INTEGERS])
def test_casts_of_integers(old, new):
    _, f = compare({"y": lambda sd, x: sd.cast(x, new)}, x=values(old))
    assert "numpy" not in f.plan.notes


def test_integers_without_a_common_integer_dtype_are_compared_exactly():
    x = np.array([-1, 2**62 + 1, 2**62], np.int64)
    y = np.array([2**64 - 1, 2**62, 2**62 + 1], np.uint64)
    build = {name: lambda sd, a, b, name=name: getattr(sd, name)(a, b) for name in COMPARISONS}
    got, want, _ = both(build, x=x, y=y)
    for name, a in want.items():
        assert np.array_equal(got[name], a)


def test_numbers_beyond_the_signed_range_reach_compiled_code():
    large = 2**64 - 3
    x = np.array([0, 1, large], np.uint64)
    got, want, f = both({"y": lambda sd, v: sd.math.max(v, sd.constant(np.array(large - 1, np.uint64)))}, x=x)
    assert np.array_equal(got["y"], want["y"])
    assert "numpy" not in f.plan.notes


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3, 4, -1, -2, 2.5, -0.3])
@pytest.mark.parametrize("dtype", FLOATS)
def test_powers_with_a_known_exponent(dtype, exponent):
    x = values(dtype)
    _, f = compare({"y": lambda sd, v: sd.math.pow(v, exponent)}, x=x)
    assert "numpy" not in f.plan.notes


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_squared(dtype):
    _, f = compare({"y": lambda sd, v: sd.math.pow(v, 2)}, x=values(dtype))
    assert "numpy" not in f.plan.notes


def test_halves_are_no_dtype_of_kernels_where_the_cpu_cannot_convert_them(monkeypatch):
    assert scalar_ops.is_native(np.dtype("float16")) == narrow.has_half()
    monkeypatch.setattr(narrow, "has_half", lambda: False)
    got, want, f = both({"y": lambda sd, x: x + 1.0}, x=np.ones(3, np.float16))
    assert np.array_equal(got["y"], want["y"])
    assert "numpy" in f.plan.notes


LIMITS = {
    "clip_by_value": lambda sd, x, n: sd.math.clip_by_value(x, -abs(n), abs(n)),
    "relu6": lambda sd, x, n: sd.nn.relu6(x, cutoff=n),
    "leaky_relu": lambda sd, x, n: sd.nn.leaky_relu(x, alpha=n),
    "elu": lambda sd, x, n: sd.nn.elu(x, alpha=n),
    "step": lambda sd, x, n: sd.math.step(x, value=n),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("op", LIMITS)
@pytest.mark.parametrize("number", [1e300, -1e300, 1e39, 70000.0, 2**70, -(2**63), float("inf"), 1e-320])
def test_attributes_that_the_dtype_cannot_hold(op, number, dtype):
    """They are what the dtype makes of them, infinite or 0, in code as in kernels, and without a warning."""
    sd = SameDiff(dtype)
    y = LIMITS[op](sd, sd.placeholder("x", (None,)), number)
    x = np.array([-3.0, 0.0, 1.0, 7.0], dtype)
    got, want = (sd.compile(y, engine=e)(x=x)[y.name] for e in ("llvm", "numpy"))
    np.testing.assert_allclose(got, want, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("op", LIMITS)
def test_whole_numbers_beyond_all_dtypes_are_errors_of_the_call(op):
    sd = SameDiff("float32")
    x = sd.placeholder("x", (None,))
    with pytest.raises(SDGraphError):
        sd.compile(LIMITS[op](sd, x, 10**400), engine="llvm")(x=[1.0])
