"""Integers in compiled code where CPUs and LLVM leave things open: division by zero, overflow, wide shifts, bounds."""

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def edges(dtype):
    """Numbers where something changes."""
    info = np.iinfo(dtype)
    near = [0, 1, 2, 3, 7, 8, 15, 31, 32, 63, 64, 100, -1, -2, -3, -7, -8, -64]
    limits = [info.min, info.min + 1, info.min // 2, info.max // 2, info.max - 1, info.max]
    return [x for x in dict.fromkeys([*near, *limits]) if info.min <= x <= info.max]


def pairs(left, right):
    both = list(itertools.product(edges(left), edges(right)))
    return np.array([x for x, _ in both], left), np.array([y for _, y in both], right)


def run(build, **feeds):
    """The results of both engines, and nothing ran as a numpy kernel on the fused one."""
    sd = SameDiff("float64")
    operands = [sd.placeholder(k, shape=v.shape, dtype=v.dtype) for k, v in feeds.items()]
    outs = [sd.identity(make(sd, *operands), name=f"result_{name}") for name, make in build.items()]
    f = sd.compile(outs, engine="llvm")
    got = f(feeds)
    assert "numpy" not in f.plan.notes
    want = sd.compile(outs, engine="numpy")(feeds)
    return tuple({k.removeprefix("result_"): a for k, a in results.items()} for results in (got, want))


MIXED = [("int8", "uint8"), ("uint8", "int32"), ("int64", "int8")]


@pytest.mark.parametrize("dtypes", [*((d, d) for d in DTYPES), *MIXED], ids="-".join)
def test_division_of_everything_by_everything(dtypes):
    x, y = pairs(*dtypes)
    names = ("floor_div", "fmod", "floor_mod")
    got, want = run({n: lambda sd, a, b, n=n: getattr(sd.math, n)(a, b) for n in names}, x=x, y=y)
    for name in names:
        assert got[name].dtype == want[name].dtype
        wrong = np.flatnonzero(got[name] != want[name])
        assert not wrong.size, (name, x[wrong[:3]], y[wrong[:3]], got[name][wrong[:3]], want[name][wrong[:3]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_division_is_that_of_whole_numbers(dtype):
    x, y = pairs(dtype, dtype)
    got, _ = run(
        {"q": lambda sd, a, b: sd.math.floor_div(a, b), "r": lambda sd, a, b: sd.math.floor_mod(a, b)}, x=x, y=y
    )
    info = np.iinfo(dtype)
    for a, b, q, r in zip(x.tolist(), y.tolist(), got["q"].tolist(), got["r"].tolist(), strict=True):
        if b == 0:
            assert (q, r) == (0, 0)
        elif (a, b) == (info.min, -1) and info.min:
            assert (q, r) == (info.min, 0)
        else:
            assert (q, r) == divmod(a, b)


@pytest.mark.parametrize("dtypes", [*((d, d) for d in DTYPES), *MIXED], ids="-".join)
def test_bits_of_everything_with_everything(dtypes):
    x, y = pairs(*dtypes)
    names = ("and_", "or_", "xor", "left_shift", "right_shift", "left_shift_cyclic", "right_shift_cyclic")
    build = {n: lambda sd, a, b, n=n: getattr(sd.bitwise, n)(a, b) for n in names}
    build["flipped"] = lambda sd, a, b: sd.bitwise.toggle_bits(a)
    got, want = run(build, x=x, y=y)
    for name, a in want.items():
        assert got[name].dtype == a.dtype
        wrong = np.flatnonzero(got[name] != a)
        assert not wrong.size, (name, x[wrong[:3]], y[wrong[:3]], got[name][wrong[:3]], a[wrong[:3]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_outside_the_range_bound_nothing(dtype):
    x = np.array(edges(dtype), dtype)
    bounds = [(-5, 9), (-1e30, 7), (2, 1e30), (-1e30, 1e30)]
    build = {f"y{k}": lambda sd, a, b=b: sd.math.clip_by_value(a, *b) for k, b in enumerate(bounds)}
    got, _ = run(build, x=x)
    for k, (low, high) in enumerate(bounds):
        assert got[f"y{k}"].tolist() == [int(min(max(v, low), high)) for v in x.tolist()]
