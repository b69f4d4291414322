"""Building graphs: names, scopes, leaves, copies, and calls that fail and leave no trace."""

import re
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgraph import LossReduce, SameDiff, SDVariable, VariableKind
from sdgraph.build.kinds import KindName
from sdgraph.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    GradientError,
    SDGraphError,
    ShapeError,
    UnknownVariableError,
    VariableNameError,
)
from tests.graph_state import graph_state

MALFORMED = ["", " ", "a ", " a", "/", "a/", "/a", "a//b", "a\n", "a\tb", "a\x00", "\x7f", "w:0", "w:12", None, 3, b"w"]
MALFORMED += ["a" * 1001, "a/" * 8000 + "b", "\ud800", "a\udfffb"]
WELL_FORMED = ["a", "a b", "layer1/w", "α", "w:x", "a.b", "0", "a-b", "a" * 1000]


def names(sd: SameDiff) -> list[str]:
    return [v.name for v in sd.variables()]


# ---------------------------------------------------------------------- names


def test_automatic_names_count_up_per_op():
    sd = SameDiff()
    x = sd.placeholder("x")
    assert [(x + x).name for _ in range(3)] == ["add", "add_1", "add_2"]
    assert (x * x).name == "mul"
    assert sd.math.tanh(x).name == "tanh"


def test_automatic_names_step_over_taken_ones():
    sd = SameDiff()
    x = sd.placeholder("add")
    sd.var("add_1", 1.0)
    assert [(x + x).name, (x + x).name] == ["add_2", "add_3"]


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed_names_are_kept(name):
    sd = SameDiff()
    v = sd.var(name, 1.0)
    assert v.name == name and name in sd and sd[name] == v


@pytest.mark.parametrize("name", MALFORMED, ids=lambda name: f"{name!r:.20}")
def test_malformed_names_are_refused(name):
    sd = SameDiff()
    x = sd.placeholder("x")
    before = graph_state(sd)
    calls = [
        lambda: sd.placeholder(name),
        lambda: sd.var(name, 1.0),
        lambda: sd.rename(x, name),
        lambda: sd.name_scope(name).__enter__(),
    ]
    if isinstance(name, str):  # None is how an op asks for an automatic name
        calls.append(lambda: sd.math.add(x, 1.0, name=name))
        calls.append(lambda: sd.constant(name, 1.0))
    for call in calls:
        with pytest.raises(VariableNameError, match="not a name"):
            call()
        assert graph_state(sd) == before


@pytest.mark.parametrize("name", ["a" * 1001, "a" * 100_000, "\ud800"], ids=lambda name: f"{name!r:.20}")
def test_a_malformed_name_of_a_size_is_refused(name):
    sd = SameDiff()
    before = graph_state(sd)
    with pytest.raises(ArgumentError, match="at most 1,000 characters") as caught:
        sd.placeholder("x", shape=(3, name))
    str(caught.value).encode()
    assert len(str(caught.value)) < 2000
    assert graph_state(sd) == before
    assert sd.placeholder("x", shape=(3, "a" * 1000)).shape == (3, "a" * 1000)


def test_a_taken_name_says_where_it_was_taken():
    sd = SameDiff()
    x = sd.placeholder("x")
    sd.var("w", 1.0)
    before = graph_state(sd)
    for call in (
        lambda: sd.placeholder("w"),
        lambda: sd.var("w", 2.0),
        lambda: sd.constant("w", 2.0),
        lambda: sd.math.add(x, 5.0, name="w"),
        lambda: sd.loss.l2_loss(x, name="w"),
        lambda: sd.rename(x, "w"),
        lambda: x.rename("w"),
    ):
        with pytest.raises(VariableNameError, match=r"The name 'w' is taken") as caught:
            call()
        assert str(caught.value.node_origin).startswith(__file__)
        assert caught.value.fix and "name_scope" in caught.value.fix
        assert graph_state(sd) == before


