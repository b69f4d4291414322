"""`to_categorical`."""

import numpy as np
import pytest

from sdgraph.errors import LabelError
from sdgraph.keras.utils import to_categorical


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
