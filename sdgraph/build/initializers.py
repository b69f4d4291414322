"""Initial values of variables: what `SameDiff.var` takes as ``init``. The one place that says what a scheme draws.

Must not know graphs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from sdgraph.build.annotations import means
from sdgraph.build.distributions import LEFT_BY_CUT, normal_truncated
from sdgraph.checks import no_such, whole
from sdgraph.errors import ArgumentError, SDGraphError, ShapeError, shown
from sdgraph.infer.arrays import as_numbers, converted
from sdgraph.infer.aval import shape_str
from sdgraph.wording import did_you_mean

SchemeName: TypeAlias = Literal[
    "zeros",
    "ones",
    "identity",
    "constant",
    "truncated_normal",
    "normal",
    "uniform",
    "xavier",
    "xavier_normal",
    "xavier_uniform",
    "xavier_fan_in",
    "glorot",
    "glorot_normal",
    "glorot_uniform",
    "he",
    "he_normal",
    "he_uniform",
    "relu",
    "relu_uniform",
    "lecun",
    "lecun_normal",
    "lecun_uniform",
    "sigmoid_uniform",
    "variance_scaling",
    "var_scaling_normal_fan_in",
    "var_scaling_normal_fan_out",
    "var_scaling_normal_fan_avg",
    "var_scaling_uniform_fan_in",
    "var_scaling_uniform_fan_out",
    "var_scaling_uniform_fan_avg",
    "var_scaling_truncated_normal_fan_in",
    "var_scaling_truncated_normal_fan_out",
    "var_scaling_truncated_normal_fan_avg",
]
"""Names of init schemes. A number may follow some of them after a colon."""

# In quotes, since `np.random` is loaded when it is first used: that takes a sixth of the time of this package.
_Make: TypeAlias = "Callable[[np.random.Generator, tuple[int, ...], float], np.ndarray[Any, Any]]"
Init: TypeAlias = "SchemeName | str | complex | np.ndarray[Any, Any] | list[Any] | Callable[..., Any]"
"""What `SameDiff.var` takes as ``init``."""

means("SchemeName", SchemeName)
means("Init", Init)


class Scheme(NamedTuple):
    """How a scheme fills an array, and the number that may follow its name, if any may."""

    make: _Make
    number: float | None = None
    """What counts without a number."""
    means: str = ""
    """What the number is, if it must be above 0."""


# ---------------------------------------------------------------------- variance scaling


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Inputs and outputs of a layer with weights of this shape, 1 at least.

    Rows and columns, times the size of the axes before them, which are those of a convolution's window.
    """
    if len(shape) < 2:
        n = float(max([*shape, 1]))
        return n, n
    window = math.prod(shape[:-2])
    return float(max(shape[-2] * window, 1)), float(max(shape[-1] * window, 1))


MODES: Final[Mapping[str, Callable[[float, float], float]]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}


def spread(
    rng: np.random.Generator, shape: tuple[int, ...], distribution: str, scale: float, n: float
) -> np.ndarray[Any, Any]:
    """Draws of mean 0 and variance ``scale / n``: "uniform", "normal", or "truncated_normal", after the cut."""
    if distribution == "uniform":
        bound = math.sqrt(3.0 * scale / n)
        return rng.uniform(-bound, bound, shape)
    deviation = math.sqrt(scale / n)
    if distribution == "normal":
        return rng.normal(0.0, deviation, shape)
    return _truncated(rng, shape, deviation / LEFT_BY_CUT)


def _scaled(distribution: str, mode: str, scale: float = 1.0) -> _Make:
    """Draws of mean 0 and variance ``scale * number / n``, where the mode says what n is of the `fans`."""

    def make(rng: np.random.Generator, shape: tuple[int, ...], number: float) -> np.ndarray[Any, Any]:
        return spread(rng, shape, distribution, scale * number, MODES[mode](*fans(shape)))

    return make


def _truncated(rng: np.random.Generator, shape: tuple[int, ...], stddev: float) -> np.ndarray[Any, Any]:
    return normal_truncated(rng, shape, np.dtype("float64"), 0.0, stddev)


# ---------------------------------------------------------------------- the table


def _identity(rng: np.random.Generator, shape: tuple[int, ...], _: float) -> np.ndarray[Any, Any]:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ArgumentError("The identity scheme makes square matrices.", given=f"shape {shape}")
    return np.eye(shape[0])


def _draws(distribution: str, mode: str, scale: float = 1.0) -> Scheme:
    """A scheme whose scale is part of its name."""
    make = _scaled(distribution, mode, scale)
    return Scheme(lambda rng, shape, _: make(rng, shape, 1.0))


