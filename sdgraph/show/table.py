"""The graph as a table: plain text for a terminal, HTML for a notebook.

Knows how the table reads. What a graph contains comes from `visible`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sdgraph.build.annotations import readable
from sdgraph.build.bodies import in_words
from sdgraph.build.kinds import VariableKind
from sdgraph.checks import flag, is_whole, one_of
from sdgraph.errors import ArgumentError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.show.options import Order
from sdgraph.show.visible import Item, Listing, visible
from sdgraph.wording import byte_size, clean, counted, html_table, shortened, text_table

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

HEADINGS: Final = ("name", "kind", "op", "shape", "dtype", "inputs", "parameters")
FROZEN: Final = "variable (frozen)"
"""The kind of a constant that was a variable."""
_RIGHT: Final = frozenset({"parameters"})
_MAX_WIDTH: Final = {"name": 40, "inputs": 44, "op": 40, "kind": 28, "shape": 24}
_HTML_ROWS: Final = 500


@readable
class Summary(str):
    """The table of a graph; a text that a notebook shows as an HTML table.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> _ = sd.var("w", [1.0, 2.0]).sum(name="total")
        >>> print(sd.summary())
        name   kind      op   shape  dtype    inputs  parameters
        -----  --------  ---  -----  -------  ------  ----------
        w      variable  -    (2,)   float32  -                2
        total  loss      sum  ()     float32  w                -
        -----  --------  ---  -----  -------  ------  ----------
        variables:  2: 1 variable, 1 op output
        parameters: 2 (8 B)
        losses:     total
    """

    __slots__ = ("_html",)

    def __new__(cls, text: str, html_text: str) -> Summary:
        """A text with the HTML that shows the same."""
        self = super().__new__(cls, text)
        self._html = html_text
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Summary, (str(self), self._html)

    def _repr_html_(self) -> str:
        return self._html


@dataclass(slots=True)
class _Row:
    cells: tuple[str, ...]
    order: int
    name: str
    kind: str
    size: int


def summary(sd: OpGraph, depth: int | None = None, sort: Order = "topological", *, gradients: bool = False) -> Summary:
    """The graph as a table with one row per variable, and totals below.

    Args:
        sd: The graph.
        depth: How many levels of name scopes to list; what lies deeper is one row per scope. None lists everything.
        sort: ``"topological"`` (the order of creation), ``"name"``, ``"kind"`` or ``"size"`` (largest first).
        gradients: Whether to list what was made for gradients, too; else a line says how much that is.

    Raises:
        ArgumentError: For another ``sort`` or a negative ``depth``.
    """
    key = _sort_key(sort)
    if depth is not None and not is_whole(depth, 0):
        raise ArgumentError("depth counts levels of scopes.", given=shown(depth), expected="0, 1, 2 ... or None")
    wanted = flag("gradients", gradients)
    listing = visible(sd)
    items = [item for item in listing.items.values() if wanted or not item.is_gradient]
    rows = sorted(_rows(listing, items, depth), key=key)
    totals = _totals(listing, items)
    return Summary(_text(rows, totals), _html(rows, totals))


def _sort_key(sort: Order) -> Callable[[_Row], Any]:
    keys: dict[str, Callable[[_Row], Any]] = {
        "topological": lambda r: r.order,
        "name": lambda r: (r.name, r.order),
        "kind": lambda r: (r.kind, r.order),
        "size": lambda r: (-r.size, r.order),
    }
    return keys[one_of("order of a table", sort, keys)]


def _rows(listing: Listing, items: Sequence[Item], depth: int | None) -> list[_Row]:
    rows: list[_Row] = []
    scopes: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        if depth is not None and len(item.scope) > depth:
            scopes.setdefault(item.scope[: depth + 1], []).append(item)
        else:
            rows.append(_variable_row(listing, item))
    rows += [_scope_row(path, inside) for path, inside in scopes.items()]
    return rows


def _variable_row(listing: Listing, item: Item) -> _Row:
    kind = _kind(listing, item)
    size = item.size or 0
    cells = (
        item.name,
        kind,
        _op_word(listing, item),
        shape_str(item.aval.shape),
        item.aval.dtype.name,
        ", ".join(listing.items[o.id].name for o in item.operands) or "-",
        f"{size:,}" if item.is_trainable else "-",
    )
    return _Row(cells, item.id, item.name, kind, size)


def _kind(listing: Listing, item: Item) -> str:
    if item.is_loss:
        return "loss"
    if item.is_gradient:
        return "gradient" if item.wrt is None else f"gradient of {listing.sd.nodes[item.wrt].name}"
    return FROZEN if item.is_frozen else item.kind.value


def _op_word(listing: Listing, item: Item) -> str:
    if item.op is None:
        return "-"
    call = listing.sd.call_of(listing.sd.nodes[item.id])
    return in_words(call.op, call.attrs, call.aval) if item.op.has_bodies else item.op.qualname


def _scope_row(path: tuple[str, ...], items: list[Item]) -> _Row:
    parameters = sum(i.parameters for i in items)
    n = len(items)
    name = "/".join(path) + "/"
    cells = (
        name,
        "scope",
        counted(n, "variable"),
        "-",
        "-",
        "-",
        f"{parameters:,}" if parameters else "-",
    )
    return _Row(cells, items[0].id, name, "scope", parameters)


# ---------------------------------------------------------------------- totals


def _totals(listing: Listing, items: Sequence[Item]) -> list[str]:
    counts: dict[str, int] = {}
    for item in items:
        word = "gradient" if item.is_gradient else "op output" if item.op is not None else item.kind.value
        word = "frozen variable" if item.is_frozen else word
        counts[word] = counts.get(word, 0) + 1
    parts = [counted(n, word) for word, n in counts.items()]
    lines = [
        ("variables", f"{len(items):,}" + (f": {', '.join(parts)}" if parts else "")),
        ("parameters", _parameters(items)),
        ("constants", _held(i for i in items if i.kind is VariableKind.CONSTANT)),
        ("dtypes", _mixed(items)),
    ]
    if left := len(listing.items) - len(items):
        lines.insert(1, ("gradients", f"{left:,} more, not listed; summary(gradients=True) lists them"))
    lines += _losses_line(listing)
    return [f"{label + ':':<12}{text}" for label, text in lines if text]


def _losses_line(listing: Listing) -> list[tuple[str, str]]:
    """What the losses are, or which variables they could be."""
    ids = listing.losses.ids or listing.losses.candidates
    names = ", ".join(listing.items[i].name for i in ids[:8]) + (", ..." if len(ids) > 8 else "")
    return [("losses", names if listing.losses.ids else f"not clear, candidates: {names}")] if ids else []


def _parameters(items: Sequence[Item]) -> str:
    """What is trained, and what else variables hold."""
    variables = [i for i in items if i.kind is VariableKind.VARIABLE]
    others = _held(i for i in variables if not i.is_trainable)
    return (_held(i for i in variables if i.is_trainable) or "0 (0 B)") + (others and f", not trainable: {others}")


def _held(items: Iterable[Item]) -> str:
    """Elements and bytes that the graph stores for leaves; nothing if there are none."""
    sizes = [(i.size or 0, i.nbytes or 0) for i in items]
    n, n_bytes = map(sum, zip(*sizes, strict=True)) if sizes else (0, 0)
    return f"{n:,} ({byte_size(n_bytes)})" if n_bytes else ""


def _mixed(items: Sequence[Item]) -> str:
    """The floating dtypes of a graph that has several, with where each further one begins."""
    firsts: dict[str, str] = {}
    for item in items:
        if item.aval.dtype.kind == "f" and not item.is_gradient:
            firsts.setdefault(item.aval.dtype.name, item.name)
    if len(firsts) < 2:
        return ""
    further = [f"first {dtype}: {name!r}" for dtype, name in list(firsts.items())[1:]]
    return f"mixed: {', '.join(firsts)}; {', '.join(further)}"


# ---------------------------------------------------------------------- text and HTML


def _text(rows: Sequence[_Row], totals: Sequence[str]) -> str:
    table = [[shortened(c, _MAX_WIDTH.get(h, 24)) for h, c in zip(HEADINGS, r.cells, strict=True)] for r in rows]
    lines = text_table(HEADINGS, table, _RIGHT)
    return "\n".join([*lines, lines[1], *map(clean, totals)])


def _html(rows: Sequence[_Row], totals: Sequence[str]) -> str:
    shown = [row.cells for row in rows[:_HTML_ROWS]]
    return html_table(HEADINGS, shown, _RIGHT, totals, left_out=len(rows) - len(shown))