def test_unknown_names_come_with_near_ones():
    sd = SameDiff()
    sd.var("weights", 1.0)
    with pytest.raises(UnknownVariableError, match=re.escape("Did you mean 'weights'?")):
        sd["weigths"]
    with pytest.raises(KeyError):
        sd["z"]
    assert "z" not in sd and 3 not in sd


# ---------------------------------------------------------------------- scopes


def test_scopes_nest_and_close():
    sd = SameDiff()
    with sd.name_scope("outer") as outer:
        a = sd.var("w", 1.0)
        with sd.name_scope("inner") as inner:
            b = sd.var("w", 1.0)
            c = b + b
        d = a * a
    e = sd.var("w", 1.0)
    assert (outer, inner) == ("outer", "outer/inner")
    assert [v.name for v in (a, b, c, d, e)] == ["outer/w", "outer/inner/w", "outer/inner/add", "outer/mul", "w"]
    assert sd.current_scope == ""


def test_a_scope_opened_again_goes_on_counting():
    sd = SameDiff()
    x = sd.placeholder("x")
    made = []
    for _ in range(2):
        with sd.name_scope("layer"):
            made.append((x + x).name)
    assert made == ["layer/add", "layer/add_1"]


def test_a_scope_closes_when_its_block_raises():
    sd = SameDiff()
    with pytest.raises(RuntimeError), sd.name_scope("a"), sd.name_scope("b"):
        raise RuntimeError
    assert sd.current_scope == "" and sd.var("w", 1.0).name == "w"


def test_a_scope_may_contain_slashes():
    sd = SameDiff()
    with sd.name_scope("a/b"):
        assert sd.var("c/d", 1.0).name == "a/b/c/d"


# ---------------------------------------------------------------------- rename


def test_rename_keeps_the_variable():
    sd = SameDiff()
    w = sd.var("w", 2.0)
    y = w * 3.0
    assert w.rename("weight") is w
    assert w.name == "weight" and "w" not in sd and sd["weight"] == w
    assert y.eval() == 6.0
    sd.var("w", 1.0)  # the old name is free again


def test_rename_to_its_own_name_changes_nothing():
    sd = SameDiff()
    w = sd.var("w", 2.0)
    before = graph_state(sd)
    w.rename("w")
    assert graph_state(sd) == before


def test_a_graph_knows_which_names_somebody_chose():
    sd = SameDiff("float64")
    x, w = sd.placeholder("x", (2,)), sd.var("w", np.ones(2))
    automatic, chosen = sd.math.exp(x * w), sd.math.tanh(x, name="tanh")
    fixed = sd.constant("constant", 1.0)
    several = sd.linalg.qr(sd.var("m", np.eye(2)), name="f")
    given = [x, w, chosen, fixed, sd["m"], *several]
    assert sd.names.given == {v.id for v in given}
    automatic.rename("exp")
    assert sd.names.given == {v.id for v in [*given, automatic]}
    copy = sd.copy()
    assert copy.names.given == sd.names.given
    (g,) = sd.grad((chosen * automatic * fixed).sum(), [w])
    assert not {i for i in sd.names.given if sd.nodes[i].name.startswith("grad/")}
    g.rename("slope")
    assert g.id in sd.names.given
    older = sd.math.sin(x)
    before = set(sd.names.given)
    with pytest.raises(RuntimeError), sd.transaction():
        sd.math.exp(x, name="one more")
        sd.math.exp(x).rename("and one")
        older.rename("sin")
        raise RuntimeError
    assert sd.names.given == before


def test_rename_in_a_scope_takes_a_full_name():
    sd = SameDiff()
    with sd.name_scope("layer"):
        w = sd.var("w", 1.0)
        sd.rename(w, "other/w")
        assert sd.var("v", 1.0).name == "layer/v"
    assert w.name == "other/w"


