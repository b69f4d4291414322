"""The page as a text: it is whole, safe and offline, and its facts are those of the graph."""

import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError, GradientError, VariableNameError
from sdgraph.show.pictures.choose.values import Values
from sdgraph.show.pictures.explorer import views
from sdgraph.show.pictures.explorer.facts import facts, statistics
from sdgraph.show.pictures.lay_out import programs as engines
from sdgraph.show.visible import visible

needs_engine = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine is installed")


def model():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", ("n", 3)), sd.placeholder("y", ("n",))
    with sd.name_scope("model"):
        w = sd.var("w", [0.5, -1.0, 2.0])
        z = sd.math.add(x @ w, 0.5, name="z")
    sd.loss.mean_squared_error(y, z, name="loss")
    return sd, {"x": np.arange(60.0).reshape(20, 3), "y": np.zeros(20)}


def data(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


class Checker(HTMLParser):
    """Collects what a browser would load or run, and checks that tags close."""

    VOID = ("meta", "input", "img", "br", "link")

    def __init__(self):
        super().__init__()
        self.tags, self.stack, self.addresses, self.handlers = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.stack.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action") and v]
        self.handlers += [k for k, _ in attrs if k.startswith("on")]

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


def checked(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.stack
    assert not checker.addresses
    assert not checker.handlers
    assert checker.tags.count("script") == 2
    return checker


@needs_engine
def test_the_page_is_whole_and_offline():
    sd, feeds = model()
    page = sd.explore(feeds=feeds).html
    tags = checked(page).tags
    assert tags.count("svg") == tags.count("template") == len(data(page)["views"]) == 2
    assert "{{" not in page
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)
    assert "default-src 'none'" in page
    ids = re.findall(r'<[^>]* id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert page == sd.explore(feeds=feeds).html


@needs_engine
def test_facts():
    sd, feeds = model()
    before = len(sd.nodes)
    found = data(sd.explore(feeds=feeds).html)
    assert len(sd.nodes) == before
    known = {v["name"]: v for v in found["variables"].values()}
    ids = {v["name"]: int(i) for i, v in found["variables"].items()}
    w = known["model/w"]
    assert (w["kind"], w["shape"], w["dtype"], w["size"], w["memory"]) == ("variable", "(3,)", "float64", "3", "24 B")
    assert w["numbers"]["values"] == "0.5, -1, 2"
    assert w["at"].startswith(__file__)
    assert 'w = sd.var("w"' in w["code"]
    assert w["uses"] == [ids["model/matmul"]]
    assert known["model/z"]["inputs"] == [["x", ids["model/matmul"]], ["y", ids["model/constant"]]]
    assert known["model/constant"]["hidden"]
    grad = known["grad/model/w"]
    norm = np.linalg.norm(sd.calculate_gradients(feeds)["model/w"])
    assert w["gradient"] == ids["grad/model/w"]
    assert grad["title"] == "∂loss/∂model/w"
    assert float(grad["numbers"]["‖·‖₂"]) == pytest.approx(norm, rel=1e-3)
    assert "at" not in grad
    assert dict(known["loss"]["settings"])["loss_reduce"] == "MEAN_BY_NONZERO_WEIGHT_COUNT"


def test_settings_that_were_left_at_none_are_not_told():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3))
    ys = [sd.math.log(x), sd.math.log(x, base=2.0), x.sum(), x.sum(1, keepdims=True), sd.random.normal(0.0, 1.0, (2,))]
    known = facts(visible(sd), {}, Values(), len(sd.nodes), [y.id for y in ys])
    told = [dict(known[y.id].get("settings", ())) for y in ys]
    assert told[:4] == [{}, {"base": "2.0"}, {"keepdims": "False"}, {"axis": "1", "keepdims": "True"}]
    assert "stream" not in told[4] and "None" not in told[4].values()


