"""The node cases that the onnx package carries: small models, their inputs, and the outputs that they must have.

Knows how the package keeps them. Must not know operations.
"""

import functools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnx.backend.test.case import node

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
    """All cases by name. They are made by running the code that documents each operator, which takes seconds."""
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
