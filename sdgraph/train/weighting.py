"""Losses whose examples, classes and sums are weighted, beside those of the user, who does not see them.

Knows graphs. Must not know data, steps or loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sdgraph.build.kinds import ABSENT
from sdgraph.build.op import STREAM
from sdgraph.build.tracing import output_aval
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, is_whole, not_negative
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.ops.graph import OpGraph

WEIGHTS: Final = ("weights", "sample_weight")
"""What the operand is called that weighs the examples of a loss."""
LABELS: Final = ("label", "labels", "one_hot_labels", "targets", "target_labels", "y_true")
"""What the operand is called that has the classes."""
_REDUCED: Final = ("loss_reduce", "reduction")
_UNREDUCED: Final = {"loss_reduce": "NONE", "reduction": "none"}


class Weighted(NamedTuple):
    """What is trained, what is reported of it, and what takes the weights of examples."""

    trained: tuple[SDVariable, ...]
    """The losses, each times what it counts."""
    reported: tuple[SDVariable, ...]
    """The losses by themselves, with weighted examples."""
    examples: SDVariable | None
    """The placeholder for the weights of examples."""


def weighted(
    sd: OpGraph,
    losses: Sequence[SDVariable],
    *,
    counts: Mapping[str, float],
    classes: Mapping[int, float] | None,
    examples: bool,
) -> Weighted:
    """Losses as they are trained with weights.

    Args:
        sd: The graph. What is made is hidden in it like gradients, and the graph's losses stay what they are.
        losses: The losses.
        counts: What each counts in the sum, by its name; 1 without.
        classes: The weights of classes.
        examples: Whether examples have weights, too.

    Raises:
        ArgumentError: If a loss cannot weigh examples.
    """
    made = list(sd.marks.losses)
    with sd.transaction(), sd.gradient_scope():
        given = sd.placeholder("sample_weight", (None,), losses[0].dtype) if examples else None
        reported = _reweighted(sd, losses, given, classes) if examples or classes else list(losses)
        factors = [counts.get(v.name, 1.0) for v in losses]
        trained = [v if c == 1 else c * v for v, c in zip(reported, factors, strict=True)]
        sd.marks.losses[:] = made
    return Weighted(tuple(trained), tuple(reported), given)


def loss_weights(losses: Sequence[SDVariable], given: Any) -> dict[str, float]:
    """What each loss counts, by its name, from a mapping or a sequence.

    Raises:
        ArgumentError: If there are others than the losses.
    """
    names = [v.name for v in losses]
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        values = [given] if isinstance(given, int | float) else list(given)
        if len(values) != len(names):
            raise ArgumentError(
                "There is one weight for each loss.", given=shown(given), expected=f"weights of {listed(names, 'and')}"
            )
        given = dict(zip(names, values, strict=True))
    strangers = [name for name in given if name not in names]
    if strangers:
        raise ArgumentError(f"There is no loss {listed(strangers)}.", expected=f"weights of {listed(names, 'and')}")
    return {name: finite("loss_weights", value) for name, value in given.items()}


def class_weights(given: Any) -> dict[int, float] | None:
    """The weights of classes, as they were given.

    Raises:
        ArgumentTypeError: If they are none.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping) or not all(is_whole(k, 0) for k in given):
        raise ArgumentTypeError(
            "Weights of classes are numbers by class.", given=shown(given), expected="such as {0: 1.0, 1: 5.0}"
        )
    return {int(k): not_negative("class_weight", w) for k, w in given.items()}


# ---------------------------------------------------------------------- one loss


