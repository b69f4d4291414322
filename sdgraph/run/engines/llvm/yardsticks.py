"""Loops that do one thing only, whose times are what this computer can do: memory, arithmetic, handing work over.

They are written with the builder that writes regions, and shared among the same threads. Must not know regions.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines import buffers, threads
from sdgraph.run.engines.llvm.scalars import functions
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.translate import crew, machine
from sdgraph.run.engines.llvm.write.accumulators import Variable
from sdgraph.run.engines.llvm.write.memory import loop
from sdgraph.run.engines.llvm.write.vectors import TURN

_ALIGN = 4096
_IN_PAGE = _ALIGN // 4
"""Floats of a page."""
_CHAINS = 12
"""Chains of instructions that do not wait for one another; with two numbers they fit into sixteen registers."""
_LONG = 10_000
"""Microseconds that a loop is said to take, so that all threads are woken for it, however calm the machine is."""
_TURNS = 50_000
"""How often a loop of `chains` goes round."""
_AT_ONCE = 4096
"""Elements that `mapped` works on: they stay in the first cache."""

_Loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Stream(NamedTuple):
    """A loop over arrays of floats, with as good as no arithmetic."""

    reads: int
    writes: int
    past: bool = False
    """Whether stores go past the caches."""

    @property
    def name(self) -> str:
        """What its function is called."""
        return f"stream_{self.reads}_{self.writes}{'_past' if self.past else ''}"


STREAMS = tuple(
    Stream(reads, writes, past)
    for reads, writes in ((1, 0), (2, 0), (2, 1), (1, 1), (0, 1))
    for past in ((False, True) if writes else (False,))
)
ARRAYS = 3
"""Arrays that a stream is given: it reads the first ones, and writes the last."""

CHAINS: dict[str, tuple[str, ...]] = {
    "product": ("fma",),
    "sum": ("add",),
    "mixed": ("fma", "add", "logic"),
    "division": ("division",),
}
"""Loops of instructions on registers, by the kinds that take turns in them."""


def _word(b: Builder, k: int, type_: str) -> Val:
    """A number or pointer of the block."""
    p = b.instruction(f"getelementptr i64, ptr %a, i64 {k}", "ptr", False)
    return b.instruction(f"load {type_}, ptr {p.text}, align 8", type_, False, p)


def _place(b: Builder, base: Val, *indices: Val) -> Val:
    for i in indices:
        base = b.instruction(f"getelementptr float, ptr {base.text}, i64 {i.text}", "ptr", False, base, i)
    return base


def _count(k: int) -> Val:
    return const(k, "i64")


_LO, _HI = Val("%lo", "i64", False, 0), Val("%hi", "i64", False, 0)


def _load(b: Builder, p: Val) -> Val:
    return b.effect(f"load {b.type('float', True)}, ptr {p.text}, align 4", "float", True)


def _store(b: Builder, v: Val, p: Val, *, past: bool = False) -> None:
    how = f"align {4 * b.width}, !nontemporal !0" if past else "align 4"
    b.line(f"store {b.typed(b.splat(v))}, ptr {p.text}, {how}")


def _stream(b: Builder, kind: Stream) -> None:
    """Chunks of the arrays, all of them several times."""
    arrays = [_word(b, k, "ptr") for k in range(ARRAYS)]
    per_chunk, again = _word(b, ARRAYS, "i64"), _word(b, ARRAYS + 1, "i64")
    totals = [Variable(b, const(0, "float"), vec=True) for _ in range(0 if kind.writes else TURN)]

    def turn(start: Val, j: Val) -> None:
        for u in range(TURN):
            at = (start, j, *([_count(u * b.width)] if u else []))
            read = [_load(b, _place(b, p, *at)) for p in arrays[: kind.reads]]
            v = functools.reduce(b.fadd, read) if read else const(0, "float")
            if kind.writes:
                _store(b, v, _place(b, arrays[-1], *at), past=kind.past)
            else:
                totals[u].set(b.fadd(totals[u].get(), v))

    def chunk(c: Val) -> None:
        start = b.binary("mul", c, per_chunk)
        loop(b, _count(0), per_chunk, TURN * b.width, lambda j: turn(start, j))

    loop(b, _count(0), again, 1, lambda _: loop(b, _LO, _HI, 1, chunk))
    _kept(b, totals, arrays[-1])


def _kept(b: Builder, several: Sequence[Variable], to: Val) -> None:
    """What a loop gathered goes to memory once, so that the loop is not for nothing."""
    if several:
        _store(b, functools.reduce(b.fadd, [v.get() for v in several]), to)


def _step(b: Builder, kind: str, v: Val) -> Val:
    """One instruction of a chain."""
    factor, term = b.splat(_word(b, 1, "float")), b.splat(_word(b, 2, "float"))
    if kind == "fma":
        return b.fma(v, factor, term)
    if kind == "logic":
        bits = b.binary("xor", b.reinterpret(v, "i32"), b.reinterpret(factor, "i32"))
        return b.reinterpret(bits, "float")
    return b.binary("fadd", v, term) if kind == "add" else b.fdiv(v, factor)


def _chains(b: Builder, kinds: Sequence[str]) -> None:
    several = [Variable(b, const(1.0 + k, "float"), vec=True) for k in range(_CHAINS)]

    def turn(_: Val) -> None:
        for k, v in enumerate(several):
            v.set(_step(b, kinds[k % len(kinds)], v.get()))

    loop(b, _LO, _HI, 1, lambda _: loop(b, _count(0), _count(_TURNS), 1, turn))
    _kept(b, several, _word(b, 0, "ptr"))


def _mapped(b: Builder, function: Callable[[Builder, Val], Val]) -> None:
    """A function of few elements, again and again."""
    x, y = _word(b, 0, "ptr"), _word(b, 1, "ptr")

    def turn(j: Val) -> None:
        places = [(j, *([_count(u * b.width)] if u else [])) for u in range(TURN)]
        values = [function(b, _load(b, _place(b, x, *at))) for at in places]
        for at, v in zip(places, values, strict=True):
            _store(b, v, _place(b, y, *at))

    loop(b, _LO, _HI, 1, lambda _: loop(b, _count(0), _count(_AT_ONCE), TURN * b.width, turn))


def _module(bodies: Iterable[tuple[str, Callable[[Builder], None]]], width: int) -> str:
    declarations: dict[str, str] = {}
    texts = []
    for name, body in bodies:
        b = Builder(width, machine.computer().features)
        body(b)
        declarations.update(b.intrinsics)
        lines = [*b.allocas, *b.scopes[0].lines, "  ret void"]
        texts.append(f"define void @.{name}(ptr %a, i64 %lo, i64 %hi) {{\nentry:\n" + "\n".join(lines) + "\n}")
    return "\n".join([*declarations, *texts, "!0 = !{i32 1}"])


def _functions() -> list[tuple[str, Callable[[Builder], None]]]:
    streams = [(kind.name, functools.partial(_stream, kind=kind)) for kind in STREAMS]
    chains = [(name, functools.partial(_chains, kinds=kinds)) for name, kinds in CHAINS.items()]
    return [*streams, *chains, ("exp", functools.partial(_mapped, function=functions.exp))]


@functools.cache
def _loops() -> dict[str, Any]:
    """All loops, compiled."""
    addresses = machine.kernel(_module(_functions(), machine.computer().lanes(4)), quick=False).addresses
    return {name: _Loop(address) for name, address in addresses.items()}


# ---------------------------------------------------------------------- running them


class Yardstick(NamedTuple):
    """A loop with what it works on."""

    loop: Any
    block: np.ndarray[Any, Any]
    chunks: int
    program: np.ndarray[Any, Any] | None
    """What hands it to threads as regions are; None where that is done in Python."""
    keep: Any
    """What it works on."""

    @classmethod
    def of(cls, name: str, block: np.ndarray[Any, Any], chunks: int, keep: Any) -> Yardstick:
        """A loop by its name, with the words of its block."""
        loop = _loops()[name]
        address = ctypes.cast(loop, ctypes.c_void_p).value or 0
        program = crew.program_of(address, block.tolist(), chunks, _LONG) if crew.crew() is not None else None
        return cls(loop, block, chunks, program, keep)

    def run(self, *, shared: bool) -> None:
        """Once over all chunks, on one thread or on all that large regions have."""
        if not shared:
            self.loop(self.block.ctypes.data, 0, self.chunks)
        elif self.program is None:
            threads.share(self.loop, self.block.ctypes.data, self.chunks, self)
        else:
            crew.run(self.program, np.empty(crew.STATE + buffers.ALIGN // 8, np.int64), (), self.chunks, _LONG)


def stream(kind: Stream, arrays: Sequence[np.ndarray[Any, Any]], chunks: int, again: int = 1) -> Yardstick:
    """A loop over three aligned arrays of floats, as many as `aligned` makes whole chunks of."""
    words = [*(a.ctypes.data for a in arrays), arrays[0].size // chunks, again]
    return Yardstick.of(kind.name, np.array(words, np.int64), chunks, tuple(arrays))


def chains(name: str, times: int) -> Yardstick:
    """Chains of instructions, so many times."""
    out = aligned(64)
    block = np.array([out.ctypes.data, 0, 0], np.int64)
    block[1:].view(np.float32)[::2] = 0.999, 1e-3
    return Yardstick.of(name, block, times, out)


def instructions() -> int:
    """How many instructions are in `chains` once."""
    return _CHAINS * _TURNS


def exponentials(again: int) -> tuple[Yardstick, int]:
    """An exponential of numbers in the first cache, and how many there are."""
    x, y = aligned(_AT_ONCE), aligned(_AT_ONCE)
    x[:] = np.linspace(-20, 0, _AT_ONCE)
    block = np.array([x.ctypes.data, y.ctypes.data], np.int64)
    return Yardstick.of("exp", block, again, (x, y)), again * _AT_ONCE


def aligned(n: int) -> np.ndarray[Any, Any]:
    """Zeros, in pages of their own."""
    memory = np.empty(4 * n + _ALIGN, np.uint8)
    memory.fill(0)  # Zeros that nobody wrote are one page, which any cache holds.
    start = -memory.ctypes.data % _ALIGN
    return memory[start : start + 4 * n].view(np.float32)


def arrays(memory: np.ndarray[Any, Any], used: int, chunks: int) -> list[np.ndarray[Any, Any]]:
    """Arrays for a stream, cut from memory that `aligned` gave: as long as so many of them can be in whole chunks.

    Each begins at another place within a page, as results of regions do: CPUs take addresses for equal that are equal
    within a page. The last one used stands for those that are not.
    """
    n = whole_chunks((memory.size - 2 * used * _IN_PAGE) // used, chunks)
    pages = -(-n // _IN_PAGE) * _IN_PAGE
    starts = [k * (pages + _IN_PAGE // 4) for k in range(used)]
    starts += [starts[-1]] * (ARRAYS - used)
    return [memory[start : start + n] for start in starts]


def room(n: int, used: int) -> int:
    """Elements of memory that hold so many arrays of n elements."""
    return used * (n + 2 * _IN_PAGE)


def whole_chunks(n: int, chunks: int) -> int:
    """About n elements, cut into that many chunks of whole turns."""
    step = TURN * machine.computer().lanes(4)
    return max(1, n // (chunks * step)) * chunks * step


def best(run: Callable[[], object], tries: int) -> float:
    """The shortest of several times."""
    found = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        run()
        found = min(found, time.perf_counter() - start)
    return found
