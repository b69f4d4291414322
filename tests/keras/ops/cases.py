"""One call or more of every operation, with what numpy and scipy give for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("float32")


X, Y, V, W = numbers(4, 6), numbers(4, 6), numbers(6), numbers(6, 5)
UNIT = RNG.uniform(-0.9, 0.9, (4, 6)).astype("float32")
POSITIVE = RNG.uniform(0.1, 3, (4, 6)).astype("float32")
PROBABILITIES = scipy.special.softmax(numbers(4, 6), -1).astype("float32")
IDS = np.array([0, 2, 1, 2], "int32")
INTS, BOOLS = RNG.integers(-3, 4, (4, 6)).astype("int32"), RNG.random((4, 6)) > 0.5
CUBE = numbers(2, 3, 4)
SQUARE = numbers(3, 4, 4)
DEFINITE = (SQUARE @ SQUARE.transpose(0, 2, 1) + 2 * np.eye(4)).astype("float32")
EDGES = np.array([[np.nan, np.inf, -np.inf, 1.0]], "float32")
IMAGE, LINE, BLOCK = numbers(2, 7, 6, 4), numbers(2, 9, 4), numbers(2, 5, 4, 6, 2)


@dataclass
class Case:
    """A call: the operation's name, its arguments, and what independent code gives."""

    name: str
    args: tuple[Any, ...]
    wanted: Callable[..., Any] | None
    keywords: dict[str, Any] = field(default_factory=dict)
    exact: bool = True
    """Whether every size must be known in a graph."""

    def __str__(self) -> str:
        return self.name + "-" + "-".join(f"{k}={v}" for k, v in self.keywords.items())


def case(name: str, args: Any, wanted: Any = None, exact: bool = False, **keywords: Any) -> Case:
    return Case(name, args if isinstance(args, tuple) else (args,), wanted, keywords, exact)


def of_numpy(name: str) -> Callable[..., Any]:
    return getattr(np, name)


