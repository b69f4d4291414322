"""What layers are called that were given no name: their class, and a number from the second on."""

from __future__ import annotations

import re
import threading
from collections import Counter

_lock = threading.Lock()
_counts: Counter[str] = Counter()


def snake_case(name: str) -> str:
    """A class name as Keras writes names of layers.

    Example:
        >>> snake_case("Conv2DTranspose"), snake_case("LeakyReLU"), snake_case("LSTM")
        ('conv2d_transpose', 'leaky_re_lu', 'lstm')
    """
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", re.sub(r"\W+", "", name)).lower().lstrip("_")


def automatic(cls: type) -> str:
    """The next name for a layer of a class.

    Example:
        >>> forget()
        >>> automatic(Exception), automatic(Exception)
        ('exception', 'exception_1')
    """
    return numbered(snake_case(cls.__name__))


def numbered(base: str) -> str:
    """A name with the next number behind it, which the first one does not have."""
    with _lock:
        k = _counts[base]
        _counts[base] += 1
    return f"{base}_{k}" if k else base


def forget() -> None:
    """Begin anew."""
    with _lock:
        _counts.clear()
