"""Gradients of whole graphs: paths, sums of contributions, names, any order, what has no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sdgraph import SameDiff, VariableKind, errors
from sdgraph.build.decorators import composite, primitive
from sdgraph.build.op import NOT_DIFFERENTIABLE
from sdgraph.infer.shapes import same
from sdgraph.testing import check_grads
from tests.graph_state import graph_state

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand


@pytest.fixture
def sd():
    return SameDiff("float64")


def close(a, b, rtol=1e-14):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-15)


# ---------------------------------------------------------------------- paths


def test_contributions_add_up(sd):
    x = sd.var("x", np.array([2.0, 3.0]))
    y = x * x + sd.math.exp(x) * x - x
    close(sd.grad(y, x).eval(), 2 * x.value + np.exp(x.value) * (1 + x.value) - 1)


def test_many_contributions_are_one_sum(sd):
    x = sd.var("x", np.array(2.0))
    total = sd.math.merge_add(*[x * float(k) for k in range(100)])
    before = len(sd.nodes)
    assert sd.grad(total, x).eval() == sum(range(100))
    assert len(sd.nodes) - before < 310


def test_the_gradient_of_several_is_that_of_their_sum(sd):
    x = sd.var("x", np.array([0.5, -1.0]))
    a, b = sd.math.sin(x), sd.sum(x * x)
    close(sd.grad([a, b], x).eval(), np.cos(x.value) + 2 * x.value)
    close(sd.grad(a, x).eval() + sd.grad(b, x).eval(), sd.grad([a, b], x).eval())
    close(sd.grad([a, a], x).eval(), 2 * np.cos(x.value))


def test_with_respect_to_anything(sd):
    x = sd.placeholder("x", (2,))
    w = sd.var("w", np.array([3.0, 4.0]))
    c = sd.constant("c", np.array([5.0, 6.0]))
    h = x * w
    y = sd.sum(h * h * c)
    gx, gw, gc, gh = sd.grad(y, [x, w, c, h])
    feeds = {"x": [1.0, 2.0]}
    hv = np.array([3.0, 8.0])
    close(gh.eval(feeds), 2 * hv * c.value)
    close(gx.eval(feeds), 2 * hv * c.value * w.value)
    close(gw.eval(feeds), 2 * hv * c.value * np.array([1.0, 2.0]))
    close(gc.eval(feeds), hv**2)


def test_a_variable_and_what_it_is_made_of(sd):
    """Differentiating with respect to an intermediate result does not cut the path to what is below it."""
    x = sd.var("x", np.array(3.0))
    h = x * x
    y = h * h + x
    gx, gh = sd.grad(y, [x, h])
    assert gx.eval() == 4 * 27 + 1
    assert gh.eval() == 18
    assert sd.grad(y, y).eval() == 1


def test_a_variable_without_influence_has_zeros(sd):
    x, lonely = sd.var("x", np.ones(2)), sd.var("lonely", np.ones((3, 2), np.float32))
    gx, gl = sd.grad(sd.sum(x), [x, lonely])
    close(gx.eval(), np.ones(2))
    assert gl.eval().shape == (3, 2)
    assert gl.eval().dtype == np.float32
    assert not gl.eval().any()


def test_a_fed_variable_without_influence_has_zeros_of_its_size(sd):
    x, other = sd.placeholder("x", (None,)), sd.placeholder("other", ("batch", 2))
    _, g = sd.grad(sd.sum(x), [x, other])
    np.testing.assert_array_equal(g.eval({"other": np.ones((5, 2))}), np.zeros((5, 2)))


def test_broadcast_operands_get_gradients_of_their_shape(sd):
    shapes = [(), (1,), (3,), (2, 1), (1, 1), (4, 1, 3), (1, 2, 1)]
    xs = [sd.var(f"x{k}", np.full(s, 1.0 + k)) for k, s in enumerate(shapes)]
    y = xs[0]
    for x in xs[1:]:
        y = y * x
    for x, g in zip(xs, sd.grad(sd.sum(y), xs), strict=True):
        assert g.shape == x.shape
        want = np.broadcast_to(y.eval() / x.value, (4, 2, 3)).sum() / x.value.size
        close(g.eval(), np.full(x.shape, want), 1e-13)


def test_mixed_dtypes_get_gradients_of_their_dtype(sd):
    a, b = sd.var("a", np.ones(2, np.float32)), sd.var("b", np.full(2, 3.0))
    ga, gb = sd.grad(sd.sum(a * b), [a, b])
    assert (ga.dtype, gb.dtype) == (np.float32, np.float64)
    assert ga.eval().dtype == np.float32
    close(ga.eval(), [3, 3])


# ---------------------------------------------------------------------- what has no gradient


def test_nothing_reachable(sd):
    x, y = sd.var("x", np.ones(2)), sd.var("y", np.ones(2))
    with pytest.raises(errors.GradientError, match="'y' does not depend on 'x'"):
        sd.grad(y, x)


def test_later_variables_are_not_reachable(sd):
    x = sd.var("x", np.ones(2))
    y = x * 2
    z = y * 3
    with pytest.raises(errors.GradientError, match="does not depend"):
        sd.grad(y, z)


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_discrete_variables(sd, dtype):
    k = sd.var("k", np.ones(2, dtype))
    x = sd.var("x", np.ones(2))
    with pytest.raises(errors.GradientError, match=f"'k' is {dtype}"):
        sd.grad(sd.cast(k, "float64") * x, k)
    with pytest.raises(errors.GradientError, match=f"'k' is {dtype}"):
        sd.grad(k, x)


def test_a_discrete_op_on_the_only_path_is_named(sd):
    x = sd.var("x", np.array([1.0, 2.0]))
    y = sd.cast(sd.argmax(x, name="winner"), "float64") * 2
    with pytest.raises(errors.GradientError) as caught:
        sd.grad(y, x)
    message = str(caught.value)
    assert "'winner'" in message
    assert "argmax" in message
    assert f"{__file__}:" in message
    assert caught.value.node == "winner"


def test_a_discrete_op_beside_a_smooth_path_passes_nothing(sd):
    x = sd.var("x", np.array([1.0, -2.0]))
    y = x * sd.cast(x > 0, "float64")
    close(sd.grad(sd.sum(y), x).eval(), [1.0, 0.0])


def test_gradients_that_are_one_node_are_told_apart(sd):
    a, b = sd.var("a", [1.0, 2.0]), sd.var("b", [3.0, 4.0])
    ga, gb, again = sd.grad(sd.sum(a + b), [a, b, a])
    assert (ga.name, gb.name) == ("grad/a", "grad/b")
    assert len({ga.id, gb.id, again.id}) == 3
    close(sd.compile([ga, gb, again])({}).popitem()[1], [1.0, 1.0])


def test_a_gradient_that_was_there_before_gets_a_node_of_its_own():
    @primitive(infer=same, kernel="sin", vjp=lambda g, y, x: x)
    def odd(sd, x: Operand, *, name=None):
        """A sine whose gradient is said to be its operand."""
        ...

    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    g = sd.grad(odd(sd, x), x)
    flags = sd.gradient_flags()
    assert g.name == "grad/x" and g.id > x.id and flags[g.id] and not flags[x.id]
    close(g.eval(), x.value)


def test_what_was_dropped_from_a_gradient_uses_up_no_names(sd):
    x, z = sd.var("x", [1.0, 2.0]), sd.var("z", [3.0, 4.0])
    sd.grad(sd.sum(sd.math.square(x * z)), x)
    sd.grad(sd.sum(sd.math.square(x + z)), x)
    names = {v.name for v in sd}
    for name in names:
        base, _, number = name.rpartition("_")
        if number.isdigit() and int(number) > 1:
            assert f"{base}_{int(number) - 1}" in names, name


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1)])
def test_a_rule_may_leave_a_cotangent_smaller_than_its_operand(shape):
    @primitive(infer=same, kernel="sin", vjp=lambda g, y, x: g.sd.constant(np.full(shape, 2.0)))
    def flat(sd, x: Operand, *, name=None):
        """A sine whose slope is said to be 2 everywhere."""
        ...

    sd = SameDiff("float64")
    x = sd.var("x", np.ones((2, 3)))
    close(sd.grad(flat(sd, x), x).eval(), np.full((2, 3), 2.0))


def test_a_variable_that_only_a_discrete_op_uses_is_named_beside_others_that_count(sd):
    a, b = sd.var("a", [1.0, 2.0]), sd.var("b", [3.0, 4.0])
    y = sd.sum(a) + sd.cast(sd.argmax(b, name="place"), "float64")
    with pytest.raises(errors.GradientError, match="'place'"):
        sd.grad(y, [a, b])
    close(sd.grad(y, a).eval(), [1.0, 1.0])


def test_an_op_without_a_rule_raises_and_is_named():
    @primitive(infer=same, kernel="sin", vjp=NOT_DIFFERENTIABLE)
    def opaque(sd, x: Operand, *, name=None):
        """A sine that hides its gradient."""
        ...

    sd = SameDiff("float64")
    x = sd.var("x", np.ones(2))
    y = opaque(sd, x * 2, name="hidden")
    size, names = len(sd.nodes), [v.name for v in sd]
    with pytest.raises(errors.GradientError, match=r"'hidden', made by sd\.opaque"):
        sd.grad(sd.sum(y) + sd.sum(x), x)
    assert [v.name for v in sd][:size] == names
    sd.grad(sd.sum(sd.stop_gradient(y)) + sd.sum(x), x)


def test_a_refused_gradient_leaves_no_trace(sd):
    x = sd.var("x", np.ones(2))
    y = sd.cast(sd.argmax(x), "float64")
    state = graph_state(sd)
    for _ in range(2):
        with pytest.raises(errors.GradientError):
            sd.grad(y, x)
    assert graph_state(sd) == state


def test_stop_gradient(sd):
    x = sd.var("x", np.array([1.0, 2.0]))
    close(sd.grad(sd.sum(x * sd.stop_gradient(x)), x).eval(), x.value)


def test_other_graphs_are_refused(sd):
    x = SameDiff().var("x", [1.0])
    y = sd.var("y", [1.0])
    for a, b in [(x, y), (y, x)]:
        with pytest.raises(errors.SDGraphError, match="another graph"):
            sd.grad(a, b)


# ---------------------------------------------------------------------- names and repetition


def test_gradients_live_under_their_scope(sd):
    with sd.name_scope("layer"):
        w = sd.var("w", np.ones(2))
        y = sd.math.sin(w)
        g = sd.grad(sd.sum(y), w)
    assert g.name == "grad/layer/w"
    assert g.kind is VariableKind.ARRAY
    assert all(v.name.startswith("grad/") for v in sd.variables(gradients=True)[4:] if sd.gradient_flags()[v.id])


def test_the_same_question_has_the_same_answer(sd):
    x = sd.var("x", np.ones(2))
    y = sd.sum(x * x)
    g = sd.grad(y, x)
    size = len(sd.nodes)
    assert sd.grad(y, x) == g
    assert sd.grad("sum", ["x"]) == [g]
    assert len(sd.nodes) == size


def test_values_may_change_after_the_gradient_was_built(sd):
    x = sd.var("x", np.array([1.0, 2.0]))
    g = sd.grad(sd.sum(x * x * x), x)
    close(g.eval(), 3 * x.value**2)
    x.value = np.array([3.0, -1.0])
    close(g.eval(), [27.0, 3.0])


# ---------------------------------------------------------------------- higher orders


def test_any_order(sd):
    x = sd.var("x", np.array(0.7))
    g = sd.math.sin(x)
    want = [np.sin, np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)]
    for k in range(9):
        close(g.eval(), want[k % 4](0.7))
        g = sd.grad(g, x)


def test_powers_run_out(sd):
    x = sd.var("x", np.array([2.0, -3.0]))
    g = x**3
    for want in (3 * x.value**2, 6 * x.value, np.full(2, 6.0), np.zeros(2)):
        g = sd.grad(g, x)
        close(g.eval(), want)


def test_a_gradient_is_a_variable_like_others(sd):
    """The penalty on a gradient's size is differentiated through the gradient."""
    x, w = sd.var("x", np.array([0.5, -1.5])), sd.var("w", np.array(2.0))
    y = sd.sum(sd.math.tanh(w * x))
    penalty = sd.sum(sd.math.square(sd.grad(y, x)))
    check_grads(penalty, order=2)


