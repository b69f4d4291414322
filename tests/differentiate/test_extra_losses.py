"""Extra loss terms: `SameDiff.add_loss` and `SameDiff.losses`."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError, GradientError


def test_a_term_takes_part_in_gradients_and_does_not_pile_up():
    sd = SameDiff(dtype="float64")
    w = sd.var("w", [1.0, 2.0])
    loss = sd.loss.mean_squared_error([0.0, 0.0], w, name="loss")
    term = sd.add_loss(0.5 * (w * w).sum(name="squares"))
    assert sd.add_loss(term) == term
    assert sd.losses == [term]
    assert sd.loss_variables() == [loss, term]
    for _ in range(3):
        np.testing.assert_allclose(sd.calculate_gradients()["w"], [2.0, 4.0])
        assert sd.losses == [term]
        np.testing.assert_allclose(sd.output()[term.name], 2.5)


def test_a_layer_function_adds_its_penalty():
    def dense(x, units):
        sd = x.sd
        w = sd.var(sd.names.free("w"), np.ones((x.shape[1], units)))
        sd.add_loss(0.01 * sd.loss.l2_loss(w))
        return x @ w

    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", shape=(None, 2))
    y = sd.placeholder("y", shape=(None, 1))
    out = dense(dense(x, 3), 1)
    loss = sd.loss.mean_squared_error(y, out)
    assert len(sd.losses) == 2
    assert sd.loss_variables() == [loss, *sd.losses]
    feeds = {"x": [[0.0, 0.0]], "y": [[0.0]]}
    np.testing.assert_allclose(sd.calculate_gradients(feeds, ["w"])["w"], np.full((2, 3), 0.01))


def testexplicit_losses_keep_the_terms():
    sd = SameDiff()
    w = sd.var("w", 3.0)
    a, b = w * 2, w * w
    sd.set_loss_variables(a)
    sd.add_loss(b)
    assert sd.loss_variables() == [a, b]
    sd.set_loss_variables(b)
    assert sd.loss_variables() == [b]


def test_terms_alone_are_the_loss_only_if_nothing_else_could_be():
    sd = SameDiff()
    w = sd.var("w", 3.0)
    term = sd.add_loss(w * w)
    assert sd.loss_variables() == [term]
    prediction = w + 1
    with pytest.raises(GradientError, match="extra loss terms"):
        sd.loss_variables()
    sd.set_loss_variables(prediction)
    assert sd.loss_variables() == [prediction, term]


@pytest.mark.parametrize("make", [lambda sd: sd.placeholder("x"), lambda sd: sd.var("w", 1.0).gt(0)])
def test_what_cannot_be_a_loss_is_refused(make):
    sd = SameDiff()
    with pytest.raises(GradientError, match="cannot be a loss"):
        sd.add_loss(make(sd))
    assert sd.losses == []
    with pytest.raises(ArgumentTypeError):
        sd.add_loss(3.0)


def test_a_copy_has_its_own_terms():
    sd = SameDiff()
    w = sd.var("w", 3.0)
    term = sd.add_loss(w * w)
    other = sd.copy()
    other.add_loss(other["w"] * 2)
    assert sd.losses == [term]
    assert [v.name for v in other.losses] == [term.name, "mul_1"]
