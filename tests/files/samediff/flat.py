"""Files as SameDiff would write them, made from a few words: what tests read.

Encodes by the schema with the package flatbuffers. Must not use what is tested but for the schema itself.
"""

import math

import numpy as np
from flatbuffers import Builder
from flatbuffers import number_types as types

from sdgraph.files.samediff import schema

CODES = {name: code for code, name in schema.DTYPE_NAMES.items()}
NUMPY = {
    "BOOL": "?", "HALF": "f2", "FLOAT": "f4", "DOUBLE": "f8", "BYTE": "i1", "SHORT": "i2", "INT": "i4", "LONG": "i8",
    "UBYTE": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8",
}  # fmt: skip
FLAGS = {
    "int8": types.Int8Flags, "int32": types.Int32Flags, "int64": types.Int64Flags, "float64": types.Float64Flags,
    "bool": types.BoolFlags,
}  # fmt: skip
KIND = {"variable": 0, "constant": 1, "array": 2, "placeholder": 3}


def encode(record, table=schema.GRAPH):
    """The bytes of a file, from nested mappings by the schema."""
    builder = Builder(1024)
    builder.Finish(_table(builder, record, table))
    return bytes(builder.Output())


def _table(builder, record, table):
    places = {name: _child(builder, record[name], kind) for name, kind in table.fields if _is_child(record, name, kind)}
    builder.StartObject(len(table.fields))
    for slot, (name, kind) in enumerate(table.fields):
        if name in places:
            builder.PrependUOffsetTRelativeSlot(slot, places[name], 0)
        elif isinstance(kind, str) and kind in FLAGS:
            builder.PrependSlot(FLAGS[kind], slot, record.get(name) or 0, 0)
    return builder.EndObject()


def _is_child(record, name, kind):
    return record.get(name) is not None and not (isinstance(kind, str) and kind in FLAGS)


def _child(builder, value, kind):
    if isinstance(kind, schema.Table):
        return _table(builder, value, kind)
    if kind == "text":
        return builder.CreateString(value)
    if kind == "bytes":
        return builder.CreateByteVector(value)
    if kind.of in FLAGS:
        width = FLAGS[kind.of].bytewidth
        builder.StartVector(width, len(value), width)
        for x in reversed(value):
            builder.Prepend(FLAGS[kind.of], x)
        return builder.EndVector()
    places = [_child(builder, x, kind.of) for x in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return builder.EndVector()


# ---------------------------------------------------------------------- records


def array(data, dtype, shape=None, order="c"):
    """An array of a file: its numbers big-endian, in one of the two orders."""
    values = np.array(data, ">" + NUMPY[dtype])
    values = values if shape is None else values.reshape(shape)
    steps = [
        math.prod(values.shape[k + 1 :]) if order == "c" else math.prod(values.shape[:k]) for k in range(values.ndim)
    ]
    return {
        "shape": [values.ndim, *values.shape, *steps, 8 if values.size == 0 else 0, 1, ord(order)],
        "buffer": values.tobytes(order.upper()) if values.size else None,
        "dtype": CODES[dtype],
        "byte_order": 1,
    }


def variable(name, place, dtype, kind, *, value=None, shape=None):
    """A variable of a file."""
    return {
        "id": {"first": place[0], "second": place[1]}, "name": name, "dtype": CODES[dtype], "kind": KIND[kind],
        "array": value, "shape": shape, "device": -1,
    }  # fmt: skip


def text_property(name, value):
    """A property as Java writes it: of the type that its value has."""
    values = value if isinstance(value, list) else [value]
    slot = {bool: "b", int: "l", float: "d", str: "s"}[type(values[0])] if values else "l"
    return {"name": name, slot: values, "shape": [len(values)] if isinstance(value, list) else None}


class File:
    """A file that grows by variables and operations."""

    def __init__(self):
        self.variables, self.nodes, self.places, self.losses = [], [], {}, []

    def leaf(self, name, kind, dtype, data=None, shape=None):
        """Add a variable, a constant or a placeholder."""
        self.places[name] = (len(self.places) + 1, 0)
        value = None if kind == "placeholder" else array(data, dtype, shape)
        shape = shape if kind == "placeholder" else None
        self.variables.append(variable(name, self.places[name], dtype, kind, value=value, shape=shape))
        return name

    def op(self, op, inputs, outputs, *, number=(21, 0), properties=None, scalar=None, **slots):
        """Add an operation; outputs are names with dtypes."""
        own = len(self.places) + 1
        for k, (name, dtype) in enumerate(outputs):
            self.places[name] = (own, k)
            self.variables.append(variable(name, (own, k), dtype, "array"))
        self.nodes.append({
            "id": own, "name": f"node_{own}", "op_name": op, "op_type": number[0], "op_number": number[1],
            "inputs": [{"first": a, "second": b} for a, b in (self.places[name] for name in inputs)],
            "output_names": [name for name, _ in outputs], "output_types": [CODES[dtype] for _, dtype in outputs],
            "properties": [text_property(*item) for item in (properties or {}).items()], "scalar": scalar, **slots,
        })  # fmt: skip

    def record(self, **more):
        """The table of the whole file."""
        placeholders = [v["name"] for v in self.variables if v["kind"] == 3]
        return {
            "variables": self.variables, "nodes": self.nodes, "outputs": [], "placeholders": placeholders,
            "losses": self.losses, "sequences": [], **more,
        }  # fmt: skip

    def write(self, path, **more):
        """Write the file."""
        path.write_bytes(encode(self.record(**more)))
        return path
