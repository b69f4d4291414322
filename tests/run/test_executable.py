"""Running graphs: feeds, plans, threads, memory, errors of kernels."""

import asyncio
import copy
import gc
import re
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.differentiate import answers
from sdgraph.errors import (
    ArgumentTypeError,
    EngineError,
    ExecutionError,
    FeedError,
    LabelError,
    MissingDependencyError,
    NumericsError,
    SDGraphError,
    ShapeError,
)
from sdgraph.run.engines import choice
from sdgraph.run.evaluate import executable_of
from sdgraph.run.executable import Executable

ROWS = np.arange(8, dtype="float32").reshape(4, 2)


@pytest.fixture
def sd():
    """A small model: x (batch, 2), y (batch,), an int placeholder n and a scalar s."""
    sd = SameDiff()
    x, y = sd.placeholder("x", ("batch", 2)), sd.placeholder("y", ("batch",))
    sd.placeholder("n", (2,), "int32")
    sd.placeholder("s")
    w = sd.var("w", [[1.0], [2.0]])
    logits = (x @ w)[:, 0].rename("logits")
    sd.math.sub(logits, y, name="error")
    return sd


# ---------------------------------------------------------------------- feeds

GOOD = {"x": ROWS, "y": np.zeros(4, "float32")}

BAD_FEEDS = {
    "missing": ({"x": ROWS}, "y", "The placeholder 'y' is not fed.", "feeds for 'x'"),
    "all missing": ({}, "x", "The placeholder 'x' is not fed.", "no feeds"),
    "unknown": ({**GOOD, "z": 1}, None, "The graph has no placeholder 'z'.", None),
    "unknown, not a name": ({**GOOD, 3: 1}, None, "The graph has no placeholder 3.", None),
    "a variable": ({**GOOD, "w": 1}, None, "'w'", None),
    "wrong size": ({**GOOD, "x": ROWS[:, :1]}, "x", "The feed for 'x' has the wrong shape.", "(4, 1)"),
    "wrong rank": ({**GOOD, "x": ROWS[0]}, "x", "The feed for 'x' has the wrong shape.", "(2,)"),
    "named dimension": (
        {**GOOD, "y": np.zeros(3)},
        "y",
        "The dimension 'batch' has two sizes.",
        "4 in the feed for 'x', 3 in",
    ),
    "named dimension 1": (
        {**GOOD, "y": np.zeros(1)},
        "y",
        "The dimension 'batch' has two sizes.",
        "4 in the feed for 'x', 1 in",
    ),
    "complex": ({**GOOD, "x": ROWS + 1j}, "x", "The feed for 'x' does not cast to float32.", "complex64 (4, 2)"),
    "text": ({**GOOD, "x": "text"}, "x", "The feed for 'x'", None),
    "texts": ({**GOOD, "x": [["a", "b"]]}, "x", "The feed for 'x'", None),
    "None": ({**GOOD, "x": None}, "x", "The feed for 'x'", None),
    "objects": ({**GOOD, "x": [[object(), 1]]}, "x", "The feed for 'x'", None),
    "ragged": (
        {**GOOD, "x": [[1, 2], [3]]},
        "x",
        "The feed for 'x' is ragged: its rows differ in length.",
        "[[1, 2], [3]]",
    ),
    "dates": ({**GOOD, "y": np.zeros(4, "datetime64[s]")}, "y", "The feed for 'y'", None),
}


@pytest.mark.parametrize("what", BAD_FEEDS)
def test_bad_feeds_name_the_placeholder_and_what_it_wants(sd, what):
    feeds, name, message, given = BAD_FEEDS[what]
    f = sd.compile("error")
    for call in (lambda: sd["error"].eval(feeds), lambda: sd.output(feeds, ["error"]), lambda: f(feeds)):
        with pytest.raises(FeedError, match=re.escape(message)) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert str(caught.value.called_at).startswith(__file__)
        if name:
            assert caught.value.node == name
            assert str(sd[name].aval) in str(caught.value)
            assert str(caught.value.node_origin).startswith(__file__)
        if given:
            assert given in str(caught.value)


def test_an_unknown_feed_comes_with_near_names(sd):
    sd.placeholder("features")
    with pytest.raises(FeedError, match=re.escape("Did you mean 'features'?")):
        sd["error"].eval({**GOOD, "featurse": 1})


def test_a_missing_dimension_comes_with_what_to_add(sd):
    with pytest.raises(FeedError, match=re.escape("array[None]")):
        sd["error"].eval({**GOOD, "x": ROWS[0]})
    column = sd.placeholder("column", ("batch", 1))
    with pytest.raises(FeedError, match=re.escape("array[..., None]")):
        (column * 1.0).eval({"column": np.zeros(4)})