def test_jacobian(sd):
    x = sd.var("x", np.array([0.5, -1.5, 2.0]))
    a = np.arange(6.0).reshape(2, 3)
    y = sd.math.sin(sd.constant("a", a) @ x)
    j = sd.jacobian(y, x)
    assert j.shape == (2, 3)
    close(j.eval(), np.cos(a @ x.value)[:, None] * a)
    assert sd.jacobian(sd.sum(y), x).shape == (3,)
    matrix = sd.jacobian(sd.reshape(y, (1, 2)), x)
    assert matrix.shape == (1, 2, 3)
    assert sd.jacobian(x[:0], x).eval().shape == (0, 3)


def test_the_jacobian_needs_known_sizes(sd):
    x = sd.placeholder("x", (None,))
    with pytest.raises(errors.ShapeError, match="number is unknown"):
        sd.jacobian(x * x, x)


def test_hessian(sd):
    x = sd.var("x", np.array([0.5, -1.5]))
    y = sd.prod(x) ** 2 + sd.sum(sd.math.exp(x))
    a, b = x.value
    want = [[2 * b * b + np.exp(a), 4 * a * b], [4 * a * b, 2 * a * a + np.exp(b)]]
    close(sd.hessian(y, x).eval(), want)
    matrix = sd.var("m", np.ones((2, 2)))
    assert sd.hessian(sd.sum(matrix**3), matrix).shape == (2, 2, 2, 2)
    with pytest.raises(errors.ShapeError, match="that of a scalar"):
        sd.hessian(x * x, x)


