"""Views: where their elements lie, and regions that read them there."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from scipy.special import softmax

import sdgraph
from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.errors import LabelError
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm import segment
from tests.run.engines.llvm.calls import fused, normal, steps

TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}

IN_PLACE = {
    "columns": lambda x: x[:, 16:48],
    "rows": lambda x: x[3:9],
    "one row": lambda x: x[3],
    "every second row": lambda x: x[::2, 8:],
    "rows from the last": lambda x: x[::-1, :20],
    "a view of a view": lambda x: x[:, 8:][2:, :40],
    "a column beside rows": lambda x: x[:, 5:6] + x[:, :24],
    "with a new axis": lambda x: x[:, None, 10:30],
    "a reshaped one": lambda x: x[2:10].sd.reshape(x[2:10], (4, 2, 64)),
    "of what is broadcast": lambda x: x.sd.broadcast_to(x[0], (5, 64))[1:, 9:40],
}
"""Of an array of 12 rows of 64."""


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", IN_PLACE)
def test_a_slice_is_read_where_it_lies(name, dtype):
    x = normal((12, 64), dtype)
    (got,), told = fused(lambda sd, x: [sd.math.tanh(IN_PLACE[name](x))], x)
    wide = x.astype("float64")
    want = {
        "with a new axis": lambda: wide[:, None, 10:30],
        "a reshaped one": lambda: wide[2:10].reshape(4, 2, 64),
        "of what is broadcast": lambda: np.broadcast_to(wide[0], (5, 64))[1:, 9:40],
    }.get(name, lambda: IN_PLACE[name](wide))()
    np.testing.assert_allclose(got, np.tanh(want), atol=TOLERANCE[dtype])
    assert not steps(told)


def test_the_gates_of_a_cell_are_one_region():
    x, w = normal((8, 5)), normal((5, 64), seed=1)

    def cell(sd, x, w):
        z = sd.linalg.matmul(x, w)
        i, f, g, o = (z[:, k : k + 16] for k in range(0, 64, 16))
        return [sd.nn.sigmoid(o) * sd.math.tanh(sd.nn.sigmoid(i) * sd.math.tanh(g) + sd.nn.sigmoid(f))]

    (got,), told = fused(cell, x, w)
    i, f, g, o = np.split(x.astype("float64") @ w, 4, axis=1)

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    np.testing.assert_allclose(got, sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(g) + sigmoid(f)), atol=2e-6)
    assert steps(told) == ["linalg.matmul"] and told.count("region over") == 1


COPIED = {
    "every second column": lambda x: x[:, ::2],
    "columns from the last": lambda x: x[:, ::-1],
    "a few columns": lambda x: x[:, :3],
    "a column": lambda x: x[:, 5],
}


@pytest.mark.parametrize("name", COPIED)
def test_what_no_loop_can_follow_is_copied(name):
    x = normal((12, 64))
    (got,), told = fused(lambda sd, x: [sd.math.tanh(COPIED[name](x))], x)
    np.testing.assert_allclose(got, np.tanh(COPIED[name](x.astype("float64"))), atol=2e-6)
    assert steps(told) == ["index"]


@pytest.mark.parametrize("rows", [1, 7, 16, 33, 1000])
@pytest.mark.parametrize("columns", [1, 2, 5, 10, 40, 63, 64, 100])
def test_softmax_of_a_part_of_each_row(rows, columns):
    x = normal((rows, columns + 70)) * np.float32(4)
    (p, total), _ = fused(lambda sd, x: [sd.nn.softmax(x[:, 3 : columns + 3]), sd.sum(x[:, 50:], axis=1)], x)
    np.testing.assert_allclose(p, softmax(x[:, 3 : columns + 3].astype("float64"), 1), atol=2e-6)
    np.testing.assert_allclose(total, x[:, 50:].astype("float64").sum(1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [*TOLERANCE, "int32", "bool"])
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 500])
def test_one_number_of_each_row_beside_short_rows(rows, dtype):
    x, y = normal((rows, 10)), normal((rows, 23), "float64", 1)
    y = (y > 0 if dtype == "bool" else y * 4).astype(dtype)

    def build(sd, x, y):
        p = sd.nn.softmax(x)
        return [p * sd.cast(y[:, 7:8], "float32"), p[::-1] * sd.cast(y[::-1, 22:], "float32")]

    (first, second), _ = fused(build, x, y)
    p, y = softmax(x.astype("float64"), 1), y.astype("float64")
    np.testing.assert_allclose(first, p * y[:, 7:8], atol=2e-6 * 16)
    np.testing.assert_allclose(second, p[::-1] * y[::-1, 22:], atol=2e-6 * 16)


def test_axes_in_the_middle_of_a_part():
    x = normal((3, 9, 4, 40))
    (p,), told = fused(lambda sd, x: [sd.nn.softmax(x[::-1, 2:7], 1)], x)
    np.testing.assert_allclose(p, softmax(x[::-1, 2:7].astype("float64"), 1), atol=2e-6)
    assert not steps(told) and "side by side" in told


def test_rows_side_by_side_that_do_not_lie_so_are_copied():
    x = normal((3, 9, 4, 40))
    (p,), told = fused(lambda sd, x: [sd.nn.softmax(x[:, 2:7, :, 8:24], 1)], x)
    np.testing.assert_allclose(p, softmax(x[:, 2:7, :, 8:24].astype("float64"), 1), atol=2e-6)
    assert steps(told) == ["index"]


def test_exchanged_axes_whose_last_one_stays():
    x, y = normal((3, 5, 4, 16)), normal((3, 4, 5, 16), seed=1)
    (got,), told = fused(lambda sd, x, y: [sd.permute(x, (0, 2, 1, 3)) * y], x, y)
    np.testing.assert_allclose(got, x.transpose(0, 2, 1, 3) * y, rtol=1e-6)
    assert not steps(told)


def test_several_views_of_one_step():
    x = normal((6, 48))

    def parts(sd, x):
        a, b, c = sd.split(x, 3, axis=1)
        first, *_ = sd.unstack(x, axis=0)
        return [a * b + c, sd.math.tanh(first), sd.linalg.matmul(a, sd.transpose(b))]

    (total, first, product), told = fused(parts, x)
    a, b, c = np.split(x.astype("float64"), 3, axis=1)
    np.testing.assert_allclose(total, a * b + c, atol=2e-6)
    np.testing.assert_allclose(first, np.tanh(x[0]), atol=2e-6)
    np.testing.assert_allclose(product, a @ b.T, atol=1e-5)
    assert sorted(set(steps(told)) - {"permute"}) == ["item", "linalg.matmul", "split"]


def test_sums_over_two_parts_of_one_array_are_two_sums():
    x = normal((9, 32))
    (first, second), _ = fused(lambda sd, x: [sd.sum(x[:, :16], axis=1), sd.sum(x[:, 16:], axis=1)], x)
    np.testing.assert_allclose(first, x[:, :16].astype("float64").sum(1), atol=1e-5)
    np.testing.assert_allclose(second, x[:, 16:].astype("float64").sum(1), atol=1e-5)


def test_a_part_of_what_the_same_loop_would_make_is_read_when_it_is_there():
    x = normal((10, 32))

    def shifted(sd, x):
        y = sd.math.tanh(x)
        return [y * sd.reverse(y, 0), y[1:] - y[:-1], sd.reverse(y[::-1], 0) + y]

    (product, difference, twice), told = fused(shifted, x)
    y = np.tanh(x.astype("float64"))
    np.testing.assert_allclose(product, y * y[::-1], atol=2e-6)
    np.testing.assert_allclose(difference, np.diff(y, axis=0), atol=2e-6)
    np.testing.assert_allclose(twice, 2 * y, atol=2e-6)
    assert not steps(told)


def test_regions_that_read_parts_in_other_places_have_code_of_their_own():
    """Equal but for which of the operands is a part."""
    x, y = normal((6, 16)), normal((6, 32), seed=1)
    for k in range(3):

        def total(sd, x, y, k=k):
            operands = [x, x, x]
            operands[k] = y[::-1, 16:]
            return [sd.math.merge_add(operands[0], operands[1], operands[2])]

        (got,), _ = fused(total, x, y)
        np.testing.assert_allclose(got, 2 * x + y[::-1, 16:], rtol=1e-6, atol=1e-6)


def test_code_is_shared_by_parts_of_all_sizes(monkeypatch):
    monkeypatch.setattr(segment, "_codes", {})
    for rows, columns, start in ((5, 40, 3), (7, 100, 0), (20, 64, 32)):
        x = normal((rows, columns))
        (got,), _ = fused(lambda sd, x, start=start: [sd.math.exp(x[::-1, start : start + 8])], x)
        np.testing.assert_allclose(got, np.exp(x[::-1, start : start + 8].astype("float64")), rtol=1e-6)
    assert len(segment._codes) == 1


def test_labels_that_are_a_part_are_still_checked():
    sd = SameDiff()
    labels, x = sd.placeholder("labels", (20,), "int64"), sd.placeholder("x", (10, 12))
    loss = sd.loss.sparse_softmax_cross_entropy(x[:, 2:], labels[5:15])
    f = sd.compile(loss, engine="llvm")
    feeds = {"labels": np.arange(20) % 10, "x": normal((10, 12))}
    want = sd.compile(loss, engine="numpy")(feeds)
    np.testing.assert_allclose(*(next(iter(found.values())) for found in (f(feeds), want)), rtol=1e-6)
    feeds["labels"][7] = 10
    with pytest.raises(LabelError):
        f(feeds)
    feeds["labels"][7], feeds["labels"][0] = 3, 99  # Nobody reads this one.
    f(feeds)


def test_results_that_are_parts_are_arrays_of_their_own():
    x = normal((6, 32))
    sd = SameDiff()
    v = sd.placeholder("x", x.shape)
    y = sd.math.exp(v)
    f = sd.compile([y[:, :16], y[2], y], engine="llvm")
    part, row, whole = f({"x": x}).values()
    part[...] = row[...] = 0
    np.testing.assert_allclose(whole, np.exp(x.astype("float64")), rtol=1e-6)


@pytest.mark.parametrize(
    "shape, key", [((0, 16), slice(None)), ((4, 0), 1), ((4, 16), slice(2, 2)), ((1, 1), 0), ((1,), 0)]
)
def test_nothing_and_one(shape, key):
    x = normal(shape)
    (got,), _ = fused(lambda sd, x: [sd.math.exp(x[key]) + 1.0], x)
    assert got.shape == x[key].shape
    np.testing.assert_allclose(got, np.exp(x[key].astype("float64")) + 1, rtol=1e-6)


def test_tables_and_indices_that_are_parts():
    x, k = normal((20, 96), "float64"), np.random.default_rng(1).integers(0, 10, (5, 7))

    def build(sd, x, k):
        whole = sd.concat(sd.math.tanh(x[:10]), sd.math.exp(x[10:]), axis=0)
        taken = [sd.gather(x[2:, 8:40], k), sd.gather(x, k[:, 3]), sd.gather(x, k[::-1]), sd.gather(whole, k)]
        return [*(v * 2.0 for v in taken), sd.math.tanh(taken[2])[:, :, 8:40] * 2.0]

    got, _ = fused(build, x, k)
    whole = np.concatenate([np.tanh(x[:10]), np.exp(x[10:])])
    taken = [x[2:, 8:40][k], x[k[:, 3]], x[k[::-1]], whole[k]]
    for a, b in zip(got, [*(v * 2 for v in taken), np.tanh(taken[2])[:, :, 8:40] * 2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def test_scans_of_parts_and_parts_of_scans():
    x = normal((20, 96), "float64")

    def build(sd, x):
        part = x[::-1, 8:40]
        scans = [sd.cumsum(part, 1), sd.cumsum(part, 0), sd.cumsum(part), sd.cumsum(x[:, 3])]
        return [*(v * 2.0 for v in scans), sd.cumsum(x, 1)[:, 8:40] * 2.0, sd.concat(scans[0], scans[1], axis=1)]

    got, _ = fused(build, x)
    part = x[::-1, 8:40]
    scans = [part.cumsum(1), part.cumsum(0), part.cumsum().reshape(part.shape), x[:, 3].cumsum()]
    want = [*(v * 2 for v in scans), x.cumsum(1)[:, 8:40] * 2, np.concatenate(scans[:2], 1)]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b.reshape(a.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bits(count, monkeypatch):
    monkeypatch.setattr(threads, "_count", None)
    monkeypatch.setattr(segment, "SHARED", 0)
    x = normal((700, 96))

    def build(sd, x):
        y = sd.math.tanh(x[::-1, 10:50]) * x[:, 40:80]
        return [y, sd.sum(y, axis=0), sd.sum(y), sd.nn.softmax(x[:, 7:27])]

    sdgraph.set_num_threads(1)
    alone, _ = fused(build, x)
    sdgraph.set_num_threads(count)
    for a, b in zip(fused(build, x)[0], alone, strict=True):
        assert a.tobytes() == b.tobytes()


def test_ops_that_are_views_say_so_and_are():
    """All that say where numbers lie are views of numpy's, and those that look at numbers do not say it."""
    strided = {name for name, op in REGISTRY.items() if op.is_strided and op.is_ours}
    assert {"index", "permute", "reverse", "reshape", "split", "unstack", "unconcat"} <= strided
    assert all(REGISTRY[name].is_view for name in strided)
    assert not {name for name in strided if name.startswith("checked_")}
