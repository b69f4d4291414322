"""The signature of an op: which parameters are tensors and which are settings, and how a call is sorted into them.

Must not know what an op does.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, get_args

from sdgraph.build.attributes import Scalar, freeze, scalar
from sdgraph.build.kinds import NO_ATTRS
from sdgraph.errors import ArgumentTypeError
from sdgraph.wording import did_you_mean


class _Mark:
    """Tells one annotation from all others."""

    def __repr__(self) -> str:
        return "sdgraph.Operand"


OPERAND: Final = _Mark()
"""What `sdgraph.Operand` is marked with, so that it is known under whatever name it was imported."""

MISSING: Final[Any] = object()
_DOTTED: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


class Signature(NamedTuple):
    """What a call of an op takes."""

    fn: Callable[..., Any] | None = None
    """The decorated function; its first parameter is the namespace."""
    names: tuple[str, ...] = ()
    """All parameters but that, in their order."""
    operand_names: tuple[str, ...] = ()
    operand_defaults: Mapping[str, Any] = NO_ATTRS
    attr_names: tuple[str, ...] = ()
    attr_defaults: Mapping[str, Any] = NO_ATTRS
    scalars: Mapping[str, Scalar] = NO_ATTRS
    positional: tuple[str, ...] = ()
    """What may be given by position: an op may take attributes so before operands that are keyword-only."""
    variadic: bool = False

    @property
    def written(self) -> inspect.Signature:
        """As the decorated function has it."""
        return inspect.Signature() if self.fn is None else inspect.signature(self.fn)

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """All parameters by name, the namespace included."""
        return self.written.parameters

    @property
    def return_annotation(self) -> Any:
        """What the function says it returns."""
        return self.written.return_annotation

    @property
    def leading(self) -> tuple[str, ...]:
        """The settings that come before the operands of an op that takes any number of them."""
        return tuple(k for k in self.positional if k in self.attr_names) if self.variadic else ()

    @property
    def operands_first(self) -> bool:
        """Whether the operands may be given by position before everything else."""
        return self.variadic or self.positional[: len(self.operand_names)] == self.operand_names

    @property
    def has_required_attrs(self) -> bool:
        """Whether some attribute has no default."""
        return len(self.attr_defaults) != len(self.attr_names)

    def is_optional(self, k: int) -> bool:
        """Whether the operand at position ``k`` may be absent."""
        return not self.variadic and self.operand_defaults.get(self.operand_names[k], MISSING) is None

    def names_of(self, n: int) -> tuple[str, ...]:
        """A name for each of ``n`` operands."""
        return tuple(f"{self.operand_names[0]}_{k}" for k in range(n)) if self.variadic else self.operand_names

    def sorted_out(self, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[list[Any], Any]:
        """The operands of a call and the settings that it gives, as they are given.

        Written out because inspect.Signature.bind takes ten times as long as appending the node.
        """
        if self.variadic:
            ahead = [k for k in self.leading if k not in keywords][: len(args)]
            return _flatten(args[len(ahead) :]), {**dict(zip(ahead, args, strict=False)), **keywords}
        positional = self.positional
        if len(args) > len(positional):
            raise ArgumentTypeError(
                f"{name} takes {len(positional)} arguments, {len(args)} were given.", expected=self.usage(name)
            )
        given = dict(zip(positional, args, strict=False))
        for k in keywords.keys() & given.keys():
            raise ArgumentTypeError(f"{name} got {k!r} twice.", expected=self.usage(name))
        given.update(keywords)
        operands = [given.pop(k, self.operand_defaults.get(k, MISSING)) for k in self.operand_names]
        for k, v in zip(self.operand_names, operands, strict=True):
            if v is MISSING:
                raise ArgumentTypeError(f"{name} lacks its argument {k!r}.", expected=self.usage(name))
        return operands, given

    def setting(self, name: str, k: str, value: Any) -> Any:
        """A value for attribute ``k`` in the form in which a graph keeps it."""
        if k not in self.attr_names:
            raise ArgumentTypeError(
                f"{name} has no argument {k!r}.",
                expected=self.usage(name),
                fix=did_you_mean(k, self.operand_names + self.attr_names),
            )
        value = freeze(k, value)
        wanted = self.scalars.get(k)
        if wanted is not None:
            wanted.check(k, value)
        return value

    def usage(self, name: str) -> str:
        """The call as its documentation shows it."""
        return written(name, list(self.parameters.values())[1:])

    def with_cotangents(self, n: int, n_outputs: int, n_masks: int) -> Signature:
        """That of the op's gradient, for a call with ``n`` operands: these, a cotangent per output, and masks."""
        names = self.names_of(n)
        gs, lives = _free_prefix("g", names), _free_prefix("live", names)
        names = (*names, *(f"{gs}{m or ''}" for m in range(n_outputs)), *(f"{lives}{m or ''}" for m in range(n_masks)))
        return Signature(
            None,
            (),
            names,
            dict.fromkeys(names),
            self.attr_names,
            self.attr_defaults,
            positional=names,
        )


