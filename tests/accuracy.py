"""What "the same" means on the engine that the tests run on: SDGRAPH_ENGINE chooses it."""

import os

import numpy as np


def assert_same(got, want, *, rtol, atol=0.0):
    """Equal; on the fused engine, whose functions round otherwise than numpy's, equal within ``rtol`` and ``atol``."""
    if os.environ.get("SDGRAPH_ENGINE") == "llvm":
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)
    else:
        np.testing.assert_array_equal(got, want)
