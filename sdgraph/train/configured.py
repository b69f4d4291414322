"""What a graph is told of its training beforehand: a configuration, and where the updater stands.

Knows graphs. Must not know data or loops.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.build.kinds import VariableKind
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.train.config import TrainingConfig
from sdgraph.train.step import TrainingStep
from sdgraph.train.updating.updater_state import UpdaterState

if TYPE_CHECKING:
    from sdgraph.train.updating.choosing import Updaters
    from sdgraph.train.updating.transforms import Transform
    from sdgraph.train.weighting import Weighted


class Kept:
    """What a graph keeps of its training: the last step, with what was asked for, and whether there is one going on."""

    def __init__(self) -> None:
        self.going_on = threading.Lock()
        self.question: Any = None
        self.form: Any = None
        self.step: TrainingStep | None = None
        self.weighted: dict[Any, Weighted] = {}


_making = threading.Lock()


def kept_of(sd: Any) -> Kept:
    """What a graph keeps; made when it is asked for first."""
    with _making:
        found = sd.training_kept
        if found is None:
            found = sd.training_kept = Kept()
        return found


def set_config(sd: Any, config: TrainingConfig | None) -> None:
    """Keep a configuration with a graph; see `SameDiff.set_training_config`."""
    if config is not None:
        check_config(sd, config)
        if config.minimized:
            sd.set_loss_variables(config.minimized)
    sd.training_config = config
    set_state(sd, None)


def check_config(sd: Any, config: TrainingConfig) -> TrainingConfig:
    """The configuration, if it is one of the graph.

    Raises:
        ArgumentTypeError: If it is none.
        ArgumentError: If it feeds what is no placeholder, or evaluates against no label.
        UnknownVariableError: If it names a variable that is not there.
    """
    if not isinstance(config, TrainingConfig):
        raise ArgumentTypeError(
            "This is no training configuration.",
            given=shown(config),
            expected="a TrainingConfig",
            fix="End the builder with .build()." if hasattr(config, "build") else None,
        )
    for mapping, names in config.fed.items():
        for name in names:
            if sd.own(name).kind is not VariableKind.PLACEHOLDER:
                raise ArgumentError(f"{name!r} is no placeholder, so it cannot be fed.", given=f"{mapping} {name!r}")
    for one in (*config.train_evaluations, *config.validation_evaluations):
        sd.own(one.variable)
        config.label(one.label_index)
    return config


def config_of(sd: Any) -> TrainingConfig | None:
    """The configuration of a graph, if it has one."""
    return sd.training_config


# ---------------------------------------------------------------------- where the updater stands


def state_of(sd: Any) -> UpdaterState | None:
    """Where the last step stands, or where the next one begins."""
    kept = sd.training_kept
    return sd._training_begins if kept is None or kept.step is None else UpdaterState.of(kept.step)


def set_state(sd: Any, state: UpdaterState | None) -> None:
    """Let the next step begin there, whatever the last one was."""
    if state is not None and not isinstance(state, UpdaterState):
        raise ArgumentTypeError("This is no state of an updater.", given=shown(state), expected="an UpdaterState")
    if sd.training_kept is not None:
        sd.training_kept.step = sd.training_kept.question = None
    sd._training_begins = state


def begin(sd: Any, step: TrainingStep, updater: Updaters | None, config: TrainingConfig | None) -> None:
    """Let a new step go on from the last one, if both are of the graph's configuration; else where the graph says.

    What the last one did not train begins anew.

    Raises:
        ArgumentError: If what the graph says does not fit the step.
    """
    last = None if sd.training_kept is None else sd.training_kept.step
    if config is not None and config.updater == updater:
        if last is not None and set(last.updaters.values()) == set(step.updaters.values()):
            UpdaterState.of(last).give(step, complete=False)
        elif last is None and sd._training_begins is not None:
            sd._training_begins.give(step)
    sd._training_begins = None


def own_step(
    sd: Any,
    updater: Updaters | None,
    transforms: Sequence[Transform] | None,
    minimize: bool | None,
    **settings: Any,
) -> TrainingStep:
    """A step for a loop of somebody's own; see `SameDiff.training_step`."""
    if updater is not None:
        return TrainingStep(sd, updater, transforms=transforms or (), minimize=minimize is not False, **settings)
    config = sd.training_config
    if config is None or config.updater is None:
        raise no_updater()
    step = TrainingStep(
        sd,
        config.updater,
        losses=[sd.own(name) for name in config.minimized] or None,
        transforms=config.regularization if transforms is None else transforms,
        minimize=config.minimize if minimize is None else minimize,
        **settings,
    )
    begin(sd, step, config.updater, config)
    kept = kept_of(sd)
    # For `fit` it is the last step, whatever it asked.
    kept.step, kept.question = step, None
    return step


def no_updater() -> ArgumentError:
    """What to say where there is none."""
    return ArgumentError(
        "Nothing says how variables are to change.",
        fix="Give an updater, such as updater=sdgraph.train.Adam(1e-3), or set_training_config.",
    )
