"""Colours, shapes and sizes of the pictures: one table for light and dark, and the style sheet made from it.

A role has a light and a dark colour. Light colours are unique within fills, strokes and inks, so that an SVG drawn in
the light theme turns dark by a style sheet that matches colours. Must not know graphs.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

FONT: Final = "Helvetica,Arial,sans-serif"
HEAT_STEPS: Final = 6

KINDS: Final = ("placeholder", "variable", "frozen", "constant", "op", "output", "loss", "gradient", "scope", "bad")
"""Kinds of cards. ``op`` is an op's result; ``frozen`` a variable that became a constant; ``bad`` holds NaN or ∞."""

LEAVES: Final = frozenset({"placeholder", "variable", "frozen", "constant"})
"""Kinds whose shape a gradient takes over."""


class Tone(NamedTuple):
    """A colour in the light and in the dark theme."""

    light: str
    dark: str

    def of(self, theme: str) -> str:
        """The colour for ``"light"`` or ``"dark"``."""
        return self.dark if theme == "dark" else self.light


PAGE: Final = Tone("#fefefe", "#0f172a")
CLUSTER: Final = Tone("#f8fafc", "#162033")
BACKWARD_CLUSTER: Final = Tone("#fbf9fe", "#1b1730")

FILL: Final = {
    "placeholder": Tone("#e3f0fa", "#0b2c42"),
    "variable": Tone("#fdf0d5", "#3a2a08"),
    "frozen": Tone("#f6f0e2", "#2e2818"),
    "constant": Tone("#f1f5f9", "#2a3648"),
    "op": Tone("#ffffff", "#1e293b"),
    "output": Tone("#ddf3e8", "#06352a"),
    "loss": Tone("#fce7dc", "#4a1d0c"),
    "gradient": Tone("#f6f1fb", "#2a1a40"),
    "scope": Tone("#f3f4f6", "#1f2a3b"),
    "bad": Tone("#fee2e2", "#450a0a"),
}

STROKE: Final = {
    "placeholder": Tone("#0072b2", "#56b4e9"),
    "variable": Tone("#b86e00", "#e69f00"),
    "frozen": Tone("#93702f", "#c7a45a"),
    "constant": Tone("#64748b", "#94a3b8"),
    "op": Tone("#475569", "#94a3b8"),
    "output": Tone("#00704f", "#34d399"),
    "loss": Tone("#c2410c", "#fb923c"),
    "gradient": Tone("#6d28a8", "#b794e0"),
    "scope": Tone("#64738a", "#94a3b8"),
    "bad": Tone("#b91c1c", "#f87171"),
    "cluster": Tone("#cbd5e1", "#334155"),
    "backward_cluster": Tone("#d6c5ea", "#4c3a70"),
    "edge": Tone("#64748a", "#8a9ab0"),
    "kept": Tone("#94a3b7", "#64748b"),
}

INK: Final = {
    "name": Tone("#111827", "#f1f5f9"),
    "detail": Tone("#556274", "#a9b6c8"),
    "value": Tone("#111826", "#f1f5f9"),
    "placeholder": Tone("#005a8e", "#7cc7f2"),
    "variable": Tone("#8a5200", "#f0b84a"),
    "frozen": Tone("#6f5421", "#d9bc7c"),
    "constant": Tone("#475568", "#b6c2d1"),
    "op": Tone("#475569", "#b6c2d1"),
    "output": Tone("#00593f", "#5ee0b4"),
    "loss": Tone("#9a3412", "#fdba8c"),
    "gradient": Tone("#5b1f91", "#d3b8f2"),
    "scope": Tone("#475567", "#b6c2d1"),
    "bad": Tone("#991b1b", "#fca5a5"),
}

DTYPE: Final = {
    "float16": Tone("#fbe3f0", "#3d1730"),
    "float32": Tone("#e2effb", "#0d2a40"),
    "float64": Tone("#c9def4", "#143f60"),
    "complex": Tone("#eadff8", "#2f1d4f"),
    "integer": Tone("#e4f3d6", "#1d3413"),
    "bool": Tone("#fbeccb", "#3b2c0a"),
}
"""Fills by dtype."""

HEAT: Final = (
    Tone("#f5f0fb", "#261739"),
    Tone("#e4d6f1", "#3a2358"),
    Tone("#cdb3e5", "#54337e"),
    Tone("#b28ad6", "#8f67c0"),
    Tone("#7e43b0", "#b896dd"),
    Tone("#561a87", "#e0cdf5"),
)
"""Fills for gradient norms, from small to large."""

HEAT_INK: Final = (
    Tone("#120c18", "#f5effc"),
    Tone("#120c19", "#f5effd"),
    Tone("#120c1a", "#f5effe"),
    Tone("#120c1b", "#0c0612"),
    Tone("#fffffa", "#150a21"),
    Tone("#fffffb", "#150a22"),
)
"""Text on each heat step; it turns over where the fill does."""


class Style(NamedTuple):
    """How Graphviz draws the outline of a card."""

    shape: str
    style: str
    width: float
    lines: int = 1


STYLE: Final = {
    "placeholder": Style("box", "filled,dashed", 1.5),
    "variable": Style("cylinder", "filled", 1.5),
    "frozen": Style("cylinder", "filled,dotted", 1.7),
    "constant": Style("note", "filled", 1.2),
    "op": Style("box", "rounded,filled", 1.2),
    "output": Style("box", "rounded,filled", 2.4),
    "loss": Style("box", "rounded,filled", 1.5, 2),
    "gradient": Style("box", "rounded,filled", 1.4),
    "scope": Style("box3d", "filled", 1.2),
    "bad": Style("box", "rounded,filled", 2.6),
}

WORD: Final = {"frozen": "frozen variable", "op": "operation", "scope": "collapsed scope", "bad": "NaN or infinity"}
"""The legend's word for a kind, where it is not the kind itself."""


def heat_step(norm: float, low: float, high: float) -> int:
    """The heat step of a norm on the log scale from ``low`` to ``high``, which is larger.

    Example:
        >>> heat_step(0.01, 0.01, 1.0), heat_step(0.1, 0.01, 1.0), heat_step(1.0, 0.01, 1.0), heat_step(0.0, 0.01, 1.0)
        (0, 3, 5, 0)
    """
    if not norm > low:
        return 0
    share = math.log(min(norm, high) / low) / math.log(high / low)
    return min(HEAT_STEPS - 1, int(share * HEAT_STEPS))


def dark_css() -> str:
    """Style rules that turn a picture drawn in the light theme dark when the reader prefers that."""
    return f"@media (prefers-color-scheme: dark){{{dark_rules()}}}"


def dark_rules() -> str:
    """Style rules that turn a picture drawn in the light theme dark."""
    fills = {t.light: t.dark for t in (PAGE, CLUSTER, BACKWARD_CLUSTER, *FILL.values(), *DTYPE.values(), *HEAT)}
    strokes = {t.light: t.dark for t in STROKE.values()}
    inks = {t.light: t.dark for t in (*INK.values(), *HEAT_INK)}
    inks |= {STROKE["gradient"].light: STROKE["gradient"].dark}
    arrows = {STROKE[k].light: STROKE[k].dark for k in ("edge", "kept", "gradient")}
    rules = [f':not(text)[fill="{light}"]{{fill:{dark}}}' for light, dark in (fills | arrows).items()]
    rules += [f'[stroke="{light}"]{{stroke:{dark}}}' for light, dark in strokes.items()]
    rules += [f'text[fill="{light}"]{{fill:{dark}}}' for light, dark in inks.items()]
    return "".join(rules)
