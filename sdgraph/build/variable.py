"""SDVariable, the handle users hold.

Knows how Python syntax maps to ops. Must not know kernels, gradients or engines: methods forward to the graph.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means, readable
from sdgraph.build.calls import told_in_calls
from sdgraph.build.feeding import as_mapping, name_taken
from sdgraph.build.in_place import in_place
from sdgraph.build.index_key import index_key, no_mask
from sdgraph.build.kinds import AnyGraph, EngineName, KindName, VariableKind
from sdgraph.build.neighbours import operands
from sdgraph.build.signature import OPERAND
from sdgraph.build.spelling.lacking import of_variable
from sdgraph.build.symbol import Symbol
from sdgraph.errors import ArgumentTypeError, EngineError, GradientError
from sdgraph.infer.aval import Aval, Dim, Shape, shape_str

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from sdgraph.frames.origin import Origin

    Feeds: TypeAlias = "Mapping[str, ArrayLike] | Mapping[SDVariable, ArrayLike] | Mapping[str | SDVariable, ArrayLike]"


Operand: TypeAlias = Annotated["SDVariable | ArrayLike", OPERAND]
"""What a tensor parameter of an op takes. This annotation is what makes a parameter a tensor and not a setting."""

Axis: TypeAlias = "int | Sequence[int] | None"
"""One axis, several, or all."""

Variables: TypeAlias = "SDVariable | str | Iterable[SDVariable | str]"
"""One variable or several, each as such or by its name."""

means("Operand", get_args(Operand)[0].__forward_arg__)
means("Axis", Axis)
means("EngineName", EngineName)
means("KindName", KindName)
means("Variables", Variables)
means("Feeds", "Mapping[str | SDVariable, ArrayLike]")  # It has other forms because keys of a Mapping are invariant.

_FOR_THE_LIBRARY = {"aval", "id", "node"}


@readable
@told_in_calls("v")
class SDVariable(Symbol):
    """A variable of a graph: a placeholder, a trainable variable, a constant or the output of an op.

    It supports Python's arithmetic (``+ - * / // % ** @`` and unary ``-``, ``abs``), comparisons (``< <= > >=`` and the
    methods ``eq`` and ``neq``) and numpy's basic indexing. ``==`` compares handles, not values.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> x = sd.placeholder("x", shape=(None, 3))
        >>> y = (x * 2 + 1)[:, 0]
        >>> y
        <SDVariable 'index': array by index, float32 (?,)>
        >>> y.eval({"x": [[1, 2, 3], [4, 5, 6]]})
        array([3., 9.], dtype=float32)
    """

    __slots__ = ("node", "sd")

    def __init__(self, sd: AnyGraph, id: int) -> None:
        self.sd = sd
        # The record itself, not its place: places are used again after a call that was taken back.
        self.node = sd.nodes[id]

    # ------------------------------------------------------------------ facts

    @property
    def id(self) -> int:
        """The place among the variables of the graph."""
        return self.node.id

    @property
    def name(self) -> str:
        """The name, with its scopes."""
        return self.node.name

    @property
    def shape(self) -> Shape:
        """The shape; an unknown dimension is None or its name."""
        return self.node.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype."""
        return self.node.aval.dtype

    @property
    def aval(self) -> Aval:
        """Shape and dtype together."""
        return self.node.aval

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def kind(self) -> VariableKind:
        """Placeholder, variable, constant or array."""
        return self.node.op.kind

    @property
    def op_name(self) -> str | None:
        """The op that makes this variable, such as ``"loss.huber_loss"``; None for a leaf."""
        op = self.sd.call_of(self.node).op
        return op.qualname if op.kind is VariableKind.ARRAY else None

    @property
    def inputs(self) -> tuple[SDVariable, ...]:
        """The variables that the op was given which makes this one, in the order of its parameters; none for a leaf.

        An optional operand that was left out is missing. `SameDiff.ops` has settings, too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", shape=(None, 3))
            >>> y = sd.math.add(x, 1.0, name="y")
            >>> [v.name for v in y.inputs], x.inputs, [v.name for v in x.consumers]
            (['x', 'constant'], (), ['y'])
        """
        return tuple([SDVariable(self.sd, o.id) for o in operands(self.sd.nodes, self.node)])

    @property
    def consumers(self) -> tuple[SDVariable, ...]:
        """The variables that ops compute from this one, in creation order, each once.

        What was made for gradients does not count as a consumer, but of a gradient.
        """
        sd, found = self.sd, self.sd.reader_ids(self.id)
        if not sd.is_gradient(self.id):
            found = [i for i in found if not sd.is_gradient(i)]
        return tuple([SDVariable(sd, i) for i in found])

    @property
    def origin(self) -> Origin | None:
        """The line of the user's code that made this variable."""
        return self.node.origin

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """The array of a variable or constant; it is read-only. Assign another one to change a variable's value.

        The new value must have the variable's shape and a dtype that casts to its dtype; it is copied. So write
        ``w.value = w.value - 0.1 * g``. Numpy refuses ``w.value -= 0.1 * g`` and ``w.value[0] = 3``, because they would
        write into an array that runs may be reading; take a copy, ``a = w.value.copy()``, and assign that.
        `SameDiff.set_values` sets several at once.

        Raises:
            ArgumentTypeError: For placeholders and op outputs, which have no value of their own.
            ShapeError: If the new value has another shape.
            DTypeError: If the new value cannot be cast.

        Example:
            >>> from sdgraph import SameDiff
            >>> w = SameDiff().var("w", [1.0, 2.0, 3.0])
            >>> w.value = 10 * w.value
            >>> changed = w.value.copy()
            >>> changed[0] = 0.0
            >>> w.value = changed
            >>> w.value
            array([ 0., 20., 30.], dtype=float32)
        """
        return self.sd.get_value(self)

    @value.setter
    def value(self, value: ArrayLike) -> None:
        self.sd.set_value(self, value)

    def __dir__(self) -> list[str]:
        """What a user asks a variable for."""
        return sorted({*super().__dir__()} - _FOR_THE_LIBRARY)

    def __repr__(self) -> str:
        made = f" by {self.op_name}" if self.op_name else ""
        return f"<SDVariable {self.name!r}: {self.kind.value}{made}, {self.dtype.name} {shape_str(self.shape)}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.sd.display_bundle(self)

    def __eq__(self, other: object) -> bool:
        """Whether both are handles of the same variable; use ``eq`` to compare values."""
        return type(other) is SDVariable and other.node is self.node

    def __hash__(self) -> int:
        return hash(self.node)

    def __copy__(self) -> SDVariable:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SDVariable:
        """The same variable of a copy of the graph, which is one copy for all that is copied together."""
        return SDVariable(copy.deepcopy(self.sd, memo), self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        """The variable with its graph, which stands once in a pickle for all that are in it together."""
        return SDVariable, (self.sd, self.id)

    if not TYPE_CHECKING:  # To a type checker every name would be there.

        def __getattr__(self, name: str) -> Any:
            """Tell where an operation is, or how it is spelt, that a variable does not have."""
            raise of_variable(self, name)

    # ------------------------------------------------------------------ operators

    def __add__(self, other: Operand) -> SDVariable:
        return self.sd.math.add(self, other)

    def __radd__(self, other: Operand) -> SDVariable:
        return self.sd.math.add(other, self)

    def __sub__(self, other: Operand) -> SDVariable:
        return self.sd.math.sub(self, other)

    def __rsub__(self, other: Operand) -> SDVariable:
        return self.sd.math.sub(other, self)

    def __mul__(self, other: Operand) -> SDVariable:
        return self.sd.math.mul(self, other)

    def __rmul__(self, other: Operand) -> SDVariable:
        return self.sd.math.mul(other, self)

    def __truediv__(self, other: Operand) -> SDVariable:
        return self.sd.math.div(self, other)

    def __rtruediv__(self, other: Operand) -> SDVariable:
        return self.sd.math.div(other, self)

    def __floordiv__(self, other: Operand) -> SDVariable:
        return self.sd.math.floor_div(self, other)

    def __rfloordiv__(self, other: Operand) -> SDVariable:
        return self.sd.math.floor_div(other, self)

    def __mod__(self, other: Operand) -> SDVariable:
        return self.sd.math.floor_mod(self, other)

    def __rmod__(self, other: Operand) -> SDVariable:
        return self.sd.math.floor_mod(other, self)

    def __pow__(self, other: Operand) -> SDVariable:
        return self.sd.math.pow(self, other)

    def __rpow__(self, other: Operand) -> SDVariable:
        return self.sd.math.pow(other, self)

    def __matmul__(self, other: Operand) -> SDVariable:
        return self.sd.linalg.matmul(self, other)

    def __rmatmul__(self, other: Operand) -> SDVariable:
        return self.sd.linalg.matmul(other, self)

    def __neg__(self) -> SDVariable:
        return self.sd.math.neg(self)

    def __pos__(self) -> SDVariable:
        return self

    def __abs__(self) -> SDVariable:
        return self.sd.math.abs(self)

    def __lt__(self, other: Operand) -> SDVariable:
        return self.sd.lt(self, other)

    def __le__(self, other: Operand) -> SDVariable:
        return self.sd.lte(self, other)

    def __gt__(self, other: Operand) -> SDVariable:
        return self.sd.gt(self, other)

    def __ge__(self, other: Operand) -> SDVariable:
        return self.sd.gte(self, other)

    def __and__(self, other: Operand) -> SDVariable:
        return self.sd.math.and_(self, other)

    def __or__(self, other: Operand) -> SDVariable:
        return self.sd.math.or_(self, other)

    def __xor__(self, other: Operand) -> SDVariable:
        return self.sd.math.xor(self, other)

    def __invert__(self) -> SDVariable:
        return self.sd.math.not_(self)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __divmod__(self, other: Operand) -> tuple[SDVariable, SDVariable]:
        return self // other, self % other

    __iadd__, __isub__, __imul__, __itruediv__ = in_place("+"), in_place("-"), in_place("*"), in_place("/")
    __ifloordiv__, __imod__, __ipow__, __imatmul__ = in_place("//"), in_place("%"), in_place("**"), in_place("@")
    __iand__, __ior__, __ixor__ = in_place("&"), in_place("|"), in_place("^")

    def __getitem__(self, key: Any) -> SDVariable:
        """Numpy's basic indexing: integers, slices, ``...`` and None; or one integer variable to gather rows."""
        if type(key) is SDVariable:
            if key.dtype.kind == "b":
                raise no_mask(key, self)
            return self.sd.gather(self, key, axis=0)
        return self.sd.index(self, key=index_key(key, self))

    @property
    def T(self) -> SDVariable:
        """The transpose: all axes in reverse order."""
        return self.sd.transpose(self)

    # ------------------------------------------------------------------ arithmetic under SameDiff's names

    def add(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``self + other``."""
        return self.sd.math.add(self, other, name=name)

    def sub(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``self - other``."""
        return self.sd.math.sub(self, other, name=name)

    def mul(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``self * other``."""
        return self.sd.math.mul(self, other, name=name)

    def div(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``self / other``."""
        return self.sd.math.div(self, other, name=name)

    plus, minus, times = add, sub, mul

    def rsub(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``other - self``."""
        return self.sd.math.rsub(self, other, name=name)

    def rdiv(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``other / self``."""
        return self.sd.math.rdiv(self, other, name=name)

    def fdiv(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Floor division."""
        return self.sd.math.floor_div(self, other, name=name)

    def mod(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``self % other``: the remainder with the sign of the divisor; `sd.math.fmod` takes that of the dividend."""
        return self.sd.math.mod(self, other, name=name)

    def pow(self, exponent: Operand, *, name: str | None = None) -> SDVariable:
        """``self ** exponent``."""
        return self.sd.math.pow(self, exponent, name=name)

    def neg(self, *, name: str | None = None) -> SDVariable:
        """``-self``."""
        return self.sd.math.neg(self, name=name)

    def squared_difference(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """``(self - other) ** 2``."""
        return self.sd.math.squared_difference(self, other, name=name)

    def lt(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``self < other``."""
        return self.sd.lt(self, other, name=name)

    def lte(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``self <= other``."""
        return self.sd.lte(self, other, name=name)

    def gt(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``self > other``."""
        return self.sd.gt(self, other, name=name)

    def gte(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise ``self >= other``."""
        return self.sd.gte(self, other, name=name)

    def eq(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise equality."""
        return self.sd.eq(self, other, name=name)

    def neq(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Elementwise inequality."""
        return self.sd.neq(self, other, name=name)

    def mmul(self, other: Operand, *, name: str | None = None) -> SDVariable:
        """Matrix product."""
        return self.sd.linalg.matmul(self, other, name=name)

    def dot(self, other: Operand, axis: Axis = None, *, name: str | None = None) -> SDVariable:
        """Sum of products over ``axis``, over everything by default."""
        return self.sd.dot(self, other, axis=axis, name=name)

    # ------------------------------------------------------------------ reductions

    def sum(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Sum over ``axis``, over everything by default."""
        return self.sd.sum(self, axis=axis, keepdims=keepdims, name=name)

    def mean(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Mean over ``axis``."""
        return self.sd.mean(self, axis=axis, keepdims=keepdims, name=name)

    def prod(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Product over ``axis``."""
        return self.sd.prod(self, axis=axis, keepdims=keepdims, name=name)

    def max(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Largest value over ``axis``."""
        return self.sd.max(self, axis=axis, keepdims=keepdims, name=name)

    def min(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Smallest value over ``axis``."""
        return self.sd.min(self, axis=axis, keepdims=keepdims, name=name)

    def std(
        self, axis: Axis = None, bias_corrected: bool = False, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Standard deviation over ``axis``."""
        return self.sd.standard_deviation(self, axis=axis, bias_corrected=bias_corrected, keepdims=keepdims, name=name)

    def var(
        self, axis: Axis = None, bias_corrected: bool = False, keepdims: bool = False, *, name: str | None = None
    ) -> SDVariable:
        """Variance over ``axis``."""
        return self.sd.variance(self, axis=axis, bias_corrected=bias_corrected, keepdims=keepdims, name=name)

    def norm1(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Sum of absolute values over ``axis``."""
        return self.sd.norm1(self, axis=axis, keepdims=keepdims, name=name)

    def norm2(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Euclidean norm over ``axis``."""
        return self.sd.norm2(self, axis=axis, keepdims=keepdims, name=name)

    def normmax(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Largest absolute value over ``axis``."""
        return self.sd.normmax(self, axis=axis, keepdims=keepdims, name=name)

    def argmax(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Index of the largest value, as int64."""
        return self.sd.argmax(self, axis=axis, keepdims=keepdims, name=name)

    def argmin(self, axis: Axis = None, keepdims: bool = False, *, name: str | None = None) -> SDVariable:
        """Index of the smallest value, as int64."""
        return self.sd.argmin(self, axis=axis, keepdims=keepdims, name=name)

    # ------------------------------------------------------------------ shape and type

    def reshape(self, *shape: Any, name: str | None = None) -> SDVariable:
        """The same values in another shape, given as one tuple or one by one; -1 is inferred."""
        return self.sd.reshape(self, shape[0] if len(shape) == 1 else shape, name=name)

    def permute(self, *axes: Any, name: str | None = None) -> SDVariable:
        """The axes in another order, given as one tuple or one by one."""
        return self.sd.permute(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes, name=name)

    def transpose(self, *, name: str | None = None) -> SDVariable:
        """The axes in reverse order."""
        return self.sd.transpose(self, name=name)

    def rank(self, *, name: str | None = None) -> SDVariable:
        """The number of dimensions, as a scalar of the graph."""
        return self.sd.rank(self, name=name)

    def length(self, *, name: str | None = None) -> SDVariable:
        """The number of elements, as a scalar of the graph."""
        return self.sd.size(self, name=name)

    def cast(self, dtype: DTypeLike, *, name: str | None = None) -> SDVariable:
        """The same values as another dtype."""
        return self.sd.cast(self, dtype, name=name)

    cast_to = cast

    def dup(self, *, name: str | None = None) -> SDVariable:
        """A new variable with the same value."""
        return self.sd.identity(self, name=name)

    # ------------------------------------------------------------------ the graph around it

    def rename(self, name: str) -> SDVariable:
        """Give the variable another name; raises VariableNameError if it is taken or malformed."""
        self.sd.rename(self, name)
        return self

    def mark_as_loss(self) -> SDVariable:
        """Add this variable to the explicit losses of its graph."""
        self.sd.add_loss_variable(self)
        return self

    def convert_to_constant(self) -> SDVariable:
        """Freeze a variable: it keeps its value and is no longer trained."""
        return self.sd.convert_to_constant(self)

    def convert_to_variable(self) -> SDVariable:
        """Make a constant trainable."""
        return self.sd.convert_to_variable(self)

    def gradient(self) -> SDVariable:
        """The gradient of the graph's current losses (their sum) with respect to this variable.

        Raises:
            GradientError: If the graph has no clear loss, or no gradient exists.
        """
        (result,) = self.sd.loss_gradients([self])
        return result

    def has_gradient(self) -> bool:
        """Whether `gradient` would succeed; asking appends the gradient's nodes when it does."""
        try:
            self.gradient()
        except GradientError:
            return False
        return True

    def to_latex(
        self,
        depth: int | None = None,
        *,
        expand: bool | str | SDVariable | Iterable[str | SDVariable] = False,
        values: bool | int = False,
        max_length: int = 2000,
    ) -> str:
        r"""The variable as formulas, which a notebook shows: one equation per named variable it is computed from.

        A text that is an ``align*`` environment. A name that you gave is kept; scopes are an index, and only where it
        takes them to tell two variables apart. What has no name but that of its op is written inside its reader, or is
        called ``h_{1}``, ``h_{2}`` ... where it is read more than once or is long; a loss then is ``L`` and an array
        ``c_{1}``. What does not fit is left out, and the last line says so.

        Args:
            depth: How many levels of equations to write; None for all, 1 for the variable's own.
            expand: What to write out: True for all losses and other composites that formulas have no sign for, or
                names of ops or variables, one or several.
            values: Whether to write the numbers in small constants and variables, up to 6 rows and columns, or how
                many rows and columns at most. Constants of one number are always written.
            max_length: Most characters of the text.

        Raises:
            ArgumentError: If ``depth`` is less than 1, or ``expand`` names something that cannot be written out.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> X, w = sd.placeholder("X", shape=(None, 2)), sd.var("w", [1.0, 2.0])
            >>> z = sd.math.add(X @ w, sd.constant("beta", 0.5), name="z")
            >>> print(sd.nn.sigmoid(z, name="p").to_latex())
            \begin{align*}
            p &= \sigma\left(z\right) \\
            z &= X\, w + \beta \\
            \beta &= 0.5
            \end{align*}
        """
        return self.sd.to_latex(self, depth, expand=expand, values=values, max_length=max_length)

    def eval(
        self, /, feeds: Feeds | None = None, *, engine: EngineName | str = "auto", step: int = 0, **named: ArrayLike
    ) -> np.ndarray[Any, Any]:
        """Compute this variable's value.

        A placeholder that is called ``feeds``, ``engine`` or ``step`` is fed by a mapping, ``v.eval({"step": 3.0})``.

        Args:
            feeds: Values of the placeholders it depends on, by name or variable.
            engine: Name of the engine; ``"auto"`` for numpy, or the fused engine where it is installed and the work is
                large enough to be worth compiling.
            step: Counter for random ops: another step, other draws.
            **named: More feeds, by name.

        Returns:
            The value; a scalar is an array of shape ``()``.

        Raises:
            FeedError: If a placeholder it needs is missing, or a feed does not fit.
        """
        try:
            return self.sd.output(as_mapping(feeds, named), [self], engine=engine, step=step)[self.name]
        except (ArgumentTypeError, EngineError) as e:
            name_taken(e, self.sd.names.ids, feeds=feeds, engine=engine)
            raise


__all__ = ["Dim", "SDVariable"]
