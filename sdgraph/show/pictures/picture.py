"""GraphView, a picture that lays itself out when someone looks at it.

Knows formats and files. What is drawn comes as a finished scene.
"""

from __future__ import annotations

import base64
import html
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sdgraph.build.annotations import readable
from sdgraph.checks import as_path, one_of
from sdgraph.errors import ArgumentError, LayoutError, RendererNotFound
from sdgraph.show.options import Options
from sdgraph.show.pictures.dress.scene import Scene
from sdgraph.show.pictures.lay_out import programs as engines
from sdgraph.show.pictures.write import svg
from sdgraph.show.pictures.write.dot import DotWriter
from sdgraph.show.pictures.write.mermaid import to_mermaid
from sdgraph.store.atomic import replaced
from sdgraph.wording import did_you_mean

if TYPE_CHECKING:
    from graphviz import Digraph

FORMATS: Final = ("svg", "png", "pdf", "dot", "mmd")
_PNG_LIMIT: Final = 32_767
"""Cairo shrinks larger bitmaps without a word."""


@readable
class GraphView:
    """A picture of a graph. A notebook shows it; nothing is laid out before it is needed.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> _ = sd.placeholder("x").mul(2, name="y")
        >>> sd.plot()
        <GraphView: Graph: 2 variables.>
    """

    def __init__(self, scene: Scene, options: Options) -> None:
        self.scene = scene
        """The drawing model: cards and arrows."""
        self.options = options
        """How it is drawn."""
        self.engine_used: str | None = None
        """The layout engine that drew it; None before the first layout."""

    def __repr__(self) -> str:
        return f"<GraphView: {self.alt}>"

    @property
    def alt(self) -> str:
        """The picture in one sentence."""
        return self.scene.alt

    @property
    def notes(self) -> list[str]:
        """What the picture leaves out."""
        return list(self.scene.notes)

    @property
    def dot(self) -> str:
        """Graphviz source; needs no engine."""
        return self._writer(self._base_theme).text()

    @property
    def mermaid(self) -> str:
        """Mermaid source; needs no engine."""
        return to_mermaid(self.scene, self.options.direction)

    @property
    def graphviz(self) -> Digraph:
        """The source as an object of the graphviz package."""
        import graphviz

        picture = graphviz.Digraph()
        picture.body = [line + "\n" for line in self._writer(self._base_theme).body()]
        return picture

    @cached_property
    def svg(self) -> str:
        """The picture as SVG.

        Raises:
            RendererNotFound: If no layout engine is installed.
            LayoutError: If the layout failed or took too long.
        """
        raw = self._lay_out(self.dot, "svg").decode("utf-8")
        return svg.finished(raw, self.scene, adaptive=self.options.theme == "auto")

    @property
    def html(self) -> str:
        """The picture as HTML: an image, which notebooks show without trusting it."""
        data = base64.b64encode(self.svg.encode()).decode()
        image = f'<img style="max-width:100%" alt="{html.escape(self.alt)}" src="data:image/svg+xml;base64,{data}">'
        return f"<div>{image}</div>"

    def image(self, fmt: str) -> bytes:
        """The picture in one of the formats ``svg``, ``png``, ``pdf``, ``dot`` and ``mmd``.

        Raises:
            ArgumentError: For another format.
            RendererNotFound: If no layout engine is installed and the format needs one.
            LayoutError: If the layout failed, took too long, or does not fit into a PNG.
        """
        if fmt in ("svg", "dot", "mmd"):
            return {"svg": lambda: self.svg, "dot": lambda: self.dot, "mmd": lambda: self.mermaid}[fmt]().encode()
        one_of("format of a picture", fmt, FORMATS)
        source = self.dot
        if fmt == "png":
            source = source.replace("graph [", f'graph [dpi="{self.options.dpi:g}" ', 1)
        data = self._lay_out(source, fmt)
        if fmt == "png":
            _check_size(data)
        return data

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix of ``path`` chooses the format. The file appears whole or not at all.

        Raises:
            ArgumentError: For another suffix or a missing folder.
            RendererNotFound: If no layout engine is installed and the format needs one.
        """
        target, fmt = checked_path(path)
        data = self.image(fmt)
        replaced(target, lambda file: file.write(data), fsync=False, keep=False)
        return target

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        try:
            return {"text/plain": repr(self), **self.shown()}
        except (RendererNotFound, LayoutError) as e:
            return self.without_layout(e)

    def shown(self) -> dict[str, str]:
        """The picture by MIME type, as notebooks take it.

        Raises:
            RendererNotFound: If no layout engine is installed.
            LayoutError: If the layout failed or took too long.
        """
        bundle = {"text/html": self.html, "image/svg+xml": self.svg}
        if self.options.display_png:
            bundle["image/png"] = base64.b64encode(self.image("png")).decode()
        return bundle

    def without_layout(self, why: RendererNotFound | LayoutError, text: str | None = None) -> dict[str, str]:
        """What notebooks get when nothing here lays the picture out: Mermaid, and in one line why.

        Args:
            why: The error of the layout.
            text: The plain text of what is shown; the picture's own by default.
        """
        line = f"No Graphviz, so your notebook draws a plain picture. {engines.INSTALL} brings it."
        if not isinstance(why, RendererNotFound):
            line = why.message
        return {
            "text/plain": f"{repr(self) if text is None else text}\n{line}",
            "text/vnd.mermaid": to_mermaid(self.scene, self.options.direction, note=line),
        }

    @property
    def _base_theme(self) -> str:
        return "dark" if self.options.theme == "dark" else "light"

    def _writer(self, theme: str) -> DotWriter:
        return DotWriter(self.scene, theme, self.options.direction, legend=self.options.legend)

    def _lay_out(self, source: str, fmt: str) -> bytes:
        layout = engines.lay_out(source, fmt, self.options.engine, self.options.timeout)
        self.engine_used = layout.engine
        return layout.data


def checked_path(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """The path and the format that its suffix means.

    Raises:
        ArgumentError: For an unknown suffix, or a folder that does not exist.
    """
    target = as_path(path)
    fmt = target.suffix.lower().removeprefix(".")
    if fmt not in FORMATS:
        raise ArgumentError(
            "The suffix of a picture's file chooses its format.",
            given=repr(str(target)),
            expected="a name that ends in " + ", ".join(f".{f}" for f in FORMATS),
            fix=did_you_mean(fmt, FORMATS),
        )
    if not target.parent.is_dir():
        raise ArgumentError(
            "The folder for the picture does not exist.", given=repr(str(target.parent)), fix="Make the folder first."
        )
    if target.is_dir():
        raise ArgumentError("There is a folder of this name.", given=repr(str(target)))
    return target, fmt


def _check_size(png: bytes) -> None:
    """Raise LayoutError for a PNG that was silently shrunk."""
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    if max(width, height) >= _PNG_LIMIT:
        raise LayoutError(
            "The picture is too large for a PNG.",
            given=f"it would be over {_PNG_LIMIT:,} pixels wide or high",
            fix="Save it as .svg or .pdf, lower dpi=, or draw less with depth= or max_nodes=.",
        )
