"""Ops that brief code has several times, each as a function: what it does stands in the text once, and calls elsewhere.

A call takes as long to compile as three instructions, and a function as six. The same instructions work on the same
numbers as where an op is written at its place. Must not know loops, regions or plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.scalars.ranges import ANY, Range
from sdgraph.run.engines.llvm.scalars.scalar_ops import emit, rule_of
from sdgraph.run.engines.llvm.write.accumulators import State
from sdgraph.run.engines.llvm.write.vectors import TURN, from_turn

_CALL, _FUNCTION = 3, 6
"""What they take to compile, in instructions."""


class _Function(NamedTuple):
    """A function of the code, and what is known of its result."""

    name: str
    type: str
    vec: bool
    range: Range


class Once:
    """The functions of a region's code, made when they are asked for.

    ``counts`` tells how often the region has each op, ``several`` whether it has several reductions.
    """

    def __init__(self, counts: Mapping[str, int], *, several: bool = False) -> None:
        self._ops = {op for op, count in counts.items() if count > 1 and _is_worth_it(op, count)}
        self._several = several
        self._made: dict[Any, _Function] = {}
        self.texts: list[str] = []
        """What the functions do."""
        self.intrinsics: dict[str, str] = {}

    def emit(
        self,
        b: Builder,
        op: str,
        args: Sequence[Val],
        dtypes: Sequence[np.dtype[Any]],
        out: np.dtype[Any],
        attrs: Mapping[str, Any],
    ) -> Val:
        """The result of an op, as `scalar_ops.emit` gives it."""
        if op not in self._ops or not any(v.vec for v in args):
            return emit(b, op, args, dtypes, out, attrs)
        key = op, tuple(d.char for d in dtypes), out.char, attr_key(attrs)
        return self._called(b, key, args, lambda inner, values: emit(inner, op, values, dtypes, out, attrs))

    def _called(
        self, b: Builder, what: Any, args: Sequence[Val], write: Callable[[Builder, Sequence[Val]], Val]
    ) -> Val:
        """The result of a function that does what ``write`` writes; literals stand in it."""
        variables = {v.text: v for v in args if v.text[0] == "%"}
        names = {text: f"%x{k}" for k, text in enumerate(variables)}
        known = [(v.type, v.vec, b.range(v), text in b.divisors) for text, v in variables.items()]
        key = what, tuple(names.get(v.text, v.text) for v in args), tuple(known)
        made = self._made.get(key)
        if made is None:
            inner = Builder(b.width, b.features, brief=b.brief)
            given = {}
            for (text, v), (_, _, range_, divides) in zip(variables.items(), known, strict=True):
                given[text] = inner.know(Val(names[text], v.type, v.vec, 0), range_)
                if divides:
                    inner.divisors.add(names[text])
            result = write(inner, [given.get(v.text, v) for v in args])
            made = self._made[key] = self._function(inner, list(given.values()), result)
        operands = ", ".join(map(b.typed, variables.values()))
        text = f"call {b.type(made.type, made.vec)} @.{made.name}({operands})"
        return b.know(b.instruction(text, made.type, made.vec, *variables.values()), made.range)

    def take(self, b: Builder, state: State, turn: Val, like: Val) -> None:
        """Let a reduction gather the vectors of a turn that lie in memory, and are as ``like``."""
        known, kind, vec = b.range(like), state.kind, state.vec
        if not known.bounded:  # Then it does not matter between which numbers it lies.
            known = ANY._replace(nan=known.nan)

        def write(b: Builder, places: Sequence[Val]) -> None:
            memory, *variables = places
            values = [b.know(from_turn(b, memory, like.type, const(u, "i64")), known) for u in range(TURN)]
            State(b, kind, vec, [v.text for v in variables]).take_all([(v, None) for v in values])

        places = [Val(v.place, "ptr", False, 0) for v in state.variables]
        self.do(b, ("take", kind.key, vec, like.type, known), [turn, *places], write)

    def do(self, b: Builder, what: Any, args: Sequence[Val], write: Callable[[Builder, Sequence[Val]], None]) -> None:
        """Do in memory what ``write`` writes, which ``what`` tells from all else."""
        if not self._several:  # Otherwise it may well be the only one of its kind.
            write(b, args)
            return
        made = self._made.get(what)
        if made is None:
            inner = Builder(b.width, b.features, brief=b.brief)
            parameters = [Val(f"%x{k}", v.type, v.vec, 0) for k, v in enumerate(args)]
            write(inner, parameters)
            made = self._made[what] = self._function(inner, parameters, None)
        b.line(f"call void @.{made.name}({', '.join(map(b.typed, args))})")

    def _function(self, b: Builder, parameters: Sequence[Val], result: Val | None) -> _Function:
        name = f"o{len(self.texts)}"
        made = _Function(name, "void", False, ANY) if result is None else _of(b, name, result)
        head = f"define internal {b.type(made.type, made.vec)} @.{made.name}({', '.join(map(b.typed, parameters))})"
        lines = [*b.allocas, *b.scopes[0].lines, f"  ret {'void' if result is None else b.typed(result)}"]
        self.texts.append(f"{head} {{\nentry:\n" + "\n".join(lines) + "\n}")
        self.intrinsics.update(b.intrinsics)
        return made


def _of(b: Builder, name: str, result: Val) -> _Function:
    return _Function(name, result.type, result.vec, b.range(result))


def _is_worth_it(op: str, count: int) -> bool:
    rule = rule_of(op)
    return rule is not None and (count - 1) * rule.cost > count * _CALL + _FUNCTION
