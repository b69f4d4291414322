"""The loss around the present values of the variables, as a map with contour lines.

Two scalars span the map, or two random directions scaled filter by filter (Li and others, 2018, "Visualizing the loss
landscape of neural nets"). The user's graph is not touched: everything happens in a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sdgraph.build.annotations import readable
from sdgraph.build.feeding import as_mapping
from sdgraph.build.initializers import as_seed
from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.arrays import own_array
from sdgraph.show.views import GraphViews
from sdgraph.train.callbacks.recording import TrainingPath
from sdgraph.viz import style
from sdgraph.wording import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sdgraph.build.variable import Feeds
    from sdgraph.samediff import SameDiff

    Chosen = SDVariable | str | Sequence[SDVariable | str] | None

_Array = np.ndarray[Any, Any]


class _Axis(NamedTuple):
    """One side of the map: what to call it, where the present values lie on it, and a step of 1 along it."""

    text: str
    origin: float
    direction: dict[str, _Array]


@readable
def loss_surface(
    sd: SameDiff,
    a: Chosen = None,
    b: Chosen = None,
    *,
    loss: SDVariable | str | None = None,
    feeds: Feeds | None = None,
    span: float | tuple[float, float] | None = None,
    points: int = 41,
    log: bool = False,
    path: TrainingPath | ArrayLike | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw the loss over two directions through the present values of the variables.

    The dot is where the variables are now; the arrow shows where the negative gradient points in this plane.

    Args:
        sd: The graph; it is left as it is.
        a: A trainable scalar for the horizontal axis. An array, or several variables, or None for all of them, stand
            for a random direction in their values, scaled so that each filter (a slice along the last axis; a vector as
            a whole) is as long as the variable's own.
        b: The same for the vertical axis; None for another random direction in the same variables as ``a``.
        loss: The scalar to draw; the sum of the current losses by default.
        feeds: Values of the placeholders.
        span: How far to go from the present values either way, one number or one per axis; 1 by default, or as far as
            the path of a training goes.
        points: How many points to compute along each axis.
        log: Whether the colours follow the logarithm of the loss.
        path: The way that training took: a `sdgraph.train.TrainingPath`, or points ``(k, 2)`` in the units of the axes.
            Without ``a`` and ``b``, the directions are those two in which a path of a training goes furthest, its
            principal components, in units of distance.
        seed: Seed of the random directions.
        ax: The axes to draw on; a new figure by default.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes.

    Raises:
        ArgumentError: If only one of ``a`` and ``b`` is a scalar, or an option is out of range.
        ArgumentTypeError: For what is no floating trainable variable.
        GradientError: If the losses are not clear.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import SameDiff, viz
        >>> sd = SameDiff()
        >>> u, v = sd.var("u", 1.0), sd.var("v", 2.0)
        >>> _ = sd.math.square(u - 1) + sd.math.square(v * u - 1)
        >>> ax = viz.loss_surface(sd, u, v, points=11)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('u', 'v')
    """
    style.check_theme(theme)
    whole("points", points, least=3, message="A map has three points along each side at least.")
    if not isinstance(sd, GraphViews):
        raise ArgumentTypeError("Not a graph.", given=shown(sd), expected="a SameDiff")
    copy = sd.twin()
    random = np.random.default_rng(as_seed(seed))
    if not isinstance(path, TrainingPath):
        (first, second), way, far = _sides(copy, a, b, random), path, 1.0
    else:
        first, second = _along(copy, path, random) if a is None and b is None else _sides(copy, a, b, random)
        way = _placed(copy, path, first, second)
        far = _reach(way, first, second)
    spans = _spans(far if span is None else span)
    total = _total(copy, loss)
    xs = first.origin + np.linspace(-spans[0], spans[0], points)
    ys = second.origin + np.linspace(-spans[1], spans[1], points)
    downhill = _downhill(copy, total, feeds, first, second)
    z = _values(copy, total, feeds, first, second, xs, ys)
    ax = style.axes(ax, theme, (5.8, 4.8))
    _draw(ax, theme, xs, ys, z, log=log)
    _mark(ax, theme, (first.origin, second.origin), downhill, spans, way)
    style.say(ax, theme, title=total.name if loss is not None else "loss", x=first.text, y=second.text)
    return ax


