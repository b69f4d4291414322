"""Recurrent layers of SameDiff's files: which operands there are is told by flags, what they do by numbers.

What a file says is read as it is meant. SameDiff itself takes the initial state of the cell for the initial output, and
the activation of the candidate for that of the output, and the other way round.
"""

from __future__ import annotations

from typing import Any, Final

from sdgraph.files.samediff.reading.call import Call
from sdgraph.files.samediff.reading.stored import Unfit

_LAYER_FORMATS: Final = ("TNS", "NTS", "NST", "T2NS")
_BLOCK_FORMATS: Final = ("TNS", "NST", "NTS")
_DIRECTIONS: Final = ("FWD", "BWD", "BIDIR_SUM", "BIDIR_CONCAT", "BIDIR_EXTRA_DIM")
_ACTIVATIONS: Final = (
    "TANH", "RELU", "SIGMOID", "AFFINE", "LEAKY_RELU", "THRESHHOLD_RELU", "SCALED_TAHN", "HARD_SIGMOID", "ELU",
    "SOFTSIGN", "SOFTPLUS",
)  # fmt: skip
_OPTIONAL: Final = ("bias", "max_ts_length", "c_last", "y_last", "peephole_weights")
"""The operands behind the weights, in their order."""
_FLAGS: Final = (0, 1, 3, 2, 4)
"""Which flag says whether each of them is there."""
_PEEPHOLES: Final = ("input_peephole_weights", "forget_peephole_weights", "output_peephole_weights")


def lstm_layer(c: Call) -> Any:
    """A layer with what the flags say."""
    flags = [*c.stored.b, *[False] * (8 - len(c.stored.b))]
    there = [name for name, k in zip(_OPTIONAL, _FLAGS, strict=True) if flags[k]]
    names = ("x", "weights", "r_weights", *there)
    if len(names) != len(c.operands):
        raise Unfit(f"its flags say that it has {len(names)} operands, and it has {len(c.operands)}")
    numbers = [*c.stored.i, *(0, 0, 2, 0, 0)[len(c.stored.i) :]]
    settings = {
        setting: _named(known, numbers[k], setting)
        for k, (setting, known) in enumerate(
            (
                ("data_format", _LAYER_FORMATS),
                ("direction_mode", _DIRECTIONS),
                ("gate_act", _ACTIVATIONS),
                ("out_act", _ACTIVATIONS),
                ("cell_act", _ACTIVATIONS),
            )
        )
    }
    asked = zip(("ret_full_sequence", "ret_last_h", "ret_last_c"), flags[5:8], strict=True)
    return c.apply(
        "rnn.lstm_layer",
        name=c.own,
        **dict(zip(names, c.operands, strict=True)),
        **settings,
        cell_clip=c.stored.t[0] if c.stored.t else 0.0,
        **dict(asked),
    )


def lstm_block(c: Call) -> Any:
    """A layer whose operands are all there; how many steps count, which is one of the first two, changes nothing."""
    if len(c.operands) != 9:
        raise Unfit(f"it has {len(c.operands)} operands instead of 9")
    first, second, *rest = c.operands
    names = ("c_last", "y_last", "weights", *_PEEPHOLES, "bias")
    peep_hole, data_format = (*c.stored.i, 0, 0)[:2]
    forget_bias, clip = (*c.stored.t, 0.0, 0.0)[:2]
    return c.apply(
        "rnn.lstmblock",
        second if len(first.shape) == 0 else first,
        **dict(zip(names, rest, strict=True)),
        peep_hole=bool(peep_hole),
        forget_bias=forget_bias,
        clipping_cell_value=clip,
        data_format=_named(_BLOCK_FORMATS, data_format, "data_format"),
    )


def _named(names: tuple[str, ...], number: int, what: str) -> str:
    """What a number stands for."""
    if not 0 <= number < len(names):
        raise Unfit(f"its {what.replace('_', ' ')} has the number {number}, and there are {len(names)}")
    return names[number]
