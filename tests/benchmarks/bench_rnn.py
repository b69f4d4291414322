"""Recurrent layers, value and gradients: sdgraph against JAX and PyTorch, in one process, on one thread.

Run it alone: ``python tests/benchmarks/bench_rnn.py``. Peers that are not installed are left out. All compute the mean
square of a layer's outputs over float32 sequences, and its gradients by the layer's weights. They are called in turn;
the table has medians, and the medians of the ratios of each turn to JAX's. ``--rows PATTERN`` picks rows, ``--turns N``
how often each is called, ``--engine`` one engine of sdgraph's.
"""

import argparse
import functools
import os
import re
import statistics
import sys
import time

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
if __name__ == "__main__":
    os.environ |= ONE_THREAD  # Read where numpy is loaded.

import numpy as np  # noqa: E402

SIZES = {
    "lstm 32x100x64": ("lstm", 32, 100, 64),
    "lstm 8x50x32": ("lstm", 8, 50, 32),
    "gru 32x100x64": ("gru", 32, 100, 64),
    "rnn 1x1000x16": ("rnn", 1, 1000, 16),
}
"""Kind of layer; sequences, steps and units."""
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def arrays(kind, batch, time_steps, n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(time_steps, batch, n)).astype("f")
    w, r = ((rng.normal(size=(n, GATES[kind] * n)) / n**0.5).astype("f") for _ in range(2))
    return x, w, r, np.zeros(GATES[kind] * n, "f")


def of_sdgraph(kind, engine, x, w, r, b):
    """Functions of nothing: value, and value with gradients."""
    from sdgraph import SameDiff

    sd = SameDiff()
    v = sd.placeholder("x", x.shape)
    ws = [sd.var(k, a) for k, a in zip("wrb", (w, r, b), strict=True)]
    if kind == "lstm":
        ys = sd.rnn.lstm_layer(v, weights=ws[0], r_weights=ws[1], bias=ws[2])
    else:
        ys = (sd.rnn.gru if kind == "gru" else sd.rnn.simple_rnn)(v, 0.0, *ws)
    loss = sd.mean(ys * ys, name="loss")
    value = sd.compile([loss], engine=engine)
    both = sd.compile([loss, *sd.grad(loss, ws)], engine=engine)
    return lambda: value(x=x), lambda: both(x=x)


def of_jax(kind, x, w, r, b):
    import jax
    import jax.numpy as jnp

    s, tanh = jax.nn.sigmoid, jnp.tanh

    def lstm(r, state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ r, 4, 1)
        c = s(f) * c + s(i) * tanh(g)
        h = s(o) * tanh(c)
        return (h, c), h

    def gru(r, state, z):
        (h,) = state
        (a_r, a_u, a_n), (q_r, q_u, q_n) = jnp.split(z, 3, 1), jnp.split(h @ r, 3, 1)
        u = s(a_u + q_u)
        h = u * h + (1 - u) * tanh(a_n + s(a_r + q_r) * q_n)
        return (h,), h

    def rnn(r, state, z):
        h = tanh(z + state[0] @ r)
        return (h,), h

    step, states = {"lstm": (lstm, 2), "gru": (gru, 1), "rnn": (rnn, 1)}[kind]

    def loss(parameters, x):
        w, r, b = parameters
        zeros = jnp.zeros((x.shape[1], r.shape[0]), "f")
        _, ys = jax.lax.scan(functools.partial(step, r), (zeros,) * states, x @ w + b)
        return (ys * ys).mean()

    value, both = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
    given, x = tuple(map(jnp.asarray, (w, r, b))), jnp.asarray(x)
    return lambda: jax.block_until_ready(value(given, x)), lambda: jax.block_until_ready(both(given, x))


def of_torch(kind, x, w, r, b):
    import torch

    torch.set_num_threads(1)
    n = len(r)
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind](n, n)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(w.T.copy()))
        layer.weight_hh_l0.copy_(torch.from_numpy(r.T.copy()))
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
    x = torch.from_numpy(x)

    def value():
        with torch.no_grad():
            return (layer(x)[0] ** 2).mean()

    def both():
        layer.zero_grad()
        loss = (layer(x)[0] ** 2).mean()
        loss.backward()
        return loss

    return value, both


def runs_of(kind, engines, given):
    """What is called, by who computes it: value, and value with gradients."""
    found = {f"sdgraph {engine}": of_sdgraph(kind, engine, *given) for engine in engines}
    for name, make in (("jax", of_jax), ("torch", of_torch)):
        try:
            found[name] = make(kind, *given)
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)
    return found


def measured(runs, turns):
    """Seconds of each turn, by who computes it."""
    took = {name: [] for name in runs}
    for f in runs.values():
        f()
        f()
    for _ in range(turns):
        for name, f in runs.items():
            start = time.perf_counter()
            f()
            took[name].append(time.perf_counter() - start)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", default="", metavar="PATTERN")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--engine", choices=("numpy", "llvm"))
    options = parser.parse_args()
    engines = [options.engine] if options.engine else ["llvm", "numpy"]
    print(f"{'':36}{'ms':>9}{'of jax':>9}")
    for row, (kind, *sizes) in SIZES.items():
        if not re.search(options.rows, row):
            continue
        found = runs_of(kind, engines, arrays(kind, *sizes))
        for k, what in enumerate(("value", "value and gradients")):
            took = measured({name: pair[k] for name, pair in found.items()}, options.turns)
            for name, seconds in took.items():
                ratio = statistics.median(a / b for a, b in zip(seconds, took.get("jax", seconds), strict=True))
                print(f"{row if name == next(iter(took)) else '':16}{what if name == next(iter(took)) else '':20}"
                      f"{name:14}{1e3 * statistics.median(seconds):9.2f}{ratio:8.2f}x", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
