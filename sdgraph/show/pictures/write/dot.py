"""A scene as Graphviz source. The same scene and theme give the same text.

Node ids are our own (``n0``, ``n1``, ...), so that no name can be read as syntax. Must not know graphs or engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sdgraph.show.pictures.dress.colouring import GRADIENT_NORM, Scale
from sdgraph.show.pictures.dress.scene import Card, Link, Scene
from sdgraph.show.pictures.dress.theme import (
    BACKWARD_CLUSTER,
    CLUSTER,
    DTYPE,
    FILL,
    FONT,
    HEAT,
    HEAT_INK,
    INK,
    PAGE,
    STROKE,
    STYLE,
    WORD,
    Tone,
)
from sdgraph.wording import escaped, number

_LARGE: Final = 300
_COLUMNS: Final = 24
_TABLE: Final = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
_GAP: Final = "&#160;&#160;"


class DotWriter:
    """Writes one scene in one theme."""

    def __init__(self, scene: Scene, theme: str, direction: str, *, legend: bool) -> None:
        self._scene = scene
        self._theme = theme
        self._direction = direction
        self._legend = legend

    def body(self) -> list[str]:
        """The statements between the braces, one per line."""
        lines = [*self._defaults()]
        if self._scene.mirrored:
            lines += self._columns()
        else:
            lines += self._tree(range(len(self._scene.cards)), "  ")
        for k, link in enumerate(self._scene.links):
            lines.append(self._link(k, link))
        lines += [f"  {{rank=same; {' '.join(f'n{k};' for k in rank)}}}" for rank in self._scene.ranks]
        if self._scene.mirrored:
            lines += self._anchors()
        return lines

    def text(self) -> str:
        """The whole source."""
        return "\n".join(["digraph {", *self.body(), "}", ""])

    # ------------------------------------------------------------------ page

    def _defaults(self) -> Iterable[str]:
        large = len(self._scene.cards) > _LARGE
        graph = {
            "fontname": FONT,
            "fontsize": 12,
            "bgcolor": self._of(PAGE),
            "pad": 0.25,
            "nodesep": 0.36,
            "ranksep": 0.46 if self._scene.mirrored else 0.38,
            "rankdir": self._direction,
            "splines": "polyline" if large else "true",
            "labelloc": "t",
            "labeljust": "l",
        }
        if self._scene.mirrored:
            graph["newrank"] = "true"
        if large:
            graph |= {"nslimit": 1, "nslimit1": 1}
        font = {"fontname": FONT, "fontcolor": self._ink("detail")}
        yield f"  graph [{_attributes(graph)} label=<{self._header()}>];"
        yield f"  node [{_attributes({**font, 'fontsize': 11, 'margin': '0.16,0.075', 'height': 0.3, 'width': 0.4})}];"
        edge = {**font, "fontsize": 9, "color": self._of(STROKE["edge"]), "arrowsize": 0.6, "penwidth": 1.2}
        yield f"  edge [{_attributes(edge)}];"

    def _header(self) -> str:
        scene = self._scene
        title = self._font(f"<B>{escaped(scene.title)}</B>", 17, self._ink("name"))
        subtitle = self._font(f"{_GAP} {escaped(scene.subtitle)}", 11, self._ink("detail"))
        # Graphviz shares out the room that a long line needs among columns: empty ones keep the legend from stretching.
        rows = [f'<TR><TD ALIGN="LEFT" COLSPAN="{_COLUMNS}">{title}{subtitle}</TD></TR>']
        filler = '<TD CELLPADDING="0"></TD>' * (_COLUMNS - 1)
        if self._legend and scene.cards:
            rows.append(f'<TR><TD ALIGN="LEFT">{self._legend_table()}</TD>{filler}</TR>')
        notes = [self._font(escaped(note), 10, self._ink("detail")) for note in scene.notes]
        rows += [f'<TR><TD ALIGN="LEFT" COLSPAN="{_COLUMNS}">{note}</TD></TR>' for note in notes]
        return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">{"".join(rows)}</TABLE>'

    def _legend_table(self) -> str:
        cells = []
        scale, dtypes = self._scene.scale, self._scene.dtypes
        explained = scale is not None and scale.words == GRADIENT_NORM
        kinds = [k for k in self._scene.kinds if k != "gradient" or not explained]
        for kind in kinds:
            border = {"loss": 2, "output": 2, "bad": 2}.get(kind, 1)
            cells.append(self._swatch(FILL["op" if dtypes else kind], STROKE[kind], border))
            cells.append(self._legend_word(WORD.get(kind, kind) + _GAP))
        if scale is not None:
            cells += self._heat_legend(scale)
        for family, names in dtypes.items():
            cells += [self._swatch(DTYPE[family], STROKE["cluster"], 1), self._legend_word(", ".join(names) + _GAP)]
        table = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="1">'
        return f"{table}<TR>{''.join(cells)}</TR></TABLE>"

    def _heat_legend(self, scale: Scale) -> Iterable[str]:
        yield self._legend_word(f"{scale.words}{_GAP}{number(scale.low)}\N{NO-BREAK SPACE}")
        for fill in HEAT:
            yield self._swatch(fill, STROKE["gradient"], 1)
        yield self._legend_word(number(scale.high) + (" (log)" if scale.log else ""))

    def _swatch(self, fill: Tone, stroke: Tone, border: int) -> str:
        colours = f'BGCOLOR="{self._of(fill)}" COLOR="{self._of(stroke)}" BORDER="{border}"'
        return f'<TD FIXEDSIZE="TRUE" WIDTH="18" HEIGHT="12" {colours}></TD>'

    def _legend_word(self, text: str) -> str:
        return f'<TD ALIGN="LEFT">{self._font(text, 10, self._ink("detail"))}</TD>'

    # ------------------------------------------------------------------ boxes

    def _columns(self) -> Iterable[str]:
        """The forward pass in one box, and each order of gradients in one beside it."""
        orders = sorted({c.order for c in self._scene.cards})
        for order in orders:
            cards = [k for k, c in enumerate(self._scene.cards) if c.order == order]
            tone = "gradient" if order else "detail"
            words = {0: "forward ↓", 1: "backward ↑", 2: "second order"}.get(order, f"order {order}")
            yield f'  subgraph "cluster_order{order}" {{'
            yield f"    {self._box(words, tone, 'backward_cluster' if order else 'cluster', order > 0, top=True)}"
            yield from self._tree(cards, "    ")
            yield "  }"

    def _anchors(self) -> Iterable[str]:
        """Unseen points above the columns, in a row: they keep the forward pass on the left."""
        tops: dict[int, int] = {}
        for k, card in enumerate(self._scene.cards):
            if card.order not in tops or card.base < self._scene.cards[tops[card.order]].base:
                tops[card.order] = k
        points = [f"a{order}" for order in sorted(tops)]
        if len(points) < 2:
            return
        shapes = " ".join(f"{point};" for point in points)
        chain = " -> ".join(points)
        point = 'node [shape="point" style="invis" width="0.01" height="0.01"]'
        yield f'  {{rank=same; {point}; {shapes} edge [style="invis"]; {chain};}}'
        for order, k in tops.items():
            yield f'  a{order} -> n{k} [style="invis" weight="0"];'

    def _tree(self, cards: Iterable[int], indent: str) -> list[str]:
        """Cards inside nested boxes for their scopes."""
        lines: list[str] = []
        boxes: dict[tuple[str, ...], list[int]] = {}
        for k in cards:
            boxes.setdefault(self._scene.cards[k].path, []).append(k)
        first = _first_cards(boxes)
        children: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for path in sorted(first, key=lambda p: (first[p], len(p))):
            if path:
                children.setdefault(path[:-1], []).append(path)
        lines: list[str] = []
        # What is left to write, last first: a scope, or the end of one.
        pending: list[tuple[str, ...] | str] = [()]
        while pending:
            path = pending.pop()
            if isinstance(path, str):
                lines.append(path)
                continue
            within = indent + "  " * len(path)
            lines += self._opening(path, first[path], within[2:]) if path else []
            lines += [f"{within}{self._card(k)}" for k in boxes.get(path, ())]
            pending += [f"{within[2:]}}}"] if path else []
            pending += reversed(children.get(path, ()))
        return lines

    def _opening(self, path: tuple[str, ...], first: int, indent: str) -> Iterable[str]:
        """The beginning of a box."""
        facts = self._scene.facts.get(path)
        yield f'{indent}subgraph "cluster_{first}_{len(path)}" {{'
        yield f"{indent}  {self._box('' if facts else path[-1], 'detail', 'cluster', False, top=False)}"
        if facts:
            yield f"{indent}  {self._plate(first, path[-1], facts)}"

    def _plate(self, k: int, title: str, facts: Iterable[str]) -> str:
        """The title and facts of a box as a node inside it: arrows pass by a node, but cross a box's own label."""
        ink = self._ink("detail")
        lines = [self._font(f"<B>{escaped(title)}</B>", 11, ink), *(self._font(escaped(f), 10, ink) for f in facts)]
        rows = "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in lines)
        return f'p{k} [shape="plain" label=<{_TABLE}{rows}</TABLE>>];'

    def _box(self, words: str, tone: str, stroke: str, backward: bool, *, top: bool) -> str:
        label = self._font(f"<B>&#160;{escaped(words)}&#160;</B>", 11, self._ink(tone)) if words else ""
        attributes = {
            "labelloc": "t" if top else "b",
            "labeljust": "l",
            "style": "rounded,filled",
            "fillcolor": self._of(BACKWARD_CLUSTER if backward else CLUSTER),
            "color": self._of(STROKE[stroke]),
            "penwidth": 1,
            "margin": 14 if top else 12,
        }
        return f"graph [{_attributes(attributes)} label=<{label}>];"

    # ------------------------------------------------------------------ cards and arrows

    def _card(self, k: int) -> str:
        card = self._scene.cards[k]
        style = STYLE[card.outline or card.kind]
        own = STYLE[card.kind]
        beside_variable = card.kind == "gradient" and card.outline in ("variable", "frozen")
        width = max(style.width, own.width) + (0.6 if beside_variable else 0)
        attributes = {
            "id": f"n{k}",
            "class": f"sd-{card.kind}",
            "shape": style.shape,
            "style": style.style,
            "penwidth": width,
            "fillcolor": self._of(_fill(card)),
            "color": self._of(STROKE[card.kind]),
            "tooltip": escaped(card.tooltip),
        }
        if own.lines > 1:
            attributes["peripheries"] = own.lines
        if style.shape == "cylinder":
            attributes["margin"] = "0.16,0.03"
        return f"n{k} [{_attributes(attributes)} label=<{self._label(card)}>];"

    def _label(self, card: Card) -> str:
        heated = None if card.heat is None else self._of(HEAT_INK[card.heat])
        title = self._font(f"<B>{escaped(card.title)}</B>", 13, heated or self._ink("name"))
        word = self._font(f"{_GAP}&#160;{escaped(card.word)}", 10, heated or self._ink(card.kind)) if card.word else ""
        # Below the lid of a cylinder and the upper edge of a box in perspective.
        lid = {"cylinder": 8, "box3d": 4}.get(STYLE[card.outline or card.kind].shape)
        rows = [f'<TR><TD HEIGHT="{lid}"></TD></TR>'] if lid else []
        rows.append(f'<TR><TD ALIGN="LEFT">{title}</TD><TD ALIGN="RIGHT">{word}</TD></TR>')
        for line in card.lines:
            ink = heated or self._ink(line.tone)
            chip = ""
            if line.heat is not None:
                ink, chip = self._of(HEAT_INK[line.heat]), f' BGCOLOR="{self._of(HEAT[line.heat])}"'
            text = self._font(f"&#160;{escaped(line.text)}&#160;" if chip else escaped(line.text), 10, ink)
            rows.append(f'<TR><TD COLSPAN="2" ALIGN="LEFT"{chip}>{text}</TD></TR>')
        return f"{_TABLE}{''.join(rows)}</TABLE>"

    def _link(self, k: int, link: Link) -> str:
        attributes: dict[str, str | int | float] = {"id": f"e{k}"}
        label = ""
        tail, head = self._scene.cards[link.tail], self._scene.cards[link.head]
        if link.kind == "kept":
            attributes |= {"style": "dotted", "color": self._of(STROKE["kept"]), "arrowhead": "vee"}
        elif link.kind == "backward" or tail.order:
            attributes |= {"color": self._of(STROKE["gradient"]), "penwidth": 1.5}
        elif tail.path == head.path and not self._scene.mirrored:
            attributes["weight"] = 3
        if link.level:
            attributes["constraint"] = "false"
        if link.upward:
            attributes["dir"] = "back"
        if link.label:
            words = self._font(f"{_GAP}{escaped(link.label)}&#160;", 9, self._ink("gradient"))
            label = f" label=<{words}>"
        if link.operand:
            # A place number fits beside the arrow's head; a name needs room that only a label in the middle gets.
            place = "headlabel" if link.operand.isdigit() else "label"
            words = self._font(f"&#160;{escaped(link.operand)}&#160;", 8, self._ink("detail"))
            label += f" {place}=<{words}>"
            attributes |= {"labeldistance": 1.5, "labelangle": -30} if place == "headlabel" else {}
        ends = (link.head, link.tail) if link.upward else (link.tail, link.head)
        attributes["tooltip"] = escaped(f"{tail.title} → {head.title}")
        return f"  n{ends[0]} -> n{ends[1]} [{_attributes(attributes)}{label}];"

    # ------------------------------------------------------------------ colours and fonts

    def _of(self, tone: Tone) -> str:
        return tone.of(self._theme)

    def _ink(self, role: str) -> str:
        return INK[role].of(self._theme)

    def _font(self, markup: str, size: int, colour: str) -> str:
        return f'<FONT POINT-SIZE="{size}" COLOR="{colour}">{markup}</FONT>'


def _first_cards(boxes: Mapping[tuple[str, ...], list[int]]) -> dict[tuple[str, ...], int]:
    """For each scope the first card inside it, which gives the scope its place and its id; -1 for an empty picture."""
    first: dict[tuple[str, ...], int] = {}
    for path, cards in boxes.items():
        for n in range(len(path) + 1):
            first[path[:n]] = min(first.get(path[:n], cards[0]), cards[0])
    return first or {(): -1}


def _fill(card: Card) -> Tone:
    if card.kind == "bad":
        return FILL["bad"]
    if card.dtype:
        return DTYPE[card.dtype]
    return FILL[card.kind] if card.heat is None else HEAT[card.heat]


def _attributes(values: Mapping[str, str | int | float]) -> str:
    return " ".join(f'{name}="{value}"' for name, value in values.items())
