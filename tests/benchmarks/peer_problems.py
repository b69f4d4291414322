"""The problems of `bench_peers`: operands, a graph in sdgraph, and the formula in numpy's names for its peers."""

import numpy as np

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

    return Row(f"{name}, n = {n:,}", operands, graph, formula, ["x"])


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
    """Makers of the rows, so that a row can be had without making all of them."""
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
