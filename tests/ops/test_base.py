"""Base ops at points, attributes and shapes that a suite driven by the registry cannot know."""

import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, FeedError, LabelError, ShapeError
from tests.ops.finite_differences import check_gradients

A = np.array([[0.7, -1.3, 1.9, 0.4], [-0.6, 1.1, -1.7, 0.9], [1.4, 0.2, -0.8, -1.2]])
P = np.abs(A) + 0.3
WITH_ZEROS = np.array([[0.7, 0.0, 1.9, 0.4], [-0.6, 0.0, -1.7, 0.9], [1.4, 0.2, -0.8, 0.0]])
REPEATED = np.array([[2, 0], [2, 2]])
AXES = [None, 0, -1, (0, 1)]
unknown = pytest.mark.parametrize("unknown", [False, True], ids=["static", "unknown"])


def graph(x, dtype="float64"):
    sd = SameDiff(dtype="float64")
    return sd, sd.var("x", np.asarray(x, dtype))


def gradient(sd, y, x):
    (g,) = sd.grad(y, [x])
    return g.eval()


def squared(sd, v):
    return sd.math.square(v)


# ---------------------------------------------------------------------- reductions


@unknown
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(
    "op", ["sum", "mean", "prod", "max", "min", "norm1", "norm2", "normmax", "squared_norm", "standard_deviation"]
)
def test_gradients_of_reductions(op, axis, keepdims, unknown):
    check_gradients(lambda sd, x: getattr(sd, op)(x, axis=axis, keepdims=keepdims), A, unknown=unknown)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "all", "any"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint16", "int64", "bool"])
def test_reductions_have_numpys_values_and_dtypes(name, axis, dtype):
    x = (A * 3).astype(dtype)
    sd = SameDiff()
    y = getattr(sd, name)(sd.constant("x", x), axis)
    expected = getattr(np, name)(x, axis=axis)
    assert y.dtype == y.eval().dtype == expected.dtype
    np.testing.assert_allclose(y.eval(), expected, rtol=1e-6)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_variance(axis, corrected):
    sd, x = graph(A)
    np.testing.assert_allclose(sd.variance(x, axis, corrected).eval(), np.var(A, axis=axis, ddof=corrected), rtol=1e-14)
    np.testing.assert_allclose(
        sd.standard_deviation(x, axis, corrected).eval(), np.std(A, axis=axis, ddof=corrected), rtol=1e-14
    )
    check_gradients(lambda sd, x: sd.variance(x, axis, corrected), A)


def test_half_precision_accumulates_in_single():
    sd = SameDiff()
    ones = sd.constant("ones", np.ones(70000, np.float16))
    assert sd.mean(ones).eval() == 1
    assert sd.norm2(ones).eval() == np.float16(np.sqrt(70000))
    assert sd.standard_deviation(ones).eval() == 0
    assert sd.variance(sd.constant("pair", np.tile(np.float16([1, 3]), 35000)), None, True).eval() == 1
    assert sd.math.log_sum_exp(ones).eval() == np.float16(1 + np.log(70000))
    small = sd.constant("small", np.full(40000, 0.1, np.float16))
    assert sd.sum(small).eval() == pytest.approx(40000 * float(np.float16(0.1)), rel=1e-3)
    assert sd.sum(small).dtype == np.float16
    assert sd.cumsum(small, 0).eval()[-1] == pytest.approx(float(sd.sum(small).eval()), rel=1e-2)


