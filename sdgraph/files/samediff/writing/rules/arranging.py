"""Rules of the ops that move elements or make arrays: shapes, parts, pads, and what is filled with one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff.writing.call import BOOL, INT64, Call, Written, along, axes_of, known
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.infer.aval import Dim

Rule = Callable[[Call], Written]

# ---------------------------------------------------------------------- shapes


def _reshape(c: Call) -> Value:
    return c.reshape(c.x, c.shape)


def _broadcast_to(c: Call) -> Value:
    x = c.cast(c.x, np.float32) if c.dtype == BOOL else c.x
    for _ in range(len(c.shape) - x.rank):
        x = c.expand(x, 0)
    stretched = [d == 1 and n != 1 for d, n in zip(x.shape, c.shape, strict=True)]
    sizes = iter(known([n for n, s in zip(c.shape, stretched, strict=True) if s], "the sizes of the result"))
    tiled = _tiled(c, x, [next(sizes) if s else 1 for s in stretched])
    return c.truth(tiled) if c.dtype == BOOL else tiled


def _tiled(c: Call, x: Value, reps: Sequence[int]) -> Value:
    """Every axis so often behind itself."""
    if all(n == 1 for n in reps):
        return x
    shape = tuple(d * n if type(d) is int else None if n != 1 else d for d, n in zip(x.shape, reps, strict=True))
    return c.node("tile", x, shape=shape, i=reps)


def _broadcast_like(c: Call) -> Value:
    return c.filled(c.x, c.inputs[1])


def _permute(c: Call) -> Value:
    axes = c.attrs.get("axes")
    rank = c.x.rank
    return c.permute(c.x, range(rank)[::-1] if axes is None else [a % rank for a in axes])


def _expand_dims(c: Call) -> Value:
    axis, value = c.attrs["axis"], c.x
    for a in sorted(a % len(c.shape) for a in (axis if isinstance(axis, tuple) else (axis,))):
        value = c.expand(value, a)
    return value


def _squeeze(c: Call) -> Value:
    shape = c.x.shape
    axes = [k for k, d in enumerate(shape) if d == 1] if c.attrs["axis"] is None else axes_of(c, len(shape))
    return c.squeeze(c.x, axes)


# ---------------------------------------------------------------------- putting together, taking apart


def _concat(c: Call) -> Value:
    inputs = [c.cast(x, c.dtype) for x in c.inputs]
    if c.on_path and any(0 not in x.shape for x in inputs):
        inputs = [x for x in inputs if 0 not in x.shape]
    return c.concat(inputs, c.attrs["axis"] % len(c.shape))


def _stack(c: Call) -> Value:
    axis = c.attrs["axis"] % len(c.shape)
    return c.node("stack", *(c.cast(x, c.dtype) for x in c.inputs), shape=c.shape, i=[axis])


def _unstack(c: Call) -> list[Value]:
    return c.nodes("unstack", [c.x], c.avals, i=[c.attrs["axis"] % c.x.rank])


def _split_v(c: Call) -> list[Value]:
    """Slices: SameDiff's own op has no gradient."""
    axis, start, parts = c.attrs["axis"] % c.x.rank, 0, []
    for aval in c.avals:
        size = known(aval.shape[axis : axis + 1], "the size of a part")[0]
        parts.append(c.cut(c.x, axis, start, start + size))
        start += size
    return parts


def _split(c: Call) -> list[Value]:
    return c.nodes("split", [c.x], c.avals, i=[c.attrs["num_split"], c.attrs["axis"] % c.x.rank])


def _unconcat(c: Call) -> list[Value]:
    x, *likes = c.inputs
    axis = c.attrs["axis"] % x.rank
    parts, start = [], 0
    for size in known([like.shape[axis] for like in likes], "the sizes of the parts"):
        parts.append(c.cut(x, axis, start, start + size))
        start += size
    return parts


def _tile(c: Call) -> Value:
    reps = c.attrs["reps"]
    reps = list(reps) if isinstance(reps, tuple) else [reps]
    x = c.x
    for _ in range(len(reps) - x.rank):
        x = c.expand(x, 0)
    return _tiled(c, x, [1] * (x.rank - len(reps)) + reps)


def _repeat(c: Call) -> Value:
    """Each entry as often along an axis of its own, which is then made one with the entries'."""
    axis, times = c.attrs["axis"], c.attrs["repeats"]
    if axis is None or type(times) is not int:
        raise Refused("SameDiff's own op always fails")
    x = c.expand(c.x, axis % c.x.rank + 1)
    reps = [times if k == axis % c.x.rank + 1 else 1 for k in range(x.rank)]
    return c.reshape(_tiled(c, x, reps), c.shape)


def _reverse(c: Call) -> Value:
    axes = axes_of(c, c.x.rank)
    return c.node("reverse", c.x, i=axes) if axes else c.x


