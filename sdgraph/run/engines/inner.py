"""Loops and branches at work: the plans inside of them, made to run by an engine, once each.

The loop itself is one of Python's, the same for every engine. Must not know any engine.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from sdgraph.errors import ExecutionError, SDGraphError
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.plan.bodies import Branches, Inner, Loop
from sdgraph.plan.plan import NO_SLOT, Plan
from sdgraph.run.engines.interface import InARow, Program

Compile: TypeAlias = Callable[[Plan], Program]


def bound(plan: Plan, key: object, compile_plan: Compile, *, strict: bool = False) -> Plan:
    """The plan with its loops and branches as functions of arrays.

    Args:
        plan: What to run.
        key: What tells apart in which ways plans are made to run.
        compile_plan: Makes a plan inside run.
        strict: Whether what is fed to a plan inside must be as planned, in C order, since compiled code reads it.
    """
    if not any(step.op.has_bodies for step in plan.steps):
        return plan
    runner = functools.partial(_runner, key=key, compile_plan=compile_plan, strict=strict)
    steps = [
        step._replace(attrs={"run": _made(step.attrs["run"], runner)}) if step.op.has_bodies else step
        for step in plan.steps
    ]
    return dataclasses.replace(plan, steps=tuple(steps))


def _made(run: Any, runner: Callable[[Inner], _Runner]) -> Any:
    of: Loop | Branches = getattr(run, "of", run)
    return _Loop(of, runner) if isinstance(of, Loop) else _Branches(of, runner)


def _runner(inner: Inner, key: object, compile_plan: Compile, strict: bool) -> _Runner:
    found = inner.made.get(key)
    if found is None:
        before = None if inner.before is None else _runner(inner.before, key, compile_plan, strict)
        found = inner.made[key] = _Runner(inner.plan, compile_plan(inner.plan), before, strict)
    return found


def _as_planned(a: Any, aval: Aval) -> np.ndarray[Any, Any]:
    """An array that compiled code can read.

    Raises:
        ExecutionError: If it is another one than was planned.
    """
    if type(a) is np.ndarray and a.dtype == aval.dtype and a.shape == aval.shape and a.flags.c_contiguous:
        return a
    found = np.asarray(a, order="C")
    if found.dtype != aval.dtype or found.shape != aval.shape:
        raise ExecutionError(
            "A kernel returned something else than its op's rule said.",
            given=f"{found.dtype.name} {shape_str(found.shape)}",
            expected=str(aval),
        )
    return found


MOST_CARRIED: Final = 1 << 26
"""Bytes of the carries of all steps, at most."""


class _Runner:
    """A plan inside of a plan, made to run."""

    def __init__(self, plan: Plan, program: Program, before: _Runner | None, strict: bool) -> None:
        self.strict = strict
        self.aval = {i: plan.leaf_avals[slot] for slot, i in plan.feeds}
        """What it is fed, by parameter."""
        self.run = program.muted_run
        self.row = program.in_a_row()
        self.outs = plan.outs
        self.feeds = plan.feeds
        self.step = plan.step_slot
        self.before = before
        self._template: list[Any] = [None] * program.n_slots
        for slot, value in plan.constants:
            self._template[slot] = value

    def start(self, given: dict[int, Any], step: int) -> list[Any]:
        """The slots that every run starts from a copy of, with what is the same in all of them."""
        slots = self._template.copy()
        made = None if self.before is None else self.before.run(self.before.start(given, step))
        for slot, i in self.feeds:
            if i in given:
                slots[slot] = self.fed(i, given[i])
            elif i < 0 and made is not None:
                slots[slot] = self.fed(i, made[-2 - i])
        return slots

    def fed(self, i: int, a: Any) -> Any:
        """What stands for a parameter."""
        return _as_planned(a, self.aval[i]) if self.strict and i in self.aval else a

    def run_over(self, i: int, a: Any) -> Any:
        """An array whose entries along the first axis stand for a parameter, one after the other."""
        if not self.strict:
            return a
        a = np.asarray(a, order="C")
        if len(a):
            self.fed(i, a[0, ...])
        return a

    def places(self, params: Sequence[int]) -> list[tuple[int, int]]:
        """For each of these parameters that is read its slot, with its place among them."""
        place = {p: k for k, p in enumerate(params)}
        return [(slot, place[i]) for slot, i in self.feeds if i in place]


class _Loop:
    """A loop of Python's around a plan."""

    def __init__(self, of: Loop, runner: Callable[[Inner], _Runner]) -> None:
        self.of = of
        self._body = body = runner(of.body)
        self._test = None if of.test is None else runner(of.test)
        self._carried = body.places(of.carries)
        self._sliced = [(slot, n, of.xs[n][0]) for slot, n in body.places([p for _, p in of.xs])]
        self._tested = [] if self._test is None else self._test.places(of.carries)
        m = len(of.carries)
        self._fed = [(j, p, *body.aval[p]) for j, p in enumerate(of.carries) if body.strict and p in body.aval]
        self._entering = [(n, k) for n, (k, _) in enumerate(of.stacks) if k < m]
        self._made = [(n, k) for n, (k, _) in enumerate(of.stacks) if k >= m]

    @property
    def inner(self) -> tuple[Inner, ...]:
        """All plans inside."""
        return self.of.inner

    def __repr__(self) -> str:
        return repr(self.of)

    def __call__(self, *operands: Any) -> tuple[Any, ...]:
        of = self.of
        first = int(operands[-1]) << 32 if of.is_random else 0
        most = of.length
        if of.counted:
            most = int(operands[0]) if most is None else min(int(operands[0]), most)
        fixed = {p: operands[of.counted + k] for k, p in enumerate(of.captured) if p >= 0}
        carry = [self._body.fed(p, operands[k]) for k, p in zip(of.initial, of.carries, strict=True)]
        make = np.zeros if of.counted or of.test is not None else np.empty
        stacks = [make(a.shape, a.dtype) for _, a in of.stacks]  # type: ignore[arg-type]
        sliced = [(slot, self._body.run_over(of.xs[n][1], operands[k])) for slot, n, k in self._sliced]
        with np.errstate(all="ignore"):
            done = None if most is None else self._in_a_row(carry, stacks, sliced, fixed, most)
            carry, count = done or self._steps(carry, stacks, sliced, fixed, most, first)
        found = [*(np.array(carry[k]) for k in of.gives), np.int64(count), *stacks]
        return tuple(found[k] for k in of.order)

    def _steps(
        self,
        carry: list[Any],
        stacks: list[Any],
        sliced: list[tuple[int, Any]],
        fixed: dict[int, Any],
        most: int | None,
        first: int,
    ) -> tuple[list[Any], int]:
        """Run all steps; return the last carries and how many steps there were."""
        if most == 0:
            return carry, 0
        m, run, step_slot = len(carry), self._body.run, self._body.step
        going = None if self._test is None else self._going(fixed, first)
        carried, last = self._carried, (most or 0) - 1 if self.of.reverse else None
        entering = [(stacks[n], k) for n, k in self._entering]
        made = [(stacks[n], k) for n, k in self._made]
        template, fed, k, t = None, self._fed, 0, 0
        try:
            while most is None or k < most:
                t = k if last is None else last - k
                if going is not None and not going(carry, first + t):
                    break
                if template is None:
                    template = self._body.start(fixed, first)
                slots = template.copy()
                for slot, j in carried:
                    slots[slot] = carry[j]
                for slot, a in sliced:
                    slots[slot] = a[t, ...]
                if step_slot != NO_SLOT:
                    slots[step_slot] = first + t
                for stack, j in entering:
                    stack[t] = carry[j]
                found = run(slots)
                for stack, j in made:
                    stack[t] = found[j]
                carry = found[:m]
                for j, p, shape, dtype in fed:
                    a = carry[j]
                    if a.dtype is not dtype or a.shape != shape or not a.flags.c_contiguous:
                        carry[j] = self._body.fed(p, a)
                k += 1
        except SDGraphError as e:
            e.in_step(t)
            raise
        return carry, k

    def _in_a_row(
        self, carry: list[Any], stacks: list[Any], sliced: list[tuple[int, Any]], fixed: dict[int, Any], most: int
    ) -> tuple[list[Any], int] | None:
        """All steps in few calls, if the engine has such a way, and no check fails.

        The carries of all steps stand in one array each: a step reads one row, and writes the next.
        """
        row, outs, m = self._body.row, self._body.outs, len(carry)
        if row is None or not most or self._test is not None or len({*outs[:m]}) < m:
            return None
        if most * sum(a.nbytes for a in carry) > MOST_CARRIED:
            return None
        ways = -1 if self.of.reverse else 1
        carried = [np.empty((most + 1, *a.shape), a.dtype) for a in carry]
        for rows, a in zip(carried, carry, strict=True):
            rows[0] = a
        read = {slot: (a, ways) for slot, a in sliced} | {slot: (carried[j], 1) for slot, j in self._carried}
        stacked = {outs[k]: n for n, k in self._made if outs[k] not in outs[:m]}
        written = {slot: (stacks[n], ways) for slot, n in stacked.items()}
        written |= {outs[k]: (carried[k][1:], 1) for k in range(m)}
        slots = self._body.start(fixed, 0)
        arrays = [read.get(slot) or (np.asarray(slots[slot], order="C"), 0) for slot in row.reads]
        if _run_in_a_row(row, arrays + [written[slot] for slot in row.writes], most):
            return None  # Step by step it tells which, and what is wrong.
        turned = slice(None, None, ways)
        for n, k in self._made:
            if stacked.get(outs[k]) != n:
                rows, way = written[outs[k]]
                stacks[n][:most] = rows[:most][turned] if way != ways else rows[:most]
        for n, j in self._entering:
            stacks[n][:most] = carried[j][:-1][turned]
        return [rows[-1] for rows in carried], most

    def _going(self, fixed: dict[int, Any], first: int) -> Callable[[list[Any], int], bool]:
        """What tells from the carries whether there is another step."""
        assert self._test is not None
        test, tested = self._test, self._tested
        template = test.start(fixed, first)

        def going(carry: list[Any], step: int) -> bool:
            slots = template.copy()
            for slot, j in tested:
                slots[slot] = carry[j]
            if test.step != NO_SLOT:
                slots[test.step] = step
            return bool(test.run(slots)[0])

        return going


