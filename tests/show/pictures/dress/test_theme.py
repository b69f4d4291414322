"""Contrast and colour blindness, computed from the theme's tables."""

import itertools

import pytest

from sdgraph.show.pictures.dress.theme import (
    BACKWARD_CLUSTER,
    CLUSTER,
    DTYPE,
    FILL,
    HEAT,
    HEAT_INK,
    INK,
    KINDS,
    PAGE,
    STROKE,
    STYLE,
    dark_css,
    heat_step,
)

THEMES = ("light", "dark")

# Machado, Oliveira and Fernandes 2009, full deficiency, for linear RGB.
DEFICIENCIES = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def linear(colour):
    """Linear RGB of a hex colour."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def contrast(a, b):
    """WCAG 2 contrast of two hex colours."""
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(a), linear(b))]
    return (max(light) + 0.05) / (min(light) + 0.05)


def lab(rgb):
    """CIE Lab of linear RGB under D65."""
    rows = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    xyz = [sum(m * c for m, c in zip(row, rgb, strict=True)) for row in rows]
    x, y, z = (
        (v / w) ** (1 / 3) if v / w > 0.008856 else 7.787 * v / w + 16 / 116
        for v, w in zip(xyz, (0.95047, 1.0, 1.08883), strict=True)
    )
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


def seen(colour, deficiency):
    rgb = linear(colour)
    return [min(1.0, max(0.0, sum(m * c for m, c in zip(r, rgb, strict=True)))) for r in DEFICIENCIES[deficiency]]


def distance(a, b, deficiency):
    first, second = lab(seen(a, deficiency)), lab(seen(b, deficiency))
    return sum((p - q) ** 2 for p, q in zip(first, second, strict=True)) ** 0.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_on_cards_is_readable(theme, kind):
    for role in ("name", "detail", "value", kind):
        for fill in (FILL[kind], *DTYPE.values()):
            assert contrast(INK[role].of(theme), fill.of(theme)) >= 4.5, (role, fill)


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_heat_is_readable(theme):
    for fill, ink in zip(HEAT, HEAT_INK, strict=True):
        assert contrast(fill.of(theme), ink.of(theme)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_words_on_the_page_and_in_boxes_are_readable(theme):
    for ground in (PAGE, CLUSTER, BACKWARD_CLUSTER):
        for role in ("name", "detail", "gradient"):
            assert contrast(INK[role].of(theme), ground.of(theme)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_outlines_and_arrows_stand_out_from_the_page(theme):
    for role, tone in STROKE.items():
        least = 1.1 if "cluster" in role else 2.2 if role == "kept" else 3.0
        assert contrast(tone.of(theme), PAGE.of(theme)) >= least, role


@pytest.mark.parametrize("theme", THEMES)
def test_heat_steps_run_one_way_and_apart(theme):
    lightness = [lab(linear(t.of(theme)))[0] for t in HEAT]
    steps = [abs(b - a) for a, b in itertools.pairwise(lightness)]
    assert lightness == sorted(lightness, reverse=theme == "light")
    assert min(steps) >= 5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_kinds_that_look_alike_to_the_colour_blind_differ_in_outline(theme, deficiency):
    def outline(kind):
        style = STYLE[kind]
        return (style.shape, style.style, style.lines, style.width >= 2)

    for a, b in itertools.combinations(KINDS, 2):
        apart = distance(STROKE[a].of(theme), STROKE[b].of(theme), deficiency)
        fills = distance(FILL[a].of(theme), FILL[b].of(theme), deficiency)
        assert outline(a) != outline(b) or max(apart, fills) >= 10, (a, b)


def test_light_colours_are_unique_where_the_style_sheet_looks():
    fills = [PAGE, CLUSTER, BACKWARD_CLUSTER, *FILL.values(), *DTYPE.values(), *HEAT]
    arrows = [STROKE[k] for k in ("edge", "kept", "gradient")]
    for group in (fills + arrows, list(STROKE.values()), [*INK.values(), *HEAT_INK]):
        lights = [t.light for t in group]
        assert len(set(lights)) == len(lights)


def test_colours_are_written_as_graphviz_writes_them():
    tones = [PAGE, CLUSTER, BACKWARD_CLUSTER, *HEAT, *HEAT_INK]
    tones += [tone for table in (DTYPE, FILL, STROKE, INK) for tone in table.values()]
    assert all(c == c.lower() and len(c) == 7 and c[0] == "#" for t in tones for c in t)


def test_the_style_sheet_turns_every_colour():
    css = dark_css()
    for tone in (*FILL.values(), *DTYPE.values(), *INK.values(), *HEAT, *HEAT_INK):
        assert f'[fill="{tone.light}"]{{fill:{tone.dark}}}' in css
    for tone in STROKE.values():
        assert f'[stroke="{tone.light}"]{{stroke:{tone.dark}}}' in css


@pytest.mark.parametrize(
    ("norm", "low", "high", "step"),
    [(0.0, 0.01, 1.0, 0), (1e-3, 0.01, 1.0, 0), (1.0, 0.01, 1.0, 5), (5.0, 0.01, 1.0, 5), (0.1, 0.01, 1.0, 3)],
)
def test_heat_is_logarithmic(norm, low, high, step):
    assert heat_step(norm, low, high) == step


def test_infinite_and_undefined_norms_have_a_step():
    assert heat_step(float("inf"), 0.1, 1.0) == 5
    assert heat_step(float("nan"), 0.1, 1.0) == 0
