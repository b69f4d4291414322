"""Models written into ``.keras`` files and read again; tests/keras/models/test_exporting_against_keras.py has Keras."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.keras import layers
from sdgraph.train import Adam
from tests.keras.models.exported_layers import TABLE, model_of
from tests.keras.models.test_golden_files import GOLDEN, NAMES, batch, golden

pytest.importorskip("h5py")


def small(**config):
    x = keras.Input((3,), name="x")
    return keras.Model(x, layers.Dense(2, name="d", **config)(x), name="m")


def read(path, **more):
    return keras.load_model(path, enforce_training_config=False, **more)


@pytest.mark.parametrize("name", NAMES)
def test_golden_models_are_the_same_again(name, tmp_path):
    first = keras.load_model(GOLDEN / f"{name}.keras", dtype="float64")
    again = keras.load_model(first.save(tmp_path / "m.keras"))
    assert not again.import_report.ignored
    x, y, weight = batch(golden(name))
    np.testing.assert_array_equal(again.predict(x, verbose=0), first.predict(x, verbose=0))
    found = [(w.name, w.value.tolist()) for w in again.weights]
    assert found == [(w.name, w.value.tolist()) for w in first.weights]
    histories = [
        m.fit(x, y, sample_weight=weight, epochs=2, batch_size=len(y), shuffle=False, verbose=0).history
        for m in (first, again)
    ]
    if "dropout" not in str(first.layers).lower():
        assert histories[0] == histories[1]
    assert histories[0].keys() == histories[1].keys()


@pytest.mark.parametrize("name", TABLE)
def test_every_layer_is_the_same_again(name, tmp_path):
    model = model_of(keras, name)
    again = read(model.save(tmp_path / "m.keras"))
    assert again.get_config() == model.get_config()
    assert all((a == b).all() for a, b in zip(again.get_weights(), model.get_weights(), strict=True))


def test_the_table_has_every_layer():
    of_others = {"InputLayer", "Lambda", "Layer", "ThresholdedReLU", "Wrapper"}
    known = str(TABLE)
    assert not [n for n, c in layers.BY_NAME.items() if n == c.__name__ and f"'{n}'" not in known and n not in of_others
                and vars(c).get("keras_name") is None]  # fmt: skip


def test_calls_are_kept(tmp_path):
    x, n = keras.Input((4, 3), name="x"), keras.Input((4,), name="n", dtype="int32")
    inner = keras.Model({"b": x}, {"z": layers.Dense(3, name="z")(x), "a": layers.Dense(2, name="a")(x)}, name="inner")
    y = layers.Add()([x, layers.Embedding(5, 3, mask_zero=True)(n)])
    attention = layers.MultiHeadAttention(1, 2, name="attention")
    y = attention(y, value=attention(y, y, use_causal_mask=True), use_causal_mask=True)
    both = inner({"b": layers.Dropout(0.5, name="drop")(y, training=True)}), inner({"b": y})
    sequence, state, _ = layers.LSTM(2, return_state=True, return_sequences=True)(both[1]["z"])
    end = layers.GRU(2)(sequence, initial_state=state)
    model = keras.Model({"n": n, "x": x}, {"y": end, "inner": both[0]["a"], "sum": both[1]["a"]}, name="m")
    again = read(model.save(tmp_path / "m.keras"))
    calls = {one["name"]: one["inbound_nodes"] for one in model.get_config()["layers"]}
    read_again = {one["name"]: one["inbound_nodes"] for one in again.get_config()["layers"]}
    # Whether a call is one of training is written, and not read: Keras overrules it when a model is used.
    assert read_again.pop("drop")[0]["kwargs"] == {}
    assert read_again == {name: nodes for name, nodes in calls.items() if name != "drop"}
    assert calls["drop"][0]["kwargs"] == {"training": True}
    assert [call["kwargs"]["use_causal_mask"] for call in calls["attention"]] == [True, True]
    fed = {"x": np.random.default_rng(0).normal(size=(2, 4, 3)), "n": np.array([[1, 2, 0, 0], [3, 0, 0, 0]])}
    found, expected = again.predict(fed, verbose=0), model.predict(fed, verbose=0)
    assert found.keys() == expected.keys()
    for k in ("y", "sum"):
        np.testing.assert_array_equal(found[k], expected[k])
    np.testing.assert_array_equal(found["inner"], found["sum"])


def test_a_call_for_training_stays_one_where_the_model_is_called():
    x = keras.Input((50,))
    model = keras.Model(x, layers.Dropout(0.5)(x, training=True))
    assert (model(np.ones((2, 50))) == 0).any()


def test_what_it_was_compiled_with(tmp_path):
    x = keras.Input((3,), name="x")
    model = keras.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(2, name="b")(x)])
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.01])
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.5, clipnorm=1.0),
        {"a": "mse", "b": keras.losses.Huber(0.3)},
        loss_weights={"a": 1, "b": 0.5},
        metrics={"a": ["mae", keras.metrics.RootMeanSquaredError(name="rms")], "b": []},
        weighted_metrics=[[], ["mae"]],
    )
    again = keras.load_model(model.save(tmp_path / "m.keras"))
    assert again.optimizer == keras.optimizers.SGD(rate, momentum=0.5, clipnorm=1.0, name="sgd")
    data = np.ones((4, 3)), [np.ones((4, 1)), np.zeros((4, 2))]
    histories = [m.fit(*data, epochs=3, verbose=0, shuffle=False).history for m in (model, again)]
    assert histories[0] == histories[1]
    model = small()
    model.compile(keras.optimizers.Adam(0.5), "mse")
    model.optimizer.learning_rate = 0.25
    assert keras.load_model(model.save(tmp_path / "m.keras")).optimizer.learning_rate == 0.25


class Twice(layers.Layer):
    """A layer of somebody's own."""

    def __init__(self, by=2.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by
        self.inner = layers.Dense(2)

    def call(self, inputs):
        return self.inner(inputs) * self.by


def test_layers_of_ones_own_are_found_by_name(tmp_path):
    model = keras.Sequential([layers.Input((3,)), Twice(3.0)])
    again = read(model.save(tmp_path / "m.keras"), custom_objects={"Twice": Twice})
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = small()
    paths = model.save(tmp_path / "a.keras"), model.save(tmp_path / "b.keras")
    assert len({p.read_bytes() for p in paths}) == 1
    assert zipfile.ZipFile(paths[0]).namelist() == ["metadata.json", "config.json", "model.weights.h5"]


# ---------------------------------------------------------------------- what is refused


def with_op():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2)(x * 2.0))


