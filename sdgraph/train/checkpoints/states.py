"""The parts of a training step's state, told apart and compared with what the step has.

Must not know what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from sdgraph.errors import ArgumentError, shown
from sdgraph.infer.aval import shape_str

Array = np.ndarray[Any, Any]
_COUNTS = {"step": "i", "epoch": "i", "skipped": "i", "accumulated": "i", "examples": "f"}
"""Counts of a step besides those of its update, and what kind of number each is."""


class Parts(NamedTuple):
    """A state that fits, part by part."""

    values: dict[str, Array]
    kept: dict[str, dict[str, Array]]
    sums: dict[str, Array]
    counts: dict[str, Array]
    rest: dict[str, Array]
    """What the update has of it."""


def checked(
    state: Mapping[str, Any], values: Mapping[str, Array], update: Mapping[str, Array], trained: Sequence[str]
) -> Parts:
    """The parts of a state.

    Args:
        state: What is given.
        values: Those of all variables that the step changes, by name.
        update: The state of the update.
        trained: The names of what is trained.

    Raises:
        ArgumentError: If it is no state of such a step; names the first part that differs.
    """
    parts = Parts({}, {}, {}, {}, {})
    for key, given in state.items():
        array, (kind, _, name) = np.asarray(given), key.partition(":")
        if kind == "value" and name in values:
            parts.values[name] = _like(key, array, values[name])
        elif kind == "kept" and ":" in name:
            label, name = _split(name, values, key)
            parts.kept.setdefault(label, {})[name] = _like(key, array, values[name])
        elif kind == "sum" and name in trained:
            parts.sums[name] = _like(key, array, values[name])
        elif kind == "count" and name in _COUNTS:
            parts.counts[name] = _number(key, array, _COUNTS[name])
        elif key in update:
            parts.rest[key] = _like(key, array, update[key])
        else:
            _refuse(f"a part {shown(key)}, which this step does not have")
    _lacks([*update, *(f"count:{name}" for name in _COUNTS)], state)
    for label, kept in parts.kept.items():
        _lacks([f"kept:{label}:{name}" for name in values], [f"kept:{label}:{name}" for name in kept])
    if parts.sums or parts.counts["accumulated"]:
        _lacks([f"sum:{name}" for name in trained], state)
    return parts


def _split(rest: str, values: Mapping[str, Array], key: str) -> tuple[str, str]:
    """Label and name; either may have colons in it."""
    places = [k for k, c in enumerate(rest) if c == ":"]
    found = next((k for k in places if rest[k + 1 :] in values), None)
    if found is None:
        _refuse(f"a part {shown(key)}, which this step does not have")
    return rest[:found], rest[found + 1 :]


def _like(key: str, given: Array, wanted: Array) -> Array:
    if given.dtype != wanted.dtype or given.shape != wanted.shape:
        of = [f"{a.dtype.name} {shape_str(a.shape)}" for a in (given, wanted)]
        _refuse(f"{shown(key)}: {of[0]}", f"{shown(key)}: {of[1]}")
    return given


def _number(key: str, given: Array, kind: str) -> Array:
    good = given.shape == () and given.dtype.kind in (kind, "u" if kind == "i" else kind) and given >= 0
    if not good:
        _refuse(f"{shown(key)}: {shown(given)}", f"{shown(key)}: a number, 0 or more")
    return given


def _lacks(wanted: Iterable[str], given: Iterable[str]) -> None:
    there = set(given)
    missing = next((key for key in wanted if key not in there), None)
    if missing is not None:
        _refuse(f"no part {shown(missing)}")


def _refuse(given: str, expected: str | None = None) -> NoReturn:
    raise ArgumentError(
        "This is the state of another training step.",
        given=given,
        expected=expected,
        fix="Make the step of the same variables and updaters as the one whose state it is.",
    )
