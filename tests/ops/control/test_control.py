"""Scan, while_loop, cond and switch: values, gradients, structure, what they capture, and what they refuse."""

import threading

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError, NumericsError, ShapeError
from sdgraph.testing import check_grads
from tests.ops.control.loops import ENGINES, drawn, lstm, mixed, mixed_by_hand, recurrent, recurrent_by_hand

X = drawn(6, 2, 3, seed=5)


# ---------------------------------------------------------------------- scan


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True, 3])
def test_a_scan_is_the_loop(engine, reverse, checkpoint):
    sd, last, states, twice = recurrent(reverse=reverse, checkpoint=checkpoint, length=6 if checkpoint == 3 else None)
    found = sd.output({"x": X}, [last, states, twice], engine=engine)
    h, hs = recurrent_by_hand(sd, X, reverse=reverse)
    np.testing.assert_allclose(found[last.name], h, rtol=1e-12)
    np.testing.assert_allclose(found[states.name], hs, rtol=1e-12)
    np.testing.assert_allclose(found[twice.name], 2 * hs, rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True, 3])
def test_its_gradients(reverse, checkpoint):
    _, last, states, twice = recurrent(reverse=reverse, checkpoint=checkpoint, length=6 if checkpoint == 3 else None)
    assert check_grads((states * twice).sum() + last.sum(), {"x": X}, order=2) < 1e-9


def test_the_engines_agree_on_gradients():
    sd, loss = lstm()
    wanted = sd.output({"x": X}, sd.grad(loss, ["w", "r", "b"]), engine="numpy")
    found = sd.output({"x": X}, sd.grad(loss, ["w", "r", "b"]), engine="llvm")
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-10)


def test_loops_in_composites_in_loops():
    _, loss = lstm()
    assert check_grads(loss, {"x": X[:3]}, order=1) < 1e-9
    sd, loss = mixed()
    x = 0.3 * drawn(3, 4, seed=7)
    for engine in ENGINES:
        assert float(loss.eval({"x": x}, engine=engine)) == pytest.approx(mixed_by_hand(1.3, x), rel=1e-12)
    assert check_grads(loss, {"x": x}, order=2) < 1e-9
    assert sd["nested"].op_name == "scan"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [0, 1])
def test_a_loop_that_hardly_runs(engine, length):
    sd, last, states, _ = recurrent()
    x = X[:length]
    found = sd.output({"x": x}, [last, states, sd.grad(last, "w")], engine=engine)
    h, hs = recurrent_by_hand(sd, x)
    np.testing.assert_allclose(found[last.name], h, rtol=1e-12)
    assert found[states.name].shape == hs.shape
    assert found["grad/w"].shape == (3, 3) and (length or not found["grad/w"].any())


