"""A scene as Mermaid source. Must not know graphs or engines."""

from __future__ import annotations

from typing import Final

from sdgraph.show.pictures.dress.scene import Card, Link, Scene
from sdgraph.show.pictures.dress.theme import FILL, INK, STROKE
from sdgraph.wording import clean

_OUTLINE: Final = {
    "variable": ("[(", ")]"),
    "frozen": ("[(", ")]"),
    "constant": ("[/", "/]"),
    "placeholder": ("[", "]"),
    "loss": ("[[", "]]"),
    "scope": ("[[", "]]"),
}
_DASHED: Final = {"placeholder": ",stroke-dasharray:5 3", "frozen": ",stroke-dasharray:1 3"}


def to_mermaid(scene: Scene, direction: str = "TB", note: str | None = None) -> str:
    """The scene as a Mermaid flowchart, with a line of text beside the cards if there is something to say."""
    lines = [f"flowchart {direction}"]
    if note is not None:
        lines += [f'  note["{_safe(note)}"]', "  style note fill:none,stroke:none"]
    lines += _tree(scene, (), "  ")
    lines += [_link(link) for link in scene.links]
    for kind in scene.kinds:
        fill, stroke, ink = FILL[kind].light, STROKE[kind].light, INK["name"].light
        lines.append(f"  classDef {kind} fill:{fill},stroke:{stroke},color:{ink}{_DASHED.get(kind, '')}")
        members = ",".join(f"n{k}" for k, c in enumerate(scene.cards) if c.kind == kind)
        lines.append(f"  class {members} {kind}")
    return "\n".join(lines) + "\n"


def _tree(scene: Scene, path: tuple[str, ...], indent: str) -> list[str]:
    """Cards of one scope, then its inner scopes as subgraphs."""
    lines: list[str] = []
    children: dict[tuple[str, ...], int] = {}
    for k, card in enumerate(scene.cards):
        if card.path == path:
            lines.append(f"{indent}{_card(k, card)}")
        elif card.path[: len(path)] == path:
            children.setdefault(card.path[: len(path) + 1], k)
    for child, k in children.items():
        words = "<br/>".join(_safe(text) for text in (child[-1], *scene.facts.get(child, ())))
        lines.append(f'{indent}subgraph s{k}_{len(child)} ["{words}"]')
        lines += _tree(scene, child, indent + "  ")
        lines.append(f"{indent}end")
    return lines


def _card(k: int, card: Card) -> str:
    left, right = _OUTLINE.get(card.outline or card.kind, ("(", ")"))
    rows = [f"<b>{_safe(card.title)}</b> {_safe(card.word)}".rstrip(), *(_safe(line.text) for line in card.lines)]
    return f'n{k}{left}"{"<br/>".join(rows)}"{right}'


def _link(link: Link) -> str:
    arrow = "-.->" if link.kind == "kept" else "-->"
    words = _safe(link.label or link.operand)
    label = f'|"{words}"|' if words else ""
    return f"  n{link.tail} {arrow}{label} n{link.head}"


def _safe(text: str) -> str:
    """Letters and digits as they are; what Mermaid or Markdown could read as syntax as character codes."""
    return "".join(c if c.isalnum() or c in " ,.()=+−·∂‖₂…×/_" else f"#{ord(c)};" for c in clean(text))
