"""Running a divided plan for one caller, again and again: small arrays that the caller does not keep stand still.

So there is less to make and to lay out in each call: compiled code gets addresses that were laid out once, and BLAS
writes products where they were before. Must not know LLVM.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines.failures import reraise
from sdgraph.run.engines.interface import Again, Follows
from sdgraph.run.engines.llvm import running
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import laid
from sdgraph.run.engines.llvm.translate.entry import reads_arrays

_Array = np.ndarray[Any, Any]

STANDS: Final = 1 << 20
"""Bytes of a program's arrays that stand, at most: what is larger takes longer than to make it."""


def again(
    plan: Plan,
    division: Division,
    runners: Mapping[int, Runner],
    slots: Sequence[Any],
    given: Sequence[tuple[int, tuple[int, ...], np.dtype[Any]]],
    step: int,
    away: int,
    follows: Follows,
) -> Again | None:
    """See `Program.again`."""
    if not reads_arrays():
        return None
    made, fits = _Repeated(plan, division, runners, slots, away), laid.fits([g[1:] for g in given])
    places = tuple(g[0] for g in given)
    run = made.alone(places, fits, follows) if step < 0 else None
    return made.in_turn(places, step, fits) if run is None else run


class _Repeated:
    """A divided plan, while its parts are made for calls that are repeated."""

    def __init__(
        self,
        plan: Plan,
        division: Division,
        runners: Mapping[int, Runner],
        slots: Sequence[Any],
        away: int,
    ) -> None:
        self.plan, self.division, self.runners = plan, division, runners
        self.slots = [*slots]
        """What every run starts from a copy of: constants, and arrays that stand."""
        self.sure = running.as_planned(plan, division)
        self._left = STANDS
        self._n_away, self._away = away, {*plan.outs[:away]}

    def in_turn(self, given: tuple[int, ...], step: int, fits: Callable[..., bool]) -> Again:
        """All parts in turn, from what is given to the results."""
        outs, parts = self.plan.outs, self.division.parts
        do = [d for k, part in enumerate(parts) if (d := self._part(k, part)) is not None]
        kernels = [part for part in parts if isinstance(part, Step) and not part.op.is_view]
        others = {part.out for part in kernels if running.quick(part, self.division) is not np.dot}
        run = _in_turn(do, self._finish(are_arrays=others.isdisjoint(outs)))
        if kernels:
            run = _muting(run) if others else _muted(run)
        return Again(_filling(self.slots, given, step, fits, run))

    def alone(self, given: tuple[int, ...], fits: Callable[..., bool], follows: Follows) -> Again | None:
        """The call of the only segment, if all that is given goes there and all that is made comes back."""
        if len(self.division.parts) != 1 or not self.runners or not self.runners[0].small:
            return None
        runner, outs = self.runners[0], self.plan.outs
        if any(self.plan.copied) or {*outs} != {*runner.writes} or not {*given} <= {*runner.reads}:
            return None
        self._stand(runner.writes)
        fresh = [i for i in outs if self.slots[i] is None]
        used = (*runner.reads, *runner.writes)
        arrays, at = [self._standing(i) for i in used], {i: k for k, i in enumerate(used)}
        order = [at[i] for i in (*given, *fresh)]
        if {k for k, a in enumerate(arrays) if a is None} != {*order}:
            return None
        call = runner.again(arrays, order)
        assert call is not None
        makes = [(self.division.shapes[i], self.division.dtypes[i]) for i in fresh]
        stand = [self.slots[i] for i in outs if self.slots[i] is not None]
        place = {i: k for k, i in enumerate([*fresh, *(i for i in outs if self.slots[i] is not None)])}
        run = _one_call(fits, call, makes, stand, tuple(place[i] for i in outs))
        second = follows(stand) if stand and fresh == [*outs[: self._n_away]] else None
        both = None if second is None else laid.both(call, second, stand[-1])
        if both is None:
            return Again(run)
        return Again(run, _one_call(fits, both, makes, [], tuple(range(len(fresh)))), both)

    def _stand(self, values: Sequence[int]) -> None:
        """Let arrays stand that the caller does not keep, as long as they are small."""
        for i in values:
            shape, dtype, slot = self.division.shapes[i], self.division.dtypes[i], self.division.slot(i)
            size = math.prod(shape) * dtype.itemsize
            if i not in self._away and size <= self._left:
                self.slots[slot] = np.empty(shape, dtype)
                self._left -= size

    def _standing(self, i: int) -> _Array | None:
        """The array of a value that compiled code can read as it stands, if it does."""
        a = self.slots[self.division.slot(i)]
        if a is None:
            return None
        a = np.asarray(a)
        wanted = self.division.shapes[i], self.division.dtypes[i]
        return a if (a.shape, a.dtype) == wanted and a.flags.c_contiguous else None

    def _finish(self, *, are_arrays: bool) -> Callable[[list[Any]], list[Any]]:
        """What takes the results out of the slots: the caller's own, and such as compiled code can read."""
        outs = self.plan.outs
        if are_arrays and not any(self.plan.copied):
            return lambda slots: [slots[o] for o in outs]
        ways = [
            np.asarray if not copy else np.array if k < self._n_away else partial(np.array, order="C")
            for k, copy in enumerate(self.plan.copied)
        ]
        # Kernels return numbers for arrays of rank 0.
        return lambda slots: [way(slots[o]) for way, o in zip(ways, outs, strict=True)]

    # ------------------------------------------------------------------ parts

    def _part(self, k: int, part: Segment | Step) -> running.Do | None:
        """What does a part; None where nothing is to be done any more."""
        freed = tuple(j for j in map(self.division.slot, self.division.frees[k]) if self.slots[j] is None)
        if isinstance(part, Segment):
            return self._segment(self.runners[k], freed)
        if part.op.is_strided and self._is_seen(part):
            return None
        product = self._product(part)
        return running.kernel(part, self.division, freed) if product is None else product

    def _segment(self, runner: Runner, freed: tuple[int, ...]) -> running.Do:
        plan, division, call = self.plan, self.division, None
        reads, writes = list(runner.reads), list(runner.writes)
        if runner.small:
            self._stand(writes)
            arrays = [self._standing(i) for i in (*reads, *writes)]
            given = [k for k, a in enumerate(arrays) if a is None]
            call = runner.again(arrays, given)
            if call is not None:
                reads = [i for i in reads if self._standing(i) is None]
                writes = [i for i in writes if self._standing(i) is None]
        call = running.called(runner) if call is None else call
        if not reads and not writes and not freed:
            return lambda slots: call()
        return running.loops(plan, call, *running.arrays_of(division, reads, writes, self.sure), freed)

    def _is_seen(self, step: Step) -> bool:
        """Whether it is a view of an array that stands, and does nothing but to show it; then it stands, too."""
        of = [self.slots[j] if j >= 0 else None for j in step.inputs]
        if not all(isinstance(a, np.ndarray) for a in of):
            return False
        found = running.quick(step, self.division)(*of)
        if not isinstance(found, np.ndarray) or not any(np.may_share_memory(found, a) for a in of):
            return False
        self.slots[step.out] = found
        return True

    def _product(self, step: Step) -> running.Do | None:
        """A product by BLAS that is written where it was last time."""
        fn, (a, b, *_), out = running.quick(step, self.division), (*step.inputs, -1, -1), step.out
        if fn is not np.dot:
            return None
        self._stand([out])
        into = self.slots[out]
        if into is None:
            return None

        def do(slots: list[Any]) -> None:
            try:
                fn(slots[a], slots[b], into)
            except Exception as e:
                reraise(e, step, slots)

        return do


