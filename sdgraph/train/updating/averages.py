"""Moving averages of variables, beside what an updater makes of them. Must not know updaters or steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, flag, whole
from sdgraph.errors import ArgumentError

AVERAGE: Final = "average"
"""The slot of a variable's moving average."""


@dataclass(frozen=True)
class Average:
    """A moving average of each variable: ``momentum`` times itself, and the rest of 1 times the new value.

    The first update gives it the variable's new value.

    Args:
        momentum: How much of it stays in an update, from 0 to 1.
        overwrite_every: After how many updates, again and again, the variable becomes its average; None for never.
        each_batch: Whether it moves with batches that are only accumulated, too, as in Keras. A variable becomes its
            average in all of those whose update it is.

    Raises:
        ArgumentError: If a setting is not such a number.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.train import Average, Sgd
        >>> sd = SameDiff()
        >>> w = sd.var("w", 8.0)
        >>> loss = sd.loss.l2_loss(w, name="loss")
        >>> step = sd.training_step(Sgd(0.5), average=Average(0.5))
        >>> for _ in range(2):
        ...     losses = step()
        >>> w.value, step.averages()
        (array(2., dtype=float32), {'w': array(3., dtype=float32)})
    """

    momentum: float = 0.99
    overwrite_every: int | None = None
    each_batch: bool = False

    def __post_init__(self) -> None:
        if not 0 <= finite("momentum", self.momentum) <= 1:
            raise ArgumentError("momentum is a part of the average that stays, from 0 to 1.", given=str(self.momentum))
        if self.overwrite_every is not None:
            whole("overwrite_every", self.overwrite_every, least=1)
        flag("each_batch", self.each_batch)

    def moved(self, old: SDVariable, new: SDVariable, t: SDVariable) -> tuple[SDVariable, SDVariable]:
        """The variable and its average after update number ``t``, whose rule gives the variable a new value."""
        sd = new.sd
        stays = sd.cast(sd.where(t > 1, self.momentum, 0.0), new.dtype)
        average = stays * old + (1 - stays) * new
        if self.overwrite_every is None:
            return new, average
        return sd.where(t % self.overwrite_every > 0, new, average), average
