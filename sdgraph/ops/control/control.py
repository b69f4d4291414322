"""Loops and branches: `scan`, `while_loop`, `cond`, `switch`.

Each traces Python functions once and appends one node, which stays one in pictures, gradients and files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sdgraph.build import inside
from sdgraph.build.bodies import COND, SCAN, SWITCH, WHILE_LOOP, append, item, length_of
from sdgraph.build.kinds import AnyGraph
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import Op
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, is_whole, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, shown
from sdgraph.ops.control.traced import Nested, Traced, branched, checked_function, checked_rank, looped, variable


class SDControl(Namespace, prefix=""):
    """Loops and branches of a graph."""

    def scan(
        self,
        body: Callable[[Any, Any], tuple[Any, Any]],
        init: Any,
        xs: Any = None,
        *,
        length: int | None = None,
        reverse: bool = False,
        checkpoint: bool | int = False,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        """A loop over the first axis of arrays that carries values from step to step and stacks what each step gives.

        Step t computes ``carry, y[t] = body(carry, x[t])``. It is one node, whose gradients of any order are loops, and
        a run may tell how long it is. It means what ``scan`` of JAX means.

        Args:
            body: Called once, with variables that stand for the carry and for one entry of xs; returns the new carry
                and what to stack. It is written with the operations of the same graph; variables of the graph that it
                uses become operands by themselves.
            init: The carry of the first step: a variable, a number or an array; or tuples, lists and dicts of them; or
                None. A whole number is a counter, int64.
            xs: What to run over: one or more such, all of the same length; None for a loop that only counts.
            length: Number of steps; it need not be told where there is xs.
            reverse: Run from the last entry to the first; results are stacked at the places of their entries.
            checkpoint: Whether the gradient keeps the carries alone and computes everything else again. With a number k
                only each k-th carry is kept; the number of steps must be known, and a multiple of k.
            name: Name of the first result; the others are ``name:1``, ``name:2`` and so on, carries first.

        Returns:
            The last carry and the stacked results, nested as the body returns them.

        Raises:
            ShapeError: If a carry changes its shape, or xs have different lengths.
            DTypeError: If a carry changes its dtype.
            ArgumentError: If the body returns carries that are nested in another way.
            ArgumentTypeError: If the body returns something else than two things.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", shape=("time",))
            >>> def body(total, x):
            ...     return total + x, total * x
            >>> total, products = sd.scan(body, 0.0, x)
            >>> feeds = {"x": [1.0, 2.0, 3.0, 4.0]}
            >>> total.eval(feeds), products.eval(feeds)
            (array(10., dtype=float32), array([ 0.,  2.,  9., 24.], dtype=float32))
        """
        sd = inside.innermost(self.sd)
        flag("reverse", reverse)
        checked_function("The body of a scan", body)
        if length is not None:
            whole("length", length, least=0)
        with sd.transaction():
            carry = Nested.of(sd, init)
            over = Nested.of(sd, xs)
            for v in over.flat:
                checked_rank(v)
            n = length_of({"length": length}, [v.aval for v in over.flat])
            if n is None and not over.flat:
                raise ArgumentError("A scan needs something to run over: xs, or a length.")
            if not isinstance(checkpoint, bool):
                return _chunked(sd, body, carry, over, n, reverse, checkpoint, name)
            found = looped(sd, body, carry, over)
            attrs = _attrs(found, carry, len(over.flat), length, reverse, checkpoint)
            return _results(sd, SCAN, found, carry, over.flat, attrs, name)

    def while_loop(
        self,
        cond: Callable[[Any], Any],
        body: Callable[[Any], Any],
        init: Any,
        *,
        max_steps: int | None = None,
        name: str | None = None,
    ) -> Any:
        """A loop that goes on while a condition holds: ``while cond(carry): carry = body(carry)``.

        Args:
            cond: Called once, with variables that stand for the carry; returns a bool scalar.
            body: Called once, with the same; returns the new carry. Both are written with the operations of the same
                graph, whose variables they may use.
            init: The carry of the first step, as in `scan`.
            max_steps: How many steps there are at most; then the loop ends whatever the condition says. It gives the
                loop a gradient, which keeps values of so many steps.
            name: Name of the first result; the others are ``name:1`` and so on.

        Returns:
            The first carry for which the condition does not hold.

        Raises:
            ShapeError: If a carry changes its shape.
            DTypeError: If a carry changes its dtype, or the condition is no bool scalar.
            ArgumentError: If the body returns carries that are nested in another way.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> a = sd.placeholder("a")
            >>> def far(x):
            ...     return sd.math.abs(x * x - a) > 1e-12
            >>> def newton(x):
            ...     return 0.5 * (x + a / x)
            >>> root = sd.while_loop(far, newton, a, max_steps=50)
            >>> [round(float(v.eval({"a": 2.0})), 9) for v in (root, sd.grad(root, a))]
            [1.414213562, 0.353553391]
        """
        sd = inside.innermost(self.sd)
        checked_function("The condition of a loop", cond)
        checked_function("The body of a loop", body)
        if max_steps is not None:
            whole("max_steps", max_steps, least=0)
        with sd.transaction():
            carry = Nested.of(sd, init)
            found = looped(sd, lambda h, _: (body(h), None), carry, test=cond)
            attrs = _attrs(found, carry, 0, max_steps, False, False, test=True)
            return _results(sd, WHILE_LOOP, found, carry, [], attrs, name)[0]

    def cond(
        self,
        pred: Any,
        on_true: Callable[..., Any],
        on_false: Callable[..., Any],
        *operands: Any,
        name: str | None = None,
    ) -> Any:
        """One of two computations, of which only the one that is chosen is run. SameDiff calls it ``ifCond``.

        What the other one would have given, NaN too, reaches neither the result nor its gradient. For a choice between
        elements there is `where`.

        Args:
            pred: A bool scalar.
            on_true: Called once, with the operands; returns what is wanted where ``pred`` holds: a variable, a number,
                or tuples, lists and dicts of them. It may use variables of the graph as it is.
            on_false: The same where it does not. Both give the same shapes and dtypes.
            *operands: What both are called with.
            name: Name of the first result; the others are ``name:1`` and so on.

        Returns:
            What the chosen one gives.

        Raises:
            DTypeError: If ``pred`` is no truth value, or dtypes of the branches differ.
            ShapeError: If shapes of the branches differ.
            ArgumentError: If they are nested in another way.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x")
            >>> y = sd.cond(x > 0, lambda: sd.math.log(x), lambda: x)
            >>> y.eval({"x": 1.0}), sd.grad(y, x).eval({"x": -2.0})
            (array(0., dtype=float32), array(1., dtype=float32))
        """
        return _branches(self.sd, COND, pred, (on_false, on_true), operands, name)

    if_cond = cond

    def switch(
        self, index: Any, branches: Sequence[Callable[..., Any]], *operands: Any, name: str | None = None
    ) -> Any:
        """One of several computations, of which only the one that is chosen is run.

        Args:
            index: A whole number, which one; below 0 it is the first, beyond the end the last.
            branches: Functions as those of `cond`.
            *operands: What they are called with.
            name: Name of the first result; the others are ``name:1`` and so on.

        Returns:
            What the chosen one gives.

        Raises:
            DTypeError: If ``index`` is no whole number, or dtypes of the branches differ.
            ShapeError: If shapes of the branches differ.
            ArgumentError: If there is no branch, or they are nested in another way.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x, k = sd.placeholder("x"), sd.placeholder("k", dtype="int64")
            >>> y = sd.switch(k, [lambda x: x, lambda x: x * x, lambda x: x**3], x)
            >>> [float(y.eval({"x": 2.0, "k": k})) for k in (-1, 0, 1, 2, 3)]
            [2.0, 2.0, 4.0, 8.0, 8.0]
        """
        return _branches(self.sd, SWITCH, index, branches, operands, name)


def _attrs(
    found: Traced, carry: Nested, n_xs: int, length: int | None, reverse: bool, checkpoint: bool, *, test: bool = False
) -> dict[str, Any]:
    return {
        "body": found.body,
        "n_carry": len(carry.flat),
        "n_xs": n_xs,
        "length": length,
        "reverse": reverse,
        "test": test,
        "counted": False,
        "checkpoint": checkpoint,
    }


def _results(
    sd: AnyGraph,
    op: Op,
    found: Traced,
    carry: Nested,
    over: Sequence[SDVariable],
    attrs: dict[str, Any],
    name: str | None,
) -> tuple[Any, Any]:
    """Append a loop, and its results: carries and what is stacked."""
    n = len(carry.flat)
    operands = [*found.captured, *carry.flat, *over]
    whole, names = append(sd, op, operands, attrs, name, n + len(found.stacked))
    given = name is not None
    finals = [item(sd, whole, k, names[k], given=given) for k in range(n)]
    stacks = [
        item(sd, whole, n + 1 + i, label, given=given) for i, label in zip(found.stacked, names[n:], strict=False)
    ]
    return carry.filled(finals), found.ys.filled(stacks)


def _chunked(
    sd: AnyGraph,
    body: Callable[[Any, Any], Any],
    carry: Nested,
    over: Nested,
    n: Any,
    reverse: bool,
    every: Any,
    name: str | None,
) -> tuple[Any, Any]:
    """A scan of scans. The outer one keeps its carries alone; what is inside is computed again by the gradient."""
    whole("checkpoint", every, least=1)
    if not is_whole(n) or n % every:
        raise ArgumentError(
            "checkpoint=k needs a known number of steps that k divides.",
            given=f"{'an unknown number of' if not is_whole(n) else n} steps, checkpoint={every}",
            fix="checkpoint=True is for any number of steps.",
        )
    parts = [sd.reshape(v, (n // every, every, *v.shape[1:])) for v in over.flat]
    last, ys = sd.scan(
        lambda h, x: sd.scan(body, h, x, length=None if parts else every, reverse=reverse),
        carry.filled(carry.flat),
        over.filled(parts),
        length=None if parts else n // every,
        reverse=reverse,
        checkpoint=True,
        name=name,
    )
    flat, kind = inside.flattened(ys)
    return last, inside.rebuilt(kind, iter([sd.reshape(y, (n, *y.shape[2:])) for y in flat]))


def _listed(branches: Any) -> list[Any]:
    try:
        return list(branches)
    except TypeError as e:
        raise ArgumentTypeError("Branches are functions, in a list.", given=shown(branches)) from e


def _branches(
    graph: AnyGraph, op: Op, index: Any, branches: Sequence[Any], operands: Sequence[Any], name: str | None
) -> Any:
    sd = inside.innermost(graph)
    with sd.transaction():
        chosen = variable(sd, index)
        kinds, words = ("b", "one truth value") if op is COND else ("iu", "one whole number")
        if chosen.shape != () or chosen.dtype.kind not in kinds:
            raise DTypeError(
                f"A branch is chosen by {words}.",
                given=str(chosen.aval),
                expected="bool ()" if op is COND else "int64 ()",
            )
        branches = [checked_function("A branch", fn) for fn in _listed(branches)]
        if not branches:
            raise ArgumentError("There is no branch to choose.")
        functions, used, results = branched(sd, branches, operands)
        n = len(functions[0].outs)
        whole_, names = append(sd, op, [chosen, *used], {"branches": functions}, name, n)
        return results.filled([item(sd, whole_, k, names[k], given=name is not None) for k in range(n)])
