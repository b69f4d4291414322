"""Random numbers in the shape of a variable, whose sizes may be unknown: ``sd.random.normal_like(x)``.

Each distribution has one op here, named after that with a shape. Must not know how numbers are drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdgraph.build.decorators import composite
from sdgraph.build.distributions import check_interval, check_probability, check_spread, check_trials
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import positive

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand

_SHARED = {
    "x": "Lends its shape to the result; its values do not matter.",
    "dtype": "The dtype of the result; without it that of ``x`` if it is floating, else the graph's.",
    "seed": Meaning(
        "Seed of this draw; None for the graph's. Another ``step=`` of an evaluation gives other draws.",
        "ArgumentError: If the seed is negative.",
    ),
}


class SDRandomLike(Namespace, prefix="random", shared=_SHARED):
    """Random numbers in the shape of a variable."""

    def _draw_like(
        self, x: Any, distribution: str, parameters: tuple[float, ...], dtype: Any, seed: int | None
    ) -> SDVariable:
        v = self.sd.as_variable(x)
        chosen = dtype or (v.dtype if v.dtype.kind == "f" else self.sd.dtype)
        return self.sd.random.draw(v, distribution, parameters, (), chosen, seed)

    @composite
    def uniform_like(
        self,
        x: Operand,
        min: float = 0.0,
        max: float = 1.0,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Uniform numbers in the half-open interval from ``min`` to ``max``, in the shape of ``x``.

        Args:
            min: Smallest value.
            max: Upper end, excluded.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``min`` is above ``max``, or the seed is negative.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> u = sd.random.uniform_like(x, 2.0, 3.0).eval({"x": [[1, 2, 3], [4, 5, 6]]})
            >>> u.shape, bool((u >= 2).all() and (u < 3).all())
            ((2, 3), True)
        """
        check_interval(min, max)
        return self._draw_like(x, "uniform", (min, max), dtype, seed)

    @composite
    def normal_like(
        self,
        x: Operand,
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Normal (Gaussian) numbers in the shape of ``x``, such as the noise of a variational autoencoder.

        Args:
            mean: Mean of the distribution.
            stddev: Standard deviation, 0 or more.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``stddev`` is negative, or the seed is negative.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> noisy = x + sd.random.normal_like(x, stddev=0.1)
            >>> noisy.eval({"x": [[1, 2, 3], [4, 5, 6]]}).round().tolist()
            [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        """
        check_spread(mean, stddev)
        return self._draw_like(x, "normal", (mean, stddev), dtype, seed)

    @composite
    def normal_truncated_like(
        self,
        x: Operand,
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Normal numbers no more than two standard deviations from the mean, in the shape of ``x``.

        Args:
            mean: Mean of the distribution.
            stddev: Standard deviation before truncation, 0 or more.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``stddev`` is negative, or the seed is negative.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> z = sd.random.normal_truncated_like(x).eval({"x": [[0, 0, 0]] * 100})
            >>> z.shape, bool((abs(z) <= 2).all())
            ((100, 3), True)
        """
        check_spread(mean, stddev)
        return self._draw_like(x, "normal_truncated", (mean, stddev), dtype, seed)

    @composite
    def log_normal_like(
        self,
        x: Operand,
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Numbers whose logarithm is normal, in the shape of ``x``.

        Args:
            mean: Mean of the logarithm.
            stddev: Standard deviation of the logarithm, 0 or more.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``stddev`` is negative, or the seed is negative.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> bool((sd.random.log_normal_like(x).eval({"x": [[0, 0, 0]]}) > 0).all())
            True
        """
        check_spread(mean, stddev)
        return self._draw_like(x, "log_normal", (mean, stddev), dtype, seed)

    @composite
    def exponential_like(
        self,
        x: Operand,
        rate: float = 1.0,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Exponential numbers with density ``rate * exp(-rate * x)`` for ``x >= 0``, in the shape of the operand.

        Args:
            rate: The parameter that SameDiff calls lambda, above 0; the mean is its reciprocal.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``rate`` is not positive, or the seed is negative.
            DTypeError: If the dtype is not a floating one.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> bool((sd.random.exponential_like(x, 4.0).eval({"x": [[0, 0, 0]]}) >= 0).all())
            True
        """
        positive("rate", rate)
        return self._draw_like(x, "exponential", (rate,), dtype, seed)

    @composite
    def bernoulli_like(
        self,
        x: Operand,
        p: float = 0.5,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """1 with probability ``p``, else 0, in the shape of ``x``: a random mask.

        Args:
            p: Probability of a 1.
            dtype: Any dtype; without it that of ``x`` if it is floating, else the graph's.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``p`` is not a probability, or the seed is negative.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> sd.random.bernoulli_like(x, 1.0).eval({"x": [[0, 0, 0]]})
            array([[1., 1., 1.]])
        """
        check_probability(p)
        return self._draw_like(x, "bernoulli", (p,), dtype, seed)

    @composite
    def binomial_like(
        self,
        x: Operand,
        n_trials: int,
        p: float = 0.5,
        dtype: DTypeLike | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """How many of ``n_trials`` independent trials succeed, each with probability ``p``, in the shape of ``x``.

        Args:
            n_trials: Number of trials, 0 or more.
            p: Probability of success.
            dtype: Any dtype; without it that of ``x`` if it is floating, else the graph's.

        Returns:
            The shape of ``x``, ``dtype``. The gradient is zero.

        Raises:
            ArgumentError: If ``p`` is not a probability, ``n_trials`` is not a whole number of 0 or more, or the seed
                is negative.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> sd.random.binomial_like(x, 5, 1.0).eval({"x": [[0, 0, 0]]})
            array([[5., 5., 5.]])
        """
        check_trials(n_trials, p)
        return self._draw_like(x, "binomial", (n_trials, p), dtype, seed)
