"""What a measured function shows of itself, and what is measured, on every engine that tells its parts."""

import subprocess
import sys

import numpy as np
import pytest

import sdgraph
from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.run import profiling
from sdgraph.run.engines import choice, threads
from sdgraph.run.engines.limits import SHARES, Instructions, Limits, Place, Touch, Work
from sdgraph.run.profiling import PartTime, Profile
from tests.fuzz.build import build
from tests.fuzz.generate import generate
from tests.run.tables import cells

pytestmark = pytest.mark.any_engine

PLACES = tuple(
    Place(name, size, (1e-11, 2e-11, 4e-11, 5e-11)) for name, size in (("L2", 1e6), ("memory", float("inf")))
)
ONE = Limits(1, 64, 2.5e-10, 2.5e-10, 1.25e-10, 2e-9, 1e-9, PLACES)
MEASURED = Profile(
    (
        PartTime("region over (1000,)", ("loss", "grad/x"), 2.5e-4, 620_000, 1e-4, "memory"),
        PartTime("numpy <linalg.matmul>", ("a", "b", "c", "d", "e"), 7.5e-4, 1_500_000, 7.5e-4, "arithmetic"),
    ),
    1.1e-3,
    (ONE, ONE._replace(threads=2)),
)

TABLE = """\
part                   holds                  time  share   moves   needs  bound       of limit
---------------------  -------------------  ------  -----  ------  ------  ----------  --------
region over (1000,)    loss, grad/x         250 µs  25.0%  620 kB  100 µs  memory           40%
numpy <linalg.matmul>  a, b, c and 2 more   750 µs  75.0%  1.5 MB  750 µs  arithmetic      100%
---------------------  -------------------  ------  -----  ------  ------  ----------  --------
2 parts in 1 ms; this computer needs 850 µs, 85%
a whole call: 1.1 ms
1 thread: L2 50 GB/s, memory 50 GB/s for a + b -> c; 128 GFLOP/s
2 threads: L2 50 GB/s, memory 50 GB/s for a + b -> c; 128 GFLOP/s"""


def test_it_is_a_table_wherever_it_is_shown():
    assert repr(MEASURED) == str(MEASURED)
    assert [line.split() for line in repr(MEASURED).splitlines() if line[0] != "-"] == [
        line.split() for line in TABLE.splitlines() if line[0] != "-"
    ]


def test_a_notebook_has_the_same_table():
    lines = TABLE.splitlines()
    shown = [" ".join(row).split() for row in cells(MEASURED._repr_html_())]
    assert shown == [line.split() for line in (lines[0], *lines[2:4])]
    assert "2 parts in 1 ms" in MEASURED._repr_html_() and "128 GFLOP/s" in MEASURED._repr_html_()


def test_figures_follow_from_one_another():
    first, second = MEASURED.parts
    assert first.bandwidth == pytest.approx(2.48e9) and first.of_limit == pytest.approx(0.4)
    assert second.of_limit == pytest.approx(1.0)
    assert (MEASURED.seconds, MEASURED.needs) == (pytest.approx(1e-3), pytest.approx(8.5e-4))
    assert (first.to_gain, second.to_gain) == (pytest.approx(1.5e-4), 0.0)
    assert MEASURED._replace(parts=(second, first)).farthest() == [first, second]
    assert MEASURED.memory_bandwidth == pytest.approx(1 / 4e-11)


def test_a_function_without_parts_has_an_empty_table():
    nothing = Profile((), 1e-6, (ONE,))
    assert "0 parts in 0 ns" in repr(nothing) and "0 parts" in nothing._repr_html_()


def test_a_table_of_several_parts_says_where_most_is_to_gain():
    parts = tuple(PartTime(f"part {k}", (f"v{k}", "w"), 1e-3, 10, 1e-4 * k, "call") for k in (5, 2, 9, 1))
    below = repr(Profile(parts, 1.0, (ONE,))).splitlines()
    assert below[-3] == "most to gain: part 1 v1 900 µs, part 2 v2 800 µs, part 5 v5 500 µs"


def test_a_long_table_shows_what_takes_longest_in_its_order():
    times = [1e-6 * (1 + k % 7) for k in range(100)]
    parts = tuple(PartTime(f"part {k:03}", (), t, 10, t / 2, "call") for k, t in enumerate(times))
    shown = [line.split()[1] for line in repr(Profile(parts, 1.0, (ONE,))).splitlines() if line.startswith("part 0")]
    assert len(shown) == 60 and shown == sorted(shown)
    left = sorted(set(range(100)) - set(map(int, shown)), key=times.__getitem__)
    assert max(times[k] for k in left) <= min(times[int(k)] for k in shown)
    assert "… 40 more parts" in repr(Profile(parts, 1.0, (ONE,)))
    assert "40 more rows" in Profile(parts, 1.0, (ONE,))._repr_html_()


# ---------------------------------------------------------------------- real functions


ENGINES = ["numpy", "llvm"]


