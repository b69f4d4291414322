"""What runs along rows: sums, products, recurrences and moves, in every way that loops can go through rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from scipy.special import softmax

from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import machine
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.calls import fused, normal, steps
from tests.run.engines.llvm.test_levels import same_bits

WAYS = list(itertools.product([False, True], repeat=2))
"""Whether each element is left out of its own result, and whether it runs from the end."""
SHAPES = [((40, 300), 1), ((3, 1000), 1), ((40, 7), 1), ((5,), 0), ((1,), 0), ((300,), 0), ((2, 5, 19), 1),
          ((3, 600, 9), 1), ((50, 40), 0), ((4, 5, 33), (1, 2)), ((4, 5, 33), None), ((6, 4, 8), (0, 1)), ((4, 1), 1),
          ((17, 33), 1), ((1, 130), 1), ((20, 64), 1), ((16, 65), 1)]  # fmt: skip
"""Short and long rows, many and few, side by side, and a single one."""
DTYPES = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool"]


def numbers(shape, dtype, seed=0):
    """Numbers of every kind that a dtype has."""
    x = np.random.default_rng(seed).normal(size=shape) * 3
    if dtype == "bool":
        return x > 0
    return np.abs(x).astype(dtype) if dtype[0] == "u" else x.astype(dtype)


def one_after_another(step, start, xs, axis, *, exclusive=False, reverse=False):
    """The results of ``step(before, *elements)`` along an axis, or several as one, or all of them."""
    axes = tuple(range(xs[0].ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    order = [*(k for k in range(xs[0].ndim) if k not in axes), *axes]
    rows = [x.transpose(order).reshape(-1, *(x.shape[k] for k in axes)) for x in xs]
    rows = [x.reshape(len(x), -1)[:, :: -1 if reverse else 1] for x in rows]
    out = np.empty(rows[0].shape, start.dtype)
    for r, several in enumerate(zip(*rows, strict=True)):
        before = None
        for k, elements in enumerate(zip(*several, strict=True)):
            now = step(before, *elements)
            out[r, k] = (start if before is None else before) if exclusive else now
            before = now
    out = out[:, :: -1 if reverse else 1].reshape([xs[0].shape[k] for k in order]).transpose(np.argsort(order))
    return out.reshape(-1) if axis is None else out


def wide(x):
    """What running sums and products are computed in."""
    return np.float64 if x.dtype.kind == "f" else np.uint64 if x.dtype.kind == "u" else np.int64


def totals(op, x, axis, **options):
    """Running sums or products, rounded once at the end."""
    t = wide(x)
    join = {"cumsum": lambda a, b: t(b) if a is None else t(a + t(b)),
            "cumprod": lambda a, b: t(b) if a is None else t(a * t(b))}[op]  # fmt: skip
    with np.errstate(all="ignore"):
        out = one_after_another(join, t(op == "cumprod"), [x], axis, **options)
        return out.astype(x.dtype) if x.dtype.kind == "f" else out


def equal_bits(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert same_bits({"": a}, {"": b})


@pytest.mark.parametrize("exclusive, reverse", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["cumsum", "cumprod"])
def test_sums_and_products_have_the_bits_of_one_addition_after_another(op, dtype, exclusive, reverse):
    for shape, axis in SHAPES:
        x = numbers(shape, dtype)
        (got,), told = fused(lambda sd, x, axis=axis: [getattr(sd, op)(x, axis, exclusive, reverse)], x)
        equal_bits(got, totals(op, x, axis, exclusive=exclusive, reverse=reverse))
        single = exclusive and all(x.shape[k] == 1 for k in np.atleast_1d(axis if axis is not None else 0))
        assert not steps(told) or single


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint16"])
def test_recurrences(dtype, reverse):
    single = "float32" if dtype == "float16" else dtype
    for shape, axis in SHAPES:
        if axis is None:
            continue
        a, b = (numbers(shape, dtype, seed) for seed in (1, 2))
        t = np.dtype(single).type

        def step(before, x, y, t=t):
            return t(y) if before is None else t(t(y) + t(t(x) * before))

        with np.errstate(all="ignore"):
            want = one_after_another(step, t(0), [a, b], axis, reverse=reverse).astype(dtype)
        (got,), told = fused(lambda sd, a, b, axis=axis: [sd.linear_recurrence(a, b, axis, reverse)], a, b)
        equal_bits(got, want)
        assert not steps(told)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_moves(dtype, back):
    for shape, axis in SHAPES:
        if axis is None:
            continue
        x = numbers(shape, dtype)
        want = one_after_another(lambda _, now: now, x.dtype.type(0), [x], axis, exclusive=True, reverse=back)
        (got,), _ = fused(lambda sd, x, axis=axis: [sd.shifted(x, axis, back)], x)
        equal_bits(got, want)


@pytest.mark.parametrize("exclusive, reverse", WAYS)
@pytest.mark.parametrize("shape, axis", SHAPES)
def test_signs_of_zeros_infinities_and_what_is_no_number(shape, axis, exclusive, reverse):
    x = normal(shape)
    rng = np.random.default_rng(1)
    for k, number in enumerate((-0.0, np.nan, np.inf, -np.inf, 3e38, 1e-45)):
        x.flat[rng.integers(0, x.size, 1 + k % 3)] = number
    for values in (x, np.full_like(x, -0.0), np.copysign(np.float32(0), x)):
        for op in ("cumsum", "cumprod"):
            (got,), _ = fused(lambda sd, x, op=op: [getattr(sd, op)(x, axis, exclusive, reverse)], values)
            equal_bits(got, totals(op, values, axis, exclusive=exclusive, reverse=reverse))


def test_what_begins_a_recurrence_is_multiplied_with_nothing():
    a, b = np.full((20, 40), np.inf, "float32"), np.full((20, 40), -0.0, "float32")
    (got, short), _ = fused(
        lambda sd, a, b: [sd.linear_recurrence(a, b, 1), sd.linear_recurrence(a, b, 1, reverse=True)], a, b
    )
    assert (np.signbit(got[:, 0]) & (got[:, 0] == 0)).all() and np.isnan(got[:, 1:]).all()
    assert (np.signbit(short[:, -1]) & (short[:, -1] == 0)).all() and np.isnan(short[:, :-1]).all()


@pytest.mark.parametrize("shape, axis", [((0, 4), 1), ((4, 0), 1), ((3, 0, 16), 1), ((0,), 0), ((2, 3, 0), 1)])
def test_nothing_to_run_along(shape, axis):
    x = np.zeros(shape, "float32")
    (got, after), _ = fused(lambda sd, x: [sd.cumsum(x, axis), sd.sum(sd.cumsum(sd.math.exp(x), axis))], x)
    assert got.shape == shape and after == 0


@pytest.mark.parametrize("shape, axis", [((40, 300), 1), ((3, 900), 1), ((40, 9), 1), ((3, 30, 16), 1), ((50,), 0)])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 3e-6), ("float64", 1e-14), ("float16", 4e-3)])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_between_what_comes_before_and_after(shape, axis, dtype, tolerance, reverse):
    """Softmax, its running sums, and rows' sums of these, in one region; the scan is needed in a later pass, too."""
    x, y = normal(shape, dtype), np.abs(normal(shape, dtype, seed=1))

    def build(sd, x, y):
        c = sd.cumsum(sd.nn.softmax(x, axis), axis, False, reverse)
        rest = c / sd.sum(c * y, axis=axis, keepdims=True)
        return [c, rest, sd.sum(rest * c)]

    (c, rest, total), told = fused(build, x, y)
    p = softmax(x.astype("float64"), axis)
    want = np.flip(np.cumsum(np.flip(p, axis), axis), axis) if reverse else np.cumsum(p, axis)
    np.testing.assert_allclose(c, want, rtol=tolerance, atol=tolerance)
    of_rest = want / (want * y.astype("float64")).sum(axis, keepdims=True)
    np.testing.assert_allclose(rest, of_rest, rtol=2 * tolerance, atol=tolerance)
    np.testing.assert_allclose(total, (of_rest * want).sum(), rtol=4 * tolerance)
    assert not steps(told) and told.count("region over") == 1


