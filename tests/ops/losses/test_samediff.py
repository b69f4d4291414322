"""Losses: extreme inputs against fifty digits, weights, reductions, shapes, and laws they obey."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from sdgraph import LossReduce, SameDiff, errors, nd
from sdgraph.ops.losses.reduction import reduce_loss
from sdgraph.testing import check_grads
from tests.golden.cases import factor, reduced, run, weights_gradient

INF, NAN = math.inf, math.nan
REDUCTIONS = list(LossReduce)
ELEMENTWISE = [
    "absolute_difference",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "log_poisson",
    "mean_squared_error",
    "sigmoid_cross_entropy",
]

# ---------------------------------------------------------------------- formulas with fifty digits


def softplus(x):
    return max(x, 0) + mpmath.log1p(mpmath.exp(-abs(x)))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x)) if x > -1e5 else mpmath.exp(x)


def times_log(a, b):
    return mpf(0) if a == 0 else -mpf(a) * mpf(INF) if b == 0 else a * mpmath.log(b)


def over(a, b):
    return mpf(0) if a == 0 else a * mpf(INF) if b == 0 else a / b


def stirling(y):
    return y * mpmath.log(y) - y + mpmath.log(2 * mpmath.pi * y) / 2


# For each loss: its unit for label y and prediction p, and the unit's derivative by p.
UNITS = {
    "absolute_difference": (lambda y, p: abs(p - y), lambda y, p: mpmath.sign(p - y)),
    "mean_squared_error": (lambda y, p: (p - y) ** 2, lambda y, p: 2 * (p - y)),
    "hinge_loss": (
        lambda y, p: max(0, 1 - (2 * y - 1) * p),
        lambda y, p: -(2 * y - 1) if 1 - (2 * y - 1) * p > 0 else mpf(0),
    ),
    "huber_loss": (
        lambda y, p: (p - y) ** 2 / 2 if abs(p - y) <= 1 else abs(p - y) - mpf(1) / 2,
        lambda y, p: p - y if abs(p - y) <= 1 else mpmath.sign(p - y),
    ),
    "log_loss": (
        lambda y, p: -times_log(y, p) - (times_log(1 - y, 0) if p == 1 else (1 - y) * mpmath.log1p(-p)),
        lambda y, p: -over(y, p) + over(1 - y, 1 - p),
    ),
    "log_poisson": (lambda y, p: mpmath.exp(p) - y * p, lambda y, p: mpmath.exp(p) - y),
    "sigmoid_cross_entropy": (
        lambda y, p: (1 - y) * softplus(p) + y * softplus(-p),
        lambda y, p: (1 - y) * sigmoid(p) - y * sigmoid(-p),
    ),
}
LOGITS = [0.0, 1e-300, -1e-9, 0.7, -3.0, 36.9, -40.0, 709.0, -745.0, 1e4, -1e4]
PREDICTIONS = {
    "log_loss": [0.0, 1e-300, 1e-17, 0.2, 0.5, 0.7, 1 - 1e-16, 1.0],
    "log_poisson": [0.0, -700.0, 700.0, 3.0, -1e4, -2.5],
}
LABELS = {"log_poisson": [0.0, 1.0, 2.5, 1e6, 0.3], "log_loss": [0.0, 1.0, 0.25], "hinge_loss": [0.0, 1.0]}


def number(x):
    """An mpmath number rounded once to float64."""
    if mpmath.isnan(x) or mpmath.isinf(x):
        return float(x)
    try:
        return float(x)
    except OverflowError:
        return INF if x > 0 else -INF


def expected(op, y, p, w, mode):
    """The loss and its gradients by predictions and weights, computed with fifty digits."""
    value_of, slope_of = UNITS[op]
    wide = [mpf(float(v)) for v in np.broadcast_to(1.0 if w is None else w, p.shape).reshape(-1)]
    ys, ps = ([mpf(float(v)) for v in a.reshape(-1)] for a in (y, p))
    units = [value_of(a, b) for a, b in zip(ys, ps, strict=True)]
    slopes = [slope_of(a, b) for a, b in zip(ys, ps, strict=True)]
    weighted = [mpf(0) if v == 0 else v * e for v, e in zip(wide, units, strict=True)]
    if mode in (LossReduce.NONE, LossReduce.SUM):
        over_all = mpf(1)
    else:
        count = sum(wide) if mode is LossReduce.MEAN_BY_WEIGHT else sum(v != 0 for v in wide)
        over_all = 1 / mpf(count) if count else mpf(0)
    grads = [mpf(0) if v == 0 else v * over_all * d for v, d in zip(wide, slopes, strict=True)]
    value = weighted if mode is LossReduce.NONE else [sum(weighted, mpf(0)) * over_all]
    shape = p.shape if mode is LossReduce.NONE else ()
    return (
        np.array([number(v) for v in value]).reshape(shape),
        np.array([number(v) for v in grads]).reshape(p.shape),
        np.array([number(e * over_all) for e in units]).reshape(p.shape),
    )


def assert_close(got, want, rtol=3e-14, atol=0.0):
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    error = np.abs(got[finite] - want[finite])
    # Subnormal results have fewer digits.
    assert np.all(error <= rtol * np.abs(want[finite]) + atol + 1e-320), (got, want)


@pytest.mark.parametrize("mode", REDUCTIONS, ids=lambda m: m.name)
@pytest.mark.parametrize("op", ELEMENTWISE)
def test_extreme_inputs(op, mode):
    """Values and gradients keep their digits wherever the inputs lie."""
    rng = np.random.default_rng(5)
    for trial in range(12):
        p = rng.choice(PREDICTIONS.get(op, LOGITS), (2, 4))
        y = rng.choice(LABELS.get(op, [0.0, 1.0, 0.25, 1e-12, 1 - 1e-12]), (2, 4))
        w = [None, np.array(0.3), rng.choice([0.0, 0.5, 1e-300, 4.0], (2, 1)), rng.choice([0.0, 1.0, 2.0], (2, 4))][
            trial % 4
        ]
        with mpmath.workdps(50):
            value, slope, _ = expected(op, y, p, w, mode)
        got, grads = run(op, {"y": y, "p": p, "w": w}, wrt=["p"], loss_reduce=mode)
        assert_close(got, value)
        assert_close(grads["p"], slope)


@pytest.mark.parametrize("op", ELEMENTWISE)
@pytest.mark.parametrize("mode", REDUCTIONS, ids=lambda m: m.name)
def test_weight_zero_removes_a_unit_whatever_it_is(op, mode):
    """NaN and infinite units of weight 0 count nothing, in the value and in all gradients of the others."""
    y, p = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.3, 0.6, 0.2, 0.7])
    w = np.array([1.0, 0.0, 2.0, 0.0])
    want, clean = run(op, {"y": y, "p": p, "w": w}, wrt=["y", "p"], loss_reduce=mode)
    for bad_y, bad_p in [
        (NAN, 0.5),
        (1.0, NAN),
        (1.0, INF),
        (0.0, -INF),
        (INF, 0.5),
        (1.0, 0.0),
        (0.0, 1.0),
        (1.0, 1e308),
    ]:
        y[1], p[1], y[3], p[3] = bad_y, bad_p, bad_y, bad_p
        got, grads = run(op, {"y": y, "p": p, "w": w}, wrt=["y", "p"], loss_reduce=mode)
        np.testing.assert_array_equal(got, want)
        for k in ("y", "p"):
            np.testing.assert_array_equal(grads[k], np.where(w == 0, 0.0, clean[k]))


def test_weight_zero_removes_a_row_of_a_softmax():
    y, x = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[NAN, 1.0], [0.5, -0.5]])
    for bad in (NAN, INF, -INF):
        x[0, 0] = bad
        for smoothing in (0.0, 0.2):
            value, grads = run(
                "softmax_cross_entropy",
                {"y": y, "x": x, "w": np.array([0.0, 3.0])},
                wrt=["x", "y"],
                loss_reduce=LossReduce.MEAN_BY_WEIGHT,
                label_smoothing=smoothing,
            )
            alone, others = run(
                "softmax_cross_entropy", {"y": y[1:], "x": x[1:]}, wrt=["x", "y"], label_smoothing=smoothing
            )
            assert value == pytest.approx(alone, rel=1e-15)
            np.testing.assert_array_equal(grads["x"][0], 0)
            np.testing.assert_allclose(grads["x"][1:], others["x"], rtol=1e-14)
            np.testing.assert_array_equal(grads["y"][0], 0)


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_the_gradient_of_a_weight_is_its_unit_also_at_zero(op):
    y, p = np.array([0.0, 1.0, 1.0]), np.array([0.3, 0.6, 0.2])
    units, _ = run(op, {"y": y, "p": p}, wrt=["p"], loss_reduce=LossReduce.NONE)
    for mode in (LossReduce.NONE, LossReduce.SUM):
        _, grads = run(op, {"y": y, "p": p, "w": np.array([0.0, 2.0, 0.0])}, wrt=["w"], loss_reduce=mode)
        np.testing.assert_allclose(grads["w"], units, rtol=1e-14)
    w = np.array([0.0, 2.0, 1.0])
    _, grads = run(op, {"y": y, "p": p, "w": w}, wrt=["w"], loss_reduce=LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT)
    np.testing.assert_allclose(grads["w"], units / 2, rtol=1e-14)
    _, grads = run(op, {"y": y, "p": p, "w": w}, wrt=["w"], loss_reduce=LossReduce.MEAN_BY_WEIGHT)
    np.testing.assert_allclose(grads["w"], (units * w.sum() - (units * w).sum()) / w.sum() ** 2, rtol=1e-13)


def log_softmax(row):
    """The largest entry's own 1 stays out of the sum, or sixty digits would not be enough."""
    k = max(range(len(row)), key=row.__getitem__)
    rest = mpmath.log1p(sum(mpmath.exp(v - row[k]) for i, v in enumerate(row) if i != k))
    return [v - row[k] - rest for v in row]


