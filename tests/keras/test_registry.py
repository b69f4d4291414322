"""Names and configurations: everything that some version of Keras accepted or wrote."""

import json
import sys

import numpy as np
import pytest

from sdgraph.keras import losses
from sdgraph.keras.losses import registry
from tests.golden import cases

LONG = {
    "mean_squared_error": "mse MSE",
    "mean_absolute_error": "mae MAE",
    "mean_absolute_percentage_error": "mape MAPE",
    "mean_squared_logarithmic_error": "msle MSLE",
    "binary_crossentropy": "bce BCE",
    "kl_divergence": "kld KLD kullback_leibler_divergence",
    "cosine_similarity": "cosine cosine_proximity",
    "log_cosh": "logcosh",
    "huber": "huber_loss",
    "poisson": "poisson_loss",
}
PLAIN = (
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "ctc",
    "dice",
    "tversky",
    "circle",
)
CLASSES = [name for name in losses.__all__ if isinstance(getattr(losses, name), type)]


@pytest.fixture(autouse=True)
def _own_names(monkeypatch):
    monkeypatch.setattr(registry, "_custom", {})


@pytest.mark.parametrize("name", [*LONG, *PLAIN])
def test_names_of_functions(name):
    for known in [name, *LONG.get(name, "").split()]:
        assert losses.get(known) is getattr(losses, name)
        assert losses.deserialize(known) is getattr(losses, name)
    assert losses.get(losses.serialize(getattr(losses, name))) is getattr(losses, name)


@pytest.mark.parametrize("name", [c for c in CLASSES if c != "LossFunctionWrapper"])
def test_names_of_classes(name):
    found = losses.get(name)
    assert type(found) is getattr(losses, name)
    assert losses.get(found) is found
    assert type(losses.get({"class_name": name, "config": {}})) is getattr(losses, name)


def test_early_names():
    for name in ("rmse", "RMSE", "root_mean_squared_error"):
        np.testing.assert_allclose(losses.get(name)([[0.0, 0.0]], [[3.0, 4.0]]), [np.sqrt(12.5)], rtol=1e-6)


def test_what_get_leaves_alone():
    def mine(y_true, y_pred):
        return y_pred

    assert losses.get(None) is None
    assert losses.get(mine) is mine
    assert losses.get(losses.huber) is losses.huber


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mean_square_error", "mean_squared_error"),
        ("Mse", "mse"),
        ("categorical_cross_entropy", "categorical_crossentropy"),
        ("my_loss", r'custom_objects=\{"my_loss": fn\}'),
        ("", "custom_objects"),
    ],
)
def test_unknown_names(name, hint):
    with pytest.raises(ValueError, match=hint):
        losses.get(name)


@pytest.mark.parametrize("bad", [3, 1.5, [], losses.Huber])
def test_what_names_nothing(bad):
    with pytest.raises((ValueError, TypeError), match=r"name a loss|class, not a loss"):
        losses.get(bad)


# ---------------------------------------------------------------------- losses of one's own


def quartic(y_true, y_pred):
    return ((y_true - y_pred) ** 4).mean(-1)


class Quintic(losses.Loss):
    def __init__(self, scale=1.0, **keywords):
        super().__init__(**keywords)
        self.scale = scale

    def call(self, y_true, y_pred):
        return (abs(y_true - y_pred) ** 5).mean(-1) * self.scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def test_registering():
    assert losses.register("mine>quartic", quartic) is quartic
    assert losses.register("mine>quartic", quartic) is quartic
    assert losses.get("mine>quartic") is quartic
    assert losses.register("Quintic")(Quintic) is Quintic
    assert isinstance(losses.get("Quintic"), Quintic)
    for taken in ("mse", "Huber", "ce", "mine>quartic"):
        with pytest.raises(ValueError, match="is taken"):
            losses.register(taken, lambda y, p: p)
    with pytest.raises(TypeError, match="text"):
        losses.register(3, quartic)
    with pytest.raises(TypeError, match="functions and classes"):
        losses.register("number", 3)