def test_tied_extremes_share_the_gradient():
    sd, x = graph([[3.0, 3.0, 1.0], [2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(gradient(sd, sd.max(x, 1), x), [[0.5, 0.5, 0], [1 / 3] * 3])
    np.testing.assert_array_equal(gradient(sd, sd.min(x), x), [[0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(gradient(sd, sd.normmax(x, 0), x), [[1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("axis", AXES)
def test_prod_with_zeros(axis):
    check_gradients(lambda sd, x: sd.prod(x, axis), WITH_ZEROS, orders=3)


def test_prod_of_one_zero_passes_the_product_of_the_others():
    sd, x = graph([2.0, 0.0, 5.0])
    np.testing.assert_array_equal(gradient(sd, sd.prod(x), x), [0, 10, 0])


@unknown
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_running_sums_and_products(axis, exclusive, reverse, unknown):
    check_gradients(lambda sd, x: squared(sd, sd.cumsum(x, axis, exclusive, reverse)), A, unknown=unknown)
    check_gradients(lambda sd, x: sd.cumprod(x, axis, exclusive, reverse), WITH_ZEROS, unknown=unknown)
    sd, x = graph(A)
    flat = A.reshape(-1) if axis is None else A
    k = axis or 0
    forward = np.flip(flat, k) if reverse else flat
    for op, function in ((sd.cumsum, np.cumsum), (sd.cumprod, np.cumprod)):
        expected = function(forward, axis=k)
        if exclusive:
            start = np.take(forward, [0], k) * 0 + (op.__name__ == "cumprod")
            expected = np.concatenate([start, np.delete(expected, -1, k)], k)
        got = op(x, axis, exclusive, reverse).eval()
        np.testing.assert_allclose(got, np.flip(expected, k) if reverse else expected, rtol=1e-14)


@unknown
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("axis", [(0, 1), (2, 0), (-1, 1), (1, 0, 2), (1,), ()])
def test_running_through_several_axes(axis, exclusive, reverse, unknown):
    x = np.array([[[0.7, -1.3], [1.9, 0.0], [0.4, 1.2]], [[-0.6, 1.1], [0.0, -1.7], [0.9, 0.8]]])
    check_gradients(lambda sd, x: squared(sd, sd.cumsum(x, axis, exclusive, reverse)), x, unknown=unknown)
    check_gradients(lambda sd, x: sd.cumprod(x, axis, exclusive, reverse), x, unknown=unknown)
    along = sorted(k % 3 for k in axis)
    order = [*(k for k in range(3) if k not in along), *along]
    rows = np.transpose(x, order).reshape(-1, np.prod([x.shape[k] for k in along], dtype=int))
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("v", (None,) * 3 if unknown else x.shape)
    for op in ("cumsum", "cumprod"):
        want = [np.array(getattr(sd, op)(row, 0, exclusive, reverse).eval()) for row in rows]
        want = np.reshape(want, [x.shape[k] for k in order]).transpose(np.argsort(order))
        np.testing.assert_array_equal(getattr(sd, op)(v, axis, exclusive, reverse).eval(v=x), want)


@unknown
@pytest.mark.parametrize("axis", [(0, 1), (1, -1)])
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrences_and_shifts_through_several_axes_have_gradients(axis, reverse, unknown):
    a, b = np.linspace(-1.2, 1.3, 12).reshape(2, 3, 2), np.linspace(0.9, -0.4, 12).reshape(2, 3, 2)
    check_gradients(lambda sd, a, b: sd.linear_recurrence(a, b, axis, reverse), a, b, unknown=unknown)
    check_gradients(lambda sd, a: squared(sd, sd.shifted(a, axis, reverse)), a, unknown=unknown)


@unknown
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_place_of_an_extreme_along_several_axes(name, keepdims, unknown):
    x = np.random.default_rng(3).integers(0, 5, (2, 3, 4)).astype(float)  # with ties: the first counts
    sd = SameDiff(dtype="float64")
    v = sd.placeholder("v", (None,) * 3 if unknown else x.shape)
    got = getattr(sd, name)(v, (2, 0), keepdims).eval(v=x)
    want = [getattr(np, name)(x[:, k, :].reshape(-1)) for k in range(3)]
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, np.reshape(want, (1, 3, 1) if keepdims else (3,)))
    np.testing.assert_array_equal(getattr(sd, name)(v, ()).eval(v=x), np.zeros((2, 3, 4)))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_roundings_of_a_running_sum_do_not_add_up(dtype):
    value = np.array(0.1, dtype)
    got = SameDiff().cumsum(np.full(100_000, value), 0).eval()
    want = np.arange(1, 100_001) * np.float64(value)
    np.testing.assert_allclose(got, want.astype(dtype), rtol=np.finfo(dtype).eps)


@pytest.mark.parametrize("op", ["cumsum", "cumprod"])
def test_running_over_nothing(op):
    sd, x = graph(np.zeros((2, 0)))
    assert getattr(sd, op)(x, 1, True).eval().shape == (2, 0)
    assert gradient(sd, getattr(sd, op)(x, 1, True), x).shape == (2, 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_linear_recurrence(reverse):
    for a in (P, P[:1]):
        check_gradients(lambda sd, a, b: sd.linear_recurrence(a, b, 1, reverse), a, A)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_norm_neither_overflows_nor_vanishes(scale):
    sd, x = graph([3 * scale, 4 * scale])
    np.testing.assert_allclose(sd.norm2(x).eval(), 5 * scale, rtol=1e-15)
    np.testing.assert_allclose(gradient(sd, sd.norm2(x), x), [0.6, 0.8], rtol=1e-15)
    np.testing.assert_allclose(sd.standard_deviation(x).eval(), 0.5 * scale, rtol=1e-14)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_norm_and_spread_without_direction_have_gradient_zero(value):
    sd, x = graph([value, value])
    y = sd.standard_deviation(x)
    np.testing.assert_array_equal(gradient(sd, y, x), [0, 0])
    zero = x - value
    np.testing.assert_array_equal(gradient(sd, sd.norm2(zero), x), [0, 0])
    np.testing.assert_array_equal(gradient(sd, sd.norm1(zero), x), [0, 0])
    (g,) = sd.grad(sd.norm2(zero), [x])
    np.testing.assert_array_equal(gradient(sd, sd.sum(g * 2.0), x), [0, 0])


def test_norm_of_nothing_infinity_and_nan():
    sd = SameDiff(dtype="float64")
    assert sd.norm2(np.zeros((0,))).eval() == 0
    assert sd.norm2(np.array([1.0, -np.inf])).eval() == np.inf
    assert np.isnan(sd.norm2(np.array([1.0, np.nan])).eval())
    assert sd.norm2(np.array([3, 4])).eval() == 5


def test_extremes_of_nothing_are_an_error_at_the_call():
    sd, x = graph(np.zeros((0, 3)))
    with pytest.raises(ArgumentError, match="no elements"):
        sd.max(x, 0)
    assert sd.max(x, 1).shape == (0,)


def test_bad_axes():
    sd, x = graph(A)
    with pytest.raises(ArgumentError, match=r"axis=2 for an array of rank 2"):
        sd.sum(x, 2)
    with pytest.raises(ArgumentError, match="twice"):
        sd.mean(x, (0, -2))
    with pytest.raises(ArgumentTypeError, match="not an axis"):
        sd.sum(x, 0.5)
    with pytest.raises(ArgumentTypeError, match="fixed setting"):
        sd.sum(x, sd.constant("axis", 0))


# ---------------------------------------------------------------------- shapes


@unknown
def test_gradients_of_shape_changes(unknown):
    for function in (
        lambda sd, x: sd.reshape(squared(sd, x), (2, -1)),
        lambda sd, x: sd.expand_dims(squared(sd, x), (0, -1)),
        lambda sd, x: sd.permute(squared(sd, x), (1, 0)),
        lambda sd, x: sd.reverse(squared(sd, x), 1),
        lambda sd, x: squared(sd, sd.tile(x, (2, 1, 3))),
        lambda sd, x: squared(sd, sd.repeat(x, 2, 1)),
        lambda sd, x: squared(sd, sd.repeat(x, (1, 0, 2), 0)),
        lambda sd, x: squared(sd, sd.repeat(x, 2)),
        lambda sd, x: tuple(squared(sd, v) for v in sd.split(x, 2, 1)),
        lambda sd, x: squared(sd, sd.split(x, 2, 1)[1]),
        lambda sd, x: tuple(squared(sd, v) for v in sd.unstack(x, 1, 4)),
        lambda sd, x: squared(sd, x[1:, None, ::-2]),
        lambda sd, x: squared(sd, x[..., -1]),
        lambda sd, x: squared(sd, sd.slice(x, (1, 0), (2, -1))),
        lambda sd, x: squared(sd, sd.strided_slice(x, (1, 0), (3, 4), (1, 2), shrink_axis_mask=1)),
    ):
        check_gradients(function, A, unknown=unknown)


@unknown
def test_gradients_of_joining(unknown):
    check_gradients(lambda sd, x, y: squared(sd, sd.concat(x, y, x, axis=1)), A, P[:, :2], unknown=unknown)
    check_gradients(lambda sd, x, y: squared(sd, sd.stack([x, y], axis=1)), A, P, unknown=unknown)
    check_gradients(
        lambda sd, x, y: sd.tensordot(x, y, (2, 0), (1, 2)),
        np.linspace(-1, 1, 24).reshape(3, 4, 2),
        np.linspace(-2, 1, 30).reshape(5, 2, 3),
        unknown=unknown,
    )
    check_gradients(lambda sd, x, y: sd.mmul(x, y, True, True, True), A, P[:2, :3], unknown=unknown)


@pytest.mark.parametrize("repeats", [0, 3, (1, 0, 2)])
@pytest.mark.parametrize("axis", [None, 0])
def test_repeat_and_tile_are_numpys(repeats, axis):
    if axis is None and isinstance(repeats, tuple):
        repeats = repeats * 4
    sd, x = graph(A)
    np.testing.assert_array_equal(sd.repeat(x, repeats, axis).eval(), np.repeat(A, repeats, axis))
    for reps in (2, (3, 1), (2, 1, 0), ()):
        np.testing.assert_array_equal(sd.tile(x, reps).eval(), np.tile(A, reps))


def test_variadic_ops_take_one_list():
    sd, x = graph(A)
    for op in (sd.concat, sd.stack):
        np.testing.assert_array_equal(op([x, x], axis=1).eval(), op(x, x, axis=1).eval())


def test_names_and_minus_one_are_inferred():
    sd = SameDiff()
    x = sd.placeholder("x", shape=("batch", 6))
    y = sd.reshape(x, ("batch", 2, 3))
    assert y.shape == ("batch", 2, 3)
    assert y.eval(x=np.zeros((5, 6))).shape == (5, 2, 3)
    assert sd.reshape(x, -1).shape == (None,)
    with pytest.raises(ArgumentError, match="Only one dimension"):
        sd.reshape(x, (-1, -1))


@pytest.mark.parametrize(
    ("shape", "wanted", "expected"),
    [
        (("batch", 4), (-1, 4), ("batch", 4)),
        (("batch", 4), (-1, 2, 2), ("batch", 2, 2)),
        (("batch", 4, 2), (-1, 8), ("batch", 8)),
        ((4, "batch", 2), (8, -1), (8, "batch")),
        (("batch", 1), -1, ("batch",)),
        (("batch",), (1, -1, 1), (1, "batch", 1)),
        ((None, 4), (-1, 4), (None, 4)),
        (("batch", 4), ("rows", 4), ("rows", 4)),
        # These are a multiple, a fraction or a product of it.
        (("batch", 4), (-1, 2), (None, 2)),
        (("batch", 4), (-1, 8), (None, 8)),
        (("batch", 4), (-1, 3), (None, 3)),
        (("batch", "time", 4), (-1, 4), (None, 4)),
        (("batch", None, 4), (-1, 4), (None, 4)),
        (("batch", "batch"), -1, (None,)),
        # Nothing tells how many there are.
        (("batch", 0), (-1, 0), (None, 0)),
    ],
    ids=str,
)
def test_the_unknown_size_keeps_its_name_where_it_is_what_is_inferred(shape, wanted, expected):
    sd = SameDiff()
    y = sd.reshape(sd.placeholder("x", shape), wanted)
    assert y.shape == expected
    target = [d if type(d) is int else -1 for d in np.atleast_1d(np.array(wanted, object))]
    for sizes in (
        {"batch": 6, "time": 2, None: 3},
        {"batch": 1, "time": 4, None: 6},
        {"batch": 24, "time": 1, None: 1},
    ):
        x = np.zeros([sizes.get(d, d) for d in shape], "float32")
        try:
            result = x.reshape(target).shape
        except ValueError:
            continue  # The number of elements does not divide, or numpy cannot choose.
        assert y.eval({"x": x}).shape == result
        kept = [(d, n) for d, n in zip(y.shape, result, strict=True) if d in ("batch", "time")]
        assert all(sizes[d] == n for d, n in kept)


def test_a_size_that_keeps_its_name_is_checked_as_before():
    """It meets another array of the same size, has gradients, and still never broadcasts."""
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", ("batch", 4, 2)), sd.placeholder("y", ("batch",))
    w = sd.var("w", np.linspace(-1, 1, 8))
    z = sd.math.add(sd.reshape(x, (-1, 8)) @ w, y, name="z")
    assert z.shape == ("batch",)
    loss = sd.loss.mean_squared_error(y, z, name="loss")
    rng = np.random.default_rng(0)
    for n in (1, 3):
        xs, ys = rng.normal(size=(n, 4, 2)), rng.normal(size=n)
        flat = xs.reshape(n, 8)
        found = sd.calculate_gradients({"x": xs, "y": ys}, ["w"])["w"]
        np.testing.assert_allclose(found, 2 * flat.T @ (flat @ w.value) / n, rtol=1e-12)
    with pytest.raises(FeedError, match="'batch' has two sizes"):
        loss.eval({"x": np.ones((1, 4, 2)), "y": np.ones(3)})
    wide = sd.placeholder("wide", (3, 8))
    total = sd.math.add(sd.reshape(x, (-1, 8)), wide, name="total")
    assert total.shape == (3, 8)
    with pytest.raises(ShapeError, match="turned out to be 1"):
        total.eval({"x": np.ones((1, 4, 2)), "wide": np.ones((3, 8))})


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda sd, x: sd.reshape(x, (5, -1)), ShapeError, r"\(3, 4\) to \(5, -1\)|\(5, \?\)"),
        (lambda sd, x: sd.squeeze(x, 0), ShapeError, "Axis 0 has size 3"),
        (lambda sd, x: sd.concat(x, sd.transpose(x)), ShapeError, "Only axis 0 may differ"),
        (lambda sd, x: sd.split(x, 3, 1), ArgumentError, "size 4 into 3 parts"),
        (lambda sd, x: sd.permute(x, (0, 0)), ArgumentError, "permutation"),
        (lambda sd, x: sd.broadcast_to(x, (4, 3)), ShapeError, "broadcast"),
        (lambda sd, x: sd.broadcast_to(x, (4,)), ShapeError, "broadcast"),
        (lambda sd, x: sd.slice(x, (0, 2), (3, 3)), ArgumentError, "inside"),
        (lambda sd, x: x[5], LabelError, "Index 5 is out of range for axis 0, which has size 3"),
        (lambda sd, x: x[0, 0, 0], ArgumentError, "too many"),
        (lambda sd, x: sd.gather(x, sd.constant("i", [0.5])), DTypeError, "must be integers"),
        (lambda sd, x: sd.gather(x, [0], axis=2), ArgumentError, "axis=2"),
        (lambda sd, x: sd.take_along_axis(x, [[0], [0]], 1), ShapeError, "but for the chosen axis"),
        (lambda sd, x: sd.scatter_add(x, [0], np.zeros((2, 4))), ShapeError, "updates"),
        (lambda sd, x: sd.unsorted_segment_sum(x, [0, 1], 2), ShapeError, "one segment id per row"),
        (lambda sd, x: sd.cast(x, "text"), DTypeError, "no data type"),
        (lambda sd, x: sd.tensordot(x, x, (0,), (1,)), ShapeError, "differ in size"),
        (lambda sd, x: sd.range(0, 1, 0), ArgumentError, "zero"),
        (lambda sd, x: sd.repeat(x, -1, 0), ArgumentError, ">= 0"),
        (lambda sd, x: sd.one_hot([0], -1), ArgumentError, "depth"),
        (lambda sd, x: sd.concat(), ArgumentError, "nothing to concatenate"),
    ],
)
def test_mistakes_are_named_and_leave_no_trace(call, error, match):
    sd, x = graph(A)
    size = len(sd.nodes)
    with pytest.raises(error, match=match) as caught:
        call(sd, x)
    assert "test_base.py" in str(caught.value)
    kept = {n.op.name for n in sd.nodes[size:]}
    assert kept <= {"constant", "permute", "transpose"}


def test_unknown_axes_must_be_named_to_squeeze():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None, 3))
    with pytest.raises(ArgumentError, match="Name the axis"):
        sd.squeeze(x)


# ---------------------------------------------------------------------- picking and putting


@unknown
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_and_scatter_with_repeated_indices(axis, unknown):
    updates = np.linspace(-1, 1, 16).reshape(2, 2, 4) if axis == 0 else np.linspace(-1, 1, 12).reshape(3, 2, 2)
    check_gradients(lambda sd, x, i: squared(sd, sd.gather(x, i, axis)), A, REPEATED, unknown=unknown)
    for op in ("scatter_add", "scatter_update"):
        check_gradients(
            lambda sd, x, i, u, op=op: squared(sd, getattr(sd, op)(x, i, u, axis)),
            A,
            REPEATED,
            updates,
            unknown=unknown,
        )


@unknown
def test_gradients_of_other_picking_ops(unknown):
    along, rows = np.array([[0, 0], [1, 3], [2, 2]]), np.array([2, 0, 2])
    for function, *operands in (
        (lambda sd, x, i: squared(sd, sd.take_along_axis(x, i, 1)), A, along),
        (lambda sd, x, i, u: squared(sd, sd.add_along_axis(x, i, u, 1)), A, along, P[:, :2]),
        (lambda sd, x, i: squared(sd, sd.unsorted_segment_sum(x, i, 3)), A, rows),
        (lambda sd, x, i: squared(sd, sd.segment_sum(x, i, 4)), A, np.sort(rows)),
    ):
        check_gradients(function, *operands, unknown=unknown)
    pairs = np.array([[0, 1], [2, 3], [0, 1]])
    check_gradients(lambda sd, x: squared(sd, sd.gather_nd(x, pairs)), A, unknown=unknown)
    check_gradients(lambda sd, x, u: squared(sd, sd.scatter_nd_add(x, pairs, u)), A, P[:, 0], unknown=unknown)


def test_gather_adds_up_repeated_gradients():
    sd, x = graph([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(gradient(sd, sd.sum(sd.gather(x, [2, 2, 0])), x), [1, 0, 2])


def test_of_repeated_updates_the_last_one_counts():
    sd, x = graph([1.0, 2.0, 3.0])
    u = sd.var("u", np.array([7.0, 8.0, 9.0]))
    y = sd.scatter_update(x, [1, 1, 0], u)
    np.testing.assert_array_equal(y.eval(), [9, 8, 3])
    np.testing.assert_array_equal(gradient(sd, y, u), [0, 1, 1])
    np.testing.assert_array_equal(gradient(sd, y, x), [0, 0, 1])


@pytest.mark.parametrize("bad", [-1, 3])
@pytest.mark.parametrize(
    "call",
    [
        lambda sd, x, i: sd.gather(x, i),
        lambda sd, x, i: sd.scatter_add(x, i, np.zeros((2, 4))),
        lambda sd, x, i: sd.scatter_update(x, i, np.zeros((2, 4))),
        lambda sd, x, i: sd.gather_nd(x, sd.expand_dims(i, -1)),
        lambda sd, x, i: sd.take_along_axis(sd.transpose(x)[:1], sd.expand_dims(i, 0), 1),
        lambda sd, x, i: sd.unsorted_segment_sum(x[:2], i, 3),
    ],
)
def test_indices_out_of_range_name_value_position_and_range(call, bad):
    sd, x = graph(A)
    i = sd.placeholder("i", shape=(2,), dtype="int64")
    y = call(sd, x, i)
    y.eval(i=[0, 2])
    with pytest.raises(LabelError, match=rf"{bad}.* is out of range") as caught:
        y.eval(i=[0, bad])
    assert "position" in str(caught.value)
    assert "0 to 2" in str(caught.value)
    assert isinstance(caught.value, IndexError)


def test_segment_ids_must_be_sorted():
    sd, x = graph(A)
    with pytest.raises(LabelError, match="Segment id 0 at position 1 is smaller"):
        sd.segment_sum(x, [1, 0, 1], 2).eval()


def test_index_of_unknown_size_fails_at_run_time():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None,))
    with pytest.raises(LabelError, match="Index 3 is out of range for axis 0, which has size 2"):
        x[3].eval(x=[1.0, 2.0])


def test_permutations():
    sd = SameDiff()
    p = np.array([3, 0, 2, 1])
    np.testing.assert_array_equal(sd.invert_permutation(p).eval(), np.argsort(p))
    with pytest.raises(LabelError, match="not a permutation"):
        sd.invert_permutation([0, 0, 1]).eval()


# ---------------------------------------------------------------------- making and choosing


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis):
    sd = SameDiff(dtype="float64")
    i = np.array([[0, 2], [1, 5]])
    expected = np.moveaxis(np.array([[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]]), -1, axis)
    np.testing.assert_array_equal(sd.one_hot(i, 3, axis, 5.0, 2.0).eval(), expected * 3.0 + 2.0)
    assert sd.one_hot(i, 3, dtype="int8").dtype == np.int8
    assert sd.one_hot(i, 3).dtype == np.float64


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_hot_takes_whole_floats(dtype):
    sd = SameDiff(dtype="float64")
    rows = np.array([[0, 2, 7], [1, -1, 0]], dtype)
    want = (rows[..., None] == np.arange(3)).astype(float)
    i = sd.placeholder("i", (None, 3), dtype)
    for got in (sd.one_hot(rows, 3).eval(), sd.one_hot(i, 3).eval(i=rows), nd.one_hot(rows, 3)):
        np.testing.assert_array_equal(got, want)
    assert sd.one_hot([1.0, 0.0], 2, dtype="int32").eval().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("bad", [0.5, -1.25, np.nan, np.inf, -np.inf])
def test_one_hot_names_a_float_that_is_not_whole(bad):
    sd = SameDiff(dtype="float64")
    i = sd.placeholder("i", (2, 2))
    rows = np.array([[0.0, 1.0], [2.0, bad]])
    n, hot = len(sd.nodes), None
    with pytest.raises(LabelError, match=rf"{bad} at position \(1, 1\)"):
        sd.one_hot(rows, 3)
    assert len(sd.nodes) == n
    hot = sd.one_hot(i, 3)
    with pytest.raises(LabelError, match=rf"{bad} at position \(1, 1\)"):
        hot.eval(i=rows)
    with pytest.raises(LabelError, match=rf"{bad} at position \(1, 1\)"):
        nd.one_hot(rows, 3)


def test_sizes_are_read_off_constants():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None,))
    ids = sd.constant("ids", np.array([0, 0, 3], "int32"))
    assert sd.segment_sum(x, ids).shape == (4,)
    assert sd.unsorted_segment_sum(x, [2, 0, 1]).eval(x=[1.0, 2.0, 4.0]).tolist() == [2, 4, 1]
    assert sd.sequence_mask(ids).shape == (3, 3)
    assert sd.math.confusion_matrix(ids, [1, 1, 5]).shape == (6, 6)
    assert sd.segment_sum(x, ids, 7).shape == (7,)
    empty = np.zeros(0, int)
    assert sd.segment_sum(np.zeros((0, 2)), empty).shape == (0, 2)
    assert sd.sequence_mask(empty).shape == (0, 0)
    assert sd.math.confusion_matrix(empty, empty).shape == (0, 0)
    assert nd.segment_sum([1.0, 2.0], [0, 1]).tolist() == [1, 2]
    assert nd.segment_sum([1.0, 2.0], [0, 2]).tolist() == [1, 0, 2]
    assert nd.sequence_mask([1, 2]).tolist() == [[True, False], [True, True]]
    assert nd.math.confusion_matrix([1], [0]).tolist() == [[0, 0], [1, 0]]
    (g,) = sd.grad(sd.sum(squared(sd, sd.segment_sum(x, ids))), [x])
    assert g.eval(x=[1.0, 2.0, 4.0]).tolist() == [6, 6, 8]


@pytest.mark.parametrize("kind", ["placeholder", "variable", "computed"])
def test_sizes_are_not_read_off_what_may_change(kind):
    sd = SameDiff(dtype="float64")
    ids = sd.placeholder("i", (2,), "int64") if kind == "placeholder" else sd.var("i", np.array([0, 1]))
    ids = ids + 1 if kind == "computed" else ids
    n = len(sd.nodes)
    for setting, call in {
        "num_segments": lambda: sd.segment_sum([1.0, 2.0], ids),
        "num_segments=": lambda: sd.unsorted_segment_sum([1.0, 2.0], ids),
        "max_len": lambda: sd.sequence_mask(ids),
        "num_classes": lambda: sd.math.confusion_matrix(ids, [0, 1]),
    }.items():
        with pytest.raises(ArgumentTypeError, match=setting):
            call()
    assert len(sd.nodes) == n


def test_a_negative_id_of_a_constant_is_named():
    sd = SameDiff(dtype="float64")
    with pytest.raises(LabelError, match="Segment id -2 at position 1"):
        sd.unsorted_segment_sum([1.0, 2.0], [0, -2]).eval()


def test_where_in_the_order_of_samediff_is_refused():
    sd = SameDiff(dtype="float64")
    x, c = sd.placeholder("x", (2, 2)), sd.placeholder("c", (2, 2), "bool")
    with pytest.raises(DTypeError, match="condition of where comes first"):
        sd.where(x, x, c)
    assert sd.where(c, x, c).dtype == np.float64  # a bool among numbers is 0 or 1
    assert sd.where(sd.cast(c, "int8"), c, c).dtype == bool


@pytest.mark.parametrize(
    ("shape", "way"), [((2, 3), "1"), ((2, 3, 4), "(1, 2)"), ((2, 3, 4, 5), "(1, 2, 3)"), ((3, 5), None), ((3,), None)]
)
def test_a_condition_per_row_leads_to_expand_dims(shape, way):
    sd = SameDiff(dtype="float64")
    x, rows = sd.placeholder("x", shape), np.array([True, False])
    with pytest.raises(ShapeError) as caught:
        sd.where(rows, x, 0.0)
    assert ("expand_dims" in caught.value.fix) == (way is not None)
    if way is not None:
        assert f"sd.expand_dims(condition, {way})" in caught.value.fix
        y = sd.where(sd.expand_dims(rows, eval(way)), x, 0.0)
        full = np.ones(shape)
        full[1] = 0
        np.testing.assert_array_equal(y.eval(x=np.ones(shape)), full)


def test_a_condition_per_row_is_told_when_sizes_turn_out():
    sd = SameDiff(dtype="float64")
    x, c = sd.placeholder("x", ("n", 3)), sd.placeholder("c", ("n",), "bool")
    y = sd.where(c, x, 0.0)
    with pytest.raises(ShapeError, match=r"sd\.expand_dims\(condition, 1\)"):
        y.eval(x=np.ones((2, 3)), c=[True, False])


def test_several_outputs_are_not_one_operand():
    sd = SameDiff(dtype="float64")
    with pytest.raises(ArgumentTypeError, match=r"takes one variable(.|\n)*x\[0\] is the first"):
        sd.sum(sd.linalg.svd(np.eye(2)))


def test_made_arrays_take_the_graphs_dtype():
    sd = SameDiff()
    for v in (sd.fill((2,), 1), sd.range(3), sd.linspace(0, 1, 3), sd.math.eye(2), sd.one_hot([0], 2)):
        assert v.dtype == v.eval().dtype == np.float32
    assert sd.range(0, 5, 2, "int64").eval().tolist() == [0, 2, 4]
    assert sd.linspace(0, 1, 11, "float64").eval()[-1] == 1
    assert sd.math.eye(2, 3, None, (4,)).shape == (4, 2, 3)


@pytest.mark.parametrize("name", ["max", "min"])
def test_a_tensor_for_an_axis_leads_to_the_operation_on_two_arrays(name):
    sd = SameDiff()
    x, y = sd.var("x", [1.0, 2.0]), sd.var("y", [2.0, 1.0])
    with pytest.raises(ArgumentTypeError, match=rf"fixed setting(.|\n)*there is sd\.math\.{name}\(x, y\)"):
        getattr(sd, name)(x, y)


def test_several_axes_where_one_is_taken_lead_to_reshape():
    with pytest.raises(ArgumentError, match=r"one axis(.|\n)*reshape"):
        SameDiff().nn.softmax(np.zeros((2, 3, 4)), axis=(1, 2))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "norm2", "argmax", "variance", "cumsum"])
