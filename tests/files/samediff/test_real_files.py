"""Files that SameDiff (nd4j-native 1.0.0-M2.1) saved: variables, values, gradients and training as it had them.

Among them are those that SameDiff itself cannot read back, or reads wrongly.
"""

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import errors
from sdgraph.files import samediff
from sdgraph.testing import check_grads
from tests.files.samediff import real

# What stands inside of conditions and loops, by how its name begins.
INSIDE = {
    "flow_if_true": ("choice/trueBody/", "choice/falseBody/"),
    "flow_switch_merge": ("t", "f"),
    "flow_while": ("loop/add", "loop/body/", "loop/cond/", "loop/enter", "loop/merge", "loop/next", "loop/switch"),
}
# With shapes that depend on what is fed.
SIZES_OF_VALUES = {"ops_segments": ("segment_sum", "segment_mean", "dynamic_partition")}
READ = [name for name in real.NAMES if name not in SIZES_OF_VALUES]

# What differs from SameDiff's numbers, and how much.
ROUGH = {
    ("ops_activations", "gelu"): 1e-8,  # a constant of single precision there
    ("ops_activations", "hardSigmoid"): 1e-8,
    ("ops_elementwise", "rationalTanh"): 1e-7,
    ("ops_pairwise", "mergeAvg"): 1e-7,
    # So has the gradient of the sigmoid cross entropy with smoothing.
    **{(f"updater_Sgd_{x}", f"gradient of {variable}"): 1e-8 for x in ("Poly2", "Step") for variable in ("b", "w")},
}
# SameDiff stores `sorted` where it looks for `k`, and so finds the one largest value.
FIRST_OF_SEVERAL = {("ops_activations", "topK_values"), ("ops_activations", "topK_indices")}
# Texts are kept with the graph: no variable holds them.
TEXTS = {("storage_string", "text")}

ENGINES = ("numpy", "llvm")


def test_gradients_of_a_gated_unit_are_the_derivatives_of_its_values():
    """SameDiff's are not, after more than one step."""
    sd, fed = samediff.load(real.path("net_gru")), real.feeds(real.known("net_gru"))
    check_grads(sd["loss"], fed, ["wx", "wh", "b"])


def test_the_tables_name_files_that_are_there():
    assert len(real.NAMES) == 56 and {*INSIDE, *SIZES_OF_VALUES} < set(real.NAMES)


@pytest.mark.parametrize("name", SIZES_OF_VALUES)
def test_shapes_that_depend_on_values_are_refused_with_all_their_operations(name):
    with pytest.raises(errors.FormatError, match="must be given: the segment ids have no values before a run") as e:
        samediff.load(real.path(name))
    assert all(f"{op} ('{op}')" in e.value.given for op in SIZES_OF_VALUES[name])


@pytest.mark.parametrize("name", READ)
def test_variables_kinds_and_losses_are_those_of_the_file(name):
    sd, said = samediff.load(real.path(name)), real.known(name)
    kinds = {v.name: v.kind.name for v in sd.variables()}
    inside = INSIDE.get(name, ())
    there = {v: kind for v, kind in said["kinds"].items() if (name, v) not in TEXTS and not v.startswith(inside)}
    assert {variable: kinds.get(variable) for variable in there} == there
    # What is several ops here stands below the name of its output; numbers are constants.
    more = kinds.keys() - there.keys()
    assert all(extra.rpartition("/")[0] or extra.startswith("constant") for extra in more)
    if said["loss_variables"]:
        assert [v.name for v in sd.loss_variables()] == said["loss_variables"]


def close(name, variable, got, want, single):
    tol = ROUGH.get((name, variable), 1e-5 if single or want.dtype == np.float32 else 1e-12)
    if (name, variable) in FIRST_OF_SEVERAL:
        assert got.shape[-1] == 2
        got = got[..., :1]
    assert got.dtype == want.dtype and got.shape == want.shape, variable
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol, err_msg=variable)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", READ)
def test_outputs_are_those_that_samediff_computed(name, engine):
    sd, said = samediff.load(real.path(name)), real.known(name)
    outputs = said.get("outputs", {})
    fed = {k: a for k, a in real.feeds(said).items() if k in sd and sd[k].kind.name == "PLACEHOLDER"}
    if not outputs:
        pytest.skip("SameDiff's own outputs are random, or there are none")
    got = sd.compile(list(outputs), engine=engine)(fed)
    single = name.endswith("_float")
    for variable, spec in outputs.items():
        close(name, variable, got[variable], real.array(spec), single)