NO_SIGNATURE: Final = Signature()


def written(name: str, parameters: Iterable[inspect.Parameter]) -> str:
    """A call with all that it takes, without annotations.

    Example:
        >>> def f(x, *, axis=None): ...
        >>> written("sd.f", inspect.signature(f).parameters.values())
        'sd.f(x, *, axis=None)'
    """
    parts = []
    keyword_only = False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
        keyword_only = keyword_only or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        text = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        if p.default is not p.empty:
            text += f"={p.default if isinstance(p.default, Enum) else repr(p.default)}"
        parts.append(text)
    return f"{name}({', '.join(parts)})"


class Parameter(NamedTuple):
    """A parameter of a function."""

    name: str
    annotation: Any
    default: Any = MISSING
    is_positional: bool = True
    is_variadic: bool = False


def parameters_of(fn: Any) -> list[Parameter]:
    """The parameters of a method, without the first.

    Read off the function itself: `inspect.signature` for each op would take a quarter of the time of the import.
    """
    fn = inspect.unwrap(fn)
    code, annotations = fn.__code__, fn.__annotations__
    n, names = code.co_argcount, code.co_varnames
    defaults = fn.__defaults__ or ()
    found = [
        Parameter(name, annotations.get(name), defaults[k - n + len(defaults)] if k >= n - len(defaults) else MISSING)
        for k, name in enumerate(names[:n])
    ]
    m = n + code.co_kwonlyargcount
    if code.co_flags & inspect.CO_VARARGS:
        found.append(Parameter(names[m], annotations.get(names[m]), is_positional=False, is_variadic=True))
    keyword_only = fn.__kwdefaults__ or {}
    found += [Parameter(k, annotations.get(k), keyword_only.get(k, MISSING), is_positional=False) for k in names[n:m]]
    return found[1:]


def signature_of(fn: Callable[..., Any]) -> Signature:
    """Read a function's signature: an annotation that mentions ``Operand`` makes a parameter a tensor."""
    parameters = parameters_of(fn)
    operands: list[Parameter] = []
    attrs: list[Parameter] = []
    for p in parameters:
        if p.name != "name":
            (operands if _is_operand(p.annotation, fn) else attrs).append(p)
    return Signature(
        fn,
        tuple(p.name for p in parameters),
        tuple(p.name for p in operands),
        {p.name: p.default for p in operands if p.default is not MISSING},
        tuple(p.name for p in attrs),
        {p.name: freeze(p.name, p.default) for p in attrs if p.default is not MISSING},
        {p.name: found for p in attrs if (found := scalar(p.annotation)) is not None},
        tuple(p.name for p in parameters if p.is_positional),
        any(p.is_variadic for p in operands),
    )


def _is_operand(annotation: Any, fn: Any) -> bool:
    """Whether an annotation mentions `sdgraph.Operand`, as itself, under another name or inside of others.

    Of a text only the names are looked up: evaluating it as a whole would fail for what is imported for type checkers
    only. A name ``Operand`` that is so means ours.
    """
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if text is not None:
        if getattr(fn, "__module__", "").startswith("sdgraph."):
            return "Operand" in text  # All of ours call it so, and looking names up takes a tenth of the import.
        return any(_names_operand(dotted, fn) for dotted in _DOTTED.findall(text))
    marks = getattr(annotation, "__metadata__", ())
    if any(mark is OPERAND for mark in marks):
        return True
    inside = get_args(annotation)[:1] if marks else get_args(annotation)
    alias = getattr(annotation, "__value__", None)  # That of a statement ``type Tensor = ...``.
    return any(_is_operand(part, fn) for part in (inside if alias is None else (alias,)))


def _names_operand(dotted: str, fn: Any) -> bool:
    first, *rest = dotted.split(".")
    value = _looked_up(first, fn)
    if value is MISSING:
        return "Operand" in (first, *rest)
    for part in rest:
        value = getattr(value, part, None)
    return not isinstance(value, str) and _is_operand(value, fn)


def _looked_up(name: str, fn: Any) -> Any:
    """What a name stands for where the function is written: in its module, or in what is being run there."""
    scope = getattr(fn, "__globals__", {})
    if name in scope:
        return scope[name]
    frame = sys._getframe(1)
    while frame.f_globals is not scope and frame.f_back is not None:
        frame = frame.f_back
    while frame is not None and frame.f_globals is scope:
        if name in frame.f_locals:
            return frame.f_locals[name]
        frame = frame.f_back
    return MISSING


def _flatten(args: tuple[Any, ...]) -> list[Any]:
    """Operands of a variadic op, given one by one or as one sequence."""
    return list(args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args)


def _free_prefix(prefix: str, names: tuple[str, ...]) -> str:
    """The prefix itself, or with its first letter repeated until no name begins with it."""
    while any(name.startswith(prefix) for name in names):
        prefix = prefix[0] + prefix
    return prefix
