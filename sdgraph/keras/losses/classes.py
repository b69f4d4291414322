"""The classes of Keras' losses: settings, and which op of ``sd.keras`` they stand for.

Must not know any formula: those are in `sdgraph.ops.losses.keras`, as are the meanings of the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdgraph.checks import finite
from sdgraph.keras.losses.op_loss import OpLoss
from sdgraph.ops.losses.keras import SDKeras
from sdgraph.ops.losses.keras.crossentropies import check_gamma, check_label_smoothing
from sdgraph.ops.losses.keras.probabilities import check_q
from sdgraph.ops.losses.keras.regression import check_delta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

_MEAN = "sum_over_batch_size"


class MeanSquaredError(OpLoss, of=SDKeras.mean_squared_error):
    """Mean of the squared differences.

    Formula and settings are those of `mean_squared_error`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
        array(0.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "mean_squared_error",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("mean_squared_error" if name is None else name, reduction, dtype)


class MeanAbsoluteError(OpLoss, of=SDKeras.mean_absolute_error):
    """Mean of the absolute differences.

    Formula and settings are those of `mean_absolute_error`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanAbsoluteError()([[0.0, 1.0]], [[1.0, 4.0]])
        array(2., dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "mean_absolute_error",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("mean_absolute_error" if name is None else name, reduction, dtype)


class MeanAbsolutePercentageError(OpLoss, of=SDKeras.mean_absolute_percentage_error):
    """Mean of the absolute differences relative to the true values, in percent.

    Formula and settings are those of `mean_absolute_percentage_error`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 5.0]])
        array(37.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "mean_absolute_percentage_error",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("mean_absolute_percentage_error" if name is None else name, reduction, dtype)


class MeanSquaredLogarithmicError(OpLoss, of=SDKeras.mean_squared_logarithmic_error):
    """Mean of the squared differences of ``log(1 + value)``.

    Formula and settings are those of `mean_squared_logarithmic_error`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.MeanSquaredLogarithmicError()([[1.0, 3.0]], [[1.0, 1.0]])
        array(0.2402265, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "mean_squared_logarithmic_error",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("mean_squared_logarithmic_error" if name is None else name, reduction, dtype)


class CosineSimilarity(OpLoss, of=SDKeras.cosine_similarity):
    """Minus the cosine of the angle between true and predicted vectors.

    Formula and settings are those of `cosine_similarity`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CosineSimilarity()([[0.0, 1.0]], [[0.0, 3.0]])
        array(-1., dtype=float32)
    """

    options = ("axis",)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str | None = "cosine_similarity",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("cosine_similarity" if name is None else name, reduction, dtype)
        self.axis = axis


class Huber(OpLoss, of=SDKeras.huber):
    """Squared differences, but absolute ones where they are larger than ``delta``.

    Formula and settings are those of `huber`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Huber(delta=1.0)([[0.0, 0.0]], [[0.5, 3.0]])
        array(1.3125, dtype=float32)
    """

    options = ("delta",)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = _MEAN,
        name: str | None = "huber_loss",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_delta(delta)
        super().__init__("huber_loss" if name is None else name, reduction, dtype)
        self.delta = delta


class LogCosh(OpLoss, of=SDKeras.log_cosh):
    """Mean of the logarithm of the hyperbolic cosine of the differences.

    Formula and settings are those of `log_cosh`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.LogCosh()([[0.0, 0.0]], [[1.0, 0.0]]).round(4)
        np.float32(0.2169)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "log_cosh",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("log_cosh" if name is None else name, reduction, dtype)


class Hinge(OpLoss, of=SDKeras.hinge):
    """Hinge loss of labels -1 and 1, or 0 and 1.

    Formula and settings are those of `hinge`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Hinge()([[0.0, 1.0]], [[0.5, 0.5]])
        array(1., dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "hinge",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("hinge" if name is None else name, reduction, dtype)


class SquaredHinge(OpLoss, of=SDKeras.squared_hinge):
    """Square of the hinge loss.

    Formula and settings are those of `squared_hinge`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.SquaredHinge()([[-1.0, 1.0]], [[0.5, 0.5]])
        array(1.25, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "squared_hinge",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("squared_hinge" if name is None else name, reduction, dtype)


class CategoricalHinge(OpLoss, of=SDKeras.categorical_hinge):
    """Hinge loss of one-hot labels.

    Formula and settings are those of `categorical_hinge`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]])
        array(0.75, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "categorical_hinge",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("categorical_hinge" if name is None else name, reduction, dtype)


class KLDivergence(OpLoss, of=SDKeras.kl_divergence):
    """Kullback-Leibler divergence of predicted from true probabilities.

    Formula and settings are those of `kl_divergence`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]).round(4)
        np.float32(0.1438)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "kl_divergence",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("kl_divergence" if name is None else name, reduction, dtype)


