"""What a notebook shows, on screenshots of a real browser: the picture is there and follows the page's theme."""

import subprocess
from collections import Counter

import pytest

from sdgraph.show.pictures.dress.theme import FILL, HEAT, PAGE
from sdgraph.show.pictures.lay_out import programs as engines
from tests.browser import FLAGS, executable
from tests.show.pictures.graphs import logistic_regression

pytestmark = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")

GROUND = {"light": (240, 250, 240), "dark": (20, 40, 20)}
"""Pages of colours that no picture has."""


def screenshot(output, scheme, folder):
    """The pixels of a page with nothing but an output cell; notebooks set the colour scheme like this."""
    image = pytest.importorskip("PIL.Image", reason="Pillow, which reads the screenshot, is not installed")
    page, shot = folder / "page.html", folder / "shot.png"
    style = f"<style>:root{{color-scheme:{scheme}}}body{{margin:40px;background:rgb{GROUND[scheme]}}}</style>"
    page.write_text(f"<!doctype html><html><head><meta charset='utf-8'>{style}</head><body>{output}</body></html>")
    flags = [
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1400,1400",
        "--force-device-scale-factor=1",
    ]
    command = [executable(), *flags, f"--screenshot={shot}", "--virtual-time-budget=3000", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    with image.open(shot) as found:
        return found.convert("RGB")


def rgb(colour):
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def colours(picture):
    return Counter({colour: n for n, colour in picture.getcolors(picture.width * picture.height)})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_graph_follows_the_theme_of_the_page(scheme, tmp_path):
    sd, _ = logistic_regression()
    picture = screenshot(sd._repr_mimebundle_()["text/html"], scheme, tmp_path)
    found = colours(picture)
    other = "light" if scheme == "dark" else "dark"
    # Outside the picture the page, at its corner the picture's own ground.
    assert picture.getpixel((5, 5)) == GROUND[scheme]
    assert picture.getpixel((45, 45)) == rgb(PAGE.of(scheme))
    for kind in ("placeholder", "variable", "op", "output", "loss"):
        assert found[rgb(FILL[kind].of(scheme))] > 1000, kind
        assert found[rgb(FILL[kind].of(other))] < 100, kind


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_heat_of_gradients_follows_the_theme(scheme, tmp_path):
    sd, feeds = logistic_regression()
    view = sd.plot(view="gradient", feeds=feeds)
    found = colours(screenshot(view._repr_mimebundle_()["text/html"], scheme, tmp_path))
    used = {c.heat for c in view.scene.cards if c.heat is not None}
    assert len(used) > 2
    for step in used:
        assert found[rgb(HEAT[step].of(scheme))] > 1000, step


def test_a_fixed_theme_does_not_follow_the_page(tmp_path):
    sd, _ = logistic_regression()
    picture = screenshot(sd.plot(theme="light").html, "dark", tmp_path)
    assert picture.getpixel((45, 45)) == rgb(PAGE.light)


def test_a_page_without_scripts_and_frames_is_enough():
    """Notebooks that are not trusted drop these."""
    sd, _ = logistic_regression()
    html = sd._repr_mimebundle_()["text/html"]
    assert not any(tag in html for tag in ("<script", "<iframe", "<svg", "<style"))
