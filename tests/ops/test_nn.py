"""Activations and layers: accuracy against exact arithmetic, values at special points, and what is refused."""

import math

import mpmath
import numpy as np
import pytest
from scipy import special

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, DTypeError, ShapeError
from tests.ops.finite_differences import check_gradients

mpmath.mp.dps = 60

POINTS = [-745.0, -700.0, -40.0, -3.0, -1e-9, -1e-300, 0.0, 1e-300, 1e-9, 0.5, 3.0, 40.0, 700.0, 745.0, 1e300]


def of_x(build, x, order=0):
    """The value at each entry of ``x`` of an elementwise function, or of its derivative."""
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("x", shape=(len(x),))
    y = build(sd, v)
    for _ in range(order):
        y = sd.grad(y, v)
    return y.eval({"x": x})


def assert_relative(got, want, tolerance, unit=2.3e-16):
    """Relative errors within ``tolerance`` units; results below the normal range may be off by their spacing."""
    for a, b in zip(got.tolist(), want, strict=True):
        assert abs(mpmath.mpf(a) - b) <= tolerance * unit * abs(b) + 1e-323, (a, b)


def exact_sigmoid(x):
    return 1 / (1 + mpmath.exp(-mpmath.mpf(x)))


# ---------------------------------------------------------------------- sigmoid and its relatives


def test_sigmoid_is_accurate_in_both_tails():
    assert_relative(of_x(lambda sd, x: sd.nn.sigmoid(x), POINTS), [exact_sigmoid(x) for x in POINTS], 4)


def test_sigmoid_derivatives_are_accurate():
    first = [exact_sigmoid(x) * exact_sigmoid(-x) for x in POINTS]
    assert_relative(of_x(lambda sd, x: sd.nn.sigmoid(x), POINTS, 1), first, 8)
    # The second derivative crosses 0 at x = 0, where only the absolute error can be small.
    second = [float(d * (exact_sigmoid(-x) - exact_sigmoid(x))) for d, x in zip(first, POINTS, strict=True)]
    np.testing.assert_allclose(of_x(lambda sd, x: sd.nn.sigmoid(x), POINTS, 2), second, rtol=1e-14, atol=1e-16)


def test_sigmoid_derivatives_at_zero():
    assert [float(of_x(lambda sd, x: sd.nn.sigmoid(x), [0.0], n)[0]) for n in range(5)] == [0.5, 0.25, 0, -0.125, 0]


def test_sigmoid_at_infinity_and_nan():
    got = of_x(lambda sd, x: sd.nn.sigmoid(x), [-math.inf, math.inf, math.nan])
    np.testing.assert_array_equal(got, [0, 1, math.nan])


def test_softplus_has_no_threshold():
    want = [mpmath.log1p(mpmath.exp(mpmath.mpf(x))) for x in POINTS]
    assert_relative(of_x(lambda sd, x: sd.nn.softplus(x), POINTS), want, 4)
    assert_relative(of_x(lambda sd, x: sd.nn.softplus(x), POINTS, 1), [exact_sigmoid(x) for x in POINTS], 4)


def test_log_sigmoid_is_accurate():
    want = [-mpmath.log1p(mpmath.exp(-mpmath.mpf(x))) for x in POINTS]
    assert_relative(of_x(lambda sd, x: sd.nn.log_sigmoid(x), POINTS), want, 4)
    assert_relative(of_x(lambda sd, x: sd.nn.log_sigmoid(x), POINTS, 1), [exact_sigmoid(-x) for x in POINTS], 4)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool"])
def test_log_sigmoid_of_integers(dtype):
    x = np.array([0, 1], dtype)
    got = SameDiff().nn.log_sigmoid(x)
    assert got.dtype == got.eval().dtype == "float16"
    np.testing.assert_allclose(got.eval(), special.log_expit(x.astype("float64")), rtol=1e-3)


