"""What a selection does not take contributes exactly 0 to gradients, through every op and in every order.

Expected values are formulas written out, or the gradient of what is taken alone.
"""

import gc

import numpy as np
import pytest

from sdgraph import LossReduce, Operand, SameDiff, SDVariable, errors
from sdgraph.build.decorators import composite
from sdgraph.build.op import NOT_DIFFERENTIABLE, ZERO_GRADIENT, Op
from tests.ops.test_every_op import OPS, apply, differentiable

ENGINES = ["numpy", "llvm"]


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


def values(sd, variables, engine, feeds=None):
    variables = variables if isinstance(variables, list) else [variables]
    found = sd.compile(variables, engine=engine)(feeds or {})
    return [found[v.name] for v in variables]


def check(sd, variable, expected, engine):
    (found,) = values(sd, variable, engine)
    np.testing.assert_allclose(found, expected, rtol=1e-12 if found.dtype == np.float64 else 1e-5)
    # 0 is exact.
    np.testing.assert_array_equal(np.broadcast_to(expected, found.shape) == 0, found == 0)


# ---------------------------------------------------------------------- what it says


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_branches_that_are_not_taken(engine, dtype):
    sd = SameDiff(dtype)
    a = sd.var("a", 1000.0)
    check(sd, sd.grad(sd.where(a <= 0, sd.math.exp(a), 1 + a), a), 1.0, engine)
    v = sd.var("v", [0.0, 2.0, 3.0])
    check(sd, sd.grad(sd.where(v > 2, sd.math.log(v), 2 * v), v), [2.0, 2.0, 1 / 3], engine)
    t, e = sd.constant("t", np.zeros((), dtype)), sd.var("e", 1.0)
    check(sd, sd.grad(sd.where(e >= t, e, t * (e / t)), e), 1.0, engine)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_value_that_is_not_a_number(engine, dtype):
    sd = SameDiff(dtype)
    x = sd.var("x", np.array([np.nan, 2, np.inf, -1, 0], dtype))
    y = sd.where(sd.math.is_finite(x), sd.math.sin(x) * x, 0)
    finite = np.array([2.0, -1, 0])
    want = np.zeros(5)
    want[[1, 3, 4]] = np.sin(finite) + finite * np.cos(finite)
    (found,) = values(sd, sd.grad(y, x), engine)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, want, rtol=5e-3 if dtype == "float16" else 1e-6)
    assert found[0] == found[2] == 0


def test_missing_labels(engine):
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0, 3.0])
    y = sd.constant("y", np.array([1.5, np.nan, 2.0], np.float32))
    keep = sd.math.not_(sd.math.is_nan(y))
    loss = sd.sum(sd.where(keep, sd.math.square(x - y), 0.0))
    check(sd, sd.grad(loss, x), [-1, 0, 2], engine)
    weighted = sd.loss.mean_squared_error(y, x, sd.cast(keep, "float32"), loss_reduce=LossReduce.SUM)
    check(sd, sd.grad(weighted, x), [-1, 0, 2], engine)


@pytest.mark.parametrize("make", [lambda sd, x: sd.math.log(x), lambda sd, x: 1 / x, lambda sd, x: x**-1.5])
def test_orders(engine, make):
    sd = SameDiff("float64")
    x = sd.var("x", [0.0, 2.0])
    y = sd.where(x > 0, make(sd, x), x**3)
    twin = SameDiff("float64")
    z = twin.var("z", [2.0])
    w = make(twin, z)
    for order, at_zero in enumerate([0, 0, 6, 0]):
        y, w = sd.grad(y, x), twin.grad(w, z)
        (found,), (want,) = values(sd, y, engine), values(twin, w, engine)
        np.testing.assert_allclose(found, [at_zero, want[0]], rtol=1e-12, err_msg=f"order {order + 1}")


def test_hessian_and_its_products(engine):
    sd = SameDiff("float64")
    x = sd.var("x", [0.0, 2.0, 3.0])
    y = sd.sum(sd.where(x > 0, sd.math.log(x) * sd.sum(sd.where(x > 2, 1 / x, 0.0)), 0.0))
    # log(2) / 3 + log(3) / 3: the first entry is nowhere.
    ln = np.log(6.0)
    want = np.zeros((3, 3))
    want[1, 1] = -1 / 4 / 3
    want[1, 2] = want[2, 1] = -1 / 2 / 9
    want[2, 2] = -1 / 9 / 3 - 2 / 3 / 9 + 2 * ln / 27
    check(sd, sd.hessian(y, x), want, engine)
    direction = np.array([5.0, 1.0, -2.0])
    check(sd, sd.hvp(y, x, direction), want @ direction, engine)


