"""What an op is, and the registry of all of them.

Signature, shape rule, kernel, gradient and how it reads stand in one place. A primitive has a shape rule, a kernel and
a gradient rule. A composite has a body written with other ops. Must not know any particular op, nor graphs.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.reading import Reading
from sdgraph.build.signature import NO_SIGNATURE, Signature
from sdgraph.errors import ArgumentError, ArgumentTypeError, SDGraphError, shown
from sdgraph.infer.aval import Aval

REGISTRY: dict[str, Op] = {}
"""Every op of a namespace by qualified name: ``"loss.huber_loss"``; base ops have no prefix."""

HELPERS: dict[str, Op] = {}
"""Ops of the library that are functions, not methods of a namespace, by name: gradient rules are written with them."""

STREAM: Final = "stream"
"""Attribute that tells the draws of one random node from those of all others."""


# ---------------------------------------------------------------------- rules


class _Rule(NamedTuple):
    why: str

    def __call__(self, *_: Any, **__: Any) -> Any:
        return None

    def __reduce__(self) -> str:
        # By its name: whoever looks for one compares identities.
        return "ZERO_GRADIENT" if self is ZERO_GRADIENT else "NOT_DIFFERENTIABLE"


ZERO_GRADIENT = _Rule("its derivative is zero wherever it has one")
"""Gradient rule of piecewise constant ops."""

NOT_DIFFERENTIABLE = _Rule("it has no gradient")
"""Gradient rule of ops a gradient must not pass through; differentiating through one is an error that names it."""

Reach: TypeAlias = "Callable[..., Any]"
"""Which elements of the operands count, given which of the output do: ``(mask, y, *operands, **attrs)`` to one mask
(`sdgraph.build.masks.Mask`) per operand, in the shape of the cotangent that the gradient rule gives it."""


class Linear(NamedTuple):
    """Reach of an op that only moves and adds up elements: its gradient has no factor that could be infinite or NaN.

    Without a rule the op's gradient rule, applied to ones where the output counts, tells where the operands do.
    """

    rule: Reach | None = None


LINEAR = Linear()


def ELEMENTWISE(mask: Any, y: Any, *operands: Any, **_: Any) -> list[Any]:
    """Reach of an op whose operands broadcast, and each of whose elements depends on one element of each."""
    return [mask] * len(operands)


_MADE: Final = ("bodies", "ufunc", "at_inference")
"""What an op makes of the rest that is said about it."""


class GradientOf(NamedTuple):
    """A composite's gradient by one of its operands: what makes it, given the composite."""

    op: Op
    k: int
    """Which operand."""
    n: int
    """With how many operands the composite was called."""
    masked: tuple[bool, ...]
    """For each output, whether the cotangent comes with where it counts."""
    asked: bool
    """Whether the gradient says where it counts, too."""


# ---------------------------------------------------------------------- ops


