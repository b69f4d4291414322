"""`sdgraph.keras.utils` but for its seeds."""

import numpy as np
import pytest

from sdgraph.errors import ArgumentError, DTypeError, LabelError, ShapeError
from sdgraph.keras.utils import normalize, pad_sequences, to_categorical


def test_rows():
    np.testing.assert_array_equal(to_categorical([0, 2, 1]), np.eye(3)[[0, 2, 1]])
    np.testing.assert_array_equal(to_categorical([[0], [1]]), np.eye(2))
    np.testing.assert_array_equal(to_categorical(np.array([[0, 1], [1, 0]]), 3), np.eye(3)[[[0, 1], [1, 0]]])
    assert to_categorical([1.0, 0.0], num_classes=4).shape == (2, 4)
    assert to_categorical([]).shape == (0, 0)
    assert to_categorical([], 3).shape == (0, 3)
    np.testing.assert_array_equal(to_categorical(1, 3), [0, 1, 0])


def test_a_label_out_of_range_is_named():
    with pytest.raises(LabelError, match="Label 3 at position 2"):
        to_categorical([0, 1, 3], num_classes=3)
    with pytest.raises(ValueError, match=r"Label -1 at position \(1, 0\)"):
        to_categorical([[0, 1], [-1, 0]])


@pytest.mark.parametrize(("labels", "classes"), [([0.5], None), ([1j], None), ([0], -1), ([0], 2.5), ([0], True)])
def test_what_is_no_label_or_no_number(labels, classes):
    with pytest.raises((ValueError, TypeError)):
        to_categorical(labels, classes)


@pytest.mark.parametrize("order", [1, 2, 3, np.inf])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_norms_become_1(axis, order):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1] = 0
    norms = np.linalg.norm(x, order, axis, keepdims=True)
    np.testing.assert_allclose(normalize(x, axis, order), x / np.where(norms == 0, 1, norms), rtol=1e-14)
    if order == 2:
        np.testing.assert_allclose(normalize(1e300 * x, axis), normalize(x, axis), rtol=1e-14)


def test_norms_of_little():
    assert normalize(np.ones((0, 3))).shape == (0, 3)
    assert normalize(np.ones((3, 0))).shape == (3, 0)
    assert normalize(np.array([3, 4], "float32")).dtype == np.float32
    np.testing.assert_array_equal(normalize([3, 4]), [0.6, 0.8])
    for bad in (0, -1, True, "2"):
        with pytest.raises(ArgumentError):
            normalize([1.0], order=bad)
    with pytest.raises((ArgumentError, ShapeError)):
        normalize([1.0], axis=1)


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"value": -1}, [[-1, -1, 1], [-1, 2, 3], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5]]),
        ({"maxlen": 0}, [[], [], []]),
        ({"maxlen": 4, "padding": "post", "dtype": "float64"}, [[1, 0, 0, 0], [2, 3, 0, 0], [4, 5, 6, 0]]),
    ],
)
def test_sequences_as_rows(settings, rows):
    out = pad_sequences([[1], [2, 3], [4, 5, 6]], **settings)
    assert out.dtype == settings.get("dtype", "int32")
    np.testing.assert_array_equal(out, rows)


def test_sequences_of_arrays_and_of_nothing():
    out = pad_sequences([[], [[1, 2]], [[3, 4], [5, 6]]])
    np.testing.assert_array_equal(out, [[[0, 0], [0, 0]], [[0, 0], [1, 2]], [[3, 4], [5, 6]]])
    assert pad_sequences([]).shape == (0, 0)
    assert pad_sequences([[], []]).shape == (2, 0)
    for error, call in (
        (DTypeError, lambda: pad_sequences([[0.5]])),
        (DTypeError, lambda: pad_sequences([[1]], value=0.5)),
        (ShapeError, lambda: pad_sequences([[1], [[1, 2]]])),
        (ShapeError, lambda: pad_sequences([1, 2])),
        (ArgumentError, lambda: pad_sequences([[1]], padding="left")),
        (ArgumentError, lambda: pad_sequences([[1]], maxlen=-1)),
    ):
        with pytest.raises(error):
            call()
