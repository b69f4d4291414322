"""The pictures of a page: the forward pass, the gradients, and one more for each scope, to be opened from there.

Knows which pictures there are and lays them out. Must not know HTML.
"""

from __future__ import annotations

import html
import os
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sdgraph.show.options import Options
from sdgraph.show.pictures.choose.grouping import DEEPEST, Group, Groups, group
from sdgraph.show.pictures.choose.parts import Parts
from sdgraph.show.pictures.choose.values import Values
from sdgraph.show.pictures.dress.scene import Scene, make_scene
from sdgraph.show.pictures.lay_out import programs as engines
from sdgraph.show.pictures.write import svg
from sdgraph.show.pictures.write.dot import DotWriter
from sdgraph.show.visible import Listing

MAX_VIEWS: Final = 24
MOST_FACTS: Final = 5000
"""Variables that a page has facts of, some half a kilobyte each: browsers are slow on pages of a hundred megabytes."""
_MAX_NEIGHBOURS: Final = 40
_SMALL: Final = 24

Path = tuple[str, ...]

_CLUSTER: Final = re.compile(r'<g id="clust\d+" class="cluster">\s*<title>cluster_(\d+)_(\d+)</title>')
_CARD: Final = re.compile(r'<g id="n(\d+)" class="node')
_LINK: Final = re.compile(r'<g id="e(\d+)" class="edge')
_OTHER_ID: Final = re.compile(r'<g id="[^"]*" ')


@dataclass(slots=True)
class View:
    """One picture: what kind of view, of which scope (empty for all), and from which view one gets there."""

    kind: str
    scope: Path
    parent: int | None
    scene: Scene
    groups: Groups
    notes: list[str] = field(default_factory=list)


def tour(kinds: Iterable[tuple[str, Parts]], values: Values, options: Options) -> list[View]:
    """The views of a page: the whole pictures, then scopes that are collapsed somewhere, then scopes drawn open.

    There are at most `MAX_VIEWS`; the notes of the first views say how many collapsed scopes have none.
    """
    parts_of = dict(kinds)
    views: list[View] = []
    for kind, parts in parts_of.items():
        groups = group(parts, options.depth, options.max_nodes)
        views.append(_view(kind, (), None, parts, groups, values, options))
    roots = list(views)
    for wanted in (_collapsed, _opened):
        # Breadth first, one scope of each kind in turn, so that neither view uses up the room.
        pending = {v.kind: deque(wanted(v.groups)) for v in roots}
        seen: dict[str, set[Path]] = {v.kind: {u.scope for u in views if u.kind == v.kind} for v in roots}
        left = dict.fromkeys(pending, 0)
        while any(pending.values()):
            for kind, queue in pending.items():
                if not queue:
                    continue
                scope = queue.popleft()
                if scope in seen[kind]:
                    continue
                seen[kind].add(scope)
                if len(views) >= MAX_VIEWS:
                    left[kind] += 1
                    continue
                inside = _inside(parts_of[kind], scope)
                groups = _grouped(inside, len(scope), options)
                views.append(_view(kind, scope, _parent(views, kind, scope), inside, groups, values, options))
                queue.extend(wanted(groups))
        if wanted is _collapsed:
            for root in roots:
                if left[root.kind]:
                    root.notes.append(f"scopes without a picture of their own: {left[root.kind]:,}")
    return views


def _view(
    kind: str, scope: Path, parent: int | None, parts: Parts, groups: Groups, values: Values, options: Options
) -> View:
    title = "/".join(scope) if scope else options.title
    scene = make_scene(parts, groups, values, options._replace(view=kind, title=title))
    return View(kind, scope, parent, scene, groups)


def _collapsed(groups: Groups) -> Iterator[Path]:
    """Scopes that one card stands for; of a stack of like ones the first."""
    for g in groups.groups:
        if g.path is not None:
            yield g.path


def _opened(groups: Groups) -> Iterator[Path]:
    """Scopes that are boxes in a picture large enough to look at them alone."""
    if len(groups.groups) <= _SMALL:
        return
    paths = {scope[:n] for g in groups.groups for scope in [_scope(g)] for n in range(1, len(scope) + 1)}
    yield from sorted(paths, key=lambda p: (len(p), p))


def _scope(g: Group) -> Path:
    return g.members[0].item.scope[:DEEPEST] if not g.order and not g.is_scope else ()


