"""What a region must do at least: the memory it goes through, and the instructions its operations are made of.

Instructions are counted in what the rules of operations write for one vector, each pass for itself. So they are an
estimate: loads, stores and what a loop takes to count are not among them, and the compiler may save some. Must not know
LLVM or plans.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines.caches import caches
from sdgraph.run.engines.limits import Instructions, Touch
from sdgraph.run.engines.llvm.divide.cuts import COLUMN, ELEMENT, ONCE, OUTER, PART, ROW, size_of
from sdgraph.run.engines.llvm.divide.phases import Phase
from sdgraph.run.engines.llvm.divide.region import (
    COLUMN_INDEX,
    TAKEN,
    Node,
    Operand,
    Region,
    elements_moved,
    is_literal,
    is_scan,
    parts_taken,
)
from sdgraph.run.engines.llvm.divide.segments import Division
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.scalar_ops import emit, rule_of
from sdgraph.run.engines.llvm.scalars.scans import scan_of
from sdgraph.run.engines.llvm.write.emit import phases_of
from sdgraph.run.engines.llvm.write.scans import Carried
from sdgraph.run.engines.llvm.write.space import rows_and_columns, short_rows

_KINDS = {
    "products": frozenset(("fmul", "fma", "fmuladd", "mul", "scalef")),
    "sums": frozenset(("fadd", "fsub", "fcmp", "icmp", "minnum", "maxnum", "rint", "floor", "ceil", "nearbyint")),
    "divisions": frozenset(("fdiv", "frem", "sqrt", "udiv", "sdiv", "urem", "srem")),
}
"""Instructions and intrinsics by kind; those of no kind are `others`."""
_FREE = frozenset(("bitcast", "fneg", "getelementptr", "load", "store", "br", "insertelement"))
"""What is part of another instruction, or goes another way."""
_INTRINSIC = re.compile(r"^call \S* ?.*?@llvm\.(?:x86\.avx512\.)?(?:mask\.)?(\w+)")
_PER_VECTOR = Instructions(sums=2.0)
"""What a reduction takes of each vector: to gather it, and its part of widening what was gathered."""


class Values(NamedTuple):
    """What is known of the values of a division."""

    dtypes: Mapping[int, np.dtype[Any]]
    shapes: Mapping[int, tuple[int, ...]]
    constants: Mapping[int, float]

    @classmethod
    def of(cls, division: Division) -> Values:
        """Those of a division."""
        return cls(division.dtypes, division.shapes, division.constants)

    def bytes(self, value: int) -> int:
        """The size of an array."""
        return size_of(self.shapes[value]) * self.dtypes[value].itemsize


def _order(region: Region, stored: Collection[int]) -> list[Phase]:
    """The loops over a region's space, one after another."""
    return phases_of(region, {v for v in stored if region.level[v] in (ELEMENT, ROW)})[0]


# ---------------------------------------------------------------------- memory


def touches(region: Region, stored: Collection[int], values: Values) -> list[Touch]:
    """The arrays that a region goes through: each once in every loop over its space.

    The passes over a row find it in a cache, unless it is too long for one. Single numbers do not count.
    """
    found: list[Touch] = []
    moved = elements_moved(region, values.shapes)
    for phase in _order(region, stored):
        per_pass = [_reads(nodes, region, values) for nodes in _by_pass(phase)]
        read = dict.fromkeys(v for reads in per_pass for v in reads)
        ends = dict.fromkeys(n.id for n in (*phase.reductions, *phase.element_roots, *phase.row_roots))
        written = [v for v in ends if region.level[v] != ONCE]
        found += [Touch(v, moved(v) * values.dtypes[v].itemsize, 0) for v in read]
        found += _again(region, phase, per_pass, written, values)
        found += [Touch(v, 0, values.bytes(v)) for v in written]
    return found


def _by_pass(phase: Phase) -> list[list[Node]]:
    """What reads arrays: per pass, what comes before with the first and after with the last."""
    several = [[*p.elements, *p.sums, *p.rows] for p in phase.passes]
    several[0] = [*phase.first_rows, *several[0]]
    several[-1] += [*phase.element_roots, *phase.row_roots]
    return several


def _reads(nodes: Iterable[Node], region: Region, values: Values) -> list[int]:
    """The arrays from outside of the loop that nodes read, and sums of columns that an earlier loop made."""
    read = dict.fromkeys(x.value for n in nodes for x in n.operands)
    return [v for v in read if v not in values.constants and region.level.get(v, COLUMN) in (COLUMN, OUTER)]


def _again(
    region: Region, phase: Phase, per_pass: Sequence[Sequence[int]], written: Sequence[int], values: Values
) -> list[Touch]:
    """What later passes over rows read once more, where a row is too long to stay near."""
    rows, columns = rows_and_columns(region)
    if not region.split or len(phase.passes) < 2:
        return []
    taken = parts_taken(region)
    whole = [v for reads in per_pass for v in reads if v not in taken and size_of(values.shapes[v]) >= rows * columns]
    row = sum(values.bytes(v) for v in {*whole, *(v for v in written if region.level[v] == ELEMENT)}) / max(rows, 1)
    if row <= caches().second:
        return []
    seen: set[int] = set()
    found = []
    for reads in per_pass:
        found += [Touch(v, values.bytes(v), 0, row) for v in reads if v in seen and v in whole]
        seen.update(reads)
    return found


