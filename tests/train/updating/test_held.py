"""What a step holds: in place equals fresh in every byte, values are right at any time, and nothing tears."""

import copy
import dataclasses
import gc
import itertools
import pickle
import signal
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError, ExecutionError, TakenBackError
from sdgraph.keras import optimizers
from sdgraph.train import (
    AdaBelief,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AMSGrad,
    Average,
    ClipByGlobalNorm,
    ClipByNorm,
    L1Regularization,
    Nadam,
    Nesterovs,
    NoOp,
    RmsProp,
    Sgd,
    Updater,
    WeightDecay,
)
from sdgraph.train.updating import held
from sdgraph.train.updating.update import Update

pytest.importorskip("llvmlite")

RNG = np.random.default_rng(11)
SHAPES = [
    [()],
    [(1,)],
    [(5,)],
    [(0,)],
    [(1, 1), (3,)],
    [(4, 8), (8,), (8, 1), (1,)],
    [(3, 3), (3, 3), (3,), (9,)],
    [(300, 70)],
    [(784, 512), (512,)],
]
UPDATERS = [
    Sgd(0.1),
    Nesterovs(0.1),
    AdaGrad(0.1),
    RmsProp(0.1),
    AdaDelta(),
    Adam(0.1),
    AMSGrad(0.1),
    AdaMax(0.1),
    Nadam(0.1),
    AdaBelief(0.1),
    NoOp(),
    optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipvalue=0.5),
    optimizers.RMSprop(0.1, centered=True, momentum=0.9),
    optimizers.Adam(0.1, amsgrad=True, global_clipnorm=0.5),
    optimizers.AdamW(0.1, use_ema=True, ema_overwrite_frequency=2),
    optimizers.Adadelta(0.1),
    optimizers.Adagrad(0.1),
    optimizers.Adamax(0.1, clipnorm=0.5),
    optimizers.Nadam(0.1),
    optimizers.Ftrl(0.1, l1_regularization_strength=0.01, l2_shrinkage_regularization_strength=0.1),
    optimizers.Lion(0.1),
    optimizers.Lamb(0.1),
]


def graph_of(shapes, dtype):
    sd = SameDiff()
    for k, shape in enumerate(shapes):
        sd.var(f"v{k}", np.asarray(np.random.default_rng(k).normal(size=shape), dtype))
    return sd


def updated(sd, updater, *, fresh, monkeypatch, **settings):
    """The update of all variables of a graph."""
    with monkeypatch.context() as patch:
        if fresh:
            patch.setattr(held, "InPlace", refused)
        chosen: Any = dict.fromkeys(sd.variables("variable"), updater)
        update = Update(sd, chosen, engine="llvm", **settings)
    assert fresh == isinstance(update.held, held.Fresh) or sd.variables("variable")[0].shape == (0,)
    return update


def refused(*_):
    raise held.NoWay


def gradients(shapes, dtype, steps=3):
    rng = np.random.default_rng(4)
    return [[np.asarray(rng.normal(size=shape), dtype) for shape in shapes] for _ in range(steps)]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("updater", UPDATERS, ids=lambda u: f"{type(u).__module__.split('.')[1]}-{type(u).__name__}")
def test_in_place_equals_fresh_in_every_byte(updater, shapes, dtype, monkeypatch):
    one, other = graph_of(shapes, dtype), graph_of(shapes, dtype)
    a = updated(one, updater, fresh=False, monkeypatch=monkeypatch)
    b = updated(other, updater, fresh=True, monkeypatch=monkeypatch)
    for several in gradients(shapes, dtype):
        a(several, 0)
        b(several, 0)
    for k in range(len(shapes)):
        assert one[f"v{k}"].value.tobytes() == other[f"v{k}"].value.tobytes()
    assert a.number == b.number == 3
    for name, kept in a.slots.items():
        for slot, array in kept.items():
            assert array.tobytes() == b.slots[name][slot].tobytes(), (name, slot)


@pytest.mark.parametrize("transform", [ClipByNorm(0.5), ClipByGlobalNorm(0.5), WeightDecay(0.1), L1Regularization(0.1)])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_so_it_is_behind_transforms(transform, shapes, monkeypatch):
    one, other = graph_of(shapes, "float32"), graph_of(shapes, "float32")
    settings = {"transforms": [transform], "average": Average(0.5, 2), "minimize": False, "divides": True}
    a = updated(one, Nesterovs(0.1), fresh=False, monkeypatch=monkeypatch, **settings)
    b = updated(other, Nesterovs(0.1), fresh=True, monkeypatch=monkeypatch, **settings)
    for several in gradients(shapes, "float32"):
        a(several, 0, 3.0)
        b(several, 0, 3.0)
    assert all(one[n].value.tobytes() == other[n].value.tobytes() for n in a.names)


