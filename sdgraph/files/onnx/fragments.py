"""A piece of a model that computes one call of an op: operators of ONNX, and other such pieces, between named values.

A rule records one with a `Recorder`, whose methods are called like the operators. Knows operators by name and what
their results are. Must not know the package onnx, nor any op of sdgraph.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from sdgraph.files.free_names import FreeNames
from sdgraph.infer.aval import Shape
from sdgraph.ops.precision import wide

BOOL: Final = np.dtype(bool)
INT64: Final = np.dtype("int64")

LAST: Final = np.iinfo(np.int64).max
"""Where a slice ends that goes on to the end."""

_BOOLS: Final = frozenset(
    ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN", "IsInf"]
)
_INTEGERS: Final = frozenset(["Shape", "Size", "ArgMax", "ArgMin"])
_WITH_PLACES: Final = frozenset(["TopK", "MaxPool"])


class Value(NamedTuple):
    """A value within a fragment."""

    name: str
    dtype: np.dtype[Any]
    dims: Shape | None = None
    """Its shape as far as that is known; None if nothing of it is."""

    @property
    def shape(self) -> Shape:
        """The shape of a value of which something is known of it."""
        assert self.dims is not None
        return self.dims

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def shaped(self, dims: Shape | None) -> Value:
        """The value, with what is known of its shape."""
        return self._replace(dims=dims)


Size: TypeAlias = int | Value
"""A size that is known, or the value that holds it, a vector of one element."""


@dataclass(slots=True, eq=False)
class Step:
    """One operator, or one other fragment, with the values that it reads and makes; "" stands for an absent one."""

    what: str | Fragment
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """All values that it needs: operands, and what graphs among the settings read of what is around them."""
        inside = [name for v in self.attrs.values() if isinstance(v, Fragment) for name in v.captured]
        return (*self.inputs, *inside)


@dataclass(slots=True, eq=False)
class Fragment:
    """What computes one call of an op.

    If ``bad`` is set, the last output is a bool that tells whether a check of the op has failed.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: list[Step]
    constants: dict[str, np.ndarray[Any, Any]]
    doc: str = ""
    is_card: bool = False
    """Whether it stays one node even if that is a single operator, as a loss does."""
    bad: bool = False
    refused: tuple[tuple[str, str], ...] = ()
    """Ops in it that have no counterpart, each with the reason; nothing else counts then."""
    captured: tuple[str, ...] = ()
    """Values that it reads and that are not its own, if it is a graph inside of an operator."""
    told: tuple[Value, ...] = ()
    """Inputs and outputs whose dtype and shape a runtime must be told, if it is such a graph."""

    @property
    def is_operator(self) -> bool:
        """Whether it is one operator of ONNX, so that nobody needs a function for it."""
        return len(self.steps) == 1 and isinstance(self.steps[0].what, str) and not self.is_card and not self.bad


