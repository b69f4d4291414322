"""Compiled models that Keras saved: measured and trained on as Keras does it after it has loaded them itself."""

import numpy as np
import pytest

import sdgraph.keras
from tests.keras.keras_itself import keras
from tests.keras.models.test_files_against_keras import inputs_of, theirs_of

pytestmark = [pytest.mark.keras, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
N = 22
OPTIMIZERS = {
    "SGD": {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True, "clipnorm": 1.0},
    "AdamW": {"weight_decay": 0.01},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adagrad": {"learning_rate": 0.05},
    "Adadelta": {"learning_rate": 1.0},
    "Adamax": {},
    "Nadam": {},
    "Ftrl": {"learning_rate": 0.1, "l2_regularization_strength": 0.01},
    "Lion": {"learning_rate": 0.001},
    "Lamb": {},
}


def two(k):
    layers, a, b = k.layers, k.Input((4,), name="a"), k.Input((3,), name="b")
    left = layers.Dense(6, activation="tanh", kernel_regularizer=k.regularizers.L2(0.01))(a)
    h = layers.Concatenate()([left, layers.BatchNormalization(momentum=0.7)(b)])
    h = layers.LayerNormalization()(layers.Dense(5, "gelu", activity_regularizer=k.regularizers.L1(0.01))(h))
    return k.Model([a, b], [layers.Dense(3, "softmax", name="cls")(h), layers.Dense(2, name="reg")(h)])


def words(k):
    layers, x = k.layers, k.Input((6,), dtype="int32")
    h = layers.Embedding(7, 4, mask_zero=True)(x)
    h = layers.Bidirectional(layers.GRU(3, return_sequences=True))(h)
    h = layers.Add()([h, layers.MultiHeadAttention(2, 3)(h, h)])
    return k.Model(x, layers.Dense(1, "sigmoid", name="p")(layers.LSTM(3)(h)))


def pictures(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((6, 6, 2)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(3, 2),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def labels(make):
    rng = np.random.default_rng(5)
    if make is two:
        return [rng.integers(0, 3, N).astype("int32"), rng.normal(size=(N, 2)).astype("float32")]
    return rng.integers(0, 2, (N, 1)).astype("float32") if make is words else np.eye(3)[rng.integers(0, 3, N)]


def compiled(k):
    """Models, and what they are compiled with."""
    of, losses, metrics = k.metrics, k.losses, {"cls": ["accuracy"], "reg": ["mae", k.metrics.RootMeanSquaredError()]}
    focal = losses.BinaryFocalCrossentropy(gamma=1.5, apply_class_balancing=True, label_smoothing=0.1)
    by_name = {"cls": losses.SparseCategoricalCrossentropy(), "reg": losses.Huber(1.0)}
    return [
        (two, {"loss": by_name, "loss_weights": {"cls": 1.0, "reg": 0.3}, "metrics": metrics}),
        (two, {"loss": ["sparse_categorical_crossentropy", "mse"], "loss_weights": [0.5, 2.0], "metrics": metrics}),
        (two, {"loss": ["sparse_categorical_crossentropy", None], "weighted_metrics": [["acc"], ["mse"]]}),
        (words, {"loss": focal, "metrics": ["accuracy", of.AUC(num_thresholds=20)], "weighted_metrics": ["mse"]}),
        (words, {"loss": "binary_crossentropy", "weighted_metrics": ["accuracy", of.Precision(thresholds=0.4)]}),
        (pictures, {"loss": losses.CategoricalCrossentropy(label_smoothing=0.1), "metrics": [of.F1Score("macro")]}),
        (pictures, {"loss": "categorical_crossentropy", "metrics": ["accuracy", of.TopKCategoricalAccuracy(2)]}),
    ]


def near(got, expected, rtol, what):
    size = max(1e-2, float(np.max(np.abs(expected), initial=0)))
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * size, err_msg=what)


def told(got, expected, rtol):
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        near(got[name], values, rtol, name)


@pytest.mark.parametrize("k", range(7))
def test_what_a_model_is_compiled_with(k, tmp_path):
    make, settings = compiled(keras)[k]
    beside(make, settings, [*OPTIMIZERS][k], tmp_path / ("m.h5" if k % 2 else "m.keras"))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, tmp_path):
    beside(*compiled(keras)[0], optimizer, tmp_path / "m.keras")


def beside(make, settings, optimizer, path):
    """Load what Keras saves, and compare predictions, measures, and two epochs of training."""
    theirs, y = theirs_of(make), labels(make)
    theirs.compile(optimizer=getattr(keras.optimizers, optimizer)(**OPTIMIZERS[optimizer]), **settings)
    theirs.save(path)
    ours, x = sdgraph.keras.load_model(path), inputs_of(theirs, N)
    assert not ours.import_report.problems
    first = np.linspace(0.2, 1.4, N, dtype="float32")
    weights = [first, first[::-1].copy()] if make is two else first
    given = {"sample_weight": weights, "batch_size": 8, "verbose": 0}
    told(ours.evaluate(x, y, return_dict=True, **given), theirs.evaluate(x, y, return_dict=True, **given), 3e-5)
    given |= {"epochs": 2, "shuffle": False, "validation_data": (x, y)}
    told(ours.fit(x, y, **given).history, theirs.fit(x, y, **given).history, 5e-4)
    for w, its in zip(ours.weights, theirs.weights, strict=True):
        near(w.value, np.asarray(its), 2e-3, w.name)
    theirs.save(path)
    kept = "the state of the optimizer: training goes on with a new one"
    assert kept in sdgraph.keras.load_model(path).import_report.ignored
