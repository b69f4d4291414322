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


def _recurrent(step, gates, states):
    """The rule of a layer from one step, the number of its gates, and how many states it carries."""

    def rule(t, x, w, r, b=None, lengths=None, *further, direction, hidden_size, layout, activations=None, clip=None,
             linear_before_reset=0, input_forget=0, activation_alpha=None, activation_beta=None):  # fmt: skip
        assert activations is None or len(set(activations)) <= 3
        assert not (clip or linear_before_reset or input_forget or activation_alpha or activation_beta)
        x = t.sd.permute(x, (1, 0, 2)) if layout else x
        initial, peepholes = further[:states], further[states:]
        ways = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
        runs = [
            _one_way(t, step, x, backward, [None if v is None else v[d] for v in (w, r, b)], hidden_size,
                     [v[d] for v in initial], [v[d] for v in peepholes], gates, states)
            for d, backward in enumerate(ways)
        ]  # fmt: skip
        y = t.sd.stack(*(ys for ys, _ in runs), axis=1)
        last = [t.sd.stack(*(state[k] for _, state in runs), axis=0) for k in range(states)]
        if layout:
            y, last = t.sd.permute(y, (2, 0, 1, 3)), [t.sd.permute(v, (1, 0, 2)) for v in last]
        return y, *last

    return rule


def _one_way(t, step, x, backward, parameters, hidden, initial, peepholes, gates, states):
    """All outputs of one direction along the first axis, and the states at its end."""
    w, r, b = parameters
    b = np.zeros(2 * gates * hidden, x.dtype) if b is None else b
    zero = np.zeros((x.shape[1], hidden), x.dtype)
    state = [*initial, *[zero] * (states - len(initial))]
    peepholes = [] if not peepholes else t.sd.split(peepholes[0], 3)
    ys = []
    for xt in _turned(t.sd.unstack(x), backward):
        by_gate = [t.sd.split(v, gates, axis=-1) for v in (
            t.sd.nn.linear(xt, w, b[: gates * hidden], transpose_b=True),
            t.sd.nn.linear(state[0], r, b[gates * hidden :], transpose_b=True),
        )]  # fmt: skip
        state = step(t, *by_gate, state, r, b, peepholes)
        ys.append(state[0])
    return t.sd.stack(*_turned(ys, backward), axis=0), state


def _rnn(t, of_x, of_h, state, r, b, peepholes):
    return [t.sd.math.tanh(of_x[0] + of_h[0])]


def _gru(t, of_x, of_h, state, r, b, peepholes):
    (h,), n = state, state[0].shape[1]
    z, reset = (t.sd.nn.sigmoid(of_x[k] + of_h[k]) for k in (0, 1))
    new = t.sd.math.tanh(of_x[2] + t.sd.nn.linear(reset * h, r[2 * n :], b[5 * n :], transpose_b=True))
    return [(1 - z) * new + z * h]


def _lstm(t, of_x, of_h, state, r, b, peepholes):
    _, c = state
    i, o, f, new = (x + h for x, h in zip(of_x, of_h, strict=True))
    if peepholes:
        i, f = i + peepholes[0] * c, f + peepholes[2] * c
    c = t.sd.nn.sigmoid(f) * c + t.sd.nn.sigmoid(i) * t.sd.math.tanh(new)
    o = o + peepholes[1] * c if peepholes else o
    return [t.sd.nn.sigmoid(o) * t.sd.math.tanh(c), c]


onnx_op("RNN")(_recurrent(_rnn, 1, 1))
onnx_op("GRU")(_recurrent(_gru, 3, 1))
onnx_op("LSTM")(_recurrent(_lstm, 4, 2))
