"""Activation functions as Keras 3 defines them: the one place of their formulas.

`sdgraph.keras.activations` and `sdgraph.keras.ops` show them, with the arguments and defaults that each of the two has.
"""

from __future__ import annotations

import math
from typing import Any

from sdgraph.checks import positive
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import normalize_axis
from sdgraph.infer.shapes import one_axis
from sdgraph.keras.ops.operation import Tensor, on_floats, operation


@operation
def linear(x: Tensor) -> Any:
    """``x`` itself."""
    return x


@operation
def relu(x: Tensor) -> Any:
    """``max(x, 0)``. The derivative at 0 is 0."""
    return x.sd.nn.relu(x)


@operation
def relu6(x: Tensor) -> Any:
    """``min(max(x, 0), 6)``. The derivative at both corners is 0."""
    return x.sd.nn.relu6(x)


@on_floats
def rectified(x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """``x`` from the threshold up to ``max_value``, and ``negative_slope * (x - threshold)`` below."""
    sd = x.sd
    if threshold == 0 and max_value is None:
        return sd.nn.relu(x) if negative_slope == 0 else sd.nn.leaky_relu(x, negative_slope)
    below = sd.zeros_like(x) if negative_slope == 0 else negative_slope * (x - threshold)
    above = x if max_value is None else sd.where(x < max_value, x, sd.full_like(x, max_value))
    return sd.where(x > threshold, above, below)


@on_floats
def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Any:
    """``x`` where it is positive, else ``negative_slope * x``. The derivative at 0 is ``negative_slope``."""
    return x.sd.nn.leaky_relu(x, negative_slope)


@on_floats
def sigmoid(x: Tensor) -> Any:
    """``1 / (1 + exp(-x))``."""
    return x.sd.nn.sigmoid(x)


@on_floats
def tanh(x: Tensor) -> Any:
    """Hyperbolic tangent."""
    return x.sd.nn.tanh(x)


@on_floats
def exponential(x: Tensor) -> Any:
    """``exp(x)``."""
    return x.sd.math.exp(x)


@on_floats
def softplus(x: Tensor) -> Any:
    """``log(1 + exp(x))``, which does not overflow."""
    return x.sd.nn.softplus(x)


@on_floats
def softsign(x: Tensor) -> Any:
    """``x / (1 + abs(x))``."""
    return x.sd.nn.softsign(x)


@on_floats
def silu(x: Tensor) -> Any:
    """``x * sigmoid(x)``, also known as swish."""
    return x.sd.nn.swish(x)


@on_floats
def gelu(x: Tensor, approximate: bool = True) -> Any:
    """``x`` times the normal distribution function at ``x``; with ``approximate`` the form with tanh."""
    return x.sd.nn.gelu(x, "tanh" if approximate else "none")


@on_floats
def elu(x: Tensor, alpha: float = 1.0) -> Any:
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``."""
    return x.sd.nn.elu(x, alpha)


@on_floats
def selu(x: Tensor) -> Any:
    """``1.0507 * elu(x, 1.6733)``, with constants of full precision."""
    return x.sd.nn.selu(x)


@on_floats
def celu(x: Tensor, alpha: float = 1.0) -> Any:
    """``x`` where it is positive, else ``alpha * (exp(x / alpha) - 1)``. The derivative at 0 is 1.

    Raises:
        ArgumentError: If ``alpha`` is not positive.
    """
    alpha = positive("alpha", alpha)
    above = x > 0
    # What the other branch does not need must not overflow in it.
    return x.sd.where(above, x, alpha * x.sd.math.expm1(x.sd.where(above, 0.0, x) / alpha))


@on_floats
def glu(x: Tensor, axis: int = -1) -> Any:
    """The first half of ``x`` along ``axis`` times the sigmoid of the second half.

    Raises:
        ShapeError: If ``axis`` has an odd size.
    """
    one_axis(axis, x.ndim)
    size = x.shape[axis]
    if not isinstance(size, int) or size % 2:
        raise ShapeError("glu halves an axis.", given=f"axis {axis} of shape {x.shape}", expected="an even size")
    left, right = x.sd.split(x, 2, axis)
    return left * x.sd.nn.sigmoid(right)


@on_floats
def hard_sigmoid(x: Tensor) -> Any:
    """``x / 6 + 0.5``, held between 0 and 1. The derivative is 1/6 from -3 to 3, and 0 elsewhere."""
    return x.sd.math.clip_by_value(x / 6.0 + 0.5, 0.0, 1.0)


@on_floats
def hard_silu(x: Tensor) -> Any:
    """``x * hard_sigmoid(x)``, also known as hard swish."""
    return x * hard_sigmoid(x)


@on_floats
def hard_tanh(x: Tensor) -> Any:
    """``x``, held between -1 and 1."""
    return x.sd.nn.hard_tanh(x)


@on_floats
def log_sigmoid(x: Tensor) -> Any:
    """``log(sigmoid(x))``, accurate in both tails."""
    return x.sd.nn.log_sigmoid(x)


@on_floats
def sparse_sigmoid(x: Tensor) -> Any:
    """``0.5 * (x + 1)``, held between 0 and 1."""
    return 0.5 * x.sd.math.clip_by_value(x, -1.0, 1.0) + 0.5


@on_floats
def tanh_shrink(x: Tensor) -> Any:
    """``x - tanh(x)``."""
    return x - x.sd.nn.tanh(x)


@on_floats
def soft_shrink(x: Tensor, threshold: float = 0.5) -> Any:
    """``x - threshold`` above the threshold, ``x + threshold`` below its negative, and 0 between."""
    sd = x.sd
    return sd.where(x > threshold, x - threshold, sd.where(x < -threshold, x + threshold, sd.zeros_like(x)))


@on_floats
def hard_shrink(x: Tensor, threshold: float = 0.5) -> Any:
    """``x`` where it is larger in size than the threshold, else 0."""
    return x.sd.where(x.sd.math.abs(x) > threshold, x, x.sd.zeros_like(x))


@on_floats
def threshold(x: Tensor, threshold: float, default_value: float) -> Any:
    """``x`` where it is above the threshold, else ``default_value``."""
    return x.sd.where(x > threshold, x, x.sd.full_like(x, default_value))


@on_floats
def squareplus(x: Tensor, b: float = 4) -> Any:
    """``(x + sqrt(x**2 + b)) / 2``, which neither overflows nor cancels.

    Raises:
        ArgumentError: If ``b`` is not positive.
    """
    sd, b = x.sd, positive("b", b)
    root = sd.math.hypot(x, math.sqrt(b))
    # Below 0 the sum cancels; (x + root) (root - x) = b. The same for a positive x is not to become a 0.
    below = (b / 4) / (0.5 * root + 0.5 * sd.nn.relu(-x))
    return sd.where(x < 0, below, 0.5 * x + 0.5 * root)


@on_floats
def sparse_plus(x: Tensor) -> Any:
    """0 up to -1, ``x`` from 1 on, and ``(x + 1)**2 / 4`` between."""
    sd = x.sd
    between = 0.25 * sd.math.square(sd.math.clip_by_value(x, -1.0, 1.0) + 1.0)
    return sd.where(x >= 1, x, between)


@on_floats
def mish(x: Tensor) -> Any:
    """``x * tanh(softplus(x))``."""
    return x * x.sd.nn.tanh(x.sd.nn.softplus(x))


# ---------------------------------------------------------------------- over an axis


@on_floats
def softmax(x: Tensor, axis: int | tuple[int, ...] | None = -1) -> Any:
    """``exp(x)`` divided by its sum along ``axis``, or along several axes, or all of them (None)."""
    if isinstance(axis, int):
        return x.sd.nn.softmax(x, axis)
    return x.sd.math.exp(log_softmax(x, axis))


@on_floats
def log_softmax(x: Tensor, axis: int | tuple[int, ...] | None = -1) -> Any:
    """The logarithm of `softmax`, accurate where that is 0 or 1."""
    if isinstance(axis, int):
        return x.sd.nn.log_softmax(x, axis)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis(axis, x.ndim)
    return x - x.sd.math.log_sum_exp(x, axes, True)


@on_floats
def sparsemax(x: Tensor, axis: int = -1) -> Any:
    """The point of the probability simplex that is nearest to ``x`` along ``axis``: ``max(x - tau, 0)``.

    ``tau`` is the one number for which the entries sum to 1. Keras up to 3.15 adds up sums where the definition adds up
    entries, so that its results do not sum to 1; these do.

    References:
        A. F. T. Martins, R. F. Astudillo, "From softmax to sparsemax: a sparse model of attention and multi-label
        classification", 2016, arXiv:1602.02068.
    """
    sd = x.sd
    one_axis(axis, x.ndim)
    # What is 1 or more below the largest has no part in the result; huge numbers would hide the others in the sums.
    x = x - sd.stop_gradient(sd.max(x, axis, True))
    falling = sd.sort(sd.math.maximum(x, -2.0), axis, True)
    count = sd.cumsum(sd.ones_like(x), axis)
    inside = falling - (sd.cumsum(falling, axis) - 1.0) / count > 0
    kept = sd.sum(sd.where(inside, falling, sd.zeros_like(x)), axis, True)
    tau = (kept - 1.0) / sd.sum(sd.cast(inside, x.dtype), axis, True)
    return sd.nn.relu(x - tau)


__all__ = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "rectified",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
]
