"""A training step: what it trains, what it refuses, what it goes on with. Expected values are made with numpy."""

import gc
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, NumericsError
from sdgraph.keras import optimizers
from sdgraph.train import AdaGrad, Adam, Average, Nesterovs, ScheduleType, Sgd, StepSchedule
from sdgraph.train.step import TrainingStep

ENGINES = ["numpy", "llvm"]
RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))
W, B = RNG.normal(size=(3, 2)), RNG.normal(size=2)


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


def linear(dtype="float64"):
    """``loss = sum((x w + b - y)^2) / n``."""
    sd = SameDiff(dtype)
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 2))
    w, b = sd.var("w", W.astype(dtype)), sd.var("b", B.astype(dtype))
    ((x @ w + b - y) ** 2).sum(axis=1).mean(name="loss").mark_as_loss()
    return sd


def gradients(x, y, w, b):
    off = 2 * (x @ w + b - y) / len(x)
    return x.T @ off, off.sum(0)


def batches(n=6, size=4):
    return [{"x": X[k * size % 12 :][:size], "y": Y[k * size % 12 :][:size]} for k in range(n)]


def test_the_losses_are_those_of_before(engine):
    sd = linear()
    step = sd.training_step(Sgd(0.1), fetches=["w"], engine=engine)
    found = step({"x": X, "y": Y})
    np.testing.assert_allclose(found["loss"], ((X @ W + B - Y) ** 2).sum(1).mean(), rtol=1e-14)
    np.testing.assert_array_equal(found["w"], W)
    gw, gb = gradients(X, Y, W, B)
    np.testing.assert_allclose(sd["w"].value, W - 0.1 * gw, rtol=1e-13)
    np.testing.assert_allclose(sd["b"].value, B - 0.1 * gb, rtol=1e-13)


def test_it_says_what_it_trains_and_how_far_it_is():
    step = linear().training_step(Sgd(0.5))
    step({"x": X, "y": Y})
    assert repr(step) == "<TrainingStep 1 of 'w' and 'b', by Sgd(learning_rate=0.5)>"


def uneven(dtype="float32"):
    """A loss that is finite at the beginning, whose gradient by w is not: 0 to the power of one half."""
    sd = SameDiff(dtype)
    x, w, b = sd.placeholder("x", (None, 2)), sd.var("w", [0.0, 0.0]), sd.var("b", 1.0)
    sd.math.pow(x @ w, 0.5, name="root")
    (sd["root"] + b).mean(name="loss").mark_as_loss()
    return sd


def test_a_gradient_that_is_not_finite_is_refused_in_its_step(engine):
    sd = uneven()
    step = sd.training_step(Adam(0.1), fetches=["root"], engine=engine)
    before = step.state()
    with pytest.raises(NumericsError, match="pow: This node produced infinity") as caught:
        step({"x": [[1.0, 2.0]]})
    (note,) = caught.value.__notes__
    assert "The gradient of 'w' is not finite, though every loss is; no variable was changed." in note
    assert "the gradient by 'matmul', made at" in note and Path(__file__).name in note
    after = step.state()
    assert all(after[key].tobytes() == a.tobytes() for key, a in before.items())


def test_a_gradient_that_is_not_finite_is_skipped_or_borne(engine):
    sd = uneven("float64")
    step = sd.training_step(Sgd(0.1), on_nan="skip", engine=engine)
    step({"x": [[1.0, 2.0]]})
    assert (step.skipped, step.left_out, step.step) == (1, True, 1)
    assert sd["b"].value == 1.0
    sd["w"].value = [4.0, 0.0]
    step({"x": [[1.0, 2.0]]})
    assert not step.left_out
    np.testing.assert_allclose(sd["w"].value, [4 - 0.1 / 4, -0.1 / 2], rtol=1e-15)
    sd["w"].value = [0.0, 0.0]
    step.on_nan = "continue"
    step({"x": [[1.0, 2.0]]})
    assert not np.isfinite(sd["w"].value).any()


