"""Placeholders, variables and constants: how a graph gets its leaves and their values.

Everything is checked before the node is appended. Must not know ops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sdgraph.build.initializers import initial_value
from sdgraph.build.kinds import VariableKind
from sdgraph.build.lookup import GraphLookup
from sdgraph.build.op import CONSTANT, PLACEHOLDER, VARIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from sdgraph.infer.arrays import as_numbers, converted, own_array
from sdgraph.infer.aval import Aval, as_dtype, as_shape, is_floating, shape_str

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


class GraphLeaves(GraphLookup):
    """A graph that leaves can be added to."""

    seed: int

    def placeholder(self, name: str, shape: Any = None, dtype: DTypeLike | None = None) -> SDVariable:
        """A variable that is fed on every call.

        Args:
            name: Its name.
            shape: Sizes; None or -1 for an unknown size, a text for an unknown size with a name: feeds must give one
                name one size. None alone means a scalar.
            dtype: Its dtype, the graph's by default.

        Raises:
            VariableNameError: If the name is taken or malformed.
            ArgumentError: If the shape is malformed.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().placeholder("x", shape=("batch", 3))
            <SDVariable 'x': placeholder, float32 (batch, 3)>
        """
        aval = Aval(as_shape(shape), self.dtype if dtype is None else as_dtype(dtype))
        return self.handle(self.add_leaf(PLACEHOLDER, aval, self.names.full(name), given=True))

    def var(
        self,
        name: str,
        value: ArrayLike | None = None,
        *,
        shape: Any = None,
        init: str | float = "zeros",
        dtype: DTypeLike | None = None,
        seed: int | None = None,
    ) -> SDVariable:
        """A variable that holds a value and can be trained.

        Args:
            name: Its name.
            value: Its first value, copied. A numpy array keeps its dtype, numbers and lists take the graph's.
            shape: Without a value, its shape; all sizes must be known.
            init: Without a value, how to fill it: a number, ``"constant:VALUE"`` or a scheme: zeros, ones, normal,
                uniform, xavier, glorot, he, relu, lecun (most also with ``_normal`` and ``_uniform``), identity.
                With ``"constant"`` a scalar value fills the shape.
            dtype: Its dtype, if it should be another.
            seed: Seed of a random scheme; by default made from the graph's seed and the variable's place.

        Raises:
            VariableNameError: If the name is taken or malformed.
            ShapeError: If the value is ragged, or does not have the shape given with it.
            ArgumentError: If the shape has unknown sizes, or the scheme is unknown or does not fit.
            ArgumentTypeError: If neither value nor shape is given.

        Example:
            >>> from sdgraph import SameDiff
            >>> SameDiff().var("w", shape=(2, 3), init="ones").value
            array([[1., 1., 1.],
                   [1., 1., 1.]], dtype=float32)
        """
        full = self.names.full(name)
        if value is None:
            if shape is None:
                raise ArgumentTypeError(
                    f"The variable {full!r} has neither a value nor a shape.",
                    fix="sd.var(name, value), or sd.var(name, shape=(...), init='glorot').",
                )
            sizes = self._known_sizes(shape)
            chosen = self._leaf_dtype(None, dtype)
            draws = seed if seed is not None else self.seed * 1_000_003 + len(self.nodes)
            array = initial_value(init, sizes, chosen, draws)
        else:
            array = self._leaf_array(value, dtype)
            if shape is not None and init == "constant" and not array.shape:
                array = np.full(self._known_sizes(shape), array)
            if shape is not None and array.shape != as_shape(shape):
                raise ShapeError(
                    "The value does not have the shape given with it.",
                    given=shape_str(array.shape),
                    expected=shape_str(as_shape(shape)),
                )
        if array.dtype.kind not in "fciub":
            raise DTypeError("A variable holds numbers.", given=array.dtype.name)
        return self.handle(self.add_leaf(VARIABLE, Aval(array.shape, array.dtype), full, array, given=True))

    @overload
    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike | None = None) -> SDVariable: ...
    @overload
    def constant(self, name: ArrayLike, *, dtype: DTypeLike | None = None) -> SDVariable: ...
    def constant(self, name: Any, value: ArrayLike | None = None, dtype: DTypeLike | None = None) -> SDVariable:
        """A variable that keeps its value: ``constant(name, value)``, or ``constant(value)`` with an automatic name.

        Args:
            name: Its name, or its value if that is all there is.
            value: Its value, copied. A numpy array keeps its dtype, numbers and lists take the graph's.
            dtype: Its dtype, if it should be another.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> sd.constant("pi", 3.14159), sd.constant([1, 2])
            (<SDVariable 'pi': constant, float32 ()>, <SDVariable 'constant': constant, float32 (2,)>)
        """
        if value is None:
            if isinstance(name, str):
                raise ArgumentTypeError(f"The constant {name!r} has no value.", fix="sd.constant(name, value).")
            array, full = self._leaf_array(name, dtype), None
        else:
            full = self.names.full(name)
            array = self._leaf_array(value, dtype)
        aval, given = Aval(array.shape, array.dtype), full is not None
        return self.handle(self.add_leaf(CONSTANT, aval, full or self.names.free("constant"), array, given=given))

    def _known_sizes(self, shape: Any) -> tuple[int, ...]:
        """A shape without unknown sizes."""
        sizes = as_shape(shape)
        known = tuple(d for d in sizes if isinstance(d, int))
        if len(known) != len(sizes):
            raise ArgumentError(
                "A variable's sizes are all known.",
                given=shape_str(sizes),
                fix="Use sd.placeholder for an array whose sizes vary.",
            )
        return known

    def _leaf_dtype(self, array: np.ndarray[Any, Any] | None, dtype: DTypeLike | None) -> np.dtype[Any]:
        if dtype is not None:
            return as_dtype(dtype)
        if array is None or array.dtype.kind in "iuf":
            return self.dtype
        return array.dtype if array.dtype.kind == "b" else np.result_type(self.dtype, 1j)

    def _leaf_array(self, value: Any, dtype: DTypeLike | None) -> np.ndarray[Any, Any]:
        if type(value) is SDVariable:
            raise ArgumentTypeError(f"{value.name!r} is a variable already.", expected="numbers", given=repr(value))
        if isinstance(value, np.ndarray | np.generic):
            return own_array(value, None if dtype is None else as_dtype(dtype))
        array = own_array(value)
        return converted(array, self._leaf_dtype(array, dtype), literal=True)

    def get_value(self, v: SDVariable | str) -> np.ndarray[Any, Any]:
        """The array of a variable or constant, given as such or by name.

        Raises:
            ArgumentTypeError: For placeholders and op outputs, which have no value of their own.
            UnknownVariableError: If there is no such variable.
        """
        v = self.own(v)
        try:
            return self.values[v.id]
        except KeyError:
            raise ArgumentTypeError(
                f"{v.name!r} has no value of its own: it is {v.kind.in_words}.",
                given=repr(v),
                fix="Use v.eval(feeds).",
            ) from None

    def set_value(self, v: SDVariable | str, value: ArrayLike) -> None:
        """Give a variable a new value, of its shape and of a dtype that casts to its own.

        Args:
            v: The variable or its name.
            value: The new value, copied. As for a feed, no number may change its kind or be too large for the dtype.

        Raises:
            ArgumentTypeError: If it is not of the kind that takes new values.
            ShapeError: If the value has another shape, or is ragged.
            DTypeError: If the variable's dtype cannot hold it, or it is no array of numbers, or masked.
            UnknownVariableError: If there is no such variable.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> sd.set_value("w", [3.0, 4.0])
            >>> w.value
            array([3., 4.], dtype=float32)
        """
        v = self.own(v)
        if v.kind is not VariableKind.VARIABLE:
            raise ArgumentTypeError(
                f"Only variables take a new value: {v.name!r} is {v.kind.in_words}.", given=repr(v), node=v.name
            )
        what = f"The new value of {v.name!r}"
        try:
            array = as_numbers(value, copy=True, what=what)
            if array.shape != v.shape:
                raise ShapeError(
                    f"{what} has another shape.", given=shape_str(array.shape), expected=shape_str(v.shape)
                )
            array = converted(array, v.dtype, literal=not hasattr(value, "dtype"), what=what)
        except (DTypeError, ShapeError) as e:
            e.node, e.node_origin = v.name, v.origin
            raise
        self.set_array(v.id, array)

    def convert_to_constant(self, v: SDVariable | str) -> SDVariable:
        """Freeze a variable at its value."""
        return self._convert(self.own(v), VariableKind.VARIABLE, VariableKind.CONSTANT)

    def convert_to_variable(self, v: SDVariable | str) -> SDVariable:
        """Make a floating constant trainable."""
        v = self.own(v)
        if not is_floating(v.dtype):
            raise DTypeError(f"{v.name!r} is {v.dtype.name}: only floating variables are trained.", given=repr(v))
        return self._convert(v, VariableKind.CONSTANT, VariableKind.VARIABLE)

    def _convert(self, v: SDVariable, old: VariableKind, new: VariableKind) -> SDVariable:
        if v.kind is new:
            return v
        if v.kind is not old:
            raise ArgumentTypeError(
                f"{v.name!r} is {v.kind.in_words}: only {old.in_words} can become {new.in_words}.",
                given=repr(v),
                node=v.name,
            )
        node, implicit, was_frozen = v.node, self.marks.literals, v.id in self.marks.frozen

        def undo() -> None:
            self._set_kind(v, old, frozen=was_frozen)
            self.marks.literals = {**implicit, **self.marks.literals}

        self.can_undo(node, undo)
        self._set_kind(v, new, frozen=new is VariableKind.CONSTANT)
        self.marks.literals = {k: i for k, i in implicit.items() if i != v.id}
        self.version += 1
        return v

    def _set_kind(self, v: SDVariable, kind: VariableKind, *, frozen: bool) -> None:
        v.node.op = CONSTANT if kind is VariableKind.CONSTANT else VARIABLE
        (self.marks.frozen.add if frozen else self.marks.frozen.discard)(v.id)
