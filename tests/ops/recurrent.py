"""Recurrent layers in numpy: loops over entries of the batch and over steps, one gate after another."""

import numpy as np
import scipy.special

ACTIVATIONS = {
    "TANH": np.tanh,
    "RELU": lambda v: np.maximum(v, 0),
    "SIGMOID": scipy.special.expit,
    "AFFINE": lambda v, alpha=1.0, beta=0.0: alpha * v + beta,
    "LEAKY_RELU": lambda v, alpha=0.01: np.where(v > 0, v, alpha * v),
    "THRESHHOLD_RELU": lambda v, alpha=0.0: np.where(v > alpha, v, 0),
    "SCALED_TAHN": lambda v, alpha=1.0, beta=1.0: alpha * np.tanh(beta * v),
    "HARD_SIGMOID": lambda v, alpha=0.2, beta=0.5: np.minimum(np.maximum(alpha * v + beta, 0), 1),
    "ELU": lambda v, alpha=1.0: np.where(v > 0, v, alpha * np.expm1(v)),
    "SOFTSIGN": lambda v: v / (1 + abs(v)),
    "SOFTPLUS": lambda v: np.logaddexp(0, v),
}
_SIGMOID = ACTIVATIONS["SIGMOID"]


def _zero(v):
    return 0.0 if v is None else v


def _gate(products, k, n):
    return products[k * n : (k + 1) * n]


# ---------------------------------------------------------------------- steps of one entry of the batch


def _lstm_block_step(x, c, y, w, b, p, forget_bias, clip):
    n = len(c)
    products = np.concatenate([x, y]) @ w + _zero(b)
    p_i, p_f, p_o = p or (0.0, 0.0, 0.0)
    i = _SIGMOID(_gate(products, 0, n) + p_i * c)
    z = np.tanh(_gate(products, 1, n))
    f = _SIGMOID(_gate(products, 2, n) + forget_bias + p_f * c)
    c = f * c + i * z
    c = np.clip(c, -clip, clip) if clip else c
    o = _SIGMOID(_gate(products, 3, n) + p_o * c)
    return i, c, f, o, z, np.tanh(c), o * np.tanh(c)


def _peepholes(peep_hole, *p):
    return p if peep_hole else None


def _sru_step(x, c, w, b):
    """For weights of shape (3 features, features)."""
    n = len(x)
    b = np.zeros(2 * n) if b is None else b
    z, f, r = w[:n] @ x, _SIGMOID(w[n : 2 * n] @ x + b[:n]), _SIGMOID(w[2 * n :] @ x + b[n:])
    c = f * c + (1 - f) * z
    return r * np.tanh(c) + (1 - r) * x, c


def _over_the_batch(step, n_results, outputs, *arrays):
    rows = [step(*row) for row in zip(*arrays, strict=True)]
    return tuple(np.array([row[k] for row in rows]).reshape(len(rows), outputs) for k in range(n_results))


def lstm_cell(
    x, c_last, y_last, weights, bias=None, p_i=None, p_f=None, p_o=None,
    *, peep_hole=False, forget_bias=0.0, clipping_cell_value=0.0,
):  # fmt: skip
    p = _peepholes(peep_hole, p_i, p_f, p_o)
    return _over_the_batch(
        lambda x, c, y: _lstm_block_step(x, c, y, weights, bias, p, forget_bias, clipping_cell_value),
        7, c_last.shape[1], x, c_last, y_last,
    )  # fmt: skip


def gru_cell(x, h_last, ru_weight, c_weight, ru_bias=None, c_bias=None):
    def step(x, h):
        gates = _SIGMOID(np.concatenate([x, h]) @ ru_weight + _zero(ru_bias))
        r, u = gates[: len(h)], gates[len(h) :]
        c = np.tanh(np.concatenate([x, r * h]) @ c_weight + _zero(c_bias))
        return r, u, c, u * h + (1 - u) * c

    return _over_the_batch(step, 4, h_last.shape[1], x, h_last)


