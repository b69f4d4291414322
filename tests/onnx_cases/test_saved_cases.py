"""The graphs that the official cases become, saved and loaded: they give the outputs of the cases."""

import pytest

from sdgraph import SameDiff
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.onnx_cases.collection import collected
from tests.onnx_cases.rules import RUN, Translation, check_outputs

pytestmark = [pytest.mark.any_engine, pytest.mark.peers]


@pytest.mark.parametrize("name", RUN)
def test_a_loaded_graph_gives_the_outputs_of_the_case(name):
    case = collected()[name]
    translation = Translation(case)
    data = to_bytes(translation.sd)
    again = from_bytes(SameDiff, data)
    assert to_bytes(again) == data
    outputs = [v.name for v in translation.outputs]
    values = again.output(translation.feeds, outputs, engine="numpy")
    check_outputs(case, [values[out] for out in outputs])
