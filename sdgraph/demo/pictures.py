"""The pictures of the demonstration: a model and its gradients, as SVG and PNG.

Without a layout engine they become DOT files, which need none. Must not know how a model is built or trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgraph.demo.models import Model
from sdgraph.errors import LayoutError, RendererNotFound

if TYPE_CHECKING:
    from sdgraph.show.options import View


def draw(name: str, model: Model, feeds: dict[str, Any], out: Path) -> list[str]:
    """Draw a model with the values it has now, forward and backward.

    Returns:
        Lines of a report: what each picture shows and its files, or why there is none and what there is instead.
    """
    stem = name.replace(" ", "_")
    lines = []
    views: tuple[tuple[View, str], ...] = (("forward", ""), ("gradient", "_gradient"))
    try:
        for view, suffix in views:
            files = [out / f"{stem}{suffix}.{ending}" for ending in ("svg", "png")]
            for file in files:
                model.sd.render(file, model.objective, view=view, feeds=feeds)
            lines.append(_line(name, view, *files))
    except (RendererNotFound, LayoutError) as e:
        file = out / f"{stem}.dot"
        model.sd.render(file, model.objective)
        return [
            f"No picture of the {name}: {e.message} `pip install 'sdgraph[viz]'` brings one.",
            _line(name, "source for Graphviz", file),
        ]
    return lines


def _line(name: str, shows: str, *files: Path) -> str:
    return f"{f'{name}, {shows}:':<36}" + "".join(f"  {file.name:<32}" for file in files).rstrip()
