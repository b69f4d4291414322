"""Rules that every op of the registry keeps. A new op is tested by existing, once it has samples.

Samples are made in `tests.ops.samples`, independent references in `tests.ops.references`, wrong calls in
`tests.ops.misuse`. What is exempt from a rule stands in a table here, with the reason.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.build.op import NOT_DIFFERENTIABLE, REGISTRY, ZERO_GRADIENT
from sdgraph.differentiate.gradients import vjp_op
from sdgraph.nd import calls as eager
from sdgraph.testing import check_grads
from tests.graph_state import graph_state
from tests.ops.misuse import MISUSE
from tests.ops.references import REFERENCES, TOLERANCES
from tests.ops.samples import Literal, samples_of

OPS = [name for name, op in REGISTRY.items() if op.is_ours]

# Ops that need known sizes to be built, or whose gradient does, and why.
NEEDS_SIZES = {
    "squeeze": "without an axis it drops all axes of size 1, so it must know them",
    "unstack": "the number of outputs is a size",
    "gather_nd": "the rank of the output depends on a size of the indices",
    "scatter_nd_add": "the rank of the updates depends on a size of the indices",
    "scatter_nd_sub": "the rank of the updates depends on a size of the indices",
    "scatter_nd_update": "the rank of the updates depends on a size of the indices",
    "sparse_to_dense": "the rank of the result depends on a size of the indices",
    "keras.reduce": "only the sizes tell whether weights belong to the batch or to the last axis",
    **dict.fromkeys(
        ("math.quantile", "math.percentile", "math.median"), "elements along several axes are put in one row"
    ),
    "linalg.lstsq": "the penalty needs an identity matrix",
    "nn.dot_product_attention": "scales by the number of features",
    "nn.multi_head_dot_product_attention": "scales by the number of features",
}
# Those of them that can do nothing at all without sizes.
NOTHING_WITHOUT_SIZES = {"unstack", "nn.multi_head_dot_product_attention"}
# Ops whose gradient is not the derivative, on purpose; their own tests say what it is.
ON_PURPOSE = {
    "stop_gradient": "stops gradients",
    "largest": "a constant to gradients: the shift of stable formulas",
}
# Ops without a gradient that take nothing one could ask a gradient for.
NO_FLOATS = {
    "sequence_mask",
    "last_occurrence",
    "rows_by_part",
    "invert_permutation",
    "checked_lengths",
    "checked_ctc_labels",
}
# Ops whose draws are others for another dtype.
DRAWS_LIKE = {name for name in OPS if name.startswith("random.") and name.endswith("_like")}
DRAWS_BY_DTYPE = {"nn.dropout", "random.draw", *DRAWS_LIKE}
# Ops whose kernels lose accuracy in float32 by their nature, not by their code.
FLOAT32_RTOL = {"linalg": 1e-3}


def namespace_of(sd, op):
    return getattr(sd, op.namespace) if op.namespace else sd


def apply(sd, sample, *, unknown=False, dtype=None):
    """Outputs of the op on placeholders for the sample's arrays, and the feeds."""
    operands, feeds = [], {}
    for k, x in enumerate(sample.operands):
        if x is None or isinstance(x, Literal):
            operands.append(x.value if x is not None else None)
            continue
        x = np.asarray(x)
        x = x.astype(dtype) if dtype and x.dtype.kind == "f" else x
        shape = tuple(n if n == 1 or not unknown else None for n in x.shape)
        operands.append(sd.placeholder(f"x{k}", shape, x.dtype))
        feeds[f"x{k}"] = x
    op = REGISTRY[sample.op]
    call = getattr(namespace_of(sd, op), op.name)
    if op.variadic:
        out = call(*operands, **sample.attrs)
    else:
        out = call(**dict(zip(op.operand_names, operands, strict=False)), **sample.attrs)
    return (out if isinstance(out, tuple) else (out,)), feeds


def evaluate(sample, **options):
    sd = SameDiff(options.get("dtype") or "float64")
    outs, feeds = apply(sd, sample, **options)
    values = sd.output(feeds, outs)
    return [values[v.name] for v in outs]


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def floating(outs):
    return [v for v in outs if v.dtype.kind == "f"]


