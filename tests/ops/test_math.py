"""``sd.math`` at special points, extreme values and for attributes that a suite driven by the registry cannot know."""

import mpmath
import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ExecutionError, LabelError, ShapeError
from tests.ops.finite_differences import check_gradients

A = np.array([[0.7, -1.3, 1.9, 0.4], [-0.6, 1.1, -1.7, 0.9], [1.4, 0.2, -0.8, -1.2]])
P = np.abs(A) + 0.3
AXES = [None, 0, -1, (0, 1)]
INF, NAN = np.inf, np.nan


def gradients(op, *operands, **attributes):
    """Value of ``sd.math.<op>`` and the gradients of its sum, as lists."""
    sd = SameDiff(dtype="float64")
    vs = [sd.var(f"x{k}", np.asarray(x, float)) for k, x in enumerate(operands)]
    y = getattr(sd.math, op)(*vs, **attributes)
    return [y.eval().tolist(), *(g.eval().tolist() for g in sd.grad(y, vs))]


def second(op, *operands, **attributes):
    """Gradient of the sum of all first gradients."""
    sd = SameDiff(dtype="float64")
    vs = [sd.var(f"x{k}", np.asarray(x, float)) for k, x in enumerate(operands)]
    firsts = sd.grad(getattr(sd.math, op)(*vs, **attributes), vs)
    return [g.eval().tolist() for g in sd.grad(sum(g.sum() for g in firsts), vs)]


# ---------------------------------------------------------------------- conventions


def test_kinks():
    assert gradients("abs", [-2, 0, 3])[1] == [-1, 0, 1]
    assert gradients("max", [1, 2, 2], [2, 2, 1]) == [[2, 2, 2], [0, 0.5, 1], [1, 0.5, 0]]
    assert gradients("min", [1, 2, 2], [2, 2, 1]) == [[1, 2, 1], [1, 0.5, 0], [0, 0.5, 1]]
    assert gradients("clip_by_value", [-1, 0, 0.5, 1, 2], clip_value_min=0, clip_value_max=1)[1] == [0, 1, 1, 1, 0]
    assert gradients("step", [-1, 0, 1]) == [[0, 1, 1], [0, 0, 0]]
    assert gradients("step", [1, 2, 3], value=2.0)[0] == [0, 1, 1]


def test_roots_at_zero():
    assert gradients("sqrt", [0, 4]) == [[0, 2], [0, 0.25]]
    assert second("sqrt", [0.0])[0] == [0]
    assert gradients("rsqrt", [0, 4]) == [[INF, 0.5], [-INF, -0.0625]]
    assert gradients("hypot", [0, 3], [0, 4]) == [[0, 5], [0, 0.6], [0, 0.8]]
    assert gradients("atan2", [0.0], [0.0]) == [[0], [0], [0]]


def test_powers():
    assert gradients("pow", [0, 2, 0, -2], [0, 0, 2, 2]) == [
        [1, 1, 0, 4],
        [0, 0, 0, -4],
        [0, pytest.approx(np.log(2)), 0, 0],
    ]
    assert second("pow", [0.0, 0.0], [0.0, 2.0])[0] == [0, 2]
    sd = SameDiff(dtype="float64")
    x = sd.var("x", np.array([0.0, -2.0, 3.0]))
    for exponent, expected in ((0, [0, 0, 0]), (1, [1, 1, 1]), (2, [0, -4, 6]), (3, [0, 12, 27])):
        (g,) = sd.grad(x**exponent, [x])
        np.testing.assert_array_equal(g.eval(), expected)


@pytest.mark.parametrize("exponent", [2, 3, -1, 0.5])
def test_gradients_of_constant_powers(exponent):
    check_gradients(lambda sd, x: x**exponent, P)
    check_gradients(lambda sd, x: (exponent + 3) ** x, P)


def test_gradient_for_a_constant_exponent():
    sd = SameDiff(dtype="float64")
    x, y = sd.var("x", np.array([2.0, 3.0])), sd.constant("y", 2.0)
    (g,) = sd.grad(sd.math.pow(x, y), [y])
    assert g.eval() == pytest.approx(4 * np.log(2) + 9 * np.log(3))


