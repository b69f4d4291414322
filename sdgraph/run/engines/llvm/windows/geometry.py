"""Where a convolution reads and writes: all its numbers, as tables of offsets. Must not know LLVM, or what is computed.

A convolution and its gradient for the image are both *correlations*: along each axis, result q of a phase reads places
``step q + o`` for a few offsets o, and stands at ``first + apart q``. A convolution has one phase. Its gradient has one
per residue of a place in the image modulo the stride.

Work is cut into chunks: several small images, or a band of rows of a large one. What a chunk reads is copied to a
buffer with a border of zeros first, if some window reaches beyond the image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Words = np.ndarray[Any, np.dtype[np.int64]]

MOST_BUFFER = 1 << 17
"""Bytes of a buffer, which stands on the stack, at most."""
_USUAL_BUFFER = 1 << 16
_PIECES = 16
"""Chunks that a large image should have at least, for threads to share."""
_FEW, _LEAST, _MOST = 48, 128, 1024
"""Pixels of a chunk: those below which a border of its own costs too much, and what it should have."""


class Along(NamedTuple):
    """A phase along one axis."""

    step: int
    offsets: tuple[int, ...]
    """In ascending order."""
    taps: tuple[int, ...]
    """The places in the kernel that belong to them."""
    results: int
    """How many this phase has."""
    first: int
    apart: int


Phase = tuple[Along, ...]
"""One of each axis."""


def forward(outs: Sequence[int], k: Sequence[int], strides: Any, dilation: Any, pads: Any) -> list[Phase]:
    """The only phase of a convolution."""
    along = []
    for o, kk, s, d, (low, _) in zip(outs, k, strides, dilation, pads, strict=True):
        taps = tuple(range(kk))
        along.append(Along(s, tuple(t * d - low for t in taps), taps, o, 0, 1))
    return [tuple(along)]


def backward(sizes: Sequence[int], k: Sequence[int], strides: Any, dilation: Any, pads: Any) -> list[Phase]:
    """The phases of its gradient for the image."""
    per_axis = []
    for n, kk, s, d, (low, _) in zip(sizes, k, strides, dilation, pads, strict=True):
        found = []
        for r in range(min(s, n)):
            # Result o reads place s o + d t - low, so place s q + r goes to results (s q + r + low - d t) / s.
            taps = tuple(t for t in reversed(range(kk)) if (r + low - d * t) % s == 0)
            offsets = tuple((r + low - d * t) // s for t in taps)
            found.append(Along(1, offsets, taps, -(-(n - r) // s), r, s))
        per_axis.append(found)
    return list(itertools.product(*per_axis))


def grid(counts: Sequence[int], steps: Sequence[int]) -> Words:
    """All sums of multiples of steps, the last axis fastest."""
    return sums([np.arange(n, dtype=np.int64) * s for n, s in zip(counts, steps, strict=True)])


def sums(parts: Sequence[Sequence[int] | Words]) -> Words:
    """All sums of one number of each."""
    found = np.zeros(1, np.int64)
    for part in parts:
        found = (found[:, None] + np.asarray(part, np.int64)[None, :]).reshape(-1)
    return found


class Source(NamedTuple):
    """How chunks of an array ``[n, *sizes, channels]`` are laid out for reading."""

    n: int
    sizes: tuple[int, ...]
    channels: int
    lows: tuple[int, ...]
    """What stands before each axis; before the first one that of the first row of a band."""
    steps: tuple[int, ...]
    """Elements from one place to the next, per axis, as chunks have them."""
    image: int
    """Elements from one image to the next there."""
    images: int
    """Of a chunk."""
    bands: int
    """Of an image."""
    rows: int
    """Results of a band along the first axis."""
    read: int
    """Places along the first axis that a band reads."""
    first: int
    """The place along the first axis that the first band begins at."""
    step: int
    """Places along it from one result to the next."""
    copied: bool

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.n // self.images) * self.bands

    @property
    def buffer(self) -> int:
        """Elements of the buffer."""
        return self.images * self.image if self.copied else 0

    @property
    def is_flat(self) -> bool:
        """Whether a border, if any, is along the first axis alone."""
        return self.steps[0] == math.prod(self.sizes[1:]) * self.channels


def source(n: int, sizes: tuple[int, ...], channels: int, phases: Sequence[Phase], item: int) -> Source | None:
    """The chunks of an array; None where a buffer has no room for as many pixels as a chunk should have."""
    lows, full, beyond = [], [], False
    for a, size in enumerate(sizes):
        along = [p[a] for p in phases if p[a].offsets and p[a].results]
        least = min((q.offsets[0] for q in along), default=0)
        last = max((q.step * (q.results - 1) + q.offsets[-1] for q in along), default=0)
        beyond |= least < 0 or last >= size
        lows.append(-least if a == 0 else max(-least, 0))
        full.append(size + max(-least, 0) + max(last - size + 1, 0))
    steps = tuple(math.prod(full[a + 1 :]) * channels for a in range(len(full)))
    along = [p[0] for p in phases]
    count, step = max(q.results for q in along), max(q.step for q in along)
    span = max((q.offsets[-1] for q in along if q.offsets), default=0) + lows[0] + 1
    rest = max(math.prod(q.results for q in p[1:]) for p in phases)

    def read(rows: int) -> int:
        return step * (rows - 1) + span

    def cut(most: int) -> tuple[int, int, int]:
        """Rows, bands and images of a chunk whose buffer has so many bytes at most; no rows where none fit."""
        place = read(1), step, steps[0] * item
        fits = count if not beyond else (most // place[2] - place[0]) // place[1] + 1
        pixels = min(max(n * count * rest // _PIECES, _LEAST), _MOST)
        rows = min(max(pixels // rest, 1), count, fits)
        if rows < 1:
            return 0, 0, 0
        bands = -(-count // rows)
        if bands > 1:
            return -(-count // bands), bands, 1
        images = n if not beyond else most // (read(count) * place[2])
        return count, 1, max(min(n, -(-_LEAST // (count * rest)), images), 1)

    rows, bands, images = cut(_USUAL_BUFFER)
    enough = min(_FEW, n * count * rest)
    if rows * rest * images < enough:
        rows, bands, images = cut(MOST_BUFFER)
    if rows * rest * images < enough:
        return None
    image = read(rows) * steps[0] if beyond else math.prod(sizes) * channels
    return Source(
        n, sizes, channels, tuple(lows), steps, image, images, bands, rows, read(rows), -lows[0], step, beyond
    )


def bordered(sizes: tuple[int, ...], phases: Sequence[Phase]) -> tuple[tuple[int, ...], tuple[int, ...], list[Phase]]:
    """Zeros before each axis, so that no window reaches beyond the array with them; its sizes then, and its phases."""
    lows, full = [], []
    for a, size in enumerate(sizes):
        along = [p[a] for p in phases if p[a].offsets and p[a].results]
        low = max(-min((q.offsets[0] for q in along), default=0), 0)
        last = max((q.step * (q.results - 1) + q.offsets[-1] for q in along), default=0)
        lows.append(low)
        full.append(low + max(size, last + 1))
    moved = [
        tuple(q._replace(offsets=tuple(o + low for o in q.offsets)) for q, low in zip(p, lows, strict=True))
        for p in phases
    ]
    return tuple(lows), tuple(full), moved


class Tables(NamedTuple):
    """Offsets of one phase within a chunk."""

    base: Words
    """Of what a result reads, by results."""
    tap: Words
    """Of an entry of the kernel, by entries."""
    out: Words
    """Of where a result stands, by results."""
    results: int
    """How many there are along the first axis in a whole image."""
    rest: int
    """Results for each of these."""
    joined: int
    """How many entries along the last axis follow one another in memory; then ``tap`` has only the first of each."""


def tables(s: Source, phase: Phase, out_steps: Sequence[int], out_image: int, *, join: bool) -> Tables:
    """The tables of a phase, whose results stand in an array of those steps."""
    counts = [q.results for q in phase]
    counts[0] = min(counts[0], s.rows)
    base = grid([s.images, *counts], [s.image, *(q.step * e for q, e in zip(phase, s.steps, strict=True))])
    apart = [q.apart * e for q, e in zip(phase, out_steps, strict=True)]
    out = grid([s.images, *counts], [out_image, *apart])
    out += sum(q.first * e for q, e in zip(phase, out_steps, strict=True))
    last = phase[-1].offsets
    follow = join and len(last) > 0 and all(b - a == 1 for a, b in itertools.pairwise(last))
    offsets = [list(q.offsets) for q in phase]
    if follow:
        offsets[-1] = offsets[-1][:1]
    places = [[(o + low) * e for o in of] for of, low, e in zip(offsets, s.lows, s.steps, strict=True)]
    joined = len(last) if follow else 1
    return Tables(base, sums(places), out, phase[0].results, math.prod(q.results for q in phase[1:]), joined)


def copying(s: Source) -> tuple[Words, int]:
    """What is copied of each place along the first axis: pairs of offsets, to and from; and how many elements each."""
    if s.is_flat:
        return np.zeros((1, 2), np.int64), s.steps[0]
    inner = s.sizes[1:-1]
    own = [math.prod(s.sizes[a + 1 :]) * s.channels for a in range(len(s.sizes))]
    to = grid(inner, s.steps[1:-1]) + sum(low * e for low, e in zip(s.lows[1:], s.steps[1:], strict=True))
    return np.stack([to, grid(inner, own[1:-1])], axis=1), s.sizes[-1] * s.channels


def blocks(f: int, lanes: int, widths: Sequence[int]) -> list[tuple[int, int, int]]:
    """Blocks of filters: the first, how many vectors, and how many filters the last vector has."""
    found, at = [], 0
    while at < f:
        left = -(-(f - at) // lanes)
        v = next(w for w in widths if w <= left)
        width = min(v * lanes, f - at)
        found.append((at, v, width - (v - 1) * lanes))
        at += width
    return found