def differentiable(name):
    """Samples whose gradients can be checked by differences."""
    op = REGISTRY[name]
    if op.vjp is NOT_DIFFERENTIABLE or name in ON_PURPOSE:
        return []
    return [
        s for s in samples_of(name) if s.smooth and any(getattr(x, "dtype", None) == np.float64 for x in s.operands)
    ]


def graph_of(sample, **options):
    """A graph with the op's floating outputs, joined to one variable to differentiate; None if there are none."""
    sd = SameDiff(options.get("dtype") or "float64")
    outs, feeds = apply(sd, sample, **options)
    return sd, joined(sd, floating(outs)), feeds


def joined(sd, outs):
    """One variable that depends on all outputs; None if there are none."""
    if len(outs) < 2:
        return outs[0] if outs else None
    return sum((sd.sum(v * v * (k + 1)) for k, v in enumerate(outs[1:])), sd.sum(outs[0]))


def close(a, b, rtol):
    """Equal within ``rtol`` of the largest finite entry; infinities and NaN at the same places."""
    finite = np.isfinite(b)
    scale = np.abs(b[finite]).max(initial=1e-3)
    same = np.array_equal(a[~finite], b[~finite], equal_nan=True)
    return same and np.all(np.abs(a[finite] - b[finite]) <= rtol * scale)


# ---------------------------------------------------------------------- N1, N2: every op has samples


@pytest.mark.any_engine
@pytest.mark.parametrize("name", OPS)
def test_samples(name):
    samples = samples_of(name)
    assert len(samples) >= 2, f"{name} has no samples: add it to tests/ops/samples.py"
    op = REGISTRY[name]
    if getattr(op.infer, "broadcasts", False) and not op.signature.has_required_attrs and op.namespace != "bitwise":
        shapes = [tuple(np.shape(x) for x in s.operands) for s in samples if not isinstance(s.operands[-1], Literal)]
        flat = [shape for group in shapes for shape in group]
        if len(op.operand_names) > 1:
            assert sum(len(set(group)) > 1 for group in shapes) >= (6 if op.n_operands == 2 else 4)
        assert () in flat
        assert (0, 3) in flat
        assert (2, 0, 3) in flat or op.n_operands > 2
        assert len(samples) >= (12 if op.n_operands < 3 else 6)


@pytest.mark.any_engine
def test_what_is_exempt_is_there():
    operands = {name: len(REGISTRY[name].operand_names) for name in OPS}
    for table in (NEEDS_SIZES, NOTHING_WITHOUT_SIZES, ON_PURPOSE, NO_FLOATS, DRAWS_BY_DTYPE, LABELS, DIFFERENT, MISUSE):
        assert not [name for name in table if name not in operands]
    assert not [name for name in (*REFERENCES, *TOLERANCES, *GRADIENT_NEEDS_SIZES) if name not in operands]
    assert not [(name, k) for name, k in NO_SLOPE if name not in operands or (k or 0) > operands[name]]
    assert not NOTHING_WITHOUT_SIZES - NEEDS_SIZES.keys()


# ---------------------------------------------------------------------- forward


@pytest.mark.parametrize("name", OPS)
def test_forward(name):
    """The inferred aval is the result's; runs agree bit for bit; inputs are left alone and not returned."""
    for sample in samples_of(name):
        sd = SameDiff("float64")
        outs, feeds = apply(sd, sample)
        feeds = {k: x.copy() for k, x in feeds.items()}
        for x in feeds.values():
            x.flags.writeable = False
        before = {k: x.tobytes() for k, x in feeds.items()}
        first, second = (list(sd.output(feeds, outs).values()) for _ in range(2))
        for v, a, b in zip(outs, first, second, strict=True):
            assert (a.shape, a.dtype) == (v.shape, v.dtype), sample
            assert same_bits(a, b), sample
            assert not any(np.shares_memory(a, x) for x in feeds.values()), sample
            assert not np.shares_memory(a, b), sample
            assert a.flags.writeable, sample
        assert before == {k: x.tobytes() for k, x in feeds.items()}, sample


