"""What stands where in SameDiff's files: the tables with their slots, and the numbers of enumerations.

A file is one FlatBuffers table, `GRAPH`. The reader and the writer take slots, codes and flags from here. Must not know
how bytes are read or written, nor what any op computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sdgraph.build.kinds import VariableKind


class Record(dict[str, Any]):
    """A table as it was read, or is to be written: what it lacks is None."""

    __slots__ = ()

    def __missing__(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Vector:
    """Any number of the same: of numbers, texts or tables."""

    of: str | Table


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of a table in the order of their slots: slot k is entry k."""

    name: str
    fields: tuple[tuple[str, str | Vector | Table], ...]


NUMBERS: Final = {"int8": "<i1", "int32": "<i4", "int64": "<i8", "float64": "<f8", "bool": "?"}
"""Kinds of numbers and how numpy calls them. Other kinds are ``text`` and ``bytes``."""

PAIR: Final = Table("IntPair", (("first", "int32"), ("second", "int32")))
ARRAY: Final = Table(
    "FlatArray",
    (("shape", Vector("int64")), ("buffer", "bytes"), ("dtype", "int8"), ("byte_order", "int8")),
)
"""``shape`` is rank, sizes, strides, flags, element stride and the order's letter."""
PROPERTY: Final = Table(
    "FlatProperties",
    (
        ("name", "text"),
        ("i", Vector("int32")),
        ("l", Vector("int64")),
        ("d", Vector("float64")),
        ("a", Vector(ARRAY)),
        ("b", Vector("bool")),
        ("s", Vector("text")),
        ("shape", Vector("int32")),
    ),
)
VARIABLE: Final = Table(
    "FlatVariable",
    (
        ("id", PAIR),
        ("name", "text"),
        ("dtype", "int8"),
        ("shape", Vector("int64")),
        ("array", ARRAY),
        ("device", "int32"),
        ("kind", "int8"),
        ("control_deps", Vector("text")),
        ("control_deps_for_op", Vector("text")),
        ("control_deps_for_var", Vector("text")),
    ),
)
NODE: Final = Table(
    "FlatNode",
    (
        ("id", "int32"),
        ("name", "text"),
        ("op_type", "int8"),
        ("op_number", "int64"),
        ("properties", Vector(PROPERTY)),
        ("old_inputs", Vector("int32")),
        ("inputs", Vector(PAIR)),
        ("old_outputs", Vector("int32")),
        ("t", Vector("float64")),
        ("i", Vector("int64")),
        ("b", Vector("bool")),
        ("dimensions", Vector("int32")),
        ("device", "int32"),
        ("scope_id", "int32"),
        ("scope_name", "text"),
        ("output_names", Vector("text")),
        ("op_name", "text"),
        ("output_types", Vector("int8")),
        ("scalar", ARRAY),
        ("control_deps", Vector("text")),
        ("control_deps_of_variables", Vector("text")),
        ("control_deps_for", Vector("text")),
        ("d", Vector("int8")),
        ("s", Vector("text")),
    ),
)
"""``t``, ``i``, ``b``, ``d`` and ``s`` are the op's floating, integer, boolean, type and text arguments."""
CONFIGURATION: Final = Table(
    "FlatConfiguration",
    (
        ("id", "int64"),
        ("execution", "int8"),
        ("profiling", "int8"),
        ("output", "int8"),
        ("time_stats", "bool"),
        ("forward_footprint", "int64"),
        ("backward_footprint", "int64"),
        ("direction", "int8"),
    ),
)
UPDATER_STATE: Final = Table(
    "UpdaterState", (("variable", "text"), ("keys", Vector("text")), ("values", Vector(ARRAY)))
)
SEQUENCE: Final = Table("SequenceItem", (("name", "text"), ("arrays", Vector(ARRAY))))
GRAPH: Final = Table(
    "FlatGraph",
    (
        ("id", "int64"),
        ("variables", Vector(VARIABLE)),
        ("nodes", Vector(NODE)),
        ("outputs", Vector(PAIR)),
        ("configuration", CONFIGURATION),
        ("placeholders", Vector("text")),
        ("losses", Vector("text")),
        ("training_config", "text"),
        ("updater_state", Vector(UPDATER_STATE)),
        ("sequences", Vector(SEQUENCE)),
    ),
)

# ---------------------------------------------------------------------- enumerations

KINDS: Final = {
    0: VariableKind.VARIABLE,
    1: VariableKind.CONSTANT,
    2: VariableKind.ARRAY,
    3: VariableKind.PLACEHOLDER,
}

UTF8: Final = 50
BFLOAT16: Final = 17
DTYPES: Final = {
    1: np.dtype("bool"),
    3: np.dtype("float16"),
    5: np.dtype("float32"),
    6: np.dtype("float64"),
    7: np.dtype("int8"),
    8: np.dtype("int16"),
    9: np.dtype("int32"),
    10: np.dtype("int64"),
    11: np.dtype("uint8"),
    12: np.dtype("uint16"),
    13: np.dtype("uint32"),
    14: np.dtype("uint64"),
}
"""The dtypes that numpy has, by code; `BFLOAT16` and `UTF8` are none of them."""
CODES: Final = {dtype: code for code, dtype in DTYPES.items()}
DTYPE_NAMES: Final = {
    1: "BOOL",
    3: "HALF",
    5: "FLOAT",
    6: "DOUBLE",
    7: "BYTE",
    8: "SHORT",
    9: "INT",
    10: "LONG",
    11: "UBYTE",
    12: "UINT16",
    13: "UINT32",
    14: "UINT64",
    BFLOAT16: "BFLOAT16",
    UTF8: "UTF8",
}
"""What SameDiff calls its dtypes."""

LITTLE_ENDIAN: Final = 0
BIG_ENDIAN: Final = 1

SHAPE_FLAGS: Final = {
    1: 524288,
    3: 4096,
    5: 8192,
    6: 16384,
    7: 32768,
    8: 65536,
    9: 131072,
    10: 262144,
    11: 8421376,
    12: 8454144,
    13: 8519680,
}
"""The flags of an array's shape by the code of its dtype."""
EMPTY_FLAG: Final = 8
"""Beside them where an array has no elements."""

# ---------------------------------------------------------------------- ops

ALL_AXES: Final = 2147483647
"""The single axis of a reduction over all axes."""

CONTROL_FLOW: Final = {"enter", "exit", "loop_cond", "merge", "next_iteration", "switch"}
"""The ops of type 119, of which loops and conditions are made."""
