"""Lists without what others hold."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import LabelError


def test_what_is_left_is_filled_up():
    sd = SameDiff(dtype="float64")
    x, y = sd.var("x", [3.0, np.nan, 2.0, 3.0]), sd.placeholder("y", (None,))
    values, places = sd.math.list_diff(x, y, size=4)
    got = sd.output({"y": [2.0, np.nan]}, [values, places])
    np.testing.assert_array_equal(got[values.name], [3, np.nan, 3, 0])
    assert got[places.name].tolist() == [0, 1, 3, -1]
    assert sd.grad(sd.sum(values), x).eval(y=[2.0]).tolist() == [1, 1, 0, 1]
    with pytest.raises(LabelError, match="4 entries are in no other list"):
        sd.math.list_diff(x, y, size=3)[0].eval(y=[7.0])
