"""Maxima of windows: ties, NaN, infinities, padding that is never read."""

import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph import SameDiff, errors
from sdgraph.infer import windows

INF, NAN = np.inf, np.nan


def first(x, **a):
    return nd.cnn.window_first(x, nd.cnn.window_max(x, **a), **a).tolist()


def test_nan_wins_and_is_found():
    x = np.array([1.0, NAN, 3.0, NAN, 2.0])
    np.testing.assert_array_equal(nd.cnn.window_max(x, sizes=2), [NAN, NAN, NAN, NAN])
    assert first(x, sizes=2) == [1, 1, 3, 3]
    assert first(x, sizes=3, strides=2, pads=1) == [1, 1, 3]


def test_padding_is_never_read():
    x = np.array([-5.0, -INF, -INF])
    assert nd.cnn.window_max(x, sizes=2, pads=1).tolist() == [-5.0, -5.0, -INF, -INF]
    assert first(x, sizes=2, pads=1) == [0, 0, 1, 2]
    assert nd.cnn.window_max(np.array([-3, -7], np.int8), sizes=2, pads=1).tolist() == [-3, -3, -7]
    assert nd.cnn.window_max(np.array([False, True]), sizes=2, pads=1).tolist() == [False, True, True]


def test_the_first_of_several():
    x = np.array([[1.0, 2.0], [2.0, 2.0]])
    assert first(x, sizes=2) == [[1]]
    assert first(x.T.copy()[::-1], sizes=2) == [[0]]


def test_windows_along_every_axis():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 5))
    a = {"sizes": (2, 3, 2), "strides": (1, 1, 2), "pads": ((1, 0), 0, (0, 1))}
    y = nd.cnn.window_max(x, **a)
    np.testing.assert_array_equal(x.ravel()[np.array(first(x, **a))], y)


def test_second_derivatives_are_zero_and_cross_ones_are_not():
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 4.0, 2.0])
    y = sd.sum(sd.cnn.window_max(x, sizes=2) ** 3)
    np.testing.assert_allclose(sd.hessian(y, x).eval(), np.diag([0, 2 * 6 * 4.0, 0]))


def test_which_windows_read_nothing():
    """Against trying each place of each window."""
    rng = np.random.default_rng(0)
    for _ in range(3000):
        n, k, s, d, low, high = (int(rng.integers(a, b)) for a, b in ((1, 6), (1, 5), (1, 5), (1, 7), (0, 7), (-1, 5)))
        count = windows.out_size(n, k, s, d, low, high)
        each = [[0 <= o * s - low + t * d < n for t in range(k)] for o in range(count)]
        try:
            windows.must_read_something((n,), (k,), (s,), (d,), ((low, high),))
            refused = False
        except errors.ShapeError:
            refused = True
        assert refused == any(not any(window) for window in each), (n, k, s, d, low, high)


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower"])
def test_padding_by_name_never_makes_such_windows(padding):
    for n in range(1, 8):
        for k, s, d in [(1, 3, 1), (2, 2, 1), (3, 2, 2), (4, 1, 1), (2, 5, 1), (3, 3, 4)]:
            pads = windows.pads_of(padding, (n,), (k,), (s,), (d,))
            windows.must_read_something((n,), (k,), (s,), (d,), pads)
            if padding != "valid":
                assert windows.out_sizes((n,), (k,), (s,), (d,), pads) == (-(-n // s),)
