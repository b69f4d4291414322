"""What runs a convolution's tiles, as IR: chunks, their buffers, and the jobs of each. Must not know arrays.

A plan is a table of words: the head, then what it points to. `HEAD`, `JOB`, `SUM` and `PACK` tell where each word is.
Functions get a block of addresses, `BLOCK`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.windows import tiles
from sdgraph.run.engines.llvm.windows.tiles import ZERO, Kind, Module, at, call, number, parameter, scalar, word, words
from sdgraph.run.engines.llvm.write.memory import (
    elements,
    lanes_below,
    loop,
    masked_load,
    masked_store_raw,
    smaller,
    when,
)

HEAD = words(
    "n images bands rows step first read size slab own_slab image own_image buffer runs pairs run "
    "out_image out_row jobs job packs pack packed chunks parts length"
)
"""How many images, and how many of a chunk; bands of an image, results of a band along the first axis; the step between
these, the place that the first band begins at, places that a band reads; how many places there are, elements from one
to the next in a chunk and in the array, those from one image to the next, and of the buffer; what is copied of each
place: how many runs, where, how long; what is written: elements from one image to the next, and from one result along
the first axis to the next; jobs; what puts the kernel in order, and the elements of that; chunks; parts that sums are
made of, and how many sums there are."""
JOB = words("kind x base tap taps many w step y out count rest left wtap more")
"""A block of filters of one phase: as `tiles.VALUE`, with offsets for addresses of arrays."""
SUM = words("kind x base g out count rest left dw step repeat stride columns")
"""A block of columns and filters: as `tiles.KERNEL`, and how often it is done, so many columns further each time."""
PACK = words("to from planes plane rows row columns column to_row")
"""A part of the kernel in another order: offsets of planes, how far apart they are then, rows and columns of each."""

BLOCK = ("plan", "x", "w", "y", "spare")
"""Addresses: of the plan, of what is read and written, and of spare memory."""


class _Chunk(NamedTuple):
    """A chunk while code for it is written."""

    images: Val
    q: Val
    """Its first result along the first axis."""
    source: Val
    place: Val
    """Where its results begin, in elements."""


class _Drive:
    """Code of one function of a block."""

    def __init__(self, m: Module) -> None:
        self.m, self.t = m, m.kind.type
        b = self.b = m.builder()
        block = parameter("block", "ptr")
        self.plan, self.x, self.w, self.y, self.spare = (word(b, block, k, "ptr") for k in range(len(BLOCK)))

    def head(self, name: str, type_: str = "i64") -> Val:
        """A word of the plan's head."""
        p = at(self.b, self.plan, HEAD[name], "i64")
        return self.b.instruction(f"load {type_}, ptr {p.text}", type_, False, p)

    def clear(self, p: Val, size: Val) -> None:
        """Zeros."""
        b = self.b
        bytes_ = b.binary("mul", size, number(self.m.kind.bytes))
        b.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        b.line(f"call void @llvm.memset.p0.i64(ptr {p.text}, i8 0, i64 {bytes_.text}, i1 false)")

    def buffer(self) -> Val:
        """A buffer of zeros."""
        size = self.head("buffer")
        found = elements(self.b, self.t, size)
        self.clear(found, size)
        return found

    def chunk(self, c: Val, buffer: Val) -> _Chunk:
        """What a chunk reads, which is copied to the buffer if it needs a border, and where it writes."""
        b, head = self.b, self.head
        group, band = b.binary("sdiv", c, head("bands")), b.binary("srem", c, head("bands"))
        first = b.binary("mul", group, head("images"))
        images = smaller(b, head("images"), b.binary("sub", head("n"), first))
        q = b.binary("mul", band, head("rows"))
        top = b.binary("add", b.binary("mul", q, head("step")), head("first"))
        source = at(b, self.x, b.binary("mul", first, head("own_image")), self.t)
        direct = at(b, source, b.binary("mul", top, head("own_slab")), self.t)
        free = self._is_free(top)

        def image(i: Val) -> None:
            to = at(b, buffer, b.binary("mul", i, head("image")), self.t)
            of = at(b, source, b.binary("mul", i, head("own_image")), self.t)
            call(b, "bring", to, of, self.plan, top)

        when(b, b.binary("xor", free, const(1, "i1")), lambda: loop(b, ZERO, images, 1, image))
        place = b.binary("add", b.binary("mul", first, head("out_image")), b.binary("mul", q, head("out_row")))
        return _Chunk(images, q, b.select(free, direct, buffer), place)

    def _is_free(self, top: Val) -> Val:
        """Whether a chunk is read where it is: all are, or it lies inside and only the first axis has a border."""
        b, head = self.b, self.head
        end = b.binary("add", top, head("read"))
        inside = b.binary("and", b.compare("icmp sge", top, ZERO), b.compare("icmp sle", end, head("size")))
        flat = b.compare("icmp eq", head("slab"), head("own_slab"))
        one = b.compare("icmp eq", head("images"), number(1))
        bare = b.compare("icmp eq", head("buffer"), ZERO)
        return b.binary("or", b.binary("and", b.binary("and", inside, flat), one), bare)

    def results(self, chunk: _Chunk, count: Val, rest: Val) -> Val:
        """How many results a job has in a chunk."""
        b = self.b
        rows = smaller(b, b.binary("sub", count, chunk.q), self.head("rows"))
        return b.binary("mul", b.binary("mul", rows, rest), chunk.images)

    def jobs(self, words: dict[str, int], body: Callable[[Callable[..., Val]], None]) -> None:
        """All jobs in turn; a job is what gives its words."""
        b = self.b
        table = self.head("job", "ptr")

        def one(k: Val) -> None:
            job = at(b, table, b.binary("mul", k, number(len(words))), "i64")
            body(lambda name, type_="i64": word(b, job, words[name], type_))

        loop(b, ZERO, self.head("jobs"), 1, one)

    def choose(self, kind: Val, names: Sequence[str], args: Sequence[Val]) -> None:
        """Call the function of that number."""
        b = self.b
        for k, name in enumerate(names):
            when(b, b.compare("icmp eq", kind, number(k)), lambda name=name: call(b, name, *args))

    def end(self, name: str, *, chunks: bool = False) -> None:
        """Take it as a function."""
        block, lo, hi = parameter("block", "ptr"), parameter("lo"), parameter("hi")
        self.m.add(self.b, name, [block, lo, hi] if chunks else [block], internal=False)


