"""Conditions and loops of SameDiff's files: what they compute, and which shapes are none."""

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import errors
from sdgraph.files import samediff
from sdgraph.testing import check_grads
from tests.files.samediff import real
from tests.files.samediff.flat import File

ENGINES = ("numpy", "llvm")


class Flow(File):
    """A file with parts of control flow, all of whose numbers are DOUBLE."""

    def __init__(self):
        super().__init__()
        self.leaf("x", "placeholder", "DOUBLE", shape=[2])
        self.leaf("a", "placeholder", "DOUBLE")
        for name, value in (("zero", 0.0), ("one", 1.0), ("two", 2.0), ("four", 4.0)):
            self.leaf(name, "constant", "DOUBLE", value)

    def make(self, op, inputs, name, dtype="DOUBLE", **slots):
        """An operation with one output."""
        self.op(op, inputs, [(name, dtype)], **slots)
        return name

    def switch(self, data, pred, name, dtype="DOUBLE"):
        """A switch; returns what is in the branch of False, and of True."""
        self.op("switch", [data, pred], [(f"{name}_f", dtype), (f"{name}_t", dtype)])
        return f"{name}_f", f"{name}_t"

    def enter(self, data, frame, name):
        return self.make("enter", [data], name, properties={"frameName": frame})

    def back(self, merge, new):
        """Lead a value back to a merge."""
        (node,) = (node for node in self.nodes if node["output_names"] == [merge])
        node["inputs"].append(dict(zip(("first", "second"), self.places[new], strict=True)))

    def begin(self, frame, *init):
        """Carries of a loop: what stands for them at the start of each step."""
        return [
            self.make("merge", [self.enter(name, frame, f"{frame}_enter{k}")], f"{frame}_carry{k}")
            for k, name in enumerate(init)
        ]

    def part(self, frame, pred, carries):
        """The exits of a loop, and what its body gets."""
        parts = [self.switch(carry, pred, f"{frame}_switch{k}") for k, carry in enumerate(carries)]
        exits = [self.make("exit", [f], f"{frame}_out{k}") for k, (f, _) in enumerate(parts)]
        return exits, [t for _, t in parts]

    def end(self, frame, carries, new):
        """The end of a step."""
        for k, (carry, value) in enumerate(zip(carries, new, strict=True)):
            self.back(carry, self.make("next_iteration", [value], f"{frame}_next{k}"))

    def power(self, frame, base, init, *, limit="four", least="zero"):
        """A loop: from (0, init), four times a product with the base; returns its exits."""
        carries = self.begin(frame, least, init)
        pred = self.make("less", [carries[0], limit], f"{frame}_less", "BOOL")
        exits, (i, s) = self.part(frame, self.make("loop_cond", [pred], f"{frame}_test", "BOOL"), carries)
        factor = self.enter(base, frame, f"{frame}_base")
        new = [self.make("add", [i, "one"], f"{frame}_i"), self.make("multiply", [s, factor], f"{frame}_s")]
        self.end(frame, carries, new)
        return exits

    def positive(self):
        return self.make("greater", ["a", "zero"], "p", "BOOL")

    def read(self, tmp_path):
        return samediff.load(self.write(tmp_path / "flow.fb"))


def check(sd, name, want, grads=True):
    """Values on both engines against a function of x and a; and gradients."""
    x = np.array([0.5, -1.5])
    for a in (-1.5, -0.5, 0.5, 3.0):
        fed = {"x": x, "a": np.array(a)}
        for engine in ENGINES:
            got = sd.compile([name], engine=engine)(fed)[name]
            np.testing.assert_allclose(got, want(x, a), rtol=1e-13)
    if grads:
        loss = sd.sum(sd[name] * sd[name])
        check_grads(loss, {"x": x, "a": np.array(0.5)}, ["x"])
        check_grads(loss, {"x": x, "a": np.array(-0.5)}, ["x"])


# ---------------------------------------------------------------------- the files of SameDiff