def test_jacobian(engine):
    sd = SameDiff("float64")
    x = sd.var("x", [0.0, 2.0])
    y = sd.where(x > 0, sd.math.sqrt(x) / x, x)
    check(sd, sd.jacobian(y, x), [[1, 0], [0, -0.5 * 2**-1.5]], engine)


def test_nan_that_is_taken_stays(engine):
    sd = SameDiff("float64")
    x = sd.var("x", [0.0, 0.0, 1.0])
    y = sd.where([True, False, True], sd.math.log(x) * 0.0, x)
    for order in range(1, 4):
        y = sd.grad(y, x)
        (found,) = values(sd, y, engine)
        assert np.isnan(found[0]), order
        assert found[1] == (order == 1), order
    # One and the same variable, taken by one and not by the other.
    z = sd.grad(sd.where([True, True, True], 0.0 * sd.math.log(x), 0.0) + sd.where([False] * 3, sd.math.log(x), 0.0), x)
    assert np.isnan(values(sd, z, engine)[0][:2]).all()


def test_where_in_where(engine):
    sd = SameDiff("float64")
    x = sd.var("x", [-1.0, 0.0, 2.0, np.inf])
    inner = sd.where(x < 5, sd.math.log(x), 1 / (x - np.inf))
    y = sd.where(x > 0, sd.where(x < 5, inner, x), x * x)
    check(sd, sd.grad(y, x), [-2.0, 0.0, 0.5, 1.0], engine)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3,), (2, 1), (2, 3), (4, 2, 3), (0, 3)])
def test_conditions_broadcast(engine, shape):
    rng = np.random.default_rng(0)
    c = rng.random(shape) < 0.5
    full = np.broadcast_shapes(shape, (2, 3)) if c.size else shape
    x0 = rng.random((2, 3)) + 0.5
    if c.size == 0:
        x0, full = x0[:1], (0, 3)
    at = np.broadcast_to(c, full).reshape(-1, *x0.shape).any(axis=0) if c.size else np.zeros(x0.shape, bool)
    x0[~at] = 0.0
    sd = SameDiff("float64")
    x = sd.var("x", x0)
    y = sd.where(sd.constant("c", c), sd.math.log(x), 7.0)
    times = np.broadcast_to(c, full).reshape(-1, *x0.shape).sum(axis=0) if c.size else np.zeros(x0.shape)
    check(sd, sd.grad(y, x), np.where(at, times / np.where(at, x0, 1), 0), engine)


def test_unknown_sizes(engine):
    sd = SameDiff("float64")
    x, c = sd.placeholder("x", (None, 2)), sd.placeholder("c", (None, 1), "bool")
    w = sd.var("w", [[1.0, 2.0], [3.0, 4.0]])
    g = sd.grad(sd.where(c, sd.math.log(x @ w), 0.0), [x, w])
    feeds = {"x": np.array([[1.0, 1.0], [np.nan, 0.0], [0.0, 0.0]]), "c": np.array([[True], [False], [False]])}
    dx, dw = values(sd, g, engine, feeds)
    inverse = 1 / np.array([4.0, 6.0])
    np.testing.assert_allclose(dx, [np.array([[1, 2], [3, 4]]) @ inverse, [0, 0], [0, 0]], rtol=1e-14)
    np.testing.assert_allclose(dw, [inverse, inverse], rtol=1e-14)


