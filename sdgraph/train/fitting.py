"""`SameDiff.fit`: what is given, checked and put together for the loop. Knows graphs, steps and data.

Must not know files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, whole
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.infer.aval import shape_str
from sdgraph.run.engines.choice import engine_name
from sdgraph.train.callbacks.checkpoint import Checkpoint, Resume, resume
from sdgraph.train.callbacks.events import Callback, Told, check_callbacks
from sdgraph.train.callbacks.penalties import Penalties
from sdgraph.train.callbacks.progress import Progress, is_watched
from sdgraph.train.callbacks.standard import LambdaCallback
from sdgraph.train.checkpoints.setup import Setup
from sdgraph.train.config import TrainingConfig
from sdgraph.train.configured import begin, check_config, kept_of, no_updater
from sdgraph.train.data.batches import ArrayBatches, Batches, Data, Reader, as_batches
from sdgraph.train.data.datasets import is_batch
from sdgraph.train.data.feeding import reader
from sdgraph.train.evaluating import Evaluating
from sdgraph.train.inference import inferring
from sdgraph.train.loop import Validation, train
from sdgraph.train.results.history import History
from sdgraph.train.results.measures import Measures, Metrics, named
from sdgraph.train.run import Run
from sdgraph.train.step import OnNaN, TrainingStep
from sdgraph.train.updating.choosing import Updaters
from sdgraph.train.updating.transforms import Transform
from sdgraph.train.weighting import Weighted, class_weights, loss_weights, weighted

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName
    from sdgraph.ops.graph import OpGraph


@dataclass(frozen=True, eq=False)
class Fit:
    """The settings of one call of `SameDiff.fit`, as they were given."""

    epochs: int
    updater: Updaters | None
    transforms: Sequence[Transform] | None
    config: TrainingConfig | None
    batch_size: int
    shuffle: bool
    seed: int | None
    steps_per_epoch: int | None
    validation: Data | None
    validation_split: float
    validation_frequency: int
    metrics: Metrics | None
    variables: Sequence[SDVariable | str] | None
    minimize: bool | None
    accumulate: int
    class_weight: Any
    sample_weight: Any
    loss_weights: Any
    callbacks: Sequence[Any]
    checkpoint: Checkpoint | str | os.PathLike[str] | None
    save_every: int | None
    resume: Resume
    force: bool
    on_nan: OnNaN
    progress: bool | None
    engine: EngineName | str

    def settled(self, sd: Any) -> Fit:
        """With what the configuration says where nothing else was said."""
        config = sd.training_config if self.config is None else check_config(sd, self.config)
        default = TrainingConfig() if config is None else config
        return replace(
            self,
            config=config,
            updater=default.updater if self.updater is None else self.updater,
            transforms=default.regularization if self.transforms is None else tuple(self.transforms),
            minimize=default.minimize if self.minimize is None else self.minimize,
        )


def fit(sd: OpGraph, data: Data, given: Fit) -> History:
    """Train a graph; see `SameDiff.fit`."""
    given = given.settled(sd)
    whole("epochs", given.epochs, least=1)
    whole("validation_frequency", given.validation_frequency, least=1)
    callbacks = _callbacks(given)
    if given.updater is None:
        raise no_updater()
    with training(sd):
        losses, metrics = losses_of(sd, given.config), named(sd, given.metrics)
        weights = _weights(sd, losses, given)
        counts = loss_weights(losses, given.loss_weights)
        measures = Measures(losses, metrics, counts, weights.reported)
        required = [v for c in callbacks if isinstance(c, Callback) for v in sd.several(c.requires(sd))]
        fetches = list(dict.fromkeys([*losses, *metrics.values(), *required]))
        read = reader(sd, fetches, given.config)
        batches, held_out = _data(sd, data, given, _weighing(read, weights, given), read)
        step = _step(sd, given, weights.trained, [*measures.fetches, *required])
        run = Run(step, measures, given.epochs, batches.count())
        run.setup = Setup(sd, step, [v.name for v in weights.trained], batches, engine_name(given.engine))
        run.history.losses += tuple(Penalties(step.transforms).names)
        run.evaluated = next((c for c in callbacks if isinstance(c, Evaluating)), None)
        run.counts_epochs = given.epochs > 1 or not is_batch(data)
        validation = None
        if held_out is not None:
            unweighted = Measures(losses, metrics, counts)
            validation = Validation(inferring(sd, fetches, given.engine), held_out, unweighted)
        if not any(map(_may_report, callbacks)):
            run.reports = [*_reports(measures, validation is not None), *run.history.losses[len(measures.losses) :]]
        if given.resume is not False:
            resume(run, given.resume, _checkpoint(callbacks), force=flag("force", given.force))
        every = given.validation_frequency
        told = Told(callbacks, run)
        try:
            return train(run, batches, told, validation=validation, validates=lambda epoch: epoch % every == 0)
        finally:
            if not run.counts_epochs:
                step.epoch = run.first


def _callbacks(given: Fit) -> list[Any]:
    callbacks: list[Any] = list(given.callbacks) if isinstance(given.callbacks, Sequence) else [given.callbacks]
    if given.checkpoint is not None or given.save_every is not None:
        callbacks.append(_saving(given.checkpoint, given.save_every))
    check_callbacks(callbacks)
    callbacks = [*_own(given), *callbacks]
    watched = is_watched() if given.progress is None else flag("progress", given.progress)
    return [*callbacks, Progress()] if watched else callbacks


def _saving(checkpoint: Checkpoint | str | os.PathLike[str] | None, every: int | None) -> Checkpoint:
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        return Checkpoint(checkpoint, every=every)
    if every is not None:
        raise ArgumentError(
            "How often there is a checkpoint is said of a folder." if checkpoint is None else "A Checkpoint says it.",
            given=f"save_every={every}",
            fix="Give checkpoint=folder, or Checkpoint(folder, every=...).",
        )
    assert checkpoint is not None
    return checkpoint


def _checkpoint(callbacks: Sequence[Any]) -> Checkpoint | None:
    return next((c for c in callbacks if isinstance(c, Checkpoint)), None)


def _may_report(callback: Any) -> bool:
    """Whether somebody's own code is called, which may add to what is reported."""
    return isinstance(callback, LambdaCallback) or not type(callback).__module__.startswith("sdgraph.")


