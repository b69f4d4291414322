"""Slots of a run filled: constants, what is fed, values of variables, the step. The one place that does it.

Must not know engines.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.plan.plan import NO_SLOT, Plan


class Slots:
    """Where the leaves of a plan go in the slots of a run."""

    __slots__ = ("_feeds", "_read", "_step", "_variables", "reads_graph", "template")

    def __init__(self, plan: Plan, n_slots: int) -> None:
        self.template: list[Any] = [None] * n_slots
        """What every run starts from a copy of: the constants, and room for everything else."""
        for slot, value in plan.constants:
            self.template[slot] = value
        self._feeds, self._step = plan.feeds, plan.step_slot
        self._variables = [slot for slot, _ in plan.variables]
        self._read = _reader([i for _, i in plan.variables])
        self.reads_graph = bool(plan.variables) or plan.step_slot != NO_SLOT
        """Whether there is anything for `read_graph` to fill."""

    def spare(self) -> int:
        """A further slot, which the plan does not read."""
        self.template.append(None)
        return len(self.template) - 1

    def read_graph(self, slots: list[Any], values: Mapping[int, Any], step: int) -> None:
        """Fill in what is not fed: the values of variables by their ids, and the step."""
        for slot, value in zip(self._variables, self._read(values)):  # noqa: B905  (as many as ids were given)
            slots[slot] = value
        if self._step != NO_SLOT:
            slots[self._step] = step if type(step) is int else _as_step(step)

    def filled(self, feeds: Mapping[int, Any], values: Mapping[int, Any], step: int) -> list[Any]:
        """All slots of a run, from arrays for the placeholders and the variables by their ids."""
        slots = self.template.copy()
        for slot, i in self._feeds:
            slots[slot] = feeds[i]
        self.read_graph(slots, values, step)
        return slots


def _reader(ids: list[int]) -> Callable[[Mapping[int, Any]], Iterable[Any]]:
    """What takes the values of variables out of their table in one call of the interpreter's own.

    No thread that sets several values at once comes between two of them.
    """
    if not ids:
        return lambda values: ()
    read = operator.itemgetter(*ids)
    return read if len(ids) > 1 else lambda values: (read(values),)


def _as_step(step: Any) -> int:
    if not is_whole(step):
        raise ArgumentTypeError("A step is a whole number.", given=shown(step))
    return int(step)
