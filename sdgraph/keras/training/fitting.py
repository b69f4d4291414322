"""`Model.fit`: what is given, checked and put together for the loop of `sdgraph.train`.

Must not know how a model is made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, is_finite, is_whole, one_of, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.callbacks.backup import BackupAndRestore
from sdgraph.keras.callbacks.history import History
from sdgraph.keras.callbacks.small import TerminateOnNaN
from sdgraph.keras.training.batches import How, Measured, batches_of, split_batches
from sdgraph.keras.training.compiled import Compiled
from sdgraph.keras.training.reading import ClassWeight, Reading, is_arrays
from sdgraph.keras.training.telling import Group, Lines, Telling, sorted_out
from sdgraph.run.engines.choice import engine_name
from sdgraph.train.callbacks.events import Callback, Told
from sdgraph.train.callbacks.progress import Progress, is_watched
from sdgraph.train.checkpoints.setup import Setup
from sdgraph.train.fitting import training
from sdgraph.train.loop import Validation, train
from sdgraph.train.run import Run
from sdgraph.train.step import TrainingStep

Verbose = int | str


@dataclass(frozen=True, eq=False)
class Fit:
    """The arguments of one call of `Model.fit`, as they were given."""

    x: Any
    y: Any
    batch_size: int | None
    epochs: int
    verbose: Verbose
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool
    class_weight: ClassWeight | None
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int | Collection[int]


def fit(model: Any, compiled: Compiled, inputs: Mapping[str, SDVariable], given: Fit) -> History:
    """Train a model; see `Model.fit`."""
    _check(given)
    keras, own = sorted_out(given.callbacks)
    history = next((c for c in keras if isinstance(c, History)), None)
    if history is None:
        history = History()
        keras.append(history)
    sd = compiled.outputs[0].sd
    with training(sd):
        also = [v for c in own for v in sd.several(c.requires(sd))]
        (objective, batches), held_out = _data(compiled, inputs, given)
        objective = compiled.in_training(objective)
        step = compiled.step(objective, also)
        run = Run(step, objective.measures, max(0, given.epochs - given.initial_epoch), batches.count())
        run.setup = Setup(sd, step, list(objective.measures.losses), batches, engine_name(compiled.engine))
        for backup in [c for c in keras if isinstance(c, BackupAndRestore)]:
            backup.restore(run)
        model.history = history
        validation = (
            None
            if held_out is None
            else Validation(compiled.function(held_out[0], also), held_out[1], held_out[0].measures)
        )
        telling = _telling(model, keras, given, batches.count(), held_out)
        with _on_nan(step, keras):
            told = Told([_Averages(), telling, *own, *_shown(given)], run)
            done = train(run, batches, told, validation=validation, validates=_validates(given))
    history.take(done)
    return history


def _telling(model: Any, keras: list[Any], given: Fit, steps: int | None, held_out: Measured | None) -> Telling:
    """Keras' callbacks, as one of the loop's."""
    params = {"verbose": given.verbose, "epochs": given.epochs, "steps": steps, "validation": held_out is not None}
    measures = None if held_out is None else held_out[0].measures
    return Telling(model, Group(model, keras, params), given.initial_epoch, measures)


def _check(given: Fit) -> None:
    whole("epochs", given.epochs, least=0)
    whole("initial_epoch", given.initial_epoch, least=0)
    flag("shuffle", given.shuffle)
    for name in ("batch_size", "validation_batch_size"):
        if getattr(given, name) is not None:
            whole(name, getattr(given, name), least=1)
    check_verbose(given.verbose)
    freq = given.validation_freq
    if not is_whole(freq, 1) and not (isinstance(freq, Collection) and not isinstance(freq, str)):
        raise ArgumentTypeError(
            "validation_freq says after which epochs to validate.",
            given=shown(freq),
            expected="after how many, 1 or more, or a list of them, which count from 1",
        )
    if not is_finite(given.validation_split) or not 0 <= given.validation_split < 1:
        raise ArgumentError(
            "validation_split is the share that is held out.",
            given=f"validation_split={shown(given.validation_split)}",
            expected="0 or more, and less than 1",
        )
    if given.validation_split and given.validation_data is not None:
        raise ArgumentError(
            "There are data for validation already.",
            given=f"validation_data and validation_split={given.validation_split}",
        )


def check_verbose(verbose: Verbose) -> None:
    """Raise unless it says what to print."""
    if isinstance(verbose, str):
        one_of("verbose", verbose, ("auto",), also="0, 1 or 2")
    elif not isinstance(verbose, bool) and not is_whole(verbose, 0, 2):
        raise ArgumentError(
            "verbose says what is printed.", given=f"verbose={shown(verbose)}", expected="'auto', 0, 1 or 2"
        )


# ---------------------------------------------------------------------- data


def _data(compiled: Compiled, inputs: Mapping[str, SDVariable], given: Fit) -> tuple[Measured, Measured | None]:
    """What is trained with, and what is held out."""
    reading = Reading(inputs, compiled.recipe, given.class_weight)
    how = How(
        batch_size=given.batch_size,
        steps=given.steps_per_epoch,
        steps_name="steps_per_epoch",
        shuffle=given.shuffle,
        seed=compiled.outputs[0].sd.seed,
        first=compiled.epoch,
        once=given.epochs - given.initial_epoch <= 1,
    )
    of_arrays = given.validation_batch_size or given.batch_size
    held_out = How(batch_size=of_arrays, steps=given.validation_steps, steps_name="validation_steps")
    if given.validation_split:
        examples = (given.x, given.y, given.sample_weight)
        return split_batches(compiled, reading, examples, given.validation_split, how, held_out)
    trained = batches_of(compiled, reading, given.x, given.y, given.sample_weight, how)
    if given.validation_data is None:
        return trained, None
    return trained, validation_of(compiled, Reading(inputs, compiled.recipe), given.validation_data, held_out)


def validation_of(compiled: Compiled, reading: Reading, data: Any, how: How) -> Measured:
    """Batches of validation: of a tuple of x, y and perhaps weights, or of what gives batches."""
    if isinstance(data, tuple | list) and not reading.is_batches(data):
        if not 1 <= len(data) <= 3:
            raise ArgumentError(
                "Data for validation are x, y and weights.",
                given=f"{len(data)} parts",
                expected="(x, y) or (x, y, weights)",
            )
        x, y, sample_weight = (*data, None, None)[:3]
        return batches_of(compiled, reading, x, y, sample_weight, how)
    return batches_of(compiled, reading, data, None, None, _repeated(how, data))


def _repeated(how: How, data: Any) -> How:
    """Batches that are gone through after each epoch, in their own sizes."""
    return How(steps=how.steps, steps_name=how.steps_name, once=False) if not is_arrays(data) else how


def _validates(given: Fit) -> Callable[[int], bool]:
    freq: Any = given.validation_freq
    if is_whole(freq):
        return lambda epoch: (given.initial_epoch + epoch + 1) % freq == 0
    return lambda epoch: given.initial_epoch + epoch + 1 in freq


class _Averages(Callback):
    """Gives variables their moving averages at the end, if there are any, before anybody else hears of it."""

    def on_train_end(self, run: Run) -> None:
        run.step.take_averages()


# ---------------------------------------------------------------------- what is shown, and what is borne


def _shown(given: Fit) -> list[Callback]:
    if given.verbose == 2:
        return [Lines(given.epochs, given.initial_epoch)]
    watched = is_watched() if given.verbose == "auto" else given.verbose == 1
    return [Progress()] if watched else []


@contextlib.contextmanager
def _on_nan(step: TrainingStep, callbacks: list[Any]) -> Iterator[None]:
    """Losses that are not finite are borne where a callback looks at them."""
    before = step.on_nan
    if any(isinstance(c, TerminateOnNaN) or type(c).__name__ == "TerminateOnNaN" for c in callbacks):
        step.on_nan = "continue"
    try:
        yield
    finally:
        step.on_nan = before
