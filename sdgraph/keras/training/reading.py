"""From what users of Keras give, x, y and sample weights, to arrays for the placeholders of a graph.

Knows which array is for which input or output. Must not know steps or loops.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.arrays import as_numbers, converted
from sdgraph.infer.aval import shape_str
from sdgraph.keras.training.recipe import Recipe, spread
from sdgraph.train.data.batches import ArrayBatches
from sdgraph.wording import counted, listed

Array = np.ndarray[Any, Any]
ClassWeight = Mapping[int, float]


class Given(NamedTuple):
    """Arrays for the inputs, and for each output labels and weights, or None; all examples or a batch."""

    x: list[Array]
    y: list[Array | None]
    weights: list[Array | None]


class Reading:
    """What tells apart the arrays that a model is given.

    Args:
        inputs: The inputs by their names.
        recipe: What each output is asked for; None for predictions.
        class_weight: A weight for each class.
    """

    def __init__(
        self, inputs: Mapping[str, SDVariable], recipe: Recipe | None, class_weight: ClassWeight | None = None
    ) -> None:
        self._inputs, self._recipe, self._class_weight = inputs, recipe, class_weight
        if class_weight is not None:
            check_class_weight(class_weight, recipe)

    def is_batches(self, data: Any) -> bool:
        """Whether a list is one of batches, where a tuple ``(x, y)`` could be meant too: all in it are tuples."""
        return isinstance(data, list) and len(self._inputs) == 1 and all(isinstance(item, tuple) for item in data)

    def inputs(self, x: Any) -> list[Array]:
        """An array for each input."""
        found = _apart("x", x, list(self._inputs))
        return [_fitted(_array("x", a), v) for a, v in zip(found, self._inputs.values(), strict=True)]

    def all(self, x: Any, y: Any = None, sample_weight: Any = None) -> Given:
        """An array for each input, label and weight.

        Raises:
            ArgumentError: If some are missing, or are not as many as there are inputs or outputs.
            ShapeError: If weights of classes or examples do not fit.
        """
        return self.with_classes(self.plain(x, y, sample_weight))

    def plain(self, x: Any, y: Any, sample_weight: Any) -> Given:
        """The same without weights of classes."""
        assert self._recipe is not None
        labels = self._labels(y, self._recipe)
        return Given(self.inputs(x), labels, self._weights(sample_weight, labels))

    def with_classes(self, given: Given) -> Given:
        """With the weights of classes as those of examples."""
        if self._class_weight is None:
            return given
        if any(w is not None for w in given.weights):
            raise ArgumentError("Weights come from examples or from classes.", given="sample_weight and class_weight")
        return given._replace(weights=[class_weights(given.y[0], self._class_weight)])

    def item(self, item: Any) -> Given:
        """The same of one item of an iterable: x, or a tuple of x, y and weights, the last or the last two left out."""
        parts = tuple(item) if isinstance(item, tuple | list) else (item,)
        if not 1 <= len(parts) <= 3:
            raise ArgumentError(
                "A batch is x, y and weights.",
                given=counted(len(parts), "part"),
                expected="(x,), (x, y) or (x, y, weights)",
            )
        return self.all(*parts)

    def _labels(self, y: Any, recipe: Recipe) -> list[Array | None]:
        needed = [recipe.needs_labels(k) for k in range(len(recipe.outputs))]
        asked = [name for name, need in zip(recipe.outputs, needed, strict=True) if need]
        if y is None:
            found: list[Any] = [None for _ in needed]
        elif isinstance(y, list | tuple) and len(y) == len(asked) < len(needed):
            # Labels for those outputs alone that anything is asked of.
            rest = iter(y)
            found = [next(rest) if need else None for need in needed]
        else:
            found = _apart("y", y, recipe.outputs)
        missing = [n for n, a, need in zip(recipe.outputs, found, needed, strict=True) if need and a is None]
        if missing:
            raise ArgumentError(f"There are no labels for {listed(missing, 'and')}.", given=f"y={shown(y)}")
        return [_array("y", a) if need else None for a, need in zip(found, needed, strict=True)]

    def _weights(self, given: Any, labels: Sequence[Array | None]) -> list[Array | None]:
        if given is None:
            return [None for _ in labels]
        if len(labels) > 1 and not isinstance(given, list | tuple | Mapping):
            one = _array("sample_weight", given)
            if one.ndim != 1 and one.shape[1:] != (1,):
                raise ShapeError(
                    "Weights for several outputs are one for each example.",
                    given=shape_str(one.shape),
                    fix="Give a list or a dict, with weights for each output.",
                )
            return [None if y is None else one for y in labels]
        assert self._recipe is not None
        found = _apart("sample_weight", given, self._recipe.outputs)
        return [
            None if y is None or w is None else _array("sample_weight", w) for w, y in zip(found, labels, strict=True)
        ]


def _apart(what: str, given: Any, names: Sequence[str]) -> list[Any]:
    """One array for each name; a list is an array where there is one name only, unless an array is all it has."""
    if isinstance(given, Mapping) or len(names) > 1:
        found = spread(what, given, names)
        if what == "x" and any(a is None for a in found):
            missing = [name for name, a in zip(names, found, strict=True) if a is None]
            raise ArgumentError(f"There is nothing for the input {listed(missing, 'and')}.", given=shown(given))
        return found
    if isinstance(given, list | tuple) and len(given) == 1 and np.ndim(given[0]) > 0 and hasattr(given[0], "shape"):
        return list(given)
    return [given]


def _array(what: str, value: Any) -> Array:
    a = as_numbers(value, what=what)
    if not a.ndim:
        raise ArgumentTypeError(f"{what} is an array whose first axis counts examples.", given=f"{what}={shown(value)}")
    return a


def _fitted(a: Array, v: SDVariable) -> Array:
    """As its input wants it, where Keras would do so: a last axis of size 1 more or less, whole numbers from floats."""
    if a.dtype.kind == "f" and v.dtype.kind in "iu":
        a = converted(a, v.dtype, literal=True, what=f"What is given for {v.name!r}")
    if a.ndim == v.ndim - 1 and v.shape[-1] == 1:
        return a[..., None]
    return a[..., 0] if a.ndim == v.ndim + 1 and a.shape[-1] == 1 else a


# ---------------------------------------------------------------------- weights of classes


def check_class_weight(weights: Any, recipe: Recipe | None) -> None:
    """Raise unless these are weights by class, for a model with one output."""
    if not isinstance(weights, Mapping) or not all(isinstance(k, int | np.integer) for k in weights):
        raise ArgumentTypeError(
            "class_weight has a weight by the number of a class.", given=shown(weights), expected="{0: 1.0, 1: 5.0}"
        )
    if recipe is not None and len(recipe.outputs) != 1:
        raise ArgumentError(
            "Classes have weights in models with one output only.",
            given=f"outputs {listed(recipe.outputs, 'and')}",
            fix="Give sample_weight, with weights for each output.",
        )


def class_weights(labels: Any, weights: ClassWeight) -> Array:
    """A weight for each example: that of its class, 1 for a class without one.

    Args:
        labels: Numbers of classes, or a row for each example whose largest entry stands at its class.
        weights: Weights by class.

    Raises:
        ShapeError: If there is more than one class to an example.

    Example:
        >>> class_weights([0, 2, 1], {0: 1.0, 2: 5.0})
        array([1., 5., 1.])
    """
    y = np.asarray(labels)
    if y.ndim == 2 and y.shape[1] > 1:
        if y.size and (y.max() > 1 or y.min() < 0):
            raise ShapeError(
                "Rows of labels are no numbers of classes.",
                given=f"labels {shape_str(y.shape)} between {y.min()} and {y.max()}",
                expected="one class for each example, or a row of zeros and a one",
                fix="Give sample_weight.",
            )
        classes = y.argmax(axis=1)
    elif y.ndim == 1 or y.shape[1:] == (1,):
        classes = np.rint(y.reshape(-1)).astype("int64")
    else:
        raise ShapeError(
            "There is more than one class to an example.",
            given=f"labels {shape_str(y.shape)}",
            fix="Give sample_weight.",
        )
    known, places = np.unique(classes, return_inverse=True)
    return np.array([float(weights.get(int(k), 1.0)) for k in known])[places.reshape(-1)]


# ---------------------------------------------------------------------- what is iterated over


def is_arrays(x: Any) -> bool:
    """Whether these are all examples, not something that gives batches."""
    if isinstance(x, Mapping):
        return True
    if isinstance(x, list | tuple):
        return not x or not isinstance(x[0], tuple)
    return hasattr(x, "shape") or hasattr(x, "__array__")


class Indexed:
    """What has numbered batches, and may want to hear of the end of an epoch, as Keras' PyDataset does."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        for k in range(len(self._source)):
            yield self._source[k]
        ended = getattr(self._source, "on_epoch_end", None)
        if ended is not None:
            ended()


