"""A graph as a model of ONNX: inputs, outputs, values, nodes with what is known of them, and what stands beside them.

Knows the package onnx and the graph. How a call is computed is in the fragments that it is given.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import PureWindowsPath
from typing import Any, Final, NamedTuple

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from sdgraph._version import __version__
from sdgraph.build.graph import Node
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import ITEM, PLACEHOLDER, STREAM
from sdgraph.build.variable import SDVariable
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.errors import GradientError
from sdgraph.files.free_names import FreeNames
from sdgraph.files.onnx.assemble import call_name, read_by
from sdgraph.files.onnx.demand import Demand
from sdgraph.files.onnx.emit import DOMAIN, Block, Emitter, elem_type, set_metadata, tensor, without_data
from sdgraph.files.onnx.fragments import Fragment
from sdgraph.frames.origin import Origin, Place
from sdgraph.infer.aval import Aval
from sdgraph.ops.graph import OpGraph
from sdgraph.store.plain import NotPlain, dumps, encode

METADATA_IR: Final = 10
"""The first version of the format in which nodes and values have metadata."""

DESCRIPTION: Final = "A graph of sdgraph; its functions are operations of sdgraph, written with those of ONNX."


class Settings(NamedTuple):
    """What a caller chose."""

    opset: int
    functions: bool
    origins: bool
    outside: Collection[str] = ()
    """Names of variables and constants whose values are not in the model."""


def make_model(
    sd: OpGraph, fetches: Sequence[SDVariable], needed: Demand, calls: Mapping[int, Fragment], settings: Settings
) -> ModelProto:
    """The model that computes the fetches.

    Args:
        sd: The graph.
        fetches: What it gives, in this order.
        needed: What the fetches need.
        calls: The fragment of each call.
        settings: What the caller chose.
    """
    return _ModelWriter(sd, fetches, needed, calls, settings).model()


class _ModelWriter:
    def __init__(
        self,
        sd: OpGraph,
        fetches: Sequence[SDVariable],
        needed: Demand,
        calls: Mapping[int, Fragment],
        settings: Settings,
    ) -> None:
        self._sd = sd
        self._nodes = sd.nodes
        self._ids = [i for i, flagged in enumerate(needed.need) if flagged]
        self._uses = needed.uses
        self._calls = calls
        self._fetches = fetches
        self._settings = settings
        imports = [helper.make_opsetid("", settings.opset)]
        self._ir = helper.find_min_ir_version_for(imports)
        self._emitter = Emitter(opset=settings.opset, functions=settings.functions)
        avals = [self._nodes[i].aval for i in self._ids if self._nodes[i].op is PLACEHOLDER]
        self._sizes = FreeNames(d for aval in avals for d in aval.shape if type(d) is str)
        self._unknown = 0
        self._places: dict[int, str] = {}
        self._items: dict[int, dict[int, list[str]]] = {}
        for node in (self._nodes[i] for i in self._ids):
            if node.op is ITEM:
                self._items.setdefault(node.inputs[0], {}).setdefault(node.attrs["index"], []).append(node.name)

    def model(self) -> ModelProto:
        nodes, fetched = self._nodes, [v.id for v in self._fetches]
        initializers: list[TensorProto] = []
        block = Block(self._emitter, FreeNames(nodes[i].name for i in self._ids), initializers)
        for i in self._ids:
            node = nodes[i]
            if i in self._calls:
                self._call(block, i, node)
            elif node.op is not PLACEHOLDER and node.op.kind is not VariableKind.ARRAY:
                initializers.append(self._initializer(i, node))
        placeholders = [nodes[i] for i in self._ids if nodes[i].op is PLACEHOLDER]
        inner = [nodes[i] for i in self._ids if self._is_inner(i) and i not in set(fetched)]
        graph = helper.make_graph(
            block.nodes,
            "sdgraph",
            [self._input(node) for node in placeholders],
            [_value_info(nodes[i]) for i in fetched],
            initializers,
            value_info=[_value_info(node) for node in inner],
        )
        imports = [helper.make_opsetid("", self._settings.opset)]
        functions = self._emitter.functions
        model = helper.make_model(
            graph,
            functions=functions,
            opset_imports=imports + ([helper.make_opsetid(DOMAIN, 1)] if functions else []),
            producer_name="sdgraph",
            producer_version=__version__,
            ir_version=self._ir,
            doc_string=DESCRIPTION,
        )
        set_metadata(model, self._about_model())
        return model

    def _is_inner(self, i: int) -> bool:
        """Whether a node is a value that the graph makes: no leaf, and not what stands for several outputs."""
        node = self._nodes[i]
        return node.op.kind is VariableKind.ARRAY and type(node.aval) is Aval

    # ------------------------------------------------------------------ values

    def _initializer(self, i: int, node: Node) -> TensorProto:
        make = without_data if node.name in self._settings.outside else tensor
        out = make(node.name, self._sd.values[i])
        if self._ir >= METADATA_IR:
            set_metadata(out, {"sdgraph.kind": node.op.kind.value, **self._about(node)})
        return out

    def _input(self, node: Node) -> ValueInfoProto:
        shape: list[Any] = []
        for d in node.aval.shape:
            if d is None:
                d, self._unknown = self._sizes.take(f"unk_{self._unknown}"), self._unknown + 1
            shape.append(d)
        out = helper.make_tensor_value_info(node.name, elem_type(node.aval.dtype), shape)
        if self._ir >= METADATA_IR:
            set_metadata(out, self._about(node))
        return out

    # ------------------------------------------------------------------ calls

    def _call(self, block: Block, i: int, node: Node) -> None:
        nodes, fragment = self._nodes, self._calls[i]
        inputs = [nodes[j].name for j in read_by(node, self._uses.get(i))]
        outputs = self._outputs(block, i, node)
        if fragment.bad:
            outputs.append(block.names.take(f"/{call_name(node)}/is_bad"))
        start = len(block.nodes)
        whole = block.place(fragment, inputs, outputs, call_name(node))
        if whole is not None:
            whole.doc_string = fragment.doc
        for name, *others in self._items.get(i, {}).values():
            # Gradients have their own variables for outputs of calls.
            block.nodes += [helper.make_node("Identity", [name], [other], name=other) for other in others]
        if self._ir >= METADATA_IR:
            for made in block.nodes[start:]:
                self._describe(made, node)

    def _outputs(self, block: Block, i: int, node: Node) -> list[str]:
        """The names of a call's outputs: those of its variables, where somebody reads them."""
        if type(node.aval) is Aval:
            return [node.name]
        items = self._items.get(i, {})
        avals: Any = node.aval
        gives = self._uses[i].gives if i in self._uses else range(len(avals))
        return [items[k][0] if k in items else block.names.take(f"/{call_name(node)}/output_{k}") for k in gives]

    # ------------------------------------------------------------------ what stands beside them

    def _about(self, node: Node) -> dict[str, str]:
        """Where a node belongs, and where it comes from."""
        found = {}
        scope = node.name.rpartition("/")[0]
        if scope:
            found["namespace"] = scope
        if self._settings.origins and node.origin is not None:
            # Nodes of one line share the object, and to look a line up takes long.
            key = id(node.origin)
            if key not in self._places:
                self._places[key] = _place(node.origin)
            found["sdgraph.origin"] = self._places[key]
        return found

    def _describe(self, made: NodeProto, node: Node) -> None:
        entries = {"sdgraph.op": node.op.qualname}
        try:
            attrs = {k: encode(v) for k, v in node.attrs.items() if k != STREAM}
            entries["sdgraph.attrs"] = dumps(attrs).decode()
        except NotPlain:
            pass  # A setting of a user's op may be anything.
        set_metadata(made, {**entries, **self._about(node)})

    def _about_model(self) -> dict[str, str]:
        sd, nodes = self._sd, self._nodes
        try:
            losses = [v.id for v in current_losses(sd)]
        except GradientError:
            losses = []
        needed = set(self._ids)
        trained = {v.id for v in sd.trainable_variables()}
        trainable = [i for i in self._ids if i in trained]
        names = {
            "losses": [nodes[i].name for i in losses if i in needed],
            "trainable": [nodes[i].name for i in trainable],
        }
        return {
            "sdgraph.version": __version__,
            "sdgraph.seed": str(sd.seed),
            "sdgraph.dtype": sd.dtype.name,
            **{f"sdgraph.{k}": json.dumps(v, ensure_ascii=False) for k, v in names.items()},
        }


def _place(origin: Origin | Place) -> str:
    """File and line, without the folders of the computer that it is on."""
    return f"{PureWindowsPath(origin.filename).name}:{origin.line}"  # Takes both sorts of slashes.


def _value_info(node: Node) -> ValueInfoProto:
    return helper.make_tensor_value_info(node.name, elem_type(node.aval.dtype), node.aval.shape)
