"""What a lowered list promises: primitives in order, all sizes known. Each function tells what is wrong.

Must not know how the list was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sdgraph.build.kinds import ABSENT, VariableKind
from sdgraph.build.op import CONSTANT
from sdgraph.infer.aval import Aval
from sdgraph.lower.contracts import hold
from sdgraph.lower.nodes import LoweredNode


def check(nodes: Sequence[LoweredNode], outs: Sequence[int]) -> None:
    """Raise ContractError unless the list keeps every promise."""
    hold(
        "A lowered list",
        inputs_before_use(nodes),
        primitives_only(nodes),
        concrete_avals(nodes),
        constants_as_said(nodes),
        results_inside(nodes, outs),
    )


def inputs_before_use(nodes: Sequence[LoweredNode]) -> Iterator[str]:
    """A node reads nodes before it, or nothing in place of an optional operand."""
    for i, node in enumerate(nodes):
        wrong = [j for j in node.inputs if j != ABSENT and not 0 <= j < i]
        if wrong:
            yield f"node {i} ({node.op.qualname}) reads {wrong}, which do not come before it"


def primitives_only(nodes: Sequence[LoweredNode]) -> Iterator[str]:
    """No composite is left, and leaves read nothing."""
    for i, node in enumerate(nodes):
        if node.op.is_composite:
            yield f"node {i} is a composite: {node.op.qualname}"
        if node.op.kind is not VariableKind.ARRAY and node.inputs:
            yield f"node {i} is a leaf ({node.op.qualname}) and reads {node.inputs}"


def concrete_avals(nodes: Sequence[LoweredNode]) -> Iterator[str]:
    """Every size and dtype is known, of each output."""
    for i, node in enumerate(nodes):
        if not _is_concrete(node.aval):
            yield f"node {i} ({node.op.qualname}) is {node.aval}"


def _is_concrete(aval: Any) -> bool:
    if type(aval) is Aval:
        return aval.is_static and isinstance(aval.dtype, np.dtype)
    return type(aval) is tuple and all(map(_is_concrete, aval))


def constants_as_said(nodes: Sequence[LoweredNode]) -> Iterator[str]:
    """A constant has a value of its shape and dtype; nothing else has one."""
    for i, node in enumerate(nodes):
        if node.op is not CONSTANT:
            if node.value is not None:
                yield f"node {i} ({node.op.qualname}) has a value and is no constant"
        elif not isinstance(node.value, np.ndarray) or Aval(node.value.shape, node.value.dtype) != node.aval:
            yield f"constant {i} is {node.aval}, and its value is not"


def results_inside(nodes: Sequence[LoweredNode], outs: Sequence[int]) -> Iterator[str]:
    """Results are nodes of the list."""
    return (f"result {o} is no node" for o in outs if not 0 <= o < len(nodes))