@pytest.mark.parametrize("mode", REDUCTIONS, ids=lambda m: m.name)
def test_softmax_of_extreme_logits(mode):
    rng = np.random.default_rng(3)
    for _ in range(12):
        x = rng.choice(LOGITS, (3, 4))
        y = rng.choice([0.0, 1.0, 0.25], (3, 4))
        w = rng.choice([0.0, 0.5, 2.0], 3)
        count = {
            LossReduce.MEAN_BY_WEIGHT: w.sum(),
            LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT: int(np.count_nonzero(w)),
        }.get(mode, 1)
        with mpmath.workdps(60):
            log_p = [log_softmax([mpf(v) for v in row]) for row in x.tolist()]
            units = [-sum(b * v for b, v in zip(*rows, strict=True)) for rows in zip(y, log_p, strict=True)]
            slopes = [
                [mpmath.exp(v) * sum(labels) - b for v, b in zip(row, labels, strict=True)]
                for row, labels in zip(log_p, y, strict=True)
            ]
            weighted = [a * b for a, b in zip(w, units, strict=True)]
            over_all = 1 / mpf(float(count)) if count else 0
            value = np.array(
                [number(v) for v in weighted] if mode is LossReduce.NONE else number(sum(weighted) * over_all)
            )
            slope = np.array([[number(v * a * over_all) for v in row] for row, a in zip(slopes, w, strict=True)])
        got, grads = run("softmax_cross_entropy", {"y": y, "x": x, "w": w}, wrt=["x"], loss_reduce=mode)
        assert_close(got, value)
        assert_close(grads["x"], slope, atol=1e-15)


