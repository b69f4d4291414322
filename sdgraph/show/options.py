"""What a user may ask of pictures, tables and other views, checked in one place. Must not know how they are made."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, ForwardRef, Literal, NamedTuple, TypeAlias, TypeVar, get_args, get_origin

from sdgraph.build.annotations import means, signature_in_words, written
from sdgraph.build.docstrings import cleaned, entries, sections
from sdgraph.checks import is_finite, is_whole, one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.names import is_writable
from sdgraph.wording import did_you_mean, listed

if TYPE_CHECKING:
    from sdgraph.build.variable import Feeds, SDVariable, Variables

F = TypeVar("F", bound=Callable[..., Any])

View: TypeAlias = Literal["forward", "gradient", "both"]
Theme: TypeAlias = Literal["auto", "light", "dark"]
Direction: TypeAlias = Literal["TB", "LR", "BT", "RL"]
LayoutEngine: TypeAlias = Literal["auto", "dot", "pygraphviz"]
Shown: TypeAlias = Literal["none", "scalars", "stats"]
EdgeLabels: TypeAlias = Literal["auto", "none", "all"]
Colours: TypeAlias = Literal["kind", "grad_norm", "value_norm", "dtype"]

Order: TypeAlias = Literal["topological", "name", "kind", "size"]
"""What the rows of a table may be sorted by."""
Data: TypeAlias = Literal["rich", "plain"]
"""What a networkx graph holds."""

for _alias, _type in (("View", View), ("Colours", Colours), ("Order", Order), ("Data", Data)):
    means(_alias, _type)

COLOURS: Final = get_args(Colours)

_WORDS: Final = {"values": "choice of values", "edge_labels": "choice of edge labels"}
"""Options whose name is no noun that one can say "there is no" before."""

NOT_FOR_PAGES: Final = ("view", "focus", "expand", "theme", "color_by")
"""What the page of the explorer has no choice of: it has all views, and its reader chooses."""

_defaults: dict[str, Any] = {}
"""What `set_defaults` changed."""


class Options(NamedTuple):
    """Options of a picture.

    Args:
        view: ``"forward"``, ``"gradient"`` (the backward pass mirrored beside the forward one) or ``"both"`` (gradients
            as a line on the forward cards). Gradients are those of the targets, else of the graph's losses; only where
            these are not clear all that the graph has. A target that is a gradient is shown with what it is made of.
        wrt: Variables to differentiate by, for the gradient views. By default what the graph has the gradient by, else
            all trainable variables.
        feeds: Values of placeholders; scalars and gradient norms are then computed and shown.
        values: ``"scalars"`` shows values of scalars, ``"stats"`` also range and mean of other arrays, ``"none"`` none.
        color_by: What colours cards: ``"kind"`` (with feeds, gradients by their norm), ``"grad_norm"`` (forward
            variables too, by that of their gradient), ``"value_norm"``, ``"dtype"``, or numbers of your own: a mapping
            from variables or names, or a function of a variable; None leaves the colour of the kind.
        show_shapes: Whether cards show shapes.
        show_dtypes: Whether cards show dtypes.
        show_scopes: Whether name scopes are drawn as boxes.
        edge_labels: ``"auto"`` names operands where their order matters, ``"all"`` always, ``"none"`` never.
        direction: ``"TB"``, ``"LR"``, ``"BT"`` or ``"RL"``.
        depth: How many levels of scopes to draw open; deeper ones become one card each. None draws all that fit.
        max_nodes: Most cards to draw; above it scopes are collapsed, then only a window is drawn. None: no limit.
        focus: A variable to draw with its neighbours only.
        radius: How many edges the neighbourhood of ``focus`` reaches.
        expand: What to draw opened: outputs of composite ops, such as a loss, with the scopes around them, or names of
            scopes, whatever ``depth`` says of others.
        theme: ``"auto"`` (SVG follows the reader's choice), ``"light"`` or ``"dark"``.
        legend: Whether to explain the kinds of cards.
        title: The heading; made from the view by default.
        engine: ``"auto"``, ``"dot"`` or ``"pygraphviz"``.
        timeout: Seconds that a layout may take.
        dpi: Resolution of PNG files.
        display_png: Whether notebooks get a PNG beside the SVG.
    """

    view: View = "forward"
    wrt: "Variables | None" = None
    feeds: "Feeds | None" = None
    values: Shown = "scalars"
    color_by: "Colours | Mapping[Any, float] | Callable[[SDVariable], float | None]" = "kind"
    show_shapes: bool = True
    show_dtypes: bool = True
    show_scopes: bool = True
    edge_labels: EdgeLabels = "auto"
    direction: Direction = "TB"
    depth: int | None = None
    max_nodes: int | None = 150
    focus: "SDVariable | str | None" = None
    radius: int = 2
    expand: "Variables" = ()
    theme: Theme = "auto"
    legend: bool = True
    title: str | None = None
    engine: LayoutEngine = "auto"
    timeout: float = 60.0
    dpi: float = 144.0
    display_png: bool = False


CHOICES: Final[Mapping[str, tuple[Any, ...]]] = {
    name: get_args(kind) for name, kind in Options.__annotations__.items() if get_origin(kind) is Literal
}


def _checked(options: Options) -> Options:
    for name, choices in CHOICES.items():
        one_of(_WORDS.get(name, name), getattr(options, name), choices)
    for name, kind in Options.__annotations__.items():
        if kind is bool and not isinstance(getattr(options, name), bool):
            raise _bad(name, getattr(options, name), "True or False")
    _require(options, "color_by", _colours, f"{listed(COLOURS)}, a mapping or a function")
    if isinstance(options.color_by, str) and options.color_by.endswith("_norm") and options.feeds is None:
        fix = "Pass feeds=..., or feeds={} if there is nothing to feed."
        raise ArgumentError(f"color_by={options.color_by!r} needs values.", fix=fix)
    _require(options, "depth", lambda v: v is None or is_whole(v, 0), "0, 1, 2 ... or None")
    _require(options, "max_nodes", lambda v: v is None or is_whole(v, 1), "1, 2, 3 ... or None for no limit")
    _require(options, "radius", lambda v: is_whole(v, 0), "0, 1, 2 ...")
    _require(options, "timeout", _positive, "a number of seconds above 0")
    _require(options, "dpi", lambda v: _positive(v, 2400), "a number above 0, at most 2400")
    _require(options, "title", _title, "a text that a file can hold: no half of a surrogate pair")
    return options


def make_options(options: Mapping[str, Any]) -> Options:
    """Options from keywords.

    Raises:
        ArgumentTypeError: For an unknown option.
        ArgumentError: For a wrong value.
    """
    known = Options._fields
    for name in options:
        if name not in known:
            raise ArgumentTypeError(
                f"A picture has no option {name!r}.", expected=", ".join(known), fix=did_you_mean(name, known)
            )
    return _checked(Options(**{**_defaults, **options}))


def set_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Change what options are when they are not given; return what these were before.

    Raises:
        ArgumentError: For a wrong value; nothing is changed then.
    """
    before = make_options({})
    make_options(options)
    _defaults.update(options)
    return {name: getattr(before, name) for name in options}


def _require(options: Options, name: str, holds: Callable[[Any], bool], expected: str) -> None:
    if not holds(getattr(options, name)):
        raise _bad(name, getattr(options, name), expected)


def _colours(value: Any) -> bool:
    return value in COLOURS if isinstance(value, str) else isinstance(value, Mapping) or callable(value)


def _title(value: Any) -> bool:
    return value is None or (isinstance(value, str) and is_writable(value))


def _positive(value: Any, most: float = math.inf) -> bool:
    return is_finite(value) and 0 < value <= most


def _bad(name: str, value: Any, expected: str) -> ArgumentError:
    return ArgumentError(f"{name} cannot be this.", given=shown(value), expected=expected)


def takes_options(*left_out: str) -> Callable[[F], F]:
    """Let a function that takes options as ``**options`` show them in its signature, but for some.

    Where its docstring only says where the options are told, what they mean is told there, too.
    """

    def decorate(function: F) -> F:
        signature = signature_in_words(function)
        *named, _ = signature.parameters.values()
        options = [p for p in _PARAMETERS if p.name not in left_out]
        function.__signature__ = signature.replace(parameters=[*named, *options])  # type: ignore[attr-defined]
        function.__doc__ = _with_meanings(cleaned(function.__doc__), [p.name for p in options])
        return function

    return decorate


_PARAMETERS: Final = [
    inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=Options._field_defaults[name],
        annotation=written(kind) if isinstance(kind, ForwardRef) else kind,
    )
    for name, kind in Options.__annotations__.items()
]


def _with_meanings(doc: str, names: Iterable[str]) -> str:
    """A docstring with the meanings of options instead of an entry that says where these are told."""
    if "sdgraph.show.options.Options" not in doc:
        return doc
    entry = entries(sections(doc)["Args"])["**options"]
    meanings = entries(sections(cleaned(Options.__doc__))["Args"])
    return doc.replace(entry, "\n".join(meanings[name] for name in names))
