"""Activations and layers: ``sd.nn``.

Knows the formulas of neural network functions. Elementwise mathematics is in `sdgraph.ops.math`, matrix products are in
`sdgraph.ops.linalg`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.aval import Aval, ufunc_dtype
from sdgraph.errors import DTypeError
from sdgraph.op import composite, primitive
from sdgraph.shapes import floating, one_axis
from sdgraph.variable import Namespace, SDVariable

if TYPE_CHECKING:
    from sdgraph.variable import Operand

# ---------------------------------------------------------------------- shape rules


def _real(*avals: Aval, **_: Any) -> Aval:
    """Broadcast shape, floating dtype; complex numbers have no order and are refused."""
    out = floating(*avals)
    if out.dtype.kind == "c":
        raise DTypeError("This function is for real numbers.", given=out.dtype.name)
    return out


_real.broadcasts = True  # type: ignore[attr-defined]


def _number(x: Aval, **_: Any) -> Aval:
    """The operand's aval; numbers with an order only."""
    if x.dtype.kind in "bc":
        raise DTypeError("This function is for real numbers.", given=x.dtype.name)
    return x


_number.broadcasts = True  # type: ignore[attr-defined]


def _over_classes(x: Aval, *, axis: int) -> Aval:
    """The operand's shape, a floating dtype; ``axis`` must be one of its axes."""
    out = _real(x)
    one_axis(axis, len(x.shape))
    return out


# ---------------------------------------------------------------------- kernels


def _as_float(x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.astype(ufunc_dtype(np.exp, (x.dtype,)))


def _sigmoid(xp: Any, x: Any) -> Any:
    x = _as_float(x)
    # exp of a negative number never overflows, and keeps the tail's relative accuracy on both sides.
    tail = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1, tail) / (1 + tail)


def _softmax_parts(xp: Any, x: Any, axis: int) -> tuple[Any, Any, Any]:
    """Entries less the largest one, their exponentials, and the sum of all exponentials but one largest.

    The largest entry's own 1 is kept out of the sum: where one class dominates, the others would vanish next to it.
    """
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    size = [1] * x.ndim
    size[axis] = x.shape[axis]
    largest = xp.arange(x.shape[axis]).reshape(size) == xp.argmax(x, axis=axis, keepdims=True)
    powers = xp.exp(shifted)
    return shifted, powers, xp.sum(xp.where(largest, 0, powers), axis=axis, keepdims=True)


def _softmax(xp: Any, x: Any, *, axis: int) -> Any:
    x = _as_float(x)
    if not x.shape[axis]:
        return xp.exp(x)
    _, powers, rest = _softmax_parts(xp, x, axis)
    return powers / (1 + rest)


def _log_softmax(xp: Any, x: Any, *, axis: int) -> Any:
    x = _as_float(x)
    if not x.shape[axis]:
        return xp.exp(x)
    shifted, _, rest = _softmax_parts(xp, x, axis)
    return shifted - xp.log1p(rest)


# ---------------------------------------------------------------------- gradient rules


def _softmax_vjp(g: SDVariable, y: SDVariable, x: SDVariable, *, axis: int) -> SDVariable:
    return y * (g - g.sd.sum(g * y, axis=axis, keepdims=True))


def _log_softmax_vjp(g: SDVariable, y: SDVariable, x: SDVariable, *, axis: int) -> SDVariable:
    # g - p * sum(g), written as g * (1 - p) - p * (sum of the other g): for a class that has nearly all the probability
    # 1 - p cancels to nothing, and -expm1(log p) does not.
    math = g.sd.math
    others = g.sd.sum(g, axis=axis, keepdims=True) - g
    return -(g * math.expm1(y)) - math.exp(y) * others


