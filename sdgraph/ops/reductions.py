"""Ops that reduce axes: sums, means, extremes, norms and spreads.

Knows how a reduced cotangent gets back to the shape it came from. Must not know losses or namespaces' callers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE, ZERO_GRADIENT, Linear
from sdgraph.build.reading import POWER, Reading, form
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, DTypeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, normalize_axis
from sdgraph.ops import written
from sdgraph.ops.precision import cast_to, wide
from sdgraph.ops.running import merged

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Axis, Operand


# ---------------------------------------------------------------------- shape rules


def _extreme(x: Aval, *, axis: Any, keepdims: bool) -> Aval:
    """Reduced shape, same dtype; there must be something to choose from.

    Returns:
        The shape without the reduced axes, the same dtype.

    Raises:
        ArgumentError: If there is no such axis, one is named twice, or there is no element to choose from.
    """
    out = shapes.reduction(x, axis=axis, keepdims=keepdims)
    if any(x.shape[k] == 0 for k in normalize_axis(axis, len(x.shape))):
        raise ArgumentError("The largest or smallest of no elements does not exist.", given=f"{x}, axis={axis!r}")
    return out


def _arg_extreme(x: Aval, *, axis: Any, keepdims: bool) -> Aval:
    """Reduced shape, int64.

    Returns:
        The shape without the reduced axes, int64. There is no gradient.

    Raises:
        ArgumentError: If there is no such axis, one is named twice, or there is no element to choose from.
    """
    return _extreme(x, axis=axis, keepdims=keepdims)._replace(dtype=shapes.INT64)


def _truth(x: Aval, *, axis: Any, keepdims: bool) -> Aval:
    """Reduced shape, bool.

    Returns:
        Bools of the shape without the reduced axes. There is no gradient.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
    """
    return Aval(shapes.reduced_shape(x.shape, axis, keepdims), shapes.BOOL)


def _counted(x: Aval, *, axis: Any, dtype: np.dtype[Any]) -> Aval:
    normalize_axis(axis, len(x.shape))
    return Aval((), dtype)


def _kept(x: Aval, *, axis: Any) -> Aval:
    """The reduced axes kept, same dtype; complex numbers have no largest one.

    Returns:
        The shape with size 1 on the reduced axes, the same dtype.

    Raises:
        ArgumentError: If there is no such axis, or one is named twice.
        DTypeError: If ``x`` is complex.
    """
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers have no largest one.", given=x.dtype.name)
    return Aval(shapes.reduced_shape(x.shape, axis, True), x.dtype)


class Working(NamedTuple):
    """The dtype to compute an average in, and the one to return it in."""

    wide: np.dtype[Any]
    narrow: np.dtype[Any]


def working_dtype(x: SDVariable) -> Working:
    """Integers become float64; halves are computed with in single precision."""
    narrow = shapes.averaging(x.aval, axis=None, keepdims=False).dtype
    return Working(wide(narrow), narrow)


def summing(*operands: SDVariable) -> tuple[list[SDVariable], np.dtype[Any] | None]:
    """Operands in the dtype to form what is summed, and the dtype to round the sum to, if that is another.

    Small integers are made as wide as their sum, halves are added up in single precision.
    """
    narrow = shapes.sum_dtype(np.result_type(*(x.dtype for x in operands)))
    work = wide(narrow)
    return [x if x.dtype.kind == "c" else cast_to(x, work) for x in operands], None if work == narrow else narrow


def rounded(total: SDVariable, dtype: np.dtype[Any] | None) -> SDVariable:
    """The total of what `summing` gave, as it told."""
    return total if dtype is None else total.sd.cast(total, dtype)


# ---------------------------------------------------------------------- kernels


def _wide(ufunc: str) -> Any:
    """A kernel that reduces with a ufunc and accumulates float16 in float32."""

    def kernel(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
        reduce = getattr(xp, ufunc).reduce  # Half the call's cost of numpy's sum and prod.
        if x.dtype.char == "e":
            return reduce(x, axis=axis, keepdims=keepdims, dtype=np.float32).astype(x.dtype)
        return reduce(x, axis=axis, keepdims=keepdims)

    return kernel


def _largest(xp: Any, x: Any, *, axis: Any) -> Any:
    lowest = {"f": -np.inf, "b": False}.get(x.dtype.kind)
    return xp.max(x, axis=axis, keepdims=True, initial=np.iinfo(x.dtype).min if lowest is None else lowest)


def _axis_size(xp: Any, x: Any, *, axis: Any, dtype: np.dtype[Any]) -> Any:
    n = math.prod(x.shape[k] for k in normalize_axis(axis, x.ndim))
    return xp.asarray(n, dtype=dtype)


def _arg(name: str) -> Any:
    """A kernel for the place of an extreme: of several axes, that among all elements along them."""

    def kernel(xp: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
        if not isinstance(axis, tuple):
            return xp.asarray(getattr(xp, name)(x, axis=axis, keepdims=keepdims)).astype(xp.int64)
        axes = normalize_axis(axis, x.ndim)
        y = xp.asarray(getattr(xp, name)(merged(xp, x, axes), axis=-1)).astype(xp.int64)
        return xp.expand_dims(y, axes) if keepdims else y

    return kernel


# ---------------------------------------------------------------------- gradients


def unreduce(g: SDVariable, x: SDVariable, axis: Axis, keepdims: bool) -> SDVariable:
    """``g``, which has the shape of ``x`` reduced over ``axis``, with those axes put back as ones."""
    return g if keepdims or not x.ndim else g.sd.expand_dims(g, normalize_axis(axis, x.ndim))


def reduced(mask: Any, y: SDVariable, x: SDVariable, axis: Axis, keepdims: bool) -> Any:
    """The reach of an op that reduces: all that is reduced to a result counts if that does."""
    return mask.moved(lambda c: unreduce(c, x, axis, keepdims))


def spread(g: SDVariable, x: SDVariable, axis: Axis, keepdims: bool) -> SDVariable:
    """``g`` repeated over the reduced axes to the shape of ``x``."""
    return g.sd.broadcast_like(unreduce(g, x, axis, keepdims), x)


def _extreme_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axis: Axis, keepdims: bool) -> SDVariable:
    """Each of n tied entries gets g / n."""
    sd = x.sd
    tied = sd.cast(sd.eq(x, unreduce(y, x, axis, keepdims)), working_dtype(x).wide)
    return tied * (unreduce(g, x, axis, keepdims) / sd.sum(tied, axis, True))


def _product_of_others(x: SDVariable, axes: tuple[int, ...]) -> SDVariable:
    """For each element the product of all others over ``axes``; no division, so zeros do no harm."""
    sd = x.sd
    others: SDVariable | None = None
    for axis in axes:
        before, after = sd.cumprod(x, axis, True, False), sd.cumprod(x, axis, True, True)
        others = before * after if others is None else others * (before * after)
        x = sd.prod(x, axis, True)
    return sd.ones_like(x) if others is None else others


def _freedom(x: SDVariable, axis: Axis, bias_corrected: bool) -> SDVariable:
    """What a sum of squares is divided by: the number of elements, or one less. 0 rather than -1, so that it is NaN."""
    n = x.sd.axis_size(x, axis, x.dtype)
    return x.sd.math.max(n - 1, 0) if bias_corrected else n


def _norm2_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axis: Axis, keepdims: bool) -> SDVariable:
    return unreduce(g, x, axis, keepdims) * x.sd.math.divide_no_nan(x, unreduce(y, x, axis, keepdims))


REDUCTION = {
    "x": "Numbers of any shape.",
    "y": Meaning("Numbers whose shape broadcasts with that of ``x``.", "ShapeError: If the shapes do not broadcast."),
    "axis": Meaning(
        "The axis, or several, to reduce; None for all.",
        "ArgumentError: If there is no such axis, or one is named twice.",
    ),
    "keepdims": "Whether the reduced axes stay, with size 1.",
    "bias_corrected": "Whether to divide by one less than the number of elements.",
}
"""What the parameters of reductions mean."""


class SDReductions(Namespace, prefix="", shared=REDUCTION):
    """Reductions of the base namespace.

    ``axis`` is an axis, several, or None for all. With ``keepdims`` the reduced axes stay, with size 1.
    """

    @primitive(
        infer=shapes.summing,
        kernel=_wide("add"),
        vjp=lambda g, y, x, axis, keepdims: spread(g, x, axis, keepdims),
        reach=Linear(reduced),
        reads=Reading(written.summed, factor="Σ"),
    )
    def sum(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Sum over ``axis``. float16 is accumulated in float32; the sum of nothing is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.sum([[1.0, 2.0], [3.0, 4.0]], axis=0).eval()
            array([4., 6.])
        """
        ...

    @composite(
        reads=Reading(
            written.reduction(r"\operatorname{mean}"),
            derivative=written.one_over_size,
            slope=written.one_over,
            slope_letters=frozenset("N"),
        )
    )
    def mean(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Mean over ``axis``: the sum divided by the number of elements; NaN for none.

        Returns:
            The shape without the reduced axes; float64 for integers and bools, else the same dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.mean([[1.0, 2.0], [3.0, 4.0]], axis=1).eval()
            array([1.5, 3.5])
        """
        sd = self.sd
        x = sd.as_variable(x)
        work = working_dtype(x)
        total = sd.sum(sd.cast(x, work.wide), axis, keepdims)
        return sd.cast(total / sd.axis_size(x, axis, work.wide), work.narrow)

    @primitive(
        infer=shapes.summing,
        kernel=_wide("multiply"),
        vjp=lambda g, y, x, axis, keepdims: (
            unreduce(g, x, axis, keepdims) * _product_of_others(x, normalize_axis(axis, x.ndim))
        ),
        reach=reduced,
        reads=Reading(written.large(r"\prod")),
    )
    def prod(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Product over ``axis``; 1 for nothing. Gradients of any order are right where elements are 0.

        Returns:
            The shape without the reduced axes; the dtype of ``numpy.prod``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.prod([[1.0, 2.0], [3.0, 4.0]], axis=1).eval()
            array([ 2., 12.])
        """
        ...

    @primitive(infer=_extreme, kernel="max", vjp=_extreme_vjp, reach=reduced, reads=Reading(written.reduction(r"\max")))
    def max(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Largest value over ``axis``; tied entries share the gradient evenly. `sd.math.max` is that of two.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.max([[1.0, 5.0], [3.0, 4.0]], axis=1).eval()
            array([5., 4.])
        """
        ...

    @primitive(infer=_extreme, kernel="min", vjp=_extreme_vjp, reach=reduced, reads=Reading(written.reduction(r"\min")))
    def min(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Smallest value over ``axis``; tied entries share the gradient evenly. `sd.math.min` is that of two.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.min([[1.0, 5.0], [3.0, 4.0]], axis=0).eval()
            array([1., 4.])
        """
        ...

    @primitive(
        infer=_kept,
        kernel=_largest,
        vjp=ZERO_GRADIENT,
    )
    def largest(self, x: Operand, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """Largest value over ``axis``, axes kept; the lowest of the dtype for nothing; a constant to gradients.

        It is the shift or scale of stable formulas whose value does not depend on it.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.largest([[1.0, 5.0], [3.0, 4.0]], axis=1).eval()
            array([[5.],
                   [4.]])
        """
        ...

    @primitive(infer=_arg_extreme, kernel=_arg("argmax"), vjp=NOT_DIFFERENTIABLE)
    def argmax(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Index of the first largest value along ``axis``, int64; without axis, into the flattened array.

        Along several axes it counts through their elements as they lie in memory: of a row-major array of these axes.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [[1.0, 5.0, 2.0], [3.0, 0.0, 9.0]])
            >>> sd.argmax(x, axis=1).eval(), sd.argmax(x, axis=(0, 1)).eval()
            (array([1, 2]), array(5))
        """
        ...

    @primitive(infer=_arg_extreme, kernel=_arg("argmin"), vjp=NOT_DIFFERENTIABLE)
    def argmin(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Index of the first smallest value along ``axis``, int64; without axis, into the flattened array.

        Along several axes it counts through their elements as they lie in memory: of a row-major array of these axes.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.argmin([[1.0, 5.0], [3.0, 0.0]], axis=1).eval()
            array([0, 1])
        """
        ...

    @primitive(infer=_truth, kernel="all", vjp=NOT_DIFFERENTIABLE)
    def all(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Whether every element over ``axis`` is non-zero; True for none.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.all([[1.0, 0.0], [3.0, 4.0]], axis=1).eval()
            array([False,  True])
        """
        ...

    @primitive(infer=_truth, kernel="any", vjp=NOT_DIFFERENTIABLE)
    def any(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Whether some element over ``axis`` is non-zero; False for none.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.any([[0.0, 0.0], [3.0, 4.0]], axis=1).eval()
            array([False,  True])
        """
        ...

    @primitive(
        infer=_counted,
        kernel=_axis_size,
        vjp=ZERO_GRADIENT,
        shape_of=(0,),
        reads=Reading(written.size, letters=frozenset("N")),
    )
    def axis_size(
        self, x: Operand, axis: Axis = None, dtype: DTypeLike = "int64", *, name: str | None = None
    ) -> SDVariable:
        """Number of elements along ``axis``, as a scalar of ``dtype``.

        Args:
            axis: The axis, or several, to count along; None for all.
            dtype: The dtype of the result.

        Returns:
            A scalar of ``dtype``. The gradient is 0.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.axis_size([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], axis=1).eval()
            array(3)
        """
        ...

    # ------------------------------------------------------------------ norms and spreads

    @composite(reads=form(r"\left\lVert %s \right\rVert_{1}"))
    def norm1(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Sum of absolute values over ``axis``; the gradient is 0 where an element is 0.

        Returns:
            The shape without the reduced axes; the dtype of ``numpy.sum``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.norm1([3.0, -4.0]).eval()
            array(7.)
        """
        (x,), narrow = summing(self.sd.as_variable(x))
        return rounded(self.sd.sum(self.sd.math.abs(x), axis, keepdims), narrow)

    @composite(vjp=_norm2_vjp, reach=reduced, reads=form(r"\left\lVert %s \right\rVert_{2}"))
    def norm2(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Euclidean norm over ``axis``: the square root of the sum of squares.

        Scaled by the largest absolute value, so nothing overflows or vanishes before its time. The gradient at a zero
        vector is 0.

        Returns:
            The shape without the reduced axes; float64 for integers and bools, else the same dtype.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.norm2([3e200, -4e200]).eval()
            array(5.e+200)
        """
        sd, m = self.sd, self.sd.math
        size = m.abs(x)
        out = working_dtype(size)
        size = sd.cast(size, out.wide)
        peak = sd.largest(size, axis)
        # 0, infinity, NaN, and the peak of nothing cannot scale.
        scale = sd.where(m.and_(peak > 0, peak < np.inf), peak, 1.0)
        norm = scale * m.sqrt(sd.sum(m.square(size / scale), axis, True))
        return sd.cast(norm if keepdims else sd.squeeze(norm, normalize_axis(axis, size.ndim)), out.narrow)

    @composite(reads=form(r"\left\lVert %s \right\rVert_{\infty}"))
    def normmax(self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Largest absolute value over ``axis``; ties share the gradient, which is 0 for a zero vector.

        Returns:
            The shape without the reduced axes, the same dtype.

        Raises:
            ArgumentError: If there is no such axis, one is named twice, or there is no element to choose from.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.normmax([3.0, -4.0]).eval()
            array(4.)
        """
        return self.sd.max(self.sd.math.abs(x), axis, keepdims)

    @composite(reads=form(r"\left\lVert %s \right\rVert_{2}^{2}", POWER))
    def squared_norm(
        self, x: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Sum of squares over ``axis``.

        Returns:
            The shape without the reduced axes; the dtype of ``numpy.sum``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.squared_norm([3.0, -4.0]).eval()
            array(25.)
        """
        (x,), narrow = summing(self.sd.as_variable(x))
        return rounded(self.sd.sum(self.sd.math.square(x), axis, keepdims), narrow)

    @composite
    def variance(
        self,
        x: Operand,
        axis: Axis = None,
        bias_corrected: bool = False,
        keepdims: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Variance over ``axis``: ``sum((x - mean)^2) / n``, or ``/ (n - 1)`` with ``bias_corrected``.

        Returns:
            The shape without the reduced axes; float64 for integers and bools, else the same dtype. NaN where the
            divisor is not positive: for no elements, and for one with correction.

        References:
            T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance: analysis and
            recommendations", The American Statistician 37, 1983: the two-pass algorithm.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.variance([1.0, 2.0, 3.0, 6.0]).eval()
            array(3.5)
        """
        sd, work = self.sd, working_dtype(self.sd.as_variable(x))
        x = sd.cast(x, work.wide)
        squares = sd.sum(sd.math.square(x - sd.mean(x, axis, True)), axis, keepdims)
        return sd.cast(squares / _freedom(x, axis, bias_corrected), work.narrow)

    @composite
    def standard_deviation(
        self,
        x: Operand,
        axis: Axis = None,
        bias_corrected: bool = False,
        keepdims: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Square root of the `variance`, safe from overflow; the gradient is 0 where all elements are equal.

        Returns:
            The shape and dtype of the `variance`, NaN where that is.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.standard_deviation([[1.0, 3.0], [5.0, 5.0]], axis=1).eval()
            array([1., 0.])
        """
        sd, work = self.sd, working_dtype(self.sd.as_variable(x))
        x = sd.cast(x, work.wide)
        norm = sd.norm2(x - sd.mean(x, axis, True), axis, keepdims)
        return sd.cast(norm / sd.math.sqrt(_freedom(x, axis, bias_corrected)), work.narrow)

    @composite(reads=form(r"\left\langle %s, %s \right\rangle"))
    def dot(
        self, x: Operand, y: Operand, axis: Axis = None, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Sum of products over ``axis``; ``x`` and ``y`` broadcast. For matrices see `sd.mmul`.

        Returns:
            The shape without the reduced axes; the dtype of the `sum` of the product. Small integers are widened before
            they are multiplied, and halves multiplied and added up in single precision.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.dot([1.0, 2.0], [3.0, 4.0]).eval()
            array(11.)
        """
        (a, b), narrow = summing(self.sd.as_variable(x), self.sd.as_variable(y))
        return rounded(self.sd.sum(a * b, axis, keepdims), narrow)