@pytest.mark.parametrize("x", ([0.5, 1.5, 2.5], [0.5, -1.5, -2.5]))
def test_a_condition_of_samediff_has_both_branches_and_their_gradients(x):
    sd, x = samediff.load(real.path("flow_if_true")), np.array(x)
    want = x * sd["w"].value if x.sum() > 0 else x - 1
    for engine in ENGINES:
        np.testing.assert_array_equal(sd.compile(["out"], engine=engine)({"x": x})["out"], want)
    check_grads(sd.sum(sd["out"] * sd["out"]), {"x": x}, ["x", "w"])
    assert sd["out"].op_name == "cond" and "choice/trueBody/multiply" in sd.expand("out", branch=1)


def test_a_loop_of_samediff_has_what_it_captured():
    """Which SameDiff itself loses when it reads the file."""
    sd, x = samediff.load(real.path("flow_while")), np.array([1.0, 2.0, -1.0])
    s = x
    for i in range(5):
        s = s * 1.5 + i + sd["w"].value
    np.testing.assert_allclose(sd["sOut"].eval({"x": x}), s, rtol=1e-14)
    assert sd["sOut"].op_name == sd["iOut"].op_name == "while_loop"


# ---------------------------------------------------------------------- other shapes


@pytest.mark.parametrize("turned", (False, True))
def test_a_branch_may_be_a_value_as_it_is(tmp_path, turned):
    file = Flow()
    f, t = file.switch("x", file.positive(), "s")
    file.make("merge", [t, f] if turned else [f, t], "y")
    check(file.read(tmp_path), "y", lambda x, a: x)


def test_a_branch_may_compute_from_constants_alone(tmp_path):
    file = Flow()
    p = file.positive()
    f, _ = file.switch("x", p, "s")
    _, t = file.switch("two", p, "c")
    file.make(
        "merge", [file.make("add", [f, "two"], "g"), file.make("multiply", [t, file.switch("x", p, "r")[1]], "h")], "y"
    )
    check(file.read(tmp_path), "y", lambda x, a: 2 * x if a > 0 else x + 2)


def test_two_merges_may_share_what_a_branch_computes(tmp_path):
    file = Flow()
    f, t = file.switch("x", file.positive(), "s")
    shared = file.make("multiply", [t, t], "shared")
    file.make("merge", [f, shared], "y")
    file.make("merge", [file.make("add", [f, "one"], "more"), file.make("add", [shared, "two"], "square")], "z")
    file.make("add", ["y", "z"], "sum")
    check(file.read(tmp_path), "sum", lambda x, a: 2 * x**2 + 2 if a > 0 else 2 * x + 1)


def test_conditions_within_conditions(tmp_path):
    file = Flow()
    p = file.positive()
    f, t = file.switch("x", p, "s")
    at = file.switch("a", p, "r")[1]
    q = file.make("greater", [at, "two"], "q", "BOOL")
    inner_f, inner_t = file.switch(t, q, "i")
    inner = file.make(
        "merge", [file.make("multiply", [inner_t, "four"], "big"), file.make("add", [inner_f, at], "small")], "m"
    )
    file.make("merge", [file.make("add", [inner, "one"], "more"), file.make("subtract", [f, "one"], "less")], "y")
    check(file.read(tmp_path), "y", lambda x, a: x - 1 if a <= 0 else 4 * x + 1 if a > 2 else x + a + 1)


def test_a_loop_may_make_no_step(tmp_path):
    file = Flow()
    file.power("loop", "x", "x", least="a")
    check(file.read(tmp_path), "loop_out1", lambda x, a: x ** (1 + np.ceil(4 - a)), grads=False)
    file = Flow()
    file.power("loop", "x", "x", limit="zero")
    check(file.read(tmp_path), "loop_out1", lambda x, a: x, grads=False)