def test_axes_and_flags_in_the_order_of_java_are_refused_and_put_right(name):
    sd = SameDiff()
    call, n = getattr(sd, name), len(sd.nodes)
    flags = {"variance": ["bias_corrected", "keepdims"], "cumsum": ["exclusive", "reverse"]}.get(name, ["keepdims"])
    given = [True, False][: len(flags)]
    meant = ", ".join(f"{k}={v}" for k, v in zip(flags, given, strict=True))
    with pytest.raises(ArgumentTypeError, match=rf"sd\.{name}\(x, axis=1, {meant}\)"):
        call(np.ones((2, 3)), *given, 1)
    with pytest.raises(ArgumentTypeError, match=r"keepdims=True|axis is not an axis"):
        call(np.ones((2, 3)), True)
    assert len(sd.nodes) == n


def test_axes_one_by_one_are_not_taken_for_a_flag():
    with pytest.raises(ArgumentTypeError, match=r"axis=\(0, 1\)"):
        SameDiff().sum(np.ones((2, 3)), 0, 1)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(300, "uint8"), (-1, "uint8"), (1.5, "int32"), (np.nan, "int64"), (1e60, "float32"), (2, "bool")],
)
def test_a_number_that_the_dtype_cannot_hold_fills_nothing(value, dtype):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(3,), dtype=dtype)
    for call in (
        lambda: sd.fill((3,), value, dtype),
        lambda: sd.full_like(x, value),
        lambda: sd.one_hot([0, 1], 2, on=value, dtype=dtype),
    ):
        with pytest.raises(DTypeError, match=f"does not cast to {dtype}"):
            call()


