"""Independent implementations of ops: numpy's, scipy's, mpmath's, or the formula written out in another way.

Each takes the op's operands as arrays and its attributes as keywords. Kernels that call the same numpy function as the
reference are compared too: the op's argument conventions are ours.
"""

import itertools
import math
import operator

import mpmath
import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats

from tests.ops import image_references, pictures_by_hand, recurrent, windows_by_hand


def exact(fn):
    """A function of real numbers by mpmath with fifty digits, rounded once."""

    def evaluate(*xs):
        with mpmath.workdps(50):
            return float(fn(*map(mpmath.mpf, map(float, xs))))

    vector = np.vectorize(evaluate, otypes=[float])
    return lambda *xs: vector(*xs) if np.broadcast(*xs).size else np.zeros(np.broadcast(*xs).shape)


def _axes(fn):
    return lambda x, axis=None, keepdims=False: fn(x, axis=axis, keepdims=keepdims)


def _swap(x, flag):
    return np.swapaxes(x, -1, -2) if flag and x.ndim > 1 else x


def _matmul_where(a, b, where_a=None, where_b=None):
    return np.where(True if where_a is None else where_a, a, 0) @ np.where(True if where_b is None else where_b, b, 0)


def _mmul(x, y, transpose_x=False, transpose_y=False, transpose_z=False, alpha=1.0):
    return alpha * _swap(np.matmul(_swap(x, transpose_x), _swap(y, transpose_y)), transpose_z)


def _cumulative(fn, start):
    def reference(x, axis=None, exclusive=False, reverse=False):
        if axis is None:
            return reference(x.reshape(-1), 0, exclusive, reverse)
        x = np.moveaxis(x, axis, 0)
        x = x[::-1] if reverse else x
        rows = [fn(x[: k + (not exclusive)], axis=0) if k + (not exclusive) else np.full(x.shape[1:], start)
                for k in range(len(x))]  # fmt: skip
        out = np.array(rows).reshape(x.shape)
        return np.moveaxis(out[::-1] if reverse else out, 0, axis)

    return reference


def _lines(x, axes):
    """The places of an array line by line: those that agree in all other axes, in row-major order."""
    along = {k % x.ndim for k in axes}
    lines = {}
    for at in np.ndindex(*x.shape):
        lines.setdefault(tuple(i for k, i in enumerate(at) if k not in along), []).append(at)
    return {off: tuple(np.array(ats).T) for off, ats in lines.items()}


def _through_several(reference):
    """A reference along one axis, for several too: line by line."""

    def through(*operands, **options):
        if not isinstance(options.get("axis"), tuple):
            return reference(*operands, **options)
        operands = np.broadcast_arrays(*operands)
        out = np.zeros(operands[0].shape)
        for places in _lines(out, options.pop("axis")).values():
            out[places] = reference(*(x[places] for x in operands), axis=0, **options)
        return out

    return through


def _place_of(choose):
    def reference(x, axis=None, keepdims=False):
        if not isinstance(axis, tuple):
            return choose(x, axis=axis, keepdims=keepdims)
        found = [choose(x[places]) for places in _lines(x, axis).values()]
        along = {k % x.ndim for k in axis}
        sizes = [1 if k in along else d for k, d in enumerate(x.shape) if keepdims or k not in along]
        return np.array(found).reshape(sizes)

    return reference


def _moved(x, axis=0, back=False):
    out = np.zeros_like(x)
    old, new = np.moveaxis(x, axis, 0), np.moveaxis(out, axis, 0)
    for k in range(len(old) - 1):
        new[k + (not back)] = old[k + back]
    return out


def _recurrence(a, b, axis=0, reverse=False):
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    order = range(len(b))[::-1] if reverse else range(len(b))
    out = np.zeros_like(b)
    last = None
    for k in order:
        out[k] = b[k] if last is None else a[k] * last + b[k]
        last = out[k]
    return np.moveaxis(out, 0, axis)


def _scatter(change):
    def reference(ref, indices, updates, axis=0):
        out = np.moveaxis(ref, axis, 0).copy()
        rows = np.moveaxis(updates, tuple(range(axis, axis + indices.ndim)), tuple(range(indices.ndim)))
        for where in np.ndindex(*indices.shape):
            out[indices[where]] = change(out[indices[where]], rows[where])
        return np.moveaxis(out, 0, axis)

    return reference


def _add_along_axis(ref, indices, updates, axis=-1):
    out = ref.copy()
    for where in np.ndindex(*indices.shape):
        at = list(where)
        at[axis] = indices[where]
        out[tuple(at)] += updates[where]
    return out


def _scatter_slices(like, *parts, keys):
    out = np.zeros(like.shape)
    for part, key in zip(parts, keys, strict=True):
        place = np.zeros(like.shape)
        place[tuple(slice(*k[1:]) if isinstance(k, tuple) else k for k in key)] = part
        out = out + place
    return out


