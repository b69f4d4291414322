"""Gated, simple gated and plain recurrent layers over time: ``sd.rnn.gru``, ``sru`` and ``simple_rnn``.

Knows their formulas and the layout of their weights. Single steps are in `sdgraph.ops.rnn.cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.checks import flag, one_of
from sdgraph.ops.rnn.activating import activation as function_of
from sdgraph.ops.rnn.cells import simple_gates, simple_output, simple_state
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


class _Gated(NamedTuple):
    """What one direction of a gated recurrent unit does at each step."""

    gate: Callable[[SDVariable], SDVariable]
    cell: Callable[[SDVariable], SDVariable]
    reset_after: bool

    def step(self, wh: SDVariable, r_biases: SDVariable | None) -> Callable[..., tuple[State, State]]:
        """The step for the weights of a direction."""
        return (self._reset_after if self.reset_after else self._reset_before)(wh, r_biases)

    def _reset_after(self, wh: SDVariable, r_biases: SDVariable | None) -> Callable[..., tuple[State, State]]:
        def step(state: State, products: SDVariable) -> tuple[State, State]:
            a_r, a_u, a_n = parts(products, 3)
            q = wh.sd.linalg.matmul(state[0], wh)
            q_r, q_u, q_n = parts(q if r_biases is None else q + r_biases, 3)
            return self._mixed(state, self.gate(a_u + q_u), self.cell(a_n + self.gate(a_r + q_r) * q_n))

        return step

    def _reset_before(self, wh: SDVariable, r_biases: SDVariable | None) -> Callable[..., tuple[State, State]]:
        sd = wh.sd
        of_r, of_u, of_new = parts(wh, 3)
        of_gates = sd.concat(of_r, of_u, axis=-1)

        def step(state: State, products: SDVariable) -> tuple[State, State]:
            a_r, a_u, a_n = parts(products if r_biases is None else products + r_biases, 3)
            q_r, q_u = parts(sd.linalg.matmul(state[0], of_gates), 2)
            kept = self.gate(a_r + q_r) * state[0]
            return self._mixed(state, self.gate(a_u + q_u), self.cell(a_n + sd.linalg.matmul(kept, of_new)))

        return step

    @staticmethod
    def _mixed(state: State, u: SDVariable, new: SDVariable) -> tuple[State, State]:
        h = u * state[0] + (1 - u) * new
        return (h,), (h,)


def _check(o: Operands, gates: int, data_format: str, direction: str) -> None:
    """Raise unless the operands of `SDRecurrent.gru` or `SDRecurrent.simple_rnn` fit each other."""
    one_of("data_format", data_format, get_args(DataFormat))
    way, first, two = ((), "", "") if is_one_way(direction) else ((2,), "2, ", "directions, ")
    o.must_have_rank("x", 3, AXES[data_format])
    o.must_have_rank("wh", 2 + len(way), f"{two}outputs and gates of outputs")
    shape, outputs = o["x"].shape, o["wh"].shape[-2]
    all_gates = times(gates, outputs)
    times_outputs = "outputs" if gates == 1 else f"{gates} outputs"
    o.must_have("wh", (*way, outputs, all_gates), f"({first}outputs, {times_outputs})")
    o.must_have("wx", (*way, shape[data_format.index("S")], all_gates), f"({first}features, {times_outputs})")
    for name in ("biases", "r_biases"):
        o.must_have(name, (*way, all_gates), f"({first}{times_outputs},)")
    if o["h_last"].ndim:
        o.must_have("h_last", (*way, shape[data_format.index("N")], outputs), f"({first}batch, outputs), or one number")


def _run(
    o: Operands,
    lengths: Operand | None,
    data_format: str,
    direction: str,
    made: Callable[[SDVariable, SDVariable | None], Callable[..., tuple[State, State]]],
) -> tuple[SDVariable, SDVariable]:
    """All outputs in the format of ``x``, and the last ones.

    Args:
        o: The operands of the layer.
        lengths: How many steps of each sequence count.
        data_format: The order of the axes.
        direction: The direction, or both.
        made: From weights and bias of the output before to the step.
    """
    sd = o.sd
    x = time_first(o["x"], data_format)
    counted = counted_steps(x, lengths)
    # What lies behind the end of a sequence may be anything, also no number.
    x = x if counted is None else sd.where(counted, x, 0.0)

    def one_way(parameters: list[Any], reverse: bool) -> tuple[SDVariable, State]:
        wx, wh, biases, r_biases, h = parameters
        products = sd.linalg.matmul(x, wx) if biases is None else sd.linalg.matmul(x, wx) + biases
        h = h if h.ndim else h + zeros_for(x, sd.sum(wh, axis=1))
        last, (ys,) = run(made(wh, r_biases), (h,), products, counted, reverse)
        return ys, last

    parameters = [o.get(k) for k in ("wx", "wh", "biases", "r_biases", "h_last")]
    ys, (last,) = each_way(sd, direction, parameters, one_way)
    return ys if ys.ndim == 4 else formatted(ys, data_format), last


class SDRecurrent(Namespace, prefix="rnn", shared={}):
    """Layers over time."""

    @composite(literals={"max_ts_length": "int64"}, leaves_out=False)
    def gru(
        self,
        x: Operand,
        h_last: Operand,
        wx: Operand,
        wh: Operand,
        biases: Operand | None = None,
        r_biases: Operand | None = None,
        max_ts_length: Operand | None = None,
        *,
        reset_after: bool = True,
        data_format: DataFormat = "TNS",
        direction_mode: Direction = "FWD",
        gate_act: Activation = "SIGMOID",
        cell_act: Activation = "TANH",
        ret_full_sequence: bool = True,
        ret_last_h: bool = False,
        name: str | None = None,
    ) -> Any:
        """A gated recurrent unit over all steps of sequences.

        At each step ``a = x_t @ wx + biases`` and ``q = h @ wh + r_biases`` are cut into three, for the reset gate,
        the update gate and the candidate. With s and t for ``gate_act`` and ``cell_act``: ``r = s(a_r + q_r)``,
        ``u = s(a_u + q_u)``, ``n = t(a_n + r q_n)``, ``h' = u h + (1 - u) n``. Without ``reset_after``
        ``n = t(a_n + (r h) @ wh_n + r_biases_n)``, as in `gru_cell`.

        Weights of both directions stand along a first axis of size 2 of all parameters and of the initial state.

        Args:
            x: Sequences, their axes as ``data_format`` says.
            h_last: The output before the first step, shape ``(batch, outputs)``; or one number, such as 0.
            wx: Shape ``(features, 3 outputs)``, in the order r, u, n.
            wh: Shape ``(outputs, 3 outputs)``.
            biases: Shape ``(3 outputs,)``; None means 0.
            r_biases: Shape ``(3 outputs,)``, added to what the reset gate multiplies; None means 0. SameDiff has none.
            max_ts_length: Whole numbers of shape ``(batch,)``: how many steps of each sequence count, as for
                `lstm_layer`. None means all.
            reset_after: Whether the reset gate multiplies products, else what is multiplied.
            data_format: Letters for time, batch (N) and features (S).
            direction_mode: ``"FWD"``, ``"BWD"``, ``"BIDIR_SUM"``, ``"BIDIR_CONCAT"`` or ``"BIDIR_EXTRA_DIM"``, as for
                `lstm_layer`.
            gate_act: Activation of the gates.
            cell_act: Activation of the candidate.
            ret_full_sequence: Whether to return the outputs of all steps.
            ret_last_h: Whether to return the last output, shape ``(batch, outputs)``.

        Returns:
            What is asked for: one array, or a tuple in the order of the two settings. Promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            ArgumentError: If a setting is none of those above, or nothing is asked for.
            DTypeError: If the numbers are complex, or lengths no integers.

        References:
            K. Cho, B. van Merrienboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk, Y. Bengio, "Learning phrase
            representations using RNN encoder-decoder for statistical machine translation", 2014, arXiv:1406.1078.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.rnn.gru([[[0.0]], [[0.0]]], 1.0, [[0.0] * 3], [[0.0] * 3]).eval()
            array([[[0.5 ]],
            <BLANKLINE>
                   [[0.25]]])
        """
        o = Operands(self.sd, x=x, wx=wx, wh=wh, biases=biases, r_biases=r_biases, h_last=h_last)
        _check(o, 3, data_format, direction_mode)
        gated = _Gated(
            function_of("gate_act", gate_act), function_of("cell_act", cell_act), flag("reset_after", reset_after)
        )
        ys, last = _run(o, max_ts_length, data_format, direction_mode, gated.step)
        return chosen(o, ret_full_sequence=(ret_full_sequence, ys), ret_last_h=(ret_last_h, last))

    @composite(literals={"max_ts_length": "int64"}, leaves_out=False)
    def simple_rnn(
        self,
        x: Operand,
        h_last: Operand,
        wx: Operand,
        wh: Operand,
        biases: Operand | None = None,
        max_ts_length: Operand | None = None,
        *,
        activation: Activation = "TANH",
        data_format: DataFormat = "TNS",
        direction_mode: Direction = "FWD",
        ret_full_sequence: bool = True,
        ret_last_h: bool = False,
        name: str | None = None,
    ) -> Any:
        """A plain recurrent layer over all steps of sequences: ``h' = activation(x_t @ wx + h @ wh + biases)``.

        Weights of both directions stand along a first axis of size 2 of all parameters and of the initial state.

        Args:
            x: Sequences, their axes as ``data_format`` says.
            h_last: The output before the first step, shape ``(batch, outputs)``; or one number, such as 0.
            wx: Shape ``(features, outputs)``.
            wh: Shape ``(outputs, outputs)``.
            biases: Shape ``(outputs,)``; None means 0.
            max_ts_length: Whole numbers of shape ``(batch,)``: how many steps of each sequence count, as for
                `lstm_layer`. None means all.
            activation: The function applied at each step.
            data_format: Letters for time, batch (N) and features (S).
            direction_mode: ``"FWD"``, ``"BWD"``, ``"BIDIR_SUM"``, ``"BIDIR_CONCAT"`` or ``"BIDIR_EXTRA_DIM"``, as for
                `lstm_layer`.
            ret_full_sequence: Whether to return the outputs of all steps.
            ret_last_h: Whether to return the last output, shape ``(batch, outputs)``.

        Returns:
            What is asked for: one array, or a tuple in the order of the two settings. Promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            ArgumentError: If a setting is none of those above, or nothing is asked for.
            DTypeError: If the numbers are complex, or lengths no integers.

        References:
            J. L. Elman, "Finding structure in time", Cognitive Science 14, 1990.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.rnn.simple_rnn([[[1.0]], [[1.0]]], 0.0, [[1.0]], [[2.0]], activation="RELU").eval()
            array([[[1.]],
            <BLANKLINE>
                   [[3.]]])
        """
        o = Operands(self.sd, x=x, wx=wx, wh=wh, biases=biases, h_last=h_last)
        _check(o, 1, data_format, direction_mode)
        function = function_of("activation", activation)

        def made(wh: SDVariable, _: SDVariable | None) -> Callable[..., tuple[State, State]]:
            def step(state: State, products: SDVariable) -> tuple[State, State]:
                h = function(products + wh.sd.linalg.matmul(state[0], wh))
                return (h,), (h,)

            return step

        ys, last = _run(o, max_ts_length, data_format, direction_mode, made)
        return chosen(o, ret_full_sequence=(ret_full_sequence, ys), ret_last_h=(ret_last_h, last))

    @composite
    def sru(
        self,
        x: Operand,
        initial_c: Operand,
        mask: Operand | None = None,
        *,
        weights: Operand,
        bias: Operand | None = None,
        name: str | None = None,
    ) -> tuple[SDVariable, SDVariable]:
        """A simple recurrent unit over all steps of sequences.

        With ``[z, f, r] = weights @ x_t`` cut into three, biases added to f and r, and s the sigmoid:
        ``c' = s(f) c + (1 - s(f)) z``, ``h = s(r) tanh(c') + (1 - s(r)) x_t``.

        Args:
            x: Shape ``(batch, features, time)``.
            initial_c: The state of the cell before the first step, shape ``(batch, features)``.
            mask: Shape ``(batch, features)``: factors of ``x`` at every step, as dropout has them. None means 1.
            weights: Shape ``(3 features, features)``.
            bias: Shape ``(2 features,)``, of f and of r; None means 0.

        Returns:
            h and c of all steps, each of shape ``(batch, features, time)``, promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            DTypeError: If the numbers are complex.

        References:
            T. Lei, Y. Zhang, S. I. Wang, H. Dai, Y. Artzi, "Simple recurrent units for highly parallelizable
            recurrence", 2017, arXiv:1709.02755.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> h, c = sd.rnn.sru([[[1.0, 1.0]]], [[3.0]], weights=[[2.0], [0.0], [0.0]])
            >>> c.eval()
            array([[[2.5 , 2.25]]])
        """
        sd = self.sd
        o = Operands(sd, x=x, initial_c=initial_c, mask=mask, weights=weights, bias=bias)
        o.must_have_rank("x", 3, AXES["NST"])
        batch, n, _ = o["x"].shape
        for name_of in ("initial_c", "mask"):
            o.must_have(name_of, (batch, n), "(batch, features)")
        o.must_have("weights", (times(3, n), n), "(3 features, features)")
        o.must_have("bias", (times(2, n),), "(2 features,)")
        xs = time_first(o["x"], "NST")
        xs = xs if mask is None else xs * o["mask"]
        z, f, r = simple_gates(sd.linalg.matmul(xs, sd.transpose(o["weights"])), o.get("bias"))

        def step(state: State, gates: tuple[SDVariable, SDVariable]) -> tuple[State, State]:
            c = simple_state(*gates, state[0])
            return (c,), (c,)

        _, (cs,) = run(step, (o["initial_c"],), (z, f), None, False)
        return o.rounded(formatted(v, "NST") for v in (simple_output(xs, r, cs), cs))  # type: ignore[return-value]
