"""Fragments as nodes and functions of a model. The one place that makes protocol buffers of them.

Knows the package onnx and fragments. Must not know ops, nor the graph that is exported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from sdgraph.files.free_names import FreeNames
from sdgraph.files.onnx.fragments import Fragment, Step, Value

DOMAIN: Final = "ai.sdgraph"
"""Of the functions that stand for ops."""


def elem_type(dtype: np.dtype[Any]) -> int:
    """ONNX's number for a dtype."""
    return helper.np_dtype_to_tensor_dtype(dtype)


def set_metadata(proto: Any, entries: Mapping[str, str]) -> None:
    """Give a proto its metadata, in the order of the mapping."""
    for key, value in entries.items():
        proto.metadata_props.add(key=key, value=value)


class Emitter:
    """Makes the functions of a model, and puts fragments into its graph or into one another."""

    def __init__(self, *, opset: int, functions: bool) -> None:
        self.opset = opset
        self.functions: list[FunctionProto] = []
        self._as_functions = functions
        self._names: dict[Fragment, str] = {}
        self._written: dict[tuple[str, bytes], str] = {}
        self._free = FreeNames()

    def function_of(self, fragment: Fragment) -> str:
        """The name of the function that a fragment is; several with one op's name have a number behind it."""
        found = self._names.get(fragment)
        if found is None:
            function = self._written_out(fragment)
            # Calls of other sizes are often written alike.
            key = fragment.name, function.SerializeToString(deterministic=True)
            found = self._written.get(key)
            if found is None:
                found = self._written[key] = function.name = self._free.take(fragment.name)
                self.functions.append(function)
            self._names[fragment] = found
        return found

    def _written_out(self, fragment: Fragment) -> FunctionProto:
        """The function that a fragment is, before it has a name."""
        block = Block(self, FreeNames([*fragment.inputs, *fragment.outputs]))
        names = {k: k for k in (*fragment.inputs, *fragment.outputs)}
        for k, array in fragment.constants.items():
            names[k] = block.constant(k, array)
        for step in fragment.steps:
            block.step(step, names, "")
        return helper.make_function(
            DOMAIN,
            "",
            fragment.inputs,
            fragment.outputs,
            block.nodes,
            [helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, 1)],
            doc_string=fragment.doc or None,
        )

    def is_call(self, fragment: Fragment) -> bool:
        """Whether a fragment becomes the call of a function."""
        return self._as_functions and not fragment.is_operator


def tensor(name: str, array: np.ndarray[Any, Any]) -> TensorProto:
    """An array as ONNX keeps it."""
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def without_data(name: str, array: np.ndarray[Any, Any]) -> TensorProto:
    """What is to be known of an array whose values are elsewhere."""
    return TensorProto(name=name, dims=array.shape, data_type=elem_type(array.dtype))


class Block:
    """Nodes of a graph or of a function that are being put together, and the names that are taken there."""

    def __init__(self, emitter: Emitter, names: FreeNames, initializers: list[TensorProto] | None = None) -> None:
        self.nodes: list[NodeProto] = []
        self._initializers = initializers
        self._emitter = emitter
        self.names = names

    def constant(self, name: str, array: np.ndarray[Any, Any]) -> str:
        """Put in a constant: a graph keeps it apart, a function has nodes only. Gives its name."""
        name = self.names.take(name)
        if self._initializers is not None:
            self._initializers.append(tensor(name, array))
        else:
            self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=tensor(name, array)))
        return name

    def place(self, fragment: Fragment, inputs: Sequence[str], outputs: Sequence[str], name: str) -> NodeProto | None:
        """Put in a fragment between these values; the node that stands for all of it, if one does."""
        emitter = self._emitter
        if emitter.is_call(fragment):
            function = emitter.function_of(fragment)
            node = helper.make_node(function, inputs, outputs, name=name, domain=DOMAIN)
            self.nodes.append(node)
            return node
        names = dict(zip(fragment.inputs, inputs, strict=True)) | dict(zip(fragment.outputs, outputs, strict=True))
        within = f"/{name.removeprefix('/')}/"
        for k, array in fragment.constants.items():
            names[k] = self.constant(within + k, array)
        for step in fragment.steps:
            self.step(step, names, within)
        if len(fragment.steps) > 1 or not self.nodes:
            return None
        self.nodes[-1].name = name
        return self.nodes[-1]

    def step(self, step: Step, names: dict[str, str], within: str) -> None:
        """Put in a step whose values have ``names``; those it makes get theirs here."""
        for out in step.outputs:
            if out not in names:
                names[out] = self.names.take(within + out)
        inputs = [names[k] if k else "" for k in step.inputs]
        outputs = [names[k] for k in step.outputs]
        if isinstance(step.what, Fragment):
            self.place(step.what, inputs, outputs, within + step.name)
            return
        node = helper.make_node(step.what, inputs, outputs, name=names[step.outputs[0]])
        for key, value in step.attrs.items():
            node.attribute.append(self._attribute(key, value, within, names))
        self.nodes.append(node)

    def _attribute(self, key: str, value: Any, within: str, names: Mapping[str, str]) -> onnx.AttributeProto:
        if isinstance(value, np.dtype):
            value = elem_type(value)
        elif isinstance(value, np.ndarray):
            value = tensor("", value)
        elif isinstance(value, Fragment):
            value = self._subgraph(value, within + key, names)
        return helper.make_attribute(key, value)

    def _subgraph(self, fragment: Fragment, within: str, around: Mapping[str, str]) -> GraphProto:
        names = {k: around[k] for k in fragment.captured}
        inner = Block(self._emitter, self.names)
        for k in (*fragment.inputs, *fragment.outputs):
            names[k] = self.names.take(f"{within}/{k}")
        for k, array in fragment.constants.items():
            names[k] = inner.constant(f"{within}/{k}", array)
        for step in fragment.steps:
            inner.step(step, names, f"{within}/")
        told = {v.name: v for v in fragment.told}
        ins, outs = (
            [_value_info(names[k], told.get(k)) for k in several] for several in (fragment.inputs, fragment.outputs)
        )
        return helper.make_graph(inner.nodes, within, ins, outs)


def _value_info(name: str, told: Value | None) -> ValueInfoProto:
    if told is None:
        return ValueInfoProto(name=name)
    shape = [d if type(d) is int else None for d in told.shape]
    return helper.make_tensor_value_info(name, elem_type(told.dtype), shape)
