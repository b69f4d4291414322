"""Distributions: how each is drawn from a generator of numpy's, and what its parameters may be.

Must not know graphs, nor where a generator comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sdgraph.checks import between, finite, not_negative, whole
from sdgraph.errors import ArgumentError

CUT: Final = 2.0
"""A truncated normal number lies within so many standard deviations; others are drawn again."""

LEFT_BY_CUT: Final = math.sqrt(
    1.0 - 2.0 * CUT * math.exp(-(CUT**2) / 2.0) / math.sqrt(2.0 * math.pi) / math.erf(CUT / math.sqrt(2.0))
)
"""The standard deviation of a truncated normal number as a share of what it was before: 0.8796."""


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, low: float, high: float) -> Any:
    values = low + (high - low) * rng.random(shape, dtype)
    # The product may round up to the excluded end.
    return np.minimum(values, np.nextafter(dtype.type(high), dtype.type(low)))


def _normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, mean: float, stddev: float) -> Any:
    return mean + stddev * rng.standard_normal(shape, dtype)


def _log_normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, mean: float, stddev: float) -> Any:
    return np.exp(_normal(rng, shape, dtype, mean, stddev))


def normal_truncated(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, mean: float, stddev: float
) -> np.ndarray[Any, Any]:
    """Normal numbers within `CUT` standard deviations of the mean; ``stddev`` is that before the cut."""
    values = rng.standard_normal(math.prod(shape), dtype)
    outside = np.flatnonzero(np.abs(values) > CUT)
    while outside.size:
        values[outside] = rng.standard_normal(outside.size, dtype)
        outside = outside[np.abs(values[outside]) > CUT]
    return mean + stddev * values.reshape(shape)


def _exponential(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, rate: float) -> Any:
    return rng.standard_exponential(shape, dtype) / dtype.type(rate)


def _bernoulli(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, p: float) -> Any:
    return rng.random(shape) < p


def _binomial(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, n_trials: int, p: float) -> Any:
    return rng.binomial(n_trials, p, shape)


CONTINUOUS: Final[dict[str, Callable[..., Any]]] = {
    "uniform": _uniform,
    "normal": _normal,
    "log_normal": _log_normal,
    "normal_truncated": normal_truncated,
    "exponential": _exponential,
}
DISCRETE: Final[dict[str, Callable[..., Any]]] = {"bernoulli": _bernoulli, "binomial": _binomial}


# ---------------------------------------------------------------------- parameters


def check_interval(low: float, high: float) -> None:
    """Raise ArgumentError unless a uniform number can lie between the two."""
    finite("min", low)
    finite("max", high)
    if low > high:
        raise ArgumentError("The interval is empty.", given=f"min={low!r}, max={high!r}")


def check_spread(mean: float, stddev: float) -> None:
    """Raise ArgumentError for what are no mean and standard deviation."""
    finite("mean", mean)
    not_negative("stddev", finite("stddev", stddev), "A standard deviation is not negative.")


def check_probability(p: float) -> None:
    """Raise ArgumentError for what is no probability."""
    between("p", p, 0, 1, ends=True, message="A probability lies between 0 and 1.")


def check_trials(n_trials: int, p: float) -> None:
    """Raise ArgumentError for what are no number of trials and no probability."""
    check_probability(p)
    whole("n_trials", n_trials, least=0)
