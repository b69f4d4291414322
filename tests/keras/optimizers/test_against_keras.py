"""Optimizers in a loop of one's own beside Keras' own, where some variables have no gradient in some steps."""

import warnings

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import optimizers
from tests.keras.keras_itself import keras

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

SETTINGS = [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {"amsgrad": True, "clipnorm": 0.5}),
    ("AdamW", {}),
    ("Nadam", {}),
    ("Ftrl", {"l1_regularization_strength": 0.01}),
    ("Lamb", {"global_clipnorm": 1.0}),
    ("RMSprop", {"centered": True, "loss_scale_factor": 4.0}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_the_same_weights(name, settings):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype("float32") for shape in ((3, 2), (2,), (4,))]
    theirs = [keras.Variable(a) for a in start]
    sd = SameDiff()
    ours = [sd.var(f"w{k}", a) for k, a in enumerate(start)]
    one = getattr(keras.optimizers, name)(learning_rate=0.05, **settings)
    other = getattr(optimizers, name)(learning_rate=0.05, **settings)
    for k in range(6):
        gradients = [rng.normal(size=a.shape).astype("float32") for a in start]
        if k in (2, 3):
            gradients[k - 2] = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one.apply_gradients(zip(gradients, theirs, strict=True))
        assert other.apply_gradients(zip(gradients, ours, strict=True)) == int(one.iterations)
        for v, w in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(v.value, np.asarray(w.value), rtol=2e-4, atol=2e-6)