def test_gelu_is_accurate_in_the_lower_tail():
    x = [-35.0, -10.0, -1.0, -1e-9, 1e-9, 2.0, 30.0]
    assert_relative(of_x(lambda sd, v: sd.nn.gelu(v), x), [mpmath.mpf(a) * mpmath.ncdf(a) for a in x], 3000)


def test_gelu_forms():
    x = np.linspace(-4, 4, 9)
    np.testing.assert_allclose(
        of_x(lambda sd, v: sd.nn.gelu(v, approximate="sigmoid"), x), x * special.expit(1.702 * x), rtol=1e-14
    )
    tanh = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(of_x(lambda sd, v: sd.nn.precise_gelu(v), x), tanh, rtol=1e-10)
    with pytest.raises(ArgumentError, match="no approximation 'cubic'"):
        SameDiff().nn.gelu([1.0], "cubic")


# ---------------------------------------------------------------------- softmax


def exact_log_softmax(row):
    total = mpmath.fsum(mpmath.exp(mpmath.mpf(x)) for x in row)
    return [mpmath.mpf(x) - mpmath.log(total) for x in row]


ROWS = [
    [0.1, 0.2, 0.3],
    [40.0, 0.0, -1.0],
    [1e4, 0.0, 1e4 - 30],
    [-1e4, -1e4, -2e4],
    [700.0, 0.0, 0.0],
    [3.0, 3.0, 3.0],
]


@pytest.mark.parametrize("row", ROWS)
def test_log_softmax_does_not_cancel(row):
    mpmath.mp.dps = 6000 if max(map(abs, row)) > 1000 else 400
    try:
        want = exact_log_softmax(row)
        assert_relative(of_x(lambda sd, x: sd.nn.log_softmax(x), row), want, 6)
        want = [mpmath.exp(w) for w in want]
        assert_relative(of_x(lambda sd, x: sd.nn.softmax(x), row), want, 20)
    finally:
        mpmath.mp.dps = 60


def test_gradient_of_the_dominant_class_does_not_vanish():
    row = [40.0, 0.0, 1.0]
    p = [mpmath.exp(a) for a in exact_log_softmax(row)]
    got = of_x(lambda sd, x: sd.nn.log_softmax(x)[0], row, 1)
    assert_relative(got, [p[1] + p[2], -p[1], -p[2]], 40)


def test_masked_logits_have_probability_zero():
    row = [1.0, -math.inf, 1.0]
    np.testing.assert_array_equal(of_x(lambda sd, x: sd.nn.softmax(x), row), [0.5, 0, 0.5])
    np.testing.assert_array_equal(of_x(lambda sd, x: sd.nn.softmax(x)[0], row, 1), [0.25, 0, -0.25])
    np.testing.assert_array_equal(of_x(lambda sd, x: sd.nn.log_softmax(x)[0], row, 1), [0.5, 0, -0.5])


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_over_any_axis(axis, dtype):
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(dtype)
    sd = SameDiff(dtype=dtype)
    v = sd.constant("x", x)
    for got, want in ((sd.nn.softmax(v, axis), special.softmax), (sd.nn.log_softmax(v, axis), special.log_softmax)):
        assert got.dtype == dtype
        np.testing.assert_allclose(got.eval(), want(x, axis=axis), rtol=1e-5 if dtype == "float32" else 1e-13)


def test_softmax_of_no_rows_and_no_classes():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", shape=(None, None))
    for y in (sd.nn.softmax(x), sd.nn.log_softmax(x)):
        assert y.eval({"x": np.zeros((0, 3))}).shape == (0, 3)
        assert y.eval({"x": np.zeros((3, 0))}).shape == (3, 0)


def test_softmax_refuses_a_bad_axis_at_once():
    sd = SameDiff()
    with pytest.raises(ArgumentError, match="axis is out of range"):
        sd.nn.softmax(sd.placeholder("x", shape=(2, 3)), axis=2)


# ---------------------------------------------------------------------- rectifiers


