"""What a graph keeps about its nodes: a call that fails leaves nothing, a copy has everything, what is gone says so."""

import copy
import dataclasses
import gc
import pickle
import sys

import numpy as np
import pytest

import sdgraph
from sdgraph import SameDiff, SDVariable, samediff
from sdgraph.build import bookkeeping, builder, graph, leaves, lookup
from sdgraph.differentiate import answers, gradients
from sdgraph.errors import GradientError, SDGraphError, TakenBackError
from sdgraph.keras import losses
from tests.graph_state import LASTING, OF_BLOCKS, graph_state

FEEDS = {"x": [[1.0, 2.0], [3.0, 4.0]], "y": [[1.0], [0.0]]}


def a_graph() -> SameDiff:
    """A graph that has something in every table that lasts."""
    sd = SameDiff(seed=4)
    x, y = sd.placeholder("x", ("batch", 2)), sd.placeholder("y", ("batch", 1))
    sd.placeholder("n", dtype="int64")
    with sd.name_scope("layer"):
        w = sd.var("w", [[1.0], [2.0]])
        b = sd.var("b", 0.5)
    sd.var("fixed", [1.0, 2.0]).convert_to_constant()
    logits = sd.math.add(x @ w, b, name="logits")
    loss = sd.loss.mean_squared_error(y, logits * 2.5, name="loss")
    sd.set_loss_variables(loss)
    sd.add_loss(sd.math.mul(w.squared_difference(1.0).sum(), 0.5, name="penalty"))
    mean = sd.var("mean", 0.0)
    sd.update(mean, sd.math.add(mean, sd.mean(logits), name="moved"))
    sd.calculate_gradients(FEEDS)
    logits.eval(FEEDS)
    return sd


def of_nodes(sd: SameDiff) -> dict:
    """What holds ids of nodes, by table."""
    return {t.name: getattr(record, t.name) for record, t in bookkeeping.tables_of(sd) if t.form is not None}


def test_every_attribute_of_a_graph_is_listed():
    """Whatever a graph gets, somebody must have said whether copies have it and what a failed call does to it."""
    sd = SameDiff()
    tables = [t.name for _, t in bookkeeping.tables_of(sd)]
    assert len(set(tables)) == len(tables)
    assert {"values" if name == "_values" else name for name in vars(sd)} == {t.name for t in SameDiff.tables} | {
        "nodes",
        "table",
        "names",
        "marks",
    } | LASTING | OF_BLOCKS
    for record in (sd.names, sd.marks):
        assert {f.name for f in dataclasses.fields(record)} <= {*tables, "nodes"}


def test_the_graph_of_these_tests_fills_every_table_of_nodes():
    assert all(of_nodes(a_graph()).values())


# ---------------------------------------------------------------------- what fails leaves nothing


def raising(block):
    """A loss whose ``call`` does ``block(graph, y_true, y_pred)``, and then slips."""

    class Slip(losses.Loss):
        def call(self, y_true, y_pred):
            block(y_pred.sd, y_true, y_pred)
            raise ZeroDivisionError

    return Slip(name="slip")


def slips(block):
    def call(sd):
        with pytest.raises(ZeroDivisionError):
            raising(block)(sd["y"], sd["logits"])

    return call


def refused(function, error=SDGraphError):
    def call(sd):
        with pytest.raises(error):
            function(sd)

    return call


def everything(sd, y, p):
    """All that a block can do, at once."""
    d = (y - p) * 3.25
    d.eval(FEEDS)
    sd["layer/b"].rename("other")
    sd["layer/w"].value = [[7.0], [8.0]]
    sd["layer/w"].convert_to_constant()
    sd["fixed"].convert_to_variable()
    total = d.squared_difference(0.0).sum()
    sd.grad(total, sd["other"]).eval(FEEDS)
    sd.add_loss(total)
    sd.set_loss_variables(sd.loss.l2_loss(d))
    sd.calculate_gradients(FEEDS, ["other"])


