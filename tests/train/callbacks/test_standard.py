"""Callbacks that come along: when they end training, what they change, what they write."""

import csv
import json

import numpy as np
import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.train import (
    Adam,
    Callback,
    CSVLogger,
    EarlyStopping,
    ExponentialSchedule,
    LambdaCallback,
    LearningRateScheduler,
    Sgd,
    csv_logger,
    early_stopping,
    reduce_on_plateau,
)
from sdgraph.train.updating.schedules import ScheduleType
from tests.train.test_fitting import X, Y, linear, values


class Says(Callback):
    """Reports given values as ``score``, and keeps the variables of each epoch."""

    def __init__(self, *scores):
        self.scores, self.seen = scores, []

    def on_epoch_end(self, run):
        run.logs["score"] = self.scores[len(self.seen)]
        self.seen.append(values(run.step.trained[0].sd))


def run(scores, *callbacks, **settings):
    """Train for as many epochs as there are scores; what was seen, the graph and its history."""
    sd, says = linear(), Says(*scores)
    history = sd.fit((X, Y), updater=Sgd(0.05), epochs=len(scores), callbacks=[says, *callbacks], **settings)
    return says.seen, sd, history


NAN = float("nan")
STOPS = [
    # scores, settings, how many epochs there are, the best one, whether training was ended
    ([3, 2, 1, 0], {}, 4, 3, False),
    ([3, 2, 2.5, 2.5], {}, 3, 1, True),
    ([3, 2, 2.5, 2.5], {"patience": 1}, 3, 1, True),
    ([3, 2, 2.5, 2.5, 1], {"patience": 2}, 4, 1, True),
    ([3, 2, 2.5, 1, 2, 2, 2], {"patience": 2}, 6, 3, True),
    ([3, 2, 2], {}, 3, 1, True),
    ([3, 2, 2], {"patience": 2}, 3, 1, False),
    ([3, 2.9, 2.5], {"min_delta": 0.2}, 2, 0, True),
    ([1, 2, 3, 2.5, 9], {"mode": "max"}, 4, 2, True),
    ([NAN, NAN, 1, 2, 3], {"patience": 3}, 5, 2, False),
    ([1, NAN, NAN, NAN], {"patience": 2}, 3, 0, True),
    ([float("inf"), 5, 6, 7], {}, 3, 1, True),
    ([9, 5, 4, 6], {"baseline": 4.5, "patience": 3}, 4, 2, False),
    ([9, 5, 4, 6], {"baseline": 4.5, "patience": 2}, 2, None, True),
    ([1, 9, 5, 6, 7], {"start_from_epoch": 2}, 4, 2, True),
]


@pytest.mark.parametrize(("scores", "settings", "epochs", "best", "ended"), STOPS)
def test_early_stopping(scores, settings, epochs, best, ended):
    stopping = early_stopping("score", **{"mode": "min", **settings})
    seen, sd, history = run(scores, stopping)
    assert len(history) == epochs
    assert (history.stopped or "").startswith("score did not improve") == ended
    assert values(sd) == seen[-1 if best is None else best]
    assert stopping.memory["best_epoch"] == best


def test_early_stopping_may_leave_the_last_values():
    seen, sd, _ = run([1, 2], EarlyStopping("score", mode="min", restore_best=False))
    assert values(sd) == seen[-1] != seen[0]


def test_best_values_are_restored_when_another_reason_ends_training():
    seen, sd, history = run([1, 2, 3], early_stopping("score", patience=9, mode="min"))
    assert history.stopped is None and values(sd) == seen[0]


def test_two_that_watch_different_values_keep_different_variables():
    first, second = early_stopping("score", mode="min", patience=9), early_stopping("score", mode="max", patience=9)
    seen, sd, _ = run([2, 1, 3, 2], first, second)
    assert (first.memory["best_epoch"], second.memory["best_epoch"]) == (1, 2)
    assert values(sd) == seen[2]


class Reports(Callback):
    """Reports values under a name."""

    def __init__(self, name, values):
        self.report, self.values = name, iter(values)

    def on_epoch_end(self, run):
        run.logs[self.report] = next(self.values)


@pytest.mark.parametrize(
    ("name", "best"), [("val_loss", 1), ("mae", 1), ("root_error", 1), ("val_accuracy", 2), ("auc", 2)]
)
def test_a_name_tells_what_is_better(name, best):
    stopping = early_stopping(name, patience=9)
    settings = {"validation": (X, Y), "epochs": 3, "updater": Sgd(0.05)}
    linear().fit((X, Y), callbacks=[Reports(name, [2.0, 1.0, 3.0]), stopping], **settings)
    assert stopping.memory["best_epoch"] == best


@pytest.mark.parametrize("make", [early_stopping, reduce_on_plateau])
def test_what_is_not_reported_is_told_before_anything_is_trained(make):
    sd = linear()
    with pytest.raises(ArgumentError, match=r"'val_loss'(.|\n)*'loss' or 'error'(.|\n)*validation="):
        sd.fit((X, Y), updater=Sgd(0.1), metrics={"error": "off"}, callbacks=[make()])
    with pytest.raises(ArgumentError, match=r"'val_los'(.|\n)*Did you mean 'val_loss'"):
        sd.fit((X, Y), updater=Sgd(0.1), validation=(X, Y), callbacks=[make("val_los")])
    with pytest.raises(ArgumentError, match=r"'far'(.|\n)*smaller, or(.|\n)*mode="):
        sd.fit((X, Y), updater=Sgd(0.1), metrics={"far": "off"}, callbacks=[make("far")])
    assert not sd["w"].value.any()


