"""A whole training step with Adam: sdgraph against its peers, in one process.

Run it alone: ``python tests/benchmarks/bench_training.py``. Peers that are not installed are left out. All do the same:
losses and gradients of a batch of float32 numbers, then Adam, with variables and slots kept where each keeps them. They
are called in turn, several steps at a time, so that a busy machine is equally unkind to all; the table has medians, and
how many times faster sdgraph is than the best peer. ``--threads N`` gives each so many threads, ``--models PATTERN``
picks rows.

Before the table stands what of a step is Python: steps and their compiled code alone, in turn, on one core, and how
both grow with the number of variables. ``--peers`` without a name leaves the peers out.
"""

import argparse
import itertools
import os
import re
import statistics
import sys
import time

import numpy as np

MODELS = [(30, 1), (16, 32, 3), (784, 128, 10), (784, 512, 512, 10)]
BATCHES = (32, 128)
RATE = 1e-4
PEERS = ("torch", "torch fused", "torch.compile", "optax", "keras")


def batches(sizes, size, n):
    """Examples and labels of one column, or one of each class."""
    rng = np.random.default_rng(3)
    for _ in range(n):
        x = rng.normal(size=(size, sizes[0])).astype("f")
        classes = sizes[-1]
        labels = rng.integers(0, max(classes, 2), size)
        yield x, labels[:, None].astype("f") if classes == 1 else np.eye(classes, dtype="f")[labels]


def weights(sizes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(a, b)).astype("f") / np.float32(a**0.5) for a, b in itertools.pairwise(sizes)]


def step_of(sizes):
    from sdgraph import SameDiff
    from sdgraph.train import Adam

    sd = SameDiff()
    x, y = sd.placeholder("x", (None, sizes[0])), sd.placeholder("y", (None, sizes[-1]))
    for k, w in enumerate(weights(sizes)):
        if k:
            x = sd.nn.relu(x)
        x = x @ sd.var(f"w{k}", w) + sd.var(f"b{k}", np.zeros(w.shape[1], "f"))
    loss = sd.loss.sigmoid_cross_entropy if sizes[-1] == 1 else sd.loss.softmax_cross_entropy
    loss(y, x, name="loss")
    return sd.training_step(Adam(RATE))


def sdgraph(sizes):
    step = step_of(sizes)

    def run(several):
        for x, y in several:
            found = step({"x": x, "y": y})
        return float(found["loss"])

    return run


def torch(sizes, *, fused=False, compiled=False):
    import torch

    linear = []
    for k, w in enumerate(weights(sizes)):
        layer = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w.T))
            layer.bias.zero_()
        linear += [*([torch.nn.ReLU()] if k else []), layer]
    model = torch.nn.Sequential(*linear)
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=fused)
    loss = torch.nn.BCEWithLogitsLoss() if sizes[-1] == 1 else torch.nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        found = loss(model(x), y)
        found.backward()
        optimizer.step()
        return found

    step = torch.compile(step) if compiled else step

    def run(several):
        for x, y in several:
            found = step(torch.from_numpy(x), torch.from_numpy(y))
        return float(found.detach())

    return run


def optax(sizes):
    import functools

    import jax
    import optax
    from jax import numpy as jnp

    rule = optax.adam(RATE)
    variables = [(jnp.asarray(w), jnp.zeros(w.shape[1])) for w in weights(sizes)]
    state = [variables, rule.init(variables)]
    entropy = optax.sigmoid_binary_cross_entropy if sizes[-1] == 1 else optax.softmax_cross_entropy

    def loss(variables, x, y):
        for k, (w, b) in enumerate(variables):
            x = (jax.nn.relu(x) if k else x) @ w + b
        return entropy(x, y).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(variables, kept, x, y):
        found, gradients = jax.value_and_grad(loss)(variables, x, y)
        changes, kept = rule.update(gradients, kept, variables)
        return optax.apply_updates(variables, changes), kept, found

    def run(several):
        variables, kept = state
        for x, y in several:
            variables, kept, found = step(variables, kept, x, y)
        state[:] = variables, kept
        return float(found)

    return run


def keras(sizes):
    import jax
    import keras

    dense = [
        keras.layers.Dense(w.shape[1], activation="relu" if k < len(sizes) - 2 else None)
        for k, w in enumerate(weights(sizes))
    ]
    model = keras.Sequential([keras.Input((sizes[0],)), *dense])
    for layer, w in zip(dense, weights(sizes), strict=True):
        layer.set_weights([w, np.zeros(w.shape[1], "f")])
    of = keras.losses.BinaryCrossentropy if sizes[-1] == 1 else keras.losses.CategoricalCrossentropy
    model.compile(keras.optimizers.Adam(RATE), of(from_logits=True))
    model.make_train_function()
    x, y = next(batches(sizes, 4, 1))
    model._symbolic_build(data_batch=(x, y))
    kinds = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    state = [model._get_jax_state(**dict.fromkeys(kinds, True), purge_model_variables=False)]

    def run(several):
        now, losses = state[0], None
        for x, y in several:
            losses, now = model.train_function(now, iter([(x, y)]))
        state[0] = jax.block_until_ready(now)
        # Keras tells the mean since the beginning, so there is nothing to compare.
        return float(jax.tree.leaves(losses)[0]) * np.nan

    return run


