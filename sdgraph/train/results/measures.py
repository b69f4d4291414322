"""What is reported of training: losses, their sum, and metrics; and how batches add up to an epoch.

Knows names of variables and numbers. Must not know steps, data or loops.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

Array = np.ndarray[Any, Any]

Metrics = Mapping[str, SDVariable | str] | Sequence[SDVariable | str] | SDVariable | str
"""Variables by the names they are reported under, or under their own."""

TOTAL = "loss"
"""What the sum of all losses is called, and `TOTAL_OF_SEVERAL` where a variable has that name."""
TOTAL_OF_SEVERAL = "total_loss"

_SUMS = frozenset({"SUM", "sum", "NONE", "none", "None"})
"""Reductions of losses that belong to the examples of a batch one by one: over an epoch they add up."""


_WAITING = 256
"""Batches whose numbers are not added up yet."""


class Measures:
    """Which numbers a batch gives.

    Args:
        losses: The losses.
        metrics: Further variables, by the names they are reported under.
        weights: What each loss counts in the sum, by its name; 1 without.
        computed: What is computed for the losses, if that is something else, such as the same with weighted examples.

    Raises:
        ArgumentError: If a metric has the name of a loss.
    """

    def __init__(
        self,
        losses: Sequence[SDVariable],
        metrics: Mapping[str, SDVariable] | None = None,
        weights: Mapping[str, float] | None = None,
        computed: Sequence[SDVariable] | None = None,
    ) -> None:
        metrics, computed = metrics or {}, losses if computed is None else computed
        self.losses = {v.name: float((weights or {}).get(v.name, 1.0)) for v in losses}
        """What each loss counts, by name."""
        self.metrics = list(metrics)
        self.total = TOTAL if losses and [*self.losses] != [TOTAL] else None
        if len(losses) > 1 and TOTAL in self.losses:
            self.total = TOTAL_OF_SEVERAL
        taken = sorted({*self.metrics} & {*self.losses, self.total})
        if taken:
            raise ArgumentError(f"A loss is reported as {listed(taken)} already.", fix="Give the metric another name.")
        self.fetches: list[SDVariable] = [*computed, *metrics.values()]
        """What must be computed for them, the losses first."""
        self.adding = {v.name for v, one in zip(losses, computed, strict=True) if adds_up(one)}
        """The losses that add up over an epoch."""
        self.small = all(v.ndim == 0 for v in self.fetches)
        """Whether each of them is one number."""
        self.pick = operator.itemgetter(*(v.name for v in self.fetches))
        """From all values by name to those that count, in order; to the one alone where that is `one`."""
        self.one = len(self.fetches) == 1

    def picked(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Of all values by name those that count, in order."""
        found = self.pick(values)
        return (found,) if self.one else found

    def of(self, picked: Sequence[Any]) -> dict[str, float]:
        """The numbers of one batch."""
        n = len(self.losses)
        found = {name: _sum(value) for name, value in zip(self.losses, picked[:n], strict=True)}
        if self.total is not None:
            total = sum(weight * found[name] for name, weight in self.losses.items())
            found = {self.total: total, **found}
        return found | {label: _mean(value) for label, value in zip(self.metrics, picked[n:], strict=True)}

    def names(self) -> list[str]:
        """The names of all that is reported."""
        return [*([] if self.total is None else [self.total]), *self.losses, *self.metrics]

    def totals(self, sums: Mapping[str, Sequence[float]] | None = None) -> Totals:
        """What batches are added up in, with what there is of the epoch already."""
        return Totals(self, sums)

    def over(self, sums: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """The numbers of an epoch: means over its examples, and sums of losses that add up."""
        found: dict[str, float] = {}
        for name, (total, weighted, weight) in sums.items():
            found[name] = total if name in self.adding else weighted / weight if weight else math.nan
        if self.total is None or not found:
            return found
        return {self.total: sum(w * found[name] for name, w in self.losses.items()), **found}

    def columns(self) -> list[tuple[str, Callable[[Any], float]]]:
        """What is added up, in the order of what is picked: its name, and the number that an array is."""
        of_loss, of_metric = (float, float) if self.small else (_sum, _mean)
        return [*((name, of_loss) for name in self.losses), *((name, of_metric) for name in self.metrics)]


class Totals:
    """The sums of an epoch so far: JSON values, so that a checkpoint holds them.

    Batches are added up when somebody asks, not one by one: a training step takes microseconds.
    """

    def __init__(self, measures: Measures, sums: Mapping[str, Sequence[float]] | None) -> None:
        self._measures = measures
        self._sums = {name: [_in_memory(x) for x in three] for name, three in (sums or {}).items()}
        self._most = _WAITING if measures.small else 0
        self._waiting: list[tuple[Any, float]] = []
        self._pick = measures.pick

    def add(self, values: Mapping[str, Any], examples: float) -> None:
        """Count what a batch of so many examples gave."""
        waiting = self._waiting
        waiting.append((self._pick(values), examples))
        if len(waiting) > self._most:
            self._added()

    def sums(self) -> dict[str, list[Any]]:
        """By name the sum, the sum weighted by examples, and the number of examples; lists where a batch has arrays."""
        added = self._added()
        return {name: [x.tolist() if isinstance(x, np.ndarray) else x for x in three] for name, three in added.items()}

    def _added(self) -> dict[str, list[Any]]:
        """The same in memory."""
        waiting, one = self._waiting, self._measures.one
        if waiting:
            for k, (name, number) in enumerate(self._measures.columns()):
                # One after the other, whenever somebody asks: the last bits do not hang on that.
                total, weighted, weight = self._sums.get(name, (0.0, 0.0, 0.0))
                for picked, examples in waiting:
                    x = number(picked if one else picked[k])
                    # Arrays that somebody has of before stay as they are.
                    total = total + x
                    weighted = weighted + x * examples
                    weight += examples
                self._sums[name] = [total, weighted, weight]
            waiting.clear()
        return self._sums

    def values(self) -> dict[str, float]:
        """What the epoch has come to so far."""
        return self._measures.over(self._added())


def _in_memory(x: Any) -> Any:
    return np.asarray(x, "float64") if isinstance(x, list) else x


def _mean(value: Any) -> float:
    return float(value) if not getattr(value, "ndim", 0) else float(np.mean(value, dtype="float64"))


def _sum(value: Any) -> float:
    """The number that a loss counts as: that of all its elements."""
    return float(value) if not getattr(value, "ndim", 0) else float(np.sum(value, dtype="float64"))


def adds_up(v: SDVariable) -> bool:
    """Whether a loss belongs to the examples of a batch one by one."""
    attrs = v.node.attrs
    for key in ("loss_reduce", "reduction"):
        if v.node.op.is_loss and key in attrs:
            return str(getattr(attrs[key], "name", attrs[key])) in _SUMS
    return v.ndim != 0


def named(sd: OpGraph, metrics: Metrics | None) -> dict[str, SDVariable]:
    """The variables to measure, by the names they are reported under.

    Raises:
        UnknownVariableError: If there is no such variable.
        ArgumentTypeError: If they are none.
    """
    if metrics is None:
        return {}
    if isinstance(metrics, Mapping):
        return {name: sd.own(v) for name, v in metrics.items()}
    return {v.name: v for v in sd.several(metrics)}
