"""`Model.evaluate` and `Model.predict`: what a model is worth and what it says, batch by batch, as it predicts.

Must not know how a model is made or trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.keras.training.batches import Measured
from sdgraph.keras.training.columns import LOSS
from sdgraph.keras.training.compiled import Compiled, Function
from sdgraph.keras.training.reading import Reading, is_arrays, peeked
from sdgraph.keras.training.telling import Group
from sdgraph.train.data.batches import ArrayBatches, Batches, IteratedBatches

Array = np.ndarray[Any, Any]


def evaluated(compiled: Compiled, measured: Measured, group: Group) -> dict[str, float]:
    """The values of all columns over data."""
    objective, batches = measured
    function, totals = compiled.function(objective), objective.measures.totals()
    group.tell("on_test_begin")
    heard = group.hears("on_test_batch_end")
    for k, (feeds, examples) in enumerate(batches.epoch(0)):
        group.tell("on_test_batch_begin", k)
        totals.add(function(feeds), examples)
        if heard:
            group.tell("on_test_batch_end", k, logs=totals.values())
    found = totals.values()
    group.tell("on_test_end", logs=found)
    return found


def order(compiled: Compiled) -> list[str]:
    """The names of all columns as Keras lists them: the loss, the losses of outputs, the metrics.

    Metrics of several outputs are in the order of the alphabet.
    """
    recipe = compiled.recipe
    metrics = [name for name, *_ in recipe.columns()]
    if len(recipe.outputs) > 1:
        metrics.sort()
    losses = [f"{n}_loss" for n, loss in zip(recipe.outputs, recipe.losses, strict=True) if loss and recipe.several()]
    return [LOSS, *losses, *metrics]


def told(values: Mapping[str, float], compiled: Compiled, by_name: bool) -> Any:
    """Values as Keras returns them: by name or as a list, one value by itself."""
    if by_name:
        return dict(values)
    found = [values[name] for name in order(compiled)]
    return found[0] if len(found) == 1 else found


def input_batches(
    reading: Reading, inputs: Sequence[SDVariable], x: Any, batch_size: int | None, steps: int | None
) -> Batches:
    """Batches of inputs, for predictions; labels that are there are not looked at."""
    names = [v.name for v in inputs]

    def feeds(x: Any) -> dict[str, Any]:
        return dict(zip(names, reading.inputs(x), strict=True))

    if is_arrays(x):
        return ArrayBatches(feeds(x), batch_size or 32, shuffle=False, steps=steps)
    if batch_size is not None:
        raise ArgumentError("What x gives are batches already.", given=f"batch_size={batch_size}")
    _, source = peeked(x, once=True)
    return IteratedBatches(source, lambda item: feeds(item[0] if isinstance(item, tuple | list) else item), steps)


def predicted(function: Function, outputs: Sequence[SDVariable], batches: Batches, group: Group) -> list[Array]:
    """What each output is for all examples."""
    parts: list[list[Array]] = []
    group.tell("on_predict_begin")
    for k, (feeds, _) in enumerate(batches.epoch(0)):
        group.tell("on_predict_batch_begin", k)
        values = function(feeds)
        parts.append([values[v.name] for v in outputs])
        group.tell("on_predict_batch_end", k, logs={"outputs": parts[-1]})
    group.tell("on_predict_end")
    return [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]
