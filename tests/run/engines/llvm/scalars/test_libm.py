"""Functions of the C library in compiled code: accuracy with and without vector functions, limits, the disk cache."""

import ctypes
import itertools
import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.scalars import libm
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val
from sdgraph.run.engines.llvm.translate import machine
from tests.run.engines.llvm.scalars.test_functions import in_ulp

MOST_ULP = 4.0
ONE = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erf", "erfc")
TWO = ("atan2", "hypot", "pow")
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 2.0**60, -(2.0**60))
DTYPES = (np.float32, np.float64)


@pytest.fixture(params=["vectors", "one by one"])
def calls(request, monkeypatch):
    """With the system's vector functions, where it has them, and without."""
    monkeypatch.setattr(segment, "_codes", {})
    if request.param == "one by one":
        monkeypatch.setattr(libm, "vector_symbol", lambda *_: None)
    return request.param


def true(name):
    """The function of 40-digit numbers."""
    if name == "erfc":
        return lambda x: mpmath.erfc(min(max(x, -200), 200))
    return {"pow": mpmath.power}.get(name) or getattr(mpmath, name)


def compiled(name, dtype):
    sd = SameDiff(dtype)
    operands = [sd.placeholder(k, shape=(None,)) for k in ("a", "b")[: 1 + (name in TWO)]]
    y = getattr(sd.math, name)(*operands, name="y")
    f = sd.compile(y, engine="llvm")
    return f, sd.compile(y, engine="numpy")


def sizes(rng, dtype, n):
    """Numbers of every size and both signs, many near 1, some subnormal and extreme."""
    info = np.finfo(dtype)
    least, largest = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max)) - 1e-6
    parts = [2.0 ** rng.uniform(least, largest, n // 4), 2.0 ** rng.uniform(-8, 8, n // 4), rng.uniform(0, 3, n // 4)]
    parts += [rng.uniform(0, 120, n // 4), [float(x) for x in (info.max, info.tiny, info.smallest_subnormal)]]
    x = np.concatenate(parts)
    return (x * rng.choice([-1.0, 1.0], x.size)).astype(dtype)


def domain(name, x):
    """Bring numbers into where the function is real."""
    if name in ("asin", "acos", "atanh"):
        return np.where(np.abs(x) < 1, x, 1 / (np.abs(x) + x.dtype.type(1e-3)) * np.sign(x) * x.dtype.type(0.999))
    if name == "acosh":
        return np.where(np.abs(x) >= 1, np.abs(x), 1 + np.abs(x))
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ONE)
def test_one_operand_within_four_units_in_the_last_place(name, dtype, calls):
    x = domain(name, sizes(np.random.default_rng(2), dtype, 300))
    f, _ = compiled(name, dtype)
    errors = in_ulp(f(a=x)["y"], true(name), dtype, x)
    worst = int(np.argmax(errors))
    assert errors[worst] <= MOST_ULP, (x[worst], errors[worst])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TWO)
def test_two_operands_within_four_units_in_the_last_place(name, dtype, calls):
    rng = np.random.default_rng(3)
    x, y = sizes(rng, dtype, 400), rng.permutation(sizes(rng, dtype, 400))
    if name == "pow":
        # Results of every size, and negative bases with whole exponents.
        far = np.log(float(np.finfo(dtype).max))
        y = np.where(rng.random(x.size) < 0.7, rng.uniform(-1.1, 1.1, x.size) * far / np.log(np.abs(x)), y).astype(
            dtype
        )
        y = np.where(x < 0, np.rint(y), y)
    f, _ = compiled(name, dtype)
    errors = in_ulp(f(a=x, b=y)["y"], true(name), dtype, x, y)
    worst = int(np.argmax(errors))
    assert errors[worst] <= MOST_ULP, (x[worst], y[worst], errors[worst])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_special_values_are_those_of_the_numpy_engine(name, dtype, calls):
    info = np.finfo(dtype)
    values = [*SPECIAL, info.max, info.min, info.tiny, -info.tiny, info.smallest_subnormal]
    f, g = compiled(name, dtype)
    if name in TWO:
        a, b = (np.array(v, dtype) for v in zip(*itertools.product(values, values), strict=True))
        got, want = (h(a=a, b=b)["y"] for h in (f, g))
    else:
        got, want = (h(a=np.array(values, dtype))["y"] for h in (f, g))
    kinds = ~np.isfinite(want) | (want == 0)
    assert np.array_equal(got[kinds], want[kinds], equal_nan=True)
    numbers = ~np.isnan(want)
    assert np.array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]))
    assert np.allclose(got, want, rtol=8 * info.eps, atol=2 * info.smallest_subnormal, equal_nan=True)


