"""ONNX's attention and rotary embeddings, as operations of sdgraph."""

import functools
import math

import numpy as np

from tests.onnx_cases.translation import dtype_of, onnx_op


def _heads_apart(t, x, heads):
    """(batch, time, heads * size) as (batch, heads, time, size)."""
    batch, time, width = x.shape
    return t.sd.permute(t.sd.reshape(x, (batch, time, heads, width // heads)), (0, 2, 1, 3))


def _heads_together(t, x):
    """The way back."""
    batch, _, time, _ = x.shape
    return t.sd.reshape(t.sd.permute(x, (0, 2, 1, 3)), (batch, time, -1))


@onnx_op("RotaryEmbedding")
def rotary_embedding(t, x, cos, sin, position=None, *, interleaved, num_heads, rotary_embedding_dim):
    flat = len(x.shape) == 3
    heads = _heads_apart(t, x, num_heads) if flat else x
    if position is not None:
        cos, sin = t.sd.gather(cos, position), t.sd.gather(sin, position)
    cos, sin = t.sd.expand_dims(cos, 1), t.sd.expand_dims(sin, 1)
    width = rotary_embedding_dim or heads.shape[-1]
    turned, rest = heads[..., :width], heads[..., width:]
    first, second = (turned[..., 0::2], turned[..., 1::2]) if interleaved else t.sd.split(turned, 2, axis=-1)
    first, second = cos * first - sin * second, sin * first + cos * second
    if interleaved:
        turned = t.sd.reshape(t.sd.stack(first, second, axis=-1), turned.shape)
    else:
        turned = t.sd.concat(first, second, axis=-1)
    result = t.sd.concat(turned, rest, axis=-1)
    return _heads_together(t, result) if flat else result


def _allowed(q_length, k_length, offset, left, right):
    """Which key each query may see: those within a window around it, shape (batch or 1, 1, queries, keys).

    Queries stand ``offset`` places behind the first key; a bound of None is none.
    """
    ahead = np.arange(k_length) - (np.arange(q_length)[:, None] + np.reshape(offset, (-1, 1, 1, 1)))
    return (ahead <= (math.inf if right is None else right)) & (-ahead <= (math.inf if left is None else left))


def _windows(is_causal, left, right):
    """How many keys before and after its own place a query sees: None for all."""
    windows = [(None, 0)] if is_causal else []
    if max(left, right) >= 0:
        windows.append(tuple(None if w < 0 else w for w in (left, right)))
    return windows


def _bias(t, q, k, mask, offset, lengths, windows):
    """What is added to the scores, or None: a mask of numbers or bools, keys out of a window, keys that are padding."""
    parts = []
    if mask is not None:
        numbers = t.sd.where(mask, 0.0, -math.inf) if mask.dtype == bool else mask
        missing = k.shape[2] - mask.shape[-1]
        widths = [*((0, 0) for _ in mask.shape[1:]), (0, missing)]
        parts.append(t.sd.nn.pad(numbers, widths, constant=-math.inf) if missing else numbers)
    parts += [np.where(_allowed(q.shape[2], k.shape[2], offset, *window), 0.0, -np.inf) for window in windows]
    if lengths is not None:
        parts.append(t.sd.where(np.arange(k.shape[2]) < t.sd.reshape(lengths, (-1, 1, 1, 1)), 0.0, -math.inf))
    return functools.reduce(t.sd.math.add, (t.sd.cast(part, q.dtype) for part in parts)) if parts else None


def _probabilities(t, scores, bias):
    """Softmax, and 0 for a query that sees no key."""
    weights = t.sd.nn.softmax(scores)
    if bias is None:
        return weights
    nothing = t.sd.eq(t.sd.max(bias, axis=-1, keepdims=True), -math.inf)
    return t.sd.where(nothing, 0.0, weights)


@onnx_op("Attention")
def attention(t, q, k, v, mask=None, past_k=None, past_v=None, lengths=None, *, kv_num_heads, q_num_heads, is_causal,
              left_window_size=-1, right_window_size=-1, **how):  # fmt: skip
    flat = len(q.shape) == 3
    if flat:
        q, k, v = (_heads_apart(t, x, n) for x, n in ((q, q_num_heads), (k, kv_num_heads), (v, kv_num_heads)))
    if past_k is not None:
        k, v = t.sd.concat(past_k, k, axis=2), t.sd.concat(past_v, v, axis=2)
    present = k, v
    if q.shape[1] != k.shape[1]:
        k, v = (t.sd.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    offset = 0 if past_k is None else past_k.shape[2]
    if lengths is not None:
        offset = t.read(lengths) - q.shape[2]
    windows = _windows(is_causal, left_window_size, right_window_size)
    y, scores = _attended(t, q, k, v, _bias(t, q, k, mask, offset, lengths, windows), **how)
    return _heads_together(t, y) if flat else y, *present, scores


def _attended(t, q, k, v, bias, *, scale, softcap, softmax_precision, qk_matmul_output_mode):
    """The result, and the scores of the step that the mode asks for."""
    # Each side is scaled by the root, so that halves do not overflow in the product.
    root = math.sqrt(q.shape[-1] ** -0.5 if scale is None else scale)
    raw = t.sd.linalg.mmul(q * root, k * root, transpose_y=True)
    capped = softcap * t.sd.math.tanh(raw / softcap) if softcap else raw
    biased = capped if bias is None else capped + bias
    precise = biased if softmax_precision is None else t.sd.cast(biased, dtype_of(softmax_precision))
    weights = t.sd.cast(_probabilities(t, precise, bias), q.dtype)
    return t.sd.linalg.matmul(weights, v), (raw, capped, biased, weights)[qk_matmul_output_mode]
