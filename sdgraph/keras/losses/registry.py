"""Names of losses, and losses as plain data: `get`, `register`, `serialize`, `deserialize`.

Knows every name and format that a Keras version wrote. Nothing in a configuration is executed, and no module is
imported because a configuration names it: names are looked up here and in what the caller gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, shown
from sdgraph.keras.catalogue import unwrapped
from sdgraph.keras.losses.by_shape import crossentropy
from sdgraph.ops.losses.keras import crossentropies, hinges, probabilities, regression, structured
from sdgraph.ops.losses.keras.loss import Loss
from sdgraph.ops.losses.keras.op_loss import OpLoss, is_function
from sdgraph.wording import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

FAMILIES = (regression, hinges, probabilities, crossentropies, structured)
"""The files that define Keras' losses: their classes and functions, under all names that they have there."""

CLASSES: dict[str, type[Loss]] = {"Loss": Loss}
"""Classes by the name that configurations use."""

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Functions by their own name."""

ALIASES: dict[str, str] = {}
"""Further names of functions, which some version of Keras accepted."""

_CLASS_OF: dict[str, type[OpLoss]] = {}

_custom: dict[str, Any] = {}

_HOW = 'Pass it: custom_objects={"%s": fn}, or make it known once: losses.register("%s", fn).'


# ---------------------------------------------------------------------- names


def enter(names: Mapping[str, Any]) -> None:
    """Enter the losses that a file defines: its classes, its functions, and all names that it gives them."""
    for name in sorted(names):
        thing = names[name]
        if isinstance(thing, type) and issubclass(thing, OpLoss) and "op" in vars(thing):
            CLASSES[name] = _CLASS_OF[thing.op.name] = thing
        elif is_function(thing):
            FUNCTIONS[thing.__name__] = thing
            if name != thing.__name__:
                ALIASES[name] = thing.__name__


for _family in FAMILIES:
    enter(vars(_family))
FUNCTIONS["crossentropy"] = crossentropy


def everything() -> dict[str, Any]:
    """All classes and functions by all of their names."""
    return {**CLASSES, **FUNCTIONS, **{alias: FUNCTIONS[name] for alias, name in ALIASES.items()}}


def class_of(function: Any) -> type[OpLoss] | None:
    """The class that stands for the same loss as a function of ours."""
    return next((_CLASS_OF.get(name) for name, known in FUNCTIONS.items() if known is function), None)


@overload
def register(name: str) -> Callable[[F], F]: ...
@overload
def register(name: str, fn: F) -> F: ...
def register(name: str, fn: Any = None) -> Any:
    """Make a loss of your own known by a name, to `get` and to configurations.

    Args:
        name: The name; it may have a package, as in "mine>quartic".
        fn: A function ``fn(y_true, y_pred)`` or a subclass of `Loss`; without it, ``register`` is a decorator.

    Raises:
        ArgumentError: If the name is one of Keras' own, or taken by another loss. Defining the same function again,
            as when a notebook cell runs twice, replaces it.

    Example:
        >>> from sdgraph.keras import losses
        >>> @losses.register("example>quartic")
        ... def quartic(y_true, y_pred):
        ...     return ((y_true - y_pred) ** 4).mean(-1)
        >>> losses.get("example>quartic") is quartic
        True
    """
    if fn is None:
        return lambda f: register(name, f)
    if not isinstance(name, str) or not name:
        raise ArgumentTypeError("A loss is registered under a name.", given=shown(name), expected="a text")
    if not callable(fn):
        raise ArgumentTypeError("Only functions and classes are registered.", given=shown(fn))
    if _built_in(name) is not None or not _same_definition(_custom.get(name, fn), fn):
        raise ArgumentError(f"The name {name!r} is taken.", given=f"{name!r} for {fn!r}")
    _custom[name] = fn
    return fn


def _same_definition(old: Any, new: Any) -> bool:
    """Whether ``new`` is ``old``, or comes from the same ``def`` run again."""
    place = ("__module__", "__qualname__")
    return old is new or all(hasattr(old, k) and getattr(old, k) == getattr(new, k, None) for k in place)


def _built_in(name: str) -> Any:
    """What Keras calls this: a class or a function; None if nothing."""
    if name.lower() in ("crossentropy", "ce"):
        return crossentropy
    return CLASSES.get(name) or FUNCTIONS.get(ALIASES.get(name, name))


def _look_up(name: str, custom_objects: Mapping[str, Any] | None) -> Any:
    """The class or function of this name, with or without its package.

    Raises:
        ArgumentError: If there is none; says how to pass one.
    """
    short = name.rpartition(">")[2]
    for known in (custom_objects or {}, _custom):
        for key in (name, short):
            if key in known:
                return known[key]
    found = _built_in(short)
    if found is None:
        near = did_you_mean(short, [*CLASSES, *FUNCTIONS, *ALIASES, *_custom])
        raise ArgumentError(
            f"There is no loss {name!r}.",
            given=shown(name),
            expected="a name that some version of Keras had, or one of your own",
            fix=" ".join(filter(None, (near, "If it is your own: " + _HOW % (short, short)))),
        )
    return found


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that an identifier stands for.

    Args:
        identifier: A name, a configuration, a loss, a function, or None.
        custom_objects: Functions and classes of your own by name; they come first.

    Returns:
        For the name of a function that function, for the name of a class a loss with its default settings, for a
        configuration what `deserialize` makes of it, for None None, and for a loss or function itself.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.get("mse") is losses.mean_squared_error
        True
        >>> losses.get("Huber")
        Huber(name='huber_loss', reduction='sum_over_batch_size', delta=1.0)
    """
    if not isinstance(custom_objects, Mapping | None):
        raise ArgumentTypeError("custom_objects is a dict of functions and classes.", given=shown(custom_objects))
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = _look_up(identifier, custom_objects)
        return _instance(found) if isinstance(found, type) else found
    if isinstance(identifier, Mapping):
        return deserialize(identifier, custom_objects)
    if isinstance(identifier, type):
        raise ArgumentTypeError(
            "This is a class, not a loss.", given=identifier.__name__, fix=f"Make one: {identifier.__name__}()."
        )
    if callable(identifier):
        return identifier
    raise ArgumentError(
        "This does not name a loss.",
        given=shown(identifier),
        expected="a name, a configuration, a loss or a function",
    )