def _parent(views: list[View], kind: str, scope: Path) -> int:
    """The nearest enclosing scope that has a view."""
    for n in range(len(scope) - 1, -1, -1):
        for k, view in enumerate(views):
            if view.kind == kind and view.scope == scope[:n]:
                return k
    return 0


def _inside(parts: Parts, scope: Path) -> Parts:
    """What is in a scope, and what is one arrow away from it."""
    items = parts.listing.items

    def lies_in(i: int) -> bool:
        base = items.get(parts.parts[i].base, items[i])
        return base.scope[: len(scope)] == scope

    inner = {i for i in parts.parts if lies_in(i)}
    border = [a for a in parts.arcs if (a.tail in inner) != (a.head in inner)]
    around = [a.head if a.tail in inner else a.tail for a in border]
    shown = inner | set(list(dict.fromkeys(around))[:_MAX_NEIGHBOURS])
    arcs = [a for a in parts.arcs if a.tail in shown and a.head in shown and (a.tail in inner or a.head in inner)]
    return replace(parts, parts={i: p for i, p in parts.parts.items() if i in shown}, arcs=arcs)


def _grouped(parts: Parts, level: int, options: Options) -> Groups:
    """As many levels of scopes below ``level`` opened as fit."""
    deepest = min(max((len(p.item.scope) for p in parts.parts.values()), default=level), DEEPEST)
    if options.max_nodes is None:
        return group(parts, None, None)
    for depth in range(max(deepest, level), level, -1):
        found = group(parts, depth, None)
        if len(found.groups) <= options.max_nodes:
            return found
    return group(parts, level, options.max_nodes)


# ---------------------------------------------------------------------- layout


def drawn(views: list[View], options: Options) -> list[str]:
    """The SVG of each view, laid out side by side in processes of their own; cards and links carry their numbers."""

    def draw(view: View) -> str:
        dot = DotWriter(view.scene, "light", options.direction, legend=options.legend and not view.scope).text()
        raw = engines.lay_out(dot, "svg", options.engine, options.timeout).data.decode("utf-8")
        return _prepared(raw, view.scene)

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(draw, views))


def _prepared(raw: str, scene: Scene) -> str:
    """An SVG to stand in a page beside others: no ids, but attributes that say which card, link or scope a part is."""

    def scoped(match: re.Match[str]) -> str:
        path = scene.cards[int(match[1])].path[: int(match[2])]
        return f'<g class="cluster" data-scope="{html.escape("/".join(path))}">'

    text = svg.finished(_CLUSTER.sub(scoped, raw), scene, adaptive=False)
    text = text[text.index("<svg") :]
    for pattern, replacement in (
        (_CARD, r'<g data-n="\1" class="node'),
        (_LINK, r'<g data-e="\1" class="edge'),
        (_OTHER_ID, "<g "),
    ):
        text = pattern.sub(replacement, text)
    return text


def explained(views: list[View], listing: Listing) -> set[int]:
    """The variables that a page has facts of: all, or `MOST_FACTS`, the ones on cards of their own before others.

    Where some are left out, the notes of the first view say so.
    """
    on_cards = [g.members[0].item.id for v in views for g in v.groups.groups if not g.is_scope]
    ordered = list(dict.fromkeys([*on_cards, *listing.items]))
    kept = ordered[: max(MOST_FACTS, len(set(on_cards)))]
    if len(kept) < len(ordered):
        views[0].notes.append(f"variables that this page says nothing of: {len(ordered) - len(kept):,}")
    return set(kept)


def described(view: View, known: Collection[int]) -> dict[str, Any]:
    """A view as plain data for a page that knows some variables."""
    cards = [
        {
            "ids": [p.item.id for p in g.members if p.item.id in known],
            "count": len(g.members),
            "scope": None if g.path is None else "/".join(g.path),
            "label": card.tooltip,
            "title": card.title,
        }
        for g, card in zip(view.groups.groups, view.scene.cards, strict=True)
    ]
    return {
        "kind": view.kind,
        "scope": "/".join(view.scope),
        "crumb": view.scope[-1] if view.scope else view.scene.title,
        "parent": view.parent,
        "notes": [*view.scene.notes, *view.notes],
        "cards": cards,
        "links": [[k.tail, k.head] for k in view.scene.links],
    }
