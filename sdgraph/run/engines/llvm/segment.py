"""A segment ready to run: its regions compiled, and the blocks of numbers and pointers they expect.

Small segments run on the caller's thread in one call. Large ones run phase by phase, each shared among threads by
chunks. Calls share nothing that changes. Must not know plans.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.attributes import attr_key
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.divide.region import ONCE, Node, Operand, Region, access, is_literal, size_of
from sdgraph.run.engines.llvm.scalars.scalar_ops import rule_of, said_rule
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.translate.entry import MOST_STACK, entry
from sdgraph.run.engines.llvm.write.emit import Code, generate, short_rows, sizes

_ALIGN = 64
SHARED = 80.0
"""Estimated microseconds from which a region is shared among threads, and a call gives up the interpreter's lock."""
_INSTRUCTION, _BYTE = 0.4e-3, 0.08e-3
"""Microseconds that a vector instruction takes, and a byte of memory: roughly, on a CPU of today."""

_Loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_Finish = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Functions(NamedTuple):
    """What is called of a region's code."""

    run: Any
    """All phases, on one thread."""
    first: Any
    """What comes before the first phase."""
    phases: tuple[tuple[Any, Any], ...]
    """Per phase its loop over chunks, and what finishes it."""


def _functions(kernel: machine.Kernel, phases: int) -> Functions:
    at = kernel.addresses
    loops = tuple((_Loop(at[f"k{k}"]), _Finish(at[f"f{k}"])) for k in range(1, phases + 1))
    return Functions(_Finish(at["run"]), _Finish(at["f0"]), loops)


class Compiled(NamedTuple):
    """One region of a segment with its code."""

    region: Region
    code: Code
    kernel: machine.Kernel
    functions: Functions
    numbers: tuple[int, ...]
    """The block's numbers as 64-bit patterns."""
    places: tuple[int, ...]
    """The block's pointers as places in the table of arrays and scratch memory."""
    chunks: int
    time: float
    """Estimated microseconds on one thread."""


