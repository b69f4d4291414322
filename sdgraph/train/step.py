"""One training step: losses and their gradients, then the update of what is trained.

Between the two nothing has changed yet: there a bad batch is refused. All old values are read before any is written,
and all change at one moment. Must not know data or epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Literal, NoReturn, Protocol

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of, whole
from sdgraph.differentiate.answers import gradients_of
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.run.engines.choice import engine_name
from sdgraph.run.executable import Executable
from sdgraph.run.repeated import Repeated
from sdgraph.train.checkpoints import states
from sdgraph.train.refusing import is_finite, refuse
from sdgraph.train.results.measures import adds_up
from sdgraph.train.updating.after import values_after
from sdgraph.train.updating.averages import AVERAGE, Average
from sdgraph.train.updating.choosing import Updaters, chosen
from sdgraph.train.updating.gathered import NOTHING, Gathered
from sdgraph.train.updating.transforms import Transform
from sdgraph.train.updating.update import Array, Setting, Update
from sdgraph.train.updating.updaters import Updater
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName
    from sdgraph.build.variable import Feeds
    from sdgraph.ops.graph import OpGraph

OnNaN = Literal["raise", "skip", "continue"]
_POLICIES = ("raise", "skip", "continue")


class Watcher(Protocol):
    """Who is told what goes on within a step."""

    sees_updates: bool
    """Whether `update` is to be told."""

    def computed(self, values: Mapping[str, Array]) -> None:
        """Losses and fetches by name, when they are known and good, and nothing has changed yet."""

    def update(self, name: str, change: Array) -> None:
        """What is about to be subtracted from a variable; the array may be changed."""


class TrainingStep:
    """``losses = step(feeds)`` trains a graph once; `SameDiff.training_step` makes it and tells most arguments.

    Args:
        sd: The graph.
        updater: How gradients change variables.
        losses: What to minimize; the graph's own losses by default.
        fetches: What to return beside the losses.
        variables: What to train.
        transforms: What is done before the updater's rule.
        average: A moving average of each variable, for updaters that have none of their own.
        minimize: Whether the losses are to fall.
        accumulate: How many batches make one change.
        carry: Whether what is accumulated outlasts `flush`, and with it the end of an epoch.
        on_nan: What happens where a loss or a gradient is not finite.
        engine: Name of the engine.
    """

    step: int = 0
    """How many batches it has seen: what random ops draw by."""
    epoch: int = 0
    """What schedules by epochs count."""
    skipped: int = 0
    """How many batches were left out, of which a loss or a gradient was not finite."""
    left_out: bool = False
    """Whether the last batch was."""

    def __init__(
        self,
        sd: OpGraph,
        updater: Updaters,
        *,
        losses: Sequence[SDVariable] | None = None,
        fetches: Sequence[SDVariable] = (),
        variables: Sequence[SDVariable] | None = None,
        transforms: Sequence[Transform] = (),
        average: Average | None = None,
        minimize: bool = True,
        accumulate: int = 1,
        carry: bool = False,
        on_nan: OnNaN = "raise",
        engine: EngineName | str = "auto",
    ) -> None:
        self.on_nan = on_nan
        self.minimize = flag("minimize", minimize)
        self.accumulate = whole("accumulate", accumulate, least=1)
        self.transforms = tuple(transforms)
        self._sd, self._carry = sd, flag("carry", carry)
        wanted = current_losses(sd) if losses is None else list(losses)
        self._adds = accumulate > 1 and not carry and _add_up(wanted)
        after = values_after(sd)
        self.updaters = chosen(sd, wanted, updater, variables)
        """What it trains, and how."""
        self.trained = tuple(self.updaters)
        """What it trains."""
        outs = (*wanted, *fetches)
        self._names = tuple(v.name for v in outs)
        self._losses, self._is_one = len(wanted), len(outs) == 1
        self._after, self._ends = tuple(after), (len(outs), len(outs) + len(after))
        self._at_once = accumulate == 1 and not after
        """Whether a step may be one call."""
        name = engine_name(engine)
        with sd.transaction():
            gradients = gradients_of(sd, wanted, self.trained)
            self._gradients = tuple(gradients)
            self._told = sorted(range(len(gradients)), key=lambda k: gradients[k].id)
            self.update = Update(
                sd,
                self.updaters,
                transforms=self.transforms,
                average=average,
                minimize=minimize,
                divides=accumulate > 1,
                after=[v.node for v in after],
                engine=name,
            )
            fetched, standing = [*outs, *after.values(), *gradients], self.update.held.standing
            function = Executable(
                sd, fetched, name, check_numerics=False, standing=standing, watched=[*wanted, *gradients]
            )
        self._function = Repeated(function, self._ends[1], self.update.held.on)
        self.watchers: list[Watcher] = []
        """Who is told what goes on within a step, in this order."""
        self._kept: dict[str, dict[int, Array]] = {}
        self._gathered = NOTHING

    def __call__(self, feeds: Feeds | None = None, *, examples: float = 1) -> dict[str, Array]:
        """Train with one batch.

        Args:
            feeds: The batch: values of the placeholders.
            examples: How much it counts among those that are accumulated.

        Returns:
            The losses and the other fetches by name, as they were before the variables changed.

        Raises:
            FeedError: For feeds that are missing, unknown or do not fit.
            NumericsError: If a loss or a gradient is not finite, unless that is to be skipped or ignored; no variable
                has changed.
        """
        if self._at_once and not self.watchers and self._on_nan != "continue":
            if self.update.moves:
                self.update.prepare(self.epoch)
            done = self.update.held.run_both(self._function.both, feeds)
            if done is not None:
                self.left_out = False
                self.step += 1
                return {self._names[0]: done[0]} if self._is_one else dict(zip(self._names, done))  # noqa: B905
        self.update.held.take()
        results, memory = self._function.run(feeds, self.step)
        try:
            # It tells of losses and gradients; where it is not finite, these are looked at.
            looks_good = isfinite(results.pop())
            found = dict(zip(self._names, results))  # noqa: B905  (gradients follow)
            self.left_out = not looks_good and self._on_nan != "continue" and not self._is_finite(results)
            if self.left_out:
                if self._on_nan == "raise":
                    self._refuse(feeds, results)
                self.skipped += 1
            else:
                for watcher in self.watchers:
                    watcher.computed(found)
                self._change(results[self._ends[1] :], results[self._ends[0] : self._ends[1]], examples)
        finally:
            self._function.free(memory)
        self.step += 1
        return found

    def __repr__(self) -> str:
        names, rules = listed([v.name for v in self.trained], "and"), dict.fromkeys(self.updaters.values())
        return f"<TrainingStep {self.step} of {names}, by {listed(rules, 'and')}>"

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "A training step cannot be copied or pickled: it holds variables of its graph.",
            fix="Make one of the copied graph, and give it the state: other.load_state(step.state()).",
        )

    def _is_finite(self, results: Sequence[Array]) -> bool:
        return all(map(is_finite, [*results[: self._losses], *results[self._ends[1] :]]))

    def _refuse(self, feeds: Feeds | None, results: Sequence[Array]) -> None:
        losses = zip(map(self._sd.own, self._names[: self._losses]), results, strict=False)
        gradients = zip(self._gradients, results[self._ends[1] :], strict=True)
        refuse(self._sd, feeds, self.step, dict(losses), dict(zip(self.trained, gradients, strict=True)))

    # ------------------------------------------------------------------ changing variables

    def apply(self, gradients: Sequence[Array], *, examples: float = 1) -> None:
        """Train with gradients that somebody else computed, as with those of a batch.

        Variables that take a value after each step keep theirs.

        Args:
            gradients: One for each of `trained`, in that order, of its shape and dtype.
            examples: How much they count among those that are accumulated.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Sgd
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> loss = sd.loss.l2_loss(w, name="loss")
            >>> step = sd.training_step(Sgd(0.5))
            >>> step.apply([np.array([1, -1], "float32")])
            >>> w.value
            array([0.5, 2.5], dtype=float32)
        """
        self._change(gradients, (), examples)
        self.step += 1

    def _change(self, gradients: Sequence[Array], after: Sequence[Array], examples: float) -> None:
        """Give variables their new values: those that take one, and those that are trained."""
        if self.accumulate == 1:
            self._apply(gradients, after)
            return
        self._gathered = self._gathered.more(gradients, 1.0 if self._adds else examples, self._adds)
        if self._gathered.calls == self.accumulate:
            self._apply(self._gathered.sums, after, self._gathered.examples)
            self._gathered = NOTHING
            return
        if self.update.counts_batches:
            self.update.pass_by(gradients)
        if after:
            self._sd.set_arrays({v.id: a for v, a in zip(self._after, after, strict=True)})

    def _apply(self, gradients: Sequence[Array], after: Sequence[Array] = (), examples: float = 1) -> None:
        if self.watchers and any(watcher.sees_updates for watcher in self.watchers):
            self._apply_watched(gradients, after, examples)
        else:
            self.update(gradients, self.epoch, examples, after)

    def _apply_watched(self, gradients: Sequence[Array], after: Sequence[Array], examples: float) -> None:
        """Update, tell who watches what is subtracted, and take what they make of it; all or nothing of it."""
        held, values = self.update.held, self._sd.values
        old = {v: values[v.id] for v in (*self.trained, *self._after)}
        number, slots = held.number, held.slots()
        try:
            self.update(gradients, self.epoch, examples, after)
            edited = {}
            for v in (self.trained[k] for k in self._told):
                change = old[v] - self._sd.values[v.id]
                before = change.tobytes()
                for watcher in self.watchers:
                    if watcher.sees_updates:
                        watcher.update(v.name, change)
                if change.tobytes() != before:
                    edited[v.id] = old[v] - change
            self._sd.set_arrays(edited)
        except BaseException:
            self._sd.set_arrays({v.id: a for v, a in old.items()})
            held.load(number, slots)
            raise

    def flush(self) -> None:
        """Update with what is accumulated so far, as at the end of an epoch."""
        if self._gathered.calls and not self._carry:
            self._apply(self._gathered.sums, (), self._gathered.examples)
            self._gathered = NOTHING

    # ------------------------------------------------------------------ settings

    @property
    def sd(self) -> OpGraph:
        """The graph that it trains."""
        return self._sd

    @property
    def on_nan(self) -> OnNaN:
        """What happens where a loss or a gradient is not finite; it may be set between two steps."""
        return self._on_nan

    @on_nan.setter
    def on_nan(self, policy: OnNaN) -> None:
        one_of("on_nan", policy, _POLICIES)
        self._on_nan: OnNaN = policy

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update; set it to change a rate that is a number.

        Raises:
            ArgumentError: If there are several, none, or when it is set and follows a schedule.
        """
        return self._rate().at(self.update.number, self.epoch)

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        found = self._rate()
        self.refuse_schedules("step.learning_rate = ...")
        found.value = float(rate)

    def _rate(self) -> Setting:
        rates = [s["learning_rate"] for s in self._rates()]
        if len(rates) != 1:
            raise ArgumentError(
                "There is no one learning rate.",
                given=listed(map(shown, self.update.rules), "and"),
                fix="step.learning_rates() has that of each updater.",
            )
        return rates[0]

    def _rates(self) -> list[dict[str, Setting]]:
        """The settings of updaters that have a learning rate of their own."""
        found = ((u, self.update.settings[u]) for u in self.update.rules)
        return [settings for updater, settings in found if hasattr(updater, "learning_rate")]

    def refuse_schedules(self, who: str) -> None:
        """Raise if a learning rate follows a schedule, which somebody wants to set.

        Raises:
            ArgumentError: If one does.
        """
        for updater in self.update.rules:
            if callable(self.update.settings[updater]["learning_rate"].value):
                raise ArgumentError(
                    f"{who} sets learning rates, and one follows a schedule.",
                    given=shown(updater),
                    fix="Give the updater a number, or leave the other out.",
                )

    def scale_rates(self, factor: float, least: float = 0.0) -> None:
        """Multiply all learning rates, which are numbers, down to a least one."""
        for settings in self._rates():
            rate = settings["learning_rate"]
            rate.value = max(rate.at(0, 0) * factor, least)

    def learning_rates(self) -> dict[Updater, float]:
        """The learning rate of each updater in the next update."""
        u = self.update
        return {updater: u.settings[updater]["learning_rate"].at(u.number, self.epoch) for updater in u.rules}

    # ------------------------------------------------------------------ values and states

    def keep(self, label: str) -> None:
        """Remember the values of all that it changes as they are now."""
        self._kept[label] = {v.id: self._sd.values[v.id] for v in (*self.trained, *self._after)}

    def restore(self, label: str) -> None:
        """Give what it changes the values that were remembered."""
        self._sd.set_arrays(dict(self._kept[label]))

    def averages(self) -> dict[str, Array]:
        """The moving average of each variable that has one, by its name."""
        return {name: kept[AVERAGE].copy() for name, kept in self.update.slots.items() if AVERAGE in kept}

    def take_averages(self) -> None:
        """Give each variable that has one its moving average as its value, as at the end of training."""
        found = self.averages()
        self._sd.set_arrays({v.id: found[v.name] for v in self.trained if v.name in found})

    def state(self) -> dict[str, Array]:
        """All that training goes on with, to the same bits: arrays by keys, which nobody else has.

        ``value:NAME`` are the variables, ``slot:SLOT/NAME`` what updaters keep of them, ``setting:NAME`` learning rates
        and other settings that are numbers, ``kept:LABEL:NAME`` what `keep` remembers, ``sum:NAME`` gradients that are
        accumulated, and ``count:NAME`` how often what happened.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Nesterovs
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> loss = sd.loss.l2_loss(w, name="loss")
            >>> step = sd.training_step(Nesterovs(0.1))
            >>> losses = step()
            >>> sorted(step.state())
            ['count:accumulated', 'count:epoch', 'count:examples', 'count:skipped', 'count:step', 'count:update', \
'setting:learning_rate', 'slot:V/w', 'value:w']
        """
        names = {v.id: v.name for v in (*self.trained, *self._after)}
        found = {f"value:{name}": self._sd.values[i].copy() for i, name in names.items()}
        found |= self.update.state()
        for label, values in self._kept.items():
            found |= {f"kept:{label}:{names[i]}": a.copy() for i, a in values.items()}
        found |= {f"sum:{v.name}": a.copy() for v, a in zip(self.trained, self._gathered.sums, strict=False)}
        counts = {"step": self.step, "epoch": self.epoch, "skipped": self.skipped}
        gathered = {"accumulated": self._gathered.calls, "examples": float(self._gathered.examples)}
        return found | {f"count:{name}": np.array(n) for name, n in (counts | gathered).items()}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state` gave, here or in another step of the same variables and updaters.

        Without ``value:NAME`` a variable keeps the value that it has.

        Raises:
            ArgumentError: If it is the state of another step; names the first part that differs. Nothing has changed.
        """
        names = {v.name: v.id for v in (*self.trained, *self._after)}
        like = {name: self._sd.values[i] for name, i in names.items()}
        trained = [v.name for v in self.trained]
        given = states.checked(state, like, self.update.state(), trained)
        found = {names[name]: a.copy() for name, a in given.values.items()}
        self.update.load_state(given.rest)
        self._kept = {
            label: {names[name]: a.copy() for name, a in values.items()} for label, values in given.kept.items()
        }
        sums = [given.sums[name].copy() for name in trained] if given.sums else []
        counts = given.counts
        self._gathered = Gathered(sums, float(counts["examples"]), int(counts["accumulated"]))
        self.step, self.epoch, self.skipped = (int(counts[name]) for name in ("step", "epoch", "skipped"))
        self._sd.set_arrays(found)


def _add_up(losses: Sequence[SDVariable]) -> bool:
    """Whether losses are sums over the examples of a batch, so that gradients of several batches add up, too.

    Raises:
        ArgumentError: If some are and others are not: their gradients come together.
    """
    sums = [v.name for v in losses if adds_up(v)]
    if sums and len(sums) < len(losses):
        raise ArgumentError(
            "Batches cannot be accumulated where one loss is a sum over examples, and another is a mean.",
            given=f"{listed(sums, 'and')} beside {listed([v.name for v in losses if v.name not in sums], 'and')}",
            fix="Reduce all losses in the same way.",
        )
    return bool(sums)
