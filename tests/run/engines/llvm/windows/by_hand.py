"""Convolutions by loops over places and entries, as the formula says, and problems of all kinds."""

from typing import NamedTuple

import numpy as np

LAYOUTS = {
    "cnn.conv": ("x", "w", "y"),
    "cnn.conv_input": ("y", "w", "x"),
    "cnn.conv_kernel": ("x", "y", "w"),
}
"""By operation its operands and its result, of the three arrays of a convolution."""


class Problem(NamedTuple):
    """Shapes and settings of a convolution, and numbers for its three arrays."""

    arrays: dict
    settings: dict

    def attrs(self, key):
        """The settings of an operation."""
        sizes = {"cnn.conv_input": self.arrays["x"].shape[1:-1], "cnn.conv_kernel": self.arrays["w"].shape[:-2]}
        return {**self.settings, **({"sizes": sizes[key]} if key in sizes else {})}

    def operands(self, key):
        """The arrays that an operation reads."""
        return [self.arrays[name] for name in LAYOUTS[key][:2]]


def made(n, sizes, c, f, k, *, strides=None, dilation=None, pads=None, groups=1, dtype="float64", seed=0):
    """A problem; settings that are not given are those that do nothing."""
    d = len(sizes)
    settings = {
        "strides": strides or (1,) * d,
        "dilation": dilation or (1,) * d,
        "pads": pads or ((0, 0),) * d,
        "groups": groups,
    }
    of = zip(sizes, k, settings["strides"], settings["dilation"], settings["pads"], strict=True)
    outs = [max((m + low + high - e * (kk - 1) - 1) // s + 1, 0) for m, kk, s, e, (low, high) in of]
    rng = np.random.default_rng(seed)
    shapes = {"x": (n, *sizes, c), "w": (*k, c // groups, f), "y": (n, *outs, f)}
    return Problem({name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}, settings)


def drawn(seed, dtype):
    """A random problem of one to three axes, with something to compute."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 4))

    def each(low, high):
        return tuple(int(v) for v in rng.integers(low, high, d))

    k, strides, dilation = each(1, 5 if d < 3 else 4), each(1, 4), each(1, 4)
    pads = tuple(zip(each(-1, 4), each(-1, 4), strict=True))
    least = (e * (kk - 1) + 1 - min(a, 0) - min(b, 0) for e, kk, (a, b) in zip(dilation, k, pads, strict=True))
    sizes = tuple(n + more for n, more in zip(least, each(0, 6), strict=True))
    groups, per_group, filters = (
        int(rng.choice([1, 1, 2, 3])),
        int(rng.integers(1, 6)),
        int(rng.choice([1, 2, 7, 8, 17])),
    )
    if rng.random() < 0.3:  # Channels with kernels of their own.
        groups, per_group, filters = int(rng.integers(2, 36)), 1, int(rng.choice([1, 1, 2]))
    c, f = groups * per_group, groups * filters
    known = {"strides": strides, "dilation": dilation, "pads": pads, "groups": groups, "dtype": dtype, "seed": seed}
    return made(int(rng.integers(1, 4)), sizes, c, f, k, **known)


def computed(problem, key):
    """The result of an operation in double precision."""
    arrays = {name: a.astype("float64") for name, a in problem.arrays.items()}
    out = LAYOUTS[key][-1]
    arrays[out] = np.zeros_like(arrays[out])
    x, w, y = (arrays[name] for name in "xwy")
    strides, dilation, pads, groups = (problem.settings[n] for n in ("strides", "dilation", "pads", "groups"))
    c, f = w.shape[-2], w.shape[-1] // groups
    for o in np.ndindex(*y.shape[1:-1]):
        for t in np.ndindex(*w.shape[:-2]):
            at = [s * i + e * j - low for s, i, e, j, (low, _) in zip(strides, o, dilation, t, pads, strict=True)]
            if not all(0 <= i < n for i, n in zip(at, x.shape[1:-1], strict=True)):
                continue
            for g in range(groups):
                xs, ys = (slice(None), *at, slice(g * c, g * c + c)), (slice(None), *o, slice(g * f, g * f + f))
                ws = (*t, slice(None), ys[-1])
                if out == "y":
                    y[ys] += x[xs] @ w[ws]
                elif out == "x":
                    x[xs] += y[ys] @ w[ws].T
                else:
                    w[ws] += x[xs].T @ y[ys]
    return arrays[out]
