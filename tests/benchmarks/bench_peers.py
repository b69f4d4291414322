"""Value and all gradients of typical losses: sdgraph against its peers, in one process.

Run it alone: ``python tests/benchmarks/bench_peers.py [--rows TEXT] [--seconds S] [--threads N]``. Engines that are not
installed are left out. Every measurement calls all engines in turn, so that a busy machine is equally unkind to all;
the table shows medians, and how many times faster sdgraph's fused engine is than the best peer.
"""

import argparse
import importlib.metadata
import importlib.util
import platform
import time

import numpy as np

from sdgraph import SameDiff, profiling, set_num_threads
from sdgraph.engines.threads import usable_cores

F32 = np.float32
RNG = np.random.default_rng(0)


class Row:
    """One problem: its operands, its graph in sdgraph, and its formula in an array namespace."""

    def __init__(self, name, operands, graph, formula, wrt, hvp=None):
        self.name = name
        self.operands = operands
        self.graph = graph
        self.formula = formula
        self.wrt = wrt
        self.hvp = hvp
        """Operand that a Hessian-vector product is taken along, instead of value and gradients."""


# ---------------------------------------------------------------------- formulas for peers, in numpy's own names


def softplus(xp, x):
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def sigmoid_cross_entropy(xp, x, y, w=None):
    e = xp.maximum(x, 0) - x * y + xp.log1p(xp.exp(-xp.abs(x)))
    return xp.mean(e) if w is None else xp.sum(e * w) / xp.sum(xp.where(w != 0, 1.0, 0.0))


def softmax_cross_entropy(xp, x, y):
    z = x - xp.max(x, axis=-1, keepdims=True)
    return -xp.mean(xp.sum(y * (z - xp.log(xp.sum(xp.exp(z), axis=-1, keepdims=True))), axis=-1))


def huber(xp, x, y):
    a = xp.abs(x - y)
    return xp.mean(xp.where(a <= 1, 0.5 * a * a, a - 0.5))


def log_cosh(xp, x, y):
    d = xp.abs(x - y)
    return xp.mean(d + softplus(xp, -2 * d) - float(np.log(2)))


# ---------------------------------------------------------------------- rows


def elementwise(name, n, loss, formula, *, weights=False):
    operands = {"x": RNG.normal(size=n).astype(F32), "y": np.abs(RNG.normal(size=n)).astype(F32)}
    if weights:
        operands["y"] = (RNG.random(n) < 0.5).astype(F32)
        operands["w"] = RNG.random(n).astype(F32)

    def graph(sd):
        vs = {k: sd.placeholder(k, shape=(None,)) for k in operands}
        return loss(sd, vs), [vs["x"]]

    return Row(f"{name} n={n:.0e}", operands, graph, formula, ["x"])


def softmax_row(rows, classes):
    y = np.eye(classes, dtype=F32)[RNG.integers(0, classes, rows)]
    operands = {"x": RNG.normal(size=(rows, classes)).astype(F32), "y": y}

    def graph(sd):
        x, y = (sd.placeholder(k, shape=(None, classes)) for k in "xy")
        return sd.loss.softmax_cross_entropy(y, x, name="loss"), [x]

    return Row(f"softmax cross entropy {rows}x{classes}", operands, graph, softmax_cross_entropy, ["x"])


def logistic(*, hvp):
    operands = {
        "x": RNG.normal(size=(64, 30)).astype(F32),
        "y": (RNG.random((64, 1)) < 0.5).astype(F32),
        "w": RNG.normal(size=(30, 1)).astype(F32),
        "b": np.zeros(1, F32),
    }
    if hvp:
        operands["v"] = RNG.normal(size=(30, 1)).astype(F32)

    def graph(sd):
        vs = {k: sd.placeholder(k, shape=a.shape) for k, a in operands.items()}
        loss = sd.loss.sigmoid_cross_entropy(vs["y"], vs["x"] @ vs["w"] + vs["b"], name="loss")
        if hvp:
            return sd.hvp(loss, vs["w"], vs["v"]), None
        return loss, [vs["w"], vs["b"]]

    def formula(xp, x, y, w, b, v=None):
        return sigmoid_cross_entropy(xp, x @ w + b, y)

    name = "logistic regression 64x30" + (", Hessian-vector product" if hvp else "")
    return Row(name, operands, graph, formula, ["w", "b"], "w" if hvp else None)


