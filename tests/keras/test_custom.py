"""Losses of one's own: subclasses and functions."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import losses

Y = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
P = np.array([[1.5, 2.0], [2.0, 6.0], [1.0, 1.0]])
EACH = ((Y - P) ** 2).mean(-1)


class Squares(losses.Loss):
    def call(self, y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean(-1)


def squares(y_true, y_pred):
    return y_pred.sd.math.square(y_true - y_pred).mean(axis=-1)


def composed(y_true, y_pred):
    return losses.mean_squared_error(y_true, y_pred) + 0 * losses.Huber(reduction="none")(y_true, y_pred)


WRITTEN = {
    "class": Squares,
    "function": lambda **k: losses.LossFunctionWrapper(squares, **k),
    "composed": lambda **k: losses.LossFunctionWrapper(composed, **k),
    "lambda": lambda **k: losses.LossFunctionWrapper(lambda y, p: ((y - p) ** 2).mean(-1), **k),
}


@pytest.mark.parametrize("make", WRITTEN.values(), ids=WRITTEN)
def test_weights_masks_and_reductions_are_handled(make):
    w, m = [1.0, 0.5, 2.0], [True, True, False]
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none"):
        for kind in ({}, {"sample_weight": w}, {"mask": m}, {"sample_weight": w, "mask": m}):
            want = losses.MeanSquaredError(reduction=reduction)(Y, P, **kind)
            np.testing.assert_allclose(make(reduction=reduction)(Y, P, **kind), want)
            sd = SameDiff(dtype="float64")
            p = sd.var("p", P)
            out = make(reduction=reduction)(Y, p, **kind)
            np.testing.assert_allclose(out.eval(), want)
            reference = losses.MeanSquaredError(reduction=reduction)(Y, p, **kind)
            np.testing.assert_allclose(sd.grad(out, p).eval(), sd.grad(reference, p).eval())


@pytest.mark.parametrize("make", WRITTEN.values(), ids=WRITTEN)
def test_it_is_the_one_loss_of_its_graph(make):
    sd = SameDiff(dtype="float64")
    p = sd.var("p", P)
    loss = make(name="mine")(Y, p)
    assert sd.loss_variables() == [loss]
    assert loss.name == "mine"
    assert all(v.name.startswith("mine") or v.id <= p.id or v.op_name is None for v in sd.variables())
    np.testing.assert_allclose(sd.calculate_gradients()["p"], (P - Y) / 3)
    assert make(name="mine")(Y, p).name == "mine_1"


def test_ranks_are_matched_for_functions():
    y, p = np.array([1.0, 2.0]), np.array([[2.0], [4.0]])
    assert losses.LossFunctionWrapper(squares, reduction="none")(y, p).shape == (2,)
    np.testing.assert_allclose(losses.LossFunctionWrapper(squares)(y, p), 2.5)


def test_labels_are_cast_and_integers_do_not_truncate():
    seen = []

    def look(y_true, y_pred):
        seen.append((y_true.dtype, y_pred.dtype))
        return y_pred - y_true

    losses.LossFunctionWrapper(look)(np.array([[1]]), np.array([[2.5]]))
    losses.LossFunctionWrapper(look)(np.array([[1.5]]), np.array([[2]]))
    losses.LossFunctionWrapper(look, dtype="float32")(np.array([[1.5]]), np.array([[2.0]]))
    assert seen == [(np.float64, np.float64), (np.float64, np.float64), (np.float32, np.float32)]


def test_a_loss_may_close_over_variables_of_the_graph():
    sd = SameDiff(dtype="float64")
    w = sd.var("w", [[1.0], [2.0]])
    x = sd.constant("x", np.eye(2))

    def penalised(y_true, y_pred):
        return losses.mean_squared_error(y_true, y_pred) + (w * w).sum()

    loss = losses.LossFunctionWrapper(penalised)(np.zeros((2, 1)), x @ w)
    np.testing.assert_allclose(loss.eval(), 2.5 + 5)
    np.testing.assert_allclose(sd.calculate_gradients()["w"], [[3.0], [6.0]])


def test_settings_reach_the_function():
    def power(y_true, y_pred, exponent, scale=1.0):
        return scale * (abs(y_true - y_pred) ** exponent).mean(-1)

    loss = losses.LossFunctionWrapper(power, exponent=2, scale=3.0)
    np.testing.assert_allclose(loss(Y, P), 3 * EACH.mean())
    assert loss.name == "power"
    assert loss.get_config()["exponent"] == 2


def test_settings_may_change_between_calls():
    class Scaled(losses.Loss):
        scale = 1.0

        def call(self, y_true, y_pred):
            return self.scale * (y_true - y_pred)

    loss = Scaled()
    assert loss([2.0], [1.0]) == 1.0
    loss.scale = 3.0
    assert loss([2.0], [1.0]) == 3.0
    huber = losses.Huber()
    huber.delta = 0.5
    np.testing.assert_allclose(huber(Y, P), losses.Huber(0.5)(Y, P))


def test_a_built_in_loss_may_be_subclassed():
    class Half(losses.Huber):
        def call(self, y_true, y_pred):
            return 0.5 * super().call(y_true, y_pred)

    half = Half(delta=0.5, reduction="sum")
    np.testing.assert_allclose(half(Y, P), 0.5 * losses.Huber(0.5, "sum")(Y, P))
    assert half.get_config() == losses.Huber(0.5, "sum").get_config()

    class Named(losses.MeanSquaredError):
        pass

    np.testing.assert_allclose(Named()(Y, P), EACH.mean())


def test_automatic_names_count():
    class SomeHTTPLoss(losses.Loss):
        pass

    assert [SomeHTTPLoss().name for _ in range(2)] == ["some_http_loss", "some_http_loss_1"]


def test_numpy_in_a_loss_says_what_to_use():
    loss = losses.LossFunctionWrapper(lambda y, p: np.mean((y - p) ** 2, axis=-1))
    with pytest.raises(TypeError):
        loss(Y, P)


def test_repr_shows_the_settings():
    assert repr(losses.Huber(delta=2.0)) == "Huber(name='huber_loss', reduction='sum_over_batch_size', delta=2.0)"
