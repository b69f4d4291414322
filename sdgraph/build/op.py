"""What an op is, the two decorators that make one, and the registry.

An op is one decorated method: signature, docstring, shape rule, kernel and gradient stand in one place. A primitive has
a shape rule, a kernel and a gradient rule. A composite has a body written with other ops. Must not know any particular
op, nor graphs: a body is traced into a scratch graph that the caller's graph provides.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple, ParamSpec, TypeAlias, TypeVar, overload

import numpy as np

from sdgraph.build.kinds import NO_ATTRS, AnyGraph, VariableKind
from sdgraph.build.reach import reachable
from sdgraph.errors import ArgumentTypeError, SDGraphError, shown
from sdgraph.infer.aval import Aval, as_dtype
from sdgraph.wording import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

REGISTRY: dict[str, Op] = {}
"""Every op of sdgraph's own namespaces by qualified name: ``"loss.huber_loss"``; base ops have no prefix."""

STREAM = "stream"
"""Attribute that tells the draws of one random node from those of all others."""

_MAX_BODIES = 4096


class _Rule(NamedTuple):
    why: str

    def __call__(self, *_: Any, **__: Any) -> Any:
        return None


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


class Body(NamedTuple):
    """A traced composite: its scratch graph, the ids of its operands (ABSENT ones are -1) and of its outputs."""

    graph: AnyGraph
    params: tuple[int, ...]
    outs: tuple[int, ...]
    aval: Any
    need: bytearray
    is_random: bool


class Reading(NamedTuple):
    """How a function that only gradients use is written out, instead of by a name that nobody knows.

    ``%(x)s`` stands for its operand, and ``%(atom)s`` for that in brackets if it needs some.
    """

    text: str
    latex: str


class _Scalar(NamedTuple):
    """What values an annotation allows, and what to call them. Rules check what else they need to know."""

    kind: Any
    words: str


_SCALARS: Mapping[str, _Scalar] = {
    "float": _Scalar(int | float, "a number"),
    "float | None": _Scalar(int | float | None, "a number or None"),
    "str": _Scalar(str, "a text"),
    "str | None": _Scalar(str | None, "a text or None"),
}


def _scalar(annotation: Any) -> _Scalar | None:
    return _SCALARS.get(annotation if isinstance(annotation, str) else getattr(annotation, "__name__", ""))