def _matmul_like(a, b, like):
    product = a @ b
    lead = product.ndim - like.ndim
    product = product.sum(tuple(range(lead))) if lead > 0 else product
    ones = tuple(k for k in range(product.ndim) if like.shape[k - product.ndim] == 1)
    return np.broadcast_to(product.sum(ones, keepdims=True), like.shape)


def _unconcat(x, *inputs, axis):
    return tuple(np.split(x, np.cumsum([v.shape[axis] for v in inputs])[:-1], axis=axis))


def _scatter_nd_add(ref, indices, updates):
    out = ref.copy()
    for where in np.ndindex(*indices.shape[:-1]):
        out[tuple(indices[where])] += updates[where]
    return out


def _segment_sum(data, segment_ids, num_segments=None):
    ids = np.asarray(segment_ids)
    return np.array(
        [data[ids == k].sum(axis=0) for k in range(ids.max() + 1 if num_segments is None else num_segments)]
    )


def _segments(combine, empty):
    """The rows of each segment combined one after the other."""

    def reference(data, segment_ids, num_segments=None):
        ids = np.asarray(segment_ids)
        n = ids.max() + 1 if num_segments is None else num_segments
        out = []
        for k in range(n):
            rows = list(data[ids == k])
            out.append(combine(rows) if rows else np.full(data.shape[ids.ndim :], empty))
        return np.array(out).reshape(n, *data.shape[ids.ndim :])

    return reference


def _in_segments(step):
    """What goes through the rows of each segment: ``step`` from the last result and row, if any, and a row."""

    def reference(*operands, reverse):
        *rows, ids = operands
        rows = [np.reshape(x, (np.size(ids), -1) if np.size(ids) else (0, 1)) for x in rows]
        out, last = np.zeros(rows[-1].shape), {}
        order = range(len(rows[-1]))
        for k in reversed(order) if reverse else order:
            i = np.reshape(ids, -1)[k]
            here = tuple(x[k] for x in rows)
            out[k] = step(*last.get(i, (None, None)), *here)
            last[i] = out[k], here[-1]
        return out.reshape(operands[-2].shape)

    return reference


_MOVED = _in_segments(lambda before, row, x: 0.0 if row is None else row)
_RECURRENCE = _in_segments(lambda before, row, a, b: b if before is None else a * before + b)


def _largest_rows(rows):
    return np.max(rows, axis=0)


def _smallest_rows(rows):
    return np.min(rows, axis=0)


def _scatter_nd(change):
    def reference(ref, indices, updates):
        out = ref.copy()
        for where in np.ndindex(*indices.shape[:-1]):
            out[tuple(indices[where])] = change(out[tuple(indices[where])], updates[where])
        return out

    return reference


def _parts(x, partitions, num_partitions, sizes=None):
    ids = np.asarray(partitions)
    return tuple(np.array([x[at] for at in np.ndindex(*ids.shape) if ids[at] == k]).reshape(-1, *x.shape[ids.ndim :])
                 for k in range(num_partitions))  # fmt: skip


def _stitched(*inputs, size):
    half = len(inputs) // 2
    row = inputs[half].shape[np.ndim(inputs[0]) :]
    out = np.zeros((size, *row))
    for i, x in zip(inputs[:half], inputs[half:], strict=True):
        for at in np.ndindex(*np.shape(i)):
            out[np.asarray(i)[at]] = x[at]
    return out


def _reversed_sequences(x, lengths, seq_dim=-1, batch_dim=0):
    out = np.moveaxis(x, (batch_dim, seq_dim), (0, 1)).copy()
    for row, n in zip(out, lengths, strict=True):
        row[:n] = row[:n][::-1].copy()
    return np.moveaxis(out, (0, 1), (batch_dim, seq_dim))


def _dense(indices, values, default=0.0, *, shape):
    out = np.full(shape, default)
    rows = np.reshape(indices, (-1, len(shape)))
    for at, value in zip(rows, np.broadcast_to(values, len(rows)), strict=True):
        out[tuple(at)] = value
    return out


_CONDITIONS = {
    "greater_than": lambda x, v: x > v, "less_than": lambda x, v: x < v, "abs_less_than": lambda x, v: abs(x) < v,
    "abs_greater_than": lambda x, v: abs(x) > v, "equals": lambda x, v: x == v, "not_equals": lambda x, v: x != v,
    "is_nan": lambda x, v: np.isnan(x), "is_finite": lambda x, v: np.isfinite(x),
}  # fmt: skip


def _list_diff(x, y, size=None):
    kept = [k for k, v in enumerate(x) if v not in list(y)]
    holes = (len(kept) if size is None else size) - len(kept)
    x = np.asarray(x)
    return np.concatenate([x[kept], np.zeros(holes, x.dtype)]), np.array([*kept, *[-1] * holes], np.int64)


