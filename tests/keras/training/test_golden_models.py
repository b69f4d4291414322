"""Models that Keras' own files describe, written as graphs: what comes of training them."""

import json

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from tests.golden.cases import FOLDER
from tests.keras.training.test_fitting import off


def read(name):
    return json.loads((FOLDER / "keras_models" / f"{name}.json").read_text())


def array(described):
    return np.array(described["data"], described["dtype"]).reshape(described["shape"])


def variables(sd, file):
    """The weights of a file as variables, by layer and name."""
    return {
        "/".join(w["path"].split("/")[-2:]): sd.var(w["path"], np.array(w["data"], "float64").reshape(w["shape"]))
        for w in file["weights"]
    }


def embedding_pool(file):
    """An embedding, its mean over time, selu, sigmoid."""
    sd = SameDiff("float64")
    tokens = sd.placeholder("tokens", (None, 7), "int32")
    v = variables(sd, file)
    pooled = sd.gather(v["emb/embeddings"], tokens, axis=0).mean(1)
    hidden = sd.nn.selu(pooled @ v["h/kernel"] + v["h/bias"])
    p = sd.nn.sigmoid(hidden @ v["p/kernel"] + v["p/bias"], name="p")
    model = keras.Model(tokens, p)
    model.compile(file["fit"]["optimizer"], "binary_crossentropy", metrics=["accuracy"])
    return model, v, {"sample_weight": None}


def regression_two_inputs(file):
    """Two layers, one after the other normalized, Huber's loss, and a penalty on a kernel: 0.001 |w| + 0.01 w^2."""
    sd = SameDiff("float64")
    a, b = sd.placeholder("a", (None, 3)), sd.placeholder("b", (None, 2))
    v = variables(sd, file)
    left = sd.nn.elu(a @ v["da/kernel"] + v["da/bias"])
    right = sd.nn.gelu(b @ v["db/kernel"] + v["db/bias"])
    both = sd.concat(left, right, axis=1)
    centred = both - both.mean(-1, keepdims=True)
    normal = centred / sd.math.sqrt((centred**2).mean(-1, keepdims=True) + 1e-4)
    y = (normal * v["ln/gamma"] + v["ln/beta"]) @ v["y/kernel"] + v["y/bias"]
    w = v["y/kernel"]
    sd.add_loss((0.001 * sd.math.abs(w)).sum() + (0.01 * w**2).sum())
    model = keras.Model({"a": a, "b": b}, {"y": y})
    loss = keras.losses.Huber(**HUBER)
    model.compile(file["fit"]["optimizer"], {"y": loss}, metrics={"y": ["mae"]})
    return model, v, {"sample_weight": array(file["sample_weight"])}


HUBER = {"delta": 1.0}
MODELS = {"embedding_pool": embedding_pool, "regression_two_inputs": regression_two_inputs}


@pytest.mark.parametrize("name", MODELS)
def test_training_is_that_of_the_file(name):
    file = read(name)
    model, v, given = MODELS[name](file)
    x = {k: array(a) for k, a in file["inputs"].items()}
    (y,) = (array(a) for a in file["targets"].values())
    before = model.evaluate(x, y, return_dict=True, **given)
    assert before.keys() == file["evaluate"].keys()
    for k, value in file["evaluate"].items():
        assert off(before[k], value) < 1e-9, k
    fit = file["fit"]
    history = model.fit(
        x, y, epochs=fit["epochs"], batch_size=fit["batch_size"], shuffle=fit["shuffle"], verbose=0, **given
    ).history
    assert history.keys() == fit["history"].keys()
    for k, column in fit["history"].items():
        assert off(history[k], column) < 1e-9, k
    for path, after in fit["weights_after"].items():
        assert off(v[path].value, array(after)) < 1e-9, path