_WIDEST = 1e300


def _spans(span: float | tuple[float, float]) -> tuple[float, float]:
    given = own_array(span, "float64")
    pair = given.reshape(-1)
    if pair.size not in (1, 2) or not ((pair > 0) & (pair < _WIDEST)).all():
        raise ArgumentError("span must be positive.", given=shown(span))
    return float(pair[0]), float(pair[-1])


# ---------------------------------------------------------------------- directions


def _sides(sd: SameDiff, a: Chosen, b: Chosen, random: np.random.Generator) -> tuple[_Axis, _Axis]:
    several = _chosen(sd, a)
    others = _chosen(sd, b) if b is not None else several
    scalars = [len(vs) == 1 and vs[0].shape == () for vs in (several, others)]
    if all(scalars) and a is not None and b is not None:
        if several == others:
            raise ArgumentError("The two scalars are the same.", given=several[0].name)
        return _scalar(several[0]), _scalar(others[0])
    if any(scalars):
        raise ArgumentError(
            "A map is spanned by two scalars, or by two directions in arrays.",
            given=" and ".join(", ".join(v.name for v in vs) for vs in (several, others)),
            fix="Name two scalars, or leave both out for random directions.",
        )
    return _random_axis(several, random, "first", a), _random_axis(others, random, "second", b or a)


def _names(given: Any) -> list[str]:
    """Names of variables: those of the user's graph do not belong to the copy."""
    try:
        several = [given] if isinstance(given, str | SDVariable) else list(given)
    except Exception as e:
        raise ArgumentTypeError("Not variables.", given=shown(given), expected="SDVariables or names") from e
    return [v.name if isinstance(v, SDVariable) else v for v in several]


def _chosen(sd: SameDiff, given: Chosen) -> list[SDVariable]:
    if given is None:
        found = [v for v in sd.trainable_variables() if v.dtype.kind == "f"]
    else:
        found = [sd[n] for n in _names(given)]
    for v in found:
        if v.kind is not VariableKind.VARIABLE or v.dtype.kind != "f":
            raise ArgumentTypeError("Only floating trainable variables span a map.", given=repr(v), node=v.name)
    if not found:
        raise ArgumentError("The graph has no trainable variables.", given=shown(sd))
    return found


def _scalar(v: SDVariable) -> _Axis:
    return _Axis(v.name, float(v.value), {v.name: np.ones((), v.dtype)})


def _random_axis(vs: Sequence[SDVariable], random: np.random.Generator, which: str, given: Chosen) -> _Axis:
    directions = {v.name: filter_normalised(random.standard_normal(v.value.shape), v.value) for v in vs}
    if not any(d.any() for d in directions.values()):
        directions = {v.name: random.standard_normal(v.value.shape) for v in vs}
    where = "" if given is None else f" in {', '.join(v.name for v in vs)}"
    return _Axis(f"{which} direction{where}", 0.0, directions)


def filter_normalised(direction: _Array, value: _Array) -> _Array:
    """The direction with each filter scaled to the norm of the value's filter.

    A filter is a slice along the last axis, the weights of one output; a vector or scalar is one filter as a whole.

    Example:
        >>> filter_normalised(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 3.0], [2.0, 4.0]]))
        array([[2., 5.],
               [0., 0.]])
    """
    axes = tuple(range(value.ndim - 1)) if value.ndim > 1 else None
    have = np.sqrt(np.sum(np.square(direction, dtype="float64"), axis=axes, keepdims=True))
    want = np.sqrt(np.sum(np.square(value, dtype="float64"), axis=axes, keepdims=True))
    return np.asarray(direction * (want / np.where(have == 0, 1.0, have)))


# ---------------------------------------------------------------------- the path of a training


def _flat(arrays: Mapping[str, _Array], names: Sequence[str]) -> _Array:
    """Values of variables as one vector."""
    return np.concatenate([np.asarray(arrays[n], "float64").reshape(-1) for n in names])


