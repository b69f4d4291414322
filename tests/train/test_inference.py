"""What a graph computes where it is used, not trained: prediction, evaluation, validation."""

import numpy as np
import pytest

from sdgraph import Namespace, Operand, SameDiff, composite
from sdgraph.errors import ArgumentError, FeedError, GradientError, NumericsError
from sdgraph.train import Sgd

X = np.random.default_rng(3).normal(size=(23, 4))
Y = X.sum(1)


class Blocks(Namespace, prefix="blocks_of_test_inference"):
    @composite
    def block(self, x: Operand, w: Operand, *, name=None):
        return self.sd.nn.dropout(self.sd.math.tanh(x @ w), 0.5)

    @composite
    def halves(self, x: Operand, *, name=None):
        return self.sd.nn.dropout(x, 0.5) + 1.0, 2.0 * x


class Layers(Namespace, prefix="layers_of_test_inference"):
    @composite(inference=lambda x, mean, spread, **_: ((x - mean) / spread, mean, spread))
    def normalized(self, x: Operand, mean: Operand, spread: Operand, *, keep: float = 0.9, name=None):
        m, s = x.mean(0), self.sd.math.sqrt(((x - x.mean(0)) ** 2).mean(0))
        return (x - m) / s, keep * mean + (1 - keep) * m, keep * spread + (1 - keep) * s


def network():
    """A model with dropout, and one with statistics that are moved after each step."""
    sd = SameDiff(dtype="float64", seed=9)
    x, y = sd.placeholder("x", (None, 4)), sd.placeholder("y", (None,))
    mean, spread = sd.var("mean", np.zeros(4)), sd.var("spread", np.ones(4))
    normal, next_mean, next_spread = Layers(sd).normalized(x, mean, spread, keep=0.5)
    sd.update(mean, next_mean)
    sd.update(spread, next_spread)
    w = sd.var("w", np.array([0.5, -1.0, 2.0, 0.25]))
    p = (sd.nn.dropout(normal, 0.5) @ w).rename("p")
    sd.loss.mean_squared_error(y, p, name="loss")
    sd.math.abs(y - p, name="off")
    return sd


def used(sd, x):
    """What the model predicts, in numpy."""
    return ((x - sd["mean"].value) / sd["spread"].value) @ sd["w"].value


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_prediction_is_without_what_only_hinders_learning(engine, batch_size):
    sd = network()
    sd.fit((X, Y), updater=Sgd(0.01), batch_size=8)
    assert sd["mean"].value.any()
    found = sd.predict(X, "p", batch_size=batch_size, engine=engine)
    np.testing.assert_allclose(found, used(sd, X), rtol=1e-13)


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_evaluation_is_the_mean_over_examples(engine):
    sd = network()
    off = used(sd, X) - Y
    found = sd.evaluate((X, Y), metrics={"error": "off"}, batch_size=5, engine=engine)
    assert found == pytest.approx({"loss": np.mean(off**2), "error": np.mean(np.abs(off))}, rel=1e-13)


def test_validation_is_what_evaluation_gives():
    sd = network()
    history = sd.fit((X, Y), updater=Sgd(0.01), validation=(X[:7], Y[:7]), metrics="off", batch_size=4)
    assert history[-1]["val_loss"] == sd.evaluate((X[:7], Y[:7]), metrics="off", batch_size=4)["loss"]


def test_validation_and_evaluation_do_not_change_training():
    plain, watched = network(), network()
    plain.fit((X, Y), updater=Sgd(0.01), epochs=3)
    watched.fit((X, Y), updater=Sgd(0.01), epochs=3, validation=(X, Y), callbacks=[lambda *_: watched.evaluate((X, Y))])
    for v in plain.trainable_variables():
        assert v.value.tobytes() == watched[v.name].value.tobytes()


def test_several_predictions_come_by_name():
    sd = network()
    found = sd.predict({"x": X, "y": Y}, ["p", "off"], batch_size=6)
    np.testing.assert_allclose(found["off"], np.abs(found["p"] - Y), rtol=1e-13)


