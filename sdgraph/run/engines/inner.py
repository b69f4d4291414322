"""Loops and branches at work: the plans inside of them, made to run by an engine, once each.

The loop itself is one of Python's, the same for every engine. Must not know any engine.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from sdgraph.errors import ExecutionError, SDGraphError
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.plan.bodies import Branches, Inner, Loop
from sdgraph.plan.plan import NO_SLOT, Plan
from sdgraph.run.engines.interface import Program

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


class _Runner:
    """A plan inside of a plan, made to run."""

    def __init__(self, plan: Plan, program: Program, before: _Runner | None, strict: bool) -> None:
        self.strict = strict
        self.aval = {i: plan.leaf_avals[slot] for slot, i in plan.feeds}
        """What it is fed, by parameter."""
        self.run = program.muted_run
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
        self._sliced = [(slot, of.xs[k][0]) for slot, k in body.places([p for _, p in of.xs])]
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
        ordered = np.ascontiguousarray if self._body.strict else np.asarray
        sliced = [(slot, ordered(operands[k])) for slot, k in self._sliced]
        with np.errstate(all="ignore"):
            carry, count = self._steps(carry, stacks, sliced, fixed, most, first)
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
