"""Derivatives of every elementwise function of one operand, order 0 to 3, against exact ones over all magnitudes.

Where the exact value can be represented, the computed one is finite and right: near 0, in the tails, at the largest
numbers, in half, single and double precision.
"""

import functools

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from sdgraph import SameDiff
from sdgraph.build.op import NOT_DIFFERENTIABLE, REGISTRY
from tests.ops import jets

ORDERS = 3


def _softsign(x):
    return x / (1 + x) if x.c[0] > 0 else x / (1 - x)


def _elu(x, alpha=1):
    return x if x.c[0] > 0 else alpha * jets.expm1(x)


def _rational_tanh(x):
    sign = 1 if x.c[0] >= 0 else -1
    y = x * (2 * sign / mpf(3))
    square = y * y
    return mpf("1.7159") * sign * (1 - 1 / (1 + y + square + mpf("1.41645") * (square * square)))


def _rectified_tanh(x):
    return jets.tanh(x) if x.c[0] > 0 else 0 * x


def _gelu(x):
    return x * jets.erfc(-x / mpmath.sqrt(2)) / 2


def _precise_gelu(x):
    return x * jets.logistic(2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x * x * x))


FORMULAS = {
    "math.exp": jets.exp, "math.expm1": jets.expm1, "math.ln": jets.log, "math.log": jets.log,
    "math.log1p": jets.log1p, "math.sqrt": jets.sqrt, "math.rsqrt": lambda x: jets.power(x, -mpf(1) / 2),
    "math.sin": jets.sin, "math.cos": jets.cos, "math.tan": jets.tan,
    "math.sinh": jets.sinh, "math.cosh": jets.cosh, "math.tanh": jets.tanh, "nn.tanh": jets.tanh,
    "math.asin": jets.asin, "math.acos": lambda x: mpmath.pi / 2 - jets.asin(x), "math.atan": jets.atan,
    "math.asinh": jets.asinh, "math.acosh": jets.acosh, "math.atanh": jets.atanh,
    "math.erf": jets.erf, "math.erfc": jets.erfc, "math.erfinv": jets.erfinv,
    "math.lgamma": jets.lgamma, "math.digamma": jets.digamma, "math.polygamma": jets.trigamma,
    "math.rational_tanh": _rational_tanh, "math.rectified_tanh": _rectified_tanh,
    "math.square": lambda x: x * x, "math.cube": lambda x: x * x * x, "math.reciprocal": lambda x: 1 / x,
    "nn.sigmoid": jets.logistic, "nn.softplus": jets.softplus, "nn.log_sigmoid": lambda x: -jets.softplus(-x),
    "nn.softsign": _softsign, "nn.elu": _elu,
    "nn.selu": lambda x: mpf("1.0507009873554804934193349852946") * _elu(x, mpf("1.6732632423543772848170429916717")),
    "nn.gelu": _gelu, "nn.precise_gelu": _precise_gelu, "nn.swish": lambda x: x * jets.logistic(x),
}  # fmt: skip
STRAIGHT = {
    "math.abs", "math.neg", "math.sign", "math.ceil", "math.floor", "math.round", "math.step", "math.clip_by_value",
    "nn.relu", "nn.relu6", "nn.leaky_relu", "nn.hard_sigmoid", "nn.hard_tanh",
}  # fmt: skip
"""Made of straight pieces: there is nothing to lose."""
WHOLE_ARRAYS = {
    "math.diag", "math.diag_part", "math.trace", "math.eye_like", "math.log_sum_exp", "math.count_non_zero",
    "math.zero_fraction", "math.entropy", "math.standardize", "math.moments", "math.is_max", "math.clip_by_norm",
    "math.merge_add", "math.count_zero", "math.shannon_entropy", "math.log_entropy", "math.reduce_amean",
    "math.reduce_amin", "math.first_index", "math.last_index", "math.iamax", "math.iamin", "math.is_non_decreasing",
    "math.is_strictly_increasing", "math.quantile", "math.percentile", "math.median", "math.merge_avg",
    "math.merge_max", "math.merge_max_index", "math.meshgrid", "math.clip_by_avg_norm", "nn.softmax",
    "nn.log_softmax", "nn.crelu", "nn.layer_norm", "nn.dropout", "nn.pad", "nn.top_k",
}  # fmt: skip
"""One element of the result depends on several, or is none of a function."""
DOMAINS = {
    "math.ln": (0, np.inf), "math.log": (0, np.inf), "math.sqrt": (0, np.inf), "math.rsqrt": (0, np.inf),
    "math.log1p": (-1, np.inf), "math.asin": (-1, 1), "math.acos": (-1, 1), "math.atanh": (-1, 1),
    "math.acosh": (1, np.inf), "math.erfinv": (-1, 1), "math.lgamma": (0, np.inf), "math.digamma": (0, np.inf),
    "math.polygamma": (0, np.inf),
}  # fmt: skip
SETTINGS = {"math.polygamma": (1,)}
"""What stands before the operand."""
MAGNITUDES = {
    "float64": (
        5e-324, 1e-310, 1e-300, 1e-200, 1e-154, 1e-100, 1e-30, 1e-10, 1e-5, 1e-3, 0.1, 0.5, 0.9, 1, 1.5, 3, 7, 12, 19,
        27, 37, 100, 300, 700, 1e3, 1e5, 1e8, 1e10, 1e15, 1e30, 1e77, 1e103, 1e150, 1e160, 1e300, 1.7e308,
    ),
    "float32": (
        1e-45, 1e-40, 1e-38, 1e-30, 1e-20, 1e-10, 1e-5, 1e-3, 0.1, 0.5, 0.9, 1, 1.5, 3, 7, 9, 12, 19, 27, 37, 60, 88,
        100, 300, 1e3, 1e5, 1e8, 1e10, 1e13, 1e15, 1e19, 1e20, 1e30, 1e38, 3.4e38,
    ),
    "float16": (
        6e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 0.9, 1, 1.5, 3, 5, 7, 9, 11, 12, 19, 27, 100, 200, 256, 300, 1000,
        3000, 10000, 60000, 65504,
    ),
}  # fmt: skip
TOLERANCES = {"float64": 4e-13, "float32": 1e-5, "float16": 3e-2}
"""exp(-x^2) loses the digits that x^2 has before the point; halves are rounded after every step."""


