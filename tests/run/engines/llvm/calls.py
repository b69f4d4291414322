"""A fused function of arrays, called once."""

import numpy as np

from sdgraph import SameDiff


def fused(build, *arrays):
    """The results of what ``build`` makes of a graph and placeholders, and what is told of its parts."""
    sd = SameDiff(next((a.dtype for a in arrays if a.dtype.kind == "f"), "float32"))
    xs = [sd.placeholder(f"p{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    f = sd.compile(build(sd, *xs), engine="llvm")
    got = f({f"p{k}": a for k, a in enumerate(arrays)})
    return list(got.values()), str(f.plan).split("engine llvm:")[1]


def steps(told):
    """The ops that numpy does, from what is told of a function's parts."""
    return [line.split()[1] for line in told.splitlines() if line.startswith("  numpy ")]


def normal(shape, dtype="float32", seed=0):
    """Normally distributed numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
