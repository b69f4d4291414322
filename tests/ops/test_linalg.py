"""Matrix products of every rank, and decompositions and solvers with their gradients."""

import itertools
import math

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, DTypeError, ExecutionError, GradientError, ShapeError
from sdgraph.testing import check_grads
from tests.ops.references import REFERENCES

RNG = np.random.default_rng(7)


def numeric_gradient(f, x, h=1e-6):
    """Central differences of a scalar function."""
    g = np.zeros_like(x)
    for k in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[k] = h
        g[k] = (f(x + step) - f(x - step)) / (2 * h)
    return g


def check_gradients(build, *arrays, rtol=1e-6, atol=1e-7):
    """First and second derivative of a weighted sum of all outputs, against differences.

    The second derivative is that of the first one's weighted sum, so every rule is differentiated by its own rule.
    """
    sd = SameDiff(dtype="float64")
    xs = [sd.placeholder(f"x{k}", shape=a.shape) for k, a in enumerate(arrays)]
    outs = build(sd, *xs)
    outs = outs if isinstance(outs, tuple) else (outs,)
    rng = np.random.default_rng(0)
    total = sum((sd.sum(y * rng.normal(size=y.shape)) for y in outs), start=sd.constant(0.0))
    first = sd.grad(total, xs)
    mixed = sum((sd.sum(g * rng.normal(size=g.shape)) for g in first), start=sd.constant(0.0))
    second = sd.grad(mixed, xs)

    def at(v, k, a):
        feeds = {f"x{m}": b for m, b in enumerate(arrays)}
        return v.eval({**feeds, f"x{k}": a})

    for k, a in enumerate(arrays):
        for value, gradient in ((total, first[k]), (mixed, second[k])):
            want = numeric_gradient(lambda b, v=value, m=k: float(at(v, m, b)), a)
            np.testing.assert_allclose(at(gradient, k, a), want, rtol=rtol, atol=atol * max(1, np.abs(want).max()))


def spread(n, batch=()):
    """Well conditioned matrices without symmetry."""
    return RNG.normal(size=(*batch, n, n)) + 3 * np.eye(n)


def positive(n, batch=()):
    a = RNG.normal(size=(*batch, n, n))
    return a @ a.mT + n * np.eye(n)


# ---------------------------------------------------------------------- products

LEFT = [(3,), (2, 3), (4, 2, 3), (1, 2, 3), (5, 1, 2, 3)]
RIGHT = [(3,), (3, 2), (4, 3, 2), (1, 3, 2), (5, 4, 3, 2)]


@pytest.mark.parametrize(("left", "right"), list(itertools.product(LEFT, RIGHT)))
def test_matmul_of_every_rank(left, right):
    a, b = RNG.normal(size=left), RNG.normal(size=right)
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", shape=left), sd.placeholder("y", shape=right)
    z = sd.linalg.matmul(x, y)
    feeds = {"x": a, "y": b}
    assert z.shape == (a @ b).shape
    np.testing.assert_allclose(z.eval(feeds), a @ b, rtol=1e-14)
    g = RNG.normal(size=z.shape)
    dx, dy = sd.grad(sd.sum(z * g), [x, y])
    # The product is linear in each operand: its gradient is the one array whose product with it is the output.
    h, k = RNG.normal(size=left), RNG.normal(size=right)
    assert dx.shape == left
    assert dy.shape == right
    np.testing.assert_allclose((dx.eval(feeds) * h).sum(), (g * (h @ b)).sum(), rtol=1e-10)
    np.testing.assert_allclose((dy.eval(feeds) * k).sum(), (g * (a @ k)).sum(), rtol=1e-10)
    mixed = sd.grad(sd.sum(dx * h), y)
    np.testing.assert_allclose((mixed.eval(feeds) * k).sum(), (g * (h @ k)).sum(), rtol=1e-10)


def test_matmul_of_unknown_sizes():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", shape=("batch", None, 3))
    w = sd.placeholder("w", shape=(3, None))
    z = x @ w
    assert z.shape == ("batch", None, None)
    a, b = RNG.normal(size=(4, 5, 3)), RNG.normal(size=(3, 2))
    dx, dw = sd.grad(sd.sum(z), [x, w])
    np.testing.assert_allclose(dx.eval({"x": a, "w": b}), np.broadcast_to(b.sum(1), a.shape))
    np.testing.assert_allclose(dw.eval({"x": a, "w": b}), np.broadcast_to(a.sum((0, 1))[:, None], b.shape))


