"""Objects that are their settings, and their names: what initializers, regularizers and constraints have in common.

Knows how each Keras version writes such an object down. Nothing in a configuration is executed, and no module is
imported because a configuration names it. Must not know any formula.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Self, TypeVar

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, NotDefinedError, SDGraphError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.ops.losses.keras.loss import plain, snake_case
from sdgraph.ops.losses.keras.on_arrays import on_arrays
from sdgraph.wording import did_you_mean, listed

T = TypeVar("T", bound="Described")
Custom = Mapping[str, Any] | None
"""Classes and functions of the caller's own, by name."""


def unwrapped(value: Any) -> Any:
    """A setting that Keras 3 wrapped into a description of its type, as a plain value."""
    if isinstance(value, list):
        return [unwrapped(v) for v in value]
    if not isinstance(value, Mapping):
        return value
    kind, inner = value.get("class_name"), value.get("config")
    if kind == "__tuple__":
        items = value.get("items", inner.get("value", ()) if isinstance(inner, Mapping) else ())
        if not isinstance(items, list | tuple):
            raise ArgumentError("This describes a tuple without items.", given=shown(items))
        return tuple(unwrapped(v) for v in items)
    if kind in ("__numpy__", "__tensor__") and isinstance(inner, Mapping):
        return own_array(inner.get("value"), inner.get("dtype")).tolist()
    if isinstance(kind, str) and kind.endswith("Policy") and isinstance(inner, Mapping):
        policy = inner.get("name")
        return policy.removeprefix("mixed_") or None if isinstance(policy, str) else policy
    return dict(value)


def of_weight(build: Callable[[SDVariable], SDVariable], x: Any) -> Any:
    """What ``build`` makes of a variable, in its graph; of an array the value."""
    if isinstance(x, SDVariable):
        with x.sd.transaction():
            return build(x)
    return on_arrays().evaluate(lambda sd, x: build(x), {"x": x})


class Described:
    """What is equal if its class and its settings are. The settings are the constructor's arguments.

    Each is an attribute of the same name; a class that keeps them otherwise writes ``get_config`` itself.
    """

    def get_config(self) -> dict[str, Any]:
        """The settings, as plain Python values: ``from_config`` makes an equal object of them.

        Raises:
            NotDefinedError: If an argument of the constructor is no attribute.
        """
        names = [*inspect.signature(type(self)).parameters]
        lacking = [name for name in names if not hasattr(self, name)]
        if lacking:
            raise NotDefinedError(
                f"{type(self).__name__} does not tell its settings: it has no {listed(lacking, 'and')}.",
                fix="Keep arguments in attributes of the same names, or write get_config in your class.",
            )
        return {name: plain(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """An object with the settings of `get_config`.

        Raises:
            ArgumentError: For a setting that the class does not have.
        """
        parameters = inspect.signature(cls).parameters
        unknown = [k for k in config if k not in parameters]
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            raise ArgumentError(
                f"{cls.__name__} has no setting {listed(map(repr, unknown), 'and')}.",
                given=shown(dict(config)),
                expected=listed(parameters, "and") if parameters else "no settings",
            )
        return cls(**config)

    def _told(self) -> Any:
        try:
            return self.get_config()
        except NotDefinedError:
            return None

    def __eq__(self, other: object) -> bool:
        if self is other or type(self) is not type(other) or not isinstance(other, Described):
            return self is other
        told = self._told()
        return told is not None and repr(told) == repr(other._told())

    def __hash__(self) -> int:
        told = self._told()
        return id(self) if told is None else hash((type(self), repr(told)))

    def __repr__(self) -> str:
        told = self._told()
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in told.items()) if told else ''})"


