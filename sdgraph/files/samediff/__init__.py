"""SameDiff's own files, which Java reads and writes (extra ``samediff``: the package flatbuffers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sdgraph.checks import as_path
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.files.samediff.training import Training

if TYPE_CHECKING:
    import os

    from sdgraph.samediff import SameDiff

__all__ = ["Training", "load", "load_training"]


def load(path: str | os.PathLike[str], *, shapes: Mapping[str, Any] | None = None) -> SameDiff:
    """Read a graph that SameDiff saved: ``.fb``, a checkpoint ``.bin``, or ``.sdnb`` without large arrays.

    The graph has the names, values and losses of the file, and computes what SameDiff computed before it saved, also
    what SameDiff itself cannot read back; the page for SameDiff's users tells what differs. Where an operation is
    several here, the others have the name of its output before a slash: ``y/floor``. Texts, which no variable holds,
    are in ``sd.user``; bfloat16 becomes float32. How the graph was trained says `load_training`.

    Nothing in a file can run, and damage ends in an error. The format has no checksums, so not all of it is found.

    Args:
        path: The file.
        shapes: Shapes of placeholders by name, with None for an unknown size. A file does not tell a placeholder of
            unknown shape from a number, and is read so.

    Returns:
        The graph; its dtype is the floating one that most of its variables have.

    Raises:
        UnknownOpError: If the graph has operations that sdgraph does not have, such as those of loops and conditions,
            or some in another form; names them all.
        FormatError: If the file is damaged, or no file of SameDiff's, or its operations do not fit their operands.
        VariableNameError: If ``shapes`` names something else than a placeholder.
        ArgumentTypeError: If ``shapes`` is no mapping.
        MissingDependencyError: If flatbuffers is not installed.
        OSError: If the file cannot be read.

    Warns:
        UserWarning: If the file, which is an old one then, does not say how its losses are reduced.

    Example:
        >>> from sdgraph.files import samediff
        >>> sd = samediff.load("tests/golden/samediff_fb/updater_Adam.fb")
        >>> [v.name for v in sd.trainable_variables()], sd["loss"].op_name
        (['b', 'w'], 'loss.softmax_cross_entropy')
    """
    from sdgraph.files.samediff import reading

    if not isinstance(shapes, Mapping | None):
        raise ArgumentTypeError("shapes is no mapping.", given=shown(shapes), expected="{'x': (None, 3)}")
    return reading.load(as_path(path), shapes or {})


def load_training(path: str | os.PathLike[str]) -> Training | None:
    """Read how a file's graph is trained: updater, regularization, counters, and what the updater keeps.

    A graph of `load` does not have it, so neither does a file of ``sd.save``.

    Args:
        path: The file.

    Returns:
        Settings and arrays; None if the file has no training configuration.

    Raises:
        FormatError: If the file is damaged, or no file of SameDiff's.
        MissingDependencyError: If flatbuffers is not installed.
        OSError: If the file cannot be read.

    Example:
        >>> from sdgraph.files import samediff
        >>> training = samediff.load_training("tests/golden/samediff_fb/updater_Adam.fb")
        >>> training.updater
        {'class': 'Adam', 'learning_rate': 0.05, 'beta1': 0.8, 'beta2': 0.9, 'epsilon': 0.001}
        >>> training.iteration, sorted(training.state["w"]), training.state["w"]["M"].shape
        (12, ['M', 'V'], (4, 3))
    """
    from sdgraph.files.samediff import reading

    return reading.load_training(as_path(path))
