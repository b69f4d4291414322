"""Tiles: what stands in registers while a convolution runs, as IR. Must not know geometry or arrays.

A tile of a convolution has a few results times a few vectors of filters. Each number of the image that it reads goes
into all lanes, and each vector of the kernel is read once for all results. A tile of the gradient for the kernel has
columns, which are entries of the kernel, in place of results, and sums over these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const
from sdgraph.run.engines.llvm.write.accumulators import Variable
from sdgraph.run.engines.llvm.write.memory import loop, masked_load, masked_store_raw, smaller, when

ZERO = const(0, "i64")


class Kind(NamedTuple):
    """What code is made for."""

    type: str
    """Of an element: ``float`` or ``double``."""
    lanes: int
    features: frozenset[str]

    @property
    def bytes(self) -> int:
        """Of an element."""
        return FLOAT_BITS[self.type] // 8

    @property
    def tiles(self) -> dict[int, int]:
        """Results of a tile by the vectors of filters, most vectors first: as many sums as there are registers for."""
        return {2: 12, 1: 14} if self._is_wide else {2: 6, 1: 8}

    def columns(self, *, apart: bool) -> dict[int, int]:
        """Columns of a tile likewise. Those that follow one another need one address for all, so there may be more."""
        if apart:
            return self.tiles
        return {2: 12, 1: 24} if self._is_wide else {2: 6, 1: 12}

    @property
    def _is_wide(self) -> bool:
        """Whether there are 32 registers of 64 bytes, not 16 shorter ones."""
        return self.lanes * self.bytes == 64


DEEP = 8
"""Results of a tile where each channel has a kernel of its own."""
DEEP_ENTRIES = (9, 3, 1)
"""Entries of a tile of the gradient for such kernels."""


class Module:
    """Functions of one text."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._declarations: dict[str, str] = {}
        self._functions: list[str] = []

    def builder(self) -> Builder:
        """What writes a function."""
        b = Builder(self.kind.lanes, self.kind.features)
        b.intrinsics = self._declarations
        return b

    def add(self, b: Builder, name: str, parameters: Sequence[Val], *, internal: bool = True) -> None:
        """Take what was written as a function."""
        listed = ", ".join(f"{p.type} {p.text}" for p in parameters)
        lines = [*b.allocas, *b.scopes[0].lines, "  ret void"]
        how = "internal " if internal else ""
        self._functions.append(f"define {how}void @.{name}({listed}) {{\nentry:\n" + "\n".join(lines) + "\n}")

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([*self._declarations, *self._functions])


def words(text: str) -> dict[str, int]:
    """Names of the words of a table, with their places."""
    return {name: k for k, name in enumerate(text.split())}


def number(k: int) -> Val:
    """A literal."""
    return const(k, "i64")


def parameter(name: str, type_: str = "i64") -> Val:
    """An argument of the function."""
    return Val(f"%{name}", type_, False, 0)


def at(b: Builder, p: Val, k: Val | int, type_: str) -> Val:
    """The address of an element."""
    index = number(k) if isinstance(k, int) else k
    return b.instruction(f"getelementptr {type_}, ptr {p.text}, i64 {index.text}", "ptr", False, p, index)


def word(b: Builder, p: Val, k: Val | int, type_: str = "i64") -> Val:
    """A number or an address from a table."""
    return b.effect(f"load {type_}, ptr {at(b, p, k, 'i64').text}", type_, False)


def scalar(b: Builder, p: Val, type_: str) -> Val:
    """An element."""
    return b.effect(f"load {type_}, ptr {p.text}, align 1", type_, False)


def call(b: Builder, name: str, *args: Val) -> None:
    """Call such a function."""
    b.line(f"call void @.{name}({', '.join(f'{v.type} {v.text}' for v in args)})")


def first_lanes(b: Builder, left: Val) -> Val:
    """So many lanes."""
    iota = Val("<" + ", ".join(f"i64 {k}" for k in range(b.width)) + ">", "i64", True, 0)
    return b.compare("icmp ult", iota, b.splat(left))


def vector(b: Builder, p: Val, k: int, type_: str, mask: Val | None = None) -> Val:
    """A vector from memory that may change."""
    return masked_load(b, at(b, p, k * b.width, type_), type_, mask, changes=True)


