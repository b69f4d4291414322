"""Models of simple layers, trained beside Keras itself from the same weights: nothing in them is random."""

import numpy as np
import pytest

import sdgraph.keras
from tests.keras.keras_itself import keras

pytestmark = [pytest.mark.keras, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(4)
X = RNG.normal(1, 2, size=(50, 6)).astype("float32")
Y = (X[:, :1] * X[:, 1:2] > 1).astype("float32")


def dense(k):
    return k.layers.Dense(8, kernel_initializer="glorot_uniform")


def batches(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((6,)),
            dense(k),
            layers.BatchNormalization(momentum=0.7),
            layers.ReLU(max_value=2.0, negative_slope=0.1),
            layers.BatchNormalization(scale=False, gamma_regularizer=None, beta_regularizer="l2"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def branches(k):
    layers, x = k.layers, k.Input((6,))
    a = layers.PReLU(alpha_initializer="ones")(layers.LayerNormalization()(dense(k)(x)))
    b = layers.ELU()(layers.GroupNormalization(2)(dense(k)(x)))
    both = [layers.add([a, b]), layers.multiply([a, b]), layers.maximum([a, b]), layers.RMSNormalization()(a)]
    joined = layers.ActivityRegularization(l2=0.01)(layers.Concatenate()(both))
    cosine = layers.Dot(axes=1, normalize=True)([a, b])
    return k.Model(x, layers.Dense(1, activation="sigmoid")(layers.Concatenate()([joined, cosine])))


def shared(k):
    layers, x = k.layers, k.Input((6,))
    one = layers.BatchNormalization(momentum=0.5)
    y = layers.Subtract()([one(layers.Dense(6)(x)), one(x)])
    return k.Model(x, layers.Dense(1, activation="sigmoid")(layers.UnitNormalization()(y)))


def frozen(k):
    layers, x = k.layers, k.Input((6,))
    still = layers.BatchNormalization(trainable=False)
    y = layers.Reshape((2, -1))(still(layers.Dense(6)(x)))
    y = layers.EinsumDense("abc,cd->abd", (3, 4), bias_axes="d")(layers.Permute((2, 1))(y))
    return k.Model(x, layers.Dense(1, activation="sigmoid")(layers.Flatten()(y)))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("make", [batches, branches, shared, frozen])
def test_a_training_is_that_of_keras(make, optimizer):
    ours, theirs = make(sdgraph.keras), make(keras)
    ours.set_weights([np.asarray(w) for w in theirs.weights])
    assert ours.count_params() == theirs.count_params()
    told = []
    for model in (theirs, ours):
        model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
        fitted = model.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0, validation_data=(X[:9], Y[:9]))
        told.append(fitted.history)
    assert told[0].keys() == told[1].keys()
    for column, values in told[0].items():
        np.testing.assert_allclose(told[1][column], values, rtol=1e-4, atol=1e-4, err_msg=column)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=3e-4)
    np.testing.assert_allclose(ours.predict(X, verbose=0), theirs.predict(X, verbose=0), rtol=1e-3, atol=3e-4)
