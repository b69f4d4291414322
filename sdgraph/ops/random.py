"""Random numbers: ``sd.random``.

Every draw is a function of (seed, step, node, shape, dtype): it does not depend on what ran before, on the order in
which nodes run, or on the number of threads. Must not know where seed and step come from: the engine passes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.distributions import (
    CONTINUOUS,
    DISCRETE,
    check_interval,
    check_probability,
    check_spread,
    check_trials,
)
from sdgraph.build.docstrings import Meaning
from sdgraph.build.op import ZERO_GRADIENT
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of, positive, whole
from sdgraph.errors import ArgumentError, DTypeError
from sdgraph.infer.aval import Aval, Dim, as_shape, shape_str
from sdgraph.ops.random_like import SDRandomLike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- the generator


def generator(seed: int, stream: tuple[int, ...], step: int) -> np.random.Generator:
    """The generator of one node at one step.

    Philox is a counter-based generator: its key is made of seed and node, and each step starts at a counter of its own,
    2**128 blocks away from the next one.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=stream)
    return np.random.Generator(np.random.Philox(sequence, counter=int(step) << 128))


def _draw(
    xp: Any,
    like: Any,
    step: Any,
    *,
    distribution: str,
    parameters: tuple[float, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    seed: int,
    stream: tuple[int, ...],
) -> Any:
    rng = generator(seed, stream, step)
    size = as_shape(shape) if like is None else like.shape
    if distribution in DISCRETE:
        return xp.asarray(DISCRETE[distribution](rng, size, dtype, *parameters)).astype(dtype)
    # numpy draws single and double precision only.
    drawn = dtype if dtype.itemsize >= 4 else np.dtype("float32")
    return xp.asarray(CONTINUOUS[distribution](rng, size, drawn, *parameters)).astype(dtype)


# ---------------------------------------------------------------------- rules


def _infer_draw(
    like: Aval | None,
    *,
    distribution: str,
    parameters: tuple[float, ...],
    shape: Any,
    dtype: np.dtype[Any],
    seed: int | None,
) -> Aval:
    if seed is not None:
        whole("seed", seed, least=0)
    one_of("distribution", distribution, [*CONTINUOUS, *DISCRETE])
    if distribution not in DISCRETE and (dtype.kind != "f" or dtype.itemsize > 8):
        raise DTypeError(f"{distribution} makes floating numbers.", given=dtype.name, expected="float16 to float64")
    if like is not None:
        return Aval(like.shape, dtype)
    size = as_shape(shape)
    if not all(type(d) is int for d in size):
        raise ArgumentError(
            "Random numbers need a known shape.",
            given=shape_str(size),
            fix=f"Give every size, or a variable that has this shape: sd.random.{distribution}_like(x).",
        )
    return Aval(size, dtype)


_SHARED = {
    "shape": "The shape of the result.",
    "dtype": "A floating dtype; None for the graph's.",
    "seed": Meaning(
        "Seed of this draw; None for the graph's. Another ``step=`` of an evaluation gives other draws.",
        "ArgumentError: If the seed is negative or a size is unknown.",
    ),
}


class SDRandom(SDRandomLike, prefix="random", shared=_SHARED):
    """Random numbers (``sd.random``), of a shape that is given and, as ``..._like``, of that of a variable.

    The same graph, seed and step give the same numbers, whatever else is evaluated with them. Two nodes draw different
    numbers, unless both are given the same ``seed`` and hold the same place in equal graphs. ``seed=None`` means the
    graph's seed. Distribution parameters are Python numbers; no gradient flows into a draw.
    """

    @primitive(infer=_infer_draw, kernel=_draw, vjp=ZERO_GRADIENT, is_random=True)
    def draw(
        self,
        like: Operand | None = None,
        distribution: str = "uniform",
        parameters: tuple[float, ...] = (0.0, 1.0),
        shape: Sequence[Dim] = (),
        dtype: DTypeLike = "float32",
        seed: int | None = None,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Numbers of a distribution; what every other op of this namespace is made of.

        Args:
            like: Lends its shape to the result, in place of ``shape``.
            distribution: Name of the distribution.
            parameters: Its parameters, in the order of the op of that name.
            dtype: The dtype of the result.

        Returns:
            ``shape`` (or the shape of ``like``), ``dtype``. The gradient is zero.

        Raises:
            DTypeError: If a continuous distribution is asked for other than floating numbers.

        References:
            J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011,
            doi:10.1145/2063384.2063405: the generator, Philox.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.random.draw(None, "normal", (0.0, 1.0), (2, 3)).shape
            (2, 3)
        """
        ...

    @composite
    def uniform(
        self,
        min: float = 0.0,
        max: float = 1.0,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Uniform numbers in the half-open interval from ``min`` to ``max``.

        Args:
            min: Smallest value.
            max: Upper end, excluded.

        Returns:
            ``shape``, ``dtype``.

        Raises:
            ArgumentError: If ``min`` is above ``max``, the seed is negative or a size is unknown.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> u = sd.random.uniform(2.0, 3.0, shape=(100,), seed=7).eval()
            >>> bool((u >= 2).all() and (u < 3).all())
            True
        """
        check_interval(min, max)
        return self.draw(None, "uniform", (min, max), shape, dtype or self.sd.dtype, seed)

    @composite
    def normal(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Normal (Gaussian) numbers.

        Args:
            mean: Mean of the distribution.
            stddev: Standard deviation, 0 or more.

        Returns:
            ``shape``, ``dtype``.

        Raises:
            ArgumentError: If ``stddev`` is negative, the seed is negative or a size is unknown.
            DTypeError: If the dtype is not a floating one.

        References:
            G. Marsaglia, W. W. Tsang, "The ziggurat method for generating random variables", Journal of Statistical
            Software 5, 2000, doi:10.18637/jss.v005.i08.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.random.normal(10.0, 2.0, shape=(10000,), seed=1).eval()
            >>> bool(abs(x.mean() - 10) < 0.1), bool(abs(x.std() - 2) < 0.1)
            (True, True)
        """
        check_spread(mean, stddev)
        return self.draw(None, "normal", (mean, stddev), shape, dtype or self.sd.dtype, seed)

    @composite
    def normal_truncated(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Normal numbers no more than two standard deviations from the mean; others are drawn again.

        Args:
            mean: Mean of the distribution.
            stddev: Standard deviation before truncation, 0 or more.

        Returns:
            ``shape``, ``dtype``.

        Raises:
            ArgumentError: If ``stddev`` is negative, the seed is negative or a size is unknown.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.random.normal_truncated(shape=(1000,), seed=1).eval()
            >>> bool((abs(x) <= 2).all())
            True
        """
        check_spread(mean, stddev)
        return self.draw(None, "normal_truncated", (mean, stddev), shape, dtype or self.sd.dtype, seed)

    @composite
    def log_normal(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Numbers whose logarithm is normal.

        Args:
            mean: Mean of the logarithm.
            stddev: Standard deviation of the logarithm, 0 or more.

        Returns:
            ``shape``, ``dtype``, positive values.

        Raises:
            ArgumentError: If ``stddev`` is negative, the seed is negative or a size is unknown.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> bool((sd.random.log_normal(shape=(100,), seed=1).eval() > 0).all())
            True
        """
        check_spread(mean, stddev)
        return self.draw(None, "log_normal", (mean, stddev), shape, dtype or self.sd.dtype, seed)

    @composite
    def exponential(
        self,
        rate: float = 1.0,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Exponential numbers with density ``rate * exp(-rate * x)`` for ``x >= 0``.

        Args:
            rate: The parameter that SameDiff calls lambda, above 0; the mean is its reciprocal.

        Returns:
            ``shape``, ``dtype``.

        Raises:
            ArgumentError: If ``rate`` is not positive, the seed is negative or a size is unknown.
            DTypeError: If the dtype is not a floating one.

        References:
            G. Marsaglia, W. W. Tsang, "The ziggurat method for generating random variables", Journal of Statistical
            Software 5, 2000, doi:10.18637/jss.v005.i08.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.random.exponential(4.0, shape=(10000,), seed=1).eval()
            >>> bool(abs(x.mean() - 0.25) < 0.02)
            True
        """
        positive("rate", rate)
        return self.draw(None, "exponential", (rate,), shape, dtype or self.sd.dtype, seed)

    @composite
    def bernoulli(
        self,
        p: float = 0.5,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """1 with probability ``p``, else 0.

        Args:
            p: Probability of a 1.
            dtype: Any dtype; None for the graph's.

        Returns:
            ``shape``, ``dtype``.

        Raises:
            ArgumentError: If ``p`` is not a probability, the seed is negative or a size is unknown.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.random.bernoulli(1.0, shape=(3,)).eval()
            array([1., 1., 1.])
        """
        check_probability(p)
        return self.draw(None, "bernoulli", (p,), shape, dtype or self.sd.dtype, seed)

    @composite
    def binomial(
        self,
        n_trials: int,
        p: float = 0.5,
        shape: Sequence[int] = (),
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """How many of ``n_trials`` independent trials succeed, each with probability ``p``.

        Args:
            n_trials: Number of trials, 0 or more.
            p: Probability of success.
            dtype: Any dtype; None for the graph's.

        Returns:
            ``shape``, ``dtype``.

        Raises:
            ArgumentError: If ``p`` is not a probability, ``n_trials`` is not a whole number of 0 or more, the seed is
                negative or a size is unknown.

        References:
            V. Kachitvichyanukul, B. W. Schmeiser, "Binomial random variate generation", Communications of the ACM 31,
            1988, doi:10.1145/42372.42381.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.random.binomial(5, 1.0, shape=(2,)).eval()
            array([5., 5.])
        """
        check_trials(n_trials, p)
        return self.draw(None, "binomial", (n_trials, p), shape, dtype or self.sd.dtype, seed)
