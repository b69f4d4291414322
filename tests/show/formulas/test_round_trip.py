"""What is printed is read again by an independent reader, and must come to what the graph computes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sdgraph import SameDiff
from tests.show.formulas.reader import value

LEAVES = {
    "x": ("x",),
    "w1": ("w_{1}",),
    "tanh": (r"\mathit{tanh}",),
    "add_1": (r"\mathit{add}_{1}",),
    "h": ("h",),
    "e": ("e",),
    "sigma": (r"\sigma",),
    "layer1/v": ("v", "v^{(1)}"),
    "layer2/v": ("v", "v^{(2)}"),
    "net/a": ("a", r"a_{\mathrm{net}}"),
    "other net/a": ("a", r"a_{\mathrm{other\ net}}"),
}
"""Names of variables, and how each may be written: without scopes only if no other variable would look the same."""
SCALARS = {"h", "sigma"}
GIVEN = [None, None, None, "z", "mul", "exp_2", "y_hat", "part/z", "sum"]
NUMBERS = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 3.0, 0.25]
UNARY = ["neg", "exp", "tanh", "sqrt", "abs", "square", "sin", "log1p", "ln", "sum", "sigmoid", "reciprocal"]
BINARY = ["add", "sub", "mul", "div", "pow", "max", "min", "rsub", "rdiv", "squared_difference"]

trees = st.recursive(
    st.sampled_from([*LEAVES, *NUMBERS]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(UNARY), st.sampled_from(GIVEN), inner),
        st.tuples(st.sampled_from(BINARY), st.sampled_from(GIVEN), inner, inner),
        st.tuples(st.sampled_from(["twice", "squares"]), st.none(), inner),
    ),
    max_leaves=14,
)


def method(sd, op):
    return getattr(sd.nn if op == "sigmoid" else sd if op == "sum" else sd.math, op)


def built(sd, tree, leaves):
    """A variable or a number."""
    if isinstance(tree, float):
        return tree
    if isinstance(tree, str):
        return leaves[tree]
    op, name, *operands = tree
    values = [built(sd, each, leaves) for each in operands]
    if all(isinstance(v, float) for v in values):
        values[0] = sd.constant(values[0])
    if op == "twice":
        return values[0] + values[0]
    if op == "squares":
        return values[0] * values[0]
    name = None if name is None or name in sd else name
    return method(sd, op)(*values, name=name)


def values_of(used):
    """What each way of writing stands for: the short form of a name only if no other variable would have it."""
    rng = np.random.default_rng(len(used))
    arrays = {n: rng.uniform(0.4, 1.6, () if n in SCALARS else (3,)) for n in LEAVES}
    found = {}
    for name in used:
        for text in LEAVES[name]:
            found[text] = None if text in found else arrays[name]
    return arrays, {text: array for text, array in found.items() if array is not None}


def leaves_in(tree):
    if isinstance(tree, str):
        return {tree}
    return set().union(*(leaves_in(t) for t in tree[2:])) if isinstance(tree, tuple) else set()


@settings(max_examples=250)
@given(trees.filter(lambda tree: isinstance(tree, tuple)))
def test_what_is_written_is_what_is_computed(tree):
    used = sorted(leaves_in(tree))
    arrays, written = values_of(used)
    sd = SameDiff("float64")
    leaves = {name: sd.placeholder(name, arrays[name].shape) for name in used}
    y = built(sd, tree, leaves)
    with np.errstate(all="ignore"):
        expected = y.eval({name: arrays[name] for name in used})
        assume(np.all(np.isfinite(expected)) and np.max(np.abs(expected), initial=0) < 1e5)
        text = y.to_latex(max_length=100_000)
        read = value(text, written)
    np.testing.assert_allclose(np.broadcast_to(read, expected.shape), expected, rtol=1e-6, atol=1e-6, err_msg=text)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x, y: -(x**2), "-x^{2}"),
        (lambda x, y: (-x) ** 2, r"\left(-x\right)^{2}"),
        (lambda x, y: x / (y * 3.0), r"\frac{x}{3\, y}"),
        (lambda x, y: (x / y) / 3.0, r"\frac{\frac{x}{y}}{3}"),
        (lambda x, y: x - (y - 3.0), r"x - \left(y - 3\right)"),
        (lambda x, y: x - (y + 3.0), r"x - \left(y + 3\right)"),
        (lambda x, y: x ** (y**2), "x^{y^{2}}"),
        (lambda x, y: (x**y) ** 2, r"\left(x^{y}\right)^{2}"),
        (lambda x, y: x + -y, "x - y"),
        (lambda x, y: x - -y, "x + y"),
        (lambda x, y: -(x * -1.0), "x"),
        (lambda x, y: x + -3.0, "x - 3"),
        (lambda x, y: x + (-y - 3.0), "x - y - 3"),
        (lambda x, y: x * 1.0 + 0.0, "x"),
        (lambda x, y: 0.0 - x / 1.0, "-x"),
        (lambda x, y: x**1.0 * -1.0, "-x"),
        (lambda x, y: (x * -2.0) / (-y), r"\frac{2\, x}{y}"),
        (lambda x, y: (x % y) * 3.0, r"3\, \left(x \bmod y\right)"),
        (lambda x, y: x * (x % y), r"x \odot \left(x \bmod y\right)"),
        (lambda x, y: x.sum() * y, r"\left(\sum x\right)\, y"),
        (lambda x, y: 2.0 * (x * y).sum(), r"2\, \sum x \odot y"),
        (lambda x, y: x.sd.math.tanh(x) ** 2, r"\left(\tanh\left(x\right)\right)^{2}"),
        (lambda x, y: x.sd.math.exp(-x / y), r"\exp\left(-\frac{x}{y}\right)"),
        (lambda x, y: x.sd.math.exp(x * y), r"e^{x \odot y}"),
        (lambda x, y: x.sd.math.log1p(-x), r"\log\left(1 - x\right)"),
        (lambda x, y: 2.0 * (3.0 * x), r"2 \cdot 3\, x"),
    ],
)
def test_brackets_and_signs(make, expected):
    sd = SameDiff("float64")
    y = make(sd.placeholder("x", (3,)), sd.placeholder("y", (3,)))
    assert y.to_latex(depth=1).split("\n")[1].split(" &= ", 1)[1] == expected
