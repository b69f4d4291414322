"""Convolutions against PyTorch and JAX: single shapes with both gradients, and losses of networks with gradients.

``python tests/benchmarks/bench_conv.py`` runs all in one process on one thread, shuffled, and prints medians and how
they relate. PyTorch counts with the faster of its two layouts. ``--rows PATTERN`` chooses rows, ``--seconds`` how long
each is measured, ``--numpy`` adds the numpy engine.
"""

import argparse
import os
import random
import re
import sys
import time

import numpy as np
from machine import duration, installed, machine_line

import sdgraph
from sdgraph import SameDiff

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
F32 = np.float32
SHAPES = {
    # Name: images, space, channels, filters, window, stride, dilation, pads, groups.
    "LeNet 1, 32x28x28x1 -> 6, 5x5": (32, (28, 28), 1, 6, (5, 5), 1, 1, 2, 1),
    "LeNet 2, 32x14x14x6 -> 16, 5x5": (32, (14, 14), 6, 16, (5, 5), 1, 1, 0, 1),
    "1x32x32x16 -> 16, 3x3": (1, (32, 32), 16, 16, (3, 3), 1, 1, 1, 1),
    "32x32x32x16 -> 16, 3x3": (32, (32, 32), 16, 16, (3, 3), 1, 1, 1, 1),
    "32x32x32x16 -> 32, 3x3 / 2": (32, (32, 32), 16, 32, (3, 3), 2, 1, 1, 1),
    "32x16x16x32 -> 32, 3x3": (32, (16, 16), 32, 32, (3, 3), 1, 1, 1, 1),
    "1x8x8x64 -> 64, 3x3": (1, (8, 8), 64, 64, (3, 3), 1, 1, 1, 1),
    "32x8x8x64 -> 64, 3x3": (32, (8, 8), 64, 64, (3, 3), 1, 1, 1, 1),
    "8x32x32x64 -> 64, 3x3": (8, (32, 32), 64, 64, (3, 3), 1, 1, 1, 1),
    "1x224x224x3 -> 64, 7x7 / 2": (1, (224, 224), 3, 64, (7, 7), 2, 1, 3, 1),
    "4x28x28x128 -> 128, 1x1": (4, (28, 28), 128, 128, (1, 1), 1, 1, 0, 1),
    "8x1024x32 -> 32, 3, dilation 8": (8, (1024,), 32, 32, (3,), 1, 8, 8, 1),
    "1x32x32x64, 3x3 per channel": (1, (32, 32), 64, 64, (3, 3), 1, 1, 1, 64),
    "16x32x32x64, 3x3 per channel": (16, (32, 32), 64, 64, (3, 3), 1, 1, 1, 64),
    "4x28x28x64 -> 64, 3x3, 4 groups": (4, (28, 28), 64, 64, (3, 3), 1, 1, 1, 4),
    "2x16x16x16x8 -> 16, 3x3x3": (2, (16, 16, 16), 8, 16, (3, 3, 3), 1, 1, 1, 1),
}
GRADIENTS = ("value", "input", "kernel")


# ---------------------------------------------------------------------- engines


class Of:
    """What networks are written with, for sdgraph's graphs."""

    def __init__(self, sd):
        self.sd = sd

    def conv(self, x, w, stride=1, pad=0, dilation=1, groups=1):
        return self.sd.cnn.conv(x, w, strides=stride, pads=pad, dilation=dilation, groups=groups)

    def pool(self, x):
        return self.sd.cnn.window_max(x, sizes=(1, 2, 2, 1), strides=(1, 2, 2, 1))

    def relu(self, x):
        return self.sd.nn.relu(x)

    def flat(self, x):
        return self.sd.reshape(x, (x.shape[0], -1))

    def means(self, x):
        return self.sd.mean(x, axis=(1, 2))

    def product(self, x, w):
        return self.sd.linalg.matmul(x, w)

    def loss(self, x):
        return self.sd.mean(self.sd.math.square(x))