def _copy(b: Builder, t: str, to: Val, of: Val | None, n: Val) -> None:
    """Copy so many elements, or write zeros."""

    def some(j: Val, mask: Val | None) -> None:
        zeros = b.splat(const(0, t))
        v = zeros if of is None else masked_load(b, at(b, of, j, t), t, mask, changes=True)
        masked_store_raw(b, v, at(b, to, j, t), t, mask)

    whole = b.binary("and", n, number(-b.width))
    loop(b, ZERO, whole, b.width, lambda j: some(j, None))
    when(b, b.compare("icmp slt", whole, n), lambda: some(whole, lanes_below(b, whole, n)))


def _bring(m: Module) -> None:
    """``bring(to, of, plan, top)``: a band that begins at that place, to a buffer. What lies beyond the array is 0."""
    b, t = m.builder(), m.kind.type
    to, of, plan, top = parameter("to", "ptr"), parameter("of", "ptr"), parameter("plan", "ptr"), parameter("top")
    names = ("read", "size", "slab", "own_slab", "runs", "run")
    read, size, slab, own, runs, run = (word(b, plan, HEAD[name]) for name in names)
    pairs = word(b, plan, HEAD["pairs"], "ptr")

    def place(row: Val) -> None:
        p = b.binary("add", top, row)
        there = b.binary("and", b.compare("icmp sge", p, ZERO), b.compare("icmp slt", p, size))
        target = at(b, to, b.binary("mul", row, slab), t)
        source = at(b, of, b.binary("mul", p, own), t)

        def each(i: Val) -> None:
            pair = at(b, pairs, b.binary("mul", i, number(2)), "i64")
            here, from_ = at(b, target, word(b, pair, 0), t), at(b, source, word(b, pair, 1), t)
            when(b, there, lambda: _copy(b, t, here, from_, run))
            when(b, b.binary("xor", there, const(1, "i1")), lambda: _copy(b, t, here, None, run))

        loop(b, ZERO, runs, 1, each)

    loop(b, ZERO, read, 1, place)
    m.add(b, "bring", [to, of, plan, top])


