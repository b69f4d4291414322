"""Every op of the registry, with its gradient, comes back from a file as it was."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS
from tests.store.mutations import with_gradients


@pytest.mark.parametrize("name", OPS)
def test_an_op_and_its_gradients_come_back(name):
    sd, feeds = with_gradients(next(iter(samples_of(name))))
    data = to_bytes(sd)
    again = from_bytes(SameDiff, data)
    assert to_bytes(again) == data
    assert [repr(v) for v in again.variables()] == [repr(v) for v in sd.variables()]
    # As in a graph that is loaded, where nothing was compiled yet.
    values, found = (g.output(feeds, [v.name for v in g.variables("array")]) for g in (sd, again))
    for key, value in values.items():
        np.testing.assert_array_equal(found[key], value, strict=True)
