"""Names a user may choose must come out as text, whatever they look like to DOT, HTML, XML or Mermaid."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgraph import SameDiff
from sdgraph.errors import VariableNameError
from sdgraph.render import engines
from tests.render.parsing import SVG, cards, svg_groups, svg_texts, svg_tree

NASTY = [
    "a:b:c",
    'quote"quote',
    "a\\N",
    "\\",
    "back\\nslash\\l",
    "<b>bold<b>",
    "<script>alert(1)<!--",
    "&amp;",
    "&lt;x",
    "a -> b",
    "{rank=same}",
    "]]>",
    "--",
    "graph",
    "end",
    "n0",
    "λ’s ∂",
    "日本語",
    "a\u202eb",
    "\ud800",
    "é\u0301",
    "%d %s {}",
    "#quot;",
    "a b  c",
    "`code`",
    "[x](mailto:a@b.c)",
]

needs_engine = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine")


def graph(name):
    sd = SameDiff()
    x = sd.placeholder(name, shape=("n",))
    with sd.name_scope("s"):
        sd.math.square(x, name="y")
    return sd


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_name_is_the_text_of_its_card(name):
    shown = "".join(c if c.isprintable() else "�" for c in name)
    first = cards(graph(name).to_dot())[0][0]
    assert first == " ".join(f"{shown} placeholder".split()) or (len(shown) > 24 and "…" in first)


@needs_engine
def test_all_nasty_names_lay_out_to_valid_svg():
    sd = SameDiff()
    for k, name in enumerate(NASTY):
        with sd.name_scope(f"scope {k} {name}"):
            sd.math.square(sd.placeholder(name), name="square")
    svg = sd.plot().svg
    assert len(svg_groups(svg, "node")) == 2 * len(NASTY)
    tree = svg_tree(svg)
    assert not list(tree.iter(f"{SVG}script"))
    assert not list(tree.iter(f"{SVG}a"))
    assert "<script>alert(1)<!--" in svg_texts(svg)


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=30))
def test_any_name_makes_dot_that_parses(name):
    try:
        sd = graph(name)
    except VariableNameError:
        return
    assert len(cards(sd.to_dot())) == 2
    assert all(line.isprintable() or line == "" for line in sd.to_dot().split("\n"))


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=30))
def test_any_name_keeps_mermaid_on_its_lines(name):
    try:
        sd = graph(name)
    except VariableNameError:
        return
    text = sd.to_mermaid()
    plain = graph(re.sub("[^/]+", "x", name)).to_mermaid()  # in as many scopes
    assert text.count("\n") == plain.count("\n")
    (card,) = [line for line in text.splitlines() if line.lstrip().startswith('n0["')]
    assert card.count('"') == 2
    assert re.fullmatch(r"[^<>]*(<(/?b|br/)>[^<>]*)*", card)


@needs_engine
@settings(max_examples=10)
@given(st.text(min_size=1, max_size=12))
def test_any_name_makes_valid_svg(name):
    try:
        sd = graph(name)
    except VariableNameError:
        return
    assert len(svg_groups(sd.plot(title=name).svg, "node")) == 2
