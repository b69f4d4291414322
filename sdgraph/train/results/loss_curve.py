"""Losses of a batch and of epochs, in SameDiff's words. Must not know how anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from sdgraph.errors import ArgumentError
from sdgraph.wording import listed


class Loss(dict[str, float]):
    """Losses by name, those of regularization among them.

    Example:
        >>> loss = Loss({"loss": 0.5, "L2Regularization": 0.25})
        >>> loss.total_loss(), loss.loss_names
        (0.75, ('loss', 'L2Regularization'))
    """

    @property
    def loss_names(self) -> tuple[str, ...]:
        """What the losses are called."""
        return tuple(self)

    @property
    def losses(self) -> tuple[float, ...]:
        """Their values, in the order of the names."""
        return tuple(self.values())

    def total_loss(self) -> float:
        """Their sum."""
        return math.fsum(self.values())


class LossCurve:
    """The mean losses of each epoch, over its examples.

    Args:
        names: What the losses are called.
        rows: For each epoch its values by name.

    Example:
        >>> curve = LossCurve(["loss"], [{"loss": 2.0}, {"loss": 1.5}])
        >>> curve.mean_loss("loss"), curve.mean_loss(1), curve.last_mean_delta("loss")
        ([2.0, 1.5], {'loss': 1.5}, -0.5)
    """

    def __init__(self, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        self.loss_names = tuple(names)
        self._rows = [Loss({name: float(row.get(name, math.nan)) for name in names}) for row in rows]

    def __len__(self) -> int:
        """How many epochs there were."""
        return len(self._rows)

    @property
    def loss_values(self) -> np.ndarray[Any, Any]:
        """Shape (epochs, losses)."""
        return np.array([row.losses for row in self._rows], np.float64).reshape(len(self), len(self.loss_names))

    def losses(self) -> list[Loss]:
        """The losses of each epoch."""
        return list(self._rows)

    @overload
    def mean_loss(self, of: int) -> Loss: ...
    @overload
    def mean_loss(self, of: str) -> list[float]: ...
    @overload
    def mean_loss(self, of: str, epoch: int) -> float: ...
    def mean_loss(self, of: int | str, epoch: int | None = None) -> Any:
        """All losses of an epoch; one loss of all epochs; one of one.

        Raises:
            ArgumentError: If there is no such loss, or no such epoch.
        """
        if not isinstance(of, str):
            return self._row(of)
        if of not in self.loss_names:
            raise ArgumentError(
                f"There is no loss {of!r}.", given=repr(of), expected=f"one of {listed(self.loss_names)}"
            )
        return [row[of] for row in self._rows] if epoch is None else self._row(epoch)[of]

    def _row(self, epoch: int) -> Loss:
        if not -len(self) <= epoch < len(self):
            raise ArgumentError("There is no such epoch.", given=str(epoch), expected=f"one of {len(self)} epochs")
        return self._rows[epoch]

    @overload
    def last_mean_loss(self) -> Loss: ...
    @overload
    def last_mean_loss(self, name: str) -> float: ...
    def last_mean_loss(self, name: str | None = None) -> Any:
        """All losses of the last epoch, or one of them."""
        return self.mean_loss(-1) if name is None else self.mean_loss(name, -1)

    @overload
    def last_mean_delta(self) -> Loss: ...
    @overload
    def last_mean_delta(self, name: str) -> float: ...
    def last_mean_delta(self, name: str | None = None) -> Any:
        """By how much all losses changed from the epoch before the last one to the last, or one of them.

        Raises:
            ArgumentError: If there were fewer than two epochs, or there is no such loss.
        """
        delta = Loss({n: self.mean_loss(n, -1) - self.mean_loss(n, -2) for n in self.loss_names})
        return delta if name is None else self.mean_loss(name, -1) - self.mean_loss(name, -2)

    def __repr__(self) -> str:
        return f"LossCurve({len(self)} epochs of {listed(self.loss_names, 'and')})"