def test_products_and_quotients_that_know_zero():
    for bad in (INF, -INF, NAN):
        assert gradients("multiply_no_nan", [bad, 2], [0, 3])[0] == [0, 6]
        assert gradients("multiply_no_nan", [bad, 2], [0, 3])[1] == [0, 3]
    assert gradients("multiply_no_nan", [5.0], [0.0]) == [[0], [0], [5]]
    assert gradients("divide_no_nan", [1, 1], [0, 4]) == [[0, 0.25], [0, 0.25], [0, -0.0625]]
    assert gradients("xdivy", [0, 1], [0, 4]) == [[0, 0.25], [INF, 0.25], [0, -0.0625]]


def test_a_weight_of_zero_stops_an_infinite_cotangent():
    sd = SameDiff(dtype="float64")
    x, w = sd.var("x", [2.0, 5.0]), sd.constant("w", [0.0, 3.0])
    y = sd.math.multiply_no_nan(x, w) * np.array([INF, 1.0])
    assert sd.grad(y, x).eval().tolist() == [0.0, 3.0]


def test_xlogy():
    assert gradients("xlogy", [0, 0, 2], [0, 2, 1]) == [[0, 0, 0], [0, np.log(2), 0], [0, 0, 2]]
    assert gradients("xlogy", [1e-300], [0]) == [[-INF], [-INF], [INF]]
    assert gradients("xlog1py", [0, 0, 2], [-1, 1, 0]) == [[0, 0, 0], [0, np.log(2), 0], [0, 0, 2]]
    assert gradients("entropy", [0.5, 0.5, 0])[0] == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("dtype", "logits"),
    [("float32", [0, -200]), ("float32", [0, 0, -INF]), ("float64", [0, -800, 1]), ("float16", [0, -20])],
)
def test_entropy_of_probabilities_that_vanish(dtype, logits):
    """dH/dx_i = -p_i (log p_i + H), whose limit is 0 where p_i is; the second derivative likewise."""
    sd = SameDiff(dtype=dtype)
    x = sd.var("x", np.array(logits, dtype))
    entropy = sd.math.entropy(sd.nn.softmax(x))
    first = sd.grad(entropy, x)
    second = sd.grad(sd.sum(first * np.arange(len(logits), dtype=dtype)), x)
    with np.errstate(under="ignore"):
        z = np.exp(np.array(logits, float))
        p = z / z.sum()
        log_p = np.log(np.where(p > np.finfo(dtype).tiny, p, 1))
        h = -(p * log_p).sum()
        want = -p * (log_p + h)
        # The derivative of sum(v_i want_i), by p first: -v_i (log p_i + h + 1) + sum(v p) (log p_k + 1).
        v = np.arange(len(logits))
        by_p = -v * (log_p + h + 1) + (v * p).sum() * (log_p + 1)
        hessian = p * (by_p - (p * by_p).sum())
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(entropy.eval(), h, rtol=4 * eps, atol=1e-6 if dtype != "float64" else 0)
    np.testing.assert_allclose(first.eval(), want, rtol=8 * eps, atol=2 * eps)
    np.testing.assert_allclose(second.eval(), hessian, rtol=8 * eps, atol=4 * eps)


