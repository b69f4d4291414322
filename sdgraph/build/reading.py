"""How an op is written in a formula and in a picture. Must not know ops."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """How a function that only gradients use is written out, instead of by a name that nobody knows.

    ``%(x)s`` stands for its operand, and ``%(atom)s`` for that in brackets if it needs some.
    """

    text: str
    latex: str
