"""Bodies of loops and branches, lowered: once for the shapes of their parameters, however many plans contain them.

Must not know plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.bodies import COUNT, LOOPS, Parts, carry_changes, joined, length_of
from sdgraph.build.function import Function
from sdgraph.infer.aval import Aval

if TYPE_CHECKING:
    from sdgraph.lower.nodes import LoweredNode


class Setting(NamedTuple):
    """How a body is lowered, besides for which shapes."""

    fold: bool
    inference: bool
    seed: int
    stream: tuple[int, ...]


Lower = Callable[[Function, Mapping[int, Aval], Setting], "tuple[list[LoweredNode], list[int]]"]
"""From a function, the avals of its parameters and settings to all of it as primitives, and where each node is."""


class Lowered:
    """A function as primitives, for concrete avals. Plans for what is wanted of it are kept with it."""

    __slots__ = ("avals", "function", "ids", "nodes", "plans")

    def __init__(self, f: Function, nodes: list[LoweredNode], ids: Sequence[int]) -> None:
        self.function = f
        self.nodes = nodes
        self.ids = ids
        """For each node of the function its place among the primitives; -1 for one with several outputs."""
        self.avals = [nodes[k].aval if k >= 0 else None for k in ids]
        self.plans: dict[Any, Any] = {}


def lowered(f: Function, avals: Mapping[int, Aval], setting: Setting, lower: Lower) -> Lowered:
    """A function for these avals of its parameters."""
    if not f.is_random:
        setting = setting._replace(seed=0, stream=())
    key = tuple(avals.items()), setting
    found = f.lowered.get(key)
    return found or f.keep_lowered(key, Lowered(f, *lower(f, avals, setting)))


def bodies(
    op: Any, attrs: Mapping[str, Any], avals: Sequence[Any], setting: Setting, lower: Lower
) -> tuple[tuple[Lowered, ...], tuple[Any, ...]]:
    """The bodies of a call for concrete operands, and the avals of all that the call may give.

    Raises:
        SDGraphError: If a carry changes, or branches differ, now that sizes are known.
    """
    return (_loop if op in LOOPS else _branches)(attrs, avals, setting, lower)


def _loop(
    attrs: Mapping[str, Any], avals: Sequence[Any], setting: Setting, lower: Lower
) -> tuple[tuple[Lowered, ...], tuple[Any, ...]]:
    f: Function = attrs["body"]
    parts = Parts.of(attrs, len(avals))
    n = length_of(attrs, avals[parts.xs :])
    inner = [*avals[parts.captured : parts.xs], *(Aval(a.shape[1:], a.dtype) for a in avals[parts.xs :])]
    body = lowered(f, dict(zip(f.params, inner, strict=True)), setting, lower)
    carries = tuple(avals[parts.carries : parts.xs])
    for k, was in enumerate(carries):
        now = body.avals[f.outs[k]]
        if now is not None and now != was:
            raise carry_changes(f"Carry {k}", was, now)
    stacks = [None if a is None or n is None else Aval((n, *a.shape), a.dtype) for a in body.avals]
    return (body,), (*carries, COUNT, *stacks)


def _branches(
    attrs: Mapping[str, Any], avals: Sequence[Any], setting: Setting, lower: Lower
) -> tuple[tuple[Lowered, ...], tuple[Any, ...]]:
    made = []
    for n, f in enumerate(attrs["branches"]):
        given = {p: a for p, a in zip(f.params, avals[1:], strict=True) if p >= 0}
        made.append(lowered(f, given, setting._replace(stream=(*setting.stream, n)), lower))
    rows = [[m.avals[o] for o in m.function.outs] for m in made]
    outs = tuple(joined(f" at place {k}", column) for k, column in enumerate(zip(*rows, strict=True)))
    return tuple(made), outs
