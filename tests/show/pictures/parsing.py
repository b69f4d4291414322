"""Reading DOT and SVG back, independently of what wrote them."""

import html
import re
import xml.etree.ElementTree as ET

import pytest

SVG = "{http://www.w3.org/2000/svg}"


def parsed(dot):
    """DOT source as a pygraphviz graph."""
    pygraphviz = pytest.importorskip("pygraphviz")
    return pygraphviz.AGraph(string=dot)


def cards(dot):
    """The text on each card, one list of lines per node, in the order of node ids."""
    graph = parsed(dot)
    found = [n for n in graph.nodes() if n.startswith("n")]
    return [label_lines(graph.get_node(n).attr["label"]) for n in sorted(found, key=lambda n: int(n[1:]))]


def label_lines(label):
    """The rows of an HTML-like label as plain text."""
    rows = re.findall(r"<TR>(.*?)</TR>", label)
    texts = [html.unescape(re.sub(r"<[^>]*>", "", row)).replace("\xa0", " ").strip() for row in rows]
    return [" ".join(t.split()) for t in texts if t]


def svg_tree(svg):
    return ET.fromstring(svg)


def svg_texts(svg):
    return ["".join(t.itertext()).replace("\xa0", " ").strip() for t in svg_tree(svg).iter(f"{SVG}text")]


def svg_groups(svg, kind):
    return [g for g in svg_tree(svg).iter(f"{SVG}g") if (g.get("class") or "").split(" ")[0] == kind]
