"""What work needs at least, by limits that are made up: times follow by hand."""

import itertools
import json

import numpy as np
import pytest

from sdgraph.run.engines.limits import Instructions, Limits, Place, Touch, Work, distances, need

L2 = Place("L2", 1000.0, (1e-3, 2e-3, 3e-3, 5e-3))
MEMORY = Place("memory", float("inf"), (1e-2, 2e-2, 3e-2, 5e-2))
LIMITS = Limits(2, 64, 1.0, 2.0, 0.5, 8.0, 100.0, (L2, MEMORY))


def needed(work, away, call=0.0):
    return need(work, zip(work.touches, away, strict=True), LIMITS, call)


# ---------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("read", "written", "per_byte"),
    [(600, 0, 1e-3), (400, 200, 2e-3), (300, 300, 3e-3), (0, 600, 5e-3), (500, 100, 1.5e-3), (150, 450, 4e-3)],
)
def test_bytes_cost_what_the_loops_did_that_moved_so(read, written, per_byte):
    assert L2.needs(read, written) == pytest.approx(600 * per_byte)


def test_nothing_costs_nothing():
    assert L2.needs(0, 0) == 0
    assert needed(Work(), []) == (0.0, "call")


def test_an_array_is_where_its_distance_says():
    work = Work((Touch(0, 100, 0),))
    assert needed(work, [1000]) == (pytest.approx(0.1), "L2")
    assert needed(work, [1001]) == (pytest.approx(1.0), "memory")


def test_places_take_turns_and_the_slowest_is_the_bound():
    work = Work((Touch(0, 100, 0), Touch(1, 100, 0)))
    assert needed(work, [10, 5000]) == (pytest.approx(1.1), "memory")


# ---------------------------------------------------------------------- arithmetic, calls


@pytest.mark.parametrize(
    ("count", "seconds"),
    [
        (Instructions(products=10), 10.0),
        (Instructions(sums=10), 20.0),
        (Instructions(others=10), 5.0),
        (Instructions(10, 4, 100), 57.0),
        (Instructions(divisions=2), 16.0),
        (Instructions(products=10, divisions=2), 26.0),
    ],
)
def test_instructions_take_the_longest_way_and_divisions_their_own(count, seconds):
    assert needed(Work(instructions=count), []) == (pytest.approx(seconds), "arithmetic")


def test_products_of_matrices_fill_vectors():
    assert needed(Work(multiplied=160.0, item=4), []) == (pytest.approx(10.0), "arithmetic")
    assert needed(Work(multiplied=160.0, item=8), []) == (pytest.approx(20.0), "arithmetic")


def test_a_call_counts_where_there_is_little_else():
    work = Work((Touch(0, 100, 0),))
    assert needed(work, [10], call=3.0) == (3.0, "call")
    assert needed(work._replace(is_shared=True, loops=2), [10], call=3.0) == (203.0, "call")


# ---------------------------------------------------------------------- distances


def by_hand(parts, most):
    """The definition: bytes of all arrays that were touched since, each once."""
    sequence = list(itertools.chain(*parts)) * 2
    found = []
    for k in range(len(sequence) // 2, len(sequence)):
        if sequence[k].away is not None:
            found.append(sequence[k].away)
            continue
        same = (j for j in range(k - 1, -1, -1) if (sequence[j].value, sequence[j].away) == (sequence[k].value, None))
        before = next(same, None)
        latest = {t.value: t.read + t.written for t in sequence[(before or 0) : k] if t.away is None}
        latest[sequence[k].value] = sequence[k].read + sequence[k].written
        found.append(most if before is None else min(most, sum(latest.values())))
    return found


def test_an_array_is_as_far_as_all_that_came_between():
    parts = [[Touch(0, 10, 0), Touch(1, 0, 10)], [Touch(1, 10, 0), Touch(2, 0, 500)], [Touch(2, 500, 0)]]
    assert distances(parts, 1e9) == [[520.0, 520.0], [10.0, 520.0], [500.0]]
    assert distances(parts, 300) == [[300, 300], [10.0, 300], [300]]


def test_a_distance_that_is_told_counts_as_told():
    parts = [[Touch(0, 10, 0), Touch(0, 10, 0, away=7.0), Touch(1, 5, 0)]]
    assert distances(parts, 1e9) == [[15.0, 7.0, 15.0]]


def test_distances_of_many_parts_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 100, 12)
    parts = [
        [Touch(int(v), int(sizes[v]), 0, 3.0 if rng.random() < 0.1 else None) for v in rng.integers(0, 12, 3)]
        for _ in range(20)
    ]
    got = distances(parts, 400)
    assert [len(p) for p in got] == [3] * 20
    assert list(itertools.chain(*got)) == pytest.approx(by_hand(parts, 400))


# ---------------------------------------------------------------------- kept as text


def test_limits_come_back_from_their_text():
    assert Limits.of_text(LIMITS.text()) == LIMITS


def test_the_better_of_two_is_the_quicker_in_everything():
    slow = LIMITS._replace(product=9.0, places=(L2, MEMORY._replace(seconds=(1e-3, 1.0, 1.0, 1.0))))
    better = LIMITS.better(slow)
    assert better.product == 1.0 and better.sum == 2.0
    assert better.places == (L2, MEMORY._replace(seconds=(1e-3, 2e-2, 3e-2, 5e-2)))
    assert slow.better(LIMITS) == better


def changed(**told):
    return json.dumps(LIMITS._replace(**told))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "null",
        "not json",
        changed(product=0.0),
        changed(product=-1.0),
        changed(product="1"),
        changed(product=float("nan")),
        changed(product=float("inf")),
        changed(places=[]),
        changed(places=[["L2", 1.0, [1.0]]]),
        changed(places=[["L2", "x", [1.0] * 4]]),
        changed(places=[["L2", 1.0, [1.0, 1.0, 1.0, 0.0]]]),
        changed(places=7),
        changed(threads=1.5),
        json.dumps([*LIMITS, 1]),
        json.dumps(LIMITS[:-2]),
    ],
)
def test_any_other_text_is_none(text):
    assert Limits.of_text(text) is None