def vectors(name, type_, width):
    """A function that applies ``name`` to one vector of ``width`` lanes, and its code."""
    b = Builder(width)
    full = b.type(type_, True)
    out = libm.call(b, name, *(Val(f"%x{k}", type_, True, 0) for k in range(1 + (name in TWO))))
    body = [f"  %x{k} = load {full}, ptr %p{k}, align 1" for k in range(2)] + b.scopes[0].lines
    head = "\n".join([*b.intrinsics, "define void @.call(ptr %p0, ptr %p1, ptr %out) {"])
    text = "\n".join([head, *body, f"  store {full} {out.text}, ptr %out, align 1", "  ret void", "}"])
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(machine.kernel(text).addresses["call"])

    def call(x, y):
        result = np.empty(width, x.dtype)
        run(x.ctypes.data, y.ctypes.data, result.ctypes.data)
        return result

    return call, text


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 8, 16, 32, 64])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "pow"])
def test_every_width_gives_every_lane_its_own_result(name, dtype, width):
    call, _ = vectors(name, "float" if dtype is np.float32 else "double", width)
    x, y = (np.linspace(low, 3.0, width).astype(dtype) for low in (0.5, -2.0))
    want = np.sin(x) if name == "sin" else np.power(x, y)
    assert np.allclose(call(x, y), want, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("lanes", [4, 8, 16, 32])
def test_the_widest_vector_functions_are_called(lanes):
    if libm.vector_symbol("sin", "float", 4, 1) is None:
        pytest.skip("this system has no vector functions")
    _, text = vectors("sin", "float", lanes)
    assert "_ZGV" in text
    assert "@sinf" not in text


def test_one_number_is_one_scalar_call():
    b = Builder(8)
    libm.call(b, "sin", Val("%x", "double", False, 0))
    assert [line.split(" = ")[1] for line in b.scopes[0].lines] == ["call double @sin(double %x)"]


def test_what_the_library_lacks_runs_as_the_numpy_kernel(monkeypatch):
    assert not libm.has("no_such_function")
    monkeypatch.setattr(libm, "has", lambda name: False)
    f, g = compiled("atan2", np.float64)
    x = np.linspace(-1.0, 1.0, 9)
    assert np.array_equal(f(a=x, b=x)["y"], g(a=x, b=x)["y"])
    assert "numpy" in f.plan.notes


def test_a_system_without_the_vector_library(monkeypatch):
    monkeypatch.setattr(libm, "_VECTOR_LIBRARY", "libnosuchlibrary.so.7")
    assert libm.vector_symbol("sin", "float", 4, 1) is None


def test_code_from_disk_finds_the_functions_in_a_new_process(tmp_path):
    program = (
        "import numpy as np; from sdgraph import SameDiff; from sdgraph.run.engines.llvm.translate import machine\n"
        "sd = SameDiff('float64'); x = sd.placeholder('x', shape=(None,)); m = sd.math\n"
        "y = m.sin(x) + m.atan2(x, 2.0) + m.pow(m.abs(x), 1.3) + m.fmod(x, 0.7)\n"
        "f = sd.compile(sd.identity(y, name='y'), engine='llvm')\n"
        "r = f(x=np.linspace(-3, 3, 37))['y']\n"
        "w = np.linspace(-3, 3, 37); w = np.sin(w) + np.arctan2(w, 2) + np.abs(w)**1.3 + np.fmod(w, 0.7)\n"
        "print(r.tobytes().hex(), np.allclose(r, w, rtol=1e-13, atol=1e-14), machine.compiled_count)\n"
        "machine.settled()"
    )
    env = {**os.environ, "SDGRAPH_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    first, second = (
        subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split() for _ in range(2)
    )
    assert first[:2] == second[:2]
    assert first[1] == "True"
    assert int(first[2]) > 0
    assert second[2] == "0"
