"""Training as plots: what was measured over the epochs, also while it goes on; norms of variables over the steps.

Must not know how anything is trained.
"""

from __future__ import annotations

import base64
import io
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means, readable
from sdgraph.checks import as_path, not_negative, one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, shown
from sdgraph.train.callbacks.events import Callback
from sdgraph.train.callbacks.recording import Norms
from sdgraph.train.results.history import History
from sdgraph.train.run import Run
from sdgraph.viz import style
from sdgraph.wording import did_you_mean, listed

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Measured: TypeAlias = Literal["weight", "gradient", "update", "ratio"]
means("Measured", Measured)

_WIDE: Final = 100.0
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""
_PANELS: Final = 6
_ROW: Final = 3
"""Panels of a figure at most, and those of a row."""
_PANEL: Final = (4.2, 3.0)
_MARKED: Final = 12
"""Epochs up to which each is a dot of its own."""


# ---------------------------------------------------------------------- what was measured over the epochs


@readable
def plot_history(
    history: History | Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]],
    name: str = "loss",
    *,
    log: bool | None = None,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw a value over the epochs: that of training as a full line, that of validation as a dashed one with its best.

    Args:
        history: What `SameDiff.fit` returned, or columns by name.
        name: The value; ``val_`` in front of it is that of validation.
        log: Whether the axis is logarithmic; by default where values differ by a factor of 100.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes.

    Raises:
        ArgumentError: If nothing of this name was measured, or a logarithm is asked for where there is none.
        ArgumentTypeError: If it is no history.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import viz
        >>> ax = viz.plot_history({"loss": [3.0, 2.0, 1.5], "val_loss": [3.5, 2.5, 2.75]})
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['training', 'validation, best 2.5 in epoch 2']
    """
    columns = _columns(history)
    if name not in columns and f"val_{name}" not in columns:
        fix = did_you_mean(name, columns)
        raise ArgumentError(f"There is no {name!r} to draw.", expected=f"one of {listed(columns)}", fix=fix)
    ax = style.axes(ax, theme, (6.0, 3.8))
    _draw(ax, theme, columns, name, log)
    style.say(ax, theme, title=name, x="epoch")
    return ax


def _columns(history: Any) -> dict[str, list[float]]:
    """The columns by name, NaN for what was not measured."""
    if isinstance(history, Mapping):
        found = dict(history)
    elif isinstance(history, Sequence) and all(isinstance(row, Mapping) for row in history):
        found = History(history).history
    else:
        raise ArgumentTypeError("Not a history.", given=shown(history), expected="what sd.fit returns")
    return {name: [math.nan if x is None else float(x) for x in values] for name, values in found.items()}


def _draw(ax: Axes, theme: str, columns: Mapping[str, Sequence[float]], name: str, log: bool | None) -> None:
    training, validation = columns.get(name, ()), columns.get(f"val_{name}", ())
    values = np.array([x for x in (*training, *validation) if math.isfinite(x)])
    if log and (not values.size or values.min() <= 0):
        raise ArgumentError(
            "The logarithm needs values above 0.", given=f"{name!r} from {min(values, default=0):.4g} on"
        )
    wide = values.size > 0 and values.min() > 0 and values.max() > _WIDE * values.min()
    if log or (log is None and wide):
        ax.set_yscale("log")
    handles = []
    if len(training):
        handles += _line(ax, training, "training", style.SERIES[0].of(theme), "-")
    if len(validation) and any(map(math.isfinite, validation)):
        colour = style.SERIES[1].of(theme)
        smaller = not _rises(name, training, validation)
        best = int((np.nanargmin if smaller else np.nanargmax)(np.where(np.isfinite(validation), validation, np.nan)))
        text = f"validation, best {validation[best]:.4g} in epoch {best + 1:,}"
        handles += _line(ax, validation, text, colour, (0, (4, 2)))
        ax.plot([best + 1], [validation[best]], marker="o", markersize=6, color=colour, zorder=5)
    _whole_epochs(ax, max(len(training), len(validation)))
    style.legend(ax, theme, handles, loc="best")


def _rises(name: str, training: Sequence[float], validation: Sequence[float]) -> bool:
    """Whether training makes a value larger, as an accuracy: what it did to it says so."""
    finite = [x for x in (training or validation) if math.isfinite(x)]
    return len(finite) > 1 and "loss" not in name and finite[-1] > finite[0]


def _line(ax: Axes, values: Sequence[float], text: str, colour: Any, dashes: Any) -> list[Any]:
    marker = "o" if len(values) <= _MARKED else ""
    xs = range(1, len(values) + 1)
    return ax.plot(xs, values, label=text, color=colour, linestyle=dashes, linewidth=1.8, marker=marker, markersize=3.5)


def _whole_epochs(ax: Axes, n: int) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(0.5 if n < _MARKED else 1, max(n, 1) + (0.5 if n < _MARKED else 0))


def panels(history: History, theme: str, names: Sequence[str] | None = None, figure: Figure | None = None) -> Figure:
    """A figure with a panel for each value, the loss first."""
    columns = _columns(history)
    chosen = [n for n in history.shown() if not n.startswith("val_")] if names is None else list(names)
    chosen = chosen[:_PANELS] or ["loss"]
    rows, across = -(-len(chosen) // _ROW), min(len(chosen), _ROW)
    figure = style.sheet((_PANEL[0] * across, _PANEL[1] * rows)) if figure is None else figure
    figure.clear()
    for k, name in enumerate(chosen):
        ax = figure.add_subplot(rows, across, k + 1)
        style.dress(ax, theme)
        _draw(ax, theme, columns, name, None)
        style.say(ax, theme, title=name, x="epoch")
    return figure


def history_html(history: History) -> str:
    """The curves of a history for a notebook; nothing without matplotlib."""
    try:
        figure = panels(history, "light")
    except MissingDependencyError:
        return ""
    data = base64.b64encode(_png(figure)).decode()
    return f"<img alt='values over epochs' width='{_width(figure)}' src='data:image/png;base64,{data}'>"


def _png(figure: Figure) -> bytes:
    """The figure with two points to each that it is shown with."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=144)
    return picture.getvalue()