def test_hessian_vector_products(sd):
    rng = np.random.default_rng(0)
    x = sd.var("x", rng.normal(size=(2, 2)))
    y = sd.sum(sd.math.exp(x @ x))
    full = sd.hessian(y, x).eval()
    for direction in (rng.normal(size=(2, 2)), np.eye(2)):
        close(sd.hvp(y, x, direction).eval(), np.tensordot(full, direction, 2), 1e-12)
    v = sd.placeholder("v", (2, 2))
    direction = rng.normal(size=(2, 2))
    close(sd.hvp(y, x, v).eval({"v": direction}), np.tensordot(full, direction, 2), 1e-12)
    with pytest.raises(errors.ShapeError):
        sd.hvp(y, x, np.ones(3))


def test_the_direction_is_held_fixed(sd):
    x = sd.var("x", np.array([1.0, 2.0]))
    close(sd.hvp(sd.sum(x**3), x, x).eval(), 6 * x.value**2)


def test_second_derivatives_of_piecewise_linear_functions_are_zero(sd):
    x = sd.var("x", np.array([-1.0, 2.0]))
    for y in (sd.nn.relu(x), sd.math.abs(x), sd.math.max(x, 0.5), sd.nn.leaky_relu(x)):
        close(sd.hvp(sd.sum(y * y), x, np.ones(2)).eval(), 2 * np.where(y.eval() == 0, 0, sd.grad(y, x).eval() ** 2))


