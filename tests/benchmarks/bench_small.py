"""A small model, value and all gradients: the compiled function here against those of other libraries.

    python tests/benchmarks/bench_small.py [--rounds N]

Logistic regression on 64 rows of 30 features in float32, gradients with respect to weights and bias. Peers that are not
installed are left out. All take part in every round, so that whatever else runs hits all of them; the medians count.
Peers get arrays in their own form, made beforehand; sdgraph gets numpy arrays.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable

import numpy as np

from sdgraph import SameDiff

ROWS, FEATURES = 64, 30
CALLS = 20
"""Calls per round, timed together."""

Call = Callable[[], tuple]


def data() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype("float32")
    y = (rng.uniform(size=(ROWS, 1)) < 0.5).astype("float32")
    w = rng.normal(size=(FEATURES, 1)).astype("float32")
    return x, y, w, np.zeros((), "float32")


def sdgraph_numpy() -> Call:
    x, y, w, b = data()
    sd = SameDiff()
    features, label = sd.placeholder("x", (ROWS, FEATURES)), sd.placeholder("y", (ROWS, 1))
    weights, bias = sd.var("w", w), sd.var("b", b)
    loss = sd.loss.sigmoid_cross_entropy(label, features @ weights + bias)
    f = sd.compile([loss, *sd.grad(loss, [weights, bias])], engine="numpy")
    feeds = {"x": x, "y": y}
    return lambda: tuple(f(feeds).values())


def numpy_by_hand() -> Call:
    """What a person would write for this one model: the floor."""
    x, y, w, b = data()

    def call() -> tuple:
        z = x @ w + b
        e = np.exp(-np.abs(z))
        value = (np.maximum(z, 0) - z * y + np.log1p(e)).mean()
        slope = (np.where(z >= 0, 1, e) / (1 + e) - y) / np.float32(ROWS)
        return value, x.T @ slope, slope.sum()

    return call


def jax_jit() -> Call:
    import jax
    import jax.numpy as jnp

    def loss(w, b, x, y):
        z = x @ w + b
        return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))

    f = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    x, y, w, b = map(jnp.asarray, data())

    def call() -> tuple:
        value, gradients = jax.block_until_ready(f(w, b, x, y))
        return value, *gradients

    return call


def torch_eager() -> Call:
    import torch

    x, y, w, b = map(torch.from_numpy, data())
    w.requires_grad_()
    b.requires_grad_()

    def call() -> tuple:
        value = torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y)
        return value.detach(), *torch.autograd.grad(value, (w, b))

    return call


def pytensor_function(mode: str | None) -> Call:
    import pytensor
    import pytensor.tensor as pt

    x, y, w, b = data()
    features, label = pt.fmatrix("x"), pt.fmatrix("y")
    weights, bias = pytensor.shared(w), pytensor.shared(b)
    z = features @ weights + bias
    loss = (pt.maximum(z, 0) - z * label + pt.log1p(pt.exp(-pt.abs(z)))).mean()
    f = pytensor.function([features, label], [loss, *pytensor.grad(loss, [weights, bias])], mode=mode)
    f.trust_input = True
    return lambda: tuple(f(x, y))


CONTENDERS: dict[str, tuple[str, Callable[[], Call]]] = {
    "sdgraph, numpy engine": ("numpy", sdgraph_numpy),
    "numpy by hand": ("numpy", numpy_by_hand),
    "JAX jit": ("jax", jax_jit),
    "PyTorch eager": ("torch", torch_eager),
    "PyTensor, interpreted": ("pytensor", lambda: pytensor_function("FAST_COMPILE")),
    "PyTensor, compiled": ("pytensor", lambda: pytensor_function(None)),
}


def check_agreement(calls: dict[str, Call]) -> None:
    expected = calls["numpy by hand"]()
    for name, call in calls.items():
        for ours, theirs in zip(call(), expected, strict=True):
            np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-4, atol=1e-6, err_msg=name)


def medians(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Microseconds per call."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.perf_counter()
            for _ in range(CALLS):
                call()
            times[name].append(1e6 * (time.perf_counter() - begin) / CALLS)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help=f"rounds of {CALLS} calls (default: %(default)s)")
    rounds = parser.parse_args().rounds
    calls = {}
    for name, (package, make) in CONTENDERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not installed")
        else:
            calls[name] = make()
    check_agreement(calls)
    medians(calls, 5)
    found = medians(calls, rounds)
    ours = found["sdgraph, numpy engine"]
    print(f"{'':<24} {'us per call':>12} {'in units of sdgraph':>20}")
    for name, median in sorted(found.items(), key=lambda item: item[1]):
        print(f"{name:<24} {median:>12.1f} {median / ours:>20.2f}")


if __name__ == "__main__":
    main()
