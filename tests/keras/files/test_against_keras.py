"""Both directions between files of Keras itself and ours, where it is installed."""

import os
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from sdgraph.errors import ArgumentError
from sdgraph.keras.files.canonical import model_of
from sdgraph.keras.files.container import opened
from sdgraph.keras.files.owners import PARTS, Owner, Slot
from sdgraph.keras.files.weights import match
from sdgraph.keras.files.writing import write_weights

pytestmark = [pytest.mark.keras, pytest.mark.any_engine]

if find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "jax")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

INSIDE = {
    "Bidirectional": ("forward_layer", "backward_layer"),
    "TimeDistributed": ("layer",),
    "RNN": ("cell",),
    "StackedRNNCells": ("cells",),
}


def owner_of(layer, memo, *, flat):
    """A layer of Keras' as files name it; with ``flat``, what Keras makes of parts has its weights itself."""
    if id(layer) in memo:
        return memo[id(layer)]
    name = type(layer).__name__
    inside = (*INSIDE.get(name, ()), *(() if flat else PARTS.get(name, ())))
    parts, slots = {}, []
    if isinstance(layer, keras.Model):
        parts = {"layers": [owner_of(one, memo, flat=flat) for one in layer.layers]}
    elif inside:
        for attribute in inside:
            part = getattr(layer, attribute)
            several = isinstance(part, list)
            parts[attribute] = (
                [owner_of(p, memo, flat=flat) for p in part] if several else owner_of(part, memo, flat=flat)
            )
    else:
        trained = {id(v) for v in layer._trainable_variables} if name not in PARTS else {id(w) for w in layer.weights}
        slots = [Slot(w, tuple(w.shape), id(w) in trained) for w in layer.weights]
    memo[id(layer)] = Owner(name, layer.name, slots, parts, layer.trainable)
    return memo[id(layer)]


def model(seed=0):
    make = keras.layers
    x = keras.Input((6, 4), name="x")
    inner = [make.Dense(8), make.BatchNormalization(), make.Dense(5, trainable=False), make.Dropout(0.1)]
    shared = make.Dense(4, name="shared")
    h = make.Add()([make.LSTM(8, return_sequences=True)(shared(x)), make.GRU(8, return_sequences=True)(x)])
    h = keras.Sequential([keras.Input((6, 8)), *inner], name="inner")(h)
    h = make.Bidirectional(make.LSTM(3, return_sequences=True))(h)
    h = make.TimeDistributed(make.Dense(4))(h)
    h = make.MultiHeadAttention(2, 3, name="att")(h, shared(h))
    h = make.RNN(make.StackedRNNCells([make.LSTMCell(3), make.GRUCell(2)]), return_sequences=True)(h)
    h = make.BatchNormalization()(make.SeparableConv1D(5, 2)(h))
    h = make.Flatten()(make.LayerNormalization()(make.PReLU()(h)))
    found = keras.Model(x, make.Dense(2)(h), name="m")
    rng = np.random.default_rng(seed)
    for w in found.weights:
        w.assign(rng.normal(0.2, 0.1, w.shape))
    return found


@pytest.fixture(scope="module")
def real():
    return model(1)


@pytest.fixture(scope="module")
def same_model():
    return model()


@pytest.fixture
def other(same_model):
    """A second model like the first, all of whose weights are 0."""
    for w in same_model.weights:
        w.assign(np.zeros(w.shape))
    return same_model


def same(a, b):
    for one, two in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_what_keras_writes_is_read(tmp_path, real, other, name, flat):
    path = tmp_path / name
    real.save_weights(path) if name.endswith("weights.h5") else real.save(path)
    with opened(path) as file:
        found = match(file, owner_of(other, {}, flat=flat))
        assert not found.left_over and len(found.pairs) == len(other.weights)
        for variable, array in found.arrays():
            variable.assign(array)
        if file.config is not None:
            config = model_of(file.config, file.version, file.config_path)
            assert config.names() == [layer.name for layer in real.layers]
            assert len(config.layer("shared").calls) == 2
    same(other, real)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("flat", [True, False])
def test_keras_reads_what_is_written(tmp_path, real, other, flat):
    path = tmp_path / "m.weights.h5"
    write_weights(path, owner_of(real, {}, flat=flat), lambda slot: keras.ops.convert_to_numpy(slot.key))
    other.load_weights(path)
    same(other, real)


def test_a_name_that_keras_would_not_read(tmp_path, real):
    with pytest.raises(ArgumentError, match=r"\.weights\.h5"):
        write_weights(
            tmp_path / "m.h5", owner_of(real, {}, flat=True), lambda slot: keras.ops.convert_to_numpy(slot.key)
        )
    assert not list(tmp_path.iterdir())
