"""`SameDiff.to_onnx`: what is asked for is checked, all that cannot be exported is told at once, and a file is written.

The package onnx is asked for here, and used where protocol buffers are made.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sdgraph.build.graph import Node
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import ITEM
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, is_whole, one_of
from sdgraph.errors import ArgumentError, MissingDependencyError, SDGraphError, shown
from sdgraph.files.onnx.assemble import Assembler, call_name, no_type
from sdgraph.files.onnx.demand import Demand, demand
from sdgraph.files.onnx.fragments import Fragment
from sdgraph.files.onnx.registry import TARGETS
from sdgraph.ops.graph import OpGraph
from sdgraph.wording import byte_size

if TYPE_CHECKING:
    from onnx import ModelProto

OLDEST_OPSET: Final = 18
"""Before it reductions had no axes that are values, and bits no operators."""

MOST_BYTES: Final = 2**31 - 2**20
"""What one protocol buffer holds, but for the graph around the values."""

SMALL: Final = 1024
"""Bytes of an array that is in the model in any case."""

WEIGHTS: Final = ("inline", "external")

_VARIABLES_SHOWN: Final = 3


def to_onnx(
    sd: OpGraph,
    fetches: Any,
    path: Path | None,
    *,
    opset: int,
    functions: bool,
    target: str,
    weights: str,
    origins: bool,
    checks: bool,
) -> ModelProto:
    """Make a model of what the fetches need, and write it; see `SameDiff.to_onnx`."""
    _check_settings(path, opset, target, weights)
    functions, origins, checks = flag("functions", functions), flag("origins", origins), flag("checks", checks)
    wanted = _wanted(sd, fetches)
    needed = demand(sd.nodes, [v.id for v in wanted])
    need = needed.need
    calls = _calls(sd, needed, Assembler(sd, opset=opset, target=target, checks=checks))
    values = {sd.nodes[i].name: sd.values[i] for i, flagged in enumerate(need) if flagged and i in sd.values}
    outside = {k: a for k, a in values.items() if a.nbytes > SMALL} if weights == "external" else {}
    _check_size(sum(a.nbytes for k, a in values.items() if k not in outside))

    from sdgraph.files.onnx.model import Settings, make_model

    model = make_model(sd, wanted, needed, calls, Settings(opset, functions, origins, outside.keys()))
    if path is not None:
        from sdgraph.files.onnx.write import write

        write(model, path, outside)
    return model


def _wanted(sd: OpGraph, fetches: Any) -> list[SDVariable]:
    """The variables to give, each once."""
    try:
        found = list(dict.fromkeys(sd.several(fetches)))
    except SDGraphError as e:
        if isinstance(fetches, os.PathLike) or (isinstance(fetches, str) and fetches.endswith(".onnx")):
            e.fix = 'The first argument is what to export: sd.to_onnx(loss, "model.onnx").'
        raise
    if not found:
        raise ArgumentError("There is nothing to export.", expected="at least one variable for the model to give")
    return found


def _check_settings(path: Path | None, opset: Any, target: Any, weights: Any) -> None:
    newest = _newest_opset()
    if not is_whole(opset, OLDEST_OPSET, newest):
        raise ArgumentError(
            "Models are not written for this opset.",
            given=f"opset={shown(opset)}",
            expected=f"a whole number from {OLDEST_OPSET} to {newest}, the newest that the installed onnx knows",
        )
    one_of("target", target, TARGETS)
    one_of("place of weights", weights, WEIGHTS)
    if weights == "external" and path is None:
        raise ArgumentError(
            "weights='external' writes a file beside the model, so the model needs one.", fix="Give a path."
        )


def _newest_opset() -> int:
    try:
        import onnx
    except ImportError:
        raise MissingDependencyError(
            "ONNX models need the package onnx, which is not installed.", fix="pip install 'sdgraph[onnx]'"
        ) from None
    return onnx.defs.onnx_opset_version()


def _check_size(nbytes: int) -> None:
    if nbytes > MOST_BYTES:
        raise ArgumentError(
            "A file of ONNX holds at most 2 GB.",
            given=f"{byte_size(nbytes)} of values",
            fix='Write them into a file beside it: to_onnx(..., path, weights="external").',
        )


# ---------------------------------------------------------------------- what there is, and what there is not


def _calls(sd: OpGraph, needed: Demand, assembler: Assembler) -> dict[int, Fragment]:
    """The fragment of each call that is needed.

    Raises:
        ArgumentError: If some have none; names all of them.
    """
    found: dict[int, Fragment] = {}
    lacking: dict[tuple[str, str], list[Node]] = {}
    in_gradients = sd.gradient_flags()
    for i, flagged in enumerate(needed.need):
        node = sd.nodes[i]
        if not flagged or node.op is ITEM:
            continue
        if node.op.kind is not VariableKind.ARRAY:
            why = no_type(node.aval)
            if why is not None:
                lacking.setdefault((node.op.qualname, why), []).append(node)
            continue
        fragment = assembler.node(sd.nodes, i, needed.uses.get(i), inner=bool(in_gradients[i]))
        for op, why in fragment.refused:
            within = "" if op == node.op.qualname else f" in {node.op.qualname}"
            lacking.setdefault((op + within, why), []).append(node)
        found[i] = fragment
    if lacking:
        raise _refusal(lacking)
    return found


def _refusal(lacking: dict[tuple[str, str], list[Node]]) -> ArgumentError:
    lines = []
    for (op, why), nodes in lacking.items():
        shown_ones = [
            f"{call_name(n)!r}" + (f" made at {n.origin}" if n.origin else "") for n in nodes[:_VARIABLES_SHOWN]
        ]
        more = f" and {len(nodes) - _VARIABLES_SHOWN} more" if len(nodes) > _VARIABLES_SHOWN else ""
        lines.append(f"{op}: {why}; {', '.join(shown_ones)}{more}")
    return ArgumentError(
        "These operations have no counterpart in ONNX.",
        given="\n".join(lines),
        fix="Export what comes before them or after them: compute these values elsewhere, and feed them.",
    )
