"""What is trained, how and with what data, as facts: what a checkpoint must have in common with a run that goes on.

Knows steps and data. Must not know files.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.infer.aval import shape_str
from sdgraph.train.checkpoints.likeness import Row, described, digest_of, environment, rows_of
from sdgraph.train.updating.after import values_after

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph
    from sdgraph.train.data.batches import Batches
    from sdgraph.train.step import TrainingStep


class Difference(NamedTuple):
    """Something that is not as it was."""

    what: str
    now: str
    then: str


class Setup:
    """The setup of one call of `SameDiff.fit`.

    Args:
        sd: The graph.
        step: What trains it.
        losses: The names of the losses.
        data: What it is trained with.
        engine: Who computes.
    """

    def __init__(self, sd: OpGraph, step: TrainingStep, losses: list[str], data: Batches, engine: str) -> None:
        self.sd, self.step, self.data, self.engine = sd, step, data, engine
        self._computed = [*losses, *(v.name for v in values_after(sd).values())]

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        step = self.step
        variables = {v.name: f"{v.dtype.name} {shape_str(v.shape)}" for v in self.variables()}
        trained = {v.name: described(updater) for v, updater in step.updaters.items()}
        rule = {
            "transforms": described(step.transforms),
            "minimize": step.minimize,
            "accumulate": step.accumulate,
        }
        return {
            "computed": self._computed,
            "graph": digest_of(rows_of(self.sd, self._computed)),
            "variables": variables,
            "updaters": trained,
            "rule": rule,
            "data": {"kind": type(self.data).__name__, **self.data.fingerprint()},
            "environment": environment(self.engine),
        }

    def variables(self) -> list[SDVariable]:
        """The variables that what is computed depends on, and those that take a value after each step."""
        sd = self.sd
        need = sd.reachable([sd.id_of(name) for name in self._computed])
        after = set(sd.marks.updates)
        found = [i for i, node in enumerate(sd.nodes) if node.op.kind is VariableKind.VARIABLE and not node.inputs]
        return [SDVariable(sd, i) for i in found if i in after or (i < len(need) and need[i])]

    def rows(self) -> list[Row]:
        """What the graph computes, node by node."""
        return rows_of(self.sd, self._computed)


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[Difference]:
    """What of two setups is not the same, but for the nodes of their graphs and what computes."""
    for what, key in (("variables", "variables"), ("updaters", "updaters"), ("training", "rule"), ("data", "data")):
        a, b = now[key], then[key]
        if key == "updaters" and a.keys() == b.keys() and len({*a.values()}) == len({*b.values()}) == 1:
            a, b = ({"all variables": next(iter(side.values()))} for side in (a, b))
        for name in dict.fromkeys([*a, *b]):
            if a.get(name) != b.get(name):
                yield Difference(what, _told(name, a), _told(name, b))


def _told(name: str, facts: Mapping[str, Any]) -> str:
    return f"{name}: {facts[name]}" if name in facts else f"no {name}"