class Op:
    """One operation. ``kernel`` is a name in the array namespace, or a function of that namespace and the operands.

    Args:
        fn: The decorated function; its signature is the op's.
        kind: ``ARRAY`` for real ops, another kind for the ops of leaves.
        infer: Rule from operand avals and attributes to the output's aval.
        kernel: What computes it.
        kernels: Overrides per engine.
        vjp: Rule ``(g, y, *operands, **attrs)`` to one cotangent per operand.
        reach: How a selection further on reaches the operands; without it, an operand counts as a whole.
        masked_vjp: Rule ``(vjp, g, live, y, *operands, **attrs)`` for a cotangent that counts only where ``live``.
            It may call the other rule, and gives exactly 0 where nothing that counts is reached. For an op whose
            gradient adds up products of cotangents and operands, where those of the rest may be NaN, or fails.
        selects: Whether parts of the operands do not count although all of the output does.
        leaves_out: Whether the selections of a composite's body do that; not if its branches always have finite
            derivatives, which 0 cancels.
        body: A composite's body.
        domain: Interval that tests draw operands from.
        is_view: Whether the output may share memory with the first operand.
        shape_only: Whether the output depends on the operands' shapes alone.
        is_random: Whether the output depends on the step as well.
        is_loss: Whether the output is an implicit loss of its graph.
        literals: Dtype that Python literals take at an operand, where it is not that of the other operands.
        total: Rule that adds up several results of the op: a list of them to a shorter list with the same sum.
        reads: How pictures and formulas write the op.
    """

    __slots__ = (
        "_bodies",
        "attr_defaults",
        "attr_names",
        "body",
        "broadcasts",
        "doc",
        "domain",
        "has_required_attrs",
        "infer",
        "is_loss",
        "is_random",
        "is_view",
        "kernel",
        "kernels",
        "kind",
        "leaves_out",
        "literals",
        "masked_vjp",
        "n_operands",
        "name",
        "namespace",
        "operand_defaults",
        "operand_names",
        "operands_first",
        "owner",
        "plain",
        "positional",
        "qualname",
        "reach",
        "reads",
        "scalars",
        "selects",
        "shape_only",
        "signature",
        "total",
        "ufunc",
        "variadic",
        "vjp",
    )

    def __init__(
        self,
        fn: Callable[..., Any] | str,
        *,
        kind: VariableKind = VariableKind.ARRAY,
        infer: Callable[..., Any] | None = None,
        kernel: str | Callable[..., Any] | None = None,
        kernels: Mapping[str, str] = NO_ATTRS,
        vjp: Callable[..., Any] | None = None,
        reach: Reach | Linear | None = None,
        masked_vjp: Callable[..., Any] | None = None,
        selects: bool = False,
        leaves_out: bool = True,
        body: Callable[..., Any] | None = None,
        domain: tuple[float, float] | None = None,
        is_view: bool = False,
        shape_only: bool = False,
        is_random: bool = False,
        is_loss: bool = False,
        literals: Mapping[str, str] = NO_ATTRS,
        total: Callable[..., Any] | None = None,
        reads: Reading | None = None,
    ) -> None:
        self.kind = kind
        self.infer = infer
        self.kernel = kernel
        self.kernels = kernels
        self.vjp = vjp
        self.masked_vjp = masked_vjp
        self.selects = selects
        self.leaves_out = leaves_out
        self.body = body
        self.domain = domain
        self.is_view = is_view
        self.shape_only = shape_only
        self.is_random = is_random
        self.is_loss = is_loss
        self.literals = literals
        self.total = total
        self.reads = reads
        self.namespace = ""
        self.owner: type | None = None
        self.broadcasts: bool = getattr(infer, "broadcasts", False)
        """Whether the op works elementwise on broadcast operands."""
        self.reach = ELEMENTWISE if reach is None and self.broadcasts else reach
        self.plain = body is None and not is_random
        """Whether a call needs no more than its shape rule."""
        self._bodies: dict[Any, Body] = {}
        found = getattr(np, kernel, None) if isinstance(kernel, str) else None
        self.ufunc = found if isinstance(found, np.ufunc) else None
        if isinstance(fn, str):
            self.name, self.doc, self.signature = fn, None, inspect.Signature()
        else:
            self.name, self.doc, self.signature = fn.__name__, inspect.getdoc(fn), inspect.signature(fn)
        self.qualname: str = self.name
        """Name with its namespace, as the registry knows it."""
        self._read_signature()

    def _read_signature(self) -> None:
        """Sort the parameters: an annotation that mentions ``Operand`` makes one a tensor, else it is an attribute."""
        operands: list[inspect.Parameter] = []
        attrs: list[inspect.Parameter] = []
        for p in list(self.signature.parameters.values())[1:]:
            if p.name == "name":
                continue
            (operands if "Operand" in str(p.annotation) else attrs).append(p)
        empty = inspect.Parameter.empty
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in operands)
        self.operand_names = tuple(p.name for p in operands)
        self.operand_defaults = {p.name: p.default for p in operands if p.default is not empty}
        self.attr_names = tuple(p.name for p in attrs)
        self.attr_defaults: Mapping[str, Any] = {
            p.name: freeze(p.name, p.default) for p in attrs if p.default is not empty
        }
        self.scalars = {p.name: found for p in attrs if (found := _scalar(p.annotation)) is not None}
        self.has_required_attrs = len(self.attr_defaults) != len(self.attr_names)
        self.n_operands = len(operands)
        # In the order of the signature: an op may take attributes by position before operands that are keyword-only.
        self.positional = tuple(
            p.name for p in [*self.signature.parameters.values()][1:] if p.kind is p.POSITIONAL_OR_KEYWORD
        )
        self.operands_first = self.variadic or self.positional[: self.n_operands] == self.operand_names

    def __repr__(self) -> str:
        return self.qualname

    @property
    def is_ours(self) -> bool:
        """Whether the op comes with sdgraph, so that what goes wrong in it is no slip of a user's own rule."""
        return self.owner is not None and self.owner.__module__.startswith("sdgraph.")

    @property
    def is_composite(self) -> bool:
        """Whether the op is expanded into other ops before it runs."""
        return self.body is not None

    def is_optional(self, k: int) -> bool:
        """Whether the operand at position ``k`` may be absent."""
        return not self.variadic and self.operand_defaults.get(self.operand_names[k], _MISSING) is None

    def bind(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[list[Any], Mapping[str, Any]]:
        """Sort the arguments of a call into operands and attributes.

        Written out because inspect.Signature.bind takes ten times as long as appending the node.
        """
        if self.variadic:
            operands = _flatten(args)
            attrs = dict(self.attr_defaults)
        else:
            positional = self.positional
            if len(args) > len(positional):
                raise ArgumentTypeError(
                    f"{self.name} takes {len(positional)} arguments, {len(args)} were given.", expected=self.usage()
                )
            given = dict(zip(positional, args, strict=False))
            for k in keywords.keys() & given.keys():
                raise ArgumentTypeError(f"{self.name} got {k!r} twice.", expected=self.usage())
            given.update(keywords)
            keywords = {k: v for k, v in given.items() if k not in self.operand_names}
            operands = [given.get(k, self.operand_defaults.get(k, _MISSING)) for k in self.operand_names]
            for k, v in zip(self.operand_names, operands, strict=True):
                if v is _MISSING:
                    raise ArgumentTypeError(f"{self.name} lacks its argument {k!r}.", expected=self.usage())
            attrs = dict(self.attr_defaults)
        for k, v in keywords.items():
            if k not in self.attr_names:
                raise ArgumentTypeError(
                    f"{self.name} has no argument {k!r}.",
                    expected=self.usage(),
                    fix=did_you_mean(k, self.operand_names + self.attr_names),
                )
            try:
                attrs[k] = self._setting(k, freeze(k, v))
            except SDGraphError as e:
                e.in_call(f"sd.{self.qualname}", "")
                e.fix = e.fix or self._namesake()
                raise
        for k in self.attr_names:
            if k not in attrs:
                raise ArgumentTypeError(f"{self.name} lacks its argument {k!r}.", expected=self.usage())
        return operands, attrs

    def _setting(self, name: str, value: Any) -> Any:
        """A value for an attribute. Kernels and compiled code rely on a number where the annotation says so."""
        wanted = self.scalars.get(name)
        if wanted is None or isinstance(value, wanted.kind):
            return value
        raise ArgumentTypeError(f"{name} must be {wanted.words}.", given=f"{name}={shown(value)}")

    def _namesake(self) -> str | None:
        """The operation of the same name that takes more arrays, if there is one: a user may have meant it."""
        for qualname, op in REGISTRY.items():
            if op.name == self.name and op.n_operands > self.n_operands:
                return f"For {op.n_operands} arrays there is sd.{qualname}({', '.join(op.operand_names)})."
        return None

    def usage(self) -> str:
        """The call as its documentation shows it."""
        parts = []
        keyword_only = False
        for p in list(self.signature.parameters.values())[1:]:
            if p.kind is p.KEYWORD_ONLY and not keyword_only and not self.variadic:
                keyword_only = True
                parts.append("*")
            text = ("*" if p.kind is p.VAR_POSITIONAL else "") + p.name
            if p.default is not p.empty:
                text += f"={p.default if isinstance(p.default, Enum) else repr(p.default)}"
            parts.append(text)
        return f"{self.name}({', '.join(parts)})"

    def trace(self, sd: AnyGraph, avals: tuple[Any, ...], attrs: Mapping[str, Any]) -> Body:
        """The composite's body for operands of these avals; traced once per signature."""
        assert self.body is not None
        key = (avals, attr_key({k: v for k, v in attrs.items() if k != STREAM}), sd.dtype)
        found = self._bodies.get(key)
        if found is not None:
            return found
        scratch = sd.scratch()
        names = [f"{self.operand_names[0]}_{k}" for k in range(len(avals))] if self.variadic else self.operand_names
        operands = [
            None if aval is None else scratch.placeholder(name, aval.shape, aval.dtype)
            for name, aval in zip(names, avals, strict=True)
        ]
        receiver = self.owner(scratch) if self.owner is not None else scratch
        keywords = {k: v for k, v in attrs.items() if k != STREAM}
        if self.operands_first:
            result = self.body(receiver, *operands, **keywords)
        else:
            result = self.body(receiver, **dict(zip(names, operands, strict=True)), **keywords)
        several = isinstance(result, tuple)
        outs = tuple(scratch.as_variable(r).id for r in (result if several else (result,)))
        aval = tuple(scratch.nodes[o].aval for o in outs) if several else scratch.nodes[outs[0]].aval
        params = tuple(-1 if v is None else v.id for v in operands)
        if len(self._bodies) >= _MAX_BODIES:
            self._bodies.clear()
        need = reachable(scratch.nodes, list(outs))
        is_random = any(n and STREAM in node.attrs for n, node in zip(need, scratch.nodes, strict=False))
        body = Body(scratch, params, outs, aval, need, is_random)
        self._bodies[key] = body
        return body

    def output_aval(self, sd: AnyGraph, avals: tuple[Any, ...], attrs: Mapping[str, Any]) -> Any:
        """The aval of the output (a tuple of them for several) for operands of these avals."""
        if self.infer is not None:
            return self.infer(*avals, **{k: v for k, v in attrs.items() if k != STREAM} if STREAM in attrs else attrs)
        return self.trace(sd, avals, attrs).aval

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


_MISSING: Any = object()

PLACEHOLDER = Op("placeholder", kind=VariableKind.PLACEHOLDER)
VARIABLE = Op("variable", kind=VariableKind.VARIABLE)
CONSTANT = Op("constant", kind=VariableKind.CONSTANT)


def _infer_item(avals: tuple[Aval, ...], *, index: int) -> Aval:
    return avals[index]


ITEM = Op("item", infer=_infer_item, kernel=lambda xp, values, index: values[index])
"""One output of an op that has several."""


def _flatten(args: tuple[Any, ...]) -> list[Any]:
    """Operands of a variadic op, given one by one or as one sequence."""
    return list(args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args)


_DEEPEST = 8
_LARGEST = 1_000_000


def freeze(name: str, value: Any, depth: int = 0) -> Any:
    """An attribute in its one hashable form: tuples for sequences, Python numbers for numpy's, dtypes for dtypes.

    Raises:
        ArgumentTypeError: For what cannot be kept in a graph, or shown in a message.
    """
    if name == "dtype":
        return None if value is None else as_dtype(value)
    if value is None or type(value) in (bool, str, float):
        return value
    try:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, list | tuple | range):
            if depth == _DEEPEST or len(value) > _LARGEST:
                raise _not_kept(name, value)
            return tuple([freeze("", v, depth + 1) for v in value])
        if isinstance(value, np.generic):
            return value.item()
        if type(value).__name__ == "SDVariable":
            raise ArgumentTypeError(
                f"{name or 'This argument'} is a fixed setting, not a tensor.",
                given=repr(value),
                expected="a Python value known when the graph is built",
            )
        if isinstance(value, int):
            float(value)
        _ = hash(value), repr(value)
    except SDGraphError:
        raise
    except Exception as e:
        # Whatever an object does when it is asked what it is.
        raise _not_kept(name, value) from e
    return value


