"""How far training is, in SameDiff's words: what an updater keeps of each variable, and two counters.

Must not know files, nor how anything is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.errors import ArgumentError
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.train.step import TrainingStep

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class UpdaterState:
    """How far training is.

    Example:
        >>> state = UpdaterState(3, 1, {"w": {"V": np.zeros(2)}})
        >>> state.iteration, state.slots["w"]["V"]
        (3, array([0., 0.]))
    """

    iteration: int = 0
    """How many batches there were."""
    epoch: int = 0
    """How many epochs were completed."""
    slots: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    """By variable what its updater keeps, by slot; without any, the updater begins anew."""

    @classmethod
    def of(cls, step: TrainingStep) -> UpdaterState:
        """That of a step."""
        slots: dict[str, dict[str, Array]] = {v.name: {} for v in step.trained}
        for key, array in step.state().items():
            kind, _, rest = key.partition(":")
            if kind == "slot":
                slot, _, name = rest.partition("/")
                slots[name][slot] = array
        return cls(step.step, step.epoch, slots)

    def give(self, step: TrainingStep, *, complete: bool = True) -> None:
        """Let a step go on from here.

        Args:
            step: The step.
            complete: Whether each variable that is trained must have what its updater keeps; others begin anew.

        Raises:
            ArgumentError: If a variable that is trained lacks what its updater keeps, or has something else.
        """
        state = {key: a for key, a in step.state().items() if not key.startswith("value:")}
        wanted = {v.name: {*updater.slots()} for v, updater in step.updaters.items()}
        if not complete:
            wanted = {name: slots for name, slots in wanted.items() if name in self.slots}
        lacking = [name for name, slots in wanted.items() if self.slots and {*self.slots.get(name, ())} != slots]
        if lacking:
            there = listed([f"{name}: {listed(kept, 'and')}" for name, kept in self.slots.items()], "and")
            raise ArgumentError(
                f"What the updater kept of {listed(lacking, 'and')} is not what it goes on from.",
                given=there,
                expected=listed([f"{name}: {listed(sorted(wanted[name]), 'and')}" for name in lacking], "and"),
                fix="sd.updater_state = None begins anew.",
            )
        if self.slots:
            state |= {f"slot:{slot}/{name}": self.slots[name][slot] for name in wanted for slot in wanted[name]}
        counts = {"step": self.iteration, "update": self.iteration, "epoch": self.epoch}
        step.load_state(state | {f"count:{name}": np.asarray(n) for name, n in counts.items()})