@pytest.mark.parametrize("name", OPS)
def test_dtypes(name):
    """A result has the dtype that the rule says, whatever numbers the operands are."""
    for dtype, sample in itertools.product(
        ("bool", "int8", "uint16", "int32", "float16", "complex64"), samples_of(name)[:3]
    ):
        xs = tuple(x.astype(dtype) if getattr(x, "dtype", None) == np.float64 else x for x in sample.operands)
        sd = SameDiff("float32")
        try:
            outs, feeds = apply(sd, replace(sample, operands=xs))
        except errors.SDGraphError:
            continue
        try:
            values = sd.output(feeds, outs)
        except errors.ExecutionError as e:
            assert "LinAlgError" in str(e), (sample, dtype)  # Whole numbers make a singular matrix.
            continue
        assert [values[v.name].dtype for v in outs] == [v.dtype for v in outs], (sample, dtype)


@pytest.mark.parametrize("name", OPS)
def test_unknown_sizes(name):
    """A graph built without knowing sizes computes the same."""
    for sample in samples_of(name):
        try:
            values = evaluate(sample, unknown=True)
        except errors.SDGraphError:
            assert name in NEEDS_SIZES, sample
            continue
        for a, b in zip(values, evaluate(sample), strict=True):
            assert same_bits(a, b), sample


# Ops whose gradient needs sizes; without them the error comes when it is computed.
GRADIENT_NEEDS_SIZES = {"linalg.qr": "wide matrices have none"}
# Ops that must know of a size that it is 1 when they are built.
LABELS = {"keras.sparse_categorical_crossentropy", "keras.categorical_generalized_cross_entropy"}


def alike(xs, ys):
    """Equal shapes, dtypes and, but for roundings, numbers."""
    return all(
        x.shape == y.shape and x.dtype == y.dtype and np.allclose(x, y, rtol=1e-9, atol=1e-9, equal_nan=True)
        for x, y in zip(xs, ys, strict=True)
    )


def value_and_gradients(sample, feeds, unknown):
    """Values of the op, then the gradients of a scalar of them; either may be the error that was raised instead.

    ``feeds`` are arrays by the operand's position, ``unknown`` the pairs of operand and axis declared without a size.
    """
    sd = SameDiff("float64")
    op = REGISTRY[sample.op]
    operands = [x.value if isinstance(x, Literal) else x for x in sample.operands]
    for k, x in feeds.items():
        shape = tuple(None if (k, axis) in unknown else n for axis, n in enumerate(x.shape))
        operands[k] = sd.placeholder(f"x{k}", shape, x.dtype)
    call, named = getattr(namespace_of(sd, op), op.name), {f"x{k}": x for k, x in feeds.items()}
    values = grads = None
    try:
        if op.variadic:
            out = call(*operands, **sample.attrs)
        else:
            out = call(**dict(zip(op.operand_names, operands, strict=False)), **sample.attrs)
        outs = out if isinstance(out, tuple) else (out,)
        values = list(sd.output(named, outs).values())
        y = joined(sd, floating(outs))
        wrt = [k for k, x in named.items() if x.dtype.kind == "f"]
        if y is not None and wrt:
            found = sd.grad(sd.sum(y * y) + sd.sum(y), wrt)
            grads = [sd.output(named, [g])[g.name] for g in found]
    except errors.SDGraphError as e:
        return (e, e) if values is None else (values, e)
    return values, grads


@pytest.mark.parametrize("name", [name for name in OPS if REGISTRY[name].operand_names])
def test_an_unknown_size_that_is_1_or_another(name):
    """It is refused, or value and gradients are those of the graph built with the sizes: never a missing sum."""
    seen = set()
    for sample in samples_of(name):
        feeds = {
            k: np.asarray(x) for k, x in enumerate(sample.operands) if x is not None and not isinstance(x, Literal)
        }
        kind = str([x.shape for x in feeds.values()]) + str({k: v for k, v in sample.attrs.items() if "reduc" not in k})
        if kind in seen or len(seen) == 4:
            continue
        seen.add(kind)
        every = {(k, axis) for k, x in feeds.items() for axis in range(x.ndim)}
        for (k, axis), size in itertools.product(sorted(every), (1, 4)):
            n = feeds[k].shape[axis]
            if n < 2 or n == size:
                continue
            fed = feeds | {k: np.resize(np.moveaxis(feeds[k], axis, 0), (size, *np.delete(feeds[k].shape, axis)))}
            fed[k] = np.ascontiguousarray(np.moveaxis(fed[k], 0, axis))
            values, grads = value_and_gradients(sample, fed, set())
            for unknown in ({(k, axis)}, every):
                got, slopes = value_and_gradients(sample, fed, unknown)
                what = f"{sample}, axis {axis} of operand {k} unknown and {size}"
                if isinstance(got, errors.SDGraphError):
                    refused = isinstance(values, errors.SDGraphError) or name in NEEDS_SIZES or name in LABELS
                    assert refused or "turned out to be 1 where" in str(got), (what, got)
                    continue
                assert not isinstance(values, errors.SDGraphError), (what, values)
                assert alike(got, values), what
                if name in GRADIENT_NEEDS_SIZES:
                    continue
                # What has a gradient with known sizes has it here, too, or was refused before.
                if isinstance(grads, errors.SDGraphError) or grads is None:
                    assert isinstance(slopes, errors.SDGraphError) or slopes is None, what
                    continue
                assert not isinstance(slopes, errors.SDGraphError), (what, slopes)
                assert alike(slopes, grads), what