@pytest.mark.parametrize("value", ["a", [1.0, 2.0], None, object()])
def test_only_numbers_fill(value):
    with pytest.raises(ArgumentTypeError, match="value must be a number"):
        SameDiff().fill((3,), value)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e-60, True, np.float64(0.1)])
def test_what_a_float_can_only_round_fills(value):
    got = SameDiff().full_like(np.zeros(2, np.float32), value).eval()
    np.testing.assert_array_equal(got, np.full(2, value, np.float32))


def test_facts_about_unknown_shapes():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None, 3))
    feeds = {"x": np.zeros((5, 3))}
    assert sd.shape(x).eval(feeds).tolist() == [5, 3]
    assert sd.size(x).eval(feeds) == 15
    assert sd.rank(x).eval(feeds) == 2
    assert sd.axis_size(x, 0, "float32").eval(feeds) == np.float32(5)


def test_casting_complex_to_real_keeps_the_real_part_without_a_warning():
    sd = SameDiff()
    z = sd.constant("z", np.array([1 + 2j, 3 - 1j]))
    np.testing.assert_array_equal(sd.cast(z, "float64").eval(), [1, 3])


def test_gradients_are_cast_back():
    sd = SameDiff()
    x = sd.var("x", np.array([1.0, 2.0], np.float32))
    (g,) = sd.grad(sd.sum(sd.cast(x, "float64") * 2), [x])
    assert g.dtype == np.float32