def test_binary_entropy_of_sure_logits():
    sd = SameDiff()
    x = sd.var("x", [200.0, -200.0, 0.0])
    p = sd.nn.sigmoid(x)
    entropies = -(sd.math.xlogy(p, p) + sd.math.xlog1py(1 - p, -p))
    first = sd.grad(entropies, x)
    np.testing.assert_allclose(entropies.eval(), [0, 0, np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(first.eval(), [0, 0, 0])
    np.testing.assert_allclose(sd.grad(first, x).eval(), [0, 0, -0.25], rtol=1e-6)


@pytest.mark.parametrize("sign_x", [-1, 1])
@pytest.mark.parametrize("sign_y", [-1, 1])
def test_remainders(sign_x, sign_y):
    x, y = sign_x * 7.3, sign_y * 2.0
    assert gradients("fmod", x, y) == [np.fmod(x, y), 1, -np.trunc(x / y)]
    for op in ("floor_mod", "mod"):
        assert gradients(op, x, y) == [np.mod(x, y), 1, -np.floor(x / y)]


def test_rounding_has_no_slope():
    x = [-1.5, -0.5, 0.5, 1.5, 2.2]
    assert gradients("round", x) == [[-2, 0, 0, 2, 2], [0] * 5]
    assert gradients("floor", x)[1] == gradients("ceil", x)[1] == gradients("sign", x)[1] == [0] * 5
    assert gradients("floor_div", [7.0, -7.0], [2.0, 2.0]) == [[3, -4], [0, 0], [0, 0]]


# ---------------------------------------------------------------------- accuracy and extremes


def ulps(got, expected):
    """Distance in units of the last place of the true value."""
    exact = mpmath.mpf(float(got)) - expected
    return float(abs(exact) / mpmath.mpf(float(max(np.spacing(abs(float(expected))), 5e-324))))


def arguments():
    rng = np.random.default_rng(0)
    parts = [rng.uniform(a, b, 400) for a, b in ((-1, 1), (0.4, 1.2), (1, 3), (3, 6), (6, 26.5), (26.5, 27.5), (-6, 0))]
    special = [0.0, -0.0, 0.5, -0.5, np.nextafter(0.5, 0), 5e-324, 1e-300, 1e-8]
    return np.concatenate([*parts, special])


@pytest.mark.parametrize(("op", "exact", "limit"), [("erf", mpmath.erf, 2), ("erfc", mpmath.erfc, 4)])
def test_error_function_is_accurate(op, exact, limit):
    x = arguments()
    sd = SameDiff(dtype="float64")
    y = getattr(sd.math, op)(sd.constant("x", x)).eval()
    with mpmath.workdps(40):
        worst = max(ulps(got, exact(mpmath.mpf(float(a)))) for a, got in zip(x, y, strict=True))
    assert worst <= limit


def test_error_function_at_its_limits():
    sd = SameDiff(dtype="float64")
    x = sd.constant("x", np.array([INF, -INF, NAN, -0.0, 1e300]))
    np.testing.assert_array_equal(sd.math.erf(x).eval(), [1, -1, NAN, -0.0, 1])
    assert np.signbit(sd.math.erf(x).eval()[3])
    np.testing.assert_array_equal(sd.math.erfc(x).eval(), [0, 2, NAN, 1, 0])
    for dtype, out in (("float32", "float32"), ("float16", "float16"), ("int64", "float64")):
        y = sd.math.erf(sd.constant(dtype, np.array([0, 1], dtype)))
        assert y.dtype == y.eval().dtype == out
        assert y.eval()[1] == np.dtype(out).type(0.8427007929497149)
    assert sd.math.erf(np.zeros((0, 3))).eval().shape == (0, 3)


def test_error_function_is_the_same_in_any_block():
    x = np.linspace(-4, 4, 20001)
    sd = SameDiff(dtype="float64")
    whole = sd.math.erf(sd.constant("x", x)).eval()
    np.testing.assert_array_equal(whole[9000:9010], sd.math.erf(x[9000:9010]).eval())
    np.testing.assert_array_equal(whole, -sd.math.erf(-x).eval())


def test_log_sum_exp_of_extremes():
    assert gradients("log_sum_exp", [1000.0, 1000.0])[0] == pytest.approx(1000 + np.log(2))
    assert gradients("log_sum_exp", [-INF, -INF]) == [-INF, [0, 0]]
    assert gradients("log_sum_exp", [-INF, 3.0]) == [3, [0, 1]]
    assert second("log_sum_exp", [-INF, -INF]) == [[0, 0]]
    assert gradients("log_sum_exp", [INF, 3.0])[0] == INF
    assert np.isnan(gradients("log_sum_exp", [NAN, 3.0])[0])
    sd = SameDiff(dtype="float64")
    np.testing.assert_array_equal(sd.math.log_sum_exp(np.zeros((2, 0)), 1).eval(), [-INF, -INF])


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_cosine_ignores_scale(scale):
    value, gx, _ = gradients("cosine_similarity", [3 * scale, 4 * scale], [8.0, 6.0])
    assert value == pytest.approx(0.96, rel=1e-15)
    # Relative to the size of the gradient, which is 1 / scale; the first component is (0.8 - 0.96 * 0.6) / 5.
    np.testing.assert_allclose(np.array(gx) * scale, [0.0448, -0.0336], rtol=1e-13)


def test_cosine_of_a_zero_vector():
    assert gradients("cosine_similarity", [0.0, 0.0], [1.0, 2.0]) == [0, [0, 0], [0, 0]]
    assert gradients("cosine_distance", [0.0, 0.0], [0.0, 0.0]) == [1, [0, 0], [0, 0]]
    assert gradients("euclidean_distance", [1.0, 2.0], [1.0, 2.0]) == [0, [0, 0], [0, 0]]
    assert gradients("manhattan_distance", [1.0, 2.0], [1.0, 5.0]) == [3, [0, -1], [0, 1]]


def test_angles_of_huge_points():
    value, gy, gx = gradients("atan2", [1e200], [1e200])
    assert value == [np.pi / 4]
    np.testing.assert_allclose([gy[0], gx[0]], [5e-201, -5e-201], rtol=1e-15)
    assert gradients("asinh", [1e200])[1] == [1e-200]


def test_standardize_without_spread():
    assert gradients("standardize", [4.0, 4.0]) == [[0, 0], [0, 0]]
    assert gradients("standardize", [1.0, 3.0])[0] == [-1, 1]


# ---------------------------------------------------------------------- attributes


@pytest.mark.parametrize("unknown", [False, True], ids=["static", "unknown"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_gradients_of_measures(axis, keepdims, unknown):
    for op in ("cosine_similarity", "cosine_distance", "euclidean_distance", "manhattan_distance"):
        check_gradients(lambda sd, x, y, op=op: getattr(sd.math, op)(x, y, axis, keepdims), A, P, unknown=unknown)
    check_gradients(lambda sd, x: sd.math.log_sum_exp(x, axis, keepdims), A, unknown=unknown)
    check_gradients(lambda sd, x: sd.math.entropy(x, axis, keepdims), P, unknown=unknown)
    check_gradients(lambda sd, x: sd.math.moments(x, axis, keepdims), A, unknown=unknown)
    check_gradients(lambda sd, x: sd.math.standardize(x, axis), A, unknown=unknown)
    check_gradients(lambda sd, x: sd.math.clip_by_norm(x, 1.5, axis), A, unknown=unknown)


def test_distances_broadcast():
    sd = SameDiff(dtype="float64")
    got = sd.math.cosine_similarity(A, A[0], axis=1).eval()
    expected = A @ A[0] / np.linalg.norm(A, axis=1) / np.linalg.norm(A[0])
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    check_gradients(lambda sd, x, y: sd.math.cosine_distance(x, y, 1), A, A[1])


@pytest.mark.parametrize("unknown", [False, True], ids=["static", "unknown"])
def test_gradients_of_matrix_ops(unknown):
    square = A[:, :3]
    for op in ("diag", "diag_part", "trace"):
        check_gradients(lambda sd, x, op=op: sd.math.square(getattr(sd.math, op)(x)), square, unknown=unknown)
    check_gradients(lambda sd, x: sd.math.square(sd.math.trace(x)), np.stack([square, square + 1]), unknown=unknown)


def test_confusion_matrix():
    sd = SameDiff(dtype="float64")
    labels, classes = np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1])
    w = sd.var("w", np.array([1.0, 2.0, 3.0, 4.0]))
    counts = sd.math.confusion_matrix(labels, classes, num_classes=3)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts.eval(), [[1, 0, 0], [0, 2, 0], [0, 1, 0]])
    weighted = sd.math.confusion_matrix(labels, classes, w, num_classes=3)
    np.testing.assert_array_equal(weighted.eval(), [[1, 0, 0], [0, 6, 0], [0, 3, 0]])
    (g,) = sd.grad(weighted * np.arange(9.0).reshape(3, 3), [w])
    np.testing.assert_array_equal(g.eval(), [0, 4, 7, 4])
    with pytest.raises(LabelError, match="Label 2 at position 2"):
        sd.math.confusion_matrix(labels, classes, num_classes=2).eval()


def test_sums_of_many():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", A)
    np.testing.assert_array_equal(sd.math.merge_add(x).eval(), A)
    np.testing.assert_allclose(sd.math.merge_add([x, A[0], 1.0]).eval(), A + A[0] + 1, rtol=1e-15)
    np.testing.assert_array_equal(x.value, A)
    check_gradients(lambda sd, x, y: sd.math.square(sd.math.merge_add(x, y, x)), A, A[0])


def test_logic_and_counting():
    sd = SameDiff()
    x = sd.constant("x", np.array([0.0, -2.0, NAN]))
    assert sd.math.count_non_zero(x).eval() == 2
    assert sd.math.zero_fraction(x).eval() == pytest.approx(1 / 3)
    assert sd.math.is_nan(x).eval().tolist() == [False, False, True]
    assert sd.math.is_max(np.array([[1, 3, 3], [2, 0, 1]]), 1).eval().tolist() == [
        [False, True, True],
        [True, False, False],
    ]
    assert sd.math.xor(x, 1.0).eval().tolist() == [True, False, False]
    assert sd.math.not_(x).eval().tolist() == [True, False, False]


def test_integers_follow_numpy():
    sd = SameDiff()
    i = sd.constant("i", np.array([1, 2, 7], np.int32))
    for op, function in (
        ("div", np.true_divide),
        ("pow", np.power),
        ("floor_div", np.floor_divide),
        ("fmod", np.fmod),
        ("mod", np.mod),
    ):
        y, expected = getattr(sd.math, op)(i, i), function(i.value, i.value)
        assert y.dtype == y.eval().dtype == expected.dtype
        np.testing.assert_array_equal(y.eval(), expected)
    assert sd.math.exp(i).dtype == np.exp(i.value).dtype
    assert sd.math.reciprocal(i).eval().tolist() == [1, 0.5, pytest.approx(1 / 7)]
    assert sd.math.clip_by_value(i, -1000, 2**40).dtype == np.int32
    assert sd.math.clip_by_value(sd.constant("u", np.array([3, 200], np.uint8)), -5, 100).eval().tolist() == [3, 100]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda sd, x: sd.math.clip_by_value(x, 2, 1), ArgumentError, "out of order"),
        (lambda sd, x: sd.math.clip_by_value(np.array([1, 2]), 0.5, 1), ArgumentError, "whole numbers"),
        (lambda sd, x: sd.math.clip_by_norm(x, -1), ArgumentError, "not negative"),
        (lambda sd, x: sd.math.log(x, 1), ArgumentError, "base"),
        (lambda sd, x: sd.math.add(x, A[0, :3]), ShapeError, "do not broadcast"),
        (lambda sd, x: sd.math.diag_part(x), ShapeError, "no diagonal"),
        (lambda sd, x: sd.math.trace(x[0]), ShapeError, "two axes"),
        (lambda sd, x: sd.math.eye(-1), ArgumentError, ">= 0"),
        (lambda sd, x: sd.math.merge_add(), ArgumentError, "nothing to add"),
        (lambda sd, x: sd.math.confusion_matrix([0], [0], num_classes=-1), ArgumentError, "counts classes"),
    ],
)
def test_mistakes_are_named(call, error, match):
    sd = SameDiff(dtype="float64")
    with pytest.raises(error, match=match) as caught:
        call(sd, sd.var("x", A))
    assert "test_math.py" in str(caught.value)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "float16"])