def sru_cell(x, c_last, weights, bias=None):
    return _over_the_batch(lambda x, c: _sru_step(x, c, weights.T, bias), 2, x.shape[1], x, c_last)


# ---------------------------------------------------------------------- loops


def _time_first(x, data_format):
    return np.moveaxis(x, (data_format.index("T"), data_format.index("N"), data_format.index("S")), (0, 1, 2))


def _formatted(y, data_format):
    return np.moveaxis(y, (0, 1, 2), (data_format.index("T"), data_format.index("N"), data_format.index("S")))


def _loop(step, x, states, lengths, reverse):
    """Outputs with time first, and the states after the last step that counts, 0 where none does."""
    time, batch = x.shape[:2]
    ys = np.zeros((time, batch, states[0].shape[1]))
    last = [np.array(s, float) for s in states]
    for n in range(batch):
        count = time if lengths is None else min(lengths[n], time)
        state = [s[n] for s in states]
        for t in range(count)[::-1] if reverse else range(count):
            state = step(x[t, n], *state)
            ys[t, n] = state[0]
        for k, s in enumerate(state):
            last[k][n] = s if count > 0 or lengths is None else 0
    return ys, last


def _each_way(one_way, direction, data_format, parameters):
    if direction in ("FWD", "BWD"):
        ys, last = one_way(*parameters, direction == "BWD")
        return _formatted(ys, data_format), last
    (there, a), (back, b) = (
        one_way(*(p if p is None or not np.ndim(p) else p[k] for p in parameters), k == 1) for k in (0, 1)
    )
    last = [np.array([u, v]) for u, v in zip(a, b, strict=True)]
    if direction == "BIDIR_EXTRA_DIM":
        return np.stack([there, back], axis=1), last
    both = there + back if direction == "BIDIR_SUM" else np.concatenate([there, back], axis=2)
    return _formatted(both, data_format), last


def _asked(*results):
    found = [v for asked, v in results if asked]
    return found[0] if len(found) == 1 else tuple(found)


def lstm_layer(
    x, c_last=None, y_last=None, max_ts_length=None, weights=None, r_weights=None, bias=None, peephole_weights=None,
    *, data_format="TNS", direction_mode="FWD", gate_act="SIGMOID", cell_act="TANH", out_act="TANH", cell_clip=0.0,
    ret_full_sequence=True, ret_last_h=False, ret_last_c=False, **numbers,
):  # fmt: skip
    data_format = data_format.replace("2", "")
    x = _time_first(x, data_format)

    def function(which, name):
        given = {k.removeprefix(f"{which}_"): v for k, v in numbers.items() if k.startswith(f"{which}_")}
        return lambda v: ACTIVATIONS[name](v, **given)

    gate, cell, out = function("gate", gate_act), function("cell", cell_act), function("out", out_act)

    def one_way(w, r, b, p, c, y, reverse):
        n = len(r)
        p = np.zeros(3 * n) if p is None else p

        def step(x, y, c):
            products = x @ w + y @ r + _zero(b)
            i, f = gate(_gate(products, 0, n) + p[:n] * c), gate(_gate(products, 1, n) + p[n : 2 * n] * c)
            c = f * c + i * cell(_gate(products, 2, n))
            c = np.clip(c, -cell_clip, cell_clip) if cell_clip else c
            o = gate(_gate(products, 3, n) + p[2 * n :] * c)
            return o * out(c), c

        zeros = np.zeros((x.shape[1], n))
        return _loop(step, x, [zeros if y is None else y, zeros if c is None else c], max_ts_length, reverse)

    parameters = (weights, r_weights, bias, peephole_weights, c_last, y_last)
    ys, (h, c) = _each_way(one_way, direction_mode, data_format, parameters)
    return _asked((ret_full_sequence, ys), (ret_last_h, h), (ret_last_c, c))


