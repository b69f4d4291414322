"""plot_loss: the curves are the losses, whatever way they are named."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sdgraph import LossReduce, SameDiff, composite, viz
from sdgraph.errors import ArgumentError, ArgumentTypeError

mpl = pytest.importorskip("matplotlib")


def lines(ax, label):
    """The x and y data of the curves of one sort."""
    found = [line.get_data() for line in ax.get_lines() if line.get_label() == label]
    return [(np.asarray(x), np.asarray(y)) for x, y in found]


def test_squared_error_and_its_gradient():
    ax = viz.plot_loss("mean_squared_error", labels=0.5, predictions=(-1, 2), points=31)
    ((x, value),) = lines(ax, "value")
    ((_, slope),) = lines(ax, "gradient")
    assert_allclose(x, np.linspace(-1, 2, 31))
    assert_allclose(value, (x - 0.5) ** 2, atol=1e-15)
    assert_allclose(slope, 2 * (x - 0.5), atol=1e-15)
    assert ax.get_title(loc="left") == "mean_squared_error"


def mine(y, p):
    return y.sd.math.abs(p - y).mean()


@composite
def own_op(sd, label: "Operand", predictions: "Operand", *, name=None):  # noqa: F821
    return sd.math.abs(predictions - label)


@pytest.mark.parametrize(
    "loss", ["absolute_difference", "loss.absolute_difference", SameDiff().loss.absolute_difference, mine, own_op]
)
def test_every_way_to_name_a_loss(loss):
    x = np.array([-1.0, 0.25, 3.0])
    ax = viz.plot_loss(loss, labels=0.0, predictions=x, show="value")
    assert_allclose(lines(ax, "value")[0][1], np.abs(x))


def test_keras_losses_keep_their_settings():
    from sdgraph.keras import losses

    x = np.array([-3.0, 0.5, 4.0])
    for loss in (losses.Huber(delta=2.0), lambda y, p: losses.huber(y, p, delta=2.0)):
        ax = viz.plot_loss(loss, labels=0.0, predictions=x)
        assert_allclose(lines(ax, "value")[0][1], np.where(np.abs(x) <= 2, x**2 / 2, 2 * np.abs(x) - 2))
    for loss in ("keras.huber", losses.huber):
        ax = viz.plot_loss(loss, labels=0.0, predictions=x, delta=2.0)
        assert_allclose(lines(ax, "value")[0][1], np.where(np.abs(x) <= 2, x**2 / 2, 2 * np.abs(x) - 2))
    logits = viz.plot_loss(losses.BinaryCrossentropy(from_logits=True), labels=1.0, predictions=x)
    assert_allclose(lines(logits, "value")[0][1], np.log1p(np.exp(-x)), rtol=1e-6)


def test_reductions_and_weights_do_not_change_a_single_example():
    x = np.array([-1.0, 0.25, 3.0])
    for reduce in LossReduce:
        ax = viz.plot_loss("hinge_loss", labels=1, predictions=x, loss_reduce=reduce)
        assert_allclose(lines(ax, "value")[0][1], np.maximum(0, 1 - x))


def test_a_curve_per_label_and_loss():
    ax = viz.plot_loss(["hinge_loss", "sigmoid_cross_entropy"], labels=[0, 1], points=5)
    assert len(lines(ax, "value")) == len(lines(ax, "gradient")) == 4
    texts = [t.get_text() for t in ax.get_legend().get_texts()]
    assert texts[:4] == [f"{n}, label {k}" for n in ("hinge_loss", "sigmoid_cross_entropy") for k in (0, 1)]
    colours = {line.get_color() for line in ax.get_lines() if line.get_label() == "value"}
    assert len(colours) == 4


def test_names_from_a_mapping_and_settings():
    ax = viz.plot_loss({"δ = 2": "huber_loss", "$y$": mine}, labels=0.0, points=3, show="value")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["δ = 2", r"\$y\$"]
    x = np.array([-3.0, 3.0, 4.0])
    ax = viz.plot_loss("huber_loss", labels=0.0, predictions=x, delta=2.0)
    assert_allclose(lines(ax, "value")[0][1], 2 * (np.abs(x) - 1))


def test_operands_in_another_order_and_whole_vectors():
    x = np.array([-1.0, 0.0, 2.0])
    sparse = viz.plot_loss("sparse_softmax_cross_entropy", labels=1, at=[0.0, 0.0, 0.0], vary=1, predictions=x)
    dense = viz.plot_loss("softmax_cross_entropy", labels=[[0, 1, 0]], vary=1, predictions=x)
    expected = np.log(2 + np.exp(x)) - x
    assert_allclose(lines(sparse, "value")[0][1], expected)
    assert_allclose(lines(dense, "value")[0][1], expected)
    assert_allclose(lines(dense, "gradient")[0][1], np.exp(x) / (2 + np.exp(x)) - 1)
    assert sparse.get_xlabel() == dense.get_xlabel() == "logit"


def test_a_loss_without_labels_is_drawn_once():
    ax = viz.plot_loss("l2_loss", labels=[0, 1], predictions=(-1, 1), points=3)
    assert_allclose([y for _, y in lines(ax, "value")], [[0.5, 0, 0.5]])


def test_outside_its_domain_a_curve_has_gaps():
    ax = viz.plot_loss("log_loss", labels=1, predictions=(-1, 1), points=5)
    ((_, y),) = lines(ax, "value")
    assert np.isnan(y[:3]).all()
    assert_allclose(y[3:], [np.log(2), 0])


def test_jumps_are_not_joined():
    ax = viz.plot_loss("hinge_loss", labels=1, show="gradient", predictions=(-3, 3.5))
    ((_, y),) = lines(ax, "gradient")
    assert np.isnan(y).sum() == 1
    assert set(y[~np.isnan(y)]) == {-1.0, 0.0}
    smooth = viz.plot_loss("huber_loss", labels=0, show="gradient")
    assert not np.isnan(lines(smooth, "gradient")[0][1]).any()


def test_given_axes_and_dark_theme():
    _, ax = viz.style.pyplot().subplots()
    assert viz.plot_loss("hinge_loss", ax=ax, points=3, theme="dark") is ax
    assert mpl.colors.to_hex(ax.get_facecolor()) == viz.style.colours.PAGE.dark


def test_the_users_graph_is_left_alone():
    sd = SameDiff()
    viz.plot_loss(sd.loss.hinge_loss, points=3)
    assert len(sd.nodes) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"loss": "huber"}, ArgumentError, "huber_loss"),
        ({"loss": 3}, ArgumentTypeError, "not a loss"),
        ({"loss": []}, ArgumentError, "no loss"),
        ({"loss": "hinge_loss", "show": "all"}, ArgumentError, "show"),
        ({"loss": "hinge_loss", "theme": "blue"}, ArgumentError, "theme"),
        ({"loss": "hinge_loss", "predictions": (1, 1)}, ArgumentError, "not a range"),
        ({"loss": "hinge_loss", "predictions": (0, np.inf)}, ArgumentError, "not a range"),
        ({"loss": "hinge_loss", "points": 1}, ArgumentError, "two points"),
        ({"loss": "softmax_cross_entropy", "labels": [[0, 1]], "vary": 2}, ArgumentError, "no such element"),
        ({"loss": "hinge_loss", "delta": 2}, ArgumentTypeError, "delta"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        viz.plot_loss(**arguments)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        viz.plot_loss("hinge_loss", points=3)