def test_matmul_names_both_shapes():
    sd = SameDiff()
    with pytest.raises(ShapeError, match=r"(?s)sd\.linalg\.matmul: .*\(2, 3\) @ \(4, 2\)"):
        sd.linalg.matmul(np.zeros((2, 3)), np.zeros((4, 2)))
    with pytest.raises(ShapeError, match="at least vectors"):
        sd.linalg.matmul(1.0, np.zeros(3))
    with pytest.raises(ShapeError, match="do not broadcast"):
        sd.linalg.matmul(np.zeros((2, 1, 3)), np.zeros((4, 3, 1)))


def test_mmul_flags():
    a, b = RNG.normal(size=(3, 2)), RNG.normal(size=(4, 3))
    got = SameDiff(dtype="float64").linalg.mmul(a, b, True, True, True, alpha=2.0).eval()
    np.testing.assert_allclose(got, 2 * (a.T @ b.T).T)


def test_cross_product_and_gradient():
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 1, 3))
    np.testing.assert_allclose(SameDiff(dtype="float64").linalg.cross(a, b).eval(), np.cross(a, b))
    check_gradients(lambda sd, x, y: sd.linalg.cross(x, y), a, b)
    with pytest.raises(ShapeError, match="three entries"):
        SameDiff().linalg.cross(np.zeros(2), np.zeros(3))


# ---------------------------------------------------------------------- parts


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (2, 3, 4)])
def test_parts_of_matrices(shape):
    x = RNG.normal(size=shape)
    linalg = SameDiff(dtype="float64").linalg
    np.testing.assert_array_equal(linalg.diag_part(x).eval(), np.diagonal(x, axis1=-2, axis2=-1))
    for k in (-1, 0, 1):
        np.testing.assert_array_equal(linalg.triu(x, k).eval(), np.triu(x, k))
        np.testing.assert_array_equal(linalg.tril(x, k).eval(), np.tril(x, k))
    np.testing.assert_array_equal(linalg.matrix_band_part(x, 1, 0).eval(), np.tril(np.triu(x, -1)))
    np.testing.assert_array_equal(linalg.matrix_band_part(x, -1, 0).eval(), np.tril(x))
    check_gradients(lambda sd, v: (sd.linalg.diag_part(v * v), sd.linalg.triu(v * v), sd.linalg.tril(v * v, 1)), x)
    check_gradients(lambda sd, v: sd.linalg.matrix_band_part(v * v, 0, 1), x)


def test_diag_keeps_infinity_off_the_other_entries():
    got = SameDiff(dtype="float64").linalg.diag([np.inf, 2.0]).eval()
    np.testing.assert_array_equal(got, [[np.inf, 0], [0, 2]])
    check_gradients(lambda sd, v: sd.linalg.diag(v * v), RNG.normal(size=(2, 3)))


def test_tri():
    sd = SameDiff()
    np.testing.assert_array_equal(sd.linalg.tri(2, 3, 1, "int32").eval(), np.tri(2, 3, 1, "int32"))
    with pytest.raises(ArgumentError, match="whole numbers"):
        sd.linalg.tri(-1)


# ---------------------------------------------------------------------- solving


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize(("batch", "rhs"), [((), (3,)), ((), (3, 2)), ((2,), (2, 3, 2)), ((2,), (3,)), ((2,), (3, 2))])
def test_solve(adjoint, batch, rhs):
    a, b = spread(3, batch), RNG.normal(size=rhs)
    got = SameDiff(dtype="float64").linalg.solve(a, b, adjoint).eval()
    np.testing.assert_allclose(got, np.linalg.solve(a.mT if adjoint else a, b), rtol=1e-12)
    check_gradients(lambda sd, x, y: sd.linalg.solve(x, y, adjoint), a, b)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(("batch", "rhs"), [((), (3,)), ((2,), (2, 3, 2)), ((2,), (3,))])
def test_triangular_solve_reads_one_triangle(adjoint, lower, batch, rhs):
    a, b = spread(3, batch), RNG.normal(size=rhs)
    t = np.tril(a) if lower else np.triu(a)
    got = SameDiff(dtype="float64").linalg.triangular_solve(a, b, lower, adjoint).eval()
    np.testing.assert_allclose(got, np.linalg.solve(t.mT if adjoint else t, b), rtol=1e-12)
    check_gradients(lambda sd, x, y: sd.linalg.triangular_solve(x, y, lower, adjoint), a, b)


