"""Losses and metrics of a model as nodes of its graph, for labels and weights of some shapes.

Knows graphs. Must not know data or steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.layers.notes import mask_of, notes_of
from sdgraph.keras.layers.replaying import steps
from sdgraph.keras.metrics.metric import BatchSums
from sdgraph.keras.training.columns import ArrayColumn, Column, Columns, mean
from sdgraph.keras.training.metrics import Reported
from sdgraph.keras.training.recipe import Recipe


class Kind(NamedTuple):
    """Shape and dtype of what is fed for each example, the batch not counted."""

    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class Signature(NamedTuple):
    """What is fed besides the inputs: labels and weights for each output, or None."""

    labels: tuple[Kind | None, ...]
    weights: tuple[Kind | None, ...]


class Objective:
    """The nodes that one `Signature` asks for.

    Args:
        outputs: The outputs of the model.
        recipe: What is asked of each.
        signature: What is fed; or another objective, to be fed the same.
    """

    def __init__(self, outputs: Sequence[SDVariable], recipe: Recipe, signature: Signature | Objective) -> None:
        self.outputs = tuple(outputs)
        sd = outputs[0].sd
        with sd.transaction(), sd.name_scope("training"), _unmarked(sd):
            self.labels, self.weights = _fed(outputs, signature)
            parts = [self._loss(k, p, recipe) for k, p in enumerate(outputs)]
            terms = [_weighed(v, w) for v, w in zip(parts, recipe.weights, strict=True) if v is not None]
            columns = [self._column(column, outputs) for column in recipe.columns()]
            extra = extra_terms(outputs)
            if not terms and not extra:
                raise ArgumentError(
                    "There is no loss to train with.",
                    fix="Give compile a loss, or the graph a term: sd.add_loss(term).",
                )
            self.data_loss = sum(terms[1:], start=terms[0]) if terms else None
        """The sum of the outputs' losses; None without any."""
        self.losses = [*([] if self.data_loss is None else [self.data_loss]), *extra]
        """What is minimised: the sum of these."""
        each = [
            Column(f"{name}_loss", BatchSums((v,), "examples"), mean)
            for name, v in zip(recipe.outputs, parts, strict=True)
            if v is not None and recipe.several()
        ]
        self.measures = Columns(self.losses, [*each, *columns])

    def _loss(self, k: int, p: SDVariable, recipe: Recipe) -> SDVariable | None:
        loss, y = recipe.losses[k], self.labels[k]
        if loss is None:
            return None
        assert y is not None, "labels were not asked for"
        mask = mask_of(p)
        found = loss(y, p, self.weights[k]) if mask is None else loss(y, p, self.weights[k], mask)
        if found.shape != ():
            raise ShapeError(
                "A model is trained with losses that are one number for a batch.",
                given=f"{loss.name} with reduction={loss.reduction!r}: {shape_str(found.shape)}",
                fix="Leave the reduction out.",
            )
        return found

    def _column(self, column: tuple[str, int, Reported, bool], outputs: Sequence[SDVariable]) -> Column | ArrayColumn:
        name, k, (_, metric), weighted = column
        y, p = self.labels[k], outputs[k]
        assert y is not None, "labels were not asked for"
        w = self.weights[k] if weighted else None
        if metric.is_of_arrays:
            return ArrayColumn(name, tuple(p.sd.identity(v) for v in (y, p, w) if v is not None), metric)
        return Column(name, metric.batch_sums(y, p, w), metric.value)


def leaves(variables: Sequence[SDVariable]) -> list[SDVariable]:
    """The placeholders and variables that something is computed from, in the order they were made."""
    sd = variables[0].sd
    need = sd.reachable([v.id for v in variables])
    return [SDVariable(sd, i) for i, needed in enumerate(need) if needed and sd.nodes[i].op.kind in _LEAVES]


_LEAVES = (VariableKind.PLACEHOLDER, VariableKind.VARIABLE)


def extra_terms(outputs: Sequence[SDVariable]) -> list[SDVariable]:
    """The terms of `SameDiff.add_loss` that are a model's.

    Those of layers are, if the call of the layer leads to the outputs; penalties on weights, if the weight does and is
    trained; others, if they have a placeholder or variable in common with the outputs.
    """
    sd = outputs[0].sd
    if not sd.losses:
        return []
    own, notes = set(leaves(outputs)), notes_of(sd)
    path = {id(step) for step in steps(sd, outputs)} if notes.terms else set()

    def belongs(term: SDVariable) -> bool:
        note = notes.terms.get(term.node)
        if note is None:
            return bool(own & set(leaves([term])))
        if note.weight is not None:
            return note.weight.trainable and note.weight.of(sd) in own
        return id(note.call) in path

    return [term for term in sd.losses if belongs(term)]


def _fed(
    outputs: Sequence[SDVariable], given: Signature | Objective
) -> tuple[list[SDVariable | None], list[SDVariable | None]]:
    """The placeholders of labels and of weights."""
    if isinstance(given, Objective):
        return given.labels, given.weights
    return (
        [_placeholder(p, "y_true", kind) for p, kind in zip(outputs, given.labels, strict=True)],
        [_placeholder(p, "sample_weight", kind) for p, kind in zip(outputs, given.weights, strict=True)],
    )


@contextlib.contextmanager
def _unmarked(sd: Any) -> Iterator[None]:
    """What is made in the block is no loss of the graph, which has its own."""
    before = len(sd.marks.losses)
    yield
    del sd.marks.losses[before:]


def _placeholder(p: SDVariable, name: str, kind: Kind | None) -> SDVariable | None:
    if kind is None:
        return None
    sd = p.sd
    free = sd.names.free(name).rpartition("/")[2]
    return sd.placeholder(free, (p.shape[0] if p.ndim else None, *kind.shape), kind.dtype)


def _weighed(v: SDVariable, weight: float | None) -> SDVariable:
    return v if weight is None else v * weight


def kind_of(array: Any, p: SDVariable) -> Kind:
    """What is fed for each example, given all examples or a batch, and the output that it belongs to.

    Sizes that differ from batch to batch in the output may do so here.

    Raises:
        ShapeError: If there is no axis of examples.
    """
    a = np.asarray(array)
    if not a.ndim:
        raise ShapeError("Labels and weights have an axis of examples.", given=shown(array))
    varies = [n != 1 and k < p.ndim and not isinstance(p.shape[k], int) for k, n in enumerate(a.shape)]
    known = [None if v else n for v, n in zip(varies, a.shape, strict=True)]
    dtype = a.dtype if a.dtype.kind in "iu" else p.dtype if p.dtype.kind == "f" else p.sd.dtype
    return Kind(tuple(known[1:]), dtype)