def peeked(source: Any, *, once: bool) -> tuple[Any, Any]:
    """The first batch of a source, and the source with all of its batches.

    Args:
        source: A re-iterable, an iterator, a function that makes one, or what has numbered batches.
        once: Whether it is gone through only once, so that an iterator will do.

    Raises:
        ArgumentTypeError: If there is nothing to go through.
        ArgumentError: If there is no batch.
    """
    if isinstance(source, Iterator):
        rest: Iterator[Any] = source
        first = _first(rest)
        whole = itertools.chain([first], rest)
        return first, (lambda: whole) if once else whole
    if isinstance(source, type):
        pass  # It can be called, but makes no batches.
    elif callable(source):
        made: Any = source()
        if isinstance(made, Iterable):
            return _first(iter(made)), source
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        if not len(source):
            raise _empty()
        return source[0], Indexed(source)
    elif isinstance(source, Iterable):
        return _first(iter(source)), source
    raise ArgumentTypeError(
        "This is no data for a model.",
        given=shown(source),
        expected="arrays, or something that gives batches (x, y) or (x, y, weights)",
    )


def _first(items: Iterator[Any]) -> Any:
    for item in items:
        return item
    raise _empty()


def _empty() -> ArgumentError:
    return ArgumentError("There are no batches.", given="data that end at once")


def placed(names: Sequence[str | None], arrays: Sequence[Array | None]) -> dict[str, Array]:
    """Arrays by the names of placeholders, those that there are."""
    return {name: a for name, a in zip(names, arrays, strict=True) if name is not None and a is not None}


def split(given: Given, share: float) -> tuple[Given, Given]:
    """Without the last examples, and those.

    Raises:
        ArgumentError: If a side has no examples, or arrays differ in how many they have.
    """
    every = [*given.x, *given.y, *given.weights]
    named = {f"array {k + 1}": a for k, a in enumerate(every)}
    first, last = ArrayBatches({name: a for name, a in named.items() if a is not None}).split(share)
    n, m = len(given.x), len(given.x) + len(given.y)

    def side(arrays: Mapping[str, Any]) -> Given:
        found: list[Any] = [arrays.get(name) for name in named]
        return Given(found[:n], found[n:m], found[m:])

    return side(first.arrays), side(last.arrays)