class OfTorch:
    """The same for PyTorch, whose channels come second."""

    def __init__(self, torch):
        self.torch, self.f = torch, torch.nn.functional

    def conv(self, x, w, stride=1, pad=0, dilation=1, groups=1):
        several = {3: self.f.conv1d, 4: self.f.conv2d, 5: self.f.conv3d}
        if isinstance(pad, tuple):
            x, pad = self.f.pad(x, pad[0]), 0
        return several[x.ndim](x, w, None, stride, pad, dilation, groups)

    def pool(self, x):
        return self.f.max_pool2d(x, 2)

    def relu(self, x):
        return self.f.relu(x)

    def flat(self, x):
        return x.movedim(1, -1).reshape(x.shape[0], -1)

    def means(self, x):
        return x.mean(dim=(2, 3))

    def product(self, x, w):
        return x @ w

    def loss(self, x):
        return (x * x).mean()


class OfJax:
    """The same for JAX."""

    def __init__(self, jax):
        self.jax, self.np = jax, jax.numpy

    def conv(self, x, w, stride=1, pad=0, dilation=1, groups=1):
        d = x.ndim - 2
        names = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}[d]
        pads = pad if isinstance(pad, tuple) else ((pad, pad),) * d
        settings = {"rhs_dilation": (dilation,) * d, "dimension_numbers": names, "feature_group_count": groups}
        return self.jax.lax.conv_general_dilated(x, w, (stride,) * d, pads, **settings)

    def pool(self, x):
        size = (1, 2, 2, 1)
        return self.jax.lax.reduce_window(x, -np.inf, self.jax.lax.max, size, size, "VALID")

    def relu(self, x):
        return self.jax.nn.relu(x)

    def flat(self, x):
        return x.reshape(x.shape[0], -1)

    def means(self, x):
        return x.mean(axis=(1, 2))

    def product(self, x, w):
        return x @ w

    def loss(self, x):
        return (x * x).mean()


# ---------------------------------------------------------------------- networks


def lenet(o, x, w1, w2, w3, w4, w5):
    h = o.pool(o.relu(o.conv(x, w1, pad=2)))
    h = o.flat(o.pool(o.relu(o.conv(h, w2))))
    return o.loss(o.product(o.relu(o.product(o.relu(o.product(h, w3)), w4)), w5))


def resnet8(o, x, w0, a1, a2, b1, b2, b3, c1, c2, c3, w):
    """Three blocks as for CIFAR, without normalisation."""
    h = o.relu(o.conv(x, w0, pad=1))
    h = o.relu(h + o.conv(o.relu(o.conv(h, a1, pad=1)), a2, pad=1))
    for first, second, past in ((b1, b2, b3), (c1, c2, c3)):
        inner = o.conv(o.relu(o.conv(h, first, stride=2, pad=1)), second, pad=1)
        h = o.relu(inner + o.conv(h, past, stride=2))
    return o.loss(o.product(o.means(h), w))


def causal(o, x, *ws):
    """Convolutions along time that look back, each twice as far as the one before."""
    for k, w in enumerate(ws):
        x = x + o.relu(o.conv(x, w, dilation=1 << k, pad=((2 << k, 0),)))
    return o.loss(x)


NETWORKS = {
    "LeNet, 32 images": (lenet, (32, 28, 28, 1), [(5, 5, 1, 6), (5, 5, 6, 16), (400, 120), (120, 84), (84, 10)]),
    "ResNet-8, 32 images": (
        resnet8,
        (32, 32, 32, 3),
        [
            *((3, 3, 3, 16), (3, 3, 16, 16), (3, 3, 16, 16)),
            *((3, 3, 16, 32), (3, 3, 32, 32), (1, 1, 16, 32)),
            *((3, 3, 32, 64), (3, 3, 64, 64), (1, 1, 32, 64), (64, 10)),
        ],
    ),
    "causal, 8 of 1024": (causal, (8, 1024, 32), [(3, 32, 32)] * 6),
}


def numbers(shapes):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=s) / max(np.sqrt(np.prod(s[:-1])), 1)).astype(F32) for s in shapes]


# ---------------------------------------------------------------------- rows


