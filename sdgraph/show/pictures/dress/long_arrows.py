"""Arrows across a large picture, written on the cards at their ends: layout takes minutes for them, and no eye follows.

Must not know Graphviz or graphs.
"""

from __future__ import annotations

from typing import Final

from sdgraph.show.pictures.dress.scene import Line, Scene
from sdgraph.wording import counted, shortened

LARGE: Final = 300
"""Pictures of up to this many cards keep all arrows."""
LONG: Final = 30
"""An arrow across more ranks than this is long."""


def cut_long_arrows(scene: Scene) -> None:
    """Replace long arrows of a large picture by a line on the cards at both ends, and say so in a note."""
    if len(scene.cards) <= LARGE:
        return
    height = _heights(scene)
    long = [k for k in scene.links if abs(height[k.head] - height[k.tail]) > LONG]
    if not long:
        return
    gone = {id(k) for k in long}
    scene.links = [k for k in scene.links if id(k) not in gone]
    heads: dict[int, list[str]] = {}
    tails: dict[int, list[str]] = {}
    for k in long:
        heads.setdefault(k.tail, []).append(scene.cards[k.head].title)
        tails.setdefault(k.head, []).append(scene.cards[k.tail].title)
    for sign, ends in (("→", heads), ("←", tails)):
        for card, names in ends.items():
            said = shortened(names[0]) if len(set(names)) == 1 else counted(len(names), "card")
            scene.cards[card].lines.append(Line(f"{sign} {said}"))
    scene.notes.append(f"{counted(len(long), 'long arrow')} not drawn: cards name what they lead to")


def _heights(scene: Scene) -> list[int]:
    """About the rank of each card: below all it is computed from; gradients beside their variable."""
    height = [0] * len(scene.cards)
    below: dict[int, list[int]] = {}
    fed: set[int] = set()
    for k in sorted((k for k in scene.links if k.kind == "data" and k.tail < k.head), key=lambda k: k.head):
        height[k.head] = max(height[k.head], height[k.tail] + 1)
        below.setdefault(k.tail, []).append(k.head)
        fed.add(k.head)
    for leaf, heads in below.items():
        if leaf not in fed:
            height[leaf] = min(height[h] for h in heads) - 1
    for first, *others in scene.ranks:
        for card in others:
            height[card] = height[first]
    return height
