"""The cases that the onnx package carries: small models, their inputs, and the outputs that they must have.

Most document one operator each. Others were exported by PyTorch, which computed their outputs. Knows how the package
keeps them. Must not know operations.
"""

import functools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, SequenceProto, TensorProto, helper, numpy_helper, version_converter
from onnx.backend.test.case import node
from onnx.backend.test.loader import load_model_tests

NUMPY_LACKS = "A data type that numpy lacks."
NO_ARRAY = "A text, a sequence, or an optional that may be absent."


@dataclass(frozen=True)
class Case:
    """A model with the feeds of one run and what must come out, within the tolerances that the package gives."""

    name: str
    model: ModelProto
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    rtol: float
    atol: float

    @property
    def ops(self) -> set[str]:
        """The ONNX operators of the graph, and of the graphs inside of its nodes."""
        return set(_operators(self.model.graph))

    @property
    def unfit(self) -> str | None:
        """Why some value of the case, or inside of its model, is none that sdgraph can hold; else None."""
        values = [*self.inputs, *self.outputs]
        if not all(isinstance(v, np.ndarray) for v in values):
            return NO_ARRAY
        if any(v.dtype.kind in "OUS" for v in values):
            return NO_ARRAY
        graph = self.model.graph
        declared = [v.type.tensor_type.elem_type for v in (*graph.input, *graph.output, *graph.value_info)]
        dtypes = [v.dtype for v in values] + [helper.tensor_dtype_to_np_dtype(t) for t in declared if t]
        return None if all(d.isbuiltin == 1 for d in dtypes) else NUMPY_LACKS


def _operators(graph: GraphProto) -> Iterator[str]:
    for n in graph.node:
        yield n.op_type
        for attribute in n.attribute:
            yield from _operators(attribute.g)


def _as_array(value: Any) -> Any:
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, np.ndarray) or value is None or isinstance(value, Sequence):
        return value
    return np.asarray(value) if np.isscalar(value) or isinstance(value, np.generic) else value


@functools.cache
def collected() -> dict[str, Case]:
    """All cases by name."""
    return _of_operators() | _in_files()


def _of_operators() -> dict[str, Case]:
    """Made by running the code that documents each operator, which takes seconds."""
    with warnings.catch_warnings():
        # That code overflows and divides by zero to make its expected values.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = node.collect_testcases(None)
    cases = {}
    for case in found:
        ((inputs, outputs),) = case.data_sets
        arrays = (tuple(map(_as_array, inputs)), tuple(map(_as_array, outputs)))
        cases[case.name] = Case(case.name, case.model, *arrays, case.rtol, case.atol)
    return cases


KINDS = ("simple", "pytorch-operator", "pytorch-converted")
OPSET = 21
"""What models of old opsets are converted to: by then shapes and axes were inputs."""


def _in_files() -> dict[str, Case]:
    cases = {}
    for kind in KINDS:
        for found in load_model_tests(kind=kind):
            folder = Path(found.model_dir)
            model = onnx.load(folder / "model.onnx")
            if all(o.domain == "" and o.version < OPSET for o in model.opset_import):
                model = version_converter.convert_version(model, OPSET)
            name = f"{kind}/{found.name}"
            values = (
                _values(model, folder / "test_data_set_0", "input"),
                _values(model, folder / "test_data_set_0", "output"),
            )
            cases[name] = Case(name, model, *values, found.rtol, found.atol)
    return cases


def _values(model: ModelProto, folder: Path, side: str) -> tuple[Any, ...]:
    known = {tensor.name for tensor in model.graph.initializer}
    declared = [v for v in getattr(model.graph, side) if v.name not in known]
    return tuple(_value(v.type, (folder / f"{side}_{k}.pb").read_bytes()) for k, v in enumerate(declared))


def _value(declared: onnx.TypeProto, data: bytes) -> Any:
    if declared.HasField("tensor_type"):
        return numpy_helper.to_array(TensorProto.FromString(data))
    return numpy_helper.to_list(SequenceProto.FromString(data))
