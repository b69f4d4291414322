"""Evaluations of a graph's variables: while it is trained, and over data. Must not know how a loop goes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ResumeWarning, shown
from sdgraph.train.callbacks.events import Callback
from sdgraph.train.config import Evaluated, TrainingConfig, check_evaluations
from sdgraph.train.data.batches import Data, as_batches
from sdgraph.train.data.feeding import needed_placeholders, reader
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.inference import inferring
from sdgraph.train.results.records import EvaluationRecord
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph
    from sdgraph.train.run import Run


class _Part(NamedTuple):
    """A variable, the placeholders of its label and of that one's mask, and what counts."""

    variable: str
    label: str
    mask: str | None
    evaluations: Sequence[Evaluator]


class Counting:
    """Evaluations that count batch by batch."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts

    @classmethod
    def anew(cls, evaluated: Sequence[Evaluated], config: TrainingConfig) -> Counting:
        """Fresh ones, as a configuration says."""
        return cls(
            [
                _Part(one.variable, *config.label(one.label_index), [e.fresh() for e in one.evaluations])
                for one in evaluated
            ]
        )

    @classmethod
    def of(cls, record: EvaluationRecord) -> Counting:
        """What counted a record."""
        return cls([_Part(name, "", None, several) for name, several in record.evaluations.items()])

    def add(self, feeds: Any, values: Any) -> None:
        """Count a batch, given what was fed and what was computed.

        Raises:
            ArgumentError: If the labels were not fed.
        """
        for variable, label, mask, evaluations in self._parts:
            if label not in feeds:
                raise ArgumentError(
                    f"{variable!r} is evaluated against {label!r}, which is not fed.",
                    given=f"feeds for {listed(feeds, 'and')}",
                )
            for e in evaluations:
                e.add(feeds[label], values[variable], None if mask is None else feeds.get(mask))

    def evaluators(self) -> list[Evaluator]:
        """All of them, in order."""
        return [e for part in self._parts for e in part.evaluations]

    def state(self) -> dict[str, Any]:
        """What was counted, as arrays by number and name."""
        return {f"{k}:{name}": a for k, e in enumerate(self.evaluators()) for name, a in e.state().items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Have counted what `state` gave."""
        for k, e in enumerate(self.evaluators()):
            own = f"{k}:"
            e.load_state({name.removeprefix(own): a for name, a in state.items() if name.startswith(own)})

    def record(self) -> EvaluationRecord:
        """What was counted."""
        found: dict[str, list[Evaluator]] = {}
        for variable, _, _, evaluations in self._parts:
            found.setdefault(variable, []).extend(evaluations)
        return EvaluationRecord(found)


