"""How a graph is trained, in a file, with what SameDiff insists on to go on from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from sdgraph.errors import ArgumentError
from sdgraph.files.samediff import arrays
from sdgraph.files.samediff.configs import slots_of, to_settings
from sdgraph.files.samediff.schema import Record
from sdgraph.files.samediff.training import Training, write_settings
from sdgraph.files.samediff.writing.records import Value
from sdgraph.infer.aval import is_floating
from sdgraph.samediff import SameDiff
from sdgraph.train.updating.updater_state import UpdaterState
from sdgraph.train.updating.updaters import Updater

_WITHOUT: Final = "training=False writes the graph without it."


def training_of(sd: SameDiff) -> Training | None:
    """How a graph is trained, and how far that is; None if it has no configuration.

    Raises:
        ArgumentError: If Java has nothing that trains so.
    """
    if sd.training_config is None:
        return None
    state = sd.updater_state or UpdaterState()
    settings = to_settings(sd.training_config, state.iteration, state.epoch)
    slots = {name: dict(kept) for name, kept in state.slots.items()}
    updater = sd.training_config.updater
    if slots and _was_trained(sd) and isinstance(updater, Updater):
        # Java trains all variables, also those that the losses did not depend on here.
        for v in sd.trainable_variables():
            if v.name not in slots and is_floating(v.dtype):
                slots[v.name] = {slot: np.full_like(v.value, start) for slot, start in updater.slots().items()}
    return Training(settings, slots)


def _was_trained(sd: SameDiff) -> bool:
    return sd.training_kept is not None and sd.training_kept.step is not None


def trained(training: Training, variables: Iterable[Value]) -> Record:
    """The fields of a file whose graph has these variables.

    Raises:
        ArgumentError: If SameDiff would not go on from there.
    """
    updater = training.updater.get("class")
    if type(updater) is not str:
        raise ArgumentError("The training has no updater.", expected="settings={'updater': {'class': 'Adam', ...}}")
    settings = {"data_set_feature_mapping": [], "data_set_label_mapping": [], "iteration_count": 0, **training.settings}
    try:
        fields = Record(training_config=write_settings(settings))
    except (TypeError, ValueError, AttributeError) as e:
        raise ArgumentError(f"The settings of the training are not all plain values: {e}.") from None
    if training.state:
        _check_state(training, updater, {v.name: v for v in variables if v.trained and v.node is None})
        fields["updater_state"] = [_state(name, kept) for name, kept in training.state.items()]
    return fields


def _state(name: str, kept: Mapping[str, Any]) -> Record:
    values = [arrays.from_numpy(value) for value in kept.values()]
    return Record(variable=name, keys=list(kept) or None, values=values or None)


def _check_state(training: Training, updater: str, trained: dict[str, Value]) -> None:
    lacking = sorted(trained.keys() - training.state.keys())
    if lacking:
        raise ArgumentError(
            "The updater's state lacks variables that are trained.",
            given=", ".join(map(repr, training.state)),
            expected=f"entries for {', '.join(map(repr, lacking))} as well, or no state at all",
            fix=_WITHOUT,
        )
    wanted = slots_of(updater)
    for name, kept in training.state.items():
        if wanted is not None and kept.keys() != wanted:
            raise ArgumentError(
                f"The state of {name!r} is not that of {updater}.",
                given=", ".join(kept) or "nothing",
                expected=", ".join(sorted(wanted)) or "no arrays",
                fix=_WITHOUT,
            )
        value = trained.get(name)
        for key, array in kept.items():
            if value is not None and (np.shape(array), np.asarray(array).dtype) != (value.shape, value.dtype):
                raise ArgumentError(
                    f"The state {key!r} of {name!r} is not like the variable.",
                    given=f"{np.asarray(array).dtype} {np.shape(array)}",
                    expected=str(value.aval),
                    fix=_WITHOUT,
                )
