"""Gradients that somebody else computed, applied to variables by an optimizer, as loops of one's own do.

The rule is compiled once for the variables of the first call, as for a training step. Must not know models or data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.checks import not_negative
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, shown
from sdgraph.infer.aval import is_floating, shape_str
from sdgraph.run.engines.choice import engine_name
from sdgraph.train.updating.gathered import NOTHING
from sdgraph.train.updating.update import Update
from sdgraph.train.updating.updaters import Updater
from sdgraph.wording import listed

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _OfBatches:
    """A schedule that counts batches where several make one update, as Keras' schedules do."""

    schedule: Callable[..., Any]
    several: int

    def __call__(self, step: int, epoch: int = 0) -> float:
        return self.schedule((step + 1) * self.several - 1, epoch)


def counting_batches(updater: Any, several: int) -> Any:
    """An updater whose schedule counts batches, if it has one and several make one update."""
    rate: Any = getattr(updater, "learning_rate", None)
    if several == 1 or not callable(rate):
        return updater
    return replace(updater, learning_rate=_OfBatches(rate, several))


def batches_of_an_update(settings: Any) -> int:
    """How many batches make one update."""
    return getattr(settings, "gradient_accumulation_steps", None) or 1


def rate_at_first(settings: Any) -> float:
    """The learning rate of the first update."""
    rate: Any = getattr(settings, "learning_rate", 1.0)
    now: Any = rate(0, 0) if callable(rate) else rate
    return float(now)


def refuse_schedule(settings: Any, who: str) -> None:
    """Raise if the learning rate follows a schedule, which somebody wants to set.

    Raises:
        ArgumentError: If it does.
    """
    if callable(getattr(settings, "learning_rate", None)):
        raise ArgumentError(
            f"{who} sets the learning rate, and it follows a schedule.",
            given=shown(settings),
            fix="Give the optimizer a number, or leave the other out.",
        )


# ---------------------------------------------------------------------- what a caller gives


def paired(pairs: Iterable[Any]) -> tuple[list[Any], list[SDVariable]]:
    """Gradients and variables of pairs of both.

    Raises:
        ArgumentTypeError: If it gives something else.
    """
    try:
        found = [(gradient, v) for gradient, v in pairs]
    except (TypeError, ValueError) as e:
        raise ArgumentTypeError(
            "Gradients and variables come in pairs.",
            given=shown(pairs),
            fix="optimizer.apply_gradients(zip(gradients, model.trainable_weights))",
        ) from e
    return [gradient for gradient, _ in found], [v for _, v in found]


def unscaled(settings: Any, gradients: list[Array]) -> list[Array]:
    """Gradients of a loss that was scaled by ``loss_scale_factor``, as those of the loss."""
    scale = getattr(settings, "loss_scale_factor", None)
    return gradients if scale is None else [g / g.dtype.type(scale) for g in gradients]


def ready(gradient: Any, v: SDVariable) -> Array:
    """A gradient as an array of the variable's shape and dtype.

    Raises:
        ArgumentError: If there is none.
        ArgumentTypeError: If it is a variable of a graph.
        ShapeError: If it has another shape.
        DTypeError: If it holds no floats.
    """
    if isinstance(gradient, SDVariable):
        raise ArgumentTypeError(
            f"The gradient of {v.name!r} is a variable: what is applied are arrays.",
            given=repr(gradient),
            fix="Compute it: gradient.eval(feeds).",
        )
    if gradient is None:
        raise ArgumentError(
            f"There is no gradient of {v.name!r}, which is trained.",
            fix="Give zeros, or make a constant of it by its convert_to_constant().",
        )
    array = np.asarray(gradient)
    if array.dtype != v.dtype:
        if array.dtype.kind not in "fiu":
            raise DTypeError(
                f"The gradient of {v.name!r} holds no floats.", given=array.dtype.name, expected=v.dtype.name
            )
        with np.errstate(over="ignore"):
            array = array.astype(v.dtype)
    if array.shape != v.shape:
        raise ShapeError(
            f"The gradient of {v.name!r} has another shape.",
            given=shape_str(array.shape),
            expected=shape_str(v.shape),
        )
    return array


