"""Keras' settings for all models: the dtype that numbers have by default, and the small number of its formulas.

Example:
    >>> from sdgraph.keras import config
    >>> config.floatx(), config.epsilon()
    ('float32', 1e-07)
"""

from __future__ import annotations

from typing import Final

from sdgraph.build.annotations import readable
from sdgraph.checks import one_of

__all__ = ["epsilon", "floatx", "set_floatx"]

EPSILON: Final = 1e-7
FLOATS: Final = ("float16", "float32", "float64")

_floatx = ["float32"]


def __dir__() -> list[str]:
    return __all__


@readable
def floatx() -> str:
    """The dtype of weights and of arrays that nobody chose another for, by its name."""
    return _floatx[0]


@readable
def set_floatx(value: str) -> None:
    """Choose the dtype of `floatx`, for what is made from now on.

    Args:
        value: "float16", "float32" or "float64".

    Raises:
        ArgumentError: If it is none of these.

    Example:
        >>> from sdgraph.keras import config
        >>> config.set_floatx("float64")
        >>> config.floatx()
        'float64'
        >>> config.set_floatx("float32")
    """
    _floatx[0] = one_of("floatx", value, FLOATS)


@readable
def epsilon() -> float:
    """The small number that keeps quotients and logarithms of Keras' formulas finite. It is the same for all."""
    return EPSILON
