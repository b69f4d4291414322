"""Random cases against Keras itself, where it is installed. Keras' own precision is single."""

import os
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgraph.keras import losses

pytestmark = pytest.mark.keras

if find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "jax")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

VERSION = tuple(int(n) for n in keras.__version__.split(".")[:2])
PROBABILITIES = ("BinaryCrossentropy", "BinaryFocalCrossentropy", "KLDivergence", "Dice", "Tversky")
ONE_HOT = ("CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalHinge")
LABELS = ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy", "Circle")
NUMBERS = (
    *("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError"),
    *("CosineSimilarity", "Huber", "LogCosh", "Hinge", "SquaredHinge", "Poisson"),
)


def settings(draw, name):
    """Settings of a loss that its own documentation and its release agree on."""
    out = {}
    if name in ("BinaryCrossentropy", "CategoricalCrossentropy"):
        out = {"from_logits": draw(st.booleans()), "label_smoothing": draw(st.sampled_from([0.0, 0.1, 0.5]))}
    elif name.endswith("FocalCrossentropy"):
        out = {"gamma": draw(st.sampled_from([0.5, 1.0, 2.0])), "label_smoothing": draw(st.sampled_from([0.0, 0.2]))}
        if name.startswith("Binary"):
            out["apply_class_balancing"] = draw(st.booleans())
    elif name == "SparseCategoricalCrossentropy":
        out = {"from_logits": draw(st.booleans()), "ignore_class": draw(st.sampled_from([None, 0, 2]))}
    elif name == "CategoricalGeneralizedCrossEntropy":
        out = {"q": draw(st.sampled_from([0.2, 0.5, 0.9]))}
    elif name == "Huber":
        out = {"delta": draw(st.sampled_from([0.3, 1.0, 5.0]))}
    elif name == "Circle":
        out = {"gamma": draw(st.sampled_from([1.0, 8.0])), "remove_diagonal": draw(st.booleans())}
    elif name == "Dice" or (name == "Tversky" and VERSION >= (3, 16)):
        out = {"axis": draw(st.sampled_from([None, 1, (0, 1)]))}
    return out


@st.composite
def calls(draw):
    name = draw(st.sampled_from([*NUMBERS, *PROBABILITIES, *ONE_HOT, *LABELS]))
    options = settings(draw, name)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch, time, n = draw(st.integers(2, 5)), draw(st.integers(2, 4)), draw(st.integers(3, 5))
    lead = (batch,) if name == "Circle" or draw(st.booleans()) else (batch, time)
    shape = (*lead, n)
    p = rng.normal(size=shape)
    y = rng.normal(size=shape)
    if name in ONE_HOT:
        y = np.eye(n)[rng.integers(0, n, lead)]
    elif name in LABELS:
        y = rng.integers(0, n, lead)
    elif name in PROBABILITIES:
        y = rng.random(shape).round()
    elif name == "Poisson":
        y, p = rng.poisson(2.0, shape).astype(float), rng.random(shape) + 0.1
    elif name in ("MeanSquaredLogarithmicError", "MeanAbsolutePercentageError"):
        y, p = rng.random(shape) + 0.1, rng.random(shape)
    if name == "Circle":
        p /= np.linalg.norm(p, axis=-1, keepdims=True)
    elif name in (*PROBABILITIES, "SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy", *ONE_HOT[:2]):
        logits = options.get("from_logits")
        p = p if logits else np.exp(p) / np.exp(p).sum(-1, keepdims=True)
    w = None
    if name not in ("Dice", "Tversky"):
        w = draw(st.sampled_from([None, 2.0, "rows", "all"]))
        if isinstance(w, str):
            rows = (batch,) if len(lead) == 1 else (batch, 1)
            w = rng.random(rows if w == "rows" else lead).astype("float32")
    options["reduction"] = draw(st.sampled_from(["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]))
    if VERSION < (3, 7) and options["reduction"].startswith("mean"):
        options["reduction"] = "sum"
    return name, options, y if y.dtype.kind == "i" else y.astype("float32"), p.astype("float32"), w


@pytest.mark.filterwarnings("ignore")
@given(calls())
def test_the_same_numbers(call):
    name, options, y, p, w = call
    if not hasattr(keras.losses, name):
        return
    theirs = getattr(keras.losses, name)(**options)(y, p, sample_weight=w)
    ours = getattr(losses, name)(**options)(y, p, sample_weight=w)
    theirs = np.asarray(keras.ops.convert_to_numpy(theirs))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", [*NUMBERS, *PROBABILITIES, *ONE_HOT, *LABELS, "CTC"])
def test_configurations_of_keras_are_understood(name):
    if not hasattr(keras.losses, name):
        return
    theirs = getattr(keras.losses, name)(reduction="sum", name="mine")
    ours = losses.deserialize(keras.losses.serialize(theirs))
    assert type(ours) is getattr(losses, name)
    assert {k: v for k, v in ours.get_config().items() if k in theirs.get_config()} == theirs.get_config()
    again = keras.losses.deserialize(losses.serialize(losses.get(name))) if VERSION >= (3, 16) else None
    assert again is None or type(again) is getattr(keras.losses, name)
