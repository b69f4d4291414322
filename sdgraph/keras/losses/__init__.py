"""Keras' losses, for variables of a graph and for arrays.

The classes are called as ``loss(y_true, y_pred, sample_weight=None, mask=None)`` and reduce; the functions give one
loss per sample. With a variable among the operands the result is a variable of its graph, and one of the graph's
losses; with arrays it is a numpy array.

Example:
    >>> import numpy as np
    >>> from sdgraph import SameDiff
    >>> from sdgraph.keras import losses
    >>> losses.BinaryCrossentropy(from_logits=True)(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
    array(0.69314718)
    >>> sd = SameDiff()
    >>> w = sd.var("w", [[1.0], [2.0]])
    >>> loss = losses.MeanSquaredError()(np.array([[1.0]]), sd.placeholder("x", shape=(None, 2)) @ w)
    >>> sd.loss_variables() == [loss]
    True
"""

from typing import TYPE_CHECKING, Any

from sdgraph.build.annotations import readable
from sdgraph.build.spelling.lacking import of_module
from sdgraph.keras.losses import registry
from sdgraph.keras.losses.by_shape import crossentropy
from sdgraph.keras.losses.registry import deserialize, get, register, serialize
from sdgraph.keras.losses.wrapper import LossFunctionWrapper, as_loss
from sdgraph.ops.losses.keras.loss import Loss

if TYPE_CHECKING:
    # Who reads without running sees here what is entered below.
    from sdgraph.ops.losses.keras.crossentropies import *  # noqa: F403
    from sdgraph.ops.losses.keras.hinges import *  # noqa: F403
    from sdgraph.ops.losses.keras.probabilities import *  # noqa: F403
    from sdgraph.ops.losses.keras.regression import *  # noqa: F403
    from sdgraph.ops.losses.keras.structured import *  # noqa: F403

_losses = registry.everything()
globals().update(_losses)
for _thing in (
    *_losses.values(),
    Loss,
    LossFunctionWrapper,
    as_loss,
    crossentropy,
    deserialize,
    get,
    register,
    serialize,
):
    readable(_thing)

__all__ = ["Loss", "LossFunctionWrapper", "as_loss", "crossentropy", "deserialize", "get", "register", "serialize"]
__all__ += sorted(_losses.keys() - set(__all__))  # pyright: ignore[reportUnsupportedDunderAll]

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise of_module("sdgraph.keras.losses", name, __all__)


def __dir__() -> list[str]:
    return __all__