def with_op_at_the_end():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2)(x) + 1.0)


def with_constant():
    x = keras.Input((3,))
    return keras.Model(x, layers.Add()([x, np.ones((1, 3))]))


def with_term():
    model = small()
    model.sd.add_loss(model.sd.sum(model.output))
    return model


def shared_by_models():
    dense, x, y = layers.Dense(3, name="shared"), keras.Input((3,)), keras.Input((3,))
    return keras.Model(x, dense(keras.Model(y, dense(y))(x)))


def with_lambda_loss():
    model = small()
    model.compile("adam", lambda y, p: abs(y - p))
    return model


def with_other_optimizer():
    model = small()
    model.compile(Adam(), "mse")
    return model


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


REFUSED = {
    "an op": (with_op, "is computed between layers"),
    "an op at the end": (with_op_at_the_end, "is computed between layers"),
    "an array": (with_constant, "is computed between layers"),
    "a term": (with_term, "Terms that no layer adds"),
    "a function": (lambda: small(activation=lambda x: x * 2), "'d' has a setting that is code"),
    "a Lambda": (lambda: keras.Sequential([layers.Input((3,)), layers.Lambda(lambda x: x)]), "setting that is code"),
    "a layer of Keras 2": (lambda: keras.Sequential([layers.Input((3,)), layers.ThresholdedReLU()]), "Keras 3 has no"),
    "a class": (Own, "What Own computes is code"),
    "two models": (shared_by_models, "'shared' in several models"),
    "no inputs": (lambda: keras.Sequential([layers.Dense(2)]), "has no inputs and outputs yet"),
    "a lambda": (with_lambda_loss, "This loss cannot be written down"),
    "an updater": (with_other_optimizer, "This optimizer is none of Keras'"),
}


@pytest.mark.parametrize("make, message", REFUSED.values(), ids=REFUSED)
def test_refused_by_name_before_a_file_is_touched(make, message, tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"old")
    with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
        make().save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.weights.h5"])
def test_whole_models_are_not_written_as_hdf5(name, tmp_path):
    with pytest.raises(ArgumentError, match="not written as HDF5"):
        small().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_other_names_have_the_graph(tmp_path):
    model = small()
    for name in ("m.sdg", "m"):
        path = Path(model.save(tmp_path / name))
        assert isinstance(SameDiff.load(path), SameDiff)


def test_a_file_is_not_replaced_unasked(tmp_path):
    model = small()
    model.save(tmp_path / "m.keras")
    with pytest.raises(ArgumentError, match="There is such a file"):
        model.save(tmp_path / "m.keras", overwrite=False)


def test_a_model_is_made_of_a_file():
    with pytest.raises(ArgumentError, match="is made of a file"):
        keras.Model.from_config(small().get_config())
