"""Adding at indices: whatever is added, one number after another in the order of the updates."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.ops.indexing import add_at


def one_after_another(ref, at, updates, dtype):
    """Numpy's own additions, slice by slice."""
    out = np.array(ref, dtype)
    with np.errstate(all="ignore"):
        shape = np.broadcast_shapes(*(k.shape for k in at))
        places = [np.broadcast_to(k, shape).reshape(-1) for k in at]
        rows = np.broadcast_to(updates, shape + out.shape[len(at) :]).reshape(-1, *out.shape[len(at) :])
        for *place, row in zip(*places, rows, strict=True):
            out[tuple(place)] += row
    return out


SHAPES = [((50, 8), (600,)), ((50, 8), (30, 20)), ((7, 64), (16,)), ((90,), (2000,)), ((5, 300), (80,)),
          ((3, 2, 40), (90, 4)), ((20, 5), (1, 7)), ((4, 20000), (3,)), ((6, 4), (9,))]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "uint16", "complex64", "bool"])
@pytest.mark.parametrize("shape, of", SHAPES)
def test_bits_are_those_of_one_addition_after_another(shape, of, dtype):
    rng = np.random.default_rng(0)
    ref, updates = ((rng.normal(size=s) * 9).astype(dtype) for s in (shape, (*of, *shape[1:])))
    if ref.dtype.kind == "f":
        updates.flat[rng.integers(0, updates.size, 5)] = [np.nan, np.inf, -np.inf, -0.0, 1e30]
        ref.flat[: ref.size // 2] = -0.0
    k = rng.integers(0, shape[0], of)
    with np.errstate(all="ignore"):
        got = add_at(np, ref, (k,), updates)
    want = one_after_another(ref, (k,), updates, dtype)
    assert got.dtype == want.dtype and got.tobytes() == want.tobytes()


@pytest.mark.parametrize("integers", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_every_kind_of_index(integers):
    rng = np.random.default_rng(1)
    k, updates = rng.integers(0, 90, 400).astype(integers), rng.normal(size=(400, 5))
    want = one_after_another(np.zeros((90, 5)), (k.astype("int64"),), updates, "float64")
    np.testing.assert_array_equal(add_at(np, np.zeros((90, 5)), (k,), updates), want)


def test_several_indices_for_each_number_and_arrays_in_any_order():
    rng = np.random.default_rng(2)
    ref, updates = np.asfortranarray(rng.normal(size=(40, 30))), rng.normal(size=(40, 50))
    before = ref.copy()
    at = np.arange(40)[:, None], rng.integers(0, 30, (40, 50))
    np.testing.assert_array_equal(add_at(np, ref, at, updates), one_after_another(ref, at, updates, "float64"))
    np.testing.assert_array_equal(
        add_at(np, ref, at, np.broadcast_to(updates[:1], (40, 50))),
        one_after_another(ref, at, updates[:1], "float64"),
    )
    np.testing.assert_array_equal(ref, before)


def test_halves_are_added_in_single_precision_and_rounded_once():
    updates = np.full((4096, 2), 0.3, "float16")
    got = add_at(np, np.zeros((3, 2), "float16"), (np.arange(4096) % 3,), updates)
    wide = one_after_another(np.zeros((3, 2)), (np.arange(4096) % 3,), updates.astype("float32"), "float32")
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, wide.astype("float16"))


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("n", [3, 300])
def test_the_gradient_of_slices_along_any_axis(axis, n, engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    rng = np.random.default_rng(3)
    x, k = rng.normal(size=(6, 7, 9)), rng.integers(0, 6, n)
    weights = rng.normal(size=np.take(x, k, axis).shape)
    sd = SameDiff("float64")
    p = sd.placeholder("x", x.shape)
    y = sd.sum(sd.math.square(sd.gather(p, k, axis)) * weights)
    got = sd.compile(sd.grad(y, p), engine=engine)(x=x)
    want = np.moveaxis(np.zeros_like(x), axis, 0)
    for i, w in zip(k, np.moveaxis(weights, axis, 0), strict=True):
        want[i] += 2 * np.moveaxis(x, axis, 0)[i] * w
    np.testing.assert_allclose(next(iter(got.values())), np.moveaxis(want, 0, axis), rtol=1e-12, atol=1e-12)
