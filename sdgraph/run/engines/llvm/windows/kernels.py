"""Convolutions and their two gradients as compiled loops: what runs in place of the numpy kernels of these operations.

A step's shapes are known, so all tables are made once; a call makes its result and runs the loops. Real numbers of
single and double precision are done here. Nothing that a result depends on is chosen by threads or by where arrays lie.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines import buffers
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.windows import drive, geometry, tiles
from sdgraph.run.engines.llvm.windows.calls import Loops
from sdgraph.run.engines.llvm.windows.drive import HEAD, JOB, PACK, SUM
from sdgraph.run.engines.llvm.windows.geometry import Phase, Source, Tables

_Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Kernel = Callable[[_Array, _Array], _Array]

_TYPES = {np.dtype("float32"): "float", np.dtype("float64"): "double"}
_VECTOR = 0.2e-3
"""Microseconds that a product and sum of vectors takes, roughly."""
_PIECE, _WORTH = 1 << 18, 128
"""Bytes of a kernel that tiles go through while they stay in the second cache; results from which it is worth to put a
kernel in order for that alone."""
_RUN = 7
"""Entries that follow one another in memory, below which tiles of them would be too small."""
_PARTS, _MOST_SPARE = 8, 1 << 23
"""Parts that sums are made in, at most, and bytes that these take."""


class _Problem(NamedTuple):
    """A convolution: from arrays [n, *sizes, c] to [n, *outs, f] by kernels [*k, c / groups, f]."""

    n: int
    sizes: Shape
    c: int
    k: Shape
    outs: Shape
    f: int
    groups: int
    strides: Shape
    dilation: Shape
    pads: tuple[tuple[int, int], ...]

    @property
    def is_deep(self) -> bool:
        """Whether each channel has one kernel of its own."""
        return self.groups == self.c == self.f > 1


# ---------------------------------------------------------------------- tables as words


class _Plan:
    """The table of words that code reads, and what it points to."""

    def __init__(self) -> None:
        self.head = np.zeros(len(HEAD), np.int64)
        self._kept: list[_Array] = []

    def set(self, **words: int) -> None:
        """Set words of the head."""
        for name, value in words.items():
            self.head[HEAD[name]] = value

    def keep(self, a: _Array | Sequence[int] | Sequence[Sequence[int]]) -> int:
        """The address of a table, which lives as long as the plan."""
        table = np.ascontiguousarray(a, np.int64)
        self._kept.append(table)
        return table.ctypes.data

    def table(self, names: Mapping[str, int], rows: Sequence[Mapping[str, int]]) -> int:
        """A table with a row of those words for each."""
        return self.keep([[row.get(name, 0) for name in names] for row in rows])

    def source(self, s: Source) -> None:
        """What tells of chunks."""
        own = math.prod(s.sizes[1:]) * s.channels
        pairs, run = geometry.copying(s)
        self.set(n=s.n, images=s.images, bands=s.bands, rows=s.rows, first=s.first, read=s.read, size=s.sizes[0])
        self.set(step=s.step, slab=s.steps[0], own_slab=own, image=s.image, own_image=s.sizes[0] * own)
        self.set(buffer=s.buffer, runs=len(pairs), pairs=self.keep(pairs), run=run)


def _kind(dtype: np.dtype[Any]) -> tiles.Kind:
    computer = machine.computer()
    return tiles.Kind(_TYPES[dtype], computer.lanes(dtype.itemsize), computer.features)


@functools.lru_cache(16)
def _text(module: Callable[[tiles.Kind], str], kind: tiles.Kind) -> str:
    return module(kind)


def _steps(sizes: Shape, channels: int) -> Shape:
    return tuple(math.prod(sizes[a + 1 :]) * channels for a in range(len(sizes)))


# ---------------------------------------------------------------------- values and gradients for the image


def _entries(phase: Phase, k: Shape, size: int) -> geometry.Words:
    """Where the entries of a kernel stand that belong to a phase, in the order of its offsets."""
    return geometry.sums([np.array(q.taps, np.int64) * e for q, e in zip(phase, _steps(k, size), strict=True)])


class _Correlation:
    """A convolution, or its gradient for the image, which reads its kernel the other way."""

    def __init__(self, p: _Problem, dtype: np.dtype[Any], *, back: bool) -> None:
        self.p, self.back, self.kind = p, back, _kind(dtype)
        of, to = (p.outs, p.sizes) if back else (p.sizes, p.outs)
        make = geometry.backward if back else geometry.forward
        phases = make(to, p.k, p.strides, p.dilation, p.pads)
        self.reads, self.writes = (p.f, p.c) if back else (p.c, p.f)
        self.border = None
        s = geometry.source(p.n, of, self.reads, phases, dtype.itemsize)
        if s is None:
            self.border, of, phases = geometry.bordered(of, phases)
            s = geometry.source(p.n, of, self.reads, phases, dtype.itemsize)
            assert s is not None
        self.shape = (p.n, *to, self.writes)
        self.of = of
        self.plan, self.jobs, self.packs, self.packed = _Plan(), [], [], 0
        steps = _steps(to, self.writes)
        for phase in phases:
            t = geometry.tables(s, phase, steps, math.prod(to) * self.writes, join=p.groups == 1)
            (self._deep if p.is_deep else self._filters)(phase, t)
        plan = self.plan
        plan.source(s)
        plan.set(out_image=math.prod(to) * self.writes, out_row=steps[0] * phases[0][0].apart, chunks=s.chunks)
        plan.set(jobs=len(self.jobs), job=plan.table(JOB, self.jobs), packed=self.packed)
        plan.set(packs=len(self.packs), pack=plan.table(PACK, self.packs))
        taps = sum(math.prod(q.results * len(q.offsets) for q in phase) for phase in phases)
        time = p.n * taps * p.c * p.f / p.groups / self.kind.lanes * _VECTOR
        kernel = machine.kernel(_text(drive.values, self.kind))
        self.run = Loops(kernel, plan.head, 4, s.chunks, time)

    def _job(self, t: Tables, **words: int) -> None:
        keep = self.plan.keep
        known = {"base": keep(t.base), "tap": keep(t.tap), "taps": len(t.tap), "out": keep(t.out)}
        self.jobs.append({**known, "count": t.results, "rest": t.rest, **words})

    def _deep(self, phase: Phase, t: Tables) -> None:
        """Vectors of channels, the last of which is moved back to be full."""
        c, lanes, names = self.p.c, self.kind.lanes, drive.value_names(self.kind)
        kernels = self.plan.keep(_entries(phase, self.p.k, c))
        kind = names.index(f"{tiles.deep_name(masked=c < lanes)}_all")
        for first in range(0, c, lanes):
            first = max(min(first, c - lanes), 0)
            self._job(t, kind=kind, x=first, y=first, w=first, left=min(lanes, c), wtap=kernels)

    def _filters(self, phase: Phase, t: Tables) -> None:
        """Blocks of filters of each group; of a large kernel a piece after the other."""
        p, lanes, widths = self.p, self.kind.lanes, list(self.kind.tiles)
        of, to = self.reads // p.groups, self.writes // p.groups
        many, widest = t.joined * of, lanes * max(widths)
        size = len(t.tap) * many * widest * self.kind.bytes
        # Rows far apart by a power of two leave most of a cache alone, so a large kernel is put in order, too.
        moved = to > widest and size > _PIECE and p.n * t.results * t.rest >= _WORTH
        in_order = not self.back and to % lanes == 0 and not moved
        for group in range(p.groups):
            for first, v, left in geometry.blocks(to, lanes, widths):
                y, width = group * to + first, v * lanes
                w, step = (y, p.f) if in_order else (self.packed, width)
                if not in_order:
                    self._pack(phase, group, first, width, (v - 1) * lanes + left)
                known = {"kind": widths.index(v), "x": group * of, "y": y, "step": step, "left": left, "many": many}
                for at, taps in _pieces(len(t.tap), -(-size // _PIECE)):
                    part = t._replace(tap=t.tap[at : at + taps])
                    self._job(part, **known, w=w + at * many * step, more=int(at > 0))

    def _pack(self, phase: Phase, group: int, first: int, width: int, used: int) -> None:
        """Put a block of filters in order."""
        p = self.p
        inner, per_group = p.c // p.groups, p.f // p.groups
        entries = _entries(phase, p.k, inner * p.f) + group * per_group
        rows = per_group if self.back else inner
        row, column = (1, p.f) if self.back else (p.f, 1)
        places = self.plan.keep(entries + first * column)
        pack = {"to": self.packed, "from": places, "planes": len(entries), "plane": rows * width, "to_row": width}
        self.packs.append({**pack, "rows": rows, "row": row, "columns": used, "column": column})
        self.packed += len(entries) * rows * width

    def __call__(self, x: _Array, w: _Array) -> _Array:
        """Compute it."""
        if self.border is not None:
            x = _bordered(x, self.border, self.of)
        y = buffers.empty(self.shape, x.dtype)
        spare = np.empty(self.packed, x.dtype) if self.packed else y
        self.run(x, w, y, spare)
        return y


def _bordered(x: _Array, lows: Shape, sizes: Shape) -> _Array:
    """An array in zeros."""
    found = buffers.empty((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    found.fill(0)
    found[(slice(None), *(slice(low, low + n) for low, n in zip(lows, x.shape[1:-1], strict=True)))] = x
    return found


# ---------------------------------------------------------------------- gradients for the kernel


class _KernelSums:
    """The gradient for the kernel."""

    def __init__(self, p: _Problem, dtype: np.dtype[Any]) -> None:
        self.p, self.kind, self.plan = p, _kind(dtype), _Plan()
        phases = geometry.forward(p.outs, p.k, p.strides, p.dilation, p.pads)
        self.border, of = None, p.sizes
        s = geometry.source(p.n, of, p.c, phases, dtype.itemsize)
        if s is None:
            self.border, of, phases = geometry.bordered(of, phases)
            s = geometry.source(p.n, of, p.c, phases, dtype.itemsize)
            assert s is not None
        self.of = of
        steps = _steps(p.outs, p.f)
        join = p.groups == 1
        t = geometry.tables(s, phases[0], steps, math.prod(p.outs) * p.f, join=join)
        keep = self.plan.keep
        self.known = {"base": keep(t.base), "out": keep(t.out), "count": t.results, "rest": t.rest, "step": p.f}
        self.jobs: list[dict[str, int]] = []
        run = t.joined * p.c // p.groups
        self.apart = not p.is_deep and run < _RUN and len(t.tap) > 1
        if p.is_deep:
            self._deep(t)
        else:
            self._columns(t, run)
        self.shape = (*p.k, p.c // p.groups, p.f)
        length = math.prod(self.shape)
        self.parts = max(min(_PARTS, s.chunks, _MOST_SPARE // (length * dtype.itemsize)), 1)
        self.spare = (self.parts - 1) * length
        plan = self.plan
        plan.source(s)
        plan.set(out_image=math.prod(p.outs) * p.f, out_row=steps[0], chunks=self.parts, parts=s.chunks, length=length)
        plan.set(jobs=len(self.jobs), job=plan.table(SUM, self.jobs))
        time = p.n * math.prod(p.outs) * length / self.kind.lanes * _VECTOR
        module = drive.sums_by_table if self.apart else drive.sums_of_runs
        self.run = Loops(machine.kernel(_text(module, self.kind)), plan.head, 4, self.parts, time)

    def _deep(self, t: Tables) -> None:
        c, lanes, names, at = self.p.c, self.kind.lanes, drive.sum_names(self.kind, apart=False), 0
        while at < len(t.tap):
            r = next(r for r in tiles.DEEP_ENTRIES if r <= len(t.tap) - at)
            columns, kind = self.plan.keep(t.tap[at : at + r]), names.index(f"channels{r}")
            for first in range(0, c, lanes):
                job = {"kind": kind, "x": first, "g": first, "dw": at * c + first, "left": min(lanes, c - first)}
                self.jobs.append({**self.known, **job, "repeat": 1, "columns": columns})
            at += r

    def _columns(self, t: Tables, run: int) -> None:
        """Columns that follow one another, so many, or all of them by a table where these are few."""
        p, most = self.p, self.kind.columns(apart=self.apart)
        of, to = p.c // p.groups, p.f // p.groups
        for group in range(p.groups):
            for first, v, left in geometry.blocks(to, self.kind.lanes, list(most)):
                known = {**self.known, "g": group * to + first, "left": left, "x": group * of}
                if self.apart:
                    self._by_table(known, (t.tap[:, None] + np.arange(run)).reshape(-1), most[v], v)
                    continue
                for k, tap in enumerate(t.tap.tolist()):
                    for at, r, times in _cut(run, most[v]):
                        self._job({**known, "x": known["x"] + tap + at, "repeat": times}, r, v, k * run + at)

    def _by_table(self, known: dict[str, int], places: geometry.Words, most: int, v: int) -> None:
        for first, r, times in _cut(len(places), most):
            for at in range(first, first + r * times, r):
                columns = self.plan.keep(places[at : at + r])
                self._job({**known, "repeat": 1, "columns": columns}, r, v, at)

    def _job(self, known: dict[str, int], r: int, v: int, row: int) -> None:
        name = f"{tiles.kernel_name(apart=self.apart)}{r}_{v}"
        kind = drive.sum_names(self.kind, apart=self.apart).index(name)
        self.jobs.append({**known, "kind": kind, "stride": r, "dw": row * self.p.f + known["g"]})

    def __call__(self, x: _Array, g: _Array) -> _Array:
        """Compute it."""
        if self.border is not None:
            x = _bordered(x, self.border, self.of)
        dw = buffers.empty(self.shape, x.dtype)
        self.run(x, g, dw, buffers.empty((self.spare,), x.dtype) if self.spare else dw)
        return dw


def _pieces(n: int, pieces: int) -> list[tuple[int, int]]:
    """About so many pieces: where each begins, and its length. Of nothing there is one."""
    pieces = max(min(pieces, n), 1)
    places = [n * k // pieces for k in range(pieces + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(places)]


def _cut(n: int, most: int) -> list[tuple[int, int, int]]:
    """Pieces of about the same length, at most so long: where the first begins, the length, and how many there are."""
    pieces = -(-n // most)
    short, longer = divmod(n, pieces)
    several = (0, short + 1, longer), (longer * (short + 1), short, pieces - longer)
    return [piece for piece in several if piece[2]]


# ---------------------------------------------------------------------- what an engine asks for


def _conv(x: Shape, w: Shape, settings: Mapping[str, Any]) -> tuple[Shape, Shape, Shape]:
    """Image, kernel and places."""
    k, a = w[:-2], settings
    outs = tuple(
        (n + low + high - d * (kk - 1) - 1) // s + 1
        for n, kk, s, d, (low, high) in zip(x[1:-1], k, a["strides"], a["dilation"], a["pads"], strict=True)
    )
    return x, w, outs


def _problem(key: str, first: Shape, second: Shape, a: Mapping[str, Any]) -> _Problem:
    groups = a["groups"]
    if key == "cnn.conv":
        x, w, outs = _conv(first, second, a)
    elif key == "cnn.conv_input":
        x, w, outs = (first[0], *a["sizes"], second[-2] * groups), second, first[1:-1]
    else:
        x, w, outs = first, (*a["sizes"], first[-1] // groups, second[-1]), second[1:-1]
    settings = tuple(a["strides"]), tuple(a["dilation"]), tuple(map(tuple, a["pads"]))
    return _Problem(x[0], x[1:-1], x[-1], w[:-2], outs, w[-1], groups, *settings)


def kernel_of(key: str, shapes: Sequence[Shape], dtype: np.dtype[Any], attrs: Mapping[str, Any]) -> Kernel:
    """What computes a convolution, or one of its gradients, of operands in C order that have something to compute."""
    if dtype.char == "e":  # Computed with more digits, and rounded once.
        wide = np.dtype("float32")
        run = kernel_of(key, shapes, wide, attrs)
        return lambda a, b: run(a.astype(wide), b.astype(wide)).astype(dtype)
    return _made(key, _problem(key, shapes[0], shapes[1], attrs), dtype, machine.computer())


@functools.lru_cache(256)
def _made(key: str, p: _Problem, dtype: np.dtype[Any], computer: Any) -> Kernel:
    many = p.f // p.groups
    if p.groups == p.c > 1 and many > 1:
        return _several(key, p, dtype, many)
    if key == "cnn.conv_kernel":
        return _KernelSums(p, dtype)
    return _Correlation(p, dtype, back=key == "cnn.conv_input")


def _several(key: str, p: _Problem, dtype: np.dtype[Any], many: int) -> Kernel:
    """Several kernels for each channel: as if there were as many channels."""
    wide = p._replace(c=p.f, groups=p.f)
    if key == "cnn.conv_input":
        inner = _Correlation(wide, dtype, back=True)
        return lambda g, w: inner(g, w).reshape(p.n, *p.sizes, p.c, many).sum(axis=-1)
    outer = _KernelSums(wide, dtype) if key == "cnn.conv_kernel" else _Correlation(wide, dtype, back=False)
    return lambda x, other: outer(np.repeat(x, many, axis=-1), other)