class Recorder:
    """Records the operators that a rule calls: ``b.Add(x, 1)`` gives the sum.

    A Python number among the operands takes the dtype of the others, a list or tuple is a vector of int64, an array
    stays what it is, and None is an operand left out.
    """

    def __init__(self, op: str, out: Any, *, opset: int, target: str, checks: bool, inputs: Iterable[str]) -> None:
        self.op = op
        self.out = out
        """What is known of the result of the call: an aval, or one for each output."""
        self.opset = opset
        self.target = target
        self.checks = checks
        self.steps: list[Step] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self.failed: list[Value] = []
        self.names = FreeNames(inputs)
        """Those of values."""
        self._known: dict[Any, Value] = {}

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if not operator[:1].isupper():
            raise AttributeError(operator)
        return lambda *operands, **attrs: self._record(operator, operands, **attrs)

    def _record(self, operator: str, operands: Sequence[Any], outputs: int = 1, **attrs: Any) -> Any:
        like = self._number_dtype(operator, operands)
        inputs = [self.value(x, like) if x is not None else None for x in operands]
        names = tuple([self.names.take(operator.lower()) for _ in range(outputs)])
        read = ["" if v is None else v.name for v in inputs]
        while read and not read[-1]:
            read.pop()
        self.steps.append(Step(operator, tuple(read), names, attrs, names[0] if names else operator.lower()))
        dtypes = _result_dtypes(operator, inputs, attrs, outputs)
        found = tuple(map(Value, names, dtypes))
        return found[0] if outputs == 1 else found

    @staticmethod
    def _number_dtype(operator: str, operands: Sequence[Any]) -> np.dtype[Any]:
        values = operands[1:] if operator == "Where" else operands
        return next((v.dtype for v in values if isinstance(v, Value)), INT64)

    # ------------------------------------------------------------------ constants

    def value(self, x: Any, dtype: np.dtype[Any] = INT64) -> Value:
        """The value of an operand as a rule may give it."""
        if isinstance(x, Value):
            return x
        if isinstance(x, list | tuple):
            x = np.array(x, INT64)
        elif not isinstance(x, np.ndarray | np.generic):
            x = np.array(x, dtype)
        return self.constant(np.asarray(x))

    def constant(self, array: np.ndarray[Any, Any], name: str = "") -> Value:
        """A constant; equal ones without a name are one."""
        key = (array.dtype, array.shape, array.tobytes()) if not name and array.nbytes <= 1024 else None
        found = self._known.get(key)
        if key is None or found is None:
            found = Value(self.names.take(name or "constant"), array.dtype, array.shape)
            self.constants[found.name] = array
            if key is not None:
                self._known[key] = found
        return found

    # ------------------------------------------------------------------ dtypes

    def cast(self, x: Value, dtype: np.dtype[Any] | str) -> Value:
        """The value in another dtype; itself if it has it."""
        dtype = np.dtype(dtype)
        return x if x.dtype == dtype else self.Cast(x, to=dtype).shaped(x.dims)

    def widened(self, x: Value) -> Value:
        """Half precision in single precision, as sdgraph computes with it; all else as it is."""
        return self.cast(x, wide(x.dtype))

    def select(self, condition: Value, x: Any, y: Any) -> Value:
        """Elements of ``x`` where the condition holds, else of ``y``; in a dtype that runtimes select from."""
        dtype = next(v.dtype for v in (x, y) if isinstance(v, Value))
        x, y = (self.cast(self.value(v, dtype), carrier(dtype)) for v in (x, y))
        return self.cast(self.Where(condition, x, y), dtype)

    # ------------------------------------------------------------------ shapes

    def size(self, x: Value, axis: int) -> Size:
        """The size of an axis."""
        d = x.shape[axis] if x.dims is not None else None
        if type(d) is int:
            return d
        return self.Shape(x, start=axis, end=axis + 1)

    def sizes(self, x: Value) -> list[Size]:
        """The sizes of all axes of a value whose rank is known."""
        return [self.size(x, k) for k in range(x.rank)]

    def vector(self, sizes: Sequence[Any]) -> Value:
        """Sizes as one vector."""
        if all(type(n) is int for n in sizes):
            return self.value(tuple(sizes))
        parts = [n if isinstance(n, Value) else self.value((n,)) for n in sizes]
        return parts[0] if len(parts) == 1 else self.Concat(*parts, axis=0)

    def shape_of(self, x: Value) -> Value:
        """The shape as a vector."""
        return self.vector(x.shape) if static(x.dims) else self.Shape(x)

    def product(self, sizes: Iterable[Size]) -> Size:
        """The number of elements that sizes make together."""
        sizes = list(sizes)
        known = math.prod(n for n in sizes if type(n) is int)
        unknown = [n for n in sizes if isinstance(n, Value)]
        if not unknown:
            return known
        total = functools.reduce(self.Mul, unknown)
        return total if known == 1 else self.Mul(total, self.value((known,)))

    def reshape(self, x: Value, sizes: Sequence[Size]) -> Value:
        """The elements in another shape, none of which has to be known."""
        shape = known(sizes)
        if static(shape) and x.dims == shape:
            return x
        unknown = [k for k, n in enumerate(sizes) if isinstance(n, Value)]
        if len(unknown) == 1 and 0 not in shape:
            wanted = self.value(tuple(-1 if n is None else n for n in shape))
            return self.Reshape(x, wanted).shaped(shape)
        keep_zero = {"allowzero": 1} if unknown or 0 in shape else {}
        return self.Reshape(x, self.vector(sizes), **keep_zero).shaped(shape)

    def flat(self, x: Value) -> Value:
        """The elements as a vector."""
        return self.reshape(x, [self.product(self.sizes(x))]) if x.rank != 1 else x

    def expand(self, x: Value, sizes: Sequence[Size]) -> Value:
        """The value repeated to a shape that it broadcasts to."""
        shape = known(sizes)
        if static(shape) and x.dims == shape:
            return x
        return self.Expand(x, self.vector(sizes)).shaped(shape)

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """The axes in another order."""
        if list(axes) == list(range(len(axes))):
            return x
        shape = None if x.dims is None else tuple([x.shape[k] for k in axes])
        return self.Transpose(x, perm=list(axes)).shaped(shape)

    def unsqueeze(self, x: Value, axes: Sequence[int]) -> Value:
        """New axes of size 1 at these places of the result."""
        if not axes:
            return x
        rest = iter(x.dims or ())
        n = 0 if x.dims is None else x.rank + len(axes)
        shape = None if x.dims is None else tuple([1 if k in axes else next(rest) for k in range(n)])
        return self.Unsqueeze(x, tuple(axes)).shaped(shape)

    def squeeze(self, x: Value, axes: Sequence[int]) -> Value:
        """Without these axes, which have size 1."""
        if not axes:
            return x
        shape = None if x.dims is None else tuple([d for k, d in enumerate(x.shape) if k not in axes])
        return self.Squeeze(x, tuple(axes)).shaped(shape)

    def filled(self, sizes: Sequence[Any], value: Any, dtype: np.dtype[Any]) -> Value:
        """An array of one number."""
        out = self.ConstantOfShape(self.vector(sizes), value=np.array([value], dtype))
        return out.shaped(known(sizes))

    def arange(self, n: Size) -> Value:
        """The integers below a size, as int64."""
        end = np.int64(n) if type(n) is int else self.Squeeze(n, (0,))
        return self.Range(np.int64(0), end, np.int64(1)).shaped((n if type(n) is int else None,))

    # ------------------------------------------------------------------ checks

    def check(self, bad: Value) -> None:
        """Note elements that fail a check of the op; a loss further on becomes NaN, if that was asked for."""
        found = self.ReduceMax(self.cast(bad, "int32"), keepdims=0)
        self.failed.append(self.Greater(found, 0))

    def fragment(self, name: str, inputs: Sequence[str], results: Sequence[Value], doc: str) -> Fragment:
        """All that was recorded, with the values that it gives."""
        outputs: list[str] = []
        made = {out for step in self.steps for out in step.outputs}
        for v in results:
            # A value that a step of its own makes: not an operand, not a constant, and none twice.
            outputs.append(v.name if v.name in made and v.name not in outputs else self.Identity(v).name)
        bad = functools.reduce(self.Or, self.failed) if self.failed else None
        outputs += [] if bad is None else [bad.name]
        steps, read = _needed(self.steps, outputs)
        constants = {name: array for name, array in self.constants.items() if name in read}
        own = made | constants.keys() | {"", *inputs}
        captured = tuple(dict.fromkeys(name for step in steps for name in step.reads if name not in own))
        return Fragment(
            name, tuple(inputs), tuple(outputs), steps, constants, doc, bad=bool(self.failed), captured=captured
        )