def test_where_takes_its_gradient_from_the_branch_taken():
    sd, x = graph([1.0, -2.0])
    y = sd.where(x > 0, x * 3, x * 5)
    np.testing.assert_array_equal(gradient(sd, y, x), [3, 5])


def test_stop_gradient():
    sd, x = graph([1.0, 2.0])
    np.testing.assert_array_equal(gradient(sd, x * sd.stop_gradient(x), x), [1, 2])


def test_assign_broadcasts_and_casts():
    sd = SameDiff()
    x = sd.constant("x", np.zeros((2, 3), np.float64))
    y = sd.var("y", np.array([1.0, 2.0, 3.0], np.float32))
    z = sd.assign(x, y)
    assert z.dtype == np.float64
    np.testing.assert_array_equal(z.eval(), [[1, 2, 3]] * 2)
    np.testing.assert_array_equal(gradient(sd, z, y), [2, 2, 2])


# ---------------------------------------------------------------------- halves, small integers, nothing


def test_sums_of_many_halves():
    """Neither sums nor counts of halves need fit into float16, as long as the result does."""
    n = 70_000
    sd = SameDiff(dtype="float16")
    x = sd.var("x", np.full(n, 3.0, np.float16))
    for y, value, slope in (
        (sd.mean(x), 3, 1 / n),
        (sd.max(x), 3, 1 / n),
        (sd.min(x), 3, 1 / n),
        (sd.normmax(x), 3, 1 / n),
        (sd.standard_deviation(x), 0, 0),
        (sd.math.cosine_similarity(x, x), 1, 0),
        (sd.math.cosine_distance(x, sd.constant(np.ones(n, np.float16))), 0, 0),
        (sd.norm2(x[:100]), 30, None),
        (sd.math.log_sum_exp(x), 3 + np.log(n), 1 / n),
    ):
        assert y.dtype == np.float16
        np.testing.assert_allclose(float(y.eval()), value, rtol=1e-3, atol=1e-6)
        if slope is not None:
            np.testing.assert_allclose(sd.grad(y, x).eval().astype(float), slope, rtol=3e-3, atol=6e-8)


