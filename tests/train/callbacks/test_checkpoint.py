"""Which checkpoints are written and kept, and from which one training goes on."""

import os
import signal
import threading

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, FormatError, ResumeError, ResumeWarning
from sdgraph.train import Adam, Callback, Checkpoint, CSVLogger, EarlyStopping, LambdaCallback, Sgd, TrainingConfig
from sdgraph.train.evaluation import (
    ROC,
    Evaluation,
    EvaluationBinary,
    EvaluationCalibration,
    RegressionEvaluation,
    ROCBinary,
    ROCMultiClass,
)
from tests.train.interrupted import bits
from tests.train.test_fitting import X, Y, linear

UPDATER = Adam(0.05)


def fit(sd, folder, epochs=4, **settings):
    """Five batches an epoch."""
    checkpoint = folder if folder is None or isinstance(folder, Checkpoint) else Checkpoint(folder)
    settings = {"updater": UPDATER, "batch_size": 10, **settings}
    return sd.fit((X, Y), epochs=epochs, checkpoint=checkpoint, **settings)


def numbers(folder):
    return sorted(int(p.name[5:-4]) for p in folder.glob("step-*.sdg"))


@pytest.fixture(scope="module")
def whole():
    sd = linear()
    return bits(sd, fit(sd, None, validation_split=0.2))


@pytest.mark.parametrize(
    ("settings", "written", "left"),
    [
        ({}, [5, 10, 15, 20], [15, 20]),
        ({"keep_last": 1}, [5, 10, 15, 20], [20]),
        ({"keep_last": None}, [5, 10, 15, 20], [5, 10, 15, 20]),
        ({"every_epochs": 3}, [15, 20], [15, 20]),
        ({"every": 4, "keep_last": 3}, [4, 5, 8, 10, 12, 15, 16, 20, 20], [15, 16, 20]),
        ({"every": 7, "every_epochs": 9}, [7, 14, 20], [14, 20]),
    ],
)
def test_when_they_are_written_and_which_stay(tmp_path, monkeypatch, settings, written, left):
    made, replace = [], os.replace

    def noted(a, b):
        if os.fspath(b).endswith(".sdg"):  # Compiled code is written, too.
            made.append(int(os.fspath(b)[-13:-4]))
        return replace(a, b)

    monkeypatch.setattr(os, "replace", noted)
    fit(linear(), Checkpoint(tmp_path, **settings))
    assert made == written
    assert numbers(tmp_path) == left


def test_how_often_is_said_once(tmp_path):
    linear().fit((X, Y), updater=UPDATER, batch_size=10, checkpoint=tmp_path, save_every=3)
    assert numbers(tmp_path) == [3, 5]
    for checkpoint in (None, Checkpoint(tmp_path / "other")):
        with pytest.raises(ArgumentError, match=r"says it|said of"):
            linear().fit((X, Y), updater=UPDATER, checkpoint=checkpoint, save_every=3)


def reporting(values, name="score"):
    """Reports a value of each epoch."""
    return LambdaCallback(on_epoch_end=lambda run: run.logs.update({name: values[run.epoch]}))