def _check(variables: Sequence[Any]) -> None:
    """Raise unless these are variables of one graph that can be trained."""
    for v in variables:
        if not isinstance(v, SDVariable) or v.kind is not VariableKind.VARIABLE or not is_floating(v.dtype):
            raise ArgumentTypeError(
                "Gradients are applied to floating variables.",
                given=shown(v),
                fix="optimizer.apply_gradients(zip(gradients, model.trainable_weights))",
            )
    names = [v.name for v in variables]
    if len({id(v.sd) for v in variables}) > 1 or len({*names}) < len(names):
        raise ArgumentError("Gradients are applied to variables of one graph, each once.", given=listed(names, "and"))


# ---------------------------------------------------------------------- the state


class Applying:
    """What an optimizer keeps of the variables that it was applied to, and the compiled rule."""

    def __init__(self, settings: Updater) -> None:
        self._settings = settings
        self._several = batches_of_an_update(settings)
        self._updater: Updater = counting_batches(settings, self._several)
        self._known: tuple[SDVariable, ...] = ()
        """The variables of the first call: the optimizer is theirs."""
        self._changes: list[SDVariable] = []
        """What the last call changed."""
        self._update: Update | None = None
        self._state: dict[str, Array] = {}
        """What is kept of variables that the last call did not change."""
        self._gathered = NOTHING
        self._rate: float | None = None

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[SDVariable] | None = None) -> None:
        """Update all at one moment; see `Applies.apply`."""
        gradients, variables = matched(grads, trainable_variables, self._known)
        if not gradients:
            return
        given = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        changes = [v for _, v in given]
        others = changes != self._changes
        if others or any(v.kind is not VariableKind.VARIABLE for v in changes):
            _check(variables)
        arrays = unscaled(self._settings, [ready(g, v) for g, v in given])
        if others:
            self._turn_to(changes, variables)
        update: Any = self._update
        if self._several == 1:
            update(arrays, 0)
            return
        gathered = self._gathered.more(arrays, 1.0, False)
        if gathered.calls == self._several:
            update(gathered.sums, 0, gathered.examples)
            gathered = NOTHING
        elif update.counts_batches:
            update.pass_by(arrays)
        self._gathered = gathered

    def _turn_to(self, changes: Sequence[SDVariable], variables: Sequence[SDVariable]) -> None:
        """Compile the rule for other variables than before, and go on with what is kept of them."""
        unknown = [v.name for v in variables if self._known and v not in self._known]
        if unknown:
            raise ArgumentError(
                f"The optimizer has not seen {listed(unknown, 'and')} before: it is used for other variables.",
                given=listed([v.name for v in variables], "and"),
                expected=f"some of {listed([v.name for v in self._known], 'and')}",
                fix="Make another optimizer for them.",
            )
        left_out = [v.name for v in self._known or variables if v not in changes]
        if left_out and (self._gathered.calls or getattr(self._settings, "use_ema", False)):
            raise ArgumentError(
                f"There is no gradient of {listed(left_out, 'and')}.",
                fix="With use_ema, and within an accumulation, each variable has one: give zeros, or leave it out of "
                "all calls.",
            )
        several = self._several > 1
        update = Update(
            changes[0].sd, dict.fromkeys(changes, self._updater), divides=several, engine=engine_name("auto")
        )
        if self._update is not None:
            state = self._all()
            update.load_state(update.state() | {k: a for k, a in state.items() if k in update.state()})
            self._state = state
        elif self._rate is not None:
            self._set(update, self._rate)
        self._changes, self._update = [*changes], update
        self._known = self._known or tuple(variables)

    def _all(self) -> dict[str, Array]:
        """What is kept of all variables. What is one number for all has gone on with the last update."""
        state = self._state | (self._update.state() if self._update is not None else {})
        for slot in type(self._updater).shared:
            newest = state.get(f"slot:{slot}/{self._changes[0].name}") if self._changes else None
            if newest is not None:
                state |= {f"slot:{slot}/{v.name}": newest for v in self._known}
        return state

    def _set(self, update: Update, rate: float) -> None:
        update.settings[self._updater]["learning_rate"].value = rate

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        if self._update is None:
            return rate_at_first(self._settings) if self._rate is None else self._rate
        return self._update.settings[self._updater]["learning_rate"].at(self._update.number, 0)

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if self._update is None:
            self._rate = rate
        else:
            self._set(self._update, rate)

    @property
    def iterations(self) -> int:
        """How many updates there were."""
        return 0 if self._update is None else self._update.number

    @property
    def variables(self) -> dict[str, Array]:
        """What is kept of each variable, by ``NAME/SLOT``."""
        return slots_of(self._all())

    def state(self) -> dict[str, Array]:
        """What is kept, by the keys of a training step's state; empty before the first call."""
        gathered, names = self._gathered, [v.name for v in self._changes]
        sums = {f"sum:{name}": a.copy() for name, a in zip(names, gathered.sums, strict=False)}
        counts = {"accumulated": gathered.calls, "examples": float(gathered.examples)}
        return self._all() | sums | {f"count:{name}": np.array(n) for name, n in counts.items()}