def test_products_of_halves_are_added_up_in_single_precision():
    sd = SameDiff(dtype="float16")
    x, y = sd.constant("x", [300.0, 300.0, 1.0]), sd.constant("y", [300.0, -300.0, 1.0])
    assert sd.dot(x, y).eval() == 1
    assert sd.dot(x, y).dtype == np.float16
    small = sd.constant(np.full(60_000, 1e-3, np.float16))
    np.testing.assert_allclose(float(sd.squared_norm(small).eval()), 0.06, rtol=2e-3)
    large = sd.constant(np.full((2, 40_000), 300.0, np.float16))
    np.testing.assert_allclose(sd.math.clip_by_norm(large, 100.0, 1).eval().astype(float), 0.5, rtol=1e-3)
    np.testing.assert_allclose(float(sd.math.cosine_similarity(large, large).eval()), 1, rtol=1e-3)


def test_log_sum_exp_of_large_halves_has_the_softmax_as_gradient():
    """A total rounded to float16 is off by up to a half here, which would be a factor of 1.6."""
    sd = SameDiff(dtype="float16")
    x = sd.var("x", [1000.0, 999.0, 998.5])
    p = np.exp(x.value.astype(float) - 1000)
    for keepdims in (False, True):
        g = sd.grad(sd.math.log_sum_exp(x, 0, keepdims), x)
        np.testing.assert_allclose(g.eval().astype(float), p / p.sum(), rtol=1e-3)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool"])
