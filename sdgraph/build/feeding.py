"""Feeds as a call gives them: in a mapping, and as keywords beside the arguments. Must not know their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sdgraph.build.kinds import NO_ATTRS
from sdgraph.errors import ArgumentTypeError, SDGraphError, shown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def as_mapping(feeds: Any, named: Mapping[str, ArrayLike] = NO_ATTRS) -> Mapping[Any, ArrayLike]:
    """Feeds given as a mapping (None for none) and as keywords, in one mapping.

    Raises:
        ArgumentTypeError: If ``feeds`` is no mapping.
    """
    if feeds is None:
        return named
    if not isinstance(feeds, Mapping):
        raise ArgumentTypeError(
            "Feeds are given by name.", given=f"{type(feeds).__name__}: {shown(feeds)}", expected="{'x': array, ...}"
        )
    return {**feeds, **named} if named else feeds


def name_taken(e: SDGraphError, names: Mapping[str, Any], *, feeds: Any, engine: Any) -> None:
    """Let the error of a call say that a keyword is one of its arguments, if it was meant for one of ``names``."""
    meant = {"feeds": feeds is None or isinstance(feeds, Mapping), "engine": isinstance(engine, str)}
    for name, is_argument in meant.items():
        if not is_argument and name in names:
            e.fix = f"{name}= is an argument of eval. Feed the placeholder of this name so: {{{name!r}: ...}}."