@dataclass(eq=False, repr=False, slots=True)
class Op:
    """One operation, with all that is said about it in its decorator."""

    name: str
    signature: Signature = NO_SIGNATURE
    doc: str | None = None
    kind: VariableKind = VariableKind.ARRAY
    """``ARRAY`` for real ops, another kind for the ops of leaves."""

    # What it computes.
    infer: Callable[..., Any] | None = None
    """Rule from operand avals and attributes to the output's aval; a dtype of None is the graph's own."""
    kernel: str | Callable[..., Any] | None = None
    """What computes it: a name in the array namespace, or a function of that namespace and the operands."""
    kernels: Mapping[str, Any] = field(default_factory=dict)
    """What an engine uses instead: a function of that engine's kind, or where one is, as ``"module:function"``."""
    body: Callable[..., Any] | None = None
    """What a composite is written as."""
    grows: bool = False
    """Whether the body holds as many numbers, or takes as many steps, as a size or a setting says. It has ``infer``."""
    is_view: bool = False
    """Whether the output may share memory with the first operand."""
    is_strided: bool = False
    """Whether it is a view of which the kernel looks at shapes alone: what numpy makes of an array that nobody wrote
    tells where the elements lie, and an engine may read them there. Where numpy copies, it is none."""
    places: Callable[..., Any] | None = None
    """Where the operands go in the result, for an op that only puts them there: ``(y, *operands, **attrs)`` to one view
    of ``y`` per operand, or None for one whose values do not matter, and the number that is left elsewhere, if any."""
    is_random: bool = False
    """Whether the output depends on the step as well."""
    literals: Mapping[str, str] = field(default_factory=dict)
    """Dtype that Python literals take at an operand, where it is not that of the other operands."""
    advice: str | None = None
    """What to do instead, for who calls it with fewer or more arguments as another library's function is called."""
    settle: Callable[..., Any] | None = None
    """Rule ``(attrs, avals, values)`` to the attributes of a call, for what hangs on values that are known when it is
    made: a value is an array for a constant, else None. It fills in settings that were left out, and refuses values."""
    domain: tuple[float, float] | None = None
    """Interval that tests draw operands from."""

    # Its gradient.
    vjp: Callable[..., Any] | None = None
    """Rule ``(g, y, *operands, **attrs)`` to one cotangent per operand."""
    without_gradient: tuple[int, ...] = ()
    """The operands that it has no derivative by: the rule gives None for them, and to ask for one is an error."""
    reach: Reach | Linear | None = None
    """How a selection further on reaches the operands; without it, an operand counts as a whole."""
    masked_vjp: Callable[..., Any] | None = None
    """Rule ``(vjp, g, live, y, *operands, **attrs)`` for a cotangent that counts only where ``live``.

    It may call the other rule, and gives exactly 0 where nothing that counts is reached. For an op whose gradient adds
    up products of cotangents and operands, where those of the rest may be NaN, or fails.
    """
    selects: bool = False
    """Whether parts of the operands do not count although all of the output does."""
    leaves_out: bool = True
    """Whether the selections of a composite's body do that; not if its branches always have finite derivatives, which
    0 cancels."""
    total: Callable[..., Any] | None = None
    """Rule that adds up several results of the op: a list of them to a shorter list with the same sum."""
    gradient_of: GradientOf | None = None
    """What the op is the gradient of."""

    # What it is outside of training.
    inference: Callable[..., Any] | None = None
    """Rule ``(*operands, **attrs)`` to the output where a graph is used, not trained, written with other ops: the first
    operand for what only hinders learning, such as dropout. Without a rule it is the same op."""

    # What it is.
    has_bodies: bool = False
    """Whether functions are among its settings: a loop, or branches; see `sdgraph.build.bodies`."""
    is_loss: bool = False
    """Whether the output is an implicit loss of its graph."""
    passes_on: int | None = None
    """The operand whose numbers the result holds, all of them in their order, in another shape or dtype at most."""
    commutes: bool = False
    """Whether the operands may change places."""
    shape_of: tuple[int, ...] = ()
    """The operands of which only the shape is read."""
    reads: Reading | None = None
    """How formulas and pictures write it."""

    # Where it stands, and what follows from all that.
    namespace: str = ""
    owner: type | None = None
    qualname: str = ""
    """Name with its namespace, as the registry knows it."""
    key: str = field(init=False, default="")
    """What tables of rewrites and engines look up: the qualified name, or nothing if another op is known by it."""
    broadcasts: bool = field(init=False)
    """Whether the op works elementwise on broadcast operands."""
    plain: bool = field(init=False)
    """Whether a call needs no more than its shape rule."""
    ufunc: np.ufunc | None = field(init=False)
    """The function of numpy's that its kernel is, if it is one."""
    bodies: dict[Any, Any] = field(init=False)
    """A composite's traced bodies, kept by `sdgraph.build.tracing`."""
    at_inference: Op = field(init=False)
    """The op itself, or the composite that its rule for inference makes of it."""

    def __post_init__(self) -> None:
        self.qualname = self.qualname or self.name
        self.is_view = self.is_view or self.is_strided
        self.broadcasts = getattr(self.infer, "broadcasts", False)
        if self.reach is None and self.broadcasts:
            self.reach = ELEMENTWISE
        self.plain = self.body is None and not self.is_random
        found = getattr(np, self.kernel, None) if isinstance(self.kernel, str) else None
        self.ufunc = found if isinstance(found, np.ufunc) else None
        self.bodies = {}
        self.at_inference = self if self.inference is None else self._inferring(self.inference)

    def _inferring(self, rule: Callable[..., Any]) -> Op:
        return Op(
            self.name,
            self.signature,
            infer=self.infer,
            body=lambda _, *operands, **attrs: rule(*operands, **attrs),
            qualname=self.qualname,
        )

    def __repr__(self) -> str:
        return self.qualname

    def __copy__(self) -> Op:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Op:
        # Nodes and rewrites tell ops apart by what they are, as Python does with functions.
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """One of sdgraph's goes by its name, one of a user's with all that is said about it, but without traced bodies.

        So cloudpickle can send a class of a user's, which has ops, to another process.
        """
        if _of_sdgraph(self.qualname) is self:
            return _of_sdgraph, (self.qualname,)
        if self.gradient_of is not None:
            raise ArgumentTypeError(
                f"The op {self.qualname} cannot be pickled by itself: it is made of functions.",
                fix="The graph that it stands in can be pickled, and makes it anew.",
            )
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _MADE}
        return _bare, (), said

    def __setstate__(self, said: Mapping[str, Any]) -> None:
        for name, value in said.items():
            setattr(self, name, value)
        self.__post_init__()
        REGISTRY.setdefault(self.qualname, self)

    # ------------------------------------------------------------------ what is asked often

    @property
    def operand_names(self) -> tuple[str, ...]:
        """The tensor parameters; a variadic op has one, for all its operands."""
        return self.signature.operand_names

    @property
    def operand_defaults(self) -> Mapping[str, Any]:
        """The defaults of the operands that have one."""
        return self.signature.operand_defaults

    @property
    def n_operands(self) -> int:
        """Number of tensor parameters."""
        return len(self.signature.operand_names)

    @property
    def variadic(self) -> bool:
        """Whether the op takes any number of operands."""
        return self.signature.variadic

    @property
    def attr_names(self) -> tuple[str, ...]:
        """The settings."""
        return self.signature.attr_names

    @property
    def attr_defaults(self) -> Mapping[str, Any]:
        """The defaults of the settings that have one."""
        return self.signature.attr_defaults

    @property
    def shape_only(self) -> bool:
        """Whether the output depends on the operands' shapes alone."""
        return bool(self.shape_of) and len(self.shape_of) == self.n_operands

    @property
    def is_ours(self) -> bool:
        """Whether the op comes with sdgraph, so that what goes wrong in it is no slip of a user's own rule."""
        owner = self.owner
        if owner is None or not owner.__module__.startswith("sdgraph."):
            return False
        # A class of a docstring's example says that it is of the module around it, and does not stand there.
        return getattr(sys.modules.get(owner.__module__), owner.__name__, None) is owner

    @property
    def is_composite(self) -> bool:
        """Whether the op is expanded into other ops before it runs."""
        return self.body is not None

    # ------------------------------------------------------------------ calls

    def bind(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[list[Any], Mapping[str, Any]]:
        """Sort the arguments of a call into operands and attributes."""
        try:
            operands, given = self.signature.sorted_out(self.name, args, keywords)
        except SDGraphError as e:
            e.fix = e.fix or self.advice
            raise
        attrs = dict(self.attr_defaults)
        for k, v in given.items():
            try:
                attrs[k] = self.signature.setting(self.name, k, v)
            except SDGraphError as e:
                if k in self.attr_names:
                    e.in_call(f"sd.{self.qualname}", "")
                    e.fix = e.fix or self._in_java_order(k, given) or self._hint(k, v)
                raise
        for k in self.attr_names:
            if k not in attrs:
                raise ArgumentTypeError(f"{self.name} lacks its argument {k!r}.", expected=self.usage())
        return operands, attrs

    def _hint(self, k: str, value: Any) -> str | None:
        """What the user may have meant who gave a value for attribute ``k`` that it cannot have."""
        like = REGISTRY.get(f"{self.qualname.removesuffix('_to')}_like")
        if k == "shape" and like is not None:
            return f"sd.{like.qualname}({', '.join(like.operand_names)}, ...) takes the shape of a variable."
        if k != "shape" and "shape" in self.attr_names and isinstance(value, tuple | list):
            return f"Name the shape: sd.{self.qualname}(shape={shown(value)})."
        # An operation of the same name that takes more arrays.
        for qualname, op in REGISTRY.items():
            if op.name == self.name and op.n_operands > self.n_operands:
                return f"For {op.n_operands} arrays there is sd.{qualname}({', '.join(op.operand_names)})."
        return None

    def _in_java_order(self, k: str, given: Mapping[str, Any]) -> str | None:
        """The call that was meant if ``k`` is an axis, as in Java: after the flags, or after another axis."""
        names = list(given)[: list(given).index(k) + 1]
        *before, last = [given[name] for name in names]
        if names[0] != "axis" or names != list(self.attr_names[: len(names)]) or type(last) is not int or not before:
            return None
        if len(before) == 1 and type(before[0]) is int:
            return f"Several axes are one argument: axis=({shown(before[0])}, {shown(last)})."
        if not all(type(v) is bool for v in before):
            return None
        flags = ", ".join(f"{k}={v}" for k, v in zip(names[1:], before, strict=True))
        return f"Write sd.{self.qualname}({', '.join(self.operand_names)}, axis={shown(last)}, {flags})."

    def usage(self) -> str:
        """The call as its documentation shows it."""
        return self.signature.usage(self.name)

    def bind_kernel(self, xp: Any, engine: str, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        """The callable that computes this primitive on arrays of namespace ``xp``."""
        kernel = self.kernels.get(engine, self.kernel)
        if kernel is None:
            raise TypeError(f"{self.qualname} is a composite: it has no kernel")
        if not isinstance(kernel, str):
            return functools.partial(kernel, xp, **attrs)
        if ":" in kernel:
            module, _, function = kernel.partition(":")
            return functools.partial(getattr(importlib.import_module(module), function), xp, **attrs)
        function = getattr(xp, kernel)
        return functools.partial(function, **attrs) if attrs else function


def register(op: Op, namespace: str, owner: type) -> None:
    """Enter an op into the registry under its namespace; the first owner keeps it.

    Raises:
        ArgumentError: For a name that an op of sdgraph has: rewrites and engines would take one for the other.
    """
    if op.owner is not None:
        return
    qualname = f"{namespace}.{op.name}" if namespace else op.name
    taken = REGISTRY.get(qualname)
    if taken is not None and taken.is_ours and not owner.__module__.startswith("sdgraph."):
        raise ArgumentError(
            f"sdgraph has an op {qualname!r} already.",
            given=f"a method {op.name!r} of {owner.__name__}, with prefix={namespace!r}",
            fix="Give the class a prefix of its own, or the method another name.",
        )
    if taken is not None:
        taken.key = ""
    op.namespace, op.owner, op.qualname = namespace, owner, qualname
    op.key, REGISTRY[qualname] = qualname, op


# ---------------------------------------------------------------------- ops of the graph itself

PLACEHOLDER = Op("placeholder", kind=VariableKind.PLACEHOLDER)
VARIABLE = Op("variable", kind=VariableKind.VARIABLE)
CONSTANT = Op("constant", kind=VariableKind.CONSTANT)


_LEAVES: Final = {op.name: op for op in (PLACEHOLDER, VARIABLE, CONSTANT)}


def _of_sdgraph(qualname: str) -> Op | None:
    """The op that sdgraph has under a name, in any process."""
    found = REGISTRY.get(qualname)
    return found if found is not None and found.is_ours else _LEAVES.get(qualname)


def _bare() -> Op:
    """An op out of a pickle, before it is told what it is."""
    return Op.__new__(Op)


def _infer_item(avals: tuple[Aval, ...], *, index: int) -> Aval:
    return avals[index]


ITEM = Op("item", infer=_infer_item, kernel=lambda xp, values, index: values[index])
"""One output of an op that has several."""
