"""Properties of random shapes and random graphs: what sdgraph infers and computes is what numpy does."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, broadcastable_shapes, mutually_broadcastable_shapes

from sdgraph import SameDiff, errors
from sdgraph.testing import check_grads
from tests.accuracy import assert_same

FINITE = st.floats(-4, 4, allow_nan=False, width=32)
ANY = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True, width=64)
SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def floats(shape, elements=FINITE):
    return arrays(np.float64, shape, elements=elements)


def mean(x, axis, keepdims):
    """Without numpy's warning about means of nothing."""
    count = math.prod(x.shape if axis is None else [x.shape[k] for k in axis])
    return np.divide(np.sum(x, axis, keepdims=keepdims), count)


BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": np.maximum, "min": np.minimum,
          "squared_difference": lambda x, y: (x - y) ** 2}  # fmt: skip
UNARY = {"neg": np.negative, "abs": np.abs, "square": np.square, "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
         "exp": np.exp, "sqrt": np.sqrt, "ln": np.log, "sin": np.sin, "tanh": np.tanh, "atan": np.arctan,
         "log1p": np.log1p, "expm1": np.expm1, "is_nan": np.isnan, "is_finite": np.isfinite}  # fmt: skip
ROUNDED = {"exp", "sqrt", "ln", "sin", "tanh", "atan", "log1p", "expm1"}
REDUCTIONS = {"sum": np.sum, "mean": mean, "prod": np.prod, "all": np.all, "any": np.any}


def equal(a, b):
    b = np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------- elementwise ops and broadcasting


@given(st.data(), mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4))
def test_two_operands_broadcast_as_in_numpy(data, shapes):
    a, b = (data.draw(floats(shape)) for shape in shapes.input_shapes)
    name = data.draw(st.sampled_from(sorted(BINARY)))
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", a.shape), sd.placeholder("y", b.shape)
    z = getattr(sd.math, name)(x, y)
    assert z.shape == shapes.result_shape
    with np.errstate(all="ignore"):
        equal(z.eval({"x": a, "y": b}), BINARY[name](a, b))


@given(SHAPES, SHAPES)
def test_shapes_broadcast_or_are_refused_as_in_numpy(a, b):
    sd = SameDiff()
    x, y = sd.placeholder("x", a), sd.placeholder("y", b)
    try:
        want = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(errors.ShapeError):
            x + y
        assert len(sd.nodes) == 2
    else:
        assert (x + y).shape == want


@given(st.data(), SHAPES)
def test_one_operand_keeps_its_shape_whatever_the_numbers(data, shape):
    """Subnormal, infinite and missing numbers included."""
    a = data.draw(floats(shape, ANY))
    name = data.draw(st.sampled_from(sorted(UNARY)))
    sd = SameDiff("float64")
    y = getattr(sd.math, name)(sd.placeholder("x", (None,) * a.ndim))
    with np.errstate(all="ignore"):
        got, want = y.eval({"x": a}), UNARY[name](a)
    if name in ROUNDED:
        assert_same(got, want, rtol=9e-16, atol=2e-323)  # four units in the last place, also of subnormal numbers
    else:
        equal(got, want)


@given(st.data(), mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=1, max_side=3))
def test_gradients_have_the_shapes_of_their_operands(data, shapes):
    """The gradient of a broadcast operand is summed over where it was repeated."""
    a, b = (data.draw(floats(shape)) for shape in shapes.input_shapes)
    c = data.draw(floats(shapes.result_shape))
    sd = SameDiff("float64")
    x, y = sd.var("x", a), sd.var("y", b)
    gx, gy = (g.eval() for g in sd.grad(sd.sum(x * y * c), [x, y]))
    for g, v, other in ((gx, a, b), (gy, b, a)):
        full = np.broadcast_to(other, c.shape) * c
        lead = full.ndim - v.ndim
        axes = tuple(range(lead)) + tuple(lead + k for k, n in enumerate(v.shape) if n == 1)
        np.testing.assert_allclose(g, full.sum(axis=axes, keepdims=True).reshape(v.shape), rtol=1e-13, atol=1e-12)


