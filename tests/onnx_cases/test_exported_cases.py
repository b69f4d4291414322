"""Models that `sd.to_onnx` makes of the graphs that the official cases become, against the outputs of these cases.

They are run by onnx's own evaluator and by onnxruntime, and have to be what ONNX's operators document, so a mistake in
the export cannot hide behind the same mistake in sdgraph.
"""

import pytest

from sdgraph import errors
from tests.files.onnx.running import checked, in_reference, onnxruntime, session
from tests.onnx_cases.collection import collected
from tests.onnx_cases.rules import RUN, Translation, check_outputs

pytestmark = [pytest.mark.any_engine, pytest.mark.peers]

# It has TopK for int64 and not for uint64, which no other type holds.
NO_KERNEL = ["test_top_k_uint64"]
# Its evaluator cannot have two places of padding at one end of an axis, and at its other end one.
NO_REFERENCE = ["test_maxpool_2d_same_upper", "test_maxpool_2d_same_lower"]
# Convolution of integers is another operator there, which sdgraph does not write.
OF_INTEGERS = ["test_convinteger_without_padding", "test_convinteger_with_padding", "test_qlinearconv"]


@pytest.mark.parametrize("name", [name for name in RUN if name not in OF_INTEGERS])
def test_the_exported_graph_gives_the_outputs_of_the_case(name):
    case = collected()[name]
    translation = Translation(case)
    model = checked(translation.sd.to_onnx(translation.outputs))
    outputs = [v.name for v in translation.outputs]
    if name not in NO_REFERENCE:
        values = in_reference(model, translation.feeds)
        check_outputs(case, [values[out] for out in outputs])
    if name not in NO_KERNEL:
        feeds = {v.name: translation.feeds[v.name] for v in model.graph.input}
        check_outputs(case, session(model).run(outputs, feeds))


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_convolution_of_integers_is_refused(name):
    translation = Translation(collected()[name])
    with pytest.raises(errors.ArgumentError, match="take floats only"):
        translation.sd.to_onnx(translation.outputs)


@pytest.mark.parametrize("name", NO_KERNEL)
def test_a_case_that_onnxruntime_does_not_run_has_no_kernel(name):
    translation = Translation(collected()[name])
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented, match="Could not find an implem"):
        session(translation.sd.to_onnx(translation.outputs))