def _instance(cls: type) -> Any:
    try:
        return cls()
    except TypeError as e:
        raise ArgumentError(f"A {cls.__name__} needs settings: make one yourself.", given=cls.__name__) from e


# ---------------------------------------------------------------------- losses as data


def serialize(loss: Any) -> Any:
    """A loss as plain data, in Keras 3's format.

    Args:
        loss: A loss or a function; names, numbers and None stay as they are.

    Raises:
        ArgumentTypeError: For a lambda: it has no name to be found by again.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.serialize(losses.Dice(axis=(1, 2)))["config"]
        {'name': 'dice', 'reduction': 'sum_over_batch_size', 'axis': [1, 2]}
        >>> losses.serialize(losses.huber)["config"]
        'huber'
    """
    if loss is None or isinstance(loss, str | int | float):
        return loss
    if isinstance(loss, Loss):
        cls = type(loss)
        own = CLASSES.get(cls.__name__) is cls
        return {
            "module": "keras.losses" if own else cls.__module__,
            "class_name": cls.__name__,
            "config": loss.get_config(),
            "registered_name": None if own else _registered_name(cls) or cls.__name__,
        }
    name = _registered_name(loss) or getattr(loss, "__name__", None)
    if not callable(loss) or isinstance(loss, type) or not name or name == "<lambda>":
        raise ArgumentTypeError(
            "This loss cannot be written down.",
            given=shown(loss),
            expected="a loss, or a function with a name",
            fix="Define it with def, and register it.",
        )
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _registered_name(obj: Any) -> str | None:
    return next((k for k, v in (*_custom.items(), *FUNCTIONS.items()) if v is obj), None)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that plain data describe, in the formats of Keras 2 and 3.

    Settings that a loss does not have are ignored with a warning. Nothing in the data is executed, and a module it
    names is not imported.

    Args:
        config: A name, or a dict with "class_name" and "config".
        custom_objects: Functions and classes of your own by name; they come first.

    Returns:
        A loss, or for the name of a function that function.

    Raises:
        ArgumentError: For an unknown name, a lambda, or data that describe no loss.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.deserialize({"class_name": "Huber", "config": {"reduction": "auto", "delta": 0.5, "fn": "huber"}})
        Huber(name='huber_loss', reduction='sum_over_batch_size', delta=0.5)
    """
    try:
        return _deserialized(config, custom_objects)
    except RecursionError as e:
        raise ArgumentError("This configuration is nested too deeply, or in itself.", given=shown(config)) from e


def _deserialized(config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    if not isinstance(config, Mapping):
        return get(config, custom_objects)
    name = config.get("class_name")
    if not isinstance(name, str):
        raise ArgumentError(
            "This does not describe a loss: it has no class_name.",
            given=f"a dict with the keys {shown(list(config))}",
            fix="If it holds one loss per output, deserialize each of its values.",
        )
    if name == "__lambda__":
        raise ArgumentError(
            "This loss was a lambda, saved as machine code, which is never executed.",
            fix="Give the function itself where the loss is used; if you save it again, define it with def and pass "
            'custom_objects={"its_name": fn}.',
        )
    settings = config.get("config")
    if name == "function":
        return _function(settings, custom_objects)
    if not isinstance(custom_objects, Mapping | None):
        raise ArgumentTypeError("custom_objects is a dict of functions and classes.", given=shown(custom_objects))
    registered = config.get("registered_name")
    found = _registered(registered, custom_objects) or _look_up(name, custom_objects)
    if not isinstance(found, type):
        return found
    if not isinstance(settings, Mapping | None):
        raise ArgumentError(f"The settings of {name!r} are no dict.", given=f"config={shown(settings)}")
    make = getattr(found, "from_config", None)
    plain = _settings(found, dict(settings or {}), custom_objects)
    try:
        return make(plain) if make is not None else found(**plain)
    except SDGraphError:
        raise
    except Exception as e:
        if found is not CLASSES.get(name):
            raise
        raise ArgumentError(f"These settings make no {name}.", given=shown(plain)) from e


def _registered(name: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    """What the registered name stands for, which two classes of one name have different ones of."""
    if not isinstance(name, str):
        return None
    return (custom_objects or {}).get(name) or _custom.get(name)


def _function(name: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    if not isinstance(name, str):
        raise ArgumentError("This describes a function without a name.", given=f"config={shown(name)}")
    return _look_up(name, custom_objects)


def _settings(cls: type, settings: dict[str, Any], custom_objects: Mapping[str, Any] | None) -> dict[str, Any]:
    """Settings as this version understands them."""
    out = {k: unwrapped(v) for k, v in settings.items() if not (k == "name" and v is None)}
    if isinstance(out.get("reduction"), str) and out["reduction"] == "auto":
        out["reduction"] = "sum_over_batch_size"
    takes_fn = "fn" in inspect.signature(cls).parameters
    if takes_fn:
        out["fn"] = get(settings.get("fn"), custom_objects)
    else:
        # Keras 2 writes the name of the function behind the class, which the class knows.
        out.pop("fn", None)
    return out


__all__ = [
    "ALIASES",
    "CLASSES",
    "FAMILIES",
    "FUNCTIONS",
    "class_of",
    "deserialize",
    "enter",
    "everything",
    "get",
    "register",
    "serialize",
]
