"""The optimizer that a model is trained with: its settings, and the learning rate of the next step, which may be set.

Must not know models or data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.checks import not_negative
from sdgraph.errors import ArgumentError, shown
from sdgraph.keras.optimizers.applying import (
    Applies,
    Applying,
    Array,
    matched,
    paired,
    rate_at_first,
    ready,
    refuse_schedule,
    slots_of,
    unscaled,
)
from sdgraph.train.step import TrainingStep
from sdgraph.train.updating.updaters import Updater


class OptimizerInUse:
    """An optimizer's settings by name, and what it is at: ``learning_rate``, which may be set, and ``iterations``.

    Equal to the optimizer that `Model.compile` got.
    """

    __slots__ = ("_applying", "_rate", "_step", "settings")

    settings: Updater
    """The optimizer that was given."""
    _step: TrainingStep | None
    _rate: float | None
    _applying: Applying | None
    """What is kept by `apply` before there is a step."""

    def __init__(self, settings: Updater) -> None:
        object.__setattr__(self, "settings", settings)
        object.__setattr__(self, "_step", None)
        object.__setattr__(self, "_rate", None)
        object.__setattr__(self, "_applying", None)
        if isinstance(settings, Applies):
            settings.works_for(self)

    def works_in(self, step: TrainingStep) -> None:
        """Stand for a step from now on, which goes on with what `apply` kept; a rate that was set is the step's."""
        if self._applying is not None:
            known, names = step.state(), {f"sum:{v.name}" for v in step.trained}
            step.load_state(known | {k: a for k, a in self._applying.state().items() if k in known or k in names})
            object.__setattr__(self, "_applying", None)
        object.__setattr__(self, "_step", step)
        if self._rate is not None:
            step.learning_rate = self._rate
            object.__setattr__(self, "_rate", None)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, SDVariable]]) -> int:
        """Update variables by their gradients, as a batch of `Model.fit` does; what is kept of them is the same.

        Args:
            grads_and_vars: Pairs of an array and a variable.

        Returns:
            How many updates there were.

        Raises:
            ArgumentError: If a variable that is trained has no gradient. Nothing has changed then.
            ShapeError: If a gradient has another shape than its variable.
        """
        self.apply(*paired(grads_and_vars))
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[SDVariable] | None = None) -> None:
        """Update variables by their gradients; see `apply_gradients`.

        Args:
            grads: The gradients.
            trainable_variables: The variables, in the same order; those that are trained by default.
        """
        if self._step is None:
            if self._applying is None:
                object.__setattr__(self, "_applying", Applying(self.settings))
            kept: Any = self._applying
            if self._rate is not None:
                kept.learning_rate = self._rate
                object.__setattr__(self, "_rate", None)
            kept.apply(grads, trainable_variables)
            return
        trained = self._step.trained
        gradients, variables = matched(grads, trainable_variables, trained)
        if gradients:
            given = dict(zip(variables, gradients, strict=True))
            self._step.apply(unscaled(self.settings, [ready(given.get(v), v) for v in trained]))

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        if self._step is not None:
            return self._step.learning_rate
        if self._rate is not None:
            return self._rate
        return rate_at_first(self.settings) if self._applying is None else self._applying.learning_rate

    @property
    def iterations(self) -> int:
        """How many updates there were."""
        if self._step is not None:
            return self._step.update.number
        return 0 if self._applying is None else self._applying.iterations

    @property
    def variables(self) -> dict[str, Array]:
        """Arrays that are kept of variables, by ``NAME/SLOT``."""
        if self._step is not None:
            return slots_of(self._step.update.state())
        return {} if self._applying is None else self._applying.variables

    def refuse_schedule(self, who: str) -> None:
        """Raise if the learning rate follows a schedule, which somebody wants to set.

        Raises:
            ArgumentError: If it does.
        """
        refuse_schedule(self.settings, who)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "learning_rate":
            raise ArgumentError(
                "Of an optimizer in use only the learning rate can be set.",
                given=f"{name}={shown(value)}",
                fix="Make another optimizer, and compile the model with it.",
            )
        self.refuse_schedule("An assignment")
        rate = float(not_negative("learning_rate", value))
        if self._step is not None:
            self._step.learning_rate = rate
        elif self._applying is not None:
            self._applying.learning_rate = rate
        else:
            object.__setattr__(self, "_rate", rate)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.settings, name)

    def __eq__(self, other: object) -> bool:
        return self.settings == (other.settings if isinstance(other, OptimizerInUse) else other)

    def __hash__(self) -> int:
        return hash(self.settings)

    def __repr__(self) -> str:
        return repr(self.settings)