def _own(given: Fit) -> list[Callback]:
    """What training tells for the library itself, before others hear of it."""
    found: list[Callback] = []
    penalties = Penalties(given.transforms or ())
    if penalties.names:
        found.append(penalties)
    if given.config is not None and (given.config.train_evaluations or given.config.validation_evaluations):
        found.append(Evaluating(given.config))
    return found


def _reports(measures: Measures, validated: bool) -> list[str]:
    names = measures.names()
    return [*names, *(f"val_{name}" for name in names)] if validated else names


def losses_of(sd: OpGraph, config: TrainingConfig | None) -> list[SDVariable]:
    """The losses: those that the configuration names, else those of the graph."""
    return current_losses(sd) if config is None or not config.minimized else sd.several(config.minimized)


# ---------------------------------------------------------------------- weights


def _weights(sd: OpGraph, losses: Sequence[SDVariable], given: Fit) -> Weighted:
    """The losses as they are trained, made once for the same question."""
    counts, classes = loss_weights(losses, given.loss_weights), class_weights(given.class_weight)
    examples = given.sample_weight is not None
    if not (counts or classes or examples):
        return Weighted(tuple(losses), tuple(losses), None)
    kept = kept_of(sd)
    question = (
        tuple(v.id for v in losses),
        tuple(counts.items()),
        tuple((classes or {}).items()),
        examples,
        sd.version,
    )
    if question not in kept.weighted:
        kept.weighted = {question: weighted(sd, losses, counts=counts, classes=classes, examples=examples)}
    return kept.weighted[question]