def test_a_scan_without_anything_to_run_over():
    sd = SameDiff()
    (n, x), powers = sd.scan(lambda c, _: ((c[0] + 1, c[1] * 2.0), c[1]), (0, 1.0), length=5)
    assert (n.eval(), x.eval(), n.dtype) == (5, 32.0, np.int64)
    assert powers.eval().tolist() == [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize("dtype", ["bool", "int32", "float16", "complex64"])
def test_carries_of_other_dtypes(dtype):
    sd = SameDiff()
    start = np.array([1, 0, 1]).astype(dtype)
    x = sd.placeholder("x", (None,))
    (h, total), hs = sd.scan(lambda c, x: ((c[0], c[1] + x), c[0]), (start, 0.0), x)
    assert h.dtype == hs.dtype == np.dtype(dtype)
    assert (hs.eval({"x": [1.0, 2.0]}) == start).all() and total.eval({"x": [1.0, 2.0]}) == 3.0
    assert sd.grad(total, x).eval({"x": [1.0, 2.0]}).tolist() == [1.0, 1.0]


def test_what_does_not_change_is_stacked_as_well():
    sd = SameDiff()
    c = sd.constant("c", [1.0, 2.0])
    _, ys = sd.scan(lambda h, x: (h, c), 0.0, np.zeros(3, "f"))
    assert ys.eval().tolist() == [[1.0, 2.0]] * 3


def test_results_are_arrays_of_the_callers_own():
    sd = SameDiff()
    x, h = sd.placeholder("x", (2, 2)), sd.placeholder("h", (2,))
    last, ys = sd.scan(lambda h, x: (h, x), h, x)
    given = {"x": np.ones((2, 2), "f"), "h": np.ones(2, "f")}
    for engine in ENGINES:
        found = sd.output(given, [last, ys], engine=engine)
        for array in found.values():
            array[...] = 7.0
        assert (given["x"] == 1).all() and (given["h"] == 1).all()


def test_names_follow_the_results():
    sd, last, states, twice = recurrent()
    assert [v.name for v in (last, states, twice)] == ["rnn", "rnn:1", "rnn:2"]
    a, _ = sd.scan(lambda h, x: (h, None), 0.0, [1.0, 2.0])
    b, _ = sd.scan(lambda h, x: (h, None), 0.0, [1.0, 2.0])
    assert [a.name, b.name] == ["scan", "scan_1"]


def test_carries_may_be_nested():
    sd = SameDiff(dtype="float64")
    carry = {"a": (1.0, [2.0, sd.var("v", 3.0)]), "b": None}

    def body(c, x):
        a, (b, d) = c["a"]
        return {"a": (a + x, [b * x, d]), "b": None}, None

    last, ys = sd.scan(body, carry, [1.0, 2.0])
    assert ys is None and last["b"] is None
    assert [float(v.eval()) for v in (last["a"][0], *last["a"][1])] == [4.0, 4.0, 3.0]


# ---------------------------------------------------------------------- random numbers


def test_draws_differ_from_step_to_step_and_are_the_same_again():
    def graph(checkpoint):
        sd = SameDiff(dtype="float64", seed=3)
        x = sd.placeholder("x", (5, 2))
        last, ys = sd.scan(
            lambda h, x: (h * sd.random.normal(0.0, 1.0, (2,)) + x, h), [1.0, 2.0], x, checkpoint=checkpoint
        )
        return sd, last, ys

    x = drawn(5, 2)
    results = []
    for checkpoint in (False, True):
        sd, last, ys = graph(checkpoint)
        assert check_grads(last.sum(), {"x": x}) < 1e-9  # The loop backward has the same draws.
        found = [ys.eval({"x": x}, step=k, engine=e) for k, e in ((0, "numpy"), (0, "llvm"), (1, "numpy"))]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
        assert not np.allclose(found[0][1:], found[2][1:])
        results.append(found[0])
    np.testing.assert_array_equal(results[0], results[1])
    sd, _, ys = graph(False)
    _, draws = sd.scan(lambda h, _: (h, sd.random.normal(0.0, 1.0, ())), 0.0, length=50)
    assert len(np.unique(draws.eval())) == 50


# ---------------------------------------------------------------------- while_loop


@pytest.mark.parametrize("engine", ENGINES)
def test_a_while_loop(engine):
    sd = SameDiff(dtype="float64")
    a = sd.placeholder("a")
    root = sd.while_loop(lambda x: sd.math.abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a)
    assert float(root.eval({"a": 2.0}, engine=engine)) == pytest.approx(2**0.5, rel=1e-12)
    n, total = sd.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] + c[0].cast("float64")), (0, 0.0))
    assert (int(n.eval(engine=engine)), float(total.eval(engine=engine))) == (5, 10.0)


def test_one_with_a_bound_has_gradients():
    sd = SameDiff(dtype="float64")
    a = sd.placeholder("a")
    root = sd.while_loop(lambda x: sd.math.abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a, max_steps=30)
    g = sd.grad(root, a)
    assert float(g.eval({"a": 2.0})) == pytest.approx(0.5 * 2**-0.5, rel=1e-10)
    assert float(sd.grad(g, a).eval({"a": 2.0})) == pytest.approx(-0.25 * 2**-1.5, rel=1e-10)
    assert float(g.eval({"a": 2.0}, engine="llvm")) == pytest.approx(0.5 * 2**-0.5, rel=1e-10)