@pytest.mark.parametrize("fast", [False, True])
def test_lstsq(fast):
    a, b = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(2, 5, 2))
    got = SameDiff(dtype="float64").linalg.lstsq(a, b, fast=fast).eval()
    for n in range(2):
        np.testing.assert_allclose(got[n], np.linalg.lstsq(a[n], b[n])[0], rtol=1e-10)
    check_gradients(lambda sd, x, y: sd.linalg.lstsq(x, y, fast=fast), a[0], b[0])


def test_lstsq_with_penalty():
    a, b = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))
    stacked = np.linalg.lstsq(np.vstack([a, np.sqrt(0.3) * np.eye(3)]), np.vstack([b, np.zeros((3, 2))]))[0]
    np.testing.assert_allclose(SameDiff(dtype="float64").linalg.lstsq(a, b, 0.3).eval(), stacked, rtol=1e-10)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_inverse_and_determinants(batch):
    a = positive(3, batch)
    linalg = SameDiff(dtype="float64").linalg
    np.testing.assert_allclose(linalg.matrix_inverse(a).eval() @ a, np.broadcast_to(np.eye(3), a.shape), atol=1e-13)
    np.testing.assert_allclose(linalg.matrix_determinant(a).eval(), np.linalg.det(a))
    np.testing.assert_allclose(linalg.logdet(a).eval(), np.log(np.linalg.det(a)))
    check_gradients(lambda sd, x: sd.linalg.matrix_inverse(x), a)
    check_gradients(lambda sd, x: sd.linalg.matrix_determinant(x), a)
    check_gradients(lambda sd, x: sd.linalg.logdet(x), a)


def test_logdet_of_large_and_of_other_determinants():
    linalg = SameDiff(dtype="float64").linalg
    np.testing.assert_allclose(linalg.logdet(1e200 * np.eye(3)).eval(), 600 * np.log(10), rtol=1e-14)
    assert np.isnan(linalg.logdet(np.diag([1.0, -1.0])).eval())
    assert linalg.logdet(np.zeros((2, 2))).eval() == -np.inf


# ---------------------------------------------------------------------- decompositions


@pytest.mark.parametrize("batch", [(), (2,)])
def test_cholesky_takes_the_symmetric_part(batch):
    a = positive(3, batch)
    skew = RNG.normal(size=a.shape)
    got = SameDiff(dtype="float64").linalg.cholesky(a + skew - skew.mT).eval()
    np.testing.assert_allclose(got, np.linalg.cholesky(a), rtol=1e-10)
    check_gradients(lambda sd, x: sd.linalg.cholesky(x), a)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 4, 3)])
def test_qr(shape):
    a = RNG.normal(size=shape)
    q, r = SameDiff(dtype="float64").linalg.qr(a)
    np.testing.assert_allclose((q @ r).eval(), a, atol=1e-13)
    np.testing.assert_allclose(q.eval().mT @ q.eval(), np.broadcast_to(np.eye(3), (*shape[:-2], 3, 3)), atol=1e-13)
    check_gradients(lambda sd, x: sd.linalg.qr(x), a)


def test_qr_full_and_wide():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", RNG.normal(size=(4, 2)))
    q, r = sd.linalg.qr(x, full=True)
    assert (q.shape, r.shape) == ((4, 4), (4, 2))
    np.testing.assert_allclose((q @ r).eval(), x.value, atol=1e-13)
    with pytest.raises(GradientError, match="QR has a gradient"):
        sd.grad(q, x)
    wide = sd.linalg.qr(sd.var("w", RNG.normal(size=(2, 4))))
    assert [v.shape for v in wide] == [(2, 2), (2, 4)]


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 3, 4)])
def test_svd(shape):
    a = RNG.normal(size=shape)
    linalg = SameDiff(dtype="float64").linalg
    u, s, vh = linalg.svd(a)
    np.testing.assert_allclose(u.eval() * s.eval()[..., None, :] @ vh.eval(), a, atol=1e-13)
    np.testing.assert_allclose(linalg.svd(a, compute_uv=False).eval(), s.eval(), rtol=1e-13)
    full = linalg.svd(a, full_uv=True)
    assert full[0].shape[-2:] == (shape[-2],) * 2
    assert full[2].eval().shape[-2:] == (shape[-1],) * 2
    check_gradients(lambda sd, x: sd.linalg.svd(x), a, rtol=1e-5)
    check_gradients(lambda sd, x: sd.linalg.svd(x, compute_uv=False), a, rtol=1e-5)


