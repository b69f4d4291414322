"""Models that are written here, opened by Keras; and what Keras writes of them, opened here."""

import numpy as np
import pytest

from sdgraph import keras as ours
from sdgraph.keras import layers
from tests.keras.keras_itself import keras
from tests.keras.models.exported_layers import TABLE, model_of

pytest.importorskip("h5py")
pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' own arrays.
    # An optimizer begins anew, which Keras says.
    pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer"),
]
RTOL = 2e-5
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "line" else name for name in TABLE]
"""Keras compiles each layer by itself: that takes long for many."""


def filled(model):
    """The model with weights that are all different from where they begin, and positive where they are variances."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) ** 2 + 0.1 for w in model.get_weights()])
    return model


def data(shape, dtype="float32"):
    rng = np.random.default_rng(1)
    return rng.integers(0, 7, (3, *shape)).astype(dtype) if dtype == "int32" else rng.normal(size=(3, *shape))


def near(found, expected):
    several = [v if isinstance(v, list) else [v] for v in (found, expected)]
    for k, (a, b) in enumerate(zip(*several, strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max(), err_msg=str(k))


@pytest.mark.parametrize("name", NAMES)
def test_keras_opens_every_layer(name, tmp_path):
    model = filled(model_of(ours, name))
    theirs = keras.models.load_model(model.save(tmp_path / "m.keras"))
    x = data(*TABLE[name][:2]).astype(TABLE[name][1])
    near(theirs(x), model.predict(x, verbose=0))
    theirs.save(tmp_path / "again.keras")
    again = ours.load_model(tmp_path / "again.keras", enforce_training_config=False)
    assert [one.name for one in again.layers] == [one.name for one in model.layers]
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_we_open_every_layer_of_keras_and_write_it_back(name, tmp_path):
    theirs = filled(model_of(keras, name))
    theirs.save(tmp_path / "theirs.keras")
    model = ours.load_model(tmp_path / "theirs.keras", enforce_training_config=False)
    back = keras.models.load_model(model.save(tmp_path / "ours.keras"))
    assert [one.name for one in back.layers] == [one.name for one in theirs.layers]
    for a, b in zip(back.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def branching(of):
    """Nested models, shared layers, several calls, dicts, masks and keywords."""
    k = of.layers
    x, n, a = of.Input((4, 3), name="x"), of.Input((4,), name="n", dtype="int32"), of.Input((4, 3), name="b")
    inner = of.Model({"b": a}, {"z": k.Dense(3, name="z")(a), "a": k.Dense(3, name="first")(a)}, name="inner")
    plain = of.Model(a, k.Dense(3, name="only")(a), name="plain")
    line = of.Sequential([k.Dense(3, name="sd"), k.Activation("tanh", name="sa")], name="line")
    y = k.Add(name="add")([x, k.Embedding(7, 3, mask_zero=True, name="embedding")(n)])
    attention = k.MultiHeadAttention(1, 2, name="attention")
    y = attention(y, attention(y, y, use_causal_mask=True), use_causal_mask=True)
    y = k.Dropout(0.5, name="drop")(y, training=False)
    found = inner({"b": line(y)})
    second = inner({"b": line(found["z"])})
    sequence, state = k.GRU(3, return_sequences=True, return_state=True, name="gru")(second["a"])
    end = k.GRU(2, name="end")(sequence, initial_state=k.Dense(2, name="state")(state))
    return of.Model({"x": x, "n": n}, {"z": end, "p": plain(plain(found["a"])), "l": line(second["z"])}, name="m")


def compiled(of, model):
    rate = of.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(
        of.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0),
        {"z": "mse", "p": of.losses.MeanAbsoluteError(reduction="sum"), "l": of.losses.LogCosh()},
        loss_weights={"z": 1.0, "p": 0.5, "l": 2.0},
        metrics={"z": ["mae"], "p": [of.metrics.RootMeanSquaredError(name="rms")]},
        weighted_metrics={"l": ["mae"]},
    )
    return model


def test_a_compiled_model_measures_the_same(tmp_path):
    model = compiled(ours, filled(branching(ours)))
    theirs = keras.models.load_model(model.save(tmp_path / "m.keras"))
    x = {"x": data((4, 3)).astype("float32"), "n": np.array([[1, 2, 0, 0], [3, 0, 0, 0], [1, 2, 3, 4]], "int32")}
    y = {"z": np.ones((3, 2), "float32"), "p": np.zeros((3, 4, 3), "float32"), "l": np.ones((3, 4, 3), "float32")}
    expected = theirs.evaluate(x, y, verbose=0, return_dict=True)
    assert model.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-4)
    assert theirs.optimizer.get_config()["weight_decay"] == 0.01
    theirs.save(tmp_path / "again.keras")
    again = ours.load_model(tmp_path / "again.keras")
    assert again.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-4)
    # What Keras makes of the same program has its layers, and so its weights, in the same order.
    assert [w.path.split("/")[-2:] for w in branching(keras).weights] == [
        w.path.split("/")[-2:] for w in theirs.weights
    ]


@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop", "Adam", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl",
                                       "Lion", "Lamb"])  # fmt: skip
def test_every_optimizer(optimizer):
    settings = getattr(ours.optimizers, optimizer)(0.25, weight_decay=0.01)
    theirs = keras.saving.deserialize_keras_object(ours.optimizers.serialize(settings))
    assert type(theirs).__name__ == optimizer
    assert float(theirs.learning_rate) == 0.25
    assert ours.optimizers.serialize(settings)["config"] == pytest.approx(theirs.get_config())


class Twice(layers.Layer):
    def __init__(self, by=2.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by
        self.inner = layers.Dense(2)

    def call(self, inputs):
        return self.inner(inputs) * self.by


def of_keras():
    """The layer as Keras has it: under the same name, by which files have its weights."""

    class Twice(keras.layers.Layer):
        def __init__(self, by=2.0, **kwargs):
            super().__init__(**kwargs)
            self.by = by
            self.inner = keras.layers.Dense(2)

        def build(self, input_shape):
            self.inner.build(input_shape)

        def call(self, inputs):
            return self.inner(inputs) * self.by

    return Twice


def test_layers_and_losses_of_ones_own_are_found_by_name(tmp_path):
    def cubed(y_true, y_pred):
        return abs(y_true - y_pred) ** 3

    model = ours.Sequential([layers.Input((3,)), Twice(3.0, name="t")])
    model.compile("adam", cubed)
    objects = {"Twice": of_keras(), "cubed": cubed}
    theirs = keras.models.load_model(model.save(tmp_path / "m.keras"), custom_objects=objects)
    x, y = data((3,)).astype("float32"), np.ones((3, 2), "float32")
    near(theirs(x), model.predict(x, verbose=0))
    assert theirs.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