# ---------------------------------------------------------------------- instructions


def operations(region: Region, stored: Collection[int]) -> int:
    """Floating operations on all elements, as many as the rules say; what passes compute anew counts anew."""
    found = 0
    for phase in _order(region, stored):
        nodes = [n for p in phase.passes for n in (*p.elements, *p.sums, *p.rows)]
        nodes += [*phase.first_rows, *phase.element_roots, *phase.row_roots]
        for n in nodes:
            rule = rule_of(n.op)
            found += (rule.cost if rule is not None else 1) * size_of(n.space if n.reduce else n.shape)
    return found


def instructions(
    region: Region, stored: Collection[int], values: Values, width: int, features: Collection[str]
) -> Instructions:
    """Vector instructions of all loops, by kind."""
    rows, columns = rows_and_columns(region)
    across = short_rows(region) or region.turned
    # The last vector of a row may not be full.
    vectors = -(-rows // width) * columns if across else max(1, rows) * -(-columns // width)
    # Where lanes are columns, what works on rows is not in vectors.
    row_vectors = -(-rows // width) if across else 0
    total = Instructions()
    for phase in _order(region, stored):
        for k, one in enumerate(phase.passes):
            ending = (*one.sums, *(phase.element_roots if k == len(phase.passes) - 1 else ()))
            gathered = sum(n.reduce is not None for n in ending)
            count = _Count(region, values, width, features)
            total += (count.of(one.elements) + _PER_VECTOR * gathered) * vectors
            if row_vectors:
                total += _Count(region, values, width, features).of(one.rows) * row_vectors
    return total


class _Count:
    """What the rules of nodes write for one vector: equal instructions once, and none that are the same for all."""

    def __init__(self, region: Region, values: Values, width: int, features: Collection[str]) -> None:
        self.region, self.values = region, values
        self.across = short_rows(region) or region.turned
        self.b = Builder(width, features)
        self.known: dict[int, Val] = {}

    def of(self, nodes: Sequence[Node]) -> Instructions:
        """The instructions for some nodes, which are computed one after another."""
        self.b.open()
        calls = sum(self._node(n) for n in nodes)
        return _counted(self.b.close()) + Instructions(others=calls)

    def _node(self, n: Node) -> float:
        """Write a node; what calls of the library in it take, which is not written."""
        b, lines = self.b, self.b.scopes[-1].lines
        if n.op == COLUMN_INDEX:
            self.known[n.id] = self._given(n.id, n.dtype, vec=True)
            return 0.0
        if n.op == TAKEN:
            # A piece of memory for all lanes, or an element for each.
            self.known[n.id] = self._given(n.id, n.dtype, vec=True)
            return 0.0 if self._alike(n.operands[1], n) else self.b.width
        args = [self.known.get(x.value) or self._operand(x, n) for x in n.operands]
        if is_scan(n):
            carried = Carried(b, scan_of(n.op, n.attrs), n.dtype, across=self.across, backward=n.attrs["backward"])
            self.known[n.id] = carried.take(args, [self.values.dtypes[x.value] for x in n.operands], None)
            return 0.0
        before = len(lines)
        op = "cast" if n.reduce else n.op
        v = emit(b, op, args, [self.values.dtypes[x.value] for x in n.operands], n.dtype, n.attrs)
        self.known[n.id] = b.splat(v)
        rule = rule_of(op)
        if rule is None or not any(_calls_library(line) for line in lines[before:]):
            return 0.0
        del lines[before:]
        return rule.cost

    def _operand(self, x: Operand, n: Node) -> Val:
        """What is there before: an element for each lane, or a number for all of them."""
        return self._given(x.value, self.values.dtypes[x.value], vec=not self._alike(x, n))

    def _alike(self, x: Operand, n: Node) -> bool:
        """Whether it is the same for all lanes."""
        lying = self.region.lies(x.shape, n)
        seen = self.region.level.get(x.value) or lying.level
        along = lying.inner if self.region.turned else lying.columns
        alike = not along if seen == PART else seen == (COLUMN if self.across else ROW)
        return x.value in self.values.constants or seen == ONCE or alike

    def _given(self, value: int, dtype: np.dtype[Any], *, vec: bool) -> Val:
        number = self.values.constants.get(value)
        if number is not None and is_literal(number):
            return const(number, type_of(dtype))
        return Val(f"%x{value}", type_of(dtype), vec, self.b.depth if vec else 0)


def _calls_library(line: str) -> bool:
    return "call " in line and "@llvm." not in line


def _counted(lines: Iterable[str]) -> Instructions:
    found = dict.fromkeys(Instructions._fields, 0.0)
    for line in lines:
        kind = _kind(line.split(" = ", 1)[-1].strip())
        if kind:
            found[kind] += 1
    return Instructions(**found)


def _kind(text: str) -> str:
    """The kind of an instruction; empty for none that counts."""
    word = text.split(" ", 1)[0]
    if word.endswith(":") or word in _FREE:
        return ""
    if word == "call":
        intrinsic = _INTRINSIC.match(text)
        word = intrinsic[1] if intrinsic else word
    return next((kind for kind, words in _KINDS.items() if word in words), "others")