@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_products_with_logarithms_have_the_dtype_of_their_variable(name, dtype):
    sd = SameDiff()
    x = sd.placeholder("x", (2,), dtype=dtype)
    y = getattr(sd.math, name)(x, x)
    value = y.eval({"x": np.array([0, 1]).astype(dtype)})
    assert value.dtype == y.dtype
    assert value.tolist() == pytest.approx([0.0, 0.0 if name == "xlogy" else np.log(2)], rel=1e-3)


def test_rounding_keeps_integers():
    sd = SameDiff()
    for dtype in ("int8", "uint16", "int64", "bool"):
        x = np.array([0, 1, 1], dtype)
        assert sd.math.round(sd.constant(x)).dtype == dtype
        np.testing.assert_array_equal(sd.math.round(sd.constant(x)).eval(), x)
    large = np.array([2**62 + 1])
    assert sd.math.round(sd.constant(large)).eval() == large


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_integers_to_a_negative_power_are_computed_where_they_are_integers(dtype):
    sd = SameDiff()
    x, y = sd.placeholder("x", (None,), dtype), sd.placeholder("y", (None,), "int64")
    ones, exponents = np.array([1, -1, -1, 2], dtype), np.array([-4, -3, -2, 5])
    assert sd.math.pow(x, y).eval(x=ones, y=exponents).tolist() == [1, -1, 1, 32]
    assert nd.math.pow(ones, exponents).tolist() == [1, -1, 1, 32]
    assert sd.math.pow(-1, y).eval(y=exponents).tolist() == [1, -1, 1, -1]
    assert sd.math.pow(ones[:3], -3).eval().tolist() == [1, -1, -1]


