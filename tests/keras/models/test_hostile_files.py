"""Files that are made to do harm, or changed at random, opened as models: a model, or a FormatError, soon."""

import copy
import io
import json
import random
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sdgraph import keras
from sdgraph.errors import FormatError
from tests.keras.files import made

MODELS = Path(__file__).parents[2] / "golden" / "keras_models"
BILLION, HUGE = 10**9, 2**40
EMPTY = made.inner_h5(lambda file: file.create_group("layers"))


def layer(cls, name="d", **config):
    return {"module": "keras.layers", "class_name": cls, "config": {"name": name, **config}}


def sequential(*layers, shape=(3,)):
    first = layer("InputLayer", "in", batch_shape=[None, *shape])
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}}


def tensor(name, node=0, output=0):
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, node, output]}
    return {"class_name": "__keras_tensor__", "config": config}


INPUT = {**layer("InputLayer", "in", batch_shape=[None, 3]), "name": "in", "inbound_nodes": []}


def called(cls, name, *calls, **config):
    nodes = [{"args": args, "kwargs": {}} for args in calls]
    return {**layer(cls, name, **config), "name": name, "inbound_nodes": nodes}


def functional(*layers, out, name="f"):
    settings = {"name": name, "layers": [INPUT, *layers], "input_layers": [["in", 0, 0]], "output_layers": [out]}
    return {"class_name": "Functional", "name": name, "config": settings}


def twice_in_the_next(levels):
    """Models in each other, each of which calls the one inside twice."""
    model = functional(called("Dense", "m", [tensor("in")], units=3), out=["m", 0, 0], name="m0")
    for k in range(levels):
        inner = {**model, "inbound_nodes": [{"args": [tensor("in")], "kwargs": {}}]}
        inner["inbound_nodes"].append({"args": [tensor(f"m{k}")], "kwargs": {}})
        model = functional(inner, out=[f"m{k}", 1, 0], name=f"m{k + 1}")
    return model


def refused(tmp_path, config, message, weights=EMPTY):
    path = made.keras(tmp_path / "m.keras", config=config, weights=weights)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=message):
            keras.load_model(path, enforce_training_config=False)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (sequential(layer("Dense", units=BILLION)), "no group layers/dense"),
        (sequential(layer("Dense", units=10**30)), "units is too large"),
        (sequential(layer("Dense", "a", units=HUGE), layer("Dense", units=HUGE)), "No weight is as large"),
        (sequential(layer("Embedding", input_dim=HUGE, output_dim=HUGE)), "No weight is as large"),
        (sequential(layer("Embedding", input_dim=BILLION, output_dim=8)), "no group layers/embedding"),
        (sequential(layer("LSTM", units=HUGE), shape=(8, 2)), "No weight is as large"),
        (sequential(layer("RepeatVector", n=10**30)), "n is too large"),
        (sequential(layer("Reshape", target_shape=[HUGE, HUGE])), "do not fit its target_shape"),
        (sequential(layer("UpSampling1D", size=HUGE), shape=(3, 2)), "whole number"),
        (sequential(layer("ZeroPadding1D", padding=HUGE), shape=(3, 2)), "padding is a whole number"),
        (sequential(layer("Dense", units=3), shape=(1,) * 100), "at most 64 dimensions"),
        (sequential(layer("GroupNormalization", groups=HUGE), shape=(HUGE,)), "do not fit together"),
        (sequential(layer("PReLU"), shape=(HUGE,)), "no group layers/p_re_lu"),
    ],
)
def test_sizes_that_no_memory_has(tmp_path, config, message):
    refused(tmp_path, config, message)


@pytest.mark.parametrize(
    "config",
    [
        functional(called("Activation", "a", *[[tensor("in")]] * 20_001, activation="relu"), out=["a", 0, 0]),
        functional(called("Add", "a", [[tensor("in")] * 20_001]), out=["a", 0, 0]),
        twice_in_the_next(14),
    ],
    ids=["a layer called often", "many inputs", "models in each other"],
)
def test_more_calls_than_any_model_has(tmp_path, config):
    refused(tmp_path, config, "more calls of layers than any model")


def test_a_model_of_many_layers_is_read_in_linear_time(tmp_path):
    many = [layer("Activation", f"a{k}", activation="linear") for k in range(1500)]
    path = made.keras(tmp_path / "m.keras", config=sequential(*many), weights=EMPTY)
    model = keras.load_model(path, enforce_training_config=False)
    assert len(model.layers) == 1500


