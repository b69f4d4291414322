"""All rules of the translation, entered by importing the modules that have them; the cases that they translate."""

from collections.abc import Sequence

import numpy as np

from tests.onnx_cases import arranging, attention, elementwise, layers, reducing, sliding, steps  # noqa: F401
from tests.onnx_cases.collection import Case, collected
from tests.onnx_cases.excluded import why
from tests.onnx_cases.translation import RULES, Translation

__all__ = ["RULES", "RUN", "Translation", "check_outputs"]

RUN = [c.name for c in collected().values() if why(c) is None and c.ops <= RULES.keys()]
"""The names of all cases that are run."""

WIDER = {
    # Halves that are rounded after each step, there; the exact values lie between these and sdgraph's.
    "test_attention_4d_causal_fp16": 2e-3,
    "test_attention_4d_causal_fp16_expanded": 2e-3,
}
"""Relative tolerances other than the case's own."""


def check_outputs(case: Case, outputs: Sequence[np.ndarray]) -> None:
    """Outputs are those of the case in number, type, shape and value, within the tolerances that it has."""
    assert len(outputs) == len(case.outputs)
    for output, expected in zip(outputs, case.outputs, strict=True):
        assert (output.dtype, output.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(output, expected, rtol=WIDER.get(case.name, case.rtol), atol=case.atol)
