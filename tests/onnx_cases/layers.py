"""ONNX's matrix products and losses, as operations of sdgraph."""

import numpy as np

from sdgraph import LossReduce
from tests.onnx_cases.translation import onnx_op

# ---------------------------------------------------------------------- products


@onnx_op("MatMul")
def matmul(t, a, b):
    return t.sd.linalg.matmul(a, b)


@onnx_op("Gemm")
def gemm(t, a, b, c=None, *, alpha, beta, transA, transB):
    if alpha == beta == 1:
        return t.sd.nn.linear(a, b, c, transpose_a=bool(transA), transpose_b=bool(transB))
    product = t.sd.linalg.mmul(a, b, transpose_x=bool(transA), transpose_y=bool(transB), alpha=alpha)
    return product if c is None else product + beta * c


@onnx_op("Det")
def det(t, x):
    return t.sd.linalg.matrix_determinant(x)


@onnx_op("MatMulInteger")
def matmul_integer(t, a, b, a_zero=None, b_zero=None):
    a, b = (t.sd.cast(x, "int32") if z is None else t.sd.cast(x, "int32") - t.sd.cast(z, "int32")
            for x, z in ((a, a_zero), (b, b_zero)))  # fmt: skip
    return t.sd.linalg.matmul(a, b)


@onnx_op("QLinearMatMul")
def quantized_matmul(t, a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
    product = t.sd.cast(matmul_integer(t, a, b, a_zero, b_zero), "float32")
    scaled = t.sd.math.round(product * t.sd.cast(a_scale * b_scale / y_scale, "float32"))
    limits = np.iinfo(y_zero.dtype)
    shifted = scaled + t.sd.cast(y_zero, "float32")
    return t.sd.cast(t.sd.math.clip_by_value(shifted, limits.min, limits.max), y_zero.dtype)


@onnx_op("Einsum")
def einsum(t, *operands, equation):
    return t.sd.einsum(equation, *operands)


# ---------------------------------------------------------------------- losses


REDUCTIONS = {"none": LossReduce.NONE, "sum": LossReduce.SUM, "mean": LossReduce.MEAN_BY_WEIGHT}


def _labels_and_weights(t, labels, weights, ignore_index, dtype):
    """Labels that are all classes, and the weight of each of them: 0 for those that do not count."""
    labels = t.sd.cast(labels, "int64")
    counts = t.sd.ones_like(labels, dtype="bool") if ignore_index is None else t.sd.neq(labels, ignore_index)
    labels = t.sd.where(counts, labels, t.sd.zeros_like(labels))
    counts = t.sd.cast(counts, dtype)
    return labels, counts if weights is None else counts * t.sd.gather(weights, labels)


def _classes_last(t, x):
    return t.sd.permute(x, (0, *range(2, len(x.shape)), 1))


@onnx_op("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(t, scores, labels, weights=None, *, ignore_index, reduction):
    labels, weight = _labels_and_weights(t, labels, weights, ignore_index, scores.dtype)
    logits = _classes_last(t, scores)
    one_hot = t.sd.one_hot(labels, scores.shape[1], dtype=scores.dtype)
    loss = t.sd.loss.softmax_cross_entropy(one_hot, logits, weight, loss_reduce=REDUCTIONS[reduction])
    return loss, t.sd.nn.log_softmax(scores, axis=1)


@onnx_op("NegativeLogLikelihoodLoss")
def negative_log_likelihood(t, log_probabilities, labels, weights=None, *, ignore_index, reduction):
    dtype = log_probabilities.dtype
    labels, weight = _labels_and_weights(t, labels, weights, ignore_index, dtype)
    picked = t.sd.take_along_axis(_classes_last(t, log_probabilities), t.sd.expand_dims(labels, -1), axis=-1)
    losses = weight * -t.sd.squeeze(picked, axis=-1)
    if reduction == "none":
        return losses
    return t.sd.sum(losses) if reduction == "sum" else t.sd.sum(losses) / t.sd.sum(weight)


# ---------------------------------------------------------------------- derivatives


@onnx_op("Gradient")
def gradient(t, *operands, xs, y, zs):
    return t.sd.grad(t.known(y), [t.known(x.decode()) for x in xs])
