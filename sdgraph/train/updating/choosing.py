"""Which variables a step trains, and with which updater. Must not know gradients or steps."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import is_floating
from sdgraph.train.updating.updaters import Updater
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

Updaters: TypeAlias = Updater | Mapping[str, Updater | None]
"""One updater, or by a pattern of names: the first that fits counts, and None leaves a variable as it is."""


def chosen(
    sd: OpGraph, losses: Sequence[SDVariable], updater: Updaters, variables: Sequence[SDVariable] | None
) -> dict[SDVariable, Updater]:
    """What is trained, and how.

    Raises:
        ArgumentTypeError: If an updater is none.
        ArgumentError: If there is nothing to train, or a variable or a pattern is not among what there is.
    """
    groups = updater if isinstance(updater, Mapping) else {"*": updater}
    _check(groups, several=isinstance(updater, Mapping))
    asked = _asked(sd, losses, variables)
    found: dict[SDVariable, Updater] = {}
    unused = dict.fromkeys(groups)
    for v in asked:
        pattern = next((p for p in groups if fnmatch.fnmatchcase(v.name, p)), None)
        if pattern is not None:
            unused.pop(pattern, None)
            one = groups[pattern]
            if one is not None:
                found[v] = one
    if isinstance(updater, Mapping) and unused:
        raise ArgumentError(
            f"No variable is trained by {listed(unused)}.", expected=f"patterns of {listed([v.name for v in asked])}"
        )
    if not found:
        raise _nothing(sd, losses, asked)
    return found


def _nothing(sd: OpGraph, losses: Sequence[SDVariable], asked: Sequence[SDVariable]) -> ArgumentError:
    """What to say where nothing is trained: nothing could be, or all stays as it is."""
    names, need = listed([v.name for v in losses], "and"), sd.reachable([v.id for v in losses])
    frozen = [sd.nodes[i].name for i in sorted(sd.marks.frozen) if i < len(need) and need[i]]
    fix = "Give the graph variables that its losses depend on."
    if frozen and not asked:
        fix = f"Constants are not trained: sd.convert_to_variable({frozen[0]!r})."
    return ArgumentError(
        "There is nothing to train.",
        given=f"{listed([v.name for v in asked], 'and')} left as they are" if asked else f"no variable behind {names}",
        fix="Give one of them an updater." if asked else fix,
    )


def _check(groups: Mapping[str, object], *, several: bool) -> None:
    for pattern, one in groups.items():
        if one is not None and not isinstance(one, Updater):
            raise ArgumentTypeError(
                "An updater says how gradients change variables.",
                given=f"{pattern}: {shown(one)}" if several else shown(one),
                fix="Use one of sdgraph.train, such as sdgraph.train.Adam(1e-3).",
            )


def _asked(sd: OpGraph, losses: Sequence[SDVariable], variables: Sequence[SDVariable] | None) -> Sequence[SDVariable]:
    """What is to be trained as far as patterns do not say otherwise."""
    need, after = sd.reachable([v.id for v in losses]), sd.marks.updates
    reached = [
        v
        for v in sd.trainable_variables()
        if v.id < len(need) and need[v.id] and is_floating(v.dtype) and v.id not in after
    ]
    if variables is None:
        return reached
    beyond = [v.name for v in variables if v not in reached]
    if beyond:
        raise ArgumentError(
            f"The losses do not depend on {listed(beyond)}, or sd.update says what it becomes.",
            expected=f"some of {listed([v.name for v in reached])}",
        )
    return list(dict.fromkeys(variables))
