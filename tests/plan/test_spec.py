"""Contracts of a plan: each one tells a plan that breaks it, and none complains about one that is right."""

from dataclasses import replace

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.lower.contracts import ContractError
from sdgraph.plan import spec
from sdgraph.plan.schedule import make_plan

pytestmark = pytest.mark.any_engine


@pytest.fixture
def plan():
    """Steps that write in place, look at memory in another shape, and drop what is not needed any more."""
    sd = SameDiff()
    x, w = sd.placeholder("x", (4, 3)), sd.var("w", np.ones((4, 3), "float32"))
    a = sd.math.exp(x * w)
    b = sd.math.tanh(a + 1.0)
    looked_at = b.reshape((3, 4))
    y = sd.math.sin(sd.cumsum(looked_at), name="y")
    total = sd.sum(looked_at, name="total")
    made = make_plan(sd, [y.id, total.id], {v.id: v.aval for v in (x, w)}, ["y", "total"])
    assert any(s.reuse >= 0 for s in made.steps) and any(s.frees for s in made.steps)
    assert any(s.op.is_view for s in made.steps) and made.constants
    return made


def changed(plan, k, **what):
    steps = list(plan.steps)
    steps[k] = steps[k]._replace(**what)
    return replace(plan, steps=tuple(steps))


def find(plan, test):
    return next(k for k, s in enumerate(plan.steps) if test(s))


def test_a_plan_as_it_is_made_keeps_every_promise(plan):
    spec.check(plan)


def a_slot_too_many(plan):
    return changed(plan, 0, inputs=(plan.n_slots, *plan.steps[0].inputs[1:]))


def a_result_outside(plan):
    return replace(plan, outs=(plan.outs[0], plan.n_slots))


def a_slot_written_twice(plan):
    return changed(plan, 1, out=plan.steps[0].out)


def a_leaf_written(plan):
    return changed(plan, 1, out=plan.feeds[0][0])


def a_step_before_its_operand(plan):
    return replace(plan, steps=tuple(reversed(plan.steps)))


def a_result_of_no_step(plan):
    return replace(plan, steps=plan.steps[:-1])


def a_slot_read_after_it_is_written_over(plan):
    k = find(plan, lambda s: s.reuse >= 0)
    return changed(plan, k + 1, inputs=(plan.steps[k].reuse, *plan.steps[k + 1].inputs[1:]))


def a_slot_dropped_twice(plan):
    k = find(plan, lambda s: s.frees)
    return changed(plan, k, frees=plan.steps[k].frees * 2)


def a_slot_dropped_that_was_written_over(plan):
    k = find(plan, lambda s: s.reuse >= 0)
    return changed(plan, k, frees=(plan.steps[k].reuse,))


def a_leaf_dropped(plan):
    return changed(plan, 0, frees=(plan.feeds[0][0],))


def a_result_dropped(plan):
    return changed(plan, len(plan.steps) - 1, frees=(*plan.steps[-1].frees, plan.outs[0]))


def a_slot_kept_for_ever(plan):
    return changed(plan, find(plan, lambda s: s.frees), frees=())


def a_slot_dropped_late(plan):
    k = find(plan, lambda s: s.reuse >= 0)
    later = changed(plan, k, reuse=-1)
    return changed(later, k + 1, frees=(*later.steps[k + 1].frees, plan.steps[k].reuse))


def written_over_what_is_not_read(plan):
    k = find(plan, lambda s: s.reuse >= 0)
    return changed(plan, k, inputs=(plan.feeds[0][0],))


def written_over_a_leaf(plan):
    return changed(plan, 0, reuse=plan.feeds[0][0])


def written_over_another_shape(plan):
    k = find(plan, lambda s: s.reuse >= 0)
    return changed(plan, k, aval=plan.steps[k].aval._replace(shape=(12,)))


def written_over_by_what_is_no_ufunc(plan):
    k = find(plan, lambda s: s.op.name == "cumsum")
    return changed(plan, k, reuse=plan.steps[k].inputs[0])


def written_over_what_something_looks_at(plan):
    looked_at = plan.steps[find(plan, lambda s: s.op.is_view)].inputs[0]
    return changed(plan, find(plan, lambda s: s.op.name == "sin"), reuse=looked_at)


def a_leaf_returned_as_it_is(plan):
    return replace(plan, outs=(plan.variables[0][0], plan.outs[1]))


def a_result_returned_twice_as_it_is(plan):
    return replace(plan, outs=(plan.outs[0], plan.outs[0]))


def a_view_returned_as_it_is(plan):
    k = find(plan, lambda s: s.op.is_view)
    return replace(plan, outs=(plan.outs[0], plan.steps[k].out))


BROKEN = {
    a_slot_too_many: spec.slots_inside,
    a_result_outside: spec.slots_inside,
    a_slot_written_twice: spec.written_once,
    a_leaf_written: spec.written_once,
    a_step_before_its_operand: spec.written_before_read,
    a_result_of_no_step: spec.written_before_read,
    a_slot_read_after_it_is_written_over: spec.nothing_after_its_end,
    a_slot_dropped_twice: spec.nothing_after_its_end,
    a_slot_dropped_that_was_written_over: spec.nothing_after_its_end,
    a_leaf_dropped: spec.nothing_after_its_end,
    a_result_dropped: spec.nothing_after_its_end,
    a_slot_kept_for_ever: spec.dropped_at_last,
    a_slot_dropped_late: spec.dropped_at_last,
    written_over_what_is_not_read: spec.written_over_safely,
    written_over_a_leaf: spec.written_over_safely,
    written_over_another_shape: spec.written_over_safely,
    written_over_by_what_is_no_ufunc: spec.written_over_safely,
    written_over_what_something_looks_at: spec.written_over_safely,
    a_leaf_returned_as_it_is: spec.results_of_the_callers_own,
    a_result_returned_twice_as_it_is: spec.results_of_the_callers_own,
    a_view_returned_as_it_is: spec.results_of_the_callers_own,
}


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda f: f.__name__)
def test_a_broken_plan_is_told(plan, breaks):
    predicate = BROKEN[breaks]
    assert not list(predicate(plan))
    broken = breaks(plan)
    assert list(predicate(broken))
    with pytest.raises(ContractError, match="A plan breaks its contract"):
        spec.check(broken)


def test_what_many_graphs_are_planned_as_keeps_every_promise():
    """Several outputs, views of views, leaves as results, one result twice, steps that read the step."""
    sd = SameDiff()
    x = sd.placeholder("x", (6, 2))
    first, second = sd.split(x * 2.0, 2, axis=0)
    turned = sd.permute(first.reshape((2, 3)), (1, 0))
    noisy = sd.random.normal(shape=(3, 2)) + turned
    outs = [x, turned, noisy, noisy, second, sd.identity(x)]
    made = make_plan(sd, [v.id for v in outs], {x.id: x.aval}, [v.name for v in outs])
    assert made.copied == (True, True, False, True, True, True)
    spec.check(made)
