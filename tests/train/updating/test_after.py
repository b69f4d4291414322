"""Values that variables take after each step of training: `SameDiff.update`."""

import pickle

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, UnknownVariableError
from sdgraph.train import Sgd
from tests.graph_state import graph_state

BATCHES = [{"x": np.arange(4.0) + k, "y": np.arange(4.0) * k} for k in range(5)]


def moving(momentum=0.75, dtype="float64"):
    """A line, and the moving mean of what goes in."""
    sd = SameDiff(dtype)
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    w, mean = sd.var("w", 0.5), sd.var("mean", 0.0)
    sd.loss.mean_squared_error(y, w * x, name="loss")
    sd.update(mean, momentum * mean + (1 - momentum) * x.mean())
    return sd


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_it_takes_the_value_of_each_batch_and_is_not_trained(engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    sd = moving()
    step = sd.training_step(Sgd(0.01), engine=engine)
    assert [v.name for v in step.trained] == ["w"]
    wanted = 0.0
    for feeds in BATCHES:
        step(feeds)
        wanted = 0.75 * wanted + 0.25 * feeds["x"].mean()
        np.testing.assert_allclose(sd["mean"].value, wanted, rtol=1e-15)


def test_it_moves_with_each_batch_that_is_accumulated():
    sd = moving()
    step = sd.training_step(Sgd(0.01), accumulate=3)
    wanted = 0.0
    for feeds in BATCHES[:2]:
        step(feeds)
        wanted = 0.75 * wanted + 0.25 * feeds["x"].mean()
    np.testing.assert_allclose(sd["mean"].value, wanted, rtol=1e-15)
    assert sd["w"].value == 0.5


def test_a_batch_that_is_refused_does_not_move_it():
    sd = moving()
    step = sd.training_step(Sgd(0.01), on_nan="skip")
    step({"x": [np.nan], "y": [1.0]})
    assert sd["mean"].value == 0.0
    assert step.skipped == 1


def test_all_values_are_of_before_the_step():
    """Two that take each other's value change places, and one that takes a weight lags by a step."""
    sd = SameDiff("float64")
    a, b, w, late = (sd.var(k, v) for k, v in {"a": 1.0, "b": 2.0, "w": 3.0, "late": 0.0}.items())
    (w * w).sum(name="loss").mark_as_loss()
    for v, value in ((a, b), (b, a), (late, w)):
        sd.update(v, value)
    step = sd.training_step(Sgd(0.25))
    step()
    assert [sd[k].value for k in ("a", "b", "w", "late")] == [2.0, 1.0, 1.5, 3.0]
    step()
    assert [sd[k].value for k in ("a", "b", "w", "late")] == [1.0, 2.0, 0.75, 1.5]


def test_the_last_value_counts_and_none_takes_it_back():
    sd = moving()
    sd.update("mean", sd["mean"] + 1.0)
    step = sd.training_step(Sgd(0.0))
    step(BATCHES[0])
    assert sd["mean"].value == 1.0
    sd.update("mean", None)
    sd.training_step(Sgd(0.0))(BATCHES[0])
    assert sd["mean"].value == 1.0


def test_a_narrower_value_is_cast():
    sd = moving()
    sd.update("mean", sd.cast(sd["mean"], "float32") + np.float32(0.1))
    sd.training_step(Sgd(0.0))(BATCHES[0])
    assert sd["mean"].value == np.float64(np.float32(0.1))


def test_what_does_not_fit_changes_nothing():
    sd = moving()
    before = graph_state(sd)
    with pytest.raises(ShapeError, match="'x' does not have the shape of 'mean'"):
        sd.update("mean", "x")
    with pytest.raises(DTypeError, match="'mean' cannot hold"):
        sd.update("mean", sd.constant("c", np.array(1j)))
    with pytest.raises(ArgumentTypeError, match="'x' is a placeholder"):
        sd.update("x", "mean")
    with pytest.raises(UnknownVariableError):
        sd.update("mean", "nobody")
    assert graph_state(sd)["updates"] == before["updates"]


def test_it_cannot_be_asked_to_be_trained():
    sd = moving()
    total = sd["loss"] + sd["mean"]
    sd.set_loss_variables(total)
    with pytest.raises(ArgumentError, match=r"sd\.update says what it becomes"):
        sd.training_step(Sgd(0.1), variables=["mean"])
    with pytest.raises(ArgumentError, match="'mean'"):
        sd.training_step({"mean": Sgd(0.1), "*": Sgd(0.1)})


def test_one_that_is_frozen_keeps_its_value():
    sd = moving()
    sd.convert_to_constant("mean")
    sd.training_step(Sgd(0.1))(BATCHES[1])
    assert sd["mean"].value == 0.0


@pytest.mark.parametrize("carried", ["copy", "pickle", "file"])
def test_copies_and_files_have_it(carried, tmp_path):
    sd = moving()
    if carried == "file":
        again = SameDiff.load(sd.save(tmp_path / "graph.sdg"))
    else:
        again = sd.copy() if carried == "copy" else pickle.loads(pickle.dumps(sd))
    again.training_step(Sgd(0.0))(BATCHES[1])
    assert again["mean"].value == 0.25 * 2.5
    assert sd["mean"].value == 0.0


def test_a_call_that_fails_takes_it_back():
    sd = moving()
    before = dict(sd.marks.updates)
    with pytest.raises(ZeroDivisionError), sd.transaction():
        sd.update("mean", sd["mean"] + 1.0)
        raise ZeroDivisionError
    assert sd.marks.updates == before


def test_what_is_computed_for_it_only_is_no_loss():
    """An average of the loss, and a moving mean in a graph without loss ops."""
    sd = moving()
    average = sd.var("average", 0.0)
    sd.update(average, 0.9 * average + 0.1 * sd["loss"])
    assert [v.name for v in sd.loss_variables()] == ["loss"]
    plain = SameDiff()
    w, mean = plain.var("w", 1.0), plain.var("mean", 0.0)
    total = (w * w).sum(name="total")
    plain.update(mean, 0.5 * mean + 0.5 * w)
    assert plain.loss_variables() == [total]
