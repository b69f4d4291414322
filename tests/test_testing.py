"""The gradient checker accepts right gradients and rejects wrong ones, however slightly wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize

from sdgraph import LossReduce, SameDiff, errors
from sdgraph.build.decorators import primitive
from sdgraph.infer.shapes import elementwise, same
from sdgraph.testing import check_grads
from tests.graph_state import graph_state

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand

# What the checker can see: extended precision where the machine has it.
WIDE = np.finfo(np.longdouble).eps < 1e-18


def sine(scale, rule):
    """``scale * sin(x)`` with a gradient rule of one's own."""

    @primitive(infer=same, kernel=lambda xp, x: scale * xp.sin(x), vjp=rule)
    def odd_sine(sd, x: Operand, *, name=None):
        """A sine for negative controls."""
        ...

    return odd_sine


def graph(op, dtype="float64"):
    sd = SameDiff(dtype)
    x = sd.var("x", np.linspace(0.3, 2, 7).astype(dtype))
    return op(sd, x)


RIGHT = {
    "sin": (1.0, lambda g, y, x: g * g.sd.math.cos(x)),
    "1e-6 sin": (1e-6, lambda g, y, x: g * g.sd.math.cos(x) * 1e-6),
    "1e+6 sin": (1e6, lambda g, y, x: g * g.sd.math.cos(x) * 1e6),
}
WRONG = {
    "times 1.0009": (1.0, lambda g, y, x: g * g.sd.math.cos(x) * 1.0009),
    "times 1 + 5e-6": (1.0, lambda g, y, x: g * g.sd.math.cos(x) * (1 + 5e-6)),
    "1e-6 sin, zero": (1e-6, lambda g, y, x: 0.0 * g),
    "1e-6 sin, negative": (1e-6, lambda g, y, x: -(g * g.sd.math.cos(x) * 1e-6)),
    "plus 5e-6": (1.0, lambda g, y, x: g * g.sd.math.cos(x) + 5e-6),
    "NaN": (1.0, lambda g, y, x: g * float("nan")),
    "infinite": (1.0, lambda g, y, x: g * float("inf")),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale, rule", RIGHT.values(), ids=RIGHT)
def test_right_gradients_pass(scale, rule, dtype):
    error = check_grads(graph(sine(scale, rule), dtype), order=2)
    assert 0 <= error < 1e-6


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale, rule", WRONG.values(), ids=WRONG)
def test_wrong_gradients_are_rejected(scale, rule, dtype):
    with pytest.raises(errors.GradientCheckError, match="The gradient of 'odd_sine' fails"):
        check_grads(graph(sine(scale, rule), dtype))


@pytest.mark.skipif(not WIDE, reason="this machine has no precision beyond float64")
def test_extended_precision_sees_one_part_in_a_billion():
    y = graph(sine(1.0, lambda g, y, x: g * g.sd.math.cos(x) * (1 + 1e-9)))
    with pytest.raises(errors.GradientCheckError):
        check_grads(y)


def test_a_wrong_second_derivative_needs_order_two():
    @primitive(infer=same, kernel="cos", vjp=lambda g, y, x: g * g.sd.math.sin(x))  # The sign is wrong.
    def odd_cosine(sd, x: Operand, *, name=None):
        """A cosine for negative controls."""
        ...

    y = graph(sine(1.0, lambda g, y, x: g * odd_cosine(g.sd, x)))
    check_grads(y, order=1)
    with pytest.raises(errors.GradientCheckError, match="order 2"):
        check_grads(y, order=2)


def test_a_forgotten_second_operand_is_rejected():
    @primitive(infer=elementwise, kernel="multiply", vjp=lambda g, z, x, y: (g * y, None))
    def odd_product(sd, x: Operand, y: Operand, *, name=None):
        """A product that forgets one gradient."""
        ...

    sd = SameDiff("float64")
    x, y = sd.var("x", np.array([2.0, 3.0])), sd.var("y", np.array([5.0, 7.0]))
    with pytest.raises(errors.GradientCheckError, match=r"y\[0\]") as caught:
        check_grads(odd_product(sd, x, y) + y)
    assert {e.variable for e in caught.value.entries} == {"y"}


def test_the_error_lists_variable_index_and_both_numbers():
    y = graph(sine(1.0, lambda g, y, x: g * g.sd.where(x > 1.9, 0.0, g.sd.math.cos(x))))
    with pytest.raises(errors.GradientCheckError) as caught:
        check_grads(y)
    error = caught.value
    assert isinstance(error, errors.SDGraphError)
    assert isinstance(error, AssertionError)
    (entry,) = error.entries
    assert (entry.variable, entry.index, entry.symbolic, entry.why) == ("x", (6,), 0.0, "differs")
    assert 0.5 * abs(np.cos(2)) < abs(entry.numeric) < 1.5 * abs(np.cos(2))
    assert "x[6]: numeric" in str(error)
    assert "symbolic 0" in str(error)


def test_the_list_of_failures_is_short():
    y = SameDiff("float64").var("x", np.linspace(0.3, 2, 50))
    with pytest.raises(errors.GradientCheckError, match="and 42 more") as caught:
        check_grads(sine(1.0, lambda g, y, x: -g)(y.sd, y))
    assert len(caught.value.entries) == 50


def test_kinks_are_reported_or_left_out():
    sd = SameDiff("float64")
    x = sd.var("x", np.array([-1.0, 0.0, 2.0]))
    for y in (sd.math.abs(x), sd.nn.relu(x), sd.math.max(x, 0.0)):
        with pytest.raises(errors.GradientCheckError, match="kink") as caught:
            check_grads(y)
        assert [e.index for e in caught.value.entries] == [(1,)]
        check_grads(y, allow_kinks=True)


def test_a_steep_but_smooth_point_is_no_kink():
    sd = SameDiff("float64")
    x = sd.var("x", np.array([0.0, 1e-9, -1e-3, 0.011]))
    check_grads(sd.math.square(x), order=2)
    check_grads(sd.math.log(sd.var("z", np.array([0.01, 1e-3]))), order=2)
    check_grads(sd.math.tanh(1000 * x), order=2)


def test_a_point_where_the_function_is_not_finite():
    sd = SameDiff("float64")
    y = sd.math.log(sd.placeholder("x", (2,)), name="y")
    with pytest.raises(errors.GradientCheckError, match="'y' is not finite"):
        check_grads(y, {"x": [0.0, 1.0]})


def test_the_graph_is_left_as_it_was():
    sd = SameDiff()
    x = sd.placeholder("x", (None, 2))
    y = sd.nn.sigmoid(x @ sd.var("w", [[1.0], [2.0]]))
    before = graph_state(sd)
    check_grads(y, {"x": [[0.1, 0.2]]}, order=3)
    assert graph_state(sd) == before
    assert (y + 1).name == "add"


def test_which_variables_are_checked():
    sd = SameDiff("float64")
    x, k = sd.placeholder("x", (2,)), sd.placeholder("k", (2,), "int64")
    w, unused = sd.var("w", [1.0, 2.0]), sd.var("unused", [1.0])
    y = w * x * sd.cast(k, "float64")
    feeds = {x: [3.0, 4.0], "k": [2, 3]}
    check_grads(y, feeds, order=2)
    check_grads(y, feeds, wrt="w", order=2)
    check_grads(y, feeds, wrt=[x, "w"], order=2)
    check_grads(y, feeds, wrt=[w, unused], order=2)
    with pytest.raises(errors.GradientError):
        check_grads(y, feeds, wrt="k")
    with pytest.raises(errors.ArgumentError, match="placeholders and variables"):
        check_grads(y, feeds, wrt=[y])
    with pytest.raises(errors.ArgumentError, match="placeholders and variables"):
        check_grads(y, feeds, wrt=[SameDiff().var("w", [1.0])])


def test_bad_questions():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2,))
    with pytest.raises(errors.FeedError):
        check_grads(x * x)
    with pytest.raises(errors.FeedError):
        check_grads(x * x, {"x": [1.0, 2.0, 3.0]})
    with pytest.raises(errors.ArgumentError):
        check_grads(x * x, {"x": [1.0, 2.0]}, order=0)
    with pytest.raises(errors.DTypeError):
        check_grads(x > 1, {"x": [1.0, 2.0]})
    with pytest.raises(errors.GradientError):
        check_grads(sd.constant("c", [1.0]) * 2, wrt=sd.var("w", [1.0]))


