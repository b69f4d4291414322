"""The second half of a training step: gradients in, new values of variables and of what is kept of them out.

It is a small graph of its own, elementwise, the same for every batch size; its picture is the picture of the rule. Must
not know losses, feeds or epochs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.graph import Node
from sdgraph.build.variable import SDVariable
from sdgraph.run.executable import Executable
from sdgraph.train.updating.averages import AVERAGE, Average
from sdgraph.train.updating.held import Array, Feeds, hold
from sdgraph.train.updating.schedules import Rate
from sdgraph.train.updating.settings import bound, scheduled
from sdgraph.train.updating.transforms import Transform, WeightDecay
from sdgraph.train.updating.updaters import Updater

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

_DOUBLE = np.dtype("float64")


class Setting:
    """A setting that is read anew in each step."""

    def __init__(self, value: Rate, node: SDVariable) -> None:
        self.node = node
        self.array = np.zeros((), _DOUBLE)
        """What the update reads."""
        self.value = value

    @property
    def value(self) -> Rate:
        """A number or a schedule."""
        return self._value

    @value.setter
    def value(self, value: Rate) -> None:
        self._value = value
        if not callable(value):
            self.array[...] = value

    def at(self, number: int, epoch: int) -> float:
        """Its value in an update."""
        return self._value(number, epoch) if callable(self._value) else float(self._value)


class Update:
    """``update(gradients, epoch)`` changes the variables that are trained, and what the updaters keep of them.

    Args:
        sd: The graph that has the variables.
        chosen: What is trained, and how.
        transforms: What is done before the updater's rule.
        average: A moving average for updaters that have none of their own.
        minimize: Whether to go down.
        divides: Whether gradients are sums over examples.
        after: Variables that take values of their own at the same moment.
        engine: The engine's name.
    """

    def __init__(
        self,
        sd: OpGraph,
        chosen: Mapping[SDVariable, Updater],
        *,
        transforms: Sequence[Transform] = (),
        average: Average | None = None,
        minimize: bool = True,
        divides: bool = False,
        after: Iterable[Node] = (),
        engine: str = "numpy",
    ) -> None:
        self.graph = g = sd.scratch()
        self.names = [v.name for v in chosen]
        self.settings: dict[Any, dict[str, Setting]] = {}
        """By updater or transform, and name."""
        ws = [g.placeholder(v.name, v.shape, v.dtype) for v in chosen]
        gs: Sequence[SDVariable] = [self._leaf(f"{v.name}/gradient", v.shape, v.dtype) for v in chosen]
        gradients = [x.name for x in gs]
        count = self._leaf("updates")
        self._examples, self._divisor = np.ones((), _DOUBLE), 1.0
        divisor = self._leaf("examples") if divides else None
        self.rules = {updater: self._ready(updater) for updater in dict.fromkeys(chosen.values())}
        """Each updater, with nodes for what is read anew in each step."""
        self._averages = {updater: updater.average() or average for updater in self.rules}
        self.counts_batches = divides and any(a is not None and a.each_batch for a in self._averages.values())
        """Whether averages move with batches that are only accumulated: `pass_by` is called for these."""
        self._applies = np.ones((), _DOUBLE)
        applies = self._leaf("applies") if self.counts_batches else None
        starts = [self._starts(v, updater) for v, updater in chosen.items()]
        kept = [
            {slot: self._leaf(f"{v.name}/{slot}", a.shape, a.dtype) for slot, a in several.items()}
            for v, several in zip(chosen, starts, strict=True)
        ]
        self._slots = [(name, slot) for name, several in zip(self.names, kept, strict=True) for slot in several]
        if divisor is not None:
            gs = [x / g.cast(divisor, x.dtype) for x in gs]
        gs = gs if minimize else [-x for x in gs]
        outs = self._outs(count, applies, ws, gs, kept, [*chosen.values()], transforms)
        function = Executable(g, outs, engine, check_numerics=False, tiny=False)
        slots = [(kept[k][slot].name, a) for k, several in enumerate(starts) for slot, a in several.items()]
        settings = {s.node.name: s.array for several in self.settings.values() for s in several.values()}
        if divisor is not None:
            settings[divisor.name] = self._examples
        if applies is not None:
            settings[applies.name] = self._applies
        feeds = Feeds(count.name, [w.name for w in ws], gradients, dict(slots), settings)
        self.held = hold(sd.values, [v.node for v in chosen], after, function, feeds)
        """The variables and what is kept of them."""
        self._moving = [s for several in self.settings.values() for s in several.values() if callable(s.value)]
        self.moves = bool(self._moving)
        """Whether a setting follows a schedule: `prepare` comes before an update then."""

    def _leaf(self, name: str, shape: Any = (), dtype: Any = _DOUBLE) -> SDVariable:
        """A placeholder under a name that no variable has."""
        return self.graph.placeholder(self.graph.names.free(name), shape, dtype)

    def _ready(self, thing: Any) -> Any:
        """An updater or a transform with nodes for what is read anew in each step."""
        varying: dict[str, Any] = {**scheduled(thing)}
        if isinstance(thing, Updater):
            varying = {"learning_rate": getattr(thing, "learning_rate", 1.0), **varying}
        made = {n: Setting(rate, self._leaf(n)) for n, rate in varying.items()}
        if made:
            self.settings[thing] = made
        return bound(thing, {n: s.node for n, s in made.items() if n != "learning_rate"})

    def _starts(self, v: SDVariable, updater: Updater) -> dict[str, Array]:
        """What is kept of a variable before the first update, by slot."""
        shape: Any = v.shape
        starts = dict(updater.slots())
        if self._averages[updater] is not None:
            starts[AVERAGE] = 0.0
        return {
            slot: np.full((), start, _DOUBLE) if slot in updater.shared else np.full(shape, start, v.dtype)
            for slot, start in starts.items()
        }

    def _outs(
        self,
        count: SDVariable,
        applies: SDVariable | None,
        ws: Sequence[SDVariable],
        gs: Sequence[SDVariable],
        kept: Sequence[Mapping[str, SDVariable]],
        updaters: Sequence[Updater],
        transforms: Sequence[Transform],
    ) -> list[SDVariable]:
        """The number of the update, then the new values of all variables, then all slots."""
        g, ends, t = self.graph, ws, count + 1.0
        lrs = [g.cast(self.settings[u]["learning_rate"].node, w.dtype) for u, w in zip(updaters, ws, strict=True)]
        own = dict.fromkeys(f for updater in self.rules for f in updater.transforms())
        # What reads variables reads them before they decay.
        for transform in sorted((*transforms, *own), key=lambda f: isinstance(f, WeightDecay)):
            gs, ends = self._ready(transform)(gs, ends, lrs)

        def now(new: SDVariable, old: SDVariable) -> SDVariable:
            return new if applies is None else g.where(applies > 0.0, new, old)

        values, slots = [], []
        for k, (name, updater, x, w, lr) in enumerate(zip(self.names, updaters, gs, ends, lrs, strict=True)):
            step, new = self.rules[updater].update(x, w, kept[k], lr, t)
            value, average = now(w - step, ws[k]), self._averages[updater]
            new = {s: now(a, kept[k][s]) for s, a in new.items()}
            if average is not None:
                moved, mean = average.moved(kept[k][AVERAGE], value, t)
                if average.each_batch:
                    value, new = moved, {**new, AVERAGE: mean}
                else:
                    value, new = now(moved, ws[k]), {**new, AVERAGE: now(mean, kept[k][AVERAGE])}
            values.append(value.rename(g.names.free(f"{name}/new")))
            slots += [new[s].rename(g.names.free(f"{name}/{s}/new")) for s in kept[k]]
        # An output of its own beside the new values: the only one of a graph would be taken for its loss.
        ended = t if applies is None else count + applies
        return [g.identity(ended, name=g.names.free("updates/new")), *values, *slots]

    @property
    def number(self) -> int:
        """How many updates there were."""
        return self.held.number

    @property
    def slots(self) -> dict[str, dict[str, Array]]:
        """What is kept of each variable, by the names of both."""
        found: dict[str, dict[str, Array]] = {name: {} for name in self.names}
        for (name, slot), a in zip(self._slots, self.held.slots(), strict=True):
            found[name][slot] = a
        return found

    def __call__(
        self, gradients: Sequence[Array], epoch: int, examples: float = 1, after: Sequence[Array] = ()
    ) -> None:
        """Change all at one moment."""
        if self.moves:
            self.prepare(epoch)
        if examples != self._divisor:
            self._divisor = examples
            self._examples[...] = examples
        self.held.run(gradients, after)

    def pass_by(self, gradients: Sequence[Array]) -> None:
        """Only move the averages that count batches, after one that is only accumulated."""
        self._applies[...] = 0.0
        try:
            self.held.run(gradients)
        finally:
            self._applies[...] = 1.0

    def prepare(self, epoch: int) -> None:
        """Set what follows a schedule, for the next update."""
        for s in self._moving:
            s.array[...] = s.at(self.held.number, epoch)

    def _numbers(self) -> dict[str, Setting]:
        """The settings that follow no schedule, by their keys in a state."""
        several = [s for settings in self.settings.values() for s in settings.values()]
        return {f"setting:{s.node.name}": s for s in several if not callable(s.value)}

    def state(self) -> dict[str, Array]:
        """What is kept of variables, settings that are numbers, and how many updates there were."""
        kept = zip(self._slots, self.held.slots(), strict=True)
        found = {f"slot:{slot}/{name}": a.copy() for (name, slot), a in kept}
        found |= {key: s.array.copy() for key, s in self._numbers().items()}
        return found | {"count:update": np.array(self.number)}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state` gave; every part must be there, and fit."""
        for key, setting in self._numbers().items():
            setting.value = float(state[key])
        self.held.load(int(state["count:update"]), [state[f"slot:{slot}/{name}"] for name, slot in self._slots])