def test_a_scan_over_what_a_scan_made_and_one_the_other_way():
    x = normal((30, 200), "float64")

    def build(sd, x):
        c = sd.cumsum(x, 1)
        return [sd.cumsum(c * c, 1), sd.cumsum(c, 1, True), sd.cumsum(c, 1, False, True)]

    (twice, before, back), told = fused(build, x)
    c = np.cumsum(x, 1)
    equal_bits(twice, np.cumsum(c * c, 1))
    equal_bits(before, np.hstack([np.zeros((30, 1)), np.cumsum(c, 1)[:, :-1]]))
    equal_bits(back, np.cumsum(c[:, ::-1], 1)[:, ::-1])
    assert not steps(told) and told.count("region over") == 2


def test_sums_of_columns_stand_apart():
    """A block of rows at a time has no order along rows."""
    x = normal((70, 90))
    (c, columns), told = fused(lambda sd, x: [sd.cumsum(x, 1), sd.sum(sd.cumsum(x, 1) * x, axis=0)], x)
    want = np.cumsum(x, 1, dtype="float64")
    np.testing.assert_array_equal(c, want.astype("float32"))
    np.testing.assert_allclose(columns, (want * x).sum(0), rtol=2e-6, atol=2e-4)
    assert not steps(told)


@pytest.mark.parametrize("op, axis", [("cumsum", 1), ("cumprod", 1), ("cumsum", 0), ("cumprod", 0), ("cumsum", None)])
def test_gradients(op, axis):
    x = normal((9, 11), "float64") / 3

    def build(sd, x):
        y = sd.sum(sd.math.square(getattr(sd, op)(sd.math.tanh(x) + 1.1, axis)))
        return [y, sd.grad(y, x)]

    (_, gradient), told = fused(build, x)
    assert not steps(told)
    for k in range(0, x.size, 7):
        step = np.zeros_like(x)
        step.flat[k] = 1e-6
        (above, _), (below, _) = fused(build, x + step)[0], fused(build, x - step)[0]
        assert gradient.flat[k] == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-6)


