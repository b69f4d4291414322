"""Batch normalisation while a model is trained: by the statistics of the batch, with moving ones as explicit state.

The normalised numbers and the factor that they have are composites whose derivatives stand beside them in closed form,
each in terms of the other, so that derivatives of every order are short. Knows statistics; what happens to the moving
ones after a step is said by `SameDiff.update`.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.checks import between, flag, not_negative
from sdgraph.errors import DTypeError, ShapeError
from sdgraph.infer.aval import normalize_axis, promote, shape_str
from sdgraph.infer.shapes import known_to_differ
from sdgraph.ops.layers import along
from sdgraph.ops.precision import cast_to, wide
from sdgraph.ops.reductions import working_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Axis, Operand, SDVariable

# ---------------------------------------------------------------------- numbers of mean 0 and variance 1


class _Centred(NamedTuple):
    """Deviations from the mean, scaled to 1 before they are squared: the scale cancels, rounding and all."""

    mean: SDVariable
    scaled: SDVariable
    scale: SDVariable
    """A constant to gradients."""
    variance: SDVariable
    """Of what is scaled."""


def _centred(x: SDVariable, axes: Sequence[int], epsilon: float) -> _Centred:
    sd, m = x.sd, x.sd.math
    mean = sd.mean(x, axes, keepdims=True)
    centred = x - mean
    least = max(math.sqrt(epsilon), 4 * float(np.finfo(x.dtype).tiny))
    scale = 1 / m.max(sd.largest(m.abs(centred), tuple(axes)), least)
    scaled = centred * scale
    return _Centred(mean, scaled, scale, sd.mean(m.square(scaled), axes, keepdims=True))


def _inverse(found: _Centred, epsilon: float) -> SDVariable:
    """One over the standard deviation of what is scaled; 0 if that is 0."""
    m = found.scale.sd.math
    spread = m.sqrt(found.variance + m.square(math.sqrt(epsilon) * found.scale))
    return 1 / spread if epsilon else m.divide_no_nan(1, spread)


def _whole_groups(mask: Mask, y: SDVariable, x: SDVariable, axes: Sequence[int], epsilon: float) -> Mask:
    """All that is averaged counts if any of it does."""
    return mask.over(*(k - x.ndim for k in axes)).moved(lambda c: c.sd.broadcast_like(c, x))


def _normal_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axes: Sequence[int], epsilon: float) -> SDVariable:
    sd = g.sd
    mean = functools.partial(sd.mean, axis=axes, keepdims=True)
    return _factor(sd, x, axes, epsilon) * (g - mean(g) - y * mean(g * y))


def _factor_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axes: Sequence[int], epsilon: float) -> SDVariable:
    sd = g.sd
    n = sd.axis_size(x, axes, x.dtype)
    return -(g * y * (y / n)) * _normal(sd, x, axes, epsilon)


@composite(vjp=_normal_vjp, reach=_whole_groups)
def _normal(sd: GraphLike, x: Operand, axes: Sequence[int], epsilon: float) -> SDVariable:
    """``(x - mean) / sqrt(variance + epsilon)``."""
    found = _centred(sd.as_variable(x), axes, epsilon)
    return found.scaled * _inverse(found, epsilon)


@composite(vjp=_factor_vjp, reach=_whole_groups)
def _factor(sd: GraphLike, x: Operand, axes: Sequence[int], epsilon: float) -> SDVariable:
    """``1 / sqrt(variance + epsilon)``, axes kept."""
    found = _centred(sd.as_variable(x), axes, epsilon)
    return found.scale * _inverse(found, epsilon)


# ---------------------------------------------------------------------- moving statistics


def _dtype(*operands: SDVariable | None) -> np.dtype[Any]:
    """That of what is normalised, in training and afterwards."""
    dtype = functools.reduce(promote, (v.dtype for v in operands if v is not None))
    return dtype if dtype.kind == "f" else np.dtype("float64")


def _moved(old: SDVariable, new: SDVariable, momentum: float) -> SDVariable:
    """``momentum old + (1 - momentum) new`` in the shape and the type of the old one."""
    sd = old.sd
    work = wide(old.dtype)
    kept = momentum * cast_to(old, work) + (1.0 - momentum) * cast_to(sd.reshape_like(new, old), work)
    return cast_to(kept, old.dtype)


def _inference(
    x: SDVariable,
    mean: SDVariable,
    variance: SDVariable,
    gamma: SDVariable | None,
    beta: SDVariable | None,
    *,
    epsilon: float,
    axis: Axis,
    **_: Any,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """By the moving statistics, which stay what they are."""
    y = x.sd.nn.batch_norm(x, mean, variance, gamma, beta, epsilon, axis)
    return cast_to(y, _dtype(x, mean, variance, gamma, beta)), mean, variance


def _check(x: SDVariable, statistics: Sequence[SDVariable], axes: Sequence[int]) -> None:
    """Raise unless statistics belong to these axes.

    Raises:
        ShapeError: If they do not.
        DTypeError: If numbers are complex, or statistics could not be held.
    """
    if x.dtype.kind == "c":
        raise DTypeError("Batches of real numbers are normalised.", given=x.dtype.name)
    for v in statistics:
        if v.dtype.kind != "f":
            raise DTypeError("Moving statistics are floating numbers.", given=f"{v.name!r}: {v.dtype.name}")
        sizes = along(v, x, tuple(axes)).shape
        if any(known_to_differ(sizes[k], x.shape[k]) for k in axes):
            raise ShapeError(
                f"{v.name!r} is no statistic of such a batch.",
                given=f"{shape_str(v.shape)} for {shape_str(x.shape)}",
                expected=shape_str(tuple(x.shape[k] for k in axes)),
                node=v.name,
                node_origin=v.origin,
            )


class SDBatchNorm(Namespace, prefix="nn", shared={}):
    """Batch normalisation of ``sd.nn``."""

    @composite(inference=_inference, domain=(0.1, 2))
    def batch_norm_training(
        self,
        x: Operand,
        mean: Operand,
        variance: Operand,
        gamma: Operand | None = None,
        beta: Operand | None = None,
        epsilon: float = 1e-5,
        axis: Axis = -1,
        momentum: float = 0.9,
        unbiased: bool = False,
        *,
        name: str | None = None,
    ) -> tuple[SDVariable, SDVariable, SDVariable]:
        """`batch_norm` by the statistics of the batch itself, and what the moving ones become.

        ``gamma * (x - m) / sqrt(v + epsilon) + beta`` with the mean m and the variance v of ``x`` over all axes but
        ``axis``. ``mean`` becomes ``momentum * mean + (1 - momentum) * m``, and ``variance`` likewise: see
        `SameDiff.update`. `SameDiff.predict`, `SameDiff.evaluate`, the validation of `SameDiff.fit`, and what is
        compiled with ``inference=True`` take the moving statistics instead. Nothing overflows or vanishes on the way.

        Args:
            x: Any shape.
            mean: Moving means, one axis per entry of ``axis``; or of the rank of ``x``, with size 1 along the others.
            variance: Moving variances, shaped like ``mean``.
            gamma: Scale, shaped like ``mean``; None means 1.
            beta: Offset, shaped like ``mean``; None means 0.
            epsilon: Added to the variance. With 0, numbers that are all equal give ``beta``.
            axis: The axis, or axes, of ``x`` that the statistics belong to.
            momentum: How much of the moving statistics stays.
            unbiased: Whether the variance that moves is divided by n - 1, as in PyTorch, so that it is NaN for one
                number; the one of y never is.

        Returns:
            What is normalised, in the shape of ``x`` and the promoted dtype; the next ``mean``; the next ``variance``.

        Raises:
            ShapeError: If statistics or parameters do not belong to these axes of ``x``.
            DTypeError: If ``x`` is complex, or the statistics are not floating.
            ArgumentError: If ``axis`` is not an axis of ``x``, ``epsilon`` is negative, or ``momentum`` does not lie
                between 0 and 1.

        References:
            S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
            covariate shift", ICML 2015, arXiv:1502.03167.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", (None, 2))
            >>> mean, variance = sd.var("mean", [0.0, 0.0]), sd.var("variance", [1.0, 1.0])
            >>> y, next_mean, next_variance = sd.nn.batch_norm_training(x, mean, variance, momentum=0.5)
            >>> sd.update(mean, next_mean)
            >>> sd.update(variance, next_variance)
            >>> next_mean.eval({x: [[1.0, 0.0], [3.0, 0.0]]})
            array([1., 0.])
        """
        sd, v = self.sd, self.sd.as_variable(x)
        not_negative("epsilon", epsilon)
        between("momentum", momentum, 0.0, 1.0, ends=True)
        axes = normalize_axis(axis, v.ndim)
        old = [sd.as_variable(mean), sd.as_variable(variance)]
        _check(v, old, axes)
        flag("unbiased", unbiased)
        scale, offset = (None if p is None else sd.as_variable(p) for p in (gamma, beta))
        others = tuple(k for k in range(v.ndim) if k not in axes)
        work = sd.cast(v, working_dtype(v).wide)
        out = _normal(sd, work, others, epsilon)
        out = out if scale is None else out * along(scale, v, axes)
        out = out if offset is None else out + along(offset, v, axes)
        found = _centred(work, others, epsilon)
        spread = found.variance / sd.math.square(found.scale)
        if unbiased:
            n = sd.axis_size(work, others, work.dtype)
            spread = spread * (n / (n - 1.0))
        out = cast_to(out, _dtype(v, *old, scale, offset))
        return out, _moved(old[0], found.mean, momentum), _moved(old[1], spread, momentum)