# ---------------------------------------------------------------------- composites and several outputs


def test_a_composite_is_differentiated_through_its_body():
    @composite
    def cubic(sd, x: Operand, y: Operand, *, scale: float = 1.0, name=None):
        """``scale x^2 y``."""
        return scale * x * x * y

    @composite
    def nested(sd, x: Operand, *, name=None):
        """Composites may use composites."""
        return cubic(sd, x, sd.math.exp(x), scale=2.0) + cubic(sd, x, x)

    sd = SameDiff("float64")
    x = sd.var("x", np.array([0.5, -1.0]))
    y = nested(sd, x)
    v = x.value
    close(sd.grad(y, x).eval(), 2 * np.exp(v) * (v * v + 2 * v) + 3 * v * v)
    check_grads(y, order=3)


def test_the_gradient_of_a_composite_stays_one_node(sd):
    p = sd.var("p", np.array([0.5, -1.0]))
    loss = sd.loss.huber_loss([0.0, 0.0], p)
    before = len(sd.nodes)
    g = sd.grad(loss, p)
    assert g.op_name == "loss.huber_loss_vjp"
    assert len(sd.nodes) - before <= 3
    again = sd.grad(sd.sum(g * g), p)
    assert len(sd.nodes) - before < 20
    assert again.eval().shape == (2,)