def with_sdgraph(network, operands, wrt, engine):
    """A loss and its gradients by the operands of those numbers."""
    sd = SameDiff()
    vs = [sd.placeholder(f"a{k}", a.shape) for k, a in enumerate(operands)]
    loss = sd.identity(network(Of(sd), *vs), name="loss")
    f = sd.compile([loss, *sd.grad(loss, [vs[k] for k in wrt])], engine=engine)
    feeds = {f"a{k}": a for k, a in enumerate(operands)}
    return lambda: list(f(feeds).values())


def with_jax(network, operands, wrt):
    import jax

    f = jax.jit(jax.value_and_grad(lambda *vs: network(OfJax(jax), *vs), argnums=wrt))
    arrays = [jax.numpy.asarray(a) for a in operands]

    def run():
        value, grads = f(*arrays)
        return [np.asarray(value), *map(np.asarray, grads)]

    return run


def torch_array(torch, a, k, layout):
    """An operand as PyTorch has it; the first one is the image, others of more than two axes are kernels."""
    if a.ndim < 3:
        return torch.tensor(a)
    moved = np.moveaxis(a, -1, 1) if k == 0 else np.moveaxis(a, (-1, -2), (0, 1))
    made = torch.tensor(np.ascontiguousarray(moved))
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return made.contiguous(memory_format=formats[a.ndim]) if layout == "last" and a.ndim in formats else made


def from_torch(g, k):
    g = g.detach().numpy()
    return g if g.ndim < 3 else np.moveaxis(g, 1, -1) if k == 0 else np.moveaxis(g, (0, 1), (-1, -2))


def with_torch(network, operands, wrt, layout):
    import torch

    torch.set_num_threads(1)
    arrays = [torch_array(torch, a, k, layout) for k, a in enumerate(operands)]
    leaves = [arrays[k].requires_grad_() for k in wrt]

    def run():
        value = network(OfTorch(torch), *arrays)
        grads = torch.autograd.grad(value, leaves)
        return [value.detach().numpy(), *(from_torch(g, k) for g, k in zip(grads, wrt, strict=True))]

    return run


def network_row(name, *, by_numpy):
    network, image, weights = NETWORKS[name]
    operands = numbers([image, *weights])
    wrt = tuple(range(1, len(operands)))
    runs = {"llvm": with_sdgraph(network, operands, wrt, "llvm")}
    if by_numpy:
        runs["numpy"] = with_sdgraph(network, operands, wrt, "numpy")
    if installed("torch"):
        runs["torch"] = with_torch(network, operands, wrt, "first")
        runs["torch last"] = with_torch(network, operands, wrt, "last")
    if installed("jax"):
        runs["jax"] = with_jax(network, operands, wrt)
    return runs


