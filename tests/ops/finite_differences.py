"""Checks gradients of any order against finite differences along random directions."""

import numpy as np

from sdgraph import SameDiff


def weighted(sd, y, seed):
    """A scalar that depends on every element of ``y`` differently."""
    total = None
    for part in y if isinstance(y, tuple) else (y,):
        # The weights take the part's own shape at run time, which may be unknown now.
        ramp = sd.cumsum(sd.ones_like(sd.reshape(part, -1)), 0)
        term = sd.dot(sd.reshape(part, -1), sd.math.cos(ramp * 0.7 + seed) + 1.5)
        total = term if total is None else total + term
    return total


def directional(y, feeds, floats, directions, step=1e-3):
    """Five-point derivative of ``y`` along ``directions``."""

    def at(k):
        moved = {n: feeds[n] + k * step * d for n, d in zip(floats, directions, strict=True)}
        return float(y.eval({**feeds, **moved}))

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def check_gradients(function, *arrays, orders=2, tolerance=1e-6, unknown=False):
    """Compare gradients up to the given order of ``function(sd, *variables)`` for every floating array."""
    sd = SameDiff(dtype="float64")
    feeds, operands = {}, []
    for k, a in enumerate(map(np.asarray, arrays)):
        v = sd.placeholder(f"p{k}", shape=(None,) * a.ndim if unknown else a.shape, dtype=a.dtype)
        feeds[v.name] = a
        operands.append(v)
    floats = [v.name for v in operands if v.dtype.kind == "f"]
    y = weighted(sd, function(sd, *operands), 0.3)
    rng = np.random.default_rng(0)
    for order in range(1, orders + 1):
        gradients = sd.grad(y, floats)
        gradients = list(gradients) if isinstance(gradients, list | tuple) else [gradients]
        values = [g.eval(feeds) for g in gradients]
        for name, value in zip(floats, values, strict=True):
            assert value.shape == feeds[name].shape
        directions = [rng.standard_normal(feeds[n].shape) for n in floats]
        expected = directional(y, feeds, floats, directions)
        got = sum(float(np.sum(v * d)) for v, d in zip(values, directions, strict=True))
        scale = max(1.0, abs(expected), *(np.abs(v).max(initial=0) for v in values))
        assert abs(got - expected) <= tolerance * scale, f"order {order}: {got} against {expected}"
        y = weighted(sd, tuple(gradients), 0.1 * order)