FAILING = {
    "a loss that makes constants": slips(lambda sd, y, p: (p * 17.25, sd.constant(3.5), sd.constant("k", [1.0]))),
    "a loss that evaluates": slips(lambda sd, y, p: (y - p).eval(FEEDS)),
    "a loss that evaluates what there was": slips(lambda sd, y, p: sd["logits"].eval({"x": FEEDS["x"]}, step=3)),
    "a loss that differentiates": slips(lambda sd, y, p: sd.grad((y - p).sum(), sd["layer/w"]).eval(FEEDS)),
    "a loss that differentiates what there was": slips(lambda sd, y, p: sd.grad(sd["logits"], sd["layer/b"])),
    "a loss that differentiates twice": slips(
        lambda sd, y, p: sd.hessian(((y - p) ** 2).sum(), sd["layer/b"]).eval(FEEDS)
    ),
    "a loss that fails in a scope": slips(lambda sd, y, p: sd.name_scope("deeper").__enter__()),
    "a loss that adds variables": slips(lambda sd, y, p: sd.var("more", [1.0, 2.0]) * 2.0),
    "a loss that sets a value": slips(lambda sd, y, p: sd.set_value(sd["layer/w"], [[0.0], [1.0]])),
    "a loss that renames": slips(lambda sd, y, p: sd["layer/w"].rename("v").rename("u")),
    "a loss that renames what it made": slips(lambda sd, y, p: (y - p).rename("first").rename("second")),
    "a loss that freezes": slips(lambda sd, y, p: sd["layer/w"].convert_to_constant()),
    "a loss that thaws": slips(lambda sd, y, p: sd["fixed"].convert_to_variable()),
    "a loss that thaws a literal": slips(lambda sd, y, p: sd["constant"].convert_to_variable()),
    "a loss that chooses losses": slips(lambda sd, y, p: sd.set_loss_variables("logits")),
    "a loss that adds to the losses": slips(lambda sd, y, p: (sd["logits"].mark_as_loss(), sd.add_loss("logits"))),
    "a loss that adds what it made": slips(lambda sd, y, p: ((y - p).mark_as_loss(), sd.add_loss(y + p))),
    "a loss that draws": slips(lambda sd, y, p: sd.random.normal(0.0, 1.0, (3,)).eval()),
    "a loss that unstacks": slips(lambda sd, y, p: sd.unstack(sd["x"], axis=1)),
    "a loss that does everything": slips(everything),
    "a loss in a loss": slips(lambda sd, y, p: slips(everything)(sd)),
    "a loss without a result": refused(lambda sd: losses.LossFunctionWrapper(lambda y, p: None)(sd["y"], sd["logits"])),
    "a loss whose weights do not fit": refused(
        lambda sd: losses.MeanSquaredError()(sd["y"], sd["logits"], sample_weight=np.ones((3, 4, 5)))
    ),
    "an operand of another shape": refused(lambda sd: sd["x"] @ np.ones((3, 7))),
    "an operand that is none": refused(lambda sd: sd["logits"] + object()),
    "a literal beside a bad operand": refused(lambda sd: sd.math.merge_add(sd["logits"], 4.125, object())),
    "an attribute that is none": refused(lambda sd: sd["logits"].sum(axis=9)),
    "a name that is taken": refused(lambda sd: sd.math.add(sd["logits"], 6.125, name="loss")),
    "a gradient by an integer": refused(lambda sd: sd.grad(sd["loss"], "n"), GradientError),
    "a gradient that does not exist": refused(lambda sd: sd.grad(sd["logits"], sd["fixed"]), GradientError),
    "a gradient through what has none": refused(
        lambda sd: losses.LossFunctionWrapper(lambda y, p: sd.grad(sd.argmax(p).cast("float32"), p))(
            sd["y"], sd["logits"]
        )
    ),
    "a Jacobian of unknown size": refused(lambda sd: sd.jacobian(sd["logits"], sd["layer/w"])),
    "a Hessian of what is no scalar": refused(lambda sd: sd.hessian(sd["logits"], sd["layer/w"])),
    "a Hessian that does not exist": refused(lambda sd: sd.hessian(sd["penalty"], sd["layer/b"])),
    "a direction of another shape": refused(lambda sd: sd.hvp(sd["penalty"], sd["layer/w"], np.ones((5, 5)))),
    "feeds of another shape, first gradient": refused(lambda sd: sd.calculate_gradients({"x": 1.0, "y": 1.0}, ["x"])),
    "no feeds, first gradient": refused(lambda sd: sd.calculate_gradients({}, ["layer/b"])),
    "an engine that is none, first gradient": refused(lambda sd: sd.calculate_gradients(FEEDS, ["x"], engine="steam")),
    "a value of another shape": refused(lambda sd: sd.set_value(sd["layer/w"], [1.0, 2.0])),
    "a value for a placeholder": refused(lambda sd: sd.set_value(sd["x"], 1.0)),
    "a name that is none": refused(lambda sd: sd.rename("logits", "/")),
    "freezing a placeholder": refused(lambda sd: sd.convert_to_constant("x")),
    "thawing integers": refused(lambda sd: sd.convert_to_variable("n")),
    "a loss that cannot be one": refused(lambda sd: sd.add_loss("x")),
    "two losses, one of which cannot be one": refused(lambda sd: sd.set_loss_variables("loss", "x")),
    "a variable without a shape": refused(lambda sd: sd.var("more")),
    "a variable of unknown size": refused(lambda sd: sd.var("more", shape=(None, 2))),
    "a constant that is none": refused(lambda sd: sd.constant("more", object())),
    "a scheme that is none": refused(lambda sd: sd.var("more", shape=(2,), init="no such scheme")),
    "an index that is none": refused(lambda sd: sd["logits"]["a"]),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_call_that_fails_leaves_the_graph_as_it_was(what):
    sd = a_graph()
    before, value = graph_state(sd), sd.calculate_gradients(FEEDS)
    FAILING[what](sd)
    assert graph_state(sd) == before
    for name, gradient in sd.calculate_gradients(FEEDS).items():
        np.testing.assert_array_equal(gradient, value[name])


def test_a_slip_and_its_mend_in_a_notebook():
    """The ids of what failed are used again: what was computed then must not be found again."""
    sd = SameDiff()
    y, p = sd.placeholder("y", (2,)), sd.placeholder("p", (2,))
    w = sd.var("w", 2.0)
    feeds = {"y": [1.0, 0.0], "p": [0.75, 0.75]}
    seen = []

    class Mine(losses.Loss):
        def call(self, y_true, y_pred):
            d = y_pred - y_true if self.slip else y_true - y_pred
            seen.append(d.eval(feeds))
            h = (d * w if self.slip else d * w * w).sum()
            seen.append(sd.grad(h, w).eval(feeds))
            return d.squred() if self.slip else d.squared_difference(0.0)

    mine = Mine(name="mine")
    mine.slip = True
    with pytest.raises(AttributeError, match="squred"):
        mine(y, p)
    mine.slip = False
    mine(y, p)
    slip, slip_slope, mended, mended_slope = seen
    np.testing.assert_array_equal(slip, [-0.25, 0.75])
    np.testing.assert_array_equal(mended, [0.25, -0.75])
    assert (slip_slope, mended_slope) == (0.5, 2 * 2.0 * -0.5)


# ---------------------------------------------------------------------- what escapes from a call that failed


def escaped(make, sd=None):
    """The graph and what ``make(y_true, y_pred)`` gave in a loss that failed then."""
    sd = a_graph() if sd is None else sd
    kept = []
    slips(lambda _, y, p: kept.append(make(y, p)))(sd)
    return sd, kept[0]


def use_the_ids_again(sd: SameDiff) -> None:
    for k in range(20):
        sd.math.add(sd["logits"], float(k + 100), name=f"again{k}")


USES = {
    "repr": repr,
    "str": str,
    "name": lambda v: v.name,
    "id": lambda v: v.id,
    "shape": lambda v: v.shape,
    "dtype": lambda v: v.dtype,
    "aval": lambda v: v.aval,
    "ndim": lambda v: v.ndim,
    "kind": lambda v: v.kind,
    "op_name": lambda v: v.op_name,
    "origin": lambda v: v.origin,
    "value": lambda v: v.value,
    "a new value": lambda v: v.sd.set_value(v, 1.0),
    "+": lambda v: v + 1.0,
    "1 -": lambda v: 1.0 - v,
    "-": lambda v: -v,
    "abs": abs,
    "@": lambda v: v.sd["x"] @ v,
    "<": lambda v: v < v,
    "[]": lambda v: v[0],
    "T": lambda v: v.T,
    "sum": lambda v: v.sum(),
    "cast": lambda v: v.cast("float64"),
    "an operand": lambda v: v.sd.math.add(v.sd["logits"], v),
    "an operand of several": lambda v: v.sd.math.merge_add(v.sd["logits"], 1.5, v),
    "an operand of a loss": lambda v: v.sd.loss.l2_loss(v),
    "an operand of a Keras loss": lambda v: losses.MeanSquaredError()(v.sd["y"], v),
    "an operand of a Keras function": lambda v: losses.mse(v, v.sd["y"]),
    "weights": lambda v: losses.MeanSquaredError()(v.sd["y"], v.sd["logits"], sample_weight=v),
    "an operand in another graph": lambda v: SameDiff().math.neg(v),
    "eval": lambda v: v.eval(FEEDS),
    "output": lambda v: v.sd.output(FEEDS, [v]),
    "fetches": lambda v: v.sd.calculate_gradients_and_outputs(FEEDS, [v], ["layer/b"]),
    "a feed": lambda v: v.sd["logits"].eval({v: [[1.0, 2.0]]}),
    "a feed among others": lambda v: v.sd["logits"].eval({v.sd["x"]: [[1.0, 2.0]], v: 1.0}),
    "compile": lambda v: v.sd.compile(v),
    "compile with others": lambda v: v.sd.compile(["logits", v]),
    "grad": lambda v: v.sd.grad(v, "x"),
    "grad of several": lambda v: v.sd.grad([v.sd["loss"], v], "x"),
    "wrt": lambda v: v.sd.grad("loss", v),
    "wrt several": lambda v: v.sd.grad("loss", ["x", v]),
    "wrt of a step": lambda v: v.sd.calculate_gradients(FEEDS, [v]),
    "gradient": lambda v: v.gradient(),
    "has_gradient": lambda v: v.has_gradient(),
    "jacobian": lambda v: v.sd.jacobian(v, "layer/b"),
    "jacobian wrt": lambda v: v.sd.jacobian("penalty", v),
    "hessian": lambda v: v.sd.hessian("penalty", v),
    "hvp": lambda v: v.sd.hvp("penalty", "layer/w", v),
    "rename": lambda v: v.rename("other"),
    "freeze": lambda v: v.convert_to_constant(),
    "thaw": lambda v: v.convert_to_variable(),
    "mark_as_loss": lambda v: v.mark_as_loss(),
    "add_loss": lambda v: v.sd.add_loss(v),
    "set_loss_variables": lambda v: v.sd.set_loss_variables(v),
    "look up": lambda v: v.sd[v],
    "expand": lambda v: v.sd.expand(v),
    "to_latex": lambda v: v.to_latex(),
    "plot": lambda v: v.sd.plot(v),
    "to_dot": lambda v: v.sd.to_dot([v]),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "bool": bool,
    "float": float,
    "len": len,
    "iter": iter,
    "array": np.asarray,
}


@pytest.mark.parametrize("again", [False, True], ids=["at once", "ids used again"])
@pytest.mark.parametrize("what", USES)
def test_a_handle_that_escaped_says_so_whatever_is_done_with_it(what, again):
    sd, v = escaped(lambda y, p: (y - p).rename("lost"))
    if again:
        use_the_ids_again(sd)
    before = graph_state(sd)
    with pytest.raises(TakenBackError, match="'lost' is gone: it was made in a call that failed") as caught:
        USES[what](v)
    assert caught.value.node == "lost" and caught.value.fix
    assert str(caught.value.node_origin).startswith(__file__)
    assert graph_state(sd) == before


def test_handles_that_escaped_are_not_equal_to_those_that_took_their_place():
    sd, v = escaped(lambda y, p: y - p)
    assert v not in sd and v == v and hash(v) == hash(v)
    w = sd.math.sub(sd["y"], sd["logits"])
    assert v != w and v not in [*sd.variables()] and v not in {w: 0}


def test_handles_of_leaves_literals_and_several_outputs_are_gone_as_well():
    _, kept = escaped(lambda y, p: [y.sd.var("a", 1.0), y.sd.constant(2.5), *y.sd.unstack(y.sd["x"], axis=1, num=2)])
    for v in kept:
        with pytest.raises(TakenBackError):
            repr(v)


F_USES = {
    "call": lambda f: f(FEEDS),
    "call by keyword": lambda f: f(x=FEEDS["x"], y=FEEDS["y"]),
    "run": lambda f: f.run(FEEDS),
    "repr": repr,
    "plan": lambda f: f.plan,
    "source": lambda f: f.source(),
    "engine": lambda f: f.engine,
    "names": lambda f: f.names,
    "placeholders": lambda f: f.placeholders,
    "has_plan": lambda f: f.has_plan,
    "profile": lambda f: sdgraph.profile(f, FEEDS),
    "measure": lambda f: f.profile(FEEDS),
    "explain": lambda f: f.explain(FEEDS),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("what", F_USES)
def test_a_compiled_function_that_escaped_says_so(what):
    arrays = {k: np.asarray(v, "float32") for k, v in FEEDS.items()}

    def make(y, p):
        f = y.sd.compile((y - p).rename("lost"))
        f(arrays)
        return f

    sd, f = escaped(make)
    use_the_ids_again(sd)
    with pytest.raises(TakenBackError, match="function of 'lost' is gone"):
        F_USES[what](f)
    with pytest.raises(TakenBackError):
        f(arrays)


def test_compiled_functions_of_what_there_was_stay():
    sd = a_graph()
    expected = sd["logits"].eval(FEEDS)
    before = sd.compile("logits")
    before(x=FEEDS["x"])
    _, inside = escaped(lambda y, p: y.sd.compile(p), sd)
    for f in (before, inside):
        np.testing.assert_array_equal(f(x=FEEDS["x"])["logits"], expected)


def test_a_function_compiled_of_what_was_changed_and_changed_back_is_gone():
    sd = a_graph()
    expected = sd["logits"].eval(FEEDS)

    def make(y, p):
        sd["layer/w"].value = [[0.0], [0.0]]
        sd["layer/w"].convert_to_constant()
        return sd.compile(p)

    _, f = escaped(make, sd)
    with pytest.raises(TakenBackError):
        f(x=FEEDS["x"])
    np.testing.assert_array_equal(sd["logits"].eval(FEEDS), expected)


def test_transactions_nest():
    sd = a_graph()
    before = graph_state(sd)
    with pytest.raises(RuntimeError), sd.transaction():
        kept = sd.math.add(sd["logits"], 1.5)
        with pytest.raises(KeyError), sd.transaction():
            lost = kept * 3.5
            kept.rename("renamed")
            raise KeyError
        assert kept.name == "add" and kept.eval(FEEDS).shape == (2, 1)
        with pytest.raises(TakenBackError):
            repr(lost)
        inner = graph_state(sd)
        with sd.transaction():
            f = sd.compile(kept * 2.5)
        assert f(FEEDS) and graph_state(sd) != inner
        raise RuntimeError
    assert graph_state(sd) == before
    for gone in (lambda: kept.name, lambda: f(FEEDS)):
        with pytest.raises(TakenBackError):
            gone()


def test_a_transaction_that_succeeds_keeps_no_function_alive():
    sd = a_graph()
    with sd.transaction():
        f = sd.compile("logits")
    seen = len(gc.get_referrers(f))
    assert sd.journal is None and seen <= 2


# ---------------------------------------------------------------------- gradients renumber what they keep


def test_a_rule_that_differentiates_and_evaluates_inside_leaves_true_books():
    """What is made while a gradient is made moves when the gradient is tidied; what is kept about it moves along."""
    from sdgraph import Namespace, primitive
    from sdgraph.build.variable import Operand
    from sdgraph.infer import shapes

    kept = {}

    class Own(Namespace, prefix="own"):
        @primitive(infer=shapes.same, kernel="square", vjp=lambda g, y, x: Own.slope(g, x))
        def square(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """The square."""
            ...

        @staticmethod
        def slope(g, x):
            sd = x.sd
            sd.math.exp(x)  # nobody needs it
            inner = sd.grad((x * x).sum(), x)
            kept["inner"], kept["f"] = inner, sd.compile(inner)
            kept["unused"] = sd.math.sin(x)
            sd.math.sin(x).eval()
            return g * inner

    sd = SameDiff(dtype="float64")
    w = sd.var("w", [1.0, 2.0])
    slope = sd.grad(Own(sd).square(w).sum(), w)
    np.testing.assert_array_equal(slope.eval(), [2.0, 4.0])
    np.testing.assert_array_equal(kept["inner"].eval(), [2.0, 4.0])
    assert [sd.names.ids[n.name] for n in sd.nodes] == [n.id for n in sd.nodes] == list(range(len(sd.nodes)))
    for table in (sd.marks.gradient_ranges, sd.marks.gradient_spans):
        assert all(0 <= start < end <= len(sd.nodes) for start, end in table)
    assert {*sd.values, *sd.marks.cotangents, *sd.marks.cotangents.values()} <= set(range(len(sd.nodes)))
    with pytest.raises(TakenBackError):
        repr(kept["unused"])
    with pytest.raises(TakenBackError):
        kept["f"]()
    np.testing.assert_allclose(sd.math.cos(w).eval(), np.cos([1.0, 2.0]), rtol=1e-14)


def test_many_gradients_of_one_graph_do_not_pay_for_each_other():
    """What a gradient costs does not depend on how much is known of what was there before: counted, not timed."""

    def looked_at(n):
        sd = SameDiff(dtype="float64")
        x = sd.var("x", np.linspace(0.0, 1.0, 4))
        y = sd.math.tanh(x) * sd.sum(x)
        for k in range(n):
            sd.grad(y[k % 4] * float(k + 2), x)
        calls = 0

        def count(frame, event, _):
            nonlocal calls
            calls += event == "call" and frame.f_code.co_filename == bookkeeping.__file__

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            sd.grad(y[0] * 0.5, x)
        finally:
            sys.setprofile(before)
        return calls

    assert looked_at(80) <= looked_at(5) + 5


# ---------------------------------------------------------------------- interrupts


def interrupted_at(line: int, call) -> bool:
    """Run ``call`` and raise KeyboardInterrupt at the so-manieth line of the modules that keep the graph.

    Says whether the call was interrupted; False if it has no more lines.
    """
    files = {module.__file__ for module in (graph, lookup, builder, bookkeeping, leaves, gradients, answers, samediff)}
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename not in files or frame.f_code.co_name == "transaction":
            return None
        if event == "line":
            count += 1
            if count == line:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def two_parts():
    sd = a_graph()
    return sd, lambda: sd.unstack(sd["x"], axis=1, num=2, name="parts")


def a_leaf():
    sd = a_graph()
    return sd, lambda: sd.var("more", [1.0, 2.0])


def a_literal():
    sd = a_graph()
    return sd, lambda: sd.math.merge_add(sd["logits"], 4.125, 5.25, name="sum of three")


def a_gradient():
    sd = a_graph()
    return sd, lambda: sd.grad(sd["logits"], "layer/b")


def a_keras_loss():
    sd = a_graph()
    return sd, lambda: losses.MeanSquaredError(name="mine")(sd["y"], sd["logits"])


def structure(sd: SameDiff) -> tuple:
    """What a user sees, without the suffix that the next automatic name gets."""
    return (
        [(n.name, n.op, n.inputs) for n in sd.nodes],
        sorted(sd.values),
        [*sd.marks.losses],
        [*sd.marks.gradient_ranges],
    )


@pytest.mark.parametrize("make", [two_parts, a_leaf, a_literal, a_gradient, a_keras_loss])
def test_an_interrupt_leaves_all_of_a_call_or_nothing(make):
    line = 0
    while True:
        line += 1
        sd, call = make()
        before = structure(sd)
        if not interrupted_at(line, call):
            break
        after = structure(sd)
        assert [sd.names.ids[n.name] for n in sd.nodes] == list(range(len(sd.nodes))) and len(sd.names.ids) == len(
            sd.nodes
        ), line
        assert set(sd.values) == {n.id for n in sd.nodes if n.op.kind.value in ("variable", "constant")}, line
        assert sd.journal is None and sd.current_scope == "" and not sd.marks.in_gradient, line
        if after != before:  # the interrupt came when all was done
            whole, again = make()
            again()
            assert [n[0] for n in structure(whole)[0]] == [n[0] for n in after[0]], line
        else:
            call()
        assert sd["logits"].eval(FEEDS).shape == (2, 1)
    assert line > 10


@pytest.mark.parametrize("times", [1, 2, 3])
def test_taking_back_runs_to_its_end_when_it_is_interrupted(times, monkeypatch):
    sd = a_graph()
    before = graph_state(sd)
    drop, left = SameDiff.drop_nodes, [times]

    def interrupted(self, size):
        drop(self, size)
        left[0] -= 1
        if left[0] >= 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(SameDiff, "drop_nodes", interrupted)
    with pytest.raises(KeyboardInterrupt), sd.transaction():
        everything(sd, sd["y"], sd["logits"])
        raise RuntimeError
    assert graph_state(sd) == before


# ---------------------------------------------------------------------- copies


@pytest.mark.parametrize("make", [SameDiff.copy, copy.copy, copy.deepcopy], ids=["sd.copy", "copy.copy", "deepcopy"])
def test_a_copy_has_all_that_is_known_of_nodes_and_shares_nothing(make):
    sd = a_graph()
    other = make(sd)
    for (mine, t), (its, _) in zip(bookkeeping.tables_of(sd), bookkeeping.tables_of(other), strict=True):
        table = getattr(mine, t.name)
        if t.copied and t.name != "values":
            assert getattr(its, t.name) == table, t.name
        assert not isinstance(table, list | dict | set) or getattr(its, t.name) is not table, t.name
    assert other.nodes is not sd.nodes and other.names.nodes is other.nodes
    before = graph_state(sd)
    other["layer/w"].value = [[0.0], [0.0]]
    other["logits"].rename("z")
    other.add_loss(other.loss.l2_loss(other["z"]))
    other["layer/b"].convert_to_constant()
    other.calculate_gradients(FEEDS)
    other.placeholder("later")
    assert graph_state(sd) == before and "later" not in sd


def test_a_copy_does_not_differentiate_again():
    sd = a_graph()
    other = sd.copy()
    size = len(sd.nodes)
    np.testing.assert_array_equal(other.calculate_gradients(FEEDS)["layer/w"], sd.calculate_gradients(FEEDS)["layer/w"])
    assert len(other.nodes) == len(sd.nodes) == size


def test_what_is_copied_together_stays_together():
    sd = a_graph()
    f = sd.compile("logits")
    other = copy.deepcopy({"graph": sd, "w": sd["layer/w"], "f": f, "again": sd["layer/w"]})
    assert other["w"].sd is other["graph"] is not sd and other["w"] == other["again"] == other["graph"]["layer/w"]
    other["w"].value = [[0.0], [0.0]]
    expected = f(x=FEEDS["x"])["logits"]
    assert (other["f"](x=FEEDS["x"])["logits"] == 0.5).all() and not (expected == 0.5).all()
    assert copy.copy(sd["layer/w"]) == sd["layer/w"] and copy.copy(f) is f


def test_pairs_in_any_order_follow_nodes_that_move_into_each_others_places():
    table = {1: 2, 7: 5, 5: 6, 6: 9, 0: 8}
    moved = {5: 4, 6: 5, 7: 6, 8: 7, 9: None}
    assert bookkeeping.pairs(table, bookkeeping.Numbering(lambda i: i if i < 4 else moved[i], lambda i: i, 4)) == {
        1: 2,
        6: 4,
        4: 5,
        0: 7,
    }
