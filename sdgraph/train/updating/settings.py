"""Settings of updaters and transforms that may follow a schedule: numbers to a reader, nodes to a graph.

Must not know which updaters and transforms there are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from sdgraph.build.variable import SDVariable

_T = TypeVar("_T")


def scheduled(thing: Any) -> dict[str, Callable[[int, int], float]]:
    """The fields of a dataclass that are schedules, by name; none of a function.

    Example:
        >>> from sdgraph.train import Nesterovs
        >>> scheduled(Nesterovs(0.1, momentum=lambda iteration, epoch: 0.9)).keys()
        dict_keys(['momentum'])
    """
    found = {f.name: getattr(thing, f.name) for f in fields(thing)} if is_dataclass(thing) else {}
    return {name: found[name] for name in found if callable(found[name])}


def bound(thing: _T, nodes: Mapping[str, SDVariable]) -> _T:
    """A copy with nodes in place of fields that are schedules."""
    found = copy.copy(thing)
    for name, node in nodes.items():
        object.__setattr__(found, name, node)
    return found


def now(setting: Any, like: SDVariable) -> Any:
    """A setting as an operand beside a variable: a number, or a node of the variable's dtype."""
    return like.sd.cast(setting, like.dtype) if isinstance(setting, SDVariable) else setting
