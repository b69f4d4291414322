"""Products with vectors: fused as sums over rows and columns, the matrix read where it lies."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.plan.schedule import make_plan
from sdgraph.run.engines.llvm import compile_plan
from sdgraph.run.slots import Slots

EPS = {"float32": 2e-6, "float64": 1e-14}


def graph(m, k, dtype):
    """Products of every form, by name, and what they are in numpy."""
    sd = SameDiff(dtype)
    x, column, row, left = (
        sd.placeholder(n, shape=s) for n, s in (("x", (m, k)), ("column", (k, 1)), ("row", (1, m)), ("left", (m, 1)))
    )
    turned = sd.permute(x, (1, 0))
    fetches = {
        "matrix_column": x @ column,
        "row_matrix": row @ x,
        "turned_column": turned @ left,
        "row_turned": sd.permute(column, (1, 0)) @ turned,
        "outer": left @ sd.permute(column, (1, 0)),
        "inner": row @ left,
        "vector": x @ sd.reshape(column, (-1,)),
        "turned_vector": turned @ sd.reshape(left, (-1,)),
        "flat": sd.reshape(x, (-1,)) @ sd.reshape(x, (m * k, 1)),
        "elementwise": sd.math.square(turned) + column,
        "seen_twice": sd.sum(sd.math.tanh(x @ column) * left, axis=0) + sd.sum(turned, axis=0)[0],
    }

    def expected(x, column, row, left):
        return {
            "matrix_column": x @ column,
            "row_matrix": row @ x,
            "turned_column": x.T @ left,
            "row_turned": column.T @ x.T,
            "outer": left @ column.T,
            "inner": row @ left,
            "vector": x @ column[:, 0],
            "turned_vector": x.T @ left[:, 0],
            "flat": x.reshape(-1) @ x.reshape(-1, 1),
            "elementwise": x.T**2 + column,
            "seen_twice": (np.tanh(x @ column) * left).sum(0) + x.T.sum(0)[0],
        }

    return sd, fetches, expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m, k", [(1, 1), (1, 5), (5, 1), (7, 3), (40, 50), (50, 40), (700, 33), (33, 700)])
def test_products_with_vectors(m, k, dtype):
    sd, fetches, expected = graph(m, k, dtype)
    rng = np.random.default_rng(m * k)
    shapes = {"x": (m, k), "column": (k, 1), "row": (1, m), "left": (m, 1)}
    feeds = {n: rng.uniform(0.5, 1.5, s).astype(dtype) for n, s in shapes.items()}
    got = sd.compile([sd.identity(v, name=n) for n, v in fetches.items()], engine="llvm")(feeds)
    for name, want in expected(**{n: a.astype("float64") for n, a in feeds.items()}).items():
        assert got[name].shape == want.shape and got[name].dtype == dtype, name
        np.testing.assert_allclose(got[name], want, rtol=4 * EPS[dtype], err_msg=name)


def test_a_logistic_regression_is_one_region():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 30)), sd.placeholder("y", (None, 1))
    w, b = sd.var("w", np.zeros((30, 1))), sd.var("b", np.zeros(1))
    loss = sd.loss.sigmoid_cross_entropy(y, x @ w + b, name="loss")
    f = sd.compile([loss, *sd.grad(loss, [w, b])], engine="llvm")
    f(x=np.ones((64, 30), "float32"), y=np.ones((64, 1), "float32"))
    notes = str(f.plan).split("engine llvm:")[1]
    assert notes.count("region over") == 1
    assert "numpy" not in notes


def test_a_product_of_matrices_is_left_to_blas():
    sd = SameDiff()
    a = sd.placeholder("a", (20, 30))
    f = sd.compile(a @ sd.permute(a, (1, 0)), engine="llvm")
    assert "a product of matrices" in str(f.plan)
    x = np.random.default_rng(0).normal(size=(20, 30)).astype("float32")
    np.testing.assert_allclose(next(iter(f(a=x).values())), x @ x.T, rtol=1e-5, atol=1e-5)


def test_only_a_permutation_that_turns_a_matrix_is_read_as_turned():
    sd = SameDiff("float64")
    x, v = sd.placeholder("x", (2, 2)), sd.placeholder("v", (2,))
    y = sd.permute(x, (1, 0)) @ v
    plan = make_plan(sd, [y.id], {k.id: k.aval for k in (x, v)}, ["y"])
    rows, vector = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0])
    for axes, want in (((1, 0), rows.T @ vector), ((0, 1), rows @ vector), ((-1, -2), rows.T @ vector)):
        steps = tuple(s._replace(attrs={"axes": axes}) if s.op.qualname == "permute" else s for s in plan.steps)
        program = compile_plan(replace(plan, steps=steps), check_numerics=False)
        slots = Slots(plan, program.n_slots).filled({x.id: rows, v.id: vector}, sd.values, 0)
        assert np.array_equal(program.run(slots)[0], want)
