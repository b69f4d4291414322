"""Every operation on arrays and on variables of a graph: numpy's and scipy's results, Keras' dtypes and shapes."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import ops
from tests.keras.ops.cases import CASES

pytestmark = pytest.mark.filterwarnings("ignore")

IDS = [f"{k}-{c}" for k, c in enumerate(CASES)]
ELSEWHERE = {
    *("arange", "cond", "convert_to_numpy", "dtype", "empty", "eye", "fori_loop", "full", "full_like", "identity"),
    *("is_tensor", "linspace", "logspace", "map", "meshgrid", "ndim", "ones", "ones_like", "qr", "scan", "shape"),
    *("size", "switch", "tri", "while_loop", "zeros", "zeros_like"),
}


def test_every_operation_has_a_case():
    from sdgraph.keras.ops import activating

    assert {c.name for c in CASES} == set(ops.__all__) - set(activating.__all__) - ELSEWHERE - {"swish", "hard_swish"}


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


@pytest.mark.parametrize("c", CASES, ids=IDS)
def test_values_on_arrays(c):
    if c.wanted is None:
        return
    ours, wanted = parts(getattr(ops, c.name)(*c.args, **c.keywords)), parts(c.wanted(*c.args, **c.keywords))
    assert len(ours) == len(wanted)
    for a, b in zip(ours, wanted, strict=True):
        assert isinstance(a, np.ndarray)
        assert a.dtype.name in ("float32", "int32", "bool", "int64")
        assert a.shape == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def as_variable(sd: SameDiff, x: Any, feeds: dict[Any, Any], exact: bool) -> Any:
    """Placeholders for the arrays in an argument; the first size of a matrix is unknown if that is allowed."""
    if isinstance(x, np.ndarray):
        v = sd.placeholder(f"x{len(feeds)}", x.shape if exact or x.ndim < 2 else (None, *x.shape[1:]), x.dtype)
        feeds[v] = x
        return v
    return [as_variable(sd, e, feeds, exact) for e in x] if isinstance(x, list) else x


@pytest.mark.parametrize("c", CASES, ids=IDS)
def test_variables_give_what_arrays_give(c):
    eager = parts(getattr(ops, c.name)(*c.args, **c.keywords))
    sd, feeds = SameDiff(), {}
    variables = [as_variable(sd, a, feeds, c.exact) for a in c.args]
    if not feeds:
        return
    graph = parts(getattr(ops, c.name)(*variables, **c.keywords))
    values = [v.eval(feeds) for v in graph]
    for v, a, b in zip(graph, values, eager, strict=True):
        assert (v.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.keras
@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")
@pytest.mark.parametrize(
    "c",
    [
        pytest.param(c, id=i, marks=[] if c.wanted is None else pytest.mark.slow)
        for i, c in zip(IDS, CASES, strict=True)
    ],
)
def test_keras_gives_the_same(c):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras
    if not hasattr(keras.ops, c.name):
        pytest.skip("This Keras does not have it.")
    theirs = parts(getattr(keras.ops, c.name)(*c.args, **c.keywords))
    ours = parts(getattr(ops, c.name)(*c.args, **c.keywords))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        b = np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype) or (a.shape, a.dtype, b.dtype) == (b.shape, "int64", "int32")
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
