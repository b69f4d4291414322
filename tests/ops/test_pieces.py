"""Gradients of arrays that are used piece by piece: one node that costs what the pieces cost, and right."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.testing import check_grads

X = np.linspace(-1.0, 1.3, 24).reshape(4, 6)

USES = {
    "rows": (lambda sd, x: [x[0], x[1] * x[3], x[2]], "stack"),
    "columns from the end": (lambda sd, x: [x[:, k] * (k + 2.0) for k in range(-6, 0)], "stack"),
    "blocks": (lambda sd, x: [x[0:2], x[2:4] * x[2:4]], "concat"),
    "blocks of columns": (lambda sd, x: [x[..., :2], x[:, 2:-1], x[:, -1:]], "concat"),
    "a row and the rest": (lambda sd, x: [x[0], sd.sum(x[1:] * x[1:])], "concat"),
    "the same rows again": (lambda sd, x: [x[0] * x[0], x[1], x[2], x[3] * x[1]], "stack"),
    "one row twice": (lambda sd, x: [x[1], sd.math.tanh(x[1])], "index_scatter"),
    "a gap": (lambda sd, x: [x[0], x[2], x[3]], "scatter_slices"),
    "an overlap": (lambda sd, x: [x[0:2], x[1:3], x[2:4]], "scatter_slices"),
    "two that overlap": (lambda sd, x: [x[0:3] * x[1:4]], "add"),
    "steps": (lambda sd, x: [x[::3], x[1::3], x[2::3]], "scatter_slices"),
    "a new axis": (lambda sd, x: [x[None, 0], x[1:3], x[3:]], "scatter_slices"),
    "two axes": (lambda sd, x: [x[0, 1], x[1, 2], x[2:, 3:]], "scatter_slices"),
    "all of it, written in three ways": (lambda sd, x: [x[:] * x[...] * x[:, :]], "scatter_slices"),
    "blocks by size": (lambda sd, x: [sd.slice(x, (0, 0), (2, 6)), sd.slice(x, (2, 0), (2, 6))], "concat"),
    "strided slices": (
        lambda sd, x: [sd.strided_slice(x, (0,), (1,)), sd.strided_slice(x, (1,), (4,))],
        "concat",
    ),
    "rows by number": (lambda sd, x: [sd.gather(x, [3, 0]), sd.gather(x, [3, 3, 1])], "scatter_add"),
    "columns by number": (lambda sd, x: [sd.gather(x, [5], 1), sd.gather(x, 2, 1)], "scatter_add"),
    "rows by many numbers": (lambda sd, x: [sd.gather(x, [[3, 0], [1, 1]]), sd.gather(x, [2])], "scatter_add"),
    "places": (lambda sd, x: [sd.gather_nd(x, [[3, 0], [1, 5]]), sd.gather_nd(x, [[[1, 5]]])], "scatter_nd_add"),
    "one per row": (
        lambda sd, x: [sd.take_along_axis(x, [[1], [0], [5], [1]]), sd.take_along_axis(x, [[1, 1]] * 4)],
        "add_along_axis",
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("known", [True, False])
def test_one_node_for_all_pieces(use, known):
    build, op = USES[use]
    sd = SameDiff("float64")
    x = sd.placeholder("x", X.shape if known else (None, None))
    y = sum(sd.sum(sd.math.exp(v)) for v in build(sd, x))
    slope = sd.grad(y, x)
    if known:
        assert sd.nodes[slope.id].op.name == op
    check_grads(y, {"x": X}, order=2)


def test_pieces_of_other_indices_stay_apart():
    """A sum with one that was not added to zeros, or along another axis, is still the sum."""
    sd = SameDiff("float64")
    x = sd.var("x", X)
    y = sd.sum(sd.gather(x, [0, 1])) + sd.sum(sd.gather(x, [2], 1)) + sd.sum(x * x) + sd.sum(x[2] * x[3])
    check_grads(y, {}, order=2)


def test_a_scalar_used_by_two_keys():
    sd = SameDiff("float64")
    x = sd.var("x", 3.0)
    y = x[()] * x[...]
    assert sd.grad(y, x).eval() == 6.0


def test_unequal_parts_of_unknown_sizes():
    """The gradient of a concat of unknown sizes is one node with an output per operand."""
    sd = SameDiff("float64")
    xs = [sd.placeholder(f"x{k}", (None, 2)) for k in range(4)]
    y = sd.sum(sd.math.exp(sd.concat(*xs)) * 2.0)
    slopes = sd.grad(y, xs)
    assert sum(n.op.name == "unconcat" for n in sd.nodes) == 1
    feeds = {f"x{k}": np.full((k, 2), 0.1 * k) for k in range(4)}
    for k, g in enumerate(slopes):
        np.testing.assert_allclose(g.eval(feeds), 2 * np.exp(feeds[f"x{k}"]))
    check_grads(y, feeds, order=2)
