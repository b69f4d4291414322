"""Writing a graph as a file of SameDiff's; see `sdgraph.files.samediff.save`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from sdgraph.differentiate.which_losses import check_loss, find_losses
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.files.samediff.encoding import encode
from sdgraph.files.samediff.schema import GRAPH, Record
from sdgraph.files.samediff.training import Training
from sdgraph.files.samediff.writing.trained import trained, training_of
from sdgraph.files.samediff.writing.walk import Obstacle, Walk
from sdgraph.samediff import SameDiff
from sdgraph.store.atomic import replaced

_MOST: Final = 4
"""Variables that an error names for each op."""

_LARGEST: Final = 2**31 - 2**24
"""Bytes of all arrays: a file has less than 2 GiB."""


def save(sd: Any, path: Path, losses: Any, training: Any) -> Path:
    """Write a graph into a file; see `sdgraph.files.samediff.save`."""
    if not isinstance(sd, SameDiff):
        raise ArgumentTypeError("Only a graph can be saved.", given=shown(sd), expected="a SameDiff")
    if training is None:
        training = training_of(sd)
    elif training is not False and not isinstance(training, Training):
        raise ArgumentTypeError(
            "This is no training.", given=shown(training), expected="a samediff.Training, or False for none"
        )
    with sd.appending:
        data = encode(flat_graph(sd, losses, training or None), GRAPH)
    return replaced(path, lambda file: file.write(data), fsync=True, keep=False)


def flat_graph(sd: SameDiff, losses: Any, training: Training | None) -> Record:
    """The table of the file.

    Raises:
        ArgumentError: If SameDiff cannot hold it.
    """
    _check_size(sd)
    ids, declared = _losses(sd, losses)
    walk = Walk(sd, ids)
    values = walk.run()
    if walk.obstacles and not declared:
        # The only output counts as a loss where gradients are asked for; who serves predictions needs none.
        ids, walk = [], Walk(sd, ())
        values = walk.run()
    if walk.obstacles:
        raise _refusal(walk.obstacles, forward=bool(ids) and not _without_losses(sd))
    if not declared:
        ids = [i for i in ids if values[i].trained]
    marked = [walk.as_loss(sd.nodes[i], values[i]) for i in ids]
    more = {} if training is None else trained(training, walk.records.variables)
    return Record(walk.records.graph(), losses=marked, **more)


def _losses(sd: SameDiff, losses: Any) -> tuple[list[int], bool]:
    """The losses by id, and whether somebody made them losses.

    The only output of a graph without losses is one if it is a number, that of a variable; else it may be a prediction.
    """
    if losses is None:
        marks, found = sd.marks, find_losses(sd).ids
        declared = bool(marks.explicit_losses or marks.losses or marks.extra_losses)
        return [i for i in found if declared or sd.nodes[i].aval.shape == ()], declared
    chosen = sd.several(losses)
    for v in chosen:
        check_loss(v)
    return list(dict.fromkeys(v.id for v in chosen)), True


def _check_size(sd: SameDiff) -> None:
    size = sum(array.nbytes for array in sd.values.values())
    if size > _LARGEST:
        raise ArgumentError(
            "This graph is too large for a file of SameDiff's.",
            given=f"arrays of {size:,} bytes",
            expected=f"{_LARGEST:,} at most",
        )


def _without_losses(sd: SameDiff) -> Sequence[Obstacle]:
    walk = Walk(sd, ())
    walk.run()
    return walk.obstacles


def _refusal(obstacles: Iterable[Obstacle], *, forward: bool) -> ArgumentError:
    """All that cannot be written, by reason and op."""
    reasons: dict[str, dict[str, list[Obstacle]]] = {}
    for obstacle in obstacles:
        own = obstacle.node.op.qualname
        op = obstacle.op if obstacle.op == own else f"{obstacle.op} of {own}"
        reasons.setdefault(obstacle.why, {}).setdefault(op, []).append(obstacle)
    lines = []
    for why, ops in reasons.items():
        where = [f"{op} ({_named(found)})" for op, found in ops.items()]
        lines.append(f"{', '.join(where)}: {why}")
    first = next(iter(next(iter(next(iter(reasons.values())).values())))).node
    return ArgumentError(
        "SameDiff cannot hold this graph.",
        given="\n".join(lines),
        expected="ops that SameDiff 1.0.0-M2.1 computes, and differentiates, as sdgraph does",
        node=first.name.removesuffix(":all"),
        node_origin=first.origin,
        fix="With losses=() it is written without gradients, which SameDiff can hold." if forward else None,
    )


def _named(obstacles: Sequence[Obstacle]) -> str:
    names = list(dict.fromkeys(repr(o.node.name.removesuffix(":all")) for o in obstacles))
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
