"""The graphs of the golden files, and what they must be: values by formulas in numpy, names and kinds by hand.

Nothing that is expected comes from sdgraph. Values of variables are given, for numpy's generators may change.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sdgraph import LossReduce, Namespace, SameDiff, SDVariable, composite, primitive
from sdgraph.build.variable import Operand
from sdgraph.infer.aval import Aval


@dataclass
class Golden:
    """A graph and what must come back from its file."""

    sd: SameDiff
    values: dict[str, Any] = field(default_factory=dict)
    """What variables are, within rounding."""
    exact: dict[str, Any] = field(default_factory=dict)
    """What variables are, to the bit."""
    feeds: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    """Names of all variables of a kind."""
    losses: Sequence[str] = ()
    extra_losses: Sequence[str] = ()
    trainable: Sequence[str] = ()
    then: Sequence[tuple[str, str]] = ()
    """Calls that go on with the graph ``sd``, and the names of what they make."""
    draws: Sequence[tuple[str, str, int, list[int], list[int]]] = ()
    """Name, distribution, seed, stream and shape of what is drawn in float64, from Philox with a key of these."""
    user: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    keep_origins: bool = False
    ops: Sequence[Any] = ()
    """Ops that a reader must be given."""


# ---------------------------------------------------------------------- ops of a user


class Tools(Namespace, prefix="golden_tools"):
    @composite
    def smooth(self, x: Operand, *, width: float = 1.0, name: str | None = None) -> SDVariable:
        return self.sd.math.sqrt(x * x + width * width)


@primitive(
    infer=lambda x: Aval(x.shape, x.dtype),
    kernel=lambda xp, x: xp.multiply(x, 3.0),
    vjp=lambda g, y, x: g * 3.0,
)
def golden_triple(sd, x: Operand, *, name: str | None = None) -> SDVariable: ...


@composite
def golden_settings(sd, x: Operand, *, given: object = None, name: str | None = None) -> SDVariable:
    return x * 2.0


# ---------------------------------------------------------------------- graphs


def empty() -> Golden:
    return Golden(SameDiff(seed=0), kinds={"placeholder": [], "variable": [], "constant": [], "array": []})


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
Y = np.array([[1.0], [-1.0]])
W = np.array([[0.1], [-0.2], [0.3]])
B = 0.5


def model() -> Golden:
    """Scopes, kinds that were changed, losses of all sorts, gradients of first and second order."""
    sd = SameDiff("float64", seed=2**70 + 1)
    x, y = sd.placeholder("x", ("batch", 3)), sd.placeholder("y", (None, 1))
    with sd.name_scope("layer"):
        w, b = sd.var("w", W), sd.var("b", B)
        with sd.name_scope("inner"):
            h = sd.math.tanh(x @ w + b)
    loss = sd.loss.mean_squared_error(y, h, name="loss")
    penalty = sd.loss.l2_loss(w)
    sd.add_loss(0.25 * penalty)
    sd.set_loss_variables(loss)
    unused = sd.constant("unused", np.float64(7))
    g = sd.grad(loss, [w, b])
    sd.grad(sd.sum(g[0]), w)
    b.convert_to_constant()
    unused.convert_to_variable()
    sd.math.exp(x)
    sd.math.exp(x, name="chosen")
    sd.rename("exp", "renamed")
    sd.user = {"author": "nobody", "ключ": "значение\n✓"}

    t = np.tanh(X @ W + B)
    slope = 2.0 / t.size * (t - Y) * (1 - t**2)
    dw = X.T @ slope
    # d(sum of dw)/dw: with s = sum of a row, each row gives s * x * d/dz [2/n (t - y)(1 - t^2)].
    curve = 2.0 / t.size * ((1 - t**2) ** 2 + (t - Y) * (-2.0 * t * (1 - t**2)))
    values = {
        "layer/inner/tanh": t,
        "loss": np.mean((t - Y) ** 2),
        "l2_loss": 0.5 * np.sum(W**2),
        "mul": 0.125 * np.sum(W**2),
        "grad/layer/w": dw,
        "grad/layer/b": np.sum(slope),
        "grad/layer/w_1": X.T @ (curve * X.sum(1, keepdims=True)),
        "renamed": np.exp(X),
        "chosen": np.exp(X),
    }
    return Golden(
        sd,
        values=values,
        exact={"layer/w": W, "layer/b": np.float64(B), "unused": np.float64(7)},
        feeds={"x": X, "y": Y},
        kinds={"placeholder": ["x", "y"], "variable": ["layer/w", "unused"], "constant": ["layer/b", "constant"]},
        losses=["loss", "mul"],
        extra_losses=["mul"],
        trainable=["layer/w", "unused"],
        then=[
            ("sd.grad('loss', 'layer/w')", "grad/layer/w_2"),
            ("sd.math.exp(sd['x'])", "exp_1"),
            ("sd.loss.l2_loss(sd['layer/w'])", "l2_loss_1"),
            ("sd['x'] + 1.0", "add"),
            ("sd['x'] * 0.25", "mul_1"),
        ],
        user=sd.user,
    )


def gradients() -> Golden:
    """A composite's gradient, and the gradient of that, with and without weights."""
    sd = SameDiff("float64")
    p, q = sd.var("p", [0.3, -2.0, 1.7]), sd.var("q", [1.0, 2.0, 0.5])
    eps = 1e-3
    loss = sd.loss.huber_loss(q, p, delta=1.0, loss_reduce=LossReduce.SUM, name="loss")
    soft = sd.loss.log_loss(sd.constant("label", [1.0, 0.0]), sd.var("chance", [0.25, 0.5]), epsilon=eps, name="soft")
    first = sd.grad(loss, [p, q])
    sd.grad(sd.sum(first[0] * first[0]), p)
    sd.grad(soft, "chance")
    d = np.array([0.3, -2.0, 1.7]) - np.array([1.0, 2.0, 0.5])
    small, slope = np.abs(d) <= 1.0, np.clip(d, -1.0, 1.0)
    return Golden(
        sd,
        values={
            "loss": np.sum(np.where(small, 0.5 * d * d, np.abs(d) - 0.5)),
            "grad/p": slope,
            "grad/q": -slope,
            "grad/p_1": np.where(small, 2.0 * d, 0.0),
            "soft": np.mean([-math.log(0.25 + eps), -math.log(1 - 0.5 + eps)]),
            "grad/chance": np.array([-1 / (0.25 + eps), 1 / (1 - 0.5 + eps)]) / 2,
        },
        losses=["loss", "soft"],
        trainable=["p", "q", "chance"],
        then=[("sd.grad('loss', ['p', 'q'])[0]", "grad/p"), ("sd.grad('loss', 'p')", "grad/p_2")],
    )


