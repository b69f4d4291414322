"""Classes of one's own that are made known once."""

import numpy as np
import pytest

from sdgraph import keras
from sdgraph.errors import ArgumentTypeError, FormatError
from sdgraph.keras import layers, losses, saving


@pytest.fixture
def registered():
    known = saving.get_custom_objects()
    before = dict(known)
    yield known
    known.clear()
    known.update(before)


class Doubled(layers.Layer):
    def __init__(self, by=2.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, inputs):
        return inputs * self.by


def test_what_is_registered_is_found_in_files(tmp_path, registered):
    pytest.importorskip("h5py")
    saving.register_keras_serializable("Mine")(Doubled)
    assert saving.get_registered_name(Doubled) == "Mine>Doubled"
    assert saving.get_registered_object("Mine>Doubled") is Doubled
    model = keras.Sequential([layers.Dense(2, input_shape=(3,)), Doubled(3.0)])
    path = model.save(tmp_path / "m.keras")
    x = np.ones((2, 3), "float32")
    again = keras.load_model(path, enforce_training_config=False)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    registered.clear()
    with pytest.raises(FormatError, match="Doubled"):
        keras.load_model(path, enforce_training_config=False)
    keras.load_model(path, enforce_training_config=False, custom_objects={"Mine>Doubled": Doubled})


def test_a_name_of_ones_own(registered):
    @saving.register_keras_serializable(package="Mine", name="cubes")
    def cubed(y_true, y_pred):
        return abs(y_true - y_pred) ** 3

    assert saving.get_registered_name(cubed) == "Mine>cubes"
    assert saving.get_registered_name(losses.Huber) == "Huber"
    assert saving.get_registered_object("nobody") is None


@pytest.mark.parametrize("call", [
    lambda: saving.register_keras_serializable("a>b"),
    lambda: saving.register_keras_serializable(3),
    lambda: saving.register_keras_serializable()(3),
])  # fmt: skip
def test_messages(call):
    with pytest.raises(ArgumentTypeError):
        call()
