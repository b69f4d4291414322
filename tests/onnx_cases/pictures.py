"""ONNX's operators on pictures beside convolution and pooling, as operations of sdgraph."""

import math

import numpy as np

from tests.onnx_cases.translation import onnx_op


@onnx_op("DepthToSpace")
def depth_to_space(t, x, *, blocksize, mode):
    if mode == "CRD":
        x = _regrouped(t, x, x.shape[1] // blocksize**2)
    return t.sd.cnn.depth_to_space(x, blocksize, "NCHW")


@onnx_op("SpaceToDepth")
def space_to_depth(t, x, *, blocksize, mode="DCR"):
    out = t.sd.cnn.space_to_depth(x, blocksize, "NCHW")
    return _regrouped(t, out, blocksize**2) if mode == "CRD" else out


def _regrouped(t, x, outer):
    """Channels that are counted in the other order: ``outer`` groups of them become the inner ones."""
    channels = np.arange(x.shape[1]).reshape(outer, -1).T.reshape(-1)
    return t.sd.gather(x, channels, axis=1)


@onnx_op("Col2Im")
def columns_to_pictures(t, x, sizes, block, *, dilations, pads, strides):
    sizes, block = t.ints(sizes), t.ints(block)
    n = len(sizes)
    ones = [1] * n
    dilations, strides, pads = dilations or ones, strides or ones, pads or [0] * 2 * n
    whole = [size + a + b for size, a, b in zip(sizes, pads[:n], pads[n:], strict=True)]
    counts = [(d - (k - 1) * gap - 1) // s + 1 for d, k, gap, s in zip(whole, block, dilations, strides, strict=True)]
    batch, channels = x.shape[0], x.shape[1] // math.prod(block)
    apart = t.sd.reshape(x, (batch, channels, *block, *counts))
    windows = t.sd.permute(apart, (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n)))
    like = np.zeros((batch, channels, *whole), x.dtype)
    added = t.sd.cnn.add_windows(windows, like, range(2, 2 + n), block, strides, dilations)
    return added[(slice(None), slice(None), *(slice(a, a + d) for a, d in zip(pads[:n], sizes, strict=True)))]


@onnx_op("LRN")
def local_response(t, x, *, alpha, beta, bias, size):
    assert size % 2, "The window of sdgraph has a middle."
    return t.sd.cnn.local_response_normalization(x, alpha / size, beta, bias, size // 2, "NCHW")


@onnx_op("BatchNormalization")
def batch_norm(t, x, gain, bias, mean, variance, *, epsilon, momentum, training_mode):
    if not training_mode:
        return t.sd.nn.batch_norm(x, mean, variance, gain, bias, epsilon=epsilon, axis=1)
    return t.sd.nn.batch_norm_training(x, mean, variance, gain, bias, epsilon, 1, momentum)
