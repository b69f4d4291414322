"""Initial values of variables: the init schemes of `SameDiff.var`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from sdgraph.checks import one_of, whole
from sdgraph.errors import ArgumentError, SDGraphError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import shape_str

# In quotes, since `np.random` is loaded when it is first used: that takes a sixth of the time of this package.
_Make: TypeAlias = "Callable[[np.random.Generator, tuple[int, ...]], np.ndarray[Any, Any]]"


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Inputs and outputs of a layer with weights of this shape: rows and columns, times the size of further axes."""
    if not shape:
        return 1.0, 1.0
    if len(shape) == 1:
        return float(shape[0]), float(shape[0])
    field = math.prod(shape[:-2])
    return float(max(shape[-2] * field, 1)), float(max(shape[-1] * field, 1))


def _uniform(limit: Callable[[float, float], float]) -> _Make:
    def make(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        bound = limit(*_fans(shape))
        return rng.uniform(-bound, bound, shape)

    return make


def _normal(deviation: Callable[[float, float], float]) -> _Make:
    return lambda rng, shape: rng.normal(0.0, deviation(*_fans(shape)), shape)


def _identity(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ArgumentError("The identity scheme makes square matrices.", given=f"shape {shape}")
    return np.eye(shape[0])


def _glorot_uniform(fan_in: float, fan_out: float) -> float:
    return math.sqrt(6.0 / (fan_in + fan_out))


def _glorot_normal(fan_in: float, fan_out: float) -> float:
    return math.sqrt(2.0 / (fan_in + fan_out))


SCHEMES: dict[str, _Make] = {
    "zeros": lambda rng, shape: np.zeros(shape),
    "ones": lambda rng, shape: np.ones(shape),
    "normal": _normal(lambda fan_in, _: math.sqrt(1.0 / fan_in)),
    "uniform": _uniform(lambda fan_in, _: math.sqrt(1.0 / fan_in)),
    "xavier": _normal(_glorot_normal),
    "xavier_normal": _normal(_glorot_normal),
    "xavier_uniform": _uniform(_glorot_uniform),
    "glorot": _uniform(_glorot_uniform),
    "glorot_normal": _normal(_glorot_normal),
    "glorot_uniform": _uniform(_glorot_uniform),
    "he": _normal(lambda fan_in, _: math.sqrt(2.0 / fan_in)),
    "he_normal": _normal(lambda fan_in, _: math.sqrt(2.0 / fan_in)),
    "he_uniform": _uniform(lambda fan_in, _: math.sqrt(6.0 / fan_in)),
    "relu": _normal(lambda fan_in, _: math.sqrt(2.0 / fan_in)),
    "relu_uniform": _uniform(lambda fan_in, _: math.sqrt(6.0 / fan_in)),
    "lecun": _normal(lambda fan_in, _: math.sqrt(1.0 / fan_in)),
    "lecun_normal": _normal(lambda fan_in, _: math.sqrt(1.0 / fan_in)),
    "lecun_uniform": _uniform(lambda fan_in, _: math.sqrt(3.0 / fan_in)),
    "identity": _identity,
}
"""Init schemes by name. ``xavier`` is normal and ``glorot`` uniform, as DL4J and Keras have them; say which with
``_normal`` or ``_uniform``. ``normal`` and ``uniform`` scale with ``1 / sqrt(fan_in)``.

References:
    - Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller, "Efficient BackProp", 1998: lecun.
    - X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010: glorot,
      xavier.
    - K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
      classification", 2015, arXiv:1502.01852: he and relu.
"""


def initial_value(
    init: str | float, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None
) -> np.ndarray[Any, Any]:
    """An array made by an init scheme.

    Args:
        init: A name of `SCHEMES`, ``"constant:VALUE"``, or a number that fills the array.
        shape: Its shape.
        dtype: Its dtype.
        seed: Seed of the draws.

    Raises:
        ArgumentError: For an unknown scheme, or one that does not fit the shape.
    """
    if isinstance(init, int | float) and not isinstance(init, bool):
        return _made(lambda: np.full(shape, own_array(init, dtype)), shape)
    if isinstance(init, str) and init.startswith("constant"):
        return _made(lambda: np.full(shape, own_array(_constant(init), dtype)), shape)
    scheme = SCHEMES[one_of("init scheme", init, SCHEMES, also="a number, 'constant:VALUE'")]
    rng = np.random.default_rng(None if seed is None else as_seed(seed))
    return _made(lambda: np.asarray(scheme(rng, shape), dtype), shape)


def as_seed(seed: Any) -> int:
    """A seed as a Python integer.

    Raises:
        ArgumentError: If it is no whole number, or a negative one.
    """
    return whole("seed", seed, least=0)


def _made(make: Callable[[], np.ndarray[Any, Any]], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """What ``make`` makes, if there is room for it."""
    try:
        return make()
    except (MemoryError, ValueError) as e:
        if isinstance(e, SDGraphError):
            raise
        raise ArgumentError("There is no room for an array of this shape.", given=shape_str(shape)) from e


def _constant(init: str) -> float:
    head, _, text = init.partition(":")
    try:
        if head == "constant":
            return float(text or 0.0)
    except ValueError:
        pass
    raise ArgumentError("This constant scheme has no value.", given=shown(init), expected="such as 'constant:0.1'")
