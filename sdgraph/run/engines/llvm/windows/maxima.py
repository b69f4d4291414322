"""Largest numbers of windows, and where they stand first, as compiled loops.

An array is seen as ``[n, *sizes, c]``: windows slide along the axes between, and vectors are numbers side by side along
the last one. Each result has a list of the places that its window reads; those beyond the array are not on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines import buffers
from sdgraph.run.engines.llvm.scalars.builder import Val, const
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.windows import geometry
from sdgraph.run.engines.llvm.windows.calls import Loops
from sdgraph.run.engines.llvm.windows.tiles import ZERO, Kind, Module, at, number, parameter, vector, word, words
from sdgraph.run.engines.llvm.write.accumulators import Variable
from sdgraph.run.engines.llvm.write.memory import lanes_below, loop, masked_store_raw, smaller, when

_Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

HEAD = words("results c per_chunk chunks of all base list")
"""The plan: results of an image, numbers side by side, results of a chunk, chunks of an image, elements of an image,
all chunks; and per result where its window begins, and the list of the places that it reads there."""
_PIECE = 2048
"""Vectors of results in a chunk, about."""
_VECTOR = 0.3e-3
"""Microseconds that a place of a window takes per vector, roughly."""
_TYPES = {np.dtype("float32"): "float", np.dtype("float64"): "double"}


# ---------------------------------------------------------------------- code


class _Code:
    """What writes ``k1(block, lo, hi)``: chunks of the largest numbers, or of where they stand first."""

    def __init__(self, m: Module, *, first: bool) -> None:
        self.m, self.t, self.first = m, m.kind.type, first
        b = self.b = m.builder()
        block = parameter("block", "ptr")
        plan, self.x, self.y, self.out = (word(b, block, k, "ptr") for k in range(4))
        self.get = {name: word(b, plan, k, "ptr" if name in ("base", "list") else "i64") for name, k in HEAD.items()}
        loop(b, parameter("lo"), parameter("hi"), 1, self._chunk)
        m.add(b, "k1", [block, parameter("lo"), parameter("hi")], internal=False)

    def _chunk(self, c: Val) -> None:
        b, get = self.b, self.get
        image, piece = b.binary("sdiv", c, get["chunks"]), b.binary("srem", c, get["chunks"])
        lo = b.binary("mul", piece, get["per_chunk"])
        hi = smaller(b, b.binary("add", lo, get["per_chunk"]), get["results"])
        before, made = b.binary("mul", image, get["of"]), b.binary("mul", image, get["results"])
        loop(b, lo, hi, 1, lambda p: self._result(p, before, b.binary("add", made, p)))

    def _result(self, p: Val, before: Val, to: Val) -> None:
        b, c = self.b, self.get["c"]
        start, target = b.binary("add", before, word(b, self.get["base"], p)), b.binary("mul", to, c)
        places = word(b, self.get["list"], p, "ptr")
        many = word(b, places, 0)
        one = self._one_first if self.first else self._one_max

        def some(j: Val, mask: Val | None) -> None:
            one(b.binary("add", start, j), b.binary("add", target, j), places, many, mask)

        whole = b.binary("and", c, number(-b.width))
        loop(b, ZERO, whole, b.width, lambda j: some(j, None))
        when(b, b.compare("icmp slt", whole, c), lambda: some(whole, lanes_below(b, whole, c)))

    def _read(self, here: Val, places: Val, k: Val, mask: Val | None) -> tuple[Val, Val]:
        b, t = self.b, self.t
        offset = word(b, places, k)
        return offset, vector(b, at(b, at(b, self.x, here, t), offset, t), 0, t, mask)

    def _one_max(self, here: Val, put: Val, places: Val, many: Val, mask: Val | None) -> None:
        b, t = self.b, self.t
        best = Variable(b, const(0, t), vec=True)
        best.set(self._read(here, places, number(1), mask)[1])

        def place(k: Val) -> None:
            v, so_far = self._read(here, places, k, mask)[1], best.get()
            better = b.binary("or", b.compare("fcmp ogt", v, so_far), b.compare("fcmp uno", v, v))
            best.set(b.select(better, v, so_far))

        loop(b, number(2), b.binary("add", many, number(1)), 1, place)
        masked_store_raw(b, best.get(), at(b, self.y, put, t), t, mask)

    def _one_first(self, here: Val, put: Val, places: Val, many: Val, mask: Val | None) -> None:
        """From the last place to the first, so that the first one stays; where none fits, the last one."""
        b, t = self.b, self.t
        largest = vector(b, at(b, self.y, put, t), 0, t, mask)
        found = Variable(b, const(0, "i32"), vec=True)
        found.set(b.splat(b.convert("trunc", word(b, places, many), "i32")))

        def place(k: Val) -> None:
            offset, v = self._read(here, places, b.binary("sub", many, k), mask)
            fits = b.binary("or", b.compare("fcmp oeq", v, largest), b.compare("fcmp uno", v, v))
            found.set(b.select(fits, b.splat(b.convert("trunc", offset, "i32")), found.get()))

        loop(b, ZERO, many, 1, place)
        iota = Val("<" + ", ".join(f"i64 {k}" for k in range(b.width)) + ">", "i64", True, 0)
        wide = b.binary("add", b.convert("sext", found.get(), "i64"), b.binary("add", b.splat(here), iota))
        masked_store_raw(b, wide, at(b, self.out, put, "i64"), "i64", mask)


def _ends(m: Module) -> None:
    """What there is before and after chunks: nothing."""
    block = parameter("block", "ptr")
    for name in ("f0", "f1"):
        m.add(m.builder(), name, [block], internal=False)
    b = m.builder()
    chunks = word(b, word(b, block, 0, "ptr"), HEAD["all"])
    b.line(f"call void @.k1(ptr %block, i64 0, i64 {chunks.text})")
    m.add(b, "run", [block], internal=False)


# ---------------------------------------------------------------------- tables


class _Windows(NamedTuple):
    """The axes along which windows slide, of an array [n, *sizes, c]."""

    n: int
    sizes: Shape
    c: int
    outs: Shape
    k: Shape
    strides: Shape
    dilation: Shape
    lows: Shape


def _seen(shape: Shape, outs: Shape, attrs: Mapping[str, Any]) -> _Windows:
    """An array without the axes at both ends along which no window slides."""
    k, strides, dilation, pads = (tuple(attrs[name]) for name in ("sizes", "strides", "dilation", "pads"))
    slides = [a for a, one in enumerate(zip(k, strides, pads, strict=True)) if one != (1, 1, (0, 0))]
    lo, hi = (slides[0], slides[-1] + 1) if slides else (len(shape), len(shape))
    lows = tuple(low for low, _ in pads[lo:hi])
    between = shape[lo:hi], math.prod(shape[hi:]), outs[lo:hi], k[lo:hi], strides[lo:hi], dilation[lo:hi], lows
    return _Windows(math.prod(shape[:lo]), *between)


def _places(w: _Windows) -> tuple[geometry.Words, list[geometry.Words], geometry.Words]:
    """Per result where its window begins, and which of the lists of places it has: those inside of the array."""
    steps = [math.prod(w.sizes[a + 1 :]) * w.c for a in range(len(w.sizes))]
    axes = zip(w.sizes, w.outs, w.k, w.strides, w.dilation, w.lows, steps, strict=True)
    begins, kinds, per_axis = [], [], []
    for n, o, k, s, d, low, step in axes:
        start = np.arange(o, dtype=np.int64) * s - low
        inside = (start[:, None] + np.arange(k) * d >= 0) & (start[:, None] + np.arange(k) * d < n)
        ways, which = np.unique(inside, axis=0, return_inverse=True)
        begins.append(start * step)
        kinds.append(which.reshape(-1))
        per_axis.append([np.flatnonzero(way) * d * step for way in ways])
    which = geometry.sums([q * math.prod(map(len, per_axis[a + 1 :])) for a, q in enumerate(kinds)])
    lists: list[geometry.Words] = [np.zeros(1, np.int64)]
    for ways in per_axis:
        lists = [(one[:, None] + way).reshape(-1) for one in lists for way in ways]
    return geometry.sums(begins), lists, which


class _Loops:
    """The loops of one operation on arrays of one shape."""

    def __init__(self, w: _Windows, shape: Shape, dtype: np.dtype[Any], *, first: bool) -> None:
        self.shape, self.first = shape, first
        computer = machine.computer()
        kind = Kind(_TYPES[dtype], computer.lanes(dtype.itemsize), computer.features)
        base, lists, which = _places(w)
        self._lists = [np.array([len(one), *one], np.int64) for one in lists]
        self._base = base
        self._which = np.array([one.ctypes.data for one in self._lists], np.int64)[which]
        vectors = -(-w.c // kind.lanes)
        per_chunk = max(_PIECE // vectors, 1)
        chunks = -(-len(base) // per_chunk)
        known = {"results": len(base), "c": w.c, "per_chunk": per_chunk, "chunks": chunks, "all": w.n * chunks}
        known |= {"of": math.prod(w.sizes) * w.c, "base": base.ctypes.data, "list": self._which.ctypes.data}
        plan = np.array([known[name] for name in HEAD], np.int64)
        time = w.n * len(base) * vectors * math.prod(w.k) * _VECTOR
        self.run = Loops(machine.kernel(_text(kind, first)), plan, 3, w.n * chunks, time)

    def __call__(self, x: _Array, y: _Array | None = None) -> _Array:
        """Compute it; ``y`` are the largest numbers."""
        if y is None:
            y = buffers.empty(self.shape, x.dtype)
            self.run(x, y, y)
            return y
        out = buffers.empty(self.shape, np.dtype(np.int64))
        self.run(x, y, out)
        return out


@functools.lru_cache(16)
def _text(kind: Kind, first: bool) -> str:
    m = Module(kind)
    _Code(m, first=first)
    _ends(m)
    return m.text


def maxima_of(key: str, shapes: Sequence[Shape], out: Shape, dtype: np.dtype[Any], attrs: Mapping[str, Any]) -> _Loops:
    """What computes a step of ``cnn.window_max`` or ``cnn.window_first``, of operands in C order."""
    return _made(key, _seen(shapes[0], out, attrs), out, dtype, machine.computer())


@functools.lru_cache(256)
def _made(key: str, w: _Windows, shape: Shape, dtype: np.dtype[Any], computer: Any) -> _Loops:
    return _Loops(w, shape, dtype, first=key == "cnn.window_first")
