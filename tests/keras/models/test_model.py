"""Models that share layers, are parts of others, or have a call of their own."""

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.keras import layers, ops

rng = np.random.default_rng(0)
X4 = rng.normal(size=(16, 4)).astype("float32")
X6 = rng.normal(size=(16, 6)).astype("float32")
ONES = np.ones((16, 1), "float32")


class Joined(layers.Layer):
    def call(self, several):
        return ops.concatenate(several, axis=-1)


def told(model):
    return [w.copy() for w in model.get_weights()]


def same(a, b):
    return all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))


def test_an_autoencoder_and_its_halves():
    i = keras.Input((6,))
    code = layers.Dense(3, activation="relu")(i)
    decoder_layer = layers.Dense(6)
    whole = keras.Model(i, decoder_layer(code))
    encoder = keras.Model(i, code)
    j = keras.Input((3,))
    decoder = keras.Model(j, decoder_layer(j))
    assert decoder.sd is not whole.sd and encoder.sd is whole.sd
    whole.compile("adam", "mse")
    whole.fit(X6, X6, epochs=2, verbose=0)
    halves = decoder.predict(encoder.predict(X6, verbose=0), verbose=0)
    np.testing.assert_allclose(halves, whole.predict(X6, verbose=0), rtol=1e-6, atol=1e-7)


def test_adversaries():
    generator = keras.Sequential([layers.Dense(8, input_shape=(4,), activation="relu"), layers.Dense(2)])
    critic = keras.Sequential([layers.Dense(8, input_shape=(2,)), layers.Dense(1, activation="sigmoid")])
    critic.compile("adam", "binary_crossentropy")
    critic.trainable = False
    both = keras.Sequential([generator, critic])
    both.compile("adam", "binary_crossentropy")
    of_critic, of_generator = told(critic), told(generator)
    both.train_on_batch(X4, ONES)
    assert same(of_critic, told(critic)) and not same(of_generator, told(generator))
    critic.trainable = True
    critic.train_on_batch(X4[:, :2], ONES)
    assert not same(of_critic, told(critic))
    expected = critic.predict(generator.predict(X4, verbose=0), verbose=0)
    np.testing.assert_allclose(both.predict(X4, verbose=0), expected, rtol=1e-6)


def of_inputs(n):
    x = keras.Input((n,))
    return keras.Model(x, layers.Dense(3)(x))


def test_outputs_of_models_of_different_graphs_go_on_together():
    a, b = of_inputs(4), of_inputs(6)
    assert a.sd is not b.sd
    z = layers.Dense(1)(Joined()([a.output, b.output]))
    model = keras.Model([a.input, b.input], z)
    model.compile("sgd", "mse")
    before = told(b)
    model.fit([X4, X6], ONES, verbose=0)
    assert not same(before, told(b))
    kernel, bias = b.get_weights()
    np.testing.assert_allclose(b.predict(X6, verbose=0), X6 @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_a_frozen_base_and_then_fine_tuning():
    base = keras.Sequential([layers.Dense(8, input_shape=(4,)), layers.Dense(5)])
    base.trainable = False
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1)(base(x, training=False)))
    model.compile("adam", "mse")
    before = told(base)
    model.fit(X4, ONES, verbose=0)
    assert same(before, told(base))
    base.trainable = True
    model.compile("sgd", "mse")
    model.fit(X4, ONES, verbose=0)
    assert not same(before, told(base))


def test_a_layer_called_twice_has_one_set_of_weights():
    shared = layers.Dense(3)
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], Joined()([shared(a), shared(b)]))
    assert len(model.weights) == 2
    found = model.predict([X4, X4], verbose=0)
    np.testing.assert_array_equal(found[:, :3], found[:, 3:])


