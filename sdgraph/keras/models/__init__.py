"""Models: layers put together, that are trained and used as Keras' models are.

Example:
    >>> from sdgraph.keras.layers import Dense
    >>> from sdgraph.keras.models import Sequential
    >>> Sequential([Dense(2, input_shape=(3,))]).count_params()
    8
"""

from sdgraph.keras.models.loading import load_model
from sdgraph.keras.models.model import Model
from sdgraph.keras.models.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model"]