def _needed(steps: Sequence[Step], outputs: Sequence[str]) -> tuple[list[Step], set[str]]:
    """The steps that outputs need, and all values that they read."""
    wanted, kept = set(outputs), []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            wanted.update(step.reads)
            kept.append(step)
    return kept[::-1], wanted


_CARRIERS: Final = {"bool": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64", "uint64": "int64"}


def carrier(dtype: np.dtype[Any], *, ordered: bool = False) -> np.dtype[Any]:
    """The dtype to compute in where runtimes have no kernels for one: it holds all its values, or the same bits.

    With ``ordered`` the values must have the same order, which no dtype has for those of uint64.
    """
    if ordered and dtype.name == "uint64":
        return dtype
    return np.dtype(_CARRIERS.get(dtype.name, dtype))


def adding(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to add up in, whose result is cast: halves in single precision, small integers in larger ones."""
    if dtype.kind == "f":
        return wide(dtype)
    return np.dtype("int32") if dtype.itemsize < 4 else carrier(dtype)


def known(sizes: Sequence[Size]) -> Shape:
    """What is known of a shape of these sizes."""
    return tuple([n if type(n) is int else None for n in sizes])


def static(shape: Shape | None) -> bool:
    """Whether all sizes of a shape are known."""
    return shape is not None and all(type(d) is int for d in shape)


def _result_dtypes(
    operator: str, inputs: Sequence[Value | None], attrs: Mapping[str, Any], outputs: int
) -> list[np.dtype[Any]]:
    if operator in _BOOLS:
        return [BOOL]
    if operator in _INTEGERS:
        return [INT64]
    if operator == "Cast":
        return [attrs["to"]]
    if operator == "ConstantOfShape":
        return [attrs["value"].dtype]
    if operator == "EyeLike" and "dtype" in attrs:
        return [attrs["dtype"]]
    first = next(v for v in inputs[operator == "Where" :] if v is not None)
    return [first.dtype, INT64][:outputs] if operator in _WITH_PLACES else [first.dtype] * outputs