@pytest.mark.parametrize(
    ("build", "x", "value", "slope"),
    [
        (lambda sd, x: sd.nn.relu(x), [-1.0, 0.0, 2.0], [0, 0, 2], [0, 0, 1]),
        (lambda sd, x: sd.nn.relu(x, cutoff=1.0), [0.5, 1.0, 2.0], [0, 1, 2], [0, 0, 1]),
        (lambda sd, x: sd.nn.relu6(x), [-1.0, 0.0, 2.0, 6.0, 9.0], [0, 0, 2, 6, 6], [0, 0, 1, 0, 0]),
        (lambda sd, x: sd.nn.leaky_relu(x, alpha=0.25), [-4.0, 0.0, 4.0], [-1, 0, 4], [0.25, 0.25, 1]),
        (lambda sd, x: sd.nn.hard_tanh(x), [-2.0, -1.0, 0.5, 1.0, 2.0], [-1, -1, 0.5, 1, 1], [0, 1, 1, 1, 0]),
        (lambda sd, x: sd.nn.hard_sigmoid(x), [-3.0, -2.5, 0.0, 2.5, 3.0], [0, 0, 0.5, 1, 1], [0, 0.2, 0.2, 0.2, 0]),
        (lambda sd, x: sd.nn.elu(x), [0.0, 1.0], [0, 1], [1, 1]),
        (lambda sd, x: sd.nn.softsign(x), [-1.0, 0.0, 3.0], [-0.5, 0, 0.75], [0.25, 1, 0.0625]),
    ],
)
def test_corners(build, x, value, slope):
    np.testing.assert_array_equal(of_x(build, x), value)
    np.testing.assert_array_equal(of_x(build, x, 1), slope)


def test_elu_slope_in_the_far_tail():
    assert_relative(of_x(lambda sd, x: sd.nn.elu(x), [-50.0, -700.0], 1), [mpmath.exp(-50), mpmath.exp(-700)], 2)
    np.testing.assert_array_equal(of_x(lambda sd, x: sd.nn.elu(x), [1000.0], 2), [0])


def test_rectifiers_keep_nan():
    for build in (lambda sd, x: sd.nn.relu(x), lambda sd, x: sd.nn.relu6(x), lambda sd, x: sd.nn.relu(x, 1.0)):
        assert np.isnan(of_x(build, [math.nan])).all()


def test_crelu_refuses_what_has_no_negative():
    with pytest.raises(DTypeError, match="no negative part"):
        SameDiff().nn.crelu(np.array([1], "uint8"))


def test_relu_of_integers_stays_integer():
    sd = SameDiff()
    y = sd.nn.relu(sd.constant("x", [-1, 2], dtype="int32"))
    assert y.dtype == "int32"
    np.testing.assert_array_equal(y.eval(), [0, 2])


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "relu", "elu", "softsign", "leaky_relu", "softmax"])
def test_complex_numbers_are_refused(name):
    sd = SameDiff()
    with pytest.raises(DTypeError, match="real numbers"):
        getattr(sd.nn, name)(sd.constant("z", np.array([1j])))


def test_prelu_shares_slopes():
    x = -np.ones((2, 3, 4))
    sd = SameDiff(dtype="float64")
    alpha = sd.var("alpha", [0.1, 0.2, 0.3])
    y = sd.nn.prelu(sd.constant("x", x), alpha, shared_axes=(2,))
    np.testing.assert_allclose(y.eval(), x * np.array([0.1, 0.2, 0.3])[:, None])
    np.testing.assert_allclose(sd.grad(y, alpha).eval(), [-8, -8, -8])
    with pytest.raises(ArgumentError, match="batch axis"):
        sd.nn.prelu(sd.constant(x), alpha, shared_axes=(0,))


# ---------------------------------------------------------------------- layers


def test_linear_flags():
    rng = np.random.default_rng(1)
    x, w, b = rng.normal(size=(3, 2)), rng.normal(size=(4, 3)), rng.normal(size=2)
    got = SameDiff(dtype="float64").nn.linear(x, w, b, True, True, True).eval()
    np.testing.assert_allclose(got, (x.T @ w.T).T + b)