SCHEMES: Final[Mapping[str, Scheme]] = {
    "zeros": Scheme(lambda rng, shape, _: np.zeros(shape)),
    "ones": Scheme(lambda rng, shape, _: np.ones(shape)),
    "identity": Scheme(_identity),
    "constant": Scheme(lambda rng, shape, number: np.full(shape, number), 0.0),
    "truncated_normal": Scheme(_truncated, 0.05, "a standard deviation"),
    "normal": _draws("normal", "fan_in"),
    "uniform": _draws("uniform", "fan_in", 1 / 3),
    "xavier": _draws("normal", "fan_avg"),
    "xavier_normal": _draws("normal", "fan_avg"),
    "xavier_uniform": _draws("uniform", "fan_avg"),
    "xavier_fan_in": _draws("normal", "fan_in"),
    "glorot": _draws("uniform", "fan_avg"),
    "glorot_normal": _draws("normal", "fan_avg"),
    "glorot_uniform": _draws("uniform", "fan_avg"),
    "he": _draws("normal", "fan_in", 2),
    "he_normal": _draws("normal", "fan_in", 2),
    "he_uniform": _draws("uniform", "fan_in", 2),
    "relu": _draws("normal", "fan_in", 2),
    "relu_uniform": _draws("uniform", "fan_in", 2),
    "lecun": _draws("normal", "fan_in"),
    "lecun_normal": _draws("normal", "fan_in"),
    "lecun_uniform": _draws("uniform", "fan_in"),
    "sigmoid_uniform": _draws("uniform", "fan_avg", 16),
    "variance_scaling": Scheme(_scaled("truncated_normal", "fan_in"), 1.0, "a scale"),
    **{
        f"var_scaling_{distribution}_{mode}": Scheme(_scaled(distribution, mode), 1.0, "a scale")
        for distribution in ("normal", "uniform", "truncated_normal")
        for mode in MODES
    },
}
"""Init schemes by name.

Each that draws is a distribution of mean 0 whose variance is a scale divided by a fan, but for ``truncated_normal``:
that is a normal distribution of standard deviation 0.05, or what follows a colon, cut at two of these. ``xavier`` is
normal and ``glorot`` uniform, as DL4J and Keras have them. ``uniform`` lies within ``1 / sqrt(fan_in)``. Where
``var_scaling`` draws from a truncated normal distribution, the variance counts after the cut; ``variance_scaling`` is
the one that Keras has without settings.

References:
    - Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller, "Efficient BackProp", 1998: lecun.
    - X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010: glorot,
      xavier, sigmoid_uniform.
    - K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
      classification", 2015, arXiv:1502.01852: he and relu.
"""


# ---------------------------------------------------------------------- values


def initial_value(
    init: Any, shape: tuple[int, ...], dtype: np.dtype[Any], seed: int | None, name: str
) -> np.ndarray[Any, Any]:
    """The first value of a variable whose shape is given.

    Args:
        init: A scheme's name, perhaps with a number, a number that fills the array, or a function.
        shape: Its shape.
        dtype: Its dtype.
        seed: Seed of the draws.
        name: The variable's name, for errors.

    Raises:
        ArgumentError: For an unknown scheme, or one that does not fit the shape; if the function fails.
        ShapeError: If the function makes another shape.
        DTypeError: If the dtype cannot hold the numbers.
    """
    what = f"The initial value of {name!r}"
    if isinstance(init, int | float | complex | np.number | np.bool):
        number = converted(as_numbers(init), dtype, literal=True, what=what)
        return made_of(lambda: np.full(shape, number), shape)
    rng = np.random.default_rng(None if seed is None else as_seed(seed))
    if callable(init):
        return _by_function(init, rng, shape, dtype, what)
    make, number = _scheme(init)
    return made_of(lambda: converted(np.asarray(make(rng, shape, number)), dtype, literal=True, what=what), shape)


def as_seed(seed: Any) -> int:
    """A seed as a Python integer.

    Raises:
        ArgumentError: If it is no whole number, or a negative one.
    """
    return whole("seed", seed, least=0)


def _scheme(init: Any) -> tuple[_Make, float]:
    """The scheme of a name, and the number that follows it."""
    head, colon, text = init.partition(":") if isinstance(init, str) else (init, "", "")
    if not isinstance(head, str) or head not in SCHEMES:
        error = no_such(
            "init scheme",
            head,
            [name for name in SCHEMES if not name.startswith("var_scaling")],
            also="a number, an array, a function of shape, dtype and rng, a name with a number, as in 'constant:0.1' "
            "and 'truncated_normal:0.02', 'var_scaling_' with normal, uniform or truncated_normal and _fan_in, "
            "_fan_out or _fan_avg",
        )
        error.fix = did_you_mean(head, SCHEMES)
        raise error
    scheme = SCHEMES[head]
    if not colon:
        return scheme.make, scheme.number or 0.0
    if scheme.number is None:
        raise ArgumentError(f"The init scheme {head!r} takes no number.", given=shown(init), expected=repr(head))
    number = _number(text)
    if number is None or not math.isfinite(number) or (scheme.means and number <= 0):
        raise ArgumentError(
            f"After {head!r} stands {scheme.means + ' above 0' if scheme.means else 'a number'}.",
            given=shown(init),
            expected=f"such as '{head}:{scheme.number or 0.1}'",
        )
    return scheme.make, number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _by_function(
    function: Callable[..., Any],
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    what: str,
) -> np.ndarray[Any, Any]:
    """What a caller's own function makes, as an array that nobody else holds."""
    try:
        made = function(shape, dtype, rng)
    except SDGraphError:
        raise
    except Exception as e:
        raise ArgumentError(
            f"{what} was not made: the init function raised {type(e).__name__}: {shown(str(e))}.",
            given=shown(function),
            expected="a function that is called as init(shape, dtype, rng), rng being a numpy.random.Generator",
            fix="Such as init=lambda shape, dtype, rng: rng.normal(0.0, 0.1, shape).",
        ) from e
    return as_first_value(made, shape, dtype, what)


def as_first_value(made: Any, shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> np.ndarray[Any, Any]:
    """What somebody's own function made, as an array that nobody else holds.

    Raises:
        ShapeError: If it has another shape.
        DTypeError: If the dtype cannot hold it.
    """
    array = as_numbers(made, copy=True, what=what)
    if array.shape != shape:
        raise ShapeError(
            f"{what} has another shape than the variable.", given=shape_str(array.shape), expected=shape_str(shape)
        )
    return converted(array, dtype, literal=not hasattr(made, "dtype"), what=what)


def made_of(make: Callable[[], np.ndarray[Any, Any]], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """What ``make`` makes, if there is room for it."""
    try:
        return make()
    except (MemoryError, ValueError) as e:
        if isinstance(e, SDGraphError):
            raise
        raise ArgumentError("There is no room for an array of this shape.", given=shape_str(shape)) from e