def after_steps() -> Golden:
    """Values that variables take after each step: one that is made later than what takes it, and the other way."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2, 3))
    mean, w = sd.var("mean", np.zeros(3)), sd.var("w", W)
    moved = sd.math.add(0.9 * mean, 0.1 * sd.mean(x, axis=0), name="moved")
    sd.math.square(x @ w, name="squares").mean(name="loss").mark_as_loss()
    late = sd.var("late", W)
    sd.update(late, w)
    sd.update(mean, moved)
    values = {"moved": 0.1 * X.mean(0), "loss": np.mean((X @ W) ** 2)}
    return Golden(sd, values, feeds={"x": X}, losses=["loss"], trainable=["mean", "w", "late"])


def outputs() -> Golden:
    """Ops with several outputs, used and unused ones."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2, 3))
    mean, _ = sd.math.moments(x, axis=0)
    parts = sd.unstack(x, axis=1)
    sd.math.add(parts[0], parts[2], name="ends")
    sd.math.square(mean, name="squared")
    return Golden(
        sd,
        values={
            "moments": X.mean(0),
            "moments:1": X.var(0),
            "ends": X[:, 0] + X[:, 2],
            "squared": X.mean(0) ** 2,
        },
        feeds={"x": X},
        then=[("sd.math.moments(sd['x'], axis=0)[1]", "moments_1:1")],
    )


