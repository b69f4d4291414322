"""Where the numbers of Keras' random initializers and layers come from: one seed, and a count of what was drawn.

Results are the same in each run of a program; `set_seed` makes others.
"""

from __future__ import annotations

import threading

import numpy as np

_lock = threading.Lock()
_seed, _drawn = 0, 0


def set_seed(seed: int) -> None:
    """Begin anew with another seed."""
    global _seed, _drawn
    with _lock:
        _seed, _drawn = seed, 0


def generator() -> np.random.Generator:
    """A generator of random numbers, another one in each call."""
    return np.random.default_rng([_seed, next_number()])


def next_number() -> int:
    """A number that is another one in each call."""
    global _drawn
    with _lock:
        _drawn += 1
        return _drawn
