"""Evaluations as plots: curves over thresholds, reliability, the confusion matrix. Must not know how they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means, readable
from sdgraph.checks import one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.train.evaluation import ROC, Evaluation, EvaluationCalibration, ROCBinary, ROCMultiClass
from sdgraph.viz import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sdgraph.train.evaluation.roc import Curve

AnyROC: TypeAlias = ROC | ROCBinary | ROCMultiClass
CurveName: TypeAlias = Literal["roc", "precision_recall"]
means("CurveName", CurveName)

_MOST_NUMBERS: Final = 20
"""Classes up to which each cell of a confusion matrix has its number."""

_BOOST: Final = 0.6
"""Power of the part that a cell's colour stands for: small parts are to be seen."""

_HALF_LIGHT: Final = 0.3
"""Lightness from which on dark ink is read more easily."""

_MOST_NAMES: Final = 40
"""Classes up to which each has its name at the axes."""


# ---------------------------------------------------------------------- curves over thresholds


@readable
def plot_roc(
    roc: AnyROC | Mapping[str, ROC],
    *,
    curve: CurveName = "roc",
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw what every threshold gives: true positive rates over false ones, or precision over recall.

    Args:
        roc: A `ROC`, a `ROCBinary` or `ROCMultiClass` with a curve for each column, or several ROC by name.
        curve: ``"roc"`` or ``"precision_recall"``.
        names: What to call the columns.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes. A column without positives, or for a ROC curve without negatives, has no curve; the legend says so.

    Raises:
        ArgumentTypeError: If it is no ROC.
        ArgumentError: For another curve, or another number of names than columns.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import viz
        >>> from sdgraph.train.evaluation import ROC
        >>> ax = viz.plot_roc(ROC().add([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
        >>> ax.get_xlabel(), ax.get_legend().get_texts()[0].get_text()
        ('false positive rate', 'area 0.75')
    """
    one_of("curve", curve, get_args(CurveName))
    curves = _curves(roc, curve, names)
    ax = style.axes(ax, theme, (4.8, 4.4))
    grey = style.colours.STROKE["constant"].of(theme)
    if curve == "roc":
        ax.plot([0, 1], [0, 1], color=grey, linewidth=0.8, linestyle=(0, (4, 2)))
    handles = []
    for k, (text, points) in enumerate(curves):
        colour = (style.VALUE if len(curves) == 1 else style.SERIES[k % len(style.SERIES)]).of(theme)
        # Precision between two points is no straight line; the upper step is what thresholds give.
        drawn = ax.plot if curve == "roc" else ax.step
        more: dict[str, Any] = {} if curve == "roc" else {"where": "pre"}
        handles += drawn(points.x, points.y, color=colour, linewidth=1.8, label=style.plain(text), **more)
    style.legend(ax, theme, handles, loc="lower right" if curve == "roc" else "lower left")
    axes = ("false positive rate", "true positive rate") if curve == "roc" else ("recall", "precision")
    style.say(ax, theme, x=axes[0], y=axes[1])
    _unit_square(ax)
    return ax


def _curves(roc: Any, which: str, names: Sequence[str] | None) -> list[tuple[str, Curve]]:
    """Each curve with what the legend says of it."""
    measure, word = ("auc", "area") if which == "roc" else ("average_precision", "average precision")
    method = f"{which}_curve"
    if isinstance(roc, ROC):
        roc = {"": roc}
    if isinstance(roc, Mapping) and roc and all(isinstance(one, ROC) for one in roc.values()):
        found = [(name, getattr(one, method)(), getattr(one, measure)()) for name, one in roc.items()]
    elif isinstance(roc, ROCBinary | ROCMultiClass):
        values = getattr(roc, measure)()
        labels = [str(k) for k in range(values.size)] if names is None else [*names]
        if len(labels) != values.size:
            raise ArgumentError("There is one name for each column.", given=shown(names), expected=f"{values.size}")
        found = [(labels[k], getattr(roc, method)(k), values[k]) for k in range(values.size)]
    else:
        raise ArgumentTypeError("This is no ROC.", given=shown(roc), expected="a ROC, ROCBinary or ROCMultiClass")
    return [
        (f"{name + ': ' if name else ''}{'no curve' if np.isnan(value) else f'{word} {value:.4g}'}", points)
        for name, points, value in found
    ]


def _unit_square(ax: Axes) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal")


# ---------------------------------------------------------------------- reliability


@readable
def plot_calibration(
    evaluation: EvaluationCalibration,
    classes: Sequence[int] | None = None,
    *,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw which part of examples is positive, over the probability that was said; right is the diagonal.

    The area of a point says how many examples it stands for.

    Args:
        evaluation: What has counted them.
        classes: Of which classes; all by default.
        names: What to call all classes.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes; the legend has the expected calibration error of each class.

    Raises:
        ArgumentTypeError: If it is no `EvaluationCalibration`.
        ArgumentError: If there is no such class.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import viz
        >>> from sdgraph.train.evaluation import EvaluationCalibration
        >>> e = EvaluationCalibration(reliability_bins=2).add([[0], [1], [1]], [[0.2], [0.4], [0.9]])
        >>> ax = viz.plot_calibration(e)
        >>> ax.get_legend().get_texts()[0].get_text()
        'calibration error 0.1667'
    """
    if not isinstance(evaluation, EvaluationCalibration):
        raise ArgumentTypeError("This is no calibration.", given=shown(evaluation), expected="an EvaluationCalibration")
    n = evaluation.label_counts.size
    chosen = list(range(n)) if classes is None else [*classes]
    if any(not 0 <= k < n for k in chosen):
        raise ArgumentError("There is no such class.", given=shown(classes), expected=f"below {n}")
    ax = style.axes(ax, theme, (4.8, 4.4))
    ax.plot([0, 1], [0, 1], color=style.colours.STROKE["constant"].of(theme), linewidth=0.8, linestyle=(0, (4, 2)))
    handles = []
    for i, k in enumerate(chosen):
        colour = (style.VALUE if len(chosen) == 1 else style.SERIES[i % len(style.SERIES)]).of(theme)
        x, y, counts = evaluation.reliability(k)
        name = f"{names[k] if names is not None else k}: " if n > 1 else ""
        text = f"{name}calibration error {evaluation.expected_calibration_error(k):.4g}"
        handles += ax.plot(x, y, color=colour, linewidth=1.6, label=style.plain(text), zorder=3)
        sizes = 12 + 160 * counts / max(int(counts.sum()), 1)
        ax.scatter(x, y, s=sizes, color=colour, edgecolors=style.colours.PAGE.of(theme), linewidths=0.8, zorder=4)
    style.legend(ax, theme, handles, loc="upper left")
    style.say(ax, theme, x="probability", y="part that is positive")
    _unit_square(ax)
    return ax


# ---------------------------------------------------------------------- confusion


@readable
def plot_confusion(
    evaluation: Evaluation,
    *,
    normalize: bool = False,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw the confusion matrix: a row for each class that is true, a column for each that was guessed.

    Args:
        evaluation: What has counted them.
        normalize: Whether to show parts of each row instead of counts.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes. Cells have their numbers up to twenty classes.

    Raises:
        ArgumentTypeError: If it is no `Evaluation`.
        ArgumentError: If it has counted nothing.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import viz
        >>> from sdgraph.train.evaluation import Evaluation
        >>> e = Evaluation(labels=["cat", "dog"]).add([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> ax = viz.plot_confusion(e)
        >>> [t.get_text() for t in ax.texts]
        ['1', '0', '1', '1']
    """
    if not isinstance(evaluation, Evaluation):
        raise ArgumentTypeError("This has no confusion matrix.", given=shown(evaluation), expected="an Evaluation")
    counts = evaluation.confusion
    n = len(counts)
    if not counts.any():
        raise ArgumentError("There is nothing to draw: no example was counted.")
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(3.2, 1.2 + 0.55 * n), 9.0)
    ax = style.axes(ax, theme, (side + 0.6, side))
    ax.grid(False)
    # By rows, so that a rare class is as legible as a frequent one; few errors are not nothing.
    image = ax.imshow(parts**_BOOST, cmap=style.loss_map(theme), vmin=0.0, vmax=1.0)
    if n <= _MOST_NUMBERS:
        _numbers(ax, counts, parts, image.cmap(parts**_BOOST), normalize, theme)
    shown_at = np.arange(0, n, -(-n // _MOST_NAMES))
    names = [style.plain(evaluation.class_name(int(k))) for k in shown_at]
    long = max(map(len, names)) > 4
    ax.set_xticks(shown_at, names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_yticks(shown_at, names)
    ax.tick_params(length=0)
    style.say(ax, theme, x="guessed", y="actual", title=f"accuracy {evaluation.accuracy():.4g}")
    return ax


def _numbers(ax: Axes, counts: Any, parts: Any, cells: Any, normalize: bool, theme: str) -> None:
    """Each cell's number, in the ink that stands out from the cell."""
    inks = [style.colours.INK["name"].of(theme), style.colours.PAGE.of(theme)]
    by_light = sorted(inks, key=lambda ink: style.lightness(ink))
    size = 9 if len(counts) <= 10 else 7
    for (i, j), part in np.ndenumerate(parts):
        text = f"{part:.2f}" if normalize else f"{counts[i, j]:,}"
        ink = by_light[0] if style.lightness(cells[i, j]) > _HALF_LIGHT else by_light[1]
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color=ink)
