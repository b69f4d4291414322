"""Settings that a caller gives: whole numbers, finite numbers, flags, one of a few texts.

Numpy's numbers count as Python's; True and False are no numbers, and a number is no flag. Must not know what a setting
is for: where a message of its own says more, the caller writes it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, shown
from sdgraph.wording import did_you_mean, listed


def is_whole(value: object, least: float = -math.inf, most: float = math.inf) -> TypeGuard[int]:
    """Whether a value is a whole number within bounds, both included.

    Example:
        >>> is_whole(3), is_whole(np.int8(3), 1), is_whole(True), is_whole(3.0), is_whole(0, 1)
        (True, True, False, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(least <= value <= most)


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a number that a float can hold.

    Example:
        >>> is_finite(0.5), is_finite(np.float32(2)), is_finite(True), is_finite(1e999), is_finite(10**999)
        (True, True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def whole(name: str, value: object, *, least: int | None = None, message: str | None = None) -> int:
    """A setting that is a whole number, of at least ``least``, as Python's own.

    Raises:
        ArgumentError: If it is none; with ``message`` if there is one.
    """
    if not is_whole(value, -math.inf if least is None else least):
        bound = "" if least is None else f", {least} or more"
        raise _wrong(message or f"{name} must be a whole number{bound}.", name, value)
    return int(value)


def finite(name: str, value: object) -> float:
    """A setting that is a finite number.

    Raises:
        ArgumentError: If it is none.
    """
    if not is_finite(value):
        raise _wrong(f"{name} must be a finite number.", name, value)
    return value


def not_negative(name: str, value: object, message: str | None = None) -> float:
    """A setting that is a finite number, 0 or more.

    Raises:
        ArgumentError: If it is none; with ``message`` if there is one.
    """
    if not is_finite(value) or value < 0:
        raise _wrong(message or f"{name} must be a finite number, 0 or more.", name, value)
    return value


def positive(name: str, value: object) -> float:
    """A setting that is a finite number above 0.

    Raises:
        ArgumentError: If it is none.
    """
    if not is_finite(value) or value <= 0:
        raise _wrong(f"{name} must be a positive number.", name, value)
    return value


def between(name: str, value: object, low: float, high: float, *, ends: bool, message: str | None = None) -> float:
    """A setting that lies between two numbers, which are allowed if ``ends``.

    Raises:
        ArgumentError: If it does not; with ``message`` if there is one.
    """
    if not is_finite(value) or not low <= value <= high or (value in (low, high) and not ends):
        raise _wrong(message or f"{name} must lie between {low:g} and {high:g}.", name, value)
    return value


def flag(name: str, value: object) -> bool:
    """A setting that is True or False.

    Raises:
        ArgumentTypeError: If it is neither.
    """
    if not isinstance(value, bool | np.bool):
        raise ArgumentTypeError(f"{name} is True or False.", given=f"{name}={shown(value)}")
    return bool(value)


def one_of(
    what: str, value: Any, known: Iterable[str], *, also: str = "", kind: type[SDGraphError] = ArgumentError
) -> Any:
    """A setting that is one of a few texts.

    Args:
        what: What an error calls it.
        value: What the caller gave.
        known: The texts.
        also: What else is right, for the error.
        kind: The error's class.

    Raises:
        SDGraphError: If it is none of them; of class ``kind``, with those it is most like.

    Example:
        >>> one_of("view", "grad", ["forward", "gradient", "both"])
        Traceback (most recent call last):
        ...
        sdgraph.errors.ArgumentError: There is no view 'grad'.
          expected: 'forward', 'gradient' or 'both'
          ...
          fix:      Did you mean 'gradient'?
    """
    texts = list(known)
    if isinstance(value, str) and value in texts:
        return value
    raise no_such(what, value, texts, also=also, kind=kind)


def no_such(
    what: str, value: object, known: Iterable[object], *, also: str = "", kind: type[SDGraphError] = ArgumentError
) -> SDGraphError:
    """The error for what is none of the texts that a setting may be; arguments as for `one_of`."""
    texts = list(known)
    return kind(
        f"There is no {what} {shown(value)}.",
        expected=(f"{also}, or one of {listed(texts, 'and')}" if also else listed(texts)),
        fix=did_you_mean(value, texts),
    )


def as_path(path: str | os.PathLike[str]) -> Path:
    """The path of a file, as the operating system can have it.

    Raises:
        ArgumentTypeError: If it is none.

    Example:
        >>> as_path("model.sdg").suffix
        '.sdg'
    """
    try:
        found = Path(path)
        if b"\0" not in os.fsencode(found):
            return found
    except Exception as e:
        raise ArgumentTypeError("This is no path.", given=shown(path), expected="a text or a pathlib.Path") from e
    raise ArgumentTypeError("A path has no character 0.", given=shown(path), expected="a text or a pathlib.Path")


def _wrong(message: str, name: str, value: object) -> ArgumentError:
    return ArgumentError(message, given=f"{name}={shown(value)}")