def slots_of(state: Mapping[str, Array]) -> dict[str, Array]:
    """What is kept of variables, by ``NAME/SLOT``, of a training step's state."""
    found = {key: key.removeprefix("slot:").partition("/") for key in state if key.startswith("slot:")}
    return {f"{name}/{slot}": state[key] for key, (slot, _, name) in found.items()}


# ---------------------------------------------------------------------- what optimizers offer


class Applies:
    """What makes an optimizer one that gradients are given to.

    What is kept of variables belongs to the object: a copy of it, and an equal one, begins anew. A model that was
    compiled with the object keeps it for both; if there are several, the last one.
    """

    _OWN: Final = ("_applying", "_use")

    def works_for(self, use: Any) -> None:
        """Be the optimizer of a model from now on."""
        self.__dict__["_use"] = use
        self.__dict__.pop("_applying", None)

    def _kept(self) -> Any:
        """Who keeps what is kept of variables."""
        found = self.__dict__.get("_use") or self.__dict__.get("_applying")
        if found is None:
            mine: Any = self
            found = self.__dict__["_applying"] = Applying(replace(mine))
        return found

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, SDVariable]]) -> int:
        """Update variables by their gradients, all at one moment.

        Args:
            grads_and_vars: Pairs of an array and a variable, as from ``zip(gradients, model.trainable_weights)``. A
                variable whose gradient is None stays as it is.

        Returns:
            How many updates there were.

        Raises:
            ArgumentError: If there is no gradient at all, a variable of which the first call did not know, or
                variables of several graphs. Nothing has changed then.
            ShapeError: If a gradient has another shape than its variable.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph.keras import optimizers
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> optimizer = optimizers.SGD(0.5)
            >>> optimizer.apply_gradients([([1.0, -1.0], w)])
            1
            >>> w.value
            array([0.5, 2.5], dtype=float32)
        """
        self.apply(*paired(grads_and_vars))
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[SDVariable] | None = None) -> None:
        """Update variables by their gradients; see `apply_gradients`.

        Args:
            grads: The gradients.
            trainable_variables: The variables, in the same order; those of the first call by default.
        """
        self._kept().apply(grads, trainable_variables)

    @property
    def iterations(self) -> int:
        """How many updates there were by `apply`."""
        return self._kept().iterations

    @property
    def variables(self) -> dict[str, Array]:
        """Arrays that are kept of variables, by ``NAME/SLOT``."""
        return self._kept().variables

    def scale_loss(self, loss: Any) -> Any:
        """A loss times ``loss_scale_factor``, by which `apply` divides its gradients."""
        factor = getattr(self, "loss_scale_factor", None)
        return loss if factor is None else loss * factor

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in self._OWN}


def matched(
    grads: Sequence[Any], variables: Sequence[SDVariable] | None, known: Sequence[SDVariable]
) -> tuple[list[Any], list[SDVariable]]:
    """Gradients and variables, as many of each; none at all is fine.

    Raises:
        ArgumentError: If there are more of one, or no variables, or every gradient is None.
    """
    gradients, several = list(grads), list(known if variables is None else variables)
    if len(gradients) != len(several):
        raise ArgumentError(
            "There is one gradient for each variable.", given=f"{len(gradients)} gradients, {len(several)} variables"
        )
    if gradients and all(g is None for g in gradients):
        raise ArgumentError("There is no gradient of any variable.", given=shown(several))
    return gradients, several


def set_rate(self: Any, name: str, value: Any) -> None:
    """What an optimizer does when an attribute is set: only the learning rate can be.

    Raises:
        ArgumentError: For another one, for a schedule, and for what is no rate.
    """
    if name != "learning_rate":
        raise ArgumentError(
            "Of an optimizer only the learning rate can be set.",
            given=f"{name}={shown(value)}",
            fix="Make another optimizer.",
        )
    refuse_schedule(self, "An assignment")
    rate = float(not_negative("learning_rate", value))
    self._kept().learning_rate = rate
    object.__setattr__(self, "learning_rate", rate)
