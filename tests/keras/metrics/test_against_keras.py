"""Metrics of arrays beside those of Keras itself, where it is installed."""

import numpy as np
import pytest

from sdgraph.keras import metrics
from tests.keras.callbacks.scripted import real_keras
from tests.keras.metrics import cases

pytestmark = [
    pytest.mark.keras,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype"),
]

COUNTS_WHOLE_WEIGHTS = ("IoU", "MeanIoU", "BinaryIoU", "OneHotIoU", "OneHotMeanIoU")
"""Weights are cast to int there, unless a dtype is given."""


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("cls", "kind", "settings"), cases.CASES, ids=cases.NAMES)
def test_a_metric_is_that_of_keras(cls, kind, settings, weighted):
    keras = real_keras()
    more = {"dtype": "float32"} if cls in COUNTS_WHOLE_WEIGHTS else {}
    theirs, ours = getattr(keras.metrics, cls)(**settings, **more), getattr(metrics, cls)(**settings)
    for (y, p), w in zip(cases.arrays(kind), cases.weights(), strict=True):
        theirs.update_state(y, p, *([np.repeat(w, 5) if kind == "maps" else w] if weighted else []))
        ours.update_state(y, p, *([w] if weighted else []))
        np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), rtol=2e-5, atol=1e-5)
    ours.reset_state()
    theirs.reset_state()
    y, p = cases.arrays(kind, 7)[2]
    np.testing.assert_allclose(ours(y, p), np.asarray(theirs(y, p)), rtol=2e-5, atol=1e-5)
