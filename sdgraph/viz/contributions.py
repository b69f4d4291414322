"""What each example adds to a loss, beside its weight.

The loss op itself is called again without its reduction, in a copy of the graph. Must not know any formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.ops.losses.reduction import LossReduce
from sdgraph.viz import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sdgraph.build.variable import Feeds
    from sdgraph.samediff import SameDiff

_Array = np.ndarray[Any, Any]
_MAX_BARS: Final = 40

_UNREDUCED: Final[Mapping[str, Any]] = {"loss_reduce": LossReduce.NONE, "reduction": "none"}
"""The settings by which losses reduce, each with the value that leaves one loss per unit."""

_WEIGHTS: Final = ("weights", "sample_weight")
"""What losses call their weights."""


class _Parts(NamedTuple):
    """Per example: its share of the loss, and its weight where the loss has weights."""

    shares: _Array
    weights: _Array | None
    total: float


@readable
def plot_contributions(
    loss: SDVariable,
    feeds: Feeds | None = None,
    *,
    sort: bool = False,
    max_bars: int = _MAX_BARS,
    ax: Axes | None = None,
    theme: style.Theme = "light",
) -> Axes:
    """Draw what each example (index of the first axis) adds to a loss as bars; they sum to the loss.

    Where the loss has weights, a second row of bars shows each example's weight, the mean over its elements.

    Args:
        loss: The output of a loss op, or any floating variable with one entry per example.
        feeds: Values of the placeholders.
        sort: Whether to put the largest contributions first.
        max_bars: Most bars to draw; of more examples only the largest contributions are drawn.
        ax: The axes to draw on; a new figure by default. Weights take a strip at its bottom.
        theme: ``"light"`` or ``"dark"``.

    Returns:
        The axes of the contributions.

    Raises:
        ArgumentError: If the variable is a scalar that no reducing loss op made.
        MissingDependencyError: If matplotlib is not installed.

    Example:
        >>> from sdgraph import SameDiff, viz
        >>> sd = SameDiff()
        >>> loss = sd.loss.mean_squared_error([0.0, 0.0], [1.0, 3.0], weights=[1.0, 0.5])
        >>> [round(float(bar.get_height()), 4) for bar in viz.plot_contributions(loss).patches]
        [0.5, 2.25]
    """
    style.check_theme(theme)
    whole("max_bars", max_bars, least=1, message="There must be a bar.")
    parts = _parts(loss, feeds)
    n = len(parts.shares)
    order = np.arange(n)
    if sort or n > max_bars:
        order = np.argsort(-np.abs(parts.shares), kind="stable")[:max_bars]
    if not sort:
        order = np.sort(order)
    ax = style.axes(ax, theme, (7.2, 4.2))
    bottom = _weight_bars(ax, theme, parts, order) if parts.weights is not None else ax
    _bars(ax, theme, parts.shares[order], "loss")
    numbers = [str(k) for k in order]
    step = max(1, -(-len(order) // 20))
    bottom.set_xticks(range(0, len(order), step), numbers[::step])
    drawn = f"the {len(order)} largest of {n} examples" if len(order) < n else f"{n} example{'s' * (n != 1)}"
    style.say(ax, theme, title=f"{loss.name} = {parts.total:.4g}", y="contribution")
    style.say(bottom, theme, x=f"example ({drawn})")
    return ax


# ---------------------------------------------------------------------- computing


def _parts(loss: SDVariable, feeds: Feeds | None) -> _Parts:
    if not isinstance(loss, SDVariable):
        raise ArgumentTypeError("Not a variable.", given=shown(loss), expected="the SDVariable of a loss")
    sd = loss.sd.twin()
    node = sd.nodes[loss.id]
    reduces = not _UNREDUCED.keys().isdisjoint(node.attrs)
    total = sd[loss.name]
    if reduces:
        each, weights = _unreduced(sd, node)
    elif total.ndim:
        each, weights = total, None
    else:
        raise ArgumentError(
            f"{loss.name!r} does not fall apart into examples.",
            given=shown(loss),
            expected="the output of a loss op that reduces, or a variable with one entry per example",
            fix=_other_losses(loss),
        )
    fetches = [total, each, *([] if weights is None else [weights])]
    found = sd.output({k if isinstance(k, str) else k.name: v for k, v in (feeds or {}).items()}, fetches)
    whole = float(found[total.name].sum())
    rows = _per_example(found[each.name], np.sum)
    added = float(rows.sum())
    # The reduction divides all examples by one number, which follows from the loss itself.
    shares = rows * (whole / added) if reduces and added else rows
    if weights is None:
        return _Parts(shares, None, whole)
    return _Parts(shares, _weight_per_example(found[weights.name], found[each.name].shape), whole)


def _unreduced(sd: SameDiff, node: Any) -> tuple[SDVariable, SDVariable | None]:
    """The weighted loss of every element, and the weights, if any, in a form that broadcasts to it."""
    operands = [SDVariable(sd, j) if j >= 0 else None for j in node.inputs]
    settings = {k: v for k, v in _UNREDUCED.items() if k in node.attrs}
    each = sd.apply(node.op, operands, {**node.attrs, **settings})
    weights = [v for name, v in zip(node.op.operand_names, operands, strict=True) if name in _WEIGHTS]
    return each, weights[0] if weights else None


def _weight_per_example(weights: _Array, shape: tuple[int, ...]) -> _Array:
    """The mean weight of each example; weights may have an axis of size 1 that the loss does not have."""
    try:
        spread = np.broadcast_to(weights, shape)
    except ValueError:
        spread = weights if weights.shape[:1] == shape[:1] else np.broadcast_to(weights.mean(), shape)
    return _per_example(spread, np.mean)


def _per_example(array: _Array, reduce: Any) -> _Array:
    array = np.atleast_1d(np.asarray(array, "float64"))
    return reduce(array.reshape(len(array), -1), axis=1) if array.size else np.zeros(len(array))


def _other_losses(loss: SDVariable) -> str | None:
    """The losses a sum is made of, as a hint."""
    sd = loss.sd
    need = sd.reachable([loss.id])
    names = [sd.nodes[i].name for i in sd.marks.losses if i < len(need) and need[i]]
    return f"Draw one of its parts: {', '.join(map(repr, names))}." if names else None


# ---------------------------------------------------------------------- drawing


def _bars(ax: Axes, theme: str, heights: _Array, kind: str) -> None:
    fill, stroke = style.colours.FILL[kind].of(theme), style.colours.STROKE[kind].of(theme)
    places = np.arange(len(heights))
    ax.bar(places, heights, width=0.72, color=fill, edgecolor=stroke, linewidth=1.2 if len(heights) <= 60 else 0.6)
    ax.axhline(0.0, color=style.colours.STROKE["cluster"].of(theme), linewidth=0.8)
    ax.grid(False, axis="x")
    if len(heights):
        ax.set_xlim(-0.7, len(heights) - 0.3)


def _weight_bars(ax: Axes, theme: str, parts: _Parts, order: _Array) -> Axes:
    """A strip below the axes with the weights, on the same examples."""
    from mpl_toolkits.axes_grid1 import make_axes_locatable

    assert parts.weights is not None
    strip = make_axes_locatable(ax).append_axes("bottom", size="28%", pad=0.12, sharex=ax)
    style.dress(strip, theme)
    _bars(strip, theme, parts.weights[order], "variable")
    ax.tick_params(labelbottom=False)
    style.say(strip, theme, y="weight")
    return strip
