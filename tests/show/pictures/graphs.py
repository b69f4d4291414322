"""Small graphs that the tests of pictures share."""

import numpy as np

from sdgraph import LossReduce, SameDiff


def logistic_regression():
    sd = SameDiff("float64")
    x = sd.placeholder("x", shape=("n", 4))
    y = sd.placeholder("y", shape=("n",))
    with sd.name_scope("model"):
        w = sd.var("w", [0.5, -0.3, 0.8, -0.6])
        b = sd.var("b", 0.1)
        z = sd.math.add(x @ w, b, name="z")
        sd.nn.sigmoid(z, name="p")
    with sd.name_scope("objective"):
        ce = sd.loss.sigmoid_cross_entropy(y, z, loss_reduce=LossReduce.NONE, name="ce")
        loss = ce.mean(name="loss")
    loss.mark_as_loss()
    rng = np.random.default_rng(0)
    return sd, {"x": rng.normal(size=(8, 4)), "y": rng.integers(0, 2, 8).astype(float)}


def weighted_loss():
    sd = SameDiff("float64")
    label = sd.placeholder("label", shape=(None, 3))
    weights = sd.placeholder("weights", shape=(None, 1))
    x = sd.placeholder("x", shape=(None, 2))
    w = sd.var("w", [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    predictions = sd.math.add(x @ w * 2, 1, name="predictions")
    sd.loss.huber_loss(label, predictions, weights, name="huber")
    rng = np.random.default_rng(1)
    return sd, {
        "x": rng.normal(size=(4, 2)),
        "label": rng.normal(size=(4, 3)),
        "weights": np.array([[1.0], [0.0], [2.0], [1.0]]),
    }


def layers(n, *, scopes=True):
    """A network of ``n`` equal layers."""
    sd = SameDiff()
    h = sd.placeholder("x", shape=("n", 4))
    for k in range(n):
        with sd.name_scope(f"layer{k}" if scopes else f"a{k}"):
            w = sd.var("w", shape=(4, 4), init="glorot")
            h = sd.nn.relu(h @ w, name="h")
        if not scopes:
            sd.rename(w, f"w_{k}")
            h = sd.rename(h, f"h_{k}")
            sd.rename(f"a{k}/matmul", f"matmul_{k}")
    sd.loss.mean_squared_error(sd.placeholder("y", shape=("n", 4)), h, name="loss")
    return sd
