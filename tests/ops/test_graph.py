"""Copies of a graph that has more than nodes, and pickles of what holds a graph."""

import copy
import pickle
import threading

import numpy as np
import pytest

import sdgraph
from sdgraph import Namespace, SameDiff, SDVariable, composite
from sdgraph.errors import ArgumentTypeError, SDGraphError, UnknownVariableError

COPIES = {"sd.copy": SameDiff.copy, "copy.copy": copy.copy, "copy.deepcopy": copy.deepcopy}
copies = pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)


class Mine(Namespace, prefix="mine_of_copies"):
    @composite
    def twice(self, x: sdgraph.Operand, *, name: str | None = None) -> SDVariable:
        return x + x


class Net(SameDiff):
    """A user's class: other arguments, variables and ops as attributes."""

    def __init__(self, size):
        super().__init__("float64", seed=size)
        self.size = size
        self.x = self.placeholder("x", shape=(None, size))
        self.layers = [self.var(f"w_{k}", shape=(size, size), init="glorot") for k in range(2)]
        self.mine = Mine(self)
        self.f = self.compile(self.mine.twice(self.x @ self.layers[0], name="h"))


# ---------------------------------------------------------------------- copies


@copies
def test_a_copy_has_the_attributes_of_the_graph_with_its_own_variables(make):
    net = Net(3)
    other = make(net)
    assert type(other) is Net and other.size == 3 and other.dtype == np.float64 and other.seed == 3
    assert [v.sd for v in (other.x, *other.layers)] == [other] * 3
    assert [v.name for v in other.layers] == ["w_0", "w_1"] and other.layers is not net.layers
    assert other.mine.sd is other and other.mine.twice(other.x).sd is other
    other.layers[0].value = np.zeros((3, 3))
    fed = np.ones((2, 3))
    assert not other.f(x=fed)["h"].any() and net.f(x=fed)["h"].any()


@copies
def test_a_class_of_ones_own_may_have_any_arguments(make):
    other = make(Net(3))
    assert other.loss.l2_loss(other.layers[0]).eval() > 0
    assert other.grad(other["l2_loss"], "w_0").shape == (3, 3)
    assert len(other.expand("l2_loss")) > 2


@copies
def test_an_attribute_that_cannot_be_copied_is_named(make):
    sd = SameDiff()
    sd.lock = threading.Lock()
    with pytest.raises(ArgumentTypeError, match="The attribute 'lock' of this graph cannot be copied"):
        make(sd)
    _ = sd.placeholder("x") + 1
    assert sd.summary() and sd.plot().dot  # Pictures copy the graph, but need no attribute.


@copies
def test_an_attribute_that_raises_an_error_of_ours_is_not_blamed(make):
    class Odd:
        def __deepcopy__(self, memo):
            return SameDiff()["nope"]

    sd = SameDiff()
    sd.odd = Odd()
    with pytest.raises(UnknownVariableError):
        make(sd)


@copies
def test_a_copy_draws_as_the_graph_does(make):
    sd = SameDiff(seed=5)
    a = sd.random.normal(0.0, 1.0, shape=(4,), name="a")
    b = sd.nn.dropout(sd.var("w", shape=(4,), init="normal"), 0.5, name="b")
    gradient = sd.grad(b, "w")
    other = make(sd)
    for v in (a, b, gradient):
        for step in (0, 3):
            np.testing.assert_array_equal(other[v.name].eval(step=step), v.eval(step=step))
    again = [graph.random.normal(0.0, 1.0, shape=(4,)).eval() for graph in (sd, other)]
    np.testing.assert_array_equal(*again)
    np.testing.assert_array_equal(*[graph.var("v", shape=(4,), init="normal").value for graph in (sd, other)])


@copies
def test_a_copy_that_is_made_in_a_scope_has_no_scope_open(make):
    sd = SameDiff()
    with sd.name_scope("outer"):
        sd.var("w", 1.0)
        other = make(sd)
        assert other.current_scope == "" and other.var("v", 1.0).name == "v"
        assert sd.var("v", 1.0).name == "outer/v"
    assert other["outer/w"].origin == sd["outer/w"].origin


@copies
def test_a_copy_that_is_made_in_a_call_that_fails_stays(make):
    kept = []

    class Odd(Namespace, prefix="odd_of_copies"):
        @composite
        def fails(self, x: sdgraph.Operand, *, name: str | None = None) -> SDVariable:
            kept.append(make(self.sd))
            raise RuntimeError

    sd = SameDiff()
    w = sd.var("w", 1.0)
    with pytest.raises(RuntimeError), sd.transaction():
        lost = w + 2.0
        kept.append(make(sd))
        Odd(sd).fails(lost)
    within, body = kept
    assert len(sd) == 1 and within["add"].eval() == 3.0 and body["x"].sd is body
    assert within.journal is None and within.grad("add", "w").eval() == 1.0


