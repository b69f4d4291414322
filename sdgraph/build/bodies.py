"""The ops that have functions among their settings: loops and branches, and what is known of their outputs.

A loop's outputs are its final carries, the number of steps, and every value inside of its body, stacked over the steps:
which of them are made is decided when a plan is. So a gradient asks the loop that is there already for what it reads.
Its operands are a limit of steps if it is counted, what the body captured, the carries, and what it runs over. Must not
know how they are lowered, differentiated or run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.build.builder import output_names
from sdgraph.build.function import Function
from sdgraph.build.kinds import ABSENT, AnyGraph
from sdgraph.build.op import ITEM, STREAM, Op
from sdgraph.build.signature import Signature
from sdgraph.build.variable import SDVariable
from sdgraph.errors import DTypeError, SDGraphError, ShapeError
from sdgraph.infer.aval import Aval, Dim, shape_str

COUNT: Final = Aval((), np.dtype("int64"))
"""What is known of a number of steps."""


class Parts(NamedTuple):
    """Where the kinds of a loop's operands begin."""

    captured: int
    carries: int
    xs: int

    @classmethod
    def of(cls, attrs: Mapping[str, Any], n: int) -> Parts:
        """Those of a loop with ``n`` operands."""
        xs = n - attrs["n_xs"]
        return cls(int(attrs["counted"]), xs - attrs["n_carry"], xs)


def length_of(attrs: Mapping[str, Any], xs: Sequence[Aval]) -> Dim:
    """How many steps a loop makes at most; None where that is not known.

    Raises:
        ShapeError: If it runs over arrays of different lengths.
    """
    known = {a.shape[0] for a in xs if type(a.shape[0]) is int}
    if attrs["length"] is not None:
        known.add(attrs["length"])
    if len(known) > 1:
        said = "" if attrs["length"] is None else f", length={attrs['length']}"
        raise ShapeError(
            "A loop runs over sequences of one length.",
            given=", ".join(map(str, xs)) + said,
            expected="the same size of the first axis everywhere",
        )
    return known.pop() if known else xs[0].shape[0] if xs else None


def _loop_avals(*avals: Aval, **attrs: Any) -> tuple[Any, ...]:
    parts = Parts.of(attrs, len(avals))
    n = length_of(attrs, avals[parts.xs :])
    known = bool(attrs["n_xs"]) or n is not None
    stacks = [Aval((n, *a.shape), a.dtype) if known and type(a) is Aval else None for a in attrs["body"].avals]
    return (*avals[parts.carries : parts.xs], COUNT, *stacks)


def carry_changes(what: str, was: Aval, now: Aval) -> SDGraphError:
    """The error for a carry that is something else after a step than before it."""
    kind = DTypeError if was.dtype != now.dtype else ShapeError
    start = f"a {now.dtype.name} value" if was.dtype != now.dtype else f"a value of shape {shape_str(now.shape)}"
    return kind(
        f"{what} must keep its shape and dtype from step to step.",
        given=f"{was} in, {now} out",
        fix=f"Cast or reshape what the body returns, or start with {start}.",
    )


def may_be(was: Aval, now: Aval) -> bool:
    """Whether two avals may turn out to be one: where a size is not known it may be any."""
    return (
        was.dtype == now.dtype
        and len(was.shape) == len(now.shape)
        and all(d == e or type(d) is not int or type(e) is not int for d, e in zip(was.shape, now.shape, strict=True))
    )


def joined(place: str, avals: Sequence[Aval]) -> Aval:
    """What is known of a result that each branch gives.

    Raises:
        SDGraphError: If they cannot be of one shape and dtype.
    """
    first = avals[0]
    for a in avals[1:]:
        if not may_be(first, a):
            raise (DTypeError if a.dtype != first.dtype else ShapeError)(
                f"The branches return different things{place}.",
                given=" and ".join(map(str, avals)),
                expected="one shape and dtype",
                fix="Cast or reshape one of them.",
            )
    dims = zip(*(a.shape for a in avals), strict=True)
    return Aval(tuple(next((d for d in ds if type(d) is int), ds[0]) for ds in dims), first.dtype)