def test_logits_up_to_the_largest_number():
    big = np.finfo(float).max
    for x, y, value, slope in [
        (big, 1.0, 0.0, 0.0),
        (-big, 1.0, big, -1.0),
        (big, 0.0, big, 1.0),
        (-big, 0.0, 0.0, 0.0),
    ]:
        for op in ("sigmoid_cross_entropy", "weighted_cross_entropy_with_logits"):
            attrs = {"loss_reduce": LossReduce.NONE} if op == "sigmoid_cross_entropy" else {}
            got, grads = run(op, {"y": np.array([y]), "x": np.array([x])}, wrt=["x"], **attrs)
            assert (got[0], grads["x"][0]) == (value, slope)
    got, grads = run("sparse_softmax_cross_entropy", {"x": np.array([[big, 0.0, -big]]), "k": np.array([1])}, wrt=["x"])
    assert got[0] == big
    np.testing.assert_array_equal(grads["x"], [[1.0, -1.0, 0.0]])


def test_stirling_counts_above_one_only():
    y = np.array([0.0, 0.5, 1.0, np.nextafter(1.0, 2.0), 7.0])
    c = np.full(5, 0.3)
    plain, _ = run("log_poisson", {"y": y, "c": c}, wrt=["c"], loss_reduce=LossReduce.NONE)
    full, grads = run("log_poisson", {"y": y, "c": c}, wrt=["y", "c"], loss_reduce=LossReduce.NONE, full=True)
    with mpmath.workdps(30):
        extra = [float(stirling(mpf(float(v)))) if v > 1 else 0.0 for v in y]
    np.testing.assert_allclose(full, plain + extra, rtol=1e-13)
    np.testing.assert_allclose(
        grads["y"], np.where(y > 1, np.log(np.maximum(y, 1)) + 0.5 / np.maximum(y, 1), 0) - c, rtol=1e-13
    )


# ---------------------------------------------------------------------- second derivatives


def test_hessian_of_a_logistic_regression_at_zero():
    """At zero logits the curvature is 1/4: kinks of the formula must not show."""
    rng = np.random.default_rng(1)
    data, labels = rng.normal(size=(7, 3)), rng.integers(0, 2, 7).astype(float)
    sd = SameDiff("float64")
    w = sd.var("w", np.zeros(3))
    loss = sd.loss.sigmoid_cross_entropy(labels, sd.constant("x", data) @ w)
    np.testing.assert_allclose(sd.grad(loss, w).eval(), data.T @ (0.5 - labels) / 7, atol=1e-15)
    np.testing.assert_allclose(sd.hessian(loss, w).eval(), data.T @ data / 28, atol=1e-15)
    v = rng.normal(size=3)
    np.testing.assert_allclose(sd.hvp(loss, w, v).eval(), data.T @ data @ v / 28, atol=1e-15)


