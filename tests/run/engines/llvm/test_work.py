"""What regions do at least: bytes counted by hand, instructions of rules that are known."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.caches import Caches
from sdgraph.run.engines.limits import Instructions
from sdgraph.run.engines.llvm import work
from sdgraph.run.engines.llvm.translate import machine

N = 4096


def parts(make, **shapes):
    sd = SameDiff()
    operands = {name: sd.placeholder(name, shape) for name, shape in shapes.items()}
    fetches = make(sd, **operands)
    f = sd.compile(fetches, engine="llvm")
    f({name: np.ones(shape, "float32") for name, shape in shapes.items()})
    return f._last.program.parts()


def does(make, **shapes):
    (part,) = parts(make, **shapes)
    assert part.bytes == part.does.bytes
    return part.does


def lanes():
    return machine.computer().lanes(4)


# ---------------------------------------------------------------------- memory


def test_an_array_that_one_loop_reads_counts_once():
    mse = does(
        lambda sd, x, y: [sd.loss.mean_squared_error(y, x), *sd.grad(sd.loss.mean_squared_error(y, x), [x])],
        x=(N,),
        y=(N,),
    )
    assert mse.bytes == 3 * 4 * N
    assert sum(t.written for t in mse.touches) == 4 * N


def test_rows_count_once_for_all_their_passes():
    def loss(sd, x, y):
        value = sd.loss.softmax_cross_entropy(y, x)
        return [value, *sd.grad(value, [x])]

    assert does(loss, x=(8, 1000), y=(8, 1000)).bytes == 3 * 4 * 8000


def test_rows_too_long_for_a_cache_count_for_each_pass(monkeypatch):
    monkeypatch.setattr(work, "caches", lambda: Caches(100, 2000, 10**6))
    found = does(lambda sd, x: sd.nn.softmax(x), x=(8, 1000))
    again = [t for t in found.touches if t.away is not None]
    assert again and all(t.away == 2 * 4 * 1000 and t.read == 4 * 8000 and not t.written for t in again)
    assert does(lambda sd, x: sd.nn.softmax(x), x=(32, 100)).bytes == 2 * 4 * 3200


def test_an_array_counts_in_each_loop_over_the_space():
    found = does(lambda sd, x: x / sd.sum(x), x=(N,))
    assert found.bytes == 2 * 4 * N + 4 * N
    assert found.loops == 2


def test_what_is_broadcast_counts_as_it_lies_in_memory():
    assert does(lambda sd, x, b: x + b, x=(64, 1000), b=(1000,)).bytes == 4 * (2 * 64_000 + 1000)


def test_sums_of_columns_are_written_once():
    assert does(lambda sd, x: sd.sum(x, axis=0), x=(64, 1000)).bytes == 4 * (64_000 + 1000)


# ---------------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda sd, x: x * x, Instructions(products=1)),
        (lambda sd, x: x + 3.5, Instructions(sums=1)),
        (lambda sd, x: (x * x) * x - 3.5, Instructions(products=2, sums=1)),
        (lambda sd, x: x / (x + 3.5), Instructions(sums=1, divisions=1)),
        (lambda sd, x: sd.math.sqrt(x), Instructions(divisions=1)),
        (lambda sd, x: sd.math.abs(x), Instructions(others=1)),
        (lambda sd, x: sd.math.neg(x), Instructions()),
    ],
    ids=["product", "sum", "polynomial", "division", "root", "logic", "sign"],
)
def test_simple_operations_are_an_instruction_each(make, count):
    vectors = N / lanes()
    got = does(make, x=(N,)).instructions
    assert tuple(got) == pytest.approx(tuple(count * vectors))


def test_equal_instructions_count_once():
    one = does(lambda sd, x: sd.math.exp(x), x=(N,)).instructions
    two = does(lambda sd, x: sd.math.exp(x) * sd.math.exp(x), x=(N,)).instructions
    assert one.total > 5 * N / lanes()
    assert two.total == pytest.approx(one.total + N / lanes())


def test_what_is_the_same_for_all_elements_does_not_count():
    plain = does(lambda sd, x, s: x * s, x=(N,), s=()).instructions
    scaled = does(lambda sd, x, s: x * sd.math.exp(s), x=(N,), s=()).instructions
    assert tuple(plain) == tuple(scaled) == (N / lanes(), 0, 0, 0)


def test_a_row_that_ends_within_a_vector_counts_the_whole_vector():
    width = lanes()
    full = does(lambda sd, x: x + sd.sum(x, axis=-1, keepdims=True), x=(10, 40 * width)).instructions
    more = does(lambda sd, x: x + sd.sum(x, axis=-1, keepdims=True), x=(10, 40 * width + 1)).instructions
    assert more.total == pytest.approx(full.total * 41 / 40)


def test_doubles_take_twice_as_many():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (N,), dtype="float64")
    f = sd.compile(x * x, engine="llvm")
    f(x=np.ones(N))
    (part,) = f._last.program.parts()
    assert part.does.instructions.products == pytest.approx(2 * N / lanes())


def test_calls_of_the_library_count_as_their_rule_says():
    from sdgraph.run.engines.llvm.scalars.scalar_ops import RULES

    got = does(lambda sd, x: sd.math.atan(x), x=(N,)).instructions
    assert got.others == pytest.approx(RULES["math.atan"].cost * N / lanes())


# ---------------------------------------------------------------------- parts


def test_regions_of_a_large_segment_are_parts_of_their_own():
    """Two spaces that share nothing: both large."""

    def two(sd, x, y):
        return [sd.math.tanh(x, name="a"), sd.math.exp(y, name="b")]

    found = parts(two, x=(1_000_003,), y=(1_000_033,))
    assert [p.title for p in found] == ["region over (1000003,)", "region over (1000033,)"]
    assert [p.holds for p in found] == [("a",), ("b",)]
    assert [p.bytes for p in found] == [2 * 4 * 1_000_003, 2 * 4 * 1_000_033]


def test_they_leave_the_results_that_a_call_has():
    sd = SameDiff()
    x, y = sd.placeholder("x", (1_000_003,)), sd.placeholder("y", (1_000_033,))
    fetches = [sd.math.tanh(x, name="a"), sd.math.exp(y, name="b")]
    f = sd.compile(fetches, engine="llvm")
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=1_000_003).astype("float32"), "y": rng.normal(size=1_000_033).astype("float32")}
    want = f(feeds)
    compiled, arrays = f._matched(feeds)
    slots = compiled.slots.filled(arrays, sd.values, 0)
    for part in compiled.program.parts():
        part.run(slots)
    got = [a for a in slots if a is not None and not any(a is b for b in feeds.values())]
    assert all(any(a.shape == b.shape and np.array_equal(a, b) for a in got) for b in want.values())


def test_small_regions_of_other_spaces_are_one_call():
    found = parts(lambda sd, x, y: [sd.math.tanh(x, name="a"), sd.math.exp(y, name="b")], x=(30,), y=(40,))
    assert [(p.title, p.holds) for p in found] == [("region over (30,) and region over (40,)", ("a", "b"))]
