"""When a value exists: segments of loops and numpy steps take turns. Must not know plans."""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """One half of a turn. Stages compare in the order they run: a turn has a segment, and then numpy steps."""

    turn: int
    is_steps: bool

    def segment_after(self) -> Stage:
        """The first segment that can read what is made in this stage: the same one, if it is a segment."""
        return Stage(self.turn + 1, False) if self.is_steps else self

    def steps_after(self) -> Stage:
        """The first numpy steps that can read what is made in this stage: the same ones, if it has steps."""
        return self if self.is_steps else Stage(self.turn, True)


LEAVES = Stage(-1, True)
"""Before everything: what is fed, variables, constants."""
FIRST_SEGMENT = LEAVES.segment_after()
FIRST_STEPS = FIRST_SEGMENT.steps_after()
