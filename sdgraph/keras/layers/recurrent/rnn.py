"""`RNN`: a cell over the steps of sequences, and `StackedRNNCells`, several cells as one.

Knows the loop: its direction, masks, states and what is returned. Must not know any cell's formula.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.build.annotations import readable
from sdgraph.checks import flag, is_whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import Dim, shape_str
from sdgraph.keras.layers.inner import layer_of, within
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.recurrent.cells import Cell
from sdgraph.keras.layers.settings import refuse
from sdgraph.keras.layers.trees import leaves, mapped

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable


class Stepping(NamedTuple):
    """A cell in a loop."""

    products: Callable[[Any], Any]
    """What is done to the inputs of all steps at once."""
    step: Callable[[Any, Any], tuple[Any, Any]]
    """From what came of the inputs of a step, and states, to the output and new states."""


@readable
class StackedRNNCells(Layer):
    """Several cells as one: each gets the output of the one before.

    Args:
        cells: The cells.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> cell = layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(3)])
        >>> layers.RNN(cell)(ops.ones((2, 5, 1))).shape
        (2, 3)
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, list | tuple) or not cells:
            raise ArgumentTypeError("The cells are a list of one or more.", given=shown(cells))
        self.cells = [cell_of(cell) for cell in cells]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the output of the last cell."""
        return output_size(self.cells[-1])

    def call(self, inputs: SDVariable, states: Any, training: bool | None = None) -> Any:
        """The output of a step, and the states of each cell after it."""
        found = stepping(self, inputs, training)
        return found.step(found.products(inputs), states)


def cell_of(given: Any) -> Any:
    """A cell, or that of its configuration.

    Raises:
        ArgumentTypeError: If it is none.
    """
    cell = layer_of("A recurrent layer", given)
    if not hasattr(cell, "state_size"):
        raise ArgumentTypeError(
            "The cell of a recurrent layer has a state_size: a whole number, or a list of them.", given=shown(cell)
        )
    if not isinstance(cell, Cell | StackedRNNCells) and hasattr(cell, "get_initial_state"):
        raise ArgumentError(
            "The states that a cell of yours begins with are zeros.",
            given=f"{type(cell).__name__}.get_initial_state",
            fix="Leave it out, and give initial_state to the call of the layer.",
        )
    return cell


def output_size(cell: Any) -> int:
    """The size of a cell's output."""
    found = getattr(cell, "output_size", None)
    return found if found is not None else first(cell.state_size)


def first(sizes: Any) -> Any:
    """The first of several, or the only one."""
    return sizes[0] if isinstance(sizes, list | tuple) else sizes


def states_of(sizes: Any) -> Any:
    """Sizes of the states of a cell as a list."""
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


def zeros(x: SDVariable, size: Dim) -> SDVariable:
    """Zeros of shape (batch, size), for inputs ``(..., batch, features)``."""
    sd = x.sd
    batch = sd.sum(x, axis=tuple(k for k in range(x.ndim) if k != x.ndim - 2))
    return sd.broadcast_to(sd.expand_dims(sd.zeros_like(batch), 1), (-1, size))


def stepping(cell: Any, x: SDVariable, training: bool | None) -> Stepping:
    """How a cell is called in a loop. Its weights and dropouts are made now.

    Args:
        cell: The cell.
        x: Its inputs at a step or at all: ``(..., batch, features)``.
        training: Whether for training; None where the graph is for both.
    """
    if isinstance(cell, StackedRNNCells):
        with within(cell, x.shape[-2:]):
            return _stacked(cell.cells, x, training)
    with within(cell, x.shape[-2:]):
        if isinstance(cell, Cell):
            drop = cell.dropouts(zeros(x, x.shape[-1]), zeros(x, cell.units), training)

            def one(products: Any, states: Any) -> tuple[Any, Any]:
                found = cell.step(products, states_of(states), drop)
                return found[0], list(found) if isinstance(states, list | tuple) else found[0]

            return Stepping(lambda inputs: cell.products(inputs, drop), one)
    known = {"training": training} if "training" in inspect.signature(cell.call).parameters else {}

    def of_yours(inputs: Any, states: Any) -> tuple[Any, Any]:
        out, new = cell.call(inputs, states, **known)
        return out, states_of(new)

    return Stepping(lambda inputs: inputs, of_yours)


def _stacked(cells: list[Any], x: SDVariable, training: bool | None) -> Stepping:
    found: list[Stepping] = []
    for cell in cells:
        found.append(stepping(cell, x, training))
        x = zeros(x, output_size(cell))

    def step(products: Any, states: Any) -> tuple[Any, list[Any]]:
        new = []
        for k, (one, state) in enumerate(zip(found, states, strict=True)):
            products, after = one.step(one.products(products) if k else products, state)
            new.append(after)
        return products, new

    return Stepping(found[0].products, step)


