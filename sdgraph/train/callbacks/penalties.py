"""What regularization adds to the losses, in the report of an epoch. Must not know how a loop goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sdgraph.train.callbacks.events import Callback
from sdgraph.train.updating.transforms import L1Regularization, L2Regularization, Transform, WeightDecay

if TYPE_CHECKING:
    from sdgraph.train.run import Run

Array = np.ndarray[Any, Any]


def _absolute(w: Array) -> float:
    return float(np.abs(w).sum(dtype=np.float64))


def _half_square(w: Array) -> float:
    flat = w.reshape(-1)
    return 0.5 * float(np.dot(flat, flat))


_SCORES: Final[Mapping[type, tuple[str, Callable[[Array], float]]]] = {
    L1Regularization: ("l1", _absolute),
    L2Regularization: ("l2", _half_square),
    WeightDecay: ("coeff", _half_square),
}
"""By class the coefficient, and what it is multiplied with, of each variable."""


class Penalties(Callback):
    """Reports the loss that each kind of regularization stands for, under the name of its class.

    It is that of the variables before they change; over an epoch, its mean over examples.
    """

    sees_updates = False

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self._kinds = [t for t in transforms if type(t) in _SCORES]

    @property
    def names(self) -> list[str]:
        """What is reported."""
        return list(dict.fromkeys(type(t).__name__ for t in self._kinds))

    def on_train_begin(self, run: Run) -> None:
        self._run = run
        run.step.watchers.append(self)

    def on_epoch_begin(self, run: Run) -> None:
        self.memory["sums"] = dict.fromkeys(self.names, 0.0)
        self.memory["examples"] = 0.0

    def computed(self, values: Mapping[str, Any]) -> None:
        """Add up what there is before a step."""
        step, examples = self._run.step, float(self._run.examples)
        standing = step.update.held.standing
        arrays = [v.value if (held := standing.get(v.id)) is None else held for v in step.trained]
        now: dict[str, float] = dict.fromkeys(self.names, 0.0)
        for t in self._kinds:
            name, score = _SCORES[type(t)]
            rate: Any = getattr(t, name)
            coefficient: Any = rate(step.update.number, step.epoch) if callable(rate) else float(rate)
            now[type(t).__name__] += coefficient * sum(score(a) for a in arrays)
        self._run.penalties = now
        for name, score_now in now.items():
            self.memory["sums"][name] += examples * score_now
        self.memory["examples"] += examples

    def update(self, name: str, change: Any) -> None:
        """Nobody asks for it."""

    def on_epoch_trained(self, run: Run) -> None:
        examples = self.memory["examples"]
        if examples:
            run.logs = {**run.logs, **{name: total / examples for name, total in self.memory["sums"].items()}}

    def on_train_end(self, run: Run) -> None:
        run.step.watchers.remove(self)
        del self._run