def test_one_rule_for_integers(dtype):
    """Sums are as wide as numpy's, and formed that wide; what is no sum of integers is float64. Eager as in graphs."""
    x = np.array([[0, 1], [1, 1]]).astype(dtype) if dtype == "bool" else np.array([[0, 100], [120, 127]]).astype(dtype)
    wide = x.astype(np.sum(x).dtype)
    for graph in ("float32", "float64"):
        sd = SameDiff(dtype=graph)
        v = sd.constant("v", x)
        for name, want in {
            "sum": wide.sum(), "prod": wide.prod(), "norm1": np.abs(wide).sum(), "squared_norm": (wide * wide).sum(),
            "mean": x.mean(), "variance": x.var(), "standard_deviation": x.std(),
            "norm2": np.sqrt((wide.astype(float) ** 2).sum()), "math.zero_fraction": 0.25,
            "math.log_sum_exp": np.log(np.exp(x.astype(float)).sum()), "math.count_non_zero": np.int64(3),
        }.items():  # fmt: skip
            call, eager = sd, nd
            for part in name.split("."):
                call, eager = getattr(call, part), getattr(eager, part)
            got = call(v)
            assert got.dtype == got.eval().dtype == eager(x).dtype == np.asarray(want).dtype, name
            np.testing.assert_allclose(got.eval(), want, rtol=1e-14, err_msg=name)
            np.testing.assert_allclose(eager(x), want, rtol=1e-14, err_msg=name)
        assert sd.dot(v, v).dtype == wide.dtype
        assert sd.dot(v, v).eval() == (wide * wide).sum()


