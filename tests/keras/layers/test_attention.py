"""Attention: its formula in numpy, masks, dropout, and what is refused."""

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.keras import layers

Q, V = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(2, 3, 4), (2, 5, 6)]))
MASK = np.random.default_rng(3).random((2, 3, 5)) < 0.6
MASK[0, 1] = False


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def weighed(layer, scores_asked):
    wq, bq, wk, bk, wv, bv, wo, bo = (w.value for w in layer.weights)
    q, k, v = (np.einsum("bsf,fhd->bhsd", x, w) + b[:, None] for x, w, b in ((Q, wq, bq), (V, wk, bk), (V, wv, bv)))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(3)
    weights = softmax(np.where(MASK[:, None], scores, -1e300))
    if scores_asked:
        weights = np.where(MASK[:, None], weights, 0)
    return np.einsum("bhsd,hdf->bsf", weights @ v, wo) + bo, weights


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("asked", [False, True])
def test_formula(asked, engine):
    layer = layers.MultiHeadAttention(2, 3, bias_initializer="uniform")
    sd = SameDiff(dtype="float64")
    q, v, mask = (
        sd.placeholder("q", Q.shape),
        sd.placeholder("v", (None, None, 6)),
        sd.placeholder("m", MASK.shape, "bool"),
    )
    found = layer(q, v, attention_mask=mask, return_attention_scores=asked)
    got = sd.compile(list(found) if asked else [found], engine)({"q": Q, "v": V, "m": MASK})
    for a, b in zip(got.values(), weighed(layer, asked), strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_a_query_sees_no_later_value():
    layer = layers.MultiHeadAttention(2, 3)
    _, weights = layer(Q, V, return_attention_scores=True, use_causal_mask=True)
    assert not weights[..., np.triu(np.ones((3, 5), bool), 1)].any()
    near = layers.MultiHeadAttention(2, 3, sliding_window=2)
    _, weights = near(Q, V, return_attention_scores=True)
    np.testing.assert_array_equal(weights[0, 0] > 0, abs(np.subtract.outer(range(3), range(5))) < 2)


def test_dropout_acts_in_training_only():
    for layer in (layers.MultiHeadAttention(2, 3, dropout=0.5), layers.GroupQueryAttention(3, 4, 2, dropout=0.5)):
        np.testing.assert_array_equal(layer(Q, V), layer(Q, V))
        assert (layer(Q, V, training=True) != layer(Q, V)).any()
    layer = layers.Attention(dropout=0.5)
    assert (layer([Q, Q], training=True) != layer([Q, Q])).any()


def test_names_and_configurations():
    layer = layers.MultiHeadAttention(2, 3, attention_axes=1, name="heads")
    layer(Q, V)
    assert [w.name for w in layer.weights] == [
        f"heads/{part}/{w}" for part in ("query", "key", "value", "attention_output") for w in ("kernel", "bias")
    ]
    other = layers.MultiHeadAttention.from_config(layer.get_config())
    other(Q, V)
    other.set_weights(layer.get_weights())
    np.testing.assert_array_equal(other(Q, V), layer(Q, V))
    assert other.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: layers.MultiHeadAttention(2, 0), errors.ArgumentError, "key_dim"),
        (lambda: layers.MultiHeadAttention(2, 3, attention_axes="x"), errors.ArgumentTypeError, "attention_axes"),
        (lambda: layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True), errors.ArgumentError, "Flash"),
        (lambda: layers.MultiHeadAttention(2, 3)(Q, V, V[:, :2]), errors.ShapeError, "same axes"),
        (lambda: layers.GroupQueryAttention(2, 3, 2), errors.ArgumentError, "evenly"),
        (lambda: layers.GroupQueryAttention(2, 4, 2)(Q[0], V[0]), errors.ShapeError, "batch, steps and features"),
        (lambda: layers.Attention()(Q), errors.ArgumentTypeError, "called on a list"),
        (lambda: layers.Attention()([Q]), errors.ArgumentError, "two or three"),
        (lambda: layers.Attention(score_mode="sum"), errors.ArgumentError, "score_mode"),
    ],
)
def test_what_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