def apply(x, name):
    namespace, op = name.split(".")
    return getattr(getattr(x.sd, namespace), op)(*SETTINGS.get(name, ()), x)


def points(name, dtype):
    """Numbers of the dtype of all sizes and both signs, as far as the function is defined inside its domain."""
    low, high = DOMAINS.get(name, (-np.inf, np.inf))
    x = np.array(MAGNITUDES[dtype], dtype)
    ends = np.nextafter(np.array([low, high], dtype), np.array([high, low], dtype)) if name in DOMAINS else x[:0]
    x = np.unique(np.concatenate([x, -x, ends[np.isfinite(ends) & (np.abs(ends) > 0.5)]]))
    return x[(x > low) & (x < high)]


@functools.cache
def exact(name, x):
    """The function and its derivatives. Digits enough that what is tiny beside 1 is not lost."""
    size = abs(x)
    digits = 1100 if size < 1e-20 else 900 if size > 1e6 else 700
    digits = 60 if "gamma" in name else digits  # No value of these is a small rest of large ones.
    if name in ("math.erf", "math.erfc", "nn.gelu") and size > 1e7:
        # Beyond what the library computes; all that is left is the value and at most one slope.
        step = {"math.erf": (np.sign(x), 0), "math.erfc": (1 - np.sign(x), 0), "nn.gelu": (max(x, 0.0), float(x > 0))}
        return [mpf(v) for v in (*step[name], 0, 0)]
    with mpmath.workdps(digits):
        return FORMULAS[name](jets.Jet.at(x, ORDERS)).derivatives()


def is_right(got, want, x, order, dtype, factor=1):
    info = np.finfo(dtype)
    if abs(want) > float(info.max) * (1 - float(info.eps)):
        return abs(got) >= float(info.max) / 2 and (got > 0) == (want > 0)
    # Factors after the step that met a subnormal number, such as x in the tails, make its last place count for more.
    least = 8 * float(info.smallest_subnormal) * max(1.0, min(abs(x), 100.0)) ** max(order, 1) * max(1, abs(factor))
    return np.isfinite(got) and abs(mpf(float(got)) - want) <= TOLERANCES[dtype] * abs(want) + least


def derivatives(y, x, orders=ORDERS):
    out = [y]
    for _ in range(orders):
        out.append(x.sd.grad(out[-1], x))
    values = x.sd.output({}, out)
    return [values[v.name] for v in out]


