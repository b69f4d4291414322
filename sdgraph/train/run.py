"""Where training stands, as callbacks see it. Must not know how anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sdgraph.train.results.history import History
from sdgraph.train.results.loss_curve import Loss
from sdgraph.train.results.measures import Measures

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph
    from sdgraph.train.checkpoints.setup import Setup
    from sdgraph.train.step import TrainingStep


class Recorded(Protocol):
    """Evaluations of a run, as a checkpoint has them."""

    def state(self, run: Run) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What is evaluated, as JSON has it, and what was counted, as arrays; None if that cannot be told."""
        ...

    def load_state(self, run: Run, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Go on from there, if the same is evaluated."""
        ...


class Run:
    """Training as callbacks see it, and all that a checkpoint holds besides what the step has."""

    def __init__(self, step: TrainingStep, measures: Measures, epochs: int, batches: int | None = None) -> None:
        self.step = step
        self.measures = measures
        self.first = self.epoch = step.epoch
        """The epoch that it began with, and the one that it is in, from 0, counted over all runs of the step."""
        self.epochs = epochs
        """How many epochs there are to be."""
        self.batches = batches
        """How many batches an epoch has, if that is known."""
        self.batch = 0
        """How many batches of this epoch there were."""
        self.feeds: Mapping[str, Any] = {}
        """The batch."""
        self.examples: float = 0
        """How many examples it has."""
        self.values: Mapping[str, Any] = {}
        """What the step gave for it, or validation: arrays by the names of variables."""
        self.penalties: Mapping[str, float] = {}
        """What regularization adds to the losses of the batch, by its class."""
        self.history = History(losses=list(measures.losses))
        """What is reported of each epoch that is over."""
        self.validated: dict[str, float] = {}
        """What the last validation gave."""
        self.memory: dict[str, dict[str, Any]] = {}
        """What callbacks remember, as JSON has it, by a name for each callback."""
        self.reports: list[str] | None = None
        """The names of all that will be reported, if nothing else may add to it."""
        self.setup: Setup | None = None
        """What is trained, how and with what, if somebody can say."""
        self.evaluated: Recorded | None = None
        """What is evaluated in it, if something is."""
        self.counts_epochs = True
        """Whether its epochs count: a single batch is none."""
        self.stop: str | None = None
        """Set it to the reason, and training ends after the batch."""
        self.signal: str | None = None
        """The signal that asks for a pause, SIGINT or SIGTERM: at once, and a run that is resumed goes on."""
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Nothing is measured yet."""
        self.totals = self.measures.totals()
        self._logs: dict[str, float] | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether there is a reason to end."""
        return self.stop is not None or self.signal is not None

    @property
    def logs(self) -> dict[str, float]:
        """What is reported: within an epoch of it so far, in the end of all of it, with validation."""
        return self.totals.values() if self._logs is None else self._logs

    @logs.setter
    def logs(self, values: dict[str, float]) -> None:
        self._logs = values

    @property
    def sd(self) -> OpGraph:
        """The graph."""
        return self.step.sd

    @property
    def losses(self) -> Loss:
        """The losses of the last batch, those of regularization included."""
        numbers = self.batch_logs
        return Loss({**{n: numbers[n] for n in self.measures.losses if n in numbers}, **self.penalties})

    @property
    def batch_logs(self) -> dict[str, float]:
        """What is reported of the last batch alone."""
        return self.measures.of(self.measures.picked(self.values))

    def state(self) -> dict[str, Any]:
        """Where it stands, as JSON has it."""
        return {
            "first": self.first,
            "epoch": self.epoch,
            "batch": self.batch,
            "sums": self.totals.sums(),
            "history": [dict(row) for row in self.history],
            "left_out": [list(pair) for pair in self.history.left_out],
            "memory": self.memory,
            "stop": self.stop,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Stand there again."""
        self.first, self.epoch, self.batch = state["first"], state["epoch"], state["batch"]
        self.begin_epoch()
        self.totals = self.measures.totals(state["sums"])
        self.history = History(state["history"], self.history.losses)
        self.history.left_out = [(epoch, batch) for epoch, batch in state["left_out"]]
        self.memory = {name: dict(kept) for name, kept in state["memory"].items()}
        self.stop = state["stop"]
