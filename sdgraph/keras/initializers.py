"""Keras' initializers: what weights are before training.

An initializer is called as ``init(shape, dtype=None, rng=None)`` and gives a numpy array. ``rng`` is a
`numpy.random.Generator`; a seed of the initializer's own wins over it. Without either, draws are those that
`sdgraph.keras.utils.set_random_seed` seeds. The numbers are those of numpy's generators, so with the same seed they
are not Keras', whose distributions they have.

Example:
    >>> from sdgraph.keras import initializers
    >>> initializers.Constant(0.5)((2,))
    array([0.5, 0.5], dtype=float32)
    >>> initializers.get("glorot_uniform")
    GlorotUniform(seed=None, input_axes=None, output_axes=None)
"""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.distributions import CONTINUOUS, check_interval, check_spread
from sdgraph.build.initializers import MODES, as_first_value, as_seed, fans, made_of, spread
from sdgraph.checks import finite, is_whole, one_of, positive
from sdgraph.errors import ArgumentError, ArgumentTypeError, NotDefinedError, SDGraphError, ShapeError, shown
from sdgraph.infer.arrays import as_numbers, converted
from sdgraph.infer.aval import as_dtype, as_shape, shape_str
from sdgraph.keras.catalogue import Catalogue, Custom, Described
from sdgraph.keras.config import floatx
from sdgraph.keras.seeds import default_seed

Array: TypeAlias = "np.ndarray[Any, Any]"
Rng: TypeAlias = "np.random.Generator"  # In quotes: numpy loads it when it is first used.
_DOUBLE = np.dtype("float64")


class Initializer(Described):
    """Base class of initializers. Subclass it and write ``__call__(shape, dtype=None)``.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import initializers
        >>> class Ramp(initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return np.linspace(0, 1, shape[0], dtype=dtype)
        >>> initializers.values(Ramp(), (3,))
        array([0. , 0.5, 1. ], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None, rng: Rng | None = None) -> Array:
        """A weight's first value; a subclass writes it.

        Args:
            shape: Its shape.
            dtype: Its dtype; that of `sdgraph.keras.config.floatx` by default.
            rng: Where numbers are drawn from; a subclass may leave this argument out.
        """
        raise NotDefinedError(
            f"{type(self).__name__} has no method __call__(shape, dtype=None).",
            fix="Write it in your subclass of Initializer: it returns an array of that shape.",
        )

    def clone(self) -> Any:
        """Another initializer with the same settings."""
        return type(self).from_config(self.get_config())


class _Filling(Initializer):
    """What makes numbers in float64, which become those of the dtype."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, rng: Rng | None = None) -> Array:
        """A weight's first value.

        Args:
            shape: Its shape.
            dtype: Its dtype; that of `sdgraph.keras.config.floatx` by default.
            rng: Where numbers are drawn from.

        Raises:
            ShapeError: If the initializer does not make such a shape.
            DTypeError: If the dtype cannot hold the numbers.
        """
        found, kind = _sizes(shape), _kind(dtype)
        what = f"The initial value by {self!r}"
        return made_of(lambda: converted(self._fill(found, self._rng(rng)), kind, literal=True, what=what), found)

    @abstractmethod
    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        """The numbers."""

    def _rng(self, rng: Any) -> Any:
        """Where numbers are drawn from; nothing is drawn here."""
        return None


def _sizes(shape: Any) -> tuple[int, ...]:
    found = as_shape(shape)
    sizes = tuple(d for d in found if isinstance(d, int))
    if len(sizes) < len(found):
        raise ShapeError("A weight has known sizes.", given=shape_str(found), expected="whole numbers, 0 or more")
    return sizes


def _kind(dtype: Any) -> np.dtype[Any]:
    return as_dtype(floatx() if dtype is None else dtype)


# ---------------------------------------------------------------------- without draws


class Zeros(_Filling):
    """Zeros."""

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        return np.zeros(shape)


class Ones(_Filling):
    """Ones."""

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        return np.ones(shape)


