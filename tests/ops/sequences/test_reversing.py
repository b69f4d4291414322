"""Sequences of several lengths, and arrays of their few entries."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import LabelError


def test_lengths_out_of_range():
    sd = SameDiff()
    for bad in (4, -1):
        with pytest.raises(LabelError, match=f"Length {bad} at position 1"):
            sd.reverse_sequence(np.ones((2, 3)), [1, bad]).eval()


def test_reversed_twice_is_the_same():
    sd = SameDiff(dtype="float64")
    x = np.random.default_rng(0).normal(size=(4, 3, 5))
    y = sd.reverse_sequence(x, [0, 5, 2], 2, 1)
    assert not (y.eval() == x).all() and (sd.reverse_sequence(y, [0, 5, 2], 2, 1).eval() == x).all()


def test_types_of_a_dense_array():
    sd = SameDiff(dtype="float64")
    assert sd.sparse_to_dense([1], (3,), np.array([2], np.int16)).dtype == "int16"
    assert sd.sparse_to_dense([1], (3,), np.array([True]), np.array(False)).eval().tolist() == [False, True, False]
    assert sd.sparse_to_dense(np.array(1), (3,), 5.0, -1.0).eval().tolist() == [-1, 5, -1]
