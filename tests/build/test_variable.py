"""SDVariable: Python's operators against numpy's own, and what a symbol refuses to do."""

import inspect
import operator
import re
import sys

import numpy as np
import pytest

from sdgraph import SameDiff, SDVariable, VariableKind
from sdgraph.errors import ArgumentTypeError, DTypeError, SDGraphError, ShapeError
from tests.graph_state import graph_state

A = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
B = np.array([[2.0, 3.0, 0.5], [1.0, -2.0, 2.0]])
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge]


def op_name(op) -> str:
    return op.__name__


@pytest.fixture
def sd():
    return SameDiff(dtype="float64")


# ---------------------------------------------------------------------- operators


@pytest.mark.parametrize("op", ARITHMETIC + COMPARISONS, ids=op_name)
def test_binary_operators_are_numpys(sd, op):
    a, b = sd.var("a", A), sd.constant("b", B)
    for ours, theirs in (
        (op(a, b), op(A, B)),
        (op(a, 2.5), op(A, 2.5)),
        (op(2.5, a), op(2.5, A)),
        (op(a, 2), op(A, 2)),
        (op(2, a), op(2, A)),
        (op(a, B), op(A, B)),
        (op(B, a), op(B, A)),
        (op(a, np.float32(3)), op(A, np.float32(3))),
        (op(np.float32(3), a), op(np.float32(3), A)),
        (op(a, B[0]), op(A, B[0])),
        (op(B[:, :1], a), op(B[:, :1], A)),
        (op(a, [1.0, 2.0, 3.0]), op(A, [1.0, 2.0, 3.0])),
        (op([1.0, 2.0, 3.0], a), op([1.0, 2.0, 3.0], A)),
    ):
        assert type(ours) is SDVariable
        value = ours.eval()
        np.testing.assert_array_equal(value, theirs)
        assert value.dtype == theirs.dtype == ours.dtype and value.shape == ours.shape


def test_power_matrix_product_and_unary_operators(sd):
    a, b = sd.var("a", A), sd.constant("b", B)
    for ours, theirs in (
        (b**2, B**2),
        (2**a, 2**A),
        (abs(b) ** a, np.abs(B) ** A),
        (np.abs(B) ** a, np.abs(B) ** A),
        (a @ b.T, A @ B.T),
        (a @ B.T, A @ B.T),
        (A @ b.T, A @ B.T),
        (-a, -A),
        (+a, A),
        (abs(a), np.abs(A)),
        (a.T, A.T),
        (a.eq(A), A == A),
        (a.neq(B), A != B),
    ):
        np.testing.assert_allclose(ours.eval(), theirs, rtol=1e-15)


def test_logical_operators(sd):
    p, q = np.array([True, True, False, False]), np.array([True, False, True, False])
    a, b = sd.constant("a", p), sd.constant("b", q)
    for ours, theirs in ((a & b, p & q), (a | b, p | q), (a ^ b, p ^ q), (~a, ~p)):
        assert ours.dtype == bool
        np.testing.assert_array_equal(ours.eval(), theirs)


def test_an_array_on_the_left_makes_one_node_and_not_an_array_of_nodes(sd):
    v = sd.var("v", [1.0, 2.0])
    product = np.array([3.0, 4.0]) * v
    assert type(product) is SDVariable and product.shape == (2,)
    assert type(np.float64(3.0) * v) is SDVariable
    assert type(np.ones((2, 2)) @ v) is SDVariable


def test_numpys_functions_refuse_a_symbol(sd):
    v = sd.var("v", [1.0, 2.0])
    for call in (lambda: np.sin(v), lambda: np.mean(v), lambda: np.asarray(v), lambda: np.array([v])):
        with pytest.raises(TypeError):
            call()


def test_equality_is_identity_of_the_variable(sd):
    a, b = sd.var("a", 1.0), sd.var("b", 1.0)
    assert a == sd["a"] and a != b and a != 1.0 and a != "a"
    assert {a: 1, b: 2}[sd["a"]] == 1
    assert a != sd.copy()["a"]