def test_bias_add_channel_axis():
    x = np.zeros((2, 3, 4))
    sd = SameDiff(dtype="float64")
    np.testing.assert_array_equal(sd.nn.bias_add(x, np.arange(4.0)).eval()[1, 2], [0, 1, 2, 3])
    np.testing.assert_array_equal(sd.nn.bias_add(x, np.arange(3.0), nchw=True).eval()[1, :, 0], [0, 1, 2])
    with pytest.raises(ShapeError, match="rank 1"):
        sd.nn.bias_add(x, np.zeros((1, 4)))
    with pytest.raises(ShapeError, match="do not broadcast"):
        sd.nn.bias_add(x, np.zeros(3))


def test_batch_norm_along_two_axes():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5, 2, 3))
    mean, variance, gamma, beta = (rng.uniform(0.5, 1, size=(2, 3)) for _ in range(4))
    got = SameDiff(dtype="float64").nn.batch_norm(x, mean, variance, gamma, beta, 1e-3, (1, 2)).eval()
    np.testing.assert_allclose(got, gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta)


@pytest.mark.parametrize("variance", [0.0, 1e-45, 1e-38, 1e-20, 1.0, 3.0, 7e15, 3e38, np.inf, np.nan])
@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_batch_norm_with_any_variance(engine, variance):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    x = np.array([0.0, -0.0, 1e-40, 1e-22, 1.0, -7.0, 49.0, 1e20, 3e38, np.inf, np.nan], np.float32)[:, None]
    variances = np.array([variance], np.float32)
    sd = SameDiff()
    v = sd.placeholder("x", (None, 1))
    with np.errstate(all="ignore"):
        f = sd.compile(sd.nn.batch_norm(v, np.zeros(1, np.float32), variances, epsilon=0.0), engine=engine)
        got = np.concatenate([*f(x=x).values()])
        want = (x.astype("float64") / np.sqrt(variances.astype("float64"))).astype("float32")
    np.testing.assert_allclose(got, want, rtol=3e-7, atol=1.5e-45)
    assert (np.signbit(got) == np.signbit(want))[want == 0].all()


def test_layer_norm_channels_first():
    rng = np.random.default_rng(3)
    x, gain, bias = rng.normal(size=(2, 3, 4)), rng.normal(size=3), rng.normal(size=3)
    got = SameDiff(dtype="float64").nn.layer_norm(x, gain, bias, True, (1, 2), epsilon=1e-6).eval()
    centred = x - x.mean((1, 2), keepdims=True)
    want = centred / np.sqrt((centred**2).mean((1, 2), keepdims=True) + 1e-6)
    np.testing.assert_allclose(got, want * gain[:, None] + bias[:, None], rtol=1e-12)


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric"])
def test_pad_and_its_transpose(mode):
    rng = np.random.default_rng(4)
    x, padding = rng.normal(size=(4, 3)), ((2, 1), (0, 2))
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("x", shape=(None, 3))
    y = sd.nn.pad(v, padding, mode)
    assert y.shape == (None, 5)
    got = y.eval({"x": x})
    np.testing.assert_array_equal(got, np.pad(x, padding, mode=mode))
    g = rng.normal(size=got.shape)
    back = sd.grad(sd.sum(y * g), v).eval({"x": x})
    h = rng.normal(size=x.shape)
    np.testing.assert_allclose((back * h).sum(), (g * np.pad(h, padding, mode=mode)).sum(), rtol=1e-12)


def test_pad_errors():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(3,))
    with pytest.raises(ArgumentError, match="pair per axis"):
        sd.nn.pad(x, [(1, 1), (0, 0)])
    with pytest.raises(ArgumentError, match="mode of padding"):
        sd.nn.pad(x, [(1, 1)], "edge")
    with pytest.raises(ShapeError, match="at most 2"):
        sd.nn.pad(x, [(3, 0)], "reflect")