def test_an_automatic_name_freed_by_rename_is_not_given_to_two():
    sd = SameDiff()
    x = sd.placeholder("x")
    made = [(x + x).rename(f"sum{k}") for k in range(3)] + [x + x, x + x]
    assert len({v.name for v in made}) == 5
    assert all(sd[v.name] == v for v in made)


# ---------------------------------------------------------------------- leaves


def test_variables_are_listed_in_creation_order_and_by_kind():
    sd = SameDiff()
    w = sd.var("w", 1.0)
    x = sd.placeholder("x")
    c = sd.constant("c", 1.0)
    y = (w * x).rename("y")
    z = sd.math.add(y, c, name="z")
    assert sd.variables() == [w, x, c, y, z] == list(sd)
    assert len(sd) == 5
    assert sd.placeholders() == [x] == sd.variables(VariableKind.PLACEHOLDER)
    assert get_args(KindName) == tuple(kind.value for kind in VariableKind)
    assert sd.trainable_variables() == [w] == sd.variables("variable")
    assert sd.constants() == [c]
    assert sd.variables("array") == [y, z]
    assert repr(sd) == "<SameDiff float32: 1 placeholder, 1 variable, 1 constant, 2 arrays>"
    with pytest.raises(ArgumentError, match="no kind of variable"):
        sd.variables("tensor")


def test_an_op_with_several_outputs_lists_its_outputs():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3))
    mean, variance = sd.math.moments(x, axis=0, name="m")
    assert (mean.name, variance.name) == ("m", "m:1")
    assert [v.name for v in sd.variables("array")] == ["m", "m:1"]
    assert sd["m:1"] == variance


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (None, ()),
        ((), ()),
        (3, (3,)),
        ((None, 2), (None, 2)),
        ([-1, 2], (None, 2)),
        (("batch", 2), ("batch", 2)),
        ("batch", ("batch",)),
        ((np.int64(4), 0), (4, 0)),
    ],
)
def test_placeholder_shapes(shape, expected):
    assert SameDiff().placeholder("x", shape).shape == expected


@pytest.mark.parametrize("shape", [(-2,), (1.5,), (True,), ("",), ((2,),)])
def test_shapes_that_are_none_are_refused(shape):
    sd = SameDiff()
    with pytest.raises(ArgumentError, match="dimension"):
        sd.placeholder("x", shape)
    assert len(sd) == 0


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "complex128", "int8", "uint64", "bool", np.int32, int]
)
def test_placeholder_dtypes(dtype):
    assert SameDiff().placeholder("x", dtype=dtype).dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float33", "str", "datetime64[s]", object])
def test_dtypes_that_hold_no_numbers_are_refused(dtype):
    with pytest.raises(DTypeError):
        SameDiff().placeholder("x", dtype=dtype)
    with pytest.raises(TypeError):
        SameDiff(dtype=dtype)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "float32"),
        (1.5, "float32"),
        ([1, 2], "float32"),
        (True, "bool"),
        ([True, False], "bool"),
        (np.float64(1), "float32"),
        (np.int8(1), "float32"),
        (np.bool_(True), "bool"),
        (np.ones(2), "float64"),
        (np.ones(2, "float16"), "float16"),
        (np.arange(2, dtype="int8"), "int8"),
        (np.ones(2, ">f4"), "float32"),
    ],
)
def test_arrays_keep_their_dtype_and_python_numbers_take_the_graphs(value, expected):
    sd = SameDiff()
    for v in (sd.var("v", value), sd.constant("c", value), sd.constant(value)):
        assert v.dtype == np.dtype(expected) == v.value.dtype
        np.testing.assert_array_equal(v.value, value)


def test_values_are_copied_and_read_only():
    source = np.ones((2, 2))
    sd = SameDiff()
    v, c = sd.var("v", source), sd.constant("c", source[:, ::-1])
    source[:] = 7
    assert (v.value == 1).all() and (c.value == 1).all()
    for array in (v.value, c.value):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


