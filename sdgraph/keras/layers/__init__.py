"""Keras' layers.

Example:
    >>> from sdgraph.keras import layers, ops
    >>> layers.Dense(2, kernel_initializer="ones")(ops.ones((1, 3)))
    array([[3., 3.]], dtype=float32)
"""

from sdgraph.keras.layers.core import Activation, Dense
from sdgraph.keras.layers.inputs import Input, InputLayer
from sdgraph.keras.layers.layer import Layer

__all__ = ["Activation", "Dense", "Input", "InputLayer", "Layer"]

BY_NAME = {name: thing for name in __all__ if isinstance(thing := globals()[name], type) and issubclass(thing, Layer)}
"""The classes of layers by their names."""