class Constant(_Filling):
    """One number everywhere.

    Args:
        value: The number; an array is broadcast to the shape.
    """

    def __init__(self, value: Any = 0.0) -> None:
        as_numbers(value, what="The value of Constant")
        self.value = value

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        value = as_numbers(self.value)
        try:
            return np.broadcast_to(value, shape).copy()
        except ValueError as e:
            raise ShapeError(
                "The value of Constant has another shape.", given=shape_str(value.shape), expected=shape_str(shape)
            ) from e


class _Given(Constant):
    """An array that is the value of a weight of its shape."""

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        given = np.shape(self.value)
        if given != shape:
            raise ShapeError(
                "An array as an initializer has the weight's shape.", given=shape_str(given), expected=shape_str(shape)
            )
        return super()._fill(shape, rng)


class Identity(_Filling):
    """``gain`` on the diagonal of a matrix, zeros beside it.

    Args:
        gain: What the diagonal holds.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = finite("gain", gain)

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        if len(shape) != 2:
            raise ShapeError("Identity makes matrices.", given=shape_str(shape), expected="two axes")
        return self.gain * np.eye(*shape)


# ---------------------------------------------------------------------- draws


class _Drawing(_Filling):
    """What draws numbers.

    Args:
        seed: A whole number: the same numbers at each call. A generator of seeds, such as
            `sdgraph.keras.random.SeedGenerator`: others at each call. None: those of ``rng``.
    """

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):  # A generator of seeds that was written down.
            inner = seed.get("config", {})
            seed = inner.get("seed") if isinstance(inner, dict) else seed
        if seed is not None and not callable(getattr(seed, "next", None)):
            as_seed(seed)
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        inner = getattr(self.seed, "get_config", None)
        if callable(inner):
            told = {"class_name": type(self.seed).__name__, "config": inner()}
            config["seed"] = {"module": "keras.random", **told, "registered_name": None}
        return config

    def _rng(self, rng: Any) -> Any:
        if self.seed is not None:
            if is_whole(self.seed):
                return np.random.default_rng(self.seed)
            return np.random.default_rng(np.asarray(self.seed.next()).ravel().tolist())
        if rng is None:
            return np.random.default_rng(default_seed())
        if not isinstance(rng, np.random.Generator):
            raise ArgumentTypeError("rng is a numpy.random.Generator.", given=shown(rng))
        return rng


class RandomNormal(_Drawing):
    """Normal numbers.

    Args:
        mean: Their mean.
        stddev: Their standard deviation.
        seed: A seed of its own.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        check_spread(mean, stddev)
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        return CONTINUOUS["normal"](rng, shape, _DOUBLE, self.mean, self.stddev)


class TruncatedNormal(RandomNormal):
    """Normal numbers within two standard deviations of the mean; others are drawn again.

    Args:
        mean: Their mean.
        stddev: The standard deviation before the cut.
        seed: A seed of its own.
    """

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        return CONTINUOUS["normal_truncated"](rng, shape, _DOUBLE, self.mean, self.stddev)


