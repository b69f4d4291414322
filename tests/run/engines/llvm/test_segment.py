"""Codes that serve many sizes and numbers, and the numbers that they are handed."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import machine

LOSSES = {
    "huber": lambda sd, y, x: sd.loss.huber_loss(y, x),
    "mean": lambda sd, y, x: sd.mean(sd.math.square(x - y)),
    "mean of rows": lambda sd, y, x: sd.loss.softmax_cross_entropy(y, x),
    "keras": lambda sd, y, x: sd.keras.categorical_crossentropy(y, x, from_logits=True),
}


@pytest.mark.parametrize("name", LOSSES)
def test_another_batch_size_emits_nothing(name, monkeypatch):
    monkeypatch.setattr(segment, "_codes", {})
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 3))
    loss = sd.identity(LOSSES[name](sd, y, x), name="loss")
    f = sd.compile([loss, sd.identity(sd.grad(loss, x), name="gradient")], engine="llvm")
    rng = np.random.default_rng(0)

    def run(n):
        a, b = rng.uniform(size=(2, n, 3)).astype(np.float32)
        return f(x=a, y=b)

    for n in (1, 2, 3):  # 1 and 1 / 2 allow shortcuts.
        run(n)
    emitted = []
    monkeypatch.setattr(segment, "generate", lambda *a: emitted.append(a) or pytest.fail("emitted anew"))
    compiled, kept = machine.compiled_count, len(segment._codes)
    for n in range(4, 204):
        run(n)
    assert (machine.compiled_count, len(segment._codes), emitted) == (compiled, kept, [])


def test_one_code_serves_many_numbers(monkeypatch):
    monkeypatch.setattr(segment, "_codes", {})
    values = np.linspace(-2, 2, 7)
    for factor in (3.0, -7.5, 1e300, float("inf"), -0.0):
        sd = SameDiff("float64")
        y = sd.placeholder("x", (None,)) * factor + factor
        with np.errstate(invalid="ignore"):
            want = values * factor + factor
        got = sd.compile(y, engine="llvm")(x=values)[y.name]
        assert np.array_equal(got, want, equal_nan=True) and np.array_equal(np.signbit(got), np.signbit(want))
    assert len(segment._codes) == 1


def test_codes_of_equal_text_share_it(monkeypatch):
    texts = []
    for _ in range(2):
        monkeypatch.setattr(segment, "_codes", {})
        sd = SameDiff("float64")
        sd.compile(sd.math.exp(sd.placeholder("x", (None,))) * 3.0, engine="llvm")(x=np.zeros(2))
        [(code, _)] = segment._codes.values()
        texts.append(code.text)
    assert texts[0] is texts[1]


@pytest.mark.parametrize("shapes", [((2, 3, 4), (4,)), ((6, 4), (4,)), ((3, 1, 2, 4), (1, 4))])
def test_axes_in_front_make_no_other_code(shapes, monkeypatch):
    shared = _codes_of_rows(((5, 4), (4,)), monkeypatch)
    assert _codes_of_rows(shapes, monkeypatch).keys() == shared.keys()


def _codes_of_rows(shapes, monkeypatch):
    monkeypatch.setattr(segment, "_codes", {})
    sd = SameDiff("float64")
    x, y = (sd.placeholder(name, shape) for name, shape in zip("xy", shapes, strict=True))
    sd.compile(sd.sum(sd.math.exp(x * y), axis=-1), engine="llvm")({"x": np.zeros(shapes[0]), "y": np.zeros(shapes[1])})
    return segment._codes


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**63 - 1, 2**63 + 12345])
@pytest.mark.parametrize("op", ["add", "maximum", "gt", "xor"])
def test_large_unsigned_constants(number, op):
    sd = SameDiff()
    x = sd.placeholder("x", (None,), "uint64")
    c = sd.constant(number, dtype="uint64")
    y = {
        "add": lambda: x + c,
        "maximum": lambda: sd.math.maximum(x, c),
        "gt": lambda: x > c,
        "xor": lambda: sd.bitwise.xor(x, c),
    }[op]()
    f = sd.compile(y, engine="llvm")
    a = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    got = f(x=a)[y.name]
    exact = {
        "add": lambda k: (k + number) % 2**64,
        "maximum": lambda k: max(k, number),
        "gt": lambda k: k > number,
        "xor": lambda k: k ^ number,
    }[op]
    assert got.tolist() == [exact(int(k)) for k in a]
    assert "numpy" not in f.plan.notes


def test_regions_that_differ_in_what_they_give_out_have_codes_of_their_own(monkeypatch):
    monkeypatch.setattr(segment, "_codes", {})
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None,))
    first = sd.identity(x * x + 1.0, name="first")
    second = sd.identity(first * x - 2.0, name="second")
    values = np.linspace(-1, 1, 9)
    want = {"first": values * values + 1, "second": (values * values + 1) * values - 2}
    for fetches in (["second"], ["first", "second"], ["first"], ["second", "first"]):
        got = sd.compile([sd[k] for k in fetches], engine="llvm")(x=values)
        assert list(got) == fetches
        for k, a in got.items():
            np.testing.assert_allclose(a, want[k], rtol=1e-15)
    assert second.shape == first.shape and len(segment._codes) >= 3
