"""What an op that runs along a row does from one element to the next: the table of scans.

A scan carries a few numbers, its state, along the elements in their order, and rounds each result once. So its bits
are those of numpy's kernels, which add and multiply in the same order. Must not know plans or loops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const, type_of
from sdgraph.run.engines.llvm.scalars.scalar_ops import convert

_FLOAT, _DOUBLE = np.dtype("float32"), np.dtype("float64")

State = list[Val]
Step = Callable[[Builder, Sequence[Val], Sequence[Val]], tuple[State, Val]]
"""From the state and an element of each operand to the next state and the result."""


class Scan(NamedTuple):
    """One op that runs along rows."""

    start: tuple[float | bool, ...]
    """What the state begins with; truths are flags."""
    step: Step
    in_double: bool = False
    """Whether floats are computed in double precision, since a rounding stays in all that follows."""
    backward: str = "reverse"
    """The setting that lets it run from the end."""

    def dtype(self, out: np.dtype[Any]) -> np.dtype[Any]:
        """What it computes in."""
        if out.kind != "f":
            return out
        return _DOUBLE if self.in_double else np.promote_types(out, _FLOAT)

    def begin(self, out: np.dtype[Any]) -> State:
        """The state before the first element."""
        own = type_of(self.dtype(out))
        return [const(x, "i1" if isinstance(x, bool) else own) for x in self.start]

    def operand(self, b: Builder, v: Val, dtype: np.dtype[Any], out: np.dtype[Any]) -> Val:
        """An operand as it is computed with."""
        return convert(b, v, dtype, self.dtype(out))

    def result(self, b: Builder, v: Val, out: np.dtype[Any]) -> Val:
        """A result in the dtype of the op."""
        return convert(b, v, self.dtype(out), out)


def _total(on_floats: str, on_integers: str) -> Step:
    def step(b: Builder, state: Sequence[Val], args: Sequence[Val]) -> tuple[State, Val]:
        total = b.binary(on_floats if state[0].type in FLOAT_BITS else on_integers, state[0], args[0])
        return [total], total

    return step


def _before(step: Step) -> Step:
    """The same, but each result is the one before: its place in the state is the last."""

    def shown(b: Builder, state: Sequence[Val], args: Sequence[Val]) -> tuple[State, Val]:
        inner, result = step(b, state[:-1], args)
        return [*inner, result], state[-1]

    return shown


def _recurrence(b: Builder, state: Sequence[Val], args: Sequence[Val]) -> tuple[State, Val]:
    last, begun = state
    factor, term = args
    times, plus = ("fmul", "fadd") if last.type in FLOAT_BITS else ("mul", "add")
    result = b.select(begun, b.binary(plus, term, b.binary(times, factor, last)), term)
    return [result, const(True, "i1")], result


def _itself(b: Builder, state: Sequence[Val], args: Sequence[Val]) -> tuple[State, Val]:
    return [], args[0]


_SUM, _PRODUCT = _total("fadd", "add"), _total("fmul", "mul")

_INCLUSIVE = {
    # -0.0 is what changes no sum, while 0.0 would make 0.0 of it.
    "cumsum": Scan((-0.0,), _SUM, in_double=True),
    "cumprod": Scan((1.0,), _PRODUCT, in_double=True),
    "linear_recurrence": Scan((0.0, False), _recurrence),
}
_EXCLUSIVE = {
    "cumsum": Scan((-0.0, 0.0), _before(_SUM), in_double=True),
    "cumprod": Scan((1.0, 1.0), _before(_PRODUCT), in_double=True),
    "shifted": Scan((0.0,), _before(_itself), backward="back"),
}
SCANS = frozenset((*_INCLUSIVE, *_EXCLUSIVE))
"""The ops that are scans."""
SCAN_COST = 32
"""Instructions that one takes for a vector, roughly: mostly it waits, where one lane waits for the one before."""


def scan_of(op: str, attrs: Mapping[str, Any]) -> Scan:
    """The scan that an op is with its settings."""
    exclusive = attrs.get("exclusive", op not in _INCLUSIVE)
    return (_EXCLUSIVE if exclusive else _INCLUSIVE)[op]


def is_backward(op: str, attrs: Mapping[str, Any]) -> bool:
    """Whether it runs from the end."""
    return bool(attrs[scan_of(op, attrs).backward])