def _normalized(x: Any, axis: Any, eps: float = 1e-7) -> Any:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def _attention(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    scores = np.where(np.tri(scores.shape[-2], scores.shape[-1]) > 0, scores, -1e30) if causal else scores
    return np.einsum("bhqk,bkhd->bqhd", scipy.special.softmax(scores, -1), v)


def _select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    return np.select(conditions, choices, default).astype("float32")


UNARY = [
    *(case(n, X, of_numpy(n)) for n in ("abs", "absolute", "negative", "sign", "square", "exp", "expm1", "sin", "cos")),
    *(case(n, X, of_numpy(n)) for n in ("tan", "arctan", "sinh", "cosh", "arcsinh", "ceil", "floor", "isfinite")),
    *(case(n, POSITIVE, of_numpy(n)) for n in ("sqrt", "log", "log1p", "log2", "log10", "reciprocal")),
    *(case(n, UNIT, of_numpy(n)) for n in ("arcsin", "arccos", "arctanh")),
    case("arccosh", POSITIVE + 1, np.arccosh),
    case("rsqrt", POSITIVE, lambda x: 1 / np.sqrt(x)),
    *(case(n, X, getattr(scipy.special, n)) for n in ("erf", "erfc")),
    case("erfinv", UNIT, scipy.special.erfinv),
    *(case(n, EDGES, of_numpy(n)) for n in ("isfinite", "isnan", "isinf", "nan_to_num")),
    case("nan_to_num", EDGES, np.nan_to_num, nan=1.0, posinf=5.0, neginf=-5.0),
    case("round", X, np.round),
    case("round", X, np.round, decimals=2),
    case("round", INTS, np.round),
    case("abs", INTS, np.abs),
    case("exp", INTS, np.exp),
    case("sqrt", [4.0, 9.0], np.sqrt),
    case("logical_not", BOOLS, np.logical_not),
    case("logical_not", INTS, np.logical_not),
]

BINARY = [
    *(case(n, (X, Y), of_numpy(n)) for n in ("add", "subtract", "multiply", "divide", "true_divide", "maximum")),
    *(case(n, (X, Y), of_numpy(n)) for n in ("minimum", "floor_divide", "mod", "arctan2", "logaddexp", "equal")),
    *(case(n, (X, V), of_numpy(n)) for n in ("add", "multiply", "logaddexp", "maximum", "greater", "less")),
    *(
        case(n, (INTS, INTS.T.reshape(4, 6)), of_numpy(n))
        for n in ("equal", "not_equal", "greater_equal", "less_equal")
    ),
    *(case(n, (BOOLS, BOOLS[::-1].copy()), of_numpy(n)) for n in ("logical_and", "logical_or", "logical_xor", "add")),
    *(case(n, (INTS, 0.5), of_numpy(n)) for n in ("add", "multiply", "divide", "subtract", "greater")),
    *(case(n, (INTS, 2), of_numpy(n)) for n in ("add", "floor_divide", "mod", "power", "divide")),
    case("add", (INTS, X), np.add),
    case("logical_and", (INTS, BOOLS), np.logical_and),
    case("power", (POSITIVE, 1.5), np.power),
    case("power", (2.0, X), np.power),
    case("divide_no_nan", (X, BOOLS), lambda x, b: np.where(b, x, 0)),
    case("isclose", (X, X + 1e-7), np.isclose),
    case("isclose", (EDGES, EDGES), np.isclose, equal_nan=True),
    case("clip", (X, -0.5, 0.5), np.clip),
    case("clip", (X, V - 1, 1.5), np.clip),
    case("clip", (INTS, -1, 2), np.clip),
    case("where", (BOOLS, X, Y), np.where),
    case("where", (BOOLS, X, 0.0), lambda c, x, y: np.where(c, x, np.float32(y))),
    case("where", (BOOLS, INTS, 0), lambda c, x, y: np.where(c, x, np.int32(y))),
    case("select", ([BOOLS, X > 0], [X, Y], 3.0), _select, exact=True),
]

REDUCTIONS = [
    *(
        case(n, x, of_numpy(n), **k)
        for n in ("sum", "mean", "max", "min", "amax", "amin", "prod", "std", "var", "median", "all", "any")
        for x, k in ((X, {}), (CUBE, {"axis": -1}), (CUBE, {"axis": (0, 2), "keepdims": True}), (X, {"axis": ()}))
        if not (n == "median" and k == {"axis": ()})
    ),
    *(case(n, INTS, of_numpy(n), axis=1) for n in ("sum", "mean", "max", "prod", "std", "all", "any", "median")),
    *(case(n, BOOLS, of_numpy(n), axis=0) for n in ("sum", "mean", "all", "any")),
    *(
        case(n, X, of_numpy(n), **k)
        for n in ("argmax", "argmin")
        for k in ({}, {"axis": 1}, {"axis": 0, "keepdims": True})
    ),
    *(case(n, X, of_numpy(n), **k) for n in ("cumsum", "cumprod") for k in ({}, {"axis": 1})),
    case("cumsum", INTS, np.cumsum, axis=0),
    case("max", X, np.max, axis=1, initial=0.5),
    case("count_nonzero", INTS, np.count_nonzero, axis=1),
    case("logsumexp", X, scipy.special.logsumexp, axis=1),
    case("logsumexp", 50 * X, scipy.special.logsumexp, keepdims=True),
    case("norm", (X,), np.linalg.norm, exact=True, ord=1, axis=(1, 0)),
    case("average", X, np.average, axis=0),
    case("average", (X, 1, POSITIVE[0]), lambda x, a, w: np.average(x, a, w)),
    case("average", (X, None, POSITIVE), lambda x, a, w: np.average(x, a, w)),
    case("quantile", (X, 0.3), np.quantile, axis=1),
    case("quantile", (X, [0.1, 0.9]), np.quantile, axis=0, keepdims=True),
    *(case("norm", (X,), np.linalg.norm, ord=o, axis=-1) for o in (None, 1, 2, 3, np.inf, -np.inf, 0)),
    *(case("norm", (X,), np.linalg.norm, exact=True, ord=o) for o in ("fro", 1, -1, np.inf, 2, -2, "nuc")),
    case("norm", (CUBE,), np.linalg.norm, exact=True, ord=2, axis=(0, 2), keepdims=True),
    case("norm", (CUBE,), np.linalg.norm, exact=True, ord="fro", axis=(1, 2)),
    case("norm", V, np.linalg.norm),
]

ARRANGING = [
    case("reshape", (X, (3, 8)), np.reshape),
    case("reshape", (X, (-1, 2, 3)), np.reshape),
    case("reshape", (X, -1), np.reshape),
    case("ravel", CUBE, np.ravel),
    case("expand_dims", (X, 1), np.expand_dims),
    case("expand_dims", (X, (0, -1)), np.expand_dims),
    case("squeeze", CUBE[:, :1], np.squeeze),
    case("squeeze", CUBE[:, :1], np.squeeze, axis=1),
    case("transpose", CUBE, np.transpose),
    case("transpose", (CUBE, (0, 2, 1)), np.transpose),
    case("moveaxis", (CUBE, 0, -1), np.moveaxis),
    case("moveaxis", (CUBE, (0, 1), (2, 0)), np.moveaxis),
    case("swapaxes", (CUBE, 0, -1), np.swapaxes),
    case("broadcast_to", (V, (3, 6)), np.broadcast_to),
    case("concatenate", ([X, Y],), np.concatenate),
    case("concatenate", ([X, Y], 1), np.concatenate),
    case("concatenate", ([X, INTS],), np.concatenate),
    case("stack", ([X, Y], -1), np.stack),
    case("hstack", ([X, Y],), np.hstack),
    case("hstack", ([V, V],), np.hstack),
    case("vstack", ([X, V],), np.vstack),
    case("append", (X, Y), np.append),
    case("append", (X, Y), np.append, axis=1),
    case("split", (X, 3), np.split, axis=1),
    case("split", (X, [1, 4]), np.split, axis=1),
    case("unstack", CUBE, lambda x: [*x], exact=True),
    case("repeat", (X, 3), np.repeat),
    case("repeat", (X, 2), np.repeat, axis=1),
    case("tile", (X, (2, 1)), np.tile),
    case("tile", (X, 2), np.tile),
    case("flip", X, np.flip),
    case("flip", X, np.flip, axis=1),
    case("roll", (X, 2), np.roll, exact=True),
    case("roll", (X, -7), np.roll, exact=True, axis=1),
    case("roll", (CUBE, (1, 2)), np.roll, exact=True, axis=(0, 2)),
    case("pad", (X, ((1, 2), (0, 3))), np.pad),
    case("pad", (X, 1), np.pad, constant_values=2.0),
    case("pad", (X, ((1, 2), (2, 2))), np.pad, mode="reflect"),
    case("pad", (X, ((1, 2), (2, 2))), np.pad, mode="symmetric"),
    case("take", (X, np.array([0, -1, 3])), np.take),
    case("take", (X, np.array([[0, 2], [5, 1]])), np.take, axis=1),
    case("take", (X, 2), np.take, axis=1),
    case("take_along_axis", (X, np.array([[0], [1], [-1], [5]]), 1), np.take_along_axis),
    case("take_along_axis", (X, np.array([3, 1]), None), np.take_along_axis),
    case("sort", X, np.sort),
    case("sort", X, np.sort, axis=0),
    case("argsort", X, np.argsort),
    case("argsort", X, np.argsort, axis=None),
    case("diff", X, np.diff),
    case("diff", X, np.diff, n=2, axis=0),
    *(case(n, x, of_numpy(n), exact=True, k=k) for n in ("tril", "triu", "diag") for x in (X,) for k in (0, 1, -2)),
    case("diag", V, np.diag, k=-2),
    case("diag", V, np.diag, k=1),
    case("diagonal", CUBE, np.diagonal, exact=True),
    case("diagonal", CUBE, np.diagonal, exact=True, offset=1, axis1=2, axis2=0),
    case("trace", CUBE, np.trace, exact=True, offset=-1, axis1=1, axis2=2),
]

MULTIPLYING = [
    case("matmul", (X, W), np.matmul),
    case("matmul", (X, V), np.matmul),
    case("matmul", (V, W), np.matmul),
    case("matmul", (SQUARE, SQUARE), np.matmul),
    case("dot", (X, W), np.dot),
    case("dot", (CUBE, SQUARE[0]), np.dot),
    case("dot", (V, V), np.dot),
    case("dot", (X, 2.0), np.dot),
    case("vdot", (X, Y), np.vdot),
    case("outer", (X, V), np.outer),
    case("tensordot", (CUBE, CUBE), np.tensordot, axes=((1, 2), (1, 2))),
    case("tensordot", (SQUARE, SQUARE), np.tensordot, axes=((1, 2), (2, 1))),
    case("tensordot", (X, W), np.tensordot, axes=1),
    case("einsum", ("bi,ij->bj", X, W), np.einsum),
    case("einsum", ("...i,ij->...j", X, W), np.einsum),
    case("einsum", ("bij->bji", CUBE), np.einsum),
    case("cross", (X[:, :3], Y[:, :3]), np.cross),
    case("cross", (X[:3], Y[:3]), np.cross, exact=True, axis=0),
    case("cholesky", DEFINITE, np.linalg.cholesky, exact=True),
    case("cholesky", DEFINITE, lambda x, upper: np.linalg.cholesky(x).transpose(0, 2, 1), exact=True, upper=True),
    case("det", DEFINITE, np.linalg.det, exact=True),
    case("inv", DEFINITE, np.linalg.inv, exact=True),
    case("logdet", DEFINITE, lambda x: np.linalg.slogdet(x)[1], exact=True),
    case("solve", (DEFINITE, SQUARE), np.linalg.solve, exact=True),
    case("solve", (DEFINITE[0], SQUARE[0, 0]), np.linalg.solve, exact=True),
    case("solve_triangular", (DEFINITE[0], SQUARE[0]), scipy.linalg.solve_triangular, exact=True, lower=True),
    case("solve_triangular", (DEFINITE[0], SQUARE[0]), scipy.linalg.solve_triangular, exact=True),
    case("svd", X, lambda x, **k: np.linalg.svd(x, **k), exact=True, compute_uv=False),
    case("lstsq", (W, V), lambda a, b: np.linalg.lstsq(a, b)[0], exact=True),
    case("lstsq", (W, X[0, :, None]), lambda a, b: np.linalg.lstsq(a, b)[0], exact=True),
]

CORE = [
    case("cast", (X, "int32"), lambda x, d: x.astype(d)),
    case("convert_to_tensor", X, np.asarray),
    case("convert_to_tensor", [1, 2], np.asarray),
    case("array", [1.5, 2], np.asarray),
    case("copy", X, np.copy),
    case("stop_gradient", X, np.asarray),
    case("slice", (CUBE, (0, 1, 1), (2, 2, 3)), lambda x, b, s: x[0:2, 1:3, 1:4]),
    case("slice_update", (np.zeros((4, 4), "float32"), (1, 2), SQUARE[0, :2, :2]), exact=True),
    case("scatter_update", (X, np.array([[0], [2]]), Y[:2])),
    case("scatter", (np.array([[0], [2], [0]]), V[:3], (4,)), lambda i, v, s: np.bincount(i[:, 0], v, 4).astype("f4")),
    case("segment_sum", (X, IDS, 4), lambda x, i, n: np.stack([x[i == k].sum(0) for k in range(n)])),
    case("segment_max", (X, IDS, 3), lambda x, i, n: np.stack([x[i == k].max(0) for k in range(n)])),
    case("segment_min", (X, IDS, 3), lambda x, i, n: np.stack([x[i == k].min(0) for k in range(n)])),
    case("segment_prod", (X, IDS, 4), lambda x, i, n: np.stack([x[i == k].prod(0) for k in range(n)])),
    case("top_k", (X, 2), lambda x, k: (-np.sort(-x)[..., :k], np.argsort(-x)[..., :k])),
    case("in_top_k", (IDS, X, 2), lambda t, p, k: np.array([t[i] in np.argsort(-p[i])[:k] for i in range(len(t))])),
    case("extract_sequences", (V, 3, 2), lambda x, n, s: np.stack([x[k : k + n] for k in range(0, 4, s)]), exact=True),
]

NEURAL = [
    case("one_hot", (IDS, 3), lambda x, n: np.eye(n)[x]),
    case("one_hot", (np.array([0, -1, 3]), 3), lambda x, n, **_: x[:, None] == np.arange(n), axis=-1),
    case("multi_hot", (np.array([[0, 2], [1, 1]]), 3), lambda x, n: np.eye(n)[x].max(1)),
    case(
        "binary_crossentropy",
        (BOOLS.astype("float32"), PROBABILITIES),
        lambda t, p: -np.where(t > 0, np.log(p), np.log1p(-p)),
    ),
    case(
        "binary_crossentropy",
        (BOOLS.astype("float32"), X),
        lambda t, x, **_: np.logaddexp(0, np.where(t > 0, -x, x)),
        from_logits=True,
    ),
    case(
        "categorical_crossentropy", (PROBABILITIES, PROBABILITIES[::-1].copy()), lambda t, p: -(t * np.log(p)).sum(-1)
    ),
    case(
        "categorical_crossentropy",
        (PROBABILITIES, X),
        lambda t, x, **_: -(t * scipy.special.log_softmax(x, -1)).sum(-1),
        from_logits=True,
    ),
    case("sparse_categorical_crossentropy", (IDS, PROBABILITIES), lambda t, p: -np.log(p[np.arange(4), t])),
    case(
        "sparse_categorical_crossentropy",
        (IDS[:, None], X),
        lambda t, x, **_: -scipy.special.log_softmax(x, -1)[np.arange(4), t[:, 0]],
        from_logits=True,
    ),
    case("moments", (CUBE, [0, 2]), lambda x, a: (x.mean(tuple(a)), x.var(tuple(a)))),
    case("normalize", X, lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)),
    case("normalize", X, lambda x, **_: x / abs(x).sum(0, keepdims=True), axis=0, order=1),
    case(
        "batch_normalization",
        (CUBE, V[:3], POSITIVE[0, :3], 1, V[3:], V[:3]),
        lambda x, m, v, a, o, s: (x - m[:, None]) / np.sqrt(v[:, None] + 1e-3) * s[:, None] + o[:, None],
    ),
    case("layer_normalization", X, lambda x: _normalized(x, -1)),
    case("layer_normalization", (X, V, V[::-1].copy()), lambda x, g, b: _normalized(x, -1) * g + b),
    case("layer_normalization", (CUBE, CUBE[0, :, 0]), lambda x, g, **_: _normalized(x, 1) * g[:, None], axis=1),
    case("rms_normalization", (X, V), lambda x, s: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-7) * s),
    case("dot_product_attention", (IMAGE, IMAGE[:, ::-1].copy(), 2 * IMAGE), _attention),
    case("dot_product_attention", (IMAGE, IMAGE, IMAGE), lambda *x, **_: _attention(*x, causal=True), is_causal=True),
]