@pytest.mark.parametrize(
    "make",
    [
        lambda sd: sd.var("w"),
        lambda sd: sd.var("w", [[1], [1, 2]]),
        lambda sd: sd.var("w", "text"),
        lambda sd: sd.var("w", [None]),
        lambda sd: sd.var("w", {"a": 1}),
        lambda sd: sd.var("w", shape=(None, 2)),
        lambda sd: sd.var("w", shape=("n",)),
        lambda sd: sd.var("w", [1, 2], shape=(3,)),
        lambda sd: sd.var("w", shape=(2,), init="gauss"),
        lambda sd: sd.var("w", shape=(2, 3), init="identity"),
        lambda sd: sd.var("w", shape=(2,), init="constant:one"),
        lambda sd: sd.var("w", 1.0, dtype="str"),
        lambda sd: sd.constant("c"),
        lambda sd: sd.constant("c", sd["x"]),
        lambda sd: sd.constant(None),
    ],
)
def test_leaves_that_cannot_be_made_leave_no_trace(make):
    sd = SameDiff()
    sd.placeholder("x")
    before = graph_state(sd)
    with pytest.raises(SDGraphError):
        make(sd)
    assert graph_state(sd) == before


# ---------------------------------------------------------------------- constants made of literals


def test_equal_literals_share_a_constant_and_unequal_ones_do_not():
    sd = SameDiff()
    x = sd.placeholder("x")
    for literal in (2.0, 2.0, 3, 3, 0.0, 0.0, -0.0, -0.0):
        x + literal
    values = [c.value.item() for c in sd.constants()]
    assert [str(v) for v in values] == ["2.0", "3.0", "0.0", "-0.0"]


def test_a_shared_literal_that_becomes_a_variable_is_no_longer_shared():
    sd = SameDiff()
    x = sd.placeholder("x")
    y = x * 3.0
    (three,) = sd.constants()
    three.convert_to_variable().value = 5.0
    assert (x * 3.0).eval(x=1.0) == 3.0 and y.eval(x=1.0) == 5.0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_beside_indices_and_conditions_have_the_dtype_of_the_others(dtype):
    sd = SameDiff(dtype)
    k, c = sd.placeholder("k", (2,), dtype="int64"), sd.placeholder("c", (2,), dtype="bool")
    x = sd.placeholder("x", (2, 3), dtype)
    assert sd.where(c, 1.0, [2.0, 3.0]).dtype == dtype
    assert sd.gather([1.0, 2.0], k).dtype == dtype
    assert sd.scatter_update(x, k, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).dtype == dtype
    assert sd.loss.sparse_softmax_cross_entropy([[1.0, 2.0], [3.0, 4.0]], k).dtype == dtype
    for weights in (2.0, [1.0, 2.0]):
        each = sd.loss.sparse_softmax_cross_entropy(x, k, weights=weights)
        assert each.dtype == dtype and each.sum().dtype == dtype
    # An array brings its dtype, and so does an integer that takes part in the arithmetic.
    assert sd.loss.sparse_softmax_cross_entropy(x, k, weights=np.ones(2)).dtype == "float64"
    assert sd.math.add(k, 1.5).dtype == "float64"


def test_floats_where_integers_belong_meet_the_ops_own_error():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3))
    with pytest.raises(DTypeError, match="labels must be integers"):
        sd.loss.sparse_softmax_cross_entropy(x, [0.0, 1.0])
    with pytest.raises(DTypeError, match="Indices must be integers"):
        sd.gather(x, [0.5, 1.0])


# ---------------------------------------------------------------------- conversions


def test_conversion_there_and_back():
    sd = SameDiff()
    w = sd.var("w", [1.0, 2.0])
    y = (w * w).sum()
    assert sd.grad(y, w).eval().tolist() == [2.0, 4.0]
    w.convert_to_constant()
    assert w.kind is VariableKind.CONSTANT and sd.trainable_variables() == [] and sd.marks.frozen == {w.id}
    with pytest.raises(ArgumentTypeError, match="Only variables take a new value"):
        w.value = [3.0, 3.0]
    assert y.eval() == 5.0
    w.convert_to_variable().value = [3.0, 4.0]
    assert w.kind is VariableKind.VARIABLE and y.eval() == 25.0 and not sd.marks.frozen