def elementwise_names():
    """Differentiable ops of sd.math and sd.nn that need one operand and nothing else."""
    for name, op in REGISTRY.items():
        if name.split(".")[0] in ("math", "nn") and op.vjp is not NOT_DIFFERENTIABLE and name.count(".") == 1:
            required = [k for k in op.operand_names if k not in op.operand_defaults]
            if len(required) == 1:
                yield name


@pytest.mark.any_engine
def test_every_function_is_swept():
    assert set(elementwise_names()) - WHOLE_ARRAYS - STRAIGHT == set(FORMULAS)


@pytest.mark.parametrize("dtype", MAGNITUDES)
@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_at_all_magnitudes(name, dtype):
    sd = SameDiff(dtype=dtype)
    x = sd.var("x", points(name, dtype))
    wrong = []
    for order, values in enumerate(derivatives(apply(x, name), x)):
        for p, got in zip(x.value, values, strict=True):
            want = exact(name, float(p))[order]
            if not is_right(got, want, float(p), order, dtype):
                wrong.append((order, float(p), float(got), mpmath.nstr(want, 8)))
    assert not wrong, wrong[:8]


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("math.asin", 1, (np.inf, np.inf, np.inf)),
        ("math.asin", -1, (np.inf, -np.inf, np.inf)),
        ("math.acos", 1, (-np.inf, -np.inf, -np.inf)),
        ("math.acos", -1, (-np.inf, np.inf, -np.inf)),
        ("math.acosh", 1, (np.inf, -np.inf, np.inf)),
        ("math.atanh", 1, (np.inf, np.inf, np.inf)),
        ("math.atanh", -1, (np.inf, -np.inf, np.inf)),
        ("math.tanh", 0, (1, 0, -2)),
        ("nn.sigmoid", 0, (1 / 4, 0, -1 / 8)),
        ("nn.softplus", 0, (1 / 2, 1 / 4, 0)),
        ("math.atan", 0, (1, 0, -2)),
        ("math.asin", 0, (1, 0, 1)),
        ("math.atanh", 0, (1, 0, 2)),
    ],
)
@pytest.mark.parametrize("dtype", MAGNITUDES)
def test_derivatives_at_ends_and_centres(name, x, want, dtype):
    v = SameDiff(dtype=dtype).var("x", np.array(x, dtype))
    assert [float(d) for d in derivatives(apply(v, name), v)[1:]] == list(want)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, 0.5, -1, -2, 1.5, 2.5, -0.5])
@pytest.mark.parametrize("kind", ["number", "variable", "one variable for all"])
@pytest.mark.parametrize("dtype", MAGNITUDES)
def test_powers_near_zero(exponent, kind, dtype):
    """``c (c - 1) ... x^(c - k)``, which is 0 from the order on where a whole exponent has reached 0."""
    sd = SameDiff(dtype=dtype)
    x = sd.var("x", np.array([0, *(p for p in MAGNITUDES[dtype] if p < 4)], dtype))
    power = np.array(exponent, dtype)
    e = power if kind == "number" else sd.var("e", power if kind[:3] == "one" else np.full(x.shape, power))
    factor = mpf(1)
    for order, values in enumerate(derivatives(x**e, x, 4)):
        for p, got in zip(x.value.tolist(), values, strict=True):
            if p == 0 and factor and exponent < order:
                assert abs(got) == np.inf and (got > 0) == (factor > 0)
                continue
            want = factor * mpf(p) ** (exponent - order) if factor else mpf(0)
            if factor and abs(want / factor) > float(np.finfo(dtype).max):
                assert abs(got) >= abs(want) * 0.9  # The power itself does not fit.
                continue
            assert is_right(got, want, p, order, dtype, factor), (order, p, got, want)
        factor *= exponent - order


def test_mixed_derivatives_of_a_power_with_exponent_0():
    """d/dy of y x^(y-1) at y = 0 is 1 / x, though the derivative by x itself is 0 there."""
    sd = SameDiff(dtype="float64")
    x, y = sd.var("x", [0.5, 2.0]), sd.var("y", [0.0, 0.0])
    by_x = sd.grad(x**y, x)
    assert by_x.eval().tolist() == [0, 0]
    assert sd.grad(by_x, y).eval().tolist() == [2, 0.5]
