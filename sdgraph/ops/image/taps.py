"""Which entries of an axis a resized axis reads, and with what weight; and the sums of products that this makes.

Every way to resize is a matrix that is almost empty: a row has as many entries as its window is wide. It is kept as
pairs, and multiplied in dense blocks along its diagonal. Knows numbers only, no graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.ops.precision import wide


class Sampling(NamedTuple):
    """How an axis is resized: the settings of `SDResizing.resample`, but for the axis."""

    size: int
    method: str
    coordinates: str
    antialias: bool
    border: str
    scale: float | None
    coefficient: float
    rounding: str
    absolute: bool


class Pairs(NamedTuple):
    """The entries of a matrix that are not 0, by rows."""

    rows: np.ndarray[Any, Any]
    columns: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any]
    shape: tuple[int, int]


# ---------------------------------------------------------------------- positions

_Positions = Callable[[Any, int, int, float], Any]


def _half_pixel(i: Any, old: int, new: int, scale: float) -> Any:
    # One division of whole numbers, which is rounded once: what lies halfway between two entries is found there.
    return ((2 * i + 1) * old - new) / (2 * new) if scale == 0 else (i + 0.5) / scale - 0.5


def _symmetric(i: Any, old: int, new: int, scale: float) -> Any:
    return _half_pixel(i, old, new, scale) + (0.0 if scale == 0 else (old - new / scale) / 2)


def _pytorch(i: Any, old: int, new: int, scale: float) -> Any:
    return _half_pixel(i, old, new, scale) if new > 1 else i * 0.0


def _corners(i: Any, old: int, new: int, scale: float) -> Any:
    length = new if scale == 0 else old * scale
    return i * (old - 1) / (length - 1) if length > 1 else i * 0.0


def _asymmetric(i: Any, old: int, new: int, scale: float) -> Any:
    return i * old / new if scale == 0 else i / scale


COORDINATES: Final[dict[str, _Positions]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": _pytorch,
    "align_corners": _corners,
    "asymmetric": _asymmetric,
}
"""Where an entry of the result lies on the old axis, by name; a scale of 0 is the quotient of the sizes."""

ROUNDINGS: Final[dict[str, Callable[[Any], Any]]] = {
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}

# ---------------------------------------------------------------------- windows


def _linear(x: Any, a: float) -> Any:
    return np.maximum(1 - x, 0)


def _cubic(x: Any, a: float) -> Any:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _mitchell(x: Any, a: float) -> Any:
    near = (7 / 6 * x - 2) * x * x + 8 / 9
    far = ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _gaussian(x: Any, a: float) -> Any:
    return np.where(x < 1.5, np.exp(-2 * x * x), 0)


def _lanczos(radius: float) -> Callable[[Any, float], Any]:
    return lambda x, a: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


WINDOWS: Final[dict[str, tuple[float, Callable[[Any, float], Any]]]] = {
    "linear": (1.0, _linear),
    "cubic": (2.0, _cubic),
    "mitchell": (2.0, _mitchell),
    "gaussian": (1.5, _gaussian),
    "lanczos3": (3.0, _lanczos(3.0)),
    "lanczos5": (5.0, _lanczos(5.0)),
}
"""How far a method reads, and its weight at a distance that is not negative."""

# ---------------------------------------------------------------------- the matrix


def _rows(count: Any) -> tuple[Any, Any]:
    """For rows of so many entries: the row of each entry, and its place within."""
    rows = np.repeat(np.arange(len(count)), count)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)


def _nearest(s: Sampling, old: int) -> Pairs:
    found = ROUNDINGS[s.rounding](_positions(s, old)).astype(np.int64)
    return Pairs(np.arange(s.size), np.clip(found, 0, old - 1), np.ones(s.size), (s.size, old))


def _area(s: Sampling, old: int) -> Pairs:
    """An entry of the result is the mean over its part of the axis, which it covers evenly."""
    # In units of which an old entry has `new` and a new one `old`, all ends are whole numbers.
    start = np.arange(s.size) * old
    first, last = start // s.size, -(-(start + old) // s.size)
    rows, place = _rows(last - first)
    columns = first[rows] + place
    shared = np.minimum(start[rows] + old, (columns + 1) * s.size) - np.maximum(start[rows], columns * s.size)
    return Pairs(rows, columns, shared / old, (s.size, old))


def _positions(s: Sampling, old: int) -> Any:
    return COORDINATES[s.coordinates](np.arange(s.size), old, s.size, s.scale or 0.0)


def _windowed(s: Sampling, old: int) -> Pairs:
    radius, weight = WINDOWS[s.method]
    scale = s.scale or s.size / old
    stretch = max(1 / scale, 1.0) if s.antialias else 1.0
    at = _positions(s, old)
    first = np.ceil(at - radius * stretch).astype(np.int64)
    last = np.floor(at + radius * stretch).astype(np.int64)
    if s.border == "inside":
        first, last = np.maximum(first, 0), np.minimum(last, old - 1)
    rows, place = _rows(np.maximum(last - first + 1, 0))
    columns = first[rows] + place
    weights = weight(np.abs(columns - at[rows]) / stretch, s.coefficient)
    total = np.bincount(rows, weights, s.size)
    weights = weights / np.where(total == 0, 1, total)[rows]
    return _merged(rows, np.clip(columns, 0, old - 1), weights, (s.size, old))


def _merged(rows: Any, columns: Any, weights: Any, shape: tuple[int, int]) -> Pairs:
    """Pairs with each place once and without weights of 0."""
    places, where = np.unique(rows * shape[1] + columns, return_inverse=True)
    weights = np.bincount(where, weights, len(places))
    places, weights = places[weights != 0], weights[weights != 0]
    return Pairs(places // shape[1], places % shape[1], weights, shape)


@functools.lru_cache(maxsize=128)
def pairs_of(s: Sampling, old: int, transposed: bool = False) -> Pairs:
    """The matrix of a sampling, of shape (new, old), or its transpose."""
    found = _nearest(s, old) if s.method == "nearest" else _area(s, old) if s.method == "area" else _windowed(s, old)
    if s.absolute:
        found = found._replace(weights=np.abs(found.weights))
    if not transposed:
        return found
    order = np.argsort(found.columns, kind="stable")
    return Pairs(found.columns[order], found.rows[order], found.weights[order], (found.shape[1], found.shape[0]))


def dense(s: Sampling, old: int, transposed: bool = False) -> np.ndarray[Any, Any]:
    """The matrix with all its zeros."""
    pairs = pairs_of(s, old, transposed)
    out = np.zeros(pairs.shape)
    out[pairs.rows, pairs.columns] = pairs.weights
    return out


# ---------------------------------------------------------------------- products

_THIN: Final = 8
"""Up to how many numbers an entry of the axis may have for the axis and these to be columns of one matrix."""


class _Block(NamedTuple):
    rows: slice
    columns: slice
    matrix: np.ndarray[Any, Any]


def _step(ratio: float, window: float, n: int) -> int:
    """How many rows a block has: few where rows are far apart, as blocks are mostly zeros there.

    Measured: the product of a larger matrix is quicker only until it has some tens of columns.
    """
    if n > 1:
        return int(min(max(16 / ratio, 4), max(4, 24 // n)))
    return int(min(max(max(8, window) / ratio, 4), 16))


@functools.lru_cache(maxsize=128)
def _blocks(s: Sampling, old: int, transposed: bool, n: int, dtype: np.dtype[Any]) -> tuple[_Block, ...]:
    """The matrix cut into blocks of rows, each with the columns that it needs; each entry stands for ``n`` of them."""
    pairs = pairs_of(s, old, transposed)
    new, old = pairs.shape
    step = _step(old / new, len(pairs.rows) / new, n)
    out = []
    for start in range(0, new, step):
        stop = min(start + step, new)
        a, b = np.searchsorted(pairs.rows, [start, stop])
        columns = pairs.columns[a:b]
        low, high = (int(columns.min()), int(columns.max()) + 1) if b > a else (0, 0)
        matrix = np.zeros((stop - start, high - low))
        matrix[pairs.rows[a:b] - start, columns - low] = pairs.weights[a:b]
        if n > 1:
            matrix = np.kron(matrix, np.eye(n))
        out.append(_Block(slice(start * n, stop * n), slice(low * n, high * n), matrix.astype(dtype)))
    return tuple(out)


def product(x: Any, axis: int, s: Sampling, old: int, transposed: bool) -> Any:
    """The matrix, or its transpose, times a floating array along an axis.

    Blocks multiply zeros, too, so that where something infinite or no number is near, pairs are added up one by one.
    """
    pairs = pairs_of(s, old, transposed)
    new = pairs.shape[0]
    shape = (*x.shape[:axis], new, *x.shape[axis + 1 :])
    dtype = wide(x.dtype)
    work = x.astype(dtype, copy=False)
    before, behind = int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis + 1 :]))
    if not (before and behind and new):
        return np.zeros(shape, x.dtype)
    out = np.empty((before, new * behind) if behind <= _THIN else (before, new, behind), dtype)
    with np.errstate(all="ignore"):
        _multiply(work.reshape((before, -1) if behind <= _THIN else (before, -1, behind)), out, s, old, transposed)
        # A sum that overflows is no more than a reason to look closer.
        fine = np.isfinite(np.sum(out if out.size <= x.size else work))
    result = out.reshape(shape)
    if not fine:
        result = _one_by_one(work, axis, pairs)
    return result.astype(x.dtype, copy=False)


def _multiply(x: Any, out: Any, s: Sampling, old: int, transposed: bool) -> None:
    thin = x.ndim == 2
    n = out.shape[1] // pairs_of(s, old, transposed).shape[0] if thin else 1
    for rows, columns, matrix in _blocks(s, old, transposed, n, out.dtype):
        if thin:
            np.matmul(x[:, columns], matrix.T, out=out[:, rows])
        else:
            np.matmul(matrix, x[:, columns], out=out[:, rows])


def _one_by_one(x: Any, axis: int, pairs: Pairs) -> Any:
    """The same product of which each entry reads no more than its own pairs."""
    x = np.moveaxis(x, axis, 0)
    out = np.zeros((pairs.shape[0], *x.shape[1:]), x.dtype)
    count = np.bincount(pairs.rows, minlength=pairs.shape[0])
    first = np.cumsum(count) - count
    rest = (1,) * (x.ndim - 1)
    with np.errstate(all="ignore"):
        for k in range(int(count.max(initial=0))):
            rows = np.flatnonzero(count > k)
            found = first[rows] + k
            out[rows] += x[pairs.columns[found]] * pairs.weights[found].astype(x.dtype).reshape(-1, *rest)
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))