def test_gradients_so_large_that_their_sum_is_not_finite_are_used(engine):
    sd = SameDiff()
    w = sd.var("w", np.full(4, 0.125, "f"))
    (w * np.float32(2e38)).sum(name="loss").mark_as_loss()
    step = sd.training_step(Sgd(2.0**-126), engine=engine)
    step()
    assert not step.left_out
    np.testing.assert_allclose(w.value, 0.125 - 2e38 / 2.0**126, rtol=1e-6)


def test_values_that_were_not_finite_before_are_told():
    sd = linear()
    step = sd.training_step(Sgd(0.1))
    sd["w"].value = np.full_like(W, np.nan)
    with pytest.raises(NumericsError) as caught:
        step({"x": X, "y": Y})
    assert any("Before it 'w' had NaN or infinity." in note for note in caught.value.__notes__)


def test_patterns_choose_updaters_and_freeze(engine):
    sd = linear()
    step = sd.training_step({"w": None, "*": Sgd(0.1)}, engine=engine)
    assert [v.name for v in step.trained] == ["b"]
    step({"x": X, "y": Y})
    np.testing.assert_array_equal(sd["w"].value, W)
    several = linear()
    step = several.training_step({"w": Sgd(0.5), "?": Sgd(0.25)}, engine=engine)
    assert {v.name: u for v, u in step.updaters.items()} == {"w": Sgd(0.5), "b": Sgd(0.25)}
    step({"x": X, "y": Y})
    gw, gb = gradients(X, Y, W, B)
    np.testing.assert_allclose(several["w"].value, W - 0.5 * gw, rtol=1e-13)
    np.testing.assert_allclose(several["b"].value, B - 0.25 * gb, rtol=1e-13)


@pytest.mark.parametrize(
    ("updater", "error", "words"),
    [
        ({"w": Sgd(), "nobody*": Sgd()}, ArgumentError, "No variable is trained by 'nobody\\*'"),
        ({"*": Sgd(), "w": Adam()}, ArgumentError, "No variable is trained by 'w'"),
        ({"*": None}, ArgumentError, "There is nothing to train"),
        ({"*": 0.1}, ArgumentTypeError, "An updater says"),
        ("adam", ArgumentTypeError, "An updater says"),
    ],
)
def test_what_cannot_be_is_refused_at_once(updater, error, words):
    with pytest.raises(error, match=words):
        linear().training_step(updater)


def test_variables_that_no_loss_needs_are_named():
    sd = linear()
    sd.var("alone", 1.0)
    sd["w"].sum(name="aside")
    with pytest.raises(ArgumentError, match="do not depend on 'alone'"):
        sd.training_step(Sgd(), variables=["w", "alone"])


def test_maximizing_goes_the_other_way(engine):
    sd = linear()
    sd.training_step(Sgd(0.1), minimize=False, engine=engine)({"x": X, "y": Y})
    np.testing.assert_allclose(sd["w"].value, W + 0.1 * gradients(X, Y, W, B)[0], rtol=1e-13)


@pytest.mark.parametrize("sizes", [(4, 4, 4), (6, 6), (7, 4, 1)])
def test_what_is_accumulated_is_the_large_batch(sizes, engine):
    sd, whole = linear(), linear()
    step = sd.training_step(Adam(0.1), accumulate=len(sizes), engine=engine)
    large = whole.training_step(Adam(0.1), engine=engine)
    for _ in range(3):
        for size, end in zip(sizes, np.cumsum(sizes), strict=True):
            step({"x": X[end - size : end], "y": Y[end - size : end]}, examples=size)
        large({"x": X, "y": Y})
    assert step.update.number == 3
    np.testing.assert_allclose(sd["w"].value, whole["w"].value, rtol=1e-12)


def test_flush_takes_what_there_is_and_carry_keeps_it():
    for carry in (False, True):
        sd = linear()
        step = TrainingStep(sd, Sgd(0.1), accumulate=4, carry=carry)
        for feeds in batches(2):
            step(feeds, examples=4)
        step.flush()
        if carry:
            np.testing.assert_array_equal(sd["w"].value, W)
        else:
            gw = gradients(X[:8], Y[:8], W, B)[0]
            np.testing.assert_allclose(sd["w"].value, W - 0.1 * gw, rtol=1e-13)


