"""One step of recurrent layers: the cells of ``sd.rnn``.

Knows their formulas and how SameDiff lays out their weights. What repeats a cell over time is in
`sdgraph.ops.rnn.lstm` and `sdgraph.ops.rnn.layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.checks import finite, flag, not_negative
from sdgraph.errors import ArgumentError
from sdgraph.ops.rnn.operands import Operands, parts, times

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand, SDVariable

PEEPHOLES = ("input_peephole_weights", "forget_peephole_weights", "output_peephole_weights")


def held(c: SDVariable, clip: float) -> SDVariable:
    """The state of a cell between ``-clip`` and ``clip``, or as it is if that is 0."""
    return c.sd.math.clip_by_value(c, -clip, clip) if clip else c


def block_step(
    joined: SDVariable,
    c_last: SDVariable,
    o: Operands,
    peepholes: Sequence[SDVariable] | None,
    forget_bias: float,
    clip: float,
) -> tuple[SDVariable, ...]:
    """Gates, states and output of one step of `SDCells.lstm_cell`, of ``x`` and ``y_last`` side by side."""
    sd = o.sd
    sigmoid, tanh = sd.nn.sigmoid, sd.math.tanh
    gates = sd.linalg.matmul(joined, o["weights"])
    i, z, f, out = parts(gates if o.get("bias") is None else gates + o["bias"], 4)
    f = f + forget_bias
    if peepholes:
        i, f = i + peepholes[0] * c_last, f + peepholes[1] * c_last
    i, f, z = sigmoid(i), sigmoid(f), tanh(z)
    c = held(f * c_last + i * z, clip)
    out = sigmoid(out + peepholes[2] * c if peepholes else out)
    h = tanh(c)
    return i, c, f, out, z, h, out * h


def block_peepholes(o: Operands, peep_hole: bool) -> list[SDVariable] | None:
    """The weights from the state of the cell to its gates, if they are to be used.

    Raises:
        ArgumentError: If they are to be used and one is missing.
    """
    if not flag("peep_hole", peep_hole):
        return None
    missing = [k for k in PEEPHOLES if k not in o.all]
    if missing:
        raise ArgumentError(
            "peep_hole asks for peephole weights, and some are missing.",
            given="peep_hole=True",
            expected=" and ".join(missing),
        )
    return [o[k] for k in PEEPHOLES]


def check_block(o: Operands, forget_bias: float, clip: float, rank: int) -> None:
    """Raise unless operands and settings of `SDCells.lstm_cell`, or of its layer, fit each other."""
    finite("forget_bias", forget_bias)
    not_negative("clipping_cell_value", clip)
    o.must_have_rank("x", rank, "batch and features" if rank == 2 else "batch, features and time")
    o.must_have_rank("weights", 2, "features and outputs together, and gates of outputs")
    columns = o["weights"].shape[1]
    outputs = columns // 4 if type(columns) is int and columns % 4 == 0 else None
    for name in ("c_last", "y_last"):
        if name in o.all:
            o.must_have_rank(name, 2, "batch and outputs")
            outputs = o[name].shape[1] if outputs is None else outputs
    o.must_have("weights", (o["weights"].shape[0], times(4, outputs)), "(features + outputs, 4 outputs)")
    for name in PEEPHOLES:
        o.must_have(name, (outputs,), "(outputs,)")
    o.must_have("bias", (times(4, outputs),), "(4 outputs,)")
    for name in ("c_last", "y_last"):
        o.must_have(name, (o["x"].shape[0] if rank == 2 else None, outputs), "(batch, outputs)")


class SDCells(Namespace, prefix="rnn", shared={}):
    """Single steps."""

    @composite
    def lstm_cell(
        self,
        x: Operand,
        c_last: Operand,
        y_last: Operand,
        weights: Operand,
        bias: Operand | None = None,
        input_peephole_weights: Operand | None = None,
        forget_peephole_weights: Operand | None = None,
        output_peephole_weights: Operand | None = None,
        *,
        peep_hole: bool = False,
        forget_bias: float = 0.0,
        clipping_cell_value: float = 0.0,
        name: str | None = None,
    ) -> tuple[SDVariable, ...]:
        """One step of a long short-term memory.

        With ``[i, z, f, o] = [x, y_last] @ weights + bias`` cut into four, s the sigmoid, and p the peephole weights:
        ``i = s(i + p_i c_last)``, ``z = tanh(z)``, ``f = s(f + forget_bias + p_f c_last)``, ``c = f c_last + i z``,
        ``o = s(o + p_o c)``, ``h = tanh(c)``, ``y = o h``.

        Args:
            x: Shape ``(batch, features)``.
            c_last: State of the cell, shape ``(batch, outputs)``.
            y_last: Output of the step before, shape ``(batch, outputs)``.
            weights: Shape ``(features + outputs, 4 outputs)``, gates in the order i, z, f, o.
            bias: Shape ``(4 outputs,)``; None means 0.
            input_peephole_weights: Shape ``(outputs,)``; read with ``peep_hole``, as the next two.
            forget_peephole_weights: Shape ``(outputs,)``.
            output_peephole_weights: Shape ``(outputs,)``.
            peep_hole: Whether the gates see the state of the cell.
            forget_bias: Added to the forget gate before its sigmoid.
            clipping_cell_value: The state is held between this number and its negative; 0 leaves it free.

        Returns:
            i, c, f, o, z, h and y, in SameDiff's order: each of shape ``(batch, outputs)``, promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            ArgumentError: If a peephole is asked for without its weights, or a number is out of its range.
            DTypeError: If the numbers are complex.

        References:
            S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. F. A. Gers,
            J. Schmidhuber, "Recurrent nets that time and count", IJCNN 2000.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> i, c, f, o, z, h, y = sd.rnn.lstm_cell([[1.0]], [[2.0]], [[0.0]], [[0.0] * 4] * 2)
            >>> c.eval(), (y / h).eval()
            (array([[1.]]), array([[0.5]]))
        """
        o = Operands(
            self.sd, x=x, c_last=c_last, y_last=y_last, weights=weights, bias=bias,
            input_peephole_weights=input_peephole_weights, forget_peephole_weights=forget_peephole_weights,
            output_peephole_weights=output_peephole_weights,
        )  # fmt: skip
        check_block(o, forget_bias, clipping_cell_value, 2)
        peepholes = block_peepholes(o, peep_hole)
        joined = self.sd.concat(o["x"], o["y_last"], axis=-1)
        return o.rounded(block_step(joined, o["c_last"], o, peepholes, forget_bias, clipping_cell_value))

    @composite
    def gru_cell(
        self,
        x: Operand,
        h_last: Operand,
        ru_weight: Operand,
        c_weight: Operand,
        ru_bias: Operand | None = None,
        c_bias: Operand | None = None,
        *,
        name: str | None = None,
    ) -> tuple[SDVariable, SDVariable, SDVariable, SDVariable]:
        """One step of a gated recurrent unit.

        ``[r, u] = sigmoid([x, h_last] @ ru_weight + ru_bias)``, ``c = tanh([x, r h_last] @ c_weight + c_bias)``,
        ``h = u h_last + (1 - u) c``.

        Args:
            x: Shape ``(batch, features)``.
            h_last: Output of the step before, shape ``(batch, outputs)``.
            ru_weight: Of the reset and the update gate, shape ``(features + outputs, 2 outputs)``.
            c_weight: Of the candidate, shape ``(features + outputs, outputs)``.
            ru_bias: Shape ``(2 outputs,)``; None means 0.
            c_bias: Shape ``(outputs,)``; None means 0.

        Returns:
            r, u, c and h, each of shape ``(batch, outputs)``, promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            DTypeError: If the numbers are complex.

        References:
            K. Cho, B. van Merrienboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk, Y. Bengio, "Learning phrase
            representations using RNN encoder-decoder for statistical machine translation", 2014, arXiv:1406.1078.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> r, u, c, h = sd.rnn.gru_cell([[1.0]], [[3.0]], [[0.0, 0.0]] * 2, [[0.0], [0.0]])
            >>> u.eval(), h.eval()
            (array([[0.5]]), array([[1.5]]))
        """
        sd = self.sd
        o = Operands(sd, x=x, h_last=h_last, ru_weight=ru_weight, c_weight=c_weight, ru_bias=ru_bias, c_bias=c_bias)
        o.must_have_rank("x", 2, "batch and features")
        o.must_have_rank("h_last", 2, "batch and outputs")
        batch, features = o["x"].shape
        outputs = o["h_last"].shape[1]
        both = features + outputs if type(features) is int and type(outputs) is int else None
        o.must_have("h_last", (batch, outputs), "(batch, outputs)")
        o.must_have("ru_weight", (both, times(2, outputs)), "(features + outputs, 2 outputs)")
        o.must_have("c_weight", (both, outputs), "(features + outputs, outputs)")
        o.must_have("ru_bias", (times(2, outputs),), "(2 outputs,)")
        o.must_have("c_bias", (outputs,), "(outputs,)")

        def affine(state: SDVariable, kind: str) -> SDVariable:
            product = sd.linalg.matmul(sd.concat(o["x"], state, axis=-1), o[f"{kind}_weight"])
            return product if o.get(f"{kind}_bias") is None else product + o[f"{kind}_bias"]

        r, u = parts(sd.nn.sigmoid(affine(o["h_last"], "ru")), 2)
        c = sd.math.tanh(affine(r * o["h_last"], "c"))
        return o.rounded((r, u, c, u * o["h_last"] + (1 - u) * c))  # type: ignore[return-value]

    @composite
    def sru_cell(
        self, x: Operand, c_last: Operand, weights: Operand, bias: Operand | None = None, *, name: str | None = None
    ) -> tuple[SDVariable, SDVariable]:
        """One step of a simple recurrent unit.

        With ``[z, f, r] = x @ weights`` cut into three, biases added to f and r, and s the sigmoid:
        ``c = s(f) c_last + (1 - s(f)) z``, ``h = s(r) tanh(c) + (1 - s(r)) x``.

        Args:
            x: Shape ``(batch, features)``.
            c_last: State of the cell, shape ``(batch, features)``.
            weights: Shape ``(features, 3 features)``.
            bias: Shape ``(2 features,)``, of f and of r; None means 0.

        Returns:
            h and c, each of shape ``(batch, features)``, promoted floating dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            DTypeError: If the numbers are complex.

        References:
            T. Lei, Y. Zhang, S. I. Wang, H. Dai, Y. Artzi, "Simple recurrent units for highly parallelizable
            recurrence", 2017, arXiv:1709.02755.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> h, c = sd.rnn.sru_cell([[1.0]], [[3.0]], [[2.0, 0.0, 0.0]])
            >>> c.eval()
            array([[2.5]])
        """
        o = Operands(self.sd, x=x, c_last=c_last, weights=weights, bias=bias)
        o.must_have_rank("x", 2, "batch and features")
        batch, n = o["x"].shape
        o.must_have("c_last", (batch, n), "(batch, features)")
        o.must_have("weights", (n, times(3, n)), "(features, 3 features)")
        o.must_have("bias", (times(2, n),), "(2 features,)")
        z, f, r = simple_gates(self.sd.linalg.matmul(o["x"], o["weights"]), o.get("bias"))
        c = simple_state(z, f, o["c_last"])
        return o.rounded((simple_output(o["x"], r, c), c))  # type: ignore[return-value]


def simple_gates(products: SDVariable, bias: SDVariable | None) -> tuple[SDVariable, SDVariable, SDVariable]:
    """Candidate, forget and reset gate of a simple recurrent unit."""
    z, f, r = parts(products, 3)
    if bias is not None:
        for_f, for_r = parts(bias, 2)
        f, r = f + for_f, r + for_r
    return z, z.sd.nn.sigmoid(f), z.sd.nn.sigmoid(r)


def simple_state(z: SDVariable, f: SDVariable, c_last: SDVariable) -> SDVariable:
    """Its new state."""
    return f * c_last + (1 - f) * z


def simple_output(x: SDVariable, r: SDVariable, c: SDVariable) -> SDVariable:
    """Its output: the state, or past it what came in."""
    return r * x.sd.math.tanh(c) + (1 - r) * x
