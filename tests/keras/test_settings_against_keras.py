"""Initializers, regularizers and constraints beside Keras' own."""

import numpy as np
import pytest

from sdgraph.keras import constraints, initializers, regularizers
from tests.keras.keras_itself import keras

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

SHAPES = [(200, 150), (3, 3, 30, 40), (5, 60, 70)]
DRAWN = (
    *("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "GlorotUniform", "GlorotNormal"),
    *("HeUniform", "HeNormal", "LecunUniform", "LecunNormal"),
)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_the_same_distribution(name, shape):
    theirs = np.asarray(getattr(keras.initializers, name)(seed=1)(shape))
    ours = getattr(initializers, name)(seed=1)(shape)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    grid = np.linspace(0, 1, 21)
    np.testing.assert_allclose(np.quantile(ours, grid[1:-1]), np.quantile(theirs, grid[1:-1]), atol=0.12 * ours.std())
    if name != "RandomNormal":
        assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.01)


def test_values_without_draws_are_the_same():
    for name, shape in (("Zeros", (2, 3)), ("Ones", (2,)), ("Constant", (2, 2)), ("Identity", (3, 2))):
        theirs, ours = getattr(keras.initializers, name)(), getattr(initializers, name)()
        np.testing.assert_array_equal(np.asarray(theirs(shape)), ours(shape))


@pytest.mark.parametrize("name", [*DRAWN, "Zeros", "Ones", "Constant", "Identity", "Orthogonal"])
def test_initializers_are_written_and_read_alike(name):
    theirs, ours = getattr(keras.initializers, name)(), getattr(initializers, name)()
    assert initializers.deserialize(keras.initializers.serialize(theirs)) == ours
    written = initializers.serialize(ours)
    if name == "Identity":  # Keras forgets its gain, and reads it.
        assert written["config"].pop("gain") == 1.0
    assert written == keras.initializers.serialize(theirs)
    again = keras.initializers.deserialize(initializers.serialize(ours))
    assert again.get_config() == theirs.get_config()


REGULARIZERS = [
    ("L1", {}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {"factor": 0.5}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
CONSTRAINTS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "rate": 0.3, "axis": 1}),
]


@pytest.mark.parametrize(
    ("family", "name", "settings"),
    [*(("regularizers", *case) for case in REGULARIZERS), *(("constraints", *case) for case in CONSTRAINTS)],
)
def test_regularizers_and_constraints(family, name, settings):
    mine = {"regularizers": regularizers, "constraints": constraints}[family]
    theirs, ours = getattr(getattr(keras, family), name)(**settings), getattr(mine, name)(**settings)
    w = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    w[2] = 0
    np.testing.assert_allclose(ours(w), np.asarray(theirs(keras.ops.convert_to_tensor(w))), rtol=1e-5)
    written = getattr(keras, family).serialize(theirs)
    read = mine.deserialize(written)
    close = {k: pytest.approx(v, rel=1e-6) if isinstance(v, float) else v for k, v in ours.get_config().items()}
    assert read.get_config() == close
    again = getattr(keras, family).deserialize(mine.serialize(ours))
    assert again.get_config() == theirs.get_config()
