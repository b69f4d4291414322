"""SameDiff's listeners: its hooks, told in its order. Must not know how anything is trained.

A listener is a callback, so both may be given together.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.train.callbacks.events import Callback
from sdgraph.train.results.loss_curve import Loss, LossCurve

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph
    from sdgraph.build.variable import SDVariable
    from sdgraph.train.run import Run


class Operation(enum.Enum):
    """What is going on."""

    TRAINING = "training"
    TRAINING_VALIDATION = "training_validation"
    INFERENCE = "inference"
    EVALUATION = "evaluation"


class ListenerResponse(enum.Enum):
    """Whether training goes on after an epoch."""

    CONTINUE = "continue"
    STOP = "stop"


class At(NamedTuple):
    """Where training is: epochs and iterations count from 0, over all calls of ``fit``."""

    epoch: int
    iteration: int
    operation: Operation


class Listener(Callback):
    """What SameDiff tells of training, and on a graph of evaluations; every method may be left out.

    The hooks come in this order: ``operation_start``, ``epoch_start``, for each batch ``iteration_start``,
    ``activation_available``, ``pre_update`` and ``iteration_done``, then ``epoch_end``; around validation
    ``operation_start``, its iterations and ``operation_end``, then ``validation_done``; at last ``operation_end``.

    A listener of `SameDiff.set_listeners` also hears ``operation_start`` and ``operation_end`` around
    `SameDiff.evaluate`, `SameDiff.output` and `SameDiff.predict`, and of the last the iterations.

    Example:
        >>> class StopWhenGood(Listener):
        ...     def epoch_end(self, sd, at, loss_curve, epoch_time_millis):
        ...         if loss_curve.last_mean_loss("loss") < 0.01:
        ...             return ListenerResponse.STOP
    """

    def is_active(self, operation: Operation) -> bool:
        """Whether it wants to be told of an operation."""
        return True

    def required_variables(self, sd: AnyGraph) -> Sequence[SDVariable | str]:
        """The variables whose values `activation_available` is told."""
        return ()

    def operation_start(self, sd: AnyGraph, operation: Operation) -> None:
        """Before training, and before each validation."""

    def operation_end(self, sd: AnyGraph, operation: Operation) -> None:
        """After training, whatever ended it, and after each validation."""

    def epoch_start(self, sd: AnyGraph, at: At) -> None:
        """Before the first batch of an epoch."""

    def epoch_end(self, sd: AnyGraph, at: At, loss_curve: LossCurve, epoch_time_millis: int) -> ListenerResponse | None:
        """After the last batch of an epoch, before its validation. STOP ends training, without that validation."""

    def validation_done(self, sd: AnyGraph, at: At, validation_time_millis: int) -> ListenerResponse | None:
        """After the validation of an epoch. STOP ends training."""

    def iteration_start(self, sd: AnyGraph, at: At, data: Mapping[str, Any], etl_time_millis: int) -> None:
        """Before a batch, which is given by placeholder; ``etl_time_millis`` is how long it was waited for."""

    def iteration_done(self, sd: AnyGraph, at: At, data: Mapping[str, Any], loss: Loss) -> None:
        """After a batch, with its losses as they were before the variables changed."""

    def activation_available(
        self, sd: AnyGraph, at: At, data: Mapping[str, Any], variable: str, activation: Any
    ) -> None:
        """The value of a variable that was required, before the variables change."""

    def pre_update(self, sd: AnyGraph, at: At, variable: SDVariable, update: Any) -> None:
        """Before ``update`` is subtracted from a variable that is trained; changing the array changes what is."""

    # ------------------------------------------------------------------ told by the loop

    # What the loop needs of a listener stands in one attribute that no subclass can have by accident.

    def requires(self, sd: AnyGraph) -> Sequence[SDVariable | str]:
        return self.required_variables(sd)

    def on_train_begin(self, run: Run) -> None:
        self.__place = _Place(self, run)
        if self.is_active(Operation.TRAINING):
            self.operation_start(run.sd, Operation.TRAINING)
            run.step.watchers.append(self.__place)

    def on_epoch_begin(self, run: Run) -> None:
        self.__place.began = time.perf_counter()
        if self.is_active(Operation.TRAINING) and run.counts_epochs:
            # Between epochs it is the last iteration that counts, as in Java.
            self.epoch_start(run.sd, _at(run, before=run.epoch > run.first))

    def on_batch_begin(self, run: Run) -> None:
        if self.is_active(Operation.TRAINING):
            self.iteration_start(run.sd, _at(run, before=False), run.feeds, self.__place.waited())

    def on_batch_end(self, run: Run) -> None:
        if self.is_active(Operation.TRAINING):
            self.iteration_done(run.sd, _at(run), run.feeds, run.losses)

    def on_epoch_trained(self, run: Run) -> None:
        if not (self.is_active(Operation.TRAINING) and run.counts_epochs):
            return
        curve = LossCurve(run.history.losses, [*run.history, run.logs])
        self.__answered(run, self.epoch_end(run.sd, _at(run), curve, self.__place.millis()))

    def __answered(self, run: Run, response: ListenerResponse | None) -> None:
        if response is ListenerResponse.STOP:
            run.stop = f"{type(self).__name__} said so"

    def on_validation_begin(self, run: Run) -> None:
        self.__place.began, self.__place.validation = time.perf_counter(), 0
        if self.is_active(Operation.TRAINING_VALIDATION):
            self.operation_start(run.sd, Operation.TRAINING_VALIDATION)

    def on_validation_batch_begin(self, run: Run) -> None:
        if self.is_active(Operation.TRAINING_VALIDATION):
            self.iteration_start(run.sd, self.__place.validating(), run.feeds, 0)

    def on_validation_batch_end(self, run: Run) -> None:
        place = self.__place
        if self.is_active(Operation.TRAINING_VALIDATION):
            for name in place.asked:
                self.activation_available(run.sd, place.validating(), run.feeds, name, run.values[name])
            self.iteration_done(run.sd, place.validating(), run.feeds, _without_weights(run))
        place.validation = (place.validation or 0) + 1

    def on_validation_end(self, run: Run) -> None:
        if self.is_active(Operation.TRAINING_VALIDATION):
            self.operation_end(run.sd, Operation.TRAINING_VALIDATION)

    def on_epoch_end(self, run: Run) -> None:
        if self.__place.validation is not None:
            self.__place.validation = None
            self.__answered(run, self.validation_done(run.sd, _at(run), self.__place.millis()))

    def on_train_end(self, run: Run) -> None:
        place = self.__place
        del self.__place  # The run has the graph.
        if self.is_active(Operation.TRAINING):
            run.step.watchers.remove(place)
            self.operation_end(run.sd, Operation.TRAINING)


class _Place:
    """Where a listener is in a run, and what it hears within a step."""

    def __init__(self, listener: Listener, run: Run) -> None:
        self._listener, self._run = listener, run
        self.sees_updates = type(listener).pre_update is not Listener.pre_update
        self.asked = [v if isinstance(v, str) else v.name for v in listener.required_variables(run.sd)]
        self.began = time.perf_counter()
        self.validation: int | None = None
        """How many batches of validation there were, if there is one."""
        self._waited = run.history.waited

    def millis(self) -> int:
        """How long it takes by now."""
        return round(1000 * (time.perf_counter() - self.began))

    def waited(self) -> int:
        """How many milliseconds the batch was waited for."""
        before, self._waited = self._waited, self._run.history.waited
        return round(1000 * (self._waited - before))

    def validating(self) -> At:
        """Where validation is."""
        return At(self._run.epoch, self.validation or 0, Operation.TRAINING_VALIDATION)

    def computed(self, values: Mapping[str, Any]) -> None:
        for name in self.asked:
            self._listener.activation_available(
                self._run.sd, _at(self._run, before=False), self._run.feeds, name, values[name]
            )

    def update(self, name: str, change: Any) -> None:
        self._listener.pre_update(self._run.sd, _at(self._run, before=False), self._run.sd.own(name), change)


def _at(run: Run, *, before: bool = True) -> At:
    """Where a run is: in the iteration that is over, or in the one that begins."""
    return At(run.epoch, run.step.step - (1 if before else 0), Operation.TRAINING)


def _without_weights(run: Run) -> Loss:
    """The losses of a batch of validation, where classes, examples and regularization do not count."""
    return Loss({n: float(np.sum(run.values[n], dtype="float64")) for n in run.measures.losses if n in run.values})
