"""Gradients of operations of more than one node, against JAX."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import ops

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(4, 6)).astype("float32")
P = jax.nn.softmax(RNG.normal(size=(4, 6)).astype("float32"))
IMAGE = RNG.normal(size=(2, 6, 5, 4)).astype("float32")
KERNEL = RNG.normal(size=(3, 2, 4, 5)).astype("float32")
LABELS = np.array([0, 3, 5, 1])
HOT = np.eye(6, dtype="float32")[LABELS]


def attention(q):
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, IMAGE) / 2
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), IMAGE)


CASES = {
    "logaddexp": (X, lambda x: ops.logaddexp(x, X[::-1].copy()), lambda x: jnp.logaddexp(x, X[::-1])),
    "clip": (X, lambda x: ops.clip(x, -0.5, 0.5), lambda x: jnp.clip(x, -0.5, 0.5)),
    "norm": (X, lambda x: ops.norm(x, axis=-1), lambda x: jnp.linalg.norm(x, axis=-1)),
    "norm3": (X, lambda x: ops.norm(x, ord=3, axis=-1), lambda x: jnp.linalg.norm(x, 3, -1)),
    "spectral": (X, lambda x: ops.norm(x, ord=2), lambda x: jnp.linalg.norm(x, 2)),
    "std": (X, lambda x: ops.std(x, axis=1), lambda x: jnp.std(x, axis=1)),
    "average": (X, lambda x: ops.average(x, 1, X[0]), lambda x: jnp.average(x, 1, X[0])),
    "quantile": (X, lambda x: ops.quantile(x, 0.3, 1), lambda x: jnp.quantile(x, 0.3, 1)),
    "roll": (X, lambda x: ops.roll(x, 2, 1) * X, lambda x: jnp.roll(x, 2, 1) * X),
    "diff": (X, lambda x: ops.square(ops.diff(x)), lambda x: jnp.square(jnp.diff(x))),
    "diagonal": (X, lambda x: ops.square(ops.diagonal(x, 1)), lambda x: jnp.square(jnp.diagonal(x, 1))),
    "take": (X, lambda x: ops.take(x, [0, -1, 0], 1) ** 2, lambda x: jnp.take(x, np.array([0, -1, 0]), 1) ** 2),
    "topk": (X, lambda x: ops.top_k(x, 2)[0] ** 2, lambda x: jax.lax.top_k(x, 2)[0] ** 2),
    "einsum": (X, lambda x: ops.einsum("ij,kj->ik", x, x), lambda x: jnp.einsum("ij,kj->ik", x, x)),
    "normalize": (
        X,
        lambda x: ops.normalize(x) * X[0],
        lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True) * X[0],
    ),
    "layer_normalization": (
        X,
        lambda x: ops.layer_normalization(x, epsilon=1e-3) * X[0],
        lambda x: (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-3) * X[0],
    ),
    "binary": (
        X,
        lambda x: ops.binary_crossentropy(HOT, x, from_logits=True),
        lambda x: -(HOT * jax.nn.log_sigmoid(x) + (1 - HOT) * jax.nn.log_sigmoid(-x)),
    ),
    "categorical": (
        P,
        lambda p: ops.categorical_crossentropy(HOT, p),
        lambda p: -(HOT * jnp.log(p / p.sum(-1, keepdims=True))).sum(-1),
    ),
    "sparse": (
        X,
        lambda x: ops.sparse_categorical_crossentropy(LABELS, x, from_logits=True),
        lambda x: -jax.nn.log_softmax(x)[np.arange(4), LABELS],
    ),
    "attention": (IMAGE, lambda x: ops.dot_product_attention(x, IMAGE, IMAGE), attention),
    "conv": (
        IMAGE,
        lambda x: ops.conv(x, KERNEL, padding="same") ** 2,
        lambda x: (
            jax.lax.conv_general_dilated(x, KERNEL, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) ** 2
        ),
    ),
    "conv_transpose": (
        IMAGE,
        lambda x: ops.conv_transpose(x, KERNEL.transpose(0, 1, 3, 2).copy(), 2) ** 2,
        lambda x: (
            jax.lax.conv_transpose(x, KERNEL[::-1, ::-1], (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            ** 2
        ),
    ),
    "scan": (
        X,
        lambda x: ops.scan(lambda c, e: (ops.tanh(c + e), c * e), X[0], x)[0],
        lambda x: jax.lax.scan(lambda c, e: (jnp.tanh(c + e), c * e), X[0], x)[0],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_jax(name):
    x, ours, theirs = CASES[name]
    wanted = jax.grad(lambda x: theirs(x).sum())(jnp.asarray(x))
    sd = SameDiff()
    v = sd.placeholder("x", x.shape)
    slope = sd.grad(sd.sum(ours(v)), v).eval({v: np.asarray(x)})
    np.testing.assert_allclose(slope, wanted, rtol=2e-4, atol=2e-5)
