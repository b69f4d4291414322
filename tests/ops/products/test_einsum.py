"""Einsum against numpy's, with any number of operands, diagonals, ellipses, and sizes that are unknown."""

import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError
from sdgraph.testing import check_grads

SIZES = {"a": 2, "b": 3, "c": 4, "d": 2, "e": 3}
EQUATIONS = [
    "ab,bc,cd->ad", "ab,bc,cd,de->ae", "abc,cb,b->a", "aab->b", "abab->ba", "ab,ab->", "ab,cb->ca", "abc,abd->abcd",
    "a,b,c->cba", "abc,abd->bcd", "ab->ba", "abc->", "ab,,b->a", "eab,ebc->eac", "abc,dbe,bc->ad", "ab,b", "ba",
]  # fmt: skip


def arrays(equation):
    rng = np.random.default_rng(len(equation))
    terms = equation.partition("->")[0].split(",")
    return [rng.normal(size=[SIZES[c] for c in term]) for term in terms]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_equations(equation):
    xs = arrays(equation)
    sd = SameDiff(dtype="float64")
    operands = [sd.placeholder(f"x{k}", x.shape) for k, x in enumerate(xs)]
    y = sd.einsum(equation, *operands)
    feeds = {f"x{k}": x for k, x in enumerate(xs)}
    want = np.einsum(equation, *xs)
    for engine in ("numpy", "llvm"):
        np.testing.assert_allclose(y.eval(feeds, engine=engine), want, rtol=1e-12, atol=1e-12)
    assert y.shape == want.shape and check_grads(y, feeds, order=1) < 1e-6


@pytest.mark.parametrize(("equation", "shapes"), [
    ("...ab,...bc->...ac", [(5, 1, 2, 3), (4, 3, 2)]), ("a...,a...->...", [(2, 3, 1), (2, 4)]), ("...", [(2, 3)]),
    ("...a->a...", [(2, 3, 4)]), ("ab...,b->...a", [(2, 3, 4), (3,)]), ("...,...", [(2, 1), (3,)]),
])  # fmt: skip
def test_axes_of_an_ellipsis_broadcast(equation, shapes):
    xs = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]
    np.testing.assert_allclose(nd.einsum(equation, *xs), np.einsum(equation, *xs), rtol=1e-12)


def test_sizes_may_be_unknown():
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", (None, "n")), sd.placeholder("y", ("n", None, None))
    z = sd.einsum("ab,bca->ca", x, y)
    feeds = {"x": np.ones((2, 3)), "y": np.arange(24.0).reshape(3, 4, 2)}
    assert (z.eval(feeds) == np.einsum("ab,bca->ca", *feeds.values())).all()
    assert check_grads(z, feeds, order=2) < 1e-6


def test_integers_and_other_types():
    small = np.array([100, 100], np.int8)
    assert nd.einsum("a,b->ab", small, small.astype(np.int32)).dtype == np.int32
    assert nd.einsum("a->", small).dtype == np.int8
    assert nd.einsum("a,a", np.array([1j, 2]), np.array([1.0, 2.0])) == 4 + 1j


def test_what_is_no_equation():
    sd = SameDiff(dtype="float64")
    x = sd.constant("x", np.ones((2, 3)))
    with pytest.raises(ShapeError, match="label 'a' differ in size: 2 and 3"):
        sd.einsum("aa->a", x)
    with pytest.raises(ArgumentError, match="does not fit an operand of rank 2"):
        sd.einsum("...abc", x)
    with pytest.raises(ArgumentError, match="nothing to multiply"):
        sd.einsum("a")
    with pytest.raises(ArgumentTypeError, match="equation is a fixed setting"):
        sd.einsum(x, x)
