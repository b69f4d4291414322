"""The branch-free select gives what numpy's ``where`` gives, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from sdgraph.run.engines.reference.select import select

_SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1.5, -2.5]


def _operands(dtype, shape, seed):
    rng = np.random.default_rng(seed)
    return rng.choice(_SPECIAL, shape).astype(dtype), rng.choice(_SPECIAL, shape).astype(dtype), rng.random(shape) < 0.5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(), (7,), (100, 50), (5000,)])
@pytest.mark.parametrize("scalars", ["none", "x", "y", "both", "zero x", "zero y", "negative zero y"])
def test_bits_are_those_of_where(dtype, shape, scalars):
    with np.errstate(all="ignore"):
        x, y, condition = _operands(dtype, shape, seed=len(shape))
    if scalars in ("x", "both"):
        x = np.asarray(3, dtype)
    if scalars in ("y", "both"):
        y = np.asarray(-4, dtype)
    if scalars == "zero x":
        x = np.zeros((), dtype)
    if scalars == "zero y":
        y = np.zeros((), dtype)
    if scalars == "negative zero y":
        y = -np.zeros((), dtype)
    got, expected = select(np, condition, x, y), np.where(condition, x, y)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert np.asarray(got).tobytes() == expected.tobytes()


def test_operands_broadcast_and_may_be_strided():
    x = np.arange(200.0).reshape(1, 200)
    y = np.arange(100.0).reshape(100, 1)
    condition = (np.arange(20000) % 3 == 0).reshape(100, 200)
    assert (select(np, condition, x, y) == np.where(condition, x, y)).all()
    strided = np.arange(40000.0).reshape(100, 400)[:, ::2]
    assert (select(np, condition[::-1], strided, y) == np.where(condition[::-1], strided, y)).all()


def test_operands_are_not_written():
    x, y, condition = _operands("float64", (5000,), seed=3)
    for a in (x, y, condition):
        a.flags.writeable = False
    select(np, condition, x, y)