def _whole(m: Module) -> None:
    """All on the caller's thread."""
    d = _Drive(m)
    block = parameter("block", "ptr")
    call(d.b, "f0", block)
    call(d.b, "k1", block, ZERO, d.head("chunks"))
    call(d.b, "f1", block)
    d.end("run")


# ---------------------------------------------------------------------- convolutions


def value_names(kind: Kind) -> list[str]:
    """The functions that jobs of a convolution choose from."""
    return [*(f"values{v}" for v in kind.tiles), *(f"{tiles.deep_name(masked=p)}_all" for p in (False, True))]


def values(kind: Kind) -> str:
    """The module of convolutions: ``f0`` puts the kernel in order, ``k1`` does chunks."""
    m = Module(kind)
    for v, r in kind.tiles.items():
        for size in (r, 1):
            tiles.value_tile(m, size, v)
        tiles.over_results(m, f"values{v}", r, lambda size, v=v: f"value{size}_{v}")
    for masked in (False, True):
        name = tiles.deep_name(masked=masked)
        for size in (tiles.DEEP, 1):
            tiles.deep_tile(m, size, masked=masked)
        tiles.over_results(m, f"{name}_all", tiles.DEEP, lambda size, name=name: f"{name}{size}")
    _bring(m)
    _pack(m)
    _value_chunks(m)
    _Drive(m).end("f1")
    _whole(m)
    return m.text


def _value_chunks(m: Module) -> None:
    d = _Drive(m)
    b, t = d.b, d.t
    buffer = d.buffer()

    def chunk(c: Val) -> None:
        here = d.chunk(c, buffer)
        target = at(b, d.y, here.place, t)
        # Where the kernel is in order as it is, nothing is packed.
        kernel = b.select(b.compare("icmp eq", d.head("packed"), ZERO), d.w, d.spare)

        def job(word_of: Callable[..., Val]) -> None:
            count = d.results(here, word_of("count"), word_of("rest"))
            x, y = at(b, here.source, word_of("x"), t), at(b, target, word_of("y"), t)
            w = at(b, kernel, word_of("w"), t)
            args = [x, word_of("base", "ptr"), word_of("tap", "ptr"), word_of("taps"), word_of("many"), w]
            args += [
                word_of("step"),
                y,
                word_of("out", "ptr"),
                word_of("left"),
                word_of("wtap", "ptr"),
                word_of("more"),
                count,
            ]
            d.choose(word_of("kind"), value_names(m.kind), args)

        d.jobs(JOB, job)

    loop(b, parameter("lo"), parameter("hi"), 1, chunk)
    d.end("k1", chunks=True)


def _pack(m: Module) -> None:
    """The kernel in the order that tiles read it in, with zeros behind the last filter."""
    d = _Drive(m)
    b, t = d.b, d.t
    d.clear(d.spare, d.head("packed"))
    table = d.head("pack", "ptr")

    def one(k: Val) -> None:
        job = at(b, table, b.binary("mul", k, number(len(PACK))), "i64")
        get = {name: word(b, job, place, "ptr" if name == "from" else "i64") for name, place in PACK.items()}
        start = at(b, d.spare, get["to"], t)

        def plane(p: Val) -> None:
            to = at(b, start, b.binary("mul", p, get["plane"]), t)
            of = at(b, d.w, word(b, get["from"], p), t)

            def row(i: Val) -> None:
                to_row = at(b, to, b.binary("mul", i, get["to_row"]), t)
                of_row = at(b, of, b.binary("mul", i, get["row"]), t)

                def column(j: Val) -> None:
                    v = scalar(b, at(b, of_row, b.binary("mul", j, get["column"]), t), t)
                    b.line(f"store {t} {v.text}, ptr {at(b, to_row, j, t).text}, align 1")

                beside = b.compare("icmp eq", get["column"], number(1))
                when(b, beside, lambda: _copy(b, t, to_row, of_row, get["columns"]))
                several = b.select(beside, ZERO, get["columns"])
                loop(b, ZERO, several, 1, column)

            loop(b, ZERO, get["rows"], 1, row)

        loop(b, ZERO, get["planes"], 1, plane)

    loop(b, ZERO, d.head("packs"), 1, one)
    d.end("f0")


# ---------------------------------------------------------------------- gradients for the kernel


def _tiles(kind: Kind, *, apart: bool) -> list[tuple[int, int]]:
    """Every tile of columns: how many, and vectors of filters."""
    return [(r, v) for v, most in kind.columns(apart=apart).items() for r in range(1, most + 1)]


