"""Histories: rows and columns, what is shown of them, and what training ended by."""

import copy
import pickle

import pytest

from sdgraph.train import History, Sgd
from tests.train.test_fitting import X, Y, linear

ROWS = [{"loss": 2.0, "mse": 2.0, "acc": 0.5}, {"loss": 1.0, "mse": 1.0, "acc": 0.75, "val_loss": 1.5}]


def test_rows_and_columns():
    h = History(ROWS)
    assert h == ROWS and h[-1] is not ROWS[-1] and h[0:1] == ROWS[:1]
    assert h["loss"] == [2.0, 1.0] and h["val_loss"] == [None, 1.5]
    assert h.names() == ["loss", "mse", "acc", "val_loss"] and h.epoch == [0, 1]
    assert h.history == {"loss": [2.0, 1.0], "mse": [2.0, 1.0], "acc": [0.5, 0.75], "val_loss": [None, 1.5]}
    with pytest.raises(KeyError, match="no 'los', but 'loss'"):
        h["los"]


def test_one_of_two_equal_columns_is_shown():
    h = History(ROWS)
    assert h.shown() == ["loss", "acc", "val_loss"]
    assert repr(h).splitlines()[0].split() == ["epoch", "loss", "acc", "val_loss"]
    assert repr(h).splitlines()[2].split() == ["1", "2", "0.5"]
    assert History([{"loss": 1.0, "other": 1.5}]).shown() == ["loss", "other"]


def test_nan_is_equal_to_itself_there():
    nan = float("nan")
    assert History([{"loss": nan, "mse": nan}]).shown() == ["loss"]


def test_of_many_epochs_the_first_and_the_last_are_shown():
    h = History([{"loss": 1.0 / (k + 1)} for k in range(1000)])
    lines = repr(h).splitlines()
    assert len(lines) == 2 + 5 + 1 + 15 and lines[7].strip() == "…"
    assert lines[2].split()[0] == "1" and lines[-1].split()[0] == "1,000"
    assert "… 980 more" in h._repr_html_() and h._repr_html_().count("<tr>") == 22


def test_the_end_is_told():
    h = History(ROWS)
    assert h.stopped is None and not h.interrupted
    h.stopped = "loss did not improve for 3 epochs"
    assert repr(h).endswith("loss did not improve for 3 epochs") and "did not improve" in h._repr_html_()


def test_it_can_be_kept():
    h = linear().fit((X, Y), updater=Sgd(0.1), epochs=2)
    for other in (pickle.loads(pickle.dumps(h)), copy.deepcopy(h)):
        assert other == h and repr(other) == repr(h) and other.seconds == h.seconds
