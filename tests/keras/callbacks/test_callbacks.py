"""What callbacks write, and where they raise instead of guessing."""

import math

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError, NumericsError
from sdgraph.keras import callbacks, optimizers
from tests.keras.callbacks.scripted import Model, real_keras, told

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [[1.0], [2.0], [-1.0]]


def linear(optimizer="sgd", **settings):
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, 3))
    model = keras.Model(x, x @ sd.var("w", np.zeros((3, 1))))
    model.compile(optimizer, "mse", **settings)
    return model


# ---------------------------------------------------------------------- what is watched


@pytest.mark.parametrize("make", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_a_value_that_there_is_not_is_an_error_after_the_first_epoch(make):
    seen = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    epochs = []
    with pytest.raises(ArgumentError, match="watches 'los'") as e:
        linear().fit(X, Y, epochs=3, verbose=0, callbacks=[make("los", mode="min"), seen])
    assert epochs == [0]
    assert "'loss'" in str(e.value) or "loss" in e.value.expected


def test_without_validation_its_values_are_missing_and_the_fix_says_so():
    with pytest.raises(ArgumentError) as e:
        linear().fit(X, Y, verbose=0, callbacks=callbacks.EarlyStopping())
    assert "validation_data" in str(e.value)


def test_epochs_without_validation_are_passed_over():
    stop = callbacks.EarlyStopping("val_loss", patience=1)
    history = linear("adam").fit(X, Y, epochs=6, verbose=0, validation_split=0.25, validation_freq=2, callbacks=[stop])
    assert len(history.history["val_loss"]) == 3
    assert len(history.history["loss"]) == 6


@pytest.mark.parametrize("mode", ["lower", "", None, 1])
def test_another_mode_is_refused(mode):
    with pytest.raises(ArgumentError):
        callbacks.EarlyStopping("loss", mode=mode)


def test_a_direction_that_nobody_knows_is_asked_for():
    def mine(y_true, y_pred):
        return y_pred.mean(-1)

    with pytest.raises(ArgumentError, match="more or less of 'mine'") as e:
        linear(metrics=[mine]).fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("mine")])
    assert "mode=" in str(e.value)
    linear(metrics=[mine]).fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("mine", mode="max")])


def test_directions_of_columns_are_known():
    model = linear(metrics=["mae", "cosine_similarity"], weighted_metrics=["accuracy"])
    assert model.directions == {"mae": "min", "cosine_similarity": "max", "accuracy": "max", "matmul_loss": "min"}


def test_nan_is_never_an_improvement():
    values = [{"loss": v} for v in (math.nan, 2.0, math.nan, 1.0, math.nan, math.nan)]
    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    seen, _, best, weights, _ = told(stop, values)
    assert len(seen) == 6
    assert best == 1.0
    assert weights == (3, "end")


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (callbacks.EarlyStopping, {"patience": -1}),
        (callbacks.EarlyStopping, {"patience": 1.5}),
        (callbacks.EarlyStopping, {"min_delta": math.inf}),
        (callbacks.EarlyStopping, {"start_from_epoch": -1}),
        (callbacks.EarlyStopping, {"baseline": math.nan}),
        (callbacks.ReduceLROnPlateau, {"factor": 1.0}),
        (callbacks.ReduceLROnPlateau, {"factor": -0.5}),
        (callbacks.ReduceLROnPlateau, {"cooldown": -1}),
        (callbacks.ReduceLROnPlateau, {"min_lr": -1.0}),
        (callbacks.ModelCheckpoint, {"filepath": "m.sdg", "save_freq": "batch"}),
        (callbacks.ModelCheckpoint, {"filepath": "m.sdg", "save_freq": 0}),
        (callbacks.ModelCheckpoint, {"filepath": "m.keras"}),
        (callbacks.ModelCheckpoint, {"filepath": "m.sdg", "save_weights_only": True}),
        (callbacks.BackupAndRestore, {"backup_dir": "b", "save_freq": False}),
    ],
)
def test_wrong_settings_are_refused(make, settings):
    with pytest.raises(ArgumentError):
        make(**settings)