def network(engine):
    sd = SameDiff()
    rng = np.random.default_rng(0)
    x = sd.placeholder("x", (None, 20))
    w = sd.var("w", rng.normal(size=(20, 5)).astype("float32"))
    h = sd.math.tanh(sd.linalg.matmul(x, w, name="product"), name="h")
    loss = sd.sum(h * h, name="loss")
    return sd.compile([loss, *sd.grad(loss, [w])], engine=engine), {"x": rng.normal(size=(64, 20)).astype("float32")}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_part_has_a_time_and_a_need(engine):
    f, feeds = network(engine)
    found = f.profile(feeds, repeat=3)
    assert found.parts and found.call > 0
    for p in found.parts:
        assert p.seconds > 0 and p.needs > 0 and p.bound in ("call", "arithmetic", "L2", "L3", "memory")
    assert {"product", "h"} <= {name for p in found.parts for name in p.holds}
    (product,) = [p for p in found.parts if "product" in p.holds]
    assert "linalg.matmul" in product.part
    assert product.bytes == 4 * (64 * 20 + 20 * 5 + 64 * 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_feeds_come_in_every_way_that_a_call_takes_them(engine):
    f, feeds = network(engine)
    names = [p.part for p in f.profile(feeds, repeat=1).parts]
    assert [p.part for p in f.profile(**feeds, repeat=1).parts] == names
    assert [p.part for p in sdgraph.profile(f, feeds, repeat=1).parts] == names


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_wrong_is_said_as_in_a_call(engine):
    f, feeds = network(engine)
    for wrong in ({}, {"y": 1}, {"x": np.zeros((3, 4))}):
        with pytest.raises(FeedError) as measured:
            f.profile(wrong)
        with pytest.raises(FeedError) as called:
            f(wrong)
        assert str(measured.value).splitlines()[0] == str(called.value).splitlines()[0]
    for repeat in (0, -1, 1.5, "2", True):
        with pytest.raises(ArgumentError, match="repeat"):
            f.profile(feeds, repeat=repeat)
    with pytest.raises(ArgumentTypeError, match="Only compiled functions"):
        sdgraph.profile(feeds, feeds)


@pytest.mark.parametrize("engine", ENGINES)
def test_measuring_changes_no_array(engine):
    f, feeds = network(engine)
    before, given = f(feeds), feeds["x"].copy()
    f.profile(feeds, repeat=2)
    assert np.array_equal(feeds["x"], given)
    assert all(np.array_equal(a, before[name]) for name, a in f(feeds).items())


def test_a_checked_function_is_measured_step_by_step():
    sd = SameDiff()
    y = sd.math.exp(sd.placeholder("x", (None,)), name="y")
    (part,) = sd.compile(y, engine="llvm", check_numerics=True).profile(x=[1.0, 2.0], repeat=1).parts
    assert (part.part, part.holds) == ("math.exp", ("y",))


def test_random_steps_are_measured_too():
    sd = SameDiff(seed=1)
    y = sd.math.tanh(sd.random.normal(shape=(50,), name="noise"), name="y")
    found = sd.compile(y, engine="llvm").profile(repeat=1)
    assert {name for p in found.parts for name in p.holds} == {"noise", "y"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(5000, 5006))
def test_random_programs_are_measured_and_explained(seed, engine):
    program = generate(seed)
    b = build(program)
    f = b.sd.compile([b.made[r] for r in dict.fromkeys(program.outs)], engine=engine)
    b.set_variables(program.runs[0])
    feeds = b.arrays("placeholder", program.runs[0])
    measured, told = f.profile(feeds, repeat=1), f.explain(feeds)
    assert len(measured.parts) > 0 and all(p.seconds > 0 and p.needs > 0 for p in measured.parts)
    assert all(p.facts for p in told.parts) and (engine == "numpy" or all(p.advice for p in told.outside))


def test_who_does_not_measure_loads_nothing_of_it():
    code = (
        "import sys, sdgraph; sd = sdgraph.SameDiff(); f = sd.compile(sd.constant([1.0]) * 2.0, engine='numpy'); f()"
        "; print(*(m for m in sys.modules if m.endswith(('.limits', '.profiling', '.explaining', '.engines.steps'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


# ---------------------------------------------------------------------- limits


def limits_of(count, rate):
    seconds = tuple(rate for _ in SHARES)
    return Limits(count, 64, rate, rate, rate, rate, 1e-9, (Place("memory", float("inf"), seconds),))


def measurable(work, seconds):
    def wait(_slots):
        end = profiling.time.perf_counter() + seconds
        while profiling.time.perf_counter() < end:
            pass

    part = profiling.Part("waits", 0, wait, (), work)
    return profiling.Measurable("numpy", lambda: None, lambda: None, [], [part], 0)


@pytest.fixture
def asked(monkeypatch):
    """Limits that are first too low, and then right."""
    questions = []

    def limits(count, *, again=False):
        questions.append((count, again))
        return limits_of(count, 1e-9 if again else 1e-3)

    monkeypatch.setattr(profiling, "limits", limits)
    monkeypatch.setattr(threads, "_count", 2)
    return questions


def test_limits_that_a_part_beats_are_measured_again(asked):
    found = profiling.profiled(measurable(Work((Touch(0, 1000, 0),)), 1e-4), 2)
    assert asked == [(1, False), (2, False), (1, True), (2, True)]
    assert found.parts[0].needs == pytest.approx(1e-6) or found.parts[0].bound == "call"


def test_limits_that_hold_are_measured_once(asked):
    profiling.profiled(measurable(Work((Touch(0, 1, 0),), Instructions()), 2e-3), 1)
    assert asked == [(1, False), (2, False)]


def test_what_all_threads_share_is_compared_with_what_all_can_do(monkeypatch):
    monkeypatch.setattr(threads, "_count", 2)
    monkeypatch.setattr(profiling, "limits", lambda count, *, again=False: limits_of(count, 1e-6 / count))
    alone = profiling.profiled(measurable(Work((Touch(0, 1000, 0),)), 2e-3), 1)
    shared = profiling.profiled(measurable(Work((Touch(0, 1000, 0),), is_shared=True), 2e-3), 1)
    assert (alone.parts[0].needs, shared.parts[0].needs) == (pytest.approx(1e-3), pytest.approx(5e-4))
    assert [p.parts[0].bound for p in (alone, shared)] == ["memory", "memory"]


def test_a_part_that_does_nothing_takes_a_call(monkeypatch):
    assert 0 < profiling.overhead("numpy") < 1
    assert choice.limits(1).threads == 1