def _weighing(read: Reader, weights: Weighted, given: Fit) -> Reader:
    """A reader that feeds the weights of examples, too."""
    placeholder = weights.examples
    if placeholder is None:
        return read

    def arrays(data: Any) -> Mapping[str, Any]:
        found, weight = read.arrays(data), np.asarray(given.sample_weight, placeholder.dtype)
        if weight.ndim != 1:
            raise ArgumentError(
                "There is one weight for each example.", given=f"sample_weight of shape {shape_str(weight.shape)}"
            )
        return {**found, placeholder.name: weight}

    def batch(item: Any) -> Mapping[str, Any]:
        raise ArgumentError(
            "Weights of examples go with arrays.",
            given="sample_weight and batches",
            fix="Give the loss weights=sd.placeholder(...), and feed it with each batch; or data as arrays.",
        )

    return Reader(arrays, batch)


# ---------------------------------------------------------------------- data


def _data(sd: OpGraph, data: Data, given: Fit, read: Reader, plain: Reader) -> tuple[Batches, Batches | None]:
    """What is trained with, and what is held out, which is read without weights."""
    seed = sd.seed if given.seed is None else given.seed
    batches = as_batches(
        data, read, batch_size=given.batch_size, shuffle=given.shuffle, seed=seed, steps=given.steps_per_epoch
    )
    if given.validation_split:
        return _split(batches, given)
    if given.validation is None:
        return batches, None
    return batches, as_batches(given.validation, plain, batch_size=given.batch_size, shuffle=False)


def _split(batches: Batches, given: Fit) -> tuple[Batches, Batches]:
    share = given.validation_split
    if given.validation is not None:
        raise ArgumentError("There are data for validation already.", given=f"validation and validation_split={share}")
    if not isinstance(batches, ArrayBatches):
        raise ArgumentTypeError(
            "Only arrays are split.",
            given=f"validation_split={share}",
            fix="Give validation=... for what is iterated over.",
        )
    return batches.split(share)


# ---------------------------------------------------------------------- the step, and who may use it


@contextlib.contextmanager
def training(sd: OpGraph) -> Iterator[None]:
    """For as long as the block takes nobody else trains the graph.

    Raises:
        ArgumentError: If somebody does already.
    """
    lock = kept_of(sd).going_on
    if not lock.acquire(blocking=False):
        raise ArgumentError("This graph is being trained already.", fix="Train a copy of it: sd.copy().")
    try:
        yield
    finally:
        lock.release()


def _step(sd: OpGraph, given: Fit, losses: Sequence[SDVariable], fetched: Sequence[SDVariable]) -> TrainingStep:
    """The step of the last fit, so that it goes on, if the question is the same; else another.

    A step that is asked for other values besides is a new one that goes on where the last one stands.
    """
    fetches = [v for v in dict.fromkeys(fetched) if v not in losses]
    variables = None if given.variables is None else tuple(sd.several(given.variables))
    updater = tuple(given.updater.items()) if isinstance(given.updater, Mapping) else given.updater
    trained = tuple(v.id for v in sd.trainable_variables())
    rule = (updater, given.transforms, given.minimize, given.accumulate)
    question = (tuple(v.id for v in losses), trained, variables, rule)
    form = (tuple(v.id for v in fetches), engine_name(given.engine), sd.version)
    kept = kept_of(sd)
    before = kept.step if kept.question == question else None
    if before is None or kept.form != form:
        step = TrainingStep(
            sd,
            given.updater,  # type: ignore[arg-type]
            losses=losses,
            fetches=fetches,
            variables=variables,
            transforms=given.transforms or (),
            minimize=flag("minimize", given.minimize),
            accumulate=given.accumulate,
            on_nan=given.on_nan,
            engine=given.engine,
        )
        if before is not None:
            step.load_state(before.state())
        else:
            begin(sd, step, given.updater, given.config)
        kept.step, kept.question, kept.form = step, question, form
    assert kept.step is not None
    kept.step.on_nan = given.on_nan
    return kept.step