def test_what_a_failed_block_froze_is_forgotten_with_its_variables():
    sd = SameDiff()
    with pytest.raises(RuntimeError), sd.transaction():
        sd.var("w", 1.0).convert_to_constant()
        raise RuntimeError
    assert not sd.marks.frozen


def test_a_copy_knows_what_is_frozen():
    sd = SameDiff()
    w = sd.var("w", 1.0).convert_to_constant()
    other = sd.copy()
    other["w"].convert_to_variable()
    assert sd.marks.frozen == {w.id} and not other.marks.frozen


def test_conversions_that_make_no_sense_are_refused():
    sd = SameDiff()
    x, n = sd.placeholder("x"), sd.constant("n", 3, dtype="int32")
    y = x + 1.0
    before = graph_state(sd)
    for v in (x, y):
        with pytest.raises(ArgumentTypeError, match="can become"):
            v.convert_to_constant()
        with pytest.raises(ArgumentTypeError, match="can become"):
            v.convert_to_variable()
    with pytest.raises(DTypeError, match="only floating variables"):
        n.convert_to_variable()
    assert graph_state(sd) == before


# ---------------------------------------------------------------------- copies


def a_model(sd: SameDiff) -> SDVariable:
    x = sd.placeholder("x", ("batch", 2))
    with sd.name_scope("layer"):
        w = sd.var("w", shape=(2, 1), init="normal", seed=3)
    sd.argmax(x, axis=1, name="index of largest")
    return sd.loss.mean_squared_error(sd.placeholder("y", ("batch", 1)), x @ w, name="loss")


FEEDS = {"x": [[1.0, 2.0], [3.0, 4.0]], "y": [[1.0], [0.0]]}


def test_a_copy_computes_the_same_and_is_independent():
    sd = SameDiff(seed=4)
    loss = a_model(sd)
    sd.grad(loss, "layer/w")
    other = sd.copy()
    assert names(other) == names(sd) and (other.seed, other.dtype) == (sd.seed, sd.dtype)
    assert other["loss"] != loss and other["loss"].eval(FEEDS) == loss.eval(FEEDS)
    np.testing.assert_array_equal(other.calculate_gradients(FEEDS)["layer/w"], sd.calculate_gradients(FEEDS)["layer/w"])
    before, value = graph_state(sd), loss.eval(FEEDS)
    other["layer/w"].value = [[0.0], [0.0]]
    other["x"].rename("z")
    other["loss"] * 2.0
    other["layer/w"].convert_to_constant()
    assert graph_state(sd) == before and loss.eval(FEEDS) == value
    sd["layer/w"].value = [[1.0], [1.0]]
    assert not other["layer/w"].value.any()


def test_a_copy_keeps_the_choice_of_losses():
    sd = SameDiff()
    a_model(sd)
    penalty = (sd["layer/w"] * sd["layer/w"]).sum(name="penalty")
    sd.set_loss_variables(penalty)
    assert [v.name for v in sd.copy().loss_variables()] == ["penalty"]


def test_variables_of_another_graph_are_refused():
    sd, other = SameDiff(), SameDiff()
    x, y = sd.placeholder("x"), other.placeholder("y")
    z = x * 1.0
    before = graph_state(sd)
    for call in (
        lambda: x + y,
        lambda: sd.math.merge_add(x, y),
        lambda: sd.grad(z, y),
        lambda: sd.rename(y, "z"),
        lambda: sd.set_loss_variables(y),
        lambda: sd.output({}, [y]),
        lambda: sd.compile(y),
    ):
        with pytest.raises(SDGraphError, match="belongs to another graph"):
            call()
        assert graph_state(sd) == before
    assert x in sd and y not in sd


