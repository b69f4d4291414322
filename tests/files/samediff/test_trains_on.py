"""Graphs that SameDiff trained go on from their files as they did in SameDiff, on both engines."""

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph.errors import ArgumentError
from sdgraph.files import samediff
from sdgraph.files.samediff.training import Training
from sdgraph.train import Adam, DataSet, Nesterovs, UpdaterState
from tests.files.samediff import real
from tests.golden.cases import numbers
from tests.train.stepping import off

NAMES = [name for name in real.NAMES if real.known(name).get("three_more_steps")]


def within(name):
    """What rounding may do: a whole step in single precision, or a gradient that smooths labels so."""
    return 1e-6 if name.endswith("_float") else 1e-7 if real.known(name).get("model") == "sigmoid_smoothing" else 1e-12


def steps(name):
    """The batches of a file, and the weights after each."""
    dtype = "float32" if name.endswith("_float") else "float64"
    for s in real.known(name)["three_more_steps"]:
        yield DataSet(np.array(s["x"], dtype), np.array(s["y"], dtype)), s["weights"]


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("name", NAMES)
def test_three_more_steps(name, engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    sd = samediff.load(real.path(name))
    assert sd.updater_state.iteration == 12
    for batch, weights in steps(name):
        sd.fit(batch, engine=engine)
        for key, w in weights.items():
            assert off(sd[key].value, numbers(w)) <= within(name)
    assert (sd.updater_state.iteration, sd.updater_state.epoch) == (15, 0)


@pytest.mark.parametrize("name", NAMES)
def test_one_step_here_and_two_from_a_file(name, tmp_path):
    """What is written after a step is what the next one goes on from."""
    sd = samediff.load(real.path(name))
    for k, (batch, weights) in enumerate(steps(name)):
        sd.fit(batch)
        for key, w in weights.items():
            assert off(sd[key].value, numbers(w)) <= within(name)
        sd = samediff.load(samediff.save(sd, tmp_path / f"{k}.fb"))
    assert sd.updater_state.iteration == 15


def test_the_three_steps_in_a_loop_of_ones_own():
    sd = samediff.load(real.path("updater_Adam"))
    step = sd.training_step()
    for batch, weights in steps("updater_Adam"):
        step({"x": batch.features, "y": batch.labels})
        for key, w in weights.items():
            assert off(sd[key].value, numbers(w)) <= 1e-12


def test_another_updater_begins_anew():
    sd = samediff.load(real.path("updater_Adam"))
    ((batch, _), *_) = steps("updater_Adam")
    sd.fit(batch, updater=Nesterovs(0.1))
    assert sd.updater_state.iteration == 1 and {*sd.updater_state.slots["w"]} == {"V"}


def test_other_settings_of_the_configuration_begin_anew():
    sd = samediff.load(real.path("updater_Adam"))
    sd.set_training_config(sd.training_config)
    assert sd.updater_state is None
    ((batch, _), *_) = steps("updater_Adam")
    sd.fit(batch)
    assert sd.updater_state.iteration == 1


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"w": {"M": (4, 3), "V": (4, 3)}}, "kept of 'b'"),
        ({"w": {"M": (4, 3)}, "b": {"M": (3,), "V": (3,)}}, "kept of 'w'"),
        ({"w": {"M": (4, 3), "V": (4, 3), "X": ()}, "b": {"M": (3,), "V": (3,)}}, "kept of 'w'"),
        ({"w": {"M": (4, 3), "V": (3, 4)}, "b": {"M": (3,), "V": (3,)}}, "slot:V/w"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(slots, said):
    sd = samediff.load(real.path("updater_Adam"))
    before = {v.name: v.value for v in sd.trainable_variables()}
    sd.updater_state = UpdaterState(
        12, 0, {name: {slot: np.zeros(shape) for slot, shape in kept.items()} for name, kept in slots.items()}
    )
    ((batch, _), *_) = steps("updater_Adam")
    with pytest.raises(ArgumentError, match=said):
        sd.fit(batch)
    assert all((sd[name].value == value).all() for name, value in before.items())
    assert sd.updater_state.iteration == 12
    sd.updater_state = None
    sd.fit(batch)
    assert sd.updater_state.iteration == 1


def test_an_updater_that_sdgraph_does_not_have_is_kept_and_not_used(tmp_path):
    sd = samediff.load(real.path("updater_Adam"))
    settings = samediff.load_training(real.path("updater_Adam")).settings
    strange = {**settings, "updater": {"class": "com.example.Mine", "learning_rate": 0.1}}
    read = samediff.load(samediff.save(sd, tmp_path / "a.fb", training=Training(strange)))
    assert read.training_config.updater is None
    again = samediff.load_training(samediff.save(read, tmp_path / "b.fb"))
    assert again.settings == strange
    ((batch, _), *_) = steps("updater_Adam")
    with pytest.raises(ArgumentError, match="Nothing says how"):
        read.fit(batch)
    read.fit(batch, updater=Adam(0.1))


def test_the_state_comes_along_with_copies():
    sd = samediff.load(real.path("updater_Adam"))
    for k, (batch, weights) in enumerate(steps("updater_Adam")):
        sd = sd.copy()
        sd.fit(batch)
        assert sd.updater_state.iteration == 13 + k
        for key, w in weights.items():
            assert off(sd[key].value, numbers(w)) <= 1e-12
