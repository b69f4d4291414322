"""Pictures of training show its numbers."""

import numpy as np
import pytest

from sdgraph import SameDiff, viz
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.train import History, Norms, Sgd
from sdgraph.viz.training import history_html, panels

mpl = pytest.importorskip("matplotlib")

ROWS = [
    {"loss": 3.0, "val_loss": 3.5, "acc": 0.2},
    {"loss": 2.0, "val_loss": 2.5, "acc": 0.4},
    {"loss": 1.5, "acc": 0.5},
]
X = np.random.default_rng(4).normal(size=(40, 3))


def model():
    sd = SameDiff(dtype="float64")
    x, w = sd.placeholder("x", (None, 3)), sd.var("w", np.array([3.0, 4.0, 0.0]))
    sd.loss.mean_squared_error((x @ np.array([1.0, -1.0, 2.0])), x @ w + sd.var("b", 1.0), name="fit_loss")
    return sd


def texts(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


@pytest.mark.parametrize("history", [History(ROWS), ROWS, History(ROWS).history], ids=["history", "rows", "columns"])
def test_a_value_over_the_epochs(history):
    ax = viz.plot_history(history)
    training, validation, best = ax.get_lines()
    np.testing.assert_array_equal(training.get_xydata(), [[1, 3], [2, 2], [3, 1.5]])
    np.testing.assert_array_equal(validation.get_xydata(), [[1, 3.5], [2, 2.5], [3, np.nan]])
    assert best.get_xydata().tolist() == [[2, 2.5]]
    assert texts(ax) == ["training", "validation, best 2.5 in epoch 2"]
    assert (ax.get_xlabel(), ax.get_title(loc="left"), ax.get_yscale()) == ("epoch", "loss", "linear")


def test_what_training_makes_larger_is_best_where_it_is_largest():
    ax = viz.plot_history({"acc": [0.1, 0.5, 0.7], "val_acc": [0.2, 0.6, 0.4]}, "acc", theme="dark")
    assert texts(ax)[1] == "validation, best 0.6 in epoch 2"


def test_an_axis_is_logarithmic_where_values_differ_widely():
    assert viz.plot_history({"loss": [100.0, 0.5]}).get_yscale() == "log"
    assert viz.plot_history({"loss": [100.0, 0.5]}, log=False).get_yscale() == "linear"
    assert viz.plot_history({"loss": [100.0, 0.0]}).get_yscale() == "linear"
    with pytest.raises(ArgumentError, match="logarithm"):
        viz.plot_history({"loss": [100.0, 0.0]}, log=True)


def test_what_is_not_finite_is_left_out():
    ax = viz.plot_history({"loss": [1.0, float("nan"), float("inf")], "val_loss": [float("nan")] * 3})
    assert texts(ax) == ["training"]


def test_what_was_not_measured_is_an_error():
    with pytest.raises(ArgumentError, match=r"'los'(.|\n)*'loss'(.|\n)*Did you mean 'loss'"):
        viz.plot_history(ROWS, "los")
    for wrong in (3, "loss", [1, 2]):
        with pytest.raises(ArgumentTypeError, match="Not a history"):
            viz.plot_history(wrong)


def test_a_notebook_shows_curves_and_a_table():
    history = model().fit(X, updater=Sgd(0.05), epochs=3, validation=X)
    shown = history._repr_html_()
    assert shown.startswith("<img ") and "image/png;base64" in shown and "<table>" in shown
    # The one loss has two names, and one curve.
    assert [ax.get_title(loc="left") for ax in panels(history, "light").axes] == ["loss"]
    assert "fit_loss" not in repr(history) and "fit_loss" in history.names()
    assert not model().fit(X, updater=Sgd(0.05))._repr_html_().startswith("<img")


def test_there_is_a_panel_for_each_value():
    figure = panels(History([dict.fromkeys("abcdefgh", 1.0)] * 2), "light")
    assert [ax.get_title(loc="left") for ax in figure.axes] == list("abcdef")


def test_without_matplotlib_a_notebook_has_the_table(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    assert history_html(History(ROWS)) == ""
    history = model().fit(X, updater=Sgd(0.05), epochs=2)
    assert history._repr_html_().startswith("<table>")


def test_curves_grow_while_training_goes_on(tmp_path):
    live = viz.LivePlot("loss", every=0.0, path=tmp_path / "live.png")
    counts = []

    def look(event, run):
        if event == "epoch_end":
            (ax,) = live.figure.axes
            counts.append(len(ax.get_lines()[0].get_xdata()))

    model().fit(X, updater=Sgd(0.05), epochs=3, callbacks=[live, look])
    assert counts == [1, 2, 3]
    assert (tmp_path / "live.png").read_bytes().startswith(b"\x89PNG")
    assert not mpl.pyplot.get_fignums()


def test_drawing_waits_but_for_the_end():
    live = viz.LivePlot(every=1e6)
    drawn = []
    live._draw = lambda history: (drawn.append(len(history)), setattr(live, "_drawn", 0.0 + 1e12))
    model().fit(X, updater=Sgd(0.05), epochs=5, callbacks=[live])
    assert drawn == [1, 5]


@pytest.mark.slow
def test_a_live_plot_is_shown_in_a_notebook():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cell = """
import numpy as np
from sdgraph import SameDiff, viz
from sdgraph.train import Sgd
sd = SameDiff()
x, w = sd.placeholder("x", (None,)), sd.var("w", 1.0)
loss = ((w * x) ** 2).mean(name="loss").mark_as_loss()
sd.fit(np.ones(8, "float32"), epochs=3, updater=Sgd(0.1), callbacks=[viz.LivePlot(every=0.0)], progress=False)
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    plot, history = book.cells[0].outputs
    # One picture, which each drawing replaces, and the history with its curves.
    assert plot.output_type == "display_data" and plot.data["image/png"]
    assert history.output_type == "execute_result" and "<img " in history.data["text/html"]


def test_what_will_not_be_measured_is_told_at_once():
    with pytest.raises(ArgumentError, match=r"'acc'(.|\n)*'loss'"):
        model().fit(X, updater=Sgd(0.05), callbacks=[viz.LivePlot("acc")])


@pytest.mark.parametrize("what", ["weight", "gradient", "update", "ratio"])
def test_norms_over_the_steps(what):
    norms = Norms(2)
    model().fit(X, updater=Sgd(0.05), batch_size=10, callbacks=[norms])
    ax = viz.plot_norms(norms, what)
    w = ax.get_lines()[0]
    expected = norms["w"][what] if what != "ratio" else np.divide(norms["w"]["update"], norms["w"]["weight"])
    np.testing.assert_allclose(w.get_xydata(), np.transpose([[0, 2], expected]))
    assert texts(ax) == ["w", "b"] and ax.get_yscale() == "log"
    assert len(viz.plot_norms(norms, what, variables=["b"]).get_legend().get_texts()) == 1


def test_norms_that_there_are_not():
    with pytest.raises(ArgumentError, match="Nothing was measured yet"):
        viz.plot_norms(Norms())
    with pytest.raises(ArgumentTypeError, match="Not norms"):
        viz.plot_norms([1.0])
    norms = Norms()
    model().fit(X, updater=Sgd(0.05), callbacks=[norms])
    with pytest.raises(ArgumentError, match=r"'z'(.|\n)*'w' or 'b'"):
        viz.plot_norms(norms, variables=["z"])
    with pytest.raises(ArgumentError, match="what"):
        viz.plot_norms(norms, "weights")
