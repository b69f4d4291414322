"""Losses and metrics of a model as nodes of its graph, for labels and weights of some shapes; and what they add up to.

Knows graphs. Must not know data or steps.
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ShapeError, shown
from sdgraph.infer.aval import shape_str
from sdgraph.keras.layers.notes import mask_of, notes_of
from sdgraph.keras.layers.replaying import steps
from sdgraph.keras.training.metrics import Metric
from sdgraph.keras.training.recipe import Recipe
from sdgraph.ops.losses.keras.weighting import same_rank
from sdgraph.train.results.measures import Measures

LOSS = "loss"
"""What the sum of all losses is called."""


class Kind(NamedTuple):
    """Shape and dtype of what is fed for each example, the batch not counted."""

    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class Signature(NamedTuple):
    """What is fed besides the inputs: labels and weights for each output, or None."""

    labels: tuple[Kind | None, ...]
    weights: tuple[Kind | None, ...]


class Column(NamedTuple):
    """What is reported under a name: a sum divided by a weight."""

    name: str
    value: SDVariable
    """The mean over a batch; with a weight, the weighted sum over it."""
    weight: SDVariable | None
    """The sum of weights; None where examples count alike."""
    per_batch: bool = False
    """Whether batches count alike, because there is one number for each."""
    at_end: Callable[[float], float] | None = None


class Objective:
    """The nodes that one `Signature` asks for.

    Args:
        outputs: The outputs of the model.
        recipe: What is asked of each.
        signature: What is fed; or another objective, to be fed the same.
    """

    def __init__(self, outputs: Sequence[SDVariable], recipe: Recipe, signature: Signature | Objective) -> None:
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
            Column(f"{name}_loss", v, None)
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

    def _column(self, column: tuple[str, int, Metric, bool], outputs: Sequence[SDVariable]) -> Column:
        name, k, metric, weighted = column
        y, p = self.labels[k], outputs[k]
        assert y is not None, "labels were not asked for"
        values = p.sd.as_variable(metric.function(y, p))
        if values.dtype.kind != "f":
            values = p.sd.cast(values, p.sd.dtype)
        w = self.weights[k] if weighted else None
        if w is not None:
            return Column(name, *_weighted_sum(name, values, w), at_end=metric.at_end)
        # A size that is known is that of no batch: the function made one number, or one for each class.
        alike = not values.ndim or (isinstance(values.shape[0], int) and p.shape[0] != values.shape[0])
        return Column(name, p.sd.mean(values), None, per_batch=alike, at_end=metric.at_end)


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


def _weighted_sum(name: str, values: SDVariable, weight: SDVariable) -> tuple[SDVariable, SDVariable]:
    """The weighted sum over a batch, and the sum of its weights, as Keras takes them."""
    sd = values.sd
    if not values.ndim:
        raise ShapeError(
            f"The metric {name!r} is one number for a batch, so its examples cannot be weighted.",
            given="weighted_metrics",
            fix="Leave the mean out of its function, or give it to metrics.",
        )
    values, w = same_rank(values, sd.cast(weight, values.dtype))
    if w.ndim > values.ndim:
        raise ShapeError(
            f"There are more weights than values of the metric {name!r}.",
            given=f"weights {shape_str(weight.shape)}, values {shape_str(values.shape)}",
        )
    if values.ndim > w.ndim:
        values = sd.mean(values, list(range(w.ndim, values.ndim)))
    weighted = values * w
    if w.ndim > 1:
        rest = list(range(1, w.ndim))
        w, weighted = sd.mean(w, rest), sd.mean(weighted, rest)
    return sd.sum(weighted), sd.sum(w)


class Columns(Measures):
    """What a model reports: the sum of its losses, each of several, and its metrics, under Keras' names."""

    def __init__(self, losses: Sequence[SDVariable], reported: Sequence[Column]) -> None:
        self._reported = tuple(reported)
        self.losses = {v.name: 1.0 for v in losses}
        self.total, self.adding = LOSS, set()
        self.metrics = [c.name for c in reported]
        sources, self._columns = _added_up(losses, reported)
        self.fetches = list(dict.fromkeys(sources))
        self.small = all(v.ndim == 0 for v in self.fetches)
        # There are two at least, the last of which counts batches.
        self.pick, self.one = operator.itemgetter(*(v.name for v in sources)), False

    def names(self) -> list[str]:
        """The names of all that is reported."""
        return [LOSS, *self.metrics]

    def columns(self) -> list[tuple[str, Callable[[Any], float]]]:
        """What is added up, in the order of what is picked: its name, and the number that an array is."""
        return self._columns

    def of(self, picked: Sequence[Any]) -> dict[str, float]:
        """The numbers of one batch."""
        numbers = ((name, number(a)) for (name, number), a in zip(self._columns, picked, strict=True))
        return self.over({name: (x, x, 1.0) for name, x in numbers})

    def over(self, sums: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """The numbers of an epoch: means over examples, weighted or not, or over batches."""
        if not sums:
            return {}
        found = {LOSS: sum(_mean(*sums[_of_loss(name)][1:]) for name in self.losses)}
        for c in self._reported:
            total, weighted, examples = sums[c.name]
            if c.weight is not None:
                weight = sums[_weight_of(c.name)][0]
                mean = total / weight if weight else 0.0
            else:
                mean = _mean(total, sums[_BATCHES][0]) if c.per_batch else _mean(weighted, examples)
            found[c.name] = mean if c.at_end is None else c.at_end(mean)
        return found


_BATCHES = "number of batches"


def _weight_of(name: str) -> str:
    return f"weight of {name}"


def _of_loss(name: str) -> str:
    return f"loss {name}"


def _added_up(
    losses: Sequence[SDVariable], reported: Sequence[Column]
) -> tuple[list[SDVariable], list[tuple[str, Callable[[Any], float]]]]:
    """The variables that are added up, and for each what the sum is called, and the number that its array is."""
    found: list[tuple[SDVariable, str, Callable[[Any], float]]] = [(v, _of_loss(v.name), _sum) for v in losses]
    for c in reported:
        found.append((c.value, c.name, float))
        if c.weight is not None:
            found.append((c.weight, _weight_of(c.name), float))
    found.append((losses[0], _BATCHES, lambda array: 1.0))
    return [v for v, _, _ in found], [(name, number) for _, name, number in found]


def _sum(array: Any) -> float:
    return float(np.sum(array, dtype="float64")) if np.ndim(array) else float(array)


def _mean(total: float, weight: float) -> float:
    return total / weight if weight else math.nan


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