def layouts(x):
    """The same numbers in memory orders other than C's."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    axis = tuple(slice(None, None, -1) for _ in x.shape)
    return [np.asfortranarray(x), wide[..., ::2], x[axis].copy()[axis]]


@pytest.mark.parametrize("name", [name for name in OPS if REGISTRY[name].operand_names])
def test_memory_layouts(name):
    """Fortran order, gaps and negative strides change nothing."""
    tried = 0
    for sample in samples_of(name):
        sd = SameDiff("float64")
        outs, feeds = apply(sd, sample)
        if not any(x.ndim and x.size for x in feeds.values()):
            continue
        f = sd.compile(outs)
        want = f(feeds)
        forms = {k: layouts(x) if x.ndim else [x] * 3 for k, x in feeds.items()}
        for k in range(3):
            got = f({name: form[k] for name, form in forms.items()})
            assert all(same_bits(got[n], want[n]) for n in want), sample
        tried += 1
        if tried == 3:
            break
    assert tried


@pytest.mark.parametrize("name", [name for name in OPS if name in REFERENCES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # Numpy's, of the references.
def test_reference(name):
    """Values agree with an independent implementation: entry by entry if elementwise, else with the largest one."""
    elementwise = getattr(REGISTRY[name].infer, "broadcasts", False)
    rtol = TOLERANCES.get(name, 1e-14)
    for sample in samples_of(name):
        operands = [x.value if isinstance(x, Literal) else x for x in sample.operands]
        want = REFERENCES[name](*operands, **sample.attrs)
        want = want if isinstance(want, tuple) else (want,)
        for a, b in zip(evaluate(sample), map(np.asarray, want), strict=True):
            assert a.shape == b.shape, sample
            scale = np.abs(b) if elementwise else np.abs(b).max(initial=0)
            same = (a == b) | (np.isnan(a) & np.isnan(b)) if a.dtype.kind == "f" else a == b
            assert np.all(same | (np.abs(np.subtract(a, b, dtype=float)) <= rtol * scale)), (sample, a, b)


# Every kind of number that arithmetic treats on its own.
EXTREMES = np.array([0.0, -0.0, 1.0, -1.0, 5e-324, -2.3e-308, 1.7e308, -1.7e308, np.inf, -np.inf, np.nan, 1e-17, 745.0])
DIFFERENT = {
    "math.multiply_no_nan": "0 times anything is 0",
    "math.divide_no_nan": "anything over 0 is 0",
    "math.xdivy": "0 over anything is 0",
}
ON_NUMPY = [
    name
    for name in OPS
    if isinstance(REFERENCES.get(name), np.ufunc) and REGISTRY[name].namespace in ("math", "") and name not in DIFFERENT
]


@pytest.mark.parametrize("name", ON_NUMPY)
def test_extreme_numbers(name):
    """Zeros of both signs, subnormal, huge, infinite and missing numbers: as numpy, and without a warning."""
    op = REGISTRY[name]
    n = op.n_operands
    xs = [EXTREMES] if n == 1 else [EXTREMES[:, None], EXTREMES]
    sd = SameDiff("float64")
    vs = [sd.placeholder(f"x{k}", x.shape) for k, x in enumerate(xs)]
    got = getattr(namespace_of(sd, op), op.name)(*vs).eval({f"x{k}": x for k, x in enumerate(xs)})
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(got, REFERENCES[name](*xs))


@pytest.mark.parametrize("name", [name for name in OPS if not name.startswith("random.") and name != "nn.dropout"])
def test_on_arrays(name):
    """Without a graph in sight the op computes the same."""
    op = REGISTRY[name]
    for sample in samples_of(name)[:4]:
        operands = [x.value if isinstance(x, Literal) else x for x in sample.operands]
        operands += [None] * (len(op.operand_names) - len(operands)) if not op.variadic else []
        _, attrs = (
            op.bind((), {**dict.fromkeys(op.operand_names), **sample.attrs})
            if not op.variadic
            else op.bind(tuple(operands), dict(sample.attrs))
        )
        got = eager.call(op, operands, attrs)
        for a, b in zip(got if isinstance(got, tuple) else (got,), evaluate(sample), strict=True):
            assert np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"), sample


@pytest.mark.parametrize("name", OPS)
def test_float32(name):
    """Float32 operands give float32 results, close to those of float64."""
    op = REGISTRY[name]
    for sample in samples_of(name):
        if not any(getattr(x, "dtype", None) == np.float64 for x in sample.operands):
            continue
        rtol = FLOAT32_RTOL.get(op.namespace, 2e-5)
        for a, b in zip(evaluate(sample, dtype="float32"), evaluate(sample), strict=True):
            assert a.shape == b.shape, sample
            if a.dtype.kind in "iub":
                assert np.array_equal(a, b), sample
            elif "dtype" not in sample.attrs:
                assert a.dtype == (np.float32 if b.dtype.kind == "f" else np.complex64), sample
                if name not in DRAWS_BY_DTYPE:
                    assert close(a, b, rtol), (sample, a - b)


# ---------------------------------------------------------------------- gradients


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OPS if differentiable(name)])
def test_gradients(name):
    """First and second derivatives for every floating operand agree with differences."""
    checked = 0
    for sample in differentiable(name):
        _, y, feeds = graph_of(sample)
        if y is not None:
            check_grads(y, feeds, order=2)
            checked += 1
    assert checked or not graph_of(samples_of(name)[0])[1]


@pytest.mark.parametrize("name", [name for name in OPS if differentiable(name)])
def test_gradient_of_unknown_sizes_and_float32(name):
    """Gradients do not depend on whether sizes are known; they have their variable's shape and dtype."""
    op = REGISTRY[name]
    tried = without_sizes = 0
    for sample in differentiable(name):
        results = []
        for options in ({}, {"unknown": True}, {"dtype": "float32"}):
            try:
                sd, y, feeds = graph_of(sample, **options)
                if y is None:
                    break
                wrt = [k for k, x in feeds.items() if x.dtype.kind == "f"]
                sd.set_loss_variables(y)
                results.append(sd.calculate_gradients(feeds, wrt))
            except errors.SDGraphError:
                assert options.get("unknown"), sample
                assert name in NEEDS_SIZES, sample
                results.append(None)
        if not results:
            continue
        static, unknown, single = results
        tried += 1
        without_sizes += unknown is not None
        rtol = FLOAT32_RTOL.get(op.namespace, 1e-4)
        for k, g in static.items():
            # What a gradient is made of may cancel, so its roundings are those of numbers about 1.
            scale = np.abs(g).max(initial=1.0)
            assert g.shape == single[k].shape == feeds[k].shape, sample
            assert (g.dtype, single[k].dtype) == (np.float64, np.float32), sample
            if unknown is not None:
                assert unknown[k].shape == g.shape, sample
                assert np.all(np.abs(g - unknown[k]) <= 1e-13 * scale), sample
            if name not in DRAWS_BY_DTYPE:
                assert np.all(np.abs(g - single[k]) <= rtol * scale), (sample, g - single[k])
    assert tried or not graph_of(samples_of(name)[0])[1]
    assert bool(without_sizes) == (tried > 0 and name not in NOTHING_WITHOUT_SIZES)


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OPS if REGISTRY[name].vjp is NOT_DIFFERENTIABLE])
def test_no_gradient(name):
    """Differentiating through an op without a gradient names it."""
    tried = 0
    for sample in samples_of(name):
        sd = SameDiff("float64")
        outs, feeds = apply(sd, sample)
        for k, x in feeds.items():
            if x.dtype.kind == "f":
                y = sd.sum(sd.cast(outs[0], "float64"))
                size = len(sd.nodes)
                with pytest.raises(errors.GradientError) as caught:
                    sd.grad(y, k)
                assert f"sd.{name}, which" in str(caught.value)
                assert len(sd.nodes) == size
                tried += 1
    assert tried or name in NO_FLOATS or REGISTRY[name].namespace == "bitwise"


