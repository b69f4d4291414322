"""Batches of a model: what is given, as feeds of the nodes that its labels and weights ask for.

Knows objectives. Must not know steps or loops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.keras.training.compiled import Compiled
from sdgraph.keras.training.objective import Objective
from sdgraph.keras.training.reading import Given, Reading, is_arrays, peeked, split
from sdgraph.train.data.batches import ArrayBatches, Batch, Batches, IteratedBatches
from sdgraph.train.data.feeding import reader

_BATCH_SIZE = 32


@dataclass(frozen=True)
class How:
    """How batches are taken of what is given."""

    batch_size: int | None = None
    steps: int | None = None
    steps_name: str = "steps"
    """What the caller calls ``steps``."""
    shuffle: bool = False
    seed: int = 0
    first: int = 0
    """The number of the first epoch."""
    once: bool = True
    """Whether there is one pass only."""


Measured = tuple[Objective, Batches]
"""What is computed of data, and their batches."""


def batches_of(compiled: Compiled, reading: Reading, x: Any, y: Any, sample_weight: Any, how: How) -> Measured:
    """Batches of arrays, or of what gives batches.

    Raises:
        ArgumentError: If data do not fit together, or to the model.
        ArgumentTypeError: If they are none.
        FeedError: If arrays do not fit their placeholders.
    """
    if is_arrays(x):
        objective, arrays = fed(compiled, reading.all(x, y, sample_weight))
        return objective, _of_arrays(arrays, how)
    if y is not None or sample_weight is not None:
        raise ArgumentError(
            "Batches have their labels and weights themselves.",
            given="y" if y is not None else "sample_weight",
            fix="Let what x is give (x, y) or (x, y, weights).",
        )
    if how.batch_size is not None:
        raise ArgumentError("What x gives are batches already.", given=f"batch_size={how.batch_size}")
    first, source = peeked(x, once=how.once)
    objective = compiled.objective(reading.item(first))

    def feeds(item: Any) -> Mapping[str, Any]:
        given = reading.item(item)
        if compiled.objective(given) is not objective:
            raise FeedError("Batches have labels and weights of one sort.", given="one that differs from the first")
        return compiled.feeds(objective, given)

    return objective, IteratedBatches(source, feeds, how.steps)


def split_batches(
    compiled: Compiled, reading: Reading, given: tuple[Any, Any, Any], share: float, how: How, held_out: How
) -> tuple[Measured, Measured]:
    """Batches without the last examples, and of those, which are taken before anything is shuffled.

    Raises:
        ArgumentError: If a side has no examples.
        ArgumentTypeError: If these are no arrays.
    """
    if not is_arrays(given[0]):
        raise ArgumentTypeError(
            "Only arrays are split.",
            given=f"validation_split={share}",
            fix="Give validation_data for what is iterated over.",
        )
    first, last = split(reading.plain(*given), share)
    objective, arrays = fed(compiled, reading.with_classes(first))
    of_last, kept = fed(compiled, last)
    return (objective, _of_arrays(arrays, how)), (of_last, _of_arrays(kept, held_out))


def fed(compiled: Compiled, given: Given) -> tuple[Objective, Mapping[str, Any]]:
    """What is computed of arrays, and these in the dtypes and shapes of their placeholders."""
    objective = compiled.objective(given)
    read = reader(compiled.outputs[0].sd, objective.measures.fetches)
    return objective, read.arrays(compiled.feeds(objective, given))


def one_batch(compiled: Compiled, given: Given) -> tuple[Objective, dict[str, Any], int]:
    """What is computed of a batch, its feeds, and how many examples it has.

    Raises:
        ArgumentError: If arrays differ in how many they have.
    """
    objective = compiled.objective(given)
    feeds = compiled.feeds(objective, given)
    sizes = {name: len(a) for name, a in feeds.items()}
    if len(set(sizes.values())) > 1:
        raise ArgumentError(
            "Arrays of a batch have one first axis.",
            given=", ".join(f"{name}: {n}" for name, n in sizes.items()),
            expected="the same number of examples in each",
        )
    return objective, feeds, next(iter(sizes.values()))


def _of_arrays(arrays: Mapping[str, Any], how: How) -> Batches:
    examples = max(len(a) for a in arrays.values())
    steps = None if how.steps is None else whole(how.steps_name, how.steps, least=1)
    size = how.batch_size
    if size is None:
        size = _BATCH_SIZE if steps is None else max(1, math.ceil(examples / steps))
    data = ArrayBatches(arrays, size, shuffle=how.shuffle, seed=how.seed)
    if steps is None or steps == data.count():
        return data
    if steps > data.count():
        raise ArgumentError(
            "There are not as many batches.",
            given=f"{how.steps_name}={steps}; {examples} examples are {data.count()} batches of {size}",
        )
    return ArrayBatches(arrays, size, shuffle=False, steps=steps) if how.once else FewerBatches(data, steps, how.first)


class FewerBatches(Batches):
    """Epochs of fewer batches than the data have: each goes on where the last one ended.

    Args:
        data: The data.
        steps: How many batches make an epoch.
        first: The number of the first epoch.
    """

    def __init__(self, data: ArrayBatches, steps: int, first: int) -> None:
        self._data, self._steps, self._first = data, steps, first

    def count(self) -> int:
        return self._steps

    def fingerprint(self) -> dict[str, Any]:
        return {**self._data.fingerprint(), "batches": self._steps}

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        at = (epoch - self._first) * self._steps + start
        left = self._steps - start
        while left:
            number, begin = divmod(at, self._data.count())
            for batch in self._data.epoch(self._first + number, begin):
                yield batch
                at, left = at + 1, left - 1
                if not left:
                    return
