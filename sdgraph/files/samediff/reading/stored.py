"""One operation as a file stores it, and what its slots say by the templates of the table of operations.

Must not know graphs, nor any operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff import arrays
from sdgraph.files.samediff.op_table import Form, Row, Slot
from sdgraph.files.samediff.schema import ALL_AXES, DTYPE_NAMES, Record
from sdgraph.files.samediff.tables import Damaged
from sdgraph.ops.losses.reduction import LossReduce

_CODES: Final = {name: code for code, name in DTYPE_NAMES.items()}
_PADDINGS: Final = {0: "constant", 1: "reflect", 2: "symmetric"}
_RESIZING: Final = ("bilinear", "nearest", "bicubic", "area", "gaussian", "lanczos3", "lanczos5", "mitchell")
_WHOLE: Final = {"rows", "cols", "n_trials", "dtype"}
"""Settings that are whole numbers but stand among floating ones."""


class Unfit(Exception):
    """Why an operation of a file is none that the graph can have, in a few words for the user."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An operation of a file: its arguments, and the names of the variables that it makes."""

    op: str
    """What SameDiff calls it."""
    t: list[float]
    i: list[int]
    b: list[bool]
    d: list[int]
    dimensions: list[int]
    scalar: np.ndarray[Any, Any] | None
    properties: Mapping[str, Any]
    outputs: tuple[str, ...]
    dtypes: tuple[np.dtype[Any] | None, ...]
    """The dtypes of its outputs by the file, None where it does not say."""

    @classmethod
    def of(cls, record: Record, op: str, outputs: Sequence[str], dtypes: Sequence[np.dtype[Any] | None]) -> Stored:
        """An operation by its record and by what is known of it otherwise.

        Raises:
            Damaged: If its number beside it is none.
        """
        scalar = record["scalar"]
        return cls(
            op,
            record["t"] or [],
            record["i"] or [],
            record["b"] or [],
            record["d"] or [],
            record["dimensions"] or [],
            None if scalar is None else arrays.to_numpy(scalar),
            {p["name"]: _property(p) for p in record["properties"] or () if p["name"]},
            tuple(outputs),
            tuple(dtypes),
        )

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The dtype of the first output."""
        return self.dtypes[0] if self.dtypes else None


def _property(record: Record) -> Any:
    """The value of a property, a list if it has a shape; arrays are left out."""
    for key in ("i", "l", "d", "b", "s"):
        values = record[key]
        if values:
            return values if record["shape"] else values[0]
    return [] if record["shape"] else None


def settings(row: Row, stored: Stored) -> dict[str, Any] | None:
    """The settings that the slots of an operation say by a row of the table; None if they do not fit it.

    Raises:
        Unfit: If a setting has a value that there is not.
    """
    found: dict[str, Any] = dict(row.fixed)
    for slots, values in (
        (row.t, stored.t),
        (row.i, stored.i),
        (row.b, stored.b),
        (row.d, stored.d),
        (row.dimensions, stored.dimensions),
    ):
        if slots or values:
            read = read_slots(slots, values)
            if read is None:
                return None
            found.update(read)
    for setting, name in row.properties:
        if stored.properties.get(name) is not None:
            found[setting] = stored.properties[name]
    if row.scalar:
        if stored.scalar is not None and stored.scalar.size == 1:
            found[row.scalar] = stored.scalar.reshape(())[()]
        elif row.scalar not in found:
            return None
    return {setting: _value(setting, value) for setting, value in found.items()}


def read_slots(slots: Sequence[Slot], values: Sequence[Any]) -> dict[str, Any] | None:
    """The settings in a row of numbers, by templates; None if they do not fit."""
    if slots and slots[-1].form == "rest":
        slots, values = slots[:-1], values[: len(slots) - 1]
    lists = [slot for slot in slots if slot.form in ("list", "axes", "optional")]
    single = slots[: len(slots) - len(lists)]
    n, left = (0, 0) if not lists else divmod(max(0, len(values) - len(single)), len(lists))
    if left or len(values) > len(single) + n * len(lists):
        return None
    found: dict[str, Any] = {}
    for slot, value in zip(single, values, strict=False):
        if slot.form == "literal" and value != slot.default:
            return None
        found[slot.name] = bool(value) if slot.form == "flag" else value
    for slot in single[len(values) :]:
        if slot.default is not None:
            found[slot.name] = bool(slot.default) if slot.form == "flag" else slot.default
        elif slot.form == "one" or slot.form == "flag":
            return None
    for k, slot in enumerate(lists):
        part = _part(slot.form, tuple(values[len(single) + k * n : len(single) + (k + 1) * n]))
        if found.setdefault(slot.name, part) != part:
            return None
    given = {slot.name for slot in slots if slot.form in ("given", "literal", "ignored")}
    return {setting: value for setting, value in found.items() if setting not in given}


def _part(form: Form, values: tuple[Any, ...]) -> Any:
    """What a list of numbers means by its form."""
    if form == "optional":
        return values if len(values) > 1 else values[0] if values else None
    return None if form == "axes" and values in ((), (ALL_AXES,)) else values


def present(slots: Sequence[Slot], values: Sequence[Any]) -> dict[str, bool]:
    """Whether the operands are given that slots tell of."""
    return {slot.name: bool(value) for slot, value in zip(slots, values, strict=False) if slot.form == "given"}


def _value(setting: str, value: Any) -> Any:
    """A setting in our form."""
    if setting in _WHOLE and isinstance(value, float):
        return _value(setting, int(value)) if value == value // 1 else _not_whole(setting, value)
    if setting == "dtype":
        return dtype_of(value)
    if setting == "loss_reduce":
        return reduction_of(value)
    if setting == "mode":
        if value not in _PADDINGS:
            raise Unfit(f"its mode {value} is none")
        return _PADDINGS[value]
    if setting == "method":
        if value not in range(len(_RESIZING)):
            raise Unfit(f"its method {value} is none")
        return _RESIZING[value]
    return value


def _not_whole(setting: str, value: float) -> Any:
    raise Unfit(f"its {setting} is {value}")


def dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype that a code or a name of SameDiff's means.

    Raises:
        Unfit: If it means none, or one that numpy does not have.
    """
    code: Any = _CODES.get(value, value) if isinstance(value, str) else value
    try:
        return arrays.dtype_of(code)
    except Damaged:
        raise Unfit(f"its dtype {DTYPE_NAMES.get(code, code)} is none that numpy has") from None


def reduction_of(number: int) -> LossReduce:
    """The reduction of a loss by SameDiff's number.

    Raises:
        Unfit: If there is no such one.
    """
    try:
        return LossReduce(number)
    except ValueError:
        raise Unfit(f"its reduction {number} is none") from None