def test_feeds_are_not_a_mapping(sd):
    for call in (
        lambda: sd.output([ROWS], ["logits"]),
        lambda: sd["logits"].eval(ROWS),
        lambda: sd.compile("logits")(ROWS),
    ):
        with pytest.raises(ArgumentTypeError, match="Feeds are given by name"):
            call()


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ([1, 2], True),
        ([1.0, 2.0], True),
        ([True, False], True),
        (np.array([1, 2]), True),
        (np.array([1, 2], "uint8"), True),
        ([1.5, 2], False),
        (np.array([1.0, 2.0]), False),
        ([2**40, 2], False),
        ([2**70, 2], False),
        (np.array([2**40, 2]), False),
        ([np.inf, 1], False),
        ([np.nan, 1], False),
    ],
    ids=str,
)
def test_feeds_of_integers_never_change_their_value(sd, value, fits):
    y = sd["n"] + 0
    if fits:
        result = y.eval({"n": value})
        assert result.dtype == np.int32
        np.testing.assert_array_equal(result, value)
    else:
        with pytest.raises(FeedError, match="does not cast to int32"):
            y.eval({"n": value})


def test_a_finite_feed_never_becomes_infinite(sd):
    y = sd["s"] * 1.0
    assert np.isinf(y.eval({"s": np.inf}))
    for value in (1e300, np.float64(1e300)):
        with pytest.raises(FeedError, match="does not cast to float32"):
            y.eval({"s": value})


def test_feeds_are_converted_to_the_placeholders_dtype(sd):
    s = sd["s"] * 1.0
    for value in (2, 2.0, True, np.float64(2), np.int8(2), np.float16(2), np.array(2, ">f4")):
        assert s.eval({"s": value}).dtype == np.float32
        assert s.eval({"s": value}) == float(value)


def test_feeds_of_any_memory_layout(sd):
    wide = np.asfortranarray(np.arange(32, dtype="float32").reshape(4, 8))
    expected = wide[:, ::4] @ np.array([[1.0], [2.0]], "float32")
    read_only = wide[:, ::4]
    read_only.flags.writeable = False
    for x in (wide[:, ::4], np.asfortranarray(wide[:, ::4]), read_only, wide[::-1, ::4][::-1], wide[:, ::4].tolist()):
        np.testing.assert_array_equal(sd["logits"].eval({"x": x}), expected[:, 0])


def test_only_what_the_fetches_need_must_be_fed(sd):
    assert sd["logits"].eval({"x": ROWS}).shape == (4,)
    assert sd["logits"].eval({"x": ROWS, "y": np.zeros(4), "s": 1}).shape == (4,)
    assert sd["w"].eval().shape == (2, 1)
    assert sd.output({"s": 3}, ["s"])["s"] == 3
    assert sd.output({}, []) == {}


def test_an_engine_that_is_not_installed(sd, monkeypatch):
    monkeypatch.setattr(choice, "_installed", lambda package: False)
    with pytest.raises(MissingDependencyError, match=re.escape("pip install 'sdgraph[fast]'")):
        sd.compile("logits", engine="llvm")


def test_one_pass_for_outputs_and_gradients(sd):
    loss = sd.loss.mean_squared_error(sd["y"], sd["logits"], name="loss")
    outputs, gradients = sd.calculate_gradients_and_outputs(GOOD, [loss, "logits"], ["w", "x"])
    assert list(outputs) == ["loss", "logits"] and list(gradients) == ["w", "x"]
    np.testing.assert_array_equal(outputs["loss"], loss.eval(GOOD))
    np.testing.assert_array_equal(gradients["w"], sd.calculate_gradients(GOOD)["w"])
    assert gradients["x"].shape == ROWS.shape


# ---------------------------------------------------------------------- engines and compiled functions


def test_engine_names(sd):
    for engine in ("auto", "numpy"):
        assert sd["logits"].eval({"x": ROWS}, engine=engine).shape == (4,)
    assert sd.compile("logits", engine="numpy").engine == "numpy"
    with pytest.raises(EngineError, match=re.escape("Did you mean 'numpy'?")):
        sd.compile("logits", engine="nunpy")
    for call in (
        lambda: sd.output({"x": ROWS}, ["logits"], engine="cuda"),
        lambda: sd["logits"].eval({"x": ROWS}, engine="cuda"),
        lambda: sd.calculate_gradients({}, engine="cuda"),
    ):
        with pytest.raises(SDGraphError):
            call()


def test_a_compiled_function_takes_feeds_in_three_ways(sd):
    f = sd.compile(["logits", sd["error"]])
    expected = f(GOOD)
    assert list(expected) == ["logits", "error"]
    for found in (f(**GOOD), f({"x": ROWS}, y=GOOD["y"]), f({sd["x"]: ROWS, "y": GOOD["y"]})):
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)


def test_a_compiled_function_reads_variables_at_each_call(sd):
    f = sd.compile("logits")
    before = f(x=ROWS)["logits"]
    sd["w"].value = [[0.0], [0.0]]
    assert before.any() and not f(x=ROWS)["logits"].any()


