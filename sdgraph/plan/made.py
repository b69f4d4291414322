"""What an engine made of a plan, for those who look: printed plans and pictures. Must not know any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

from sdgraph.build.annotations import readable
from sdgraph.plan.plan import Plan


class Group(NamedTuple):
    """Steps that an engine runs as one."""

    title: str
    facts: tuple[str, ...]
    """What it costs, in words, one short line each."""
    outs: tuple[int, ...]
    """The steps, by the slots of their results."""
    holds: tuple[str, ...] = ()
    """The variables whose operations it has."""
    place: int = 0
    """How many groups and single steps run before it."""


class Alone(NamedTuple):
    """A step that an engine runs by itself where others run together."""

    title: str
    out: int
    """The slot of its result."""
    name: str
    """The variable that it belongs to."""
    why: str
    advice: str
    """What can be done about it, if anything."""
    place: int
    """How many groups and single steps run before it."""


@readable
@dataclass(frozen=True, kw_only=True, eq=False)
class Made(Plan):
    """A plan as an engine runs it: what a step frees and how much is alive are the engine's own."""

    notes: str = ""
    """What the engine has to say, for printing."""
    groups: tuple[Group, ...] = ()
    """Steps that run together, where the engine does that, in the order they run."""
    alone: tuple[Alone, ...] = ()
    """Those that run by themselves between them."""
    remarks: Mapping[int, str] = field(default_factory=dict)
    """How and why a step runs by itself where others run together, by its slot."""

    @classmethod
    def of(cls, plan: Plan, **told: Any) -> Self:
        """The plan with what the engine tells of it, and what of the plan itself is different for this engine."""
        as_planned = {known.name: getattr(plan, known.name) for known in fields(Plan)}
        return cls(**(as_planned | told))

    def __str__(self) -> str:
        """The steps, one per line, and what the engine made of them."""
        steps = Plan.__str__(self)
        return f"{steps}\n{self.notes}" if self.notes else steps
