"""A segment ready to run: its regions compiled, and the blocks of numbers and pointers they expect.

A segment runs in one call of compiled code, small ones on the caller's thread. Large regions run phase by phase, each
shared among threads by chunks. Calls share nothing that changes but the addresses of code. Must not know plans.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.run.engines import buffers, threads
from sdgraph.run.engines.caches import caches
from sdgraph.run.engines.llvm.divide.cuts import ONCE, OUTER, PART, size_of
from sdgraph.run.engines.llvm.divide.region import Node, Operand, Region, elements_moved, is_literal, read_shapes
from sdgraph.run.engines.llvm.divide.segments import Segment
from sdgraph.run.engines.llvm.scalars.scalar_ops import rule_of, said_rule
from sdgraph.run.engines.llvm.scalars.scans import SCAN_COST, SCANS
from sdgraph.run.engines.llvm.streams import streamed
from sdgraph.run.engines.llvm.translate import crew, laid, machine
from sdgraph.run.engines.llvm.translate.entry import HEAD, MOST_STACK, entry
from sdgraph.run.engines.llvm.write.block import Constant, Stride
from sdgraph.run.engines.llvm.write.edition import edition
from sdgraph.run.engines.llvm.write.emit import Code, Task, at_length, generate
from sdgraph.run.engines.llvm.write.space import keeps_rows, lies_by_lanes, ranges, rows_and_columns, short_rows, sizes
from sdgraph.run.engines.llvm.write.turn import Turn, turning, turning_in_brief

SHARED, LONG = 10.0, 50.0
"""Estimated microseconds from which a region is shared among threads that watch, and from which a call gives up the
interpreter's lock."""
PATIENT = 30_000.0
"""Estimated microseconds of a call from which it waits for the code that shares it: to make that takes about half."""
_INSTRUCTION, _BYTE = 0.25e-3, 0.015e-3
"""Microseconds that a vector instruction takes, and a byte of memory: roughly, on a CPU of today."""

_Loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_Finish = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_BYTE_OF_SCRATCH, _WORD = np.dtype("uint8"), np.dtype("int64")


class Compiled(NamedTuple):
    """One region of a segment with its code."""

    task: Task
    code: Code
    kernel: machine.Kernel
    numbers: tuple[int, ...]
    """The block's numbers as 64-bit patterns."""
    places: tuple[int, ...]
    """The block's pointers as places in the table of arrays and scratch memory."""
    chunks: int
    time: float
    """Estimated microseconds on one thread."""

    @property
    def region(self) -> Region:
        """What it does."""
        return self.task.region

    def source(self) -> str:
        """The code that it runs once there was time to make it."""
        return at_length(self.task, self.code)

    @property
    def shared(self) -> bool:
        """Whether threads share it."""
        return self.chunks > 1 and self.time >= SHARED

    def words(self) -> list[int]:
        """Its part of a program."""
        at = self.kernel.addresses
        phases = [at[f"{kind}{k}"] for k in range(1, self.code.phases + 1) for kind in "kf"]
        words = [at["run"], len(self.numbers), len(self.places), *self.numbers, *self.places]
        words += [self.chunks if self.shared else 1, int(self.time), at["f0"], self.code.phases, *phases]
        return [1 + len(words), *words]


