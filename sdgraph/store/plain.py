"""Settings of ops as what JSON can hold, and back; and JSON in one spelling.

A value that JSON has no type for is an object with one key, which says what it is. Nothing that a file names is looked
up anywhere but in the table of this module. Must not know graphs.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.build.attributes import DEEPEST
from sdgraph.errors import shown
from sdgraph.infer.names import is_writable
from sdgraph.ops.losses.reduction import LossReduce

_SAFE: Final = 2**53
"""Integers up to this are the same for whoever reads JSON numbers as doubles."""

_ENUMS: Final[Mapping[str, type[enum.Enum]]] = {"LossReduce": LossReduce}
_DTYPES: Final = frozenset(
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
)
"""What has the same bytes on every computer."""

_MOST_BRACKETS: Final = 10_000_000
_MOST_DIGITS: Final = 4_000


class NotPlain(ValueError):
    """A value that no file can hold, or none that a file holds."""


class FunctionNumber(NamedTuple):
    """Stands for a function among settings: its row in the table of them."""

    number: int


def encode(value: Any) -> Any:
    """A setting as JSON has it.

    Raises:
        NotPlain: For what a file cannot hold.

    Example:
        >>> encode((1, 2.0, None, True)), encode(float("inf")), encode(np.dtype("int64")), encode(LossReduce.SUM)
        ([1, 2.0, None, True], {'float': 'inf'}, {'dtype': 'int64'}, {'LossReduce': 'SUM'})
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return checked_text(value)
    if type(value) is int:
        return value if -_SAFE < value < _SAFE else {"int": str(value)}
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is complex:
        return {"complex": [encode(value.real), encode(value.imag)]}
    if type(value) is tuple:
        return [encode(v) for v in value]
    if type(value) is FunctionNumber:
        return {"function": value.number}
    if value is Ellipsis:
        return {"ellipsis": 0}
    if isinstance(value, np.dtype):
        return {"dtype": dtype_name(value)}
    for name, members in _ENUMS.items():
        if type(value) is members:
            return {name: value.name}
    raise NotPlain(f"{type(value).__name__} is no value that a file can hold")


def decode(value: Any, depth: int = 0) -> Any:
    """A setting from what `encode` made of it.

    Raises:
        NotPlain: For anything else.
    """
    if depth > DEEPEST:
        raise NotPlain("a setting has lists in lists in lists beyond measure")
    if type(value) is list:
        return tuple([decode(v, depth + 1) for v in value])
    if type(value) is not dict:
        return value
    if len(value) != 1:
        raise NotPlain("an object that is no setting")
    ((kind, given),) = value.items()
    if kind not in _DECODERS:
        raise NotPlain(f"a setting of an unknown kind, {kind[:40]!r}")
    try:
        found = _DECODERS[kind](given)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise NotPlain(f"no setting of the kind {kind!r}") from e
    if encode(found) != value:
        raise NotPlain(f"a setting of the kind {kind!r} in another spelling")
    return found


def _complex(parts: Any) -> complex:
    real, imaginary = map(decode, parts)
    if not type(real) is type(imaginary) is float:
        raise NotPlain("a complex number has parts that are none")
    return complex(real, imaginary)


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise NotPlain("an integer with too many digits")
    return int(text)


def _plain_int(number: Any) -> int:
    if type(number) is not int:
        raise NotPlain("a function that has no number")
    return number


_DECODERS: Final[Mapping[str, Any]] = {
    "int": _int,
    "float": float,
    "complex": _complex,
    "function": lambda number: FunctionNumber(_plain_int(number)),
    "ellipsis": lambda _: Ellipsis,
    "dtype": lambda name: dtype_of(name),
    **{name: members.__getitem__ for name, members in _ENUMS.items()},
}


def checked_text(text: str) -> str:
    """A text that can be written.

    Raises:
        NotPlain: For one with half of a surrogate pair.
    """
    if not is_writable(text):
        raise NotPlain(f"the text {shown(text)} has half of a surrogate pair")
    return text


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a dtype that has the same bytes on every computer.

    Raises:
        NotPlain: If it has not.
    """
    if dtype.name not in _DTYPES:
        raise NotPlain(f"{dtype.name} is not the same on every computer")
    return dtype.name


def dtype_of(name: Any) -> np.dtype[Any]:
    """The dtype of a name.

    Raises:
        NotPlain: If no file has such a dtype.
    """
    if type(name) is not str or name not in _DTYPES:
        raise NotPlain("a dtype that no file has")
    return np.dtype(name)


def dumps(value: Any) -> bytes:
    """JSON in its one spelling: sorted keys, no blanks, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def loads(data: bytes) -> Any:
    """What `dumps` wrote.

    Raises:
        NotPlain: If these bytes are not what it would write of anything.
    """
    # Each bracket becomes an object of its own; other characters take no more memory than they are.
    if data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
        raise NotPlain("it has more lists and objects than any graph needs")
    try:
        found = json.loads(data.decode("utf-8"))
        again = dumps(found)
    except (ValueError, RecursionError) as e:
        raise NotPlain("it is no JSON") from e
    if again != data:
        raise NotPlain("its JSON is not spelled as sdgraph spells it")
    return found
