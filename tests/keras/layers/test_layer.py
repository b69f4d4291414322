"""Layers of one's own: how they are called, where their weights are, what they add to what is minimised."""

import gc
import weakref

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError
from sdgraph.keras import layers, ops


class Penalised(layers.Layer):
    def __init__(self, rate=1e-2):
        super().__init__()
        self.rate = rate

    def call(self, inputs):
        self.add_loss(self.rate * ops.sum(ops.square(inputs)))
        return inputs


class Scaled(layers.Layer):
    """With weights in attributes, lists and dicts."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")
        self.more = [self.add_weight((), "ones"), {"shift": self.add_weight((), "zeros", trainable=False)}]

    def call(self, inputs):
        return inputs * self.scale * self.more[0] + self.more[1]["shift"]


def points(rows=4, columns=3):
    return np.random.default_rng(0).normal(size=(rows, columns)).astype("float32")


def test_arrays_and_variables_give_the_same():
    layer = layers.Dense(2, activation="tanh")
    x = points()
    on_arrays = layer(x)
    assert isinstance(on_arrays, np.ndarray) and on_arrays.dtype == "float32"
    sd = SameDiff()
    v = sd.placeholder("x", (None, 3))
    np.testing.assert_array_equal(layer(v).eval({"x": x}), on_arrays)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(on_arrays, np.tanh(x @ kernel + bias), rtol=1e-6)


def test_nodes_are_under_the_name_of_the_layer():
    sd = SameDiff()
    y = layers.Dense(2, name="head")(sd.placeholder("x", (None, 3)))
    assert y.name.startswith("head/")
    assert {"head/kernel", "head/bias"} <= {v.name for v in sd.variables()}


def test_a_scope_that_is_open_is_around_it():
    sd = SameDiff()
    with sd.name_scope("tower"):
        layers.Dense(2, name="head")(sd.placeholder("x", (None, 3)))
    assert "tower/head/kernel" in {v.name for v in sd.variables()}


def test_weights_in_lists_and_dicts_are_those_of_the_graph():
    layer = Scaled()
    x = points()
    np.testing.assert_array_equal(layer(x), x)
    layer.set_weights([np.full(3, 2.0), 3.0, 1.0])
    np.testing.assert_allclose(layer(x), 6 * x + 1, rtol=1e-6)
    sd = SameDiff()
    v = sd.placeholder("x", (None, 3))
    np.testing.assert_allclose(layer(v).eval({"x": x}), 6 * x + 1, rtol=1e-6)
    assert [w.name.rpartition("/")[2] for w in layer.weights] == ["scale", "variable", "variable_1"]
    assert [w.name.rpartition("/")[2] for w in layer.non_trainable_weights] == ["variable_1"]


def test_an_unnamed_weight_is_called_like_its_attribute():
    class Shifted(layers.Layer):
        def build(self, input_shape):
            self.shift = self.add_weight(shape=(input_shape[-1],))

        def call(self, inputs):
            return inputs + self.shift

    layer = Shifted(name="s")
    layer(points())
    assert [w.name for w in layer.weights] == ["s/shift"]


def test_weights_that_init_makes():
    class Early(layers.Layer):
        def __init__(self):
            super().__init__()
            self.gain = self.add_weight((), "ones", name="gain")

        def call(self, inputs):
            return inputs * self.gain

    layer = Early()
    np.testing.assert_array_equal(layer(points()), points())
    x = keras.Input((3,))
    model = keras.Model(x, layer(x))
    layer.set_weights([2.0])
    np.testing.assert_array_equal(model.predict(points(), verbose=0), 2 * points())


def test_a_value_set_in_one_graph_is_there_in_all():
    layer = layers.Dense(2)
    graphs = [SameDiff(), SameDiff()]
    outs = [layer(sd.placeholder("x", (None, 3))) for sd in graphs]
    kernel = graphs[1].variables("variable")[0]
    graphs[1].set_value(kernel, np.ones((3, 2)))
    np.testing.assert_array_equal(layer.get_weights()[0], np.ones((3, 2)))
    np.testing.assert_allclose(outs[0].eval({"x": points()}), layer(points()), rtol=1e-6)


# ---------------------------------------------------------------------- losses


def test_losses_are_those_of_the_last_call():
    layer = Penalised()
    for _ in range(2):
        layer(np.ones((10, 10)))
        assert [float(v) for v in layer.losses] == pytest.approx([1.0])


def test_losses_of_layers_inside():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5))
            self.inner = Penalised(1.0)

        def call(self, inputs):
            return self.inner(self.dense(inputs))

    outer = Outer()
    outer(np.ones((1, 3)))
    assert [float(v) for v in outer.losses] == [18.0, 3.0]
    assert [float(v) for v in outer.inner.losses] == [18.0]
    assert [float(v) for v in outer.dense.losses] == [3.0]


def test_activity_regularizers_are_divided_by_the_batch():
    layer = layers.Dense(2, kernel_initializer="ones", activity_regularizer=keras.regularizers.L2(1.0))
    layer(np.ones((5, 3)))
    assert [float(v) for v in layer.losses] == [18.0]


def test_add_loss_outside_of_a_call():
    with pytest.raises(ArgumentError, match="not being called"):
        Penalised().add_loss(1.0)


# ---------------------------------------------------------------------- what goes wrong


def test_a_call_that_fails_leaves_nothing():
    class Bad(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def build(self, input_shape):
            self.w = self.add_weight((7, 7), name="w")

        def call(self, inputs):
            return ops.matmul(self.dense(inputs), self.w)

    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    before = len(sd.variables())
    layer = Bad()
    with pytest.raises(ShapeError):
        layer(x)
    assert len(sd.variables()) == before and not sd.layer_notes.calls
    assert not layer.built and not layer.dense.built and layer.weights == []
    with pytest.raises(ShapeError):
        layer(points())
    assert not layer.dense.built


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Layer()(points()), "does not say what it computes"),
        (lambda: layers.Dense(2)("x"), "called on variables of a graph, or on arrays"),
        (lambda: layers.Dense(2, unknown=1), "has no setting"),
        (lambda: layers.Dense(0), "units"),
        (lambda: layers.Dense(2, name="a/b"), "without '/'"),
        (lambda: layers.Dense(2, dtype="mixed_float16"), "cannot compute in this dtype"),
        (lambda: layers.Dense(2, kernel_constraint="non_neg"), "constraint"),
        (lambda: layers.Dense(2).set_weights(3), "Weights are a list"),
        (lambda: layers.Dense(2).set_weights([1.0]), "one array for each weight"),
    ],
)
def test_messages(call, message):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
        call()


def test_unknown_sizes_that_weights_need():
    with pytest.raises(ShapeError, match="not all known"):
        layers.Dense(2)(SameDiff().placeholder("x", (None, None)))


def test_set_weights_is_all_or_nothing():
    layer = layers.Dense(2)
    layer(points())
    before = layer.get_weights()
    with pytest.raises(ShapeError, match="bias"):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------- the rest


def test_dtypes():
    layer = layers.Dense(2)
    assert layer(points().astype("float64")).dtype == "float32"
    assert layers.Dense(2, dtype="float64")(points()).dtype == "float64"
    sd = SameDiff(dtype="float64")
    assert layers.Dense(2)(sd.placeholder("x", (None, 3))).dtype == "float64"


def test_frozen_weights_are_constants():
    sd = SameDiff()
    layer = layers.Dense(2)
    layer(sd.placeholder("x", (None, 3)))
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 2
    assert {v.kind.name for v in layer.weights} == {"CONSTANT"}
    layer.trainable = True
    assert len(layer.trainable_weights) == 2


def test_config_makes_such_a_layer():
    layer = layers.Dense(3, "relu", kernel_regularizer=keras.regularizers.L1(0.1), name="d", dtype="float64")
    config = layer.get_config()
    again = layers.Dense.from_config(config)
    assert again.get_config() == config
    assert (again.units, again.name, again.dtype) == (3, "d", "float64")


def test_names_count_from_the_start_in_a_new_session():
    keras.utils.clear_session()
    assert [layers.Dense(1).name for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    keras.utils.clear_session()
    assert layers.Dense(1).name == "dense"


def test_graphs_go_when_nobody_holds_them():
    layer = layers.Dense(2)
    layer(points())
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    seen = weakref.ref(model.sd)
    del model
    gc.collect()
    assert seen() is None


def test_arrays_of_many_shapes_are_computed():
    layer = layers.Dense(2)
    for n in range(1, 40):
        assert layer(points(n)).shape == (n, 2)
    assert len(layer._eager) <= 16


class OfLayers(layers.Layer):
    """A cell that is made of layers."""

    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = units
        self.now = layers.Dense(units, kernel_regularizer="l2")
        self.before = layers.Dense(units, use_bias=False)

    def call(self, inputs, states):
        h = ops.tanh(self.now(inputs) + self.before(states[0]))
        return h, [h]


def test_layers_in_a_loop_have_their_weights_outside_of_it():
    layer = layers.RNN(OfLayers(2))
    x = np.random.default_rng(1).normal(size=(3, 4, 5)).astype("float32")
    found = layer(x)
    kernel, bias, recurrent = layer.get_weights()
    h = np.zeros((3, 2))
    for k in range(4):
        h = np.tanh(x[:, k] @ kernel + bias + h @ recurrent)
    np.testing.assert_allclose(found, h, rtol=1e-5)
    assert [float(v) for v in layer.losses] == pytest.approx([0.01 * float((kernel**2).sum())], rel=1e-5)
    i = keras.Input((4, 5))
    model = keras.Model(i, layer(i))
    model.compile("sgd", "mse")
    model.fit(x, np.ones((3, 2)), verbose=0)
    assert not np.array_equal(layer.get_weights()[2], recurrent)


def test_terms_do_not_come_out_of_loops():
    class Bad(OfLayers):
        def call(self, inputs, states):
            self.add_loss(ops.sum(inputs))
            return super().call(inputs, states)

    with pytest.raises(ArgumentError, match="in a loop"):
        layers.RNN(Bad(2))(np.ones((1, 2, 3)))