@pytest.mark.parametrize("most", [0, 2])
def test_the_bound_ends_the_loop(most):
    sd = SameDiff(dtype="float64")
    w = sd.var("w", 2.0)
    x = sd.while_loop(lambda x: x < 100.0, lambda x: x * w, w, max_steps=most)
    assert x.eval() == 2.0 ** (most + 1)
    assert sd.grad(x, w).eval() == pytest.approx((most + 1) * 2.0**most)


def test_without_a_bound_it_has_none():
    sd = SameDiff()
    w = sd.var("w", 2.0)
    x = sd.while_loop(lambda x: x < 100.0, lambda x: x * w, w, name="grow")
    with pytest.raises(GradientError, match=r"needs a bound[\s\S]*'grow', made at[\s\S]*max_steps"):
        sd.grad(x, w)


# ---------------------------------------------------------------------- branches


@pytest.mark.parametrize("engine", ENGINES)
def test_only_the_chosen_branch_is_run(engine):
    sd = SameDiff(dtype="float64")
    x, a = sd.placeholder("x"), sd.var("a", 3.0)
    y = sd.cond(x > 0, lambda: a * sd.math.log(x), lambda: x)
    gx, ga = sd.grad(y, [x, a])
    found = [sd.output({"x": v}, [y, gx, ga], engine=engine) for v in (2.0, -2.0)]
    assert [float(v) for v in found[0].values()] == pytest.approx([3 * np.log(2), 1.5, np.log(2)])
    assert [float(v) for v in found[1].values()] == [-2.0, 1.0, 0.0]  # No NaN of the logarithm.
    assert check_grads(y, {"x": 2.0}, order=2) < 1e-9


def test_if_cond_is_cond_and_operands_are_handed_on():
    sd = SameDiff()
    y = sd.if_cond(True, lambda a, b: [a + b, 1], lambda a, b: [a - b, 0], sd.var("v", 5.0), 3.0)
    assert [v.eval() for v in y] == [8.0, 1]
    assert y[1].dtype == np.int64


def test_a_number_takes_the_dtype_of_the_other_branch():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", dtype="float32")
    assert sd.cond(x > 0, lambda: x, lambda: 0).dtype == np.float32


@pytest.mark.parametrize("engine", ENGINES)
def test_an_index_beyond_the_end_is_the_last(engine):
    sd = SameDiff(dtype="float64")
    x, k = sd.placeholder("x"), sd.placeholder("k", dtype="int64")
    y = sd.switch(k, [lambda x: x, lambda x: x * x, lambda x: x**3], x)
    g = sd.grad(y, x)
    found = [sd.output({"x": 2.0, "k": n}, [y, g], engine=engine) for n in (-1, 0, 1, 2, 9)]
    assert [float(f[y.name]) for f in found] == [2.0, 2.0, 4.0, 8.0, 8.0]
    assert [float(f["grad/x"]) for f in found] == [1.0, 1.0, 4.0, 12.0, 12.0]


# ---------------------------------------------------------------------- what a body uses


def test_variables_that_a_body_makes_stand_outside():
    sd = SameDiff(dtype="float64")

    def body(h, x):
        return h + sd.var("w", 2.0) * x, None

    last, _ = sd.scan(body, 0.0, [1.0, 2.0])
    assert [v.name for v in sd.variables() if v.kind.value == "variable"] == ["w"]
    assert last.eval() == 6.0 and sd.grad(last, "w").eval() == 3.0


def test_gradients_inside_of_a_body():
    sd = SameDiff(dtype="float64")
    a = sd.placeholder("a")

    def cube(x):
        return x * x * x - a

    root = sd.while_loop(
        lambda x: sd.math.abs(cube(x)) > 1e-12, lambda x: x - cube(x) / sd.grad(cube(x), x), 1.0, max_steps=50
    )
    assert float(root.eval({"a": 5.0})) == pytest.approx(5 ** (1 / 3))
    assert float(sd.grad(root, a).eval({"a": 5.0})) == pytest.approx(5 ** (-2 / 3) / 3)