# ---------------------------------------------------------------------- NaN


def bad():
    return {"x": np.where(X[2, 1] == X, np.nan, X), "y": Y}


@pytest.mark.parametrize("steps", [1, 6])
def test_a_bad_batch_is_refused_before_anything_changes(engine, steps):
    sd = linear()
    step = sd.training_step(Adam(0.1), engine=engine)
    for _ in range(steps):
        step({"x": X, "y": Y})
    before = step.state()
    with pytest.raises(NumericsError) as caught:
        step(bad())
    assert "no variable was changed" in "".join(caught.value.__notes__)
    after = step.state()
    assert before.keys() == after.keys()
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


def test_a_bad_batch_is_skipped_and_counted(engine):
    sd, without = linear(), linear()
    step = sd.training_step(Adam(0.1), on_nan="skip", engine=engine)
    plain = without.training_step(Adam(0.1), engine=engine)
    for feeds in ({"x": X, "y": Y}, bad(), {"x": X[:5], "y": Y[:5]}):
        found = step(feeds)
        assert step.left_out == math.isnan(found["loss"])
        if not step.left_out:
            plain(feeds)
    assert (step.skipped, step.step, step.update.number) == (1, 3, 2)
    np.testing.assert_array_equal(sd["w"].value, without["w"].value)


def test_who_does_not_look_goes_on(engine):
    sd = linear()
    step = sd.training_step(Sgd(0.1), on_nan="continue", engine=engine)
    step(bad())
    assert np.isnan(sd["w"].value).any()
    step.on_nan = "raise"
    with pytest.raises(NumericsError):
        step({"x": X, "y": Y})
    with pytest.raises(ArgumentError, match="on_nan"):
        step.on_nan = "never"  # type: ignore[assignment]


# ---------------------------------------------------------------------- learning rates


def test_a_rate_that_is_a_number_can_be_set(engine):
    sd = linear()
    step = sd.training_step(Sgd(0.1), engine=engine)
    step.learning_rate = 0.5
    assert step.learning_rate == 0.5
    step({"x": X, "y": Y})
    np.testing.assert_allclose(sd["w"].value, W - 0.5 * gradients(X, Y, W, B)[0], rtol=1e-13)


def test_a_rate_by_a_schedule_cannot():
    schedule = StepSchedule(ScheduleType.ITERATION, 0.5, 0.5, 1)
    step = linear().training_step(Sgd(schedule))
    assert step.learning_rate == 0.5
    step({"x": X, "y": Y})
    assert step.learning_rate == 0.25
    with pytest.raises(ArgumentError, match="follows a schedule"):
        step.learning_rate = 0.1
    with pytest.raises(ArgumentError, match="no one learning rate"):
        _ = linear().training_step({"w": Sgd(0.5), "*": Adam(0.5)}).learning_rate


def test_momentum_follows_a_schedule(engine):
    """``v' = mu v - lr g``, and ``(1 + mu) v' - mu v`` is added, with mu of the update."""
    sd = linear()
    step = sd.training_step(Nesterovs(0.1, momentum=StepSchedule(ScheduleType.ITERATION, 0.8, 0.5, 1)), engine=engine)
    w, b, vw, vb = W, B, np.zeros_like(W), np.zeros_like(B)
    for mu in (0.8, 0.4, 0.2):
        step({"x": X, "y": Y})
        gw, gb = gradients(X, Y, w, b)
        nw, nb = mu * vw - 0.1 * gw, mu * vb - 0.1 * gb
        w, b, vw, vb = w + (1 + mu) * nw - mu * vw, b + (1 + mu) * nb - mu * vb, nw, nb
    np.testing.assert_allclose(sd["w"].value, w, rtol=1e-12)


# ---------------------------------------------------------------------- averages


