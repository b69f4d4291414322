"""Schedules against rates of Keras' own, which it computes in single precision."""

import math

import pytest

from sdgraph.errors import ArgumentError
from sdgraph.keras.optimizers import schedules
from tests.keras.optimizers.test_classes import CASES, optimizer

SCHEDULED = [name for name, case in CASES.items() if isinstance(case["config"]["learning_rate"], dict)]


@pytest.mark.parametrize("name", SCHEDULED)
def test_rates_are_those_of_keras(name):
    rate = optimizer(name).learning_rate
    assert [rate(step) for step in range(12)] == pytest.approx(CASES[name]["learning_rates"], rel=1e-6, abs=1e-9)


def test_every_schedule_is_compared():
    tested = {CASES[name]["config"]["learning_rate"]["class_name"] for name in SCHEDULED}
    assert tested == set(schedules.__all__) - {"LearningRateSchedule"}


def test_periods_of_equal_length():
    rate = schedules.CosineDecayRestarts(1.0, 4, t_mul=1.0, m_mul=0.5)
    assert [rate(k) for k in (0, 2, 4, 8)] == pytest.approx([1.0, 0.5, 0.5, 0.25])


def test_a_cosine_ends_at_alpha():
    assert schedules.CosineDecay(2.0, 10, alpha=0.25)(10**9) == 0.5
    assert schedules.CosineDecay(2.0, 4)(1) == pytest.approx(1 + math.cos(math.pi / 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.ExponentialDecay(0.1, 0, 0.5),
        lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]),
        lambda: schedules.PolynomialDecay(0.1, -1),
        lambda: schedules.InverseTimeDecay(0.1, 0, 1.0),
        lambda: schedules.CosineDecay(0.1, 0),
        lambda: schedules.CosineDecayRestarts(0.1, 10, t_mul=0.5),
    ],
)
def test_settings_without_a_meaning_are_refused(make):
    with pytest.raises(ArgumentError):
        make()
