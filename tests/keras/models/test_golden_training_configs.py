"""Small models that Keras 2 and 3 saved with losses of every form: loaded with and without what is the caller's own."""

from pathlib import Path

import numpy as np
import pytest

from sdgraph import keras
from sdgraph.errors import FormatError

FILES = sorted((Path(__file__).parents[2] / "golden" / "keras_files").iterdir())
OWN = {"my_loss": lambda y, p: (y - p) ** 2, "MyPkg>quartic": lambda y, p: (y - p) ** 4}
POWERS = {"custom_fn": 2, "custom_fn_registered": 4}
pytest.importorskip("h5py")


def kind(path):
    return path.stem.partition("_")[2]


def named(path):
    return path.name


def of(kinds):
    return pytest.mark.parametrize("path", [path for path in FILES if kinds(kind(path))], ids=named)


@of(lambda kind: kind not in POWERS and kind != "uncompiled")
def test_a_model_is_loaded_with_its_loss(path):
    model = keras.load_model(path)
    assert model.training_config.compiled and not model.import_report.problems
    x = np.ones((4, *model.input_shape[1:]), "float32")
    shapes = zip(model.output_names, model.outputs, strict=True)
    y = [np.zeros(4 if name == "cls" else (4, *v.shape[1:])) for name, v in shapes]
    assert np.isfinite(model.evaluate(x, y if len(y) > 1 else y[0], verbose=0, return_dict=True)["loss"])


@of(lambda kind: kind in POWERS)
def test_a_loss_of_ones_own(path):
    with pytest.raises(FormatError, match="custom_objects"):
        keras.load_model(path)
    model = keras.load_model(path, enforce_training_config=False)
    assert any("loss" in problem for problem in model.import_report.problems)
    x = np.linspace(-1, 1, 4 * model.input_shape[1], dtype="float32").reshape(4, -1)
    expected = model.predict(x, verbose=0)
    model = keras.load_model(path, custom_objects=OWN)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    loss = model.evaluate(x, np.zeros_like(expected), verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(float(np.mean(expected ** POWERS[kind(path)])), rel=1e-5)


@of(lambda kind: kind == "uncompiled")
def test_a_model_that_was_not_compiled(path):
    with pytest.raises(FormatError, match="not compiled"):
        keras.load_model(path)
    model = keras.load_model(path, enforce_training_config=False)
    assert model.import_report.problems == ["how it was trained: it was not compiled when it was saved"]
    assert model.predict(np.ones((2, *model.input_shape[1:])), verbose=0).shape == (2, *model.output_shape[1:])
