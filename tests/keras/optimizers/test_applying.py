"""`apply_gradients` of optimizers and of compiled models, against trajectories of Keras' own and training steps."""

import copy
import pickle

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from sdgraph.keras import Model, optimizers
from sdgraph.keras.optimizers import schedules
from tests.keras.optimizers.test_classes import FILE, LEFT_OUT
from tests.train.stepping import off

CASES = {name: case for name, case in FILE["keras"].items() if name.split()[0] not in LEFT_OUT}


def made(name):
    config = dict(CASES[name]["config"])
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        settings = {k: v for k, v in rate["config"].items() if k != "name"}
        config["learning_rate"] = getattr(schedules, rate["class_name"])(**settings)
    return getattr(optimizers, name.split()[0])(**config)


def variables(values=None, dtype="float64"):
    sd = SameDiff(dtype=dtype)
    values = [np.array(w) for w in FILE["weights"]] if values is None else values
    return [sd.var(f"w{k}", np.asarray(w, dtype)) for k, w in enumerate(values)]


def pairs(vs, scale=1.0):
    return [(np.full(v.shape, scale), v) for v in vs]


@pytest.mark.parametrize("name", CASES)
def test_weights_are_those_of_keras(name):
    optimizer, vs = made(name), variables()
    for k, (gradients, wanted) in enumerate(zip(FILE["gradients"], CASES[name]["steps"], strict=True)):
        several = CASES[name]["config"].get("gradient_accumulation_steps") or 1
        assert optimizer.apply_gradients(zip(gradients, vs, strict=True)) == (k + 1) // several
        for v, want in zip(vs, wanted, strict=True):
            assert off(v.value, want) <= 1e-12
    names = {slot for slot in CASES[name]["slots"] if slot not in ("iteration", "learning_rate")}
    assert len(optimizer.variables) >= len([n for n in names if "average" not in n and "accumulator" not in n][:1])


@pytest.mark.parametrize("settings", [{}, {"global_clipnorm": 0.5, "weight_decay": 0.1}, {"clipvalue": 0.1}])
def test_the_same_bits_as_a_training_step(settings):
    rng = np.random.default_rng(0)
    optimizer = optimizers.Adam(schedules.ExponentialDecay(0.1, 2, 0.5), **settings)
    ours, theirs = (variables([rng.normal(size=(3, 2)), 2.0], "float32") for rng in map(np.random.default_rng, (1, 1)))
    theirs[0].sd.set_loss_variables(theirs[0].sum() * theirs[1])
    step = theirs[0].sd.training_step(copy.copy(optimizer))
    for _ in range(4):
        gradients = [rng.normal(size=v.shape).astype("float32") for v in ours]
        optimizer.apply_gradients(zip(gradients, ours, strict=True))
        step.apply(gradients)
        for a, b in zip(ours, theirs, strict=True):
            assert a.value.tobytes() == b.value.tobytes()


def test_what_is_kept_belongs_to_the_object():
    one, other = optimizers.Adam(0.1), optimizers.Adam(0.1)
    (w,), (u,) = variables([1.0]), variables([1.0])
    one.apply_gradients(pairs([w]))
    one.apply_gradients(pairs([w], 3.0))
    other.apply_gradients(pairs([u]))
    assert one == other
    assert (one.iterations, other.iterations) == (2, 1)
    for anew in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert anew == one
        assert anew.iterations == 0
        assert anew.variables == {}
    assert set(one.variables) == {"w0/momentum", "w0/velocity"}


def test_a_learning_rate_that_is_set():
    (w,) = variables([1.0])
    optimizer = optimizers.SGD(0.5)
    kept = hash(optimizer)
    optimizer.learning_rate = 0.25
    optimizer.apply_gradients(pairs([w]))
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.learning_rate == 0.5
    assert isinstance(optimizer.learning_rate, float)
    optimizer.apply_gradients(pairs([w]))
    assert w.value == 0.25
    assert hash(optimizer) == kept
    for bad in (-1.0, "a", None):
        with pytest.raises(ArgumentError):
            optimizer.learning_rate = bad
    with pytest.raises(ArgumentError, match="only the learning rate"):
        optimizer.momentum = 0.5
    with pytest.raises(ArgumentError, match="schedule"):
        optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)).learning_rate = 0.1