def test_a_compiled_function_outlives_changes_of_the_graph(sd):
    f = sd.compile("error")
    expected = f(GOOD)["error"]
    x = sd["x"]
    for _ in range(100):
        x = x * 2.0
    sd["error"].rename("other")
    sd["w"].rename("weights")
    np.testing.assert_array_equal(f(GOOD)["error"], expected)
    np.testing.assert_array_equal(sd["other"].eval(GOOD), expected)
    sd["x"].rename("rows")
    np.testing.assert_array_equal(f(GOOD)["error"], expected)  # it keeps the names it was compiled with
    np.testing.assert_array_equal(sd["other"].eval({"rows": ROWS, "y": GOOD["y"]}), expected)


def test_freezing_a_variable_reaches_what_is_evaluated_afterwards(sd):
    value = sd["logits"].eval({"x": ROWS})
    sd["w"].convert_to_constant()
    np.testing.assert_array_equal(sd["logits"].eval({"x": ROWS}), value)
    sd["w"].convert_to_variable().value = [[0.0], [0.0]]
    assert not sd["logits"].eval({"x": ROWS}).any()


# ---------------------------------------------------------------------- plans


def test_plans_are_kept_per_shape(sd):
    f = sd.compile("logits")
    with pytest.raises(ArgumentTypeError, match="Call the function once"):
        _ = f.plan
    plans = {}
    for _ in range(2):
        for n in (1, 3, 4):
            f(x=np.zeros((n, 2)))
            assert plans.setdefault(n, f.plan) is f.plan
    assert len({id(p) for p in plans.values()}) == 3
    assert f.plan.avals[0].shape == (4,)


def test_a_plan_of_known_shapes_exists_before_the_first_call():
    sd = SameDiff()
    f = sd.compile((sd.placeholder("x", (2, 3)) * 2.0).rename("y"))
    assert f.plan.avals[0].shape == (2, 3)


def test_a_plan_prints_its_steps(sd):
    f = sd.compile("error")
    f(GOOD)
    text = str(f.plan)
    assert text.startswith("plan: ")
    for part in ("linalg.matmul(x, w)", "math.sub(", "# logits", "# error", "return error=", "float32 (4,)"):
        assert part in text


def test_a_plan_is_immutable(sd):
    f = sd.compile("logits")
    f(x=ROWS)
    with pytest.raises(AttributeError):
        f.plan.steps = ()
    with pytest.raises(TypeError):
        f.plan.steps[0] = None


def test_equal_subexpressions_are_computed_once():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    f = sd.compile(sd.math.tanh(x) * sd.math.tanh(x) + sd.math.tanh(x))
    assert [s.op.qualname for s in f.plan.steps].count("math.tanh") == 1


def test_constants_are_computed_ahead():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    c = sd.math.exp(sd.constant([1.0, 2.0, 3.0])) * 2.0
    f = sd.compile(x + c)
    assert len(f.plan.steps) == 1
    np.testing.assert_allclose(next(iter(f(x=[0, 0, 0]).values())), 2 * np.exp([1, 2, 3]), rtol=1e-6)


def test_random_ops_are_neither_merged_nor_computed_ahead():
    sd = SameDiff(seed=3)
    a, b = sd.random.normal(0.0, 1.0, (4,)), sd.random.normal(0.0, 1.0, (4,))
    f = sd.compile([a, b])
    first, second = f(step=1), f(step=2)
    assert (first[a.name] != first[b.name]).all() and (first[a.name] != second[a.name]).all()
    np.testing.assert_array_equal(first[a.name], f(step=1)[a.name])
    np.testing.assert_array_equal(first[a.name], a.eval(step=1))


def test_unneeded_nodes_are_not_computed(sd):
    sd.linalg.cholesky(sd.placeholder("m", (2, 2)))
    f = sd.compile("logits")
    f(x=ROWS)
    assert not any("cholesky" in s.op.qualname for s in f.plan.steps)


# ---------------------------------------------------------------------- unknown dimensions


def test_an_unknown_dimension_that_is_1_where_it_matters_is_an_error():
    sd = SameDiff()
    u, v = sd.placeholder("u", (None,)), sd.placeholder("v", (None,))
    y = sd.math.mul(u, v, name="y")
    assert y.eval(u=[1, 2], v=[3, 4]).tolist() == [3, 8]
    assert y.eval(u=[2], v=[3]).tolist() == [6]
    for feeds in ({"u": [1], "v": [1, 2]}, {"u": [1, 2], "v": [1]}):
        with pytest.raises(ShapeError, match="An unknown dimension turned out to be 1") as caught:
            y.eval(feeds)
        assert caught.value.node == "y" and str(caught.value.node_origin).startswith(__file__)
    with pytest.raises(ShapeError):
        y.eval(u=[1, 2], v=[1, 2, 3])


def test_an_unknown_dimension_against_a_known_one():
    sd = SameDiff()
    u = sd.placeholder("u", (None,))
    y = u + np.ones(3, "float32")
    assert y.shape == (3,)
    with pytest.raises(ShapeError, match="turned out to be 1 where"):
        y.eval(u=[1])
    known = sd.placeholder("known", (1,))
    assert (known + np.ones(3)).eval(known=[1]).shape == (3,)


