"""Attributes of a call: the one hashable form in which a graph keeps them. Must not know ops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.errors import ArgumentTypeError, SDGraphError, shown
from sdgraph.infer.aval import as_dtype

DEEPEST: Final = 8
"""How deep sequences may stand in sequences."""
_LARGEST: Final = 1_000_000


class Scalar(NamedTuple):
    """What values an annotation allows, and what to call them. Rules check what else they need to know."""

    kind: Any
    words: str

    def check(self, name: str, value: Any) -> None:
        """Raise ArgumentTypeError for another value: kernels and compiled code rely on the annotation."""
        if not isinstance(value, self.kind):
            raise ArgumentTypeError(f"{name} must be {self.words}.", given=f"{name}={shown(value)}")


_SCALARS: Final[Mapping[str, Scalar]] = {
    "float": Scalar(int | float, "a number"),
    "float | None": Scalar(int | float | None, "a number or None"),
    "bool": Scalar(bool, "True or False"),
    "str": Scalar(str, "a text"),
    "str | None": Scalar(str | None, "a text or None"),
}


def scalar(annotation: Any) -> Scalar | None:
    """What an attribute of this annotation must be; None where that is for the op's rules to say."""
    return _SCALARS.get(annotation if isinstance(annotation, str) else getattr(annotation, "__name__", ""))


def freeze(name: str, value: Any, depth: int = 0) -> Any:
    """An attribute in its one hashable form: tuples for sequences, Python numbers for numpy's, dtypes for dtypes.

    Raises:
        ArgumentTypeError: For what cannot be kept in a graph, or shown in a message.
    """
    if name == "dtype":
        return None if value is None else as_dtype(value)
    if value is None or type(value) in (bool, str, float):
        return value
    try:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, list | tuple | range):
            if depth == DEEPEST or len(value) > _LARGEST:
                raise _not_kept(name, value)
            return tuple([freeze("", v, depth + 1) for v in value])
        if isinstance(value, np.generic):
            return value.item()
        if type(value).__name__ == "SDVariable":
            raise ArgumentTypeError(
                f"{name or 'This argument'} is a fixed setting, not a tensor.",
                given=repr(value),
                expected="a Python value known when the graph is built",
            )
        if isinstance(value, int):
            float(value)
        _ = hash(value), repr(value)
    except SDGraphError:
        raise
    except Exception as e:
        # Whatever an object does when it is asked what it is.
        raise _not_kept(name, value) from e
    return value


def _not_kept(name: str, value: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"{name or 'This argument'} cannot be kept in a graph.",
        given=f"{type(value).__name__}: {shown(value)}",
        expected="a number, a text, or a sequence of them",
    )


def attr_key(attrs: Mapping[str, Any]) -> Any:
    """A hashable key that keeps apart what Python calls equal: 1, 1.0 and True, 0.0 and -0.0, also inside of tuples."""
    return tuple([(k, v, _kind(v)) for k, v in attrs.items()]) if attrs else ()


def _kind(value: Any) -> Any:
    kind = type(value)
    if kind is tuple:
        return tuple(map(_kind, value))
    return repr(value) if kind is float or kind is complex else kind
