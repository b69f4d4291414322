"""What recurrent layers do around one step: order of axes, lengths, directions, the loop itself.

Knows no formula of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from sdgraph.build.annotations import means
from sdgraph.checks import flag, one_of
from sdgraph.errors import ArgumentError
from sdgraph.infer.shapes import integer_index, must_have

if TYPE_CHECKING:
    from sdgraph.build.namespace import GraphLike
    from sdgraph.build.variable import Operand, SDVariable
    from sdgraph.ops.rnn.operands import Operands

DataFormat: TypeAlias = Literal["TNS", "NST", "NTS"]
means("DataFormat", DataFormat)
Direction: TypeAlias = Literal["FWD", "BWD", "BIDIR_SUM", "BIDIR_CONCAT", "BIDIR_EXTRA_DIM"]
means("Direction", Direction)

AXES: Final = {"TNS": "time, batch and features", "NST": "batch, features and time", "NTS": "batch, time and features"}
"""What the axes of a sequence are in each format."""
_TO_TIME_FIRST: Final = {"NST": (2, 0, 1), "NTS": (1, 0, 2)}
_FROM_TIME_FIRST: Final = {"NST": (1, 2, 0), "NTS": (1, 0, 2)}

State: TypeAlias = "tuple[SDVariable, ...]"
Cell: TypeAlias = "Callable[[State, Any], tuple[State, State]]"
"""From states and what comes in to new states and what goes out."""


def time_first(x: SDVariable, data_format: str) -> SDVariable:
    """A sequence with time, batch and features in that order."""
    axes = _TO_TIME_FIRST.get(data_format)
    return x.sd.permute(x, axes) if axes else x


def formatted(y: SDVariable, data_format: str) -> SDVariable:
    """A sequence with time first in the order of axes that the caller wants."""
    axes = _FROM_TIME_FIRST.get(data_format)
    return y.sd.permute(y, axes) if axes else y


def is_one_way(direction: str) -> bool:
    """Whether a layer runs in one direction only.

    Raises:
        ArgumentError: If there is no such direction.
    """
    return one_of("direction_mode", direction, get_args(Direction)) in ("FWD", "BWD")


def counted_steps(x: SDVariable, lengths: Operand | None) -> SDVariable | None:
    """Whether each step of each sequence counts, of shape (time, batch, 1); None if all do.

    Raises:
        DTypeError: If lengths are no integers.
        ShapeError: If there is not one per sequence.
    """
    if lengths is None:
        return None
    sd = x.sd
    n = sd.as_variable(lengths)
    integer_index(n.aval, "max_ts_length")
    must_have(n.aval, (x.shape[1],), "max_ts_length must have one length for each entry of the batch.")
    step = sd.cumsum(sd.ones_like(sd.sum(x, axis=2), dtype="int64"), axis=0)
    return sd.expand_dims(step <= n, 2)


def run(
    cell: Cell, states: State, xs: Any, counted: SDVariable | None, reverse: bool
) -> tuple[State, tuple[SDVariable, ...]]:
    """The states after the last step, and what went out at each, along the first axis.

    A step that does not count leaves the states as they are, and zeros go out. Where none counts, the states are 0.
    """
    sd: Any = states[0].sd

    def masked(old: State, x: tuple[Any, SDVariable]) -> tuple[State, State]:
        new, out = cell(old, x[0])
        kept = tuple(sd.where(x[1], a, b) for a, b in zip(new, old, strict=True))
        return kept, tuple(sd.where(x[1], y, sd.zeros_like(y)) for y in out)

    if counted is None:
        return sd.scan(cell, states, xs, reverse=reverse)
    last, ys = sd.scan(masked, states, (xs, counted), reverse=reverse)
    some = sd.any(counted, axis=0)
    return tuple(sd.where(some, v, sd.zeros_like(v)) for v in last), ys


def each_way(
    sd: GraphLike,
    direction: str,
    parameters: Sequence[SDVariable | None],
    one_way: Callable[[list[Any], bool], tuple[SDVariable, State]],
) -> tuple[SDVariable, State]:
    """All outputs and the last states of a layer that runs in one direction or in both.

    Args:
        sd: The graph.
        direction: What the setting says.
        parameters: Weights and initial states; of two directions with a first axis for them.
        one_way: From parameters and whether it runs backwards to outputs, time first, and last states.
    """
    if is_one_way(direction):
        return one_way([*parameters], direction == "BWD")
    pairs = [(p, p) if p is None or not p.ndim else sd.unstack(p, 0, num=2) for p in parameters]
    (there, a), (back, b) = (one_way([pair[k] for pair in pairs], k == 1) for k in (0, 1))
    last = tuple(sd.stack(u, v, axis=0) for u, v in zip(a, b, strict=True))
    if direction == "BIDIR_SUM":
        return there + back, last
    join = sd.concat if direction == "BIDIR_CONCAT" else sd.stack
    return join(there, back, axis=-1 if direction == "BIDIR_CONCAT" else 1), last


def chosen(o: Operands, **results: tuple[bool, SDVariable]) -> Any:
    """The results that are asked for: one by itself, several as a tuple.

    Raises:
        ArgumentError: If none is.
    """
    wanted = [v for k, (asked, v) in results.items() if flag(k, asked)]
    if not wanted:
        raise ArgumentError("Nothing is asked for.", expected=f"at least one of {', '.join(results)}")
    rounded = o.rounded(wanted)
    return rounded if len(wanted) > 1 else rounded[0]


def zeros_for(x: SDVariable, outputs: SDVariable) -> SDVariable:
    """Zeros of shape (batch, outputs): from sequences with time first, and any vector with an entry per output."""
    sd = x.sd
    return sd.zeros_like(sd.expand_dims(sd.sum(x, axis=(0, 2)), 1) + outputs)
