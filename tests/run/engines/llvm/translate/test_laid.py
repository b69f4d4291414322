"""Calls on arrays that stay where they are: what they take for an array that fits, and when the second one runs."""

import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.translate import laid
from sdgraph.run.executable import Executable

FLOAT, DOUBLE = np.dtype("float32"), np.dtype("float64")
A, B = np.zeros((3, 4), "f"), np.zeros(())


class Kind(np.ndarray):
    """A class that may do anything."""


OTHERS = {
    "too few": (A,),
    "too many": (A, B, B),
    "a number": (A, 1.0),
    "a scalar of numpy's": (A, np.float64(1)),
    "nothing": (None, B),
    "text": ("x", B),
    "another shape": (np.zeros((4, 3), "f"), B),
    "another rank": (np.zeros((3, 4, 1), "f"), B),
    "no axis": (A, np.zeros(1)),
    "another type": (A.astype("d"), B),
    "other bytes": (A.astype(">f4"), B),
    "columns first": (np.asfortranarray(A), B),
    "every second": (np.zeros((3, 8), "f")[:, ::2], B),
    "backwards": (A[::-1], B),
    "another class": (A.view(Kind), B),
    "in another order": (B, A),
}


@pytest.mark.parametrize("in_python", [False, True])
@pytest.mark.parametrize("given", OTHERS.values(), ids=OTHERS)
def test_what_is_something_else_does_not_fit(given, in_python, monkeypatch):
    if in_python:
        monkeypatch.setattr(laid, "_functions", dict)
    fits = laid.fits([((3, 4), FLOAT), ((), DOUBLE)])
    assert fits(*given) is False
    assert fits(A, B) is True
    fixed = A.copy()
    fixed.flags.writeable = False
    assert fits(fixed, B) and fits(np.zeros((7, 3, 4), "f")[2], np.array(2.0))


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0, 2), (1,), (1, 1, 1, 1, 1)], ids=str)
def test_arrays_of_any_size_fit(shape):
    fits = laid.fits([(shape, FLOAT)])
    assert fits(np.zeros(shape, "f"))
    assert not fits(np.zeros((*shape, 2), "f"))


def test_where_things_are_in_an_array_object_is_known():
    assert laid._places() is not None


def runner(build, **shapes):
    """The only segment of a function of placeholders."""
    sd = SameDiff("float64")
    f = Executable(sd, build(**{n: sd.placeholder(n, s) for n, s in shapes.items()}), "llvm", tiny=False)
    (only,) = f._last.program._runners.values()
    return only


def test_arrays_are_given_in_the_order_that_was_said():
    one = runner(lambda x, y: [x - y], x=(3,), y=(3,))
    names = [None, None, None]
    x, y, out = np.array([1.0, 2, 3]), np.array([10.0, 20, 30]), np.empty(3)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        call = one.again(names, order)
        assert call(*((x, y, out)[k] for k in order)) is None
        np.testing.assert_array_equal(out, x - y)
        out[...] = 0
        for wrong in ((), (x, y), (x, y, out, out)):
            assert call(*wrong) is True  # It did nothing.
        assert not out.any()


def test_what_is_copied_first_is_what_is_read():
    old, new, kept = np.zeros(2), np.array([1.0, 2.0]), np.zeros(2)
    call = runner(lambda w: [w * 2.0], w=(2,)).again([old, new], (), [(old, new), (kept, old)])
    for k in range(3):
        assert call() is None
        np.testing.assert_array_equal(new, np.array([2.0, 4.0]) * 2**k)
        np.testing.assert_array_equal(kept, np.array([1.0, 2.0]) * 2**k)


def test_arrays_live_as_long_as_the_call():
    a, out = np.ones(3), np.empty(3)
    call = runner(lambda w: [w * 2.0], w=(3,)).again([a, out], ())
    known = weakref.ref(a)
    del a
    gc.collect()
    assert known() is not None and call() is None
    np.testing.assert_array_equal(out, [2, 2, 2])
    del call
    gc.collect()
    assert known() is None


@pytest.mark.parametrize("dtype", [FLOAT, DOUBLE], ids=str)
@pytest.mark.parametrize(
    ("bad", "runs"),
    [([1.0, -2.0], True), ([0.0, -0.0], True), ([np.nan, 0], False), ([0, -np.nan], False), ([np.inf, 1], False),
     ([1, -np.inf], False), (["max", "-max"], True), (["tiny", "-tiny"], True)],
    ids=str,
)  # fmt: skip
def test_the_second_runs_where_all_is_finite(bad, runs, dtype):
    sd, info = SameDiff(dtype), np.finfo(dtype)
    words = {"max": info.max, "-max": -info.max, "tiny": info.smallest_subnormal, "-tiny": -info.smallest_subnormal}
    values = np.array([words.get(x, x) for x in bad], dtype)
    x = sd.placeholder("x", (2,))
    (first,) = Executable(sd, [sd.math.neg(x)], "llvm")._last.program._runners.values()
    count, old = np.zeros(1), np.zeros(1)
    second = runner(lambda n: [n + 1.0], n=(1,)).again([old, count], (), [(old, count)])
    out = np.empty(2, dtype)
    call = laid.both(first.again([None, out], (0,)), second, out)
    for k in range(1, 4):
        assert call(values) is (None if runs else True)
        np.testing.assert_array_equal(out, -values)
        assert count[0] == (k if runs else 0)


def test_what_is_no_such_call_or_has_no_such_bits_is_not_joined():
    once = runner(lambda w: [w * 2.0], w=(3,)).again([np.ones(3), np.empty(3)], ())
    assert laid.both(once, lambda: None, np.ones(3)) is None
    assert laid.both(lambda *a: None, once, np.ones(3)) is None
    assert laid.both(once, once, np.ones(3, "float16")) is None
