"""Checks inside regions: the numbers that numpy refuses are refused with its words, and all others pass."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from scipy.special import log_softmax

from sdgraph import SameDiff, profile
from sdgraph.errors import LabelError
from sdgraph.run.engines.llvm import running, segment

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def both(build, *specs):
    """One function by numpy and one fused, of what ``build`` makes of placeholders."""
    sd = SameDiff("float32")
    outs = build(sd, *[sd.placeholder(f"p{k}", shape, dtype) for k, (shape, dtype) in enumerate(specs)])
    outs = outs if isinstance(outs, list) else [outs]
    return [sd.compile(outs, engine=engine) for engine in ("numpy", "llvm")]


def said(f, feeds):
    """What a call raises, or None: the words and the place in the graph."""
    try:
        f(feeds)
    except LabelError as e:
        return str(e).split("\n  at:")[0], e.node, e.node_origin
    return None


def same_verdict(functions, feeds, *, bad):
    by_numpy, fused = (said(f, feeds) for f in functions)
    assert by_numpy == fused
    assert (fused is not None) == bad
    return fused


def parts_by_numpy(f):
    return [line.split()[1] for line in str(f.plan).split("engine llvm:")[1].splitlines() if "  numpy " in line[:8]]


def losses(sd, x, k):
    loss = sd.mean(sd.loss.sparse_softmax_cross_entropy(x, k))
    return [loss, sd.grad(loss, x)]


def feeds_of(shape, classes, dtype, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, min(classes, np.iinfo(dtype).max + 1), shape).astype(dtype)
    return {"p0": rng.normal(size=(*shape, classes)).astype("float32"), "p1": labels}


# ---------------------------------------------------------------------- labels


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    "shape, classes", [((1,), 5), ((9,), 3), ((40,), 33), ((3, 4), 7), ((6,), 300), ((20000,), 10)]
)
def test_a_bad_label_is_refused_wherever_it_stands(shape, classes, dtype):
    functions = both(losses, ((*shape, classes), "float32"), (shape, dtype))
    feeds = feeds_of(shape, classes, dtype)
    same_verdict(functions, feeds, bad=False)
    assert not parts_by_numpy(functions[1])
    limits = np.iinfo(dtype)
    n = feeds["p1"].size
    for number in {limits.min, -1, classes, classes + 1, limits.max}:
        if not limits.min <= number <= limits.max or 0 <= number < classes:
            continue
        for at in {0, n // 2, n - 1}:
            labels = feeds["p1"].copy()
            labels.flat[at] = number
            words = same_verdict(functions, {**feeds, "p1": labels}, bad=True)
            assert f"label {number} at" in words[0]
    same_verdict(functions, feeds, bad=False)


@given(
    labels=st.lists(st.integers(-3, 6), max_size=12),
    classes=st.integers(1, 5),
    dtype=st.sampled_from(["int8", "int64"]),
)
@settings(max_examples=60, deadline=None)
def test_labels_of_any_number_are_judged_alike(labels, classes, dtype):
    shape = (len(labels),)
    functions = both(
        lambda sd, x, k: sd.loss.sparse_softmax_cross_entropy(x, k), ((*shape, classes), "float32"), (shape, dtype)
    )
    feeds = {**feeds_of(shape, classes, dtype), "p1": np.array(labels, dtype)}
    same_verdict(functions, feeds, bad=any(not 0 <= k < classes for k in labels))


def test_the_first_bad_label_of_several_steps_is_told():
    def build(sd, x, k, m):
        first, second = sd.loss.sparse_softmax_cross_entropy(x, k), sd.loss.sparse_softmax_cross_entropy(x * 2.0, m)
        return sd.mean(first + second)

    functions = both(build, ((4, 3), "float32"), ((4,), "int32"), ((4,), "int32"))
    x, good, bad = np.ones((4, 3), "float32"), np.zeros(4, "int32"), np.array([0, 0, 3, -1], "int32")
    same_verdict(functions, {"p0": x, "p1": good, "p2": good}, bad=False)
    for k, m in ((bad, good), (good, bad), (bad, bad[::-1])):
        same_verdict(functions, {"p0": x, "p1": k, "p2": m}, bad=True)


def test_logits_of_a_product_need_no_other_segment():
    def build(sd, x, w, k):
        return losses(sd, x @ w, k)[0]

    functions = both(build, ((30, 4), "float32"), ((4, 5), "float32"), ((30,), "int32"))
    rng = np.random.default_rng(1)
    feeds = {"p0": rng.normal(size=(30, 4)).astype("float32"), "p1": rng.normal(size=(4, 5)).astype("float32")}
    labels = rng.integers(0, 5, 30).astype("int32")
    same_verdict(functions, {**feeds, "p2": labels}, bad=False)
    same_verdict(functions, {**feeds, "p2": np.where(np.arange(30) == 7, 5, labels).astype("int32")}, bad=True)
    assert parts_by_numpy(functions[1]) == ["linalg.matmul"]
    assert str(functions[1].plan).split("engine llvm:")[1].count("region over") == 1


def test_labels_that_a_region_makes_are_checked_there():
    def build(sd, y, x):
        return sd.keras.sparse_categorical_crossentropy(y, x, from_logits=True, ignore_class=-1)

    functions = both(build, ((6,), "int64"), ((6, 3), "float32"))
    x = np.random.default_rng(2).normal(size=(6, 3)).astype("float32")
    same_verdict(functions, {"p0": np.array([0, -1, 2, 1, -1, 0]), "p1": x}, bad=False)
    assert not parts_by_numpy(functions[1])
    same_verdict(functions, {"p0": np.array([0, -1, 2, 3, -1, 0]), "p1": x}, bad=True)


def test_labels_that_are_returned_or_used_by_numpy_are_checked_by_it():
    def build(sd, x, k):
        labels = sd.checked_labels(k, x)
        return [sd.identity(labels, name="labels"), sd.gather(sd.constant("table", np.arange(3.0)), labels, axis=0)]

    functions = both(build, ((4, 3), "float32"), ((4,), "int32"))
    x = np.zeros((4, 3), "float32")
    same_verdict(functions, {"p0": x, "p1": np.array([0, 2, 1, 1], "int32")}, bad=False)
    same_verdict(functions, {"p0": x, "p1": np.array([0, 2, 1, 3], "int32")}, bad=True)


def test_labels_that_nobody_reads_are_checked():
    def only_the_shape(sd, k, m):
        return sd.checked_labels(m, sd.checked_labels(k, np.zeros(3, "float32")))

    functions = both(only_the_shape, ((4,), "int32"), ((2,), "int32"))
    good = {"p0": np.array([0, 2, 1, 1], "int32"), "p1": np.array([3, 0], "int32")}
    same_verdict(functions, good, bad=False)
    same_verdict(functions, {**good, "p0": np.array([0, 2, 1, 3], "int32")}, bad=True)


def test_nothing_is_left_of_a_call_that_failed():
    functions = both(losses, ((32, 10), "float32"), ((32,), "int32"))
    good = feeds_of((32,), 10, "int32")
    wrong = {**good, "p1": np.full(32, 10, "int32")}
    f = functions[1]
    before = f(good)
    for _ in range(3):
        assert said(f, wrong)
        for name, value in f(good).items():
            np.testing.assert_array_equal(value, before[name])
    value = -log_softmax(good["p0"].astype("float64"), axis=1)[np.arange(32), good["p1"]].mean()
    np.testing.assert_allclose(next(iter(before.values())), value, rtol=2e-6)


def test_what_a_check_needs_is_read_before_it_is_dropped():
    # The labels' own array and the logits' are used last by the segment that checks.
    def build(sd, x, w, k):
        return sd.mean(sd.loss.sparse_softmax_cross_entropy(sd.math.exp(x) @ w, k))

    functions = both(build, ((8, 3), "float32"), ((3, 3), "float32"), ((8,), "int64"))
    feeds = {"p0": np.zeros((8, 3)).tolist(), "p1": np.eye(3).tolist(), "p2": [0, 1, 2, 0, 1, 2, 0, 7]}
    assert "7 at position 7" in same_verdict(functions, feeds, bad=True)[0]


# ---------------------------------------------------------------------- lengths and whole numbers


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("limit", [0, 3, 127, 300])
def test_lengths(dtype, limit):
    functions = both(
        lambda sd, n: sd.checked_lengths(n, limit=limit) * sd.checked_lengths(n, limit=limit), ((5,), dtype)
    )
    limits = np.iinfo(dtype)
    for number in (limits.min, -1, 0, limit, limit + 1, limits.max):
        if limits.min <= number <= limits.max:
            lengths = np.array([0, 0, number, 0, 0], dtype)
            same_verdict(functions, {"p0": lengths}, bad=not 0 <= number <= limit)
    assert not parts_by_numpy(functions[1])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_whole_numbers(dtype):
    functions = both(lambda sd, k: sd.one_hot(k, 4), ((5,), dtype))
    numbers = [0.0, -0.0, 1.0, -3.0, 1e4, 0.5, -0.25, 1e-7, np.nan, np.inf, -np.inf]
    for number in numbers if dtype != "int8" else [0, -1, 3]:
        same_verdict(
            functions,
            {"p0": np.array([1, 2, number, 3, 0], dtype)},
            bad=not np.isfinite(number) or float(np.dtype(dtype).type(number)) % 1 != 0,
        )
    assert not parts_by_numpy(functions[1])


# ---------------------------------------------------------------------- ways to run


@pytest.mark.parametrize("way", ["shared", "long", "no entry"])
def test_every_way_to_run_looks(way, monkeypatch):
    """Shared among threads, and where Python cannot call compiled code as it is."""
    if way == "shared":
        monkeypatch.setattr(segment, "SHARED", 0.0)
    elif way == "long":
        monkeypatch.setattr(segment, "_INSTRUCTION", 1e6)
    else:
        monkeypatch.setattr(segment, "entry", lambda: None)
    functions = both(losses, ((9000, 3), "float32"), ((9000,), "int64"))
    feeds = feeds_of((9000,), 3, "int64")
    same_verdict(functions, feeds, bad=False)
    for at in (0, 5000, 8999):
        labels = feeds["p1"].copy()
        labels[at] = -7
        assert f"-7 at position {at}" in same_verdict(functions, {**feeds, "p1": labels}, bad=True)[0]


def test_a_small_function_with_a_check_is_one_call(monkeypatch):
    monkeypatch.setattr(running, "_in_turn", lambda *a: pytest.fail("in turn"))
    _, f = both(losses, ((32, 10), "float32"), ((32,), "int32"))
    f(feeds_of((32,), 10, "int32"))


def test_a_profile_of_bad_labels_tells_them():
    _, f = both(losses, ((32, 10), "float32"), ((32,), "int32"))
    feeds = feeds_of((32,), 10, "int32")
    assert profile(f, feeds, repeat=1).parts
    with pytest.raises(LabelError, match="label 10 at position 0"):
        profile(f, {**feeds, "p1": np.full(32, 10, "int32")}, repeat=1)


def test_what_is_told_of_a_check():
    _, f = both(losses, ((32, 10), "float32"), ((32,), "int32"))
    f(feeds_of((32,), 10, "int32"))
    [line] = [line for line in str(f.plan).split("engine llvm:")[1].splitlines() if "must be 0" in line]
    name, count = line.split()[:2]
    assert name == "checked_labels"
    assert f"{count} = sum(" in str(f.plan)