def test_custom_objects():
    assert losses.get("quartic", custom_objects={"quartic": quartic}) is quartic
    assert losses.get("mine>quartic", custom_objects={"quartic": quartic}) is quartic
    assert losses.get("mse", custom_objects={"mse": quartic}) is quartic
    data = losses.serialize(Quintic(scale=2.0, name="fifth"))
    found = losses.deserialize(data, custom_objects={"Quintic": Quintic})
    assert (found.scale, found.name, found.reduction) == (2.0, "fifth", "sum_over_batch_size")
    with pytest.raises(ValueError, match="custom_objects"):
        losses.deserialize(data)
    losses.register("mine>Quintic", Quintic)
    assert losses.serialize(found)["registered_name"] == "mine>Quintic"
    assert isinstance(losses.deserialize(losses.serialize(found)), Quintic)


def test_wrappers_as_data():
    losses.register("mine>quartic", quartic)
    data = losses.serialize(losses.LossFunctionWrapper(quartic, reduction="sum", name="q"))
    assert data["config"]["fn"]["config"] == "mine>quartic"
    found = losses.deserialize(json.loads(json.dumps(data)))
    assert found.fn is quartic
    assert (found.name, found.reduction) == ("q", "sum")
    again = losses.LossFunctionWrapper.from_config(found.get_config())
    assert again.fn is quartic


def test_as_loss():
    assert isinstance(losses.as_loss("mse"), losses.MeanSquaredError)
    assert losses.as_loss(losses.huber).name == "huber_loss"
    assert losses.as_loss("huber").name == "huber"
    assert isinstance(losses.as_loss(quartic), losses.LossFunctionWrapper)
    loss = losses.Dice()
    assert losses.as_loss(loss) is loss
    np.testing.assert_allclose(losses.as_loss("ce")([0], [[0.5, 0.5]]), np.log(2), rtol=1e-6)
    with pytest.raises(ValueError, match="no loss"):
        losses.as_loss(None)


# ---------------------------------------------------------------------- configurations

SETTINGS = {
    "CosineSimilarity": {"axis": 1},
    "Huber": {"delta": 0.25},
    "BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1, "axis": 1},
    "BinaryFocalCrossentropy": {"alpha": 0.5, "gamma": 1.5, "apply_class_balancing": True},
    "CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1, "axis": 1},
    "CategoricalFocalCrossentropy": {"alpha": np.array([0.25, 0.5]), "gamma": 3.0},
    "SparseCategoricalCrossentropy": {"from_logits": True, "ignore_class": -1, "axis": 1},
    "CategoricalGeneralizedCrossEntropy": {"q": 0.25},
    "Dice": {"axis": (1, 2)},
    "Tversky": {"alpha": 0.25, "beta": 0.75, "axis": (1, 2)},
    "Circle": {"gamma": 10.0, "margin": 0.25, "remove_diagonal": False},
}


@pytest.mark.parametrize("name", [c for c in CLASSES if c not in ("Loss", "LossFunctionWrapper")])
def test_round_trip(name):
    loss = getattr(losses, name)(reduction="sum", name="mine", dtype="float64", **SETTINGS.get(name, {}))
    config = loss.get_config()
    assert config["name"] == "mine"
    assert config["reduction"] == "sum"
    assert config.keys() == {"name", "reduction", "dtype", *loss.options}
    for k, v in SETTINGS.get(name, {}).items():
        np.testing.assert_array_equal(config[k], v)
    data = json.loads(json.dumps(losses.serialize(loss)))
    assert data["module"] == "keras.losses"
    assert data["registered_name"] is None
    again = losses.deserialize(data)
    assert type(again) is type(loss)
    assert again.get_config() == config
    assert type(loss).from_config(config).get_config() == config