@copies
def test_explicit_losses_and_extra_terms_belong_to_the_copy(make):
    sd = SameDiff()
    w = sd.var("w", [1.0, 2.0])
    sd.add_loss((w * w).sum(name="penalty"))
    (3.0 * w).sum(name="loss").mark_as_loss()
    other = make(sd)
    assert [v.sd for v in other.loss_variables()] == [other, other]
    np.testing.assert_array_equal(other.calculate_gradients()["w"], [5.0, 7.0])
    other.set_loss_variables()
    other.set_loss_variables("penalty")
    np.testing.assert_array_equal(sd.calculate_gradients()["w"], [5.0, 7.0])


def test_copies_are_whole_while_other_threads_differentiate():
    sd = SameDiff()
    w = sd.var("w", [1.0, 2.0])
    losses = [sd.math.exp(w * float(k + 2)).sum() for k in range(60)]
    done = threading.Event()

    def differentiate():
        for loss in losses:
            sd.grad(loss, w)
        done.set()

    thread = threading.Thread(target=differentiate)
    thread.start()
    while not done.is_set():
        other = sd.copy()
        assert [node.id for node in other.nodes] == list(range(len(other.nodes)))
        assert {node.name: node.id for node in other.nodes} == other.names.ids
        assert all(j < node.id for node in other.nodes for j in node.inputs)
    thread.join()


def test_a_copied_op_is_the_same_op():
    op = SameDiff().loss.huber_loss.op
    assert copy.copy(op) is copy.deepcopy(op) is op
    sd = SameDiff()
    node = sd.var("w", 1.0).node
    assert copy.deepcopy(node).op is node.op


# ---------------------------------------------------------------------- pickles


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_op_of_sdgraph_goes_by_its_name(protocol):
    sd = SameDiff()
    ops = [sd.loss.huber_loss.op, sd.var("w", 1.0).node.op, sd.placeholder("x").node.op, sd.constant(2.0).node.op]
    assert [pickle.loads(pickle.dumps(op, protocol)) is op for op in ops] == [True] * 4
    for rule in (sdgraph.NOT_DIFFERENTIABLE, sdgraph.ZERO_GRADIENT):
        assert pickle.loads(pickle.dumps(rule, protocol)) is rule


def test_an_op_of_a_users_goes_with_what_is_said_about_it_and_without_what_was_traced():
    """As cloudpickle sends a class that a notebook defines: functions and classes by what they are."""
    sd = SameDiff()
    op = Mine.twice.op
    Mine(sd).twice(sd.var("w", 1.5))
    assert op.bodies
    make, arguments, said = op.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    other = make(*arguments)
    other.__setstate__(said)
    assert other is not op and not other.bodies and op.bodies
    assert {k: getattr(other, k) for k in said} == said
    y = sd.apply(other, [sd["w"]])
    assert y.eval() == 3.0 and sd.grad(y, "w").eval() == 2.0


HOLDERS = {
    "graph": lambda sd: sd,
    "class of a user's": lambda sd: Net(2),
    "variable": lambda sd: sd["w"],
    "namespace": lambda sd: sd.loss,
    "namespace of a user's": Mine,
    "operation": lambda sd: sd.loss.huber_loss,
    "method of a variable": lambda sd: sd["w"].sum,
    "function": lambda sd: sd.compile("loss"),
    "its method": lambda sd: sd.compile("loss").run,
    "plan": lambda sd: sd.compile("loss").plan,
    "page": lambda sd: sd.explore(),
    "picture of a variable's neighbours": lambda sd: sd.plot(focus=sd["w"]),
    "feeds by variable": lambda sd: {sd["w"]: 1.0},
    "error with a graph": lambda sd: _with(UnknownVariableError("It is not there."), sd),
}


def _with(error, sd):
    error.graph = sd
    return error


REFUSED = ("plan", "page")


@pytest.mark.parametrize("what", [what for what in HOLDERS if what not in REFUSED])
def test_what_holds_a_graph_comes_out_of_a_pickle_with_it(what):
    sd = SameDiff()
    (2.0 * sd.var("w", [1.0, 2.0])).sum(name="loss")
    held = HOLDERS[what](sd)
    for protocol in (2, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL):
        other, graph = pickle.loads(pickle.dumps([held, sd], protocol))
        assert type(other) is type(held)
        assert graph["loss"].eval() == 6.0


@pytest.mark.parametrize("what", REFUSED)
def test_what_holds_functions_says_that_it_cannot_be_pickled(what):
    sd = SameDiff()
    (2.0 * sd.var("w", [1.0, 2.0])).sum(name="loss")
    held = HOLDERS[what](sd)
    for protocol in (2, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL):
        with pytest.raises(SDGraphError, match="cannot be pickled") as found:
            pickle.dumps([held], protocol)
        assert isinstance(found.value, TypeError) and "can be pickled" in found.value.fix


def test_what_is_only_text_or_pictures_comes_out_of_a_pickle():
    sd = SameDiff()
    sd.var("w", [1.0, 2.0]).sum(name="loss")
    for shown in (sd.summary(), sd["loss"].to_latex()):
        for way in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
            other = way(shown)
            assert type(other) is type(shown) and other == shown
    assert pickle.loads(pickle.dumps(sd.summary()))._repr_html_() == sd.summary()._repr_html_()
    assert pickle.loads(pickle.dumps(sd.plot())).dot == sd.plot().dot
