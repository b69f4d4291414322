"""Shows a program as code that runs by itself, for a person to read and to put into a test."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph import LossReduce
from sdgraph.build.op import REGISTRY
from tests.fuzz.program import DRAW, GRAD, HVP, Call, Drawn, Given, Leaf, Program, Ref

_MOST_WRITTEN = 64
"""Elements of an array that are written out; a larger one that has one value is made with np.full."""


def code(program: Program, engine: str = "llvm") -> str:
    """Python source: builds the graph, runs it with every set of sizes, and prints what comes back."""
    names = _names(program)
    lines = [
        "import numpy as np",
        "from sdgraph import LossReduce, SameDiff",
        "",
        f"sd = SameDiff(dtype={program.dtype!r})",
    ]
    if "LossReduce" not in repr([c.attrs for _, c in program.calls()]):
        lines[1] = "from sdgraph import SameDiff"
    for number, step in program.steps.items():
        lines.append(
            _leaf(number, step, names, program) if isinstance(step, Leaf) else _call(number, step, names, program)
        )
    outs = ", ".join(names[r] for r in program.outs)
    lines.append(f"f = sd.compile([{outs}], engine={engine!r})")
    for k, run in enumerate(program.runs):
        feeds = [
            f"{names[Ref(n)]!r}: {_values(leaf, run, program)}"
            for n, leaf in program.leaves()
            if leaf.kind == "placeholder"
        ]
        if k:
            lines += [
                f"sd.set_value({names[Ref(n)]}, {_values(leaf, run, program)})"
                for n, leaf in program.leaves()
                if leaf.kind == "variable" and isinstance(leaf.values, Drawn)
            ]
        lines.append(f"print(f({{{', '.join(feeds)}}}))")
    return "\n".join(lines) + "\n"


def _names(program: Program) -> dict[Ref, str]:
    """A Python name for each output of each step: leaves are x0, x1; others v2, v3."""
    names = {}
    for number, step in program.steps.items():
        letter = "x" if isinstance(step, Leaf) else "v"
        several = 1 + max((r.k for r in _refs(program) if r.step == number), default=0)
        for k in range(several):
            names[Ref(number, k)] = f"{letter}{number}" + (f"_{k}" if k else "")
    return names


def _refs(program: Program) -> list[Ref]:
    return [*program.outs, *(a for _, c in program.calls() for a in c.args if isinstance(a, Ref))]


def _leaf(number: int, leaf: Leaf, names: dict[Ref, str], program: Program) -> str:
    name, first = names[Ref(number)], program.runs[0] if program.runs else {}
    if leaf.kind == "placeholder":
        return f"{name} = sd.placeholder({name!r}, {leaf.declared!r}, {leaf.dtype or program.dtype!r})"
    make = "var" if leaf.kind == "variable" else "constant"
    return f"{name} = sd.{make}({name!r}, {_values(leaf, {DRAW: first.get(DRAW, 0)}, program)})"


def _values(leaf: Leaf, run: dict[str, int], program: Program) -> str:
    dtype = np.dtype(leaf.dtype or program.dtype)
    shape, draw_number = leaf.sizes(run), run.get(DRAW, 0)
    array = leaf.values.make(shape, dtype, draw_number)
    if array.size <= _MOST_WRITTEN:
        empty = f".reshape({shape})" if not array.size and len(shape) > 1 else ""
        return f"np.array({array.tolist()!r}, {dtype.name!r}){empty}".replace("nan", "np.nan").replace("inf", "np.inf")
    if (array == array.flat[0]).all():
        return f"np.full({shape}, {array.flat[0].item()!r}, {dtype.name!r})"
    if isinstance(leaf.values, Drawn):
        low, high, seed = leaf.values.low, leaf.values.high, leaf.values.seed
        draw = "uniform" if dtype.kind == "f" else "integers"
        bounds = f"{low}, {high}" if dtype.kind == "f" else f"{int(low)}, {int(high)}"
        return f"np.random.default_rng(({seed}, {draw_number})).{draw}({bounds}, {shape}).astype({dtype.name!r})"
    distinct, places = np.unique(array, return_inverse=True)
    if distinct.size <= _MOST_WRITTEN and places.size <= 64 * _MOST_WRITTEN:
        return (
            f"np.array({distinct.tolist()!r}, {dtype.name!r})[np.array({places.ravel().tolist()!r})].reshape({shape})"
        )
    return f"np.resize(np.array({array.ravel()[:_MOST_WRITTEN].tolist()!r}, {dtype.name!r}), {shape})  # the first few"


def _call(number: int, call: Call, names: dict[Ref, str], program: Program) -> str:
    args = [names[a] if isinstance(a, Ref) else _literal(a) for a in call.args]
    outs = [names[r] for r in sorted((r for r in names if r.step == number), key=lambda r: r.k)]
    if call.op == GRAD:
        wrt = ", ".join(args[1:])
        outs += ["_"] * (len(args) - 1 - len(outs))
        return f"{', '.join(outs)}{',' if len(outs) == 1 else ''} = sd.grad({args[0]}, [{wrt}])"
    if call.op == HVP:
        return f"{outs[0]} = sd.hvp({', '.join(args)})"
    op = REGISTRY[call.op]
    if not op.variadic:
        args = [f"{k}={a}" if a != "None" else "" for k, a in zip(op.operand_names, args, strict=False)]
    settings = [f"{k}={_setting(v)}" for k, v in call.attrs.items()]
    several = f"{', '.join(outs)}, *_" if _gives_several(call) else outs[0]
    return f"{several} = sd.{call.op}({', '.join([a for a in args if a] + settings)})"


def _gives_several(call: Call) -> bool:
    return call.op in {"math.moments", "nn.top_k", "split", "unstack", "linalg.lu", "linalg.qr"}


def _literal(a: Given | None) -> str:
    return "None" if a is None else repr(a.array.tolist())


def _setting(v: Any) -> str:
    if isinstance(v, LossReduce):
        return f"LossReduce.{v.name}"
    if isinstance(v, np.dtype | type):
        return repr(np.dtype(v).name)
    return repr(v)


__all__ = ["code"]