class Runner:
    """What runs a segment: ``run(arrays)`` with the arrays it reads and those it writes."""

    def __init__(
        self,
        regions: Sequence[Region],
        reads: Sequence[int],
        writes: Sequence[int],
        dtypes: Mapping[int, np.dtype[Any]],
        shapes: Mapping[int, tuple[int, ...]],
        constants: Mapping[int, float],
    ) -> None:
        self.reads, self.writes = tuple(reads), tuple(writes)
        self.table = {v: k for k, v in enumerate((*reads, *writes))}
        self.objects = len(self.table)
        self.offsets: list[int] = []
        self.bytes = 0
        stored = _stored(regions, writes)
        self.regions = []
        for region, needed in zip(regions, stored, strict=True):
            used = [dtypes[x.value] for n in region.nodes for x in n.operands] + [n.dtype for n in region.nodes]
            width = machine.lanes(8 if np.dtype("float64") in used else 4)
            code = _code(region, dtypes, constants, needed, width)
            self.regions.append(self._compiled(region, code, width, dtypes, shapes, constants))
        self.time = sum(r.time for r in self.regions)
        self.program = self._program()
        call = entry()
        self.small = call is not None and self.time < SHARED and self.bytes <= MOST_STACK
        self.call: Callable[..., None] | None = call

    def _place(self, size: int) -> int:
        """A new scratch memory's place in the table."""
        self.offsets.append(self.bytes)
        self.bytes += -(-max(size, 8) // _ALIGN) * _ALIGN
        return self.objects + len(self.offsets) - 1

    def _compiled(
        self,
        region: Region,
        code: Code,
        width: int,
        dtypes: Mapping[int, np.dtype[Any]],
        shapes: Mapping[int, tuple[int, ...]],
        constants: Mapping[int, float],
    ) -> Compiled:
        known = sizes(region, width)
        numbers = [
            _bits(constants[key[1]], dtypes[key[1]]) if isinstance(key, tuple) else known.get(key, 0)
            for key in code.numbers
        ]
        places = []
        for p in code.pointers:
            if p.value < 0:
                size = 8 * known["chunks"]
                places.append(self._place(size * known["columns"] if code.scratch[p.scratch] == "columns" else size))
                continue
            if p.value not in self.table:
                self.table[p.value] = self._place(size_of(shapes[p.value]) * dtypes[p.value].itemsize)
            places.append(self.table[p.value])
        elements = size_of(region.dims) if region.dims is not None else 1
        instructions = sum(_cost(n.op) for n in region.nodes if region.works[n.id] != ONCE) * elements / width
        moved = sum(size_of(shapes[p.value]) * dtypes[p.value].itemsize for p in code.pointers if p.value >= 0)
        time = max(instructions * _INSTRUCTION, moved * _BYTE)
        kernel = machine.kernel(code.text)
        functions = _functions(kernel, code.phases)
        return Compiled(region, code, kernel, functions, tuple(numbers), tuple(places), known["chunks"], time)

    def _program(self) -> np.ndarray[Any, Any]:
        """What `entry` interprets."""
        most = max(len(r.numbers) + len(r.places) for r in self.regions)
        words = [len(self.offsets), self.bytes, len(self.regions), most, *self.offsets]
        for r in self.regions:
            words += [r.kernel.addresses["run"], len(r.numbers), len(r.places), *r.numbers, *r.places]
        return np.array(words, np.int64)

    def run(self, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        """Run on the arrays that are read, then those that are written."""
        if self.small:
            self.call(self.program, *arrays)  # type: ignore[misc]
            return
        scratch = np.empty(self.bytes + _ALIGN, np.uint8)
        base = scratch.ctypes.data
        base += -base % _ALIGN
        table = [a.ctypes.data for a in arrays] + [base + offset for offset in self.offsets]
        for r in self.regions:
            block = np.array([*r.numbers, *(table[k] for k in r.places)], np.int64)
            _run_region(r, block.ctypes.data, (tuple(arrays), scratch, block))


def _run_region(r: Compiled, block: int, keep: Any) -> None:
    if r.time < SHARED or r.chunks < 2:
        r.functions.run(block)
        return
    r.functions.first(block)
    for loop, finish in r.functions.phases:
        threads.share(loop, block, r.chunks, keep)
        finish(block)


_codes: dict[Any, tuple[Code, tuple[int, ...]]] = {}
_MOST_CODES = 1024


def _code(
    region: Region,
    dtypes: Mapping[int, np.dtype[Any]],
    constants: Mapping[int, float],
    needed: Sequence[int],
    width: int,
) -> Code:
    """The code of a region; one of equal structure is emitted once and gets other values' places."""
    place: dict[int, int] = {}
    nodes = []
    for n in region.nodes:
        operands = tuple((place.setdefault(x.value, len(place)), _seen(x, n)) for x in n.operands)
        place.setdefault(n.id, len(place))
        kind = n.dtype.char, n.reduce, region.works[n.id], region.level[n.id]
        # An op that brings its own rule may be defined again.
        nodes.append((n.op, said_rule(n.op), attr_key(n.attrs), operands, place[n.id], *kind))
    ids = tuple(place)
    values = tuple((dtypes[i].char, _written(constants[i]) if i in constants else None) for i in ids)
    shape = bool(region.split), short_rows(region), region.dims is None
    key = (width, *shape, tuple(nodes), values, tuple(place[i] for i in needed))
    found = _codes.get(key)
    if found is None:
        if len(_codes) >= _MOST_CODES:
            _codes.clear()
        found = _codes[key] = generate(region, dtypes, constants, needed, width, machine.features()), ids
    code, first = found
    if first == ids:
        return code
    now = dict(zip(first, ids, strict=True))
    return code._replace(
        numbers=tuple(("constant", now[k[1]]) if isinstance(k, tuple) else k for k in code.numbers),
        pointers=tuple(p if p.value < 0 else p._replace(value=now[p.value]) for p in code.pointers),
    )


def _seen(x: Operand, node: Node) -> str | None:
    found = access(x.shape, node.space)
    return found and found[0]


def _written(number: float) -> str:
    """What the code says of a known number; the value of most is handed over."""
    return repr(number) if is_literal(number) else "number"


def _stored(regions: Sequence[Region], writes: Sequence[int]) -> list[list[int]]:
    """Per region the results that others need."""
    home = {n.id: k for k, region in enumerate(regions) for n in region.nodes}
    needed = set(writes)
    for k, region in enumerate(regions):
        for n in region.nodes:
            needed.update(x.value for x in n.operands if home.get(x.value, k) != k)
    return [[n.id for n in region.nodes if n.id in needed] for region in regions]


def _bits(number: float, dtype: np.dtype[Any]) -> int:
    if dtype.kind == "f":
        return struct.unpack("<q", struct.pack("<d", number))[0]
    return (int(number) + 2**63) % 2**64 - 2**63  # Large unsigned numbers are negative as signed ones.


def _cost(op: str) -> int:
    rule = rule_of(op)
    return rule.cost if rule is not None else 1