# ---------------------------------------------------------------------- products


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_products_of_rows_partly_taken(engine, bad):
    """An entry meets both a result that counts and one that does not."""
    rng = np.random.default_rng(0)
    a0, b0 = rng.random((2, 3)), rng.random((3, 4))
    c = np.array([[True, True, False, True], [False, True, False, True]])
    b0[:, 2] = bad
    sd = SameDiff("float64")
    a, b = sd.var("a", a0), sd.var("b", b0)
    y = sd.where(c, a @ b, 0.0)
    da, db = values(sd, sd.grad(y, [a, b]), engine)
    np.testing.assert_allclose(da, c.astype(float) @ np.where(np.isfinite(b0), b0, 0).T, rtol=1e-14)
    np.testing.assert_allclose(db, a0.T @ c, rtol=1e-14)
    # Now one that is taken by one row and not by the other: the row that takes it has it in its gradient.
    b0[:, 2], b0[:, 0] = 1.0, bad
    sd.set_value("b", b0) if hasattr(sd, "set_value") else None
    sd = SameDiff("float64")
    a, b = sd.var("a", a0), sd.var("b", b0)
    da, _ = values(sd, sd.grad(sd.where(c, a @ b, 0.0), [a, b]), engine)
    np.testing.assert_array_equal(da[0], np.full(3, bad))
    np.testing.assert_allclose(da[1], b0[:, 1] + b0[:, 3], rtol=1e-14)


def test_second_derivatives_of_products_partly_taken(engine):
    rng = np.random.default_rng(1)
    a0, b0 = rng.random((2, 3)), rng.random((3, 2))
    c = np.array([[True, False], [True, True]])
    a0[0, 1] = 0.0

    def graph(hidden):
        sd = SameDiff("float64")
        a, b = sd.var("a", a0), sd.var("b", hidden)
        inverse = sd.where([[True, False, True], [True, True, True]], 1 / a, 0.0)
        y = sd.sum(sd.where(c, sd.math.square(inverse @ b), 0.0))
        g = sd.grad(y, a)
        return sd, [g, *sd.grad(sd.sum(g * g), [a, b])]

    found = values(*graph(b0), engine)
    inverse = np.where(a0 == 0, 0, 1 / np.where(a0 == 0, 1, a0))
    want = -2 * (np.where(c, inverse @ b0, 0) @ b0.T) * inverse**2
    np.testing.assert_allclose(found[0], want, rtol=1e-12)
    assert all(np.isfinite(v).all() for v in found)
    step = 1e-6
    for k in np.ndindex(b0.shape):
        up, down = b0.copy(), b0.copy()
        up[k] += step
        down[k] -= step
        (high,), (low,) = ([np.sum((-2 * (np.where(c, inverse @ b, 0) @ b.T) * inverse**2) ** 2)] for b in (up, down))
        np.testing.assert_allclose(found[2][k], (high - low) / (2 * step), rtol=1e-5)


def test_matmul_where_leaves_out_pairs():
    sd = SameDiff("float64")
    a = np.array([[np.nan, 2.0, np.inf], [1.0, np.inf, 0.0]])
    b = np.array([[1.0, np.nan], [0.0, 1.0], [5.0, 7.0]])
    in_a = np.array([[False, True, True], [True, True, False]])
    in_b = np.array([[True, False], [False, True], [True, True]])
    want = np.array([[np.inf, np.inf], [1.0, np.inf]])
    np.testing.assert_array_equal(sd.linalg.matmul_where(a, b, in_a, in_b).eval(), want)


# ---------------------------------------------------------------------- composites


@composite
def _guarded(sd: SameDiff, x: Operand) -> SDVariable:
    """A composite whose own selection must reach those who call it."""
    return sd.where(x > -1e30, x * x, 0.0)


@composite
def _plain(sd: SameDiff, x: Operand) -> SDVariable:
    return sd.math.exp(x) * x


def test_composites_pass_masks_on(engine):
    sd = SameDiff("float64")
    x = sd.var("x", [0.0, 2.0])
    check(sd, sd.grad(_guarded(sd, sd.math.log(x)), x), [0.0, np.log(2.0)], engine)
    y = sd.where(x > 0, _plain(sd, sd.math.log(x)), 0.0)
    check(sd, sd.grad(y, x), [0.0, np.log(2.0) + 1], engine)
    check(sd, sd.grad(sd.grad(y, x), x), [0.0, 0.5], engine)
    for inner in (_guarded, _plain):
        z = sd.where(sd.expand_dims(x, 1) > 0, inner(sd, sd.expand_dims(sd.math.log(x), 1)), 0.0)
        assert values(sd, sd.grad(z, x), engine)[0][0] == 0


