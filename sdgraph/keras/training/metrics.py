"""What the metrics of `Model.compile` are: which formula a name stands for, and which way is better.

Each is a mean over examples; what else there is to a metric, such as a root at the end, stands beside its formula. Must
not know models.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.losses import registry
from sdgraph.ops.losses.keras.loss import Loss, snake_case
from sdgraph.ops.losses.keras.weighting import check_same_shape, same_rank
from sdgraph.wording import did_you_mean, listed

Direction = Literal["min", "max"]


class Metric(NamedTuple):
    """A metric by the name it is reported under."""

    name: str
    function: Callable[[SDVariable, SDVariable], Any]
    """Of labels and predictions: values whose first axis counts examples, or one number for a batch."""
    direction: Direction | None = None
    """What is better; None where nobody knows."""
    at_end: Callable[[float], float] | None = None
    """What is made of the mean."""


# ---------------------------------------------------------------------- formulas


def _counts(hits: SDVariable, like: SDVariable) -> SDVariable:
    return hits.sd.cast(hits, like.dtype if like.dtype.kind == "f" else like.sd.dtype)


def binary_accuracy(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Whether a prediction is above one half where its label is 1, and only there."""
    y, p = same_rank(y_true, y_pred)
    check_same_shape(y, p)
    return _counts(y.eq(p.sd.cast(p > 0.5, y.dtype)), p)


def categorical_accuracy(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Whether the largest prediction stands where the largest label does."""
    check_same_shape(y_true, y_pred)
    sd = y_pred.sd
    return _counts(sd.argmax(y_true, -1).eq(sd.argmax(y_pred, -1)), y_pred)


def sparse_categorical_accuracy(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Whether the largest prediction stands at the number that is the label."""
    sd = y_pred.sd
    y = sd.squeeze(y_true, -1) if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    guess = sd.cast(sd.argmax(y_pred, -1), y.dtype)
    check_same_shape(y, guess, f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}")
    return _counts(y.eq(guess), y_pred)


def accuracy(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """The accuracy that the shapes call for, as Keras chooses it.

    Raises:
        ShapeError: If predictions have no axis of classes.
    """
    if y_pred.ndim < 2:
        raise ShapeError(
            "An accuracy is chosen by the last axis of predictions, and these have none besides the batch.",
            given=f"y_pred {shape_str(y_pred.shape)}",
            fix="Use the metric 'binary_accuracy', or give the output a last axis of size 1.",
        )
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


def _among_first(y_true: SDVariable, y_pred: SDVariable, k: int = 5) -> SDVariable:
    sd = y_pred.sd
    y = sd.squeeze(y_true, -1) if y_true.ndim == y_pred.ndim else y_true
    check_same_shape(y, sd.argmax(y_pred, -1), f"y_true {shape_str(y_true.shape)}, y_pred {shape_str(y_pred.shape)}")
    own = sd.one_hot(sd.cast(y, "int64"), _classes(y_pred), dtype=y_pred.dtype)
    mine = sd.sum(own * y_pred, -1, keepdims=True)
    above = sd.sum(sd.cast(y_pred > mine, "int64"), -1)
    return _counts(above < k, y_pred)


def _classes(y_pred: SDVariable) -> int:
    n = y_pred.shape[-1]
    if not isinstance(n, int):
        raise ShapeError("How many classes there are must be known.", given=f"y_pred {shape_str(y_pred.shape)}")
    return n


def sparse_top_k_categorical_accuracy(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Whether fewer than five predictions are larger than the one at the label."""
    return _among_first(y_true, y_pred)


def top_k_categorical_accuracy(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    """Whether fewer than five predictions are larger than the one where the largest label stands."""
    check_same_shape(y_true, y_pred)
    return _among_first(y_pred.sd.argmax(y_true, -1), y_pred)


def _squares(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    y, p = same_rank(y_true, y_pred)
    check_same_shape(y, p)
    return (p - p.sd.cast(y, p.dtype)) ** 2


def _cosine(y_true: SDVariable, y_pred: SDVariable) -> SDVariable:
    return -registry.FUNCTIONS["cosine_similarity"](y_true, y_pred)


# ---------------------------------------------------------------------- names

_ACCURACIES: dict[str, Callable[[SDVariable, SDVariable], SDVariable]] = {
    "accuracy": accuracy,
    "acc": accuracy,
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "sparse_top_k_categorical_accuracy": sparse_top_k_categorical_accuracy,
    "top_k_categorical_accuracy": top_k_categorical_accuracy,
}
_ALSO = {"log_cosh_error": "log_cosh"}
"""What Keras' metrics are called that are losses under another name."""

_WITH_STATE = re.compile(
    "auc|(precision|recall)(at(precision|recall))?|sensitivityatspecificity|specificityatsensitivity"
    "|(true|false)(positives|negatives)|f1score|fbetascore|r2score|(mean|binary|onehot|onehotmean)?iou"
    "|(concordance|pearson)correlation"
)
"""Metrics of Keras that are no mean over examples, without what divides words."""


def find(identifier: Any) -> Metric:
    """The metric that somebody means.

    Args:
        identifier: The name of an accuracy or of a loss, a loss, or a function of labels and predictions.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones.
        ArgumentTypeError: For what is neither.
    """
    if isinstance(identifier, str):
        return _named(identifier)
    if isinstance(identifier, type):
        raise ArgumentTypeError("This is a class, not a metric.", given=identifier.__name__, fix="Make one of it.")
    if isinstance(identifier, Loss):
        return Metric(identifier.name, identifier, "min")
    if callable(identifier):
        name = getattr(identifier, "name", None) or getattr(identifier, "__name__", None)
        direction = "min" if registry.class_of(identifier) else None
        return Metric(str(name or snake_case(type(identifier).__name__)), identifier, direction)
    raise ArgumentTypeError(
        "This is no metric.", given=shown(identifier), expected="a name, or a function of labels and predictions"
    )


def _named(name: str) -> Metric:
    known = snake_case(re.sub(r"\W", "", name))
    if known in _ACCURACIES:
        return Metric(name, _ACCURACIES[known], "max")
    if known in ("root_mean_squared_error", "rmse"):
        return Metric(name, _squares, "min", math.sqrt)
    if known in ("cosine_similarity", "cosine_proximity", "cosine"):
        return Metric(name, _cosine, "max")
    if _WITH_STATE.fullmatch(known.replace("_", "")):
        raise ArgumentError(
            f"{name!r} is no mean over examples: it cannot be asked for by its name.",
            given=name,
            fix="Look at the predictions with sdgraph.train.evaluation.",
        )
    try:
        found = registry.get(_ALSO.get(known, name))
    except ArgumentError as e:
        names = sorted({*_ACCURACIES, *registry.FUNCTIONS, *registry.ALIASES})
        raise ArgumentError(
            f"There is no metric {name!r}.",
            given=shown(name),
            expected=f"{listed(_ACCURACIES)}, or the name of a loss",
            fix=did_you_mean(name, names),
        ) from e
    if isinstance(found, Loss):
        found.reduction = None
    return Metric(name, found, "min")
