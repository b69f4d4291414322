"""Single evaluations: what was compiled for one is kept for the next with the same fetches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.feeding import as_mapping
from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.answers import are_known, gradients_of
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.run import checking
from sdgraph.run.engines.choice import engine_name
from sdgraph.run.executable import Executable

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName
    from sdgraph.build.variable import Feeds
    from sdgraph.ops.graph import OpGraph

_MOST = 64
"""Executables that a graph keeps."""


def executable_of(
    sd: OpGraph, fetches: Sequence[SDVariable], engine: EngineName | str = "auto", *, inference: bool = False
) -> Executable:
    """A compiled function for evaluating once, kept for the next call with the same fetches.

    At ``inference`` it is one for going through data.
    """
    name = engine_name(engine, once=not inference)
    check = checking.is_checked(sd)
    key = (tuple(v.id for v in fetches), name, check, inference, sd.version)
    found = sd.marks.executables.get(key)
    if found is None:
        if len(sd.marks.executables) >= _MOST:
            # Other threads may add or drop entries meanwhile.
            sd.marks.executables.pop(next(iter(list(sd.marks.executables))), None)
        found = sd.marks.executables[key] = Executable(sd, fetches, name, check_numerics=check, inference=inference)
    return found


def evaluate(
    sd: OpGraph, fetches: Sequence[SDVariable], feeds: Feeds | None, engine: EngineName | str = "auto", step: int = 0
) -> dict[str, np.ndarray[Any, Any]]:
    """The values of variables, by name."""
    return executable_of(sd, fetches, engine)(as_mapping(feeds), step=step)


def outputs_and_gradients(
    sd: OpGraph,
    outs: Sequence[SDVariable],
    wrt: Sequence[SDVariable],
    feeds: Feeds | None,
    engine: EngineName | str = "auto",
    step: int = 0,
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, np.ndarray[Any, Any]]]:
    """Outputs, and gradients of the current losses, in one pass; each by its variable's name."""
    given = as_mapping(feeds)

    def evaluated(grads: list[SDVariable]) -> tuple[dict[str, Any], dict[str, Any]]:
        values = executable_of(sd, [*outs, *grads], engine).run(given, step)
        return (
            {v.name: a for v, a in zip(outs, values, strict=False)},
            {v.name: a for v, a in zip(wrt, values[len(outs) :], strict=True)},
        )

    with sd.appending:
        losses = current_losses(sd)
        if not are_known(sd, losses, wrt):
            # Feeds that do not fit show when it runs, and a rejected call leaves no gradients behind.
            with sd.transaction():
                return evaluated(gradients_of(sd, losses, wrt))
        grads = gradients_of(sd, losses, wrt)
    return evaluated(grads)