@needs_engine
def test_views_and_links():
    sd, feeds = model()
    found = data(sd.explore(feeds=feeds, depth=0).html)
    views = found["views"]
    assert [(v["kind"], v["scope"], v["parent"]) for v in views] == [
        ("forward", "", None), ("gradient", "", None), ("forward", "model", 0), ("gradient", "model", 1),
    ]  # fmt: skip
    scope = [k for k, c in enumerate(views[0]["cards"]) if c["scope"] == "model"]
    assert len(scope) == 1
    names = {i: v["name"] for i, v in found["variables"].items()}
    inside = {names[str(i)] for c in views[2]["cards"] for i in c["ids"]}
    assert {"model/w", "model/z", "model/matmul"} < inside
    assert all(0 <= a < len(v["cards"]) and 0 <= b < len(v["cards"]) for v in views for a, b in v["links"])


def test_many_scopes_share_the_room():
    from sdgraph.show.options import Options
    from sdgraph.show.pictures.choose.parts import forward_parts
    from sdgraph.show.pictures.choose.values import Values
    from sdgraph.show.pictures.explorer.views import MAX_VIEWS, tour
    from sdgraph.show.visible import visible

    sd = SameDiff()
    h = sd.placeholder("x", (3,))
    for k in range(60):
        with sd.name_scope(f"layer{k}"), sd.name_scope("inner"):
            h = (h * 2.0 + 1.0).sum(keepdims=True)
    parts = forward_parts(visible(sd), None)
    views = tour([("forward", parts)], Values(), Options(max_nodes=100))
    assert len(views) == MAX_VIEWS
    assert views[0].notes == [f"scopes without a picture of their own: {60 - MAX_VIEWS + 1}"]
    assert len({v.scope for v in views}) == MAX_VIEWS
    one = tour([("forward", parts)], Values(), Options(max_nodes=10))
    assert all(len(v.scene.cards) <= 10 for v in one)


@needs_engine
def test_without_a_loss_there_is_one_view():
    sd = SameDiff()
    x = sd.placeholder("x")
    sd.math.sin(x, name="a")
    sd.math.cos(x, name="b")
    assert [v["kind"] for v in data(sd.explore().html)["views"]] == ["forward"]
    with pytest.raises(GradientError):
        sd.explore(wrt="x")


@needs_engine
def test_a_page_has_the_gradient_of_the_loss_that_leads_on_from_others():
    sd = SameDiff()
    w = sd.var("w", [1.0, 2.0])
    slope = sd.grad(sd.math.square(w).sum(name="other"), w)
    total = sd.math.add(sd.loss.l2_loss(w), 0.1 * sd.loss.l2_loss(slope), name="total")
    found = data(sd.explore().html)
    assert [v["kind"] for v in found["views"]] == ["forward", "gradient"]
    assert found["views"][1]["crumb"] == "Gradient of total"
    assert [f["name"] for f in found["variables"].values() if f["kind"] == "loss"] == [total.name]


def test_an_empty_graph_has_a_page():
    assert repr(SameDiff().explore()) == "<Explorer: Graph: 0 variables.>"


def test_files(tmp_path):
    sd, _ = model()
    for bad in ("page.txt", "missing/page.html"):
        with pytest.raises(ArgumentError):
            sd.to_html(tmp_path / bad)
    if engines.available():
        path = sd.to_html(tmp_path / "page.html")
        assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"view": "both"}, ArgumentError),
        ({"focus": "x"}, ArgumentError),
        ({"height": 3}, ArgumentError),
        ({"colour": "red"}, ArgumentTypeError),
        ({"feeds": {"q": 1.0}}, FeedError),
    ],
)
def test_errors(options, error):
    sd, _ = model()
    with pytest.raises(error):
        sd.explore(**options)


# ---------------------------------------------------------------------- notebooks


@needs_engine
def test_a_notebook_gets_a_frame_and_a_still_picture():
    sd, feeds = model()
    page = sd.explore(feeds=feeds, height=400)
    bundle = page._repr_mimebundle_()
    text = bundle["text/html"]
    assert 'height="400"' in text
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', text)[1]) == page.html
    assert "data:image/svg+xml;base64," in text
    name = re.search(r'<div id="([^"]*)"', text)[1]
    assert f"<style>#{name}{{display:none}}</style>" in text


