"""What entries are divided by where a length, or a mean square, is to become 1. Squares neither overflow nor vanish."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.ops.reductions import working_dtype


def unit(x: SDVariable, axes: Sequence[int], least: float) -> SDVariable:
    """``x / max(sqrt(sum x^2), least)`` over axes."""
    sd, work = x.sd, working_dtype(x)
    scaled, scale = _scaled(x, axes, least)
    squares = sd.sum(sd.math.square(scaled), axis=axes, keepdims=True)
    return sd.cast(scaled * sd.math.rsqrt(sd.math.max(squares, sd.math.square(least * scale))), work.narrow)


def by_root_mean_square(x: SDVariable, axes: Sequence[int], epsilon: float, *, centred: bool = False) -> SDVariable:
    """``x / sqrt(mean x^2 + epsilon)`` over axes; the mean square of deviations from the mean if ``centred``."""
    sd, work = x.sd, working_dtype(x)
    root = math.sqrt(epsilon)
    scaled, scale = _scaled(x, axes, root)
    of = scaled - sd.mean(scaled, axis=axes, keepdims=True) if centred else scaled
    mean = sd.mean(sd.math.square(of), axis=axes, keepdims=True)
    return sd.cast(scaled * sd.math.rsqrt(mean + sd.math.square(root * scale)), work.narrow)


def _scaled(x: SDVariable, axes: Sequence[int], least: float) -> tuple[SDVariable, SDVariable]:
    """``x`` times a factor that makes its largest entry 1 at most, and that factor, a constant to gradients."""
    sd, work = x.sd, working_dtype(x)
    x = sd.cast(x, work.wide)
    floor = max(least, 4 * float(np.finfo(work.wide).tiny))
    scale = 1 / sd.math.max(sd.largest(sd.math.abs(x), axes), floor)
    return x * scale, scale
