"""How plots look: the theme of the graph pictures, put on matplotlib axes.

The only module that loads matplotlib. Must not know losses or graphs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from sdgraph.build.annotations import means
from sdgraph.checks import one_of
from sdgraph.errors import MissingDependencyError
from sdgraph.show.pictures.dress import theme as colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

Theme: TypeAlias = Literal["light", "dark"]
means("Theme", Theme)

SERIES: Final = tuple(
    colours.STROKE[kind] for kind in ("loss", "placeholder", "output", "variable", "gradient", "constant")
)
"""Line colours, in the order in which curves take them; neighbours stay apart for colour-blind readers."""

VALUE: Final = colours.STROKE["loss"]
GRADIENT: Final = colours.STROKE["gradient"]


def pyplot() -> Any:
    """matplotlib.pyplot.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as e:
        raise MissingDependencyError("Plots need matplotlib.", fix="pip install matplotlib") from e
    return plt


def sheet(size: tuple[float, float]) -> Figure:
    """A figure that belongs to no window, and that no notebook shows by itself."""
    pyplot()
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="tight")


def check_theme(theme: str) -> str:
    """The theme, if there is such a one."""
    return one_of("theme", theme, get_args(Theme))


def axes(ax: Axes | None, theme: str, size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """The given axes, or those of a new figure, dressed in the theme."""
    check_theme(theme)
    plt = pyplot()
    chosen: Axes = plt.subplots(figsize=size, layout="tight")[1] if ax is None else ax
    dress(chosen, theme)
    return chosen


def dress(ax: Axes, theme: str) -> None:
    """Give axes the theme's page, ink and quiet lines."""
    page, ink = colours.PAGE.of(theme), colours.INK["detail"].of(theme)
    ax.get_figure().set_facecolor(page)  # type: ignore[union-attr]
    ax.set_facecolor(page)
    ax.set_axisbelow(True)
    ax.grid(True, color=colours.STROKE["cluster"].of(theme), linewidth=0.6, alpha=0.6)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(colours.STROKE["cluster"].of(theme))
    ax.tick_params(which="both", colors=ink, labelsize=9, length=3, color=colours.STROKE["cluster"].of(theme))


def say(ax: Axes, theme: str, *, title: str = "", x: str = "", y: str = "") -> None:
    """Write the title, left-aligned as in the pictures, and name the axes."""
    ink = colours.INK["detail"].of(theme)
    if title:
        ax.set_title(plain(title), loc="left", color=colours.INK["name"].of(theme), fontsize=12, fontweight="bold")
    if x:
        ax.set_xlabel(plain(x), color=ink, fontsize=10)
    if y:
        ax.set_ylabel(plain(y), color=ink, fontsize=10)


def legend(ax: Axes, theme: str, handles: list[Any], **options: Any) -> None:
    """A frameless legend in the theme's ink."""
    if handles:
        box = ax.legend(handles=handles, frameon=False, fontsize=9, **options)
        for text in box.get_texts():
            text.set_color(colours.INK["name"].of(theme))


def plain(text: str) -> str:
    """A text that matplotlib writes as it stands: ``$`` starts no formula, control characters are replaced."""
    return "".join(c if c.isprintable() else "�" for c in text).replace("$", r"\$")


def loss_map(theme: str) -> LinearSegmentedColormap:
    """From the page to the loss card's ink: pale is low."""
    pyplot()
    from matplotlib.colors import LinearSegmentedColormap

    steps = [colours.PAGE, colours.FILL["loss"], colours.STROKE["loss"], colours.INK["loss"]]
    if theme == "dark":
        steps = [colours.PAGE, colours.FILL["loss"], colours.STROKE["loss"]]
    return LinearSegmentedColormap.from_list("sdgraph_loss", [tone.of(theme) for tone in steps])


def lightness(colour: Any) -> float:
    """How light a colour is, from 0 to 1, as screens mix it.

    Example:
        >>> lightness("#ffffff"), lightness("#000000")
        (1.0, 0.0)
    """
    pyplot()
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return round(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], 6)
