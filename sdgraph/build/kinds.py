"""Words that nodes and ops share: the kinds of variables, and what stands for nothing. Must not know either."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from sdgraph.wording import with_article

NO_ATTRS: Final[Mapping[str, Any]] = {}
ABSENT: Final = -1
"""Stands in ``Node.inputs`` for an optional operand that was not given."""

GRADIENT_SCOPE: Final = "grad"
"""The name scope of gradients."""

AnyGraph: TypeAlias = Any
"""The graph of a variable or a namespace: an `OpGraph`, which stands where all ops are.

Rules are written with the ops of every namespace, so nothing below those can name its type.
"""


EngineName: TypeAlias = Literal["auto", "numpy", "llvm"]
"""The engines that come with sdgraph; `sdgraph.run.engines.choice` knows them, and others if they are entered there."""

KindName: TypeAlias = Literal["placeholder", "variable", "constant", "array"]
"""The kinds of variables as texts."""


class VariableKind(enum.Enum):
    """What a variable of a graph is."""

    PLACEHOLDER = "placeholder"
    """Fed on every call."""
    VARIABLE = "variable"
    """Holds a value that training changes."""
    CONSTANT = "constant"
    """Holds a value that stays."""
    ARRAY = "array"
    """The output of an op."""

    @property
    def in_words(self) -> str:
        """As it reads in a sentence."""
        return "the output of an op" if self is VariableKind.ARRAY else with_article(self.value)
