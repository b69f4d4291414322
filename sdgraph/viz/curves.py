"""Losses as curves: value and gradient over the prediction.

A curve is computed by a small graph of its own, one example at a time, so that every way to reduce gives the same
picture. Must not know the formula of any loss.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from sdgraph.build.annotations import means, readable
from sdgraph.build.op import REGISTRY, Op
from sdgraph.checks import no_such, one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.viz import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sdgraph.build.variable import SDVariable
    from sdgraph.samediff import SameDiff

Show: TypeAlias = Literal["both", "value", "gradient"]
means("Show", Show)
_MARGIN: Final = 3.0
_LABEL_WORDS: Final = ("label", "target", "true")


class _Loss(NamedTuple):
    """A loss as a function of label and prediction, with what to call it and its prediction."""

    name: str
    prediction: str
    has_label: bool
    build: Callable[..., Any]


class _Curve(NamedTuple):
    text: str
    x: np.ndarray[Any, Any]
    value: np.ndarray[Any, Any]
    slope: np.ndarray[Any, Any] | None


@readable
def plot_loss(
    loss: str | Callable[..., Any] | Sequence[Any] | Mapping[str, Any],
    labels: ArrayLike = 1.0,
    predictions: ArrayLike | None = None,
    *,
    show: Show = "both",
    at: ArrayLike | None = None,
    vary: int | tuple[int, ...] = 0,
    points: int = 401,
    ax: Axes | None = None,
    theme: style.Theme = "light",
    **settings: Any,
) -> Axes:
    """Draw a loss of one example over its prediction: the value as a full line, the gradient as a dashed one.

    Args:
        loss: The name of a loss of ``sd.loss``, or of ``sd.keras`` as in ``"keras.huber"``; a method of these; a loss
            object of `sdgraph.keras.losses`; or a function of label and prediction that returns a variable. A sequence
            of these for several curves, or a mapping that also says what to call each.
        labels: One label, or several along the first axis.
        predictions: ``(low, high)``, or more than two points to compute; 3 on either side of the labels by default.
        show: ``"both"``, ``"value"`` or ``"gradient"``.
        at: For losses of a whole vector, such as softmax cross entropy: the prediction around which one element
            varies. By default zeros of the label's shape.
        vary: Index of the element that varies.
        points: How many points to compute between low and high.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.
        **settings: Arguments of the loss, such as ``delta=2.0``; with several losses, each gets all of them.

    Returns:
        The axes.

    Raises:
        ArgumentError: For an unknown loss, ``show`` or theme, or a range that is none.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import viz
        >>> ax = viz.plot_loss(["huber_loss", "mean_squared_error"], labels=0.0)
        >>> ax.get_xlabel(), len(ax.get_lines())
        ('prediction', 5)
    """
    one_of("show", show, get_args(Show))
    losses = _several(loss)
    ys = np.atleast_1d(np.asarray(labels))
    xs = _points(ys, predictions, points, at)
    curves = []
    for one in losses:
        for y in ys if one.has_label else ys[:1]:
            named = one.name if len(losses) > 1 or len(ys) == 1 else ""
            label = f"label {_short(y)}" if len(ys) > 1 and one.has_label else ""
            value, slope = _compute(one, y, at, vary, xs, settings, with_slope=show != "value")
            curves.append(_Curve(", ".join(filter(None, (named, label))), xs, value, slope))
    ax = style.axes(ax, theme)
    _draw(ax, theme, curves, show)
    title = losses[0].name if len(losses) == 1 else ""
    words = {one.prediction for one in losses}
    style.say(ax, theme, title=title, x=words.pop() if len(words) == 1 else "prediction", y=_y_word(show))
    return ax


# ---------------------------------------------------------------------- what is a loss


def _several(loss: Any) -> list[_Loss]:
    if isinstance(loss, Mapping):
        found = [_as_loss(one)._replace(name=str(name)) for name, one in loss.items()]
    elif isinstance(loss, Sequence) and not isinstance(loss, str):
        found = [_as_loss(one) for one in loss]
    else:
        found = [_as_loss(loss)]
    if not found:
        raise ArgumentError("There is no loss to draw.", given=shown(loss))
    return found


def _as_loss(loss: Any) -> _Loss:
    if isinstance(loss, str):
        return _from_op(_loss_op(loss), None)
    op = getattr(loss, "op", None)
    # An object that calls an op may give it settings of its own, so only what is the op itself is taken apart.
    if isinstance(op, Op) and inspect.isroutine(loss):
        return _from_op(op, None if op.owner is not None else loss)
    if not callable(loss):
        raise ArgumentTypeError(
            "This is not a loss.",
            given=shown(loss),
            expected="a name such as 'huber_loss', a method of sd.loss, or a function of label and prediction",
        )
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__
    name = "loss" if name == "<lambda>" else str(name)
    return _Loss(name, "prediction", True, lambda sd, y, p, **settings: loss(y, p, **settings))


def _loss_op(name: str) -> Op:
    found = REGISTRY.get(name if "." in name else f"loss.{name}")
    if found is None:
        known = [op.name for key, op in REGISTRY.items() if key.startswith("loss.")]
        raise no_such("loss", name, sorted(known))
    return found


def _from_op(op: Op, function: Callable[..., Any] | None) -> _Loss:
    """A loss op; which operand is the label follows from the operands' names, as losses differ in their order."""
    labels = [n for n in op.operand_names if any(word in n for word in _LABEL_WORDS)]
    others = [n for n in op.operand_names if n not in labels and n != "weights"]
    if not others:
        raise ArgumentError(f"{op.qualname} has no prediction.", given=", ".join(op.operand_names))

    def build(sd: SameDiff, y: SDVariable, p: SDVariable, **settings: Any) -> Any:
        given = {others[0]: p, **({labels[0]: y} if labels else {})}
        if function is not None:
            return function(sd, **given, **settings)
        assert op.owner is not None
        return getattr(op.owner(sd), op.name)(**given, **settings)

    word = "logit" if "logit" in others[0] else "prediction"
    return _Loss(op.name, word, bool(labels), build)