# ---------------------------------------------------------------------- composites


def test_expand_shows_the_inside_as_a_graph_of_its_own():
    sd = SameDiff()
    loss = a_model(sd)
    inside = sd.expand(loss)
    assert [v.name for v in inside.placeholders()] == ["label", "predictions"]
    feeds = {"label": FEEDS["y"], "predictions": np.array(FEEDS["x"]) @ sd["layer/w"].value}
    assert inside.variables()[-1].eval(feeds) == loss.eval(FEEDS)
    size = len(sd.nodes)
    inside.var("more", 1.0)
    assert len(sd.expand(loss).nodes) == len(inside.nodes) - 1 and len(sd.nodes) == size


def test_expand_of_what_has_no_inside():
    sd = SameDiff()
    x = sd.placeholder("x")
    for v in (x, x + 1.0):
        with pytest.raises(ArgumentTypeError, match="nothing inside"):
            sd.expand(v)


# ---------------------------------------------------------------------- failures leave no trace

BAD_CALLS = [
    lambda sd: sd["x"] + np.ones(7),
    lambda sd: sd["x"] + "text",
    lambda sd: sd["x"] * None,
    lambda sd: sd["x"] - object(),
    lambda sd: sd["x"] / [[1], [1, 2]],
    lambda sd: sd["x"] @ np.ones((3, 3)),
    lambda sd: sd.linalg.matmul(sd["x"], 2.0),
    lambda sd: sd["x"].sum(axis=5),
    lambda sd: sd["x"].sum(axis=(0, 0)),
    lambda sd: sd["x"].sum(axis="0"),
    lambda sd: sd["layer/w"].reshape(5, 5),
    lambda sd: sd["x"][:, 9],
    lambda sd: sd["x"][0.5],
    lambda sd: sd["x"].cast("float33"),
    lambda sd: sd.math.add(sd["x"]),
    lambda sd: sd.math.add(sd["x"], 1.0, 2.0),
    lambda sd: sd.math.add(sd["x"], 1.0, axis=0),
    lambda sd: sd.math.add(sd["x"], y=1.0, x=2.0),
    lambda sd: sd.loss.mean_squared_error(sd["y"], sd["x"]),
    lambda sd: sd.loss.mean_squared_error(sd["y"], np.ones((4, 1)), np.ones((3, 2, 1))),
    lambda sd: sd.loss.mean_squared_error(sd["y"], sd["y"], loss_reduce="mean"),
    lambda sd: sd.loss.huber_loss(sd["y"], sd["y"], delta=sd["y"]),
    lambda sd: sd.grad(sd["y"], "x"),
    lambda sd: sd.grad("loss", "nothing"),
    lambda sd: sd.grad("index of largest", "x"),
    lambda sd: sd.grad("loss", "index of largest"),
    lambda sd: sd.jacobian("x", "x"),
    lambda sd: sd.hessian("x", "x"),
    lambda sd: sd.hvp("loss", "layer/w", np.ones(7)),
    lambda sd: sd.set_loss_variables("x"),
    lambda sd: sd.add_loss_variable("nothing"),
]


@pytest.mark.parametrize("bad", BAD_CALLS)
def test_a_call_that_fails_leaves_the_graph_as_it_was(bad):
    sd = SameDiff()
    loss = a_model(sd)
    with sd.name_scope("open"):
        before = graph_state(sd)
        with pytest.raises(SDGraphError) as caught:
            bad(sd)
        assert graph_state(sd) == before
    assert str(caught.value.called_at).startswith(__file__)
    assert loss.eval(FEEDS) == sd.copy()["loss"].eval(FEEDS)


