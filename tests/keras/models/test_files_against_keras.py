"""Models beside Keras' own: the same program, and the files of either library read by the other."""

import re

import h5py
import numpy as np
import pytest

import sdgraph.keras
from sdgraph.keras.layers import BY_NAME
from tests.keras.keras_itself import keras
from tests.keras.layers.against_keras import near, near_all
from tests.keras.models.kinds import CASES, KINDS, NOT_ALONE

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]
EVERY = list(KINDS)


def mostly_slow(*fast, of=EVERY):
    """Kinds, few of which are tried in every run."""
    return [pytest.param(name, marks=[] if name in fast else pytest.mark.slow) for name in of]


RTOL = 3e-5


@pytest.fixture(autouse=True)
def from_the_start():
    sdgraph.keras.utils.clear_session()
    keras.utils.clear_session(free_memory=False)


def theirs_of(make):
    """Keras' model, with weights that are not as they began."""
    model, rng = make(keras), np.random.default_rng(1)
    for w in model.weights:
        a = np.asarray(w)
        if a.dtype.kind == "f":
            w.assign(a + 0.2 * abs(rng.normal(size=a.shape)))
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model


def inputs_of(model, n=3):
    """Arrays for a model: one, or a list."""
    rng, found = np.random.default_rng(0), []
    for v in model.inputs:
        shape = (n, *v.shape[1:])
        found.append(rng.integers(0, 7, shape).astype("int32") if "int" in v.dtype else rng.normal(size=shape))
    found = [a.astype("float32") if a.dtype == "float64" else a for a in found]
    return found if len(found) > 1 else found[0]


def outputs_of(model, x):
    return [np.asarray(v) for v in keras.tree.flatten(model(x))]


def predicted(model, x):
    return keras.tree.flatten(model.predict(x, verbose=0))


def last(name):
    return name.rpartition("/")[2]


def arrays_in(path):
    """The places of arrays in a file, and the names of layers."""
    found = {}

    def one(name, thing):
        found[name] = (thing.shape, thing.dtype) if isinstance(thing, h5py.Dataset) else dict(thing.attrs)

    with h5py.File(path) as file:
        file.visititems(one)
    return found


def totals(model):
    """The last lines of a summary."""
    lines = []
    model.summary(print_fn=lambda line, **_: lines.extend(line.splitlines()))
    return [re.sub(r"\s+", " ", line) for line in lines if "params" in line]


@pytest.mark.parametrize("name", mostly_slow("diamonds", "stack"))
def test_a_program_is_the_same(name):
    theirs, ours = theirs_of(KINDS[name]), KINDS[name](sdgraph.keras)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    for of in ("weights", "trainable_weights", "non_trainable_weights"):
        mine, its = getattr(ours, of), getattr(theirs, of)
        assert [(last(w.name), w.shape) for w in mine] == [(w.name, tuple(w.shape)) for w in its]
    assert ours.count_params() == theirs.count_params()
    assert totals(ours) == totals(theirs)
    assert (ours.input_shape, ours.output_shape) == (theirs.input_shape, theirs.output_shape)
    if hasattr(theirs, "output_names"):
        assert ours.output_names == theirs.output_names
    ours.set_weights(theirs.get_weights())
    x = inputs_of(theirs)
    expected = outputs_of(theirs, x)
    near_all(predicted(ours, x), expected, RTOL)
    near_all(outputs_of(ours, x), expected, RTOL)


@pytest.mark.parametrize("name", mostly_slow("nested", "cells"))
def test_weights_go_to_keras_and_back(name, tmp_path):
    theirs, ours = theirs_of(KINDS[name]), KINDS[name](sdgraph.keras)
    first, second = tmp_path / "theirs.weights.h5", tmp_path / "ours.weights.h5"
    theirs.save_weights(first)
    ours.load_weights(first)
    near_all(ours.get_weights(), theirs.get_weights(), 0)
    ours.save_weights(second)
    mine, its = arrays_in(second), arrays_in(first)
    assert mine.items() <= its.items()
    assert not any(
        its[place] for place in its.keys() - mine.keys() if "dropout" not in place and "softmax" not in place
    )
    other = KINDS[name](keras)
    other.load_weights(second)
    near_all(other.get_weights(), theirs.get_weights(), 0)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", mostly_slow("stack", of=[name for name in EVERY if name != "nested"]))
def test_a_file_of_keras_is_read(name, suffix, tmp_path):
    theirs, path = theirs_of(KINDS[name]), tmp_path / f"m{suffix}"
    theirs.save(path)
    ours = sdgraph.keras.load_model(path, enforce_training_config=False)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    near_all(ours.get_weights(), theirs.get_weights(), 0)
    x = inputs_of(theirs)
    near_all(predicted(ours, x), outputs_of(theirs, x), RTOL)


def test_every_class_of_layers_is_in_a_model():
    tried = {BY_NAME[name] for name, _, _ in CASES}
    assert {name for name, cls in BY_NAME.items() if cls not in tried} <= NOT_ALONE


def between_layers(k):
    """What is no layer: functions, operators, parts of axes."""
    ops, x = k.ops, k.Input((4, 6), name="x")
    h = k.layers.Dense(4)(x) * 2 + x[:, :, :4] - 1
    h = ops.concatenate([ops.relu(h), ops.expand_dims(ops.mean(h, axis=1), 1), h[:, -1:, ...]], axis=1)
    h = ops.einsum("abc,adc->abd", h, ops.softmax(h, axis=-1))
    h = ops.where(h > 0, ops.sqrt(ops.abs(h)), ops.cast(ops.transpose(h, (0, 2, 1)), "float32"))
    return k.Model(x, ops.clip(ops.reshape(h[:, 0], (-1, 6)), -2.0, 2.0) / 3)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_functions_between_layers_are_read(suffix, tmp_path):
    theirs, path = theirs_of(between_layers), tmp_path / f"m{suffix}"
    theirs.save(path)
    ours = sdgraph.keras.load_model(path, enforce_training_config=False)
    x = inputs_of(theirs)
    near(predicted(ours, x)[0], outputs_of(theirs, x)[0], RTOL)
    assert ours.output_names == theirs.output_names
