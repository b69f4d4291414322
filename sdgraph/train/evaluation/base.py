"""What every evaluation can do. Must not know any measure."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from sdgraph.errors import ArgumentError, ArgumentTypeError, shown

Array = np.ndarray[Any, Any]


class Evaluator(abc.ABC):
    """Counts over examples, from which measures follow: added to batch by batch, merged with others of its kind."""

    settings: ClassVar[tuple[str, ...]] = ()
    """What must be the same in two of them for their counts to be added."""
    counted: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold what was counted: arrays and whole numbers, which a checkpoint has."""

    def __init__(self) -> None:
        self._fresh = copy.deepcopy(vars(self))

    @abc.abstractmethod
    def add(self, labels: Any, predictions: Any, mask: Any = None) -> Self:
        """Count some examples. Nothing is counted of what is refused."""

    @abc.abstractmethod
    def _merged(self, other: Any) -> None:
        """Take over the counts of another of the same settings."""

    @abc.abstractmethod
    def stats(self) -> str:
        """The measures as text."""

    def merge(self, other: Self) -> Self:
        """Count what another one of the same kind has counted.

        Raises:
            ArgumentTypeError: If it is of another kind.
            ArgumentError: If it counts by other settings.
        """
        if type(other) is not type(self):
            raise ArgumentTypeError(f"Only another {type(self).__name__} can be merged into one.", given=shown(other))
        for name in self.settings:
            mine, its = getattr(self, name), getattr(other, name)
            if not np.array_equal(mine, its):
                raise ArgumentError(
                    f"Two of class {type(self).__name__} that count in different ways cannot be merged.",
                    given=f"{name} {shown(mine)} and {shown(its)}",
                )
        self._merged(other)
        return self

    def state(self) -> dict[str, Array]:
        """What was counted, as arrays by name.

        Example:
            >>> from sdgraph.train.evaluation import EvaluationBinary
            >>> EvaluationBinary().add([1, 0], [0.9, 0.2]).state()
            {'counts': array([[1],
                   [0],
                   [1],
                   [0]])}
        """
        return {name.lstrip("_"): np.array(getattr(self, name)) for name in self.counted}

    def load_state(self, state: Mapping[str, Array]) -> Self:
        """Have counted what `state` gave, of another one with the same settings.

        Raises:
            ArgumentError: If it is the state of another kind.
        """
        now = self.state()
        like = {key: (a.dtype, a.ndim) for key, a in now.items()}
        if {key: (a.dtype, a.ndim) for key, a in state.items()} != like:
            raise ArgumentError(
                f"This is not what a {type(self).__name__} has counted.",
                given=", ".join(f"{key} {a.dtype}" for key, a in state.items()) or "nothing",
                expected=", ".join(f"{key} {dtype}" for key, (dtype, _) in like.items()) or "nothing",
            )
        for name in self.counted:
            a = state[name.lstrip("_")]
            setattr(self, name, a.copy() if a.ndim else a.item())
        return self

    def fresh(self) -> Self:
        """Another one with the same settings, which has counted nothing."""
        other = copy.copy(self)
        other.reset()
        return other

    def reset(self) -> None:
        """Forget all examples."""
        fresh = self._fresh
        vars(self).update(copy.deepcopy(fresh))
        self._fresh = fresh

    def __str__(self) -> str:
        return self.stats()
