"""Every op of the registry: values and gradients, on all its samples, as the numpy engine has them.

`tests.ops.test_every_op` checks what the numpy engine computes; here the fused engine follows it.
"""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff, errors
from sdgraph.build.op import NOT_DIFFERENTIABLE, REGISTRY
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS, apply, floating, joined

TOLERANCE = {"float64": 1e-12, "float32": 2e-6}


def with_gradients(name, sample, dtype, order):
    """The graph of a sample, its outputs with their gradients, and the feeds."""
    sd = SameDiff(dtype)
    outs, feeds = apply(sd, sample, dtype=dtype)
    fetches = list(outs)
    y = joined(sd, floating(outs))
    wrt = [k for k, x in feeds.items() if x.dtype.kind == "f"]
    if y is None or not wrt or REGISTRY[name].vjp is NOT_DIFFERENTIABLE:
        return sd, fetches, feeds
    try:
        for _ in range(order):
            fetches += sd.grad(y, wrt)
            y = sum((sd.sum(g * g) for g in fetches[-len(wrt) :]), sd.constant(0.0, dtype=dtype))
    except errors.GradientError:
        pass  # Nothing more depends on the operands.
    return sd, fetches, feeds


def agree(sd, fetches, feeds, tolerance):
    fetches = list({v.id: v for v in fetches}.values())
    got, want = (sd.compile(fetches, engine=e)(feeds) for e in ("llvm", "numpy"))
    for name, a in want.items():
        b = got[name]
        assert (b.shape, b.dtype) == (a.shape, a.dtype)
        if a.dtype.kind not in "fc":
            assert np.array_equal(a, b), name
            continue
        finite = np.isfinite(a)
        assert np.array_equal(a[~finite], b[~finite], equal_nan=True), name
        # Gradients may cancel, so their roundings are those of numbers about 1.
        scale = np.abs(a[finite]).max(initial=1.0)
        assert np.all(np.abs(a[finite] - b[finite]) <= tolerance * scale), (name, a, b)


def check(name, sample, dtype, order):
    """Values and derivatives agree; one that does not exist for the sample is an error on both engines."""
    sd, fetches, feeds = with_gradients(name, sample, dtype, order)
    try:
        agree(sd, fetches, feeds, TOLERANCE[dtype])
    except errors.ExecutionError:
        for engine in ("llvm", "numpy"):
            with pytest.raises(errors.ExecutionError):
                sd.compile(fetches, engine=engine)(feeds)
        assert order
        check(name, sample, dtype, order - 1)


@pytest.mark.parametrize("name", OPS)
def test_values_and_gradients_are_those_of_numpy(name):
    for k, sample in enumerate(samples_of(name)):
        check(name, sample, "float64", 2 if k == 0 else 1)


@pytest.mark.parametrize("name", OPS)
def test_in_float32(name):
    for sample in samples_of(name)[:4]:
        check(name, sample, "float32", 1)
