"""Slots of a run: what is filled in, and that runs share nothing but constants."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError
from sdgraph.plan.schedule import make_plan
from sdgraph.run.slots import Slots

pytestmark = pytest.mark.any_engine


@pytest.fixture
def planned():
    sd = SameDiff()
    x, w = sd.placeholder("x", (2,)), sd.var("w", [1.0, 2.0])
    y = sd.math.add(x * w * [3.0, 4.0], sd.random.normal(shape=(2,)), name="y")
    return sd, x, w, make_plan(sd, [y.id], {v.id: v.aval for v in (x, w)}, ["y"])


def test_every_leaf_goes_into_its_slot(planned):
    sd, x, w, plan = planned
    slots = Slots(plan, plan.n_slots + 2)
    assert slots.reads_graph
    fed = np.zeros(2, "float32")
    filled = slots.filled({x.id: fed}, sd.values, 7)
    assert len(filled) == plan.n_slots + 2
    (feed, _), (variable, _) = *plan.feeds, *plan.variables
    assert filled[feed] is fed and filled[variable] is sd.values[w.id] and filled[plan.step_slot] == 7
    for slot, value in plan.constants:
        assert filled[slot] is value
    made = {s.out for s in plan.steps}
    assert all(filled[j] is None for j in (*made, plan.n_slots, plan.n_slots + 1))


def test_runs_do_not_share_slots(planned):
    sd, x, _, plan = planned
    slots = Slots(plan, plan.n_slots)
    first = slots.filled({x.id: np.zeros(2)}, sd.values, 0)
    first[plan.outs[0]] = "a result"
    assert slots.filled({x.id: np.ones(2)}, sd.values, 1)[plan.outs[0]] is None


def test_a_spare_slot_comes_after_all_others(planned):
    slots = Slots(planned[3], 12)
    assert (slots.spare(), len(slots.template)) == (12, 13)


@pytest.mark.parametrize("step", [True, 1.0, "1", None])
def test_a_step_is_a_whole_number(planned, step):
    sd, x, _, plan = planned
    with pytest.raises(ArgumentTypeError, match="A step is a whole number"):
        Slots(plan, plan.n_slots).filled({x.id: np.zeros(2)}, sd.values, step)


def test_where_nothing_is_read_of_the_graph():
    sd = SameDiff()
    x = sd.placeholder("x", (2,))
    plan = make_plan(sd, [sd.math.exp(x).id], {x.id: x.aval}, ["y"])
    assert not Slots(plan, plan.n_slots).reads_graph
