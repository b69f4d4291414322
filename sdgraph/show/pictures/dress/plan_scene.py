"""The drawing model of a plan: what an engine runs, step by step, with what is written in place.

Reads plans, not graphs. Must not know Graphviz.
"""

from __future__ import annotations

from typing import Any

from sdgraph.build.op import ITEM
from sdgraph.infer.aval import Aval
from sdgraph.plan.made import Made
from sdgraph.plan.plan import NO_SLOT, Plan, Step
from sdgraph.show.options import Options
from sdgraph.show.pictures.choose.grouping import DEEPEST
from sdgraph.show.pictures.dress.scene import Card, Line, Link, Scene
from sdgraph.show.pictures.dress.sizes import typed
from sdgraph.wording import byte_size, counted, number, shortened


def make_plan_scene(plan: Made, options: Options) -> Scene:
    """A card for each step and for each array it starts from.

    Steps that the engine runs together stand in one box. Where it runs each by itself, those of one composite op do.
    """
    return _PlanScene(plan, options).scene()


class _PlanScene:
    """The cards of one plan by slot."""

    def __init__(self, plan: Made, options: Options) -> None:
        self._plan = plan
        self._options = options
        limit = options.max_nodes
        self._steps = plan.steps if limit is None else plan.steps[-limit:]
        self._numbers = {slot: number(value) for slot, value in plan.constants if value.ndim == 0}
        self._outs: dict[int, list[str]] = {}
        for slot, name in zip(plan.outs, plan.names, strict=True):
            self._outs.setdefault(slot, []).append(name)
        self._labels = plan.labels()
        self._shared = _shared_sources(plan)
        self._names: dict[int, str] = {slot: plan.leaf_names[i] for slot, i in (*plan.feeds, *plan.variables)}
        self._names |= {s.out: self._step_name(s) for s in plan.steps}
        self._boxes = {slot: (f"{k}. {g.title}",) for k, g in enumerate(plan.groups, 1) for slot in g.outs}

    def scene(self) -> Scene:
        plan = self._plan
        cards = self._leaves() | {s.out: self._step(k, s) for k, s in enumerate(self._steps)}
        place = {slot: k for k, slot in enumerate(cards)}
        links = [
            Link(place[slot], place[s.out], "data", operand=self._operand(s, k))
            for s in self._steps
            for k, slot in enumerate(s.inputs)
            if slot in place
        ]
        facts = f"{self._counts()} · at most {byte_size(plan.peak_bytes)} of results alive"
        notes = []
        if len(self._steps) < len(plan.steps):
            notes.append(f"the last {len(self._steps)} of {counted(len(plan.steps), 'step')} are shown; see max_nodes")
        boxes = {self._boxes[g.outs[0]]: g.facts for g in plan.groups if g.outs}
        return Scene(self._options.title or "Plan", facts, list(cards.values()), links, notes, facts=boxes)

    def _counts(self) -> str:
        steps, groups = counted(len(self._plan.steps), "step"), len(self._plan.groups)
        return f"{steps}, {len(self._boxes)} of them in {counted(groups, 'group')}" if groups else steps

    # ------------------------------------------------------------------ what a run starts from

    def _leaves(self) -> dict[int, Card]:
        plan = self._plan
        avals = {s: self._leaf_aval(s) for s, _ in (*plan.feeds, *plan.variables)}
        cards = {s: self._leaf("placeholder", self._names[s], avals[s]) for s, _ in plan.feeds}
        cards |= {s: self._leaf("variable", self._names[s], avals[s]) for s, _ in plan.variables}
        cards |= {
            s: self._leaf("constant", "", typed(Aval(v.shape, v.dtype)))
            for s, v in plan.constants
            if s not in self._numbers or s in self._outs
        }
        if plan.step_slot != NO_SLOT:
            cards[plan.step_slot] = self._leaf("constant", "step", "")
        used = {j for s in self._steps for j in s.inputs} | set(self._outs)
        return {slot: card for slot, card in cards.items() if slot in used}

    def _leaf_aval(self, slot: int) -> str:
        """Plans keep no avals of leaves; one that is returned as it is has that of the output."""
        for out, aval in zip(self._plan.outs, self._plan.avals, strict=True):
            if out == slot:
                return typed(aval)
        return ""

    def _leaf(self, kind: str, name: str, detail: str) -> Card:
        lines = [Line(detail)] if detail else []
        title = shortened(name.rsplit("/", 1)[-1]) or kind
        return Card(kind, title, kind if name else "", lines, f"{name or kind}: {detail}".rstrip(": "))

    # ------------------------------------------------------------------ steps

    def _step(self, k: int, step: Step) -> Card:
        name = self._names[step.out]
        lines = [Line(f"{self._labels[step.out]}: {_aval(step.aval)}")]
        if step.reuse != NO_SLOT:
            lines.append(Line(f"in place of {self._labels[step.reuse]}"))
        if step.out in self._plan.remarks:
            lines.append(Line(self._plan.remarks[step.out]))
        if step.out in self._outs:
            lines.append(Line(f"returned as {shortened(', '.join(self._outs[step.out]), 32)}", "output"))
        source = step.source
        scopes = self._boxes.get(step.out, ())
        if source is not None and self._options.show_scopes and not self._plan.groups:
            parts = tuple(source.name.split("/"))[:DEEPEST]
            scopes = parts if id(source) in self._shared else parts[:-1]
        first = len(self._plan.steps) - len(self._steps) + 1
        dropped = ", ".join(self._labels[f] for f in step.frees)
        tooltip = f"step {k + first}: {name} = {step.op.qualname}" + (f", then drops {dropped}" if dropped else "")
        title = shortened(name.rsplit("/", 1)[-1])
        kind = "output" if step.out in self._outs else "op"
        return Card(kind, title, self._word(step, title), lines, tooltip, scopes, names=(name,))

    def _step_name(self, step: Step) -> str:
        """The variable's name for the step that computes it, the op's for one inside a composite."""
        if step.source is None:
            return step.op.name
        return f"{step.source.name}/{step.op.name}" if id(step.source) in self._shared else step.source.name

    def _word(self, step: Step, title: str) -> str:
        name = "" if step.op.name == title else step.op.name.rstrip("_")
        if not any(j in self._numbers for j in step.inputs) or len(step.inputs) > 3:
            return name
        return f"{name}({', '.join(self._numbers.get(j, '·') for j in step.inputs)})"

    def _operand(self, step: Step, k: int) -> str:
        """The operand's place, where exchanging operands would change the result."""
        arrays = [j for j in step.inputs if j >= 0 and j not in self._numbers]
        plain = self._options.edge_labels == "none" or len(arrays) < 2 or step.op.commutes
        return "" if plain or step.op is ITEM else str(k + 1)


def _shared_sources(plan: Plan) -> set[int]:
    """Nodes of the graph that became more than one step."""
    counts: dict[int, int] = {}
    for step in plan.steps:
        if step.source is not None:
            counts[id(step.source)] = counts.get(id(step.source), 0) + 1
    return {source for source, n in counts.items() if n > 1}


def _aval(aval: Any) -> str:
    if type(aval) is Aval:
        return typed(aval)
    return ", ".join(map(_aval, aval))