@pytest.mark.parametrize("base", [0, 2, -2])
def test_integers_to_a_negative_power_that_is_no_integer_are_named(base):
    sd = SameDiff()
    x, y = sd.placeholder("x", (2,), "int64"), sd.placeholder("y", (2,), "int64")
    told = rf"{base} to the power -1 at position 1(.|\n)*cast\(\"float64\"\)"
    with pytest.raises(ExecutionError, match=told):
        sd.math.pow(x, y).eval(x=[1, base], y=[-1, -1])
    n = len(sd.nodes)
    for call in (sd.math.pow, nd.math.pow):
        with pytest.raises(ArgumentError, match=told):
            call(np.array([1, base]), np.array([-1, -1]))
    assert len(sd.nodes) == n


@pytest.mark.parametrize("exponent", [-1, np.int32(-2), np.array([1, -3])])
def test_a_constant_negative_power_of_integers_is_refused_at_once(exponent):
    sd = SameDiff()
    x, n = sd.placeholder("x", (2,), "int64"), len(sd.nodes)
    with pytest.raises(ArgumentError, match=r"negative power(.|\n)*cast\(\"float64\"\)"):
        x**exponent
    assert len(sd.nodes) == n
    assert (x.cast("float64") ** exponent).eval(x=[2, 4]).dtype == np.float64
    assert (x**-1.0).eval(x=[2, 4]).tolist() == [0.5, 0.25]