def test_top_k_ties_order_and_gradient():
    x = np.array([[3.0, 1.0, 3.0, 2.0], [0.0, 5.0, 4.0, 5.0]])
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("x", shape=(None, None))
    values, indices = sd.nn.top_k(v, 2)
    np.testing.assert_array_equal(values.eval({"x": x}), [[3, 3], [5, 5]])
    np.testing.assert_array_equal(indices.eval({"x": x}), [[0, 2], [1, 3]])
    np.testing.assert_array_equal(sd.grad(values * values, v).eval({"x": x}), [[6, 0, 6, 0], [0, 10, 0, 10]])
    _, unsorted = sd.nn.top_k(v, 3, sorted=False)
    np.testing.assert_array_equal(unsorted.eval({"x": x}), [[0, 2, 3], [1, 2, 3]])
    with pytest.raises(ArgumentError, match="k=9"):
        sd.nn.top_k(sd.placeholder("y", shape=(4,)), 9)
    with pytest.raises(ArgumentError, match="k=9"):
        sd.nn.top_k(v, 9)[0].eval({"x": x})


# ---------------------------------------------------------------------- attention


def attention(q, k, v, mask=None):
    """Attention for one example: columns are queries and keys."""
    scores = k.T @ q / np.sqrt(k.shape[0])
    if mask is not None:
        scores = np.where(mask[:, None], scores, -np.inf)
    return v @ special.softmax(scores, axis=0)


def test_attention_with_mask():
    rng = np.random.default_rng(5)
    q, k, v = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 6, 5))
    mask = np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    got = SameDiff(dtype="float64").nn.dot_product_attention(q, k, v, mask).eval()
    for n in range(2):
        np.testing.assert_allclose(got[n], attention(q[n], k[n], v[n], mask[n] != 0), rtol=1e-12)


def test_attention_with_everything_masked_is_finite():
    x = np.ones((1, 2, 3))
    sd = SameDiff(dtype="float64")
    v = sd.var("x", x)
    y = sd.nn.dot_product_attention(v, v, v, np.zeros((1, 3)))
    assert np.isfinite(y.eval()).all()
    assert np.isfinite(sd.grad(y, v).eval()).all()


def test_multi_head_attention_is_attention_per_head():
    rng = np.random.default_rng(6)
    q, k, v = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 7)), rng.normal(size=(2, 6, 7))
    wq, wk, wv = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 3, 6))
    wo = rng.normal(size=(6, 8))
    sd = SameDiff(dtype="float64")
    queries = sd.placeholder("q", shape=(None, 3, None))
    got = sd.nn.multi_head_dot_product_attention(queries, k, v, wq, wk, wv, wo).eval({"q": q})
    for n in range(2):
        heads = [attention(wq[h] @ q[n], wk[h] @ k[n], wv[h] @ v[n]) for h in range(2)]
        np.testing.assert_allclose(got[n], wo.T @ np.concatenate(heads), rtol=1e-10)


def test_attention_refuses_mixed_ranks():
    with pytest.raises(ShapeError, match="same rank"):
        SameDiff().nn.dot_product_attention(np.zeros((1, 2, 3)), np.zeros((1, 1, 2, 3)), np.zeros((1, 2, 3)))


# ---------------------------------------------------------------------- dropout


def test_dropout_reads_the_probability_as_samediff_does():
    x = np.ones(20000)
    sd = SameDiff(dtype="float64")
    dropped = sd.nn.dropout(x, 0.2).eval()
    kept = sd.nn.dropout(x, 0.2, inverted=False).eval()
    assert abs((dropped == 0).mean() - 0.2) < 0.02
    assert abs((kept == 0).mean() - 0.8) < 0.02
    np.testing.assert_allclose(dropped[dropped != 0], 1.25)
    np.testing.assert_allclose(kept[kept != 0], 5)


def test_dropout_gradient_uses_the_same_mask():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", np.full(200, 3.0))
    y = sd.nn.dropout(x, 0.5)
    value, slope = sd.output({}, [y, sd.grad(y, x)]).values()
    np.testing.assert_array_equal(slope, value / 3)
    assert 0 < (value == 0).sum() < 200


def test_two_dropouts_differ():
    sd = SameDiff(dtype="float64")
    x = np.ones(200)
    assert (sd.nn.dropout(x).eval() != sd.nn.dropout(x).eval()).any()


