"""Random graphs: the fused engine against the numpy engine, values and gradients, in both floating dtypes."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.errors import ShapeError

SPACES = [(7,), (5, 4), (3, 40), (2, 3, 4), (1, 6), (17, 1), (4, 1, 3), (33,)]
UNARY = ["neg", "abs", "square", "exp", "tanh", "sign", "floor", "sqrt", "log1p", "expm1", "ln"]
LIBRARY = ["sin", "cos", "atan", "sinh", "cosh", "asinh", "erf", "erfc"]
WITHIN_ONE = ["asin", "acos", "atanh", "tan"]


def broadcastable(rng, shape):
    """A shape that broadcasts to ``shape``."""
    kind = rng.integers(5)
    if kind == 0:
        return ()
    if kind == 1 and len(shape) > 1:
        return shape[1:]
    if kind == 2:
        return (*shape[:-1], 1)
    if kind == 3:
        return (1,) * (len(shape) - 1) + shape[-1:]
    return shape


def bounded(sd, v):
    """Keep values where functions have no poles and sums do not cancel much."""
    return sd.math.clip_by_value(v, -3.0, 3.0)


def called(rng, sd, a, b):
    """A function of the C library."""
    m = sd.math
    kind = rng.integers(7)
    if kind <= 1:
        return getattr(m, LIBRARY[rng.integers(len(LIBRARY))])(bounded(sd, a))
    if kind == 2:
        return getattr(m, WITHIN_ONE[rng.integers(len(WITHIN_ONE))])(m.tanh(a) * 0.9)
    if kind == 3:
        return m.acosh(m.abs(a) + 1.5)
    if kind == 4:
        exponent = [0.5, -1, -2, 3, 1.7][rng.integers(5)] if rng.integers(2) else m.clip_by_value(b, -2.0, 2.0)
        return m.pow(m.abs(bounded(sd, a)) + 0.5, exponent)
    return m.atan2(a, m.abs(b) + 1.0) if kind == 5 else m.hypot(bounded(sd, a), bounded(sd, b) + 0.5)


def jumping(rng, sd, leaf):
    """Ops whose results jump: of what both engines have exactly, because a rounding could carry it over the edge."""
    m, kind = sd.math, rng.integers(8)
    if kind <= 2:
        return (m.fmod, m.floor_mod, m.floor_div)[kind](leaf, 0.375)
    if kind == 3:
        return sd.cast(sd.cast(leaf, "float16") * 3.0 + 1.0, leaf.dtype)
    n = sd.cast(leaf * 16.0, ("int32", "int64", "int16", "int8")[rng.integers(4)])
    if kind == 4:
        n = sd.bitwise.xor(sd.bitwise.left_shift(n, 2), sd.bitwise.right_shift(n, 1))
    elif kind == 5:
        n = m.floor_div(n, 3) + m.fmod(n, -5)
    elif kind == 6:
        n = sd.cast(m.abs(n), "uint32") * 3
    else:
        n = sd.where(sd.bitwise.and_(n, 1).eq(0), m.clip_by_value(n, -20, 20), m.floor_mod(n, -7))
    return sd.cast(n, leaf.dtype) * 0.125


def arranged(rng, sd, a):
    """Something that is no loop over the elements, or one over other axes than the last or first."""
    kind = rng.integers(5)
    if kind == 0:
        return sd.permute(a, tuple(rng.permutation(a.ndim).tolist()))
    if kind == 1 and a.ndim == 2:
        return a @ sd.permute(sd.mean(a, axis=0, keepdims=True), (1, 0))
    if kind == 2 and a.ndim == 2:
        return sd.permute(a, (1, 0)) @ sd.mean(a, axis=1, keepdims=True)
    if kind == 3 and a.ndim:
        return sd.sum(a, axis=int(rng.integers(a.ndim)), keepdims=True)
    return sd.concat(a, a * 0.5, axis=0) if a.ndim else a


def grow(rng, sd, pool, leaves, shape):
    """One more node."""
    m = sd.math
    a = pool[rng.integers(len(pool))]
    kind = rng.integers(13)
    if kind == 12:
        return arranged(rng, sd, bounded(sd, a))
    if kind == 9:
        return jumping(rng, sd, leaves[rng.integers(len(leaves))])
    if kind >= 10:
        try:
            return called(rng, sd, a, pool[rng.integers(len(pool))])
        except ShapeError:
            return called(rng, sd, a, a)
    if kind <= 1:
        op = UNARY[rng.integers(len(UNARY))]
        x = m.abs(a) + 0.5 if op in ("sqrt", "log1p", "ln") else bounded(sd, a)
        return getattr(m, op)(x)
    if kind <= 4:
        b = pool[rng.integers(len(pool))]
        try:
            op = rng.integers(5)
            if op == 0:
                return a + b
            if op == 1:
                return a * b
            if op == 2:
                return a / (m.abs(b) + 1.0)
            if op == 3:
                return m.maximum(a, b)
            return sd.where(a > b, a, b * 0.5)
        except Exception:
            return a - 0.25
    if kind == 5 and a.ndim:
        return sd.sum(a, axis=-1, keepdims=bool(rng.integers(2)))
    if kind == 6 and a.ndim:
        return sd.sum(a, axis=0, keepdims=bool(rng.integers(2)))
    if kind == 7 and a.ndim:
        return sd.max(a, axis=-1, keepdims=True)
    if kind == 8 and a.ndim:
        return sd.nn.log_softmax(bounded(sd, a)) if rng.integers(2) else sd.mean(a)
    return sd.nn.sigmoid(a)


def build(seed, dtype):
    """A graph, its feeds, and what to compute."""
    rng = np.random.default_rng(seed)
    sd = SameDiff(dtype)
    shape = SPACES[rng.integers(len(SPACES))]
    feeds, pool, leaves = {}, [], []
    for k in range(int(rng.integers(1, 4))):
        own = shape if k == 0 else broadcastable(rng, shape)
        v = sd.placeholder(f"x{k}", shape=own)
        pool.append(v)
        leaves.append(v)
        feeds[f"x{k}"] = rng.uniform(-2, 2, own).astype(dtype)
    for _ in range(int(rng.integers(2, 60))):
        pool.append(grow(rng, sd, pool, leaves, shape))
    outs = [pool[-1], *(pool[k] for k in rng.integers(len(leaves), len(pool), 2))]
    outs = [sd.identity(v) for v in {v.id: v for v in outs}.values()]
    wanted = list(outs)
    try:
        total = sd.math.tanh(sd.mean(outs[0]))
        wanted += sd.grad(total, leaves)
    except Exception:
        pass  # No leaf influences this output.
    return sd, wanted, feeds


def compare(seed, dtype, tolerance):
    sd, wanted, feeds = build(seed, dtype)
    got = sd.compile(wanted, engine="llvm")(feeds)
    want = sd.compile(wanted, engine="numpy")(feeds)
    for name, a in want.items():
        b = got[name]
        assert b.shape == a.shape and b.dtype == a.dtype
        finite = np.isfinite(a)
        assert np.array_equal(np.isfinite(b), finite), (seed, name)
        scale = np.abs(a[finite]).max() if finite.any() else 0.0
        worst = np.abs(a[finite] - b[finite]).max() if finite.any() else 0.0
        assert worst <= tolerance * max(scale, 1.0), (seed, name, worst, scale)


def test_operands_that_call_for_different_rows():
    sd = SameDiff("float32")
    a, b = sd.placeholder("a", shape=(1, 3, 4)), sd.placeholder("b", shape=(2, 3, 1))
    feeds = {"a": np.arange(12.0).reshape(1, 3, 4), "b": np.arange(1.0, 7.0).reshape(2, 3, 1)}
    f = sd.compile([sd.identity(a / b, name="y"), sd.sum(a * b, axis=0, name="total")], engine="llvm")
    got = f(feeds)
    np.testing.assert_allclose(got["y"], feeds["a"] / feeds["b"], rtol=1e-6)
    np.testing.assert_allclose(got["total"], (feeds["a"] * feeds["b"]).sum(0), rtol=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_random_graph_in_float64(seed):
    compare(seed, "float64", 1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_random_graph_in_float32(seed):
    compare(seed, "float32", 2e-6)
