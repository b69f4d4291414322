"""Activation functions: one half of ``sd.nn``.

Knows formulas, and how each keeps its accuracy. Elementwise mathematics is in `sdgraph.ops.math`, layers are in
`sdgraph.ops.layers`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means
from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.op import ELEMENTWISE
from sdgraph.build.reading import Reading, call
from sdgraph.build.variable import SDVariable
from sdgraph.checks import one_of
from sdgraph.errors import ArgumentError, DTypeError
from sdgraph.infer.aval import Aval, normalize_axis, ufunc_dtype
from sdgraph.infer.shapes import floating, one_axis, real
from sdgraph.ops import slopes, written
from sdgraph.ops.precision import cast_to, rounded_once, wide, widened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- shape rules


def _number(x: Aval, **_: Any) -> Aval:
    """The operand's aval; numbers with an order only.

    Returns:
        The same shape and dtype.

    Raises:
        DTypeError: If ``x`` is complex or bool.
    """
    if x.dtype.kind in "bc":
        raise DTypeError("This function is for real numbers.", given=x.dtype.name)
    return x


_number.broadcasts = True  # type: ignore[attr-defined]


def _number_or_cutoff(x: Aval, *, cutoff: float) -> Aval:
    """The operand's aval; an integer must be able to be the cutoff.

    Returns:
        The same shape and dtype.

    Raises:
        DTypeError: If ``x`` is complex or bool.
        ArgumentError: If the cutoff of integers is no whole number.
    """
    if x.dtype.kind in "iu" and not float(cutoff).is_integer():
        raise ArgumentError(
            "The cutoff of integers is a whole number.",
            given=f"cutoff={cutoff!r} for {x.dtype.name}",
            fix="Cast the operand to a floating dtype first.",
        )
    return _number(x)


_number_or_cutoff.broadcasts = True  # type: ignore[attr-defined]


def _over_classes(x: Aval, *, axis: int) -> Aval:
    """The operand's shape, a floating dtype; ``axis`` must be one of its axes.

    Returns:
        The same shape, floating dtype.

    Raises:
        DTypeError: If ``x`` is complex.
        ArgumentError: If ``axis`` is not an axis of ``x``.
    """
    out = real(x)
    one_axis(axis, len(x.shape))
    return out


# ---------------------------------------------------------------------- kernels


def _as_float(x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.astype(ufunc_dtype(np.exp, (x.dtype,)))


def _decay(x: SDVariable) -> tuple[SDVariable, SDVariable]:
    """The operand as a float, and ``exp(-|x|)``."""
    dtype = floating(x.aval).dtype
    x = x if x.dtype == dtype else x.sd.cast(x, dtype)
    return x, slopes.decay(x)


def _relu6(xp: Any, x: Any, *, cutoff: float) -> Any:
    if x.dtype.kind in "iu":
        return xp.clip(x, max(min(int(cutoff), 6), int(np.iinfo(x.dtype).min)), 6)
    return xp.minimum(xp.maximum(x, cutoff), 6)


def _softmax_parts(xp: Any, x: Any, axis: int) -> tuple[Any, Any, Any]:
    """Entries less the largest one, their exponentials, and the sum of all exponentials but one largest.

    The largest entry's own 1 is kept out of the sum: where one class dominates, the others would vanish next to it.
    """
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    size = [1] * x.ndim
    size[axis] = x.shape[axis]
    others = xp.arange(x.shape[axis]).reshape(size) != xp.argmax(x, axis=axis, keepdims=True)
    powers = xp.exp(shifted)
    return shifted, powers, xp.sum(powers * others, axis=axis, keepdims=True)


@rounded_once
def _softmax(xp: Any, x: Any, *, axis: int) -> Any:
    x = _as_float(x)
    if not x.shape[axis]:
        return xp.exp(x)
    _, powers, rest = _softmax_parts(xp, x, axis)
    return powers / (1 + rest)


@rounded_once
def _log_softmax(xp: Any, x: Any, *, axis: int) -> Any:
    x = _as_float(x)
    if not x.shape[axis]:
        return xp.exp(x)
    shifted, _, rest = _softmax_parts(xp, x, axis)
    return shifted - xp.log1p(rest)


# ---------------------------------------------------------------------- gradient rules


def _in_single(op: Callable[..., SDVariable], x: SDVariable, g: SDVariable, y: SDVariable, axis: int) -> Any:
    """Cotangent and value to work with: of half precision in single, where the value is not rounded yet."""
    return (g, y) if wide(y.dtype) == y.dtype else (widened(g), op(cast_to(x, wide(y.dtype)), axis))


def _softmax_vjp(g: SDVariable, y: SDVariable, x: SDVariable, *, axis: int) -> SDVariable:
    # Twice: where y is nearly 1, the mean of g differs from g by less than a last place. Once that mean is taken away,
    # the next one sees what the others had in it.
    g, y = _in_single(x.sd.nn.softmax, x, g, y, axis)
    for _ in range(2):
        g = g - g.sd.sum(g * y, axis=axis, keepdims=True)
    return y * g


def _rows(mask: Any, y: SDVariable, x: SDVariable, *, axis: int) -> Any:
    return mask.over(axis)


def _sum_of_others_vjp(g: SDVariable, y: SDVariable, x: SDVariable, axis: int) -> SDVariable:
    return _sum_of_others(g.sd, g, axis)


@composite(
    vjp=_sum_of_others_vjp,
    reach=_rows,
    reads=Reading(written.sum_of_others, "(Σ %(x)s − %(x_atom)s)"),
)
def _sum_of_others(sd: GraphLike, x: Operand, axis: int) -> SDVariable:
    """For each entry the sum of all others along ``axis``, which is its own transpose.

    As a rule of its own, so that a gradient does not add and subtract what the entry itself has no part in.
    """
    return sd.sum(x, axis, True) - x


def _log_softmax_vjp(g: SDVariable, y: SDVariable, x: SDVariable, *, axis: int) -> SDVariable:
    # g - p * sum(g), written as g * (1 - p) - p * (sum of the other g): for a class that has nearly all the probability
    # 1 - p cancels to nothing, and -expm1(log p) does not.
    g, y = _in_single(x.sd.nn.log_softmax, x, g, y, axis)
    math = g.sd.math
    return -(g * math.expm1(y)) - math.exp(y) * _sum_of_others(g.sd, g, axis)


def _relu6_vjp(g: SDVariable, y: SDVariable, x: SDVariable, *, cutoff: float) -> SDVariable:
    return g.sd.where(g.sd.math.or_(x <= cutoff, x >= 6), 0, g)


def _elu_vjp(g: SDVariable, y: SDVariable, x: SDVariable, *, alpha: float) -> SDVariable:
    # Not y + alpha, which cancels; and no exp of a large number in the branch not taken.
    sd = g.sd
    return sd.where(x > 0, g, g * (alpha * sd.math.exp(sd.where(x > 0, 0, x))))


Approximation: TypeAlias = Literal["none", "tanh", "sigmoid"]
"""Forms of GELU."""
means("Approximation", Approximation)

# tanh form of GELU: sqrt(2 / pi) and the cubic coefficient of the paper.
_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715
_GELU_SIGMOID = 1.702
# Fixed point of mean 0 and variance 1.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _gelu_saturation(dtype: np.dtype[Any]) -> float:
    """From here on the tanh form is x or 0: its cubic goes no further, lest powers of its slope overflow."""
    steepest = -math.log(np.finfo(dtype).smallest_subnormal) if dtype.itemsize <= 8 else 11400.0
    return float(math.ceil((steepest / (2 * _GELU_SCALE * _GELU_CUBIC)) ** (1 / 3)))


class SDActivations(Namespace, prefix="nn", shared={"x": "Real numbers of any shape."}):
    """Activation functions of ``sd.nn``."""

    # ------------------------------------------------------------------ smooth activations

    # The rules stand beside the bodies because a derivative of |x| would be wrong at 0 from the second order on.
    @composite(vjp=lambda g, y, x: g * slopes.sigmoid_slope(g.sd, x), reach=ELEMENTWISE, reads=call(r"\sigma"))
    def sigmoid(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Logistic function ``1 / (1 + exp(-x))``, with full relative accuracy for every finite ``x``.

        Returns:
            ``x``'s shape, floating dtype, values between 0 and 1. The derivative is ``sigmoid(x) * sigmoid(-x)``.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            D. R. Cox, "The regression analysis of binary sequences", Journal of the Royal Statistical Society B 20,
            1958.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.sigmoid([0.0, -40.0]).eval()
            array([5.00000000e-01, 4.24835426e-18])
        """
        real(x.aval)  # type: ignore[union-attr]
        x, e = _decay(x)  # type: ignore[arg-type]
        return self.sd.where(x >= 0, 1.0, e) / (1 + e)

    @composite(vjp=lambda g, y, x: g * g.sd.nn.sigmoid(x), reach=ELEMENTWISE)
    def softplus(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``log(1 + exp(x))``, with full accuracy for every finite ``x``.

        Returns:
            ``x``'s shape, floating dtype. The derivative is ``sigmoid(x)``.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            - C. Dugas, Y. Bengio, F. Bélisle, C. Nadeau, R. Garcia, "Incorporating second-order functional knowledge
              for better option pricing", 2000.
            - M. Mächler, "Accurately computing ``log(1 - exp(-|a|))``", 2012, a vignette of the R package Rmpfr: the
              stable form.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.softplus([-40.0, 0.0, 1000.0]).eval()
            array([4.24835426e-18, 6.93147181e-01, 1.00000000e+03])
        """
        real(x.aval)  # type: ignore[union-attr]
        x, e = _decay(x)  # type: ignore[arg-type]
        return self.sd.nn.relu(x) + self.sd.math.log1p(e)

    @composite(reads=call(r"\log \sigma"))
    def log_sigmoid(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Logarithm of the logistic function, ``-softplus(-x)``.

        Returns:
            ``x``'s shape, floating dtype, values below 0. The derivative is ``sigmoid(-x)``.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            M. Mächler, "Accurately computing ``log(1 - exp(-|a|))``", 2012, a vignette of the R package Rmpfr: the
            stable form.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.log_sigmoid([-1000.0, 40.0]).eval()
            array([-1.00000000e+03, -4.24835426e-18])
        """
        v = self.sd.as_variable(x)
        # Unsigned integers and bools have no negative.
        v = v if v.dtype.kind == "f" else self.sd.cast(v, real(v.aval).dtype)
        return -self.softplus(-v)

    @composite(reads=call(r"\tanh"))
    def tanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Hyperbolic tangent; the same as ``sd.math.tanh``.

        Args:
            x: Numbers of any shape.

        Returns:
            ``x``'s shape, floating dtype, values between -1 and 1.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.tanh([0.0, 1.0]).eval()
            array([0.        , 0.76159416])
        """
        return self.sd.math.tanh(x)

    # ------------------------------------------------------------------ over classes

    @primitive(infer=_over_classes, kernel=_softmax, vjp=_softmax_vjp, reach=_rows)
    def softmax(self, x: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """``exp(x) / sum(exp(x))`` over ``axis``; finite for logits of any finite size.

        A logit of -inf has probability 0. A row of nothing but -inf gives NaN.

        Args:
            x: Logits, rank 1 or more.
            axis: The axis whose entries sum to 1.

        References:
            P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
            Journal of Numerical Analysis 41, 2021, doi:10.1093/imanum/draa038.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.softmax([[1.0, 1.0], [1000.0, 0.0]]).eval()
            array([[0.5, 0.5],
                   [1. , 0. ]])
        """
        ...

    @primitive(
        infer=_over_classes,
        kernel=_log_softmax,
        vjp=_log_softmax_vjp,
        reach=_rows,
        reads=call(r"\log \operatorname{softmax}"),
    )
    def log_softmax(self, x: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """``x - log(sum(exp(x)))`` over ``axis``, accurate even where one class has nearly all the probability.

        Args:
            x: Logits, rank 1 or more.
            axis: The class axis.

        References:
            P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
            Journal of Numerical Analysis 41, 2021, doi:10.1093/imanum/draa038.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.log_softmax([40.0, 0.0]).eval()
            array([-4.24835426e-18, -4.00000000e+01])
        """
        ...

    # ------------------------------------------------------------------ rectifiers

    @composite(vjp=lambda g, y, x, *, cutoff: g.sd.where(x <= cutoff, 0, g), reach=ELEMENTWISE)
    def relu(self, x: Operand, cutoff: float = 0.0, *, name: str | None = None) -> SDVariable:
        """Rectifier: ``x`` where ``x >= cutoff``, else 0. NaN stays NaN.

        Args:
            cutoff: Where the function starts to let ``x`` pass.

        Returns:
            ``x``'s shape and dtype. The derivative is 1 above the cutoff and 0 elsewhere, at the cutoff too.

        Raises:
            DTypeError: If ``x`` is complex or bool.

        References:
            V. Nair, G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.relu([-1.0, 0.0, 2.0]).eval()
            array([0., 0., 2.])
        """
        _number(x.aval)  # type: ignore[union-attr]
        return self.sd.math.max(x, 0) if cutoff == 0 else self.sd.where(x < cutoff, 0, x)  # type: ignore[operator]

    @primitive(
        infer=_number_or_cutoff,
        kernel=_relu6,
        vjp=_relu6_vjp,
    )
    def relu6(self, x: Operand, cutoff: float = 0.0, *, name: str | None = None) -> SDVariable:
        """Rectifier that stops at 6: ``min(max(x, cutoff), 6)``. Unlike `relu` it gives the cutoff itself below it.

        Args:
            cutoff: The least value.

        Returns:
            ``x``'s shape and dtype. The derivative is 1 between the cutoff and 6, and 0 elsewhere, at both corners too.

        References:
            A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.relu6([-1.0, 2.0, 7.0]).eval()
            array([0., 2., 6.])
        """
        ...

    @primitive(
        infer=real,
        kernel=lambda xp, x, *, alpha: xp.where(x > 0, _as_float(x), alpha * _as_float(x)),
        vjp=lambda g, y, x, *, alpha: g.sd.where(x > 0, g, alpha * g),
    )
    def leaky_relu(self, x: Operand, alpha: float = 0.01, *, name: str | None = None) -> SDVariable:
        """``x`` where ``x > 0``, else ``alpha * x``.

        Args:
            alpha: Slope for negative numbers.

        Returns:
            ``x``'s shape, floating dtype. The derivative at 0 is ``alpha``.

        References:
            A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.leaky_relu([-1.0, 2.0], alpha=0.1).eval()
            array([-0.1,  2. ])
        """
        ...

    @composite
    def prelu(
        self, x: Operand, alpha: Operand, shared_axes: Sequence[int] = (), *, name: str | None = None
    ) -> SDVariable:
        """``x`` where ``x > 0``, else ``alpha * x``, with slopes that can be learned.

        Args:
            x: Shape ``(batch, ...)``.
            alpha: Slopes for negative numbers: the shape of ``x`` without its first axis, 1 on the shared axes. Any
                shape with as many elements will do where all its sizes are known.
            shared_axes: Axes of ``x``, from 1 on, along which all entries have one slope.

        Returns:
            ``x``'s shape, floating dtype. The derivative at 0 is ``alpha``.

        Raises:
            ArgumentError: If a shared axis is not an axis of ``x``, or is the first.
            ShapeError: If ``alpha`` does not fit.

        References:
            K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers: surpassing human-level performance on
            ImageNet classification", 2015, arXiv:1502.01852.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.prelu([[-1.0, -1.0, 2.0]], [0.1, 0.5, 0.5]).eval()
            array([[-0.1, -0.5,  2. ]])
        """
        sd = self.sd
        v, slopes = sd.as_variable(x), sd.as_variable(alpha)
        if shared_axes:
            axes = normalize_axis(tuple(shared_axes), v.ndim, what="shared_axes")
            if 0 in axes:
                raise ArgumentError("The batch axis cannot be shared.", given=f"shared_axes={shared_axes!r}")
            wanted = tuple(1 if k in axes else v.shape[k] for k in range(1, v.ndim))
            if slopes.shape != wanted and all(type(d) is int for d in wanted):
                slopes = sd.reshape(slopes, wanted)
        return sd.where(v > 0, v, slopes * v)

    @composite
    def crelu(self, x: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """``relu(x)`` and ``relu(-x)`` one after the other along ``axis``, which becomes twice as long.

        Args:
            x: Rank 1 or more.
            axis: The axis that grows.

        Returns:
            The shape with ``axis`` doubled, the same dtype. The derivative at 0 is 0.

        Raises:
            ArgumentError: If ``axis`` is not an axis of ``x``.
            DTypeError: If ``x`` is complex, bool or unsigned.
            ShapeError: If ``x`` is a scalar.

        References:
            W. Shang, K. Sohn, D. Almeida, H. Lee, "Understanding and improving convolutional neural networks via
            concatenated rectified linear units", 2016, arXiv:1603.05201.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.crelu([1.0, -2.0]).eval()
            array([1., 0., 0., 2.])
        """
        v = self.sd.as_variable(x)
        if v.dtype.kind == "u":
            raise DTypeError("Unsigned numbers have no negative part.", given=v.dtype.name)
        return self.sd.concat(self.relu(v), self.relu(-v), axis=axis)

    # ------------------------------------------------------------------ exponential and Gaussian units

    @primitive(
        infer=real,
        kernel=lambda xp, x, *, alpha: xp.where(x > 0, _as_float(x), alpha * xp.expm1(_as_float(x))),
        vjp=_elu_vjp,
    )
    def elu(self, x: Operand, alpha: float = 1.0, *, name: str | None = None) -> SDVariable:
        """Exponential linear unit: ``x`` where ``x > 0``, else ``alpha * (exp(x) - 1)``.

        Args:
            alpha: What the function falls to, with its sign changed.

        Returns:
            ``x``'s shape, floating dtype. The derivative at 0 is ``alpha``.

        References:
            D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential linear
            units (ELUs)", 2015, arXiv:1511.07289.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.elu([-1.0, 2.0]).eval()
            array([-0.63212056,  2.        ])
        """
        ...

    @composite
    def selu(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Scaled exponential linear unit, ``1.0507 * elu(x, 1.6733)`` with constants of full precision.

        Returns:
            ``x``'s shape, floating dtype. The derivative at 0 is ``1.0507 * 1.6733``, that of the side below.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks", 2017,
            arXiv:1706.02515.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.selu([-1.0, 2.0]).eval()
            array([-1.11133074,  2.10140197])
        """
        return _SELU_SCALE * self.elu(x, _SELU_ALPHA)

    @composite
    def gelu(self, x: Operand, approximate: Approximation = "none", *, name: str | None = None) -> SDVariable:
        """Gaussian error linear unit ``x * Phi(x)``, where ``Phi`` is the normal distribution function.

        SameDiff's ``gelu`` is the form with ``approximate="sigmoid"``.

        Args:
            approximate: ``"none"`` for the definition; ``"tanh"`` for
                ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``; ``"sigmoid"`` for
                ``x * sigmoid(1.702 * x)``.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ArgumentError: If ``approximate`` is something else.
            DTypeError: If ``x`` is complex.

        References:
            D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, arXiv:1606.08415.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.gelu([-1.0, 2.0]).eval()
            array([-0.15865525,  1.95449974])
        """
        m = self.sd.math
        v = self.sd.as_variable(x)
        one_of("approximation", approximate, get_args(Approximation))
        if approximate == "none":
            near = m.clip_by_value(v, -slopes.GAUSS_VANISHES, slopes.GAUSS_VANISHES)
            return v * (0.5 * m.erfc(near * -math.sqrt(0.5)))
        if approximate == "tanh":
            end = _gelu_saturation(floating(v.aval).dtype)
            near = m.clip_by_value(v, -end, end)
            return v * self.sigmoid((2 * _GELU_SCALE) * (near + _GELU_CUBIC * m.cube(near)))
        return v * self.sigmoid(_GELU_SIGMOID * v)

    @composite
    def precise_gelu(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """SameDiff's more precise approximation of `gelu`: ``gelu(x, approximate="tanh")``.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, arXiv:1606.08415.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.precise_gelu([-1.0, 2.0]).eval()
            array([-0.15880801,  1.95459769])
        """
        return self.gelu(x, "tanh")

    @composite
    def swish(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x * sigmoid(x)``, also known as SiLU.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            DTypeError: If ``x`` is complex.

        References:
            - P. Ramachandran, B. Zoph, Q. V. Le, "Searching for activation functions", 2017, arXiv:1710.05941.
            - S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units for neural network function approximation
              in reinforcement learning", 2017, arXiv:1702.03118.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.swish([-1.0, 2.0]).eval()
            array([-0.26894142,  1.76159416])
        """
        return self.sd.math.mul(x, self.sigmoid(x))

    @primitive(
        infer=real,
        kernel=lambda xp, x: _as_float(x) / (1 + xp.abs(_as_float(x))),
        vjp=lambda g, y, x: g * g.sd.math.square(slopes.softsign_factor(g.sd, x)),
    )
    def softsign(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x / (1 + abs(x))``.

        Returns:
            ``x``'s shape, floating dtype, values between -1 and 1. The derivative is ``1 / (1 + abs(x))**2``.

        References:
            X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.softsign([-1.0, 3.0]).eval()
            array([-0.5 ,  0.75])
        """
        ...

    @composite
    def hard_sigmoid(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``0.2 * x + 0.5``, held between 0 and 1.

        Returns:
            ``x``'s shape, floating dtype. The derivative is 0.2 from -2.5 to 2.5, both included, and 0 elsewhere.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.hard_sigmoid([-3.0, 0.0, 1.0]).eval()
            array([0. , 0.5, 0.7])
        """
        m = self.sd.math
        return m.clip_by_value(m.mul(x, 0.2) + 0.5, 0.0, 1.0)

    @composite
    def hard_tanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x``, held between -1 and 1.

        Returns:
            ``x``'s shape and dtype. The derivative is 1 from -1 to 1, both included, and 0 elsewhere.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.hard_tanh([-3.0, 0.5]).eval()
            array([-1. ,  0.5])
        """
        return self.sd.math.clip_by_value(x, -1.0, 1.0)