def test_without_an_engine_a_notebook_gets_mermaid(monkeypatch):
    monkeypatch.setattr(engines, "command", lambda *_: None)
    sd, _ = model()
    page = sd.explore(title="nothing laid out before")
    bundle = page._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/vnd.mermaid"}
    first, why = bundle["text/plain"].splitlines()
    assert first == repr(page) and "No Graphviz" in why and "pip install" in why
    assert "No Graphviz" in bundle["text/vnd.mermaid"]


# ---------------------------------------------------------------------- hostile names

NASTY = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "{{data}}", "${x}",
    "a&b", "it's", "a\u2028b", "a\u202eb", "id=\"n0\"", "]]>", "<!--", "\\u003c", "cluster_0_1", "日本", "a" * 300,
]  # fmt: skip


@needs_engine
def test_hostile_names_stay_names():
    sd = SameDiff("float64")
    total = sd.constant("start", 1.0)
    for k, name in enumerate(NASTY):
        with sd.name_scope(name.replace("/", "") if k < 6 else "rest"):
            total = sd.math.add(total, sd.var(f"{name}{k}".replace("/", ""), float(k)), name=f"sum{k}")
    page = sd.explore(title="</title><script>alert(1)</script>", depth=1, max_nodes=None).html
    checked(page)
    found = data(page)
    names = {v["name"] for v in found["variables"].values()}
    assert any("onerror=alert(1)" in n for n in names)
    for view in found["views"]:
        assert all("<script" not in note for note in view["notes"])


@needs_engine
@settings(max_examples=8)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4, unique=True))
def test_any_name(names):
    sd = SameDiff()
    for name in names:
        try:
            sd.var(name, 1.0)
        except VariableNameError:
            continue
    page = sd.explore().html
    checked(page)
    assert len(data(page)["variables"]) == len(sd.nodes)


# ---------------------------------------------------------------------- statistics


def test_statistics_of_large_and_bad_values():
    x = np.linspace(-1, 1, 101)
    found = statistics(x)
    assert sum(found["bins"]) == 101
    assert (found["min"], found["max"], found["zeros"]) == ("-1", "1", "1 of 101")
    huge = statistics(np.array([1e300, -1e300] * 20))
    assert (huge["mean"], huge["std"]) == ("0", "1e+300")
    assert huge["‖·‖₂"] == "6.325e+300"
    assert "bins" in statistics(np.array([np.nan, 1.0, 2.0] * 10))
    assert statistics(np.full(20, np.nan), bad="20 × NaN") == {"bad": "20 × NaN"}
    assert statistics(np.zeros(0)) == {}
    assert statistics(np.ones(3, "complex64"))["values"] == "1+0j, 1+0j, 1+0j"


@needs_engine
@pytest.mark.parametrize("most", [1, 12, 60, 1000])
def test_a_page_of_a_large_graph_knows_what_it_shows_and_not_much_more(most, monkeypatch):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(2,))
    for k in range(20):
        with sd.name_scope(f"part{k % 4}"):
            x = sd.math.tanh(sd.math.square(x) * x)
    whole = len(data(sd.explore(max_nodes=5).html)["variables"])
    assert 60 < whole < 1000
    monkeypatch.setattr(views, "MOST_FACTS", most)
    known = data(sd.explore(max_nodes=5).html)
    of, pictures = known["variables"], known["views"]
    shown = {i for v in pictures for c in v["cards"] if c["scope"] is None for i in c["ids"]}
    assert shown and all(c["ids"] or c["scope"] for v in pictures for c in v["cards"])
    assert len(of) == min(max(most, len(shown)), whole) and shown <= {int(i) for i in of}
    assert all(c["count"] >= len(c["ids"]) for v in pictures for c in v["cards"])
    assert sum(c["count"] for c in pictures[0]["cards"]) == len(sd.nodes)
    mentioned = {i for v in pictures for c in v["cards"] for i in c["ids"]}
    mentioned |= {i for v in of.values() for i in [*v["uses"], *(j for _, j in v["inputs"])]}
    assert mentioned <= {int(i) for i in of}
    note = [n for n in pictures[0]["notes"] if n.startswith("variables that this page says nothing of")]
    assert note == ([f"variables that this page says nothing of: {whole - len(of)}"] if len(of) < whole else [])
