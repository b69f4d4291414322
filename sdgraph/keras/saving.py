"""Classes and functions of one's own, made known once by a name under which files have them.

Example:
    >>> from sdgraph import keras
    >>> @keras.saving.register_keras_serializable(package="Example")
    ... class Doubled(keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return 2 * inputs
    >>> keras.saving.get_registered_name(Doubled)
    'Example>Doubled'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sdgraph.build.annotations import readable
from sdgraph.errors import ArgumentTypeError, shown

__all__ = ["get_custom_objects", "get_registered_name", "get_registered_object", "register_keras_serializable"]

T = TypeVar("T", bound=Callable[..., Any])

_registered: dict[str, Any] = {}


@readable
def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """A decorator that makes a class or function known to `load_model`, under ``package>name``.

    What is registered again, as when a cell of a notebook runs twice, takes the place of what was.

    Args:
        package: What the name begins with.
        name: The name; that of the class or function by default.

    Raises:
        ArgumentTypeError: If a name is no text, or what is decorated is no class and no function.
    """
    for text in (package, "" if name is None else name):
        if not isinstance(text, str) or ">" in text:
            raise ArgumentTypeError("A name is a text without '>'.", given=shown(text))

    def decorator(thing: T) -> T:
        if not callable(thing) or not hasattr(thing, "__name__"):
            raise ArgumentTypeError("Classes and functions are registered.", given=shown(thing))
        _registered[f"{package}>{name or thing.__name__}"] = thing
        return thing

    return decorator


@readable
def get_registered_name(thing: Any) -> str:
    """The name that a class or function is registered under; its own if it is not."""
    return next((name for name, one in _registered.items() if one is thing), getattr(thing, "__name__", str(thing)))


@readable
def get_registered_object(name: str) -> Any:
    """The class or function that is registered under a name; None if there is none."""
    return _registered.get(name)


@readable
def get_custom_objects() -> dict[str, Any]:
    """All that is registered, by name; what is entered there is registered."""
    return _registered