def _away(sd: SameDiff, path: TrainingPath, names: Sequence[str]) -> _Array:
    """Where a path is, as vectors from the present values of some variables; one that it does not have stays there."""
    rows = np.zeros((len(path), sum(sd[n].value.size for n in names)))
    start = 0
    for n in names:
        here = np.asarray(sd[n].value, "float64")
        if n in path.names():
            rows[:, start : start + here.size] = (path[n].astype("float64") - here).reshape(len(path), -1)
        start += here.size
    return rows


def _along(sd: SameDiff, path: TrainingPath, random: np.random.Generator) -> tuple[_Axis, _Axis]:
    """The two directions in which a path goes furthest from the present values."""
    names = [v.name for v in _chosen(sd, path.names())]
    rows = _away(sd, path, names)
    _, lengths, directions = np.linalg.svd(rows, full_matrices=False)
    found = [d for d, length in zip(directions, lengths, strict=True) if length > _STRAIGHT * lengths[0] > 0][:2]
    while len(found) < 2:
        # A path that is a line, or a point, leaves the rest to chance.
        found.append(_beside(random.standard_normal(rows.shape[1]), found))
    shares = [*(lengths**2 / max(np.sum(lengths**2), _TINY)), 0.0]
    sides = []
    for which, direction, share in zip(("first", "second"), found, shares, strict=False):
        parts = np.split(direction, np.cumsum([sd[n].value.size for n in names])[:-1])
        spread = {n: part.reshape(sd[n].value.shape) for n, part in zip(names, parts, strict=True)}
        sides.append(_Axis(f"{which} direction of the path, {share:.0%} of it", 0.0, spread))
    return sides[0], sides[1]


_STRAIGHT = 1e-9
_TINY = 1e-300


def _beside(direction: _Array, others: Sequence[_Array]) -> _Array:
    """A direction of length 1 at right angles to others, if there is room for one."""
    for other in others:
        direction = direction - other * (other @ direction)
    length = float(np.linalg.norm(direction))
    return direction / length if length > 0 else direction


def _placed(sd: SameDiff, path: TrainingPath, first: _Axis, second: _Axis) -> _Array:
    """The path in the units of the axes: the nearest points of their plane.

    Raises:
        ArgumentError: If nothing of what spans the map was kept.
    """
    names = sorted({*first.direction, *second.direction})
    if not set(names) & set(path.names()):
        raise ArgumentError(f"The path does not have {listed(names)}.", expected=f"some of {listed(path.names())}")
    none = {n: np.zeros(sd[n].value.shape) for n in names}
    plane = np.stack([_flat({**none, **side.direction}, names) for side in (first, second)], 1)
    steps = np.linalg.lstsq(plane, _away(sd, path, names).T, rcond=None)[0].T
    return np.asarray(steps + np.array([first.origin, second.origin]))


def _reach(path: Any, first: _Axis, second: _Axis) -> tuple[float, float]:
    """How far a path goes from the present values, and some way beyond."""
    far = 1.15 * np.abs(path - [first.origin, second.origin]).max(axis=0)
    return tuple(float(x) if x > _STRAIGHT * far.max() else float(far.max()) or 1.0 for x in far)  # type: ignore[return-value]


# ---------------------------------------------------------------------- computing


def _total(sd: SameDiff, loss: SDVariable | str | None) -> SDVariable:
    if loss is None:
        losses = sd.loss_variables()
        sums = [v if v.shape == () else v.sum() for v in losses]
        return sums[0] if len(sums) == 1 else sd.math.merge_add(*sums)
    found = sd[_names(loss)[0]] if isinstance(loss, str | SDVariable) else sd.own(loss)
    if found.shape != ():
        raise ArgumentError("Only a scalar makes a surface.", given=shown(found), fix="Sum it: loss.sum().")
    return found


def _downhill(sd: SameDiff, total: SDVariable, feeds: Feeds | None, first: _Axis, second: _Axis) -> tuple[float, float]:
    """The negative gradient along the two axes."""
    names = sorted({*first.direction, *second.direction})
    grads = dict(zip(names, sd.grad(total, [sd[n] for n in names]), strict=True))
    found = sd.output(_by_name(feeds), list(grads.values()))
    slope = [
        sum(float(np.vdot(found[grads[n].name].astype("float64"), d)) for n, d in side.direction.items())
        for side in (first, second)
    ]
    return -slope[0], -slope[1]