def _accumulators(b: Builder, r: int, v: int, type_: str) -> list[list[Variable]]:
    return [[Variable(b, const(0, type_), vec=True) for _ in range(v)] for _ in range(r)]


def _multiply_add(b: Builder, of: Variable, x: Val, y: Val) -> None:
    of.set(b.fma(b.splat(x), b.splat(y), of.get()))


def _store(b: Builder, values: Sequence[Val], p: Val, type_: str, mask: Val | None) -> None:
    """Vectors one after another, the last one masked."""
    for k, value in enumerate(values):
        last = k == len(values) - 1
        masked_store_raw(b, value, at(b, p, k * b.width, type_), type_, mask if last else None)


# ---------------------------------------------------------------------- convolutions

VALUE = [parameter(n, "ptr") for n in ("x", "base", "tap")] + [parameter("T"), parameter("J"), parameter("w", "ptr")]
VALUE += [parameter("ws"), parameter("y", "ptr"), parameter("out", "ptr"), parameter("left"), parameter("wtap", "ptr")]
VALUE += [parameter("more"), parameter("skip")]
"""The arguments of a tile: what it reads; offsets of results and entries, how many entries, and numbers of each; the
kernel and its step; what it writes; lanes of the last vector; offsets in the kernel where each channel has its own;
whether it adds to what is there; results at the beginning that were written before."""


def value_tile(m: Module, r: int, v: int) -> None:
    """A few results of v vectors of filters."""
    b, t = m.builder(), m.kind.type
    x, base, tap, taps, many, w, step, y, out, left, _, more, skip = VALUE
    sources = [at(b, x, word(b, base, i), t) for i in range(r)]
    sums = _accumulators(b, r, v, t)
    mask = first_lanes(b, left)
    targets = [at(b, y, word(b, out, i), t) for i in range(r)]

    def go_on() -> None:
        for target, of in zip(targets, sums, strict=True):
            for k, s in enumerate(of):
                s.set(vector(b, target, k, t, mask if k == v - 1 else None))

    when(b, b.compare("icmp ne", more, ZERO), go_on)
    row = Variable(b, w, vec=False)

    def entry(k: Val) -> None:
        offset = word(b, tap, k)
        here = [at(b, p, offset, t) for p in sources]

        def column(j: Val) -> None:
            weights = row.get()
            vectors = [vector(b, weights, n, t) for n in range(v)]
            for p, of in zip(here, sums, strict=True):
                one = scalar(b, at(b, p, j, t), t)
                for s, weight in zip(of, vectors, strict=True):
                    _multiply_add(b, s, one, weight)
            row.set(at(b, weights, step, t))

        loop(b, ZERO, many, 1, column)

    loop(b, ZERO, taps, 1, entry)
    for i, (target, of) in enumerate(zip(targets, sums, strict=True)):

        def store(target: Val = target, of: list[Variable] = of) -> None:
            _store(b, [s.get() for s in of], target, t, mask)

        when(b, b.compare("icmp sge", number(i), skip), store)
    m.add(b, f"value{r}_{v}", VALUE)


def deep_tile(m: Module, r: int, *, masked: bool) -> None:
    """A few results of a vector of channels, each of which has a kernel of its own."""
    b, t = m.builder(), m.kind.type
    x, base, tap, taps, _, w, _, y, out, left, wtap, _, _ = VALUE
    mask = first_lanes(b, left) if masked else None
    sources = [at(b, x, word(b, base, i), t) for i in range(r)]
    sums = _accumulators(b, r, 1, t)

    def entry(k: Val) -> None:
        offset = word(b, tap, k)
        weight = vector(b, at(b, w, word(b, wtap, k), t), 0, t, mask)
        for p, (s,) in zip(sources, sums, strict=True):
            _multiply_add(b, s, vector(b, at(b, p, offset, t), 0, t, mask), weight)

    loop(b, ZERO, taps, 1, entry)
    for i, (s,) in enumerate(sums):
        _store(b, [s.get()], at(b, y, word(b, out, i), t), t, mask)
    m.add(b, f"{deep_name(masked=masked)}{r}", VALUE)


def deep_name(*, masked: bool) -> str:
    """What tiles of channels with kernels of their own are called."""
    return "part" if masked else "deep"