@pytest.mark.parametrize("probability", [1.0, -0.1, 1.1, math.nan])
def test_dropout_refuses_what_keeps_nothing(probability):
    with pytest.raises(ArgumentError, match="cannot be used for dropout"):
        SameDiff().nn.dropout([1.0], probability)


# ---------------------------------------------------------------------- halves and large deviations


@pytest.mark.parametrize("classes", [3, 65536])
def test_softmax_of_halves_over_many_classes(classes):
    sd = SameDiff(dtype="float16")
    x = sd.var("x", np.zeros((1, classes), np.float16))
    p, log_p = sd.nn.softmax(x), sd.nn.log_softmax(x)
    np.testing.assert_allclose(p.eval().astype(float), 1 / classes, rtol=1e-3, atol=6e-8)
    np.testing.assert_allclose(log_p.eval().astype(float), -math.log(classes), rtol=1e-3)
    # d(p_0)/dx_k = p_0 (d_0k - p_k); d(sum of all log p)/dx = 1 - classes p = 0.
    first = np.full((1, classes), -1 / classes**2)
    first[0, 0] += 1 / classes
    np.testing.assert_allclose(sd.grad(p[0, 0], x).eval().astype(float), first, rtol=1e-3, atol=6e-8)
    np.testing.assert_allclose(sd.grad(sd.sum(log_p), x).eval().astype(float), 0, atol=1e-2)
    slope = np.full((1, classes), -1 / classes)
    slope[0, 0] += 1
    np.testing.assert_allclose(sd.grad(log_p[0, 0], x).eval().astype(float), slope, rtol=1e-3, atol=6e-8)


def test_softmax_of_small_and_whole_numbers_keeps_its_dtype():
    sd = SameDiff()
    assert sd.nn.softmax(np.array([1, 2], np.int8)).eval().dtype == np.float16
    assert sd.nn.log_softmax(np.array([1, 2], np.int64)).eval().dtype == np.float64


LAYERS = [[300.0, -300.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0]]


@pytest.mark.parametrize("epsilon", [1e-5, 0.0, 1e-3])
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        ("float16", 1.0),
        ("float16", 100.0),
        ("float32", 1e30),
        ("float32", 1e-30),
        ("float32", 1e-36),
        ("float64", 1e300),
        ("float64", 1e-300),
        ("float64", 1.0),
    ],
)
def test_layer_norm_of_any_size(dtype, scale, epsilon):
    """``(x - mean) / sqrt(variance + epsilon)`` with fifty digits, and its gradient."""
    x = (np.array(LAYERS) * scale).astype(dtype)
    g = np.array([1.0, -2.0, 0.5, 3.0])
    want, slopes = [], []
    with mpmath.workdps(700):
        for row in x.astype(float).tolist():
            row = [mpmath.mpf(v) for v in row]
            mean = sum(row) / 4
            spread = mpmath.sqrt(sum((v - mean) ** 2 for v in row) / 4 + mpmath.mpf(epsilon))
            unit = [(v - mean) / spread if spread else mpmath.mpf(0) for v in row]
            dot = sum(a * u for a, u in zip(g.tolist(), unit, strict=True)) / 4
            want.append([float(u) for u in unit])
            slopes.append(
                [(float((a - g.mean() - u * dot) / spread) if spread else 0.0) for a, u in zip(g, unit, strict=True)]
            )
    sd = SameDiff(dtype=dtype)
    v = sd.var("v", x)
    y = sd.nn.layer_norm(v, epsilon=epsilon)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y.eval().astype(float), want, rtol=8 * eps, atol=8 * eps)
    got = sd.grad(sd.sum(y * g.astype(dtype)), v).eval().astype(float)
    for a, b in zip(got, np.array(slopes), strict=True):
        if np.abs(b).max() < np.finfo(dtype).max / 8:
            np.testing.assert_allclose(
                a, b, rtol=32 * eps, atol=32 * eps * np.abs(b).max() + 4e-8 * (dtype == "float16")
            )