@pytest.mark.parametrize("name", ["absolute_difference", "huber_loss", "mean_squared_error", "log_poisson"])
def test_losses_of_a_batch_of_which_a_part_counts(engine, name):
    sd = SameDiff("float64")
    x, w = np.array([[1.0, 2.0], [np.nan, np.inf], [0.5, 0.25]]), sd.var("w", [0.3, 0.4])
    y = np.array([1.0, np.nan, 2.0])
    ok = np.array([True, False, True])

    def gradient(x, y, ok=None):
        each = getattr(sd.loss, name)(y, sd.constant(x) @ w, loss_reduce=LossReduce.NONE)
        return sd.grad(each if ok is None else sd.where(ok, each, 0.0), w)

    found, want = values(sd, [gradient(x, y, ok), gradient(x[ok], y[ok])], engine)
    np.testing.assert_allclose(found, want, rtol=1e-12)


def test_layers_of_rows_of_which_a_part_counts(engine):
    rng = np.random.default_rng(3)
    x0 = rng.normal(size=(4, 3))
    ok = np.array([True, False, True, False])
    x0[1], x0[3, 0] = np.nan, np.inf

    def gradients(x0, ok=None):
        sd = SameDiff("float64")
        x, w = sd.var("x", x0), sd.var("w", np.array([[1.0, -1, 2], [0, 1, 1], [2, 0, 1]]))
        gain = sd.var("gain", [1.0, 2.0, 0.5])
        h = sd.nn.softmax(sd.nn.layer_norm(sd.nn.gelu(x @ w), gain))
        each = sd.math.log_sum_exp(h * h, axis=1)
        return values(sd, sd.grad(each if ok is None else sd.where(ok, each, 0.0), [x, w, gain]), engine)

    found, want = gradients(x0, ok), gradients(x0[ok])
    np.testing.assert_allclose(found[0][ok], want[0], rtol=1e-12)
    assert not found[0][~ok].any()
    for a, b in zip(found[1:], want[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


# ---------------------------------------------------------------------- every op

BAD = [np.nan, np.inf, -np.inf, 0.0, 1e300]
MIXED = {
    "linalg.qr": "columns of a square factor do not depend on the last column of the matrix",
    "linalg.cholesky": "the gradient is symmetric, although only the lower triangle is read",
    "linalg.matrix_determinant": "LAPACK stops at a pivot of 0 and does not see what comes after it",
    "keras.circle": "a row without a positive one is 0 whatever the others are",
}
"""Ops whose results depend on less than their reach says, and why."""


def test_every_op_says_what_a_selection_reaches():
    # By type: others answer to `isinstance` with warnings.
    ops = [o for o in gc.get_objects() if issubclass(type(o), Op)]
    own = [o for o in ops if o.owner is None or o.is_ours]
    rules = [o for o in own if o.vjp is not None and o.vjp not in (NOT_DIFFERENTIABLE, ZERO_GRADIENT)]
    assert len(rules) > 100
    assert [o.qualname for o in rules if o.reach is None and "tests" not in getattr(o.vjp, "__module__", "")] == []


def base_values(sd, outs, feeds):
    found = sd.output(feeds, outs)
    return [found[o.name] for o in outs]


def unread(sd, outs, feeds, base, conditions, names, bad):
    """Feeds with ``bad`` in all entries that no result that is taken depends on, and where those are."""
    changed = {k: feeds[k].copy() for k in names}
    where = {k: np.zeros(feeds[k].shape, bool) for k in names}

    def leaves(k, at, value):
        x = feeds[k].copy()
        x[at] = value
        new = base_values(sd, outs, {**feeds, k: x})
        return all(np.array_equal(a[c], b[c]) for a, b, c in zip(new, base, conditions, strict=True))

    for k in names:
        for at in np.ndindex(feeds[k].shape):
            if leaves(k, at, np.nan) and leaves(k, at, bad):
                where[k][at], changed[k][at] = True, bad
    return {**feeds, **changed}, where


@pytest.mark.parametrize("name", [n for n in OPS if differentiable(n)])
def test_what_is_not_taken(name):
    """The gradient is the same whatever stands where nothing that is taken comes from, and 0 there."""
    if name in MIXED:
        pytest.skip(MIXED[name])
    rng = np.random.default_rng(len(name))
    small = [s for s in differentiable(name) if 1 < sum(np.size(x) for x in s.operands if hasattr(x, "shape")) <= 16]
    for sample in small[:: max(1, len(small) // 2)][:2]:
        sd = SameDiff("float64")
        outs, feeds = apply(sd, sample)
        outs = [o for o in outs if o.dtype.kind == "f"]
        names = [k for k, x in feeds.items() if x.dtype.kind == "f"]
        if any((feeds[k] == 0).any() for k in names):
            continue  # A weight of 0 hides a loss from the value, and not from the gradient of the weight.
        base = base_values(sd, outs, feeds)
        for rows in (False, True):
            conditions = [rng.random(b.shape[:1] + (1,) * (b.ndim - 1) if rows else b.shape) < 0.5 for b in base]
            conditions = [np.broadcast_to(c, b.shape) for c, b in zip(conditions, base, strict=True)]
            taken = [sd.where(c, o, 0.0) for c, o in zip(conditions, outs, strict=True)]
            try:
                gs = sd.grad(taken, names)
            except errors.GradientError:
                continue
            want = base_values(sd, gs, feeds)
            # LAPACK does not return from infinite matrices.
            for bad in BAD[:1] if name == "linalg.svd" else BAD:
                try:
                    changed, where = unread(sd, outs, feeds, base, conditions, names, bad)
                    new = base_values(sd, outs, changed)
                except errors.SDGraphError:
                    continue  # A value that the op refuses.
                if not all(np.array_equal(a[c], b[c]) for a, b, c in zip(new, base, conditions, strict=True)):
                    continue  # Only together do they change what is taken.
                for k, a, b in zip(names, base_values(sd, gs, changed), want, strict=True):
                    assert not a[where[k]].any(), (str(sample), bad, k)
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13, err_msg=f"{sample} {bad} {k}")


# ---------------------------------------------------------------------- what it costs


def test_gradients_without_selections_have_no_masks():
    sd = SameDiff()
    x, w = sd.placeholder("x", (None, 3)), sd.var("w", shape=(3, 2))
    y = sd.loss.mean_squared_error(sd.placeholder("y", (None, 2)), sd.nn.tanh(x @ w), sd.placeholder("k", (None, 1)))
    start = len(sd.nodes)
    sd.grad(y, w)
    assert not [
        n for n in sd.nodes[start:] if n.op.qualname in ("where", "linalg.matmul_where") or n.aval.dtype == bool
    ]


def test_two_branches_of_one_value_are_everything():
    """No selection is needed below the place where the branches meet."""
    sd = SameDiff()
    x, w = sd.placeholder("x", (None, 3)), sd.var("w", shape=(3, 2))
    h = sd.math.exp(x @ w)
    y = sd.where(h > 1, sd.math.log(h), h)
    start = len(sd.nodes)
    sd.grad(y, w)
    added = [n.op.qualname for n in sd.nodes[start:]]
    assert added.count("where") <= 4
    assert "linalg.matmul_where" not in added


@pytest.mark.parametrize("make", [lambda sd, x: sd.math.tanh(x), lambda sd, x: sd.where(x > 0, sd.math.log(x), x)])
def test_growth(make):
    """Each op more costs the gradient the same number of nodes."""

    def size(n):
        sd = SameDiff()
        x = y = sd.var("x", [1.0, 2.0])
        for _ in range(n):
            y = make(sd, y)
        y = sd.where(x > 0, y, 0.0)
        start = len(sd.nodes)
        sd.grad(y, x)
        return len(sd.nodes) - start

    assert size(40) - size(30) <= 1.1 * (size(20) - size(10)) + 1
    assert size(40) < 40 * 12


def test_selections_fuse():
    pytest.importorskip("llvmlite")
    from sdgraph.run.engines.llvm.divide.partition import divide
    from sdgraph.run.engines.llvm.divide.segments import Segment

    sd = SameDiff("float64")
    x = sd.placeholder("x", (8, 16))
    y = sd.where(x > 0, sd.math.log(x) * sd.math.sqrt(x), sd.math.exp(x))
    g = sd.grad(sd.sum(sd.where(x < 2, y, x)), x)
    f = sd.compile([g], engine="llvm")
    f(x=np.linspace(-1, 3, 128).reshape(8, 16))
    assert all(type(part) is Segment for part in divide(f.plan).parts)
