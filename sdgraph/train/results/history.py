"""What training has come to, epoch by epoch. Must not know how anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, overload

from sdgraph.train.results.loss_curve import LossCurve
from sdgraph.train.results.records import EvaluationRecord
from sdgraph.wording import duration, html_table, listed, text_table

_FIRST: Final = 5
_LAST: Final = 15
"""Epochs at the beginning and at the end that a table has where they are many."""
_CURVE: Final = 2
"""Epochs that make a curve."""
_NOTABLE: Final = 0.1
"""Part of the time that is worth telling."""


class History(list[dict[str, float]]):
    """One dict of values for each epoch; a name gives its column.

    Example:
        >>> h = History([{"loss": 2.0}, {"loss": 1.0, "val_loss": 1.5}])
        >>> h["loss"], h[-1]["val_loss"]
        ([2.0, 1.0], 1.5)
        >>> h
        epoch  loss  val_loss
        -----  ----  --------
            1     2
            2     1       1.5
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] = (), losses: Sequence[str] = ()) -> None:
        super().__init__(dict(row) for row in rows)
        self.losses = tuple(losses)
        """What the losses are called, those of regularization included."""
        self.training_evaluations: list[EvaluationRecord] = []
        """For each epoch what was evaluated on its batches."""
        self.validation_evaluations: list[EvaluationRecord] = []
        """For each validation what was evaluated in it."""
        self.stopped: str | None = None
        """Why training ended before its last epoch."""
        self.left_out: list[tuple[int, int]] = []
        """Batches that were left out, of which a loss or a gradient was not finite: epoch and batch, both from 0."""
        self.why_left_out: str | None = None
        """Where the first of them was not finite: the batch, the variable, the line of the program."""
        self.drawn: Callable[[History], str] | None = None
        """What draws the curves for a notebook: HTML, or nothing where that cannot be."""
        self.waited = 0.0
        """Seconds spent waiting for data."""
        self.seconds = 0.0
        """Seconds in all."""

    @overload
    def __getitem__(self, key: str) -> list[float | None]: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, float]]: ...
    def __getitem__(self, key: Any) -> Any:  # type: ignore[override]
        if isinstance(key, str):
            if key not in self.names():
                raise KeyError(f"there is no {key!r}, but {listed(self.names(), 'and')}")
            return [row.get(key) for row in self]
        return super().__getitem__(key)

    def names(self) -> list[str]:
        """What was measured, in the order it appeared."""
        return list(dict.fromkeys(name for row in self for name in row))

    @property
    def history(self) -> dict[str, list[float | None]]:
        """Each column by its name, as Keras has it."""
        return {name: self[name] for name in self.names()}

    @property
    def epoch(self) -> list[int]:
        """The numbers of the epochs, from 0."""
        return list(range(len(self)))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM ended it."""
        return self.stopped in ("SIGINT", "SIGTERM")

    # ------------------------------------------------------------------ in SameDiff's words

    @property
    def loss_curve(self) -> LossCurve:
        """The losses of each epoch, in SameDiff's words."""
        return LossCurve(self.losses, self)

    def training_eval(self, measure: str, variable: str | None = None) -> list[Any]:
        """A measure of the evaluations of training, epoch by epoch, as ``history.training_eval("accuracy")``.

        Args:
            measure: A method of an evaluation.
            variable: Of which variable, where several were evaluated.
        """
        return [record.value(measure, variable) for record in self.training_evaluations]

    def validation_eval(self, measure: str, variable: str | None = None) -> list[Any]:
        """A measure of the evaluations of validation, as `training_eval`."""
        return [record.value(measure, variable) for record in self.validation_evaluations]

    def final_training_evaluations(self) -> EvaluationRecord:
        """What was evaluated in the last epoch."""
        return self.training_evaluations[-1] if self.training_evaluations else EvaluationRecord({})

    def final_validation_evaluations(self) -> EvaluationRecord:
        """What was evaluated in the last validation."""
        return self.validation_evaluations[-1] if self.validation_evaluations else EvaluationRecord({})

    @property
    def training_epochs(self) -> int:
        """How many epochs there were."""
        return len(self)

    @property
    def validation_epochs(self) -> int:
        """How many of them were validated."""
        return sum(any(name.startswith("val_") for name in row) for row in self)

    @property
    def training_time_millis(self) -> int:
        """How long it took, validation included."""
        return round(1000 * self.seconds)

    # ------------------------------------------------------------------ what is shown

    def shown(self) -> list[str]:
        """What is shown: a single loss is ``loss`` and has its own name besides, and one of the two is enough."""
        columns: dict[str, list[float | None]] = {}
        for name in self.names():
            same = columns.get("val_loss" if name.startswith("val_") else "loss")
            if same is None or repr(same) != repr(self[name]):
                columns[name] = self[name]
        return list(columns)

    def _rows(self) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
        """Headings, the first and the last epochs, and how many there are between."""
        names, n = self.shown(), len(self)
        few = range(n) if n <= _FIRST + _LAST else [*range(_FIRST), *range(n - _LAST, n)]
        rows = [(f"{k + 1:,}", *(f"{self[k][x]:.6g}" if x in self[k] else "" for x in names)) for k in few]
        return ("epoch", *names), rows, n - len(few)

    def _below(self) -> list[str]:
        found = [] if self.stopped is None else [f"ended by {self.stopped}" if self.interrupted else self.stopped]
        if self.left_out:
            first = (self.why_left_out or "").partition("\n")[0]
            found.append(
                f"batches left out, since a loss or a gradient was not finite: {len(self.left_out):,}; first {first}"
            )
        if self.waited > _NOTABLE * self.seconds:
            found.append(f"waited {duration(self.waited)} of {duration(self.seconds)} for data")
        return found

    def __repr__(self) -> str:
        head, rows, between = self._rows()
        if between:
            rows.insert(_FIRST, ("…", *("" for _ in head[1:])))
        return "\n".join(line.rstrip() for line in [*text_table(head, rows, frozenset(head)), *self._below()])

    def _repr_html_(self) -> str:
        head, rows, between = self._rows()
        if between:
            rows.insert(_FIRST, (f"… {between:,} more", *("" for _ in head[1:])))
        curves = "" if self.drawn is None or len(self) < _CURVE else self.drawn(self)
        return curves + html_table(head, rows, frozenset(head), self._below())
