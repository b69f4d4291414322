"""Arrays put into larger ones: loops write each where it belongs."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import sdgraph
from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm import segment
from tests.run.engines.llvm.calls import fused, normal, steps

TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concat(axis, dtype):
    shapes = [[6, 3, 16], [6, 3, 16]]
    shapes[1][axis] += 9
    x, y = (normal(shape, dtype, k) for k, shape in enumerate(shapes))
    (got,), told = fused(lambda sd, x, y: [sd.concat(sd.math.tanh(x), sd.nn.relu(y), axis=axis)], x, y)
    want = np.concatenate([np.tanh(x.astype("float64")), np.maximum(y, 0)], axis)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, atol=TOLERANCE[dtype])
    assert not steps(told) and "a part of" in told


@pytest.mark.parametrize("axis", [0, 1])
def test_stack(axis):
    x = normal((6, 16))
    (got,), told = fused(lambda sd, x: [sd.stack(x * 2.0, sd.math.tanh(x), x + 1.0, axis=axis)], x)
    np.testing.assert_allclose(got, np.stack([2 * x, np.tanh(x), x + 1], axis), rtol=1e-6, atol=1e-6)
    assert not steps(told)


def test_parts_become_the_dtype_of_the_whole():
    x, y = normal((4, 16), "float64"), normal((4, 16), "float32", 1)
    (got,), told = fused(lambda sd, x, y: [sd.concat(sd.math.exp(x), sd.math.exp(y), axis=1)], x, y)
    assert got.dtype == "float64" and not steps(told)
    np.testing.assert_allclose(got[:, :16], np.exp(x), rtol=1e-14)
    np.testing.assert_allclose(got[:, 16:], np.exp(y.astype("float64")), rtol=1e-6)


def test_parts_that_others_read_and_wholes_that_are_read_again():
    x, y = normal((5, 16)), normal((5, 24), seed=1)

    def build(sd, x, y):
        a, b = sd.math.tanh(x), sd.math.exp(y)
        whole = sd.concat(a, b, axis=1)
        again = sd.concat(whole * 2.0, a[:, :8], whole[:, 30:], axis=1)
        return [a, whole, again, sd.sum(whole, axis=1), whole[::-1] + whole]

    (a, whole, again, total, both), told = fused(build, x, y)
    wide = np.concatenate([np.tanh(x.astype("float64")), np.exp(y.astype("float64"))], 1)
    np.testing.assert_allclose(a, wide[:, :16], atol=2e-6)
    np.testing.assert_allclose(whole, wide, rtol=2e-6)
    np.testing.assert_allclose(again, np.concatenate([2 * wide, wide[:, :8], wide[:, 30:]], 1), rtol=4e-6)
    np.testing.assert_allclose(total, wide.sum(1), rtol=2e-6)
    np.testing.assert_allclose(both, wide + wide[::-1], rtol=4e-6)
    assert not steps(told)


def test_the_same_array_twice():
    x = normal((5, 16))
    (got,), told = fused(lambda sd, x: [sd.concat(*[sd.math.exp(x)] * 3, axis=0)], x)
    np.testing.assert_allclose(got, np.exp(np.concatenate([x.astype("float64")] * 3)), rtol=1e-6)
    assert not steps(told)


def test_short_rows_that_are_parts():
    from scipy.special import softmax

    for rows in (1, 15, 16, 40, 1000):
        x, y = normal((rows, 10)), normal((rows, 13), seed=1)
        (got,), told = fused(lambda sd, x, y: [sd.concat(sd.nn.softmax(x), sd.nn.softmax(y), axis=1)], x, y)
        wide = [softmax(v.astype("float64"), 1) for v in (x, y)]
        np.testing.assert_allclose(got, np.concatenate(wide, 1), atol=2e-6)
        assert not steps(told)


@pytest.mark.parametrize(
    "padding",
    [[(2, 3), (0, 0)], [(0, 1), (8, 9)], [(1, 1), (1, 1)], [(0, 0), (7, 2)], [(0, 0), (0, 20)], [(0, 0), (0, 0)]],
)
@pytest.mark.parametrize("constant", [0.0, 1.5, np.inf])
def test_pad(padding, constant):
    x = normal((6, 16))
    (got,), told = fused(lambda sd, x: [sd.nn.pad(sd.math.tanh(x), padding, constant=constant)], x)
    np.testing.assert_allclose(got, np.pad(np.tanh(x.astype("float64")), padding, constant_values=constant), atol=2e-6)
    assert not steps(told)


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_pads_that_repeat_are_numpys(mode):
    x = normal((6, 16))
    (got,), told = fused(lambda sd, x: [sd.nn.pad(sd.math.tanh(x), [(2, 1), (8, 8)], mode)], x)
    np.testing.assert_allclose(got, np.pad(np.tanh(x.astype("float64")), [(2, 1), (8, 8)], mode), atol=2e-6)
    assert steps(told) == ["nn.pad"]


def test_borders_that_are_narrow_reach_into_what_is_written_over_them():
    x = normal((40, 30))
    (got,), told = fused(lambda sd, x: [sd.grad(sd.sum(sd.math.square(x[:, 1:] - x[:, :-1])), x)], x)
    d = 2 * np.diff(x.astype("float64"), axis=1)
    np.testing.assert_allclose(got, np.pad(d, [(0, 0), (1, 0)]) - np.pad(d, [(0, 0), (0, 1)]), atol=4e-6)
    assert not steps(told)


@pytest.mark.parametrize("columns", [8, 9, 15, 16])
@pytest.mark.parametrize("before", [0, 1, 5, 8])
@pytest.mark.parametrize("after", [0, 1, 3, 20])
def test_borders_of_all_widths(columns, before, after):
    x = normal((5, columns))
    padding = [(0, 2), (before, after)]
    (got,), told = fused(lambda sd, x: [sd.nn.pad(sd.math.exp(x), padding, constant=-1.0)], x)
    np.testing.assert_allclose(got, np.pad(np.exp(x.astype("float64")), padding, constant_values=-1), rtol=1e-6)
    assert not steps(told)


def test_a_number_in_a_vector_of_zeros():
    x = normal((9,))
    (got,), _ = fused(lambda sd, x: [sd.grad(sd.math.square(x[3]) + x[0], x)], x)
    want = np.zeros(9)
    want[3], want[0] = 2 * x[3], 1
    np.testing.assert_allclose(got, want, rtol=1e-6)


KEYS = {
    "columns": (slice(None), slice(8, 32)),
    "rows": (slice(2, 7),),
    "a block": (slice(1, 5), slice(16, 40)),
    "one row": (4,),
    "rows from the last": (slice(None, None, -1), slice(0, 24)),
    "every second row": (slice(None, None, 2),),
    "nothing": (slice(3, 3),),
}


@pytest.mark.parametrize("key", KEYS)
def test_gradients_of_slices(key):
    x = normal((9, 48))
    (got,), _ = fused(lambda sd, x: [sd.grad(sd.sum(sd.math.sin(x[KEYS[key]])), x)], x)
    want = np.zeros(x.shape)
    want[KEYS[key]] = np.cos(x[KEYS[key]].astype("float64"))
    np.testing.assert_allclose(got, want, atol=2e-6)


def test_gradients_of_the_gates_of_a_cell_are_written_side_by_side():
    x = normal((8, 64))

    def gradient(sd, x):
        i, f, g, o = (x[:, k : k + 16] for k in range(0, 64, 16))
        return [sd.grad(sd.sum(sd.math.sin(i) * g + f * sd.math.cos(o)), x)]

    (got,), told = fused(gradient, x)
    i, f, g, o = np.split(x.astype("float64"), 4, axis=1)
    np.testing.assert_allclose(got, np.concatenate([np.cos(i) * g, np.cos(o), np.sin(i), -f * np.sin(o)], 1), atol=2e-6)
    assert not steps(told)


def test_gradients_of_a_concat_are_slices():
    x, y = normal((8, 16)), normal((8, 24), seed=1)

    def gradients(sd, x, y):
        whole = sd.concat(sd.math.sin(x), sd.math.sin(y), axis=1)
        return sd.grad(sd.sum(whole * whole * whole), [x, y])

    (dx, dy), told = fused(gradients, x, y)
    for got, at in ((dx, x.astype("float64")), (dy, y.astype("float64"))):
        np.testing.assert_allclose(got, 3 * np.sin(at) ** 2 * np.cos(at), atol=4e-6)
    assert not steps(told)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_there_already_is_joined_by_numpy(axis):
    x, y = normal((8, 16)), normal((8, 16), seed=1)
    (got,), told = fused(lambda sd, x, y: [sd.concat(x, y, axis=axis)], x, y)
    assert np.array_equal(got, np.concatenate([x, y], axis)) and steps(told) == ["concat"]


def test_columns_that_are_too_few_are_joined_by_numpy():
    x = normal((8, 3))
    (got,), told = fused(lambda sd, x: [sd.concat(x * 2.0, x + 1.0, axis=1)], x)
    np.testing.assert_allclose(got, np.concatenate([2 * x, x + 1], 1), rtol=1e-6)
    assert steps(told) == ["concat"]


def test_nothing_beside_something():
    x, y = normal((0, 16)), normal((3, 16))
    (got, empty), _ = fused(
        lambda sd, x, y: [sd.concat(sd.math.exp(x), sd.math.exp(y), axis=0), sd.concat(x * 2.0, x, axis=0)], x, y
    )
    np.testing.assert_allclose(got, np.exp(y.astype("float64")), rtol=1e-6)
    assert empty.shape == (0, 16)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bits(count, monkeypatch):
    monkeypatch.setattr(threads, "_count", None)
    monkeypatch.setattr(segment, "SHARED", 0)
    x, y = normal((700, 40)), normal((700, 30), seed=1)

    def build(sd, x, y):
        whole = sd.concat(sd.math.tanh(x), sd.nn.softmax(y), axis=1)
        return [whole, sd.sum(whole, axis=0), sd.nn.pad(sd.math.exp(y), [(1, 2), (8, 10)])]

    sdgraph.set_num_threads(1)
    alone, _ = fused(build, x, y)
    sdgraph.set_num_threads(count)
    for a, b in zip(fused(build, x, y)[0], alone, strict=True):
        assert a.tobytes() == b.tobytes()


def test_results_past_the_caches_are_whole_ones(last_level):
    last_level(64)
    x, y = normal((90, 64)), normal((90, 64), seed=1)
    (whole, half), _ = fused(lambda sd, x, y: [sd.concat(sd.math.exp(x), sd.math.exp(y), axis=1), x * 0.5], x, y)
    np.testing.assert_allclose(whole, np.exp(np.concatenate([x, y], 1).astype("float64")), rtol=1e-6)
    np.testing.assert_allclose(half, x * 0.5)


def test_memory_in_use_is_no_more_than_the_parts_need():
    """What is written where it belongs needs no memory of its own."""
    sd = SameDiff()
    x, y = sd.placeholder("x", (100, 64)), sd.placeholder("y", (100, 64))
    whole = sd.concat(sd.math.tanh(x), sd.math.tanh(y), axis=1)
    f = sd.compile(whole, engine="llvm")
    assert "at most 51.2 kB of results alive" in str(f.plan)


@pytest.mark.parametrize("name", [name for name, op in REGISTRY.items() if op.places is not None and op.is_ours])
def test_ops_that_say_where_operands_go_put_them_there(name):
    """A random result of the kernel has each operand where the op says, and one number elsewhere."""
    rng = np.random.default_rng(0)
    attrs, operands = {
        "concat": ({"axis": 1}, [rng.normal(size=(3, 2)), rng.normal(size=(3, 4))]),
        "index_scatter": ({"key": (1, ("slice", 2, None, None))}, [rng.normal(size=3), np.zeros((4, 5))]),
        "nn.pad": ({"padding": ((1, 2), (3, 0)), "mode": "constant", "constant": 2.5}, [rng.normal(size=(2, 3))]),
    }[name]
    op = REGISTRY[name]
    made = op.bind_kernel(np, "numpy", attrs)(*operands)
    written = np.full_like(made, np.nan)
    assert op.places is not None
    places, rest = op.places(written, *operands, **attrs)
    if rest is not None:
        written[...] = rest
    for place, x in zip(places, operands, strict=True):
        if place is not None:
            place[...] = x
    assert np.array_equal(made, written)


def test_checks_beside_what_is_joined():
    sd = SameDiff("float64")
    y, x = sd.placeholder("y", (None, 1), "int64"), sd.placeholder("x", (None, 8, 3))
    loss = sd.keras.ctc(y_true=y, y_pred=x)
    feeds = {"y": np.array([[1], [0]]), "x": np.random.default_rng(0).uniform(0.1, 1, (2, 8, 3))}
    got, want = (sd.compile(loss, engine=engine)(feeds) for engine in ("llvm", "numpy"))
    np.testing.assert_allclose(*(next(iter(found.values())) for found in (got, want)), rtol=1e-12)