def test_where_another_callback_may_report_it_is_told_after_an_epoch():
    with pytest.raises(ArgumentError, match=r"'score'(.|\n)*'loss'"):
        linear().fit((X, Y), updater=Sgd(0.1), callbacks=[lambda *_: None, early_stopping("score", mode="min")])


@pytest.mark.parametrize("settings", [{"mode": "least"}, {"patience": -1}, {"min_delta": -1.0}, {"patience": 1.5}])
def test_settings_that_cannot_be_are_refused(settings):
    for make in (early_stopping, reduce_on_plateau):
        with pytest.raises(ArgumentError):
            make("loss", **settings)


RATES = [
    ([1, 1, 1, 1, 1], {"patience": 2}, [0.05, 0.05, 0.005, 0.005, 0.0005]),
    ([1, 1, 1, 1, 1], {"patience": 1, "cooldown": 2}, [0.05, 0.005, 0.005, 0.0005, 0.0005]),
    ([5, 4, 3, 2, 1], {"patience": 1}, [0.05] * 5),
    ([1, 1, 1], {"patience": 1, "factor": 0.5, "min_rate": 0.02}, [0.05, 0.025, 0.02]),
    ([1, 1.00005, 1], {"patience": 1, "mode": "max"}, [0.05, 0.005, 0.0005]),
]


@pytest.mark.parametrize(("scores", "settings", "rates"), RATES)
def test_rates_fall_on_a_plateau(scores, settings, rates):
    found = []

    def look(event, run):
        if event == "epoch_end":
            found.append(run.step.learning_rate)

    run(scores, reduce_on_plateau("score", **{"mode": "min", **settings}), look)
    assert found == pytest.approx(rates, rel=1e-12)


@pytest.mark.parametrize("make", [lambda: reduce_on_plateau("loss"), lambda: LearningRateScheduler(lambda e, r: r)])
def test_two_that_set_the_rate_are_one_too_many(make):
    schedule = ExponentialSchedule(ScheduleType.EPOCH, 0.1, 0.9)
    sd = linear()
    with pytest.raises(ArgumentError, match="follows a schedule"):
        sd.fit((X, Y), updater=Adam(schedule), callbacks=[make()])
    assert not sd["w"].value.any()


def test_a_scheduler_sets_the_rate_of_each_epoch():
    by_hand, scheduled = linear(), linear()
    rates = [0.1, 0.02, 0.05]
    schedule = LearningRateScheduler(lambda epoch, rate: rates[epoch])
    scheduled.fit((X, Y), updater=Sgd(0.5), epochs=3, shuffle=False, callbacks=[schedule])
    for rate in rates:
        by_hand.fit((X, Y), updater=Sgd(rate), shuffle=False)
    np.testing.assert_allclose(scheduled["w"].value, by_hand["w"].value, rtol=1e-14)


def test_a_logger_writes_a_line_for_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    history = linear().fit((X, Y), updater=Sgd(0.1), epochs=3, metrics={"error": "off"}, callbacks=[csv_logger(path)])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [{k: float(v) for k, v in row.items() if k != "epoch"} for row in rows] == list(history)


def test_a_logger_may_go_on_in_its_file(tmp_path):
    path, sd = tmp_path / "log.csv", linear()
    sd.fit((X, Y), updater=Sgd(0.1), callbacks=[CSVLogger(path, separator=";")])
    sd.fit((X, Y), updater=Sgd(0.1), callbacks=[CSVLogger(path, separator=";", append=True)])
    assert [line.split(";")[0] for line in path.read_text().splitlines()] == ["epoch", "0", "1"]
    sd.fit((X, Y), updater=Sgd(0.1), callbacks=[CSVLogger(path)])
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "2"]


def test_functions_for_single_events():
    heard = []
    linear().fit(
        (X, Y),
        updater=Sgd(0.1),
        callbacks=[LambdaCallback(on_epoch_begin=lambda run: heard.append(run.epoch), on_train_end=heard.append)],
    )
    assert heard[0] == 0 and len(heard) == 2
    with pytest.raises(ArgumentTypeError, match=r"on_epoch_ende(.|\n)*Did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ende=print)
    with pytest.raises(ArgumentTypeError, match="function"):
        LambdaCallback(on_epoch_end=3)


def test_what_they_remember_is_json():
    memory = {}

    def look(event, run):
        if event == "train_end":
            memory.update(json.loads(json.dumps(run.state()))["memory"])

    run([3, 2, 2, 2], early_stopping("score", patience=2, mode="min"), reduce_on_plateau("score", mode="min"), look)
    assert memory["EarlyStopping"] == {"best": 2, "best_epoch": 1, "wait": 2}
    assert memory["ReduceOnPlateau"] == {"best": 2, "wait": 2, "cooling": 0}