class Runner:
    """What runs a segment: ``run(arrays)`` with the arrays it reads and those it writes.

    It tells whether a check failed: whether one of the numbers that its checks count is not 0.
    """

    def __init__(
        self,
        segment: Segment,
        dtypes: Mapping[int, np.dtype[Any]],
        shapes: Mapping[int, tuple[int, ...]],
        constants: Mapping[int, float],
        *,
        tiny: bool = True,
    ) -> None:
        self.reads, self.writes = segment.reads, segment.writes
        self.table = {v: k for k, v in enumerate((*self.reads, *self.writes))}
        self.objects = len(self.table)
        self.offsets: list[int] = []
        self.bytes = 0
        shared = _shared(segment.regions)
        stored, alone = shared.union(self.writes), set(segment.alone) - shared
        self.regions = []
        aligned = False
        for region in segment.regions:
            needed = [n.id for n in region.nodes if n.memory in stored]
            used = [dtypes[x.value] for n in region.nodes for x in n.operands] + [n.dtype for n in region.nodes]
            width = machine.computer().lanes(8 if np.dtype("float64") in used else 4)
            past = streamed(region, needed, alone, dtypes, shapes, width, caches().last)
            aligned |= bool(past)
            task = Task(region, dtypes, constants, needed, width, machine.computer().features, past, tiny)
            self.regions.append(self._compiled(task, shapes))
        self.counts = tuple(self.table[check.nodes[-1].id] for check in segment.checks)
        self.time = sum(r.time for r in self.regions)
        self.long = self.time >= LONG or aligned
        self.chunks = max((r.chunks for r in self.regions if r.shared), default=1)
        self.program = self._program(self.regions, self.counts)
        self.whole: np.ndarray[Any, Any] | None = None
        """The program for calls that are not to be stopped halfway, if there is one."""
        alone = entry()
        self.small = alone is not None and not self.long and self.chunks == 1 and self.bytes <= MOST_STACK
        self._alone = alone
        self._shares = alone is not None and not self.small and crew.can_watch()
        self._native: Callable[..., int] | None = None
        for r in self.regions:
            for kernel in (r.kernel, *_turning(r.task, r.code)):
                kernel.follow(self)

    def renewed(self, kernel: machine.Kernel) -> None:
        """Go over to better code. All codes do the same on the same block, so calls on their way mind nothing."""
        self.regions = [r._replace(numbers=_numbers(r.task, r.code)) for r in self.regions]
        self.program[:] = self._program(self.regions, self.counts)
        if self.whole is not None:
            self.whole[:] = self._program(self.regions, self.counts, whole=True)

    @property
    def call(self) -> Callable[..., bool | None] | None:
        """``call(program, *arrays)`` runs the segment and tells if a check failed; None where there is no such way."""
        if not self._shares:
            return self._alone if self.small else None
        return self._lead if self.long or self.bytes > MOST_STACK else self._lead_short

    def _place(self, size: int) -> int:
        """A new scratch memory's place in the table."""
        self.offsets.append(self.bytes)
        self.bytes += -(-max(size, 8) // buffers.ALIGN) * buffers.ALIGN
        return self.objects + len(self.offsets) - 1

    def _compiled(self, task: Task, shapes: Mapping[int, tuple[int, ...]]) -> Compiled:
        region, dtypes, width = task.region, task.dtypes, task.width
        code = _code(task)
        known = sizes(region, width, code.sweeps)
        places = []
        for p in code.pointers:
            if p.value < 0:
                several = code.scratch[p.scratch]
                places.append(
                    self._place(8 * (known["chunks"] if several == "sums" else known["parts"] * known[several]))
                )
                continue
            if p.value not in self.table:
                self.table[p.value] = self._place(size_of(shapes[p.value]) * dtypes[p.value].itemsize)
            places.append(self.table[p.value])
        elements = size_of(region.dims) if region.dims is not None else 1
        instructions = sum(_cost(n.op) for n in region.nodes if region.works[n.id] != ONCE) * elements / width
        elements_of = elements_moved(region, shapes)
        moved = sum(elements_of(v) * dtypes[v].itemsize for v in _moved(task))
        time = max(instructions * _INSTRUCTION, moved * _BYTE)
        kernel = machine.kernel(code.text, partial(_at_length, task, code, _rules(region)), edition())
        return Compiled(task, code, kernel, _numbers(task, code), tuple(places), known["chunks"], time)

    def _program(
        self, regions: Sequence[Compiled], counts: Sequence[int] = (), *, whole: bool = False
    ) -> np.ndarray[Any, Any]:
        """What compiled code interprets, as ``layout.ll`` tells."""
        most = max(len(r.numbers) + len(r.places) for r in regions)
        head = [len(self.offsets), self.bytes, len(regions), most, len(counts), int(self.long) << whole]
        assert len(head) == HEAD
        words = [*head, *self.offsets, *counts]
        for r in regions:
            words += r.words()
        return np.array(words, np.int64)

    def again(
        self,
        arrays: Sequence[np.ndarray[Any, Any] | None],
        given: Sequence[int],
        copies: Sequence[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = (),
    ) -> Callable[..., bool | None] | None:
        """What runs the segment on arrays that stay where they are, as `laid.again` has it; None if there is no way.

        It is not stopped halfway.
        """
        if self.whole is None:
            self.whole = self._program(self.regions, self.counts, whole=True)
        program, call = self.whole, self.call
        if call is None:
            return None
        if self.small:
            return laid.again(program, arrays, given, copies)
        standing = list(arrays)

        def run(*others: np.ndarray[Any, Any]) -> bool | None:
            now = standing.copy()
            for k, a in zip(given, others, strict=True):
                now[k] = a
            for to, of in copies:
                to[...] = of
            return call(program, *now)

        return run

    def _state(self) -> np.ndarray[Any, Any]:
        """The state of a call, and its scratch memory."""
        empty = np.empty if self.bytes < buffers.LARGE else buffers.empty
        return empty((crew.STATE + (self.bytes + buffers.ALIGN) // 8,), _WORD)

    def _lead(self, program: np.ndarray[Any, Any], *arrays: np.ndarray[Any, Any]) -> bool | None:
        if self._native is None and self._leader() is None:
            return self._by_itself(program, arrays)
        return crew.run(program, self._state(), arrays, self.chunks, self.time)

    def _lead_short(self, program: np.ndarray[Any, Any], *arrays: np.ndarray[Any, Any]) -> bool | None:
        """Run among those who watch, with the scratch memory on the stack."""
        native = self._native or self._leader()
        if native is None:
            return self._by_itself(program, arrays)
        status = native(program, crew.board, crew.board, *arrays)
        return status != crew.DONE and crew.ended(status, self.chunks)

    def _leader(self) -> Callable[..., int] | None:
        """What leads those who share it, if that is there. Until then a short call runs alone."""
        waits = self.time >= PATIENT or self.bytes > MOST_STACK
        made = crew.crew() if waits else crew.soon()
        self._native = None if made is None else made.lead
        return self._native

    def _by_itself(self, program: np.ndarray[Any, Any], arrays: Sequence[np.ndarray[Any, Any]]) -> bool | None:
        """Run on the caller's thread alone."""
        assert self._alone is not None
        return self._alone(program, *arrays)

    def run(self, arrays: Sequence[np.ndarray[Any, Any]]) -> bool | None:
        """Run on the arrays that are read, then those that are written; true if a check failed."""
        call = self.call
        if call is not None:
            return call(self.program, *arrays)
        table, steps = self._in_python(arrays)
        for step in steps:
            step()
        return any(ctypes.c_int64.from_address(table[k]).value for k in self.counts)

    def steps(self, arrays: Sequence[np.ndarray[Any, Any]]) -> list[Callable[[], object]]:
        """What does each region when its turn comes; for a segment that is not small."""
        if self.call is None:
            return [*self._in_python(arrays)[1]]
        state = self._state()
        return [partial(crew.run, self._program([r]), state, arrays, r.chunks, r.time) for r in self.regions]

    def _in_python(self, arrays: Sequence[np.ndarray[Any, Any]]) -> tuple[list[int], list[Callable[[], None]]]:
        """Where arrays and scratch memory are, and what does each region, where compiled code cannot do it all."""
        scratch = buffers.empty((self.bytes + buffers.ALIGN,), _BYTE_OF_SCRATCH)
        base = scratch.ctypes.data
        base += -base % buffers.ALIGN
        table = [a.ctypes.data for a in arrays] + [base + offset for offset in self.offsets]
        keep = tuple(arrays), scratch
        return table, [partial(_run_region, r, table, keep) for r in self.regions]


def _run_region(r: Compiled, table: Sequence[int], keep: tuple[Any, ...]) -> None:
    numbers = np.array([*r.numbers, *(table[k] for k in r.places)], np.int64)
    block, at = numbers.ctypes.data, r.kernel.addresses
    if r.time < crew.WOKEN or not r.shared:
        _Finish(at["run"])(block)
        return
    _Finish(at["f0"])(block)
    for k in range(1, r.code.phases + 1):
        threads.share(_Loop(at[f"k{k}"]), block, r.chunks, (*keep, numbers))
        _Finish(at[f"f{k}"])(block)


_codes: dict[Any, tuple[Code, tuple[int, ...]]] = {}
_MOST_CODES = 1024


def _code(task: Task) -> Code:
    """The code of a region; one of equal structure is emitted once and gets other values' places."""
    region, dtypes, constants, past = task.region, task.dtypes, task.constants, task.past
    place: dict[int, int] = {}
    nodes = []
    for n in region.nodes:
        operands = tuple(place.setdefault(x.value, len(place)) for x in n.operands)
        seen = tuple(_seen(region, shape, n) for shape in read_shapes(n))
        place.setdefault(n.id, len(place))
        within = tuple(
            None if x.window is None else (place.setdefault(x.memory, len(place)), _ranges(region, x, n))
            for x in (*n.operands, n.result)
        )
        outer = region.kept_outer(n) if region.level[n.id] == OUTER else None
        kind = n.dtype.char, n.reduce, region.works[n.id], region.level[n.id], outer
        # An op that brings its own rule may be defined again.
        nodes.append((n.op, said_rule(n.op), attr_key(n.attrs), operands, seen, place[n.id], within, *kind))
    ids = tuple(place)
    values = tuple((dtypes[i].char, _written(constants[i]) if i in constants else None) for i in ids)
    cut = region.cut.first if ranges(region) else None
    shape = bool(region.split), region.turned, cut, short_rows(region), keeps_rows(region), region.dims is None
    stored = tuple((place[i], past.get(i)) for i in task.stored)
    key = (machine.computer(), task.width, task.tiny, *shape, tuple(nodes), values, stored)
    found = _codes.get(key)
    if found is None:
        if len(_codes) >= _MOST_CODES:
            _codes.clear()
        found = _codes[key] = generate(task), ids
    code, first = found
    if first == ids:
        return code
    now = dict(zip(first, ids, strict=True))
    return code._replace(
        numbers=tuple(k._replace(value=now[k.value]) if isinstance(k, Constant | Stride) else k for k in code.numbers),
        pointers=tuple(p if p.value < 0 else p._replace(value=now[p.value]) for p in code.pointers),
    )


def _at_length(task: Task, code: Code, rules: Sequence[object]) -> str:
    """The code that takes longer to make, of the same rules."""
    text = at_length(task, code)
    if _rules(task.region) != rules:
        raise ValueError("an op was defined again meanwhile")
    return text


def _rules(region: Region) -> list[object]:
    return [said_rule(n.op) for n in region.nodes]


def _numbers(task: Task, code: Code) -> tuple[int, ...]:
    """The numbers of a block."""
    known: dict[Any, int] = {**sizes(task.region, task.width, code.sweeps), **_strides(task.region)}

    def number(key: Any) -> int:
        if isinstance(key, Turn):
            return _turns(key, task.width, known["columns"]).addresses[key.name]
        if isinstance(key, Constant):
            return _bits(task.constants[key.value], task.dtypes[key.value])
        return known.get(key, 0)

    return tuple(map(number, code.numbers))


def _strides(region: Region) -> dict[Any, int]:
    """The steps through all that is a part of another array."""
    found: dict[Any, int] = {}
    for n in region.nodes:
        for x in n.windows:
            level = region.lies(x.shape, n).level
            found.update((Stride(x.value, level, k), step) for k, step in enumerate(region.layout(x, n).steps))
    return found


def _moved(task: Task) -> set[int]:
    """The arrays, and parts of arrays, that a region reads and leaves."""
    region = task.region
    read = {x.value for n in region.nodes for x in n.operands if x.value not in region.level}
    return (read | set(task.stored)).difference(task.constants)


def _turning(task: Task, code: Code) -> list[machine.Kernel]:
    """The kernels whose functions turn rows for a region."""
    _, columns = rows_and_columns(task.region)
    return [_turns(key, task.width, columns) for key in code.numbers if isinstance(key, Turn)]


def _turns(key: Turn, width: int, columns: int) -> machine.Kernel:
    squares = partial(turning, width, key.bytes, columns)
    return machine.kernel(turning_in_brief(width, key.bytes, columns), squares, edition())


def _seen(region: Region, shape: tuple[int, ...], node: Node) -> Any:
    """What code depends on of how something that a node reads lies in rows and columns."""
    found = region.lies(shape, node)
    return found if found.level == PART else found.level


def _ranges(region: Region, x: Operand, node: Node) -> Any:
    """What code depends on of how a part of an array lies there."""
    outer = tuple(outer if outer != (0, region.cut.first) else () for outer in region.layout(x, node).outer)
    return outer, lies_by_lanes(region, x, node)


def _written(number: float) -> str:
    """What the code says of a known number; the value of most is handed over."""
    return repr(number) if is_literal(number) else "number"


def _shared(regions: Sequence[Region]) -> set[int]:
    """What a region makes for another of them."""
    home = {n.memory: k for k, region in enumerate(regions) for n in region.nodes}
    reads = ((x.memory, k) for k, region in enumerate(regions) for n in region.nodes for x in n.operands)
    return {i for i, k in reads if home.get(i, k) != k}


def _bits(number: float, dtype: np.dtype[Any]) -> int:
    if dtype.kind == "f":
        return struct.unpack("<q", struct.pack("<d", number))[0]
    return (int(number) + 2**63) % 2**64 - 2**63  # Large unsigned numbers are negative as signed ones.


def _cost(op: str) -> int:
    rule = rule_of(op)
    return rule.cost if rule is not None else SCAN_COST if op in SCANS else 1
