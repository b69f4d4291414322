"""Random numbers: their distributions, and what they depend on."""

import numpy as np
import pytest
from scipy import stats

from sdgraph import SameDiff
from sdgraph.build.distributions import CONTINUOUS as DISTRIBUTIONS_CONTINUOUS
from sdgraph.build.distributions import DISCRETE
from sdgraph.build.op import REGISTRY
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError

N = 4000

CONTINUOUS = {
    "uniform": (lambda r: r.uniform(2.0, 5.0, (N,)), stats.uniform(2, 3)),
    "normal": (lambda r: r.normal(1.0, 2.0, (N,)), stats.norm(1, 2)),
    "normal_truncated": (lambda r: r.normal_truncated(1.0, 2.0, (N,)), stats.truncnorm(-2, 2, 1, 2)),
    "log_normal": (lambda r: r.log_normal(0.5, 0.25, (N,)), stats.lognorm(0.25, scale=np.exp(0.5))),
    "exponential": (lambda r: r.exponential(3.0, (N,)), stats.expon(scale=1 / 3)),
}


LIKE = {
    "uniform": (2.0, 5.0), "normal": (1.0, 2.0), "normal_truncated": (1.0, 2.0), "log_normal": (0.5, 0.25),
    "exponential": (3.0,), "bernoulli": (0.3,), "binomial": (4, 0.3),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions(name, dtype):
    draw, want = CONTINUOUS[name]
    y = draw(SameDiff(dtype=dtype, seed=11).random)
    assert y.dtype == dtype
    assert stats.kstest(y.eval().astype("float64"), want.cdf).pvalue > 1e-3


def test_discrete_distributions():
    r = SameDiff(dtype="float64", seed=12).random
    ones = r.bernoulli(0.3, (N,), "int32").eval()
    assert ones.dtype == "int32"
    assert stats.binomtest(int(ones.sum()), N, 0.3).pvalue > 1e-3
    counts = np.bincount(r.binomial(4, 0.3, (N,), "int64").eval(), minlength=5)
    assert stats.chisquare(counts, N * stats.binom(4, 0.3).pmf(np.arange(5))).pvalue > 1e-3


@pytest.mark.parametrize("name", LIKE)
def test_in_the_shape_of_a_variable(name):
    sd = SameDiff(dtype="float64", seed=3)
    x = sd.placeholder("x", ("batch", None))
    y = getattr(sd.random, f"{name}_like")(x, *LIKE[name])
    assert y.shape == x.shape
    for size in [(3, 2), (0, 2), (N // 100, 100)]:
        drawn = y.eval({"x": np.full(size, np.nan)})
        assert drawn.shape == size
        again, other = y.eval({"x": np.zeros(size)}), y.eval({"x": np.zeros(size)}, step=1)
        np.testing.assert_array_equal(again, drawn)
        assert not drawn.size or (other != drawn).any()
    if name in CONTINUOUS:
        assert stats.kstest(drawn.ravel(), CONTINUOUS[name][1].cdf).pvalue > 1e-3
    else:
        n = LIKE[name][0] if name == "binomial" else 1
        counts = np.bincount(drawn.ravel().astype(int), minlength=n + 1)
        assert stats.chisquare(counts, N * stats.binom(n, 0.3).pmf(np.arange(n + 1))).pvalue > 1e-3


@pytest.mark.parametrize("name", LIKE)
def test_the_dtype_is_that_of_the_variable_if_it_can_be(name):
    sd = SameDiff(dtype="float64")
    make = getattr(sd.random, f"{name}_like")
    for dtype, expected in (("float16", "float16"), ("float32", "float32"), ("int64", "float64"), ("bool", "float64")):
        assert make(sd.placeholder(dtype, (2,), dtype), *LIKE[name]).dtype == expected
    assert make([1, 2], *LIKE[name], dtype="float32").dtype == np.float32
    if name not in CONTINUOUS:
        assert make(sd["int64"], *LIKE[name], dtype="int8").dtype == np.int8


def test_every_distribution_has_one_of_the_shape_of_a_variable():
    """So that an error about an unknown size can name it."""
    names = {*DISTRIBUTIONS_CONTINUOUS, *DISCRETE}
    assert names == set(LIKE) == {op.name for op in REGISTRY.values() if op.namespace == "random"} & names
    assert {f"{name}_like" for name in names} == {
        op.name for op in REGISTRY.values() if op.namespace == "random" and op.name.endswith("_like")
    }
    sd = SameDiff()
    x = sd.placeholder("x", ("batch", 3))
    for name in names:
        arguments = [a for a in LIKE[name] if name == "binomial"]
        for shape, error in ((x.shape, ArgumentError), (sd.shape(x), ArgumentTypeError), (x, ArgumentTypeError)):
            with pytest.raises(error) as caught:
                getattr(sd.random, name)(*arguments, shape=shape)
            assert f"sd.random.{name}_like(x" in caught.value.fix


def test_reproducible_from_seed():
    def numbers(seed):
        return SameDiff(seed=seed).random.normal(shape=(50,)).eval()

    np.testing.assert_array_equal(numbers(1), numbers(1))
    assert (numbers(1) != numbers(2)).any()


def test_independent_of_what_is_evaluated_with_it():
    sd = SameDiff(seed=3)
    a, b = sd.random.normal(shape=(50,)), sd.random.normal(shape=(50,))
    alone = b.eval()
    together = sd.output({}, [b, a])
    np.testing.assert_array_equal(together[b.name], alone)
    assert (together[a.name] != alone).any()


def test_seed_of_a_draw_overrides_the_graphs():
    def numbers(graph_seed, seed):
        return SameDiff(seed=graph_seed).random.uniform(shape=(50,), seed=seed).eval()

    np.testing.assert_array_equal(numbers(1, 7), numbers(2, 7))
    assert (numbers(1, 7) != numbers(1, 8)).any()


def test_draws_in_a_batch_of_unknown_size():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", shape=(None, 2), dtype="int32")
    u = sd.random.uniform_like(x)
    assert u.dtype == "float64"
    assert u.eval({"x": np.zeros((3, 2), "int32")}).shape == (3, 2)


def test_no_gradient_flows_into_a_draw():
    sd = SameDiff(dtype="float64")
    x = sd.var("x", [1.0, 2.0])
    y = x * sd.random.uniform_like(x)
    value, slope = sd.output({}, [y, sd.grad(y, x)]).values()
    np.testing.assert_allclose(slope, value / [1, 2])


def test_half_open_even_where_rounding_goes_up():
    u = SameDiff().random.uniform(1.0, 1.0 + 2**-22, (N,), "float32").eval()
    assert u.max() < np.float32(1.0 + 2**-22)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.bernoulli(1.5, (2,)), ArgumentError, "between 0 and 1"),
        (lambda r: r.binomial(-1, 0.5, (2,)), ArgumentError, "whole number"),
        (lambda r: r.normal(0.0, -1.0, (2,)), ArgumentError, "not negative"),
        (lambda r: r.exponential(0.0, (2,)), ArgumentError, "positive"),
        (lambda r: r.uniform(2.0, 1.0, (2,)), ArgumentError, "empty"),
        (lambda r: r.uniform_like([1.0], 2.0, 1.0), ArgumentError, "empty"),
        (lambda r: r.normal_like([1.0], 0.0, -1.0), ArgumentError, "not negative"),
        (lambda r: r.normal_truncated_like([1.0], 0.0, -1.0), ArgumentError, "not negative"),
        (lambda r: r.log_normal_like([1.0], float("nan")), ArgumentError, "finite"),
        (lambda r: r.exponential_like([1.0], 0.0), ArgumentError, "positive"),
        (lambda r: r.bernoulli_like([1.0], 1.5), ArgumentError, "between 0 and 1"),
        (lambda r: r.binomial_like([1.0], -1), ArgumentError, "whole number"),
        (lambda r: r.normal_like([1.0], seed=-1), ArgumentError, "seed"),
        (lambda r: r.normal_like([1.0], dtype="int32"), DTypeError, "floating"),
        (lambda r: r.draw([1.0], "gauss"), ArgumentError, "no distribution 'gauss'"),
        (lambda r: r.normal((2, 3)), ArgumentTypeError, r"sd.random.normal\(shape=\(2, 3\)\)"),
        (lambda r: r.uniform(0.0, float("inf"), (2,)), ArgumentError, "finite"),
        (lambda r: r.uniform("0", 1.0, (2,)), ArgumentTypeError, "must be a number"),
        (lambda r: r.uniform(shape=(None, 2)), ArgumentError, "known shape"),
        (lambda r: r.normal(shape=(2,), dtype="int32"), DTypeError, "floating"),
        (lambda r: r.normal(shape=(2,), seed=-1), ArgumentError, "seed"),
    ],
)
def test_bad_parameters_are_refused_when_the_graph_is_built(call, error, message):
    sd = SameDiff()
    with pytest.raises(error, match=message):
        call(sd.random)
    assert len(sd.nodes) == 0