def test_hessian_of_weighted_cross_entropy_at_zero():
    sd = SameDiff("float64")
    x = sd.var("x", np.zeros(2))
    loss = sd.sum(sd.loss.weighted_cross_entropy_with_logits(np.array([1.0, 0.0]), x, 3.0))
    np.testing.assert_allclose(sd.grad(loss, x).eval(), [-1.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(sd.hessian(loss, x).eval(), np.diag([0.75, 0.25]), rtol=1e-15)


def test_mixed_derivative_at_weight_zero():
    """How a unit's gradient grows with its weight is the unit's slope, also from weight 0 on."""
    sd = SameDiff("float64")
    p, w = sd.var("p", np.array([0.5, 3.0])), sd.var("w", np.array([0.0, 2.0]))
    loss = sd.loss.mean_squared_error(np.array([1.0, 1.0]), p, w, loss_reduce=LossReduce.SUM)
    np.testing.assert_allclose(sd.jacobian(sd.grad(loss, w), p).eval(), np.diag([-1.0, 4.0]))
    np.testing.assert_allclose(sd.jacobian(sd.grad(loss, p), w).eval(), np.diag([-1.0, 4.0]))
    check_grads(loss, order=3)


# ---------------------------------------------------------------------- reductions and weights

SAME = {"y": np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]), "p": np.array([[0.3, 0.6, 0.2], [0.8, 0.4, 0.1]])}


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_no_weights_are_ones(op):
    for mode in REDUCTIONS:
        plain, grads = run(op, SAME, wrt=["p"], loss_reduce=mode)
        for ones in (np.ones(()), np.ones(1), np.ones((1, 1)), np.ones((2, 1)), np.ones((1, 3)), np.ones((2, 3))):
            value, others = run(op, {**SAME, "w": ones}, wrt=["p"], loss_reduce=mode)
            np.testing.assert_allclose(value, plain, rtol=1e-15)
            np.testing.assert_allclose(others["p"], grads["p"], rtol=1e-15)


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_reductions_agree_with_each_other(op):
    w = np.array([[2.0], [0.0]])
    none, _ = run(op, {**SAME, "w": w}, wrt=["p"], loss_reduce=LossReduce.NONE)
    for mode, divisor in [
        (LossReduce.SUM, 1),
        (LossReduce.MEAN_BY_WEIGHT, 6),
        (LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT, 3),
    ]:
        value, _ = run(op, {**SAME, "w": w}, wrt=["p"], loss_reduce=mode)
        np.testing.assert_allclose(value, none.sum() / divisor, rtol=1e-14)


@pytest.mark.parametrize("op", ELEMENTWISE)
@pytest.mark.parametrize("mode", REDUCTIONS[1:], ids=lambda m: m.name)
def test_nothing_to_average_gives_zero(op, mode):
    for y, w in [
        (SAME["y"], np.zeros((2, 1))),
        (SAME["y"], np.zeros(())),
        (np.zeros((0, 3)), None),
        (np.zeros((0, 3)), np.ones((1, 3))),
    ]:
        given = {"y": y, "p": np.full(y.shape, 0.5), **({} if w is None else {"w": w})}
        value, grads = run(op, given, wrt=list(given), loss_reduce=mode)
        assert value.shape == ()
        assert value == 0
        np.testing.assert_array_equal(grads["p"], np.zeros(y.shape))
        np.testing.assert_array_equal(grads["y"], np.zeros(y.shape))
        assert all(np.isfinite(g).all() for g in grads.values())


def test_weights_that_cancel_give_zero():
    value, grads = run("mean_squared_error", {"y": np.zeros(2), "p": np.array([1.0, 2.0]), "w": np.array([1.0, -1.0])},
                       wrt=["p", "w"], loss_reduce=LossReduce.MEAN_BY_WEIGHT)  # fmt: skip
    assert value == 0
    np.testing.assert_array_equal(grads["p"], 0)
    np.testing.assert_array_equal(grads["w"], 0)


SHAPES_OF_NONE = [
    ("mean_squared_error", (2, 3), {}, (2, 3)),
    ("softmax_cross_entropy", (2, 3), {}, (2,)),
    ("softmax_cross_entropy", (4, 2, 3), {}, (4, 2)),
    ("softmax_cross_entropy", (3,), {}, ()),
    ("cosine_distance", (2, 3), {"dimension": 1}, (2, 1)),
    ("cosine_distance", (2, 3), {"dimension": -2}, (1, 3)),
    ("mean_pairwise_squared_error", (2, 3), {}, (2,)),
    ("mean_pairwise_squared_error", (2, 3, 4), {}, (2,)),
]


@pytest.mark.parametrize("op, shape, attrs, unit", SHAPES_OF_NONE)
def test_shape_without_reduction(op, shape, attrs, unit):
    for dims in (shape, (None,) * len(shape)):
        sd = SameDiff()
        y, p = sd.placeholder("y", dims), sd.placeholder("p", dims)
        loss = getattr(sd.loss, op)(y, p, loss_reduce=LossReduce.NONE, **attrs)
        assert len(loss.shape) == len(unit)
        assert loss.eval({"y": np.ones(shape), "p": np.ones(shape)}).shape == unit


@pytest.mark.parametrize("weights", [(3,), (2,), (2, 3, 1), (3, 1), (2, 2), (1, 1, 1)])
def test_weights_that_do_not_fit_show_both_shapes_and_both_ways_out(weights):
    sd = SameDiff()
    y, p, w = sd.placeholder("y", (2, 3)), sd.placeholder("p", (2, 3)), sd.placeholder("w", weights)
    with pytest.raises(errors.ShapeError) as caught:
        sd.loss.huber_loss(y, p, w)
    message = str(caught.value)
    assert "(2, 3)" in message
    assert "(" + ", ".join(map(str, weights)) + ("," if len(weights) == 1 else "") + ")" in message
    assert "per example" in message
    assert "per output" in message