def _pad(c: Call) -> Value:
    """Strips around the array: constants, or mirrored parts of it. SameDiff's own pad has a wrong gradient."""
    x, mode = c.x, c.attrs["mode"]
    if mode != "constant":
        known(x.shape, "the sizes of what is mirrored")
    for axis, (before, after) in enumerate(c.attrs["padding"]):
        parts = [x]
        if before:
            parts.insert(0, _strip(c, x, axis, before, first=True))
        if after:
            parts.append(_strip(c, x, axis, after, first=False))
        x = c.concat(parts, axis)
    return x


def _strip(c: Call, x: Value, axis: int, size: int, *, first: bool) -> Value:
    mode = c.attrs["mode"]
    if mode == "constant":
        shape = known([*x.shape[:axis], *x.shape[axis + 1 :]], "the sizes of what is padded")
        shape.insert(axis, size)
        return c.array("padding", np.full(shape, c.attrs["constant"]))
    (n,) = known([x.shape[axis]], "the size of the axis")
    skipped = 1 if mode == "reflect" else 0
    start = skipped if first else n - skipped - size
    if start < 0 or start + size > n:
        raise Refused("SameDiff has no op that mirrors an array more than once")
    return c.node("reverse", c.cut(x, axis, start, start + size), i=[axis])


def _unpad(c: Call) -> Value:
    if c.attrs["mode"] != "constant":
        raise Refused("SameDiff has no such op")
    x = c.x
    for axis, (before, after) in enumerate(c.attrs["padding"]):
        (size,) = known([x.shape[axis]], "the size of the axis")
        x = c.cut(x, axis, before, size - after)
    return x


def _shifted(c: Call) -> Value:
    """Moved by one place, with a zero at the end it comes from."""
    return along(c, [c.x], lambda xs, axis: _shifted_along(c, xs[0], axis))


def _shifted_along(c: Call, x: Value, axis: int) -> Value:
    (n,) = known([x.shape[axis]], "the size of the axis")
    zero = c.zeros(c.cut(x, axis, 0, 1))
    if n == 1:
        return zero
    back = c.attrs["back"]
    rest = c.cut(x, axis, 1, n) if back else c.cut(x, axis, 0, n - 1)
    return c.concat([rest, zero] if back else [zero, rest], axis)


# ---------------------------------------------------------------------- basic indexing


def _full_key(key: Sequence[Any], rank: int) -> list[Any]:
    """A key with a part for each axis, as (start, stop, step), a position, or None."""
    parts = list(key)
    real = sum(k is not None and k is not Ellipsis for k in parts)
    at = next((i for i, k in enumerate(parts) if k is Ellipsis), len(parts))
    parts[at : at + 1] = [("slice", None, None, None)] * (rank - real)
    return [k[1:] if isinstance(k, tuple) else k for k in parts]


class _Slicing:
    """The arguments of one ``strided_slice``: masks, begins, ends and steps."""

    def __init__(self) -> None:
        self.begin: list[int] = []
        self.end: list[int] = []
        self.step: list[int] = []
        self.masks = {"begin": 0, "ellipsis": 0, "end": 0, "new": 0, "shrink": 0}

    def add(self, begin: int | None, end: int | None, step: int, *, new: bool = False, shrink: bool = False) -> None:
        bit = 1 << len(self.begin)
        for name, flag in (("begin", begin is None), ("end", end is None), ("new", new), ("shrink", shrink)):
            self.masks[name] |= bit if flag else 0
        self.begin.append(begin or 0)
        self.end.append(end or 0)
        self.step.append(step)

    @property
    def arguments(self) -> list[int]:
        return [*self.masks.values(), *self.begin, *self.end, *self.step]


def _index(c: Call) -> Value:
    """As a strided slice; an axis that is run through backwards is turned round afterwards, or before."""
    x = c.x
    if x.rank == 0:
        return c.reshape(x, c.shape)
    slicing, turned, axis, out = _Slicing(), [], 0, 0
    before: list[int] = []
    for key in _full_key(c.attrs["key"], x.rank):
        if key is None:
            slicing.add(0, 0, 1, new=True)
        elif isinstance(key, tuple):
            if _add_slice(slicing, key, x.shape[axis], before, axis):
                turned.append(out)
        else:
            _add_place(slicing, key, x.shape[axis])
        axis += key is not None
        out += key is None or isinstance(key, tuple)
    if before:
        x = c.node("reverse", x, i=before)
    y = c.node("strided_slice", x, shape=c.shape, i=slicing.arguments)
    return c.node("reverse", y, i=turned) if turned else y


def _add_slice(slicing: _Slicing, key: tuple[Any, ...], size: Dim, before: list[int], axis: int) -> bool:
    """Add a slice; return whether its result must be turned round."""
    start, stop, step = key
    step = 1 if step is None else step
    if type(size) is int:
        places = range(size)[start:stop:step]
        if not places:
            raise Refused("SameDiff has no arrays without elements")
        places = places if step > 0 else places[::-1]
        slicing.add(places[0], places[-1] + 1, places.step)
        return step < 0
    if step < 0:
        if start is not None or stop is not None:
            raise Refused("SameDiff cannot run backwards through a part of an axis of unknown size")
        before.append(axis)
    slicing.add(start, stop, abs(step))
    return False


