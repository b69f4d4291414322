"""Contracts of a program: its slots are those of the plan and its own, and what is fed goes into them."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.lower.contracts import ContractError
from sdgraph.plan.schedule import make_plan
from sdgraph.run import spec
from sdgraph.run.engines import reference

pytestmark = pytest.mark.any_engine


@pytest.fixture
def made():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    plan = make_plan(sd, [sd.math.exp(x, name="y").id], {x.id: x.aval}, ["y"])
    return plan, reference.compile_plan(plan, check_numerics=False)


def test_a_program_fits(made):
    plan, program = made
    spec.check(plan, program, [plan.feeds[0][0]], program.n_slots)
    spec.check(plan, program, [plan.feeds[0][0], program.n_slots], program.n_slots + 1)


def test_a_program_without_room_for_the_plan_is_told(made):
    plan, program = made
    program.n_slots = plan.n_slots - 1
    with pytest.raises(ContractError, match="slots for a plan of"):
        spec.check(plan, program, [], plan.n_slots)


def test_a_feed_that_goes_elsewhere_is_told(made):
    plan, program = made
    for slot in (-1, program.n_slots):
        with pytest.raises(ContractError, match="feeds go to slots"):
            spec.check(plan, program, [slot], program.n_slots)


def test_too_few_slots_are_told(made):
    plan, program = made
    with pytest.raises(ContractError, match="program that needs"):
        spec.check(plan, program, [], program.n_slots - 1)


def test_executables_are_looked_at(monkeypatch):
    compile_plan = reference.compile_plan

    def with_too_few_slots(plan, *, check_numerics):
        program = compile_plan(plan, check_numerics=check_numerics)
        program.n_slots = plan.n_slots - 1
        return program

    sd = SameDiff()
    y = sd.math.exp(sd.var("x", np.zeros(3)), name="y")
    monkeypatch.setattr(reference, "compile_plan", with_too_few_slots)
    with pytest.raises(ContractError):
        sd.compile(y, engine="numpy")()
