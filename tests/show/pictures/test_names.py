"""Names a user may choose must come out as text, whatever they look like to DOT, HTML, XML or Mermaid."""

import contextlib
import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, VariableNameError
from sdgraph.show.pictures.lay_out import programs as engines
from tests.show.pictures.parsing import SVG, cards, svg_groups, svg_texts, svg_tree

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


# ---------------------------------------------------------------------- long names and deep scopes

LONG = "l" * 400 + "<&" * 100 + "m" * 400
LONGEST_TEXT = 16_384
"""Characters of a text that Graphviz takes; it refuses the whole source for a longer one."""


def long_names(scopes):
    """A graph whose names, sizes and scopes are all as long as they may be."""
    sd = SameDiff()
    x = sd.placeholder(LONG, shape=(LONG.replace("l", "b"), LONG.replace("l", "c")))
    with inside(sd, [f"{k}{LONG[: 999 - len(str(k))]}" for k in range(scopes)]):
        for _ in range(3):
            x = sd.math.add(sd.math.square(x, name=f"{LONG[1:]}{len(sd.nodes)}"), x)
    return sd


@contextlib.contextmanager
def inside(sd, scopes):
    """Scopes in scopes."""
    with contextlib.ExitStack() as stack:
        for name in scopes:
            stack.enter_context(sd.name_scope(name))
        yield


def texts(dot):
    """All quoted and all HTML-like texts of a source."""
    return re.findall(r'"[^"]*"', dot) + re.findall(r"<FONT[^>]*>[^<]*", dot)


@pytest.mark.parametrize("scopes", [0, 1, 40])
def test_no_text_of_a_source_is_too_long_for_an_engine(scopes):
    sd = long_names(scopes)
    dot = sd.to_dot(title="t" * 50_000)
    assert max(map(len, texts(dot))) < LONGEST_TEXT / 4
    if engines.available():
        assert len(svg_groups(sd.plot(title="t" * 50_000).svg, "node")) == 7


def test_names_of_sizes_are_shortened_on_cards_as_names_are():
    sd = SameDiff()
    sd.placeholder("x", shape=("the_length_of_the_longest_sentence", None, 3))
    [(title, sizes)] = [lines[:2] for lines in cards(sd.to_dot())]
    assert (title, sizes) == ("x placeholder", "float32 (the_length_…est_sentence, ?, 3)")


@pytest.mark.parametrize("each", [1, 2])
def test_scopes_that_nest_deeper_than_any_recursion(each):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(2,))
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(inside(sd, ["s"] * 400))
            for _ in range(each):
                x = sd.math.tanh(x)
    assert x.name.count("/") == 3200
    assert len(cards(sd.to_dot())) <= len(sd.nodes)
    assert sd.to_mermaid().count("subgraph") <= 60
    if engines.available():
        assert svg_groups(sd.plot().svg, "node")
        assert "<svg" in sd.explore().html
    f = sd.compile(x, engine="numpy")
    assert sd.plot(plan=f.plan).dot


def test_deep_scopes_cost_no_more_than_their_names():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(2,))
    tracemalloc.start()
    try:
        with inside(sd, ["s"] * 20_000):
            for _ in range(5):
                x = sd.math.tanh(x)
        sd.to_dot()
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", ["to_dot", "plot", "explore"])
def test_a_title_that_no_file_can_hold_is_refused(make):
    with pytest.raises(ArgumentError, match="title cannot be this"):
        getattr(graph("x"), make)(title="a\ud800")