def test_a_loop_within_a_branch(tmp_path):
    """Its first carry is a constant, which no switch lets in."""
    file = Flow()
    p = file.positive()
    f, t = file.switch("x", p, "s")
    _, out = file.power("loop", "two", t)
    file.make("merge", [f, file.make("add", [out, "one"], "more")], "y")
    check(file.read(tmp_path), "y", lambda x, a: 16 * x + 1 if a > 0 else x, grads=False)


def test_a_condition_within_a_loop(tmp_path):
    file = Flow()
    i, s = file.begin("loop", "zero", "x")
    exits, (it, st) = file.part("loop", file.make("less", [i, "four"], "test", "BOOL"), (i, s))
    a = file.enter("a", "loop", "captured")
    f, t = file.switch(st, file.make("greater", [it, a], "q", "BOOL"), "inner")
    new = file.make("merge", [file.make("add", [f, "one"], "up"), file.make("multiply", [t, "two"], "twice")], "m")
    file.end("loop", (i, s), [file.make("add", [it, "one"], "count"), new])

    def want(x, a):
        for k in range(4):
            x = x * 2 if k > a else x + 1
        return x

    check(file.read(tmp_path), exits[1], want, grads=False)


def test_loops_within_loops(tmp_path):
    file = Flow()
    i, s = file.begin("outer", "zero", "x")
    exits, (it, st) = file.part("outer", file.make("less", [i, "two"], "test", "BOOL"), (i, s))
    _, inner = file.power("inner", "two", st)
    file.end("outer", (i, s), [file.make("add", [it, "one"], "count"), file.make("add", [inner, it], "moved")])
    check(file.read(tmp_path), exits[1], lambda x, a: 16 * (16 * x) + 1, grads=False)


@pytest.mark.parametrize("taken", ("iOut:1", "iOut:2"))
def test_names_that_outputs_of_a_loop_would_have_may_be_taken(tmp_path, taken):
    file = Flow()
    exits = file.power("loop", "two", "x")
    file.make("add", [exits[1], "one"], taken)
    for v in file.variables:
        v["name"] = {"loop_out0": "iOut", "loop_out1": "sOut"}.get(v["name"], v["name"])
    for node in file.nodes:
        node["output_names"] = [{"loop_out0": "iOut", "loop_out1": "sOut"}.get(x, x) for x in node["output_names"]]
    sd = file.read(tmp_path)
    check(sd, "sOut", lambda x, a: 16 * x, grads=False)
    check(sd, taken, lambda x, a: 16 * x + 1, grads=False)


@pytest.mark.parametrize("order", (slice(None), slice(None, None, -1)))
def test_exits_may_stand_in_any_order(tmp_path, order):
    file = Flow()
    exits = file.power("loop", "two", "x")
    file.nodes = file.nodes[order]
    sd = file.read(tmp_path)
    check(sd, exits[0], lambda x, a: 4.0, grads=False)
    check(sd, exits[1], lambda x, a: 16 * x, grads=False)


def test_a_carry_may_exit_twice_and_another_never(tmp_path):
    file = Flow()
    i, s = file.begin("loop", "zero", "x")
    test = file.make("less", [i, "four"], "test", "BOOL")
    it, (sf, st) = file.switch(i, test, "a_switch")[1], file.switch(s, test, "switch")
    exits = [file.make("exit", [sf], f"y{k}") for k in range(2)]
    file.end("loop", (i, s), [file.make("add", [it, "one"], "count"), file.make("add", [st, it], "moved")])
    file.make("add", exits, "both")
    check(file.read(tmp_path), "both", lambda x, a: 2 * (x + 6), grads=False)


def test_names_of_variables_may_be_those_that_a_body_gives_its_own(tmp_path):
    file = Flow()
    file.leaf("c:1", "placeholder", "DOUBLE", shape=[2])
    p = file.positive()
    f, t = file.switch("x", p, "s")
    _, c = file.switch("c:1", p, "r")
    product = file.make("multiply", [t, c], "c_1")
    file.make("merge", [f, file.make("add", [product, c], "carry")], "y")
    sd = file.read(tmp_path)
    assert sd["y"].eval({"x": [1.0, 2.0], "a": 1.0, "c:1": [3.0, 4.0]}).tolist() == [6.0, 12.0]


