"""Programs as pages about Keras show them: what the pages print, and the same numbers under Keras itself."""

import math
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.keras import seed_programs as ours

QUICK = (
    *("keras3_compile_with_a_loss_object", "keras3_reductions", "keras3_a_training_loop", "keras3_losses_of_a_layer"),
    *("keras3_losses_are_those_of_the_last_pass", "notes_a_weighted_loss", "old_compile_with_a_string"),
)
"""Programs that run under Keras in all runs of the tests; it takes long to compile."""
PROGRAMS = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in vars(ours)
    if name.startswith(("keras3_", "notes_", "old_"))
]


@pytest.fixture(scope="module")
def theirs():
    """The same file under Keras, with other import lines."""
    if find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    from tests.keras.keras_itself import keras

    if keras.backend.backend() != "jax":
        pytest.skip("the gradients of a loop are taken by jax here")
    source = Path(ours.__file__).read_text(encoding="utf-8")
    source = source.replace("from sdgraph import keras\n", "import keras\n").replace("from sdgraph.keras", "from keras")
    module = types.ModuleType("seed_programs_under_keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "value_and_gradients", value_and_gradients, raising=False)
        exec(compile(source, ours.__file__, "exec"), module.__dict__)
        yield module


def value_and_gradients(model, x, y, loss_fn):
    """What the tape's lines of the pages compute, by jax."""
    import jax

    def loss(trained):
        fixed = [v.value for v in model.non_trainable_variables]
        logits, _, extra = model.stateless_call(trained, fixed, x, return_losses=True)
        return loss_fn(y, logits) + sum(extra)

    return jax.value_and_grad(loss)([v.value for v in model.trainable_variables])


def assert_same(a, b):
    if isinstance(a, dict):
        for key in a.keys() & b.keys():
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, str):
        assert a == b
    else:
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-4, atol=2e-5)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_numbers_under_keras(name, theirs):
    assert_same(getattr(ours, name)(), getattr(theirs, name)())


def test_reductions_that_the_page_prints():
    printed = ours.keras3_reductions()
    for value, wanted in zip(printed, ([1, 1], 1.0, 2.0, [1, 1], [1, 1], 1.0), strict=True):
        np.testing.assert_array_equal(value, wanted)
        assert value.dtype == np.float32


def test_losses_that_the_page_prints():
    found = ours.keras3_losses_of_a_layer()
    assert found["shapes"] == [(10, 1), 1, (), "float32"]
    assert ours.keras3_losses_are_those_of_the_last_pass() == [1, 1]
    # Ten equal rows of 32 rectified sums, by numpy.
    draw = ours.rng()
    kernel = (0.3 * draw.normal(size=(10, 32))).astype("float32")
    bias = (0.3 * draw.normal(size=32)).astype("float32")
    hidden = np.maximum(kernel.sum(axis=0) + bias, 0)
    np.testing.assert_allclose(found["losses"], [0.01 * 10 * (hidden**2).sum()], rtol=1e-5)


def test_losses_fall():
    for name in ("keras3_compile_with_a_loss_object", "keras3_a_loss_function", "keras3_fit_with_added_losses"):
        first, second = getattr(ours, name)()["loss"]
        assert second < first
    loop = ours.keras3_a_training_loop()["losses"]
    assert np.mean(loop[4:]) < np.mean(loop[:4])


def test_an_object_a_string_and_a_function_say_the_same():
    one, other = ours.keras3_compile_with_a_loss_object(), ours.keras3_compile_with_a_string()
    assert one["loss"] == other["loss"]
    by_class, by_name = ours.notes_mean_squared_error()
    assert by_class["loss"] == by_name["loss"]
    assert ours.old_compile_with_a_string()["loss"] == ours.old_compile_with_a_function()["loss"]


def test_initial_weights_are_uniform():
    assert ours.keras3_the_initial_weights() == {"kernel": True, "spread": True, "bias": 0.0}


def test_every_function_of_the_old_page():
    found = ours.old_available_functions()
    assert found.keys() == {*ours.OLD_NAMES, "sparse"}
    y, p = np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.7, 0.2])
    wanted = {
        "mean_squared_error": ((y - p) ** 2).mean(),
        "mean_absolute_error": abs(y - p).mean(),
        "hinge": np.maximum(1 - (2 * y - 1) * p, 0).mean(),
        "categorical_crossentropy": -math.log(0.7),
        "sparse": -math.log(0.7),
        "poisson": (p - y * np.log(p + 1e-7)).mean(),
        "logcosh": np.log(np.cosh(p - y)).mean(),
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], [value], rtol=1e-4)
    labels = ours.old_categorical_labels()
    np.testing.assert_array_equal(labels.argmax(-1), ours.classes(4, 6))