@pytest.mark.parametrize(
    "other", ["text", None, object(), {"a": 1}, [[1], [1, 2]], np.array(["a"])], ids=lambda v: type(v).__name__
)
def test_operands_that_are_no_numbers(sd, other):
    v = sd.var("v", [1.0, 2.0])
    before = graph_state(sd)
    with pytest.raises(TypeError) as caught:
        v + other
    assert isinstance(caught.value, SDGraphError)
    assert graph_state(sd) == before


# ---------------------------------------------------------------------- methods


def test_methods_are_numpys(sd):
    a, b = sd.var("a", A), sd.var("b", B)
    for ours, theirs in (
        (a.add(b), A + B),
        (a.sub(b), A - B),
        (a.mul(b), A * B),
        (a.div(b), A / B),
        (a.plus(b), A + B),
        (a.minus(b), A - B),
        (a.times(b), A * B),
        (a.rsub(b), B - A),
        (a.rdiv(b), B / A),
        (a.fdiv(b), A // B),
        (a.mod(b), np.mod(A, B)),
        (a.pow(2), A**2),
        (a.neg(), -A),
        (a.squared_difference(b), (A - B) ** 2),
        (a.lt(b), A < B),
        (a.lte(b), A <= B),
        (a.gt(b), A > B),
        (a.gte(b), A >= B),
        (a.mmul(b.T), A @ B.T),
        (a.dot(b), (A * B).sum()),
        (a.dot(b, 1), (A * B).sum(1)),
        (a.reshape(3, 2), A.reshape(3, 2)),
        (a.reshape((3, -1)), A.reshape(3, -1)),
        (a.permute(1, 0), A.transpose(1, 0)),
        (a.permute((1, 0)), A.transpose(1, 0)),
        (a.transpose(), A.T),
        (a.rank(), 2),
        (a.length(), 6),
        (a.cast("int32"), A.astype("int32")),
        (a.cast_to("float32"), A.astype("float32")),
        (a.dup(), A),
    ):
        np.testing.assert_allclose(ours.eval(), theirs, rtol=1e-14)


REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "std": np.std,
    "var": np.var,
    "norm1": lambda x, axis, keepdims: np.abs(x).sum(axis, keepdims=keepdims),
    "norm2": lambda x, axis, keepdims: np.sqrt((x * x).sum(axis, keepdims=keepdims)),
    "normmax": lambda x, axis, keepdims: np.abs(x).max(axis, keepdims=keepdims),
}


@pytest.mark.parametrize("method", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), ()], ids=repr)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_numpys(sd, method, axis, keepdims):
    ours = getattr(sd.var("a", A), method)(axis, keepdims=keepdims)
    theirs = REDUCTIONS[method](A, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(ours.eval(), theirs, rtol=1e-14)
    assert ours.shape == np.shape(theirs)


@pytest.mark.parametrize("axis", [None, 0, 1, -1], ids=repr)
def test_arg_reductions_are_numpys(sd, axis):
    a = sd.var("a", A)
    for ours, theirs in ((a.argmax(axis), A.argmax(axis)), (a.argmin(axis), A.argmin(axis))):
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours.eval(), theirs)


def test_corrected_deviation(sd):
    a = sd.var("a", A)
    np.testing.assert_allclose(a.std(bias_corrected=True).eval(), A.std(ddof=1))
    np.testing.assert_allclose(a.var(0, bias_corrected=True).eval(), A.var(0, ddof=1))