def test_the_power_one_half_is_that_of_c():
    """Numpy's own answer at -0.0 and -infinity depends on its version and on whether the exponent is one number."""
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [-0.0, -INF, -1.0, 4.0, 0.0, INF])
    want = [0.0, INF, NAN, 2.0, 0.0, INF]
    for e in (0.5, sd.var("e", 0.5), sd.var("es", np.full(6, 0.5))):
        got = (x**e).eval()
        np.testing.assert_array_equal(got, want)
        assert not np.signbit(got[[0, 1, 4]]).any()
    np.testing.assert_array_equal(sd.math.sqrt(x).eval(), [-0.0, NAN, NAN, 2.0, 0.0, INF])
    at_zero = sd.var("at_zero", 0.0)
    assert sd.grad(at_zero**0.5, at_zero).eval() == INF
    assert sd.grad(sd.math.sqrt(at_zero), at_zero).eval() == 0


@pytest.mark.parametrize(
    ("operands", "want"),
    [
        ([np.int8(100), np.int8(100), np.float64(0.5)], 200.5),
        ([np.True_, np.True_, np.float32(0.5)], 2.5),
        ([np.int16(30000), np.int16(30000), np.uint32(1)], 60001),
        ([np.float64(0.5), np.int8(100), np.int8(100)], 200.5),
    ],
)
def test_sums_of_mixed_dtypes_do_not_depend_on_the_order(operands, want):
    sd = SameDiff()
    vs = [sd.constant(np.array([x])) for x in operands]
    assert sd.math.merge_add(vs).eval() == want
    assert sd.math.merge_add(vs[::-1]).eval() == want


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "float16"])
def test_distances_of_small_numbers_are_formed_wide(dtype):
    far = {"int8": (100, -100), "float16": (60000, -60000)}.get(dtype, (5, 200))
    x, y = (np.array([v, v], dtype) for v in far)
    sd = SameDiff()
    distance = float(abs(far[0] - far[1]))
    with np.errstate(over="ignore"):
        for op, want in ((sd.math.manhattan_distance, 2 * distance), (sd.math.euclidean_distance, 2**0.5 * distance)):
            got = op(x, y).eval()
            assert float(got) == pytest.approx(float(np.asarray(want, got.dtype)), rel=1e-3)
            assert got.dtype == (np.sum(x).dtype if "manhattan" in op.__name__ else np.mean(x).dtype)


def test_the_gradient_of_a_product_without_nan_is_0_where_the_factor_is():
    """Also where what comes from above is infinite or not a number: the value does not depend on x there."""
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [1.0, 2.0, 3.0])
    y = sd.math.multiply_no_nan(x, np.array([0.0, 0.0, 4.0])) * np.array([np.inf, np.nan, 5.0])
    np.testing.assert_array_equal(sd.grad(y.sum(), x).eval(), [0.0, 0.0, 20.0])