@given(st.lists(st.sampled_from(BAD_CALLS), max_size=6), st.lists(st.sampled_from("abcdefg"), max_size=6))
def test_failures_in_between_do_not_change_what_is_built(failures, good):
    """A graph built with failing calls in between is the graph built without them."""

    def build(with_failures: bool) -> SameDiff:
        sd = SameDiff()
        a_model(sd)
        x = sd["x"]
        for k in range(max(len(failures), len(good))):
            if with_failures and k < len(failures):
                with pytest.raises(SDGraphError):
                    failures[k](sd)
            if k < len(good):
                x = x * float(k) + x
        return sd

    def content(sd: SameDiff):
        return [(n.op, n.inputs, n.attrs, n.aval, n.name) for n in sd.nodes]

    assert content(build(True)) == content(build(False))


def test_errors_are_the_builtins_a_user_expects():
    assert issubclass(ShapeError, ValueError) and issubclass(DTypeError, TypeError)
    assert issubclass(UnknownVariableError, KeyError) and issubclass(VariableNameError, ValueError)
    assert issubclass(GradientError, ValueError) and issubclass(ArgumentTypeError, TypeError)


# ---------------------------------------------------------------------- losses of a graph


def test_losses_of_a_graph():
    sd = SameDiff()
    loss = a_model(sd)
    assert sd.loss_variables() == [loss]
    second = sd.loss.l2_loss(sd["layer/w"], name="second")
    assert sd.loss_variables() == [loss, second]
    sd.grad(loss, "layer/w")
    assert sd.loss_variables() == [loss, second]  # gradient nodes do not count as consumers
    total = (loss + 0.1 * second).rename("total")
    assert sd.loss_variables() == [total]
    total.mark_as_loss()
    assert sd.loss_variables() == [total]
    sd.add_loss_variable("loss")
    assert sd.loss_variables() == [total, loss]
    sd.set_loss_variables("second")
    assert sd.loss_variables() == [second]
    sd.set_loss_variables()
    assert sd.loss_variables() == [total]


def test_without_loss_ops_the_only_floating_output_that_feeds_nothing_is_the_loss():
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    y = (x * x).sum(name="y")
    sd.argmax(x)  # not floating: no candidate
    assert sd.loss_variables() == [y]
    assert sd.calculate_gradients()["x"].tolist() == [2.0, 4.0]
    (x + 1.0).rename("z")
    with pytest.raises(GradientError, match="Several variables could be the loss"):
        sd.loss_variables()


def test_a_graph_without_any_loss_says_so():
    sd = SameDiff()
    sd.placeholder("x")
    with pytest.raises(GradientError, match="no loss"):
        sd.loss_variables()


def test_a_leaf_or_an_integer_is_no_loss():
    sd = SameDiff()
    w = sd.var("w", [1.0])
    for v in (w, sd.argmax(w), sd.placeholder("x")):
        with pytest.raises(GradientError, match="cannot be a loss"):
            v.mark_as_loss()


def test_a_loss_that_is_not_scalar_counts_as_its_sum():
    sd = SameDiff()
    w = sd.var("w", [[1.0], [2.0]])
    sd.loss.mean_squared_error([[0.0], [0.0]], w, loss_reduce=LossReduce.NONE)
    np.testing.assert_allclose(sd.calculate_gradients()["w"], [[2.0], [4.0]])


def test_further_outputs_never_take_a_name_that_another_op_has():
    sd = SameDiff()
    x = sd.var("x", np.eye(3))
    first = sd.linalg.svd(x, name="d")
    first[0].rename("e")
    before = graph_state(sd)
    with pytest.raises(VariableNameError, match="'d:1' is taken"):
        sd.linalg.svd(x, name="d")
    assert graph_state(sd) == before
    second = sd.linalg.svd(x)
    second[0].rename("f")
    third = sd.linalg.svd(x)
    assert [v.name for v in third] == ["svd_1", "svd_1:1", "svd_1:2"]
    assert all(sd[v.name] == v for v in (*first, *second, *third))
    assert len({node.name for node in sd.nodes}) == len(sd.nodes)
    with pytest.raises(VariableNameError, match="or 'all'"):
        sd.var("d:all", 1.0)
