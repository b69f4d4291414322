"""Keras' random numbers, for arrays and for graphs: ``keras.random.normal(ops.shape(z))``.

A shape of numbers alone gives an array, drawn once. The shape of a variable (`sdgraph.keras.ops.shape`), or one with an
unknown size in it, gives a variable of its graph, which is drawn anew at every step. Numbers are not those that Keras
draws; distributions are. The same seed draws the same again.

Example:
    >>> from sdgraph import SameDiff
    >>> from sdgraph.keras import ops, random
    >>> random.normal((2, 3), seed=1).shape
    (2, 3)
    >>> z = SameDiff().placeholder("z", (None, 2))
    >>> (z + random.normal(ops.shape(z))).shape
    (None, 2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sdgraph.build.distributions import CONTINUOUS, DISCRETE, check_interval, check_spread, check_trials
from sdgraph.build.initializers import as_seed
from sdgraph.build.spelling.lacking import of_module
from sdgraph.build.variable import SDVariable
from sdgraph.checks import between, whole
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import as_dtype
from sdgraph.keras.config import floatx
from sdgraph.keras.ops.axes import one_axis
from sdgraph.keras.ops.core import convert_to_tensor
from sdgraph.keras.ops.sizes import Shape, Size, Sizes, blank, entries, shape_of
from sdgraph.keras.seeds import default_seed

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class SeedGenerator:
    """Gives another seed at every draw; the same ones again from the same seed.

    Args:
        seed: A whole number, 0 or more; None for one that nobody chose.
        name: Its name.

    Raises:
        ArgumentError: If ``seed`` is none.

    Example:
        >>> a, b = SeedGenerator(3), SeedGenerator(3)
        >>> bool((normal((2,), seed=a) == normal((2,), seed=b)).all())
        True
        >>> bool((normal((2,), seed=a) == normal((2,), seed=a)).any())
        False
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.seed = default_seed() % 2**32 if seed is None else as_seed(seed)
        self.name = "seed_generator" if name is None else name
        self.state = np.array([self.seed % 2**32, self.seed >> 32 & 0xFFFFFFFF], "uint32")

    def next(self, ordered: bool = True) -> np.ndarray[Any, Any]:
        """The seed of the next draw: two numbers."""
        now = self.state.copy()
        self.state[1] += np.uint32(1)
        return now

    def get_config(self) -> dict[str, Any]:
        """What it is made of."""
        return {"seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """One that begins anew."""
        return cls(**config)


Seed: TypeAlias = int | SeedGenerator | None


def _entropy(seed: Seed) -> int:
    """The seed of one draw."""
    if seed is None:
        return default_seed()
    if isinstance(seed, SeedGenerator):
        high, low = (int(k) for k in seed.next())
        return high << 32 | low
    return as_seed(seed)


def _like(shape: Shape) -> SDVariable | None:
    """A variable of a shape, if that is the shape of a variable or has unknown sizes."""
    if isinstance(shape, Sizes):
        return shape.x
    sizes = entries(shape)
    return blank(sizes, None) if any(isinstance(d, Size) for d in sizes) else None


def _drawn(shape: Shape, distribution: str, parameters: tuple[float, ...], dtype: DTypeLike | None, seed: Seed) -> Any:
    """Numbers of a distribution: a variable for a shape that belongs to a graph, else an array."""
    like = _like(shape)
    if like is not None:
        return _in_graph(like, distribution, parameters, dtype, seed)
    chosen = as_dtype(dtype or floatx())
    # Numpy draws in single and in double precision.
    wide = np.dtype(np.float32) if chosen.itemsize < 4 or chosen.kind != "f" else chosen
    draw = {**CONTINUOUS, **DISCRETE}[distribution]
    return draw(np.random.default_rng(_entropy(seed)), entries(shape), wide, *parameters).astype(chosen)


def _in_graph(
    like: SDVariable, distribution: str, parameters: tuple[float, ...], dtype: DTypeLike | None, seed: Seed
) -> SDVariable:
    # Without a seed a node draws from its graph's.
    own = None if seed is None else _entropy(seed)
    return like.sd.random.draw(like, distribution, parameters, (), dtype or like.sd.dtype, own)


def normal(
    shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike | None = None, seed: Seed = None
) -> Any:
    """Normal numbers.

    Args:
        shape: Sizes, or the shape of a variable.
        mean: Their mean.
        stddev: Their standard deviation.
        dtype: Of the result; None for the usual floating one.
        seed: A whole number, a `SeedGenerator`, or None for another draw at each call.

    Raises:
        ArgumentError: If ``stddev`` is negative.
    """
    check_spread(mean, stddev)
    return _drawn(shape, "normal", (float(mean), float(stddev)), dtype, seed)


def truncated_normal(
    shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike | None = None, seed: Seed = None
) -> Any:
    """Normal numbers, drawn again where they are more than two standard deviations from the mean. Else as `normal`."""
    check_spread(mean, stddev)
    return _drawn(shape, "normal_truncated", (float(mean), float(stddev)), dtype, seed)


def uniform(
    shape: Shape, minval: float = 0.0, maxval: float = 1.0, dtype: DTypeLike | None = None, seed: Seed = None
) -> Any:
    """Uniform numbers from ``minval`` up to ``maxval``, which is excluded; of an integer dtype as `randint`.

    Raises:
        ArgumentError: If the interval is empty.
    """
    if dtype is not None and as_dtype(dtype).kind in "iu":
        return randint(shape, int(minval), int(maxval), dtype, seed)
    check_interval(minval, maxval)
    return _drawn(shape, "uniform", (float(minval), float(maxval)), dtype, seed)


def randint(shape: Shape, minval: int, maxval: int, dtype: DTypeLike = "int32", seed: Seed = None) -> Any:
    """Whole numbers from ``minval`` up to ``maxval``, which is excluded, all equally likely.

    Raises:
        ArgumentError: If there is no number between them.
    """
    low, high = whole("minval", minval), whole("maxval", maxval)
    if low >= high:
        raise ArgumentError("No whole number lies between them.", given=f"minval={low}, maxval={high}")
    like = _like(shape)
    if like is None:
        return np.random.default_rng(_entropy(seed)).integers(low, high, entries(shape)).astype(as_dtype(dtype))
    drawn = _in_graph(like, "uniform", (float(low), float(high)), "float64", seed)
    return like.sd.cast_to(like.sd.math.floor(drawn), dtype)


def binomial(shape: Shape, counts: int, probabilities: float, dtype: DTypeLike | None = None, seed: Seed = None) -> Any:
    """How many of ``counts`` trials succeed, each with the same probability; with one trial a Bernoulli number.

    Raises:
        ArgumentError: If the probability does not lie between 0 and 1, or the number of trials is negative.
    """
    check_trials(counts, probabilities)
    return _drawn(shape, "binomial", (int(counts), float(probabilities)), dtype, seed)


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None) -> Any:
    """``inputs`` with a share of the entries set to 0 and the others divided by what is left of 1.

    Args:
        inputs: A variable or an array.
        rate: The share that is dropped.
        noise_shape: The shape of what is drawn, which is broadcast; None in it for a size of the inputs.
        seed: As in `normal`.

    Raises:
        ArgumentError: If ``rate`` is no number from 0 up to 1, 1 excluded.
    """
    rate = between("rate", rate, 0, 1, ends=True)
    if rate == 1:
        raise ArgumentError("rate is below 1: something must be left.", given="rate=1")
    x = convert_to_tensor(inputs)
    sizes = shape_of(x) if isinstance(x, SDVariable) else x.shape
    if noise_shape is not None:
        if len(noise_shape) != len(sizes):
            raise ShapeError("noise_shape has a size for each axis.", given=shown(noise_shape), expected=shown(sizes))
        sizes = tuple(own if d is None else d for d, own in zip(noise_shape, sizes, strict=True))
    if isinstance(x, SDVariable):
        like = _like(sizes)
        like = x.sd.fill(entries(sizes), 0) if like is None else like
        kept = _in_graph(like, "bernoulli", (1 - rate,), "bool", seed)
        return x.sd.where(kept, x / (1 - rate), 0)
    kept = np.random.default_rng(_entropy(seed)).random(entries(sizes)) < 1 - rate
    return np.where(kept, x / x.dtype.type(1 - rate), x.dtype.type(0))


def categorical(logits: Any, num_samples: int, dtype: DTypeLike = "int32", seed: Seed = None) -> Any:
    """Classes, drawn for each row with probabilities ``softmax(logits)``.

    Args:
        logits: Shape ``(batch, classes)``.
        num_samples: How many are drawn for each row.
        dtype: Of the result.
        seed: As in `normal`.

    Raises:
        ShapeError: If ``logits`` has not two axes.
    """
    x, count = convert_to_tensor(logits), whole("num_samples", num_samples, least=0)
    if x.ndim != 2:
        raise ShapeError("logits has the shape (batch, classes).", given=str(x.shape))
    # The largest of the logits, each with a number of Gumbel's distribution added.
    if isinstance(x, SDVariable):
        sd, m = x.sd, x.sd.math
        many = sd.tile(sd.expand_dims(x, 1), (1, count, 1))
        waits = _in_graph(many, "exponential", (1.0,), x.dtype, seed)
        return sd.cast_to(sd.argmax(many - m.log(waits), -1), dtype)
    waits = np.random.default_rng(_entropy(seed)).standard_exponential((x.shape[0], count, x.shape[1]))
    return np.argmax(x[:, None] - np.log(waits), -1).astype(as_dtype(dtype))


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Any:
    """``x`` with its entries along an axis in another order, each order as likely as any other."""
    x = convert_to_tensor(x)
    axis = one_axis(axis, x.ndim)
    if not isinstance(x, SDVariable):
        return np.random.default_rng(_entropy(seed)).permutation(x, axis)
    size = shape_of(x)[axis]
    like = size.zeros("float64") if isinstance(size, Size) else x.sd.fill(size, 0, "float64")
    return x.sd.gather(x, x.sd.argsort(_in_graph(like, "uniform", (0.0, 1.0), "float64", seed)), axis)


__all__ = [
    "SeedGenerator",
    "binomial",
    "categorical",
    "dropout",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise of_module("sdgraph.keras.random", name, __all__)
