"""Reading by index inside regions: rows and entries, every way that they lie, and indices that are out of range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from scipy.special import log_softmax, softmax

from sdgraph import LossReduce, SameDiff
from sdgraph.errors import LabelError
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import machine
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.calls import fused, normal, steps
from tests.run.engines.llvm.test_levels import same_bits

GATHERED = [((50, 64), (3, 7), 0), ((50, 64), (3,), 0), ((50,), (3, 7), 0), ((50,), (300,), 0), ((6, 50), (9,), 1),
            ((6, 50, 16), (9,), 1), ((50, 3), (40,), 0), ((50, 6), (40, 2), 0), ((50, 64), (1,), 0), ((50, 64), (), 0),
            ((50,), (), 0), ((1, 64), (5,), 0), ((50, 1), (5,), 0), ((4, 5, 30), (3,), 0), ((3, 4, 40), (2, 5), 2),
            ((700, 1000), (90,), 0)]  # fmt: skip
"""A table, indices, and the axis that these count along."""
ALONG = [((50, 64), (50, 3), 1), ((50, 64), (50, 1), 1), ((50, 64), (3, 64), 0), ((6, 50, 16), (6, 2, 16), 1),
         ((50, 3), (50, 2), 1), ((50,), (7,), 0), ((4, 5, 20), (4, 5, 1), 2), ((4, 5, 20), (4, 5, 9), 2),
         ((30, 1), (30, 4), 1), ((1, 30), (1, 4), 1)]  # fmt: skip
DTYPES = ["float16", "float32", "float64", "int8", "uint16", "int64", "bool"]
INTEGERS = ["int8", "uint8", "int32", "uint32", "int64", "uint64"]


def numbers(shape, dtype):
    x = normal(shape, "float64") * 5
    return x > 0 if dtype == "bool" else np.abs(x).astype(dtype)


def indices(shape, size, dtype="int64", seed=3):
    return np.asarray(np.random.default_rng(seed).integers(0, min(size, 120), shape)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, of, axis", GATHERED)
def test_slices(shape, of, axis, dtype):
    x, k = numbers(shape, dtype), indices(of, shape[axis])
    (got,), told = fused(lambda sd, x, k: [sd.gather(x, k, axis)], x, k)
    want = np.take(x, k, axis)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    assert not steps(told)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, of, axis", ALONG)
def test_entries_along_an_axis(shape, of, axis, dtype):
    x, k = numbers(shape, dtype), indices(of, shape[axis])
    (got,), told = fused(lambda sd, x, k: [sd.take_along_axis(x, k, axis)], x, k)
    np.testing.assert_array_equal(got, np.take_along_axis(x, k, axis))
    assert not steps(told)


@pytest.mark.parametrize("integers", INTEGERS)
def test_every_kind_of_index(integers):
    x, k = normal((300, 40)), indices((20, 6), 300, integers)
    (got, column), _ = fused(lambda sd, x, k: [sd.gather(x, k), sd.gather(x[:, 0], k)], x, k)
    np.testing.assert_array_equal(got, x[k.astype("int64")])
    np.testing.assert_array_equal(column, x[k.astype("int64"), 0])


BAD = [-1, -(2**31), 50, 2**31, 2**40, 2**62, -(2**62)]


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize("place", [0, 37, -1])
@pytest.mark.parametrize("reads", ["rows", "entries", "one of each row", "several of each row"])
def test_the_error_of_an_index_out_of_range_is_numpys(reads, place, number):
    """Also where it is the last of what nobody asks for in the end: the region still looks."""
    shape, build = {
        "rows": ((6, 20), lambda sd, x, k: sd.gather(x, k)),
        "entries": ((120,), lambda sd, x, k: sd.gather(x[:, 3], k)),
        "one of each row": ((50, 1), lambda sd, x, k: sd.take_along_axis(sd.nn.softmax(x), k, 1)),
        "several of each row": ((50, 4), lambda sd, x, k: sd.take_along_axis(sd.nn.softmax(x), k, 1)),
    }[reads]
    x, k = normal((50, 50)), indices(shape, 50)
    k.flat[place] = number
    messages = []
    for engine in ("numpy", "llvm"):
        sd = SameDiff()
        p, q = sd.placeholder("x", x.shape), sd.placeholder("k", k.shape, "int64")
        f = sd.compile(sd.sum(build(sd, p, q)), engine=engine)
        with pytest.raises(LabelError) as raised:
            f(x=x, k=k)
        messages.append(str(raised.value).split("\n  at:")[0])
        k_good = indices(shape, 50)
        assert np.isfinite(next(iter(f(x=x, k=k_good).values())))
    assert messages[0] == messages[1] and str(number) in messages[0]


@pytest.mark.parametrize("shape, of", [((0, 4), (3,)), ((0,), (2,))])
def test_nothing_to_choose_from(shape, of):
    with pytest.raises(LabelError, match="nothing to choose from"):
        fused(lambda sd, x, k: [sd.gather(x, k)], np.zeros(shape, "float32"), np.zeros(of, "int64"))


@pytest.mark.parametrize("shape, of", [((5, 4), (0,)), ((5, 0), (3,)), ((0, 4), (0,)), ((0,), (0,))])
def test_nothing_to_take(shape, of):
    x, k = np.zeros(shape, "float32"), np.zeros(of, "int64")
    (got, total), _ = fused(lambda sd, x, k: [sd.gather(x, k), sd.sum(sd.gather(x, k) + 1.0)], x, k)
    assert got.shape == (*of, *shape[1:]) and total == 0


def test_numbers_of_every_kind_come_as_they_are():
    x = normal((40, 33))
    x[3], x[4, ::3], x[5] = -0.0, np.nan, [np.inf, -np.inf, 1e-45] * 11
    k = np.array([3, 5, 4, 3, 39, 0])
    (rows, entries), _ = fused(lambda sd, x, k: [sd.gather(x, k), sd.gather(sd.reshape(x, -1), k * 33)], x, k)
    assert rows.tobytes() == x[k].tobytes() and entries.tobytes() == x[k, 0].tobytes()


@pytest.mark.parametrize("columns", [3, 10, 40, 64, 200])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-13)])
def test_rows_between_what_comes_before_and_after(columns, dtype, tolerance):
    x, k, w = normal((70, columns), dtype), indices((24, 20), 70), np.abs(normal((24, 20), dtype))

    def build(sd, x, k, w):
        rows = sd.gather(x, k) * sd.expand_dims(w, -1)
        return [sd.mean(rows, 1), sd.nn.softmax(sd.gather(x, k[:, 0])), sd.sum(sd.math.square(rows), axis=-1)]

    (mean, p, squares), told = fused(build, x, k, w)
    rows = x.astype("float64")[k] * w[..., None]
    np.testing.assert_allclose(mean, rows.mean(1), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(p, softmax(x.astype("float64")[k[:, 0]], 1), atol=tolerance)
    np.testing.assert_allclose(squares, (rows**2).sum(-1), rtol=4 * tolerance)
    assert "gather" not in steps(told)


@pytest.mark.parametrize("several", [1, 5])
def test_entries_of_a_softmax_that_nobody_checked(several):
    x, k = normal((60, 90)), indices((60, several), 90)

    def build(sd, x, k):
        loss = 0.0 - sd.mean(sd.take_along_axis(sd.nn.log_softmax(x), k, 1))
        return [loss, sd.grad(loss, x)]

    (loss, gradient), told = fused(build, x, k)
    wide = x.astype("float64")
    np.testing.assert_allclose(loss, -np.take_along_axis(log_softmax(wide, 1), k, 1).mean(), rtol=2e-6)
    hits = np.zeros_like(wide)
    np.add.at(hits, (np.arange(60)[:, None], k), 1 / k.size)
    np.testing.assert_allclose(gradient, softmax(wide, 1) / 60 - hits, atol=1e-7)
    assert "take_along_axis" not in steps(told)
    assert several > 1 or (not steps(told) and told.count("region over") == 1)


def test_a_table_that_is_made_in_the_same_call():
    """It is there as a whole before anything is taken from it."""
    x, k = normal((300, 50)), indices((400,), 300)

    def build(sd, x, k):
        table = sd.math.tanh(x) * 2.0
        return [sd.gather(table, k) + 1.0, sd.gather(sd.sum(table, axis=1), k), sd.sum(table)]

    (rows, entries, total), told = fused(build, x, k)
    table = np.tanh(x.astype("float64")) * 2
    np.testing.assert_allclose(rows, table[k] + 1, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(entries, table.sum(1)[k], rtol=2e-6, atol=2e-5)
    np.testing.assert_allclose(total, table.sum(), rtol=2e-6)
    assert not steps(told)


def test_indices_that_are_computed_and_weights_by_label():
    x, labels, w = normal((500, 10)), indices((500,), 10), np.abs(normal((10,), seed=7))

    def build(sd, x, labels, w):
        each = sd.loss.sparse_softmax_cross_entropy(x, labels, loss_reduce=LossReduce.NONE)
        return [sd.sum(sd.gather(w, labels) * each), sd.gather(w, (labels * 3 + 1) % 10)]

    (loss, others), told = fused(build, x, labels, w)
    each = -log_softmax(x.astype("float64"), 1)[np.arange(500), labels]
    np.testing.assert_allclose(loss, (w[labels] * each).sum(), rtol=2e-6)
    np.testing.assert_array_equal(others, w[(labels * 3 + 1) % 10])
    assert not steps(told)


@given(
    ahead=st.lists(st.integers(1, 3), max_size=2),
    size=st.integers(1, 30),
    behind=st.lists(st.integers(1, 20), max_size=2),
    of=st.lists(st.integers(1, 9), max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_any_axis_of_anything(ahead, size, behind, of):
    shape, axis = (*ahead, size, *behind), len(ahead)
    x, k = normal(shape), indices(tuple(of), size)
    (got, doubled), _ = fused(lambda sd, x, k: [sd.gather(x, k, axis), sd.gather(x, k, axis) * 2.0], x, k)
    np.testing.assert_array_equal(got, np.take(x, k, axis))
    np.testing.assert_array_equal(doubled, np.take(x, k, axis) * 2)
    of_each = (*ahead, of[0] if of else 1, *behind)
    k = indices(of_each, size)
    (got,), _ = fused(lambda sd, x, k: [sd.take_along_axis(x, k, axis) - 1.0], x, k)
    np.testing.assert_array_equal(got, np.take_along_axis(x, k, axis) - 1)


def everything(sd, x, k):
    rows = sd.gather(x, k)
    return [sd.nn.softmax(rows), sd.sum(rows, axis=0), sd.mean(sd.math.tanh(rows), axis=1), sd.gather(x[:, 0], k),
            sd.take_along_axis(sd.nn.log_softmax(x), sd.cast(x[:, :3] > 0.0, "int64"), 1)]  # fmt: skip


@pytest.mark.parametrize("columns", [5, 40, 300])
def test_equal_bits_at_every_number_of_threads(columns, monkeypatch):
    monkeypatch.setattr(segment, "SHARED", 0)
    x, k = normal((80, columns)), indices((90, 25), 80)
    before = threads.get_num_threads()
    results = []
    try:
        for n in (1, 2, 5):
            threads.set_num_threads(n)
            results.append(dict(enumerate(fused(everything, x, k)[0])))
    finally:
        threads.set_num_threads(before)
    assert same_bits(results[0], results[1]) and same_bits(results[0], results[2])


@pytest.mark.parametrize("computer", computers.HERE)
@pytest.mark.parametrize("columns", [4, 19, 70])
def test_registers_of_other_sizes_and_both_levels(columns, computer, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.delenv("SDGRAPH_QUICK", raising=False)
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    x, k = normal((80, columns)), indices((9, 5), 80)
    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        sd = SameDiff()
        p, q = sd.placeholder("x", x.shape), sd.placeholder("k", k.shape, "int64")
        f = sd.compile([*everything(sd, p, q), sd.gather(p, q), sd.gather(sd.cast(p, "int8"), q)], engine="llvm")
        quick = f(x=x, k=k)
        machine.settled()
        good = f(x=x, k=k)
    assert same_bits(quick, good)
    rows, small = list(good.values())[-2:]
    np.testing.assert_array_equal(rows, x[k])
    np.testing.assert_array_equal(small, x.astype("int8")[k])


@pytest.mark.parametrize("columns, rows, whose", [(20, 4000, ["gather"]), (20, 100, []), (5, 4000, []), (40, 4000, [])])
def test_many_short_pieces_of_memory_are_copied_by_numpy(columns, rows, whose):
    x, k = normal((300, columns)), indices((rows,), 300)
    (got,), told = fused(lambda sd, x, k: [sd.gather(x, k) * 2.0], x, k)
    np.testing.assert_array_equal(got, x[k] * 2)
    assert steps(told) == whose


def test_what_is_taken_is_told_of_and_counted():
    x, k = normal((10_000, 64)), indices((32, 20), 10_000)
    sd = SameDiff()
    p, q = sd.placeholder("x", x.shape), sd.placeholder("k", k.shape, "int64")
    f = sd.compile(sd.gather(p, q) * 2.0, engine="llvm")
    f(x=x, k=k)
    told = f.profile({"x": x, "k": k})
    [region] = [part for part in told.parts if "64" in part.part]
    assert region.bytes < 3 * 32 * 20 * 64 * 4  # Not the table.
    assert "taken" in str(f.plan)
