"""Training that something ends, and that goes on from its backup as if nothing had been."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import FormatError, ResumeError
from sdgraph.keras import callbacks, optimizers

ROOT = Path(__file__).parents[3]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 4))
Y = (X[:, :1] > 0).astype(float)


def network(units=5):
    sd = SameDiff("float64", seed=4)
    x = sd.placeholder("x", (None, 4))
    hidden = sd.nn.dropout(sd.math.tanh(x @ sd.var("w", shape=(4, units), init="glorot", seed=1)), 0.25)
    p = sd.nn.sigmoid(hidden @ sd.var("v", shape=(units, 1), init="glorot", seed=2))
    model = keras.Model(x, p)
    rate = optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
    model.compile(optimizers.AdamW(rate, 0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


class Fails(callbacks.Callback):
    def __init__(self, epoch, batch):
        self.at, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise RuntimeError("the lights go out")


def fit(model, *more, epochs=4):
    return model.fit(X, Y, epochs=epochs, batch_size=8, validation_split=0.2, verbose=0, callbacks=list(more))


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3])
@pytest.mark.parametrize("at", [(1, 0), (1, 4), (3, 2)])
def test_a_run_that_was_cut_short_ends_with_the_same_bits(tmp_path, save_freq, at):
    whole = network()
    wanted = fit(whole)
    folder = tmp_path / "backup"
    with pytest.raises(RuntimeError):
        fit(network(), callbacks.BackupAndRestore(folder, save_freq), Fails(*at))
    assert folder.exists()
    again = network()
    history = fit(again, callbacks.BackupAndRestore(folder, save_freq))
    for a, b in zip(again.get_weights(), whole.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    first = history.epoch[0]
    assert history.epoch == list(range(first, 4))
    assert at[0] - 1 <= first <= at[0]
    # What is reported of an epoch that was cut counts the batches before, too.
    assert history.history["loss"] == wanted.history["loss"][first:]
    assert not folder.exists()


class Killed(callbacks.Callback):
    """Ends the process at once at some batch, as a power cut does."""

    def __init__(self, after):
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def train_in_this_process(folder, after):
    """What a program does that is killed and started again: it prints the values that it ends with."""
    model = network()
    fit(model, callbacks.BackupAndRestore(folder, 2, double_checkpoint=True), Killed(after))
    print(b"".join(a.tobytes() for a in model.get_weights()).hex())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_process_that_is_killed_ends_with_the_same_bits(tmp_path):
    whole = network()
    fit(whole)
    wanted = b"".join(a.tobytes() for a in whole.get_weights()).hex()
    code = (
        "import sys; from tests.keras.callbacks import test_backup as t\n"
        "t.train_in_this_process(sys.argv[1], int(sys.argv[2]))"
    )
    for after, code_of_end in ((3, -signal.SIGKILL), (7, -signal.SIGKILL), (4, -signal.SIGKILL), (0, 0)):
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "b"), str(after)], capture_output=True, text=True, cwd=ROOT
        )
        assert run.returncode == code_of_end, run.stderr
    assert run.stdout.strip() == wanted


def test_without_a_cut_it_changes_nothing_and_leaves_nothing(tmp_path):
    one, two = network(), network()
    fit(one)
    fit(two, callbacks.BackupAndRestore(tmp_path / "b", delete_checkpoint=True))
    assert [a.tobytes() for a in one.get_weights()] == [a.tobytes() for a in two.get_weights()]
    assert not (tmp_path / "b").exists()


def test_other_files_in_the_folder_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    fit(network(), callbacks.BackupAndRestore(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_finished_run_has_nothing_left_to_do_if_its_file_is_kept(tmp_path):
    kept = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(network(), kept)
    model = network()
    assert fit(model, kept).epoch == []
    assert fit(model, kept, epochs=6).epoch == [4, 5]


def test_a_damaged_file_is_refused_or_the_one_before_it_is_taken(tmp_path):
    for double in (False, True):
        folder = tmp_path / str(double)
        backup = callbacks.BackupAndRestore(folder, double_checkpoint=double)
        with pytest.raises(RuntimeError):
            fit(network(), backup, Fails(3, 1))
        path = folder / "latest.sdg"
        path.write_bytes(path.read_bytes()[:-40])
        if double:
            assert fit(network(), backup).epoch == [2, 3]
        else:
            with pytest.raises(FormatError):
                fit(network(), backup)


def test_a_backup_of_another_model_is_refused(tmp_path):
    backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(network(), backup)
    model = network(units=6)
    before = model.get_weights()
    with pytest.raises(ResumeError, match="other training"):
        fit(model, backup)
    assert [a.tobytes() for a in before] == [a.tobytes() for a in model.get_weights()]