def test_what_is_not_there_for_each_example_is_no_prediction():
    sd = network()
    with pytest.raises(ArgumentError, match="'loss' does not have one value"):
        sd.predict((X, Y), "loss")
    with pytest.raises(ArgumentError, match="'w' does not have one value"):
        sd.predict(X, ["p", "w"])


def test_evaluation_without_a_loss_needs_metrics():
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    sd.math.abs(x, name="size"), (2 * x).rename("double")
    with pytest.raises(GradientError):
        sd.evaluate(np.ones(3, "float32"))
    assert sd.evaluate(np.array([1.0, -3.0], "float32"), metrics=["size"]) == {"size": 2.0}


def test_data_that_do_not_fit_are_refused():
    sd = network()
    with pytest.raises(FeedError, match="'y'"):
        sd.evaluate({"x": X})
    with pytest.raises(FeedError, match="'x'"):
        sd.predict(X[:, :3], "p")


def test_a_second_prediction_has_nothing_to_compile():
    sd = network()
    sd.predict(X, "p")
    kept = dict(sd.marks.executables)
    sd["w"].value = np.zeros(4)
    assert not sd.predict(X, "p").any() and dict(sd.marks.executables) == kept
    # What evaluates a variable otherwise is another function.
    assert sd["p"].eval({"x": X}).shape == (23,) and len(sd.marks.executables) == len(kept) + 1


def test_numbers_can_be_looked_at_there_too():
    sd = network()
    with sd.check_numerics(), pytest.raises(NumericsError):
        sd.predict(X * np.inf, "p")


# ---------------------------------------------------------------------- as a graph


def layered():
    """All kinds: dropout, several outputs with statistics, and composites that have such inside."""
    sd = network()
    w = sd.var("v", np.linspace(-1, 1, 8).reshape(4, 2))
    q = Blocks(sd).block(sd["x"], w, name="q")
    a, b = Blocks(sd).halves(q)
    sd.math.add(a, b, name="r")
    sd.nn.softmax(q, name="s")
    return sd


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_the_form_for_inference_is_a_graph(engine, tmp_path):
    sd = layered()
    sd.fit((X, Y), updater=Sgd(0.01), batch_size=8)
    copy = sd.inference_copy()
    used_ = {name: sd.compile(name, engine, inference=True)(x=X)[name] for name in "pqrs"}
    for graph in (copy, SameDiff.load(copy.save(tmp_path / "used.sdg"), ops=[Layers, Blocks])):
        assert not [n for n in graph.nodes if n.op.inference is not None]
        assert {v.name for v in sd.variables()} - {"normalized", "halves"} <= {v.name for v in graph.variables()}
        for name, value in used_.items():
            np.testing.assert_allclose(graph.compile(name, engine)(x=X)[name], value, rtol=1e-15)
    np.testing.assert_allclose(used_["p"], used(sd, X), rtol=1e-13)
    assert copy["s"].node.op.qualname == "nn.softmax" and copy["q"].shape == sd["q"].shape
    assert [v.name for v in copy.loss_variables()] == [v.name for v in sd.loss_variables()]


def test_the_copy_is_independent_and_has_no_gradients_of_training():
    sd = layered()
    gradient = sd.grad("loss", "w")
    read = (gradient * 2.0).rename("read")
    copy = sd.inference_copy()
    copy["w"].value = np.zeros(4)
    assert sd["w"].value.any() and copy["p"].eval({"x": X}).any() is np.False_
    assert copy["read"].eval({"x": X, "y": Y}).shape == read.shape
    without = network()
    without.grad("loss", "w")
    assert not without.inference_copy().marks.gradient_spans
    # What is differentiated is the form for inference.
    g = without.inference_copy().calculate_gradients({"x": X, "y": Y}, ["w"])["w"]
    np.testing.assert_allclose(g, 2 * X.T @ (X @ without["w"].value - Y) / len(X), rtol=1e-12)
    assert not copy.marks.updates and sd.marks.updates