def test_every_method_that_makes_a_node_takes_a_name(sd):
    a = sd.var("a", np.abs(A))
    others = {"rename", "mark_as_loss", "convert_to_constant", "convert_to_variable", "gradient"}
    for name, method in inspect.getmembers(SDVariable, inspect.isfunction):
        if name.startswith("_") or name in others or inspect.signature(method).return_annotation != "SDVariable":
            continue
        extra = {"reshape": (6,), "permute": (1, 0), "cast": ("float32",), "cast_to": ("float32",), "mmul": (A.T,)}
        required = [
            p
            for p in list(inspect.signature(method).parameters.values())[1:]
            if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        made = method(a, *extra.get(name, (A,) * len(required)), name=f"made_by_{name}")
        assert made.name == f"made_by_{name}"


# ---------------------------------------------------------------------- indexing

INDICES = [
    0,
    -1,
    np.int64(1),
    slice(None),
    slice(1, None),
    slice(None, None, -1),
    slice(None, None, 2),
    slice(5, 1, -2),
    slice(-10, 10),
    slice(2, 1),
    Ellipsis,
    None,
    (0, 1),
    (slice(None), 1),
    (Ellipsis, 0),
    (0, Ellipsis),
    (None, 0, None, slice(1, 3)),
    (slice(None), None, slice(None, None, -2), Ellipsis),
    (1, 2, 3),
    (Ellipsis, None),
    (),
]


@pytest.mark.parametrize("key", INDICES, ids=repr)
def test_basic_indexing_is_numpys(sd, key):
    array = np.arange(24.0).reshape(2, 3, 4)
    v = sd.var("v", array)
    part = v[key]
    np.testing.assert_array_equal(part.eval(), array[key])
    assert part.shape == array[key].shape
    gradient = np.zeros_like(array)
    gradient[key] = 1
    np.testing.assert_array_equal(sd.grad(part.sum(), v).eval(), gradient)


def test_an_index_array_gathers_rows(sd):
    v = sd.var("v", A)
    rows = np.array([1, 0, 1])
    np.testing.assert_array_equal(v[sd.constant("rows", rows)].eval(), A[rows])


@pytest.mark.parametrize(
    "key", [0.5, "a", True, [0, 1], np.array([0]), np.array([True, False]), slice(0.5, 1)], ids=repr
)
def test_indices_of_other_kinds_say_what_to_use(sd, key):
    v = sd.var("v", A)
    before = graph_state(sd)
    with pytest.raises(ArgumentTypeError, match=r"(?s)cannot be indexed.*fix:"):
        v[key]
    assert graph_state(sd) == before


@pytest.mark.parametrize("key", [2, -3, (0, 3), (0, 0, 0)], ids=repr)
def test_indices_out_of_range(sd, key):
    v = sd.var("v", A)
    with pytest.raises(SDGraphError, match=r"out of range|too many"):
        v[key]


# ---------------------------------------------------------------------- what a symbol refuses

REFUSED = {
    "bool": (bool, "sd.where"),
    "if": (lambda v: 1 if v else 0, "sd.where"),
    "not": (operator.not_, "sd.where"),
    "chained comparison": (lambda v: 0 < v < 1, "sd.where"),
    "iter": (iter, "sd.unstack"),
    "unpacking": (lambda v: (lambda *a: a)(*v), "sd.unstack"),
    "float": (float, "float(v.eval(feeds))"),
    "int": (int, "int(v.eval(feeds))"),
    "index": (lambda v: [1, 2, 3][v], "int(v.eval(feeds))"),
    "len": (len, "v.shape[0]"),
    "asarray": (np.asarray, "v.eval(feeds)"),
    "array of": (lambda v: np.array(v, dtype="float32"), "v.eval(feeds)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_symbol_cannot_do_raises_with_a_hint(sd, what):
    call, hint = REFUSED[what]
    v = sd.var("v", [1.0, 2.0])
    with pytest.raises(ArgumentTypeError, match=re.escape(hint)) as caught:
        call(v)
    assert "is a symbol" in str(caught.value)
    assert str(caught.value.called_at).startswith(__file__)


def test_membership_is_refused(sd):
    with pytest.raises(TypeError):
        1.0 in sd.var("v", [1.0])  # noqa: B015


def test_a_variable_takes_no_new_attributes(sd):
    with pytest.raises(AttributeError):
        sd.var("v", 1.0).valeu = 2.0
    with pytest.raises(AttributeError):
        sd.var("w", 1.0).shape = (2,)


# ---------------------------------------------------------------------- promotion, numpy being the judge

DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
]


def promoted(op, a, b):
    """What numpy makes of it, with the operands as arrays (or Python scalars): the dtype, or the exception's class."""
    try:
        with np.errstate(all="ignore"):
            return op(a, b).dtype
    except TypeError:
        return TypeError


@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.truediv, operator.lt], ids=op_name)
def test_promotion_of_two_arrays_is_numpys(op):
    for a in DTYPES:
        for b in DTYPES:
            sd = SameDiff()
            x, y = sd.placeholder("x", (2,), a), sd.placeholder("y", (2,), b)
            one, other = np.ones(2, a), np.ones(2, b)
            expected = promoted(op, one, other)
            if expected is TypeError:
                with pytest.raises(DTypeError):
                    op(x, y)
                continue
            if expected.kind == "c" and op is operator.lt:
                continue
            made = op(x, y)
            assert made.dtype == expected, (a, b)
            assert made.eval({"x": one, "y": other}).dtype == expected