@pytest.mark.parametrize("shape", [(0,), (2, 0), (1,), (2, 1)])
@pytest.mark.parametrize("bias_corrected", [False, True])
def test_spread_of_too_few_elements_is_nan(shape, bias_corrected):
    """The divisor n or n - 1 must be positive; unlike torch and numpy an n - 1 below 0 would give -0.0."""
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None,) * len(shape))
    want = 0.0 if shape[-1] == 1 and not bias_corrected else np.nan
    for op in (sd.variance, sd.standard_deviation):
        got = op(x, -1, bias_corrected).eval({"x": np.ones(shape)})
        np.testing.assert_array_equal(got, np.full(shape[:-1], want))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_row_of_a_recurrence_is_that_of_a_table(reverse):
    """One row is computed with other numbers than many, the same to the bit; infinities and NaN among them."""
    a = np.array([0.5, -1.5, 1e308, 3.0, np.nan, 0.1, -0.0])
    b = np.array([1.0, 1e308, 1e308, -np.inf, 2.0, 5e-324, -0.0])
    sd = SameDiff("float64")
    x, y = sd.placeholder("a", (None,)), sd.placeholder("b", (None,))
    u, v = sd.placeholder("u", (None, 2)), sd.placeholder("v", (None, 2))
    for n in (0, 1, 2, 7):
        row = sd.linear_recurrence(x, y, 0, reverse).eval(a=a[:n], b=b[:n])
        table = sd.linear_recurrence(u, v, 0, reverse).eval(u=np.stack([a[:n]] * 2, 1), v=np.stack([b[:n]] * 2, 1))
        np.testing.assert_array_equal(row, table[:, 1])
        number = ~np.isnan(row)
        np.testing.assert_array_equal(np.signbit(row[number]), np.signbit(table[number, 1]))


def test_many_halves_for_one_place():
    """Whatever adds to one place many times keeps what it adds: next to 2048 a half of 1 is lost."""
    n = 5000
    sd = SameDiff(dtype="float16")
    ones, ids = sd.var("ones", np.ones(n, np.float16)), np.zeros(n, int)
    table = sd.var("table", np.ones(2, np.float16))
    for y in (
        sd.unsorted_segment_sum(ones, ids, num_segments=2),
        sd.scatter_add(np.zeros(2, np.float16), ids, ones),
        sd.scatter_nd_add(np.zeros(2, np.float16), ids[:, None], ones),
        sd.add_along_axis(sd.constant(np.zeros(2, np.float16)), ids, ones, axis=0),
        sd.grad(sd.gather(table, ids), table),
        sd.grad(sd.gather_nd(table, ids[:, None]), table),
        sd.grad(sd.take_along_axis(table, ids, axis=0), table),
        sd.grad(sd.repeat(table[:1], n, axis=0), table),
        sd.math.confusion_matrix(ids, ids, ones, num_classes=1)[0],
        sd.cumsum(ones)[-1:],
        sd.linear_recurrence(np.ones(n, np.float16), ones)[-1:],
    ):
        assert y.dtype == np.float16
        assert y.eval()[0] == n, y.name


@pytest.mark.parametrize("n", [3, 40, 3000])
def test_sums_of_many_terms_that_are_halves(n):
    sd = SameDiff(dtype="float16")
    x = sd.var("x", [1.0, 0.5])
    parts = [x * (1.0 + 0.0 * k) for k in range(n)]
    assert sd.math.merge_add(*parts).eval().tolist() == [n, n / 2]
    assert sd.grad(sd.math.merge_add(*parts), x).eval().tolist() == [n, n]
