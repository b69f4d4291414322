"""The methods of a graph that show it: as a table, as a picture, as text for other tools, in a notebook.

A front only: `summary` makes the table, `sdgraph.show.pictures` the rest, and it is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdgraph.build.calls import told_in_calls
from sdgraph.ops.graph import OpGraph
from sdgraph.show.options import NOT_FOR_PAGES, takes_options

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Unpack

    from sdgraph.build.variable import SDVariable, Variables
    from sdgraph.plan.made import Made
    from sdgraph.run.executable import Executable
    from sdgraph.show.formulas.equations import Latex
    from sdgraph.show.keywords import PageOptions, PictureOptions
    from sdgraph.show.options import Data, Order, View
    from sdgraph.show.pictures.explorer import Explorer
    from sdgraph.show.pictures.picture import Digraph, GraphView
    from sdgraph.show.pictures.write.export import MultiDiGraph
    from sdgraph.show.table import Summary


@told_in_calls("sd")
class GraphViews(OpGraph):
    """What a graph can show of itself."""

    def summary(self, depth: int | None = None, sort: Order = "topological", *, gradients: bool = False) -> Summary:
        """The graph as a table with one row per variable, and totals; print it, or leave it to the notebook.

        Args:
            depth: How many levels of name scopes to list; deeper ones become one row each. None lists everything.
            sort: ``"topological"``, ``"name"``, ``"kind"`` or ``"size"``.
            gradients: Whether to list what was made for gradients, too; else a line says how much that is.

        Raises:
            ArgumentError: For another ``sort`` or a negative ``depth``.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> _ = sd.placeholder("x", shape=(None, 3)).sum(axis=0, name="total")
            >>> print(sd.summary())
            name   kind         op   shape   dtype    inputs  parameters
            -----  -----------  ---  ------  -------  ------  ----------
            x      placeholder  -    (?, 3)  float32  -                -
            total  loss         sum  (3,)    float32  x                -
            -----  -----------  ---  ------  -------  ------  ----------
            variables:  2: 1 placeholder, 1 op output
            parameters: 0 (0 B)
            losses:     total
        """
        from sdgraph.show.table import summary

        return summary(self, depth=depth, sort=sort, gradients=gradients)

    @takes_options()
    def plot(
        self, targets: Variables | None = None, *, plan: Made | None = None, **options: Unpack[PictureOptions]
    ) -> GraphView:
        """A picture of the graph; a notebook shows it, and ``save(path)`` writes it.

        Args:
            targets: Draw only what these variables are computed from; all by default.
            plan: The plan of a compiled function, ``f.plan``: the picture then shows the steps that it runs.
            **options: Those of `sdgraph.show.options.Options`, such as ``view="gradient"`` or ``feeds=...``.

        Raises:
            ArgumentError: For an unknown option or value.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> _ = sd.placeholder("x").mul(2, name="y")
            >>> sd.plot(title="doubling").alt
            'doubling: 2 variables.'
        """
        from sdgraph.show.pictures import plot

        return plot(self, targets=targets, plan=plan, **options)

    @takes_options()
    def render(
        self,
        path: str | os.PathLike[str],
        targets: Variables | None = None,
        *,
        plan: Made | None = None,
        **options: Unpack[PictureOptions],
    ) -> Path:
        """Draw the graph into a file; its suffix chooses the format: svg, png, pdf, dot or mmd.

        Args:
            path: The file to write; its folder must exist.
            targets: Draw only what these variables are computed from; all by default.
            plan: As for `plot`.
            **options: As for `plot`; also ``dpi`` for PNG.

        Returns:
            The path of the file.

        Raises:
            ArgumentError: For another suffix, a missing folder, or an unknown option.
            RendererNotFound: If no Graphviz layout engine is installed (dot and mmd need none).
            LayoutError: If the layout took longer than ``timeout`` seconds or failed.

        Example:
            >>> import pathlib, tempfile
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> _ = sd.placeholder("x").mul(2, name="y")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     sd.render(pathlib.Path(folder) / "graph.dot").name
            'graph.dot'
        """
        from sdgraph.show.pictures import render

        return render(self, path, targets=targets, plan=plan, **options)

    @takes_options(*NOT_FOR_PAGES)
    def explore(
        self, targets: Variables | None = None, *, height: int = 620, **options: Unpack[PageOptions]
    ) -> Explorer:
        """A page to explore the graph in: pan, zoom, search, and the facts of every variable; a notebook shows it.

        The page has the forward pass and, where the losses are clear, the gradients, and a picture for each scope. It
        needs no network. With ``feeds`` it shows the statistics of all arrays and the norms of all gradients.

        Args:
            targets: Draw only what these variables are computed from; all by default.
            height: Height of the frame in a notebook, in pixels.
            **options: The options of `sdgraph.show.options.Options`, except ``view``, ``theme``, ``color_by``,
                ``focus`` and ``expand``.

        Raises:
            ArgumentError: For an unknown option or value.
            FeedError: For feeds that do not fit.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> _ = sd.placeholder("x").mul(2, name="y")
            >>> sd.explore(feeds={"x": 3.0})
            <Explorer: Graph: 2 variables · y = 6.>
        """
        from sdgraph.show.pictures.explorer import explore

        return explore(self, targets=targets, height=height, **options)

    @takes_options(*NOT_FOR_PAGES)
    def to_html(
        self, path: str | os.PathLike[str], targets: Variables | None = None, **options: Unpack[PageOptions]
    ) -> Path:
        """Write the page of `explore` as one HTML file that needs no network.

        Args:
            path: The file to write, ``.html``; its folder must exist.
            targets: Draw only what these variables are computed from; all by default.
            **options: As for `explore`.

        Returns:
            The path of the file.

        Raises:
            ArgumentError: For another suffix, a missing folder, or an unknown option.
            RendererNotFound: If no Graphviz layout engine is installed.
            LayoutError: If a layout took longer than ``timeout`` seconds or failed.
        """
        from sdgraph.show.pictures.explorer import to_html

        return to_html(self, path, targets=targets, **options)

    @takes_options()
    def to_dot(
        self, targets: Variables | None = None, *, plan: Made | None = None, **options: Unpack[PictureOptions]
    ) -> str:
        """The picture as Graphviz source; needs nothing installed.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().to_dot().splitlines()[0]
            'digraph {'
        """
        from sdgraph.show.pictures import to_dot

        return to_dot(self, targets=targets, plan=plan, **options)

    @takes_options()
    def to_mermaid(
        self, targets: Variables | None = None, *, plan: Made | None = None, **options: Unpack[PictureOptions]
    ) -> str:
        """The picture as Mermaid source, for Markdown pages and notebooks; needs nothing installed.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().to_mermaid().splitlines()[0]
            'flowchart TB'
        """
        from sdgraph.show.pictures import to_mermaid

        return to_mermaid(self, targets=targets, plan=plan, **options)

    @takes_options()
    def to_graphviz(
        self, targets: Variables | None = None, *, plan: Made | None = None, **options: Unpack[PictureOptions]
    ) -> Digraph:
        """The picture as an object of the ``graphviz`` package, to be changed further."""
        from sdgraph.show.pictures import to_graphviz

        return to_graphviz(self, targets=targets, plan=plan, **options)

    def to_latex(
        self,
        v: SDVariable | str,
        depth: int | None = None,
        *,
        expand: bool | str | SDVariable | Iterable[str | SDVariable] = False,
        values: bool | int = False,
        max_length: int = 2000,
    ) -> Latex:
        """A variable as formulas; see `SDVariable.to_latex`."""
        from sdgraph.show.formulas.equations import to_latex

        return to_latex(self.own(v), depth, expand=expand, values=values, max_length=max_length)

    def to_networkx(self, view: View = "forward", *, data: Data = "rich") -> MultiDiGraph:
        r"""The graph as a networkx MultiDiGraph: nodes are names, edge keys are operand positions.

        A node has these attributes, and with ``data="plain"`` each is a text, a truth value or a whole number, so that
        ``nx.write_graphml``, ``write_gexf``, ``write_gml``, ``node_link_data`` and DOT take the graph as it is:

        =============== ================================================== =======================================
        attribute       ``data="rich"``                                    ``data="plain"``
        =============== ================================================== =======================================
        ``kind``        "placeholder", "variable", "constant" or "array"   the same
        ``op``          name of the op, such as "math.tanh"; None if leaf  "" for a leaf
        ``shape``       tuple of sizes; a text or None if unknown          "(batch, 3)"; "?" if unknown; "scalar"
        ``dtype``       name of the dtype, such as "float32"               the same
        ``is_loss``     whether it is a loss of the graph                  the same
        ``is_output``   whether nothing uses it                            the same
        ``is_gradient`` whether it was made for a gradient                 the same
        ``gradient_of`` the variable it is the gradient of, or None        "" if none
        ``scope``       name scopes, joined by "/"; "" for none            the same
        ``origin``      the user's line, or None                           "" if none
        ``attributes``  dict of the op's settings                          JSON, "" if there are none
        =============== ================================================== =======================================

        An edge leads from an operand to what is computed from it. Its attribute ``operand`` is the parameter's name;
        with ``data="plain"`` it also has ``position``, which is the edge's key, because not every program reads keys.
        Characters of a name that XML cannot hold then are codes such as ``\uffff``.

        Args:
            view: ``"forward"`` without gradient nodes, ``"gradient"`` for gradient nodes and what they use, ``"both"``
                for everything.
            data: ``"rich"`` for attributes that are Python objects, ``"plain"`` for what files of graphs can hold.

        Raises:
            ArgumentError: For another view or form of data.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", shape=("batch", 3))
            >>> y = sd.math.mul(x, x, name="y")
            >>> list(sd.to_networkx().edges(keys=True, data="operand"))
            [('x', 'y', 0, 'x'), ('x', 'y', 1, 'y')]
            >>> sd.to_networkx().nodes["y"]["shape"], sd.to_networkx(data="plain").nodes["y"]["shape"]
            (('batch', 3), '(batch, 3)')
        """
        from sdgraph.show.pictures.write.export import to_networkx

        return to_networkx(self, view, data=data)

    def display_bundle(self, focus: SDVariable | None = None) -> dict[str, str]:
        """What a notebook shows for the graph, or for one variable and its neighbours; never raises."""
        from sdgraph.show.notebook import display_bundle

        return display_bundle(self, focus)

    def executable_bundle(self, f: Executable) -> dict[str, str]:
        """What a notebook shows for a function of the graph; never raises."""
        from sdgraph.show.notebook import executable_bundle

        return executable_bundle(f)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.display_bundle()
