"""Keras' metrics, for models and for arrays.

The classes are added up over batches: ``update_state(y_true, y_pred, sample_weight=None)``, ``result()`` and
``reset_state()``. `sdgraph.keras.Model.compile` takes them, and names of them. The functions give one value for each
example, of arrays or of variables.

Example:
    >>> from sdgraph.keras import metrics
    >>> m = metrics.AUC()
    >>> m.update_state([0, 1], [0.2, 0.6])
    >>> m.update_state([0, 1], [0.7, 0.9])
    >>> m.result()
    array(0.75)
    >>> metrics.binary_accuracy([0, 1], [0.2, 0.4])
    array([1., 0.], dtype=float32)
"""

from typing import TYPE_CHECKING, Any

from sdgraph.build.annotations import readable
from sdgraph.build.spelling.lacking import of_module
from sdgraph.keras.metrics import registry
from sdgraph.keras.metrics.metric import Metric
from sdgraph.keras.metrics.registry import deserialize, get, serialize

if TYPE_CHECKING:
    # Who reads without running sees here what is entered below.
    from sdgraph.keras.metrics.accuracies import *  # noqa: F403
    from sdgraph.keras.metrics.counts import *  # noqa: F403
    from sdgraph.keras.metrics.curves import *  # noqa: F403
    from sdgraph.keras.metrics.f_scores import *  # noqa: F403
    from sdgraph.keras.metrics.means import *  # noqa: F403
    from sdgraph.keras.metrics.overlaps import *  # noqa: F403
    from sdgraph.keras.metrics.probabilities import *  # noqa: F403
    from sdgraph.keras.metrics.regression import *  # noqa: F403

_metrics = registry.everything()
globals().update(_metrics)
for _thing in (*registry.CLASSES.values(), deserialize, get, serialize):
    readable(_thing)

__all__ = ["Metric", "deserialize", "get", "serialize"]
__all__ += sorted(_metrics.keys() - set(__all__))  # pyright: ignore[reportUnsupportedDunderAll]

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise of_module("sdgraph.keras.metrics", name, __all__)


def __dir__() -> list[str]:
    return __all__