@pytest.mark.parametrize("every", [None, 1, 2])
@pytest.mark.parametrize("face", ["keras", "own"])
def test_averages(every, face, engine):
    """Keras': the first update copies, every so many the variable becomes its average."""
    sd = linear()
    if face == "keras":
        keras = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=every)
        step = sd.training_step(keras, engine=engine)
    else:
        step = sd.training_step(Sgd(0.1), average=Average(0.75, every), engine=engine)
    w, b, average = W, B, {}
    for k in range(1, 6):
        step({"x": X, "y": Y})
        gw, gb = gradients(X, Y, w, b)
        w, b = w - 0.1 * gw, b - 0.1 * gb
        moved = {"w": w, "b": b}
        average = {n: 0.75 * average[n] + 0.25 * a for n, a in moved.items()} if average else moved
        if every and k % every == 0:
            w, b = average["w"], average["b"]
        for name, a in step.averages().items():
            np.testing.assert_allclose(a, average[name], rtol=1e-12)
        np.testing.assert_allclose(sd["w"].value, w, rtol=1e-12)
    step.take_averages()
    np.testing.assert_allclose(sd["b"].value, average["b"], rtol=1e-12)


def test_averages_have_settings_that_can_be():
    with pytest.raises(ArgumentError, match="momentum"):
        Average(1.5)
    with pytest.raises(ArgumentError, match="overwrite_every"):
        optimizers.Adam(use_ema=True, ema_overwrite_frequency=0)


# ---------------------------------------------------------------------- states


def regression(updater, **settings):
    """Dropout, a moving mean, two updaters: all that a state can have."""
    sd = SameDiff("float32", seed=3)
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 2))
    w, b, mean = sd.var("w", W.astype("f")), sd.var("b", B.astype("f")), sd.var("mean", np.zeros(3, "f"))
    kept = sd.nn.dropout(x - mean, 0.25)
    ((kept @ w + b - y) ** 2).sum(axis=1).mean(name="loss").mark_as_loss()
    sd.update(mean, 0.9 * mean + 0.1 * x.mean(axis=0))
    return sd, sd.training_step(updater, **settings)


SETTINGS = [
    (Adam(0.05), {}),
    (
        {"w": optimizers.Nadam(0.05), "b": Nesterovs(0.1, StepSchedule(ScheduleType.ITERATION, 0.8, 0.5, 2))},
        {"accumulate": 2},
    ),
    (AdaGrad(0.1), {"accumulate": 3, "average": Average(0.5, 2), "on_nan": "skip"}),
]


@pytest.mark.parametrize(("updater", "settings"), SETTINGS)
@pytest.mark.parametrize("stop", range(5))
def test_a_state_goes_on_to_the_same_bits(updater, settings, stop, engine):
    sd, step = regression(updater, engine=engine, **settings)
    again_sd, again = regression(updater, engine=engine, **settings)
    state = {}
    for k, feeds in enumerate(batches()):
        if k == stop:
            step.keep("best:of/all")
            step.epoch = 4
            state = step.state()
            again.load_state(state)
            assert again.epoch == 4
        for one in (step, again) if k >= stop else (step,):
            one(feeds, examples=k + 1)
    for name in ("w", "b", "mean"):
        assert sd[name].value.tobytes() == again_sd[name].value.tobytes()
    found, wanted = again.state(), step.state()
    assert found.keys() == wanted.keys()
    assert all(found[key].tobytes() == wanted[key].tobytes() for key in wanted)
    for one, graph in ((step, sd), (again, again_sd)):
        one.restore("best:of/all")
        assert graph["mean"].value.tobytes() == state["value:mean"].tobytes()


def test_a_state_is_a_copy():
    sd, step = regression(Adam(0.1))
    before = step.state()
    kept = {key: a.tobytes() for key, a in before.items()}
    for feeds in batches():
        step(feeds)
    assert all(before[key].tobytes() == b for key, b in kept.items())
    step.load_state(before)
    for a in before.values():
        a[...] = 7
    assert sd["w"].value.tobytes() == kept["value:w"]


def test_a_rate_that_was_set_is_part_of_it():
    _, step = regression(Adam(0.1))
    step.learning_rate = 0.03125
    _, again = regression(Adam(0.1))
    again.load_state(step.state())
    assert again.learning_rate == 0.03125


