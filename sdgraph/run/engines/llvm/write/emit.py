"""Code of one region as LLVM IR: for each phase a loop function and a function that finishes its sums.

A loop function works on a range of chunks: fixed parts of the space, so that every sum is added in the same order
however many threads share the chunks. Lanes are columns, or rows where rows are short. All functions take one block of
numbers and pointers; sizes are numbers in it, so one code serves all sizes. Must not know plans or how code is run.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines.llvm.divide.cuts import ELEMENT, ONCE, OUTER, ROW
from sdgraph.run.engines.llvm.divide.phases import Manner, Phase, schedule
from sdgraph.run.engines.llvm.divide.region import TAKEN, Node, Region, is_scan
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.scalars.scalar_ops import emit as emit_op
from sdgraph.run.engines.llvm.scalars.scalar_ops import rule_of
from sdgraph.run.engines.llvm.write import takes
from sdgraph.run.engines.llvm.write.accumulators import Variable
from sdgraph.run.engines.llvm.write.block import Block, Pointer, with_pointers
from sdgraph.run.engines.llvm.write.lanes import Lanes
from sdgraph.run.engines.llvm.write.loops import Loops
from sdgraph.run.engines.llvm.write.memory import lanes_below, loop, masked_load, masked_store
from sdgraph.run.engines.llvm.write.once import Once
from sdgraph.run.engines.llvm.write.side_by_side import written_out
from sdgraph.run.engines.llvm.write.space import Sweeps, keeps_rows, short_rows
from sdgraph.run.engines.llvm.write.sweep import Sweep
from sdgraph.run.engines.llvm.write.tiny import without_tiny
from sdgraph.run.engines.llvm.write.turned import Turned

_COSTLY = 10
"""Instructions from which it is quicker to keep an element than to compute it again."""


class Code(NamedTuple):
    """The IR of a region and the block it expects: numbers first, then pointers."""

    text: str
    phases: int
    numbers: tuple[Any, ...]
    """Names of sizes, as `sizes` has them, `Constant` numbers, and each `Turn` whose address is asked for."""
    pointers: tuple[Pointer, ...]
    scratch: tuple[str, ...]
    """Per scratch memory what it holds: ``"sums"``, 8 bytes per chunk, or what it has 8 bytes of for each part."""
    sweeps: Sweeps


class Task(NamedTuple):
    """A region whose code is wanted."""

    region: Region
    dtypes: Mapping[int, np.dtype[Any]]
    constants: Mapping[int, float]
    """Values known as single numbers."""
    stored: Sequence[int]
    """The results that others need."""
    width: int
    features: Collection[str] = ()
    past: Mapping[int, int] = {}
    """Results that are stored past the caches, with the alignment of their vectors."""
    tiny: bool = True
    """Whether numbers below the smallest normal one are what they are, and not 0."""


def generate(task: Task) -> Code:
    """Brief code of a region, which is made quickly."""
    return _Emitter(task, brief=True).run()


def at_length(task: Task, brief: Code) -> str:
    """Code that takes longer to make and less to run. It does what the brief code does, on the same block.

    Raises:
        ValueError: If the block has become another.
    """
    code = _Emitter(task, brief=False, known=brief).run()
    if code._replace(text="") != brief._replace(text=""):
        raise ValueError("the code at length expects another block")
    return written_out(code.text)


def phases_of(region: Region, stored: Collection[int]) -> tuple[list[Phase], dict[int, int]]:
    """The order in the region, as `schedule` tells it."""
    sweeps = not short_rows(region) and not region.turned and OUTER not in region.level.values()
    return schedule(region, stored, Manner(_costly, apart=keeps_rows(region), sweeps=sweeps))


def order_of(task: Task) -> tuple[list[Phase], dict[int, int]]:
    """The order in the region of a task."""
    level = task.region.level
    return phases_of(task.region, {v for v in task.stored if level[v] in (ELEMENT, ROW)})


def _costly(node: Node) -> bool:
    """Whether an element is better kept than computed twice."""
    rule = rule_of(node.op)
    costly = is_scan(node) or (rule is not None and rule.cost >= _COSTLY)
    return costly and node.dtype.kind == "f" and node.dtype.itemsize > 2


def _sweeps(region: Region, phases: Sequence[Phase]) -> Sweeps:
    # In stripes nothing goes through a row as a whole, nor keeps anything of it.
    by_row = ROW in region.level.values() or ROW in region.works.values()
    kept = [sum(n.dtype.itemsize for one in phase.passes for n in one.keeps) for phase in phases if phase.sweeps]
    return Sweeps(not by_row and len(kept) == len(phases), max(kept, default=0))


def _counts(phases: Sequence[Phase]) -> Counter[str]:
    """How often the code has each op on elements."""
    return Counter(n.op for phase in phases for one in phase.passes for n in one.elements)


class _Emitter:
    """All functions of a region."""

    def __init__(self, task: Task, *, brief: bool, known: Code | None = None) -> None:
        region = task.region
        self.block = block = Block(region, task.dtypes, task.constants, task.width, task.features, task.past)
        self.region, self.brief, self.tiny = region, brief, task.tiny
        if known is not None:
            block.numbers.update({key: k for k, key in enumerate(known.numbers)})
            block.pointers.update({p: k for k, p in enumerate(known.pointers)})
        self.phases, self.after = order_of(task)
        block.sweeps = _sweeps(block.region, self.phases)
        if brief:
            several = sum(len(phase.reductions) + len(one.sums) for phase in self.phases for one in phase.passes) > 1
            block.once = Once(_counts(self.phases), several=several)

    def run(self) -> Code:
        """All functions of the region."""
        bodies: list[tuple[str, Callable[[Builder], None]]] = [("f0", lambda b: self._finish(b, None, 0))]
        for k, phase in enumerate(self.phases):
            bodies.append((f"k{k + 1}", lambda b, p=phase: self._loops(b, p).emit()))
            bodies.append((f"f{k + 1}", lambda b, p=phase, k=k: self._finish(b, p, k + 1)))
        builders = []
        for name, body in bodies:
            b = Builder(self.block.width, self.block.features, brief=self.brief)
            if name[0] == "k" and not self.tiny:
                without_tiny(b, lambda b=b, body=body: body(b))
            else:
                body(b)
            builders.append((name, b))
        whole = self._run_all()
        declarations: dict[str, str] = {}
        functions = []
        for name, b in builders:
            declarations.update(b.intrinsics)
            ranges = ", i64 %lo, i64 %hi" if name[0] == "k" else ""
            lines = [*b.allocas, *b.scopes[0].lines, "  ret void"]
            functions.append(f"define void @.{name}(ptr %a{ranges}) {{\nentry:\n" + "\n".join(lines) + "\n}")
        declarations.update(self.block.once.intrinsics)
        functions += self.block.once.texts
        # Code at length of equal brief codes may differ in this.
        pointers = self.block.pointers
        past = [f"; past the caches: {pointers[Pointer(i, -1)]}, {n}" for i, n in self.block.past.items()]
        text = "\n".join([*past, *declarations, *functions, whole])
        return Code(
            sys.intern(with_pointers(text, len(self.block.numbers))),  # Other regions may have the same, which is long.
            len(self.phases),
            tuple(self.block.numbers),
            tuple(self.block.pointers),
            tuple(self.block.scratch),
            self.block.sweeps,
        )

    def _loops(self, b: Builder, phase: Phase) -> Loops:
        kind = Turned if self.region.turned else Lanes if self.block.across else Sweep if phase.sweeps else Loops
        return kind(self.block, b, phase)

    def _run_all(self) -> str:
        calls = ["  call void @.f0(ptr %a)"]
        for k in range(1, len(self.phases) + 1):
            calls += [f"  call void @.k{k}(ptr %a, i64 0, i64 %n)", f"  call void @.f{k}(ptr %a)"]
        at = self.block.number_at("chunks")
        load = [f"  %p = getelementptr i64, ptr %a, i64 {at}", "  %n = load i64, ptr %p"]
        return "define void @.run(ptr %a) {\nentry:\n" + "\n".join([*load, *calls, "  ret void"]) + "\n}"

    def _finish(self, b: Builder, phase: Phase | None, k: int) -> None:
        """Combine the chunks' partial results, then compute what is one number altogether."""
        block, env = self.block, dict[int, Val]()
        for node in phase.reductions if phase is not None else ():
            several = block.several(node)
            if several is None:
                env[node.id] = self._combined(b, node)
                block.store_scalar(b, env[node.id], node.dtype, block.pointer(b, node.id))
            else:
                self._combine_several(b, node, several)
        for node in self.region.nodes:
            if self.region.works[node.id] != ONCE or self.after[node.id] != k:
                continue
            args = [env[x.value] if x.value in env else block.scalar(b, x, fresh=True) for x in node.operands]
            dtypes = [block.dtypes[x.value] for x in node.operands]
            if node.op == TAKEN:
                table, (index, size, stride) = block.pointer(b, node.operands[0].value), args[1:]
                env[node.id] = takes.taken(b, table, node.dtype, takes.Where(index, dtypes[1]), size, stride)
                block.store_scalar(b, env[node.id], node.dtype, block.pointer(b, node.id))
                continue
            env[node.id] = emit_op(b, "cast" if node.reduce else node.op, args, dtypes, node.dtype, node.attrs)
            block.store_scalar(b, env[node.id], node.dtype, block.single(b, node.result))

    def _combined(self, b: Builder, node: Node) -> Val:
        kind = self.block.accumulator(node)
        base = self.block.partial_base(b, node)
        total = Variable(b, kind.identity, vec=False)

        def body(c: Val) -> None:
            p = self.block.at(b, base, c, kind.type)
            v = b.effect(f"load {kind.type}, ptr {p.text}, align 1", kind.type, False)
            total.set(kind.merge(b, total.get(), v))

        loop(b, const(0, "i64"), self.block.number(b, "chunks"), 1, body)
        return kind.narrow(b, total.get())

    def _combine_several(self, b: Builder, node: Node, several: str) -> None:
        kind = self.block.accumulator(node)
        base, out = self.block.partial_base(b, node), self.block.pointer(b, node.id)
        columns, parts = self.block.number(b, several), self.block.number(b, "parts")
        what = "combine", kind.key
        self.block.once.do(b, what, [base, out, columns, parts], lambda b, args: self._combine_columns(b, node, *args))

    def _combine_columns(self, b: Builder, node: Node, base: Val, out: Val, columns: Val, parts: Val) -> None:
        kind = self.block.accumulator(node)

        def over_columns(j: Val) -> None:
            mask = lanes_below(b, j, columns)
            total = Variable(b, kind.identity, vec=True)

            def over_parts(c: Val) -> None:
                index = b.binary("add", b.binary("mul", c, columns), j)
                v = masked_load(b, self.block.at(b, base, index, kind.type), kind.type, mask)
                total.set(kind.merge(b, total.get(), v))

            loop(b, const(0, "i64"), parts, 1, over_parts)
            masked_store(b, kind.narrow(b, total.get()), self.block.at(b, out, j, node.dtype), node.dtype, mask)

        loop(b, const(0, "i64"), columns, self.block.width, over_columns)