def test_what_is_written_over_is_most_of_it(monkeypatch):
    """Not all is copied: arrays of more than one element are one array before and after."""
    sd = graph_of([(4, 8), (8,), (1,)], "float32")
    update = updated(sd, Adam(), fresh=False, monkeypatch=monkeypatch)
    before = [*map(id, update.held.standing.values())]
    update(gradients([(4, 8), (8,), (1,)], "float32")[0], 0)
    assert isinstance(update.held, held.InPlace)
    _, *arrays, _ = update.held._call.__self__.keeps
    for v, w in zip(sd.variables("variable"), update.held.standing.values(), strict=True):
        places = [k for k, a in enumerate(arrays) if a is not None and np.shares_memory(a, w)]
        # What is written, and what is read.
        assert len(places) == (1 if v.shape == (1,) else 2)
    assert before == [*map(id, update.held.standing.values())]


# ---------------------------------------------------------------------- updaters that cannot be written in place


@dataclasses.dataclass(frozen=True)
class Own(Updater):
    """One of a user's, whose rule is a function of nodes."""

    name: str = ""

    def slots(self):
        return {"kept": 0.5}

    def update(self, g, w, kept, lr, t):
        return RULES[self.name](g, w, kept["kept"])


RULES = {
    "turned": lambda g, w, k: (0.1 * g + 0.1 * g.sd.permute(w, (1, 0)), {"kept": k + g}),
    "product": lambda g, w, k: (0.1 * (g @ w), {"kept": k + w}),
    "rows": lambda g, w, k: (g / w.norm2(axis=1, keepdims=True) + w.sum(axis=0), {"kept": g - w.sum(axis=0)}),
    "softmax": lambda g, w, k: (g.sd.nn.softmax(w, axis=1), {"kept": g.sd.nn.softmax(k + w, axis=1)}),
    "columns": lambda g, w, k: (g - w.mean(axis=0), {"kept": k * w.std(axis=0)}),
    "exchanged": lambda g, w, k: (w - k, {"kept": w}),
    "unchanged": lambda g, w, k: (g, {"kept": k}),
    "reversed": lambda g, w, k: (0.1 * g.sd.reverse(w, 0), {"kept": g.sd.reverse(k, 1)}),
    "whole": lambda g, w, k: (g * w.sum(), {"kept": k / (w * w).sum()}),
    "twice": lambda g, w, k: (g.sd.math.exp(w) - g.sd.math.exp(w).sum(axis=1, keepdims=True), {"kept": w * k}),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("shapes", [[(6, 6)], [(6, 6), (40, 40)], [(200, 200)], [(2, 2)]], ids=str)
def test_any_rule_gives_the_same_in_place_or_not(name, shapes, monkeypatch):
    one, other = graph_of(shapes, "float64"), graph_of(shapes, "float64")
    rule = Own(name)
    a = Update(one, dict.fromkeys(one.variables("variable"), rule), engine="llvm")
    b = updated(other, rule, fresh=True, monkeypatch=monkeypatch)
    for several in gradients(shapes, "float64"):
        a(several, 0)
        b(several, 0)
    for n in a.names:
        assert one[n].value.tobytes() == other[n].value.tobytes()
        assert a.slots[n]["kept"].tobytes() == b.slots[n]["kept"].tobytes()


# ---------------------------------------------------------------------- values


ENGINES = ["numpy", "llvm"]


def model(engine="llvm", updater=None, dtype="float32", **settings):
    """``loss = sum((x w + b)^2)``, whose batches need no data."""
    sd = SameDiff(dtype)
    w, b, s = (sd.var(n, np.full(shape, 0.5, dtype)) for n, shape in {"w": (3, 4), "b": (4,), "s": ()}.items())
    x = sd.constant(np.arange(6, dtype=dtype).reshape(2, 3) / 8)
    (s * (x @ w + b) ** 2).sum(name="loss").mark_as_loss()
    return sd, sd.training_step(updater or Adam(0.05), engine=engine, **settings)


@pytest.mark.parametrize("engine", ENGINES)
def test_values_are_right_at_any_time_and_stay_what_they_are(engine):
    sd, step = model(engine)
    seen = [sd["w"].value]
    copies = [seen[0].copy()]
    for k in range(5):
        loss = step()["loss"]
        if k % 2:
            seen.append(sd["w"].value)
            copies.append(seen[-1].copy())
            assert seen[-1] is sd["w"].value is sd.get_value("w")
            # What is read is what the next step begins with.
            begins = step._function.function.run({}, 0)[0]
            np.testing.assert_allclose(sd["loss"].eval(), begins, rtol=1e-6)  # Engines may round otherwise.
            assert begins < loss - 1e-5
    assert len({id(a) for a in seen}) == len(seen)
    for a, kept in zip(seen, copies, strict=True):
        assert not a.flags.writeable
        np.testing.assert_array_equal(a, kept)
    views = [a[1:] for a in seen]
    step()
    assert all(v.tobytes() == kept[1:].tobytes() for v, kept in zip(views, copies, strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_value_that_is_set_counts_from_then_on(engine):
    sd, step = model(engine)
    again_sd, again = model(engine)
    step()
    again.load_state(step.state())
    for _ in range(2):
        sd["w"].value = np.full((3, 4), 0.25)
        again_sd.set_values({"w": np.full((3, 4), 0.25, "f"), "b": again_sd["b"].value})
        np.testing.assert_array_equal(sd["w"].value, 0.25)
        step()
        again()
    given = np.full((3, 4), 2.0, "f")
    for graph in (sd, again_sd):
        graph["w"].value = given
    step()
    again()
    np.testing.assert_array_equal(given, 2.0)
    for name in ("w", "b", "s"):
        assert sd[name].value.tobytes() == again_sd[name].value.tobytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_two_steps_of_one_graph_take_turns(engine):
    sd, first = model(engine, updater={"w": Sgd(0.1), "*": None})
    second = sd.training_step({"w": None, "*": Sgd(0.1)}, engine=engine)
    both = sd.training_step(Sgd(0.1), engine=engine)
    other, plain = model("numpy", updater={"w": Sgd(0.1), "*": None})
    others = [plain, other.training_step({"w": None, "*": Sgd(0.1)}, engine="numpy")]
    others.append(other.training_step(Sgd(0.1), engine="numpy"))
    for k in (0, 0, 1, 2, 2, 0, 1, 1, 2):
        (first, second, both)[k]()
        others[k]()
        for name in ("w", "b", "s"):
            np.testing.assert_allclose(sd[name].value, other[name].value, rtol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_functions_copies_and_files_have_what_was_trained(engine, tmp_path):
    sd, step = model(engine)
    f = sd.compile("loss", engine=engine)
    before = f()["loss"]
    for _ in range(3):
        step()
    copies = [sd.copy(), copy.deepcopy(sd), pickle.loads(pickle.dumps(sd)), SameDiff.load(sd.save(tmp_path / "m.sdg"))]
    step()
    old = sd.copy()
    after = f()["loss"]
    assert after < before
    step()
    np.testing.assert_allclose(old["loss"].eval(), after, rtol=1e-6)  # Engines may round otherwise.
    assert sd["loss"].eval() < after - 1e-5
    for graph in copies:
        np.testing.assert_array_equal(graph["w"].value, copies[0]["w"].value)
        assert after < graph["loss"].eval() < before


def test_a_step_is_not_copied():
    """Its copy would write into the same arrays."""
    _, step = model()
    for do in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ArgumentTypeError, match="cannot be copied"):
            do(step)


def test_a_graph_that_was_fitted_is_copied_without_its_step():
    sd, step = model()
    sd.fit([{}, {}], updater=Adam(0.05), progress=False)
    wanted = sd["w"].value.copy()
    for other in (sd.copy(), copy.deepcopy(sd), pickle.loads(pickle.dumps(sd))):
        other.training_step(Adam(0.05))()
        assert (other["w"].value != wanted).any()
        np.testing.assert_array_equal(sd["w"].value, wanted)
    step()


def test_a_graph_outlives_its_step():
    sd, step = model()
    step()
    wanted = sd["w"].value
    step()
    gone = weakref.ref(step.update)
    del step
    gc.collect()
    assert gone() is None
    assert (sd["w"].value != wanted).any()
    assert sd["w"].value is sd["w"].value


def test_what_was_taken_back_takes_nothing_with_it():
    """A step made in a call that failed: the ids of its variables may be those of others now."""
    sd = SameDiff()
    sd.var("first", 1.0)
    kept = []
    with pytest.raises(ZeroDivisionError), sd.transaction():
        w = sd.var("w", [1.0, 2.0])
        sd.loss.l2_loss(w, name="loss")
        kept.append(sd.training_step(Sgd(0.1), variables=["w"], engine="llvm"))
        kept[0]()
        raise ZeroDivisionError
    other = sd.var("other", [7.0, 7.0])
    assert [v.value.tolist() for v in sd.variables("variable")] == [1.0, [7.0, 7.0]]
    with pytest.raises(TakenBackError):
        kept[0]()
    np.testing.assert_array_equal(other.value, 7.0)


def test_a_gradient_of_another_dtype_is_refused_and_changes_nothing(monkeypatch):
    sd = graph_of([(4, 8), (3,)], "float32")
    update = updated(sd, Adam(0.1), fresh=False, monkeypatch=monkeypatch)
    before = [v.value.copy() for v in sd.variables("variable")]
    good = gradients([(4, 8), (3,)], "float32")[0]
    for bad in ([good[0], good[1].astype("float64")], [good[0][:3], good[1]]):
        with pytest.raises(ExecutionError, match="something else than the rule"):
            update(bad, 0)
    assert update.number == 0
    for v, a in zip(sd.variables("variable"), before, strict=True):
        np.testing.assert_array_equal(v.value, a)
    update([np.asfortranarray(good[0]), good[1]], 0)
    other = graph_of([(4, 8), (3,)], "float32")
    updated(other, Adam(0.1), fresh=True, monkeypatch=monkeypatch)(good, 0)
    assert all(sd[n].value.tobytes() == other[n].value.tobytes() for n in update.names)


# ---------------------------------------------------------------------- interrupts and threads


class Interrupted(BaseException):
    pass


def interrupt(*_):
    raise Interrupted


def of_one_step(sd, step):
    """Whether weights, slots and the count are those of one step, when all are the same function of the count."""
    t = step.update.number
    return (
        t,
        all(np.all(a == float(t)) for a in (sd["w"].value, sd["v"].value, sd["s"].value)),
        all(np.all(a == 2.0 * t) for kept in step.update.slots.values() for a in kept.values()),
        sd["after"].value == float(t),
    )


@dataclasses.dataclass(frozen=True)
class Counting(Updater):
    """Variables are the number of updates, slots twice that."""

    def slots(self):
        return {"twice": 0.0}

    def update(self, g, w, kept, lr, t):
        return g * 0.0 - 1.0, {"twice": kept["twice"] + 2.0}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # One may hit what others do in gc.
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [4, 300, 1 << 20])
def test_an_interrupt_leaves_all_of_one_step(engine, size):
    sd = SameDiff("float64")
    w, v, s = sd.var("w", np.zeros(size)), sd.var("v", np.zeros((2, 2))), sd.var("s", 0.0)
    after = sd.var("after", 0.0)
    (w.sum() + v.sum() + s).mul(0.0).sum(name="loss").mark_as_loss()
    sd.update(after, after + 1.0)
    step = sd.training_step(Counting(), engine=engine)
    step()
    before = signal.signal(signal.SIGALRM, interrupt)
    caught, rng = 0, np.random.default_rng(3)
    try:
        for _ in range(60 if size > 1000 else 400):
            try:
                signal.setitimer(signal.ITIMER_REAL, float(rng.uniform(2e-5, 3e-3 if size > 1000 else 3e-4)))
                for _ in range(40):
                    step()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                caught += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            found = of_one_step(sd, step)
            assert all(found[1:]), found
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caught


@pytest.mark.parametrize("engine", ENGINES)
def test_other_threads_see_all_variables_of_one_step(engine):
    sd = SameDiff("float64")
    w, v = sd.var("w", np.zeros(30)), sd.var("v", np.zeros((2, 2)))
    (w.sum() + v.sum()).mul(0.0).sum(name="loss").mark_as_loss()
    step = sd.training_step(Counting(), engine=engine)
    both = sd.compile([sd.math.add(w, 0.0, name="a"), sd.math.add(v, 0.0, name="b")], engine=engine)
    torn, over = [], threading.Event()

    def look():
        while not over.is_set():
            found = both()
            if len({*found["a"].ravel(), *found["b"].ravel()}) != 1:
                torn.append(found)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for t in threads:
        t.start()
    for _ in range(2000):
        step()
    over.set()
    for t in threads:
        t.join()
    assert not torn
    assert sd["w"].value[0] == 2000.0


# ---------------------------------------------------------------------- small numbers


def test_slots_that_die_away_become_zero_and_the_caller_keeps_small_numbers():
    """Without gradients a moving mean would stay at the smallest number that there is."""
    sd = SameDiff()
    w = sd.var("w", np.ones(1000, "f"))
    (w * 0.0).sum(name="loss").mark_as_loss()
    step = sd.training_step(Nesterovs(0.1, momentum=0.5), engine="llvm")
    step.load_state(step.state() | {"slot:V/w": np.full(1000, 1e-30, "f")})
    seen = []
    for _ in range(60):
        step()
        seen.append(float(step.update.slots["w"]["V"][7]))
        assert np.float32(1e-39) * np.float32(0.5) != 0.0
    assert seen[0] == pytest.approx(5e-31)
    assert seen[-1] == 0.0
    assert not any(0 < x < np.finfo("f").tiny for x in seen)
    both = list(itertools.pairwise(seen))
    assert all(b < a or a == b == 0 for a, b in both)
