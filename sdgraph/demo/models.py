"""The two models of the demonstration: a logistic regression, and a network with one hidden layer.

Knows graphs only. Must not know the data beyond its width, nor how a model is trained or drawn.
"""

from __future__ import annotations

from typing import NamedTuple

from sdgraph.build.variable import SDVariable
from sdgraph.samediff import SameDiff

_PENALTY = 0.01
"""Weight of the squared weights in the regression: without it the optimum lies at infinity for separable classes."""

_HIDDEN = 8


class Model(NamedTuple):
    """A classifier with one logit per row; placeholders ``x`` (rows, features) and ``label`` (rows, 1)."""

    sd: SameDiff
    logits: SDVariable
    objective: SDVariable
    weights: list[SDVariable]


def logistic_regression(features: int) -> Model:
    """Cross entropy of one linear layer, plus a penalty on large weights."""
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", ("rows", features))
    label = sd.placeholder("label", ("rows", 1))
    with sd.name_scope("linear"):
        w = sd.var("w", shape=(features, 1))
        b = sd.var("b", 0.0)
        logits = sd.math.add(x @ w, b, name="logits")
    loss = sd.loss.sigmoid_cross_entropy(label, logits, name="loss")
    penalty = sd.math.mul(sd.loss.l2_loss(w), _PENALTY, name="penalty")
    objective = sd.math.add(loss, penalty, name="objective")
    return Model(sd, logits, objective, [w, b])


def two_layer_network(features: int) -> Model:
    """Cross entropy of two layers with a tanh between them."""
    sd = SameDiff(dtype="float64", seed=7)
    x = sd.placeholder("x", ("rows", features))
    label = sd.placeholder("label", ("rows", 1))
    with sd.name_scope("hidden"):
        w1 = sd.var("w", shape=(features, _HIDDEN), init="glorot")
        b1 = sd.var("b", shape=(_HIDDEN,))
        hidden = sd.math.tanh(x @ w1 + b1, name="out")
    with sd.name_scope("top"):
        w2 = sd.var("w", shape=(_HIDDEN, 1), init="glorot")
        b2 = sd.var("b", shape=(1,))
        logits = sd.math.add(hidden @ w2, b2, name="logits")
    loss = sd.loss.sigmoid_cross_entropy(label, logits, name="loss")
    return Model(sd, logits, loss, [w1, b1, w2, b2])
