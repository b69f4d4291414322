"""The losses of SameDiff by their documentation and mathematics, in plain numpy; gradients are mostly differences.

For the cases of the golden files in which SameDiff itself does something else. Nothing here calls sdgraph.
"""

import math
from itertools import groupby, product

import numpy as np

from sdgraph import LossReduce
from tests.golden import cases


def _softplus(x):
    return np.logaddexp(0, x)


def _times_log(a, b):
    """``a log(b)``, and 0 where ``a`` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == 0, 0.0, a * np.log(b))


def absolute_difference(y, p):
    return np.abs(p - y)


def mean_squared_error(y, p):
    return (p - y) ** 2


def hinge_loss(y, p):
    return np.maximum(0, 1 - (2 * y - 1) * p)


def huber_loss(y, p, delta):
    d = np.abs(p - y)
    return np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))


def log_loss(y, p, epsilon=0.0):
    return -_times_log(y, p + epsilon) - _times_log(1 - y, 1 - p + epsilon)


def log_poisson(y, p, full):
    # Stirling's formula approximates log(y!), which is 0 for labels of 0 and 1.
    return np.exp(p) - y * p + (np.where(y > 1, cases.stirling(np.maximum(y, 1)), 0.0) if full else 0.0)


def sigmoid_cross_entropy(y, x, label_smoothing=0.0):
    y = (1 - label_smoothing) * y + label_smoothing / 2
    return (1 - y) * _softplus(x) + y * _softplus(-x)


def softmax_cross_entropy(y, x, label_smoothing=0.0):
    y = (1 - label_smoothing) * y + label_smoothing / x.shape[-1]
    shifted = x - x.max(axis=-1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted
    return np.where(y == 0, 0.0, y * np.where(y == 0, 0.0, surprise)).sum(axis=-1)


def cosine_distance(y, p, dimension):
    return 1 - (y * p).sum(axis=dimension, keepdims=True)


def mean_pairwise_squared_error(y, p):
    """The mean over all unordered pairs of elements of a row, 0 where there is no pair."""
    d = (p - y).reshape(len(y), -1)
    first, second = np.triu_indices(d.shape[1], k=1)
    pairs = (d[:, first] - d[:, second]) ** 2
    return pairs.sum(axis=1) / max(pairs.shape[1], 1)


def weighted_cross_entropy_with_logits(y, x, w):
    w = 1.0 if w is None else w
    return (1 - y) * _softplus(x) + w * y * _softplus(-x)


def sparse_softmax_cross_entropy(x, k):
    return softmax_cross_entropy(np.eye(x.shape[-1])[k], x)


def l2_loss(x):
    return (x**2).sum() / 2


def ctc_loss(labels, x, label_lengths, frames, blank_index=0):
    """The sum over all alignments, written out."""
    log_p = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    out = np.empty(len(x))
    for row, (p, n, t) in enumerate(zip(np.exp(log_p), label_lengths, frames, strict=True)):
        want = tuple(labels[row, :n])
        total = 0.0
        for path in product(range(x.shape[-1]), repeat=int(t)):
            if tuple(k for k, _ in groupby(path) if k != blank_index) == want:
                total += math.prod(p[frame, k] for frame, k in enumerate(path))
        out[row] = -math.log(total)
    return out


# ---------------------------------------------------------------------- derivatives where differences do not reach


def _log(a):
    with np.errstate(divide="ignore"):
        return np.log(a)


def _over(a, b):
    """``a / b``, and 0 where ``a`` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == 0, 0.0, a / b)


def _pairwise_slope(y, p):
    d = (p - y).reshape(len(y), -1)
    n = d.shape[1]
    return (4 * (d - d.mean(axis=1, keepdims=True)) / max(n - 1, 1)).reshape(p.shape)


def _surprise(y, x, label_smoothing=0.0):
    shifted = x - x.max(axis=-1, keepdims=True)
    return (1 - label_smoothing) * (np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted)


def _stirling_slope(y, p, full):
    return -p + (np.where(y > 1, np.log(np.maximum(y, 1)) + 0.5 / np.maximum(y, 1), 0.0) if full else 0.0)


# At infinite values, at jumps, and where differences cancel. Keys: the formula and the position of its operand.
SLOPES = {
    (log_loss, 0): lambda y, p, epsilon=0.0: _log(1 - p + epsilon) - _log(p + epsilon),
    (log_loss, 1): lambda y, p, epsilon=0.0: _over(1 - y, 1 - p + epsilon) - _over(y, p + epsilon),
    (log_poisson, 0): _stirling_slope,
    (softmax_cross_entropy, 0): _surprise,
    (mean_pairwise_squared_error, 0): lambda y, p: -_pairwise_slope(y, p),
    (mean_pairwise_squared_error, 1): _pairwise_slope,
}
UNREDUCED = {sparse_softmax_cross_entropy, weighted_cross_entropy_with_logits, l2_loss, ctc_loss}


class Documented:
    """One loss of given operands (in the order of the call, weights last) and attributes."""

    def __init__(self, op, operands, attrs):
        self.formula = globals()[op]
        self.attrs = dict(attrs)
        self.mode = self.attrs.pop("loss_reduce", LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT)
        as_floats = self.formula not in (sparse_softmax_cross_entropy, ctc_loss)
        self.given = {k: a if a is None or not as_floats else a.astype(float) for k, a in operands.items()}
        self.trainable = [k for k, a in operands.items() if a is not None and a.dtype.kind == "f"]
        self.units = {k: a for k, a in self.given.items() if k != "weights" or self.formula in UNREDUCED}
        if self.formula in UNREDUCED:
            self.mode, self.weights = LossReduce.NONE, None
        else:
            self.weights = self._fitting(self.given.get("weights"))

    def each(self, **changed):
        """The loss before weights and reduction."""
        return np.asarray(self.formula(*({**self.units, **changed}).values(), **self.attrs))

    def _fitting(self, w):
        """Weights [batch, 1, ...] are one weight per example also where the loss has lost these axes."""
        if w is None or w.size == 1:
            return w if w is None else w.reshape(())
        rank = self.each().ndim
        return w.reshape(w.shape[:rank]) if w.ndim > rank else w

    def value(self):
        return cases.reduced(self.each(), self.weights, self.mode)

    def gradients(self):
        """Of the summed loss with respect to each floating operand."""
        e = self.each()
        factor = cases.factor(self.weights, e.shape, self.mode)
        out = {}
        for k in self.trainable:
            if k in self.units:
                out[k] = self._slopes(k, factor)
            else:
                out[k] = cases.weights_gradient(e, self.weights, self.mode).reshape(self.given[k].shape)
        return out

    def _slopes(self, name, factor, step=1e-6):
        a = self.units[name]
        if exact := SLOPES.get((self.formula, list(self.units).index(name))):
            slopes = exact(*self.units.values(), **self.attrs)
            wide = np.broadcast_to(factor.reshape(factor.shape + (1,) * (a.ndim - factor.ndim)), a.shape)
            return np.where(wide == 0, 0.0, slopes) * wide
        slopes = np.empty(a.shape)
        for at in np.ndindex(a.shape):
            ahead, behind = a.copy(), a.copy()
            ahead[at] += step
            behind[at] -= step
            with np.errstate(invalid="ignore"):
                change = self.each(**{name: ahead}) - self.each(**{name: behind})
            slopes[at] = (np.where(factor == 0, 0.0, change) * factor).sum() / (2 * step)
        return slopes
