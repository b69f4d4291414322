"""Losses of whole sequences and of whole batches: CTC and the circle loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite
from sdgraph.errors import ArgumentError, ShapeError
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.infer.shapes import known_to_differ
from sdgraph.ops.losses.ctc import ctc_negative_log_likelihood, infer_ctc
from sdgraph.ops.losses.keras.definition import Drawn, called, keras_loss
from sdgraph.ops.losses.keras.labels import as_integers
from sdgraph.ops.losses.keras.op_loss import MEAN, OpLoss, function
from sdgraph.ops.losses.keras.weighting import Reduction, Traced, Weighting, work_dtypes
from sdgraph.ops.precision import cast_to

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from sdgraph.build.variable import Operand


def _infer_whole_rows(labels: Aval, logits: Aval, lengths: Aval, logit_lengths: Aval) -> Aval:
    return infer_ctc(labels, logits, lengths, logit_lengths, blank_index=0)


@composite(infer=_infer_whole_rows, grows=True, leaves_out=False)
def _ctc(sd: GraphLike, labels: Operand, logits: Operand, lengths: Operand, logit_lengths: Operand) -> SDVariable:
    """``-log P(labels | logits)`` with class 0 as the blank, which may stand among the labels."""
    operands: Any = (labels, logits, lengths, logit_lengths)
    return ctc_negative_log_likelihood(sd, *operands, blank=0, blank_is_label=True)


def _rows(x: Traced, what: str) -> SDVariable:
    """Labels ``(n,)`` for ``(n,)`` or ``(n, 1)``."""
    labels = as_integers(x, what)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.sd.squeeze(labels, 1)
    if labels.ndim != 1:
        raise ShapeError(
            f"{what} must hold one label per row.", given=f"{what} {shape_str(x.shape)}", expected="(n,) or (n, 1)"
        )
    return labels


def _embeddings(x: SDVariable, labels: SDVariable, what: str) -> None:
    if x.ndim != 2 or known_to_differ(x.shape[0], labels.shape[0]):
        raise ShapeError(
            f"{what} must hold one embedding per label.",
            given=f"{what} {shape_str(x.shape)}, labels {shape_str(labels.shape)}",
            expected="(n, size)",
        )


def _position(labels: SDVariable) -> SDVariable:
    """1, 2, 3 ... along the labels, whose number may be unknown."""
    sd = labels.sd
    return sd.cumsum(sd.ones_like(labels, "int64"), 0)


class SDKerasStructured(Namespace, prefix="keras"):
    """Keras' losses of sequences and of batches."""

    @keras_loss(
        calls=[
            called([[1, 2], [2, 0]], Drawn((2, 5, 3))),
            called([[1, 1]], Drawn((1, 4, 2))),
            called([[1, 2], [2, 0]], Drawn((2, 5, 3)), Drawn((2,), (0.5, 2)), reduction="sum"),
        ],
        formula=r"$-\log P(y \mid \mathrm{softmax}(x))$",
        related="`ctc_loss`",
        picture={"labels": [[1, 2]], "at": [[0.0] * 3] * 4, "vary": (1, 1), "predictions": (-5, 5)},
    )
    def ctc(
        self,
        y_true: Operand,
        y_pred: Operand,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Connectionist temporal classification: ``-log P(y_true | softmax(y_pred))``, with class 0 as the blank.

        A row's labels are as many of its first entries as it has entries other than 0; every row uses all frames. An
        alignment that cannot exist costs infinity. For lengths of your own use ``sd.loss.ctc_loss``.

        Args:
            y_true: Integer labels ``(batch, max_length)``, filled up with 0.
            y_pred: Logits ``(batch, frames, classes)``.

        Returns:
            Shape ``(batch,)``.

        Raises:
            LabelError: At run time, for a label that is no class.

        References:
            A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification: labelling
            unsegmented sequence data with recurrent neural networks", ICML 2006.

        Example:
            >>> import numpy as np
            >>> from sdgraph.keras import losses
            >>> losses.ctc(np.array([[1, 0]]), np.zeros((1, 2, 3)))  # two frames, three classes, all equally likely
            array([1.09861229])
        """
        sd = self.sd
        work, result = work_dtypes(sd, y_pred, None, dtype)
        p, labels = cast_to(y_pred, work), as_integers(y_true)
        if labels.ndim != 2 or p.ndim != 3:
            raise ShapeError(
                "y_true or y_pred has a wrong rank.",
                given=f"y_true {shape_str(labels.shape)}, y_pred {shape_str(p.shape)}",
                expected="y_true (batch, max_length), y_pred (batch, frames, classes)",
            )
        w = Weighting(sd, p.shape[:1], p.shape[0], work, result, sample_weight, mask)
        (p,) = w.shield(p, axes=(1, 2))
        lengths = sd.sum(sd.cast(labels.neq(0), "int64"), 1)
        frames = sd.zeros_like(lengths) + sd.axis_size(p, 1, "int64")
        each: Any = _ctc(sd, labels, p, lengths, frames)
        return w.reduce(each, reduction)

    @keras_loss(
        leaves_out=False,
        checks={"gamma": finite, "margin": finite},
        calls=[
            called([0, 1, 0], Drawn((3, 2), (0.1, 0.9)), gamma=2.0),
            called([0, 1, 0], Drawn((3, 2), (0.1, 0.9)), None, None, Drawn((3,), (0.5, 2)), gamma=2.0, reduction="sum"),
            called(
                *([0, 1, 0], Drawn((3, 2), (0.1, 0.9)), [0, 1], Drawn((2, 2), (0.1, 0.9))),
                gamma=2.0,
                remove_diagonal=False,
            ),
        ],
        formula=r"$\mathrm{softplus}(\log \sum e^{-\gamma \max(m + d, 0)(m - d)} "
        r"+ \log \sum e^{\gamma \max(1 + m - d, 0)(1 - m - d)})$ "
        "over references of the same and of other labels, $d$ their distance",
        picture={
            "along": "angle",
            "labels": [0],
            "ref_labels": [0, 1],
            "ref_embeddings": [[1.0, 0.0], [0.0, 1.0]],
            "remove_diagonal": False,
            "gamma": 4.0,
        },
    )
    def circle(
        self,
        y_true: Operand,
        y_pred: Operand,
        ref_labels: Operand | None = None,
        ref_embeddings: Operand | None = None,
        remove_diagonal: bool = True,
        gamma: float = 80.0,
        margin: float = 0.4,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: Reduction = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Circle loss of embeddings: pulls rows of one label together and pushes others apart (Sun and others, 2020).

        With the distances ``d = max(1 - y_pred ref_embeddings^T, 0)``, g = gamma and m = margin it is
        ``softplus(P + N)`` for ``P = log sum exp(-g max(m + d, 0) (m - d))`` over the references of the row's label
        and ``N = log sum exp(g max(1 + m - d, 0) (1 - m - d))`` over the others. A row that lacks one kind costs 0,
        and means are over the rows that cost more. At the kink of a maximum the gradient is half of that beside it.

        Args:
            y_true: Integer labels ``(batch,)`` or ``(batch, 1)``.
            y_pred: Embeddings ``(batch, size)`` of length 1.
            ref_labels: Labels of the references; those of the batch by default.
            ref_embeddings: The references ``(references, size)``; the batch itself by default.
            remove_diagonal: Whether a row's own place among the references is left out.
            gamma: Scale.
            margin: Relaxation.

        Returns:
            Shape ``(batch,)``.

        References:
            Y. Sun and others, "Circle loss: a unified perspective of pair similarity optimization", arXiv:2002.10857,
            2020.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.circle([0, 0, 1], [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], gamma=1.0).round(4)
            array([1.1989, 1.0899, 0.    ], dtype=float32)
        """
        if (ref_labels is None) != (ref_embeddings is None):
            raise ArgumentError("ref_labels and ref_embeddings go together.", given="only one of them")
        sd, m = self.sd, self.sd.math
        work, result = work_dtypes(sd, y_pred, None, dtype)
        p, labels = cast_to(y_pred, work), _rows(y_true, "y_true")
        _embeddings(p, labels, "y_pred")
        refs, others = p, labels
        if ref_labels is not None:
            refs, others = cast_to(ref_embeddings, work), _rows(ref_labels, "ref_labels")
            _embeddings(refs, others, "ref_embeddings")
        # No shield for weights: a row that does not count is still a reference of the others.
        w = Weighting(sd, p.shape[:1], p.shape[0], work, result, sample_weight, mask)
        d = m.max(1 - p @ refs.T, 0.0)
        same = sd.expand_dims(labels, 1).eq(sd.expand_dims(others, 0))
        positive = same
        if remove_diagonal:
            places = sd.expand_dims(_position(labels), 1), sd.expand_dims(_position(others), 0)
            positive = m.and_(same, places[0].neq(places[1]))
        nothing = np.array(-np.inf, work)
        pull = sd.where(positive, -gamma * m.max(margin + d, 0.0) * (margin - d), nothing)
        push = sd.where(same, nothing, gamma * m.max(1 + margin - d, 0.0) * (1 - margin - d))
        values = sd.nn.softplus(m.log_sum_exp(pull, 1) + m.log_sum_exp(push, 1))
        return w.reduce(values, reduction, values > 0)


# ---------------------------------------------------------------------- classes and functions


class CTC(OpLoss, of=SDKerasStructured.ctc):
    """Connectionist temporal classification.

    Example:
        >>> from sdgraph.keras import losses
        >>> import numpy as np
        >>> losses.CTC()(np.array([[1, 0]]), np.zeros((1, 2, 3)))
        array(1.09861229)
    """


ctc = function(SDKerasStructured.ctc)


class Circle(OpLoss, of=SDKerasStructured.circle):
    """Circle loss of embeddings and integer labels. A mean is over the rows that cost something.

    Example:
        >>> from sdgraph.keras import losses
        >>> y_pred = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> losses.Circle(gamma=1.0)([0, 0, 1], y_pred).round(4)
        np.float32(1.1444)
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: Reduction = MEAN,
        name: str | None = "circle",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = remove_diagonal
        super().__init__(reduction, name, dtype)


circle = function(SDKerasStructured.circle)