def _not_kept(name: str, value: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"{name or 'This argument'} cannot be kept in a graph.",
        given=f"{type(value).__name__}: {shown(value)}",
        expected="a number, a text, or a sequence of them",
    )


def attr_key(attrs: Mapping[str, Any]) -> Any:
    """A hashable key that keeps apart what Python calls equal: 1, 1.0 and True, 0.0 and -0.0."""
    return tuple((k, v, type(v), str(v) if type(v) is float else "") for k, v in attrs.items()) if attrs else ()


def _method(op: Op, fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function users call: sorts its arguments and appends one node."""
    n, defaults = op.n_operands, op.attr_defaults
    quick = not op.variadic and not op.has_required_attrs and op.operands_first

    @functools.wraps(fn)
    def call(self: Any, *args: Any, name: str | None = None, **keywords: Any) -> Any:
        if quick and not keywords and len(args) == n:
            return self.sd.apply(op, args, defaults, name)
        operands, attrs = op.bind(args, keywords)
        return self.sd.apply(op, operands, attrs, name)

    call.op = op  # type: ignore[attr-defined]
    return call


def primitive(
    *,
    infer: Callable[..., Any],
    kernel: str | Callable[..., Any],
    vjp: Callable[..., Any],
    reach: Reach | Linear | None = None,
    masked_vjp: Callable[..., Any] | None = None,
    selects: bool = False,
    kernels: Mapping[str, str] = NO_ATTRS,
    domain: tuple[float, float] | None = None,
    is_view: bool = False,
    shape_only: bool = False,
    is_random: bool = False,
    literals: Mapping[str, str] = NO_ATTRS,
    total: Callable[..., Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make the decorated method an op with a shape rule, a kernel and a gradient rule of its own.

    The arguments are those of `Op`. ``vjp`` is required: an op that has no gradient says so with `NOT_DIFFERENTIABLE`.
    """

    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        op = Op(
            fn,
            infer=infer,
            kernel=kernel,
            vjp=vjp,
            reach=reach,
            masked_vjp=masked_vjp,
            selects=selects,
            kernels=kernels,
            domain=domain,
            is_view=is_view,
            shape_only=shape_only,
            is_random=is_random,
            literals=literals,
            total=total,
        )
        return _method(op, fn)

    return decorate


@overload
def composite(fn: Callable[P, R]) -> Callable[P, R]: ...
@overload
def composite(
    *,
    infer: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    reach: Reach | Linear | None = None,
    masked_vjp: Callable[..., Any] | None = None,
    leaves_out: bool = True,
    domain: tuple[float, float] | None = None,
    is_loss: bool = False,
    literals: Mapping[str, str] = NO_ATTRS,
    reads: Reading | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def composite(
    fn: Callable[..., Any] | None = None,
    *,
    infer: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    reach: Reach | Linear | None = None,
    masked_vjp: Callable[..., Any] | None = None,
    leaves_out: bool = True,
    domain: tuple[float, float] | None = None,
    is_loss: bool = False,
    literals: Mapping[str, str] = NO_ATTRS,
    reads: Reading | None = None,
) -> Any:
    """Make the decorated function one op whose shape, gradient and every engine follow from its body.

    With ``infer`` the body is traced only when all shapes are known, so it may look at them. With ``vjp`` the gradient
    is that rule instead of the body's.
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        op = Op(
            fn,
            infer=infer,
            vjp=vjp,
            reach=reach,
            masked_vjp=masked_vjp,
            leaves_out=leaves_out,
            body=fn,
            domain=domain,
            is_loss=is_loss,
            literals=literals,
            reads=reads,
        )
        return _method(op, fn)

    return decorate if fn is None else decorate(fn)


def register(op: Op, namespace: str, owner: type) -> None:
    """Enter an op into the registry under its namespace; the first owner keeps it."""
    if op.owner is None:
        op.namespace, op.owner = namespace, owner
        op.qualname = f"{namespace}.{op.name}" if namespace else op.name
        REGISTRY[op.qualname] = op
