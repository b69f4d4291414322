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
