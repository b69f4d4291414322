"""Contracts of a division: each one tells a division that breaks it, and none complains about one that is right."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.lower.contracts import ContractError
from sdgraph.plan.schedule import make_plan
from sdgraph.run.engines.llvm.divide import partition, spec
from sdgraph.run.engines.llvm.divide.partition import divide
from sdgraph.run.engines.llvm.divide.region import MAX_OPERANDS, ROW
from sdgraph.run.engines.llvm.divide.segments import Segment


@pytest.fixture
def divided():
    """Two segments around a product of matrices, rows with sums, a check, a value of the engine's own between them."""
    sd = SameDiff("float32")
    x, w = sd.placeholder("x", (40, 3)), sd.var("w", np.ones((3, 3), "float32"))
    k = sd.placeholder("k", (40,), "int32")
    many = sd.math.merge_add(*[x * float(k) for k in range(MAX_OPERANDS // 8)])
    rows = sd.sum(sd.nn.softmax(many), axis=-1, keepdims=True)
    product = (many / rows) @ w
    lost = sd.loss.sparse_softmax_cross_entropy(product, k)
    total = sd.sum(sd.math.exp(product) * rows + sd.expand_dims(lost, -1), name="total")
    plan = make_plan(sd, [total.id, product.id], {v.id: v.aval for v in (x, w, k)}, ["total", "product"])
    division = divide(plan)
    assert len(segments(division)) == 2 and len(division.parts) > 2
    return plan, division


def segments(division):
    return [k for k, part in enumerate(division.parts) if isinstance(part, Segment)]


def with_part(division, k, part):
    parts = list(division.parts)
    parts[k] = part
    return division._replace(parts=tuple(parts))


def test_a_division_as_it_is_made_keeps_every_promise(divided):
    spec.check(*divided)


def a_part_that_reads_too_early(division):
    return division._replace(parts=tuple(reversed(division.parts)), frees=tuple(reversed(division.frees)))


def a_result_that_nobody_leaves(division):
    k = segments(division)[-1]
    return with_part(division, k, division.parts[k]._replace(writes=()))


def a_node_before_its_operand(division):
    k = segments(division)[0]
    division.parts[k].regions[0].nodes.reverse()
    return division


def a_segment_that_does_not_read_enough(division):
    k = segments(division)[0]
    return with_part(division, k, division.parts[k]._replace(reads=()))


def a_segment_that_writes_what_it_does_not_make(division):
    first, second = segments(division)
    return with_part(division, second, division.parts[second]._replace(writes=division.parts[first].writes))


def a_value_left_alone_that_is_read(division):
    k = segments(division)[0]
    return with_part(division, k, division.parts[k]._replace(alone=division.parts[k].writes))


def a_node_made_twice(division):
    region = division.parts[segments(division)[0]].regions[0]
    region.nodes.append(region.nodes[-1])
    return division


def a_step_that_runs_twice(division):
    k = next(k for k, part in enumerate(division.parts) if not isinstance(part, Segment))
    parts = (*division.parts[: k + 1], *division.parts[k:])
    return division._replace(parts=parts, frees=(*division.frees[:k], (), *division.frees[k:]))


def a_step_of_another_plan(division):
    k = next(k for k, part in enumerate(division.parts) if not isinstance(part, Segment))
    return with_part(division, k, division.parts[k]._replace(attrs={"of": "another plan"}))


def a_slot_outside(division):
    return division._replace(n_slots=0)


def two_values_in_one_slot(division):
    first, second = division.parts[segments(division)[0]].writes[:2]
    return division._replace(own={first: second})


def a_value_of_the_engine_in_the_plans_slots(division):
    value = division.parts[segments(division)[0]].writes[0]
    return division._replace(own={value: division.n_slots}, n_slots=division.n_slots + 1)


def a_value_freed_too_early(division):
    k = segments(division)[0]
    return division._replace(frees=(division.parts[k].writes, *division.frees[1:]))


def a_value_freed_twice(division):
    freed = next(f for f in division.frees if f)
    return division._replace(frees=(*division.frees[:-1], (*division.frees[-1], *freed)))


def a_result_freed(division):
    return division._replace(frees=(*division.frees[:-1], (division.parts[-1].writes[0],)))


def a_region_of_another_space(division):
    division.parts[segments(division)[0]].regions[0].dims = (7,)
    return division


def a_node_on_another_level(division):
    region = division.parts[segments(division)[0]].regions[0]
    region.level[region.nodes[0].id] = ROW
    return division


def rows_that_end_elsewhere(division):
    region = next(r for k in segments(division) for r in division.parts[k].regions if r.split)
    region.cuts = None
    return division


def changed_node(division, **what):
    region = division.parts[segments(division)[0]].regions[0]
    region.nodes[0] = region.nodes[0]._replace(**what)
    return division


def a_node_that_reads_another_shape(division):
    node = division.parts[segments(division)[0]].regions[0].nodes[0]
    return changed_node(division, operands=tuple(x._replace(shape=(40, 5)) for x in node.operands))


def a_node_that_makes_another_shape(division):
    return changed_node(division, shape=(40, 7))


def a_node_without_operands(division):
    return changed_node(division, operands=())


def a_node_that_knows_places_it_does_not_use(division):
    return changed_node(division, counts=((3,),))


def a_check_that_nobody_makes(division):
    k = segments(division)[-1]
    assert division.parts[k].checks
    return with_part(division, k, division.parts[k]._replace(checks=()))


def a_count_of_each_row(division):
    k = segments(division)[-1]
    part = division.parts[k]
    [check] = part.checks
    return with_part(division, k, part._replace(checks=(check._replace(nodes=check.nodes[:-1]),)))


BROKEN = {
    a_part_that_reads_too_early: spec.parts_read_what_is_there,
    a_result_that_nobody_leaves: spec.parts_read_what_is_there,
    a_node_before_its_operand: spec.segments_are_whole,
    a_segment_that_does_not_read_enough: spec.segments_are_whole,
    a_segment_that_writes_what_it_does_not_make: spec.segments_are_whole,
    a_value_left_alone_that_is_read: spec.nobody_reads_what_is_left_alone,
    a_node_made_twice: spec.segments_are_whole,
    a_step_that_runs_twice: spec.every_step_is_done,
    a_step_of_another_plan: spec.every_step_is_done,
    a_slot_outside: spec.slots_of_their_own,
    two_values_in_one_slot: spec.slots_of_their_own,
    a_value_of_the_engine_in_the_plans_slots: spec.slots_of_their_own,
    a_value_freed_too_early: spec.freed_once,
    a_value_freed_twice: spec.freed_once,
    a_result_freed: spec.freed_once,
    a_check_that_nobody_makes: spec.checks_are_counted,
    a_count_of_each_row: spec.checks_are_counted,
    a_region_of_another_space: spec.nodes_fit,
    a_node_on_another_level: spec.nodes_fit,
    rows_that_end_elsewhere: spec.nodes_fit,
    a_node_that_reads_another_shape: spec.shapes_fit,
    a_node_that_makes_another_shape: spec.shapes_fit,
    a_node_without_operands: spec.shapes_fit,
    a_node_that_knows_places_it_does_not_use: spec.shapes_fit,
}


def found(predicate, plan, division):
    if predicate in (spec.segments_are_whole, spec.nobody_reads_what_is_left_alone):
        return list(predicate(division))
    if predicate in (spec.nodes_fit, spec.shapes_fit):
        regions = [r for k in segments(division) for r in division.parts[k].regions]
        return [text for region in regions for text in predicate(region)]
    return list(predicate(plan, division))


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda f: f.__name__)
def test_a_broken_division_is_told(divided, breaks):
    plan, division = divided
    predicate = BROKEN[breaks]
    assert not found(predicate, plan, division)
    broken = breaks(division)
    assert found(predicate, plan, broken)
    with pytest.raises(ContractError, match="A division breaks its contract"):
        spec.check(plan, broken)


def test_plans_that_are_divided_are_looked_at(divided, monkeypatch):
    plan, division = divided
    monkeypatch.setattr(partition._Divider, "run", lambda self: a_result_freed(division))
    with pytest.raises(ContractError):
        divide(plan)
    monkeypatch.setattr(partition.contracts, "ON", False)
    divide(plan)