def test_ops_between_layers():
    x = keras.Input((4,))
    h = layers.Dense(3)(x)
    model = keras.Model(x, layers.Dense(1)(ops.relu(h) * 2.0 + 1.0))
    kernel, bias, head, end = model.get_weights()
    expected = (np.maximum(X4 @ kernel + bias, 0) * 2 + 1) @ head + end
    np.testing.assert_allclose(model(X4), expected, rtol=1e-5, atol=1e-6)
    j = keras.Input((4,))
    np.testing.assert_allclose(keras.Model(j, model(j)).predict(X4, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_several_outputs_by_name():
    x = keras.Input((4,))
    h = layers.Dense(4)(x)
    model = keras.Model(x, {"a": layers.Dense(1)(h), "b": layers.Dense(3, activation="softmax")(h)})
    model.compile(
        "adam", {"a": "mse", "b": "sparse_categorical_crossentropy"}, {"a": 0.5, "b": 1.0}, {"b": ["accuracy"]}
    )
    history = model.fit(X4, {"a": ONES, "b": rng.integers(0, 3, 16)}, verbose=0).history
    assert sorted(history) == ["a_loss", "b_accuracy", "b_loss", "loss"]
    assert {k: v.shape for k, v in model(X4).items()} == {"a": (16, 1), "b": (16, 3)}


class Mixing(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(3)
        self.rest = [layers.Dense(2), layers.Dense(1)]

    def call(self, inputs, training=False):
        h = self.first(inputs["x"]) + self.first(inputs["y"])
        if training:
            h = h + 1.0
        for layer in self.rest:
            h = layer(h)
        return h


def test_a_subclass_gets_its_inputs_with_the_data():
    model = Mixing()
    assert not model.connected
    data = {"x": X4, "y": X4}
    model.compile("sgd", "mse")
    model.fit(data, ONES, epochs=2, verbose=0)
    assert [layer.name for layer in model.layers] == [model.first.name, *(one.name for one in model.rest)]
    assert model.predict(data, verbose=0).shape == (16, 1) and len(model.weights) == 6


def test_what_a_subclass_does_in_training():
    model = Mixing()
    data = {"x": X4, "y": X4}
    model.compile(keras.optimizers.SGD(0.0), "mse")
    in_training = model.train_on_batch(data, ONES)
    out = model.predict(data, verbose=0)
    assert model.evaluate(data, ONES, verbose=0) == pytest.approx(float(np.mean((out - ONES) ** 2)), rel=1e-5)
    value, _ = model.value_and_gradients(data, ONES, "mse", training=True)
    assert float(value) == pytest.approx(in_training, rel=1e-5)
    assert in_training != pytest.approx(model.evaluate(data, ONES, verbose=0), rel=1e-3)


def test_gradients_are_those_of_differences():
    x = keras.Input((4,), dtype="float64", sd=SameDiff(dtype="float64"))
    model = keras.Model(x, layers.Dense(2, activation="tanh", kernel_regularizer="l2")(x))
    y = rng.normal(size=(16, 2))
    loss = keras.losses.MeanSquaredError(dtype="float64")
    _, gradients = model.value_and_gradients(X4, y, loss)
    weights = model.get_weights()
    for k, g in enumerate(gradients):
        for at in np.ndindex(g.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = [w.copy() for w in weights]
                moved[k][at] += step
                model.set_weights(moved)
                values.append(float(model.value_and_gradients(X4, y, loss)[0]))
            assert g[at] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_a_loop_of_ones_own_trains_as_fit_does():
    def model():
        made = keras.Sequential([layers.Dense(3, input_shape=(4,)), layers.Activation("softmax")])
        made.set_weights([np.full((4, 3), 0.1), np.arange(3.0)])
        return made

    y = np.eye(3)[rng.integers(0, 3, 16)]
    by_hand, by_fit = model(), model()
    optimizer, loss = keras.optimizers.Adam(0.1), keras.losses.CategoricalCrossentropy()
    for _ in range(5):
        _, gradients = by_hand.value_and_gradients(X4, y, loss)
        optimizer.apply_gradients(zip(gradients, by_hand.trainable_weights, strict=True))
    by_fit.compile(keras.optimizers.Adam(0.1), loss)
    by_fit.fit(X4, y, epochs=5, batch_size=16, verbose=0)
    for a, b in zip(by_hand.get_weights(), by_fit.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_a_sequential_that_knows_nothing_yet():
    model = keras.Sequential([layers.Dense(3), layers.Dense(1)])
    with pytest.raises(ArgumentError, match="no inputs and outputs yet"):
        _ = model.output
    model.compile("sgd", "mse")
    model.fit(X4, ONES, verbose=0)
    assert model.output_shape == (None, 1)
    other = keras.Sequential([layers.Dense(3)])
    other.build((None, 5))
    assert other.count_params() == 18
    assert keras.Sequential([layers.Dense(3)])(X4).shape == (16, 3)


def test_pop():
    model = keras.Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(1)])
    first = model.get_weights()[0]
    model.pop()
    assert model.output_shape == (None, 3)
    np.testing.assert_array_equal(model.get_weights()[0], first)
    with pytest.raises(ArgumentError, match="no layers"):
        keras.Sequential().pop()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.Sequential().add(layers.Dense), "made of layers"),
        (lambda: keras.Sequential(layers.Dense(1)), "are a list"),
        (lambda: keras.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]), "different names"),
        (lambda: keras.Sequential([layers.Dense(1), keras.Input((3,))]), "comes first"),
        (lambda: keras.Model(), "has inputs and outputs"),
        (lambda: keras.Input(), "has a shape"),
        (lambda: of_inputs(4).get_layer("nobody"), "There is no layer"),
        (lambda: of_inputs(4)([X4, X4]), "has 1 inputs"),
    ],
)
def test_messages(make, message):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
        make()


def test_a_rejected_layer_is_not_added():
    class Bad(layers.Layer):
        def call(self, inputs):
            return ops.matmul(inputs, ops.ones((7, 7)))

    model = keras.Sequential([layers.Dense(3, input_shape=(4,))])
    nodes = len(model.sd.variables())
    with pytest.raises(ValueError, match="inner dimensions"):
        model.add(Bad())
    assert len(model.layers) == 1 and len(model.sd.variables()) == nodes
    assert model.predict(X4, verbose=0).shape == (16, 3)