def test_an_unknown_dimension_does_not_broadcast_in_a_loss():
    sd = SameDiff()
    label, weights = sd.placeholder("label", (None, 3)), sd.placeholder("weights", (None, 1))
    loss = sd.loss.mean_squared_error(label, label * 0.5, weights)
    label_3, one = np.ones((3, 3)), np.ones((1, 1))
    assert loss.eval(label=label_3, weights=np.ones((3, 1))) == 0.25
    with pytest.raises(SDGraphError):
        loss.eval(label=label_3, weights=one)


# ---------------------------------------------------------------------- threads


def hammer(function, calls, n_threads=8):
    """Run ``function(k)`` from many threads, each with its own share of ``calls`` and a common start."""
    barrier = threading.Barrier(n_threads)
    failures = []

    def work(first):
        try:
            barrier.wait()
            for k in range(first, calls, n_threads):
                function(k)
        except BaseException as e:
            failures.append(e)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(first,)) for first in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures, failures[0]


def test_one_function_from_many_threads():
    """The first call compiles, for several shapes at once; every result belongs to its own feeds."""
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", ("batch", 5))
    w = sd.var("w", shape=(5, 4), init="normal", seed=0)
    h = sd.nn.softmax(sd.math.tanh(x @ w) * 3.0)
    loss = sd.loss.softmax_cross_entropy(sd.nn.softmax(x[:, 1:]), h, name="loss")
    f = sd.compile([loss, *sd.grad(loss, [w, x])])
    rng = np.random.default_rng(0)
    feeds = [rng.normal(size=(1 + k % 5, 5)) for k in range(40)]
    separate = sd.compile([loss, *sd.grad(loss, [w, x])])
    expected = [separate({"x": value}) for value in feeds]

    def check(k):
        found = f({"x": feeds[k % 40]})
        for name, value in expected[k % 40].items():
            assert found[name].tobytes() == value.tobytes()

    hammer(check, 1600)


def test_eval_and_output_from_many_threads():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (3,))
    made = [sd.math.exp(x * float(k), name=f"y{k}") for k in range(100)]
    value = np.array([0.0, 0.5, 1.0])

    def check(k):
        y = made[k % 100]
        np.testing.assert_allclose(y.eval({"x": value}), np.exp(value * (k % 100)), rtol=1e-13)
        assert set(sd.output({"x": value}, [y, "x"])) == {y.name, "x"}

    hammer(check, 800)


def test_calculate_gradients_from_many_threads():
    """The first call appends gradients to the graph; the others wait for it."""
    for _ in range(10):
        sd = SameDiff(dtype="float64")
        x = sd.placeholder("x", (3,))
        names = [f"w{k}" for k in range(4)]
        for name in names:
            x = sd.math.tanh(x * sd.var(name, 0.5))
        sd.loss.l2_loss(x)

        def check(k, sd=sd, names=names):
            wrt = names[k % 4 :]
            _, gradients = sd.calculate_gradients_and_outputs({"x": [1.0, 2.0, 3.0]}, [], wrt)
            assert list(gradients) == wrt and all(np.isfinite(g).all() for g in gradients.values())

        hammer(check, 80)
        alone = sd.copy().calculate_gradients({"x": [1.0, 2.0, 3.0]})
        for name, value in sd.calculate_gradients({"x": [1.0, 2.0, 3.0]}).items():
            np.testing.assert_array_equal(value, alone[name])
        assert [sd.names.ids[node.name] for node in sd.nodes] == list(range(len(sd.nodes)))


@pytest.mark.parametrize("name", ["step", "engine", "feeds", "self", "given", "named", "name"])
def test_a_placeholder_may_be_called_as_an_argument_of_the_call(name):
    sd = SameDiff()
    x = sd.placeholder(name)
    y = sd.math.mul(x, 2.0, name="y")
    f = sd.compile(y)
    for feeds in ({name: 3.0}, {x: 3.0}):
        assert y.eval(feeds) == y.eval(feeds, step=5) == f(feeds)["y"] == f(feeds, step=5)["y"] == 6.0
        assert sd.output(feeds, ["y"])["y"] == 6.0
    for call, arguments in ((y.eval, ("feeds", "engine", "step")), (f, ("step",))):
        if name in arguments:
            with pytest.raises(SDGraphError) as caught:
                call(**{name: 2.5})
            assert f"{name}= is an argument" in caught.value.fix and f"{{{name!r}: ...}}" in caught.value.fix
        else:
            assert np.ravel(call(**{name: 3.0}) if call == y.eval else call(**{name: 3.0})["y"]) == 6.0


def test_setting_a_variable_while_others_run_never_shows_a_half_value():
    sd = SameDiff(dtype="float64")
    w = sd.var("w", np.zeros(1000))
    f = sd.compile((w * 1.0).rename("copy"))

    def check(k):
        if k % 8 == 0:
            w.value = np.full(1000, float(k))
        value = f()["copy"]
        assert (value == value[0]).all()

    hammer(check, 800)