def test_a_row_too_long_for_all_beside_it_to_wait():
    x = normal((10_000,))
    (got,), told = fused(lambda sd, x: [sd.cumsum(sd.math.square(x), 0)], x)
    equal_bits(got, totals("cumsum", x * x, 0))
    assert steps(told) == ["cumsum"]


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    which=st.integers(0, 2),
    beside=st.lists(st.booleans(), min_size=3, max_size=3),
    way=st.sampled_from(WAYS),
)
@settings(max_examples=60, deadline=None)
def test_what_is_read_beside_rows(shape, which, beside, way):
    axis = which % len(shape)
    other = tuple(d if has else 1 for d, has in zip(shape, beside, strict=False))
    x, y = normal(shape), normal(other, seed=1)
    (got,), _ = fused(lambda sd, x, y: [sd.cumsum(x * y, axis, *way) * 2.0], x, y)
    equal_bits(got, totals("cumsum", x * y, axis, exclusive=way[0], reverse=way[1]) * np.float32(2))


def both_ways(sd, x):
    """Everything that a pass with a scan can have."""
    found = []
    for axis in range(len(x.shape)):
        for back in (False, True):
            c = sd.cumsum(sd.nn.softmax(x, axis), axis, back, back)
            r = sd.linear_recurrence(c, x, axis, back)
            found += [c, r, sd.sum(c * r, axis=axis), sd.max(r, axis=axis), sd.sum(c * x)]
    return found


@pytest.mark.parametrize("shape", [(64, 300), (5, 3000), (500, 12), (6, 50, 70), (400,)])
def test_equal_bits_at_every_number_of_threads(shape, monkeypatch):
    monkeypatch.setattr(segment, "SHARED", 0)
    x = normal(shape)
    before = threads.get_num_threads()
    results = []
    try:
        for n in (1, 2, 5):
            threads.set_num_threads(n)
            results.append(fused(both_ways, x)[0])
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            equal_bits(a, b)


@pytest.mark.parametrize("shape", [(19, 5), (20, 70), (3, 150), (2, 9, 33)])
@pytest.mark.parametrize("computer", computers.HERE)
def test_registers_of_other_sizes_and_both_levels(shape, computer, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.delenv("SDGRAPH_QUICK", raising=False)
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    x = normal(shape)
    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        sd = SameDiff()
        p = sd.placeholder("x", shape)
        f = sd.compile([*both_ways(sd, p), sd.cumprod(p, -1), sd.cumprod(p, -1, True, True)], engine="llvm")
        quick = f(x=x)
        machine.settled()
        good = f(x=x)
    assert same_bits(quick, good)
    [forward, back] = list(good.values())[-2:]
    equal_bits(forward, totals("cumprod", x, len(shape) - 1))
    equal_bits(back, totals("cumprod", x, len(shape) - 1, exclusive=True, reverse=True))


@pytest.mark.parametrize("shape, axis", [((3, 19), 1), ((20, 5), 1), ((2, 5, 19), 1), ((13,), 0)])
@pytest.mark.parametrize("reverse", [False, True])
def test_nothing_is_written_beside_an_array(shape, axis, reverse):
    sd = SameDiff()
    x = sd.placeholder("x", shape)
    f = sd.compile(sd.cumsum(x, axis, True, reverse), engine="llvm")
    n = int(np.prod(shape))
    room = np.full(n + 64, 7.0, "float32")
    inside = room[32:-32].reshape(shape)
    inside[...] = normal(shape)
    before = room.copy()
    f(x=inside)
    np.testing.assert_array_equal(room, before)
