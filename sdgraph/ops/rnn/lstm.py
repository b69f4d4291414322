"""Long short-term memories over time: ``sd.rnn.lstm_layer`` and ``sd.rnn.lstmblock``.

Knows their gates and the layout of their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from sdgraph.build.annotations import means
from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.checks import not_negative, one_of
from sdgraph.errors import ArgumentError
from sdgraph.ops.rnn.activating import activation
from sdgraph.ops.rnn.cells import block_peepholes, block_step, check_block, held
from sdgraph.ops.rnn.operands import Operands, parts, times
from sdgraph.ops.rnn.steps import (
    AXES,
    DataFormat,
    chosen,
    counted_steps,
    each_way,
    formatted,
    is_one_way,
    run,
    time_first,
    zeros_for,
)

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand, SDVariable
    from sdgraph.ops.rnn.activating import Activation
    from sdgraph.ops.rnn.steps import Direction, State

LayerFormat: TypeAlias = Literal["TNS", "NST", "NTS", "T2NS"]
means("LayerFormat", LayerFormat)


class _Layer(NamedTuple):
    """What one direction of a layer does at each step."""

    gate: Callable[[SDVariable], SDVariable]
    cell: Callable[[SDVariable], SDVariable]
    out: Callable[[SDVariable], SDVariable]
    clip: float

    def run(
        self, x: SDVariable, counted: SDVariable | None, parameters: list[Any], reverse: bool
    ) -> tuple[SDVariable, State]:
        """All outputs with time first, and the last output and state of the cell."""
        w, r, b, p, c, y = parameters
        sd = x.sd
        products = sd.linalg.matmul(x, w) if b is None else sd.linalg.matmul(x, w) + b
        zeros = zeros_for(x, sd.sum(r, axis=1))
        peepholes = () if p is None else parts(p, 3)

        def step(state: State, products: SDVariable) -> tuple[State, State]:
            y_last, c_last = state
            i, f, z, o = parts(products + sd.linalg.matmul(y_last, r), 4)
            if peepholes:
                i, f = i + peepholes[0] * c_last, f + peepholes[1] * c_last
            c = held(self.gate(f) * c_last + self.gate(i) * self.cell(z), self.clip)
            y = self.gate(o + peepholes[2] * c if peepholes else o) * self.out(c)
            return (y, c), (y,)

        last, (ys,) = run(step, (zeros if y is None else y, zeros if c is None else c), products, counted, reverse)
        return ys, last


def _check_layer(o: Operands, data_format: str, direction: str) -> None:
    """Raise unless the operands of `SDLSTM.lstm_layer` fit each other."""
    one_of("data_format", data_format, get_args(LayerFormat))
    if data_format == "T2NS" and direction != "BIDIR_EXTRA_DIM":
        raise ArgumentError(
            "T2NS has an axis for two directions.",
            given=f"direction_mode={direction!r}",
            expected='direction_mode="BIDIR_EXTRA_DIM"',
        )
    way, first = ((), "") if is_one_way(direction) else ((2,), "2, ")
    o.must_have_rank("x", 3, AXES.get(data_format, AXES["TNS"]))
    two = "" if is_one_way(direction) else "directions, "
    o.must_have_rank("r_weights", 2 + len(way), f"{two}outputs and gates of outputs")
    outputs = o["r_weights"].shape[-2]
    gates = times(4, outputs)
    batch, features = o["x"].shape[0], o["x"].shape[1 if data_format == "NST" else 2]
    if data_format in ("TNS", "T2NS"):
        batch = o["x"].shape[1]
    o.must_have("r_weights", (*way, outputs, gates), f"({first}outputs, 4 outputs)")
    o.must_have("weights", (*way, features, gates), f"({first}features, 4 outputs)")
    o.must_have("bias", (*way, gates), f"({first}4 outputs)")
    o.must_have("peephole_weights", (*way, times(3, outputs)), f"({first}3 outputs)")
    for name in ("c_last", "y_last"):
        o.must_have(name, (*way, batch, outputs), f"({first}batch, outputs)")


class SDLSTM(Namespace, prefix="rnn", shared={}):
    """Long short-term memories over time."""

    @composite(literals={"max_ts_length": "int64"}, leaves_out=False)
    def lstm_layer(
        self,
        x: Operand,
        c_last: Operand | None = None,
        y_last: Operand | None = None,
        max_ts_length: Operand | None = None,
        *,
        weights: Operand,
        r_weights: Operand,
        bias: Operand | None = None,
        peephole_weights: Operand | None = None,
        data_format: LayerFormat = "TNS",
        direction_mode: Direction = "FWD",
        gate_act: Activation = "SIGMOID",
        gate_alpha: float | None = None,
        gate_beta: float | None = None,
        cell_act: Activation = "TANH",
        cell_alpha: float | None = None,
        cell_beta: float | None = None,
        out_act: Activation = "TANH",
        out_alpha: float | None = None,
        out_beta: float | None = None,
        cell_clip: float = 0.0,
        ret_full_sequence: bool = True,
        ret_last_h: bool = False,
        ret_last_c: bool = False,
        name: str | None = None,
    ) -> Any:
        """A long short-term memory over all steps of sequences.

        At each step ``[i, f, g, o] = x_t @ weights + y @ r_weights + bias`` is cut into four. With s, a and b for
        ``gate_act``, ``cell_act`` and ``out_act``, and p for the peephole weights: ``i = s(i + p_i c)``,
        ``f = s(f + p_f c)``, ``c' = f c + i a(g)``, held between ``-cell_clip`` and ``cell_clip``,
        ``o = s(o + p_o c')``, ``y' = o b(c')``.

        Weights of both directions stand along a first axis of size 2 of all parameters and initial states.

        Args:
            x: Sequences, their axes as ``data_format`` says.
            c_last: The state of the cell before the first step, shape ``(batch, outputs)``; None means 0.
            y_last: The output before the first step, shape ``(batch, outputs)``; None means 0.
            max_ts_length: Whole numbers of shape ``(batch,)``: how many steps of each sequence count. Behind them
                outputs are 0, and the last states are those after the last step that counts. Backwards the layer
                begins there. None means all steps.
            weights: Shape ``(features, 4 outputs)``, gates in the order i, f, g, o.
            r_weights: Shape ``(outputs, 4 outputs)``.
            bias: Shape ``(4 outputs,)``; None means 0.
            peephole_weights: Shape ``(3 outputs,)``, in the order i, f, o; None for gates that do not see the state.
            data_format: Letters for time, batch (N) and features (S): ``"TNS"``, ``"NST"`` or ``"NTS"``; ``"T2NS"``
                is TNS with an axis for two directions in the result.
            direction_mode: ``"FWD"``, ``"BWD"``, or both, whose outputs are added (``"BIDIR_SUM"``), put side by side
                as features (``"BIDIR_CONCAT"``), or stacked as ``(time, 2, batch, outputs)``, whatever the format
                (``"BIDIR_EXTRA_DIM"``). All stand at the time of their input.
            gate_act: Activation of the gates.
            gate_alpha: First number of that function, where it has one: AFFINE is ``alpha x + beta`` (1 and 0),
                LEAKY_RELU has a slope (0.01), THRESHHOLD_RELU lets through what is above (0), SCALED_TAHN is
                ``alpha tanh(beta x)`` (1 and 1), HARD_SIGMOID is ``alpha x + beta`` held between 0 and 1 (0.2 and
                0.5), ELU ends at ``-alpha`` (1). None means what stands in brackets.
            gate_beta: Its second number.
            cell_act: Activation of what enters the state.
            cell_alpha: Its first number.
            cell_beta: Its second number.
            out_act: Activation of the state on its way out.
            out_alpha: Its first number.
            out_beta: Its second number.
            cell_clip: Bound of the state; 0 for none.
            ret_full_sequence: Whether to return the outputs of all steps.
            ret_last_h: Whether to return the last output, shape ``(batch, outputs)``.
            ret_last_c: Whether to return the last state of the cell, shape ``(batch, outputs)``.

        Returns:
            What is asked for: one array, or a tuple in the order of the three settings. Promoted floating dtype. Of
            two directions the last states stand along a first axis of size 2.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            ArgumentError: If a setting is none of those above, or nothing is asked for.
            DTypeError: If the numbers are complex, or lengths no integers.

        References:
            S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. F. A. Gers,
            J. Schmidhuber, "Recurrent nets that time and count", IJCNN 2000.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> w, r = [[0.0, 0.0, 1.0, 0.0]], [[0.0] * 4]
            >>> y = sd.rnn.lstm_layer([[[1.0]], [[2.0]]], weights=w, r_weights=r, cell_act="RELU", out_act="RELU")
            >>> y.eval()
            array([[[0.25 ]],
            <BLANKLINE>
                   [[0.625]]])
        """
        sd = self.sd
        layer = _Layer(
            activation("gate_act", gate_act, gate_alpha, gate_beta),
            activation("cell_act", cell_act, cell_alpha, cell_beta),
            activation("out_act", out_act, out_alpha, out_beta),
            not_negative("cell_clip", cell_clip),
        )
        o = Operands(
            sd, x=x, c_last=c_last, y_last=y_last, weights=weights, r_weights=r_weights, bias=bias,
            peephole_weights=peephole_weights,
        )  # fmt: skip
        _check_layer(o, data_format, direction_mode)
        first = time_first(o["x"], data_format)
        counted = counted_steps(first, max_ts_length)
        # What lies behind the end of a sequence may be anything, also no number.
        first = first if counted is None else sd.where(counted, first, 0.0)
        parameters = [o.get(k) for k in ("weights", "r_weights", "bias", "peephole_weights", "c_last", "y_last")]
        ys, (h, c) = each_way(
            sd, direction_mode, parameters, lambda these, reverse: layer.run(first, counted, these, reverse)
        )
        return chosen(
            o,
            ret_full_sequence=(ret_full_sequence, ys if ys.ndim == 4 else formatted(ys, data_format)),
            ret_last_h=(ret_last_h, h),
            ret_last_c=(ret_last_c, c),
        )

    @composite
    def lstmblock(
        self,
        x: Operand,
        c_last: Operand | None = None,
        y_last: Operand | None = None,
        *,
        weights: Operand,
        bias: Operand | None = None,
        input_peephole_weights: Operand | None = None,
        forget_peephole_weights: Operand | None = None,
        output_peephole_weights: Operand | None = None,
        peep_hole: bool = False,
        forget_bias: float = 0.0,
        clipping_cell_value: float = 0.0,
        data_format: DataFormat = "TNS",
        name: str | None = None,
    ) -> tuple[SDVariable, ...]:
        """`lstm_cell` over all steps of sequences.

        SameDiff's maxTSLength changes nothing there, and is left out here. `lstm_layer` counts steps.

        Args:
            x: Sequences, their axes as ``data_format`` says.
            c_last: The state of the cell before the first step, shape ``(batch, outputs)``; None means 0.
            y_last: The output before the first step, shape ``(batch, outputs)``; None means 0.
            weights: Shape ``(features + outputs, 4 outputs)``, gates in the order i, z, f, o.
            bias: Shape ``(4 outputs,)``; None means 0.
            input_peephole_weights: Shape ``(outputs,)``; read with ``peep_hole``, as the next two.
            forget_peephole_weights: Shape ``(outputs,)``.
            output_peephole_weights: Shape ``(outputs,)``.
            peep_hole: Whether the gates see the state of the cell.
            forget_bias: Added to the forget gate before its sigmoid.
            clipping_cell_value: The state is held between this number and its negative; 0 leaves it free.
            data_format: Letters for time, batch (N) and features (S).

        Returns:
            i, c, f, o, z, h and y of all steps, in SameDiff's order: y are the outputs. Each in the format of ``x``,
            promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            ArgumentError: If a peephole is asked for without its weights, or a setting is out of its range.
            DTypeError: If the numbers are complex.

        References:
            S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. F. A. Gers,
            J. Schmidhuber, "Recurrent nets that time and count", IJCNN 2000.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> *_, y = sd.rnn.lstmblock([[[1.0]], [[2.0]]], weights=[[0.0] * 4] * 2, bias=[0.0, 9.0, 0.0, 0.0])
            >>> y.eval().round(3)
            array([[[0.231]],
            <BLANKLINE>
                   [[0.318]]])
        """
        sd = self.sd
        one_of("data_format", data_format, get_args(DataFormat))
        o = Operands(
            sd, x=x, c_last=c_last, y_last=y_last, weights=weights, bias=bias,
            input_peephole_weights=input_peephole_weights, forget_peephole_weights=forget_peephole_weights,
            output_peephole_weights=output_peephole_weights,
        )  # fmt: skip
        check_block(o, forget_bias, clipping_cell_value, 3)
        peepholes = block_peepholes(o, peep_hole)
        first = time_first(o["x"], data_format)

        def step(state: State, x: SDVariable) -> tuple[State, State]:
            found = block_step(
                sd.concat(x, state[1], axis=-1), state[0], o, peepholes, forget_bias, clipping_cell_value
            )
            return (found[1], found[-1]), found

        zeros = zeros_for(first, parts(sd.sum(o["weights"], axis=0), 4)[0])
        _, ys = run(step, (o.all.get("c_last", zeros), o.all.get("y_last", zeros)), first, None, False)
        return o.rounded(formatted(y, data_format) for y in ys)
