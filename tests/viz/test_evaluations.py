"""Pictures of evaluations show their numbers."""

import numpy as np
import pytest

from sdgraph import viz
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.train.evaluation import ROC, Evaluation, EvaluationCalibration, ROCBinary, ROCMultiClass

mpl = pytest.importorskip("matplotlib")

Y = np.array([0, 1, 2, 1, 0, 2, 1])
P = np.array([[5, 3, 2], [1, 8, 1], [2, 2, 6], [4, 3, 3], [6, 2, 2], [3, 5, 2], [1, 7, 2]]) / 10


def texts(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_a_roc_curve_and_its_area():
    roc = ROC().add([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    ax = viz.plot_roc(roc)
    drawn = ax.get_lines()[-1].get_xydata()
    np.testing.assert_allclose(drawn, [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]])
    assert texts(ax) == ["area 0.75"]
    steps = viz.plot_roc(roc, curve="precision_recall").get_lines()[-1]
    np.testing.assert_allclose(steps.get_ydata(), [1, 1, 0.5, 2 / 3, 0.5])
    assert steps.get_drawstyle() == "steps-pre"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_curve_for_each_column(theme):
    roc = ROCMultiClass().add(Y, P)
    ax = viz.plot_roc(roc, names=["a", "b", "$c"], theme=theme)
    assert texts(ax) == [f"{n}: area {v:.4g}" for n, v in zip(["a", "b", r"\$c"], roc.auc(), strict=True)]
    two = ROCBinary().add([[0, 1], [0, 0]], [[0.1, 0.9], [0.2, 0.3]])
    assert texts(viz.plot_roc(two, theme=theme)) == ["0: no curve", "1: area 1"]
    assert texts(viz.plot_roc({"one": ROC().add([0, 1], [0.1, 0.2]), "two": ROC().add([1, 0], [0.1, 0.2])})) == [
        "one: area 1", "two: area 0"
    ]  # fmt: skip


def test_reliability():
    e = EvaluationCalibration(5).add(np.eye(3)[Y], P)
    ax = viz.plot_calibration(e, [1], names=["a", "b", "c"])
    x, y, _ = e.reliability(1)
    np.testing.assert_allclose(ax.get_lines()[-1].get_xydata(), np.array([x, y]).T)
    assert texts(ax) == [f"b: calibration error {e.expected_calibration_error(1):.4g}"]
    assert len(texts(viz.plot_calibration(e))) == 3
    with pytest.raises(ArgumentError, match="no such class"):
        viz.plot_calibration(e, [3])


def test_confusion():
    e = Evaluation(labels=["ant", "bee", "cicada"]).add(Y, P)
    ax = viz.plot_confusion(e)
    assert [t.get_text() for t in ax.texts] == [str(n) for n in e.confusion.ravel()]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ant", "bee", "cicada"]
    assert [t.get_text() for t in viz.plot_confusion(e, normalize=True).texts][:3] == ["1.00", "0.00", "0.00"]
    many = Evaluation().add(np.arange(50), np.eye(50))
    ax = viz.plot_confusion(many, theme="dark")
    assert not ax.texts and len(ax.get_xticks()) == 25


def test_numbers_stand_out_from_their_cells():
    e = Evaluation().add(Y, P)
    for theme in ("light", "dark"):
        ax = viz.plot_confusion(e, theme=theme)
        image = ax.get_images()[0]
        cells = image.cmap(image.norm(image.get_array()))
        for text, cell in zip(ax.texts, cells.reshape(-1, 4), strict=True):
            light, dark = sorted((viz.style.lightness(text.get_color()), viz.style.lightness(cell)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4


@pytest.mark.parametrize("draw", [viz.plot_roc, viz.plot_calibration, viz.plot_confusion])
def test_what_cannot_be_drawn(draw):
    with pytest.raises(ArgumentTypeError):
        draw(3)
    with pytest.raises(ArgumentError, match="no example"):
        viz.plot_confusion(Evaluation(2))
    with pytest.raises(ArgumentError, match="one name"):
        viz.plot_roc(ROCMultiClass().add(Y, P), names=["a"])
