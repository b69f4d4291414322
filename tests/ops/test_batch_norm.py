"""Batch normalisation while a model is trained: derivatives, statistics that move, what is used afterwards."""

import mpmath
import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import DTypeError, ShapeError
from sdgraph.testing import check_grads
from sdgraph.train import Sgd
from tests.ops.finite_differences import check_gradients

X = np.random.default_rng(5).normal(size=(6, 3)) * [1.0, 5.0, 0.01] + [0.0, 40.0, -1.0]


def normalized(sd, x, **settings):
    """What comes out, weighed so that its sum is none that is always 0."""
    n = x.shape[-1]
    y, _, _ = sd.nn.batch_norm_training(x, np.zeros(n), np.ones(n), **settings)
    return y * np.linspace(0.5, 1.5, 6)[:, None]


def test_three_orders_of_derivatives():
    check_gradients(lambda sd, x: normalized(sd, x, epsilon=0.1), X[:, :2], orders=3)


def test_parameters_have_derivatives_too():
    sd = SameDiff("float64")
    x, gamma, beta = (sd.placeholder(k, s) for k, s in (("x", (6, 3)), ("gamma", (3,)), ("beta", (3,))))
    feeds = {"x": X, "gamma": np.array([0.5, -2.0, 1.5]), "beta": np.array([1.0, 0.0, -1.0])}
    y = normalized(sd, x, gamma=gamma, beta=beta)
    assert check_grads(y, feeds, ["x", "gamma", "beta"], order=2) < 1e-5
    g = sd.compile(sd.grad(y, ["gamma", "beta"]))(feeds)
    weights = np.linspace(0.5, 1.5, 6)[:, None] + np.zeros((6, 3))
    normal = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5)
    np.testing.assert_allclose(list(g.values()), [(normal * weights).sum(0), weights.sum(0)], rtol=1e-12)


def test_equal_numbers_give_the_offset_and_finite_derivatives():
    for epsilon in (0.0, 1e-5):
        sd = SameDiff("float64")
        x = sd.var("x", np.full((6, 1), 7.0))
        y = normalized(sd, x, epsilon=epsilon, beta=np.array([2.0]))
        np.testing.assert_array_equal(y.eval(), 2.0 * np.linspace(0.5, 1.5, 6)[:, None])
        g = sd.grad(y, x)
        assert np.isfinite(g.eval()).all() and np.isfinite(sd.grad(g * g, x).eval()).all()


@pytest.mark.parametrize("scale", [1e-290, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("epsilon", [0.0, 1e-3])
def test_numbers_of_any_size(scale, epsilon):
    x = np.array([[1.0], [3.0], [-2.0]]) * scale
    sd = SameDiff("float64")
    y, _, _ = sd.nn.batch_norm_training(x, [0.0], [1.0], epsilon=epsilon)
    with mpmath.workdps(700):
        exact = [mpmath.mpf(float(v)) for v in x.ravel()]
        mean = sum(exact) / 3
        spread = mpmath.sqrt(sum((v - mean) ** 2 for v in exact) / 3 + mpmath.mpf(epsilon))
        want = [float((v - mean) / spread) for v in exact]
    np.testing.assert_allclose(y.eval().ravel(), want, rtol=1e-13)


def test_halves_are_computed_in_single_precision():
    x = np.float16([[60000.0], [-60000.0], [100.0]])
    sd = SameDiff("float32")
    y, mean, variance = sd.nn.batch_norm_training(x, np.float16([0.0]), np.float32([1.0]), momentum=0.0)
    assert (y.dtype, mean.dtype, variance.dtype) == ("float32", "float16", "float32")
    want = x.astype(float)
    np.testing.assert_allclose(y.eval(), (want - want.mean()) / want.std(), rtol=1e-6)
    np.testing.assert_allclose(variance.eval(), [want.var()], rtol=1e-6)


def model(**settings):
    """A line through what is normalised, whose statistics move with each step."""
    sd = SameDiff("float64", seed=3)
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,))
    mean, variance = sd.var("mean", np.zeros(3)), sd.var("variance", np.ones(3))
    gamma, beta = sd.var("gamma", np.array([1.0, 2.0, 0.5])), sd.var("beta", np.array([0.0, 1.0, -1.0]))
    normal, next_mean, next_variance = sd.nn.batch_norm_training(x, mean, variance, gamma, beta, **settings)
    sd.update(mean, next_mean)
    sd.update(variance, next_variance)
    p = (normal @ sd.var("w", np.array([1.0, -1.0, 0.5]))).rename("p")
    sd.loss.mean_squared_error(y, p, name="loss")
    return sd


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("unbiased", [False, True])
def test_training_moves_the_statistics_and_prediction_takes_them(engine, unbiased):
    sd = model(momentum=0.75, unbiased=unbiased)
    sd.fit((X, X.sum(1)), updater=Sgd(0.0), epochs=2, batch_size=3, shuffle=False, engine=engine)
    mean, variance = np.zeros(3), np.ones(3)
    for batch in (X[:3], X[3:]) * 2:
        mean = 0.75 * mean + 0.25 * batch.mean(0)
        variance = 0.75 * variance + 0.25 * batch.var(0, ddof=int(unbiased))
    np.testing.assert_allclose(sd["mean"].value, mean, rtol=1e-12)
    np.testing.assert_allclose(sd["variance"].value, variance, rtol=1e-12)
    normal = (X - mean) / np.sqrt(variance + 1e-5) * [1.0, 2.0, 0.5] + [0.0, 1.0, -1.0]
    np.testing.assert_allclose(sd.predict(X, "p", batch_size=4, engine=engine), normal @ [1.0, -1.0, 0.5], rtol=1e-11)
    np.testing.assert_array_equal(sd["mean"].value, sd.inference_copy()["mean"].value)
    # An evaluation is that of the training, and stores nothing.
    before = sd["mean"].value.copy()
    assert not np.allclose(sd["p"].eval({"x": X}), normal @ [1.0, -1.0, 0.5])
    np.testing.assert_array_equal(sd["mean"].value, before)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_steps_are_those_of_torch(engine):
    torch = pytest.importorskip("torch")
    layer = torch.nn.BatchNorm1d(3, eps=1e-5, momentum=0.25, dtype=torch.float64)
    w = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
        layer.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    optimizer = torch.optim.SGD([w, *layer.parameters()], 0.01)
    sd = model(momentum=0.75, unbiased=True)
    sd.fit((X, X.sum(1)), updater=Sgd(0.01), epochs=3, batch_size=6, shuffle=False, engine=engine)
    for _ in range(3):
        optimizer.zero_grad()
        x = torch.tensor(X)
        ((layer(x) @ w - x.sum(1)) ** 2).mean().backward()
        optimizer.step()
    found = {
        "mean": layer.running_mean,
        "variance": layer.running_var,
        "gamma": layer.weight,
        "beta": layer.bias,
        "w": w,
    }
    for name, value in found.items():
        np.testing.assert_allclose(sd[name].value, value.detach().numpy(), rtol=1e-10)


def test_what_is_refused():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (4, 3))
    with pytest.raises(ShapeError, match="is no statistic of such a batch"):
        sd.nn.batch_norm_training(x, np.zeros(1), np.ones(3))
    with pytest.raises(DTypeError, match="floating numbers"):
        sd.nn.batch_norm_training(x, np.zeros(3, int), np.ones(3))
    with pytest.raises(DTypeError, match="real numbers"):
        sd.nn.batch_norm_training(np.ones((2, 3), complex), np.zeros(3), np.ones(3))
