"""What an engine is: it makes plans run, and tells what it made of them.

A new engine is a module or an object with the functions of `Engine`, and one row in the table of `choice`.
Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from sdgraph.plan.made import Made
from sdgraph.plan.plan import Plan

if TYPE_CHECKING:
    from sdgraph.run.engines.limits import Work

Run = Callable[[list[Any]], list[Any]]
"""From filled slots, which it may change, to the arrays of the results, which are the caller's own."""


Copies = Callable[[Sequence["np.ndarray[Any, Any]"]], "Sequence[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]"]
"""From the arrays of results to pairs, the second of which is copied to the first before each run."""


def no_copies(results: Sequence[np.ndarray[Any, Any]]) -> Sequence[Any]:
    """Nothing is copied before a run."""
    return ()


class Part(NamedTuple):
    """One of the things that a program does one after another, for measuring."""

    title: str
    bytes: int
    """What it reads and writes of memory."""
    run: Callable[[list[Any]], None]
    """Does it, on the slots that the parts before have left."""
    holds: tuple[str, ...] = ()
    """The variables that it computes, by name."""
    does: Work | None = None
    """What it does at least, where more is known than its bytes."""
    engine: str = "numpy"
    """The engine whose call it is: a call that does nothing takes some time."""


Follows = Callable[[Sequence["np.ndarray[Any, Any]"]], "Callable[[], object] | None"]
"""From the arrays of results that are not the caller's own to what is called next, if the last of them is a number that
is finite."""


class Standing(NamedTuple):
    """A plan on arrays that stay where they are from call to call, so that a call has nothing to lay out.

    A call is not stopped halfway: signals are handled before it or after it.
    """

    run: Callable[..., object]
    """Computes the results from what is in the arrays now; it takes the arrays of feeds that do not stand."""
    given: Sequence[Any]
    """These feeds, in this order."""
    fits: Callable[..., bool]
    """Whether these arrays are as planned and in C order."""
    results: list[np.ndarray[Any, Any]]
    """Where it writes the results, in order. One that takes the place of a feed may be that feed's own array."""
    on: Follows
    """What computes the results where the arrays of `given` stand, too."""


class Again(NamedTuple):
    """A program for one caller, who calls it one time after the other."""

    run: Callable[[Sequence[Any], int], list[Any] | None]
    """From what is given and the step to the results; None if other arrays are given than are expected, or a check
    failed: `Program.run` tells why."""
    both: Callable[[Sequence[Any]], list[Any] | None] | None = None
    """It and what follows, in one call that is not stopped between; None if not both were done, and the long way is to
    be gone."""
    code: Callable[..., object] | None = None
    """The compiled code of `both`, for measuring; it takes what is given and the arrays of the caller's results."""


class InARow(NamedTuple):
    """A plan that runs many times in one call, on arrays that move on from one time to the next."""

    run: Callable[[int, Sequence[Any], Sequence[int]], bool]
    """From how often, the arrays, and by how many bytes each moves on, to whether a check failed."""
    reads: tuple[int, ...]
    """The slots of the first arrays, which are as planned and in C order,"""
    writes: tuple[int, ...]
    """and of the others, which it writes: all results."""
    most: int
    """How often it may run in one call: that is not stopped halfway."""


class Program(Protocol):
    """A plan made to run. Who derives from this tells nothing more until it says how.

    Any number of threads may run one program at the same time: what changes in a run stands in its slots.
    """

    run: Run
    n_slots: int
    """How many slots a run needs: those of the plan, and after them those of the engine's own values."""

    def explain(self) -> Made:
        """The plan with what the engine made of it."""
        ...

    @property
    def muted_run(self) -> Run:
        """As `run`, for who has muted numpy already: to mute it takes as long as a few small steps."""
        return self.run

    def stand(
        self,
        feeds: Mapping[int, np.ndarray[Any, Any] | None],
        places: Sequence[int | None],
        elsewhere: Callable[[int], np.ndarray[Any, Any]],
        copies: Copies = no_copies,
    ) -> Standing | None:
        """The program on arrays that stay where they are; None where there is no such way.

        Args:
            feeds: The arrays of placeholders by their ids, in C order; None for those that are given in each call.
            places: For each result the placeholder whose place it takes, if any. It is written over that array if all
                that reads the old value has done so by then.
            elsewhere: What makes the array of a result that is written over none, from its number among the results.
            copies: From the arrays of the results to pairs, the second of which is copied to the first before each run.
        """
        return None

    def again(
        self,
        slots: Sequence[Any],
        given: Sequence[tuple[int, tuple[int, ...], np.dtype[Any]]],
        step: int,
        away: int,
        follows: Follows,
    ) -> Again | None:
        """The program for one caller, who calls it one time after the other; None where there is no quicker way.

        Args:
            slots: What every run starts from: constants, and arrays that stay where they are.
            given: Slot, shape and dtype of each array that is given in a call.
            step: The slot of the step; negative where there is none.
            away: How many of the results, the first ones, are the caller's own. Others may stand in memory that the
                next call writes over.
            follows: What follows.
        """
        return None

    def in_a_row(self) -> InARow | None:
        """The program for a loop whose steps it is; None where there is no quicker way than to call it."""
        return None

    def source(self) -> str | None:
        """The code that the engine made; None where it makes none."""
        return None

    def parts(self) -> Sequence[Part] | None:
        """What runs one after another, for `profile`; None where the engine cannot tell."""
        return None

    def settle(self) -> None:
        """Wait until the program is as quick as it becomes, where something goes on in the background."""


class Engine(Protocol):
    """What makes programs of plans."""

    def probe(self) -> None:
        """Raise if the engine does not work on this computer. Asked once, before it gets a plan."""
        ...

    def compile_plan(self, plan: Plan, *, check_numerics: bool) -> Program | None:
        """A plan made to run; None for one that this engine cannot run, which numpy's then does.

        Args:
            plan: What to run. Results, and errors of kernels, are those of the numpy engine up to rounding.
            check_numerics: Whether to raise at the first intermediate result that is not finite.
        """
        ...