# ---------------------------------------------------------------------- N12: the check has teeth


def mutants(op):
    """The op's gradient rule made wrong in several ways: for each, a rule and the operand it spoils (None for all)."""
    original = op.vjp

    def terms(g, y, *operands, **attrs):
        if original is not None:
            out = original(g, y, *operands, **attrs)
            out = list(out) if isinstance(out, tuple | list) else [out]
            return out if len(out) == len(operands) else [None] * len(operands)
        gs = g if isinstance(g, tuple) else (g,)
        sd = gs[0].sd
        return [
            None
            if x is None or x.dtype.kind != "f"
            else sd.apply(vjp_op(op, k, len(operands), (False,) * len(gs)), [*operands, *gs], attrs)
            for k, x in enumerate(operands)
        ]

    def spoiled(change, only):
        def rule(g, y, *operands, **attrs):
            return tuple(
                change(t) if t is not None and only in (None, k) else t
                for k, t in enumerate(terms(g, y, *operands, **attrs))
            )

        return rule

    yield "zero", None, spoiled(lambda t: t * 0.0, None)
    # Not -1: the rule may be applied twice on the way.
    yield "times -2", None, spoiled(lambda t: t * -2.0, None)
    # Decompositions are checked in float64, and a cast to float32 leaves no more than its digits.
    tiny = 1e-4 if op.namespace == "linalg" or op.name == "cast" else 1e-6
    for k in range(3 if op.variadic else op.n_operands):
        yield f"operand {k} times 1 + {tiny:g}", k, spoiled(lambda t: t * (1 + tiny), k)