def lstmblock(
    x, c_last=None, y_last=None, weights=None, bias=None, p_i=None, p_f=None, p_o=None,
    *, peep_hole=False, forget_bias=0.0, clipping_cell_value=0.0, data_format="TNS",
):  # fmt: skip
    x = _time_first(x, data_format)
    p = _peepholes(peep_hole, p_i, p_f, p_o)
    time, batch, n = *x.shape[:2], weights.shape[1] // 4
    ys = np.zeros((7, time, batch, n))
    for k in range(batch):
        c, y = (np.zeros(n) if s is None else s[k] for s in (c_last, y_last))
        for t in range(time):
            ys[:, t, k] = _lstm_block_step(x[t, k], c, y, weights, bias, p, forget_bias, clipping_cell_value)
            c, y = ys[1, t, k], ys[6, t, k]
    return tuple(_formatted(v, data_format) for v in ys)


def gru(
    x, h_last, wx, wh, biases=None, r_biases=None, max_ts_length=None,
    *, reset_after=True, data_format="TNS", direction_mode="FWD", gate_act="SIGMOID", cell_act="TANH",
    ret_full_sequence=True, ret_last_h=False,
):  # fmt: skip
    x = _time_first(x, data_format)
    gate, cell = ACTIVATIONS[gate_act], ACTIVATIONS[cell_act]

    def one_way(wx, wh, b, q, h, reverse):
        n = len(wh)
        q = np.zeros(3 * n) if q is None else q

        def step(x, h):
            a = x @ wx + _zero(b)
            r = gate(_gate(a, 0, n) + h @ wh[:, :n] + q[:n])
            u = gate(_gate(a, 1, n) + h @ wh[:, n : 2 * n] + q[n : 2 * n])
            if reset_after:
                new = cell(_gate(a, 2, n) + r * (h @ wh[:, 2 * n :] + q[2 * n :]))
            else:
                new = cell(_gate(a, 2, n) + (r * h) @ wh[:, 2 * n :] + q[2 * n :])
            return (u * h + (1 - u) * new,)

        return _loop(step, x, [np.broadcast_to(h, (x.shape[1], n))], max_ts_length, reverse)

    ys, (h,) = _each_way(one_way, direction_mode, data_format, (wx, wh, biases, r_biases, h_last))
    return _asked((ret_full_sequence, ys), (ret_last_h, h))


def simple_rnn(
    x, h_last, wx, wh, biases=None, max_ts_length=None,
    *, activation="TANH", data_format="TNS", direction_mode="FWD", ret_full_sequence=True, ret_last_h=False,
):  # fmt: skip
    x = _time_first(x, data_format)

    def one_way(wx, wh, b, h, reverse):
        def step(x, h):
            return (ACTIVATIONS[activation](x @ wx + h @ wh + _zero(b)),)

        return _loop(step, x, [np.broadcast_to(h, (x.shape[1], len(wh)))], max_ts_length, reverse)

    ys, (h,) = _each_way(one_way, direction_mode, data_format, (wx, wh, biases, h_last))
    return _asked((ret_full_sequence, ys), (ret_last_h, h))


def sru(x, initial_c, mask=None, weights=None, bias=None):
    x = x * (1 if mask is None else mask[..., None])
    hs, cs = np.zeros(x.shape), np.zeros(x.shape)
    for n in range(x.shape[0]):
        c = initial_c[n]
        for t in range(x.shape[2]):
            hs[n, :, t], c = _sru_step(x[n, :, t], c, weights, bias)
            cs[n, :, t] = c
    return hs, cs


REFERENCES = {
    "rnn.lstm_cell": lstm_cell, "rnn.gru_cell": gru_cell, "rnn.sru_cell": sru_cell,
    "rnn.lstm_layer": lstm_layer, "rnn.lstmblock": lstmblock, "rnn.gru": gru, "rnn.sru": sru,
    "rnn.simple_rnn": simple_rnn,
}  # fmt: skip