def test_a_body_that_fails_leaves_nothing():
    sd, *_ = recurrent()
    before = [v.name for v in sd.variables()]

    def body(h, x):
        sd.scan(lambda a, b: (a + h, b), h, x)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sd.scan(body, sd["start"], sd["x"])
    assert [v.name for v in sd.variables()] == before
    assert (sd["w"] + 1.0).sd is sd


def test_a_nested_body_that_fails_may_be_caught():
    sd = SameDiff(dtype="float64")
    w = sd.var("w", 2.0)

    def body(h, x):
        with pytest.raises(ZeroDivisionError):
            sd.scan(lambda a, b: (a * w / 1, 1 / 0), h, length=2)
        return h * w + x, None

    assert sd.scan(body, 1.0, [1.0, 2.0])[0].eval() == 8.0


def test_what_is_inside_stays_inside():
    sd = SameDiff()
    kept = []

    def body(h, x):
        kept.append(h + x)
        return h + x, None

    sd.scan(body, 0.0, [1.0, 2.0])
    for use in (
        lambda: kept[0] * 2.0,
        lambda: sd.math.tanh(kept[0]),
        lambda: sd.scan(lambda h, x: (h + kept[0], None), 0.0, [1.0]),
    ):
        with pytest.raises(ArgumentError, match=r"was made inside a body and exists only there[\s\S]*stacked"):
            use()
    with pytest.raises(ArgumentError, match="belongs to another graph"):
        sd.scan(lambda h, x: (h + SameDiff().var("v", 1.0), None), 0.0, [1.0])


# ---------------------------------------------------------------------- refused


def refused(sd):
    w, three, four = sd["w"], np.ones(3), np.ones(4)
    return [
        (ArgumentTypeError, "returns two things", lambda: sd.scan(lambda h, x: h, 0.0, three)),
        (ArgumentError, r"\(x, x\)[\s\S]*expected: x", lambda: sd.scan(lambda h, x: ((h, h), h), 0.0, three)),
        (ShapeError, r"The carry must[\s\S]*float64 \(\) in, float64 \(1,\) out", lambda: sd.scan(
            lambda h, x: (h[None], h), 0.0, three)),
        (DTypeError, r"carry\['h'\] must[\s\S]*float64 \(\) in, float32 \(\) out", lambda: sd.scan(
            lambda c, x: ({"h": c["h"].cast("float32")}, x), {"h": 0.0}, three)),
        (ShapeError, "one length", lambda: sd.scan(lambda h, x: (h, x), 0.0, (three, four))),
        (ShapeError, "one length", lambda: sd.scan(lambda h, x: (h, x), 0.0, three, length=4)),
        (ShapeError, "first axis", lambda: sd.scan(lambda h, x: (h, x), 0.0, 3.0)),
        (ArgumentError, "something to run over", lambda: sd.scan(lambda h, x: (h, x), 0.0)),
        (ArgumentError, "7 steps, checkpoint=2", lambda: sd.scan(lambda h, x: (h, x), 0.0, np.ones(7), checkpoint=2)),
        (ArgumentTypeError, "reverse", lambda: sd.scan(lambda h, x: (h, x), 0.0, three, reverse=1)),
        (ArgumentTypeError, "is a function", lambda: sd.scan(3, 0.0, three)),
        (ArgumentTypeError, "is a function", lambda: sd.while_loop(lambda h: h > 0, None, 0.0)),
        (DTypeError, r"one truth value[\s\S]*sd\.all", lambda: sd.while_loop(lambda h: h > 0, lambda h: h, three)),
        (DTypeError, "one truth value", lambda: sd.while_loop(lambda h: h, lambda h: h, 1.0)),
        (ArgumentError, "max_steps", lambda: sd.while_loop(lambda h: h > 0, lambda h: h, 1.0, max_steps=-1)),
        (DTypeError, "one truth value", lambda: sd.cond(w, lambda: 1.0, lambda: 2.0)),
        (ArgumentError, "different structures", lambda: sd.cond(True, lambda: w, lambda: [w, w])),
        (ShapeError, "different things at place 0", lambda: sd.cond(True, lambda: w, lambda: sd.stack(w, w))),
        (DTypeError, "whole number", lambda: sd.switch(w, [lambda: w])),
        (ArgumentError, "no branch", lambda: sd.switch(0, [])),
        (ArgumentTypeError, "in a list", lambda: sd.switch(0, 3)),
        (ArgumentError, r"in the graph of a body[\s\S]*'v', made", lambda: sd.scan(
            lambda h, x: (h + h.sd.var("v", 1.0), None), 0.0, three)),
        (ArgumentTypeError, r"sd\.cond and", lambda: sd.cond(True, lambda: w if w > 0 else -w, lambda: w)),
    ]  # fmt: skip


