"""What an engine is: it makes plans run, and tells what it made of them.

A new engine is a module or an object with the functions of `Engine`, and one row in the table of `choice`.
Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from sdgraph.plan.made import Made
from sdgraph.plan.plan import Plan

Run = Callable[[list[Any]], list[Any]]
"""From filled slots, which it may change, to the arrays of the results, which are the caller's own."""


class Part(NamedTuple):
    """One of the things that a program does one after another, for measuring."""

    title: str
    bytes: int
    """What it reads and writes of memory."""
    run: Callable[[list[Any]], None]
    """Does it, on the slots that the parts before have left."""


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

    def source(self) -> str | None:
        """The code that the engine made; None where it makes none."""
        return None

    def parts(self) -> Sequence[Part] | None:
        """What runs one after another, for `profile`; None where the engine cannot tell."""
        return None


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