def gradients(sd, said):
    """SameDiff's gradients: of a loss, or all together for None, by a variable, as an array."""
    asked = {None: said.get("gradients", {}), **said.get("gradients_by_loss", {})}
    for loss, answers in asked.items():
        if "error" in answers:
            continue
        for variable, spec in answers.items():
            if "data" in spec:
                yield loss, variable, real.array(spec)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [name for name in READ if "gradients" in real.known(name) and name != "net_gru"])
def test_gradients_are_those_that_samediff_computed(name, engine):
    sd, said = samediff.load(real.path(name)), real.known(name)
    fed = real.feeds(said)
    single = name.endswith("_float") or sd.dtype == np.float32
    for loss, variable, want in gradients(sd, said):
        y = sd.loss_variables() if loss is None else [sd[loss]]
        (g,) = sd.grad(sum(sd.sum(v) for v in y[1:]) + sd.sum(y[0]) if y[1:] else sd.sum(y[0]), [variable])
        got = sd.compile([g], engine=engine)(fed)[g.name]
        close(name, f"gradient of {variable}", got, want, single)


@pytest.mark.parametrize("name", [name for name in real.NAMES if "training_config" in real.known(name)])
def test_training_is_that_of_the_file(name):
    said, training = real.known(name), samediff.load_training(real.path(name))
    config = said["training_config"]
    assert training is not None
    assert training.updater["class"] == config["updater"]["@class"].rpartition(".")[2]
    assert (training.iteration, training.epoch) == (config["iterationCount"], config["epochCount"])
    assert training.settings["data_set_feature_mapping"] == config["dataSetFeatureMapping"]
    for setting in ("learning_rate", "beta1", "beta2", "epsilon", "rho", "momentum", "rms_decay"):
        java = {"learning_rate": "learningRate", "rms_decay": "rmsDecay"}.get(setting, setting)
        if java in config["updater"] and config["updater"][java] != "NaN":
            assert training.updater[setting] == config["updater"][java]
    assert training.state.keys() == said["updater_state"].keys()
    for variable, slots in said["updater_state"].items():
        assert training.state[variable].keys() == slots.keys()
        for slot, spec in slots.items():
            np.testing.assert_array_equal(training.state[variable][slot], real.array(spec))


def test_weights_are_those_of_the_file():
    said, sd = real.known("updater_Adam"), samediff.load(real.path("updater_Adam"))
    for name, spec in said["weights"].items():
        np.testing.assert_array_equal(sd[name].value, real.array(spec))


def test_adam_goes_on_from_its_state():
    """Three more steps, in numpy from the settings and the state of the file, are those of SameDiff."""
    sd, training = samediff.load(real.path("updater_Adam")), samediff.load_training(real.path("updater_Adam"))
    said, settings = real.known("updater_Adam"), training.updater
    steps = said["three_more_steps"]
    state = {name: dict(slots) for name, slots in training.state.items()}
    f = sd.compile(sd.grad(sd["loss"], ["b", "w"]))
    b1, b2 = settings["beta1"], settings["beta2"]
    for k, step in enumerate(steps):
        t = training.iteration + k + 1
        fed = {name: np.array(step[name]) for name in ("x", "y")}
        found = dict(zip(("b", "w"), f(fed).values(), strict=True))
        rate = settings["learning_rate"] * np.sqrt(1 - b2**t) / (1 - b1**t)
        for name, g in found.items():
            m = state[name]["M"] = b1 * state[name]["M"] + (1 - b1) * g
            v = state[name]["V"] = b2 * state[name]["V"] + (1 - b2) * g**2
            sd.set_value(name, sd[name].value - rate * m / (np.sqrt(v) + settings["epsilon"]))
            np.testing.assert_allclose(sd[name].value, np.array(step["weights"][name]), rtol=1e-12, atol=1e-14)


def test_random_outputs_are_drawn():
    sd, said = samediff.load(real.path("net_dropout_half")), real.known("net_dropout_half")
    got = sd.compile(["h", "drop"])(real.feeds(said))
    np.testing.assert_allclose(got["h"], real.array(said["random_outputs"]["h"]), rtol=1e-6)
    assert ((got["drop"] == 0) | (got["drop"] == got["h"])).all() and 0 < (got["drop"] == 0).sum() < got["h"].size
    drawn = samediff.load(real.path("ops_random"))
    shapes = {name: tuple(spec["shape"]) for name, spec in real.known("ops_random")["random_outputs"].items()}
    assert {name: drawn[name].eval().shape for name in shapes} == shapes
