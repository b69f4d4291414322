"""What Graphviz's SVG lacks: the dark theme, readable tooltips, a title and a description. Must not know graphs."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Final

from sdgraph.errors import LayoutError
from sdgraph.show.pictures.dress.scene import Scene
from sdgraph.show.pictures.dress.theme import dark_css
from sdgraph.wording import clean

_OPEN_TAG: Final = re.compile(r"<svg\b[^>]*>")
_ANCHOR: Final = re.compile(r'<g id="a_[^"]*"><a [^>]*>\n?|</a>\n</g>\n?')
_NODE_TITLE: Final = re.compile(r'(<g id="n(\d+)" class="node[^"]*">\s*<title>)[^<]*(</title>)')
_EDGE_TITLE: Final = re.compile(r'(<g id="e(\d+)" class="edge[^"]*">\s*<title>)[^<]*(</title>)')
_BOX_TITLE: Final = re.compile(r"\s*<title>(cluster_[^<]*|p\d+|%\d+|%[^<]*)</title>")


def finished(svg: str, scene: Scene, *, adaptive: bool) -> str:
    """The SVG with tooltips that say what a card is, a description, and with ``adaptive`` the dark theme."""
    svg = _ANCHOR.sub("", svg)
    svg = _BOX_TITLE.sub("", svg)
    svg = _titled(_NODE_TITLE, svg, [c.tooltip for c in scene.cards])
    svg = _titled(_EDGE_TITLE, svg, [f"{scene.cards[k.tail].title} → {scene.cards[k.head].title}" for k in scene.links])
    start = svg.find("<svg")
    found = _OPEN_TAG.search(svg, max(start, 0))
    if found is None:
        raise LayoutError("A layout engine made something else than an SVG.", given=f"{svg[:40]!r}")
    opening = found.group().replace("<svg", '<svg role="img"', 1)
    head = f"<title>{html.escape(clean(scene.title))}</title><desc>{html.escape(clean(scene.alt))}</desc>"
    if adaptive:
        head += f"<style>{dark_css()}</style>"
    prolog = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    return f"{prolog}{opening}{head}{svg[found.end() :]}"


def _titled(pattern: re.Pattern[str], svg: str, titles: Sequence[str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]}{html.escape(clean(titles[int(match[2])]))}{match[3]}"

    return pattern.sub(replaced, svg)