def test_layer_norm_of_equal_elements_has_the_derivatives_of_a_smooth_function():
    """Around equal elements it is (x - mean) / sqrt(epsilon) up to third order, where the spread comes in."""
    check_gradients(lambda sd, x: sd.nn.layer_norm(x, epsilon=0.5), np.full((2, 3), 7.0), orders=3)
    check_gradients(lambda sd, x: sd.nn.layer_norm(x, epsilon=1e-5), np.array([[1.0, 3.0, -2.0]]), orders=2)


def test_relu6_is_never_below_its_cutoff():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [-8.0, 0.2, 0.5, 1.0, 6.0, 7.0, math.nan])
    y = sd.nn.relu6(x, 0.5)
    np.testing.assert_array_equal(y.eval(), [0.5, 0.5, 0.5, 1, 6, 6, math.nan])
    assert sd.grad(y, x).eval().tolist()[:-1] == [0, 0, 0, 1, 0, 0]
    whole = sd.constant(np.array([-3, 2, 9], np.int8))
    assert sd.nn.relu6(whole, 1.0).eval().tolist() == [1, 2, 6]
    assert sd.nn.relu6(sd.constant(np.array([3, 9], np.uint8)), -1.0).eval().tolist() == [3, 6]
    with pytest.raises(ArgumentError, match="whole number"):
        sd.nn.relu6(whole, 0.5)


@pytest.mark.parametrize("gap", [9.0, 20.0, 40.0])
def test_second_derivative_of_log_softmax_at_sure_logits(gap):
    """Of l^2 with l = log p = -log(1 + e^-d): (l^2)'' = 2 (s^2 - l s (1 - s)) with s = 1 - p, nearly 4 e^-2d."""
    sd = SameDiff()
    x = sd.var("x", [gap, 0.0])
    first = sd.grad(sd.math.square(sd.nn.log_softmax(x)[0]), x)
    with mpmath.workdps(60):
        s = 1 / (1 + mpmath.exp(gap))
        log_p = mpmath.log1p(-s)
        slope, curvature = 2 * log_p * s, 2 * (s**2 - log_p * s * (1 - s))
    np.testing.assert_allclose(first.eval(), [float(slope), -float(slope)], rtol=1e-5)
    np.testing.assert_allclose(sd.grad(first[0], x).eval(), [float(curvature), -float(curvature)], rtol=1e-5)


@pytest.mark.parametrize("gap", [0.5, 9.0, 20.0, 40.0])
def test_derivatives_of_softmax_at_sure_logits(gap):
    """Of two classes it is the sigmoid of the difference: p (1 - p), and p (1 - p) (1 - 2 p)."""
    sd = SameDiff()
    x = sd.var("x", [gap, 0.0])
    p = sd.nn.softmax(x)
    with mpmath.workdps(60):
        s = 1 / (1 + mpmath.exp(gap))
        slope, curvature = float(s * (1 - s)), float(s * (1 - s) * (2 * s - 1))
    for k, sign in ((0, 1), (1, -1)):
        first = sd.grad(p[k], x)
        np.testing.assert_allclose(first.eval(), [sign * slope, -sign * slope], rtol=1e-5)
        np.testing.assert_allclose(sd.grad(first[0], x).eval(), [sign * curvature, -sign * curvature], rtol=1e-5)


def test_attention_of_halves_whose_scores_do_not_fit():
    """128 products of 30 are 115,200; scaled they are 10,182."""
    rng = np.random.default_rng(0)
    q, k, v = (np.where(rng.random((1, 128, 3)) < 0.5, 30.0, 29.0) for _ in range(3))
    got = SameDiff(dtype="float16").nn.dot_product_attention(*(a.astype(np.float16) for a in (q, k, v))).eval()
    assert got.dtype == np.float16
    scores = np.swapaxes(k, 1, 2) @ q / math.sqrt(128)
    np.testing.assert_allclose(got.astype(float), v @ special.softmax(scores, 1), rtol=1e-3)