# ---------------------------------------------------------------------- calls


def _one_call(
    fits: Callable[..., bool],
    call: Callable[..., bool | None],
    makes: Sequence[tuple[tuple[int, ...], np.dtype[Any]]],
    stand: list[_Array],
    order: tuple[int, ...],
) -> Callable[..., list[Any] | None]:
    """A call of compiled code that takes what is given and the arrays that the caller keeps."""
    empty, in_order = np.empty, order == tuple(range(len(order)))

    def run(values: Sequence[Any], step: int = 0) -> list[Any] | None:
        if not fits(*values):
            return None
        fresh = [empty(shape, dtype) for shape, dtype in makes]
        if call(*values, *fresh):
            return None
        found = fresh + stand
        return found if in_order else [found[k] for k in order]

    def one(values: Sequence[Any], step: int = 0) -> list[Any] | None:
        if not fits(*values):
            return None
        fresh = empty(shape, dtype)
        return None if call(*values, fresh) else [fresh, *stand]

    if len(makes) != 1 or not in_order:
        return run
    shape, dtype = makes[0]
    return one


def _in_turn(
    parts: Sequence[running.Do], finish: Callable[[list[Any]], list[Any]]
) -> Callable[[list[Any]], list[Any] | None]:
    def run(slots: list[Any]) -> list[Any] | None:
        for do in parts:
            if do(slots):
                return None
        return finish(slots)

    return run


def _filling(
    template: list[Any],
    given: tuple[int, ...],
    step_slot: int,
    fits: Callable[..., bool],
    run: Callable[[list[Any]], list[Any] | None],
) -> Callable[[Sequence[Any], int], list[Any] | None]:
    """It from what is given."""

    def filling(values: Sequence[Any], step: int) -> list[Any] | None:
        if not fits(*values):
            return None
        slots = template.copy()
        for j, a in zip(given, values):  # noqa: B905  (a keyword would cost more)
            slots[j] = a
        if step_slot >= 0:
            slots[step_slot] = step
        return run(slots)

    return filling


def _muting(run: Callable[[list[Any]], list[Any] | None]) -> Callable[[list[Any]], list[Any] | None]:
    """It with numpy muted."""

    def muted(slots: list[Any]) -> list[Any] | None:
        with np.errstate(all="ignore"):
            return run(slots)

    return muted


def _muted(run: Callable[[list[Any]], list[Any] | None]) -> Callable[[list[Any]], list[Any] | None]:
    """It where numpy is muted already, which takes less time than to mute it. Nobody's code but numpy's runs there."""
    before, there = np.geterr(), contextvars.Context()
    there.run(np.seterr, all="ignore")
    if np.geterr() != before:
        np.seterr(**before)
        return _muting(run)
    return partial(there.run, run)
