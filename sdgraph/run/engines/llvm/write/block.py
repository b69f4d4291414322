"""The block of numbers and pointers that a region's code gets, and how code reads what stands there.

Sizes are numbers in it, so one code serves all sizes. Must not know loops.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines.llvm.divide.cuts import COLUMN, ELEMENT, ONCE, OUTER, ROW
from sdgraph.run.engines.llvm.divide.region import Node, Operand, Region, is_literal
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const, type_of
from sdgraph.run.engines.llvm.write.accumulators import Accumulator, accumulator
from sdgraph.run.engines.llvm.write.memory import from_memory, memory_type, to_memory
from sdgraph.run.engines.llvm.write.once import Once
from sdgraph.run.engines.llvm.write.space import Sweeps, axes, short_rows

_POINTER = "<pointer {}>"
"""Stands for a pointer's place while functions are written: pointers come after the numbers, which are counted then."""


def with_pointers(text: str, numbers: int) -> str:
    """The code with the places of pointers, now that there are that many numbers before them."""
    return re.sub(_POINTER.format(r"(\d+)"), lambda m: str(numbers + int(m[1])), text)


class Pointer(NamedTuple):
    """A place in memory that the code reads or writes."""

    value: int
    """Id of a value, or -1 for scratch memory of this region."""
    scratch: int
    """Which scratch memory."""


class Constant(NamedTuple):
    """A value that is one number, known before the code runs."""

    value: int
    """Its id."""


class Stride(NamedTuple):
    """One of the steps that lead through a window, as `Layout` has them."""

    value: int
    """What lies there."""
    level: str
    """The level at which it is read."""
    k: int
    """Which step; 0 is where the window begins."""


class Block:
    """A region, and the numbers, pointers and scratch memory that its code asks for."""

    def __init__(
        self,
        region: Region,
        dtypes: Mapping[int, np.dtype[Any]],
        constants: Mapping[int, float],
        width: int,
        features: Collection[str],
        past: Mapping[int, int],
    ) -> None:
        self.features = features
        self.past = past
        """Results that are stored past the caches, and how their vectors are aligned."""
        self.region = region
        self.dtypes = dtypes
        self.constants = constants
        self.width = width
        self.across = short_rows(region) or region.turned
        """Whether lanes are rows."""
        self.sweeps = Sweeps()
        self.once = Once({})
        self.numbers: dict[Any, int] = {}
        self.pointers: dict[Pointer, int] = {}
        self.scratch: list[str] = []
        self.reductions: dict[int, int] = {}
        """Place of each reduction's partial results."""
        self.divisors = _divisors(region)
        """Of the whole region: an element that is computed again must have the same bits, since maxima are compared."""

    def number_at(self, key: Any) -> int:
        """The place of a number in the block."""
        return self.numbers.setdefault(key, len(self.numbers))

    def number(self, b: Builder, key: Any, type_: str = "i64") -> Val:
        """A number of the block."""
        p = b.instruction(f"getelementptr i64, ptr %a, i64 {self.number_at(key)}", "ptr", False)
        return b.instruction(f"load {type_}, ptr {p.text}, align 1", type_, False, p)

    def single(self, b: Builder, x: Operand) -> Val:
        """Where a value that is one number lies in memory."""
        p = self.pointer(b, x.memory)
        if x.window is None:
            return p
        return self.at(b, p, self.number(b, Stride(x.value, ONCE, 0)), self.dtypes[x.value])

    def pointer(self, b: Builder, value: int, scratch: int = -1) -> Val:
        """A pointer of the block."""
        k = self.pointers.setdefault(Pointer(value, scratch), len(self.pointers))
        p = b.instruction(f"getelementptr i64, ptr %a, i64 {_POINTER.format(k)}", "ptr", False)
        return b.instruction(f"load ptr, ptr {p.text}, align 1", "ptr", False, p)

    def new_scratch(self, what: str) -> int:
        """Scratch memory of this region."""
        self.scratch.append(what)
        return len(self.scratch) - 1

    def at(self, b: Builder, base: Val, index: Val, dtype: np.dtype[Any] | str) -> Val:
        """The address of an element."""
        t = dtype if isinstance(dtype, str) else memory_type(dtype)
        return b.instruction(f"getelementptr {t}, ptr {base.text}, i64 {index.text}", "ptr", False, base, index)

    def scalar(self, b: Builder, x: Operand, *, fresh: bool = False) -> Val:
        """A value that is one number: literal, number of the block, or memory."""
        value = x.value
        dtype = self.dtypes[value]
        t = type_of(dtype)
        if value in self.constants:
            number = self.constants[value]
            if is_literal(number):
                return const(number, t)
            if dtype.kind == "f":
                v = self.number(b, Constant(value), "double")
                return v if t == "double" else b.convert("fptrunc", v, t)
            v = self.number(b, Constant(value))
            return v if t == "i64" else b.convert("trunc", v, t)
        p = self.single(b, x)
        load = f"load {memory_type(dtype)}, ptr {p.text}, align 1"
        v = b.effect(load, memory_type(dtype), False) if fresh else b.instruction(load, memory_type(dtype), False, p)
        return from_memory(b, v, dtype)

    def store_scalar(self, b: Builder, v: Val, dtype: np.dtype[Any], p: Val) -> None:
        """Write one number in the innermost scope."""
        v = to_memory(b, v, dtype)
        b.line(f"store {b.typed(v)}, ptr {p.text}, align 1")

    def several(self, node: Node) -> str | None:
        """What counts the results of a reduction, where each chunk has several."""
        level = self.region.level[node.id]
        if level == OUTER:
            return axes(*self.region.kept_outer(node))
        return "columns" if level == COLUMN else None

    def partial_base(self, b: Builder, node: Node) -> Val:
        """Where a reduction's partial results stand."""
        if node.id not in self.reductions:
            self.reductions[node.id] = self.new_scratch(self.several(node) or "sums")
        return self.pointer(b, -1, self.reductions[node.id])

    def accumulator(self, node: Node) -> Accumulator:
        """How a reduction gathers."""
        assert node.reduce is not None
        return accumulator(node.reduce, self.dtypes[node.operands[0].value], node.dtype)


_QUOTIENTS = frozenset(("math.div", "math.divide_no_nan", "math.xdivy"))


def _divisors(region: Region) -> set[int]:
    """Values that are worth a reciprocal: several are divided by them, or all elements of a row."""
    uses = Counter(n.operands[1].value for n in region.nodes if n.op in _QUOTIENTS)
    wide = set()
    for n in region.nodes:
        if n.op in _QUOTIENTS and region.works[n.id] != ONCE:
            seen = region.lies(n.operands[1].shape, n).level
            if seen == ONCE or (seen == ROW and region.works[n.id] == ELEMENT):
                wide.add(n.operands[1].value)
    return wide | {v for v, count in uses.items() if count > 1}
