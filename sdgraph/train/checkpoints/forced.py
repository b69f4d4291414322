"""Of the state of a training step what fits another step: for who goes on from a checkpoint of other training.

Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
State = Mapping[str, Array]


def fitting(mine: State, given: State, now: Mapping[str, str], then: Mapping[str, str]) -> dict[str, Array]:
    """A state like ``mine`` with all of ``given`` that has its shapes, in the dtypes of ``mine``.

    What one updater keeps means nothing to another class of updaters, which begins anew. Rates are what they are now.

    Args:
        mine: The state of the step that goes on.
        given: The state of the other one.
        now: By name of variable, its updater.
        then: The same for the other one.
    """
    changed = {name for name, updater in now.items() if _kind(updater) != _kind(then.get(name, ""))}
    found = dict(mine)
    for key, array in given.items():
        if key in mine and mine[key].shape == array.shape and _counts(key, changed, now):
            found[key] = array.astype(mine[key].dtype)
    names = [key.removeprefix("value:") for key in mine if key.startswith("value:")]
    for label in _labels(given, names):
        for name in names:
            value, kept = found[f"value:{name}"], given.get(f"kept:{label}:{name}")
            fits = kept is not None and kept.shape == value.shape
            found[f"kept:{label}:{name}"] = kept.astype(value.dtype) if kept is not None and fits else value
    return found | _sums(given, found, now)


def _kind(updater: str) -> str:
    return updater.partition("(")[0]


def _counts(key: str, changed: Iterable[str], trained: Iterable[str]) -> bool:
    """Whether a part of a state still means what it did."""
    if key == "count:update":
        return bool({*trained} - {*changed})
    if key.startswith("slot:"):
        return not any(key.endswith(f"/{name}") for name in changed)
    return not key.startswith("setting:") and key not in ("count:accumulated", "count:examples")


def _labels(state: State, names: Iterable[str]) -> list[str]:
    """What values are remembered under."""
    ends = [f":{name}" for name in names]
    kept = [key.removeprefix("kept:") for key in state if key.startswith("kept:")]
    return list(dict.fromkeys(key.removesuffix(end) for key in kept for end in ends if key.endswith(end)))


def _sums(given: State, found: State, trained: Iterable[str]) -> dict[str, Array]:
    """Accumulated gradients, if there is one for each variable."""
    sums: dict[str, Array] = {}
    for name in trained:
        value, array = found[f"value:{name}"], given.get(f"sum:{name}")
        if array is None or array.shape != value.shape:
            return {}
        sums[f"sum:{name}"] = array.astype(value.dtype)
    return {**sums, **{key: given[key] for key in ("count:accumulated", "count:examples")}}