# ---------------------------------------------------------------------- learning rates


@pytest.mark.parametrize("make", [callbacks.ReduceLROnPlateau, lambda: callbacks.LearningRateScheduler(lambda e: 0.1)])
def test_a_rate_that_follows_a_schedule_is_not_set_by_another(make):
    model = linear(optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)))
    began = []
    note = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: began.append(epoch))
    with pytest.raises(ArgumentError, match="schedule"):
        model.fit(X, Y, verbose=0, callbacks=[make(), note])
    assert not began
    with pytest.raises(ArgumentError, match="schedule"):
        model.optimizer.learning_rate = 0.1


def test_rates_of_a_scheduler_are_in_the_history_and_in_the_steps():
    model = linear("sgd")
    halves = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else 0.125)
    history = model.fit(X, Y, epochs=4, batch_size=40, shuffle=False, verbose=0, callbacks=[halves])
    assert history.history["learning_rate"] == [0.125, 0.0625, 0.03125, 0.015625]
    w = np.zeros((3, 1))
    for rate in history.history["learning_rate"]:
        w -= rate * 2 * X.T @ (X @ w - Y) / 40
    np.testing.assert_allclose(model.weights[0].value, w, rtol=1e-12)
    assert model.optimizer.learning_rate == 0.015625


def test_a_schedule_may_want_the_epoch_alone_and_its_own_errors_are_not_hidden():
    def broken(epoch, rate):
        raise TypeError("mine")

    history = linear().fit(
        X, Y, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch)]
    )
    assert history.history["learning_rate"] == [1.0, 0.5]
    with pytest.raises(TypeError, match="mine") as e:
        linear().fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(broken)])
    (named,) = [note for note in e.value.__notes__ if "callback" in note]
    assert "LearningRateScheduler" in named


@pytest.mark.parametrize("rate", ["0.1", None, math.nan])
def test_a_rate_that_is_no_number_is_refused(rate):
    with pytest.raises(ArgumentError):
        linear().fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: rate)])


# ---------------------------------------------------------------------- files


@pytest.mark.keras
@pytest.mark.parametrize("separator", [",", ";"])
def test_lines_of_a_log_are_those_of_keras(tmp_path, separator):
    keras = real_keras()
    scripts = [
        [{"loss": 1.0, "val_loss": 2.0, "accuracy": 0.5}, {"loss": 0.25, "accuracy": 0.75}],
        [{"loss": 1.0}, {"loss": 0.5, "val_loss": 3.0}],
    ]
    for k, script in enumerate(scripts):
        both = []
        for module in (keras.callbacks, callbacks):
            path = tmp_path / f"{module.__name__}{k}.csv"
            for append in (False, True):
                told(module.CSVLogger(str(path), separator=separator, append=append), script)
            both.append(path.read_bytes())
        assert both[0] == both[1]


def test_a_log_is_whole_whatever_ends_training(tmp_path):
    path = tmp_path / "log.csv"

    def fails(epoch, logs):
        if epoch == 2:
            raise RuntimeError("no more")

    ends = callbacks.LambdaCallback(on_epoch_begin=fails)
    with pytest.raises(RuntimeError):
        linear().fit(X, Y, epochs=5, verbose=0, callbacks=[callbacks.CSVLogger(path), ends])
    lines = path.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1"]


def test_the_best_model_is_in_the_file_and_is_read_again(tmp_path):
    path = tmp_path / "new" / "best_{epoch}.sdg"
    model = linear()
    keep = callbacks.ModelCheckpoint(path, "loss", save_best_only=True)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[keep])
    saved = sorted(p.name for p in path.parent.iterdir())
    assert saved == ["best_1.sdg", "best_2.sdg", "best_3.sdg"]
    assert keep.best == min(history.history["loss"])
    again = SameDiff.load(tmp_path / "new" / "best_3.sdg")
    np.testing.assert_array_equal(again["w"].value, model.get_weights()[0])


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_weights_alone_are_saved_and_read(tmp_path, ending):
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    model = linear()
    path = tmp_path / f"w.{ending}"
    model.fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True)])
    other = linear()
    other.load_weights(path)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_a_name_in_the_path_that_no_value_has_is_an_error(tmp_path):
    path = tmp_path / "at_{val_loss:.2f}.sdg"
    with pytest.raises(ArgumentError, match="'val_loss' in it"):
        linear().fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(path)])


