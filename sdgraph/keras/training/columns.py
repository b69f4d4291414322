"""What a model reports under Keras' names, and what batches of it add up to.

Knows sums and the functions that are made of them. Must not know data, steps or formulas.
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.keras.metrics.metric import BatchSums, Metric
from sdgraph.train.results.measures import Measures, Totals

LOSS = "loss"
"""What the sum of all losses is called."""


class Column(NamedTuple):
    """What is reported under a name."""

    name: str
    sums: BatchSums
    value: Callable[[Sequence[Any]], Any]
    """The number that is made of all sums."""


class ArrayColumn(NamedTuple):
    """What a metric makes of arrays, batch by batch."""

    name: str
    operands: tuple[SDVariable, ...]
    """Labels, predictions, and weights if there are."""
    metric: Metric

    def fresh(self) -> Any:
        """The state of no batch."""
        return self._within(None, lambda: (self.metric.reset_state(), self.metric.snapshot())[1])

    def after(self, state: Any, arrays: Sequence[Any]) -> Any:
        """The state after one more batch."""
        return self._within(state, lambda: (self.metric.update_state(*arrays), self.metric.snapshot())[1])

    def value(self, state: Any) -> float:
        """The number that is made of a state."""
        return self._within(state, lambda: number_of(self.name, self.metric.result()))

    def _within(self, state: Any, does: Callable[[], Any]) -> Any:
        """What is done while the metric stands at a state; then it is its user's again."""
        before = self.metric.snapshot()
        try:
            if state is not None:
                self.metric.restore(state)
            return does()
        finally:
            self.metric.restore(before)


def number_of(name: str, result: Any) -> float:
    """The result of a metric as a number.

    Raises:
        ArgumentTypeError: If it is none.
    """
    if not isinstance(result, bool) and np.ndim(result) == 0:
        with contextlib.suppress(TypeError, ValueError):
            return float(result)
    raise ArgumentTypeError(f"The result of the metric {name!r} is no number.", given=shown(result))


def mean(sums: Sequence[Any]) -> float:
    """A sum over how much was added up; NaN of nothing."""
    total, weight = sums
    return total / weight if weight else math.nan


class Columns(Measures):
    """What a model reports: the sum of its losses, each of several, and its metrics, under Keras' names."""

    def __init__(self, losses: Sequence[SDVariable], reported: Sequence[Column | ArrayColumn]) -> None:
        self._reported = tuple(c for c in reported if isinstance(c, Column))
        self.of_arrays = tuple(c for c in reported if isinstance(c, ArrayColumn))
        self.losses = {v.name: 1.0 for v in losses}
        self.total, self.adding = LOSS, set()
        self.metrics = [c.name for c in reported]
        sources, self._columns = _added_up(losses, self._reported)
        sources += [v for c in self.of_arrays for v in c.operands]
        self.fetches = list(dict.fromkeys(sources))
        self.small = all(v.ndim == 0 for v in self.fetches)
        # There are two at least, one of which counts batches.
        self.pick, self.one = operator.itemgetter(*(v.name for v in sources)), False

    def names(self) -> list[str]:
        """The names of all that is reported."""
        return [LOSS, *self.metrics]

    def columns(self) -> list[tuple[str, Callable[[Any], Any]]]:
        """What is added up, in the order of what is picked: its name, and the number or numbers that an array is."""
        return self._columns

    def of(self, picked: Sequence[Any]) -> dict[str, float]:
        """The numbers of one batch."""
        numbers = ((name, number(a)) for (name, number), a in zip(self._columns, picked, strict=False))
        found = self.over({name: (x, x, 1.0) for name, x in numbers})
        for c, arrays in zip(self.of_arrays, self.operands(picked), strict=True):
            found[c.name] = c.value(c.after(c.fresh(), arrays))
        return found

    def operands(self, picked: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """The arrays of a batch for each metric that takes arrays: they are the last that are picked."""
        at = len(self._columns)
        for c in self.of_arrays:
            yield picked[at : at + len(c.operands)]
            at += len(c.operands)

    def totals(self, sums: Mapping[str, Sequence[Any]] | None = None) -> Totals:
        """What batches are added up in, with what there is of the epoch already."""
        return _TotalsOfArrays(self, sums) if self.of_arrays else Totals(self, sums)

    def over(self, sums: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        """The numbers of an epoch: what metrics make of their sums."""
        if not sums:
            return {}
        found = {LOSS: sum(mean(sums[_of_loss(name)][1:]) for name in self.losses)}
        with np.errstate(all="ignore"):
            for c in self._reported:
                found[c.name] = float(c.value(_of_epoch(c, sums)))
        return found


class _TotalsOfArrays(Totals):
    """Sums, and the states of metrics that take arrays."""

    def __init__(self, columns: Columns, sums: Mapping[str, Sequence[Any]] | None) -> None:
        kept = dict(sums or {})
        self._columns = columns
        self._states: list[Any] = [kept.pop(_state_of(c), None) or c.fresh() for c in columns.of_arrays]
        super().__init__(columns, kept)

    def add(self, values: Mapping[str, Any], examples: float) -> None:
        picked = self._columns.pick(values)
        self._states = [
            c.after(state, arrays)
            for c, state, arrays in zip(
                self._columns.of_arrays, self._states, self._columns.operands(picked), strict=True
            )
        ]
        super().add(values, examples)

    def sums(self) -> dict[str, list[Any]]:
        states = zip(self._columns.of_arrays, self._states, strict=True)
        return {**super().sums(), **{_state_of(c): state for c, state in states}}

    def values(self) -> dict[str, float]:
        found = super().values()
        if not found:
            return found
        found |= {c.name: c.value(s) for c, s in zip(self._columns.of_arrays, self._states, strict=True)}
        return {name: found[name] for name in self._columns.names()}


def _state_of(c: ArrayColumn) -> str:
    return f"state of {c.name}"


_BATCHES = "number of batches"


def _of_epoch(c: Column, sums: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    """What a column has added up to."""
    if c.sums.counted == "itself":
        parts = (sums[_part(c, k)][0] for k in range(len(c.sums.parts)))
        return [np.float64(x) if isinstance(x, float) else x for x in parts]
    total, weighted, examples = sums[_part(c, 0)]
    return (weighted, examples) if c.sums.counted == "examples" else (total, sums[_BATCHES][0])


def _part(c: Column, k: int) -> str:
    return f"sum {k} of {c.name}" if k else c.name


def _of_loss(name: str) -> str:
    return f"loss {name}"


def _added_up(
    losses: Sequence[SDVariable], reported: Sequence[Column]
) -> tuple[list[SDVariable], list[tuple[str, Callable[[Any], Any]]]]:
    """The variables that are added up, and for each what the sum is called, and what its array is."""
    found: list[tuple[SDVariable, str, Callable[[Any], Any]]] = [(v, _of_loss(v.name), _sum) for v in losses]
    for c in reported:
        found += [(v, _part(c, k), _numbers if v.ndim else float) for k, v in enumerate(c.sums.parts)]
    found.append((losses[0], _BATCHES, lambda array: 1.0))
    return [v for v, _, _ in found], [(name, number) for _, name, number in found]


def _sum(array: Any) -> float:
    return float(np.sum(array, dtype="float64")) if np.ndim(array) else float(array)


def _numbers(array: Any) -> Any:
    return np.asarray(array, "float64")
