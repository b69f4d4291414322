"""Updaters against trajectories and states of nd4j's own, on both engines; a changed constant must be seen."""

import dataclasses
import json
import math

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.differentiate.which_losses import find_losses
from sdgraph.errors import NotDefinedError
from sdgraph.train.updating import updaters
from sdgraph.train.updating.settings import scheduled
from sdgraph.train.updating.updaters import Adam, Updater
from tests.golden.cases import DTYPES, FOLDER, numbers
from tests.train import golden
from tests.train.stepping import Steps, off

FILE = json.loads((FOLDER / "samediff_training" / "updaters.json").read_text())
WITHIN = {"float64": 1e-12, "float32": 1e-6, "float16": 5e-3}
SUBSTITUTED = ("Adam", "AMSGrad", "AdaMax", "AdaBelief")
"""Where nd4j takes epsilon for a step size that is 0 or not finite."""


def is_substituted(case):
    rate = case["updater"].get("learningRate", 1)
    rate = 1.0 if isinstance(rate, dict) else float(rate)
    return case["updater"]["updater"] in SUBSTITUTED and (rate == 0 or not math.isfinite(rate))


CASES = [c for c in FILE["cases"] if not is_substituted(c)]


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_weights_and_states_are_those_of_nd4j(case, engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    dtype = DTYPES[case["dtype"]]
    taken = Steps(
        golden.updater(case["updater"]),
        [np.array(w, dtype) for w in FILE["weights"]],
        engine=engine,
        first=case.get("first_iteration", 0),
    )
    for gradients, wanted in zip(FILE["gradients"], case["steps"], strict=False):  # Some end early.
        with np.errstate(all="ignore"):
            weights = taken.take(gradients)
        for got, want in zip(weights, wanted["weights"], strict=True):
            want = np.array(numbers(want), float)
            finite = np.isfinite(want)
            np.testing.assert_array_equal(np.isfinite(got), finite)
            assert off(got[finite], want[finite]) <= WITHIN[dtype]
        if dtype != "float64":
            continue  # nd4j takes 1 - beta2 in single precision, which is wrong by 1e-5 of itself.
        for kept, state in zip(taken.kept, wanted.get("state", [{}, {}]), strict=True):
            for name, want in state.items():
                assert off(kept[name].ravel(), np.ravel(numbers(want))) <= WITHIN[dtype], name


def test_every_updater_is_compared():
    ours = {u.__name__ for u in Updater.__subclasses__() if u.__module__ == updaters.__name__}
    assert ours == {c["updater"]["updater"] for c in CASES}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        (c["name"], f.name)
        for c in CASES
        if c["name"].endswith("/default")
        for f in dataclasses.fields(getattr(updaters, c["updater"]["updater"]))
        if (c["updater"]["updater"], f.name) not in {("AdaMax", "epsilon")}
    ],
)
def test_another_constant_is_another_trajectory(name, setting):
    case = next(c for c in CASES if c["name"] == name)
    made = golden.updater(case["updater"])
    taken = Steps(
        dataclasses.replace(made, **{setting: getattr(made, setting) * 0.5}),
        [np.array(w) for w in FILE["weights"]],
    )
    worst = 0.0
    for gradients, wanted in zip(FILE["gradients"], case["steps"], strict=False):
        worst = max(worst, *(off(w, want) for w, want in zip(taken.take(gradients), wanted["weights"], strict=True)))
    assert worst > 1e-12


def test_a_rate_of_0_changes_nothing():
    taken = Steps(Adam(0.0), [np.ones(3)])
    assert np.array_equal(taken.take([np.ones(3)])[0], np.ones(3))


def test_settings_decide_equality():
    assert Adam(0.1) == Adam(0.1)
    assert hash(Adam(0.1)) == hash(Adam(0.1))
    assert Adam(0.1) != Adam(0.1, epsilon=1e-7)


def test_settings_that_are_schedules_are_found():
    made = updaters.Nesterovs(lambda iteration, epoch: 0.1)
    assert list(scheduled(made)) == ["learning_rate"]
    assert scheduled(Adam()) == {}


def test_an_updater_without_a_rule_is_refused_and_leaves_the_graph_as_it_was():
    class Empty(Updater):
        pass

    sd = SameDiff()
    sd.loss.l2_loss(sd.var("w", 1.0), name="loss")
    before = [v.name for v in sd.variables()]
    with pytest.raises(NotDefinedError, match=r"Empty has no method update"):
        sd.training_step(Empty())
    assert [v.name for v in sd.variables()] == before


def test_the_graph_of_a_rule_has_its_results_and_nothing_else():
    sd = SameDiff()
    sd.loss.l2_loss(sd.var("w", 1.0), name="loss")
    graph = sd.training_step(Adam()).update.graph
    names = {v.name for v in graph.variables()}
    assert {"w/new", "w/M/new", "w/V/new", "updates/new"} <= names and "examples" not in names
    assert not find_losses(graph).ids
    assert "examples" in sd.training_step(Adam(), accumulate=2).update.graph


def test_an_updater_of_ones_own():
    @dataclasses.dataclass(frozen=True)
    class SignSgd(Updater):
        learning_rate: float = 0.25

        def update(self, g, w, kept, lr, t):
            return lr * g.sd.math.sign(g), {}

    taken = Steps(SignSgd(), [np.array([1.0, 2.0])])
    assert np.array_equal(taken.take([[3.0, -1.0]])[0], [0.75, 2.25])
