"""The listeners that come with SameDiff."""

import gc
import weakref

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError
from sdgraph.train import (
    Adam,
    CheckpointListener,
    DataSet,
    Listener,
    PerformanceListener,
    ScoreListener,
    TrainingConfig,
    loop,
)
from sdgraph.train.callbacks import listener, samediff

RNG = np.random.default_rng(2)
BATCHES = [DataSet(RNG.normal(size=(4, 2)), RNG.normal(size=(4, 1))) for _ in range(3)]


def graph():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None, 1))
    sd.loss.mean_squared_error(y, x @ sd.var("w", [[0.5], [-0.5]]), name="loss")
    config = TrainingConfig(updater=Adam(0.1), data_set_feature_mapping="x", data_set_label_mapping="y", l2=0.5)
    sd.set_training_config(config)
    return sd


def test_scores_are_written():
    lines = []
    sd = graph()
    loss = float(sd["loss"].eval({"x": BATCHES[0].features, "y": BATCHES[0].labels}))
    history = sd.fit(BATCHES, epochs=2, listeners=[ScoreListener(2, write=lines.append)])
    assert [line.partition(":")[0] for line in lines] == [
        "epoch 0", "epoch 0, iteration 0", "epoch 0, iteration 2", "epoch 0",
        "epoch 1", "epoch 1, iteration 4", "epoch 1",
    ]  # fmt: skip
    # The penalty is half of 0.5 times the squares.
    assert f"loss {loss:.4g}, L2Regularization 0.125" in lines[1] and lines[1].endswith(" examples/s")
    assert f"mean of loss {history['loss'][1]:.4g}, " in lines[-1]
    few = []
    graph().fit(BATCHES, listeners=[ScoreListener(3, False, False, write=few.append)])
    assert len(few) == 1 and "examples" not in few[0]


def test_scores_are_printed(capsys):
    graph().fit(BATCHES[0], listeners=[ScoreListener(1)])
    assert capsys.readouterr().out.startswith("epoch 0, iteration 0: loss ")


class Times(Listener):
    """Has attributes of every name that its base might have had."""

    def __init__(self):
        self._began = self._waited = self._validation = self._asked = self._watch = self._place = self._run = "mine"
        self.etl, self.epochs = [], []

    def iteration_start(self, sd, at, data, etl_time_millis):
        self.etl.append(etl_time_millis)

    def epoch_end(self, sd, at, loss_curve, epoch_time_millis):
        self.epochs.append(epoch_time_millis)


def test_times_are_of_the_batch_and_of_the_epoch(monkeypatch):
    clock = iter(np.arange(1000.0))
    for module in (samediff, listener, loop):
        monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    times = Times()
    graph().fit(BATCHES, epochs=2, listeners=[times, ScoreListener(write=lambda line: None)], progress=False)
    # Waiting for a batch is one tick of the clock, which all read, and so is hearing that an epoch has no more.
    assert times.etl == [1000, 1000, 1000, 2000, 1000, 1000]
    assert len(times.epochs) == 2 and all(ms > 3000 for ms in times.epochs)
    assert times._began == times._place == "mine"


def test_a_listener_holds_no_graph_afterwards():
    times, sd = Times(), graph()
    sd.fit(BATCHES, listeners=[times])
    gone = weakref.ref(sd.training_kept.step)
    sd.set_training_config(None)
    gc.collect()
    assert gone() is None


def test_speed_is_measured(monkeypatch):
    clock = iter(np.arange(100.0))
    monkeypatch.setattr(samediff.time, "perf_counter", lambda: next(clock))
    lines = []
    listener = PerformanceListener(2, write=lines.append)
    graph().fit(BATCHES, epochs=2, validation=BATCHES, listeners=[listener], progress=False)
    assert [r[:2] for r in listener.records] == [(0, 1), (1, 3), (1, 5)]
    assert all(r.examples_per_second == 4 * r.batches_per_second > 0 for r in listener.records)
    assert len(lines) == 3 and lines[0].startswith("iteration 1: ") and lines[0].endswith(" ms for data")


def files(folder):
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("*.sdg"))


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (lambda b: b.save_every_epoch(), [3, 6, 9, 12, 15]),
        (lambda b: b.save_every_n_epochs(2), [6, 12, 15]),
        (lambda b: b.save_every_n_epochs(2).keep_last(2), [12, 15]),
        (lambda b: b.save_every_n_iterations(4), [4, 8, 12, 15]),
        (lambda b: b.save_every_n_iterations(4).keep_last(1), [15]),
        (lambda b: b.save_every_epoch().keep_last_and_every(1, 2), [6, 12, 15]),
        (lambda b: b.save_every_epoch().keep_last(1).keep_all(), [3, 6, 9, 12, 15]),
        (lambda b: b.save_every(1, "DAYS"), [15]),
        (lambda b: b.save_every(1e-9), list(range(1, 16))),
    ],
)
def test_checkpoints_as_the_builder_says(settings, wanted, tmp_path):
    listener = settings(CheckpointListener.builder(tmp_path)).build()
    graph().fit(BATCHES, epochs=5, listeners=[listener])
    assert files(tmp_path) == wanted


def test_a_run_goes_on_from_the_last_checkpoint(tmp_path):
    whole = graph()
    whole.fit(BATCHES, epochs=4)
    graph().fit(BATCHES, epochs=2, listeners=[CheckpointListener(tmp_path, every_n_epochs=1)])
    again = graph()
    again.fit(BATCHES, epochs=4, resume=tmp_path)
    np.testing.assert_array_equal(again["w"].value, whole["w"].value)
    assert again.updater_state.iteration == 12
    # What the newest file holds is a graph like any.
    read = SameDiff.load(max(tmp_path.glob("*.sdg")))
    assert read["loss"].eval({"x": BATCHES[0].features, "y": BATCHES[0].labels}) > 0


def test_existing_checkpoints_are_deleted_if_so_said(tmp_path):
    graph().fit(BATCHES, epochs=3, listeners=[CheckpointListener(tmp_path, every_n_epochs=1)])
    with pytest.raises(ArgumentError, match="checkpoints of other training"):
        graph().fit(BATCHES, listeners=[CheckpointListener(tmp_path, every_n_epochs=1)])
    graph().fit(BATCHES, listeners=[CheckpointListener(tmp_path, every_n_epochs=1, delete_existing=True)])
    assert files(tmp_path) == [3]


def test_what_makes_no_sense(tmp_path):
    with pytest.raises(ArgumentError, match="when to write"):
        CheckpointListener(tmp_path, keep_last=2)
    with pytest.raises(ArgumentError, match="unit of time"):
        CheckpointListener.builder(tmp_path).save_every(1, "fortnights")
    for wrong in ({"every_n_epochs": 0}, {"every_n_epochs": 1, "keep_every": 0}, {"every_seconds": -1.0}):
        with pytest.raises(ArgumentError):
            CheckpointListener(tmp_path, **wrong)
    with pytest.raises(ArgumentError, match="frequency"):
        ScoreListener(0)