def sum_names(kind: Kind, *, apart: bool) -> list[str]:
    """The functions that jobs of a gradient for the kernel choose from."""
    several = [f"{tiles.kernel_name(apart=apart)}{r}_{v}" for r, v in _tiles(kind, apart=apart)]
    return several if apart else [*several, *(f"channels{r}" for r in tiles.DEEP_ENTRIES)]


def sums_of_runs(kind: Kind) -> str:
    """The module of gradients for the kernel: ``k1`` does parts of the sums, ``f1`` adds them up in their order."""
    return _kernel_sums(kind, apart=False)


def sums_by_table(kind: Kind) -> str:
    """The same for kernels of which few entries follow one another in memory."""
    return _kernel_sums(kind, apart=True)


def _kernel_sums(kind: Kind, *, apart: bool) -> str:
    m = Module(kind)
    for r, v in _tiles(kind, apart=apart):
        tiles.kernel_tile(m, r, v, apart=apart)
    if not apart:
        for r in tiles.DEEP_ENTRIES:
            tiles.deep_kernel_tile(m, r)
    _bring(m)
    _Drive(m).end("f0")
    _sum_parts(m, sum_names(kind, apart=apart))
    _add_parts(m)
    _whole(m)
    return m.text


def _sum_parts(m: Module, names: Sequence[str]) -> None:
    d = _Drive(m)
    b, t = d.b, d.t
    buffer = d.buffer()

    def part(q: Val) -> None:
        # The first part is made where the result is.
        size, first = d.head("length"), b.compare("icmp eq", q, ZERO)
        behind = at(b, d.spare, b.binary("mul", b.binary("sub", q, number(1)), size), t)
        sums = b.select(first, d.y, behind)
        d.clear(sums, size)
        all_, parts = d.head("parts"), d.head("chunks")
        lo, hi = (b.binary("sdiv", b.binary("mul", all_, k), parts) for k in (q, b.binary("add", q, number(1))))
        loop(b, lo, hi, 1, lambda c: _sum_chunk(d, d.chunk(c, buffer), sums, names))

    loop(b, parameter("lo"), parameter("hi"), 1, part)
    d.end("k1", chunks=True)


def _sum_chunk(d: _Drive, here: _Chunk, sums: Val, names: Sequence[str]) -> None:
    b, t = d.b, d.t
    cotangents = at(b, d.w, here.place, t)

    def job(word_of: Callable[..., Val]) -> None:
        count = d.results(here, word_of("count"), word_of("rest"))
        x, g, dw = (
            at(b, here.source, word_of("x"), t),
            at(b, cotangents, word_of("g"), t),
            at(b, sums, word_of("dw"), t),
        )
        stride, step, columns = word_of("stride"), word_of("step"), word_of("columns", "ptr")
        rows = b.binary("mul", stride, step)
        known = [word_of("base", "ptr"), g, word_of("out", "ptr"), count]

        def again(k: Val) -> None:
            source = at(b, x, b.binary("mul", k, stride), t)
            args = [source, *known, at(b, dw, b.binary("mul", k, rows), t), step, word_of("left"), columns]
            d.choose(word_of("kind"), names, args)

        loop(b, ZERO, word_of("repeat"), 1, again)

    d.jobs(SUM, job)


def _add_parts(m: Module) -> None:
    d = _Drive(m)
    b, t = d.b, d.t
    size = d.head("length")

    def add(j: Val, mask: Val | None) -> None:
        total = tiles.Variable(b, masked_load(b, at(b, d.y, j, t), t, mask, changes=True), vec=True)

        def part(k: Val) -> None:
            p = at(b, d.spare, b.binary("add", b.binary("mul", k, size), j), t)
            total.set(b.fadd(total.get(), masked_load(b, p, t, mask, changes=True)))

        loop(b, ZERO, b.binary("sub", d.head("chunks"), number(1)), 1, part)
        masked_store_raw(b, total.get(), at(b, d.y, j, t), t, mask)

    whole = b.binary("and", size, number(-b.width))
    loop(b, ZERO, whole, b.width, lambda j: add(j, None))
    when(b, b.compare("icmp slt", whole, size), lambda: add(whole, lanes_below(b, whole, size)))
    d.end("f1")
