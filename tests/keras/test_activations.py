"""Activation functions: formulas in numpy, names, configurations, and extreme inputs."""

import numpy as np
import pytest
import scipy.special

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, ShapeError
from sdgraph.keras import activations

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(7, 6)) * 3, [[-1e30, -80.0, -1e-8, 1e-8, 80.0, 1e30]]])
SELU = 1.0507009873554805, 1.6732632423543772


def sigmoid(x):
    return scipy.special.expit(x)


def softplus(x):
    return np.logaddexp(x, 0)


def sparsemax(x):
    rows = []
    for row in x:
        low, high = row.max() - 1, row.max()
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if np.maximum(row - middle, 0).sum() > 1 else (low, middle)
        rows.append(np.maximum(row - low, 0))
    return np.array(rows)


FORMULAS = {
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "exponential": np.exp,
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "glu": lambda x: x[:, :3] * sigmoid(x[:, 3:]),
    "hard_shrink": lambda x: np.where(abs(x) > 0.5, x, 0),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "linear": lambda x: x,
    "log_sigmoid": lambda x: -softplus(-x),
    "log_softmax": lambda x: scipy.special.log_softmax(x, axis=-1),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0))),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0),
    "softmax": lambda x: scipy.special.softmax(x, axis=-1),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + abs(x)),
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (np.clip(x, -1, 1) + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: np.clip(x / 2 + 0.5, 0, 1),
    "sparsemax": sparsemax,
    "squareplus": lambda x: np.where(x < 0, 2 / (np.hypot(x, 2) + abs(x)), (x + np.hypot(x, 2)) / 2),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
    "threshold": lambda x: np.where(x > 0.3, x, -2.0),
}
SETTINGS = {"threshold": (0.3, -2.0)}


def test_every_function_has_a_formula():
    assert FORMULAS.keys() == activations.FUNCTIONS.keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-12)])
def test_the_formula_on_arrays_and_variables(name, dtype, tolerance):
    # The nearest point of a simplex is found by halving, which needs numbers of one size.
    x = (X[:-1] if name in ("sparsemax", "exponential") else X).astype(dtype)
    function, settings = activations.get(name), SETTINGS.get(name, ())
    out = function(x, *settings)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, FORMULAS[name](x.astype(float)), rtol=tolerance, atol=tolerance)
    v = SameDiff(dtype=dtype).placeholder("x", (None, 6))
    for engine in ("numpy", "llvm"):
        np.testing.assert_allclose(
            function(v, *settings).eval({v: x}, engine=engine),
            out,
            rtol=tolerance,
            atol=tolerance if name == "tanh_shrink" else 1e-30,
        )


JAX = {
    **{name: getattr(jax.nn, name) for name in ("celu", "elu", "glu", "log_sigmoid", "log_softmax", "mish", "relu")},
    **{name: getattr(jax.nn, name) for name in ("selu", "sigmoid", "silu", "softmax", "softplus", "hard_tanh")},
    **{name: getattr(jax.nn, name) for name in ("sparse_plus", "sparse_sigmoid", "squareplus", "hard_sigmoid")},
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "hard_silu": jax.nn.hard_silu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "softsign": jax.nn.soft_sign,
    "relu6": jax.nn.relu6,
    "exponential": jnp.exp,
    "tanh": jnp.tanh,
    "tanh_shrink": lambda x: x - jnp.tanh(x),
    "soft_shrink": lambda x: jnp.where(x > 0.5, x - 0.5, jnp.where(x < -0.5, x + 0.5, 0.0)),
}


@pytest.mark.parametrize("name", JAX)
def test_gradients_are_those_of_jax(name):
    x = X[:-1].astype("float32")
    weight = RNG.normal(size=FORMULAS[name](x).shape).astype("float32")
    theirs = jax.grad(lambda x: (weight * JAX[name](x)).sum())(x)
    sd = SameDiff()
    v = sd.placeholder("x", (None, 6))
    y = sd.sum(activations.get(name)(v) * weight)
    np.testing.assert_allclose(sd.grad(y, v).eval({v: x}), theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_are_finite_at_every_finite_input(name):
    x = np.array([[-3e38, -1e30, -100.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 50.0, 1e30, 3e38]], "float32")
    sd = SameDiff()
    v = sd.placeholder("x", (None, 14))
    y = activations.get(name)(v, *SETTINGS.get(name, ()))
    at = {"exponential": x.clip(None, 80), "log_softmax": x / 2}.get(name, x)
    assert np.isfinite(y.eval({v: at})).all()
    assert np.isfinite(sd.grad(sd.sum(y), v).eval({v: at})).all()


@pytest.mark.parametrize(("name", "at", "slope"), [("relu", 0, 0), ("squareplus", 0, 0.5), ("celu", 0, 1)])
def test_kinks(name, at, slope):
    sd = SameDiff()
    v = sd.placeholder("x", ())
    assert sd.grad(activations.get(name)(v), v).eval({v: at}) == slope


def test_second_derivative_of_squareplus():
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("x", (3,))
    first = sd.grad(sd.sum(activations.squareplus(v)), v)
    x = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(sd.grad(sd.sum(first), v).eval({v: x}), 2 / (x**2 + 4) ** 1.5)


@pytest.mark.parametrize(
    "settings", [{}, {"negative_slope": 0.1}, {"max_value": 6.0}, {"threshold": 1.0, "negative_slope": 0.5}]
)
def test_relu_with_settings(settings):
    slope, most = settings.get("negative_slope", 0.0), settings.get("max_value", np.inf)
    bend = settings.get("threshold", 0.0)
    x = np.linspace(-9, 9, 37)
    wanted = np.where(x > bend, np.minimum(x, most), slope * (x - bend))
    np.testing.assert_allclose(activations.relu(x, **settings), wanted, rtol=1e-15)


def test_names_and_configurations():
    assert activations.get("swish") is activations.silu
    assert activations.get(None) is activations.linear
    assert activations.get(activations.mish) is activations.mish
    for name, function in activations.FUNCTIONS.items():
        assert activations.serialize(function) == name
        assert activations.deserialize(name) is function

    def mine(x):
        return x

    config = activations.serialize(mine)
    assert config["config"] == "mine"
    assert activations.deserialize(config, custom_objects={"mine": mine}) is mine
    assert activations.deserialize({"class_name": "function", "config": "Pkg>mine"}, {"mine": mine}) is mine


@pytest.mark.parametrize("identifier", [3, ["relu"], int, {"class_name": 3}])
def test_what_names_nothing_is_refused(identifier):
    with pytest.raises(ArgumentTypeError, match="does not name an activation"):
        activations.get(identifier)


def test_unknown_names_are_told_similar_ones():
    with pytest.raises(ArgumentError, match=r"leaky_relu"):
        activations.get("leakyrelu")
    with pytest.raises(SDGraphError, match="has no attribute"):
        activations.softmix  # noqa: B018
    with pytest.raises(ArgumentTypeError, match="no name"):
        activations.serialize(lambda x: x)


def test_settings_are_checked():
    with pytest.raises(ShapeError, match="halves"):
        activations.glu(np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="positive"):
        activations.celu([1.0], alpha=0)
    with pytest.raises(ArgumentTypeError, match=r"celu\(x, alpha=1.0\)"):
        activations.celu([1.0], slope=0)