def sensitive(name, k):
    """A sample whose gradient for operand k (for any, if None) is not zero.

    The outputs are weighed by random numbers, as `check_grads` does: a sum of them may be a constant, as softmax's is.
    """
    for sample in differentiable(name):
        sd, y, feeds = graph_of(sample)
        if y is None:
            continue
        wrt = [n for n, x in feeds.items() if x.dtype.kind == "f" and k in (None, int(n[1:]))]
        if wrt:
            weights = np.random.default_rng(0).uniform(0.5, 1.5, y.shape).astype(y.dtype)
            sd.set_loss_variables(sd.sum(y * weights))
            grads = sd.calculate_gradients(feeds, wrt)
            if any(np.any(np.abs(g) > 1e-3) for g in grads.values()):
                return sample
    return None


_SHAPE = "only its shape is read"
# Operands that no wrong rule shows in, because their gradient is zero everywhere; None stands for all of an op.
NO_SLOPE = {
    ("reshape_like", 1): _SHAPE,
    ("broadcast_like", 1): _SHAPE,
    ("unconcat", 1): _SHAPE,
    ("unconcat", 2): _SHAPE,
    ("untile", 1): _SHAPE,
    ("unrepeat", 1): _SHAPE,
    ("index_scatter", 1): _SHAPE,
    ("scatter_slices", 0): _SHAPE,
    ("linalg.matmul_like", 2): _SHAPE,
    ("linalg.on_diagonal", 1): _SHAPE,
    ("nn.unpad", 1): _SHAPE,
    ("image.unresample", 1): _SHAPE,
    ("cnn.add_windows", 1): _SHAPE,
    ("cnn.block_sums", 1): _SHAPE,
    ("nn.batch_norm_training", 3): "the test adds up what is normalised, which is 0: tests/ops/test_batch_norm.py",
    **{(name, None): _SHAPE for name in DRAWS_LIKE},
    ("size", None): _SHAPE,
    ("math.count_non_zero", None): "a count is a step",
    ("math.count_zero", None): "a count is a step",
    ("math.hamming_distance", None): "a count is a step",
    ("math.first_index", None): "a place is a step",
    ("math.last_index", None): "a place is a step",
    ("math.iamax", None): "a place is a step",
    ("math.iamin", None): "a place is a step",
    ("math.is_non_decreasing", None): "an order is a step",
    ("math.is_strictly_increasing", None): "an order is a step",
    ("math.merge_max_index", None): "a place is a step",
    ("math.zero_fraction", None): "a count is a step",
    ("match_condition", None): "a condition is a step",
    ("match_condition_count", None): "a count is a step",
    ("math.list_diff", 1): "it is only looked for",
    ("math.is_max", None): "a place is a step",
    ("assign", 0): "the result is the other operand",
    ("mask_gradient", 1): "zeros and ones that choose",
}


