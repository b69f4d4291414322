"""The methods of a graph that keep it: in a file of its own, and its values in the files of other libraries.

A front only, and what it calls is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from sdgraph.build.calls import told_in_calls
from sdgraph.checks import as_path, flag
from sdgraph.show.views import GraphViews

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sdgraph.build.variable import Variables
    from sdgraph.files.onnx.model import ModelProto
    from sdgraph.files.weights import Imported, Rename


@told_in_calls("sd")
class GraphFiles(GraphViews):
    """A graph that can be saved and read again."""

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        user: Mapping[str, str] | None = None,
        origins: bool = True,
        keep: bool = False,
        fsync: bool = True,
    ) -> Path:
        """Write the graph into one file: variables with their values, names, ops, losses, gradients, seed.

        Any program that reads zip files opens it, and ``numpy.load`` its arrays. The file is written whole or not at
        all: whatever happens meanwhile, whoever looks finds the old one or the new one. Saving the same graph twice
        gives the same bytes, on any computer.

        Args:
            path: The file, usually ``.sdg``; its folder must exist.
            user: Texts of yours to keep with it, by name.
            origins: Whether to keep which line made each variable, as file name and number.
            keep: Whether a file that is there already stays, with ``~`` behind its name.
            fsync: Whether to return only when the disk has it.

        Returns:
            The path.

        Raises:
            ArgumentError: If a setting of an op is something that no file can hold.
            ArgumentTypeError: If ``user`` is not texts by name.
            OSError: If the file cannot be written.

        Example:
            >>> import pathlib, tempfile
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> _ = sd.loss.l2_loss(w, name="loss")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = sd.save(pathlib.Path(folder) / "model.sdg", user={"author": "me"})
            ...     again = SameDiff.load(path)
            >>> again["loss"].eval(), again.user
            (array(2.5, dtype=float32), {'author': 'me'})
        """
        from sdgraph.store.save import save

        kept = self.user if user is None else user
        return save(
            self,
            as_path(path),
            user=kept,
            origins=flag("origins", origins),
            keep=flag("keep", keep),
            fsync=flag("fsync", fsync),
        )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        ops: Iterable[Any] = (),
        mmap: bool = False,
        verify: bool | None = None,
    ) -> Self:
        """Read a graph from a file of `save`.

        Nothing in a file can run: it names ops, and those are looked up among the ones that this program has. Damage
        of any byte is found; that a file comes from somebody you trust is not, so compare its digest for that.

        Args:
            path: The file.
            ops: Ops of your own that are not in a namespace, or whose class was not imported: decorated functions, or
                classes that have some.
            mmap: Whether arrays stay on the disk until they are used, so that a large file opens at once. They are
                not compared with their digests then, unless ``verify`` says so.
            verify: Whether arrays are compared with their digests; by default unless ``mmap``.

        Returns:
            The graph.

        Raises:
            FormatError: If the file is damaged, no file of sdgraph, or of a newer version.
            UnknownOpError: If the graph has ops that this program does not have; names all of them.
            OSError: If the file cannot be read.

        Warns:
            ChangedOpWarning: If a composite is written otherwise now than when the file was made.
        """
        from sdgraph.store.load import load

        mmap = flag("mmap", mmap)
        verify = not mmap if verify is None else flag("verify", verify)
        return load(cls, as_path(path), ops=ops, mmap=mmap, verify=verify)

    def export_weights(self, path: str | os.PathLike[str], variables: Any = None) -> Path:
        """Write values of variables into a file that other libraries read.

        Args:
            path: The file, ``.npz`` or ``.safetensors`` (extra ``weights``).
            variables: Variables or names; all of kind VARIABLE by default.

        Returns:
            The path.

        Raises:
            ArgumentError: For another suffix.
            DTypeError: If the file cannot hold a variable's dtype.
            MissingDependencyError: If safetensors is not installed.
            OSError: If the file cannot be written.
        """
        from sdgraph.files.weights import export_weights

        chosen = self.variables("variable") if variables is None else self.several(variables)
        return export_weights(self, as_path(path), chosen)

    def import_weights(
        self,
        path: str | os.PathLike[str],
        rename: Rename = None,
        *,
        variables: Any = None,
        strict: bool = True,
    ) -> Imported:
        """Give variables the values of a file, all of them or none.

        Only arrays that a variable waits for are read. They may have another dtype: numbers are rounded, and one that
        is out of range is an error. That of bfloat16 and of floats of 8 bits is exact.

        Args:
            path: The file, ``.npz`` or ``.safetensors`` (extra ``weights``).
            rename: Names in the graph for names in the file: a mapping, which need not have all, or a function. None
                stands for an array to leave out.
            variables: Variables or names; all of kind VARIABLE by default.
            strict: Whether the file must have exactly these variables.

        Returns:
            Which variables got a value, which did not, and which arrays are of no variable.

        Raises:
            ArgumentError: If the file must have exactly the variables and has not, two arrays get one name, or for
                another suffix.
            ArgumentTypeError: If ``rename`` is or gives no name, or a variable is not of the kind that takes values.
            ShapeError: If an array has another shape than its variable.
            DTypeError: If a variable's dtype cannot hold its array, or that holds no numbers.
            FormatError: If the file is damaged.
            MissingDependencyError: If safetensors is not installed.
            OSError: If the file cannot be read.

        Example:
            >>> import pathlib, tempfile
            >>> from sdgraph import SameDiff
            >>> sd, other = SameDiff(), SameDiff()
            >>> _ = sd.var("w", [1.0, 2.0])
            >>> w = other.var("layer/w", [0.0, 0.0])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = sd.export_weights(pathlib.Path(folder) / "weights.npz")
            ...     print(other.import_weights(path, rename={"w": "layer/w"}))
            1 variable got a value
            >>> w.value
            array([1., 2.], dtype=float32)
        """
        from sdgraph.files.weights import import_weights

        chosen = self.variables("variable") if variables is None else self.several(variables)
        return import_weights(self, as_path(path), rename, chosen=chosen, strict=flag("strict", strict))

    def to_onnx(
        self,
        fetches: Variables,
        path: str | os.PathLike[str] | None = None,
        opset: int = 21,
        *,
        functions: bool = True,
        target: Literal["standard", "basic"] | str = "standard",
        weights: Literal["inline", "external"] | str = "inline",
        origins: bool = True,
        checks: bool = False,
    ) -> ModelProto:
        """Make an ONNX model that computes variables, gradients among them, and write it into a file.

        Placeholders become inputs, fetches outputs, variables and constants values in it; all keep their names. A
        composite, such as a loss, is one node, whose inside is a function of the model. Nodes have the names, lines and
        settings of the graph as metadata. Sizes that are unknown stay so.

        Args:
            fetches: Variables or names, one or several.
            path: The file, usually ``.onnx``; None to write none.
            opset: Version of ONNX's operators, at least 18. Newer ones need newer runtimes.
            functions: Whether composites are functions; if not, their operators stand in the graph.
            target: ``"standard"`` to use all operators, ``"basic"`` to do without those for neural networks.
            weights: ``"inline"`` for values in the file, which holds 2 GB; ``"external"`` for a file beside it that the
                model refers to.
            origins: Whether to keep which line made each variable, as file name and number.
            checks: Whether losses become NaN where sdgraph would refuse a label or a length; no runtime refuses any.

        Returns:
            The model (``onnx.ModelProto``).

        Raises:
            ArgumentError: If operations have no counterpart in ONNX, with the reason for each; for a setting that there
                is not; for more than 2 GB of values in one file.
            UnknownVariableError: If there is no such variable.
            MissingDependencyError: If the package onnx is not installed (extra ``onnx``).
            OSError: If the file cannot be written.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> w = sd.var("w", [3.0, 4.0])
            >>> loss = sd.loss.l2_loss(w, name="loss")
            >>> model = sd.to_onnx([loss, sd.grad(loss, w)])
            >>> [(n.op_type, n.output[0]) for n in model.graph.node if n.domain == "ai.sdgraph"]
            [('loss.l2_loss', 'loss'), ('loss.l2_loss_vjp', 'grad/w')]
        """
        from sdgraph.files.onnx.export import to_onnx

        return to_onnx(
            self,
            fetches,
            None if path is None else as_path(path),
            opset=opset,
            functions=functions,
            target=target,
            weights=weights,
            origins=origins,
            checks=checks,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        from sdgraph.store.pickles import reduced

        return reduced(self, self.set_on_it())