def test_without_values_variables_stay():
    _, step = regression(Adam(0.1))
    step(batches()[0])
    state = {key: a for key, a in step.state().items() if not key.startswith("value:")}
    again_sd, again = regression(Adam(0.1))
    again.load_state(state)
    np.testing.assert_array_equal(again_sd["w"].value, W.astype("f"))
    assert again.update.number == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("slot:M/w"), "no part 'slot:M/w'"),
        (lambda s: s.pop("count:update"), "no part 'count:update'"),
        (lambda s: s.pop("count:step"), "no part 'count:step'"),
        (lambda s: s.update({"slot:V_HAT/w": W}), "'slot:V_HAT/w', which this step does not have"),
        (lambda s: s.update({"value:w": W}), "'value:w': float64"),
        (lambda s: s.update({"slot:M/b": np.zeros(3, "f")}), "'slot:M/b': float32 \\(3,\\)"),
        (lambda s: s.update({"count:step": np.array(-1)}), "'count:step'"),
        (lambda s: s.update({"count:epoch": np.array(0.5)}), "'count:epoch'"),
        (lambda s: s.update({"count:accumulated": np.array(1)}), "no part 'sum:w'"),
        (lambda s: s.update({"kept:best:w": W.astype("f")}), "no part 'kept:best:b'"),
        (lambda s: s.update({"kept:w": W.astype("f")}), "'kept:w'"),
        (lambda s: s.update({"other": W}), "'other'"),
    ],
)
def test_another_state_is_refused_and_changes_nothing(change, words):
    _, step = regression(Adam(0.1))
    step(batches()[0])
    state = step.state()
    before = {key: a.copy() for key, a in state.items()}
    step(batches()[1])
    change(state)
    with pytest.raises(ArgumentError, match=words):
        step.load_state(state)
    step.load_state(before)
    assert {key: a.tobytes() for key, a in step.state().items()} == {key: a.tobytes() for key, a in before.items()}


# ---------------------------------------------------------------------- who watches


class Watcher:
    def __init__(self, *, sees_updates=True, edit=None):
        self.sees_updates, self.edit, self.told = sees_updates, edit, []

    def computed(self, values):
        self.told.append(sorted(values))

    def update(self, name, change):
        self.told.append((name, change.copy()))
        if self.edit is not None:
            self.edit(change)


def test_watchers_see_and_edit_what_is_subtracted(engine):
    sd = linear()
    step = sd.training_step(Sgd(0.1), engine=engine)
    first, second = Watcher(edit=lambda u: np.multiply(u, 2, out=u)), Watcher()
    blind = Watcher(sees_updates=False)
    step.watchers += [first, blind, second]
    step({"x": X, "y": Y})
    gw, gb = gradients(X, Y, W, B)
    wanted = {"w": 0.1 * gw, "b": 0.1 * gb}
    assert first.told[0] == blind.told[0] == ["loss"]
    assert len(blind.told) == 1
    for (name, change), (also, doubled) in zip(first.told[1:], second.told[1:], strict=True):
        assert name == also
        np.testing.assert_allclose(change, wanted[name], rtol=1e-12)
        np.testing.assert_allclose(doubled, 2 * wanted[name], rtol=1e-12)
    np.testing.assert_allclose(sd["w"].value, W - 0.2 * gw, rtol=1e-12)
    # A bias' gradient is known before that of what it is added to.
    assert [name for name, _ in first.told[1:]] == ["b", "w"]


# ---------------------------------------------------------------------- what it costs


def dense(layers):
    """Layers of matrices, with products by BLAS between."""
    sd, rng = SameDiff(), np.random.default_rng(0)
    x = sd.placeholder("x", (None, 40))
    for k in range(layers):
        x = sd.math.tanh(
            x @ sd.var(f"w{k}", rng.normal(size=(40, 40)).astype("f") / 7) + sd.var(f"b{k}", np.zeros(40, "f"))
        )
    (x**2).mean(name="loss").mark_as_loss()
    return sd