def test_gradient_of_equal_singular_values():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", np.eye(3))
    np.testing.assert_allclose(sd.grad(sd.sum(sd.linalg.svd(x)[1]), x).eval(), np.eye(3))
    np.testing.assert_allclose(sd.grad(sd.sum(sd.linalg.svd(x, compute_uv=False)), x).eval(), np.eye(3))


@pytest.mark.parametrize("batch", [(), (3,)])
def test_lu(batch):
    a = RNG.normal(size=(*batch, 4, 4))
    factors, order = (v.eval() for v in SameDiff(dtype="float64").linalg.lu(a))
    lower, upper = np.tril(factors, -1) + np.eye(4), np.triu(factors)
    np.testing.assert_allclose(lower @ upper, np.take_along_axis(a, order[..., None], axis=-2), atol=1e-13)
    assert np.abs(lower).max() <= 1


def test_lu_of_a_singular_matrix_is_finite():
    factors, _ = SameDiff(dtype="float64").linalg.lu(np.zeros((2, 2)))
    np.testing.assert_array_equal(factors.eval(), np.zeros((2, 2)))


def test_eig_is_always_complex():
    for a in (np.diag([2.0, 3.0]), np.array([[0.0, -1.0], [1.0, 0.0]])):
        values, vectors = SameDiff(dtype="float64").linalg.eig(a)
        assert values.dtype == vectors.dtype == "complex128"
        v, w = values.eval(), vectors.eval()
        assert v.dtype == "complex128"
        np.testing.assert_allclose(a @ w, v * w, atol=1e-14)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", ["cholesky", "lu", "matrix_inverse", "matrix_determinant", "logdet", "eig"])
def test_square_matrices_only(name):
    linalg = SameDiff().linalg
    with pytest.raises(ShapeError, match=rf"(?s)sd\.linalg\.{name}: A square matrix.*\(2, 3\)"):
        getattr(linalg, name)(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="A matrix is needed"):
        getattr(linalg, name)(np.zeros(3))
    with pytest.raises(DTypeError, match="float32 and float64"):
        getattr(linalg, name)(np.zeros((2, 2), "float16"))


def test_right_hand_side_must_fit():
    with pytest.raises(ShapeError, match="number of rows"):
        SameDiff().linalg.solve(np.eye(3), np.zeros((2, 1)))


def test_singular_and_indefinite_matrices_name_the_node():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", np.zeros((2, 2)))
    for y in (sd.linalg.matrix_inverse(x, name="inv"), sd.linalg.cholesky(-1 * x, name="chol")):
        with pytest.raises(ExecutionError, match=y.name):
            y.eval()


# ---------------------------------------------------------------------- operands that were broadcast over batches


BATCHES = [((5, 4, 3), (3, 2)), ((4, 3), (5, 3, 2)), ((2, 5, 4, 3), (3, 2)), ((2, 1, 4, 3), (5, 3, 2)),
           ((2, 5, 4, 3), (1, 5, 3, 2)), ((5, 4, 3), (3,)), ((3,), (5, 3, 2)), ((1, 4, 3), (2, 3, 5))]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), BATCHES)
@pytest.mark.parametrize("known", [True, False])
def test_a_gradient_summed_over_batches_is_one_product(a, b, known):
    """No product per batch is kept: the largest array is not larger than an operand or the result."""
    sd = SameDiff("float64")
    xs = {"a": np.sin(np.arange(math.prod(a))).reshape(a), "b": np.cos(np.arange(math.prod(b))).reshape(b)}
    va, vb = (sd.placeholder(k, tuple(n if n == 1 or known else None for n in x.shape)) for k, x in xs.items())
    y = va @ vb
    slopes = sd.grad(sd.sum(sd.math.sin(y)), [va, vb])
    check_grads(sd.sum(sd.math.sin(y)), xs, order=2)
    f = sd.compile(list(slopes), engine="numpy")
    got = f(xs)
    g = np.cos(xs["a"] @ xs["b"])
    if len(a) > 1 and len(b) > 1:
        full = g[..., None, :] * xs["b"][..., None, :, :]  # [..., n, k, m]
        want = full.sum(-1)
        want = want.sum(tuple(range(want.ndim - len(a))))
        ones = tuple(k for k, n in enumerate(a) if n == 1)
        np.testing.assert_allclose(got[slopes[0].name], want.sum(ones, keepdims=True), rtol=1e-12, atol=1e-12)
    products = [s for s in f.plan.steps if s.op.name == "matmul"]
    assert len(products) <= 3
    assert all(s.aval.size <= max(x.size for x in (*xs.values(), g)) for s in f.plan.steps)


