"""Models with convolutions that Keras' own files describe: outputs, losses and gradients, and what comes of training.

Layers of other families stand here in a line each.
"""

import json

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.keras import layers
from tests.golden.cases import FOLDER


def array(described):
    return np.array(described["data"], described["dtype"]).reshape(described["shape"])


class Norm(layers.Layer):
    """Normalized with moving statistics, which stay as they are."""

    def build(self, input_shape):
        c = (input_shape[-1],)
        self.gamma, self.beta = self.add_weight(c, "ones", name="gamma"), self.add_weight(c, "zeros", name="beta")
        self.mean = self.add_weight(c, "zeros", trainable=False, name="moving_mean")
        self.variance = self.add_weight(c, "ones", trainable=False, name="moving_variance")

    def call(self, inputs):
        scale = self.gamma / inputs.sd.math.sqrt(self.variance + 1e-3)
        return (inputs - self.mean) * scale + self.beta


def conv2d_classifier(sd):
    x = sd.placeholder("image", (None, 8, 7, 2))
    y = layers.Conv2D(4, 3, strides=(2, 1), padding="same", activation="relu", name="c1")(x)
    y = layers.ZeroPadding2D(((0, 1), (1, 0)))(Norm(name="bn")(y))
    y = layers.Conv2D(5, (2, 3), dilation_rate=(2, 1), name="c2")(y)
    y = layers.MaxPooling2D(2, padding="same")(layers.Activation("relu6")(y))
    y = layers.AveragePooling2D((1, 2))(y)
    y = layers.Dense(4, name="logits")(sd.reshape(y, (-1, 10)))
    return x, y, keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def conv_autoencoder(sd):
    x = sd.placeholder("image", (None, 6, 6, 1))
    y = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu", name="enc")(x)
    y = layers.Dense(27, activation="tanh", name="code")(sd.reshape(y, (-1, 27)))
    y = sd.reshape(y, (-1, 3, 3, 3))
    y = layers.Conv2DTranspose(2, 3, strides=2, padding="same", activation="relu", name="dec")(y)
    y = layers.Cropping2D(((3, 3), (2, 4)))(layers.UpSampling2D()(y))
    y = layers.Conv2DTranspose(1, 2, name="out")(sd.permute(y, (0, 2, 1, 3)))
    return x, layers.Cropping2D(((1, 0), (1, 0)))(y), "mean_absolute_error"


def conv3d_residual(sd):
    x = sd.placeholder("volume", (None, 4, 5, 4, 2))
    penalty = keras.regularizers.L2(0.01)
    y = x + layers.Conv3D(2, 3, padding="same", use_bias=False, kernel_regularizer=penalty, name="c")(x)
    y = layers.MaxPooling3D((2, 1, 2))(layers.Activation("relu")(y))
    most = sd.math.max(y, y - layers.AveragePooling3D(1)(y))
    y = layers.GlobalAveragePooling3D()((y + most) / 2)
    y = layers.Dense(3, activation="hard_sigmoid", name="y")(y)
    return x, sd.tile(sd.expand_dims(y, 1), (1, 2, 1)), keras.losses.MeanSquaredError(reduction="sum")


MODELS = {f.__name__: f for f in (conv2d_classifier, conv_autoencoder, conv3d_residual)}


def made(name):
    """The model of a file with its weights, what it is fed, and the file."""
    file = json.loads((FOLDER / "keras_models" / f"{name}.json").read_text())
    x, y, loss = MODELS[name](SameDiff("float64"))
    model = keras.Model(x, y)
    assert [v.name.split("/")[-2:] for v in model.weights] == [w["path"].split("/")[-2:] for w in file["weights"]]
    model.set_weights([array(w) for w in file["weights"]])
    fed = [array(next(iter(file[k].values()))) for k in ("inputs", "targets")]
    return file, model, loss, fed


@pytest.mark.parametrize("name", MODELS)
def test_outputs_loss_and_gradients_are_those_of_the_file(name):
    file, model, loss, (x, y) = made(name)
    (expected,) = (array(a) for a in file["outputs"].values())
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-10, atol=1e-12)
    model.compile("sgd", loss)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(file["loss"], rel=1e-10)
    value, gradients = model.value_and_gradients(x, y)
    assert value == pytest.approx(file["loss"], rel=1e-10)
    for v, g in zip(model.trainable_weights, gradients, strict=True):
        np.testing.assert_allclose(
            g, array(file["gradients"]["/".join(v.name.split("/")[-2:])]), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("name", ["conv_autoencoder", "conv3d_residual"])
def test_training_is_that_of_the_file(name):
    file, model, loss, (x, y) = made(name)
    fit = file["fit"]
    model.compile(fit["optimizer"], loss)
    history = model.fit(x, y, epochs=fit["epochs"], batch_size=fit["batch_size"], shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], fit["history"]["loss"], rtol=1e-9)
    for v, expected in zip(model.weights, map(array, fit["weights_after"].values()), strict=True):
        np.testing.assert_allclose(v.value, expected, rtol=1e-8, atol=1e-10)