class Catalogue(Generic[T]):
    """The classes of one kind by their names.

    Args:
        kind: What an object is called.
        base: Their base class.
        classes: The classes.
        more: Further names of theirs; a function makes an object with settings of its own.
        older: Settings of an older version as those of today, by a class's name; called with a copy.
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        classes: Iterable[type[T]],
        more: Mapping[str, Callable[[], T]],
        older: Callable[[str, dict[str, Any]], dict[str, Any]],
    ) -> None:
        self.kind, self.base, self._older = kind, base, older
        self._classes = {cls.__name__: cls for cls in classes}
        own = {snake_case(name): cls for name, cls in self._classes.items()}
        self._names: dict[str, Any] = {**self._classes, **own, **more}
        self._article = "an" if kind[0] in "aeiou" else "a"

    def get(self, identifier: Any, custom_objects: Custom = None) -> Any:
        """What an identifier stands for; see the ``get`` of each kind."""
        if not isinstance(custom_objects, Mapping | None):
            raise ArgumentTypeError("custom_objects is a dict of functions and classes.", given=shown(custom_objects))
        if identifier is None:
            return None
        if isinstance(identifier, str):
            return self._instance(self._look_up(identifier, custom_objects))
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier, custom_objects)
        if isinstance(identifier, type) and callable(getattr(identifier, "__call__", None)):  # noqa: B004
            return self._instance(identifier)
        if callable(identifier):
            return identifier
        raise ArgumentError(
            f"This does not name {self._article} {self.kind}.",
            given=shown(identifier),
            expected=f"a name, a configuration, {self._article} {self.kind} or a function",
        )

    def serialize(self, thing: Any) -> Any:
        """An object as plain data, in Keras 3's format."""
        if thing is None or isinstance(thing, str):
            return thing
        if isinstance(thing, Described):
            cls = type(thing)
            own = self._classes.get(cls.__name__) is cls
            return {
                "module": f"keras.{self.kind}s" if own else cls.__module__,
                "class_name": cls.__name__,
                "config": thing.get_config(),
                "registered_name": None if own else cls.__name__,
            }
        name = getattr(thing, "__name__", None)
        if not callable(thing) or isinstance(thing, type) or not name or name == "<lambda>":
            raise ArgumentTypeError(
                f"This {self.kind} cannot be written down.",
                given=shown(thing),
                expected=f"a subclass of {self.base.__name__}, or a function with a name",
                fix="Define it with def.",
            )
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}

    def deserialize(self, config: Any, custom_objects: Custom = None) -> Any:
        """What plain data describe, in the formats of Keras 1 to 3."""
        if not isinstance(config, Mapping):
            return self.get(config, custom_objects)
        name, settings = config.get("class_name"), config.get("config", {})
        if name is None and isinstance(config.get("name"), str):  # Keras 1 writes the settings beside the name.
            name, settings = config["name"], {k: v for k, v in config.items() if k != "name"}
        if name == "__lambda__":
            raise ArgumentError(
                f"This {self.kind} was a lambda, saved as machine code, which is never executed.",
                fix='Define it with def and pass custom_objects={"its_name": fn}.',
            )
        if name == "function":
            name, settings = settings, {}
        if not isinstance(name, str) or not isinstance(settings, Mapping | None):
            raise ArgumentError(
                f"This describes no {self.kind}.",
                given=shown(dict(config)),
                expected="a dict with class_name and config",
            )
        found = self._look_up(name, custom_objects)
        if found not in self._classes.values():
            make = getattr(found, "from_config", None)
            if isinstance(found, type) or settings:
                return make(dict(settings or {})) if make is not None else found(**(settings or {}))
            return self._instance(found) if found in self._names.values() else found
        return self._with(found, dict(settings or {}))

    def _with(self, cls: type[T], settings: dict[str, Any]) -> T:
        plainer = {k: unwrapped(v) for k, v in settings.items()}
        try:
            return cls.from_config(self._older(cls.__name__, plainer))
        except SDGraphError:
            raise
        except Exception as e:
            raise ArgumentError(f"These settings make no {cls.__name__}.", given=shown(plainer)) from e

    def _look_up(self, name: str, custom_objects: Custom) -> Any:
        """The class or function of this name, with or without its package."""
        short = name.rpartition(">")[2]
        for key in (name, short):
            if custom_objects and key in custom_objects:
                return custom_objects[key]
        if short in self._names:
            return self._names[short]
        near = did_you_mean(short, self._names)
        how = f'If it is your own: custom_objects={{"{short}": ...}}.'
        raise ArgumentError(
            f"There is no {self.kind} {name!r}.",
            given=shown(name),
            expected=listed(self._classes),
            fix=" ".join(filter(None, (near, how))),
        )

    def _instance(self, found: Any) -> Any:
        if not isinstance(found, type) and found not in self._names.values():
            return found
        try:
            return found()
        except TypeError as e:
            name = getattr(found, "__name__", shown(found))
            raise ArgumentError(f"A {name} needs settings: make one yourself.", given=name) from e
