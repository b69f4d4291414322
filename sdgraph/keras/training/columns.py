"""What a model reports under Keras' names, and what batches of it add up to.

Knows sums and the functions that are made of them. Must not know data, steps or formulas.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.keras.metrics.metric import BatchSums
from sdgraph.train.results.measures import Measures

LOSS = "loss"
"""What the sum of all losses is called."""


class Column(NamedTuple):
    """What is reported under a name."""

    name: str
    sums: BatchSums
    value: Callable[[Sequence[Any]], Any]
    """The number that is made of all sums."""


def mean(sums: Sequence[Any]) -> float:
    """A sum over how much was added up; NaN of nothing."""
    total, weight = sums
    return total / weight if weight else math.nan


class Columns(Measures):
    """What a model reports: the sum of its losses, each of several, and its metrics, under Keras' names."""

    def __init__(self, losses: Sequence[SDVariable], reported: Sequence[Column]) -> None:
        self._reported = tuple(reported)
        self.losses = {v.name: 1.0 for v in losses}
        self.total, self.adding = LOSS, set()
        self.metrics = [c.name for c in reported]
        sources, self._columns = _added_up(losses, reported)
        self.fetches = list(dict.fromkeys(sources))
        self.small = all(v.ndim == 0 for v in self.fetches)
        # There are two at least, the last of which counts batches.
        self.pick, self.one = operator.itemgetter(*(v.name for v in sources)), False

    def names(self) -> list[str]:
        """The names of all that is reported."""
        return [LOSS, *self.metrics]

    def columns(self) -> list[tuple[str, Callable[[Any], Any]]]:
        """What is added up, in the order of what is picked: its name, and the number or numbers that an array is."""
        return self._columns

    def of(self, picked: Sequence[Any]) -> dict[str, float]:
        """The numbers of one batch."""
        numbers = ((name, number(a)) for (name, number), a in zip(self._columns, picked, strict=True))
        return self.over({name: (x, x, 1.0) for name, x in numbers})

    def over(self, sums: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        """The numbers of an epoch: what metrics make of their sums."""
        if not sums:
            return {}
        found = {LOSS: sum(mean(sums[_of_loss(name)][1:]) for name in self.losses)}
        with np.errstate(all="ignore"):
            for c in self._reported:
                found[c.name] = float(c.value(_of_epoch(c, sums)))
        return found


_BATCHES = "number of batches"


def _of_epoch(c: Column, sums: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    """What a column has added up to."""
    if c.sums.counted == "itself":
        return [sums[_part(c, k)][0] for k in range(len(c.sums.parts))]
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