def test_what_cannot_be_is_said_and_leaves_the_graph_as_it_was():
    sd = SameDiff(dtype="float64")
    sd.var("w", 2.0)
    n = len(refused(sd))
    for k in range(n):
        size = len(sd.nodes)
        error, words, call = refused(sd)[k]
        with pytest.raises(error, match=words):
            call()
        assert len(sd.nodes) == size


def test_a_carry_whose_size_is_seen_late():
    sd = SameDiff()
    h, x = sd.placeholder("h", (None,)), sd.placeholder("x", (None, 2))
    last, _ = sd.scan(lambda h, x: (sd.tile(h, (2,)), None), h, x)
    with pytest.raises(ShapeError, match=r"Carry 0 must keep[\s\S]*\(3,\) in, float32 \(6,\) out"):
        last.eval({"h": [1.0, 2.0, 3.0], "x": [[1.0, 2.0]]})


def test_lengths_that_are_seen_late():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    last, _ = sd.scan(lambda h, xy: (h + xy[0] * xy[1], None), 0.0, (x, y))
    assert last.eval({"x": [1.0, 2.0], "y": [3.0, 4.0]}) == 11.0
    with pytest.raises(ShapeError, match="one length"):
        last.eval({"x": [1.0, 2.0], "y": [3.0]})
    last, ys = sd.scan(lambda h, x: (h + x, h), 0.0, x, length=3)
    assert ys.shape == (3,) and last.eval({"x": [1.0, 2.0, 3.0]}) == 6.0
    with pytest.raises(ShapeError, match="length=3"):
        last.eval({"x": [1.0, 2.0]})


# ---------------------------------------------------------------------- running


def test_the_check_for_nan_names_node_and_steps():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3))

    def inner(h, x):
        return sd.math.log(x, name="the_log") + h, None

    last, _ = sd.scan(lambda h, row: (sd.scan(inner, h, row)[0], None), 0.0, x)
    with sd.check_numerics(), pytest.raises(NumericsError, match=r"'the_log' in step 1, 2, made at[\s\S]*inner"):
        last.eval({"x": [[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]})


def test_one_function_serves_many_threads():
    sd, loss = lstm()
    for engine in ENGINES:
        f = sd.compile([loss, *sd.grad(loss, ["w"])], engine=engine)
        wanted = [f(x=X * k) for k in range(8)]
        found: list[dict[str, np.ndarray]] = [{} for _ in range(8)]

        def run(k, f=f, found=found):
            for _ in range(5):
                found[k] = f(x=X * k)

        threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all((found[k]["grad/w"] == wanted[k]["grad/w"]).all() for k in range(8))


def test_dropout_in_a_body_is_left_out_where_the_graph_is_used():
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    _, ys = sd.scan(lambda h, x: (sd.nn.dropout(h + x, 0.5), h), 0.0, x, name="loop")
    x = np.ones(4, "f")
    assert sd.inference_copy()["loop:1"].eval({"x": x}).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert sd.compile(ys, inference=True)(x=x)["loop:1"].tolist() == [0.0, 1.0, 2.0, 3.0]
