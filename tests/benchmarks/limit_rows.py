"""The rows of `bench_limits`: operands, a graph that any version of the package can build, and what is wanted of it.

Must not import the package: each version builds the graphs with its own.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import peer_problems

F32 = np.float32
STREAM = 0.8
"""What part of the bandwidth that is measured in the same run is wanted of rows that memory binds."""
SMALL = 0.97
"""How much slower than before calls of a hundred elements may be."""


class Traffic(NamedTuple):
    """What any program must do for a row: arrays of n floats that it reads and writes, and exponentials of each."""

    n: int
    reads: int
    writes: int = 1
    exponentials: int = 0


class Row(NamedTuple):
    """A value with all its gradients. ``make`` gives the operands, and a function from a graph to both."""

    name: str
    make: Callable[[], tuple[dict, Callable]]
    gain: float | None = None
    """How many times faster than the old version it should be."""
    traffic: Traffic | None = None
    share: float | None = None
    """What part of the limit it should reach."""


def normal(rng, *shape):
    return rng.normal(size=shape).astype(F32)


def softmax(rows, columns, gain, *, sparse):
    def make():
        rng = np.random.default_rng(0)
        labels = rng.integers(0, columns, rows).astype(np.int32)
        operands = {"x": normal(rng, rows, columns), "y": labels}
        if not sparse:
            operands["y"] = np.zeros((rows, columns), F32)
            operands["y"][np.arange(rows), labels] = 1

        def graph(sd):
            x = sd.placeholder("x", shape=(None, columns))
            if sparse:
                y = sd.placeholder("y", shape=(None,), dtype="int32")
                return sd.loss.sparse_softmax_cross_entropy(x, y, name="loss"), [x]
            y = sd.placeholder("y", shape=(None, columns))
            return sd.loss.softmax_cross_entropy(y, x, name="loss"), [x]

        return operands, graph

    name = f"softmax CE {'sparse' if sparse else 'dense'} {rows}x{columns}"
    return Row(name, make, gain, Traffic(rows * columns, 1 if sparse else 2, 1, 1))


def pairs(title, n, loss, gain, share=None, exponentials=0, *, coins=False):
    """A loss of predictions and labels, element by element."""

    def make():
        rng = np.random.default_rng(0)
        x, y = normal(rng, n), normal(rng, n)

        def graph(sd):
            v = {k: sd.placeholder(k, shape=(None,)) for k in "xy"}
            return getattr(sd.loss, loss)(v["y"], v["x"], name="loss"), [v["x"]]

        return {"x": x, "y": (y < 0).astype(F32) if coins else y}, graph

    return Row(f"{title} {n:.0e}".replace("e+0", "e"), make, gain, Traffic(n, 2, 1, exponentials), share)


def single(title, n, formula, gain, share=None, exponentials=0):
    """A function of one array, element by element."""

    def make():
        def graph(sd):
            x = sd.placeholder("x", shape=(None,))
            return formula(sd, x), [x]

        return {"x": normal(np.random.default_rng(0), n)}, graph

    return Row(f"{title} {n:.0e}".replace("e+0", "e"), make, gain, Traffic(n, 1, 1, exponentials), share)


def layer_norm(rows, columns, gain):
    def make():
        rng = np.random.default_rng(0)
        operands = {k: normal(rng, rows, columns) for k in "xu"} | {k: normal(rng, columns) for k in "gb"}

        def graph(sd):
            x, u = (sd.placeholder(k, shape=(None, columns)) for k in "xu")
            g, b = (sd.placeholder(k, shape=(columns,)) for k in "gb")
            return sd.sum(sd.nn.layer_norm(x, g, b) * u, name="loss"), [x, g, b]

        return operands, graph

    return Row(f"layer_norm {rows}x{columns}", make, gain, Traffic(rows * columns, 2))


def large() -> Iterator[Row]:
    """What has a bound of its own."""
    for sparse in (False, True):
        for rows, columns, gain in ((1024, 1000, 3.0), (65536, 10, 2.0), (256, 32000, 2.0)):
            yield softmax(rows, columns, gain, sparse=sparse)
    yield layer_norm(1024, 1024, 2.0)
    yield single("GELU", 10**6, lambda sd, x: sd.sum(sd.nn.gelu(x), name="loss"), 3.0, exponentials=1)
    for n, sigmoid, other in ((10**6, 2.0, 2.2), (10**7, 1.8, 1.3)):
        stream = STREAM if n == 10**7 else None
        yield pairs("sigmoid CE", n, "sigmoid_cross_entropy", sigmoid, stream, exponentials=1, coins=True)
        yield pairs("MSE", n, "mean_squared_error", other, STREAM)
        yield pairs("Huber", n, "huber_loss", other, STREAM)
    yield single("mean of squares", 10**7, lambda sd, x: sd.mean(sd.math.square(x), name="loss"), 1.0, STREAM)


def small() -> Iterator[Row]:
    """Calls whose loops take next to no time."""
    for sparse in (False, True):
        yield softmax(32, 10, 1.0 if sparse else SMALL, sparse=sparse)._replace(traffic=None)
    for title, loss in (
        ("MSE", "mean_squared_error"),
        ("Huber", "huber_loss"),
        ("sigmoid CE", "sigmoid_cross_entropy"),
    ):
        yield pairs(title, 100, loss, SMALL, coins=title == "sigmoid CE")._replace(traffic=None)


def of_peers() -> Iterator[Row]:
    """The rows of `bench_peers`, none of which may become slower."""
    for make in peer_problems.all_rows():
        row = make()
        tiny = max(a.size for a in row.operands.values()) <= 2000

        def problem(make=make):
            row = make()
            # Gradients by no variables are what the graph itself returns.
            return row.operands, lambda sd: (lambda out, wrt: (out, wrt or []))(*row.graph(sd))

        yield Row(f"peers: {row.name}", problem, SMALL if tiny else 1.0)


def growing() -> dict[str, list[Row]]:
    """The same problem with ten times as many elements each: what it takes of the limit must not grow."""
    sizes = [10**k for k in range(3, 8)]
    return {
        "MSE": [pairs("growth: MSE", n, "mean_squared_error", None) for n in sizes],
        "softmax CE": [
            softmax(max(1, n // 1000), 1000, None, sparse=False)._replace(name=f"growth: softmax CE {n // 1000}x1000")
            for n in sizes
        ],
    }


def all_rows() -> Iterator[Row]:
    yield from large()
    yield from small()
    for several in growing().values():
        yield from several
    yield from of_peers()


def named(name: str) -> Row:
    """One row. Those of the peers come last: to know their names, their operands are made."""
    return next(row for row in all_rows() if row.name == name)
