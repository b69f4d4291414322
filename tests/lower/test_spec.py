"""Contracts of a lowered list: each one tells a list that breaks it, and none complains about one that is right."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.infer.aval import Aval
from sdgraph.lower import contracts, spec
from sdgraph.lower.contracts import ContractError
from sdgraph.lower.lowering import Lowering
from sdgraph.plan.schedule import schedule

pytestmark = pytest.mark.any_engine


@pytest.fixture
def lowered():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3))
    y = sd.sum(sd.math.exp(x * [1.0, 2.0, 3.0]), name="y")
    lowering = Lowering(sd, {x.id: x.aval})
    outs = lowering.run([y.id])
    return lowering.nodes, outs


def at(nodes, name):
    return next(i for i, node in enumerate(nodes) if node.op.name == name)


def test_a_list_as_lowering_makes_it_keeps_every_promise(lowered):
    spec.check(*lowered)


def reads_what_comes_later(nodes, outs):
    nodes[at(nodes, "exp")].inputs = (len(nodes) - 1,)


def reads_itself(nodes, outs):
    i = at(nodes, "exp")
    nodes[i].inputs = (i,)


def reads_no_node(nodes, outs):
    nodes[at(nodes, "exp")].inputs = (-2,)


def has_a_composite(nodes, outs):
    nodes[at(nodes, "exp")].op = REGISTRY["nn.gelu"]


def has_a_leaf_that_reads(nodes, outs):
    nodes[at(nodes, "constant")].inputs = (0,)


def has_an_unknown_size(nodes, outs):
    node = nodes[at(nodes, "exp")]
    node.aval = Aval((None, 3), node.aval.dtype)


def has_a_named_size_in_one_of_several_outputs(nodes, outs):
    node = nodes[at(nodes, "exp")]
    node.aval = (node.aval, Aval(("batch",), node.aval.dtype))


def has_a_constant_of_another_shape(nodes, outs):
    nodes[at(nodes, "constant")].value = np.zeros(4, "float32")


def has_a_value_that_is_no_constant(nodes, outs):
    nodes[at(nodes, "exp")].value = np.zeros((2, 3), "float32")


def returns_what_is_not_there(nodes, outs):
    outs[0] = len(nodes)


BROKEN = {
    reads_what_comes_later: spec.inputs_before_use,
    reads_itself: spec.inputs_before_use,
    reads_no_node: spec.inputs_before_use,
    has_a_composite: spec.primitives_only,
    has_a_leaf_that_reads: spec.primitives_only,
    has_an_unknown_size: spec.concrete_avals,
    has_a_named_size_in_one_of_several_outputs: spec.concrete_avals,
    has_a_constant_of_another_shape: spec.constants_as_said,
    has_a_value_that_is_no_constant: spec.constants_as_said,
    returns_what_is_not_there: spec.results_inside,
}


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda f: f.__name__)
def test_a_broken_list_is_told(lowered, breaks):
    nodes, outs = lowered
    predicate = BROKEN[breaks]
    arguments = (nodes, outs) if predicate is spec.results_inside else (nodes,)
    assert not list(predicate(*arguments))
    breaks(nodes, outs)
    assert list(predicate(*arguments))
    with pytest.raises(ContractError, match="A lowered list breaks its contract"):
        spec.check(nodes, outs)


def test_plans_are_made_of_lists_that_were_looked_at(lowered):
    nodes, outs = lowered
    assert contracts.ON
    has_an_unknown_size(nodes, outs)
    with pytest.raises(ContractError):
        schedule(nodes, outs, ["y"])


def test_it_costs_nothing_when_it_is_off(lowered, monkeypatch):
    monkeypatch.setattr(contracts, "ON", False)
    monkeypatch.setattr(spec, "check", lambda *_: pytest.fail("looked at"))
    monkeypatch.setattr("sdgraph.plan.spec.check", lambda *_: pytest.fail("looked at"))
    schedule(*lowered, ["y"])