@pytest.mark.parametrize("scalar", [True, 3, 2.5, 1 + 2j], ids=repr)
@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.truediv], ids=op_name)
def test_python_scalars_are_weak_as_in_numpy(op, scalar):
    for dtype in DTYPES:
        array = np.ones(2, dtype)
        expected = promoted(op, array, scalar)
        x = SameDiff().placeholder("x", (2,), dtype)
        for made, value in ((op(x, scalar), op(array, scalar)), (op(scalar, x), op(scalar, array))):
            assert made.dtype == expected, (dtype, scalar)
            result = made.eval({"x": array})
            assert result.dtype == expected
            np.testing.assert_array_equal(result, value)


def test_python_lists_are_weak_too():
    sd = SameDiff()
    integers, floats = [1, 2], [0.5, 2.0]
    x, n = sd.placeholder("x", (2,), "float32"), sd.placeholder("n", (2,), "int8")
    assert (x + integers).dtype == (integers + x).dtype == (floats * x).dtype == np.float32
    assert (n + integers).dtype == np.int8
    assert (n + floats).dtype == np.float64


# ---------------------------------------------------------------------- in place

IN_PLACE = {
    "+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv, "//": operator.ifloordiv,
    "%": operator.imod, "**": operator.ipow, "@": operator.imatmul, "&": operator.iand, "|": operator.ior,
    "^": operator.ixor,
}  # fmt: skip


def test_every_operator_of_a_variable_has_a_form_in_place():
    """So that none of them adds a node where a new value is meant."""
    dunders = {
        f"__{name}__"
        for name in (
            ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"]
        )
    }
    has = {name for name in dunders if hasattr(SDVariable, name)}
    in_place = {f"__i{name[2:]}" for name in has}
    assert in_place == {f"__{op.__name__}__" for op in IN_PLACE.values()} <= set(dir(SDVariable))


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
@pytest.mark.parametrize("symbol", IN_PLACE)
def test_a_variable_is_not_changed_in_place(sd, symbol, dtype):
    w = sd.var("w", [1, 0], dtype=dtype)
    before = graph_state(sd)
    for other in (1, 0.1, np.ones(2), w, "text"):
        with pytest.raises(ArgumentTypeError, match=r"'w' is a variable") as caught:
            IN_PLACE[symbol](w, other)
        assert f"v.value = v.value {symbol} ..." in caught.value.fix and "sd.set_values" in caught.value.fix
    assert graph_state(sd) == before and w.value.tolist() == [1, 0]


def test_the_error_names_the_line_that_wrote_it(sd):
    w = sd.var("w", [1.0, 2.0])
    line = sys._getframe().f_lineno + 2
    with pytest.raises(ArgumentTypeError) as caught:
        w -= 0.1
    assert (caught.value.called_at.line, caught.value.called_at.filename) == (line, __file__)


@pytest.mark.parametrize("symbol", IN_PLACE)
def test_a_name_for_anything_else_is_bound_to_a_new_node(sd, symbol):
    """As layers are written: ``h = x @ w`` and then ``h += b``."""
    dtype, other = ("bool", [[True, False], [True, True]]) if symbol in "&|^" else ("float64", [[3.0, 1.0], [0.5, 2.0]])
    array = np.array([[2, 5], [4, 0]], dtype)
    x = sd.placeholder("x", (2, 2), dtype)
    c, h = sd.constant("c", array), sd.identity(x)
    for v in (x, c, h):
        name = IN_PLACE[symbol](v, np.array(other))
        assert name != v and name.op_name is not None
        np.testing.assert_array_equal(name.eval({"x": array}), IN_PLACE[symbol](array.copy(), np.array(other)))
    assert c.value.tolist() == array.tolist()


