"""What SameDiff cannot hold: the reason, while a graph is written."""

from __future__ import annotations


class Refused(Exception):
    """An op, or a form of it, that SameDiff does not compute as we do. Never leaves the package.

    What is written as a body of other ops is then written so.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class RefusedAltogether(Refused):
    """A composite that is not written as the ops of its body either, because SameDiff makes other numbers of those."""
