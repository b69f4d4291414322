"""Colours beyond those of kinds: heat for a number that every card may have, or a tone for its dtype.

Must not know Graphviz, nor which number is behind a user's own measure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, shown
from sdgraph.infer.aval import Aval
from sdgraph.show.options import Options
from sdgraph.show.pictures.choose.grouping import Groups
from sdgraph.show.pictures.choose.parts import Part, Parts
from sdgraph.show.pictures.choose.values import Values
from sdgraph.show.pictures.dress.theme import HEAT_STEPS, heat_step

GRADIENT_NORM: Final = "gradient norm"


class Scale(NamedTuple):
    """The range of numbers that heat colours span, on a log scale or a linear one."""

    low: float
    high: float
    words: str = GRADIENT_NORM
    log: bool = True

    def step(self, x: float) -> int:
        """The heat step of a number.

        Example:
            >>> Scale(0.0, 3.0, "depth", log=False).step(1.0), Scale(0.01, 1.0).step(0.1)
            (2, 3)
        """
        if self.log:
            return heat_step(x, self.low, self.high)
        share = (x - self.low) / (self.high - self.low)
        return min(HEAT_STEPS - 1, int(share * HEAT_STEPS)) if share > 0 else 0


@dataclass(slots=True)
class Colouring:
    """What colours the cards: numbers by id with their scale, or nothing but the kind."""

    measures: dict[int, float] = field(default_factory=dict)
    scale: Scale | None = None

    def heat(self, ids: Iterable[int]) -> int | None:
        """The step of the largest number among ``ids``; None if none of them has one."""
        numbers = [x for i in ids if not math.isnan(x := self.measures.get(i, math.nan))]
        return None if self.scale is None or not numbers else self.scale.step(max(numbers))


def make_colouring(found: Parts, grouped: Groups, values: Values, options: Options) -> Colouring:
    """The colours that ``color_by`` asks for."""
    parts = [p for g in grouped.groups for p in g.members]
    if options.color_by == "dtype":
        return Colouring()
    if options.color_by in ("kind", "grad_norm"):
        return _log_scaled(_gradient_norms(found, parts, values, options), GRADIENT_NORM)
    if options.color_by == "value_norm":
        ids = [p.item.id for p in parts]
        return _log_scaled({i: values.norms[i] for i in ids if i in values.norms}, "norm of values")
    return _linear({p.item.id: x for p in parts if (x := _own_measure(found, p, options.color_by)) is not None})


def _gradient_norms(found: Parts, parts: list[Part], values: Values, options: Options) -> dict[int, float]:
    """Norms of the gradients; with ``grad_norm`` forward variables have those of theirs."""
    shown = [p.item.id for p in parts if p.order] + list(found.badges.values())
    norms = {i: values.norms[i] for i in shown if i in values.norms}
    if options.color_by == "grad_norm":
        beside = {p.item.wrt: p.item.id for p in found.parts.values() if p.order == 1 and p.item.wrt is not None}
        norms |= {i: norms[g] for i, g in (beside | found.badges).items() if g in norms}
    return norms


def _own_measure(found: Parts, part: Part, given: Any) -> float | None:
    """What a user's mapping or function says of a variable."""
    x: Any
    if isinstance(given, Mapping):
        names: dict[str, Any] = {k if isinstance(k, str) else k.name: x for k, x in given.items()}
        x = names.get(part.item.name)
    else:
        x = given(SDVariable(found.listing.sd, part.item.id))
    try:
        return None if x is None else float(x)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"color_by gives no number for {part.item.name!r}.", given=shown(x), expected="a number or None"
        ) from None


def _log_scaled(norms: dict[int, float], words: str) -> Colouring:
    finite = [x for x in norms.values() if 0.0 < x < math.inf]
    if not finite:
        return Colouring(norms)
    low, high = min(finite), max(finite)
    return Colouring(norms, Scale(min(low, high / 10), high, words))


def _linear(numbers: dict[int, float]) -> Colouring:
    finite = [x for x in numbers.values() if math.isfinite(x)]
    if not finite:
        return Colouring(numbers)
    low, high = min(finite), max(finite)
    return Colouring(
        {i: min(max(x, low), high) for i, x in numbers.items()},
        Scale(low if low < high else high - 1.0, high, "given by color_by", log=False),
    )


def dtype_family(aval: Aval) -> str:
    """The role in the theme of a dtype's colour."""
    names = {"b": "bool", "i": "integer", "u": "integer", "c": "complex"}
    return names.get(aval.dtype.kind) or (aval.dtype.name if aval.dtype.name in ("float16", "float64") else "float32")
