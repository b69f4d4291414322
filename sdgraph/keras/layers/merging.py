"""Layers that make one thing of several, and functions that make such a layer and call it.

Inputs of fewer axes get axes of size 1 behind the batch; then sizes broadcast.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.infer.aval import normalize_axis, shape_str
from sdgraph.infer.shapes import known_to_differ
from sdgraph.keras.config import epsilon
from sdgraph.keras.layers.demands import ranked, several
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.scaling import unit


class Merge(Layer):
    """Base of layers that are called on a list. Its mask is where any input counts, if all of them have masks."""

    supports_masking = True
    exactly: int | None = None
    """How many inputs there are; None for any number."""

    def call(self, inputs: Any, mask: Any = None) -> SDVariable:
        """What becomes of the inputs.

        Raises:
            ArgumentTypeError: If they are no list.
            ShapeError: If they do not broadcast.
        """
        given = several(self, inputs, self.exactly)
        alike = len({v.ndim for v in given}) == 1
        masks = mask if mask is not None and alike else [None] * len(given)
        rank = max(v.ndim for v in given)
        return self.merged([_with_axes(v, rank) for v in given], masks)

    def merged(self, inputs: list[SDVariable], masks: Sequence[SDVariable | None]) -> SDVariable:
        """What becomes of inputs of the same rank."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Where any input counts; None unless all have masks."""
        if previous_mask is None or any(m is None for m in previous_mask):
            return None
        return functools.reduce(lambda a, b: a.sd.math.or_(a, b), previous_mask)


def _with_axes(v: SDVariable, rank: int) -> SDVariable:
    """With axes of size 1 behind the batch."""
    return v.sd.expand_dims(v, tuple(range(1, 1 + rank - v.ndim))) if v.ndim < rank else v


def _spread(mask: SDVariable) -> SDVariable:
    """A mask for all features of what it is the mask of."""
    return mask.sd.expand_dims(mask, -1)


@readable
class Add(Merge):
    """The sum of the inputs.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Add()([ops.ones((1, 2)), ops.ones((1, 2))])
        array([[2., 2.]], dtype=float32)
    """

    def merged(self, inputs: list[SDVariable], masks: Sequence[SDVariable | None]) -> SDVariable:
        """The sum."""
        return functools.reduce(lambda a, b: a + b, inputs)


@readable
class Subtract(Merge):
    """The first of two inputs minus the second.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Subtract()([ops.ones((1, 2)), ops.ones((1, 2))])
        array([[0., 0.]], dtype=float32)
    """

    exactly = 2

    def merged(self, inputs: list[SDVariable], masks: Sequence[SDVariable | None]) -> SDVariable:
        """The difference."""
        return inputs[0] - inputs[1]


@readable
class Multiply(Merge):
    """The product of the inputs. What a mask leaves out counts as 1, and as 0 where all do.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Multiply()([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[0., 0.]], dtype=float32)
    """

    def merged(self, inputs: list[SDVariable], masks: Sequence[SDVariable | None]) -> SDVariable:
        """The product."""
        sd = inputs[0].sd
        factors = [v if m is None else sd.where(_spread(m), v, 1) for v, m in zip(inputs, masks, strict=True)]
        out = functools.reduce(lambda a, b: a * b, factors)
        known = [_spread(m) for m in masks if m is not None]
        if len(known) < len(inputs):
            return out
        return sd.where(functools.reduce(sd.math.or_, known), out, 0)


@readable
class Average(Merge):
    """The mean of the inputs.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Average()([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[0.5, 0.5]], dtype=float32)
    """

    def merged(self, inputs: list[SDVariable], masks: Sequence[SDVariable | None]) -> SDVariable:
        """The mean."""
        return functools.reduce(lambda a, b: a + b, inputs) / len(inputs)


class _Extreme(Merge):
    """The largest or the smallest of the inputs, of those that count."""

    def extreme(self, a: SDVariable, b: SDVariable) -> SDVariable:
        """Of two."""
        raise NotImplementedError

    def merged(self, inputs: list[SDVariable], masks: Sequence[SDVariable | None]) -> SDVariable:
        """One after another; what does not count gives way to what does, as long as it is known which that is."""
        sd, out, counts = inputs[0].sd, inputs[0], masks[0]
        for v, m in zip(inputs[1:], masks[1:], strict=True):
            if m is not None:
                v = sd.where(_spread(m), v, out)
            if counts is not None:
                out = sd.where(_spread(counts), out, v)
            counts = None if m is None or counts is None else sd.math.or_(counts, m)
            out = self.extreme(out, v)
        return out


@readable
class Maximum(_Extreme):
    """The largest of the inputs, entry by entry, of those that their masks let count.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Maximum()([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[1., 1.]], dtype=float32)
    """

    def extreme(self, a: SDVariable, b: SDVariable) -> SDVariable:
        """The larger one."""
        return a.sd.math.max(a, b)


@readable
class Minimum(_Extreme):
    """The smallest of the inputs, entry by entry, of those that their masks let count.

    Args:
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Minimum()([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[0., 0.]], dtype=float32)
    """

    def extreme(self, a: SDVariable, b: SDVariable) -> SDVariable:
        """The smaller one."""
        return a.sd.math.min(a, b)