def test_a_call_that_fails_changes_nothing():
    w, u = variables([[1.0, 2.0], 3.0])
    optimizer = optimizers.Adam(0.1)
    foreign = variables([1.0])
    one = np.ones(2)
    with pytest.raises(ShapeError, match="w0"):
        optimizer.apply_gradients([(np.ones(3), w), (1.0, u)])
    optimizer.apply_gradients(pairs(foreign))  # It was not bound by the call that failed.
    optimizer = optimizers.Adam(0.1)
    optimizer.apply_gradients([(one, w), (1.0, u)])
    before = w.value.copy(), u.value.copy(), {k: a.tolist() for k, a in optimizer.variables.items()}
    for error, given in (
        (ShapeError, [(one, w), (np.ones(2), u)]),
        (DTypeError, [(one, w), (1j, u)]),
        (ArgumentError, [(None, w), (None, u)]),
        (ArgumentError, pairs(foreign)),
        (ArgumentError, [(one, w), (1.0, foreign[0])]),
        (ArgumentError, [(one, w), (one, w)]),
        (ArgumentTypeError, [(one, w), (u, u)]),
        (ArgumentTypeError, [(one, w), (1.0, "u")]),
        (ArgumentTypeError, [one, one, one]),
        (ArgumentTypeError, 3),
    ):
        with pytest.raises(error):
            optimizer.apply_gradients(given)
    with pytest.raises(ArgumentError, match="one gradient for each"):
        optimizer.apply([one])
    with pytest.raises(ArgumentTypeError):
        optimizer.apply_gradients([(1.0, w.sd.constant(1.0))])
    now = w.value, u.value, {k: a.tolist() for k, a in optimizer.variables.items()}
    np.testing.assert_array_equal(now[0], before[0])
    assert now[1:] == before[1:]
    assert optimizer.iterations == 1
    optimizer.apply_gradients([])
    optimizer.apply([one, 1])
    assert optimizer.iterations == 2


def test_gradients_that_are_none_leave_variables():
    w, u = variables([1.0, 1.0])
    alone = optimizers.Adam(0.1)
    (v,) = variables([1.0])
    optimizer = optimizers.Adam(0.1)
    optimizer.apply_gradients([(1.0, w), (1.0, u)])
    optimizer.apply_gradients([(0.5, w), (None, u)])
    optimizer.apply_gradients([(0.25, w), (1.0, u)])
    for g in (1.0, 0.5, 0.25):
        alone.apply_gradients([(g, v)])
    assert w.value == v.value
    assert u.value != w.value
    assert optimizer.iterations == 3
    for settings in ({"use_ema": True}, {"gradient_accumulation_steps": 3}):
        optimizer = optimizers.Adam(0.1, **settings)
        optimizer.apply_gradients([(1.0, w), (1.0, u)])
        with pytest.raises(ArgumentError, match="no gradient of 'w1'"):
            optimizer.apply_gradients([(1.0, w), (None, u)])


def test_a_loss_that_is_scaled():
    (w,) = variables([1.0])
    optimizer = optimizers.SGD(0.5, loss_scale_factor=8.0)
    assert optimizer.scale_loss(2.0) == 16.0
    optimizer.apply_gradients([(8.0, w)])
    assert w.value == 0.5
    assert optimizers.SGD().scale_loss(2.0) == 2.0


# ---------------------------------------------------------------------- compiled models


def model():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (None, 2))
    w, b = sd.var("w", [[0.5], [1.0]]), sd.var("b", [0.1])
    return Model(x, x @ w + b), [w, b]


X = np.random.default_rng(0).normal(size=(6, 2))
Y = X.sum(axis=1, keepdims=True)


def gradients_of(vs):
    """Of the mean squared error, by hand."""
    off_by = X @ vs[0].value + vs[1].value - Y
    return [2 * X.T @ off_by / len(X), 2 * off_by.mean(axis=0)]


@pytest.mark.parametrize("settings", [{}, {"gradient_accumulation_steps": 3}, {"use_ema": True}])
def test_a_compiled_model_goes_on_with_the_same_state(settings):
    trained, vs = model()
    fitted, others = model()
    optimizer = optimizers.Adam(0.1, **settings)
    for m, o in ((trained, optimizer), (fitted, optimizers.Adam(0.1, **settings))):
        m.compile(o, "mse")
    for k in range(6):
        fitted.train_on_batch(X, Y)
        if k in (0, 1, 4):
            trained.optimizer.apply_gradients(zip(gradients_of(vs), vs, strict=True))
        elif k == 5:
            optimizer.apply_gradients(zip(gradients_of(vs), vs, strict=True))
        else:
            trained.train_on_batch(X, Y)
        for v, other in zip(vs, others, strict=True):
            np.testing.assert_allclose(v.value, other.value, rtol=1e-12, atol=1e-14)
        assert trained.optimizer.iterations == fitted.optimizer.iterations == optimizer.iterations
    assert trained.optimizer.variables.keys() == optimizer.variables.keys() == fitted.optimizer.variables.keys()


def test_rates_of_a_compiled_model():
    trained, vs = model()
    optimizer = optimizers.SGD(0.5)
    trained.compile(optimizer, "mse")
    trained.optimizer.learning_rate = 0.25
    trained.optimizer.apply_gradients(pairs(vs))
    np.testing.assert_allclose(vs[1].value, [-0.15])
    optimizer.learning_rate = 0.5
    assert trained.optimizer.learning_rate == 0.5
    trained.optimizer.apply_gradients(pairs(vs))
    np.testing.assert_allclose(vs[1].value, [-0.65])
    trained.train_on_batch(X, Y)
    assert trained.optimizer.learning_rate == 0.5
    optimizer.learning_rate = 0.0
    assert trained.optimizer.learning_rate == 0.0
    before = vs[1].value
    trained.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(vs[1].value, before)
    with pytest.raises(ArgumentError, match="no gradient of 'b'"):
        trained.optimizer.apply_gradients([(np.ones((2, 1)), vs[0])])
    with pytest.raises(ShapeError):
        trained.optimizer.apply([np.ones(2), np.ones(1)])
    trained.optimizer.apply_gradients([])
