"""What runs together in a compiled function, what runs by itself, and why. Knows plans; must not know any engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sdgraph.plan.made import Alone, Group, Made
from sdgraph.plan.plan import Step
from sdgraph.wording import counted, html_table, text_table

_HEADINGS = ("part", "holds", "what")
_MOST_NAMES = 6


class ExplainedPart(NamedTuple):
    """A region, or a step that stays outside of regions."""

    part: str
    holds: tuple[str, ...]
    """The variables whose operations it has."""
    facts: str
    """What it costs; of a step that stays outside why it does."""
    advice: str
    """What can be done about it, if anything."""
    is_region: bool


class Explanation(NamedTuple):
    """What an engine made of a function: its regions and the steps between them, in the order they run.

    It shows itself as a table, and below it what can be done about steps that stay outside of regions.
    """

    engine: str
    parts: tuple[ExplainedPart, ...]

    @property
    def outside(self) -> tuple[ExplainedPart, ...]:
        """The steps that stay outside of regions."""
        return tuple(p for p in self.parts if not p.is_region)

    def _rows(self) -> list[tuple[str, ...]]:
        return [(p.part, _names(p.holds), p.facts) for p in self.parts]

    def _below(self) -> list[str]:
        regions = len(self.parts) - len(self.outside)
        outside = len(self.outside)
        by_itself = f"{counted(outside, 'step')} by {'itself' if outside == 1 else 'themselves'}"
        if not regions:
            return [f"engine {self.engine}: {by_itself}"]
        advised: dict[str, list[ExplainedPart]] = {}
        for p in self.outside:
            if p.advice:
                advised.setdefault(p.advice, []).append(p)
        lines = [f"{_those(parts)}: {advice}" for advice, parts in advised.items()]
        return [f"engine {self.engine}: {counted(regions, 'region')}, {by_itself}", *lines]

    def __repr__(self) -> str:
        lines = text_table(_HEADINGS, self._rows())
        return "\n".join([*lines, lines[1], *self._below()])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, self._rows(), (), self._below())


def explained(made: Made, engine: str) -> Explanation:
    """What an engine made of a plan."""
    if not made.groups and not made.alone:
        return Explanation(engine, tuple(map(_single, made.steps)))
    several: list[Group | Alone] = sorted((*made.groups, *made.alone), key=lambda part: part.place)
    return Explanation(engine, tuple(map(_part, several)))


def _part(part: Group | Alone) -> ExplainedPart:
    if isinstance(part, Group):
        return ExplainedPart(part.title, part.holds, ", ".join(part.facts), "", True)
    return ExplainedPart(part.title, _name(part.name), part.why, part.advice, False)


def _single(step: Step) -> ExplainedPart:
    """A step of an engine that runs nothing together."""
    return ExplainedPart(step.op.qualname, _name(step.source.name if step.source else ""), str(step.aval), "", False)


def _those(parts: Sequence[ExplainedPart]) -> str:
    """Steps in a few words: their operations, and which one or how many."""
    times: dict[str, int] = {}
    for p in parts:
        times[p.part] = times.get(p.part, 0) + 1
    if len(parts) == 1:
        return " ".join([parts[0].part, *parts[0].holds])
    return ", ".join(f"{op}, {n} times" if n > 1 else op for op, n in times.items())


def _name(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
