"""Slots of a run filled: constants, what is fed, values of variables, the step. The one place that does it.

Must not know engines.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sdgraph.build.values import Unsettled, Values
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.plan.plan import NO_SLOT, Plan


class Slots:
    """Where the leaves of a plan go in the slots of a run."""

    __slots__ = ("_feeds", "_read", "_single", "_variables", "reads_graph", "step", "template", "variables")

    def __init__(self, plan: Plan, n_slots: int, standing: Mapping[int, Any] = MappingProxyType({})) -> None:
        self.template: list[Any] = [None] * n_slots
        """What every run starts from a copy of: constants and standing arrays, and room for everything else."""
        for slot, value in plan.constants:
            self.template[slot] = value
        for slot, i in plan.variables:
            self.template[slot] = standing.get(i)
        variables = [(slot, i) for slot, i in plan.variables if i not in standing]
        self._feeds = plan.feeds
        self.step = plan.step_slot
        """Where the step goes, if anywhere."""
        self.variables = [(slot, plan.leaf_avals[slot].shape, plan.leaf_avals[slot].dtype) for slot, _ in variables]
        """Per variable that is read: slot, shape and dtype."""
        # One is read as it is, several in one call of the interpreter's own: no thread that sets several values at once
        # comes between two of them.
        self._single = variables[0] if len(variables) == 1 else None
        several = variables if len(variables) > 1 else ()
        self._variables = [slot for slot, _ in several]
        self._read = operator.itemgetter(*[i for _, i in several]) if several else None
        self.reads_graph = bool(variables) or plan.step_slot != NO_SLOT
        """Whether there is anything for `read_graph` to fill."""

    def spare(self) -> int:
        """A further slot, which the plan does not read."""
        self.template.append(None)
        return len(self.template) - 1

    def read_graph(self, slots: list[Any], values: Values | Unsettled, step: int) -> None:
        """Fill in what is not fed: the values of variables by their ids, and the step."""
        if values.holder is not None:
            values.holder.settle()
        if self._single is not None:
            slot, i = self._single
            slots[slot] = values[i]
        elif self._read is not None:
            for slot, value in zip(self._variables, self._read(values)):  # noqa: B905  (as many as were asked for)
                slots[slot] = value
        if self.step != NO_SLOT:
            slots[self.step] = step if type(step) is int else _as_step(step)

    def current(self, values: Values | Unsettled) -> tuple[Any, ...]:
        """The values of `variables` as they are now."""
        if values.holder is not None:
            values.holder.settle()
        if self._single is not None:
            return (values[self._single[1]],)
        return () if self._read is None else self._read(values)

    def filled(self, feeds: Mapping[int, Any], values: Values | Unsettled, step: int) -> list[Any]:
        """All slots of a run, from arrays for the placeholders and the variables by their ids."""
        slots = self.template.copy()
        for slot, i in self._feeds:
            slots[slot] = feeds[i]
        self.read_graph(slots, values, step)
        return slots


def _as_step(step: Any) -> int:
    if not is_whole(step):
        raise ArgumentTypeError("A step is a whole number.", given=shown(step))
    return int(step)