@readable
class RNN(Layer):
    """A cell over the steps of sequences of shape ``(batch, time, features)``.

    At a step that a mask leaves out, states and output are those of the step before.

    Args:
        cell: The cell, or a list of cells that are stacked. One of yours is a layer with ``call(inputs, states)``,
            which returns the output and the new states, and ``state_size``: a whole number, or a list of them.
        return_sequences: Whether the outputs of all steps are returned, ``(batch, time, units)``, else the last one.
        return_state: Whether the last states are returned, too.
        go_backwards: Whether steps are taken from the last to the first; outputs are in the order that they are made.
        stateful: True is refused.
        unroll: Has no effect.
        zero_output_for_mask: Whether the output at a step that a mask leaves out is 0.
        **kwargs: As for `Layer`.

    Raises:
        ArgumentTypeError: If the cell is none.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layer = layers.RNN(layers.SimpleRNNCell(3), return_sequences=True)
        >>> layer(ops.ones((2, 5, 1))).shape
        (2, 5, 3)
    """

    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self, stateful=stateful)
        self.cell = StackedRNNCells(cell) if isinstance(cell, list | tuple) else cell_of(cell)
        self.return_sequences = flag("return_sequences", return_sequences)
        self.return_state = flag("return_state", return_state)
        self.go_backwards = flag("go_backwards", go_backwards)
        self.unroll = flag("unroll", unroll)
        self.zero_output_for_mask = flag("zero_output_for_mask", zero_output_for_mask)

    stateful = False
    """Whether a batch begins with the states that the one before ended with: never."""

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states; of cells that are stacked a list for each."""
        sizes = states_of(self.cell.state_size)
        return [states_of(n) for n in sizes] if isinstance(self.cell, StackedRNNCells) else sizes

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """That of the inputs, where there is an output for each step."""
        found = next(leaves(previous_mask), None) if self.return_sequences else None
        return [found, *(None for _ in leaves(self.state_size))] if self.return_state else found

    def call(
        self, sequences: SDVariable, initial_state: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        """The outputs, or the last one; with ``return_state`` the last states, too."""
        sd = sequences.sd
        if sequences.ndim != 3:
            raise ShapeError(
                f"{self.name!r} gets sequences: their axes are batch, time and features.",
                given=shape_str(sequences.shape),
            )
        xs = sd.permute(sequences, (1, 0, 2))
        states = self._first_states(xs, initial_state)
        stepping_ = stepping(self.cell, xs, training)
        last, ys = sd.scan(
            self._body(stepping_, mask is not None),
            states,
            stepping_.products(xs) if mask is None else (stepping_.products(xs), _counted(mask)),
            reverse=self.go_backwards,
        )
        if self.return_sequences:
            out = sd.permute(sd.reverse(ys, 0) if self.go_backwards else ys, (1, 0, 2))
        elif ys is None:
            out = self._newest(last)
        else:
            out = ys[0 if self.go_backwards else -1]
        return (out, *last) if self.return_state else out

    def _body(self, cell: Stepping, masked: bool) -> Callable[[Any, Any], tuple[Any, Any]]:
        """What is done at each step. Outputs are stacked only if the last states do not tell what is wanted."""
        own = isinstance(self.cell, Cell) or (
            isinstance(self.cell, StackedRNNCells) and isinstance(self.cell.cells[-1], Cell)
        )
        told = own and not self.return_sequences and not (masked and self.zero_output_for_mask)

        def plain(states: Any, x: Any) -> tuple[Any, Any]:
            out, new = cell.step(x, states)
            return states_of(new), None if told else out

        def with_mask(states: Any, given: Any) -> tuple[Any, Any]:
            x, counted = given
            sd = counted.sd
            out, new = cell.step(x, states)
            old = leaves(states)
            kept = mapped(lambda v: sd.where(counted, v, next(old)), states_of(new))
            other = sd.zeros_like(out) if self.zero_output_for_mask else self._newest(states)
            return kept, None if told else sd.where(counted, out, other)

        return with_mask if masked else plain

    def _newest(self, states: Any) -> Any:
        """The output of the step before, of states: the first state of the last cell."""
        return first(states[-1] if isinstance(self.cell, StackedRNNCells) else states)

    def _first_states(self, xs: SDVariable, given: Any) -> list[Any]:
        sizes = self.state_size
        if given is None:
            return mapped(lambda n: zeros(xs, n), sizes)
        found = states_of(given)
        flat, wanted = list(leaves(found)), list(leaves(sizes))
        fits = len(flat) == len(wanted) and len(found) == len(sizes)
        pairs = zip(flat, wanted, strict=False)
        if not fits or any(v.ndim != 2 or (is_whole(v.shape[1]) and v.shape[1] != n) for v, n in pairs):
            raise ShapeError(
                f"The initial states of {self.name!r} do not fit.",
                given=", ".join(shape_str(v.shape) for v in flat),
                expected=", ".join(f"(batch, {n})" for n in wanted),
            )
        return found


def _counted(mask: SDVariable) -> SDVariable:
    """Whether a step counts, of shape (time, batch, 1)."""
    sd = mask.sd
    yes = mask if mask.dtype.kind == "b" else sd.neq(mask, 0)
    yes = sd.expand_dims(yes, -1) if yes.ndim == 2 else sd.any(yes, axis=tuple(range(2, yes.ndim)), keepdims=True)
    return sd.permute(yes, (1, 0, 2))