def _reweighted(
    sd: OpGraph, losses: Sequence[SDVariable], given: SDVariable | None, classes: Mapping[int, float] | None
) -> list[SDVariable]:
    """The losses once more, from the loss ops on that they come from; others, such as penalties, as they are."""
    need = sd.reachable([v.id for v in losses])
    ops = {i for i in range(len(need)) if need[i] and _weighs(sd.nodes[i])}
    if not ops:
        first = losses[0]
        raise ArgumentError(
            f"{listed([v.name for v in losses], 'and')} does not come from a loss that can weigh its examples.",
            node=first.name,
            node_origin=first.origin,
            expected="an operation of sd.loss or sd.keras with an operand for weights",
            fix="Feed the weights: multiply the losses of the examples by a placeholder.",
        )
    new: dict[int, SDVariable] = {}
    for i in range(min(ops), len(need)):
        node = sd.nodes[i]
        if not need[i] or (i not in ops and not any(j in new for j in node.inputs)):
            continue
        operands: list[Any] = [None if j == ABSENT else new.get(j, SDVariable(sd, j)) for j in node.inputs]
        if i in ops:
            _weigh(sd, node, operands, given, classes)
        new[i] = sd.apply(node.op, operands, {k: v for k, v in node.attrs.items() if k != STREAM})
    return [new.get(v.id, v) for v in losses]


def _weighs(node: Node) -> bool:
    return node.op.is_loss and any(name in WEIGHTS for name in node.op.operand_names)


def _weigh(
    sd: OpGraph, node: Node, operands: list[Any], given: SDVariable | None, classes: Mapping[int, float] | None
) -> None:
    """Put the weights of examples into the operands of a loss op, times those that are there."""
    names = node.op.operand_names
    k = next(n for n, name in enumerate(names) if name in WEIGHTS)
    operands += [None] * (k + 1 - len(operands))
    rank = _rank_of_each(sd, node)
    factors = [] if operands[k] is None else [operands[k]]
    if given is not None:
        factors.append(sd.cast(given, node.aval.dtype))
    if classes:
        labels = next((x for name, x in zip(names, operands, strict=False) if name in LABELS), None)
        if labels is None:
            raise ArgumentError(
                f"{node.name!r} has no labels with classes.", given=f"class_weight={shown(dict(classes))}"
            )
        factors.append(_by_class(sd, labels, classes, node))
    product = None
    for factor in factors:
        aligned = factor if factor.ndim in (0, rank) else _aligned(sd, factor, rank)
        product = aligned if product is None else product * aligned
    operands[k] = product


def _rank_of_each(sd: OpGraph, node: Node) -> int:
    """How many axes the losses of single examples have, before they are reduced."""
    avals = tuple(None if j == ABSENT else sd.nodes[j].aval for j in node.inputs)
    attrs = {k: v for k, v in node.attrs.items() if k != STREAM}
    for name in _REDUCED:
        if name in attrs:
            kind = type(attrs[name])
            attrs[name] = kind[_UNREDUCED[name]] if name == "loss_reduce" else _UNREDUCED[name]  # type: ignore[index]
    return len(output_aval(node.op, sd, avals, attrs).shape)


def _aligned(sd: OpGraph, factor: SDVariable, rank: int) -> SDVariable:
    """Weights whose first axes are those of the examples, with further axes of size 1."""
    for _ in range(rank - factor.ndim):
        factor = sd.expand_dims(factor, -1)
    return factor


def _by_class(sd: OpGraph, labels: SDVariable, classes: Mapping[int, float], node: Node) -> SDVariable:
    """The weight of each label: of the class that it is, or whose column is the largest; 1 for other classes."""
    if "sparse" not in node.op.name and labels.ndim > 1 and labels.shape[-1] != 1:
        which = sd.argmax(labels, -1)
    else:
        which = sd.squeeze(labels, -1) if labels.ndim > 1 and labels.shape[-1] == 1 else labels
        which = sd.cast(sd.math.round(which) if labels.dtype.kind == "f" else which, "int64")
    n = max(classes) + 1
    table = np.ones(n + 1, node.aval.dtype)
    table[list(classes)] = list(classes.values())
    return sd.gather(sd.constant(table), sd.where(which < 0, n, sd.math.min(which, n)))