# ---------------------------------------------------------------------- losses that are no numbers, functions


def diverging():
    return linear(optimizers.SGD(1e160))


def test_a_loss_that_is_no_number_raises_before_anything_changed():
    model = diverging()
    with pytest.raises(NumericsError) as e:
        model.fit(X, Y, epochs=3, batch_size=10, shuffle=False, verbose=0)
    assert any("batch 1 of epoch 0" in note for note in e.value.__notes__)
    assert np.isfinite(model.get_weights()[0]).all()


def test_with_the_callback_training_ends_as_it_does_in_keras(capsys):
    model = diverging()
    ended = []
    note = callbacks.LambdaCallback(on_train_end=lambda logs: ended.append(logs))
    history = model.fit(
        X, Y, epochs=3, batch_size=10, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN(), note]
    )
    assert len(history.history["loss"]) == 1
    assert not math.isfinite(history.history["loss"][0])
    assert not np.isfinite(model.get_weights()[0]).all()
    assert len(ended) == 1
    assert "Batch 1" in capsys.readouterr().out
    with pytest.raises(NumericsError):
        diverging().fit(X, Y, batch_size=10, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])
    # It is for that fit alone.
    assert model._compiled._step[1].on_nan == "raise"


def test_functions_are_told_of_all_events_in_order():
    seen = []

    def note(event):
        return lambda *at, **more: seen.append((event, *[a for a in (*at, *more.values()) if isinstance(a, int)]))

    every = callbacks.LambdaCallback(**{event: note(event) for event in callbacks.base.EVENTS})
    linear().fit(X, Y, epochs=1, batch_size=20, verbose=0, validation_split=0.25, callbacks=every)
    # The first is told by the base class of the second where that is not written by somebody.
    assert [s for s in seen if s[0] not in ("on_batch_begin", "on_batch_end")] == [
        ("on_train_begin",),
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1),
        ("on_test_begin",),
        ("on_test_batch_begin", 0),
        ("on_test_batch_end", 0),
        ("on_test_end",),
        ("on_epoch_end", 0),
        ("on_train_end",),
    ]


def test_an_event_that_there_is_not_is_refused():
    with pytest.raises(ArgumentTypeError, match="on_epoch_finish"):
        callbacks.LambdaCallback(on_epoch_finish=print)
    with pytest.raises(ArgumentTypeError):
        callbacks.LambdaCallback(on_epoch_end=3)


def test_a_class_of_ones_own_is_told_under_the_older_names_too():
    class Note(callbacks.Callback):
        def __init__(self):
            self.seen = []

        def on_batch_end(self, batch, logs=None):
            self.seen.append((batch, sorted(logs)))

    note = Note()
    linear(metrics=["mae"]).fit(X, Y, epochs=2, batch_size=20, verbose=0, callbacks=[[note]])
    assert note.seen == [(0, ["loss", "mae"]), (1, ["loss", "mae"])] * 2


def test_a_callback_may_stop_training_within_an_epoch():
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.stop_training = True

    history = linear().fit(X, Y, epochs=4, batch_size=5, validation_split=0.25, verbose=0, callbacks=[Stop()])
    # The epoch is validated all the same.
    assert {name: len(column) for name, column in history.history.items()} == {"loss": 1, "val_loss": 1}


def test_a_fake_model_is_enough_for_a_callback():
    assert told(callbacks.EarlyStopping("loss"), [{"loss": 1.0}])[0][0][0] is False
    assert Model().stop_training is False
