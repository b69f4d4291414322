"""The two decorators that make an op of a method: all that is said about it is said there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypedDict, TypeVar, overload

from sdgraph.build.annotations import readable, signature_in_words, unquote
from sdgraph.build.corrected import tell
from sdgraph.build.docstrings import cleaned
from sdgraph.build.op import HELPERS, Op
from sdgraph.build.signature import signature_of
from sdgraph.errors import SDGraphError

if TYPE_CHECKING:
    from typing import Unpack

    from sdgraph.build.methods import OpMethod
    from sdgraph.build.op import Linear, Reach
    from sdgraph.build.reading import Reading

P = ParamSpec("P")
R = TypeVar("R")


class Facts(TypedDict, total=False):
    """What may be said about any op; `Op` tells what each of them means."""

    reach: Reach | Linear | None
    masked_vjp: Callable[..., Any] | None
    domain: tuple[float, float] | None
    literals: Mapping[str, str]
    settle: Callable[..., Any] | None
    advice: str | None
    inference: Callable[..., Any] | None
    passes_on: int | None
    commutes: bool
    shape_of: tuple[int, ...]
    reads: Reading | None


class PrimitiveFacts(Facts, total=False):
    """What may be said about an op with a kernel of its own."""

    without_gradient: tuple[int, ...]
    selects: bool
    kernels: Mapping[str, Any]
    is_view: bool
    is_strided: bool
    places: Callable[..., Any] | None
    is_random: bool
    total: Callable[..., Any] | None


class CompositeFacts(Facts, total=False):
    """What may be said about an op made of others."""

    infer: Callable[..., Any] | None
    grows: bool
    vjp: Callable[..., Any] | None
    leaves_out: bool
    is_loss: bool


@readable
def primitive(
    *,
    infer: Callable[..., Any],
    kernel: str | Callable[..., Any],
    vjp: Callable[..., Any],
    **facts: Unpack[PrimitiveFacts],
) -> Callable[[Callable[Concatenate[Any, P], R]], OpMethod[P, R]]:
    """Make the decorated method an op with a shape rule, a kernel and a gradient rule of its own.

    The arguments are those of `sdgraph.build.op.Op`. ``vjp`` is required: an op that has no gradient says so with
    `NOT_DIFFERENTIABLE`.
    """

    def decorate(fn: Callable[Concatenate[Any, P], R]) -> OpMethod[P, R]:
        return _method(fn, infer=infer, kernel=kernel, vjp=vjp, **facts)

    return decorate


@overload
def composite(fn: Callable[Concatenate[Any, P], R]) -> OpMethod[P, R]: ...
@overload
def composite(**facts: Unpack[CompositeFacts]) -> Callable[[Callable[Concatenate[Any, P], R]], OpMethod[P, R]]: ...
def composite(fn: Callable[..., Any] | None = None, **facts: Any) -> Any:
    """Make the decorated function one op whose shape, gradient and every engine follow from its body.

    The arguments are those of `sdgraph.build.op.Op`. With ``infer`` the body is traced only when all shapes are known,
    so it may look at them. With ``vjp`` the gradient is that rule instead of the body's.
    """

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        return _method(fn, body=fn, **facts)

    return decorate if fn is None else decorate(fn)


readable(composite)


def _method(fn: Callable[..., Any], **rules: Any) -> Any:
    """The function users call: sorts its arguments and appends one node."""
    op = Op(fn.__name__, signature_of(fn), cleaned(fn.__doc__) or None, **rules)
    unquote(fn)
    if fn.__module__.startswith("sdgraph.") and fn.__qualname__ == fn.__name__:
        HELPERS.setdefault(op.name, op)
    signature, n, defaults = op.signature, op.n_operands, op.attr_defaults
    quick = not signature.variadic and not signature.has_required_attrs and signature.operands_first

    @functools.wraps(fn)
    def call(self: Any, *args: Any, name: str | None = None, **keywords: Any) -> Any:
        try:
            if quick and not keywords and len(args) == n:
                return self.sd.apply(op, args, defaults, name)
            operands, attrs = op.bind(args, keywords)
            return self.sd.apply(op, operands, attrs, name)
        except SDGraphError as e:
            tell(e, op, args, keywords, name)
            raise

    call.op = op  # type: ignore[attr-defined]
    if not all(isinstance(text, str) for text in fn.__annotations__.values()):
        call.__signature__ = signature_in_words(fn)  # type: ignore[attr-defined]
    return call
