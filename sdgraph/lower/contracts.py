"""Contracts: what one room promises to the next, looked at while tests run.

With ``SDGRAPH_SPEC=1`` in the environment, every lowered list, plan and division is checked as soon as it is made.
Without it nothing is looked at. What is promised stands in the ``spec`` of each room, as functions that tell what is
wrong. Must not know what is checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain, islice

ON = os.environ.get("SDGRAPH_SPEC") == "1"

_SHOWN = 10


class ContractError(AssertionError):
    """A promise inside this package is broken: a fault of its own, whatever a user did."""


def hold(what: str, *findings: Iterable[str]) -> None:
    """Raise ContractError if there are findings."""
    found = list(islice(chain(*findings), _SHOWN))
    if found:
        raise ContractError("\n  ".join([f"{what} breaks its contract:", *found]))
