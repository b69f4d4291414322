"""Computers to make code for, and graphs whose code must be as right on each.

Which of them this computer can stand in for is asked here, too.
"""

from contextlib import contextmanager

import numpy as np

from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import crew, entry, machine
from sdgraph.run.engines.llvm.translate.computer import Computer

_X86 = "x86_64-unknown-linux-gnu"
_BASE = frozenset(("sse", "sse2", "cx8", "fxsr", "mmx", "cmov"))
_OF_AVX2 = _BASE | {
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe",
}  # fmt: skip
_OF_AVX512 = _OF_AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

COMPUTERS = {
    "sse2": Computer(_X86, "x86-64", _BASE),
    "avx": Computer(_X86, "sandybridge", _OF_AVX2 - {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"}),
    "avx2": Computer(_X86, "haswell", _OF_AVX2),
    "avx512": Computer(_X86, "skylake-avx512", _OF_AVX512),
    "neon": Computer("aarch64-unknown-linux-gnu", "", frozenset(("fp-armv8", "neon"))),
}
LANES = {"sse2": 4, "avx": 8, "avx2": 8, "avx512": 16, "neon": 4}
"""Floats of a vector on each."""


def runs_here(name):
    """Whether this computer runs the code of another."""
    here, other = machine.computer(), COMPUTERS[name]
    return here.triple == other.triple and other.features <= here.features


HERE = [name for name in COMPUTERS if runs_here(name)]


@contextmanager
def on(computer, monkeypatch):
    """Code is made for another computer."""
    entry.entry()  # The ways in are those of this computer.
    crew.crew()
    with monkeypatch.context() as patch:
        patch.setattr(machine, "computer", lambda: computer)
        yield


def texts_for(computer, monkeypatch, compile_graphs):
    """What good code of a computer is made of, of graphs that are compiled meanwhile; none of it is translated."""
    texts = {}

    class Anywhere(dict):
        def __missing__(self, name):
            return 1

    written = {}

    def kernel(text, better=None, edition="", **_):
        if better is not None:
            written[text] = better()
        texts[written.get(text, text)] = None
        return machine.Kernel(text, Anywhere(), None, good=True)

    with on(computer, monkeypatch), monkeypatch.context() as patch:
        patch.setattr(machine, "kernel", kernel)
        patch.setattr(segment, "_codes", {})
        compile_graphs()
    return list(texts)


def _softmax(sd, x, y):
    return sd.loss.softmax_cross_entropy(y, x)


def _sparse(sd, x, y):
    rows, classes = x.shape
    return sd.sum(sd.loss.sparse_softmax_cross_entropy(x, np.arange(rows) % classes) * sd.mean(y, axis=-1))


def _norm(sd, x, y):
    n = x.shape[-1]
    return sd.mean(sd.nn.layer_norm(x, np.linspace(0.5, 1.5, n), np.linspace(-1, 1, n), axis=-1) * y)


GRAPHS = {
    "softmax": _softmax,
    "sparse softmax": _sparse,
    "softmax weights": lambda sd, x, y: sd.sum(sd.nn.softmax(x) * y),
    "sigmoid cross entropy": lambda sd, x, y: sd.loss.sigmoid_cross_entropy(y, x),
    "mean squared error": lambda sd, x, y: sd.loss.mean_squared_error(y, x),
    "huber": lambda sd, x, y: sd.loss.huber_loss(y, x),
    "log cosh": lambda sd, x, y: sd.keras.log_cosh(y, x),
    "layer norm": _norm,
    "gelu": lambda sd, x, y: sd.sum(sd.nn.gelu(x) * y),
    "gelu by tanh": lambda sd, x, y: sd.sum(sd.nn.gelu(x, approximate="tanh") * y),
    "swish and softplus": lambda sd, x, y: sd.sum(sd.nn.swish(x) * sd.nn.softplus(y)),
    "selu": lambda sd, x, y: sd.sum(sd.nn.selu(x) * y),
    "column sums": lambda sd, x, y: sd.sum(sd.math.square(sd.sum(sd.math.tanh(x) * y, axis=0))),
    "extremes": lambda sd, x, y: sd.sum(sd.max(x * y, axis=-1)) - sd.min(x + y),
    "products": lambda sd, x, y: sd.sum(sd.math.square(sd.linalg.matmul(x, sd.sum(y, axis=0)))),
}
"""Numbers of two arrays of numbers."""
SHAPES = [(3, 2), (37, 5), (19, 10), (5, 33), (4, 150), (1, 1)]


def compiled(sd_type, graph, shape, dtype, engine):
    """Value and gradients of a graph."""
    sd = sd_type(dtype)
    x, y = sd.placeholder("x", shape), sd.placeholder("y", shape)
    out = sd.identity(GRAPHS[graph](sd, x, y), name="value")
    return sd.compile([out, *sd.grad(out, [x, y])], engine=engine)
