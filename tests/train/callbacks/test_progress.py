"""What is shown while training goes on, and where nothing is."""

import sys

import pytest

from sdgraph.train import Sgd
from sdgraph.train.callbacks.progress import is_watched
from tests.train.test_fitting import X, Y, linear


def test_without_tqdm_there_is_a_line_for_each_epoch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    history = linear().fit((X, Y), updater=Sgd(0.1), epochs=3, validation=(X, Y), progress=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert not out and len(lines) == 4
    assert lines[2] == f"epoch 3  loss {history[2]['loss']:.4g}  val_loss {history[2]['val_loss']:.4g}"
    assert "for data" in lines[3]


def test_tqdm_has_a_bar_over_all_batches(capsys):
    pytest.importorskip("tqdm")
    history = linear().fit((X, Y), updater=Sgd(0.1), epochs=3, batch_size=10, progress=True)
    _, err = capsys.readouterr()
    assert "15/15" in err and f"loss={history[2]['loss']:.4g}" in err and "epoch=3" in err


def test_a_bar_for_an_unknown_number_of_batches(capsys):
    pytest.importorskip("tqdm")
    linear().fit(lambda: iter([(X, Y)] * 4), updater=Sgd(0.1), progress=True)
    assert "4it" in capsys.readouterr().err


@pytest.mark.parametrize(("terminal", "ci", "notebook", "watched"), [
    (False, "", False, False),
    (True, "", False, True),
    (False, "", True, True),
    (True, "1", True, False),
])  # fmt: skip
def test_it_is_quiet_where_nobody_looks(monkeypatch, terminal, ci, notebook, watched):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("CI", ci)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert is_watched() == watched


def test_it_can_be_left_out(monkeypatch, capsys):
    monkeypatch.setattr("sdgraph.train.fitting.is_watched", lambda: True)
    linear().fit((X, Y), updater=Sgd(0.1), progress=False)
    assert capsys.readouterr() == ("", "")