def loops() -> Golden:
    """Loops and branches: one over x, one in another, one that goes on while it may, and choices."""
    sd = SameDiff("float64")
    x, p, k = sd.placeholder("x", (None, 3)), sd.placeholder("p", dtype="bool"), sd.placeholder("k", dtype="int64")
    w = sd.var("w", [0.5, -1.0, 2.0])
    last, states = sd.scan(lambda h, x: (h * w + x, h * w + x), np.zeros(3), x, name="loop")
    sd.sum(states, name="total")
    sd.grad("total", "w")
    sd.scan(lambda n, row: (sd.scan(lambda m, e: (m + e, None), n, row)[0], None), 0.0, x, name="nested")
    sd.while_loop(lambda v: v < 100.0, lambda v: v * v, 3.0, max_steps=5, name="grown")
    sd.cond(p, lambda: last, lambda: -last, name="chosen")
    sd.switch(k, [lambda: w, lambda: w * w, lambda: last * sd.constant("c", [1.0, 2.0, 3.0])], name="picked")
    h, slope, total, dw = np.zeros(3), np.zeros(3), 0.0, np.zeros(3)
    for row in X:
        h, slope = h * w.value + row, h + w.value * slope
        total, dw = total + h.sum(), dw + slope
    return Golden(
        sd,
        values={
            "loop": h,
            "total": total,
            "grad/w": dw,
            "nested": X.sum(),
            "grown": 6561.0,
            "chosen": -h,
            "picked": h * [1.0, 2.0, 3.0],
        },
        feeds={"x": X, "p": np.array(False), "k": np.array(2)},
        then=[("sd.scan(lambda h, x: (h, x), 0.0, sd['x'])[1]", "scan:1")],
    )


NANS = {
    "float16": np.array([0x7E01, 0xFE42, 0x8000, 0x0001, 0x7C00], "uint16"),
    "float32": np.array([0x7FC00001, 0xFFC12345, 0x80000000, 0x00000001, 0x7F800000], "uint32"),
    "float64": np.array([0x7FF8000000000001, 0xFFF8123456789ABC, 1 << 63, 1, 0x7FF << 52], "uint64"),
}
"""Numbers by their bits: two NaN with something in them, minus 0, the smallest that there is, infinity."""


def dtypes() -> Golden:
    """Every dtype, scalars, arrays of no elements, extreme numbers, NaN with something in it."""
    sd = SameDiff()
    arrays: dict[str, np.ndarray] = {}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        arrays[name] = np.array([np.iinfo(name).min, 0, 1, np.iinfo(name).max], name)
    arrays |= {name: bits.view(name) for name, bits in NANS.items()}
    arrays["complex64"] = NANS["float32"][:4].view("complex64")
    arrays["complex128"] = NANS["float64"][:4].view("complex128").reshape(1, 2)
    arrays["bool"] = np.array([[True, False], [False, True]])
    arrays["scalar"], arrays["truth"] = np.array(-0.0), np.array(True)
    arrays["none"], arrays["no rows"] = np.zeros(0, "int16"), np.zeros((2, 0, 3), "float16")
    arrays["deep"] = np.arange(2, dtype="uint8").reshape((1,) * 20 + (2,))
    for name, array in arrays.items():
        sd.constant(name, array) if array.dtype.kind in "bc" else sd.var(name, array)
    return Golden(sd, exact=arrays)


NAMES = [
    *("w", "W", "../up", "a/../b", ".hidden", "CON", "a/nul.x/b", "x" * 300, "ü/ö", "a b", "end.", "graph.json", "#0"),
    *("tensors/w", "C:\\temp", "-", "𝛼", "日本", '"', "\\", "'", "</script>", "%s", "{}", "_"),
]


def names() -> Golden:
    """Names that are no paths, or look as if they were."""
    sd = SameDiff()
    for k, name in enumerate(NAMES):
        sd.var(name, float(k))
    return Golden(sd, exact={name: np.array(k, "float32") for k, name in enumerate(NAMES)}, kinds={"variable": NAMES})