def problem(name):
    """The three arrays of a convolution, and its settings."""
    n, space, c, f, k, s, d, p, groups = SHAPES[name]
    outs = tuple((m + 2 * p - d * (kk - 1) - 1) // s + 1 for m, kk in zip(space, k, strict=True))
    x, w, g = numbers([(n, *space, c), (*k, c // groups, f), (n, *outs, f)])
    return x, w, g, {"strides": s, "dilation": d, "pads": p, "groups": groups}


def single_by_sdgraph(name, which, engine):
    x, w, g, a = problem(name)
    sd = SameDiff()
    cnn = sd.cnn
    arrays = {"value": (x, w), "input": (g, w), "kernel": (x, g)}[which]
    u, v = (sd.placeholder(k, b.shape) for k, b in zip("uv", arrays, strict=True))
    if which == "value":
        y = cnn.conv(u, v, **a)
    elif which == "input":
        y = cnn.conv_input(u, v, sizes=x.shape[1:-1], **a)
    else:
        y = cnn.conv_kernel(u, v, sizes=w.shape[:-2], **a)
    f = sd.compile(y, engine=engine)
    feeds = dict(zip("uv", arrays, strict=True))
    return lambda: list(f(feeds).values())


def single_by_jax(name, which):
    import jax

    x, w, g, a = problem(name)
    o = OfJax(jax)

    def conv(x, w):
        return o.conv(x, w, a["strides"], a["pads"], a["dilation"], a["groups"])

    x, w, g = map(jax.numpy.asarray, (x, w, g))
    f, arrays = {
        "value": (conv, (x, w)),
        "input": (lambda w, g: jax.vjp(lambda x: conv(x, w), x)[1](g)[0], (w, g)),
        "kernel": (lambda x, g: jax.vjp(lambda w: conv(x, w), w)[1](g)[0], (x, g)),
    }[which]
    f = jax.jit(f)
    return lambda: [np.asarray(f(*arrays))]


def single_by_torch(name, which, layout):
    import torch

    torch.set_num_threads(1)
    x, w, g, a = problem(name)
    d = x.ndim - 2
    x, w, g = (torch_array(torch, b, k, layout) for b, k in ((x, 0), (w, 1), (g, 0)))
    s, p, e = ((a[name],) * d for name in ("strides", "pads", "dilation"))
    settings = (None, s, p, e, False, [0] * d, a["groups"])
    if which == "value":
        return lambda: [from_torch(torch.ops.aten.convolution(x, w, *settings), 0)]
    mask, at = ([True, False, False], 0) if which == "input" else ([False, True, False], 1)
    return lambda: [from_torch(torch.ops.aten.convolution_backward(g, x, w, *settings, mask)[at], at)]


def single_row(name, which, *, by_numpy):
    runs = {"llvm": single_by_sdgraph(name, which, "llvm")}
    if by_numpy:
        runs["numpy"] = single_by_sdgraph(name, which, "numpy")
    if installed("torch"):
        runs["torch"] = single_by_torch(name, which, "first")
        runs["torch last"] = single_by_torch(name, which, "last")
    if installed("jax"):
        runs["jax"] = single_by_jax(name, which)
    return runs


# ---------------------------------------------------------------------- measuring


def agree(runs):
    first, *others = (run() for run in runs.values())
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert a.shape == b.shape and np.abs(a - b).max() <= 1e-3 * max(np.abs(b).max(), 1e-30), (a.shape, b.shape)


def measured(runs, seconds, least=9):
    """All times; who runs after whom changes from round to round."""
    times = {k: [] for k in runs}
    for run in runs.values():
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < least:
        order = list(runs.items())
        random.shuffle(order)
        for k, run in order:
            start = time.perf_counter()
            run()
            times[k].append(time.perf_counter() - start)
    return times


def told(name, times):
    """Medians, and medians of the ratios of each round: of a round all suffer alike from what else is running."""
    medians = {k: float(np.median(t)) for k, t in times.items()}
    ratios = []
    for peer in ("torch", "jax"):
        several = {k: t for k, t in medians.items() if k.startswith(peer)}
        if several:
            best = min(several, key=several.__getitem__)
            ratios.append(f"{np.median(np.divide(times['llvm'], times[best])):.2f} of {peer}")
    print(f"{name:44}", *(f"{k} {duration(t):>8}" for k, t in medians.items()), "|", ", ".join(ratios), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", help="a pattern that names of rows match")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each row is measured")
    parser.add_argument("--numpy", action="store_true", help="measure the numpy engine, too")
    options = parser.parse_args()
    if "OMP_NUM_THREADS" not in os.environ:  # Libraries read it when they are loaded.
        env = {**os.environ, **ONE_THREAD, "XLA_FLAGS": XLA, "SDGRAPH_QUICK": "0"}
        os.execvpe(sys.executable, [sys.executable, *sys.argv], env)
    sdgraph.set_num_threads(1)
    print(machine_line(("numpy", "llvmlite", "torch", "jax")))
    rows = {name: lambda name=name: network_row(name, by_numpy=options.numpy) for name in NETWORKS}
    for name in SHAPES:
        for which in GRADIENTS:
            rows[f"{name}, {which}"] = lambda a=name, b=which: single_row(a, b, by_numpy=options.numpy)
    for name, row in rows.items():
        if re.search(options.rows, name):
            runs = row()
            agree(runs)
            told(name, measured(runs, options.seconds))


if __name__ == "__main__":
    main()