def test_setting_several_variables_while_others_run_never_shows_some_of_them():
    sd = SameDiff(dtype="float64")
    variables = [sd.var(f"w{k}", 0.0) for k in range(40)]
    one = sd.compile([v.dup() for v in variables])
    single = sd.compile(variables[0].dup())

    def check(k):
        if k % 4 == 0:
            sd.set_values(dict.fromkeys(variables, float(k)))
        assert len({float(a) for a in one().values()}) == 1
        assert len(single()) == 1

    hammer(check, 4000)


# ---------------------------------------------------------------------- memory


def compiled_on(engine, sd, fetches):
    try:
        return sd.compile(fetches, engine=engine)
    except MissingDependencyError as e:
        pytest.skip(str(e))


def elementwise_chain(sd, n):
    x = sd.placeholder("x", (n,))
    y = x
    for k in range(20):
        y = sd.math.tanh(y + float(k)) * y
    return y


def fan_in(sd, n):
    x = sd.placeholder("x", (n,))
    return sd.math.merge_add(*[sd.math.exp(x * float(k)) for k in range(1, 9)])


def model_and_gradients(sd, n):
    x, y = sd.placeholder("x", (n // 50, 50)), sd.constant("y", np.zeros((n // 50, 1), "float32"))
    h = sd.nn.relu(x @ sd.var("a", shape=(50, 40), init="he"))
    h = sd.math.tanh(h @ sd.var("b", shape=(40, 40), init="he"))
    loss = sd.loss.sigmoid_cross_entropy(y, h @ sd.var("c", shape=(40, 1), init="he"))
    return [loss, *sd.grad(loss, ["a", "b", "c"])]


def views(sd, n):
    x = sd.placeholder("x", (n // 10, 10))
    y = (x * 2.0).reshape(10, n // 10).T
    z = sd.math.exp(y)[:, :5] + sd.math.exp(-y)[:, 5:]
    return sd.nn.softmax(z.permute(1, 0)).sum(axis=0)


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("build", [elementwise_chain, fan_in, model_and_gradients, views])
def test_peak_memory_of_a_run_is_the_plans_bound(build, engine, monkeypatch):
    """The bound is the largest sum of results alive at once; kernels may add scratch memory of a fifth of it."""
    monkeypatch.setattr("sdgraph.run.engines.buffers.LARGE", 1 << 62)  # Memory that is used again would not be seen.
    sd = SameDiff()
    n = 500_000
    f = compiled_on(engine, sd, build(sd, n))
    feeds = {p.name: np.random.default_rng(0).uniform(0.1, 1, p.shape).astype("float32") for p in sd.placeholders()}
    f(feeds)
    gc.collect()
    tracemalloc.start()
    try:
        f(feeds)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1.2 * f.plan.peak_bytes
    assert f.plan.peak_bytes <= 1.2 * peak  # the bound is no mere overestimate


@pytest.mark.parametrize(("engine", "arrays"), [("numpy", 3), ("llvm", 1)])
def test_a_long_chain_needs_few_arrays(engine, arrays):
    sd = SameDiff()
    f = compiled_on(engine, sd, elementwise_chain(sd, 1000))
    assert f.plan.peak_bytes <= arrays * 4000


def test_runs_do_not_grow():
    sd = SameDiff()
    outputs = model_and_gradients(sd, 1000)
    f = sd.compile(outputs)
    feeds = {"x": np.ones((20, 50), "float32")}

    def run(times):
        for _ in range(times):
            f(feeds)
            sd.output(feeds, [outputs[0]])
            sd.calculate_gradients(feeds)

    run(20)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        nodes = len(sd.nodes)
        run(1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000 and len(sd.nodes) == nodes


def test_a_model_is_freed_with_its_last_handle():
    import weakref

    sd = SameDiff()
    f = sd.compile(model_and_gradients(sd, 1000))
    array = sd["a"].value
    watched = weakref.ref(array)
    del array, f, sd
    gc.collect()
    assert watched() is None


# ---------------------------------------------------------------------- results belong to the caller


def test_outputs_never_share_memory():
    sd = SameDiff()
    x = sd.placeholder("x", (4, 4))
    w, c = sd.var("w", np.ones((4, 4), "float32")), sd.constant("c", np.full((4, 4), 3.0, "float32"))
    y = x + w
    fetches = [
        x, w, c, y, x.T, w.T, c.T, y.T, x.reshape(16), w[1:], c[:, ::2], y[0], x.dup(), sd.stop_gradient(w), y.dup(),
        sd.math.mul(y, 1.0), x.cast("float32"), sd.expand_dims(y, 0), sd.ones_like(x), sd.zeros_like(x), c * 2.0,
        sd.squeeze(sd.expand_dims(x, 0), 0), (c + c), sd.grad((y * y).sum(), x), sd.grad(y.sum(), w),
        *sd.unstack(y, axis=0), *sd.unstack(x, axis=1),
    ]  # fmt: skip
    feed = np.arange(16, dtype="float32").reshape(4, 4)
    kept = feed.copy()
    f = sd.compile(fetches)
    results = f.run({"x": feed})
    owned = [feed, w.value, c.value, *(value for _, value in f.plan.constants)]
    for k, result in enumerate(results):
        assert isinstance(result, np.ndarray) and result.flags.writeable, fetches[k]
        for other in (*owned, *results[:k]):
            assert not np.shares_memory(result, other), fetches[k]
    expected = [r.copy() for r in results]
    for result in results:
        result[...] = -1
    for result, value in zip(f.run({"x": feed}), expected, strict=True):
        np.testing.assert_array_equal(result, value)
    np.testing.assert_array_equal(feed, kept)


HUGE, LARGE = (2**40, 2**40), (2**25, 2**25)
"""More than can be counted, and more than any computer can address."""
TOO_MUCH = {
    "a fused result": lambda sd, x: sd.math.exp(sd.broadcast_to(x, LARGE) * 2.0),
    "a result of a kernel": lambda sd, x: sd.cumsum(sd.broadcast_to(x, LARGE), axis=0),
    "a view to return": lambda sd, x: sd.broadcast_to(sd.math.exp(x), LARGE),
    "more than can be counted": lambda sd, x: sd.sum(sd.broadcast_to(x, HUGE)),
    "more in an axis": lambda sd, x: sd.sum(sd.math.exp(sd.broadcast_to(x, (2**63,)))),
    "nothing of very much": lambda sd, x: sd.math.exp(sd.broadcast_to(x, (0, *HUGE))),
}


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_finds_no_memory_is_an_execution_error(what, engine):
    sd = SameDiff()
    f = sd.compile(TOO_MUCH[what](sd, sd.placeholder("x", (), "float32")), engine=engine)
    with pytest.raises(ExecutionError) as caught:
        f(x=1.0)
    assert len(str(caught.value)) < 2000


VIEWS = {
    "repeated rows": lambda sd, y: sd.broadcast_to(y, (3, 2, 4)),
    "a repeated number": lambda sd, y: sd.broadcast_to(sd.sum(y), (3, 4)),
    "turned": lambda sd, y: y.T,
    "another shape": lambda sd, y: sd.reshape(y, (8,)),
    "a part": lambda sd, y: y[:, 1:3],
    "backwards": lambda sd, y: y[::-1],
    "like another": lambda sd, y: sd.broadcast_like(y[:1], y),
    "a gradient": lambda sd, y: sd.grad(sd.sum(y), y),
}


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_alone_is_the_callers_own(view, engine):
    """What is returned is no view of something else, whose entries may be one in memory or not be written."""
    sd = SameDiff()
    x = sd.placeholder("x", (2, 4))
    y = VIEWS[view](sd, sd.math.exp(x))
    [result] = sd.compile(y, engine=engine).run({"x": np.zeros((2, 4), np.float32)})
    assert result.flags.writeable and result.flags.owndata
    before = result.copy()
    result.flat[0] += 1
    assert np.count_nonzero(result != before) == 1


def test_outputs_are_arrays_of_the_declared_shape_and_dtype():
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    fetches = [x.sum(), x.mean(axis=0), x.argmax(), x > 1.0, x.std(axis=1), x.norm2(), x.length(), x.rank()]
    for fetch, value in zip(fetches, sd.compile(fetches).run({"x": np.ones((2, 3))}), strict=True):
        assert isinstance(value, np.ndarray) and value.dtype == fetch.dtype and value.ndim == fetch.ndim


# ---------------------------------------------------------------------- errors at run time


def test_an_error_of_a_kernel_names_node_operands_and_line():
    sd = SameDiff()
    m = sd.placeholder("m", (2, 2))
    sd.linalg.cholesky(m * 1.0, name="root")
    with pytest.raises(ExecutionError) as caught:
        sd["root"].eval(m=[[-1, 0], [0, 1]])
    text = str(caught.value)
    assert "sd.linalg.cholesky" in text and "not positive definite" in text
    assert "float32 (2, 2), finite values from -1 to 1" in text
    assert caught.value.node == "root" and str(caught.value.node_origin).startswith(__file__)
    assert caught.value.__cause__ is not None


def test_a_label_out_of_range_names_itself_and_its_place():
    sd = SameDiff()
    logits, labels = sd.placeholder("logits", (None, 3)), sd.placeholder("labels", (None,), "int32")
    loss = sd.loss.sparse_softmax_cross_entropy(logits, labels, name="loss")
    with pytest.raises(LabelError, match=r"7 at position 1") as caught:
        loss.eval(logits=np.zeros((2, 3)), labels=[0, 7])
    assert caught.value.node == "loss" and isinstance(caught.value, IndexError)


def test_a_failed_run_leaves_the_function_usable():
    sd = SameDiff()
    rows = sd.gather(sd.constant("table", np.arange(3.0)), sd.placeholder("i", (None,), "int32"), axis=0)
    f = sd.compile((rows * 2.0).rename("y"))
    for _ in range(3):
        with pytest.raises(LabelError):
            f(i=[5])
        assert f(i=[1])["y"].tolist() == [2.0]


# ---------------------------------------------------------------------- NaN and infinity


def test_nothing_is_said_about_nan_unless_asked():
    sd = SameDiff()
    y = sd.math.log(sd.placeholder("x"), name="y")
    assert np.isnan(y.eval(x=-1.0)) and y.eval(x=0.0) == -np.inf


def test_check_numerics_finds_the_first_node():
    sd = SameDiff()
    x = sd.placeholder("x", (3,))
    root = sd.math.sqrt(x, name="root")
    total = (root * 2.0 + 1.0).sum(name="total")
    f = sd.compile(total, check_numerics=True)
    assert f(x=[1, 4, 9])["total"] == 15
    for call in (lambda: f(x=[1, -4, 9]), lambda: total.eval(x=[1, -4, 9])):
        with sd.check_numerics(), pytest.raises(NumericsError) as caught:
            call()
        text = str(caught.value)
        assert caught.value.node == "root" and str(caught.value.node_origin).startswith(__file__)
        assert "sd.math.sqrt" in text and "produced NaN; all its operands were finite" in text
        assert "float32 (3,), finite values from -4 to 9, 0 NaN, 0 infinite" in text
    assert np.isnan(total.eval(x=[1, -4, 9]))  # outside the block nothing is checked


def test_check_numerics_says_when_the_fault_is_further_up():
    sd = SameDiff()
    y = sd.math.exp(sd.placeholder("x", (2,)), name="y")
    with sd.check_numerics(), pytest.raises(NumericsError, match="its operands were not finite already") as caught:
        y.eval(x=[np.nan, 1])
    assert "1 NaN" in str(caught.value)
    with sd.check_numerics(), pytest.raises(NumericsError, match="produced infinity"):
        y.eval(x=[1000, 1])


def test_check_numerics_inside_a_composite_names_the_users_node():
    sd = SameDiff()
    label, p = sd.placeholder("label", (2,)), sd.placeholder("p", (2,))
    loss = sd.loss.log_loss(label, p, name="loss")
    with sd.check_numerics(), pytest.raises(NumericsError) as caught:
        loss.eval(label=[1, 0], p=[0, 0])
    assert caught.value.node == "loss"


def test_check_numerics_looks_at_constant_parts_too():
    sd = SameDiff()
    y = sd.placeholder("x") + sd.math.log(sd.constant("zero", 0.0), name="constant part")
    with sd.check_numerics(), pytest.raises(NumericsError) as caught:
        y.eval(x=1.0)
    assert caught.value.node == "constant part"


def slowly(monkeypatch, owner, name):
    """Let a function take a while, in which another thread can come to call it; the list of its calls."""
    function, calls = getattr(owner, name), []

    def wrapped(*args, **kwargs):
        calls.append(args)
        time.sleep(0.2)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapped)
    return calls


def at_once(call, count=3):
    """What a call returns in each of several threads."""
    barrier, results = threading.Barrier(count), []

    def work():
        barrier.wait(30)
        results.append(call())

    several = [threading.Thread(target=work) for _ in range(count)]
    for t in several:
        t.start()
    for t in several:
        t.join(60)
    assert len(results) == count
    return results


def test_threads_that_want_the_same_gradient_get_the_same_variable(monkeypatch):
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    y = (x * x).sum()
    calls = slowly(monkeypatch, answers, "gradients")
    grads = at_once(lambda: sd.grad(y, x))
    assert len(calls) == 1
    assert len({g.id for g in grads}) == 1


def test_threads_that_want_the_gradients_of_the_losses_append_them_once(monkeypatch):
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    sd.loss.l2_loss(x)
    calls = slowly(monkeypatch, answers, "gradients")
    results = at_once(sd.calculate_gradients)
    assert [r["x"].tolist() for r in results] == [[1.0, 2.0]] * 3
    assert len(calls) == 1


def test_threads_that_need_the_same_plan_compile_it_once(monkeypatch):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None,))
    f = sd.compile(x * 2.0, engine="numpy")
    calls = slowly(monkeypatch, Executable, "_build")
    results = at_once(lambda: f(x=[1.0, 2.0])["mul"].tolist())
    assert results == [[2.0, 4.0]] * 3
    assert len(calls) == 1


def undefined():
    """A graph, and a value of it that is NaN."""
    sd = SameDiff()
    x = sd.placeholder("x")
    return sd, sd.math.log(x, name="y"), {"x": np.float32(-1.0)}


def test_check_numerics_in_a_thread_is_its_own():
    sd, y, feeds = undefined()
    entered, left, seen = threading.Event(), threading.Event(), []

    def other():
        with sd.check_numerics():
            entered.set()
            left.wait(30)
            with pytest.raises(NumericsError):
                y.eval(feeds)
            seen.append(True)

    thread = threading.Thread(target=other)
    with sd.check_numerics():
        thread.start()
        assert entered.wait(30)
    assert np.isnan(y.eval(feeds))  # The other thread's block is open.
    left.set()
    thread.join(30)
    assert seen == [True]
    assert np.isnan(y.eval(feeds))
    assert np.isnan(sd.compile(y)(feeds)["y"])


def test_check_numerics_in_a_task_is_its_own():
    sd, y, feeds = undefined()

    async def checked(steps):
        with sd.check_numerics():
            for _ in range(steps):
                await asyncio.sleep(0)
                with pytest.raises(NumericsError):
                    y.eval(feeds)
            return await asyncio.create_task(inherited())

    async def inherited():
        with pytest.raises(NumericsError):
            y.eval(feeds)
        return True

    async def plain():
        for _ in range(10):
            await asyncio.sleep(0)
            assert np.isnan(y.eval(feeds))
        return True

    async def both():
        return await asyncio.gather(checked(3), plain(), checked(6))

    assert asyncio.run(both()) == [True] * 3
    assert np.isnan(y.eval(feeds))


def test_check_numerics_is_of_one_graph_and_its_blocks_may_end_in_any_order():
    (a, y, feeds), (b, z, _) = undefined(), undefined()
    first, second, third = a.check_numerics(), b.check_numerics(), a.check_numerics()
    for block in (first, second, third):
        block.__enter__()
    first.__exit__(None, None, None)
    for v in (y, z):
        with pytest.raises(NumericsError):
            v.eval(feeds)
    third.__exit__(None, None, None)
    assert np.isnan(y.eval(feeds))
    with pytest.raises(NumericsError):
        z.eval(feeds)
    second.__exit__(None, None, None)
    assert np.isnan(z.eval(feeds))


def test_check_numerics_keeps_no_graph():
    sd, _, _ = undefined()
    with sd.check_numerics():
        pass
    there = weakref.ref(sd)
    del sd, _
    gc.collect()
    assert there() is None


# ---------------------------------------------------------------------- size


@pytest.mark.parametrize("shape", ["chain", "fan out"])
def test_thousands_of_ops_without_recursion(shape):
    sd, n = SameDiff(dtype="float64"), 5000
    x = sd.var("x", 1.0)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        if shape == "chain":
            y = x
            for _ in range(n):
                y = y + x * 4e-4
            expected = (3.0, 3.0)
        else:
            y = sd.math.merge_add(*[x * float(k) for k in range(n)])
            expected = (n * (n - 1) / 2,) * 2
        gradient = sd.grad(y, x)
        value, slope = sd.compile([y, gradient]).run({})
    finally:
        sys.setrecursionlimit(limit)
    assert value == pytest.approx(expected[0]) and slope == pytest.approx(expected[1])


def test_none_reduction_in_a_run_of_everything():
    """All losses of a small graph at once, fetched with their gradients: one plan."""
    sd = SameDiff(dtype="float64")
    y, p = sd.placeholder("y", (4, 3)), sd.placeholder("p", (4, 3))
    losses = [sd.loss.mean_squared_error(y, p, loss_reduce=r) for r in LossReduce]
    values = sd.compile([*losses, sd.grad(losses, p)]).run({"y": np.zeros((4, 3)), "p": np.ones((4, 3))})
    assert [v.shape for v in values] == [(4, 3), (), (), (), (4, 3)]
    np.testing.assert_allclose(values[-1], 2 + 2 + 2 / 12 + 2 / 12)


@pytest.mark.any_engine
def test_what_one_engine_computed_once_is_not_asked_for_another():
    """A function kept for the next call with the same fetches is one of the same engine."""
    pytest.importorskip("llvmlite")
    sd = SameDiff()
    y = sd.math.tanh(sd.placeholder("x", (3,)))
    feeds = {"x": [1.0, 2.0, 3.0]}
    for engine in ("llvm", "numpy", "llvm"):
        y.eval(feeds, engine=engine)
        kept = executable_of(sd, [y], engine)
        assert kept.engine == engine and kept.has_plan
    assert executable_of(sd, [y], "llvm") is not executable_of(sd, [y], "numpy")


def test_a_deep_copy_is_the_same_function_of_a_copied_graph():
    """It keeps its plans and its names, whatever happened to the graph since."""
    sd = SameDiff()
    x, w = sd.placeholder("x", (None,)), sd.var("w", 2.0)
    f = sd.compile((x * w).rename("y"))
    fed = np.ones(3, "float32")
    f(x=fed)
    sd["y"].rename("z")
    sd["x"].rename("u")
    g = copy.deepcopy(f)
    assert g.has_plan and g.plan is not None and g.names == ("y",) == f.names
    w.value = 5.0
    assert (g(x=fed)["y"] == 2.0).all() and (f(x=fed)["y"] == 5.0).all()
    assert (g(x=np.ones(4))["y"] == 2.0).all() and len(f._compiled) == 1
    assert g._lock is not f._lock