def sums(n):
    """As many variables, and compiled code for all that happens to them."""
    sd = SameDiff()
    x = sd.placeholder("x", (None, 40))
    for k in range(n):
        x = x * 0.5 + sd.math.tanh(sd.var(f"w{k}", np.full(40, 0.1, "f")))
    (x**2).mean(name="loss").mark_as_loss()
    return sd


def calls_in_a_step(sd):
    """How many functions Python calls, those of C included, in one of many steps."""
    step, feeds, calls = sd.training_step(Adam(), engine="llvm"), {"x": np.ones((8, 40), "f")}, []
    for _ in range(5):
        step(feeds)
    gc.collect()
    sys.setprofile(lambda frame, event, what: calls.append(event) if event in ("call", "c_call") else None)
    try:
        step(feeds)
    finally:
        sys.setprofile(None)
    return len(calls) - 1  # That which ends the count.


def test_a_step_in_compiled_code_takes_as_many_calls_whatever_is_trained():
    pytest.importorskip("llvmlite")
    found = [calls_in_a_step(sums(n)) for n in (1, 4, 16, 40)]
    assert len({*found}) == 1 and found[0] < 15


def test_calls_of_a_step_are_linear_in_layers():
    pytest.importorskip("llvmlite")
    a, b, c, d = (calls_in_a_step(dense(n)) for n in (2, 4, 8, 16))
    assert (d - c, c - b) == (2 * (c - b), 2 * (b - a))
    # Three products, two views of what is no variable, and two segments, each a few calls.
    assert (d - c) / 8 < 25


@pytest.mark.parametrize("make", [sums, dense])
def test_who_comes_later_is_told_and_what_is_set_later_counts(make, engine):
    sd, other = make(2), make(2)
    feeds, step, seen = {"x": np.ones((8, 40), "f")}, sd.training_step(Sgd(0.1), engine=engine), []
    numpy = other.training_step(Sgd(0.1), engine="numpy")

    class Sees:
        sees_updates = True

        def computed(self, values):
            seen.append(values["loss"])

        def update(self, name, change):
            change[...] = 0

    def same():
        for v in sd.variables("variable"):
            np.testing.assert_allclose(v.value, other[v.name].value, rtol=1e-5, atol=1e-7)

    for _ in range(5):
        assert step(feeds)["loss"] == pytest.approx(numpy(feeds)["loss"], rel=1e-5)
    step.watchers.append(Sees())
    loss = step(feeds)["loss"]
    assert [*seen] == [loss]
    step.watchers.clear()
    same()  # What is subtracted is what was made of it: nothing.
    step.learning_rate = numpy.learning_rate = 0.01
    sd["w0"].value = other["w0"].value = other["w0"].value * 2
    for _ in range(4):
        assert step(feeds)["loss"] == pytest.approx(numpy(feeds)["loss"], rel=1e-5)
    same()
    step.on_nan = "continue"
    step({"x": np.full((8, 40), np.nan, "f")})
    assert np.isnan(sd["w0"].value).any()


@pytest.mark.parametrize("make", [sums, dense])
@pytest.mark.parametrize("policy", ["raise", "skip"])
def test_what_is_not_finite_changes_nothing_after_many_steps(make, policy, engine):
    sd = make(2)
    step = sd.training_step(Adam(0.1), on_nan=policy, engine=engine)
    for k in range(10):
        good, bad = np.full((4 + k % 2, 40), 1.0, "f"), np.ones((4, 40), "f")
        bad[k % 4, k] = (np.nan, np.inf, 1e30)[k % 3] if make is sums else np.nan
        step({"x": good})
        before = step.state()
        if policy == "raise":
            with pytest.raises(NumericsError):
                step({"x": bad})
        else:
            assert not np.isfinite(step({"x": bad})["loss"]) and step.left_out and step.skipped == k + 1
        for key, array in step.state().items():
            if not key.startswith("count:s"):
                np.testing.assert_array_equal(before[key], array, err_msg=key)
    assert step.update.number == 10
