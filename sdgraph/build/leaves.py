"""Placeholders, variables and constants: how a graph gets its leaves and their values.

Everything is checked before the node is appended. Must not know ops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sdgraph.build.calls import told_in_calls
from sdgraph.build.initializers import Init, initial_value
from sdgraph.build.kinds import VariableKind
from sdgraph.build.lookup import GraphLookup
from sdgraph.build.op import CONSTANT, PLACEHOLDER, VARIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, shown
from sdgraph.infer.arrays import as_numbers, converted
from sdgraph.infer.aval import Aval, as_dtype, as_shape, is_floating, shape_str

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


@told_in_calls("sd")
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
        init: Init = "zeros",
        dtype: DTypeLike | None = None,
        seed: int | None = None,
    ) -> SDVariable:
        """A variable that holds a value and can be trained.

        Args:
            name: Its name.
            value: Its first value, copied. A numpy array keeps its dtype, numbers and lists take the graph's.
            shape: Without a value, its shape; all sizes must be known.
            init: Without a value, how to fill it: a number, an array (which is the value), the name of a scheme, or a
                function that is called as ``init(shape, dtype, rng)`` with a `numpy.random.Generator`. The schemes are
                zeros, ones, identity, ``"constant:VALUE"``, ``"truncated_normal:STDDEV"`` (0.05 without a number;
                nothing beyond two of these); normal, uniform, xavier, glorot, he, relu and lecun, most also with
                ``_normal`` and ``_uniform``, xavier_fan_in, sigmoid_uniform; and ``var_scaling_``, then normal,
                uniform or truncated_normal, then ``_fan_in``, ``_fan_out`` or ``_fan_avg``, of variance 1 / fan or
                ``:SCALE`` / fan. With ``"constant"`` a scalar value fills the shape.
            dtype: Its dtype, if it should be another.
            seed: Seed of a random scheme or a function; by default made from the graph's seed and the variable's place.

        Raises:
            VariableNameError: If the name is taken or malformed.
            ShapeError: If the value is ragged, or does not have the shape given with it.
            DTypeError: If the value is no array of numbers, or masked, or the dtype cannot hold it.
            ArgumentError: If the shape has unknown sizes, the scheme is unknown or does not fit, the function fails, or
                there is both a value and another init.
            ArgumentTypeError: If neither value nor shape is given.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> sd.var("w", shape=(2, 3), init="ones").value
            array([[1., 1., 1.],
                   [1., 1., 1.]], dtype=float32)
            >>> sd.var("v", shape=(2,), init=lambda shape, dtype, rng: rng.integers(1, 2, shape)).value
            array([1., 1.], dtype=float32)
        """
        full = self.names.full(name)
        value = _one_value(full, value, init)
        if value is None and callable(init):
            # It may do anything, also to this graph.
            with self.transaction():
                array = self._first_value(full, shape, init, dtype, seed)
                full = self.names.full(name)
        elif value is None:
            array = self._first_value(full, shape, init, dtype, seed)
        else:
            array = self._leaf_array(value, dtype, full)
            if shape is not None and isinstance(init, str) and init == "constant" and not array.shape:
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
            array, full = self._leaf_array(name, dtype, None), None
        else:
            full = self.names.full(name)
            array = self._leaf_array(value, dtype, full)
        aval, given = Aval(array.shape, array.dtype), full is not None
        return self.handle(self.add_leaf(CONSTANT, aval, full or self.names.free("constant"), array, given=given))

    def _first_value(self, name: str, shape: Any, init: Any, dtype: Any, seed: int | None) -> np.ndarray[Any, Any]:
        """What a scheme or a function makes of a shape."""
        if shape is None:
            raise ArgumentTypeError(
                f"The variable {name!r} has neither a value nor a shape.",
                fix="sd.var(name, value), or sd.var(name, shape=(...), init='glorot').",
            )
        draws = seed if seed is not None else self.seed * 1_000_003 + len(self.nodes)
        return initial_value(init, self._known_sizes(shape), self._leaf_dtype(None, dtype), draws, name)

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

    def _leaf_array(self, value: Any, dtype: DTypeLike | None, name: str | None) -> np.ndarray[Any, Any]:
        if type(value) is SDVariable:
            raise ArgumentTypeError(f"{value.name!r} is a variable already.", expected="numbers", given=repr(value))
        what = "This value" if name is None else f"The value of {name!r}"
        array = as_numbers(value, copy=True, what=what)
        if isinstance(value, np.ndarray):
            wanted = array.dtype if dtype is None else as_dtype(dtype)
        else:
            wanted = self._leaf_dtype(array, dtype)
        return converted(array, wanted, literal=True, what=what)

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
        self.set_arrays({v.id: _new_value(v, value)})

    def set_values(self, values: Mapping[str, Any] | Mapping[SDVariable, Any] | Mapping[str | SDVariable, Any]) -> None:
        """Give several variables new values, all at the same moment; if one of them does not fit, none is set.

        A compiled function that another thread runs meanwhile computes with all the old values or all the new ones.

        Args:
            values: The new values by name or variable, each as for `set_value`.

        Raises:
            ArgumentTypeError: If it is no mapping, or a variable is not of the kind that takes new values.
            ArgumentError: If a variable is given twice, by its name and as itself.
            ShapeError: If a value has another shape than its variable, or is ragged.
            DTypeError: If a variable's dtype cannot hold its value, or that is no array of numbers, or masked.
            UnknownVariableError: If there is no such variable.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> w, b = sd.var("w", [1.0, 2.0]), sd.var("b", 0.5)
            >>> loss = sd.loss.l2_loss(w + b)
            >>> gradients = sd.calculate_gradients()
            >>> sd.set_values({name: sd[name].value - 0.5 * g for name, g in gradients.items()})
            >>> w.value, b.value
            (array([0.25, 0.75], dtype=float32), array(-1.5, dtype=float32))
        """
        arrays: dict[int, np.ndarray[Any, Any]] = {}
        for key, value in _entries(values):
            v = self.own(key)
            if v.id in arrays:
                raise ArgumentError(
                    f"{v.name!r} is given twice, by its name and as a variable.", given=repr(v), node=v.name
                )
            arrays[v.id] = _new_value(v, value)
        self.set_arrays(arrays)

    def convert_to_constant(self, v: SDVariable | str) -> SDVariable:
        """Freeze a variable at its value."""
        return self._convert(self.own(v), VariableKind.VARIABLE, VariableKind.CONSTANT)

    def convert_to_variable(self, v: SDVariable | str) -> SDVariable:
        """Make a floating constant trainable, or undo `convert_to_constant`."""
        v = self.own(v)
        if not is_floating(v.dtype) and v.id not in self.marks.frozen:
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


_FIXES = {
    VariableKind.PLACEHOLDER: "Feed it, in each call.",
    VariableKind.CONSTANT: "Make it a variable first, v.convert_to_variable(), if its value should change.",
    VariableKind.ARRAY: "Set the variables that it is computed from.",
}


def _one_value(name: str, value: Any, init: Any) -> Any:
    """The value that a variable is given, as such or as its init; None if it is to be made."""
    if isinstance(value, str) or (callable(value) and not hasattr(value, "__array__")):
        raise ArgumentTypeError(
            f"The value of {name!r} is no array and no number.",
            given=f"{type(value).__name__}: {shown(value)}",
            fix="A scheme or a function is its init: sd.var(name, shape=(...), init=...).",
        )
    is_value = isinstance(init, list | tuple) or (hasattr(init, "__array__") and not isinstance(init, np.generic))
    if value is None:
        return init if is_value else None
    if is_value or not isinstance(init, str) or init not in ("zeros", "constant"):
        raise ArgumentError(
            f"The variable {name!r} has a value and another init.",
            given=f"init={shown(init)}",
            fix="Give one of them; init='constant' lets a number fill the shape.",
        )
    return value


def _new_value(v: SDVariable, value: Any) -> np.ndarray[Any, Any]:
    """What a caller gives as the new value of a variable, as an array that nobody else holds."""
    if v.kind is not VariableKind.VARIABLE:
        raise ArgumentTypeError(
            f"Only variables take a new value: {v.name!r} is {v.kind.in_words}.",
            given=repr(v),
            node=v.name,
            fix=_FIXES[v.kind],
        )
    what = f"The new value of {v.name!r}"
    if type(value) is SDVariable:
        raise ArgumentTypeError(
            f"{what} is a variable and no array.",
            given=repr(value),
            node=v.name,
            fix="Compute with arrays, v.value = v.value - 0.1 * g, or evaluate it: v.value = y.eval(feeds).",
        )
    try:
        array = as_numbers(value, copy=True, what=what)
        if array.shape != v.shape:
            raise ShapeError(f"{what} has another shape.", given=shape_str(array.shape), expected=shape_str(v.shape))
        return converted(array, v.dtype, literal=not hasattr(value, "dtype"), what=what)
    except (DTypeError, ShapeError) as e:
        e.node, e.node_origin = v.name, v.origin
        raise


def _entries(values: Any) -> list[tuple[Any, Any]]:
    """The entries of a mapping."""
    if not isinstance(values, Mapping):
        raise ArgumentTypeError(
            "Values are given by name or variable.",
            given=f"{type(values).__name__}: {shown(values)}",
            expected="{'w': array, 'b': array}",
        )
    return list(values.items())