def test_losses_behind_a_condition_train(tmp_path):
    file = Flow()
    file.leaf("w", "variable", "DOUBLE", [1.0, 2.0])
    p = file.positive()
    t, f = file.switch("w", p, "s")[1], file.switch("x", p, "r")[0]
    file.make("merge", [f, file.make("multiply", [t, t], "square")], "y")
    file.make("reduce_sum", ["y"], "loss", dimensions=[2147483647], b=[False, True])
    file.losses = ["loss"]
    sd = file.read(tmp_path)
    g = sd.calculate_gradients({"x": [1.0, 1.0], "a": 1.0}, ["w"])["w"]
    np.testing.assert_array_equal(g, [2.0, 4.0])


def test_what_a_branch_lacks_is_named_with_all_else(tmp_path):
    file = Flow()
    f, t = file.switch("x", file.positive(), "s")
    file.make("merge", [f, file.make("no_such_op", [t], "odd")], "y")
    file.make("exp", ["y"], "z")
    with pytest.raises(errors.UnknownOpError) as e:
        file.read(tmp_path)
    assert e.value.names == ("no_such_op",)


def test_branches_of_other_shapes_are_refused(tmp_path):
    file = Flow()
    p = file.positive()
    file.make("merge", [file.switch("x", p, "s")[0], file.switch("a", p, "r")[1]], "y")
    with pytest.raises(errors.FormatError, match="cannot be made of their operands") as e:
        file.read(tmp_path)
    assert "merge ('node_" in e.value.given


def test_conditions_may_be_deep(tmp_path):
    file = Flow()
    name = nested(file, 24)
    check(file.read(tmp_path), name, lambda x, a: x + 24 if a > 0 else x, grads=False)


# ---------------------------------------------------------------------- what is none


def no_merge(file):
    file.switch("x", file.positive(), "s")
    return "switch", "nothing joins what it parts"


def no_switch(file):
    file.make("merge", ["x", "one"], "y")
    return "merge", "it joins what no switch has parted"


def one_branch_twice(file):
    t = file.switch("x", file.positive(), "s")[1]
    file.make("merge", [t, file.make("exp", [t], "e")], "y")
    return "merge", "it joins what no switch has parted"


def one_value_is_always_there(file):
    file.make("merge", ["x", file.switch("x", file.positive(), "s")[1]], "y")
    return "merge", "it joins what no switch has parted"


def different_branches(file):
    p, q = file.positive(), file.make("less", ["a", "four"], "q", "BOOL")
    f, t = file.switch("x", p, "s")
    file.make("merge", [f, file.switch(t, q, "r")[1]], "y")
    return "merge", "it joins values of different branches or loops"


def three_values(file):
    f, t = file.switch("x", file.positive(), "s")
    file.make("merge", [f, t, "x"], "y")
    return "merge", "it has 3 operands and 1 outputs"


def no_frame(file):
    file.make("enter", ["x"], "e")
    return "enter", "it enters no frame"


def nothing_exits(file):
    carries = file.begin("loop", "x")
    file.end("loop", carries, carries)
    return "merge", "it is in a loop that is not as SameDiff's whileLoop makes it"


def nothing_enters(file):
    file.make("merge", ["x"], "m")
    _, (t,) = file.part("loop", file.positive(), ["m"])
    file.end("loop", ["m"], [t])
    return "merge", "it joins a step of a loop with what does not enter the loop"


def no_carry_exits(file):
    file.make("exit", [file.switch("x", file.positive(), "s")[0]], "y")
    return "exit", "what exits is no carry of a loop"


def exits_from_the_body(file):
    (s,) = file.begin("loop", "a")
    t = file.switch(s, file.make("less", [s, "four"], "p", "BOOL"), "s")[1]
    file.make("exit", [t], "y")
    file.end("loop", [s], [file.make("add", [t, "one"], "more")])
    return "exit", "it does not follow the switch of a loop"


