"""Bodies of loops and branches, traced once from Python functions, and looked at. Must not know what they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build import inside
from sdgraph.build.bodies import carry_changes, may_be
from sdgraph.build.function import Function, function_of
from sdgraph.build.kinds import ABSENT, AnyGraph
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, shown

Fn = Callable[..., Any]


class Nested(NamedTuple):
    """Variables, and how they were nested."""

    flat: list[SDVariable]
    kind: Any

    @classmethod
    def of(cls, sd: AnyGraph, tree: Any) -> Nested:
        """What a caller gave, as variables of the graph."""
        flat, kind = inside.flattened(tree)
        return cls([variable(sd, x) for x in flat], kind)

    def filled(self, flat: Sequence[Any]) -> Any:
        """Other things, nested alike."""
        return inside.rebuilt(self.kind, iter(flat))


class Traced(NamedTuple):
    """A traced body: what it computes, what it captured, and what it is to be stacked."""

    body: Function
    captured: list[SDVariable]
    stacked: list[int]
    """The nodes of the body to stack."""
    ys: Nested


def variable(sd: AnyGraph, x: Any, dtype: np.dtype[Any] | None = None) -> SDVariable:
    """A variable for what a caller gave. A whole number that stands alone is a counter, unless there is a dtype."""
    if type(x) is bool:
        x = np.asarray(x)
    elif isinstance(x, int | float):
        x = np.asarray(x, dtype or (np.int64 if isinstance(x, int) else sd.dtype))
    return sd.as_variable(x)


def looped(
    sd: AnyGraph,
    step: Callable[[Any, Any], Any],
    carry: Nested,
    xs: Nested | None = None,
    test: Fn | None = None,
) -> Traced:
    """The body of a loop, for carries and slices of these forms.

    Args:
        sd: The graph of the loop.
        step: From carries and slices to new carries and what is stacked.
        carry: What it starts with.
        xs: What it runs over, if that is anything.
        test: From carries to whether there is another step.
    """
    with inside.tracing(sd) as body:
        hs = [body.placeholder(body.names.free("carry"), v.shape, v.dtype) for v in carry.flat]
        seqs = [] if xs is None else xs.flat
        slices = [body.placeholder(body.names.free("x"), v.shape[1:], v.dtype) for v in seqs]
        check = None if test is None else _tested(body, test(carry.filled(hs)))
        new, ys = _returned(step(carry.filled(hs), None if xs is None else xs.filled(slices)))
        outs = _carried(body, carry, hs, new)
        stacks = Nested.of(body, ys)
        captured = inside.captures(body)
        params = [*captured.values(), *(v.id for v in hs), *(v.id for v in slices)]
        results = [*outs, *stacks.flat, *([] if check is None else [check])]
        f, moved = function_of(body, params, [v.id for v in results])
        return Traced(f, [sd.handle(i) for i in captured], [moved[v.id] for v in stacks.flat], stacks)


def _returned(result: Any) -> tuple[Any, Any]:
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise ArgumentTypeError(
        "The body of a scan returns two things.",
        given=shown(result),
        expected="(new carry, what to stack), either of which may be None",
    )


def _tested(body: AnyGraph, found: Any) -> SDVariable:
    check = variable(body, found)
    if check.dtype.kind != "b" or check.shape != ():
        raise DTypeError(
            "The condition of a loop is one truth value.",
            given=str(check.aval),
            expected="bool ()",
            fix="Compare, as in v > 0; of an array take sd.all(...) or sd.any(...).",
        )
    return check


def _carried(body: AnyGraph, carry: Nested, before: Sequence[SDVariable], new: Any) -> list[SDVariable]:
    """The new carries, which have the forms of the old ones."""
    flat, kind = inside.flattened(new)
    if _form(kind) != _form(carry.kind):
        raise ArgumentError(
            "The body must return carries nested as it gets them.",
            given=inside.in_words(kind),
            expected=inside.in_words(carry.kind),
        )
    outs = [variable(body, x, was.dtype) for x, was in zip(flat, before, strict=True)]
    for place, was, now in zip(inside.places(carry.kind, "carry"), before, outs, strict=True):
        if not may_be(was.aval, now.aval):
            raise carry_changes("The carry" if place == "carry" else place, was.aval, now.aval)
    return outs


def _form(kind: Any) -> Any:
    """A structure in which lists and tuples are the same."""
    if kind is None or kind == inside.ONE:
        return kind
    _, keys, kinds = kind
    if keys is not None:
        return dict(zip(keys, map(_form, kinds), strict=True))
    return [_form(k) for k in kinds]


def branched(
    sd: AnyGraph, branches: Sequence[Fn], operands: Sequence[Any]
) -> tuple[tuple[Function, ...], list[SDVariable], Nested]:
    """Branches that take the same operands: what any of them captured. With it what they give, as the first does."""
    traced: list[tuple[AnyGraph, list[Any], Any]] = []
    used: dict[int, None] = {}
    for fn in branches:
        with inside.tracing(sd) as body:
            flat, kind = inside.flattened(fn(*operands))
            flat = [x if _is_number(x) else body.as_variable(x) for x in flat]
        traced.append((body, flat, kind))
        used |= dict.fromkeys(inside.captures(body))
    first = traced[0][2]
    for _, _, kind in traced[1:]:
        if _form(kind) != _form(first):
            raise ArgumentError(
                "The branches return different structures.",
                given=f"{inside.in_words(first)} and {inside.in_words(kind)}",
                expected="as many results from each, nested alike",
            )
    columns = list(zip(*(flat for _, flat, _ in traced), strict=True))
    dtypes = [next((x.dtype for x in column if type(x) is SDVariable), None) for column in columns]
    functions = []
    for body, flat, _ in traced:
        closed, body.table.inner = body.table.inner, None
        outs = [variable(body, x, dtype) for x, dtype in zip(flat, dtypes, strict=True)]
        body.table.inner = closed
        captured = inside.captures(body)
        f, moved = function_of(body, list(captured.values()), [v.id for v in outs])
        params = [moved[captured[i]] if i in captured else ABSENT for i in used]
        functions.append(Function(f.graph, params, f.outs))
    return tuple(functions), [sd.handle(i) for i in used], Nested([], first)


def checked_function(what: str, fn: Any) -> Fn:
    """A function that a caller gave to be traced.

    Raises:
        ArgumentTypeError: If it is none.
    """
    if not callable(fn):
        raise ArgumentTypeError(f"{what} is a function.", given=shown(fn), expected="a function of variables")
    return fn


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float)


def checked_rank(v: SDVariable) -> None:
    """Raise ShapeError for a variable without an axis to run over."""
    if not v.shape:
        raise ShapeError(
            "A scan runs over the first axis of xs.", given=f"{v.name!r}, {v.aval}", expected="one axis or more"
        )