def _add_place(slicing: _Slicing, place: int, size: Dim) -> None:
    if type(size) is int:
        place %= size
    slicing.add(place, None if place == -1 else place + 1, 1, shrink=True)


def _index_scatter(c: Call) -> Value:
    return _put_back(c, c.x, c.attrs["key"])


def _scatter_slices(c: Call) -> Value:
    total = None
    for part, key in zip(c.inputs[1:], c.attrs["keys"], strict=True):
        put = _put_back(c, c.cast(part, c.dtype), key)
        total = put if total is None else c.add(total, put)
    assert total is not None
    return total


def _put_back(c: Call, value: Value, key: Sequence[Any]) -> Value:
    """A part put into zeros: strips of zeros around it, and between elements that stand apart."""
    sizes = known(c.shape, "the sizes of the result")
    axis = 0
    places = []
    for part in _full_key(key, len(sizes)):
        if part is None:
            value = c.squeeze(value, [axis])
            continue
        if not isinstance(part, tuple):
            value = c.expand(value, axis)
            places.append(range(part % sizes[axis], part % sizes[axis] + 1))
        else:
            places.append(range(sizes[axis])[slice(*part)])
        axis += 1
    for axis, (size, part) in enumerate(zip(sizes, places, strict=True)):
        value = _spread_out(c, value, axis, part, size)
    return value


def _spread_out(c: Call, value: Value, axis: int, places: range, size: int) -> Value:
    """An axis of a known size that has the entries of ``value`` at these places, and zeros elsewhere."""
    if places.step < 0:
        value, places = c.node("reverse", value, i=[axis]), places[::-1]

    def zeros(length: int) -> Value:
        shape = known([*value.shape[:axis], length, *value.shape[axis + 1 :]], "the sizes of the part")
        return c.array("zeros", np.zeros(shape))

    parts, end = [], 0
    step = len(places) if places.step == 1 else 1
    for k in range(0, len(places), step):
        if places[k] > end:
            parts.append(zeros(places[k] - end))
        parts.append(value if step == len(places) else c.cut(value, axis, k, k + 1))
        end = places[k] + step
    if end < size:
        parts.append(zeros(size - end))
    return c.concat(parts, axis)


# ---------------------------------------------------------------------- arrays that are made


def _filled(op_name: str) -> Rule:
    return lambda c: c.node(op_name, c.cast(c.x, c.dtype), d=[c.dtype])


def _full_like(c: Call) -> Value:
    return c.add(c.zeros(c.cast(c.x, c.dtype)), c.number(c.attrs["value"]))


def _shape_fact(op_name: str, dtype: Any) -> Rule:
    return lambda c: c.node(op_name, c.x, shape=c.shape, dtype=dtype)


def _one_hot(c: Call) -> Value:
    on, off = float(c.attrs["on"]), float(c.attrs["off"])
    made = c.node("onehot", c.x, shape=c.shape, dtype=np.float32, t=[on, off], i=[c.attrs["axis"], c.attrs["depth"]])
    if c.dtype == np.float64 and any(float(np.float32(v)) != v for v in (on, off)):
        raise Refused("SameDiff makes it in single precision")
    return made


def _sequence_mask(c: Call) -> Value:
    length = c.attrs["max_len"]
    if type(length) is not int:
        raise Refused("the longest length must be known")
    places = c.array("places", np.arange(length), INT64)
    below = c.compared("greater", c.expand(c.cast(c.x, INT64), c.x.rank), places)
    return c.cast(below, c.dtype)


def _eye_like(c: Call) -> Value:
    shape = known(c.shape, "the sizes of an identity matrix")
    return c.array("eye", np.broadcast_to(np.eye(shape[-2], shape[-1]), shape))


RULES: Final[dict[str, Rule]] = {
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "broadcast_like": _broadcast_like,
    "permute": _permute,
    "transpose": _permute,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concat": _concat,
    "stack": _stack,
    "unstack": _unstack,
    "split": _split,
    "split_v": _split_v,
    "unconcat": _unconcat,
    "tile": _tile,
    "repeat": _repeat,
    "reverse": _reverse,
    "nn.pad": _pad,
    "nn.unpad": _unpad,
    "shifted": _shifted,
    "index": _index,
    "index_scatter": _index_scatter,
    "scatter_slices": _scatter_slices,
    "zeros_like": _filled("zeroslike"),
    "ones_like": _filled("ones_as"),
    "full_like": _full_like,
    "shape": _shape_fact("shape_of", INT64),
    "size": _shape_fact("size", INT64),
    "rank": _shape_fact("rank", np.int32),
    "one_hot": _one_hot,
    "sequence_mask": _sequence_mask,
    "invert_permutation": lambda c: c.node("invert_permutation", c.x),
    "math.eye_like": _eye_like,
}