MAKERS = {
    "sdgraph": sdgraph,
    "torch": torch,
    "torch fused": lambda sizes: torch(sizes, fused=True),
    "torch.compile": lambda sizes: torch(sizes, fused=True, compiled=True),
    "optax": optax,
    "keras": keras,
}


def made(sizes, wanted):
    """What trains the model, by library; those are left out that are not installed or do not work here."""
    found = {}
    for name in ("sdgraph", *wanted):
        try:
            run = MAKERS[name](sizes)
            run(list(batches(sizes, 32, 2)))
            found[name] = run
        except Exception as e:
            if name == "sdgraph":
                raise
            print(f"without {name}: {type(e).__name__}: {str(e).splitlines()[0][:90] if str(e) else ''}")
    return found


def measured(runs, several, seconds):
    """Microseconds of a step, the median of turns of each; all take turns until the time is up."""
    losses = {name: run(several) for name, run in runs.items()}
    same = [loss for loss in losses.values() if loss == loss]
    assert np.allclose(same, losses["sdgraph"], rtol=1e-3), losses
    times = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["sdgraph"]) < 5:
        for name, run in runs.items():
            start = time.perf_counter()
            run(several)
            times[name].append((time.perf_counter() - start) / len(several) * 1e6)
    return {name: statistics.median(ts) for name, ts in times.items()}


def row(sizes, size, found):
    peers = {name: t for name, t in found.items() if name != "sdgraph"}
    best = min(peers, key=peers.__getitem__, default=None)
    ratio = f"{peers[best] / found['sdgraph']:6.2f} of {best}" if best else ""
    cells = [f"{found[name]:14.1f}" if name in found else " " * 14 for name in MAKERS]
    return f"{'-'.join(map(str, sizes)):>18} {size:>5} {''.join(cells)}   {ratio}"


# ---------------------------------------------------------------------- what of it is Python


def step_of_variables(n):
    """A step that trains so many variables of 16 numbers, all of it compiled code."""
    from sdgraph import SameDiff
    from sdgraph.train import Adam

    sd = SameDiff()
    x = sd.placeholder("x", (None, 16))
    for k in range(n):
        x = x * 0.5 + sd.math.tanh(sd.var(f"w{k}", np.full(16, 0.1, "f")))
    (x**2).mean(name="loss").mark_as_loss()
    return sd.training_step(Adam(RATE))


def step_and_code(step, several, seconds=1.0):
    """Microseconds of a step and of its compiled code alone, called with arrays that are there: medians of turns."""
    for feeds in several * 3:
        step(feeds)
    ready = step._function._ready[-1]
    code, loss = ready.again.code, np.empty((), "f")
    arrays = [ready.pick(feeds) for feeds in several]
    times, end = ([], []), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for feeds in several:
            step(feeds)
        middle = time.perf_counter()
        for given in arrays:
            code(*given, loss)
        times[0].append(middle - start)
        times[1].append(time.perf_counter() - middle)
    return [statistics.median(ts) / len(several) * 1e6 for ts in times]


def python_share():
    for size in BATCHES:
        several = [{"x": x, "y": y} for x, y in batches(MODELS[0], size, 64)]
        step, code = step_and_code(step_of(MODELS[0]), several)
        print(
            f"30-1, batch {size}: a step {step:.2f}, its compiled code {code:.2f}, so Python {step - code:.2f}: "
            f"{(step - code) / code:.1f} times the code"
        )
    counts = (2, 8, 32)
    feeds = [{"x": np.ones((8, 16), "f")}] * 32
    steps, codes = zip(*(step_and_code(step_of_variables(n), feeds) for n in counts), strict=True)
    whole, compiled = (np.polyfit(counts, ts, 1)[0] for ts in (steps, codes))
    cells = ", ".join(f"{n}: {a:.2f} and {b:.2f}" for n, a, b in zip(counts, steps, codes, strict=True))
    print(f"by variables, step and code: {cells}")
    print(f"a variable more: {whole:.3f}, of which {compiled:.3f} compiled code, so Python {whole - compiled:.3f}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", default="", help="a pattern of rows, as 784-128")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for a row")
    options = parser.parse_args()
    limit_threads(options.threads)
    print("microseconds, medians")
    python_share()
    print(
        f"microseconds of a step with Adam, {options.threads} threads; behind: how many times faster than the best peer"
    )
    print(f"{'model':>18} {'batch':>5} {''.join(f'{name:>14}' for name in ('sdgraph', *PEERS))}")
    for sizes in MODELS:
        if not re.search(options.models, "-".join(map(str, sizes))):
            continue
        runs = made(sizes, options.peers)
        for size in BATCHES:
            several = list(batches(sizes, size, 64 if sizes[0] < 100 else 8))
            print(row(sizes, size, measured(runs, several, options.seconds)), flush=True)


def limit_threads(n):
    """Let every library have so many threads. Most read that when they are loaded, so this program begins again.

    XLA's products take whatever cores there are, so there are no more than that for this program.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-n:])
    wanted = {
        "KERAS_BACKEND": "jax",
        "OPENBLAS_NUM_THREADS": str(n),
        "OMP_NUM_THREADS": str(n),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(n > 1).lower()} intra_op_parallelism_threads={n}",
    }
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)
    import sdgraph

    sdgraph.set_num_threads(n)
    if n == 1:
        try:
            import jax
        except ImportError:
            return
        # Otherwise JAX computes in a second thread while Python goes on.
        jax.config.update("jax_cpu_enable_async_dispatch", False)


if __name__ == "__main__":
    main()