def _width(figure: Figure) -> int:
    return int(figure.get_size_inches()[0] * 72)


# ---------------------------------------------------------------------- while training goes on


@readable
class LivePlot(Callback):
    """Curves that grow while a graph is trained: in a notebook below the cell, in a window, or in a file.

    Args:
        *names: What to draw, such as ``"loss"``; by default all that is measured.
        every: Seconds between two drawings at least; the last one is made at the end in any case.
        path: A file to draw into, too, as PNG, SVG or PDF.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> live = LivePlot("loss", every=2.0)
    """

    def __init__(
        self,
        *names: str,
        every: float = 1.0,
        path: str | os.PathLike[str] | None = None,
        theme: style.Theme = "light",
    ) -> None:
        style.check_theme(theme)
        style.pyplot()
        self.every, self._theme = not_negative("every", every), theme
        self._names = list(names) or None
        self._path: Path | None = None if path is None else as_path(path)
        self.figure: Figure | None = None
        """The figure, once training has begun."""

    def on_train_begin(self, run: Run) -> None:
        """Make the figure, if what it is to show will be reported."""
        for name in self._names or ():
            if run.reports is not None and name not in run.reports:
                fix = did_you_mean(name, run.reports)
                raise ArgumentError(f"There is no {name!r} to draw.", expected=f"one of {listed(run.reports)}", fix=fix)
        self.figure, self._show = _stage()
        self._drawn = -math.inf

    def on_epoch_end(self, run: Run) -> None:
        """Draw, if the last time is long ago."""
        if time.monotonic() - self._drawn >= self.every:
            self._draw(run.history)

    def on_train_end(self, run: Run) -> None:
        """Draw all there is."""
        if run.history:
            self._draw(run.history)

    def _draw(self, history: History) -> None:
        assert self.figure is not None
        panels(history, self._theme, self._names, self.figure)
        if self._path is not None:
            self.figure.savefig(self._path, dpi=144)
        self._show()
        # Drawing takes time itself: it is not to take more than training.
        self._drawn = time.monotonic()


