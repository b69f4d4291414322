"""Normalisation by nearby channels, ``sd.cnn.local_response_normalization``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.checks import finite, positive, whole
from sdgraph.errors import DTypeError, ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.ops.cnn.rearranging import ImageFormat, space_axes
from sdgraph.ops.reductions import working_dtype

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand, SDVariable


class SDLocal(
    Namespace,
    prefix="cnn",
    shared={"data_format": '``"NCHW"`` if channels are axis 1, ``"NHWC"`` if they are the last one.'},
):
    """Normalisation of ``sd.cnn``."""

    @composite
    def local_response_normalization(
        self,
        x: Operand,
        alpha: float = 1.0,
        beta: float = 0.5,
        bias: float = 1.0,
        depth: int = 5,
        data_format: ImageFormat = "NHWC",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``x / (bias + alpha s)^beta``, where s is the sum of the squares of nearby channels, at most ``depth`` away.

        No square overflows or vanishes on the way.

        Args:
            x: Real numbers, rank 3 or more.
            alpha: What the sum of squares is multiplied with.
            beta: The exponent.
            bias: What is added to it, above 0.
            depth: How many channels on either side count.

        Returns:
            The same shape, floating dtype.

        Raises:
            ShapeError: If there are no channels beside pictures.
            DTypeError: If the numbers are complex.
            ArgumentError: If the format is unknown, ``alpha`` or ``beta`` is no finite number, ``bias`` no positive
                one, or ``depth`` no whole number, 0 or more.

        References:
            A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional neural
            networks", Advances in Neural Information Processing Systems 25, 2012.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.cnn.local_response_normalization([[[[2.0, 1.0]]]], depth=1, bias=4.0).eval().ravel()
            array([0.66666667, 0.33333333])
        """
        sd, m, v = self.sd, self.sd.math, self.sd.as_variable(x)
        finite("alpha", alpha)
        finite("beta", beta)
        positive("bias", bias)
        whole("depth", depth, least=0)
        channels = 1 if space_axes(data_format) == (2, 3) else -1
        if v.ndim < 3:
            raise ShapeError("Channels stand beside pictures: rank 3 or more.", given=shape_str(v.shape))
        if v.dtype.kind == "c":
            raise DTypeError("This is for real numbers.", given=v.dtype.name)
        work = working_dtype(v)
        near = _nearby(sd.cast(v, work.wide), channels % v.ndim, depth)
        # Squares of numbers up to 1: the scale cancels, so that it is a constant to gradients.
        scale = m.max(m.min(sd.largest(m.abs(near), -1), float(np.finfo(work.wide).max)), 1.0)
        small = 1.0 / scale
        total = bias * m.square(small) + alpha * sd.sum(m.square(near * small), -1, keepdims=True)
        own = sd.expand_dims(sd.cast(v, work.wide), -1) * small
        return sd.cast(sd.squeeze(own * scale ** (1.0 - 2.0 * beta) * total**-beta, -1), work.narrow)


def _nearby(x: SDVariable, axis: int, depth: int) -> SDVariable:
    """For each entry those at most ``depth`` away along an axis, as a last axis; 0 where there is none."""
    widths = [(depth, depth) if k == axis else (0, 0) for k in range(x.ndim)]
    return x.sd.cnn.windows(x.sd.nn.pad(x, widths), axis, 2 * depth + 1)
