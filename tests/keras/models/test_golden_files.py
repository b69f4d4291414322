"""Models that Keras saved, against what Keras computes with them in float64."""

import json
from pathlib import Path

import numpy as np
import pytest

from sdgraph import keras

GOLDEN = Path(__file__).parents[2] / "golden" / "keras_models"
NAMES = sorted(p.stem for p in GOLDEN.glob("*.h5"))
FILES = [f"{name}{suffix}" for name in NAMES for suffix in (".h5", ".keras")]
pytest.importorskip("h5py")


def golden(name):
    return json.loads((GOLDEN / f"{Path(name).stem}.json").read_text())


def array(entry):
    return np.array(entry["data"], entry["dtype"]).reshape(entry["shape"])


def arrays(entries):
    return {name: array(entry) for name, entry in entries.items()}


@pytest.fixture(scope="module")
def loaded():
    made = {}

    def load(name):
        if name not in made:
            made[name] = keras.load_model(GOLDEN / name, dtype="float64")
        return made[name]

    return load


def batch(data):
    (y,) = arrays(data["targets"]).values()
    weight = data["sample_weight"]
    return arrays(data["inputs"]), y, None if weight is None else array(weight)


@pytest.mark.parametrize("name", FILES)
def test_outputs(loaded, name):
    data = golden(name)
    model = loaded(name)
    x, _, _ = batch(data)
    expected = arrays(data["outputs"])
    assert model.output_names == list(expected)
    np.testing.assert_allclose(model.predict(x, verbose=0), next(iter(expected.values())), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FILES)
def test_weights_are_those_of_the_file(loaded, name):
    data, model = golden(name), loaded(name)
    found = {v.name: v.value for v in model.weights}
    expected = {one["path"].removeprefix(f"{model.name}/"): array(one) for one in data["weights"]}
    assert found.keys() == {k for k in expected if "seed" not in k}
    for k, v in found.items():
        np.testing.assert_array_equal(v, expected[k])


@pytest.mark.parametrize("name", FILES)
def test_loss_and_gradients(loaded, name):
    data, model = golden(name), loaded(name)
    value, gradients = model.value_and_gradients(*batch(data)[:2], sample_weight=batch(data)[2])
    np.testing.assert_allclose(value, data["loss"], rtol=1e-10)
    expected = arrays(data["gradients"])
    assert [v.name for v in model.trainable_weights] == list(expected)
    for v, g in zip(model.trainable_weights, gradients, strict=True):
        scale = np.abs(expected[v.name]).max()
        np.testing.assert_allclose(g, expected[v.name], rtol=1e-10, atol=1e-10 * max(scale, 1e-3), err_msg=v.name)


@pytest.mark.parametrize("name", FILES)
def test_evaluate(loaded, name):
    data, model = golden(name), loaded(name)
    x, y, weight = batch(data)
    found = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True, batch_size=len(y))
    expected = data["evaluate"]
    assert found.keys() == expected.keys()
    for k in found:
        assert found[k] == pytest.approx(expected[k], rel=1e-9)


@pytest.mark.parametrize("name", [name for name in FILES if "fit" in golden(name)])
def test_fit(name):
    data = golden(name)
    model = keras.load_model(GOLDEN / name, dtype="float64")
    x, y, weight = batch(data)
    fit = data["fit"]
    history = model.fit(
        x, y, sample_weight=weight, epochs=fit["epochs"], batch_size=fit["batch_size"], shuffle=False, verbose=0
    ).history
    for k, expected in fit["history"].items():
        np.testing.assert_allclose(history[k], expected, rtol=1e-6, err_msg=k)