# Of these the reference is Keras alone, and the ops that they stand on are tested by themselves.
SPATIAL = [
    case("conv", (IMAGE, numbers(3, 2, 4, 5)), padding="same", strides=2),
    case("conv", (IMAGE, numbers(3, 2, 2, 6)), dilation_rate=2),
    case("conv", (LINE, numbers(3, 4, 5)), strides=2),
    case("conv", (BLOCK, numbers(2, 2, 3, 2, 3)), padding="same"),
    case("conv", (IMAGE.transpose(0, 3, 1, 2).copy(), numbers(3, 2, 4, 5)), data_format="channels_first"),
    case("depthwise_conv", (IMAGE, numbers(3, 2, 4, 2)), exact=True, padding="same"),
    case("depthwise_conv", (LINE, numbers(3, 4, 2)), exact=True),
    case("separable_conv", (IMAGE, numbers(3, 2, 4, 2), numbers(1, 1, 8, 3)), exact=True, strides=2),
    *(
        case("conv_transpose", (x, k), strides=s, padding=p)
        for x, k in ((IMAGE, numbers(3, 2, 5, 4)), (LINE, numbers(3, 5, 4)), (BLOCK, numbers(2, 3, 2, 3, 2)))
        for s in (1, 2)
        for p in ("valid", "same")
    ),
    case("conv_transpose", (LINE, numbers(3, 5, 4)), strides=2, padding="same", output_padding=1),
    *(
        case(n, (x, 2), strides=s, padding=p)
        for n in ("max_pool", "average_pool")
        for x in (IMAGE, LINE, BLOCK)
        for s, p in ((2, "valid"), (1, "same"))
    ),
]

CASES = [*UNARY, *BINARY, *REDUCTIONS, *ARRANGING, *MULTIPLYING, *CORE, *NEURAL, *SPATIAL]