def _run_in_a_row(row: InARow, arrays: Sequence[tuple[np.ndarray[Any, Any], int]], most: int) -> bool:
    """Run a plan so often; whether a check failed.

    Args:
        row: The plan.
        arrays: What it reads and writes. With 1 it goes from the first row on, with -1 back from the last of so many,
            and with 0 the whole array stays.
        most: How often.
    """
    moves = [way * a[:1].nbytes if way else 0 for a, way in arrays]
    for done in range(0, most, row.most):
        now = [a if not way else a[done:] if way > 0 else a[most - 1 - done :] for a, way in arrays]
        if row.run(min(row.most, most - done), now, moves):
            return True
    return False


class _Branches:
    """A choice of plans."""

    def __init__(self, of: Branches, runner: Callable[[Inner], _Runner]) -> None:
        self.of = of
        self._runners = [runner(inner) for inner in of.branches]

    @property
    def inner(self) -> tuple[Inner, ...]:
        """All plans inside."""
        return self.of.inner

    def __repr__(self) -> str:
        return repr(self.of)

    def __call__(self, index: Any, *operands: Any) -> tuple[Any, ...]:
        k = min(max(int(index), 0), len(self._runners) - 1)
        runner, params = self._runners[k], self.of.params[k]
        given = {p: a for p, a in zip(params, operands, strict=False) if p >= 0}
        step = int(operands[-1]) if self.of.is_random else 0
        with np.errstate(all="ignore"):
            slots = runner.start(given, step)
            if runner.step != NO_SLOT:
                slots[runner.step] = step
            return tuple(np.array(a) for a in runner.run(slots))