def perceptron():
    sizes = [(784, 256), (256, 128), (128, 10)]
    operands = {"x": RNG.normal(size=(128, 784)).astype(F32), "y": np.eye(10, dtype=F32)[RNG.integers(0, 10, 128)]}
    for k, s in enumerate(sizes):
        operands[f"w{k}"] = (RNG.normal(size=s) * 0.05).astype(F32)
        operands[f"b{k}"] = np.zeros(s[1], F32)
    wrt = [k for k in operands if k not in "xy"]

    def graph(sd):
        vs = {k: sd.placeholder(k, shape=a.shape) for k, a in operands.items()}
        h = vs["x"]
        for k in range(3):
            h = h @ vs[f"w{k}"] + vs[f"b{k}"]
            h = sd.nn.relu(h) if k < 2 else h
        return sd.loss.softmax_cross_entropy(vs["y"], h, name="loss"), [vs[k] for k in wrt]

    def formula(xp, x, y, w0, b0, w1, b1, w2, b2):
        h = xp.maximum(x @ w0 + b0, 0)
        h = xp.maximum(h @ w1 + b1, 0)
        return softmax_cross_entropy(xp, h @ w2 + b2, y)

    return Row("MLP 128x784-256-128-10", operands, graph, formula, wrt)


def log_cosh_graph(sd, vs):
    d = sd.math.abs(vs["x"] - vs["y"])
    return sd.mean(d + sd.nn.softplus(-2 * d) - float(np.log(2)))


def all_rows():
    """Makers of the rows, by name: a row holds large arrays only while it is measured."""
    for n in (100, 10_000, 1_000_000, 10_000_000):
        yield lambda n=n: elementwise(
            "weighted sigmoid cross entropy",
            n,
            lambda sd, v: sd.loss.sigmoid_cross_entropy(v["y"], v["x"], v["w"], name="loss"),
            sigmoid_cross_entropy,
            weights=True,
        )
    for rows, classes in ((32, 10), (1024, 1000), (65536, 10), (256, 32000)):
        yield lambda r=rows, c=classes: softmax_row(r, c)
    for n in (100, 1_000_000):
        yield lambda n=n: elementwise(
            "MSE",
            n,
            lambda sd, v: sd.loss.mean_squared_error(v["y"], v["x"], name="loss"),
            lambda xp, x, y: xp.mean((x - y) ** 2),
        )
        yield lambda n=n: elementwise("Huber", n, lambda sd, v: sd.loss.huber_loss(v["y"], v["x"], name="loss"), huber)
        yield lambda n=n: elementwise("log-cosh", n, log_cosh_graph, log_cosh)
        yield lambda n=n: elementwise(
            "log-Poisson",
            n,
            lambda sd, v: sd.loss.log_poisson(v["y"], v["x"], name="loss"),
            lambda xp, x, y: xp.mean(xp.exp(x) - y * x),
        )
    yield lambda: logistic(hvp=False)
    yield perceptron
    yield lambda: logistic(hvp=True)


# ---------------------------------------------------------------------- engines


def sdgraph_engine(engine):
    def make(row):
        sd = SameDiff()
        out, wrt = row.graph(sd)
        fetches = [out] if wrt is None else [out, *sd.grad(out, wrt)]
        f = sd.compile(fetches, engine=engine)
        return lambda: list(f(row.operands).values())

    return make


def jax_engine(row):
    import jax
    import jax.numpy as jnp

    names = list(row.operands)
    args = [jnp.asarray(a) for a in row.operands.values()]
    at = tuple(names.index(k) for k in row.wrt)

    def loss(*xs):
        return row.formula(jnp, *xs)

    if row.hvp:
        k, v = names.index(row.hvp), names.index("v")

        def product(*xs):
            def gradient(w):
                return jax.grad(loss, k)(*xs[:k], w, *xs[k + 1 :])

            return jax.jvp(gradient, (xs[k],), (xs[v],))[1]

        f = jax.jit(product)
    else:
        f = jax.jit(jax.value_and_grad(loss, at))
    return lambda: flat(jax.block_until_ready(f(*args)))


class Torch:
    """numpy's names for what the formulas need of torch."""

    def __init__(self):
        import torch

        self.torch = torch
        for name in ("abs", "exp", "log", "log1p", "where", "mean"):
            setattr(self, name, getattr(torch, name))

    def maximum(self, x, y):
        return self.torch.clamp(x, min=y)

    def max(self, x, axis, keepdims):
        return self.torch.amax(x, axis, keepdim=keepdims)

    def sum(self, x, axis=None, keepdims=False):
        return self.torch.sum(x) if axis is None else self.torch.sum(x, axis, keepdim=keepdims)


def torch_engine(*, compiled):
    def make(row):
        import torch

        xp = Torch()
        args = {k: torch.from_numpy(a.copy()) for k, a in row.operands.items()}
        wrt = [args[k].requires_grad_() for k in row.wrt]

        def loss(*xs):
            return row.formula(xp, *xs)

        f = torch.compile(loss) if compiled and not row.hvp else loss
        if row.hvp:
            if compiled:
                return None  # It cannot differentiate twice through what it compiled.

            def run():
                g = torch.autograd.grad(loss(*args.values()), args[row.hvp], create_graph=True)[0]
                return flat(torch.autograd.grad(g, args[row.hvp], args["v"])[0])

            return run

        def run():
            value = f(*args.values())
            return flat((value, torch.autograd.grad(value, wrt)))

        return run

    return make