def over_results(m: Module, name: str, r: int, tile: Callable[[int], str]) -> None:
    """All results of a chunk, in tiles of r, the last of which is moved back to be full; fewer one by one."""
    b = m.builder()
    x, base, tap, taps, many, w, step, y, out, left, wtap, more, _ = VALUE
    count = parameter("count")

    def run(size: int, wanted: Val, p: Val) -> None:
        here = at(b, base, p, "i64"), tap, taps, many, w, step, y, at(b, out, p, "i64"), left, wtap
        call(b, tile(size), x, *here, more, b.binary("sub", wanted, p))

    enough = b.compare("icmp sge", count, number(r))
    tiled, single = b.select(enough, count, ZERO), b.select(enough, ZERO, count)
    last = b.binary("sub", count, number(r))
    loop(b, ZERO, tiled, r, lambda p: run(r, p, smaller(b, p, last)))
    loop(b, ZERO, single, 1, lambda p: run(1, p, p))
    m.add(b, name, [*VALUE[:-1], count])


# ---------------------------------------------------------------------- gradients for the kernel

KERNEL = [parameter("x", "ptr"), parameter("base", "ptr"), parameter("g", "ptr"), parameter("out", "ptr")]
KERNEL += [parameter("count"), parameter("dw", "ptr"), parameter("ws"), parameter("left"), parameter("columns", "ptr")]
"""The arguments of a tile: the image, offsets of results in it; the cotangent, offsets in it; results; what it adds to,
the step of that; lanes of the last vector; where columns are, if they do not follow one another."""


def kernel_tile(m: Module, r: int, v: int, *, apart: bool) -> None:
    """A few columns of v vectors of filters; ``apart`` if each is to be found in a table."""
    b, t = m.builder(), m.kind.type
    x, base, g, out, count, dw, step, left, columns = KERNEL
    mask = first_lanes(b, left)
    places = [at(b, x, word(b, columns, i), t) for i in range(r)] if apart else [x] * r
    sums = _accumulators(b, r, v, t)

    def result(p: Val) -> None:
        offset = word(b, base, p)
        cotangent = at(b, g, word(b, out, p), t)
        vectors = [vector(b, cotangent, n, t, mask if n == v - 1 else None) for n in range(v)]
        for i, (place, of) in enumerate(zip(places, sums, strict=True)):
            here = at(b, place, offset, t)
            one = scalar(b, here if apart else at(b, here, i, t), t)
            for s, vec in zip(of, vectors, strict=True):
                _multiply_add(b, s, one, vec)

    loop(b, ZERO, count, 1, result)
    for i, of in enumerate(sums):
        row = at(b, dw, b.binary("mul", step, number(i)), t)
        before = [vector(b, row, n, t, mask if n == v - 1 else None) for n in range(v)]
        _store(b, [b.fadd(old, s.get()) for old, s in zip(before, of, strict=True)], row, t, mask)
    m.add(b, f"{kernel_name(apart=apart)}{r}_{v}", KERNEL)


def kernel_name(*, apart: bool) -> str:
    """What tiles of columns are called."""
    return "apart" if apart else "columns"


def deep_kernel_tile(m: Module, r: int) -> None:
    """A few entries of a vector of channels, each of which has a kernel of its own."""
    b, t = m.builder(), m.kind.type
    x, base, g, out, count, dw, step, left, columns = KERNEL
    places = [at(b, x, word(b, columns, i), t) for i in range(r)]
    sums = _accumulators(b, r, 1, t)

    def over_all(mask: Val | None) -> None:
        def result(p: Val) -> None:
            offset = word(b, base, p)
            cotangent = vector(b, at(b, g, word(b, out, p), t), 0, t, mask)
            for place, (s,) in zip(places, sums, strict=True):
                _multiply_add(b, s, vector(b, at(b, place, offset, t), 0, t, mask), cotangent)

        loop(b, ZERO, count, 1, result)

    full = b.compare("icmp eq", left, number(b.width))
    when(b, full, lambda: over_all(None))
    mask = first_lanes(b, left)
    when(b, b.binary("xor", full, const(1, "i1")), lambda: over_all(mask))
    for i, (s,) in enumerate(sums):
        row = at(b, dw, b.binary("mul", step, number(i)), t)
        _store(b, [b.fadd(vector(b, row, 0, t, mask), s.get())], row, t, mask)
    m.add(b, f"channels{r}", KERNEL)