def _branch_avals(index: Aval, *avals: Any, branches: tuple[Function, ...], **_: Any) -> tuple[Aval, ...]:
    rows = [[f.graph.nodes[o].aval for o in f.outs] for f in branches]
    return tuple(joined(f" at place {k}", column) for k, column in enumerate(zip(*rows, strict=True)))


def _run(xp: Any, *operands: Any, run: Any) -> Any:
    """What the engine made of the op, on arrays."""
    return run(*operands)


def _everything(masks: Any, y: Any, *operands: Any, **_: Any) -> list[Any]:
    """All of every operand counts if anything of the results does."""
    return [masks[0].pool.everything] * len(operands)


def _by_the_driver(*_: Any, **__: Any) -> None:
    """A gradient of functions is made where graphs are differentiated."""


_OPERANDS: Final = Signature(None, (), ("operands",), {}, (), {}, variadic=True)


def _op(name: str, infer: Any) -> Op:
    return Op(name, _OPERANDS, infer=infer, kernel=_run, vjp=_by_the_driver, reach=_everything, has_bodies=True)


SCAN: Final = _op("scan", _loop_avals)
WHILE_LOOP: Final = _op("while_loop", _loop_avals)
COND: Final = _op("cond", _branch_avals)
SWITCH: Final = _op("switch", _branch_avals)
WITH_BODIES: Final[Mapping[str, Op]] = {op.name: op for op in (SCAN, WHILE_LOOP, COND, SWITCH)}
"""By name, as files know them."""
LOOPS: Final = (SCAN, WHILE_LOOP)


def bodies_of(attrs: Mapping[str, Any]) -> tuple[Function, ...]:
    """The functions among the settings of a call."""
    return (attrs["body"],) if "body" in attrs else attrs.get("branches", ())


def in_words(op: Op, attrs: Mapping[str, Any], aval: Any) -> str:
    """A loop or a choice as a line shows it: with how often it runs, or with how many branches there are.

    Args:
        op: The op.
        attrs: Its settings.
        aval: What is known of all its outputs.
    """
    if op not in LOOPS:
        return op.name if op is COND else f"{op.name} of {len(attrs['branches'])}"
    if attrs["test"]:
        return op.name if attrs["length"] is None else f"{op.name} ≤ {attrs['length']}"
    n = attrs["length"]
    if n is None:
        n = next((a.shape[0] for a in aval[attrs["n_carry"] + 1 :] if a is not None), None)
    return f"{op.name} × {'?' if n is None else n}"


def output_place(op: Op, attrs: Mapping[str, Any], index: int) -> int | str:
    """How the output of a number is called among those that a user asked for; by its name in the body if it is none."""
    if op not in LOOPS or index <= attrs["n_carry"]:
        return index
    f, n = attrs["body"], attrs["n_carry"]
    i = index - n - 1
    stacked = f.outs[n:]
    return n + stacked.index(i) if i in stacked else f.graph.nodes[i].name


def append(
    sd: AnyGraph,
    op: Op,
    operands: Sequence[SDVariable | None],
    attrs: Mapping[str, Any],
    name: str | None = None,
    n_named: int = 1,
) -> tuple[SDVariable, list[str]]:
    """Append the node of a loop or of branches; return it, and names for its first outputs.

    Outputs are items, which are made when they are asked for.
    """
    if any(f.is_random for f in bodies_of(attrs)) and STREAM not in attrs:
        attrs = {**attrs, STREAM: (len(sd.nodes),)}
    told = {k: v for k, v in attrs.items() if k != STREAM}
    assert op.infer is not None
    aval = op.infer(*(None if v is None else v.aval for v in operands), **told)
    base = sd.names.free(op.name) if name is None else sd.names.full(name)
    names, whole = output_names(sd, base, max(n_named, 1), name is not None, op.name)
    inputs = tuple(ABSENT if v is None else v.id for v in operands)
    return sd.handle(sd.append(op, inputs, attrs, aval, whole)), names


def item(sd: AnyGraph, whole: SDVariable, k: int, name: str | None = None, *, given: bool = False) -> SDVariable:
    """One output of a node that has several."""
    if name is None:
        name = sd.names.free(ITEM.name)
    return sd.handle(sd.append(ITEM, (whole.id,), {"index": k}, whole.node.aval[k], name, given=given))
