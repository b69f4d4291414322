import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError


def network():
    sd = SameDiff()
    h = sd.placeholder("x", shape=("batch", 4))
    for name, size in (("layer1", 3), ("layer2", 1)):
        with sd.name_scope(name):
            w = sd.var("w", shape=(h.shape[1], size), init="glorot")
            b = sd.var("b", shape=(size,))
            h = sd.nn.sigmoid(h @ w + b, name="h")
    sd.loss.mean_squared_error(sd.placeholder("y", shape=("batch", 1)), h, name="loss")
    return sd


def rows(text):
    """Cells of the table's rows, split where the rule below the heading has gaps."""
    lines = text.split("\n")
    spans = [m.span() for m in re.finditer("-+", lines[1])]
    body = lines[2 : lines.index(lines[1], 2)]
    return [[line[a:b].strip() for a, b in spans] for line in body]


def test_one_aligned_row_per_variable():
    sd = network()
    text = str(sd.summary())
    table = rows(text)
    assert [r[0] for r in table] == [v.name for v in sd.variables()]
    assert text.split("\n")[0].split() == ["name", "kind", "op", "shape", "dtype", "inputs", "parameters"]
    assert table[1] == ["layer1/w", "variable", "-", "(4, 3)", "float32", "-", "12"]
    assert table[4][5] == "layer1/matmul, layer1/b"
    assert table[-1][:3] == ["loss", "loss", "loss.mean_squared_error"]


def test_totals():
    totals = str(network().summary()).split("\n")[-3:]
    assert totals == [
        "variables:  13: 2 placeholders, 4 variables, 7 op outputs",
        "parameters: 19 (76 B)",
        "losses:     loss",
    ]


def test_gradients_say_whose_they_are():
    sd = network()
    sd.calculate_gradients({"x": np.ones((2, 4)), "y": np.ones((2, 1))})
    text = str(sd.summary(gradients=True))
    table = rows(text)
    assert [r[0] for r in table] == [v.name for v in sd.variables(gradients=True)]
    assert {r[0]: r[1] for r in table}["grad/layer1/w"] == "gradient of layer1/w"
    assert f"{len(table) - 13} gradients" in text.split("\n")[-3]


def test_gradients_are_left_out_and_counted():
    sd = network()
    before = str(sd.summary())
    sd.calculate_gradients({"x": np.ones((2, 4)), "y": np.ones((2, 1))})
    left = len(sd.variables(gradients=True)) - 13
    text = str(sd.summary())
    line = f"gradients:  {left} more, not listed; summary(gradients=True) lists them\n"
    assert left > 10 and line in text
    assert text.replace(line, "") == before
    assert line.strip() in sd.summary()._repr_html_()
    assert [r[0] for r in rows(str(sd.summary(depth=0)))] == ["x", "layer1/", "layer2/", "y", "loss"]


def test_depth_makes_one_row_per_scope():
    table = rows(str(network().summary(depth=0)))
    assert [r[0] for r in table] == ["x", "layer1/", "layer2/", "y", "loss"]
    assert table[1] == ["layer1/", "scope", "5 variables", "-", "-", "-", "15"]
    assert len(rows(str(network().summary(depth=1)))) == 13


@pytest.mark.parametrize(
    ("sort", "first"), [("topological", "x"), ("name", "layer1/add"), ("kind", "layer1/matmul"), ("size", "layer1/w")]
)
def test_sorting(sort, first):
    assert rows(str(network().summary(sort=sort)))[0][0] == first


@pytest.mark.parametrize("arguments", [{"sort": "colour"}, {"depth": -1}, {"depth": "all"}])
def test_wrong_arguments(arguments):
    with pytest.raises(ArgumentError, match="expected:"):
        network().summary(**arguments)


def test_the_tuple_of_an_op_with_several_outputs_is_no_variable():
    sd = SameDiff()
    sd.linalg.qr(sd.var("m", np.eye(2)), name="f")
    table = rows(str(sd.summary()))
    assert [r[0] for r in table] == ["m", "f", "f:1"]
    assert [r[5] for r in table] == ["-", "m", "m"]


def test_an_empty_graph():
    assert rows(str(SameDiff().summary())) == []
    assert "parameters: 0 (0 B)" in SameDiff().summary()


def test_long_and_strange_names_keep_the_columns():
    sd = SameDiff()
    sd.placeholder("n" * 200)
    sd.placeholder("日本語")
    sd.placeholder("right\u202eleft")
    sd.placeholder("é\u0301")
    lines = str(sd.summary()).split("\n")
    assert all(line.isprintable() for line in lines)
    assert all(len(line) < 160 for line in lines)


class Cells(HTMLParser):
    """Counts rows and open tags of an HTML table."""

    def __init__(self):
        super().__init__()
        self.rows, self.open, self.text = 0, [], []

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr"
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_notebooks_get_an_html_table():
    sd = network()
    sd.placeholder("<b>&")
    parser = Cells()
    parser.feed(sd.summary()._repr_html_())
    assert parser.open == []
    assert parser.rows == 15
    assert "<b>&" in parser.text


def test_html_of_a_long_graph_is_bounded():
    sd = SameDiff()
    for k in range(700):
        sd.placeholder(f"x{k}")
    parser = Cells()
    parser.feed(sd.summary()._repr_html_())
    assert parser.rows == 502
    assert "… 200 more rows" in parser.text
    assert len(rows(str(sd.summary()))) == 700


def test_a_summary_is_a_text():
    text = network().summary()
    assert isinstance(text, str)
    assert text.splitlines()[0].startswith("name")


def test_what_is_not_trained_is_no_parameter():
    sd = SameDiff()
    w, ids, mask = sd.var("w", [1.0, 2.0]), sd.var("ids", [1, 0], dtype="int64"), sd.var("mask", [True, False, True])
    with sd.name_scope("layer"):
        _ = sd.var("table", [1, 2], dtype="int32"), sd.var("b", [1.0, 2.0, 3.0])
    _ = sd.gather(w, ids, axis=0), mask
    parameters = {r[0]: r[-1] for r in rows(str(sd.summary()))}
    assert (parameters["w"], parameters["ids"], parameters["mask"], parameters["layer/table"]) == ("2", "-", "-", "-")
    assert {r[0]: r[-1] for r in rows(str(sd.summary(depth=0)))}["layer/"] == "3"
    # Two numbers of 8 B, three of 1 B, two of 4 B.
    assert "parameters: 5 (20 B), not trainable: 7 (27 B)" in sd.summary()
    # Pictures count the same, as a whole and scope by scope.
    assert "5 parameters" in sd.to_dot() and "3 parameters" in sd.to_dot(depth=0)


def test_a_mixture_of_floating_dtypes_is_told_with_where_it_begins():
    sd = SameDiff()
    x = sd.placeholder("x", (2,))
    y = sd.math.mul(x, np.sqrt(8), name="y")
    assert "dtypes:" not in sd.summary()
    _ = y * sd.var("ids", [1, 2], dtype="int8").cast("float32"), x > 0.0
    assert "dtypes:" not in sd.summary()
    scale = sd.constant("scale", np.array([2.0, 3.0]))
    assert "dtypes:     mixed: float32, float64; first float64: 'scale'" in str(sd.summary()).split("\n")
    _ = sd.cast(y * scale, "float16", name="half")
    told = "dtypes:     mixed: float32, float64, float16; first float64: 'scale', first float16: 'half'"
    assert told in str(sd.summary()).split("\n")
    assert told.replace("'", "&#x27;") in sd.summary()._repr_html_()