class RandomUniform(_Drawing):
    """Uniform numbers.

    Args:
        minval: The least number.
        maxval: What no number is above.
        seed: A seed of its own.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        check_interval(minval, maxval)
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        return CONTINUOUS["uniform"](rng, shape, _DOUBLE, self.minval, self.maxval)


_DISTRIBUTIONS = {"uniform": "uniform", "truncated_normal": "truncated_normal", "untruncated_normal": "normal"}


class VarianceScaling(_Drawing):
    """Numbers of mean 0 and variance ``scale / n``, where n is a number of inputs or outputs of the layer.

    A uniform distribution lies within ``sqrt(3 scale / n)``. A normal one is cut at two standard deviations, and the
    variance counts after the cut; ``"untruncated_normal"`` is not cut.

    Inputs and outputs are the last two sizes, times those before them, which are a convolution's window; of a vector
    both are its size.

    Args:
        scale: A factor of the variance.
        mode: ``"fan_in"`` for n inputs, ``"fan_out"`` for outputs, ``"fan_avg"`` for their mean; 1 at least.
        distribution: ``"truncated_normal"``, which is also called ``"normal"``, ``"untruncated_normal"`` or
            ``"uniform"``.
        seed: A seed of its own.
        input_axes: The axes whose sizes multiply to the number of inputs; they count if ``output_axes`` are given, too.
        output_axes: The same for outputs.

    Example:
        >>> from sdgraph.keras import initializers
        >>> weights = initializers.VarianceScaling(2.0, "fan_in", "uniform", seed=1)((600, 50))
        >>> bool(abs(weights).max() <= 0.1), round(float(weights.std()), 3)
        (True, 0.058)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        self.scale = positive("scale", scale)
        self.mode = one_of("mode", mode, MODES)
        lower = distribution.lower() if isinstance(distribution, str) else distribution
        known = "truncated_normal" if lower == "normal" else lower
        self.distribution = one_of("distribution", known, _DISTRIBUTIONS)
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def _fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        if self.input_axes is None or self.output_axes is None:
            return fans(shape)
        try:
            sizes = [math.prod(shape[k] for k in axes) for axes in (self.input_axes, self.output_axes)]
        except (IndexError, TypeError) as e:
            raise ShapeError(
                "A weight lacks an axis that the initializer reads.",
                given=shape_str(shape),
                expected=f"axes {shown(self.input_axes)} and {shown(self.output_axes)}",
            ) from e
        return float(sizes[0]), float(sizes[1])

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        n = max(1.0, MODES[self.mode](*self._fans(shape)))
        return spread(rng, shape, _DISTRIBUTIONS[self.distribution], self.scale, n)


