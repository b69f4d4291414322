"""Ops that pass their operand on: some check it at run time, one shapes its gradient. Losses are built with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import ELEMENTWISE, NOT_DIFFERENTIABLE
from sdgraph.build.reading import BY_NAME
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError, LabelError, ShapeError
from sdgraph.infer.aval import Aval, broadcasts_to, shape_str
from sdgraph.infer.shapes import same
from sdgraph.wording import first_where

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand


def _masked(x: Aval, mask: Aval) -> Aval:
    """The operand's aval.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: If the mask does not broadcast to the shape of ``x``.
    """
    if not broadcasts_to(mask.shape, x.shape):
        raise ShapeError(
            "The mask does not broadcast to the array.", given=f"{shape_str(mask.shape)} to {shape_str(x.shape)}"
        )
    return x


def _unmasked_or_finite(g: SDVariable, y: SDVariable, x: SDVariable, mask: SDVariable) -> tuple[SDVariable, None]:
    # A masked cotangent that is finite passes: it is 0 in a first gradient, whose product with the mask made it so, but
    # in a second one it may be the derivative of the gradient with respect to the mask.
    return g.sd.where(mask.neq(0) | g.sd.math.is_finite(g), g, 0), None


def _of_classes(labels: Aval, logits: Aval) -> Aval:
    """The labels' aval.

    Returns:
        The labels.

    Raises:
        ShapeError: If the logits are a scalar.
    """
    if not logits.shape:
        raise ShapeError("Labels are classes of logits that have an axis for them.", given=f"logits {logits}")
    return labels


def _first_bad(bad: np.ndarray[Any, Any], values: np.ndarray[Any, Any], what: str, expected: str) -> None:
    """Raise LabelError for the first bad entry, with its position."""
    if bad.any():
        raise LabelError(f"{what} {first_where(bad, values)} is out of range.", expected=expected)


def check_whole(x: np.ndarray[Any, Any]) -> None:
    """Raise LabelError for the first float that is no whole number."""
    bad = x != np.trunc(x)
    bad |= np.isinf(x)
    if bad.any():
        raise LabelError(
            f"Index {first_where(bad, x)} is no whole number.", fix="Round it first, or cast: x.cast('int64')."
        )


def _real_numbers(x: Aval) -> Aval:
    """The numbers themselves, which must be real.

    Returns:
        The numbers.

    Raises:
        DTypeError: If they are complex.
    """
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers are no whole ones.", given=x.dtype.name)
    return x


def _checked_whole(xp: Any, x: Any) -> Any:
    check_whole(np.asarray(x))
    return x


def _checked_labels(xp: Any, labels: Any, logits: Any) -> Any:
    labels = np.asarray(labels)
    classes = logits.shape[-1]
    _first_bad((labels < 0) | (labels >= classes), labels, "label", f"0 <= label < {classes}, the number of classes")
    return labels


def _checked_lengths(xp: Any, lengths: Any, *, limit: int) -> Any:
    lengths = np.asarray(lengths)
    _first_bad((lengths < 0) | (lengths > limit), lengths, "length", f"0 <= length <= {limit}, the size of the array")
    return lengths


def _checked_ctc_labels(xp: Any, labels: Any, lengths: Any, *, classes: int, blank: int) -> Any:
    labels, lengths = np.asarray(labels), np.asarray(lengths)
    used = np.arange(labels.shape[1]) < lengths[:, None]
    bad = used & ((labels < 0) | (labels >= classes) | (labels == blank))
    _first_bad(bad, labels, "label", f"0 <= label < {classes}, and not the blank {blank}")
    return np.where(used, labels, blank)


class SDGuards(Namespace, prefix="", shared={}):
    """Base ops that check an operand or its gradient."""

    @primitive(
        infer=_masked,
        kernel=lambda xp, x, mask: x,
        vjp=_unmasked_or_finite,
        reach=ELEMENTWISE,
        is_strided=True,
        passes_on=0,
    )
    def mask_gradient(self, x: Operand, mask: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` itself, with a gradient that is 0 where ``mask`` is 0 and it would be NaN or infinite.

        A loss that is multiplied with the mask afterwards has a gradient of ``0 * x``, which this makes 0 for every x.

        Args:
            x: Any floating array.
            mask: An array that broadcasts to the shape of x.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.var("x", [0.0, 1.0])
            >>> y = sd.math.log(sd.mask_gradient(x, [0.0, 1.0]))
            >>> sd.grad(y, x).eval()
            array([0., 1.])
        """
        ...

    @primitive(
        infer=_of_classes,
        kernel=_checked_labels,
        vjp=NOT_DIFFERENTIABLE,
        is_view=True,
        literals={"labels": "int64"},
        reads=BY_NAME,
        passes_on=0,
    )
    def checked_labels(self, labels: Operand, logits: Operand, *, name: str | None = None) -> SDVariable:
        """``labels`` themselves, after checking at run time that each is a class of ``logits``.

        Args:
            labels: Integer labels.
            logits: An array whose last axis has one entry per class; only its shape matters.

        Raises:
            LabelError: At run time, for a label outside ``[0, classes)``; names it and its position.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().checked_labels([0, 2], [0.1, 0.2, 0.3]).eval()
            array([0, 2])
        """
        ...

    @primitive(
        infer=_real_numbers,
        kernel=_checked_whole,
        vjp=NOT_DIFFERENTIABLE,
        is_view=True,
        reads=BY_NAME,
        passes_on=0,
    )
    def checked_whole(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """``x`` itself, after checking at run time that each number is whole.

        Args:
            x: Numbers.

        Returns:
            The numbers.

        Raises:
            LabelError: At run time, for a number that is not whole, NaN or infinite; names it and its position.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().checked_whole([1.0, 2.0]).eval()
            array([1., 2.], dtype=float32)
        """
        ...

    @primitive(
        infer=same,
        kernel=_checked_lengths,
        vjp=NOT_DIFFERENTIABLE,
        is_view=True,
        literals={"lengths": "int64"},
        reads=BY_NAME,
        passes_on=0,
    )
    def checked_lengths(self, lengths: Operand, *, limit: int, name: str | None = None) -> SDVariable:
        """``lengths`` themselves, after checking at run time that each lies between 0 and ``limit``.

        Args:
            lengths: Integers.
            limit: The largest length allowed.

        Returns:
            The lengths.

        Raises:
            LabelError: At run time, for a length out of range; names it and its position.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().checked_lengths([1, 2], limit=3).eval()
            array([1, 2])
        """
        ...

    @primitive(
        infer=same, kernel=_checked_ctc_labels, vjp=NOT_DIFFERENTIABLE, literals={"labels": "int64", "lengths": "int64"}
    )
    def checked_ctc_labels(
        self, labels: Operand, lengths: Operand, *, classes: int, blank: int, name: str | None = None
    ) -> SDVariable:
        """Labels ``[batch, n]`` with what lies beyond each example's length set to the blank.

        Args:
            labels: Integer labels.
            lengths: Number of labels of each example.
            classes: The number of classes.
            blank: The class that stands for no label.

        Returns:
            Labels of the same shape.

        Raises:
            LabelError: At run time, for a label in use that is no class, or is the blank.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().checked_ctc_labels([[1, -1]], [1], classes=3, blank=0).eval()
            array([[1, 0]])
        """
        ...