# ---------------------------------------------------------------------- graphs


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (functional(called("ReLU", "a", [tensor("a")]), out=["a", 0, 0]), "in a circle"),
        (functional(called("ReLU", "a", [tensor("in", 5)]), out=["a", 0, 0]), "a call that is not there"),
        (functional(called("ReLU", "a", [tensor("in", 0, 5)]), out=["a", 0, 0]), "no output 5"),
        (functional(called("ReLU", "a", [tensor("in")]), out=["a", 7, 0]), "no output 0 of call 7"),
        (functional(called("ReLU", "a", [tensor("in")]), out=["a", 0, 7]), "no output 7"),
        (functional(called("Permute", "a", ["x"], dims=[1]), out=["a", 0, 0]), "Permute 'a' at .* cannot be called so"),
        (functional(called("Dense", "a", [None], units=3), out=["a", 0, 0]), "cannot be called so"),
        (functional(called("Dense", "a", units=3), out=["a", 0, 0]), "cannot be called so"),
        (functional(called("ReLU", "a", [tensor("in")] * 3), out=["a", 0, 0]), "cannot be called so"),
        (
            functional(
                called("Dense", "a/b", [tensor("in")], units=3),
                called("ReLU", "a_b", [tensor("a/b")]),
                out=["a_b", 0, 0],
            ),
            "different names",
        ),
        ({"class_name": "Sequential", "config": {}}, "has no layers"),
    ],
)
def test_graphs_that_are_none(tmp_path, config, message):
    refused(tmp_path, config, message)


@pytest.mark.parametrize("name", ["x" * 100_000, "\0", "a\nb", "x:0", " ", "\ud800"])
def test_names_that_no_graph_has(tmp_path, name):
    refused(tmp_path, sequential(layer("Dense", name, units=2)), "not a name for a variable")


# ---------------------------------------------------------------------- code, and other numbers

LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA"}}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (layer("Lambda", function=LAMBDA), "what it computes is code, which is not read from files$"),
        (layer("Dense", units=2, activation=LAMBDA), "no activation function"),
        (layer("Dense", units=2, kernel_initializer=LAMBDA), "never executed"),
        (layer("TFSMLayer", filepath="/etc/passwd"), "There is no layer TFSMLayer here"),
        ({**layer("Mine"), "registered_name": "Pkg>Mine"}, "a class of Pkg, whose code is not in the file"),
        ({**layer("system", command="id"), "module": "os"}, "a class of os, whose code is not in the file"),
        (layer("Dense", units=2, weird=3), "Dense has no weird here"),
        (layer("Dense", units=2, dtype="mixed_float16"), "cannot compute in this dtype"),
        (
            layer("Dense", units=2, dtype={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}),
            "weights are quantised",
        ),
        (
            layer("Dense", units=2, dtype={"class_name": "DTypePolicyMap", "config": {"policy_map": {"x": {}}}}),
            "a policy of its own",
        ),
    ],
)
def test_what_would_run_or_compute_otherwise(tmp_path, entry, message):
    refused(tmp_path, sequential(entry), f"(?m){message}")


def test_weights_that_a_layer_of_whole_numbers_would_round(tmp_path):
    def fill(file):
        for k, array in enumerate([np.full((3, 2), 0.5, "f4"), np.zeros(2, "f4")]):
            file[f"layers/dense/vars/{k}"] = array

    refused(tmp_path, sequential(layer("Dense", units=2, dtype="int32")), "would be rounded", made.inner_h5(fill))


def test_a_loss_that_a_model_cannot_be_compiled_with(tmp_path):
    name = "embedding_pool"
    config, members = read(name)
    config["compile_config"]["metrics"] = ["float64"]
    path = written(tmp_path / "m.keras", config, members)
    with pytest.raises(FormatError, match=r"There is no metric"):
        keras.load_model(path)
    assert keras.load_model(path, enforce_training_config=False).name == name


# ---------------------------------------------------------------------- configurations changed at random

VALUES = [
    *(None, "", "x", "relu", "a/b", "\0", 0, 1, 2, -1, BILLION, HUGE, 10**30, 1.5, -0.5, 1e308, True, False),
    *([], [1], [None], ["x"], [1, 2], [0, 0], [[1, 2], [3, 4]], [[[[]]]], {}, {"a": 1}, LAMBDA),
    *({"class_name": None}, {"config": []}, {"class_name": "Dense", "config": {}}, "x" * 5000, "float16", "int32"),
]


def places(tree, path=()):
    if path:
        yield path
    if isinstance(tree, dict | list):
        for k, v in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(v, (*path, k))


def at(tree, path):
    for k in path:
        tree = tree[k]
    return tree


def changed(config, draw):
    config = copy.deepcopy(config)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        known = list(places(config))
        *above, last = draw.choice(known)
        parent, what = at(config, above), draw.random()
        if what < 0.1:
            del parent[last]
        elif what < 0.2 and isinstance(parent, list):
            parent.append(parent[last])
        else:
            parent[last] = draw.choice(VALUES) if what < 0.9 else copy.deepcopy(at(config, draw.choice(known)))
    return config


def read(name):
    with zipfile.ZipFile(MODELS / f"{name}.keras") as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    return json.loads(members["config.json"]), members


def written(path, config, members):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else data)
    path.write_bytes(whole.getvalue())
    return path


@pytest.mark.parametrize("name", sorted(path.stem for path in MODELS.glob("*.keras")))
@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 500), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_any_configuration_is_a_model_or_an_error(tmp_path, name, seeds):
    config, members = read(name)
    for seed in seeds:
        path = written(tmp_path / "m.keras", changed(config, random.Random(seed)), members)
        try:
            keras.load_model(path)
        except FormatError:
            continue


def test_an_order_of_axes_that_is_another_one(tmp_path):
    recurrent = layer("SimpleRNN", units=2, time_major=True)
    refused(tmp_path, sequential(recurrent, shape=(4, 3)), "time_major")
