"""A graph as it is used, not trained: values of variables over data. Knows graphs and batches. Must not know steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.errors import ArgumentError, GradientError
from sdgraph.infer.aval import shape_str
from sdgraph.run.evaluate import executable_of
from sdgraph.train.callbacks.hearing import hearing
from sdgraph.train.configured import config_of
from sdgraph.train.data.batches import Data, as_batches
from sdgraph.train.data.feeding import reader
from sdgraph.train.loop import measured
from sdgraph.train.results.measures import Measures, Metrics, named
from sdgraph.wording import counted

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName
    from sdgraph.ops.graph import OpGraph

Array = np.ndarray[Any, Any]


def inferring(
    sd: OpGraph, fetches: Sequence[SDVariable], engine: EngineName | str = "auto"
) -> Callable[[Mapping[str, Any]], dict[str, Array]]:
    """What computes variables of feeds, in the graph's form for inference, with the values that they have then."""
    f = executable_of(sd, fetches, engine, inference=True)
    return lambda feeds: dict(zip(f.names, f.run(dict(feeds)), strict=True))


def _losses(sd: OpGraph, *, needed: bool) -> list[SDVariable]:
    try:
        return current_losses(sd)
    except GradientError:
        if needed:
            raise
        return []


def evaluated(
    sd: OpGraph,
    data: Data,
    metrics: Metrics | None,
    *,
    batch_size: int,
    steps: int | None,
    engine: EngineName | str,
) -> dict[str, float]:
    """Losses and metrics over data; see `SameDiff.evaluate`."""
    measures = Measures(_losses(sd, needed=metrics is None), named(sd, metrics))
    read = reader(sd, measures.fetches, config_of(sd))
    batches = as_batches(data, read, batch_size=batch_size, shuffle=False, steps=steps)
    return measured(inferring(sd, measures.fetches, engine), batches, measures)


def predicted(
    sd: OpGraph,
    data: Data,
    fetches: Sequence[SDVariable],
    *,
    batch_size: int,
    steps: int | None,
    engine: EngineName | str,
) -> dict[str, Array]:
    """Variables for all examples of data; see `SameDiff.predict`."""
    batches = as_batches(data, reader(sd, fetches), batch_size=batch_size, shuffle=False, steps=steps)
    function = inferring(sd, fetches, engine)
    parts: dict[str, list[Array]] = {v.name: [] for v in fetches}
    with hearing(sd, "INFERENCE") as heard:
        for feeds, examples in batches.epoch(0):
            with heard.iteration(feeds):
                values = function(feeds)
            for name, value in values.items():
                if value.shape[:1] != (examples,):
                    raise ArgumentError(
                        f"{name!r} does not have one value for each example.",
                        given=f"shape {shape_str(value.shape)} for {counted(examples, 'example')}",
                        fix=f"sd.evaluate measures over data; sd[{name!r}].eval(feeds) computes anything once.",
                    )
                parts[name].append(value)
    return {name: np.concatenate(several) if len(several) > 1 else several[0] for name, several in parts.items()}
