"""Schedules against values of nd4j's own, and the one that follows its documentation instead."""

import json

import pytest

from sdgraph.errors import ArgumentError
from sdgraph.train.updating import schedules
from sdgraph.train.updating.schedules import CycleSchedule, MapSchedule, PolySchedule, ScheduleType, SigmoidSchedule
from tests.golden.cases import FOLDER
from tests.train import golden

CASES = json.loads((FOLDER / "samediff_training" / "schedules.json").read_text())["list"]
ITERATION = ScheduleType.ITERATION


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['schedule']['schedule']}-{c['schedule'].get('type')}")
def test_values_are_those_of_nd4j(case):
    record = case["schedule"]
    wanted = case["values"]
    if record["schedule"] == "Poly":
        # nd4j's code has another sign than its documentation: with the power turned both agree.
        record = {**record, "power": -record["power"]}
    made = golden.schedule(record)
    assert [made(i, i // 3) for i in range(30)] == pytest.approx(wanted, rel=1e-14)


def test_every_schedule_has_values_of_nd4j():
    tested = {f"{c['schedule']['schedule']}Schedule" for c in CASES}
    assert tested == {name for name in vars(schedules) if name.endswith("Schedule")} - {"Schedule"}


def test_the_polynomial_falls_as_documented():
    falling = PolySchedule(ITERATION, 0.1, 2, 12)
    values = [falling(i) for i in range(13)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 0.1
    assert values[12] == 0.0


def test_a_sigmoid_far_away_does_not_overflow():
    assert SigmoidSchedule(ITERATION, 0.1, 1.0, 1)(10**6) == 0.1
    assert SigmoidSchedule(ITERATION, 0.1, -1.0, 1)(10**6) == 0.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PolySchedule("iteration", 0.1, 2, 12), "ScheduleType.ITERATION"),
        (lambda: PolySchedule(ITERATION, 0.1, 2, 0), "max_iter"),
        (lambda: MapSchedule(ITERATION, {1: 0.1}), "place 0"),
        (lambda: MapSchedule(ITERATION, {0: float("nan")}), "finite"),
        (lambda: CycleSchedule(ITERATION, 0.1), "max_learning_rate"),
        (lambda: CycleSchedule(ITERATION, 0.1, 1.0, 4, 3, 0.5), "go up and down"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, said):
    with pytest.raises(ArgumentError, match=said):
        make()