class _Scaled(VarianceScaling):
    """Variance scaling with a scale, a mode and a distribution that the name says."""

    _how: tuple[float, str, str]

    def __init__(
        self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:
        super().__init__(*self._how, seed, input_axes, output_axes)


class GlorotUniform(_Scaled):
    """Uniform within ``sqrt(6 / (inputs + outputs))``, after Glorot and Bengio (2010)."""

    _how = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Normal, cut, of variance ``2 / (inputs + outputs)``, after Glorot and Bengio (2010)."""

    _how = (1.0, "fan_avg", "truncated_normal")


class LecunNormal(_Scaled):
    """Normal, cut, of variance ``1 / inputs``, after LeCun and others (1998)."""

    _how = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within ``sqrt(3 / inputs)``, after LeCun and others (1998)."""

    _how = (1.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Normal, cut, of variance ``2 / inputs``, after He and others (2015)."""

    _how = (2.0, "fan_in", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within ``sqrt(6 / inputs)``, after He and others (2015)."""

    _how = (2.0, "fan_in", "uniform")


class Orthogonal(_Drawing):
    """A matrix with orthonormal columns, or rows if these are fewer, times ``gain``; after Saxe and others (2014).

    Axes before the last count as one.

    Args:
        gain: A factor of the matrix.
        seed: A seed of its own.

    Example:
        >>> from sdgraph.keras import initializers
        >>> q = initializers.Orthogonal(seed=1)((3, 2), "float64")
        >>> bool(abs(q.T @ q - [[1, 0], [0, 1]]).max() < 1e-15)
        True
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = finite("gain", gain)
        super().__init__(seed)

    def _fill(self, shape: tuple[int, ...], rng: Any) -> Array:
        if len(shape) < 2:
            raise ShapeError("Orthogonal makes matrices and more.", given=shape_str(shape), expected="two axes or more")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        # With the signs of r's diagonal all orthogonal matrices are equally likely.
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q.T if rows < columns else q).reshape(shape)


# ---------------------------------------------------------------------- names

zeros = Zeros
ones = Ones
constant = Constant
identity = IdentityInitializer = Identity
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = OrthogonalInitializer = Orthogonal


def _older(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """TensorFlow's Keras wrote the dtype that an initializer made by default."""
    settings.pop("dtype", None)
    return settings


_CATALOGUE: Catalogue[Initializer] = Catalogue(
    "initializer",
    Initializer,
    (
        *(Zeros, Ones, Constant, Identity, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling),
        *(GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal),
    ),
    {
        "zero": Zeros,
        "one": Ones,
        "normal": RandomNormal,
        "uniform": RandomUniform,
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
    },
    _older,
)


def get(identifier: Any, custom_objects: Custom = None) -> Any:
    """The initializer that an identifier stands for.

    Args:
        identifier: A name, a configuration of Keras 1 to 3, a class, an initializer, a function of shape and dtype, an
            array that is the value itself, or None.
        custom_objects: Classes and functions of your own by name; they come first.

    Returns:
        An initializer or the function; None for None. `values` calls either.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.

    Example:
        >>> from sdgraph.keras import initializers
        >>> initializers.get("he_normal") == initializers.HeNormal()
        True
        >>> initializers.get({"class_name": "RandomNormal", "config": {"stddev": 0.1}}).stddev
        0.1
    """
    if isinstance(identifier, np.ndarray | np.generic):
        return _Given(np.array(identifier))
    return _CATALOGUE.get(identifier, custom_objects)


def serialize(initializer: Any) -> Any:
    """An initializer as plain data, in Keras 3's format; a function by its name.

    Raises:
        ArgumentTypeError: For a lambda, and for an array.
    """
    if isinstance(initializer, _Given):
        raise ArgumentTypeError(
            "An array as an initializer cannot be written down.", given=repr(initializer), fix="Use Constant(array)."
        )
    return _CATALOGUE.serialize(initializer)


def deserialize(config: Any, custom_objects: Custom = None) -> Any:
    """The initializer that plain data describe, in the formats of Keras 1 to 3.

    Args:
        config: A name, or a dict with "class_name" and "config".
        custom_objects: Classes and functions of your own by name; they come first.

    Raises:
        ArgumentError: For an unknown name, an unknown setting, a lambda, or data that describe none.
    """
    return _CATALOGUE.deserialize(config, custom_objects)


def values(init: Any, shape: Sequence[int], dtype: Any = None, rng: Rng | None = None) -> Array:
    """The value that an initializer gives a weight: the one place where any initializer is called.

    Args:
        init: What `get` takes. A function or a subclass's ``__call__`` may leave out ``rng``, and ``dtype``.
        shape: The weight's shape.
        dtype: Its dtype; that of `sdgraph.keras.config.floatx` by default.
        rng: Where numbers are drawn from.

    Returns:
        An array of that shape and dtype, which nobody else holds.

    Raises:
        ArgumentError: If there is no initializer, or it fails.
        ShapeError: If it makes another shape.
        DTypeError: If the dtype cannot hold the numbers.

    Example:
        >>> import numpy as np
        >>> from sdgraph.keras import initializers
        >>> initializers.values(lambda shape, dtype: np.full(shape, 3, dtype), (2,), "float64")
        array([3., 3.])
    """
    found, sizes, kind = get(init), _sizes(shape), _kind(dtype)
    if found is None:
        raise ArgumentError("There is no initializer.", given="None")
    if isinstance(found, _Filling):
        return found(sizes, kind, rng)
    given: dict[str, Any] = {"dtype": kind.name, "rng": rng}
    try:
        made = found(sizes, **_taken(found, given))
    except SDGraphError:
        raise
    except Exception as e:
        raise ArgumentError(
            f"An initializer raised {type(e).__name__}: {shown(str(e))}.",
            given=shown(found),
            expected="what is called as init(shape, dtype=None), and may also take rng, a numpy.random.Generator",
        ) from e
    return as_first_value(made, sizes, kind, f"The initial value by {shown(found)}")


def _taken(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The keywords that a function takes."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {"dtype": given["dtype"]}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return given
    return {name: value for name, value in given.items() if name in parameters}


__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "values",
    "variance_scaling",
    "zeros",
]

for _name in __all__:
    readable(globals()[_name])