class Poisson(OpLoss, of=SDKeras.poisson):
    """Poisson loss of counts and predicted rates.

    Formula and settings are those of `poisson`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Poisson()([[2.0, 0.0]], [[1.0, 3.0]])
        array(1.9999999, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "poisson",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("poisson" if name is None else name, reduction, dtype)


class BinaryCrossentropy(OpLoss, of=SDKeras.binary_crossentropy):
    """Cross entropy of labels 0 and 1.

    Formula and settings are those of `binary_crossentropy`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.BinaryCrossentropy(from_logits=True)([[0.0, 1.0]], [[0.0, 0.0]])
        array(0.6931472, dtype=float32)
    """

    options = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int | Sequence[int] | None = -1,
        reduction: str | None = _MEAN,
        name: str | None = "binary_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_label_smoothing(label_smoothing)
        super().__init__("binary_crossentropy" if name is None else name, reduction, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class BinaryFocalCrossentropy(OpLoss, of=SDKeras.binary_focal_crossentropy):
    """Cross entropy of labels 0 and 1 in which easy samples count less.

    Formula and settings are those of `binary_focal_crossentropy`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.BinaryFocalCrossentropy(gamma=2)([[0.0, 1.0]], [[0.5, 0.5]])
        array(0.1732868, dtype=float32)
    """

    options = ("apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int | Sequence[int] | None = -1,
        reduction: str | None = _MEAN,
        name: str | None = "binary_focal_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_gamma(gamma)
        check_label_smoothing(label_smoothing)
        super().__init__("binary_focal_crossentropy" if name is None else name, reduction, dtype)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalCrossentropy(OpLoss, of=SDKeras.categorical_crossentropy):
    """Cross entropy of one-hot labels.

    Formula and settings are those of `categorical_crossentropy`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalCrossentropy()([[0.0, 1.0, 0.0]], [[0.05, 0.95, 0.0]])
        array(0.05129331, dtype=float32)
    """

    options = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str | None = "categorical_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_label_smoothing(label_smoothing)
        super().__init__("categorical_crossentropy" if name is None else name, reduction, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalFocalCrossentropy(OpLoss, of=SDKeras.categorical_focal_crossentropy):
    """Cross entropy of one-hot labels in which easy samples count less.

    Formula and settings are those of `categorical_focal_crossentropy`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])
        array(0.0433217, dtype=float32)
    """

    options = ("alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str | None = "categorical_focal_crossentropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_gamma(gamma)
        check_label_smoothing(label_smoothing)
        super().__init__("categorical_focal_crossentropy" if name is None else name, reduction, dtype)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(OpLoss, of=SDKeras.sparse_categorical_crossentropy):
    """Cross entropy of integer labels.

    Formula and settings are those of `sparse_categorical_crossentropy`.

    Example:
        >>> from sdgraph.keras import losses
        >>> loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
        >>> loss([1, -1], [[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]])
        array(0.05129331, dtype=float32)
    """

    options = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = _MEAN,
        name: str | None = "sparse_categorical_crossentropy",
        axis: int = -1,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("sparse_categorical_crossentropy" if name is None else name, reduction, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis


class CategoricalGeneralizedCrossEntropy(OpLoss, of=SDKeras.categorical_generalized_cross_entropy):
    """Cross entropy of integer labels that wrong labels harm less.

    Formula and settings are those of `categorical_generalized_cross_entropy`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.CategoricalGeneralizedCrossEntropy(q=0.5)([0, 1], [[0.25, 0.75], [0.0, 1.0]])
        array(0.5, dtype=float32)
    """

    options = ("q",)

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = _MEAN,
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: DTypeLike | None = None,
    ) -> None:
        check_q(q)
        super().__init__("categorical_generalized_cross_entropy" if name is None else name, reduction, dtype)
        self.q = q


class CTC(OpLoss, of=SDKeras.ctc):
    """Connectionist temporal classification.

    Formula and settings are those of `ctc`.

    Example:
        >>> from sdgraph.keras import losses
        >>> import numpy as np
        >>> losses.CTC()(np.array([[1, 0]]), np.zeros((1, 2, 3)))
        array(1.09861229)
    """

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "ctc",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("ctc" if name is None else name, reduction, dtype)


class Dice(OpLoss, of=SDKeras.dice):
    """Dice loss of true and predicted regions. With ``axis=None`` all samples make one region.

    Formula and settings are those of `dice`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Dice(axis=1)([[1.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]).round(4)
        np.float32(0.5)
    """

    options = ("axis",)

    def __init__(
        self,
        reduction: str | None = _MEAN,
        name: str | None = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("dice" if name is None else name, reduction, dtype)
        self.axis = axis


class Tversky(OpLoss, of=SDKeras.tversky):
    """Tversky loss of regions: ``alpha`` weights false positives, ``beta`` false negatives.

    Formula and settings are those of `tversky`.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Tversky(alpha=0.5, beta=3.0, axis=1)([[1.0, 1.0]], [[1.0, 0.0]])
        array(0.75, dtype=float32)
    """

    options = ("alpha", "beta", "axis")

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = _MEAN,
        name: str | None = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        finite("alpha", alpha)
        finite("beta", beta)
        super().__init__("tversky" if name is None else name, reduction, dtype)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis


class Circle(OpLoss, of=SDKeras.circle):
    """Circle loss of embeddings and integer labels. A mean is over the rows that cost something.

    Formula and settings are those of `circle`.

    Example:
        >>> from sdgraph.keras import losses
        >>> y_pred = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> losses.Circle(gamma=1.0)([0, 0, 1], y_pred).round(4)
        np.float32(1.1444)
    """

    options = ("gamma", "margin", "remove_diagonal")

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = _MEAN,
        name: str | None = "circle",
        dtype: DTypeLike | None = None,
    ) -> None:
        finite("gamma", gamma)
        finite("margin", margin)
        super().__init__("circle" if name is None else name, reduction, dtype)
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = remove_diagonal


__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
]
