"""Which cases of a test belong to the slow group."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_and_slow(values: Iterable[Any], first: int) -> list[Any]:
    """Parameters: so many that are always tested, and the others, more of the same kind, in the slow group."""
    return [v if k < first else pytest.param(v, marks=pytest.mark.slow) for k, v in enumerate(values)]
