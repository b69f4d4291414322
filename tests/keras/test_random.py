"""Random numbers: distributions, seeds, arrays and graphs."""

import numpy as np
import pytest
import scipy.stats

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, SDGraphError, ShapeError
from sdgraph.keras import ops, random

N = 20_000
CONTINUOUS = {
    "normal": (lambda shape, **k: random.normal(shape, 1.0, 2.0, **k), scipy.stats.norm(1, 2)),
    "truncated_normal": (
        lambda shape, **k: random.truncated_normal(shape, 1.0, 2.0, **k),
        scipy.stats.truncnorm(-2, 2, 1, 2),
    ),
    "uniform": (lambda shape, **k: random.uniform(shape, -1.0, 3.0, **k), scipy.stats.uniform(-1, 4)),
}
WHOLE = {
    "randint": (lambda shape, **k: random.randint(shape, -2, 3, **k), [0.2] * 5),
    "binomial": (lambda shape, **k: random.binomial(shape, 4, 0.3, **k) - 2, scipy.stats.binom(4, 0.3).pmf(range(5))),
}


def in_a_graph(draw, **keywords):
    sd = SameDiff()
    x = sd.placeholder("x", (None, 2))
    out = draw(ops.shape(x), **keywords)
    assert out.shape == (None, 2)
    return out.eval({x: np.zeros((N // 2, 2))})


def alone(draw, **keywords):
    return draw((N // 2, 2), **keywords)


@pytest.mark.parametrize("form", [alone, in_a_graph])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_distributions(name, form):
    draw, wanted = CONTINUOUS[name]
    values = form(draw, seed=3)
    assert (values.shape, values.dtype) == ((N // 2, 2), "float32")
    assert scipy.stats.kstest(values.ravel(), wanted.cdf).pvalue > 1e-3


@pytest.mark.parametrize("form", [alone, in_a_graph])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name, form):
    draw, shares = WHOLE[name]
    values, counts = np.unique(form(draw, seed=3), return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(counts / N, shares, atol=0.02)


@pytest.mark.parametrize("variable", [False, True])
def test_categorical(variable):
    logits = np.log(np.array([[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]], "float32"))
    if variable:
        x = SameDiff().placeholder("x", (None, 3))
        out = random.categorical(x, N, seed=1).eval({x: logits})
    else:
        out = random.categorical(logits, N, seed=1)
    assert (out.shape, out.dtype) == ((2, N), "int32")
    shares = np.stack([np.bincount(row, minlength=3) / N for row in out])
    np.testing.assert_allclose(shares, np.exp(logits), atol=0.02)


@pytest.mark.parametrize("variable", [False, True])
def test_dropout(variable):
    ones = np.ones((N // 10, 10), "float32")
    x = SameDiff().placeholder("x", (None, 10))

    def drop(**keywords):
        if not variable:
            return random.dropout(ones, 0.2, seed=5, **keywords)
        return random.dropout(x, 0.2, seed=5, **keywords).eval({x: ones})

    out = drop()
    assert np.unique(out).tolist() == [0, 1.25]
    assert abs((out == 0).mean() - 0.2) < 0.02
    rows = drop(noise_shape=(None, 1))
    assert (rows == rows[:, :1]).all()
    assert len(np.unique(rows)) == 2


def test_gradient_of_dropout_passes_what_is_kept():
    sd = SameDiff()
    x = sd.placeholder("x", (50,))
    y = random.dropout(x, 0.5, seed=1)
    feeds = {x: np.ones(50)}
    value, slope = sd.output(feeds, [y, sd.grad(sd.sum(y), x)]).values()
    np.testing.assert_array_equal(value, slope)


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_shuffle(variable, axis):
    values = np.arange(60).reshape(20, 3).astype("float32")
    if variable:
        x = SameDiff().placeholder("x", (None, 3))
        out = random.shuffle(x, axis, seed=1).eval({x: values})
    else:
        out = random.shuffle(values, axis, seed=1)
    assert not (out == values).all() or axis == 1
    np.testing.assert_array_equal(np.sort(out, axis), values)


def test_seeds():
    np.testing.assert_array_equal(random.normal((3,), seed=1), random.normal((3,), seed=1))
    assert not (random.normal((3,), seed=1) == random.normal((3,), seed=2)).any()
    assert not (random.normal((3,)) == random.normal((3,))).any()
    first, second = random.SeedGenerator(7), random.SeedGenerator.from_config(random.SeedGenerator(7).get_config())
    a, b = random.normal((3,), seed=first), random.normal((3,), seed=first)
    assert not (a == b).any()
    np.testing.assert_array_equal([a, b], [random.normal((3,), seed=second) for _ in range(2)])


def test_draws_of_a_graph_differ_from_step_to_step():
    x = SameDiff().placeholder("x", (None,))
    out = random.normal(ops.shape(x), seed=1)
    first, again, other = (out.eval({x: np.zeros(5)}, step=k) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not (first == other).any()


def test_a_known_shape_of_a_variable_is_drawn_in_its_graph():
    v = SameDiff().var("v", np.zeros((2, 3), "float32"))
    assert random.uniform(ops.shape(v)).shape == (2, 3)
    assert random.uniform(ops.shape(v)).sd is v.sd


def test_the_pages_of_the_variational_autoencoder_sample_so():
    sd = SameDiff()
    z = sd.placeholder("z", (None, 2))
    batch, dim = ops.shape(z)[0], ops.shape(z)[1]
    out = z + ops.exp(0.5 * z) * random.normal((batch, dim), seed=random.SeedGenerator(1337))
    assert out.eval({z: np.zeros((4, 2))}).shape == (4, 2)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: random.normal((2,), stddev=-1.0), ArgumentError, "negative"),
        (lambda: random.uniform((2,), 1.0, 0.0), ArgumentError, "empty"),
        (lambda: random.randint((2,), 3, 3), ArgumentError, "between"),
        (lambda: random.binomial((2,), 3, 1.5), ArgumentError, "between 0 and 1"),
        (lambda: random.dropout([1.0], 1.0), ArgumentError, "below 1"),
        (lambda: random.dropout([1.0], 0.5, (1, 1)), ShapeError, "each axis"),
        (lambda: random.categorical([1.0], 2), ShapeError, "batch, classes"),
        (lambda: random.normal((2,), seed=-1), ArgumentError, "seed"),
        (lambda: random.normal((2.5,)), SDGraphError, "whole numbers"),
        (lambda: random.gamma((2,), 1.0), AttributeError, "gamma"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
