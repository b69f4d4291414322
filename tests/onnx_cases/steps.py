"""ONNX's operators that choose or repeat steps: the steps are written one after the other, as operations of sdgraph."""

import math

import numpy as np

from tests.onnx_cases.translation import onnx_op

# ---------------------------------------------------------------------- graphs inside of nodes


@onnx_op("If")
def if_(t, condition, *, then_branch, else_branch):
    return t.inside(then_branch if t.scalar(condition) else else_branch)


@onnx_op("Loop")
def loop(t, most, condition, *carried, body):
    collected, k = [], 0
    most = math.inf if most is None else t.scalar(most)
    while k < most and (condition is None or t.scalar(condition)):
        first = t.sd.constant(np.ones((), bool)) if condition is None else condition
        condition, *results = t.inside(body, t.sd.constant(np.int64(k), dtype="int64"), first, *carried)
        carried, further = results[: len(carried)], results[len(carried) :]
        collected.append(further)
        k += 1
    return *carried, *(t.sd.stack(*column, axis=0) for column in zip(*collected, strict=True))


@onnx_op("Scan")
def scan(t, *operands, body, num_scan_inputs, scan_input_axes, scan_input_directions, scan_output_axes,
         scan_output_directions):  # fmt: skip
    state, inputs = operands[:-num_scan_inputs], operands[-num_scan_inputs:]
    columns = [
        _turned(t.sd.unstack(x, axis=axis), direction)
        for x, axis, direction in zip(inputs, scan_input_axes or [0] * len(inputs),
                                      scan_input_directions or [0] * len(inputs), strict=True)
    ]  # fmt: skip
    collected = []
    for elements in zip(*columns, strict=True):
        results = t.inside(body, *state, *elements)
        state, further = results[: len(state)], results[len(state) :]
        collected.append(further)
    columns = list(zip(*collected, strict=True))
    axes, directions = scan_output_axes or [0] * len(columns), scan_output_directions or [0] * len(columns)
    return *state, *(
        t.sd.stack(*_turned(column, direction), axis=axis)
        for column, axis, direction in zip(columns, axes, directions, strict=True)
    )


def _turned(column, direction):
    return column[::-1] if direction else column


# ---------------------------------------------------------------------- recurrent layers


def _recurrent(layer, states):
    """The rule of a layer, and how many states it carries."""

    def rule(t, x, w, r, b=None, lengths=None, *further, direction, hidden_size, layout, activations=None, clip=None,
             linear_before_reset=0, input_forget=0, activation_alpha=None, activation_beta=None):  # fmt: skip
        assert hidden_size == r.shape[2]
        assert activations is None or len(set(activations)) <= 3
        assert not (clip or input_forget or activation_alpha or activation_beta)
        both = direction == "bidirectional"
        one = (lambda v: v) if both else (lambda v: v[0])
        x = t.sd.permute(x, (1, 0, 2)) if layout else x
        w, r = (one(t.sd.permute(v, (0, 2, 1))) for v in (w, r))
        biases = (None, None) if b is None else map(one, t.sd.split(b, 2, axis=1))
        initial = [one(t.sd.permute(v, (1, 0, 2)) if layout else v) for v in further[:states] if v is not None]
        settings = {
            "max_ts_length": lengths,
            "direction_mode": {"forward": "FWD", "reverse": "BWD"}.get(direction, "BIDIR_EXTRA_DIM"),
            "ret_last_h": True,
        }
        y, *last = layer(
            t, x, w, r, *biases, initial, [one(v) for v in further[states:]], settings, linear_before_reset
        )
        if not both:
            y, last = t.sd.expand_dims(y, 1), [t.sd.expand_dims(v, 0) for v in last]
        if layout:
            y, last = t.sd.permute(y, (2, 0, 1, 3)), [t.sd.permute(v, (1, 0, 2)) for v in last]
        return y, *last

    return rule


def _in_order(t, v, *places):
    """The gates of a parameter in another order."""
    gates = None if v is None else t.sd.split(v, len(places), axis=-1)
    return gates and t.sd.concat(*(gates[k] for k in places), axis=-1)


def _rnn(t, x, w, r, b, rb, initial, _, settings, __):
    return t.sd.rnn.simple_rnn(x, *(initial or [0.0]), w, r, b if b is None else b + rb, **settings)


def _gru(t, x, w, r, b, rb, initial, _, settings, linear_before_reset):
    w, r, b, rb = (_in_order(t, v, 1, 0, 2) for v in (w, r, b, rb))
    return t.sd.rnn.gru(x, *(initial or [0.0]), w, r, b, rb, reset_after=bool(linear_before_reset), **settings)


def _lstm(t, x, w, r, b, rb, initial, peepholes, settings, _):
    w, r, b = (_in_order(t, v, 0, 2, 3, 1) for v in (w, r, b if b is None else b + rb))
    p = _in_order(t, peepholes[0], 0, 2, 1) if peepholes else None
    states = dict(zip(("y_last", "c_last"), initial, strict=False))
    return t.sd.rnn.lstm_layer(
        x, weights=w, r_weights=r, bias=b, peephole_weights=p, ret_last_c=True, **states, **settings
    )


onnx_op("RNN")(_recurrent(_rnn, 1))
onnx_op("GRU")(_recurrent(_gru, 1))
onnx_op("LSTM")(_recurrent(_lstm, 2))
