"""How each op is written with operators of ONNX, one function per op; those without a counterpart have a reason.

A rule gets a recorder, the operands and the settings of a call. A composite without a rule is exported by its body.
"""

from __future__ import annotations

from sdgraph.files.onnx.registry import REASONS, RULES, Exported
from sdgraph.files.onnx.rules import (  # noqa: F401 - importing a part enters its rules
    activations,
    bits,
    elementwise,
    functions,
    indexing,
    reductions,
    refused,
    shapes,
    windows,
)


def rule(op: str, target: str) -> Exported | None:
    """How an op is exported, by its qualified name; None if it has no rule."""
    return RULES.get((op, target))


def reason(op: str) -> str | None:
    """Why an op has no counterpart; None if nobody says so."""
    return REASONS.get(op)