class Evaluating(Callback):
    """Evaluates what a training configuration says, and puts it into the history epoch by epoch."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._training = Counting.anew(config.train_evaluations, config)
        self._goes_on = False

    def requires(self, sd: OpGraph) -> Sequence[str]:
        several = (*self._config.train_evaluations, *self._config.validation_evaluations)
        return list(dict.fromkeys(one.variable for one in several))

    def on_train_begin(self, run: Run) -> None:
        if (run.batch or run.history) and not self._goes_on:
            warnings.warn(
                "The checkpoint does not have these evaluations: those of epochs before are missing, and the epoch "
                "that goes on evaluates what is left of it.",
                ResumeWarning,
                stacklevel=2,
            )

    def on_epoch_begin(self, run: Run) -> None:
        self._training = Counting.anew(self._config.train_evaluations, self._config)

    def on_batch_end(self, run: Run) -> None:
        if not run.step.left_out:
            self._training.add(run.feeds, run.values)

    def on_epoch_trained(self, run: Run) -> None:
        if self._config.train_evaluations:
            run.history.training_evaluations.append(self._training.record())

    def on_validation_begin(self, run: Run) -> None:
        self._validation = Counting.anew(self._config.validation_evaluations, self._config)

    def on_validation_batch_end(self, run: Run) -> None:
        self._validation.add(run.feeds, run.values)

    def on_validation_end(self, run: Run) -> None:
        if self._config.validation_evaluations:
            run.history.validation_evaluations.append(self._validation.record())

    # ------------------------------------------------------------------ in a checkpoint

    def state(self, run: Run) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What is evaluated, and what that came to in each epoch and in the one that goes on.

        Evaluations of somebody's own that do not say what they count cannot be written.
        """
        if not all(e.counted or e.state() for e in self._all()):
            return None
        done = {
            f"{kind}:{n}": Counting.of(record)
            for kind, records in self._records(run).items()
            for n, record in enumerate(records)
        }
        now = {"now": self._training} if run.batch else {}
        arrays = {f"{when}:{key}": a for when, found in {**done, **now}.items() for key, a in found.state().items()}
        return {"what": self._described(), **{kind: len(r) for kind, r in self._records(run).items()}}, arrays

    def load_state(self, run: Run, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Go on from there, if the same is evaluated."""
        if facts["what"] != self._described():
            return
        anew = {"training": self._config.train_evaluations, "validation": self._config.validation_evaluations}
        for kind, records in self._records(run).items():
            several = [Counting.anew(anew[kind], self._config) for _ in range(facts[kind])]
            for n, counting in enumerate(several):
                counting.load_state(_under(f"{kind}:{n}:", arrays))
            records[:] = [counting.record() for counting in several]
        if run.batch:
            self._training.load_state(_under("now:", arrays))
        self._goes_on = True

    def _all(self) -> list[Evaluator]:
        several = (*self._config.train_evaluations, *self._config.validation_evaluations)
        return [e for one in several for e in one.evaluations]

    def _records(self, run: Run) -> dict[str, list[EvaluationRecord]]:
        return {"training": run.history.training_evaluations, "validation": run.history.validation_evaluations}

    def _described(self) -> list[list[str]]:
        """What is evaluated, and how it is counted, in words."""
        kinds = {"training": self._config.train_evaluations, "validation": self._config.validation_evaluations}
        return [
            [kind, one.variable, str(one.label_index), *map(_in_words, one.evaluations)]
            for kind, several in kinds.items()
            for one in several
        ]


def _under(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}


def _in_words(e: Evaluator) -> str:
    settings = ", ".join(f"{name}={shown(getattr(e, name))}" for name in (*e.settings, "axis") if hasattr(e, name))
    return f"{type(e).__name__}({settings})"


def evaluate_variable(
    sd: Any,
    data: Data,
    variable: SDVariable | str | None,
    evaluations: Sequence[Evaluator],
    label: SDVariable | str | None,
    label_index: int,
    *,
    metrics: Any,
    batch_size: int,
    steps: int | None,
    engine: str,
) -> EvaluationRecord:
    """Evaluate a variable over data; see `SameDiff.evaluate`."""
    check_evaluations(evaluations)
    if variable is None or metrics is not None:
        raise ArgumentError(
            "Evaluations are of one variable, metrics are variables themselves.",
            given="evaluations without a variable" if variable is None else "evaluations and metrics",
            fix='sd.evaluate(data, "p", Evaluation())',
        )
    v, config = sd.own(variable), sd.training_config
    target, mask = _label(sd, config, label, label_index)
    read = reader(sd, [v, sd.own(target)], config)
    batches = as_batches(data, read, batch_size=batch_size, shuffle=False, steps=steps)
    function = inferring(sd, [v], engine)
    needed = {p.name for p in needed_placeholders(sd, [v])}
    counting = Counting([_Part(v.name, target, mask, evaluations)])
    for feeds, _ in batches.epoch(0):
        counting.add(feeds, function({name: a for name, a in feeds.items() if name in needed}))
    return counting.record()


def _label(
    sd: OpGraph, config: TrainingConfig | None, label: SDVariable | str | None, index: int
) -> tuple[str, str | None]:
    """The placeholders of the labels and of their mask."""
    if label is not None:
        return sd.own(label).name, None
    if config is None:
        raise ArgumentError(
            "It is not clear which placeholder has the labels.", fix="Give label=..., or set_training_config."
        )
    return config.label(index)