def test_operands_given_twice(sd):
    x = sd.var("x", np.array([0.3, 0.6]))
    loss = sd.loss.mean_squared_error(x, x * x)
    v = x.value
    close(sd.grad(loss, x).eval(), (v * v - v) * (2 * v - 1))
    check_grads(loss, order=2)


def test_optional_operands(sd):
    x, m, v = sd.var("x", np.ones((2, 3))), sd.var("m", np.zeros(3)), sd.var("v", np.ones(3))
    beta = sd.var("beta", np.ones(3))
    y = sd.nn.batch_norm(x, m, v, beta=beta)
    check_grads(y, order=2)


def test_outputs_that_nobody_uses(sd):
    x = sd.var("x", np.array([[3.0, 1.0, 2.0]]))
    values, indices = sd.nn.top_k(x, 2)
    close(sd.grad(values, x).eval(), [[1.0, 0.0, 1.0]])
    with pytest.raises(errors.GradientError):
        sd.grad(sd.cast(indices, "float64"), x)
    mean, variance = sd.math.moments(x)
    close(sd.grad(variance, x).eval(), 2 / 3 * (x.value - 2))
    close(sd.grad(mean, x).eval(), np.full((1, 3), 1 / 3))
    parts = sd.split(x, 3, axis=1)
    close(sd.grad(parts[1] * parts[2], x).eval(), [[0.0, 2.0, 1.0]])
    check_grads(parts[0] * mean + sd.sum(values) * variance, order=2)


def test_a_random_op_is_held_fixed(sd):
    x = sd.var("x", np.ones(50))
    y = sd.nn.dropout(x, 0.5)
    out = sd.output({}, [y, sd.grad(y, x)])
    kept, g = out.values()
    np.testing.assert_array_equal(kept, g)
    assert 0 < np.count_nonzero(g) < 50
    values = sd.output({}, [y, sd.grad(y, x)], step=1)
    np.testing.assert_array_equal(*values.values())
    assert not np.array_equal(values[y.name], kept)


# ---------------------------------------------------------------------- graphs that are long or wide


def test_a_long_chain_needs_no_stack(sd):
    x = sd.var("x", np.array(1.0))
    y = x
    for _ in range(5000):
        y = y * 0.999 + 0.001
    close(sd.grad(y, x).eval(), 0.999**5000, 1e-10)


def test_a_chain_whose_values_are_used_twice_does_not_explode(sd):
    x = sd.var("x", np.array(0.5))
    y = x
    for _ in range(60):
        y = y + y
    before = len(sd.nodes)
    assert sd.grad(y, x).eval() == 2.0**60
    assert len(sd.nodes) - before < 200


def test_unknown_sizes(sd):
    x, w = sd.placeholder("x", ("batch", None)), sd.var("w", np.array([[1.0], [2.0]]))
    y = sd.mean(sd.math.square(x @ w))
    g = sd.grad(y, w)
    assert g.shape == (2, 1)
    data = np.arange(6.0).reshape(3, 2)
    close(g.eval({"x": data}), 2 * data.T @ (data @ w.value) / 3)
    check_grads(y, {"x": data}, order=2)