SETTINGS = [
    *(None, True, False, 0, -1, 2**53, -(2**63), 10**30, 0.0, -0.0, 0.1, 1e300, 5e-324, math.inf, -math.inf, math.nan),
    *(
        1 + 2j,
        complex(-0.0, math.inf),
        "",
        "text",
        "ü\n\x00",
        np.dtype("int16"),
        LossReduce.SUM,
        (),
        (1, (2.0, ("x",))),
    ),
    *((None, True, 1, 1.0), ...),
]


def settings() -> Golden:
    """A composite with settings of all types, and keys of elements."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2, 3))
    for k, given in enumerate(SETTINGS):
        golden_settings(sd, x, given=given, name=f"setting {k}")
    part = x[None, ..., ::-2]
    sd.sum(part, axis=(0, -1), keepdims=True, name="summed")
    sd.cast(x[1, 1:], "int32", name="whole")
    return Golden(
        sd,
        values={
            **{f"setting {k}": 2.0 * X for k in range(len(SETTINGS))},
            "summed": X[None, ..., ::-2].sum(axis=(0, -1), keepdims=True),
            "whole": X[1, 1:].astype("int32"),
        },
        feeds={"x": X},
        ops=[golden_settings],
    )


def random() -> Golden:
    """Draws: of the graph's seed, of their own, in a scope, from a body."""
    sd = SameDiff("float64", seed=1234)
    sd.random.draw(None, "uniform", (0.0, 1.0), (2, 3), "float64", name="uniform")
    sd.random.normal(0.0, 1.0, (4,), name="normal")
    with sd.name_scope("layer"):
        sd.random.draw(None, "uniform", (0.0, 1.0), (2,), "float64", seed=77, name="own seed")
    sd.nn.dropout(sd.constant("ones", np.ones(3)), 0.5)
    return Golden(
        sd,
        draws=[
            ("uniform", "random", 1234, [0], [2, 3]),
            ("normal", "standard_normal", 1234, [1, 0], [4]),
            ("layer/own seed", "random", 77, [2], [2]),
            ("draw", "random", 1234, [5], [5]),
        ],
        then=[
            ("sd.random.draw(None, 'uniform', (0.0, 1.0), (5,), 'float64')", "draw"),
            ("sd.nn.dropout(sd['ones'], 0.5)", "dropout_1"),
        ],
    )


def own_ops() -> Golden:
    """Ops of a user's: in a namespace, and by themselves, with their gradients."""
    sd = SameDiff("float64")
    x = sd.var("x", [3.0, -4.0])
    s = Tools(sd).smooth(x, width=2.0, name="smooth")
    y = sd.sum(golden_triple(sd, s, name="triple"), name="y")
    sd.grad(y, x)
    root = np.sqrt(np.array([3.0, -4.0]) ** 2 + 4.0)
    return Golden(
        sd,
        values={"smooth": root, "triple": 3 * root, "y": 3 * root.sum(), "grad/x": 3 * np.array([3.0, -4.0]) / root},
        then=[("golden_triple(sd, sd['x'])", "golden_triple"), ("Tools(sd).smooth(sd['x'])", "smooth_1")],
        ops=[Tools, golden_triple],
    )


PROGRAM = """\
def build(sd):
    x = sd.var("x", [1.0, 2.0])
    y = sd.math.square(
        x, name="y"
    )
    return sd.sum(y, name="z")


build(sd)
"""


def origins() -> Golden:
    """The lines of a program, wherever that was."""
    sd = SameDiff("float64")
    exec(compile(PROGRAM, "/somewhere/else/program.py", "exec"), {"sd": sd})
    return Golden(
        sd,
        values={"y": np.array([1.0, 4.0]), "z": np.array(5.0)},
        origins={"x": "program.py:2, in build", "y": "program.py:3, in build", "z": "program.py:6, in build"},
        keep_origins=True,
    )


GRAPHS: dict[str, Callable[[], Golden]] = {
    f.__name__: f
    for f in (empty, model, gradients, after_steps, outputs, loops, dtypes, names, settings, random, own_ops, origins)
}