def _one_hot(indices, depth, axis=-1, on=1.0, off=0.0, dtype=None):
    hot = np.asarray(indices)[..., None] == np.arange(depth)
    return np.moveaxis(np.where(hot, on, off), -1, axis).astype(dtype or "float64")


def _clip_by_norm(x, clip_value, axis=None):
    norm = np.sqrt((x**2).sum(axis=axis, keepdims=True))
    return np.where(norm > clip_value, x * clip_value / np.where(norm == 0, 1, norm), x).reshape(x.shape)


def _clip_by_avg_norm(x, clip_value, axis=None):
    size = np.sqrt((x**2).sum(axis=axis, keepdims=True)) / (x.size if axis is None else x.shape[axis] or 1)
    return np.where(size > clip_value, x * clip_value / np.where(size == 0, 1, size), x).reshape(x.shape)


def _last_index(x, axis=None, keepdims=False):
    """The place of the last entry that is not 0, line by line."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return _place_of(lambda v, **_: max((k for k, e in enumerate(np.atleast_1d(v)) if e != 0), default=-1))(
        x, axes, keepdims
    )


def _first_index(x, axis=None, keepdims=False):
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return _place_of(lambda v, **_: min((k for k, e in enumerate(np.atleast_1d(v)) if e != 0), default=-1))(
        x, axes, keepdims
    )


def _set_diag(x, diag):
    out = x.copy()
    for at in np.ndindex(*diag.shape):
        out[(*at, at[-1])] = diag[at]
    return out


def _increases(holds):
    return lambda x: np.array(all(holds(a, b) for a, b in itertools.pairwise(x.reshape(-1).tolist())))


def _argsort(x, axis=-1, descending=False):
    places = np.zeros(x.shape, np.int64)
    for line in np.ndindex(*np.delete(x.shape, axis)):
        at = [*line]
        at.insert(axis % x.ndim, slice(None))
        v = x[tuple(at)].tolist()
        places[tuple(at)] = sorted(range(len(v)), key=lambda k: -v[k] if descending else v[k])
    return places


def _quantile(scale=1.0):
    def reference(x, q, axis=None, keepdims=False, interpolation="linear"):
        return np.quantile(x, np.asarray(q) / scale, axis=axis, keepdims=keepdims, method=interpolation)

    return reference


def _confusion(labels, pred, weights=None, num_classes=None):
    num_classes = max(*labels, *pred) + 1 if num_classes is None else num_classes
    out = np.zeros((num_classes, num_classes), np.int64 if weights is None else float)
    for k in range(len(labels)):
        out[labels[k], pred[k]] += 1 if weights is None else weights[k]
    return out


def _unpad(g, x, padding, mode="constant"):
    # The transpose of a linear map, found by applying the map to every unit vector.
    out = np.zeros(x.shape)
    for where in np.ndindex(*x.shape):
        unit = np.zeros(x.shape)
        unit[where] = 1.0
        out[where] = (np.pad(unit, padding, mode=mode) * g).sum()
    return out


def _layer_norm(x, gain=None, bias=None, channels_first=False, axis=-1, epsilon=1e-5):
    y = (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + epsilon)
    shape = (-1, *(1 for _ in x.shape[2:])) if channels_first else (-1,)
    y = y if gain is None else y * gain.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def _batch_norm(x, mean, variance, gamma=None, beta=None, epsilon=1e-5, axis=-1):
    axes = [k % x.ndim for k in np.atleast_1d(axis)]
    shape = [n if k in axes else 1 for k, n in enumerate(x.shape)]
    y = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + epsilon)
    y = y if gamma is None else y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)


def _batch_norm_training(x, mean, variance, gamma=None, beta=None, epsilon=1e-5, axis=-1, momentum=0.9, unbiased=False):
    others = tuple(k for k in range(x.ndim) if k not in [j % x.ndim for j in np.atleast_1d(axis)])
    n = math.prod(x.shape[k] for k in others)
    m, v = x.mean(others), x.var(others)
    moved = v * n / (n - 1) if unbiased else v
    new = [momentum * old + (1 - momentum) * now.reshape(old.shape) for old, now in ((mean, m), (variance, moved))]
    return _batch_norm(x, m, v, gamma, beta, epsilon, axis), *new


def _attention(q, k, v, mask=None, scaled=True):
    scores = np.swapaxes(k, -1, -2) @ q / (math.sqrt(q.shape[-2]) if scaled else 1)
    if mask is not None:
        scores = np.where(mask[:, :, None] == 0, -np.inf, scores)
    return v @ scipy.special.softmax(scores, axis=-2)


def _top_k(x, k, sorted=True):
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    order = order if sorted else np.sort(order, axis=-1)
    return np.take_along_axis(x, order, -1), order


def _rotate(x, n):
    bits = x.dtype.itemsize * 8
    wide = [(int(v) % (1 << bits), int(m) % bits) for v, m in np.broadcast(x, n)]
    out = [((v << m) | (v >> (bits - m))) % (1 << bits) for v, m in wide]
    unsigned = np.array(out, f"u{x.dtype.itemsize}").reshape(np.broadcast(x, n).shape)
    return unsigned.view(x.dtype)


def _gelu(x, approximate="none"):
    if approximate == "tanh":
        return exact(lambda v: v / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (v + 0.044715 * v**3))))(x)
    if approximate == "sigmoid":
        return exact(lambda v: v / (1 + mpmath.exp(-1.702 * v)))(x)
    return exact(lambda v: v * mpmath.ncdf(v))(x)


def _moments(x, axis=None, keepdims=False):
    return x.mean(axis=axis, keepdims=keepdims), x.var(axis=axis, keepdims=keepdims)


def _rows_of(fn):
    """A function of two joint vectors, over ``axis`` of operands that broadcast."""

    def reference(x, y, axis=None, keepdims=False):
        x, y = np.broadcast_arrays(x, y)
        return fn(x, y, axis=axis, keepdims=keepdims)

    return reference


def _cosine(x, y, **over):
    return (x * y).sum(**over) / np.sqrt((x * x).sum(**over)) / np.sqrt((y * y).sum(**over))


def _lstsq(a, b, l2_regularizer=0.0, fast=True):
    eye = np.sqrt(l2_regularizer) * np.eye(a.shape[-1])
    rows = [
        np.linalg.lstsq(np.vstack([m, eye]), np.vstack([r, np.zeros((len(eye), r.shape[-1]))]))[0]
        for m, r in zip(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), strict=True)
    ]
    return np.array(rows).reshape(*a.shape[:-2], a.shape[-1], b.shape[-1])


def _triangular(a, b, lower=True, adjoint=False):
    m = np.tril(a) if lower else np.triu(a)
    m = np.swapaxes(m, -1, -2) if adjoint else m
    return np.linalg.inv(m) @ b


def _cofactors(x):
    """Signed determinants of what is left without a row and a column."""
    n = len(x)
    minor = lambda i, j: np.delete(np.delete(x, i, 0), j, 1)  # noqa: E731
    return np.array([[(-1) ** (i + j) * np.linalg.det(minor(i, j)) for j in range(n)] for i in range(n)])


def _cofactors_gradient(g, x):
    """Each cofactor is a determinant of other entries, whose derivatives are cofactors again."""
    n, total = len(x), np.zeros_like(x)
    for i in range(n):
        for j in range(n):
            rows, columns = np.delete(np.arange(n), i), np.delete(np.arange(n), j)
            if n > 1:
                total[np.ix_(rows, columns)] += (-1) ** (i + j) * g[i, j] * _cofactors(x[np.ix_(rows, columns)])
    return total


def _batchwise(function):
    return lambda *xs: np.array(
        [function(*ms) for ms in zip(*(x.reshape(-1, *x.shape[-2:]) for x in xs), strict=True)]
    ).reshape(xs[0].shape)


def _l2(x):
    return math.fsum(v * v for v in x.reshape(-1).tolist()) / 2


def _rational_tanh(x):
    y = abs(2 * x / 3)
    return mpmath.mpf("1.7159") * mpmath.sign(x) * (1 - 1 / (1 + y + y**2 + mpmath.mpf("1.41645") * y**4))


ELEMENTARY = {
    "exp": mpmath.exp, "expm1": mpmath.expm1, "ln": mpmath.log, "log1p": mpmath.log1p, "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x), "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "asin": mpmath.asin,
    "acos": mpmath.acos, "atan": mpmath.atan, "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh,
    "asinh": mpmath.asinh, "acosh": mpmath.acosh, "atanh": mpmath.atanh, "erf": mpmath.erf, "erfc": mpmath.erfc,
    "lgamma": mpmath.loggamma, "digamma": mpmath.digamma, "erfinv": mpmath.erfinv,
    "rational_tanh": _rational_tanh, "rectified_tanh": lambda x: max(0, mpmath.tanh(x)),
    "hypot": mpmath.hypot, "atan2": mpmath.atan2, "pow": mpmath.power, "xlogy": lambda x, y: x * mpmath.log(y),
    "xlog1py": lambda x, y: x * mpmath.log1p(y), "reciprocal": lambda x: 1 / x, "cube": lambda x: x**3,
    "square": lambda x: x**2, "squared_difference": lambda x, y: (x - y) ** 2,
}  # fmt: skip
ACTIVATIONS = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)), "tanh": mpmath.tanh,
    "swish": lambda x: x / (1 + mpmath.exp(-x)), "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: max(-1, min(1, x)), "hard_sigmoid": lambda x: max(0, min(1, x / 5 + mpmath.mpf(1) / 2)),
    "precise_gelu": lambda x: x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + 0.044715 * x**3))),
    "selu": lambda x: 1.0507009873554804934 * (x if x > 0 else 1.6732632423543772848 * mpmath.expm1(x)),
}  # fmt: skip

REFERENCES = {
    **{f"math.{k}": exact(v) for k, v in ELEMENTARY.items()},
    **{f"nn.{k}": exact(v) for k, v in ACTIVATIONS.items()},
    "math.add": np.add, "math.sub": np.subtract, "math.mul": np.multiply, "math.div": np.divide,
    "math.neg": np.negative,
    "math.rsub": lambda x, y: y - x, "math.rdiv": lambda x, y: y / x, "math.floor_div": np.floor_divide,
    "math.abs": np.abs, "math.sign": np.sign, "math.max": np.maximum, "math.min": np.minimum, "math.ceil": np.ceil,
    "math.floor": np.floor, "math.round": np.round, "math.floor_mod": np.mod, "math.mod": np.mod,
    "math.fmod": np.fmod,
    "math.multiply_no_nan": np.multiply, "math.divide_no_nan": np.divide, "math.xdivy": np.divide,
    "math.merge_add": lambda *xs: np.array(sum(xs)), "math.is_nan": np.isnan, "math.is_infinite": np.isinf,
    "math.is_finite": np.isfinite, "math.step": lambda x, value=0.0: np.where(x >= value, 1.0, 0.0),
    "math.and_": np.logical_and, "math.or_": np.logical_or, "math.xor": np.logical_xor, "math.not_": np.logical_not,
    "math.clip_by_value": lambda x, clip_value_min, clip_value_max: np.clip(x, clip_value_min, clip_value_max),
    "math.clip_by_norm": _clip_by_norm,
    "math.log": lambda x, base=None: exact(lambda v: mpmath.log(v) if base is None else mpmath.log(v, base))(x),
    "math.log_sum_exp": lambda x, axis=None, keepdims=False: scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)
    if x.size or axis is not None else np.array(-np.inf),
    "math.entropy": lambda x, axis=None, keepdims=False: scipy.special.entr(x).sum(axis=axis, keepdims=keepdims),
    "math.count_zero": _axes(lambda x, **over: (x == 0).sum(**over)),
    "math.hamming_distance": _rows_of(lambda x, y, **over: (x != y).sum(**over)),
    "math.jaccard_distance": _rows_of(
        lambda x, y, **over: 1 - np.minimum(x, y).sum(**over) / np.maximum(x, y).sum(**over)),
    "math.first_index": _first_index, "math.last_index": _last_index,
    "math.iamax": _place_of(lambda x, **over: np.argmax(np.abs(x), **over)),
    "math.iamin": _place_of(lambda x, **over: np.argmin(np.abs(x), **over)),
    "math.is_non_decreasing": _increases(operator.le), "math.is_strictly_increasing": _increases(operator.lt),
    "math.log_entropy": _axes(lambda x, **over: np.log(scipy.special.entr(x).sum(**over))),
    "math.shannon_entropy": _axes(lambda x, **over: -(x * np.log2(x)).sum(**over)),
    "math.reduce_amean": _axes(lambda x, **over: np.abs(x).mean(**over)),
    "math.reduce_amin": _axes(lambda x, **over: np.abs(x).min(**over)),
    "math.clip_by_avg_norm": _clip_by_avg_norm, "math.set_diag": _set_diag,
    "math.merge_avg": lambda *xs: np.array(sum(xs)) / len(xs),
    "math.merge_max": lambda *xs: np.max(np.broadcast_arrays(*xs), axis=0),
    "math.merge_max_index": lambda *xs, dtype="int32": np.argmax(np.stack(xs), axis=0).astype(dtype),
    "math.meshgrid": lambda *xs, cartesian=True: tuple(np.meshgrid(*xs, indexing="xy" if cartesian else "ij")),
    "math.embedding_lookup": lambda x, indices: x[indices],
    "math.normalize_moments": lambda n, s, q, shift=0.0: tuple(
        np.broadcast_arrays(s / n + shift, q / n - (s / n) ** 2)),
    "math.quantile": _quantile(), "math.percentile": _quantile(100.0),
    "math.median": lambda x, axis=None, keepdims=False: np.median(x, axis=axis, keepdims=keepdims),
    "math.polygamma": lambda x, n: exact(lambda v: mpmath.psi(n, v))(x),
    "math.zeta": exact(mpmath.zeta),
    "math.igamma": exact(lambda a, x: mpmath.gammainc(a, 0, x, regularized=True)),
    "math.igammac": exact(lambda a, x: mpmath.gammainc(a, x, mpmath.inf, regularized=True)),
    "math.betainc": exact(lambda a, b, x: mpmath.betainc(a, b, 0, x, regularized=True)),
    "math.igamma_slope": exact(lambda a, x: x ** (a - 1) * mpmath.exp(-x) / mpmath.gamma(a)),
    "math.betainc_slope": exact(lambda a, b, x: x ** (a - 1) * (1 - x) ** (b - 1) / mpmath.beta(a, b)),
    "math.count_non_zero": lambda x, axis=None, keepdims=False: np.count_nonzero(x, axis=axis, keepdims=keepdims),
    "math.zero_fraction": lambda x: np.mean(x == 0),
    "math.standardize": lambda x, axis=None: (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True),
    "math.moments": _moments, "math.is_max": lambda x, axis=None: x == x.max(axis=axis, keepdims=True, initial=-np.inf),
    "math.cosine_similarity": _rows_of(_cosine),
    "math.cosine_distance": _rows_of(lambda x, y, **over: 1 - _cosine(x, y, **over)),
    "math.euclidean_distance": _rows_of(lambda x, y, **over: np.sqrt(((x - y) ** 2).sum(**over))),
    "math.manhattan_distance": _rows_of(lambda x, y, **over: np.abs(x - y).sum(**over)),
    "math.diag": lambda x: np.diag(x.reshape(-1)).reshape(x.shape * 2),
    "math.diag_part": lambda x: np.diag(x.reshape(2 * (math.isqrt(x.size),))).reshape(x.shape[: x.ndim // 2]),
    "math.eye": lambda rows, cols=None, dtype=None, dimensions=(): np.broadcast_to(
        np.eye(rows, cols), (*dimensions, rows, cols or rows)),
    "math.eye_like": lambda x: np.broadcast_to(np.eye(*x.shape[-2:]), x.shape),
    "math.trace": lambda x: np.trace(x, axis1=-2, axis2=-1), "math.confusion_matrix": _confusion,
    "sum": _axes(np.sum), "mean": _axes(np.mean), "prod": _axes(np.prod), "max": _axes(np.max), "min": _axes(np.min),
    "all": _axes(np.all), "any": _axes(np.any), "norm1": lambda x, **over: np.abs(x).sum(**over),
    "norm2": lambda x, **over: np.sqrt((x * x).sum(**over)), "normmax": lambda x, **over: np.abs(x).max(**over),
    "squared_norm": lambda x, **over: (x * x).sum(**over),
    "variance": lambda x, bias_corrected=False, **over: np.var(x, ddof=int(bias_corrected), **over),
    "standard_deviation": lambda x, bias_corrected=False, **over: np.std(x, ddof=int(bias_corrected), **over),
    "argmax": _place_of(np.argmax), "argmin": _place_of(np.argmin),
    "dot": _rows_of(lambda x, y, **over: (x * y).sum(**over)),
    "cumsum": _through_several(_cumulative(np.sum, 0.0)), "cumprod": _through_several(_cumulative(np.prod, 1.0)),
    "linear_recurrence": _through_several(_recurrence), "shifted": _through_several(_moved),
    "identity": np.array, "stop_gradient": np.array, "checked_whole": np.array,
    "mask_gradient": lambda x, mask: x,
    "assign": lambda x, y: np.broadcast_to(y, x.shape), "cast": lambda x, dtype: x.astype(dtype), "where": np.where,
    "eq": np.equal, "neq": np.not_equal, "lt": np.less, "lte": np.less_equal, "gt": np.greater, "gte": np.greater_equal,
    "mmul": _mmul, "linalg.mmul": _mmul, "linalg.matmul": np.matmul,
    "linalg.matmul_where": _matmul_where,
    "tensordot": lambda x, y, axes_x, axes_y: np.tensordot(x, y, (axes_x, axes_y)),
    "invert_permutation": np.argsort,
    "reshape": lambda x, shape: x.reshape(shape), "reshape_like": lambda x, like: x.reshape(like.shape),
    "broadcast_to": np.broadcast_to, "broadcast_like": lambda x, like: np.broadcast_to(x, like.shape),
    "expand_dims": np.expand_dims, "squeeze": lambda x, axis=None: np.squeeze(x, axis), "permute": np.transpose,
    "transpose": np.transpose, "reverse": lambda x, axis=None: np.flip(x, axis),
    "sort": lambda x, axis=-1, descending=False: np.take_along_axis(x, _argsort(x, axis, descending), axis),
    "argsort": _argsort,
    "concat": lambda *xs, axis=0: np.concatenate(xs, axis), "stack": lambda *xs, axis=0: np.stack(xs, axis),
    "split": lambda x, num_split, axis=0: tuple(np.split(x, num_split, axis)),
    "split_v": lambda x, sizes, num_split=None, axis=0: tuple(np.split(x, np.cumsum(sizes)[:-1], axis)),
    "flatten": lambda *xs, order="c": np.concatenate([x.flatten(order.upper()) for x in xs]),
    "dynamic_partition": _parts, "dynamic_stitch": _stitched, "reverse_sequence": _reversed_sequences,
    "sparse_to_dense": _dense, "is_numeric_tensor": lambda x: np.array(x.dtype != bool),
    "match_condition": lambda x, condition, value=0.0: _CONDITIONS[condition](x, value),
    "match_condition_count": lambda x, condition, value=0.0, **over: np.sum(
        _CONDITIONS[condition](x, value), dtype=np.int64, **over),
    "replace_where": lambda x, new, condition, value=0.0: np.where(_CONDITIONS[condition](x, value), new, x),
    "einsum": lambda *xs, equation: np.einsum(equation, *xs),
    "math.list_diff": _list_diff,
    "unstack": lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)), "tile": np.tile,
    "repeat": lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
    "fill": lambda shape, value, dtype="float64": np.full(shape, value, dtype),
    "linspace": lambda start, stop, number: np.linspace(start, stop, number),
    "zeros_like": lambda x, dtype=None: np.zeros(x.shape, dtype),
    "ones_like": lambda x, dtype=None: np.ones(x.shape, dtype),
    "full_like": lambda x, value, dtype=None: np.full(x.shape, value, dtype), "one_hot": _one_hot,
    "sequence_mask": lambda lengths, max_len=None, dtype=bool: (
        np.arange(max(lengths) if max_len is None else max_len) < np.asarray(lengths)[..., None]).astype(dtype),
    "shape": lambda x: np.array(x.shape, np.int64), "rank": lambda x: np.array(x.ndim),
    "size": lambda x: np.array(x.size),
    "gather": lambda x, indices, axis=0: np.take(x, indices, axis),
    "gather_nd": lambda x, indices: x[tuple(np.moveaxis(np.asarray(indices), -1, 0))],
    "take_along_axis": lambda x, indices, axis=-1: np.take_along_axis(x, indices, axis),
    "linalg.matmul_like": _matmul_like, "unconcat": _unconcat, "scatter_slices": _scatter_slices,
    "add_along_axis": _add_along_axis, "scatter_add": _scatter(np.add),
    "scatter_update": _scatter(lambda old, new: new),
    "scatter_sub": _scatter(np.subtract), "scatter_mul": _scatter(np.multiply), "scatter_div": _scatter(np.divide),
    "scatter_max": _scatter(np.maximum), "scatter_min": _scatter(np.minimum),
    "scatter_nd_sub": _scatter_nd(np.subtract), "scatter_nd_update": _scatter_nd(lambda old, new: new),
    "moved_in_segments": lambda x, ids, back=False: _MOVED(x, ids, reverse=back),
    "recurrence_in_segments": lambda a, b, ids, reverse=False: _RECURRENCE(a, b, ids, reverse=reverse),
    "rows_by_part": lambda partitions, sizes: np.array(
        sorted(range(np.size(partitions)), key=lambda k: np.reshape(partitions, -1)[k]), np.int64),
    "segment_max": _segments(_largest_rows, 0.0), "segment_min": _segments(_smallest_rows, 0.0),
    "segment_mean": _segments(lambda rows: sum(rows) / len(rows), 0.0), "segment_prod": _segments(math.prod, 1.0),
    "unsorted_segment_max": _segments(_largest_rows, np.finfo("float64").min),
    "unsorted_segment_min": _segments(_smallest_rows, np.finfo("float64").max),
    "unsorted_segment_mean": _segments(lambda rows: sum(rows) / len(rows), 0.0),
    "unsorted_segment_prod": _segments(math.prod, 1.0),
    "unsorted_segment_sqrt_n": _segments(lambda rows: sum(rows) / math.sqrt(len(rows)), 0.0),
    "scatter_nd_add": _scatter_nd_add, "segment_sum": _segment_sum, "unsorted_segment_sum": _segment_sum,
    "linalg.cross": lambda a, b: np.cross(a, b), "linalg.diag": lambda x: x[..., None] * np.eye(x.shape[-1]),
    "linalg.diag_part": lambda x: np.diagonal(x, axis1=-2, axis2=-1),
    "linalg.tri": lambda rows, columns=None, diagonal=0, dtype=float: np.tri(rows, columns, diagonal, dtype),
    "linalg.triu": lambda x, diagonal=0: np.triu(x, diagonal),
    "linalg.tril": lambda x, diagonal=0: np.tril(x, diagonal),
    "linalg.solve": lambda a, b, adjoint=False: np.linalg.inv(np.swapaxes(a, -1, -2) if adjoint else a) @ b,
    "linalg.triangular_solve": _triangular, "linalg.lstsq": _lstsq, "linalg.matrix_inverse": np.linalg.inv,
    "linalg.matrix_determinant": np.linalg.det, "linalg.logdet": lambda x: np.linalg.slogdet(x)[1],
    "linalg.cholesky": np.linalg.cholesky, "linalg.cofactors": _batchwise(_cofactors),
    "linalg.cofactors_gradient": _batchwise(_cofactors_gradient),
    "bitwise.and_": np.bitwise_and, "bitwise.or_": np.bitwise_or, "bitwise.xor": np.bitwise_xor,
    "bitwise.toggle_bits": np.invert, "bitwise.left_shift": np.left_shift, "bitwise.right_shift": np.right_shift,
    "bitwise.bit_shift": np.left_shift, "bitwise.bit_shift_right": np.right_shift,
    "bitwise.left_shift_cyclic": _rotate, "bitwise.right_shift_cyclic": lambda x, n: _rotate(x, -np.asarray(n)),
    "bitwise.bit_rotl": _rotate, "bitwise.bit_rotr": lambda x, n: _rotate(x, -np.asarray(n)),
    "bitwise.bits_hamming_distance": lambda x, y: np.array(
        sum((int(a) ^ int(b)).bit_count() for a, b in np.broadcast(x, y)), np.int64),
    "nn.softmax": lambda x, axis=-1: scipy.special.softmax(x, axis) if x.size else x,
    "nn.log_softmax": lambda x, axis=-1: scipy.special.log_softmax(x, axis) if x.size else x,
    "nn.relu": lambda x, cutoff=0.0: np.where(x > cutoff, x, 0), "nn.crelu": lambda x, axis=-1: np.concatenate(
        [np.maximum(x, 0), np.maximum(-x, 0)], axis),
    "nn.leaky_relu": lambda x, alpha=0.01: np.where(x > 0, x, alpha * x),
    "nn.elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)), "nn.gelu": _gelu,
    "nn.linear": lambda x, w, b=None, transpose_a=False, transpose_b=False, transpose_c=False: _mmul(
        x, w, transpose_a, transpose_b, transpose_c) + (0 if b is None else b),
    "nn.relu_layer": lambda x, w, b=None: np.maximum(x @ w + (0 if b is None else b), 0),
    "nn.bias_add": lambda x, b, nchw=False: x + (b.reshape(-1, *(1 for _ in x.shape[2:])) if nchw else b),
    "nn.layer_norm": _layer_norm, "nn.batch_norm": _batch_norm,
    "nn.batch_norm_training": _batch_norm_training,
    "cnn.windows": pictures_by_hand.windows, "cnn.add_windows": pictures_by_hand.add_windows,
    "cnn.im2_col": pictures_by_hand.columns_of, "cnn.col2_im": pictures_by_hand.pictures_of,
    "cnn.extract_image_patches": pictures_by_hand.patches, "cnn.dilation2d": pictures_by_hand.dilation,
    "cnn.local_response_normalization": pictures_by_hand.local_response,
    "cnn.enlarge": lambda x, factors: np.kron(x, np.ones(factors)),
    "cnn.block_sums": pictures_by_hand.block_sums,
    "cnn.upsampling2d": lambda x, scale_h, scale_w=None, nchw=False: x.repeat(scale_h, 2 if nchw else 1).repeat(
        scale_w or scale_h, 3 if nchw else 2),
    "cnn.upsampling3d": lambda x, ncdhw, scale_d, scale_h, scale_w: np.kron(
        x, np.ones((1, 1, scale_d, scale_h, scale_w) if ncdhw else (1, scale_d, scale_h, scale_w, 1))),
    "cnn.space_to_depth": pictures_by_hand.to_depth, "cnn.depth_to_space": pictures_by_hand.to_space,
    "cnn.space_to_batch": pictures_by_hand.to_batch, "cnn.batch_to_space": pictures_by_hand.from_batch,
    "nn.dot_product_attention": _attention,
    **recurrent.REFERENCES,
    "nn.pad": lambda x, padding, mode="constant", constant=0.0: x if not padding else np.pad(
        x, padding, mode, **({"constant_values": constant} if mode == "constant" else {})),
    "nn.unpad": _unpad, "nn.top_k": _top_k, "loss.l2_loss": _l2,
    **image_references.REFERENCES,
    **windows_by_hand.REFERENCES,
}  # fmt: skip

# Relative errors above 1e-14: sums in another order, or several roundings of a condition number.
TOLERANCES = {
    "linalg.lstsq": 1e-12, "linalg.solve": 1e-13, "linalg.triangular_solve": 1e-13, "linalg.matrix_inverse": 1e-13,
    "linalg.matrix_determinant": 1e-13,
    "linalg.cofactors": 1e-13, "linalg.cofactors_gradient": 1e-13,
    "linalg.logdet": 1e-13, "linalg.cholesky": 1e-13, "math.standardize": 1e-13,
    "nn.layer_norm": 1e-13,
}  # fmt: skip
