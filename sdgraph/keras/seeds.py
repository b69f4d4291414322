"""Where draws begin that nobody gave a seed: at Python's own random numbers, which `set_random_seed` seeds."""

from __future__ import annotations

import random

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.checks import whole

__all__ = ["default_seed", "set_random_seed"]


@readable
def default_seed() -> int:
    """A seed that nobody chose: another one at each call, and the same ones again after `set_random_seed`."""
    return random.randrange(2**63)


@readable
def set_random_seed(seed: int) -> None:
    """Let all that draws without a seed of its own draw the same again: initializers, numpy, Python's ``random``.

    Args:
        seed: A whole number, 0 or more.

    Raises:
        ArgumentError: If it is none.

    Example:
        >>> from sdgraph.keras import initializers, utils
        >>> utils.set_random_seed(812)
        >>> before = initializers.GlorotUniform()((2, 3))
        >>> utils.set_random_seed(812)
        >>> bool((initializers.GlorotUniform()((2, 3)) == before).all())
        True
    """
    seed = whole("seed", seed, least=0)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (what programs for Keras draw their data by)