def test_weights_of_mean_pairwise_squared_error():
    sd = SameDiff("float64")
    y, p = np.zeros((2, 3)), np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 3.0]])
    units = np.array([(1 + 9 + 4) / 3, 18 / 3])
    w = np.array([2.0, 0.0])
    for shape in [(2,), (2, 1)]:
        loss = sd.loss.mean_pairwise_squared_error(y, p, w.reshape(shape), loss_reduce=LossReduce.SUM)
        assert loss.eval() == pytest.approx(2 * units[0], rel=1e-14)
    loss = sd.loss.mean_pairwise_squared_error(y, p, loss_reduce=LossReduce.NONE)
    np.testing.assert_allclose(loss.eval(), units, rtol=1e-14)
    for bad in [(3,), (1, 3), (2, 3)]:
        with pytest.raises(errors.ShapeError):
            sd.loss.mean_pairwise_squared_error(y, p, np.ones(bad))


def test_pairwise_error_of_rows_far_from_zero():
    row = np.array([1.0, 2.0, 4.0])
    want = (1 + 9 + 4) / 3
    for offset in (0.0, 1e8, -1e15, 2.0**1000):
        d = row + offset if abs(offset) < 1e16 else row * 0 + offset
        value, grads = run("mean_pairwise_squared_error", {"y": np.zeros((1, 3)), "p": d[None]}, wrt=["p"])
        exact = want if abs(offset) < 1e16 else 0.0
        assert value == pytest.approx(exact, rel=1e-15)
        assert np.isfinite(grads["p"]).all()


def test_pairwise_error_counts_all_pairs():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 2, 4))
    d = (p - y).reshape(3, -1)
    pairs = [[(row[i] - row[k]) ** 2 for i in range(8) for k in range(i)] for row in d]
    value, _ = run("mean_pairwise_squared_error", {"y": y, "p": p}, wrt=["p"], loss_reduce=LossReduce.NONE)
    np.testing.assert_allclose(value, np.mean(pairs, axis=1), rtol=1e-14)
    for shape in [(3, 1), (3,), (0, 2), (2, 0)]:
        value, grads = run("mean_pairwise_squared_error", {"y": np.zeros(shape), "p": np.ones(shape)}, wrt=["p"])
        assert value == 0
        np.testing.assert_array_equal(grads["p"], np.zeros(shape))


# ---------------------------------------------------------------------- dtypes and labels


def test_integer_and_bool_labels_and_weights():
    sd = SameDiff()
    p = np.array([[0.5, -0.5]])
    for y in (np.array([[1, 0]]), np.array([[True, False]]), np.array([[1, 0]], np.uint8)):
        loss = sd.loss.sigmoid_cross_entropy(y, p, np.array([[2]]), loss_reduce=LossReduce.SUM)
        assert loss.dtype == np.float64
        assert loss.eval() == pytest.approx(4 * np.log1p(np.exp(-0.5)), rel=1e-15)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_result_has_the_dtype_of_the_predictions(dtype):
    sd = SameDiff()
    p = sd.placeholder("p", (2,), dtype)
    for op in ELEMENTWISE:
        assert getattr(sd.loss, op)([0.0, 1.0], p).dtype == dtype
        assert getattr(sd.loss, op)([0.0, 1.0], p, 2.0, loss_reduce=LossReduce.MEAN_BY_WEIGHT).dtype == dtype


@pytest.mark.parametrize("labels, bad, where", [([0, 3], 3, 1), ([-1, 0], -1, 0), ([[0, 1], [7, 0]], 7, (1, 0))])
def test_a_label_that_is_no_class_is_named_with_its_place(labels, bad, where):
    labels = np.array(labels)
    sd = SameDiff()
    loss = sd.loss.sparse_softmax_cross_entropy(np.zeros((*labels.shape, 3)), labels)
    with pytest.raises(errors.LabelError) as caught:
        loss.eval()
    assert f"label {bad} at position {where}" in str(caught.value)
    assert isinstance(caught.value, IndexError)