@pytest.mark.parametrize("solve", ["solve", "triangular_solve"])
def test_a_matrix_for_many_right_hand_sides(solve):
    sd = SameDiff("float64")
    matrix, rhs = sd.placeholder("a", (3, 3)), sd.placeholder("b", (None, 3, 2))
    y = sd.sum(sd.math.square(getattr(sd.linalg, solve)(matrix, rhs)))
    xs = {"a": np.diag([1.0, 2.0, 3.0]) + 0.1, "b": np.sin(np.arange(24.0)).reshape(4, 3, 2)}
    check_grads(y, xs, order=2)
    f = sd.compile(list(sd.grad(y, [matrix, rhs])), engine="numpy")
    f(xs)
    assert max(s.aval.size for s in f.plan.steps) <= 24


# ---------------------------------------------------------------------- derivatives of determinants


def derivatives_of_determinant(x, g):
    """The gradient of the determinant, and that of its sum with ``g``."""
    sd = SameDiff(dtype=x.dtype)
    v = sd.var("v", x)
    first = sd.grad(sd.linalg.matrix_determinant(v), v)
    return first.eval(), sd.grad(sd.sum(first * g), v).eval()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_determinant_of_every_rank(n):
    """Cofactors are polynomials: they and their differences exist for every matrix."""
    rng = np.random.default_rng(n)
    for rank in range(n + 1):
        x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))
        g = rng.normal(size=(n, n))
        first, second = derivatives_of_determinant(x, g)
        np.testing.assert_allclose(first, REFERENCES["linalg.cofactors"](x), atol=1e-12)
        np.testing.assert_allclose(second, REFERENCES["linalg.cofactors_gradient"](g, x), atol=1e-12)


def test_determinants_of_a_batch_that_is_singular_in_part():
    x = np.stack([np.diag([1.0, 2.0, 0.0]), np.eye(3), np.zeros((3, 3)), np.full((3, 3), np.nan)])
    first, second = derivatives_of_determinant(x, np.eye(3))
    np.testing.assert_allclose(first[0], np.diag([0.0, 0.0, 2.0]), atol=1e-15)
    np.testing.assert_allclose(first[1], np.eye(3), atol=1e-15)
    assert not first[2].any()
    assert np.isnan(first[3]).all()
    np.testing.assert_allclose(second[0], np.diag([2.0, 1.0, 3.0]), atol=1e-14)
    np.testing.assert_allclose(second[1], 2 * np.eye(3), atol=1e-14)
    assert not second[2].any()


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_cofactors_where_the_determinant_does_not_fit(scale):
    first, _ = derivatives_of_determinant(np.diag([scale, scale]), np.eye(2))
    np.testing.assert_allclose(first, np.diag([scale, scale]), rtol=1e-14)


def test_third_derivatives_of_a_determinant():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (3, 3))
    feeds = {"x": RNG.normal(size=(3, 3)) + 2 * np.eye(3)}
    assert check_grads(sd.linalg.matrix_determinant(x), feeds, order=3) < 1e-6


# ---------------------------------------------------------------------- wide systems


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_least_squares_of_a_wide_matrix_has_the_least_norm(fast, known):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    sd = SameDiff(dtype="float64")
    shapes = (a.shape, b.shape) if known else ((None, None), (None, None))
    m, r = (sd.placeholder(k, s) for k, s in zip("mr", shapes, strict=True))
    x = sd.linalg.lstsq(m, r, fast=fast)
    assert x.shape == ((4, 3) if known else (None, None))
    np.testing.assert_allclose(x.eval({"m": a, "r": b}), np.linalg.pinv(a) @ b, rtol=1e-12)
    check_gradients(lambda sd, a, b: sd.linalg.lstsq(a, b, fast=fast), a, b)
    with pytest.raises(ShapeError, match="number of rows"):
        sd.linalg.lstsq(a, b[:1], fast=fast)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_singular_values_of_what_is_not_finite(bad):
    """NaN at once: LAPACK never came back from this matrix."""
    rows = [[0.7, -1.3, 0.4], [1e300, 0.5, -1.7], [bad, 1.2, 0.3], [-0.01, 0.4, 0.7]]
    x = np.stack([np.array(rows), np.eye(4, 3)])
    sd = SameDiff(dtype="float64")
    for parts in (sd.linalg.svd(x), sd.linalg.svd(x, full_uv=True), (sd.linalg.svd(x, compute_uv=False),)):
        for part in parts:
            assert np.isnan(part.eval()[0]).all()
            assert np.isfinite(part.eval()[1]).all()