def test_empty_and_scalar_variables():
    sd = SameDiff("float64")
    for value in (np.zeros((0, 3)), np.array(0.7), np.array([[2.5]])):
        x = sd.var(f"x{value.ndim}{value.size}", value)
        check_grads(sd.math.sin(x) * x, order=3)


def test_mixed_precision_is_checked_through_the_casts():
    sd = SameDiff("float64")
    x = sd.var("x", np.array([0.3, -0.4]))
    y = sd.math.exp(sd.cast(sd.cast(x, "float32") * np.float32(0.1), "float64"))
    assert check_grads(y, order=2) < 1e-6


def test_decompositions_are_checked_in_float64():
    sd = SameDiff()
    a = sd.var("a", np.eye(3, dtype="float32") * 2 + 0.1)
    assert check_grads(sd.linalg.logdet(a), order=2) < 1e-6
    assert check_grads(sd.linalg.matrix_inverse(a), order=2) < 1e-6


def test_random_ops_draw_the_same_numbers_each_time():
    sd = SameDiff("float64")
    x = sd.var("x", np.linspace(1, 2, 20))
    y = sd.nn.dropout(x * x, 0.5)
    check_grads(y, order=2)
    check_grads(y, order=2, step=3)


def test_a_loss_with_masked_units():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", ("batch", 3)), sd.placeholder("y", ("batch", 3))
    loss = sd.loss.sigmoid_cross_entropy(
        y, x, sd.var("w", np.array([[0.5], [2.0]])), loss_reduce=LossReduce.MEAN_BY_WEIGHT
    )
    rng = np.random.default_rng(1)
    check_grads(loss, {"x": rng.normal(size=(2, 3)), "y": rng.uniform(size=(2, 3))}, order=2)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_at_a_minimum_is_no_fault(seed):
    # The likelihood of a Gaussian process where it is best: slopes of 1e-8 and less beside a value of some ten, which
    # the decompositions compute to about 1e-13.
    rng = np.random.default_rng(seed)
    sd = SameDiff(dtype="float64")
    x = sd.constant("x", np.sort(rng.uniform(-3, 3, (40, 1)), axis=0))
    y = sd.constant("y", np.sin(2 * x.value) + 0.1 * rng.normal(size=(40, 1)))
    logs = [sd.var(name, value) for name, value in (("length", 0.0), ("size", 0.0), ("noise", -1.0))]
    length, size, noise = (sd.math.exp(2 * v) for v in logs)
    k = size * sd.math.exp(-0.5 * (x - x.T) ** 2 / length) + noise * sd.math.eye(40)
    log_det = 2 * sd.math.log(sd.math.diag_part(sd.linalg.cholesky(k))).sum()
    likelihood = 0.5 * ((y * sd.linalg.solve(k, y)).sum() + log_det)
    f = sd.compile([likelihood, *sd.grad(likelihood, logs)])

    def of(point):
        for v, number in zip(logs, point, strict=True):
            v.value = number
        value, *slopes = f().values()
        return float(value), np.array(slopes)

    best = minimize(of, [float(v.value) for v in logs], jac=True, tol=1e-10)
    of(best.x)
    assert check_grads(likelihood) < 1
