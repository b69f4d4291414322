"""An operation of a file in a graph: by a row of the table of operations, or as several ops of ours.

Knows which operand stands where. Must not know what other operations a file has, nor in which order they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import SDVariable
from sdgraph.files.samediff.op_table import Input, Row, forms_of
from sdgraph.files.samediff.reading.call import Call, known
from sdgraph.files.samediff.reading.composed import COMPOSED
from sdgraph.files.samediff.reading.stored import Unfit, present, settings

_LISTS: Final = {
    *("axis", "axes", "shape", "begin", "size", "end", "strides", "reps", "repeats", "padding", "sizes"),
    "crop_out_size",
}
"""Settings that are lists where they stand in an array; of others it is one number."""

_NUMBERS_OF_OUTPUTS: Final = {"split": "num_split", "split_v": "num_split", "unstack": "num"}


def is_there(name: str) -> bool:
    """Whether an operation of SameDiff's is one of ours, or several."""
    return bool(forms_of(name)) or name in COMPOSED


def make(call: Call) -> list[SDVariable]:
    """Append an operation; return its outputs.

    Raises:
        Unfit: If it has a form that the graph cannot have.
        SDGraphError: If its operands do not fit.
    """
    rule = COMPOSED.get(call.stored.op)
    found = NotImplemented if rule is None else rule(call)
    if found is NotImplemented:
        found = _by_table(call)
    return list(found) if isinstance(found, tuple | list) else [found]


def _by_table(call: Call) -> Any:
    """Append an operation by the first row of its name that fits."""
    for row in forms_of(call.stored.op):
        names = _names(row, call)
        attrs = None if names is None else settings(row, call.stored)
        if names is not None and attrs is not None:
            return _by_row(row, names, attrs, call)
    raise Unfit("it is stored in a form that is not known")


def _names(row: Row, call: Call) -> list[Input] | None:
    """What each operand is by a row; None if there are more or fewer than it has."""
    n = len(call.operands)
    if any(x.several for x in row.inputs):
        (several,) = row.inputs
        return [several] * n
    told = present(row.i, call.stored.i)
    names = [x for x in row.inputs if told.get(x.name, True)]
    required = sum(1 for x in names if not x.optional or told.get(x.name, False))
    return names[:n] if required <= n <= len(names) else None


def _by_row(row: Row, names: Sequence[Input], attrs: dict[str, Any], call: Call) -> Any:
    """Append the op of a row."""
    op, operands = REGISTRY[row.op], {}
    for x, v in zip(names, call.operands, strict=True):
        if x.is_setting:
            attrs[x.name] = _setting(x.name, known(v, x.name.replace("_", " ")))
        else:
            operands[x.name] = v
    if row.scalar in op.operand_names:
        operands[row.scalar] = call.literal(attrs.pop(row.scalar))
    if "dtype" in op.attr_names and attrs.get("dtype") is None and call.stored.dtype is not None:
        attrs["dtype"] = call.stored.dtype
    counted = _NUMBERS_OF_OUTPUTS.get(row.op)
    if counted is not None and attrs.setdefault(counted, len(call.stored.outputs)) != len(call.stored.outputs):
        raise Unfit(f"it makes {attrs[counted]} outputs, and has {len(call.stored.outputs)}")
    attrs = {k: v.item() if isinstance(v, np.generic) else v for k, v in attrs.items()}
    if op.variadic:
        return call.apply(row.op, *call.operands, name=call.own, **attrs)
    return call.apply(row.op, name=call.own, **operands, **attrs)


def _setting(name: str, array: np.ndarray[Any, Any]) -> Any:
    """A setting that stood in an array."""
    if name not in _LISTS and array.size == 1:
        return array.reshape(()).item()
    return array.tolist()