def two_tests(file):
    i, s = file.begin("loop", "a", "one")
    one = file.switch(i, file.make("less", [i, "four"], "p", "BOOL"), "s")
    other = file.switch(s, file.make("less", [s, "four"], "q", "BOOL"), "r")
    for k, f in enumerate((one[0], other[0])):
        file.make("exit", [f], f"y{k}")
    file.end("loop", [i, s], [one[1], other[1]])
    return "exit", "the values of its loop are told by different conditions"


def reads_its_counter(file):
    file.leaf("n", "variable", "DOUBLE", 0.0)
    file.back(file.make("merge", ["n"], "counter"), "counter")
    (s,) = file.begin("loop", "a")
    _, (t,) = file.part("loop", file.make("less", [s, "four"], "p", "BOOL"), [s])
    file.end("loop", [s], [file.make("add", [t, "counter"], "more")])
    return "exit", "its loop reads its own counter, or values of another branch or loop"


def goes_on_with_what_exits(file):
    (s,) = file.begin("loop", "a")
    f = file.switch(s, file.make("less", [s, "four"], "p", "BOOL"), "s")[0]
    file.make("exit", [f], "y")
    file.end("loop", [s], [f])
    return "exit", "its loop reads its own counter, or values of another branch or loop"


def no_step_follows(file):
    file.make("next_iteration", ["x"], "n")
    return "next_iteration", "no step follows it"


def read_by_others(file):
    (s,) = file.begin("loop", "a")
    file.part("loop", file.make("less", [s, "four"], "p", "BOOL"), [s])
    file.end("loop", [s], ["four"])
    file.make("exp", ["loop_next0"], "y")
    return "next_iteration", "something else than its loop reads it"


def draws_twice(file):
    f, t = file.switch("x", file.positive(), "s")
    drawn = file.make("dropout", [t], "drawn", t=[0.5])
    for k in range(2):
        file.make("merge", [f, file.make("exp", [drawn], f"e{k}")], f"y{k}")
    return "merge", "it shares 'node_"


def nested(file, depth):
    """Conditions within each other; returns what comes of it."""
    name, p, joins = "x", file.positive(), []
    for k in range(depth):
        f, name = file.switch(name, file.make("identity", [p], f"p{k}", "BOOL"), f"s{k}")
        joins.append((f, k))
    for f, k in reversed(joins):
        name = file.make("merge", [f, file.make("add", [name, "one"], f"more{k}")], f"m{k}")
    return name


def too_deep(file):
    nested(file, 40)
    return "merge", "more than 24 are within each other"


def too_deep_from_outside(file):
    nested(file, 40)
    file.nodes.reverse()
    return "merge", "more than 24 are within each other"


NONE = (
    no_merge, no_switch, one_branch_twice, one_value_is_always_there, different_branches, three_values, no_frame,
    nothing_exits, nothing_enters, no_carry_exits, exits_from_the_body, two_tests, reads_its_counter,
    goes_on_with_what_exits, no_step_follows, read_by_others, draws_twice, too_deep, too_deep_from_outside,
)  # fmt: skip


@pytest.mark.parametrize("write", NONE, ids=lambda f: f.__name__)
def test_what_is_no_condition_and_no_loop_is_refused_by_name(tmp_path, write):
    file = Flow()
    op, why = write(file)
    with pytest.raises(errors.UnknownOpError) as e:
        file.read(tmp_path)
    assert op in e.value.names
    assert any(line.startswith(f"{op} (") and why in line for line in e.value.given.split("), ")), e.value.given


def test_a_circle_that_is_no_loop_is_damage(tmp_path):
    file = Flow()
    file.make("add", ["x"], "y")
    f, t = file.switch("y", file.positive(), "s")
    file.make("merge", [f, t], "z")
    file.back("y", "z")
    with pytest.raises(errors.FormatError, match="waits for itself"):
        file.read(tmp_path)