class SDNN(Namespace, prefix="nn"):
    """Activations and layers (``sd.nn``)."""

    # ------------------------------------------------------------------ smooth activations

    @primitive(
        infer=_real,
        kernel=_sigmoid,
        vjp=lambda g, y, x: g * (y * g.sd.nn.sigmoid(-x)),
    )
    def sigmoid(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Logistic function ``1 / (1 + exp(-x))``, with full relative accuracy for every finite ``x``.

        Args:
            x: Any shape.

        Returns:
            ``x``'s shape, floating dtype, values between 0 and 1. The derivative is ``sigmoid(x) * sigmoid(-x)``.

        Raises:
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.sigmoid([0.0, -40.0]).eval()
            array([5.00000000e-01, 4.24835426e-18])
        """
        ...

    @primitive(
        infer=_real,
        kernel=lambda xp, x: xp.logaddexp(_as_float(x), 0),
        vjp=lambda g, y, x: g * g.sd.nn.sigmoid(x),
    )
    def softplus(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``log(1 + exp(x))``, with full accuracy for every finite ``x``.

        Args:
            x: Any shape.

        Returns:
            ``x``'s shape, floating dtype. The derivative is ``sigmoid(x)``.

        Raises:
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.softplus([-40.0, 0.0, 1000.0]).eval()
            array([4.24835426e-18, 6.93147181e-01, 1.00000000e+03])
        """
        ...

    @composite
    def log_sigmoid(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Logarithm of the logistic function, ``-softplus(-x)``.

        Args:
            x: Any shape.

        Returns:
            ``x``'s shape, floating dtype, values below 0. The derivative is ``sigmoid(-x)``.

        Raises:
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.log_sigmoid([-1000.0, 40.0]).eval()
            array([-1.00000000e+03, -4.24835426e-18])
        """
        return -self.softplus(-x)  # type: ignore[operator]

    @composite
    def tanh(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Hyperbolic tangent; the same as ``sd.math.tanh``.

        Args:
            x: Any shape.

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

    @primitive(infer=_over_classes, kernel=_softmax, vjp=_softmax_vjp)
    def softmax(self, x: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """``exp(x) / sum(exp(x))`` over ``axis``; finite for logits of any finite size.

        A logit of -inf has probability 0. A row of nothing but -inf gives NaN.

        Args:
            x: Logits, rank 1 or more.
            axis: The axis whose entries sum to 1.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ArgumentError: If ``axis`` is not an axis of ``x``.
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.softmax([[1.0, 1.0], [1000.0, 0.0]]).eval()
            array([[0.5, 0.5],
                   [1. , 0. ]])
        """
        ...

    @primitive(infer=_over_classes, kernel=_log_softmax, vjp=_log_softmax_vjp)
    def log_softmax(self, x: Operand, axis: int = -1, *, name: str | None = None) -> SDVariable:
        """``x - log(sum(exp(x)))`` over ``axis``, accurate even where one class has nearly all the probability.

        Args:
            x: Logits, rank 1 or more.
            axis: The class axis.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ArgumentError: If ``axis`` is not an axis of ``x``.
            DTypeError: If ``x`` is complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.log_softmax([40.0, 0.0]).eval()
            array([-4.24835426e-18, -4.00000000e+01])
        """
        ...

    # ------------------------------------------------------------------ rectifiers

    @primitive(
        infer=_number,
        kernel=lambda xp, x, *, cutoff: xp.maximum(x, 0) if cutoff == 0 else xp.where(x < cutoff, 0, x),
        vjp=lambda g, y, x, *, cutoff: g.sd.where(x <= cutoff, 0, g),
    )
    def relu(self, x: Operand, cutoff: float = 0.0, *, name: str | None = None) -> SDVariable:
        """Rectifier: ``x`` where ``x >= cutoff``, else 0. NaN stays NaN.

        Args:
            x: Any shape, real numbers.
            cutoff: Where the function starts to let ``x`` pass.

        Returns:
            ``x``'s shape and dtype. The derivative is 1 above the cutoff and 0 elsewhere, at the cutoff too.

        Raises:
            DTypeError: If ``x`` is complex or bool.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.relu([-1.0, 0.0, 2.0]).eval()
            array([0., 0., 2.])
        """
        ...