def has_floating(name, k):
    """Whether operand k, or any if None, is one that derivatives are taken for."""
    return any(
        getattr(x, "dtype", None) == np.float64 and k in (None, i)
        for sample in differentiable(name)
        for i, x in enumerate(sample.operands)
    )


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [n for n in OPS if differentiable(n) and REGISTRY[n].vjp is not ZERO_GRADIENT])
def test_a_wrong_rule_is_caught(name):
    op = REGISTRY[name]
    original = op.vjp
    for what, k, rule in mutants(op):
        sample = sensitive(name, k)
        flat = (name, None) in NO_SLOPE or (name, k) in NO_SLOPE
        assert (sample is None) == (flat or not has_floating(name, k)), f"{what}: {sample}"
        if sample is None:
            continue
        try:
            op.vjp = rule
            _, y, feeds = graph_of(sample)
            with pytest.raises(errors.GradientCheckError):
                check_grads(y, feeds)
        except BaseException as e:
            raise AssertionError(f"{what} of {sample} survived") from e
        finally:
            op.vjp = original


# ---------------------------------------------------------------------- N3: wrong calls


def refuse(sd, name, error, call):
    """The call raises ``error``, whose message names the op and this line's file, and leaves no trace."""
    before = graph_state(sd)
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert isinstance(caught.value, errors.SDGraphError), caught.value
    assert REGISTRY[name].name in message.splitlines()[0], message
    assert f"{__file__}:" in message
    assert graph_state(sd) == before
    assert sd.constant(1.0).name == "constant"


def method(sd, name):
    op = REGISTRY[name]
    return getattr(namespace_of(sd, op), op.name)


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OPS if REGISTRY[name].operand_names])
def test_a_wrong_call_leaves_no_trace(name):
    """Operands of another graph, arguments that do not exist, operands that are missing."""
    op = REGISTRY[name]
    sample = samples_of(name)[0]
    placed = [k for k, x in enumerate(sample.operands) if x is not None and not isinstance(x, Literal)]
    other = SameDiff("float64")

    def operands(sd, foreign=None):
        out = []
        for k, x in enumerate(sample.operands):
            if k in placed:
                x = np.asarray(x)
                out.append((other if k == foreign else sd).placeholder(f"x{k}", x.shape, x.dtype))
            else:
                out.append(x)
        return out

    def call(sd, xs, attrs):
        if op.variadic:
            return method(sd, name)(*xs, **attrs)
        return method(sd, name)(**dict(zip(op.operand_names, xs, strict=False)), **attrs)

    for k in placed:
        other = SameDiff("float64")
        sd = SameDiff("float64")
        xs = operands(sd, foreign=k)
        refuse(sd, name, errors.ArgumentError, lambda sd=sd, xs=xs: call(sd, xs, sample.attrs))
    sd = SameDiff("float64")
    xs = operands(sd)
    refuse(sd, name, errors.ArgumentTypeError, lambda: call(sd, xs, {**sample.attrs, "no_such_argument": 1}))
    required = [k for k in op.operand_names if k not in op.operand_defaults]
    if required and not op.variadic:
        sd = SameDiff("float64")
        operands(sd)
        refuse(sd, name, errors.ArgumentTypeError, lambda: method(sd, name)(**sample.attrs))


@pytest.mark.any_engine
@pytest.mark.parametrize("name", MISUSE)
def test_misuse(name):
    op = REGISTRY[name]
    for specs, attrs, error in MISUSE[name]:
        sd = SameDiff("float64")
        xs = []
        for k, spec in enumerate(specs):
            shape, dtype = spec if len(spec) == 2 and isinstance(spec[1], str) else (spec, "float64")
            xs.append(sd.placeholder(f"x{k}", shape, dtype))
        if op.variadic:
            refuse(sd, name, error, lambda sd=sd, xs=xs, attrs=attrs: method(sd, name)(*xs, **attrs))
        else:
            keywords = {**dict(zip(op.operand_names, xs, strict=False)), **attrs}
            refuse(sd, name, error, lambda sd=sd, keywords=keywords: method(sd, name)(**keywords))
