"""SameDiff's own files, which Java reads and writes (extra ``samediff``: the package flatbuffers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from sdgraph.checks import as_path
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.files.samediff.training import Training

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from sdgraph.build.variable import Variables
    from sdgraph.samediff import SameDiff

__all__ = ["Training", "load", "load_training", "save"]


def load(path: str | os.PathLike[str], *, shapes: Mapping[str, Any] | None = None) -> SameDiff:
    """Read a graph that SameDiff saved: ``.fb``, a checkpoint ``.bin``, or ``.sdnb`` without large arrays.

    The graph has the names, values and losses of the file, and computes what SameDiff computed before it saved, also
    what SameDiff itself cannot read back; the page for SameDiff's users tells what differs. Where an operation is
    several here, the others have the name of its output before a slash: ``y/floor``. Texts, which no variable holds,
    are in ``sd.user``; bfloat16 becomes float32. Conditions and loops are `SameDiff.cond` and `SameDiff.while_loop`;
    what is inside is in `SameDiff.expand`. How the graph was trained and evaluated, and how far, is in
    ``sd.training_config`` and ``sd.updater_state``: ``sd.fit`` goes on from there as SameDiff would, and `save`
    writes it; ``sd.save`` does not keep it.

    Nothing in a file can run, and damage ends in an error. The format has no checksums, so not all of it is found.

    Args:
        path: The file.
        shapes: Shapes of placeholders by name, with None for an unknown size. A file does not tell a placeholder of
            unknown shape from a number, and is read so.

    Returns:
        The graph; its dtype is the floating one that most of its variables have.

    Raises:
        UnknownOpError: If the graph has operations that sdgraph does not have, or some in another form, such as
            switches and merges that are no condition and no loop; names them all.
        FormatError: If the file is damaged, or no file of SameDiff's, or its operations do not fit their operands.
        VariableNameError: If ``shapes`` names something else than a placeholder.
        ArgumentTypeError: If ``shapes`` is no mapping.
        MissingDependencyError: If flatbuffers is not installed.
        OSError: If the file cannot be read.

    Warns:
        UserWarning: If the file, which is an old one then, does not say how its losses are reduced.

    Example:
        >>> import pathlib, tempfile
        >>> from sdgraph import SameDiff
        >>> from sdgraph.files import samediff
        >>> sd = SameDiff("float64")
        >>> loss = sd.loss.l2_loss(sd.var("w", [3.0, 4.0]), name="loss")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = samediff.save(sd, pathlib.Path(folder) / "model.fb")
        ...     again = samediff.load(path)
        >>> again.trainable_variables(), again["loss"].op_name
        ([<SDVariable 'w': variable, float64 (2,)>], 'loss.l2_loss')
    """
    from sdgraph.files.samediff.reading import loading

    if not isinstance(shapes, Mapping | None):
        raise ArgumentTypeError("shapes is no mapping.", given=shown(shapes), expected="{'x': (None, 3)}")
    return loading.load(as_path(path), shapes or {})


def load_training(path: str | os.PathLike[str]) -> Training | None:
    """Read how a file's graph is trained: updater, regularization, counters, and what the updater keeps.

    That is what a graph of `load` goes on from, as plain values, also of a file whose operations sdgraph does not have.

    Args:
        path: The file.

    Returns:
        Settings and arrays; None if the file has no training configuration.

    Raises:
        FormatError: If the file is damaged, or no file of SameDiff's.
        MissingDependencyError: If flatbuffers is not installed.
        OSError: If the file cannot be read.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from sdgraph import SameDiff
        >>> from sdgraph.files import samediff
        >>> sd = SameDiff("float64")
        >>> loss = sd.loss.l2_loss(sd.var("w", [3.0, 4.0]), name="loss")
        >>> settings = {"updater": {"class": "Nesterovs", "learning_rate": 0.1, "momentum": 0.9}, "iteration_count": 7}
        >>> training = samediff.Training(settings, {"w": {"V": np.array([0.5, 0.5])}})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = samediff.save(sd, pathlib.Path(folder) / "model.fb", training=training)
        ...     again = samediff.load_training(path)
        >>> again.updater["momentum"], again.iteration, again.state["w"]["V"]
        (0.9, 7, array([0.5, 0.5]))
    """
    from sdgraph.files.samediff.reading import loading

    return loading.load_training(as_path(path))


def save(
    sd: SameDiff,
    path: str | os.PathLike[str],
    *,
    losses: Variables | None = None,
    training: Training | Literal[False] | None = None,
) -> Path:
    """Write a graph that SameDiff 1.0.0-M2.1 reads: to serve in Java what was trained here, or to train on there.

    Names, values and losses are those of the graph. Every op becomes the operations with which SameDiff computes its
    numbers and its gradients: most are one, and where SameDiff's own operation or its gradient is wrong, or has single
    precision, others are written, named after the op. The page for SameDiff's users tells what is written how, and
    what is refused. Gradients that were appended to the graph are left out, since SameDiff makes its own, and a
    variable of integers becomes a constant, since it would train it. Random ops draw other numbers there.

    The file is written whole or not at all, and the same graph gives the same bytes.

    Args:
        sd: The graph.
        path: The file, usually ``.fb``; its folder must exist.
        losses: What SameDiff is to differentiate, as `SameDiff.set_loss_variables` takes it: variables or names, or
            nothing, as ``()``, for a graph that is only evaluated, which may have ops whose gradient SameDiff has not.
            By default the losses of the graph. The file has none if those are not clear. A graph without any has its
            only output as one if that is a number, and SameDiff has its gradient.
        training: Updater, counters and what the updater keeps, as plain values, or False to leave them out; by default
            the graph's training configuration and where its updater is.

    Returns:
        The path.

    Raises:
        ArgumentError: If the graph has ops, or forms of them, that SameDiff does not compute, or dtypes that it does
            not have; names all of them, and why. If the training lacks what SameDiff insists on.
        ArgumentTypeError: If ``sd`` is no graph, or ``training`` no `Training`.
        GradientError: If a loss is none that can be.
        UnknownVariableError: If there is no such loss.
        MissingDependencyError: If flatbuffers is not installed.
        OSError: If the file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> from sdgraph import SameDiff
        >>> from sdgraph.files import samediff
        >>> sd = SameDiff("float64")
        >>> x = sd.placeholder("x", (None, 2))
        >>> y = sd.mmul(x, sd.var("w", [[1.0], [2.0]]), name="y")
        >>> loss = sd.loss.mean_squared_error(sd.placeholder("label", (None, 1)), y, name="loss")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = samediff.load(samediff.save(sd, pathlib.Path(folder) / "model.fb"))
        >>> again.output({"x": [[1, 1]]}, ["y"]), again.loss_variables()[0].name
        ({'y': array([[3.]])}, 'loss')
    """
    from sdgraph.files.samediff.writing import saving

    return saving.save(sd, as_path(path), losses, training)
