"""Code of regions: what is computed again in a later loop has the same bits."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [3, 10, 100])
def test_the_largest_of_what_is_computed_again_is_found_again(dtype, n):
    rng = np.random.default_rng(n)
    sd = SameDiff(dtype)
    x = sd.placeholder("x", shape=(None,))
    # The value divides by 1 + exp(-|x|) once, its gradient twice more.
    loss = sd.max(sd.nn.sigmoid(x))
    f = sd.compile([sd.grad(loss, x)], engine="llvm")
    for _ in range(30):
        values = rng.normal(size=n).astype(dtype)
        (slope,) = f(x=values).values()
        p = 1 / (1 + np.exp(-values.astype("float64")))
        want = np.where(np.arange(n) == values.argmax(), p * (1 - p), 0.0)
        np.testing.assert_allclose(slope, want, rtol=1e-5, atol=0)


@pytest.mark.parametrize("columns", [3, 10, 40, 100, 1000])
def test_what_is_kept_of_two_arrays_lies_in_two_places(columns):
    rng = np.random.default_rng(columns)
    values = {k: rng.normal(size=(5, columns)) for k in "xyz"}
    sd = SameDiff()
    softmaxes = [sd.nn.softmax(sd.placeholder(k, shape=(None, columns))) for k in "xyz"]
    product = sd.identity(softmaxes[0] * softmaxes[1] - softmaxes[2], name="product")
    (got,) = sd.compile(product, engine="llvm")({k: v.astype(np.float32) for k, v in values.items()}).values()
    p, q, r = (np.exp(v) / np.exp(v).sum(-1, keepdims=True) for v in values.values())
    np.testing.assert_allclose(got, p * q - r, rtol=1e-5, atol=1e-6 / columns)