def test_summary():
    lines = []
    model = keras.Sequential([layers.Dense(3, input_shape=(4,), name="first"), layers.Dense(1, name="last")], name="m")
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert lines[0] == 'Model: "m"'
    assert "first (Dense)" in text and "(None, 3)" in text and "Total params: 19 (76.00 B)" in text


def test_layers_are_found_by_name_and_place():
    model = keras.Sequential([layers.Dense(3, input_shape=(4,), name="first"), layers.Dense(1)])
    assert model.get_layer("first") is model.get_layer(index=0) is model.layers[0]
    assert model.get_layer("first").compute_dtype == "float32"


def normalised():
    x = keras.Input((4,))
    h = layers.BatchNormalization(momentum=0.5)(x)
    return keras.Model(x, layers.Dense(1, kernel_initializer="ones")(h))


def test_normalisation_that_is_frozen_after_it_was_called():
    model = normalised()
    layer = model.layers[1]
    layer.trainable = False
    model.compile("sgd", "mse")
    before = layer.get_weights()
    loss = model.train_on_batch(X4, ONES)
    assert same(before, layer.get_weights())
    out = (X4 / np.sqrt(1.001)).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(float(np.mean((out - ONES) ** 2)), rel=1e-5)
    layer.trainable = True
    model.compile("sgd", "mse")
    model.train_on_batch(X4, ONES)
    mean = layer.get_weights()[2]
    np.testing.assert_allclose(mean, 0.5 * X4.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_normalisation_that_is_called_twice_moves_twice():
    layer = layers.BatchNormalization(momentum=0.5)
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Dense(1)(Joined()([layer(a), layer(b)])))
    model.compile("sgd", "mse")
    other = X6[:, :4]
    model.train_on_batch([X4, other], ONES)
    expected = 0.5 * (0.5 * X4.mean(axis=0)) + 0.5 * other.mean(axis=0)
    np.testing.assert_allclose(layer.get_weights()[2], expected, rtol=1e-4, atol=1e-6)


def test_normalisation_within_a_call_that_failed():
    class Failing(layers.Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, inputs):
            return ops.matmul(self.inner(inputs), ops.ones((9, 9)))

    layer = layers.BatchNormalization(momentum=0.5)
    x = keras.Input((4,))
    first = layer(x)
    with pytest.raises(ValueError, match="inner dimensions"):
        Failing(layer)(x)
    model = keras.Model(x, layers.Dense(1)(Joined()([first, layer(x)])))
    model.compile("sgd", "mse")
    model.train_on_batch(X4, ONES)
    np.testing.assert_allclose(layer.get_weights()[2], 0.75 * X4.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_a_normalisation_of_two_models_of_one_graph_moves_with_the_one_that_is_trained():
    layer = layers.BatchNormalization(momentum=0.5)
    a, b = keras.Input((4,)), keras.Input((4,))
    first, second = layer(a), layer(b)
    one, two = keras.Model(a, layers.Dense(1)(first)), keras.Model(b, layers.Dense(1)(second))
    assert one.sd is two.sd
    for model in (one, two):
        model.compile("sgd", "mse")
    one.train_on_batch(X4, ONES)
    np.testing.assert_allclose(layer.get_weights()[2], 0.5 * X4.mean(axis=0), rtol=1e-4, atol=1e-6)
    two.train_on_batch(X4, ONES)
    np.testing.assert_allclose(layer.get_weights()[2], 0.75 * X4.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_a_list_of_one_output_is_that_output():
    x = keras.Input((3,))
    model = keras.Model([x], [layers.Dense(2)(x)])
    ones = np.ones((4, 3), "float32")
    assert model.output_shape == (None, 2)
    assert model.predict(ones, verbose=0).shape == model(ones).shape == model.predict_on_batch(ones).shape == (4, 2)
    named = keras.Model(x, {"a": layers.Dense(2)(x)})
    assert list(named.predict(ones, verbose=0)) == ["a"]


def test_a_model_may_end_at_a_layer_of_another():
    model = keras.Sequential([layers.Dense(3, input_shape=(4,), name="first"), layers.Dense(1)])
    ends = keras.Model(model.inputs, [layer.output for layer in model.layers])
    kernel, bias = model.layers[0].get_weights()
    found, last = ends.predict(X4, verbose=0)
    np.testing.assert_allclose(found, X4 @ kernel + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(last, model.predict(X4, verbose=0))
    assert model.layers[0].input == model.input
    with pytest.raises(ArgumentError, match="no input and no output"):
        _ = layers.Dense(2).output


@pytest.mark.parametrize("name", ["Initializer", "Loss", "Metric", "Optimizer", "Regularizer"])
def test_classes_to_derive_from_are_where_keras_has_them(name):
    assert isinstance(getattr(keras, name), type)


@pytest.mark.parametrize("name", ["", "a/b", "x\n", 3])
def test_names_of_weights(name):
    class Named(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight((), name=name)

    with pytest.raises((ArgumentTypeError, ValueError), match="name"):
        Named()(X4)