def autograd_engine(row):
    import autograd.numpy as anp
    from autograd import make_hvp, value_and_grad

    names = list(row.operands)
    args = list(row.operands.values())
    if row.hvp:
        k = names.index(row.hvp)

        def of_one(w):
            return row.formula(anp, *args[:k], w, *args[k + 1 :])

        return lambda: flat(make_hvp(of_one)(args[k])[0](row.operands["v"]))
    f = value_and_grad(lambda *xs: row.formula(anp, *xs), [names.index(k) for k in row.wrt])
    return lambda: flat(f(*args))


def flat(result):
    """Nested results as a list of numpy arrays."""
    if isinstance(result, tuple | list):
        return [a for r in result for a in flat(r)]
    return [np.asarray(result.detach() if hasattr(result, "detach") else result)]


ENGINES = {
    "sdgraph llvm": ("llvmlite", sdgraph_engine("llvm")),
    "sdgraph numpy": ("numpy", sdgraph_engine("numpy")),
    "JAX jit": ("jax", jax_engine),
    "torch eager": ("torch", torch_engine(compiled=False)),
    "torch.compile": ("torch", torch_engine(compiled=True)),
    "autograd": ("autograd", autograd_engine),
}
PEERS = ("JAX jit", "torch eager", "torch.compile", "autograd")


# ---------------------------------------------------------------------- measuring


def agree(results):
    """Whether all engines computed the same; the last digits differ."""
    first = results[0]
    return all(
        len(r) == len(first)
        and all(
            np.allclose(np.squeeze(a), np.squeeze(b), rtol=1e-3, atol=1e-4 * (np.abs(b).max() + 1e-30))
            for a, b in zip(r, first, strict=True)
        )
        for r in results[1:]
    )


def measure(runs, seconds):
    """Median time per call of each; all are called in turn until the time is up."""
    for run in runs.values():
        run()
    # Short calls are repeated so that the clock does not matter.
    counts = {}
    for k, run in runs.items():
        start = time.perf_counter()
        run()
        counts[k] = max(1, int(2e-4 / max(time.perf_counter() - start, 1e-9)))
    times = {k: [] for k in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(runs))]) < 7:
        for k, run in runs.items():
            n = counts[k]
            start = time.perf_counter()
            for _ in range(n):
                run()
            times[k].append((time.perf_counter() - start) / n)
    return {k: float(np.median(v)) for k, v in times.items()}


def first_calls(row, engines):
    """Seconds from nothing to the first result, caches included as they are."""
    found = {}
    for name in engines:
        start = time.perf_counter()
        run = ENGINES[name][1](row)
        if run is not None:
            run()
            found[name] = time.perf_counter() - start
    return found


def duration(seconds):
    size, unit = next((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")) if seconds >= s or u == "us")
    return f"{seconds / size:.3g} {unit}"


def machine_line():
    packages = [p for p in ("numpy", "llvmlite", "jax", "torch", "autograd") if installed(p)]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    return f"{platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}, {versions}"


def installed(package):
    return importlib.util.find_spec(package) is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--engines", default=",".join(ENGINES), help="comma-separated")
    parser.add_argument("--seconds", type=float, default=2.0, help="time per row")
    parser.add_argument("--threads", type=int, help="threads of sdgraph's engine")
    parser.add_argument("--compile", action="store_true", help="time to the first result instead")
    options = parser.parse_args()
    if options.threads:
        set_num_threads(options.threads)
    engines = [k for k in options.engines.split(",") if installed(ENGINES[k][0])]
    print(machine_line())
    print(f"memory bandwidth {profiling.memory_bandwidth() / 1e9:.1f} GB/s")
    print("median time of value and all gradients, float32")
    print(" | ".join(["row", *engines, "fused against best peer"]))
    for maker in all_rows():
        row = maker()
        if options.rows not in row.name:
            continue
        if options.compile:
            times = first_calls(row, engines)
        else:
            runs = {k: r for k in engines if (r := ENGINES[k][1](row)) is not None}
            same = agree([run() for run in runs.values()])
            times = measure(runs, options.seconds)
        cells = [duration(times[k]) if k in times else "-" for k in engines]
        best = min((times[k] for k in PEERS if k in times), default=None)
        ratio = f"{best / times['sdgraph llvm']:.2f}x" if best and "sdgraph llvm" in times else "-"
        note = "" if options.compile or same else "  RESULTS DIFFER"
        print(" | ".join([row.name, *cells, ratio]) + note, flush=True)


if __name__ == "__main__":
    main()