# ---------------------------------------------------------------------- facts


def test_facts(sd):
    x = sd.placeholder("x", ("batch", 3), "float32")
    y = sd.math.tanh(x, name="y")
    w = sd.var("w", [1.0])
    assert (x.shape, x.dtype, x.ndim, x.kind) == (("batch", 3), np.float32, 2, VariableKind.PLACEHOLDER)
    assert (y.op_name, x.op_name, w.op_name) == ("math.tanh", None, None)
    assert (y.kind, w.kind, sd.constant(1.0).kind) == (VariableKind.ARRAY, VariableKind.VARIABLE, VariableKind.CONSTANT)
    assert repr(x) == "<SDVariable 'x': placeholder, float32 (batch, 3)>"
    assert repr(y) == "<SDVariable 'y': array by math.tanh, float32 (batch, 3)>"


def test_origin_is_the_users_line(sd):
    line = inspect.currentframe().f_lineno + 1
    v = sd.var("v", 1.0)
    y = (
        v
        * 2.0
    )  # fmt: skip
    loss = sd.loss.l2_loss(v)
    assert (v.origin.filename, v.origin.line) == (__file__, line)
    assert line < y.origin.line <= line + 4
    assert loss.origin.line == line + 5
    assert v.origin.function.endswith("test_origin_is_the_users_line")
    assert str(v.origin) == f"{__file__}:{line}, in test_origin_is_the_users_line"


def test_origin_of_nodes_made_in_a_loop_is_their_line(sd):
    v = sd.var("v", 1.0)
    lines = set()
    for _ in range(3):
        v = v + 1.0
        lines.add(v.origin.line)
    assert len(lines) == 1


# ---------------------------------------------------------------------- values


def test_values_are_set_checked_and_copied(sd):
    w = sd.var("w", np.zeros(2, "float32"))
    y = w * 1.0
    new = np.array([1.0, 2.0])
    w.value = new
    new[:] = 9
    assert w.value.dtype == np.float32 and w.value.tolist() == [1, 2] == y.eval().tolist()
    w.value = [3, 4]
    assert y.eval().tolist() == [3, 4]
    with pytest.raises(ValueError, match="read-only"):
        w.value[0] = 1


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([1.0], ShapeError),
        (1.0, ShapeError),
        ([[1.0, 2.0]], ShapeError),
        ([1j, 2], DTypeError),
        ("ab", DTypeError),
        ([None, 1], DTypeError),
        ([[1], [1, 2]], ShapeError),
    ],
)
def test_values_that_do_not_fit_are_refused(sd, value, error):
    w = sd.var("w", [1.0, 2.0])
    with pytest.raises(error):
        w.value = value
    assert w.value.tolist() == [1, 2]


def test_only_variables_take_values(sd):
    x, c, w = sd.placeholder("x"), sd.constant("c", 1.0), sd.var("w", 1.0)
    for v in (x, c, w + 1.0):
        with pytest.raises(ArgumentTypeError, match="Only variables take a new value"):
            v.value = 1.0
    assert c.value == 1.0
    for v in (x, w + 1.0):
        with pytest.raises(ArgumentTypeError, match="no value of its own"):
            v.value  # noqa: B018


def test_gradient_of_the_current_losses(sd):
    w, unused = sd.var("w", [1.0, 2.0]), sd.var("unused", [3.0])
    n = sd.constant("n", [1, 2], dtype="int32")
    sd.loss.l2_loss(w)
    assert w.gradient().eval().tolist() == [1, 2]
    assert w.gradient() == w.gradient()
    assert w.has_gradient() and not unused.has_gradient() and not n.has_gradient()


def test_eval_takes_feeds_by_name_by_variable_and_as_keywords(sd):
    x, y = sd.placeholder("x"), sd.placeholder("y")
    z = x - y
    assert z.eval({"x": 3, "y": 1}) == z.eval({x: 3, "y": 1}) == z.eval(x=3, y=1) == z.eval({"x": 3}, y=1) == 2
    with pytest.raises(ArgumentTypeError, match="Feeds are given by name"):
        z.eval([3, 1])
