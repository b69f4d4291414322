"""Gradients against finite differences of the direct evaluation, where the function is smooth.

Must not know programs: it is given a graph, its feeds, what was differentiated and what came out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdgraph import SameDiff
from sdgraph.build.variable import SDVariable
from tests.fuzz.direct import Direct

_STEPS = (1e-3, 1e-4, 1e-5)


def against_differences(
    sd: SameDiff, feeds: dict[str, np.ndarray], y: SDVariable, asked: Sequence[tuple[np.ndarray, SDVariable]]
) -> str | None:
    """In words, how gradients of the sum of ``y`` differ from its slope in one random direction; None if they do not.

    Says nothing where a kink or a jump is near: there the slopes to both sides, or over two distances, disagree.
    """
    rng = np.random.default_rng(1)
    wide = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in feeds.items()}
    base = {v.name: wide[v.name] if v.name in wide else sd.values[v.id].astype(np.float64) for _, v in asked}
    directions = {name: rng.standard_normal(a.shape) for name, a in base.items()}

    stopped = False

    def at(h: float) -> tuple[float, list[bytes]]:
        nonlocal stopped
        moved = {name: a + h * directions[name] for name, a in base.items()}
        fed = {**wide, **{name: a for name, a in moved.items() if name in wide}}
        direct = Direct(sd, fed, variables=moved)
        value = float(np.sum(direct.value(y.id)))
        stopped = stopped or direct.not_smooth
        return value, direct.stairs

    def near(h: float) -> tuple[float, float] | None:
        values, stairs = zip(*[at(k * h) for k in (-2, -1, 0, 1, 2)], strict=True)
        # Many steps close together look like a slope.
        return _slope(list(values), h, scale, exact) if all(s == stairs[0] for s in stairs) else None

    terms = [g * directions[v.name] for g, v in asked]
    slope, scale = (sum(float(np.sum(part(t))) for t in terms) for part in (np.asarray, np.abs))
    if not np.isfinite(slope):
        return None
    # The graph's own numbers, such as 2 / sqrt(pi), are rounded to its dtype.
    exact = max(1e-4, 4 * float(np.finfo(sd.dtype).eps))
    found = [s for s in map(near, _STEPS) if s is not None]
    if stopped:
        return None  # Gradients take something on the way for a constant.
    agree = any(abs(a - b) <= s + t for k, (a, s) in enumerate(found) for b, t in found[k + 1 :])
    if not agree or any(abs(slope - central) <= tolerance for central, tolerance in found):
        return None
    return f"the slope is {slope!r}, differences say {', '.join(repr(central) for central, _ in found)}"


def _slope(values: list[float], h: float, scale: float, exact: float) -> tuple[float, float] | None:
    """The slope by five values a step apart, and what a gradient may differ by; None where it is not smooth."""
    if not np.all(np.isfinite(values)):
        return None
    a, b, middle, c, d = values
    simple = (c - b) / (2 * h)
    central = (8 * (c - b) - (d - a)) / (12 * h)
    size = max(abs(central), scale, 1e-3)
    rounding = 1e-13 * max(map(abs, values)) / h
    bends = abs((c - middle) - (middle - b)) / h > 0.05 * size + rounding
    if bends or abs(simple - central) > 1e-2 * size + rounding:
        return None
    return central, exact * size + 100 * abs(simple - central) + 10 * rounding