def test_sparse_labels_equal_one_hot_labels():
    rng = np.random.default_rng(2)
    x, k = rng.normal(size=(4, 3)), rng.integers(0, 3, 4)
    sparse, a = run("sparse_softmax_cross_entropy", {"x": x, "k": k}, wrt=["x"])
    dense, b = run("softmax_cross_entropy", {"y": np.eye(3)[k], "x": x}, wrt=["x"], loss_reduce=LossReduce.NONE)
    np.testing.assert_allclose(sparse, dense, rtol=1e-15)
    np.testing.assert_allclose(a["x"], b["x"], rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("mode", REDUCTIONS)
@pytest.mark.parametrize("weights", [None, 2.5, [0.5, 0.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]], ids=str)
def test_weights_and_reductions_of_class_numbers(weights, mode):
    rng = np.random.default_rng(3)
    x, k = rng.normal(size=(4, 3)), rng.integers(0, 3, 4)
    w = None if weights is None else np.array(weights)
    sd = SameDiff("float64")
    logits, classes = sd.placeholder("x", x.shape), sd.placeholder("k", k.shape, "int64")
    scale = None if w is None else sd.var("w", w)
    loss = sd.loss.sparse_softmax_cross_entropy(logits, classes, weights=scale, loss_reduce=mode)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    each = -np.log(p[range(4), k])
    wrt = [logits] + ([] if scale is None else [scale])
    got, *slopes = sd.compile([loss, *sd.grad(loss, wrt)]).run({"x": x, "k": k})
    np.testing.assert_allclose(got, reduced(each, w, mode), rtol=1e-12)
    want = (p - np.eye(3)[k]) * factor(w, each.shape, mode)[:, None]
    np.testing.assert_allclose(slopes[0], want, rtol=1e-11, atol=1e-15)
    if w is not None:
        np.testing.assert_allclose(slopes[1], weights_gradient(each, w, mode), rtol=1e-11, atol=1e-15)
    arrays = nd.loss.sparse_softmax_cross_entropy(x, k, weights=w, loss_reduce=mode)
    np.testing.assert_allclose(arrays, sd.compile([loss], engine="numpy")({"x": x, "k": k})[loss.name], rtol=1e-14)


def test_the_mean_of_class_numbers_is_that_of_one_hot_labels():
    rng = np.random.default_rng(5)
    x, k, w = rng.normal(size=(2, 5, 3)), rng.integers(0, 3, (2, 5)), rng.uniform(0, 2, (2, 1))
    sd = SameDiff("float64")
    for mode in REDUCTIONS:
        sparse = sd.loss.sparse_softmax_cross_entropy(x, k, weights=w, loss_reduce=mode).eval()
        dense = sd.loss.softmax_cross_entropy(np.eye(3)[k], x, w, loss_reduce=mode).eval()
        np.testing.assert_allclose(sparse, dense, rtol=1e-14)


def test_class_numbers_of_weight_zero_count_nothing_beside_nan():
    sd = SameDiff("float64")
    x = sd.var("x", [[NAN, 1.0], [0.0, 0.0], [INF, INF]])
    weights = np.array([0.0, 2.0, 0.0])
    loss = sd.loss.sparse_softmax_cross_entropy(x, [0, 1, 1], weights=weights, loss_reduce=LossReduce.MEAN_BY_WEIGHT)
    np.testing.assert_allclose(loss.eval(), math.log(2), rtol=1e-15)
    np.testing.assert_allclose(sd.grad(loss, x).eval(), [[0, 0], [0.5, -0.5], [0, 0]], rtol=1e-15)


def test_halves_of_class_numbers_are_reduced_in_single_precision():
    x = np.zeros((4000, 2), "float16")
    sd = SameDiff("float16")
    mean = sd.loss.sparse_softmax_cross_entropy(x, np.zeros(4000, "int64"), loss_reduce=REDUCTIONS[-1]).eval()
    assert mean.dtype == "float16" and mean == np.float16(math.log(2))


# ---------------------------------------------------------------------- laws


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_the_order_of_the_batch_does_not_matter(op):
    order = [1, 0]
    swapped = {k: v[order] for k, v in SAME.items()}
    w = np.array([[2.0], [0.5]])
    for mode in REDUCTIONS[1:]:
        value, grads = run(op, {**SAME, "w": w}, wrt=["p", "w"], loss_reduce=mode)
        other, gradients = run(op, {**swapped, "w": w[order]}, wrt=["p", "w"], loss_reduce=mode)
        np.testing.assert_allclose(value, other, rtol=1e-14)
        for k in ("p", "w"):
            np.testing.assert_allclose(grads[k][order], gradients[k], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_the_mean_by_weight_does_not_know_the_unit_of_weight(op):
    w = np.array([[2.0], [0.5]])
    one, _ = run(op, {**SAME, "w": w}, wrt=["p"], loss_reduce=LossReduce.MEAN_BY_WEIGHT)
    two, _ = run(op, {**SAME, "w": 1024 * w}, wrt=["p"], loss_reduce=LossReduce.MEAN_BY_WEIGHT)
    np.testing.assert_allclose(one, two, rtol=1e-15)


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_the_sum_over_shards_is_the_whole_sum(op):
    whole, _ = run(op, SAME, wrt=["p"], loss_reduce=LossReduce.SUM)
    parts = [
        run(op, {k: v[i : i + 1] for k, v in SAME.items()}, wrt=["p"], loss_reduce=LossReduce.SUM)[0] for i in (0, 1)
    ]
    np.testing.assert_allclose(whole, sum(parts), rtol=1e-14)


def test_softmax_cross_entropy_does_not_know_the_level_of_the_logits():
    y, x = np.eye(3), np.array([[0.5, 1.0, -2.0], [0.25, -0.5, 1.5], [1.0, 0.0, 0.5]])
    value, grads = run("softmax_cross_entropy", {"y": y, "x": x}, wrt=["x"])
    for level in (2.0**20, -(2.0**30)):
        other, gradients = run("softmax_cross_entropy", {"y": y, "x": x + level}, wrt=["x"])
        np.testing.assert_array_equal(other, value)
        np.testing.assert_array_equal(gradients["x"], grads["x"])
    np.testing.assert_allclose(grads["x"].sum(axis=1), 0, atol=1e-16)


def test_scaling_a_loss_scales_its_gradients():
    """The chain rule goes through a loss: what is done with it counts."""
    sd = SameDiff("float64")
    p = sd.var("p", np.array([0.3, -0.6]))
    loss = sd.loss.mean_squared_error(np.zeros(2), p)
    other = sd.loss.absolute_difference(np.zeros(2), p)
    np.testing.assert_allclose(
        sd.grad(3 * loss + other * other, p).eval(), 3 * p.value + 2 * 0.45 * np.sign(p.value) / 2
    )


def test_bad_reduction():
    sd = SameDiff()
    with pytest.raises(errors.ArgumentTypeError, match="MEAN_BY_WEIGHT"):
        sd.loss.hinge_loss([1.0], [1.0], loss_reduce="mean")


# ---------------------------------------------------------------------- half precision

MANY = 70_000
"""More than float16 can count or add up."""
HALF_CASES = {
    # label, prediction, unit, slope by the prediction; for numbers that are halves.
    "absolute_difference": (1.0, 0.5, 0.5, -1.0),
    "hinge_loss": (1.0, 0.5, 0.5, -1.0),
    "huber_loss": (0.0, 3.0, 2.5, 1.0),
    "log_loss": (1.0, 0.5, math.log(2), -2.0),
    "log_poisson": (2.0, 0.0, 1.0, -1.0),
    "mean_squared_error": (0.0, 3.0, 9.0, 6.0),
    "sigmoid_cross_entropy": (1.0, 0.0, math.log(2), -0.5),
}


def near_half(got, want, atol=6e-8):
    """Equal to the last digit of float16, also among its subnormal numbers."""
    assert got.dtype == np.float16
    np.testing.assert_allclose(got.astype(float), want, rtol=2e-3, atol=atol)


@pytest.mark.parametrize("weights", [None, "scalar", "column", "each"])
@pytest.mark.parametrize("mode", [m for m in REDUCTIONS if m is not LossReduce.SUM], ids=lambda m: m.name)
@pytest.mark.parametrize("op", HALF_CASES)
def test_many_halves(op, mode, weights):
    """Neither the sum nor the number of many halves fits into float16; the mean of the losses and its slope do."""
    label, prediction, unit, slope = HALF_CASES[op]
    shape = (MANY // 2, 2)
    w = {None: None, "scalar": np.float16(2), "column": np.full((shape[0], 1), 2), "each": np.full(shape, 2.0)}[weights]
    w = w if w is None else np.asarray(w, np.float16)
    feeds = {"y": np.full(shape, label, np.float16), "p": np.full(shape, prediction, np.float16), "w": w}
    got, grads = run(op, feeds, wrt=["p"] if w is None else ["p", "w"], loss_reduce=mode)
    factor = 1.0 if w is None else 2.0
    by_weight = w is not None and mode is LossReduce.MEAN_BY_WEIGHT
    share = 1.0 if mode is LossReduce.NONE else 1 / (MANY * (factor if by_weight else 1.0))
    near_half(got, np.full(shape, factor * unit) if mode is LossReduce.NONE else factor * unit * share * MANY)
    near_half(grads["p"], np.full(shape, factor * slope * share))
    if w is not None:
        # A weight that all elements share moves the mean by weights nowhere.
        change = (0.0 if by_weight else unit) * share * (MANY / max(w.size, 1))
        near_half(grads["w"], np.full(w.shape, change if change < 65520 else INF), atol=1e-6)


def test_halves_overflow_only_where_the_result_does():
    sd = SameDiff(dtype="float16")
    p = sd.var("p", [300.0, 0.0, 0.0, 0.0])
    loss = sd.loss.mean_squared_error(np.zeros(4, np.float16), p)
    assert loss.eval() == 22500
    assert sd.grad(loss, p).eval().tolist() == [150, 0, 0, 0]
    assert sd.loss.mean_squared_error(np.zeros(4, np.float16), p, loss_reduce=LossReduce.SUM).eval() == INF
    assert sd.loss.l2_loss([200.0, 200.0]).eval() == 40000
    assert sd.loss.l2_loss([200.0, 200.0]).dtype == np.float16


def test_own_losses_of_halves():
    """What `reduce_loss` is given may be half precision, in part: counts of weights are never."""
    sd = SameDiff(dtype="float16")
    each, half = sd.var("each", np.full(MANY, 0.5, np.float16)), np.ones(MANY, np.float16)
    for mode in (LossReduce.MEAN_BY_WEIGHT, LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT):
        for w in (None, sd.constant(half), sd.constant(half.astype(np.float32))):
            loss = reduce_loss(each, w, mode)
            assert loss.dtype == (np.float16 if w is None else w.dtype)
            assert loss.eval() == 0.5
            near_half(sd.grad(loss, each).eval(), np.full(MANY, 1 / MANY))
        wide = reduce_loss(sd.constant(np.full(MANY, 0.5, np.float32)), sd.constant(half), mode)
        assert wide.dtype == np.float32
        assert wide.eval() == 0.5


def test_integers_next_to_halves_are_numbers_of_any_size():
    sd = SameDiff(dtype="float16")
    loss = sd.loss.absolute_difference(np.array([70_000, 0]), sd.constant(np.array([30_000, 0], np.float16)))
    assert loss.eval() == 20_000


@pytest.mark.parametrize("classes", [3, 65536])
def test_cross_entropy_of_halves_over_many_classes(classes):
    sd = SameDiff(dtype="float16")
    x = sd.var("x", np.zeros((2, classes), np.float16))
    one_hot = np.zeros((2, classes), np.float16)
    one_hot[:, 1] = 1
    slope = np.full((2, classes), 1 / classes)
    slope[:, 1] -= 1
    for each in (
        sd.loss.sparse_softmax_cross_entropy(x, np.array([1, 1])),
        sd.loss.softmax_cross_entropy(one_hot, x, loss_reduce=LossReduce.NONE),
        sd.loss.softmax_cross_entropy(one_hot, x, loss_reduce=LossReduce.NONE, label_smoothing=0.5),
    ):
        near_half(each.eval(), np.full(2, math.log(classes)))
    near_half(sd.grad(sd.loss.sparse_softmax_cross_entropy(x, np.array([1, 1])), x).eval(), slope)
    near_half(sd.grad(sd.loss.softmax_cross_entropy(one_hot, x), x).eval(), slope / 2)


def test_ctc_of_halves():
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(2, 6, 5)) * 4).astype(np.float16)
    rest = (np.array([[1, 2], [3, 3]]), np.array([2, 1]), np.array([6, 5]))
    got, want = (
        SameDiff().loss.ctc_loss(rest[0], logits.astype(dtype), *rest[1:]).eval() for dtype in ("float16", "float64")
    )
    near_half(got, want)


# ---------------------------------------------------------------------- logits that are infinite, losses that are 0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_infinite_logits(smoothing):
    """One that agrees with its label costs nothing, as in the softmax cross entropy; one that does not, infinity."""
    sd = SameDiff(dtype="float64")
    y, x = sd.var("y", [1.0, 0.0, 1.0, 0.0, 0.5]), sd.var("x", [INF, -INF, -INF, INF, INF])
    each = sd.loss.sigmoid_cross_entropy(y, x, loss_reduce=LossReduce.NONE, label_smoothing=smoothing)
    slopes = sd.grad(each, x)
    z = (1 - smoothing) * y.value + smoothing / 2
    certain = np.array([1.0, 0.0, 0.0, 1.0, 1.0])
    assert each.eval().tolist() == [0.0 if smoothing == 0 and k < 2 else INF for k in range(5)]
    np.testing.assert_allclose(slopes.eval(), certain - z, atol=1e-16)
    assert sd.grad(slopes, x).eval().tolist() == [0] * 5
    if not smoothing:
        by_label = [-INF, INF, INF, -INF, -INF]
        assert sd.grad(each, y).eval().tolist() == by_label
        assert sd.loss.sigmoid_cross_entropy(y[:2], x[:2]).eval() == 0


def test_infinite_logits_with_a_weight_on_the_positive_term():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [INF, -INF, -INF, INF, -INF])
    each = sd.loss.weighted_cross_entropy_with_logits([1.0, 0.0, 1.0, 0.0, 1.0], x, [3.0, 3.0, 3.0, 3.0, 0.0])
    assert each.eval().tolist() == [0, 0, INF, INF, 0]
    assert sd.grad(each, x).eval().tolist() == [0, 0, -3, 1, 0]