@pytest.mark.parametrize(
    ("mode", "keep", "values", "best"),
    [
        ("min", 1, [3.0, 1.0, 2.0, 1.0, 5.0, 4.0], [10]),
        ("max", 1, [3.0, 1.0, 2.0, 1.0, 5.0, 4.0], [25]),
        ("min", 2, [3.0, 1.0, 2.0, 1.5, 5.0, 4.0], [10, 20]),
        ("max", 3, [9.0, 1.0, 8.0, 1.0, 7.0, 0.0], [5, 15, 25]),
        ("min", 1, [np.nan, 1.0, np.nan, np.inf, 2.0, 3.0], [10]),
        ("max", 2, [np.nan] * 6, []),
    ],
)
def test_the_best_epochs_stay(tmp_path, mode, keep, values, best):
    checkpoint = Checkpoint(tmp_path, keep_last=1, keep_best=keep, monitor="score", mode=mode, every_epochs=4)
    fit(linear(), checkpoint, epochs=6, callbacks=[reporting(values)])
    assert numbers(tmp_path) == sorted({*best, 30})
    order = sorted(best, key=lambda n: ((1 if mode == "min" else -1) * values[n // 5 - 1], n))
    assert checkpoint.best == (tmp_path / f"step-{order[0]:09}.sdg" if best else None)
    assert checkpoint.latest == tmp_path / f"step-{30:09}.sdg"
    # Another program looks into the newest file.
    assert Checkpoint(tmp_path).best == checkpoint.best and Checkpoint(tmp_path / "none").best is None


def test_the_best_file_has_the_values_of_that_epoch(tmp_path):
    seen, sd = {}, linear()
    keep = LambdaCallback(on_epoch_end=lambda run: seen.update({run.epoch: sd["w"].value.copy()}))
    checkpoint = Checkpoint(tmp_path, keep_last=1, keep_best=1, monitor="loss")
    history = fit(sd, checkpoint, updater=Sgd(0.1), callbacks=[keep])
    best = int(np.argmin(history["loss"]))
    np.testing.assert_array_equal(SameDiff.load(checkpoint.best)["w"].value, seen[best])


def test_not_every_epoch_has_a_validation(tmp_path):
    checkpoint = Checkpoint(tmp_path, keep_best=1, keep_last=1)
    history = fit(linear(), checkpoint, epochs=5, validation_split=0.2, validation_frequency=3)
    assert [row.keys() >= {"val_loss"} for row in history] == [True, False, False, True, False]
    assert numbers(tmp_path) == [16, 20]


def test_what_is_monitored_must_be_there(tmp_path):
    with pytest.raises(ArgumentError, match="no 'val_loss'"):
        fit(linear(), Checkpoint(tmp_path, keep_best=1))
    assert not numbers(tmp_path)


# ---------------------------------------------------------------------- going on


def test_without_a_checkpoint_training_begins(tmp_path, whole):
    sd = linear()
    assert bits(sd, fit(sd, tmp_path / "new" / "er", resume=True, validation_split=0.2)) == whole


def stopped_at(folder, step, **settings):
    """A run that fails within a callback."""

    def fail(run):
        if run.step.step == step:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(linear(), folder, callbacks=[LambdaCallback(on_batch_end=fail)], validation_split=0.2, **settings)


@pytest.mark.parametrize("step", [3, 4, 9])
@pytest.mark.parametrize("source", ["True", "folder", "file"])
def test_a_callback_that_fails_leaves_what_was_before(tmp_path, whole, step, source):
    stopped_at(Checkpoint(tmp_path, every=2), step)
    assert max(numbers(tmp_path)) == (step - 1) // 2 * 2
    sd, there = linear(), {"True": True, "folder": tmp_path, "file": tmp_path / f"step-{(step - 1) // 2 * 2:09}.sdg"}
    folder = tmp_path if source != "file" else tmp_path / "other"
    assert bits(sd, fit(sd, folder, resume=there[source], validation_split=0.2)) == whole


def test_a_folder_to_read_and_none_to_write(tmp_path, whole):
    stopped_at(tmp_path, 9)
    sd = linear()
    assert bits(sd, fit(sd, None, resume=str(tmp_path), validation_split=0.2)) == whole
    assert numbers(tmp_path) == [4, 8]


def test_as_a_callback_anywhere_in_the_list(tmp_path, whole):
    stopped_at(tmp_path, 9)
    sd = linear()
    callbacks = [Checkpoint(tmp_path), EarlyStopping("loss", 3, restore_best=False)]
    history = fit(sd, None, resume=True, callbacks=callbacks, validation_split=0.2)
    assert bits(sd, history)[0] == whole[0]


def test_more_epochs_than_before(tmp_path):
    long, short = linear(), linear()
    settings = {"callbacks": [EarlyStopping("loss", 50)]}
    expected = bits(long, fit(long, None, epochs=6, **settings))
    fit(short, tmp_path, epochs=2, **settings)
    again = linear()
    assert bits(again, fit(again, tmp_path, epochs=6, resume=True, **settings)) == expected


def test_ctrl_c_and_on_in_the_same_program(tmp_path, whole):
    sd, best = linear(), EarlyStopping("val_loss", 99)

    def press(run):
        if run.step.step == 6:
            signal.raise_signal(signal.SIGINT)

    history = fit(
        sd,
        Checkpoint(tmp_path, every_epochs=99),
        callbacks=[best, LambdaCallback(on_batch_end=press)],
        validation_split=0.2,
    )
    assert history.interrupted and history.stopped == "SIGINT" and len(history) == 1
    assert numbers(tmp_path) == [6]
    history = fit(sd, tmp_path, callbacks=[best], resume=True, validation_split=0.2)
    other = linear()
    assert bits(sd, history) == bits(other, fit(other, None, callbacks=[best], validation_split=0.2))
    assert list(history) == whole[1]


@pytest.mark.parametrize("event", ["epoch_begin", "batch_begin", "epoch_trained", "validation_end", "epoch_end"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_event(tmp_path, whole, event, number):
    def send(run):
        if run.epoch == 1:
            signal.raise_signal(number)

    sd = linear()
    listener = LambdaCallback(**{f"on_{event}": send})
    if number == signal.SIGTERM:
        with pytest.raises(SystemExit) as left:
            fit(sd, Checkpoint(tmp_path, every_epochs=99), callbacks=[listener], validation_split=0.2)
        assert left.value.code == 143
    else:
        history = fit(sd, Checkpoint(tmp_path, every_epochs=99), callbacks=[listener], validation_split=0.2)
        assert history.interrupted
    again = linear()
    assert bits(again, fit(again, tmp_path, resume=True, validation_split=0.2)) == whole


def test_a_signal_does_not_hide_that_training_was_over(tmp_path):
    """Whoever goes on from there must not train beyond the end."""

    def both(event, run):
        if event == "epoch_end" and run.epoch == 1:
            run.stop = "enough"
            signal.raise_signal(signal.SIGINT)

    sd = linear()
    history = fit(sd, tmp_path, callbacks=[both])
    assert history.stopped == "enough"
    again = linear()
    assert bits(again, fit(again, tmp_path, resume=True)) == bits(sd, history)
    assert len(history) == 2


def test_a_stop_within_an_epoch_is_no_place_to_go_on_from(tmp_path):
    """The epoch's end is still to come: killed before it, the run must come to it again."""

    def stop(event, run):
        if event == "batch_end" and run.step.step == 7:
            run.stop = "enough"

    def fail(event, run):
        if event == "epoch_trained" and run.epoch == 1:
            raise RuntimeError("killed here")

    sd, again = linear(), linear()
    expected = bits(sd, fit(sd, None, callbacks=[stop]))
    with pytest.raises(RuntimeError):
        fit(linear(), Checkpoint(tmp_path, every=1), callbacks=[stop, fail])
    assert bits(again, fit(again, Checkpoint(tmp_path, every=1), callbacks=[stop], resume=True)) == expected


def test_within_a_thread(tmp_path, whole):
    found = []

    def train():
        sd = linear()
        found.append(bits(sd, fit(sd, tmp_path, validation_split=0.2)))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert found == [whole] and numbers(tmp_path) == [12, 16]


def test_a_second_fit_goes_on_counting(tmp_path):
    sd, once = linear(), linear()
    for _ in range(3):
        fit(sd, tmp_path, epochs=1)
    assert numbers(tmp_path) == [10, 15]
    fit(once, None, epochs=3)
    assert sd["w"].value.tobytes() == once["w"].value.tobytes()


# ---------------------------------------------------------------------- files that are damaged, or of others


def test_files_of_another_run_are_not_gone_on_with_by_accident(tmp_path):
    fit(linear(), tmp_path)
    before = {n: (tmp_path / f"step-{n:09}.sdg").read_bytes() for n in numbers(tmp_path)}
    with pytest.raises(ArgumentError, match="other training"):
        fit(linear(), tmp_path)
    with pytest.raises(ArgumentError, match="what came later"):
        fit(linear(), tmp_path, resume=tmp_path / f"step-{15:09}.sdg")
    assert {n: (tmp_path / f"step-{n:09}.sdg").read_bytes() for n in numbers(tmp_path)} == before


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text"])
def test_the_newest_is_damaged(tmp_path, whole, damage):
    stopped_at(Checkpoint(tmp_path, every=1, keep_last=3), 9)
    newest = tmp_path / f"step-{8:09}.sdg"
    data = bytearray(newest.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 4
    newest.write_bytes({"cut": data[:-100], "bit": data, "empty": b"", "text": b"not a file of ours"}[damage])
    sd = linear()
    with pytest.warns(ResumeWarning, match="cannot be read"):
        history = fit(sd, Checkpoint(tmp_path, every_epochs=4), resume=True, validation_split=0.2)
    assert bits(sd, history) == whole
    assert (tmp_path / f"step-{8:09}.sdg.damaged").exists() and numbers(tmp_path) == [7, 16]


def test_all_are_damaged(tmp_path):
    stopped_at(tmp_path, 9)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.warns(ResumeWarning), pytest.raises(FormatError):
        fit(linear(), tmp_path, resume=True)


def test_a_graph_is_no_checkpoint(tmp_path):
    path = linear().save(tmp_path / "graph.sdg")
    with pytest.raises(FormatError, match="no training"):
        fit(linear(), None, resume=path)


def test_nothing_to_go_on_from(tmp_path):
    with pytest.raises(ArgumentError, match="from where"):
        fit(linear(), None, resume=True)
    for missing in (tmp_path / "none", tmp_path / "none.sdg"):
        with pytest.raises(ArgumentError, match="no checkpoint"):
            fit(linear(), None, resume=missing)


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    """The error comes out, and the file before is whole."""

    def full(_):
        raise OSError(28, "No space left on device")

    fsync = os.fsync

    def fill(run):
        monkeypatch.setattr(os, "fsync", full if run.epoch == 2 else fsync)

    with pytest.raises(OSError, match="No space left"):
        fit(linear(), tmp_path, callbacks=[LambdaCallback(on_epoch_begin=fill)])
    monkeypatch.setattr(os, "fsync", fsync)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"step-{n:09}.sdg" for n in (5, 10)]
    sd, other = linear(), linear()
    assert bits(sd, fit(sd, tmp_path, resume=True)) == bits(other, fit(other, None))


@pytest.mark.parametrize(
    "settings",
    [{"every": 0}, {"every_epochs": 0}, {"keep_last": 0}, {"keep_best": -1}, {"mode": "least"}, {"every": 1.5}],
)
def test_settings_that_make_no_sense(tmp_path, settings):
    with pytest.raises(ArgumentError):
        Checkpoint(tmp_path, **settings)


def test_what_a_callback_remembers_must_be_writable(tmp_path):
    class Remembers(Callback):
        def on_batch_end(self, run):
            self.memory["it"] = object()

    with pytest.raises(ArgumentError, match="Remembers remembers"):
        fit(linear(), tmp_path, callbacks=[Remembers()])
    assert not numbers(tmp_path)


def test_what_a_callback_remembers_comes_back(tmp_path):
    class Counts(Callback):
        def on_batch_end(self, run):
            memory = self.memory
            memory["n"] = memory.get("n", 0) + 1
            memory.setdefault("rows", {})[f"{run.epoch}"] = [1.5, None, True, "é", float("inf")]

    first, second = Counts(), Counts()
    fit(linear(), tmp_path, epochs=2, callbacks=[first, second])
    again, sd = Counts(), linear()
    fit(sd, tmp_path, epochs=4, callbacks=[again, Counts()], resume=True)
    assert again.memory == {"n": 20, "rows": {f"{k}": [1.5, None, True, "é", float("inf")] for k in range(4)}}


def test_it_needs_a_fit():
    from sdgraph.train.results.measures import Measures
    from sdgraph.train.run import Run

    sd = linear()
    step = sd.training_step(UPDATER)
    checkpoint = Checkpoint("never made")
    checkpoint.memory = {}
    with pytest.raises(ArgumentError, match=r"SameDiff\.fit"):
        checkpoint.on_train_begin(Run(step, Measures(sd.loss_variables()), 1))


def test_other_training_is_refused_by_what_differs(tmp_path):
    fit(linear(), tmp_path)
    with pytest.raises(ResumeError, match="data") as refused:
        fit(linear(), tmp_path, batch_size=25, resume=True)
    assert "batch_size: 25" in refused.value.given and "batch_size: 10" in refused.value.expected
    assert "force=True" in refused.value.fix


# ---------------------------------------------------------------------- data that are gone through


def batches():
    return [(X[k : k + 10], Y[k : k + 10]) for k in range(0, 50, 10)]


class Counts:
    """An iterator that knows where it stands."""

    def __init__(self):
        self.at = 0

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]

    def __iter__(self):
        return self

    def __next__(self):
        rows = np.random.default_rng(self.at).permutation(50)[:8]
        self.at += 1
        return X[rows], Y[rows]


SOURCES = {
    "a list": (batches, {}),
    "a function": (lambda: batches, {}),
    "parts of a list": (batches, {"steps_per_epoch": 3}),
    "parts of a function": (lambda: lambda: iter(batches()), {"steps_per_epoch": 4}),
    "an iterator that knows where it stands": (Counts, {"steps_per_epoch": 4}),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("step", [2, 5, 8])
def test_data_that_are_gone_through(tmp_path, source, step):
    make, settings = SOURCES[source]

    def fail(run):
        if run.step.step == step:
            raise RuntimeError

    sd, other = linear(), linear()
    settings = {"updater": UPDATER, "epochs": 3, **settings}
    expected = bits(other, other.fit(make(), **settings))
    with pytest.raises(RuntimeError):
        linear().fit(
            make(),
            checkpoint=Checkpoint(tmp_path, every=1),
            callbacks=[LambdaCallback(on_batch_end=fail)],
            **settings,
        )
    assert bits(sd, sd.fit(make(), checkpoint=tmp_path, resume=True, **settings)) == expected


def test_an_iterator_that_does_not_know_is_told_of(tmp_path):
    settings = {"updater": UPDATER, "steps_per_epoch": 2}
    linear().fit(iter(batches()), checkpoint=tmp_path, **settings)
    with pytest.warns(ResumeWarning, match="cannot be gone back in"):
        linear().fit(iter(batches()), checkpoint=tmp_path, epochs=2, resume=True, **settings)


def test_data_that_do_not_know_what_others_knew(tmp_path):
    settings = {"updater": UPDATER, "steps_per_epoch": 4}
    linear().fit(Counts(), checkpoint=tmp_path, **settings)
    with pytest.raises(ResumeError, match="no state"):
        linear().fit(batches() * 4, checkpoint=tmp_path, epochs=2, resume=True, **settings)


# ---------------------------------------------------------------------- what is written down meanwhile


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("event", ["epoch_begin", "batch_end", "epoch_end"])
def test_lines_of_a_log_come_once(tmp_path, append, event):
    """A line may be there of an epoch whose checkpoint is not: it was killed in between."""

    def fail(run):
        if run.epoch == 2:
            raise RuntimeError

    whole, log = tmp_path / "whole.csv", tmp_path / "log.csv"
    for path in (whole, log):
        path.write_text("epoch,loss\n0,17.5\n")
    fit(linear(), None, callbacks=[CSVLogger(whole, append=append)])
    folder = tmp_path / "c"
    with pytest.raises(RuntimeError):
        fit(linear(), folder, callbacks=[CSVLogger(log, append=append), LambdaCallback(**{f"on_{event}": fail})])
    fit(linear(), folder, callbacks=[CSVLogger(log, append=append)], resume=True)
    assert log.read_text() == whole.read_text()
    assert log.read_text().count("\n") == (6 if append else 5)


def test_a_log_that_is_gone_begins_again(tmp_path):
    log, folder = tmp_path / "log.csv", tmp_path / "c"
    fit(linear(), folder, epochs=2, callbacks=[CSVLogger(log)])
    log.unlink()
    fit(linear(), folder, callbacks=[CSVLogger(log)], resume=True)
    assert [line.split(",")[0] for line in log.read_text().splitlines()] == ["epoch", "2", "3"]


def evaluating(*evaluations):
    return (
        TrainingConfig.builder()
        .updater(UPDATER)
        .data_set_feature_mapping("x")
        .data_set_label_mapping("y")
        .train_evaluation("p", 0, *evaluations)
        .validation_evaluation("p", 0, RegressionEvaluation())
        .build()
    )


def ends_at(step):
    def end(event, run):
        if event == "batch_end" and run.step.step == step:
            run.signal = "SIGINT"

    return end


def logistic():
    sd = SameDiff("float64", seed=3)
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,))
    z = x @ sd.var("w", np.linspace(-1, 1, 3))
    sd.nn.sigmoid(z, name="p")
    sd.loss.sigmoid_cross_entropy(y, z, name="loss")
    return sd


class Own(RegressionEvaluation):
    counted = ()


@pytest.mark.parametrize("step", [1, 4, 5, 6])
def test_evaluations_go_on(tmp_path, step):
    """Killed within an epoch, at its end, and in a later one; of every kind of count."""
    config = evaluating(RegressionEvaluation(), Evaluation(), EvaluationBinary(), EvaluationCalibration(), ROC(),
                        ROCBinary(10), ROCMultiClass())  # fmt: skip
    y = (Y > 0).astype(float)

    def run(sd, **settings):
        return sd.fit((X, y), seed=1, config=config, epochs=3, batch_size=15, validation=(X, y), **settings)

    whole, sd = run(logistic()), logistic()
    run(sd, checkpoint=tmp_path, callbacks=[ends_at(step)])
    history = run(logistic(), checkpoint=tmp_path, resume=True)
    for mine, its in (
        (whole.training_evaluations, history.training_evaluations),
        (whole.validation_evaluations, history.validation_evaluations),
    ):
        assert len(mine) == len(its) == 3
        for record, other in zip(mine, its, strict=True):
            assert record.stats() == other.stats()
            for e, f in zip(record.evaluations["p"], other.evaluations["p"], strict=True):
                np.testing.assert_equal(f.state(), e.state())


@pytest.mark.parametrize(("then", "now"), [(RegressionEvaluation, ROC), (Own, Own)])
def test_other_evaluations_begin_anew_and_that_is_told(tmp_path, then, now):
    linear().fit((X, Y), config=evaluating(then()), checkpoint=tmp_path)
    with pytest.warns(ResumeWarning, match="does not have these evaluations"):
        history = linear().fit((X, Y), config=evaluating(now()), checkpoint=tmp_path, epochs=2, resume=True)
    assert len(history) == 2 and len(history.training_evaluations) == 1