# ---------------------------------------------------------------------- computing


def _points(
    labels: np.ndarray[Any, Any], predictions: ArrayLike | None, points: int, at: ArrayLike | None
) -> np.ndarray[Any, Any]:
    if predictions is None:
        centre = labels if labels.ndim == 1 and at is None else np.zeros(1)
        ends = np.array([np.min(centre) - _MARGIN, np.max(centre) + _MARGIN], "float64")
    else:
        ends = np.asarray(predictions, "float64")
    if ends.ndim != 1 or len(ends) < 2 or not np.isfinite(ends).all() or np.any(np.diff(ends) <= 0):
        raise ArgumentError(
            "predictions is not a range.",
            given=shown(predictions),
            expected="(low, high), or finite points in rising order",
        )
    if points < 2:
        raise ArgumentError("A curve has two points at least.", given=f"points={shown(points)}")
    return np.linspace(ends[0], ends[1], points) if len(ends) == 2 else ends


def _compute(
    loss: _Loss,
    label: Any,
    at: ArrayLike | None,
    vary: int | tuple[int, ...],
    xs: np.ndarray[Any, Any],
    settings: Mapping[str, Any],
    *,
    with_slope: bool,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Value and derivative of the loss of one example at every point."""
    from sdgraph.samediff import SameDiff

    label = np.asarray(label)
    base = np.zeros(label.shape) if at is None else np.asarray(at, "float64")
    index = (0, *(vary if isinstance(vary, tuple) else (vary,))) if base.ndim else (0,)
    feed = base[None].copy()
    sd = SameDiff(dtype="float64")
    p = sd.placeholder("prediction", shape=feed.shape)
    result = sd.as_variable(loss.build(sd, sd.constant("label", label[None]), p, **settings))
    total = sd.sum(result)
    fetches = [total, sd.grad(total, p)] if with_slope else [total]
    try:
        feed[index]
    except IndexError:
        raise ArgumentError(
            "The prediction has no such element.", given=f"vary={shown(vary)}", expected=f"an index into {base.shape}"
        ) from None
    run = sd.compile(fetches)
    value, slope = np.empty(len(xs)), np.empty(len(xs))
    for k, x in enumerate(xs):
        feed[index] = x
        # Outside the domain of a loss there is no curve; the point is left out, so numpy need not warn of it.
        with np.errstate(all="ignore"):
            found = run.run({"prediction": feed})
        value[k] = found[0]
        slope[k] = found[1][index] if with_slope else 0.0
    return value, slope if with_slope else None


# ---------------------------------------------------------------------- drawing


def _draw(ax: Axes, theme: str, curves: list[_Curve], show: str) -> None:
    from matplotlib.lines import Line2D

    single = len(curves) == 1
    handles: list[Any] = []
    ax.axhline(0.0, color=style.colours.STROKE["constant"].of(theme), linewidth=0.8)
    for k, curve in enumerate(curves):
        colour = (style.VALUE if single else style.SERIES[k % len(style.SERIES)]).of(theme)
        lines = []
        if show != "gradient":
            lines += ax.plot(curve.x, _finite(curve.value), color=colour, linewidth=2.2, label="value", zorder=3)
        if curve.slope is not None:
            ink = style.GRADIENT.of(theme) if single else colour
            dashes: Any = (0, (4, 2)) if show == "both" else "-"
            width = 1.6 if show == "both" else 2.2
            lines += ax.plot(
                curve.x,
                _broken(curve.slope),
                color=ink,
                linewidth=width,
                linestyle=dashes,
                label="gradient",
                zorder=2.5,
            )
        handles += lines if single else [Line2D([], [], color=colour, linewidth=2.2, label=style.plain(curve.text))]
    if show == "both" and not single:
        grey = style.colours.INK["detail"].of(theme)
        handles.append(Line2D([], [], color=grey, linewidth=2.2, label="value"))
        handles.append(Line2D([], [], color=grey, linewidth=1.6, linestyle=(0, (4, 2)), label="gradient"))
    if not (single and show != "both"):
        style.legend(ax, theme, handles)
    ax.margins(x=0)


def _finite(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(np.isfinite(y), y, np.nan)


def _broken(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The curve without the upright line that would join the two sides of a jump."""
    y = _finite(y)
    steps = np.abs(np.diff(y))
    if len(steps) < 3 or not np.isfinite(steps).any():
        return y
    padded = np.nan_to_num(np.concatenate([[0.0, 0.0], steps, [0.0, 0.0]]))
    # A jump across a grid point takes two steps, so the neighbours to compare with are two away.
    near = np.maximum(padded[:-4], padded[4:])
    jumps = (steps > 0.05 * (np.nanmax(y) - np.nanmin(y))) & (steps > 8 * near)
    out = y.copy()
    out[1:][jumps] = np.nan
    return out


def _y_word(show: str) -> str:
    return {"both": "loss and gradient", "value": "loss", "gradient": "gradient"}[show]


def _short(label: np.ndarray[Any, Any]) -> str:
    array = np.asarray(label)
    if array.ndim == 0:
        return f"{array.item():.4g}"
    text = ", ".join(f"{v:.4g}" for v in array.ravel()[:6])
    return f"[{text}{', …' if array.size > 6 else ''}]"
