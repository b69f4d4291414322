"""Gradients cost a constant times their value, in nodes, in work and in memory, however large or long the program is.

Costs are counted in `tests.benchmarks.growth`, never timed.
"""

import itertools
import math

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import REGISTRY
from tests.benchmarks.growth import memory, results, work
from tests.ops.samples import F, Literal, Sample, draw, f, ints, regular, s, samples_of
from tests.ops.test_every_op import OPS, apply, floating, joined

RNG = np.random.default_rng(0)


# ---------------------------------------------------------------------- every op


def _mask(n):
    return (("slice", None, None, 2), ("slice", 1, n, None))


# Samples by size where the attributes of an op name sizes; others grow by themselves.
SIZED = {
    "reshape": lambda n: s(f(n, 6), shape=(6, n)),
    "reshape_like": lambda n: s(f(n, 6), f(3, 2 * n)),
    "broadcast_to": lambda n: s(f(n, 1), shape=(n, 5)),
    "unconcat": lambda n: s(f(3 * n, 2), f(n, 2), f(2 * n, 2), axis=0),
    "untile": lambda n: s(f(2 * n, 3), f(n, 3), reps=(2, 1)),
    "unrepeat": lambda n: s(f(2 * n), f(n), repeats=2),
    "index": lambda n: s(f(n, n), key=_mask(n)),
    "index_scatter": lambda n: s(f((n + 1) // 2, n - 1), f(n, n), key=_mask(n)),
    "scatter_slices": lambda n: s(f(n, 3), f(n - 1, 3), f(3), keys=((("slice", 1, None, None),), (0,))),
    "slice": lambda n: s(f(n, 4), begin=(1, 0), size=(n - 1, 2)),
    "gather_nd": lambda n: s(f(n, 3), ints([[k % n, k % 3] for k in range(2 * n)])),
    "scatter_nd_add": lambda n: s(f(n, 3), ints([[k % n, k % 3] for k in range(2 * n)]), f(2 * n)),
    "segment_sum": lambda n: s(f(n, 3), ints([k // 2 for k in range(n)]), num_segments=n),
    **{
        f"segment_{name}": lambda n: s(f(n, 3), ints([k // 2 for k in range(n)]), num_segments=n)
        for name in ("max", "min", "mean", "prod")
    },
    "dynamic_partition": lambda n: s(f(2 * n, 3), ints([k % 2 for k in range(2 * n)]), num_partitions=2, sizes=(n, n)),
    "split_v": lambda n: s(f(2 * n, 3), sizes=(n, n)),
    # Batch and channels grow. Filters as large as pictures, beside them, would be another operation.
    "cnn.conv": lambda n: s(f(n, 4, 4, n), f(2, 2, n, n)),
    "cnn.conv_input": lambda n: s(f(n, 3, 3, n), f(2, 2, n, n), sizes=(4, 4)),
    "cnn.conv_kernel": lambda n: s(f(n, 4, 4, n), f(n, 3, 3, n), sizes=(2, 2)),
    "cnn.conv1d": lambda n: s(f(n, 4, n), f(2, n, n), f(n)),
    "cnn.conv2d": lambda n: s(f(n, 3, 3, n), f(2, 2, n, n), f(n)),
    "cnn.conv3d": lambda n: s(f(n, 2, 3, 2, n), f(2, 2, 2, n, n), f(n)),
    "cnn.depth_wise_conv2d": lambda n: s(f(n, 3, 3, n), f(2, 2, n, 2)),
    "cnn.separable_conv2d": lambda n: s(f(n, 3, 3, n), f(2, 2, n, 2), f(1, 1, 2 * n, n)),
    "cnn.deconv2d": lambda n: s(f(n, 2, 2, n), f(2, 2, n, n), f(n)),
    "cnn.deconv3d": lambda n: s(f(n, 2, 1, 2, n), f(2, 1, 2, n, n), f(n)),
    "cnn.dilation2d": lambda n: s(f(n, 3, 3, n), f(2, 2, n)),
    # Its value is a view of little, so that a grid of its size would count as growth.
    "math.meshgrid": lambda n: s(f(n), f(3)),
    "cnn.window_first": lambda n: s(f(n), f(n - 1), sizes=2),
    **{
        f"image.{name}": lambda n: s(f(n, 3))
        for name in ("rgb_to_hsv", "hsv_to_rgb", "rgb_to_yiq", "yiq_to_rgb", "rgb_to_yuv", "yuv_to_rgb")
    },
    "image.adjust_hue": lambda n: s(f(n, 2, 3), delta=0.2),
    "image.adjust_saturation": lambda n: s(f(n, 2, 3), factor=0.5),
    "image.crop_and_resize": lambda n: s(
        f(n, 3, 4, 2), np.tile([0.1, 0.2, 0.7, 0.9], (n, 1)), ints(range(n)), crop_out_size=(2, 3)
    ),
    "image.extract_image_patches": lambda n: s(f(n, 3, 4, 2), k_sizes=(2, 3)),
    "image.unresample": lambda n: s(f(n), f(n + 2), size=n),
    "image.non_max_suppression": lambda n: s(np.tile([0.0, 0.0, 1.0, 1.0], (n, 1)), f(n), max_out_size=3),
    "cnn.add_windows": lambda n: s(f(n, 3, 2), f(n, 4), axis=1, size=2),
    "cnn.col2_im": lambda n: s(f(n, 1, 2, 2, 2, 3), sizes=(3, 4)),
    "linalg.cross": lambda n: s(f(n, 3), f(n, 3)),
    "linalg.matmul_like": lambda n: s(f(n, 4, 3), f(n, 3, 5), f(4, 5)),
    "nn.unpad": lambda n: s(f(n + 4, n + 3), f(n, n), padding=((2, 2), (1, 2))),
    "nn.multi_head_dot_product_attention": lambda n: s(
        f(1, 2, n), f(1, 2, n), f(1, 2, n), f(2, 2, 2), f(2, 2, 2), f(2, 2, 2), f(4, 3)
    ),
    "linalg.cholesky": lambda n: s(np.eye(n) * 3 + 0.1),
    "linalg.logdet": lambda n: s(np.eye(n) * 3 + 0.1),
    "linalg.solve": lambda n: s(regular(n, n), f(n, 3)),
    "linalg.triangular_solve": lambda n: s(np.eye(n) * 3 + 0.1, f(n, 3)),
    "linalg.matrix_inverse": lambda n: s(np.eye(n) * 3 + 0.1),
    "linalg.matrix_determinant": lambda n: s(np.eye(n) * 3 + 0.1),
}
SMALL, LARGE = 6, 24
MOST_WORK = {1: 10.0, 2: 37.0}
"""Work of value and derivatives, by order, in units of the value's: that of the costliest ops, and a little more."""
MOST_MEMORY = {1: 5.0, 2: 13.0}
OF_LAYERS = {"work": 42.0, "memory": 24.0}
"""Second derivatives by all weights of a recurrent layer are several loops, and each keeps values of all steps."""


def _grown(sample, n):
    """A sample with every size above 1 made ``n`` times as large, or the op's own for that size."""
    if sample.op in SIZED:
        operands, attrs, _ = SIZED[sample.op](2 * n)
        values = tuple(
            draw(x.shape, x.domain or (0.2, 2.0), k) if isinstance(x, F) else x for k, x in enumerate(operands)
        )
        return Sample(sample.op, values, attrs)

    def larger(x):
        if x is None or isinstance(x, Literal):
            return x
        shape = tuple(d * n if d > 1 else d for d in np.shape(x))
        lifted = 1e-3 * np.arange(math.prod(shape)).reshape(shape) / max(1, math.prod(shape))
        return np.resize(x, shape) + (lifted if np.asarray(x).dtype.kind == "f" else 0)

    return Sample(sample.op, tuple(map(larger, sample.operands)), sample.attrs)


def _costs(sample):
    """Work and memory of the value, of value and gradient, and with second derivatives; None without gradients."""
    sd = SameDiff("float64")
    outs, feeds = apply(sd, sample)
    y = joined(sd, floating(outs))
    wrt = [sd[k] for k, x in feeds.items() if x.dtype.kind == "f"]
    if y is None or not wrt:
        return None
    try:
        y = sd.sum(y * y)
        first = list(sd.grad(y, wrt))
        second = list(sd.grad(sum((sd.sum(g * g) for g in first[1:]), sd.sum(first[0] * first[0])), wrt))
    except errors.GradientError:
        return None
    given = sum(x.size for x in feeds.values())
    found = []
    for fetches in ([y], [y, *first], [y, *first, *second]):
        executable = sd.compile(fetches, engine="numpy")
        executable(feeds)
        found.append((work(executable.plan) + given, memory(executable.plan) + given))
    return found


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OPS if REGISTRY[name].operand_names])
def test_every_op(name):
    seen, grew = set(), 0
    for sample in samples_of(name):
        shapes = [np.shape(x) for x in sample.operands if x is not None and not isinstance(x, Literal)]
        kind = str(shapes) + str(sorted(sample.attrs))
        if kind in seen or len(seen) == 3 or 0 in itertools.chain(*shapes):
            continue
        seen.add(kind)
        try:
            costs = [_costs(_grown(sample, n)) for n in (SMALL, LARGE)]
        except errors.SDGraphError:
            continue  # This one does not grow by itself; another of the op does.
        grew += 1
        if None in costs:
            continue
        for order in (1, 2):
            for what, most in ((0, MOST_WORK), (1, MOST_MEMORY)):
                small, large = (c[order][what] / c[0][what] for c in costs)
                kind = ("work", "memory")[what]
                bound = OF_LAYERS[kind] if order == 2 and name.startswith("rnn.") else most[order]
                assert large <= max(1.5 * small, 4.0), (sample, order, kind, small, large)
                assert large <= bound, (sample, order, kind, small, large)
    assert grew, f"no sample of {name} can be made larger: add one to SIZED"


# ---------------------------------------------------------------------- programs


def _variable(sd, *shape):
    return sd.var(sd.names.free("v"), RNG.normal(size=shape) * 0.1)


def _total(sd, terms):
    return sd.math.merge_add(*map(sd.sum, terms))


def recurrent(sd, n):
    """A network over n steps whose states are stacked."""
    x, w, u = _variable(sd, n, 4, 3), _variable(sd, 3, 5), _variable(sd, 5, 5)
    h, states = sd.constant(np.zeros((4, 5))), []
    for k in range(n):
        h = sd.math.tanh(x[k] @ w + h @ u)
        states.append(h)
    return sd.sum(sd.math.square(sd.stack(*states)))


def stacked(sd, n):
    return sd.sum(sd.math.square(sd.stack(*[_variable(sd, 3) for _ in range(n)], axis=1)))


def joined_of_unknown_size(sd, n):
    x = sd.placeholder("x", (None, 3))
    return sd.sum(sd.math.square(sd.concat(*[x * _variable(sd, 3) for _ in range(n)])))


def joined_of_known_size(sd, n):
    return sd.sum(sd.math.square(sd.concat(*[_variable(sd, 2, 3) for _ in range(n)])))


def unstacked(sd, n):
    return _total(sd, [v * v for v in sd.unstack(_variable(sd, n, 3))])


def split(sd, n):
    return _total(sd, [v * v for v in sd.split(_variable(sd, 2 * n, 3), n)])


def rows(sd, n):
    x = _variable(sd, n, 3)
    return _total(sd, [x[k] * x[k] for k in range(n)])


def blocks(sd, n):
    x = _variable(sd, 3, 2 * n)
    return _total(sd, [x[:, 2 * k : 2 * k + 2] * x[:, 2 * k : 2 * k + 2] for k in range(n)])


def windows(sd, n):
    x = _variable(sd, n + 2, 3)
    return _total(sd, [sd.math.square(x[k : k + 3]) for k in range(n)])


def rows_of_unknown_size(sd, n):
    x = sd.placeholder("x", (None, 3)) * _variable(sd, n, 3)
    return _total(sd, [sd.math.square(x[k]) for k in range(n)])


def looked_up(sd, n):
    x = _variable(sd, n, 3)
    return _total(sd, [sd.math.square(sd.gather(x, [k, 0])) for k in range(n)])


def looked_up_along_columns(sd, n):
    x = _variable(sd, 3, n)
    return _total(sd, [sd.math.square(sd.take_along_axis(x, [[k], [0], [k]])) for k in range(n)])


def one_matrix(sd, n):
    """A matrix that is used n times."""
    w, x = _variable(sd, 150, 150), _variable(sd, 2, 150)
    for _ in range(n):
        x = sd.math.tanh(x @ w)
    return sd.sum(x)


def alignments(sd, n):
    full = np.full(2, n)
    return sd.sum(sd.loss.ctc_loss(np.ones((2, 3), int), _variable(sd, 2, n, 4), np.full(2, 3), full))


def products_of_batches(sd, n):
    return sd.sum(sd.math.square(_variable(sd, n, 2, 40) @ _variable(sd, 40, 40)))


def batches_of_solutions(sd, n):
    matrix = np.eye(20) + RNG.normal(size=(20, 20)) * 0.01
    return sd.sum(sd.math.square(sd.linalg.solve(sd.var("m", matrix), _variable(sd, n, 20, 1))))


PROGRAMS = [
    recurrent, stacked, joined_of_known_size, joined_of_unknown_size, unstacked, split, rows, blocks, windows,
    rows_of_unknown_size, looked_up, looked_up_along_columns, one_matrix, alignments, products_of_batches,
    batches_of_solutions,
]  # fmt: skip


def _measured(program, n, order):
    """Nodes, work and memory: of the value and of the derivatives.

    What a derivative must keep is what the value computes, so memory is compared with all results of the value.
    """
    sd = SameDiff("float64")
    y = program(sd, n)
    if order == 2:
        wrt = _variables(sd)
        y = _total(sd, [sd.math.square(g) for g in sd.grad(y, wrt)])
    built, wrt = len(sd.nodes), _variables(sd)
    slopes = list(sd.grad(y, wrt))
    feeds = {"x": np.ones((n if program is rows_of_unknown_size else 2, 3))} if "x" in sd.names.ids else {}
    given = sum(v.value.size for v in wrt)
    costs = []
    for fetches in ([y], [y, *slopes]):
        executable = sd.compile(fetches, engine="numpy")
        executable(feeds)
        costs.append(executable.plan)
    value, both = costs
    return np.array(
        [len(sd.nodes) / built, (work(both) + given) / (work(value) + given), memory(both) / (results(value) + given)]
    )


def _variables(sd):
    return [v for v in map(sd.handle, range(len(sd.nodes))) if v.kind is VariableKind.VARIABLE]


@pytest.mark.any_engine
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program, order):
    """Four times the length: the same ratios of nodes, work and memory."""
    small, large = (_measured(program, n, order) for n in (20, 80))
    assert np.all(large <= 1.25 * small + 0.1), (small, large)
    assert np.all(large <= [6.0, 6.0, 4.0]), large


@pytest.mark.any_engine
def test_a_thousand_steps():
    """Nodes per step do not depend on the number of steps, nor do entries of a plan."""
    counts = []
    for n in (100, 1000):
        sd = SameDiff("float64")
        y = recurrent(sd, n)
        built = len(sd.nodes)
        slopes = sd.grad(y, _variables(sd))
        links = sum(len(node.inputs) for node in sd.nodes)
        executable = sd.compile([y, *slopes], engine="numpy")
        executable()
        plan = executable.plan
        counts.append(
            np.array([built, len(sd.nodes), links, len(plan.steps), work(plan), sum(len(p.inputs) for p in plan.steps)])
            / n
        )
    assert np.all(counts[1] <= 1.1 * counts[0]), counts