def test_no_loss_is_minus_zero():
    sd = SameDiff(dtype="float64")
    y = np.array([[1.0, 0.0]])
    sure = np.array([[1000.0, -1000.0]])
    for value in (
        sd.loss.log_loss(y, y),
        sd.loss.log_loss(y, y, loss_reduce=LossReduce.NONE),
        sd.loss.softmax_cross_entropy(y, sure),
        sd.loss.softmax_cross_entropy([[1.0]], [[3.0]], loss_reduce=LossReduce.NONE),
        sd.loss.sparse_softmax_cross_entropy(sure, [0]),
        sd.loss.sparse_softmax_cross_entropy([[3.0]], [0]),
        sd.loss.sigmoid_cross_entropy(y, sure),
        sd.loss.cosine_distance(y, y, dimension=1),
        sd.keras.cosine_similarity(y, y[:, ::-1]),
        sd.keras.categorical_crossentropy(y, sure, from_logits=True),
        sd.keras.categorical_crossentropy(0 * y, y),
        sd.keras.categorical_focal_crossentropy(y, sure, from_logits=True),
        sd.keras.sparse_categorical_crossentropy([0], sure, from_logits=True),
        sd.keras.categorical_generalized_cross_entropy([0], y, 0.5),
    ):
        got = value.eval()
        assert not np.any(got), value.name
        assert not np.any(np.signbit(got)), value.name


@pytest.mark.parametrize("mode", REDUCTIONS, ids=lambda m: m.name)
def test_softmax_takes_weights_as_a_column(mode):
    x = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])
    y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    w = np.array([0.5, 2.0])
    flat, by_flat = run("softmax_cross_entropy", {"y": y, "p": x, "w": w}, wrt=["p", "w"], loss_reduce=mode)
    column, by_column = run(
        "softmax_cross_entropy", {"y": y, "p": x, "w": w[:, None]}, wrt=["p", "w"], loss_reduce=mode
    )
    np.testing.assert_array_equal(column, flat)
    np.testing.assert_array_equal(by_column["p"], by_flat["p"])
    np.testing.assert_array_equal(by_column["w"], by_flat["w"][:, None])