def _values(
    sd: SameDiff, total: SDVariable, feeds: Feeds | None, first: _Axis, second: _Axis, xs: _Array, ys: _Array
) -> _Array:
    """The loss at every point of the grid; row k belongs to ``ys[k]``."""
    names = sorted({*first.direction, *second.direction})
    start = {n: sd[n].value.astype("float64") for n in names}
    run = sd.compile([total])
    given = _by_name(feeds)
    out = np.empty((len(ys), len(xs)))
    for r, y in enumerate(ys - second.origin):
        row = {n: start[n] + y * second.direction.get(n, 0.0) for n in names}
        for c, x in enumerate(xs - first.origin):
            for n in names:
                v = sd[n]
                v.value = (row[n] + x * first.direction.get(n, 0.0)).astype(v.dtype)
            with np.errstate(all="ignore"):
                out[r, c] = run(given)[total.name]
    return out


def _by_name(feeds: Feeds | None) -> dict[str, Any]:
    """Feeds by name: a variable of the user's graph does not belong to the copy."""
    return {k.name if isinstance(k, SDVariable) else k: v for k, v in as_mapping(feeds).items()}


# ---------------------------------------------------------------------- drawing


def _draw(ax: Axes, theme: str, xs: _Array, ys: _Array, z: _Array, *, log: bool) -> None:
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator, NullLocator

    finite = np.ma.masked_invalid(z)
    if finite.count() == 0:
        raise ArgumentError("The loss is not finite anywhere on this map.", fix="Choose a smaller span.")
    low, high = float(finite.min()), float(finite.max())
    if log and low <= 0:
        raise ArgumentError("The logarithm needs a loss above 0.", given=f"a smallest value of {low:.4g}")
    ax.grid(False)
    colour_map = style.loss_map(theme)
    levels: Any = np.geomspace(low, high, 14) if log else MaxNLocator(14).tick_values(low, high)
    if not high > low:
        levels = np.array([low - 0.5, low + 0.5])
    norm = LogNorm(levels[0], levels[-1]) if log and high > low else None
    filled = ax.contourf(xs, ys, finite, levels=levels, cmap=colour_map, norm=norm)
    ax.contour(xs, ys, finite, levels=levels, colors=[style.VALUE.of(theme)], linewidths=0.5, alpha=0.7)
    bar = ax.get_figure().colorbar(filled, ax=ax, pad=0.03)  # type: ignore[union-attr]
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(colors=style.colours.INK["detail"].of(theme), labelsize=9, length=0)
    if norm is not None:
        bar.set_ticks(list(levels[1:-1:3]), labels=[f"{v:.3g}" for v in levels[1:-1:3]])
        bar.ax.yaxis.set_minor_locator(NullLocator())


def _mark(
    ax: Axes,
    theme: str,
    here: tuple[float, float],
    downhill: tuple[float, float],
    spans: tuple[float, float],
    path: ArrayLike | None,
) -> None:
    ink = style.colours.INK["name"].of(theme)
    page = style.colours.PAGE.of(theme)
    if path is not None:
        steps = np.asarray(path, "float64")
        if steps.ndim != 2 or steps.shape[1] != 2:
            raise ArgumentError("A path is a list of points.", given=f"shape {steps.shape}", expected="shape (k, 2)")
        ax.plot(*steps.T, color=ink, linewidth=1.4, marker="o", markersize=3, zorder=4)
    # The arrow shows a direction, not a size: it is drawn as long as a fifth of the map.
    length = float(np.hypot(downhill[0] / spans[0], downhill[1] / spans[1]))
    if np.isfinite(length) and length > 0:
        tip = (here[0] + 0.4 * downhill[0] / length, here[1] + 0.4 * downhill[1] / length)
        arrow = {"arrowstyle": "-|>", "color": style.GRADIENT.of(theme), "linewidth": 2.0, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", xy=tip, xytext=here, arrowprops=arrow, zorder=5)
    ax.plot(*here, marker="o", markersize=7, color=ink, markeredgecolor=page, markeredgewidth=1.4, zorder=6)