@readable
class Concatenate(Layer):
    """The inputs one behind the other along an axis. Their masks are, too.

    Args:
        axis: The axis.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Concatenate()([ops.ones((1, 2)), ops.zeros((1, 1))])
        array([[1., 1., 0.]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, int):
            raise ArgumentTypeError("Inputs are put together along one axis.", given=f"axis={shown(axis)}")
        self.axis = axis

    def call(self, inputs: Any) -> SDVariable:
        """All of them."""
        given = several(self, inputs)
        return given[0].sd.concat(given, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The masks put together, if there are any: without one, all of an input counts."""
        if previous_mask is None or all(m is None for m in previous_mask):
            return None
        sd, parts = inputs[0].sd, []
        for v, m in zip(inputs, previous_mask, strict=True):
            if m is None:
                m = sd.ones_like(v, "bool")
            elif m.ndim < v.ndim:
                m = sd.broadcast_like(_spread(m), v)
            parts.append(m)
        return sd.any(sd.concat(parts, axis=self.axis), axis=-1)


@readable
class Dot(Layer):
    """Sums of products of two inputs along an axis of each, example by example. It has no mask.

    Args:
        axes: The axis of both, or one of each.
        normalize: Whether inputs are divided by their lengths along these axes first, so that products are cosines.
        **kwargs: As for `Layer`.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.Dot(axes=1)([ops.ones((2, 3)), ops.ones((2, 3))])
        array([[3.],
               [3.]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = [axes, axes] if isinstance(axes, int) else axes
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(k, int) for k in pair):
            raise ArgumentTypeError("axes is an axis, or two.", given=f"axes={shown(axes)}")
        self.axes = axes
        self.normalize = flag("normalize", normalize)

    def call(self, inputs: Any) -> SDVariable:
        """The sums of products: the other axes of the first input, then those of the second.

        Raises:
            ShapeError: If the axes differ in size.
            ArgumentError: If one is the batch, or no axis.
        """
        pair = [ranked(self, v, least=2) for v in several(self, inputs, 2)]
        given = [self.axes, self.axes] if isinstance(self.axes, int) else self.axes
        axes = [normalize_axis(k, v.ndim)[0] for k, v in zip(given, pair, strict=True)]
        if 0 in axes:
            raise ArgumentError(
                "Products are summed within an example, not along the batch.", given=f"axes={self.axes}"
            )
        if known_to_differ(*(v.shape[k] for v, k in zip(pair, axes, strict=True))):
            raise ShapeError(
                f"The axes of {self.name!r} differ in size.",
                given=f"axis {axes[0]} of {shape_str(pair[0].shape)}, axis {axes[1]} of {shape_str(pair[1].shape)}",
            )
        sd = pair[0].sd
        if self.normalize:
            pair = [unit(v, (k,), epsilon()) for v, k in zip(pair, axes, strict=True)]
        out = sd.einsum(_equation([v.ndim for v in pair], axes), *pair)
        return out if out.ndim > 1 else sd.expand_dims(out, 1)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None."""
        return None


def _equation(ranks: Sequence[int], axes: Sequence[int]) -> str:
    """The batch is a, what is summed over z."""
    letters = iter("bcdefghijklmnopqrstuvwxy")
    names = [["a", *(next(letters) for _ in range(n - 1))] for n in ranks]
    for one, k in zip(names, axes, strict=True):
        one[k] = "z"
    first, second = ("".join(one) for one in names)
    return f"{first},{second}->{first.replace('z', '')}{second[1:].replace('z', '')}"


@readable
def add(inputs: Any, **kwargs: Any) -> Any:
    """The sum of the inputs: `Add`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.add([ops.ones((1, 2)), ops.ones((1, 2))])
        array([[2., 2.]], dtype=float32)
    """
    return Add(**kwargs)(inputs)


@readable
def subtract(inputs: Any, **kwargs: Any) -> Any:
    """The first of two inputs minus the second: `Subtract`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.subtract([ops.ones((1, 2)), ops.ones((1, 2))])
        array([[0., 0.]], dtype=float32)
    """
    return Subtract(**kwargs)(inputs)


@readable
def multiply(inputs: Any, **kwargs: Any) -> Any:
    """The product of the inputs: `Multiply`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.multiply([ops.ones((1, 2)), ops.ones((1, 2))])
        array([[1., 1.]], dtype=float32)
    """
    return Multiply(**kwargs)(inputs)


@readable
def average(inputs: Any, **kwargs: Any) -> Any:
    """The mean of the inputs: `Average`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.average([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[0.5, 0.5]], dtype=float32)
    """
    return Average(**kwargs)(inputs)


@readable
def maximum(inputs: Any, **kwargs: Any) -> Any:
    """The largest of the inputs: `Maximum`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.maximum([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[1., 1.]], dtype=float32)
    """
    return Maximum(**kwargs)(inputs)


@readable
def minimum(inputs: Any, **kwargs: Any) -> Any:
    """The smallest of the inputs: `Minimum`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.minimum([ops.ones((1, 2)), ops.zeros((1, 2))])
        array([[0., 0.]], dtype=float32)
    """
    return Minimum(**kwargs)(inputs)


@readable
def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """The inputs one behind the other: `Concatenate`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.concatenate([ops.ones((1, 2)), ops.zeros((1, 1))])
        array([[1., 1., 0.]], dtype=float32)
    """
    return Concatenate(axis, **kwargs)(inputs)


@readable
def dot(inputs: Any, axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """Sums of products of two inputs: `Dot`, called on them.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> layers.dot([ops.ones((1, 2)), ops.ones((1, 2))], axes=1)
        array([[2.]], dtype=float32)
    """
    return Dot(axes, **kwargs)(inputs)
