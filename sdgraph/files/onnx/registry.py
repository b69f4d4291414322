"""Which rule exports which op, and why others have none. Must not know any rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

STANDARD: Final = "standard"
BASIC: Final = "basic"
TARGETS: Final = (STANDARD, BASIC)
"""What a model may be made of: all operators, or of those that are for neural networks only what slides a window."""

Rule: TypeAlias = "Callable[..., Any]"
"""Called with a recorder, the operands and the settings of a call.

Gives the value of each output, or `BODY`, `OPEN_BODY`, or a text: why this call has no counterpart.
"""


class Body:
    """Stands for a composite's own body, which is to be exported instead; an op without one needs known sizes."""


BODY: Final = Body()
OPEN_BODY: Final = Body()
"""Stands for a body that hangs on sizes, of a call for which all that it hangs on are known."""

UNSIZED: Final = "what it is made of hangs on sizes that are unknown: declare them in the placeholders' shapes"
"""Why a call has no counterpart of which not enough is known."""


class Exported(NamedTuple):
    """How an op is exported."""

    rule: Rule
    outermost: bool
    """Whether that is for calls of the user only, not for those in bodies and gradients."""
    loses: str
    """What an ONNX runtime does not do as sdgraph does."""


RULES: Final[dict[tuple[str, str], Exported]] = {}
"""By op and target."""

REASONS: Final[dict[str, str]] = {}
"""Why an op has no counterpart."""

FOLLOWED: Final[dict[tuple[str, str], Rule]] = {}
"""Rules for an op of an op, in one precision, by the names of both, the outer one first."""


def exports(*names: str, target: str | None = None, outermost: bool = False, loses: str = "") -> Callable[[Rule], Rule]:
    """Make the decorated function the rule of these ops.

    Args:
        names: The ops, by qualified name.
        target: The only target that it is for; both by default.
        outermost: See `Exported`.
        loses: See `Exported`; one sentence for the documentation.
    """

    def decorate(rule: Rule) -> Rule:
        for name in names:
            for t in TARGETS if target is None else (target,):
                assert (name, t) not in RULES, f"two rules for {name}"
                RULES[name, t] = Exported(rule, outermost, loses)
        return rule

    return decorate


def refuses(why: str, *names: str) -> None:
    """Say why ops have no counterpart."""
    REASONS.update(dict.fromkeys(names, why))