def _stage() -> tuple[Figure, Any]:
    """A figure, and what shows it as it is now: in a notebook, in a window, or not at all."""
    size = (2 * _PANEL[0], _PANEL[1])
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        return _in_notebook(style.sheet(size))
    plt = style.pyplot()
    figure = plt.figure(figsize=size, layout="tight")
    if figure.canvas.required_interactive_framework is not None:
        return figure, lambda: plt.pause(0.001)
    # Only a window is to be known to pyplot, which never lets go of a figure by itself.
    plt.close(figure)
    return style.sheet(size), lambda: None


def _in_notebook(figure: Figure) -> tuple[Figure, Any]:
    """A figure, and what shows it below the cell, where the one before stood."""
    tools = sys.modules["IPython"].display  # type: ignore[attr-defined]
    handle = tools.DisplayHandle()
    shown: list[bool] = []

    def show() -> None:
        # A figure of no window is nothing that every notebook can show; a picture is.
        image = tools.Image(data=_png(figure), format="png", width=_width(figure))
        (handle.update if shown else handle.display)(image)
        shown.append(True)

    return figure, show


# ---------------------------------------------------------------------- norms


@readable
def plot_norms(
    norms: Norms,
    what: Measured = "ratio",
    *,
    variables: Sequence[str] | None = None,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw the norms of variables over the steps, on a logarithmic axis.

    Args:
        norms: The callback that measured them.
        what: ``"weight"``, ``"gradient"``, ``"update"``, or ``"ratio"``: that of the update to the weight, which is
            about a thousandth where the learning rate fits; a line marks that.
        variables: Which variables, by name; all by default.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes.

    Raises:
        ArgumentTypeError: If it is no `Norms`.
        ArgumentError: If there is no such variable, or nothing was measured.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from sdgraph import SameDiff, viz
        >>> from sdgraph.train import Norms, Sgd
        >>> sd = SameDiff()
        >>> w = sd.var("w", [3.0, 4.0])
        >>> loss = sd.loss.l2_loss(w * sd.placeholder("x", (None, 2)), name="loss")
        >>> norms = Norms()
        >>> history = sd.fit(np.ones((4, 2), "float32"), updater=Sgd(0.1), batch_size=1, callbacks=[norms])
        >>> viz.plot_norms(norms, "update").get_title(loc="left")
        'norms of updates'
    """
    one_of("what", what, get_args(Measured))
    if not isinstance(norms, Norms):
        raise ArgumentTypeError("Not norms.", given=shown(norms), expected="a callback of sdgraph.train.Norms")
    chosen = norms.names() if variables is None else list(variables)
    strangers = [name for name in chosen if name not in norms.names()]
    if strangers or not norms.steps:
        raise ArgumentError(
            f"Nothing was measured of {listed(strangers)}." if strangers else "Nothing was measured yet.",
            expected=f"some of {listed(norms.names())}" if strangers else None,
        )
    ax = style.axes(ax, theme, (6.0, 3.8))
    handles = []
    for k, name in enumerate(chosen):
        ys = _norm_of(norms[name], what)
        colour, dashes = style.SERIES[k % len(style.SERIES)].of(theme), ("-", (0, (4, 2)), (0, (1, 1)))
        ys = np.where(ys > 0, ys, np.nan)
        line = {"color": colour, "linestyle": dashes[k // len(style.SERIES) % 3], "linewidth": 1.6}
        handles += ax.plot(norms.steps[: len(ys)], ys, label=style.plain(name), **line)
    ax.set_yscale("log")
    if what == "ratio":
        ax.axhline(1e-3, color=style.colours.STROKE["constant"].of(theme), linewidth=0.8, linestyle=(0, (4, 2)))
    style.legend(ax, theme, handles, loc="best")
    title = "updates over weights" if what == "ratio" else f"norms of {what}s"
    style.say(ax, theme, title=title, x="step")
    return ax


def _norm_of(found: Mapping[str, Sequence[float]], what: str) -> np.ndarray[Any, Any]:
    if what != "ratio":
        return np.array(found[what])
    weights = np.array(found["weight"])
    return np.array(found["update"]) / np.where(weights == 0, np.nan, weights)
