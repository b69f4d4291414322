"""From a program to a graph of sdgraph, and from its leaves to the arrays of a run.

The same program can be built with every floating dtype replaced by float64. Must not judge anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import SDVariable
from tests.fuzz.program import DRAW, GRAD, HVP, Call, Given, Leaf, Program, Ref


class Builder:
    """Appends the steps of a program to a graph one by one."""

    def __init__(self, dtype: str, *, wide: bool = False) -> None:
        self.wide = wide
        self.dtype = dtype
        self.sd = SameDiff(dtype=self.floating(dtype))
        self.made: dict[Ref, SDVariable] = {}
        self.leaves: dict[str, Leaf] = {}

    def floating(self, dtype: str | None) -> str | None:
        """The dtype to use for one that a program names."""
        return "float64" if self.wide and dtype is not None and np.dtype(dtype).kind == "f" else dtype

    def array(self, leaf: Leaf, run: dict[str, int]) -> np.ndarray:
        """A leaf's values on a run: those that the program's own dtype holds, widened or not."""
        dtype = leaf.dtype or self.dtype
        return leaf.values.make(leaf.sizes(run), np.dtype(dtype), run.get(DRAW, 0)).astype(
            self.floating(dtype), copy=False
        )

    def add(self, number: int, step: Leaf | Call) -> tuple[SDVariable, ...]:
        """Append a step; its outputs."""
        outputs = (self._leaf(f"v{number}", step),) if isinstance(step, Leaf) else self._call(step)
        self.made.update({Ref(number, k): v for k, v in enumerate(outputs)})
        return outputs

    def _leaf(self, name: str, leaf: Leaf) -> SDVariable:
        self.leaves[name] = leaf
        if leaf.kind == "placeholder":
            return self.sd.placeholder(name, leaf.declared, self.floating(leaf.dtype or self.dtype))
        value = self.array(leaf, {})
        return self.sd.var(name, value) if leaf.kind == "variable" else self.sd.constant(name, value)

    def _call(self, call: Call) -> tuple[SDVariable, ...]:
        sd = self.sd
        args = [self._argument(a) for a in call.args]
        if call.op == GRAD:
            return tuple(sd.grad(args[0], args[1:]))
        if call.op == HVP:
            return (sd.hvp(*args),)
        op = REGISTRY[call.op]
        attrs = {k: self.floating(v) if k == "dtype" else v for k, v in call.attrs.items()}
        method = getattr(getattr(sd, op.namespace) if op.namespace else sd, op.name)
        keywords = {} if op.variadic else dict(zip(op.operand_names, args, strict=False))
        result = method(*args, **attrs) if op.variadic else method(**keywords, **attrs)
        return result if isinstance(result, tuple) else (result,)

    def _argument(self, a: Ref | Given | None) -> Any:
        if isinstance(a, Ref):
            return self.made[a]
        return None if a is None else a.array.tolist()

    def arrays(self, kind: str, run: dict[str, int]) -> dict[str, np.ndarray]:
        """The values of all leaves of a kind by name."""
        return {name: self.array(leaf, run) for name, leaf in self.leaves.items() if leaf.kind == kind}

    def set_variables(self, run: dict[str, int]) -> dict[str, np.ndarray]:
        """Give the variables the values they have in a run."""
        values = self.arrays("variable", run)
        for name, array in values.items():
            self.sd.set_value(self.sd[name], array)
        return values


def build(program: Program, *, wide: bool = False) -> Builder:
    """The program's graph."""
    builder = Builder(program.dtype, wide=wide)
    for number, step in program.steps.items():
        builder.add(number, step)
    return builder
