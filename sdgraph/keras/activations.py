"""Keras' activation functions, for variables of a graph and for arrays, and what finds them by name.

Formulas and defaults are those of Keras 3: `gelu` is exact unless it is told to approximate, `hard_sigmoid` is
``x / 6 + 0.5`` held between 0 and 1, and the slope of `leaky_relu` is 0.2.

Example:
    >>> from sdgraph.keras import activations
    >>> activations.relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    >>> activations.get("hard_sigmoid")([-6.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75], dtype=float32)
    >>> activations.serialize(activations.silu)
    'silu'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdgraph.build.spelling.lacking import of_module
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.ops.activating import (
    celu,
    elu,
    exponential,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    rectified,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from sdgraph.keras.ops.activating import gelu as _gelu
from sdgraph.wording import did_you_mean, listed

if TYPE_CHECKING:
    from sdgraph.keras.ops.operation import Tensor


def relu(x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """``x`` above the threshold, at most ``max_value``, and ``negative_slope * (x - threshold)`` below.

    Args:
        x: A variable or an array.
        negative_slope: The slope below the threshold.
        max_value: What the result does not exceed; None for no bound.
        threshold: Where the function bends.

    Returns:
        ``x``'s shape. The derivative at a corner is that of the flat side.

    Example:
        >>> relu([-2.0, 0.5, 9.0], negative_slope=0.5, max_value=6.0)
        array([-1. ,  0.5,  6. ], dtype=float32)
    """
    return rectified(x, negative_slope, max_value, threshold)


def gelu(x: Tensor, approximate: bool = False) -> Any:
    """Gaussian error linear unit, ``x`` times the normal distribution function at ``x``.

    Args:
        x: A variable or an array.
        approximate: Whether to take the form with tanh.

    Returns:
        ``x``'s shape.

    Example:
        >>> gelu([-1.0, 2.0])
        array([-0.15865526,  1.9544997 ], dtype=float32)
    """
    return _gelu(x, approximate)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear),
        *(log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign),
        *(sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold),
    )
}
"""Every activation function by its name."""

_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}

swish, hard_swish = silu, hard_silu


def get(identifier: Any) -> Callable[..., Any]:
    """The activation function that an identifier stands for.

    Args:
        identifier: A name, a configuration of Keras', a function or a layer; None for `linear`.

    Raises:
        ArgumentError: For a name that no function has; lists similar ones.
        ArgumentTypeError: For what is none of these.

    Example:
        >>> get("swish") is silu, get(None) is linear
        (True, True)
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str | Mapping):
        return deserialize(identifier)
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise _no_activation(identifier)


def serialize(activation: Callable[..., Any]) -> str | dict[str, Any]:
    """What a configuration says of an activation: the name of a function of this module.

    A function of yours becomes Keras' dictionary of class name, config and registered name; an object that has
    ``get_config``, such as a layer, one of its class and its settings.

    Raises:
        ArgumentTypeError: If it is none of these, or has no name.

    Example:
        >>> serialize(hard_swish)
        'hard_silu'
    """
    name, settings = getattr(activation, "__name__", None), getattr(activation, "get_config", None)
    if callable(activation) and isinstance(name, str) and not isinstance(activation, type):
        if FUNCTIONS.get(name) is activation:
            return name
        if name != "<lambda>":
            return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}
    if settings is not None and not isinstance(activation, type):
        cls = type(activation).__name__
        return {"class_name": cls, "config": settings(), "registered_name": cls}
    raise ArgumentTypeError(
        "This activation has no name that it could be found by.",
        given=shown(activation),
        expected="a function of sdgraph.keras.activations, or one that is defined with a name",
    )


def deserialize(config: Any, custom_objects: Mapping[str, Callable[..., Any]] | None = None) -> Callable[..., Any]:
    """The activation function that `serialize` named.

    Args:
        config: A name, or a configuration that names a function.
        custom_objects: Functions of yours by name.

    Raises:
        ArgumentError: For a name that no function has; lists similar ones.
        ArgumentTypeError: If ``config`` names nothing.

    Example:
        >>> deserialize({"class_name": "function", "config": "relu"}) is relu
        True
    """
    name: Any = config
    if isinstance(config, Mapping):
        name = config.get("config")
        if not isinstance(name, str):  # A configuration of an object, such as a layer.
            name = config.get("class_name")
    if not isinstance(name, str):
        raise _no_activation(config)
    own = {**(custom_objects or {})}
    plain = name.rpartition(">")[2]
    found = own.get(name) or own.get(plain) or FUNCTIONS.get(_ALIASES.get(plain, plain))
    if found is None:
        names = [*FUNCTIONS, *_ALIASES, *own]
        raise ArgumentError(
            f"There is no activation function {name!r}.",
            given=shown(config),
            expected=listed(names),
            fix=did_you_mean(name, names) or "Give a function of yours in custom_objects, or itself.",
        )
    return found


def _no_activation(given: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        "This does not name an activation function.",
        given=shown(given),
        expected="a name, a configuration, or a function",
    )


__all__ = [*FUNCTIONS, *_ALIASES, "deserialize", "get", "serialize"]  # pyright: ignore[reportUnsupportedDunderAll]

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise of_module("sdgraph.keras.activations", name, __all__)
