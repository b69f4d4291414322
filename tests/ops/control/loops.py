"""Loops and branches that the tests of several rooms look at, and what they compute, written as loops of numpy's."""

from typing import Any

import numpy as np

from sdgraph import Namespace, Operand, SameDiff, SDVariable, composite

ENGINES = ["numpy", "llvm"]


def drawn(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape)


def recurrent(*, reverse: bool = False, checkpoint: bool | int = False, length: int | None = None):
    """A recurrent cell over ``x``: the graph, the last state, the states and twice the states."""
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (length, 2, 3))
    w, b = sd.var("w", 0.5 * drawn(3, 3)), sd.var("b", np.array([0.1, 0.2, 0.3]))
    start = sd.var("start", 0.3 * drawn(2, 3, seed=2))

    def cell(h, x):
        h = sd.math.tanh(x + h @ w + b)
        return h, {"states": h, "twice": 2.0 * h}

    last, ys = sd.scan(cell, start, x, reverse=reverse, checkpoint=checkpoint, name="rnn")
    return sd, last, ys["states"], ys["twice"]


def recurrent_by_hand(sd: SameDiff, x: Any, *, reverse: bool = False):
    """The last state and all states."""
    h, w, b = (sd[name].value for name in ("start", "w", "b"))
    states = np.zeros((len(x), *h.shape))
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        h = np.tanh(x[t] + h @ w + b)
        states[t] = h
    return h, states


class Tools(Namespace, prefix="loop_tools"):
    @composite
    def lstm(self, x: Operand, w: Operand, r: Operand, b: Operand, *, name: str | None = None) -> SDVariable:
        """An LSTM over the first axis, as a composite."""
        sd = self.sd
        z = x @ w + b
        start = sd.zeros_like(z[0][:, :2])

        def cell(state, z):
            h, c = state
            i, f, g, o = sd.split(z + h @ r, 4, axis=1)
            c = sd.nn.sigmoid(f) * c + sd.nn.sigmoid(i) * sd.math.tanh(g)
            h = sd.nn.sigmoid(o) * sd.math.tanh(c)
            return (h, c), h

        _, ys = sd.scan(cell, (start, start), z)
        return ys


def lstm():
    """The graph, and the sum of squares of an LSTM's states."""
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", ("time", "batch", 3))
    w, r, b = sd.var("w", 0.5 * drawn(3, 8)), sd.var("r", 0.5 * drawn(2, 8, seed=1)), sd.var("b", drawn(8, seed=2))
    ys = Tools(sd).lstm(x, w, r, b)
    return sd, (ys * ys).sum(name="loss")


def mixed():
    """A scan in a scan with a choice inside, with a variable that is used at each depth; and the sum of it all."""
    sd = SameDiff(dtype="float64")
    a, x = sd.var("a", 1.3), sd.placeholder("x", (3, 4))

    def outer(h, row):
        k = h * a

        def inner(q, e):
            q = sd.cond(q > 0.2, lambda: q * a * 0.9 + e * k, lambda: q * q + row.sum() * 0.1)
            return q, q * k

        q, es = sd.scan(inner, h, row)
        return q, es.sum()

    h, s = sd.scan(outer, 0.5, x, name="nested")
    return sd, (h + (s * s).sum()).rename("loss")


def mixed_by_hand(a: float, x: np.ndarray[Any, Any]) -> float:
    h, total = 0.5, 0.0
    for row in x:
        k, q, s = h * a, h, 0.0
        for e in row:
            q = q * a * 0.9 + e * k if q > 0.2 else q * q + row.sum() * 0.1
            s += q * k
        h, total = q, total + s * s
    return h + total