def test_names_and_numbers_serialize_to_themselves():
    for x in (None, "mse", 3, 1.5):
        assert losses.serialize(x) == x


def test_lambdas_are_never_written_nor_executed():
    with pytest.raises(TypeError, match="def"):
        losses.serialize(lambda y, p: p)
    saved = {"class_name": "__lambda__", "config": {"value": ["4wAAAAA=", None, None]}}
    for data in (saved, {"class_name": "LossFunctionWrapper", "config": {"fn": saved, "name": "x"}}):
        with pytest.raises(ValueError, match="custom_objects"):
            losses.deserialize(data)


def test_nothing_is_imported_by_name(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    data = {"module": "evil_module", "class_name": "Evil", "config": {}, "registered_name": "Evil"}
    with pytest.raises(ValueError, match="Evil"):
        losses.deserialize(data)
    found = losses.deserialize({**data, "class_name": "Huber", "registered_name": None})
    assert type(found) is losses.Huber
    assert "evil_module" not in sys.modules


def test_unknown_settings_are_warned_about():
    data = {"class_name": "Huber", "config": {"delta": 2.0, "colour": "red", "fn": "huber"}}
    with pytest.warns(UserWarning, match="'colour'"):
        assert losses.deserialize(data).delta == 2.0
    with pytest.warns(UserWarning, match="'colour'"):
        losses.Huber.from_config({"colour": "red"})


def test_settings_of_keras_2_and_3():
    deserialize = losses.deserialize
    found = deserialize({"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": None}})
    assert (found.reduction, found.name) == ("sum_over_batch_size", "mean_squared_error")
    axis = {"class_name": "__tuple__", "items": [1, 2]}
    assert deserialize({"class_name": "Dice", "config": {"axis": axis}}).axis == (1, 2)
    alpha = {"class_name": "__numpy__", "config": {"value": [0.25, 0.5], "dtype": "float32"}}
    assert deserialize({"class_name": "CategoricalFocalCrossentropy", "config": {"alpha": alpha}}).alpha == [0.25, 0.5]
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"}, "registered_name": None}
    assert deserialize({"class_name": "Huber", "config": {"dtype": policy}}).dtype == np.float64


@pytest.mark.parametrize(
    "data", [{}, {"out": "mse"}, {"class_name": 3}, {"class_name": "Huber", "config": 3}, {"class_name": "function"}]
)
def test_data_that_describe_no_loss(data):
    with pytest.raises(ValueError, match=r"describe|settings|without a name"):
        losses.deserialize(data)


@pytest.mark.parametrize("case", cases.load("keras_configs"), ids=lambda c: c["file"])
def test_losses_of_saved_models(case):
    data, mine = case["loss"], {"my_loss": quartic, "MyPkg>quartic": quartic}
    kind = case["file"].split(".")[0]
    found = (
        {k: losses.deserialize(v, mine) for k, v in data.items()}
        if isinstance(data, dict) and "class_name" not in data
        else losses.deserialize(data, mine)
    )
    if kind.endswith("uncompiled"):
        assert found is None
    elif "custom" in kind:
        assert found is quartic
        with pytest.raises(ValueError, match="custom_objects"):
            losses.deserialize(data)
    elif kind.endswith("dict_weights"):
        assert found["cls"] is losses.sparse_categorical_crossentropy
        # Keras 3 loses delta when it saves.
        assert found["reg"].delta == (0.5 if kind.startswith("k2") else 1.0)
    elif kind.endswith("huber_args"):
        assert (found.name, found.reduction) == ("my_huber", "sum")
        assert found.delta == (0.5 if kind.startswith("k2") else 1.0)
    elif kind.endswith("bce_args"):
        assert (found.label_smoothing, found.reduction) == (0.1, "sum_over_batch_size")
    else:
        assert found is {"mse": losses.mse, "string": losses.categorical_crossentropy}[kind.split("_")[-1]]