@given(st.data(), array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3))
def test_broadcasting_to_a_shape_and_back(data, shape):
    small = data.draw(broadcastable_shapes(shape, max_dims=len(shape), max_side=3))
    try:
        fits = np.broadcast_shapes(small, shape) == shape
    except ValueError:
        fits = False
    sd = SameDiff("float64")
    x = sd.placeholder("x", small)
    if not fits:
        with pytest.raises(errors.ShapeError):
            sd.broadcast_to(x, shape)
        return
    y = sd.broadcast_to(x, shape)
    g = sd.grad(y, x).eval({"x": np.ones(small)})
    np.testing.assert_array_equal(g, np.full(small, math.prod(shape) / math.prod(small)))


# ---------------------------------------------------------------------- reductions, shapes, indices


@given(st.data(), SHAPES, st.booleans(), st.booleans())
def test_reductions_as_in_numpy(data, shape, keepdims, unknown):
    a = data.draw(floats(shape))
    axis = data.draw(
        st.one_of(st.none(), st.sets(st.integers(0, max(len(shape) - 1, 0)), max_size=len(shape)).map(tuple))
    )
    name = data.draw(st.sampled_from(sorted(REDUCTIONS)))
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None,) * a.ndim if unknown else a.shape)
    y = getattr(sd, name)(x, axis, keepdims)
    with np.errstate(all="ignore"):
        want = REDUCTIONS[name](a, axis, keepdims=keepdims)
        got = y.eval({"x": a})
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-300)


@given(st.data(), array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3))
def test_permutations_undo_each_other(data, shape):
    a = data.draw(floats(shape))
    order = data.draw(st.permutations(range(len(shape))))
    sd = SameDiff("float64")
    x = sd.placeholder("x", shape)
    y = sd.permute(x, order)
    equal(y.eval({"x": a}), np.transpose(a, order))
    equal(sd.permute(y, np.argsort(order).tolist()).eval({"x": a}), a)


@given(st.data(), array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), st.booleans())
def test_basic_indexing_as_in_numpy(data, shape, unknown):
    a = np.arange(float(math.prod(shape))).reshape(shape)
    key = []
    for n in shape[: data.draw(st.integers(0, len(shape)))]:
        choices = [st.slices(n)]
        if n:
            choices.append(st.integers(-n, n - 1))
        key.append(data.draw(st.one_of(choices)))
    if data.draw(st.booleans()):
        key.insert(data.draw(st.integers(0, len(key))), None)
    key = tuple(key)
    sd = SameDiff("float64")
    y = sd.placeholder("x", (None,) * a.ndim if unknown else shape)[key]
    equal(y.eval({"x": a}), a[key])
    mark = np.zeros(shape)
    mark[tuple(k for k in key if k is not None)] = 1.0
    np.testing.assert_array_equal(sd.grad(y, "x").eval({"x": a}), mark)


