"""What people do wrong with layers: what is said, and that nothing is changed by it."""

import copy
import pickle

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, ShapeError
from sdgraph.keras import layers

X = np.ones((4, 3), "f4")
PAIR = [X, X]


@pytest.mark.parametrize(
    ("layer", "args", "message"),
    [
        (layers.Dense(2), (X, X), r"too many positional arguments.(.|\n)*float32 \(4, 3\)(.|\n)*layer\(inputs\)"),
        (layers.Dense(2), (PAIR,), "takes one array or variable as inputs"),
        (layers.Dense(2), ({"a": X},), "takes one array or variable as inputs"),
        (layers.Dense(2), (np.array(1.0),), "inputs of another rank"),
        (layers.Permute((2, 1)), (np.ones(3),), "another rank(.|\n)*3 axes, with the batch"),
        (layers.Add(), ([X, "x"],), "is called on a list of inputs"),
        (layers.Dropout(0.5), (PAIR,), "takes one array or variable as inputs"),
        (layers.Embedding(3, 2), (PAIR,), "takes one array or variable as inputs"),
        (layers.Dense(2), ("x",), "is called on variables of a graph, or on arrays"),
        (layers.Dense(2), (), "is called on variables of a graph, or on arrays"),
    ],
)
def test_a_call_on_what_a_layer_does_not_take(layer, args, message):
    with pytest.raises((ArgumentTypeError, ShapeError), match=message) as caught:
        layer(*args)
    assert "test_misuse.py" in str(caught.value)
    assert not layer.built
    assert not layer.own_weights()


def test_a_call_with_a_keyword_that_is_none_of_its_own():
    with pytest.raises(ArgumentTypeError, match="unexpected keyword argument 'foo'"):
        layers.Dense(2)(X, foo=3)
    with pytest.raises(ArgumentTypeError, match="as mask"):
        layers.BatchNormalization()(X, mask=3)


@pytest.mark.parametrize(
    "made",
    [
        lambda: layers.Dense(2, input_shape=1.5),
        lambda: layers.Dense(2, batch_shape=0.5),
        lambda: layers.Permute(None),
        lambda: layers.Lambda(abs, arguments="x"),
        lambda: layers.ActivityRegularization(activity_regularizer=None),
        lambda: layers.Dense(2, kernel_regularizer=lambda w: None)(X),
        lambda: layers.Dense(2, activity_regularizer=lambda w: w)(X),
        lambda: layers.Dense(2, activity_regularizer=int)(X),
    ],
)
def test_settings_of_the_wrong_kind(made):
    with pytest.raises(SDGraphError, match=r"."):
        made()


class NotSetUp(layers.Layer):
    def __init__(self):
        self.units = 3

    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "use",
    [
        lambda layer: layer(X),
        lambda layer: layer.weights,
        lambda layer: layer.name,
        lambda layer: layer.count_params(),
        lambda layer: layer.get_config(),
        lambda layer: keras.Sequential([layer]),
        repr,
    ],
)
def test_a_layer_that_was_not_set_up(use):
    with pytest.raises(SDGraphError, match=r"NotSetUp was not set up(.|\n)*Call super\(\).__init__\(\) first"):
        use(NotSetUp())


class Failing(layers.Layer):
    def __init__(self, error, where):
        super().__init__()
        self.error, self.where = error, where

    def build(self, input_shape):
        self.scale = self.add_weight((3,))
        if self.error and self.where == "build":
            raise self.error

    def call(self, inputs):
        out = inputs * self.scale
        if self.error and self.where == "call":
            raise self.error
        return out


@pytest.mark.parametrize("where", ["build", "call"])
@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()], ids=["an error", "Ctrl-C"])
def test_a_call_that_ends_early_leaves_nothing(where, error):
    layer, sd = Failing(error, where), SameDiff()
    x = sd.placeholder("x", (None, 3))
    before = len(sd.nodes)
    for given in (X, x):
        with pytest.raises(type(error)) as caught:
            layer(given)
        assert caught.value is error
        assert len(sd.nodes) == before
        assert not layer.built
        assert not layer.own_weights()
    layer.error = None
    assert layer(x).shape == (None, 3)
    assert layer(X).shape == (4, 3)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_of_a_layer_has_weights_of_its_own(copied):
    layer = layers.Dense(2)
    before = layer(X)
    other = copied(layer)
    np.testing.assert_array_equal(other(X), before)
    other.set_weights([np.zeros((3, 2)), np.zeros(2)])
    np.testing.assert_array_equal(other(X), np.zeros((4, 2)))
    np.testing.assert_array_equal(layer(X), before)
    assert copied(layers.Dense(2))(X).shape == (4, 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, pickle.dumps])
def test_a_model_is_not_copied(copied):
    model = keras.Sequential([layers.Dense(2, input_shape=(3,))])
    with pytest.raises(ArgumentTypeError, match=r"cannot be copied or pickled(.|\n)*set_weights"):
        copied(model)


@pytest.mark.parametrize(
    "weights",
    [
        None,
        [],
        [[[1], [1, 2]], [1]],
        [object(), object()],
        [np.ones((3, 2)) * 1j, np.ones(2)],
        [[["a", "b"]] * 3, [0, 0]],
        [[[10**400, 0]] * 3, [0, 0]],
        [np.ones((3, 2)), np.ones(3)],
    ],
)
def test_weights_that_do_not_fit(weights):
    layer = layers.Dense(2)
    before = layer(X)
    with pytest.raises(SDGraphError):
        layer.set_weights(weights)
    np.testing.assert_array_equal(layer(X), before)


@pytest.mark.parametrize("asked", [("x",), (None,), (3,), (None, 9), (None, "x"), (None, 1.5), ("x", 3)])
def test_layers_that_a_model_has_not(asked):
    model = keras.Sequential([layers.Dense(2, input_shape=(3,))])
    with pytest.raises((ArgumentError, ArgumentTypeError)):
        model.get_layer(*asked)
