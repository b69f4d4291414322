"""From an ONNX model to a graph of sdgraph: reads nodes in order and asks one rule per operator.

Knows models, attributes and how rules are found. Must not know any operator; the rules are in the modules beside.

ONNX has shapes, axes and bounds as tensors; sdgraph has them as settings. A rule that needs one calls `read`, which
evaluates the variable with the feeds of the case. So they are computed by sdgraph where a model computes them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, defs, helper, numpy_helper

from sdgraph import SameDiff, SDVariable
from tests.onnx_cases.collection import Case

RULES: dict[str, Callable[..., Any]] = {}


def onnx_op(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function the rule of ONNX operators.

    It is called with the translation, an operand per input of the node, None for one that is left out, and every
    attribute of the operator by name, with the defaults of its schema and None where that has none. An attribute that
    the function does not take is an error, so none can be forgotten; those that do not matter are taken by ``**`` and
    a name that says why.
    """

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            assert name not in RULES, name
            RULES[name] = rule
        return rule

    return enter


class Translation:
    """One case as a graph.

    Attributes:
        sd: The graph.
        feeds: The inputs of the case by the name of their placeholder.
        outputs: What the model returns.
        n_outputs: How many outputs the node has that is being translated.
    """

    def __init__(self, case: Case, *, sizes: bool = True) -> None:
        """Translate; without ``sizes`` those of the inputs are unknown, but for those that are 1."""
        self.sd = SameDiff()
        self.feeds: dict[str, np.ndarray] = {}
        self._versions = {o.domain: o.version for o in case.model.opset_import}
        self.n_outputs = 0
        graph = case.model.graph
        self._known: dict[str, SDVariable] = {}
        # Up to version 3 of the format initializers were inputs, too.
        initialized = {tensor.name for tensor in graph.initializer}
        names = [v.name for v in graph.input if v.name not in initialized]
        for name, value in zip(names, case.inputs, strict=True):
            self.feeds[name] = value
            shape = [n if sizes or n == 1 else f"size_{len(self.feeds)}_{k}" for k, n in enumerate(value.shape)]
            self._known[name] = self.sd.placeholder(name, shape, value.dtype)
        self._run(graph)
        self.outputs = [self._known[v.name] for v in graph.output]

    def read(self, x: SDVariable) -> np.ndarray:
        """The value of a variable, for what sdgraph has as a setting."""
        return self.feeds[x.name] if x.name in self.feeds else x.eval(self.feeds, engine="numpy")

    def ints(self, x: SDVariable | list[int]) -> list[int]:
        """The value of a variable as whole numbers; versions of some operators have them as an attribute already."""
        return x if isinstance(x, list) else [int(v) for v in np.atleast_1d(self.read(x))]

    def scalar(self, x: SDVariable) -> Any:
        """The value of a variable with one element, as a number of Python."""
        return self.read(x).item()

    def known(self, name: str) -> SDVariable:
        """The variable that an attribute of a node names."""
        return self._known[name]

    def inside(self, graph: GraphProto, *operands: SDVariable) -> tuple[SDVariable, ...]:
        """The outputs of a graph inside of a node, which sees the values around it."""
        self._known.update(zip((v.name for v in graph.input), operands, strict=True))
        self._run(graph)
        return tuple(self._known[v.name] for v in graph.output)

    def _run(self, graph: GraphProto) -> None:
        for tensor in graph.initializer:
            self._known[tensor.name] = self.sd.constant(numpy_helper.to_array(tensor))
        for node in graph.node:
            results = self._apply(node)
            self._known.update(zip(node.output, results, strict=False))

    def _apply(self, node: NodeProto) -> Sequence[SDVariable]:
        operands = [self._known[name] if name else None for name in node.input]
        attributes = _attributes(node, self._versions[node.domain])
        self.n_outputs = len(node.output)
        results = RULES[node.op_type](self, *operands, **attributes)
        return results if isinstance(results, tuple | list) else (results,)


def _attributes(node: NodeProto, version: int) -> Mapping[str, Any]:
    schema = defs.get_schema(node.op_type, version, node.domain)
    values = {name: _value(a.default_value) for name, a in schema.attributes.items()}
    return values | {a.name: _value(a) for a in node.attribute}


def _value(attribute: AttributeProto) -> Any:
    """As Python has it: a text, a number, a list, an array, a graph; None for a default that there is none of."""
    if attribute.type == AttributeProto.UNDEFINED:
        return None
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return numpy_helper.to_array(value) if attribute.type == AttributeProto.TENSOR else value


def dtype_of(elem_type: int) -> np.dtype:
    """The dtype that ONNX has a number for."""
    return helper.tensor_dtype_to_np_dtype(elem_type)
