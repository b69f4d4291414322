"""What a program promises to those who fill its slots. Each function tells what is wrong. Must not know any engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdgraph.lower.contracts import hold
from sdgraph.plan.plan import Plan
from sdgraph.run.engines.interface import Program


def check(plan: Plan, program: Program, filled: Sequence[int], room: int) -> None:
    """Raise ContractError unless a program and the slots made for it fit."""
    hold("A program", room_for_the_plan(plan, program), filled_inside(program, filled, room))


def room_for_the_plan(plan: Plan, program: Program) -> Iterator[str]:
    """The plan's slots come first; a program may only add some."""
    if program.n_slots < plan.n_slots:
        yield f"{program.n_slots} slots for a plan of {plan.n_slots}"


def filled_inside(program: Program, filled: Sequence[int], room: int) -> Iterator[str]:
    """What is fed goes into slots that there are; one that the plan does not need into none of the program's."""
    outside = [slot for slot in filled if not 0 <= slot < room]
    if outside:
        yield f"feeds go to slots {outside}; there are {room}"
    if room < program.n_slots:
        yield f"there are {room} slots for a program that needs {program.n_slots}"