@given(st.data(), array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
def test_gathering_and_adding_back(data, shape):
    """The gradient of a gather counts how often each row was taken."""
    axis = data.draw(st.integers(0, len(shape) - 1))
    indices = data.draw(arrays(np.int64, array_shapes(min_dims=1, max_dims=2, max_side=4),
                               elements=st.integers(0, shape[axis] - 1)))  # fmt: skip
    a = np.arange(float(math.prod(shape))).reshape(shape)
    sd = SameDiff("float64")
    x = sd.var("x", a)
    y = sd.gather(x, indices, axis=axis)
    equal(y.eval(), np.take(a, indices, axis))
    counts = np.bincount(indices.reshape(-1), minlength=shape[axis]).astype(float)
    want = np.moveaxis(np.broadcast_to(counts, (*shape[:axis], *shape[axis + 1 :], shape[axis])), -1, axis)
    np.testing.assert_array_equal(sd.grad(y, x).eval(), want)


# ---------------------------------------------------------------------- random graphs


STEPS = {
    "add": (2, lambda sd, a, b: a + b, lambda a, b: a + b),
    "mul": (2, lambda sd, a, b: a * b * 0.25, lambda a, b: a * b * 0.25),
    "sub": (2, lambda sd, a, b: a - b, lambda a, b: a - b),
    "tanh": (1, lambda sd, a: sd.math.tanh(a), np.tanh),
    "sin": (1, lambda sd, a: sd.math.sin(a), np.sin),
    "softplus": (1, lambda sd, a: sd.nn.softplus(a), lambda a: np.log1p(np.exp(-np.abs(a))) + np.maximum(a, 0)),
    "square": (1, lambda sd, a: sd.math.square(a) * 0.1, lambda a: a * a * 0.1),
    "mean": (1, lambda sd, a: sd.mean(a, -1, True), lambda a: a.mean(-1, keepdims=True)),
    "total": (1, lambda sd, a: sd.sum(a, 0, True) * 0.2, lambda a: a.sum(0, keepdims=True) * 0.2),
    "where": (2, lambda sd, a, b: sd.where(a > 0.1, a, b), lambda a, b: np.where(a > 0.1, a, b)),
    "divide": (2, lambda sd, a, b: a / (1.0 + b * b), lambda a, b: a / (1.0 + b * b)),
    "constant": (1, lambda sd, a: 1.5 - a, lambda a: 1.5 - a),
}


@st.composite
def programs(draw):
    """Steps with the earlier values that each reads."""
    n_leaves = draw(st.integers(1, 3))
    steps = []
    for k in range(draw(st.integers(2, 30))):
        name = draw(st.sampled_from(sorted(STEPS)))
        steps.append((name, [draw(st.integers(0, n_leaves + k - 1)) for _ in range(STEPS[name][0])]))
    shapes = draw(st.lists(st.sampled_from([(2, 3), (1, 3), (2, 1), (1, 1)]), min_size=n_leaves, max_size=n_leaves))
    return steps, shapes, draw(st.integers(0, 10**6))


def leaves_of(shapes, seed):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, shape) for shape in shapes]


def built(steps, arrays, *, variables=False):
    sd = SameDiff("float64")
    values = [sd.var(f"x{k}", a) if variables else sd.placeholder(f"x{k}", a.shape) for k, a in enumerate(arrays)]
    for name, reads in steps:
        values.append(STEPS[name][1](sd, *(values[k] for k in reads)))
    return sd, values


@given(programs())
def test_random_graphs_compute_what_numpy_does(program):
    """Every value of the graph, fetched alone and all together, twice."""
    steps, shapes, seed = program
    leaves = leaves_of(shapes, seed)
    want = list(leaves)
    for name, reads in steps:
        want.append(STEPS[name][2](*(want[k] for k in reads)))
    sd, values = built(steps, leaves)
    feeds = {f"x{k}": a for k, a in enumerate(leaves)}
    f = sd.compile(values)
    first, second = f(feeds), f(feeds)
    for v, w in zip(values, want, strict=True):
        np.testing.assert_allclose(first[v.name], w, rtol=1e-12, atol=1e-13)
        assert first[v.name].tobytes() == second[v.name].tobytes()
    last = values[-1]
    alone = last.eval(feeds, engine=f.engine)
    np.testing.assert_array_equal(alone, first[last.name])


@settings(max_examples=25)
@given(programs())
def test_random_graphs_have_right_gradients(program):
    steps, shapes, seed = program
    sd, values = built(steps, leaves_of(shapes, seed), variables=True)
    y = sd.sum(values[-1])
    used = sd.reachable([y.id])
    wrt = [v for v in values[: len(shapes)] if used[v.id]]
    check_grads(y, wrt=wrt, allow_kinks=True)
    names = [v.name for v in wrt]
    sd.set_loss_variables(y)
    grads = sd.calculate_gradients({}, names)
    copied = sd.copy().calculate_gradients({}, names)
    for v in wrt:
        assert grads[v.name].shape == v.shape
        assert grads[v.name].tobytes() == copied[v.name].tobytes()


@settings(max_examples=25)
@given(programs())
def test_splitting_a_sum_splits_the_gradient(program):
    """Gradients are linear: that of 2 a + b is twice that of a and once that of b."""
    steps, shapes, seed = program
    sd, values = built(steps, leaves_of(shapes, seed), variables=True)
    a, b = sd.sum(values[-1]), sd.sum(values[-2])
    x = values[0]
    try:
        whole = sd.grad(2 * a + b, x).eval()
        parts = [sd.grad(v, x).eval() for v in (a, b)]
    except errors.GradientError:
        return
    np.testing.assert_allclose(whole, 2 * parts[0] + parts[1], rtol=1e-9, atol=1e-12)
