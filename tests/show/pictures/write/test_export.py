import io
import json
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, VariableNameError
from tests.show.pictures.graphs import logistic_regression, weighted_loss

networkx = pytest.importorskip("networkx")


def test_nodes_and_edges_are_those_of_the_graph():
    sd, feeds = weighted_loss()
    sd.calculate_gradients(feeds)
    graph = sd.to_networkx("both")
    assert list(graph.nodes) == [v.name for v in sd.variables(gradients=True)]
    expected = {(sd.nodes[j].name, n.name, k) for n in sd.nodes for k, j in enumerate(n.inputs) if j >= 0}
    assert set(graph.edges(keys=True)) == expected
    assert networkx.is_directed_acyclic_graph(graph)


def test_attributes():
    sd, _ = logistic_regression()
    g = sd.grad("objective/loss", "model/w")
    graph = sd.to_networkx("both")
    loss = graph.nodes["objective/loss"]
    assert (loss["kind"], loss["op"], loss["shape"], loss["dtype"]) == ("array", "mean", (), "float64")
    assert loss["is_loss"]
    assert not loss["is_gradient"]
    assert loss["scope"] == "objective"
    assert "graphs.py:" in loss["origin"]
    assert graph.nodes["x"]["op"] is None
    assert graph.nodes["x"]["shape"] == ("n", 4)
    assert graph.nodes[g.name]["is_gradient"]
    assert graph.nodes[g.name]["gradient_of"] == "model/w"
    assert graph.nodes["model/p"]["is_output"]
    assert graph.edges["y", "objective/ce", 0]["operand"] == "label"


def test_both_operands_of_one_variable_are_kept():
    sd = SameDiff()
    x = sd.placeholder("x")
    sd.math.mul(x, x, name="y")
    assert list(sd.to_networkx().edges(keys=True)) == [("x", "y", 0), ("x", "y", 1)]


def test_views():
    sd, feeds = logistic_regression()
    whole = set(sd.to_networkx())
    sd.calculate_gradients(feeds)
    assert set(sd.to_networkx()) == set(sd.to_networkx("forward")) == whole
    assert set(sd.to_networkx("both")) == {v.name for v in sd.variables(gradients=True)}
    gradient = sd.to_networkx("gradient")
    assert any(d["is_gradient"] for _, d in gradient.nodes(data=True))
    assert "model/p" not in gradient
    with pytest.raises(ArgumentError, match="both"):
        sd.to_networkx("all")  # type: ignore[arg-type]


def test_an_omitted_operand_leaves_its_place_free():
    sd = SameDiff()
    a, b = sd.placeholder("a"), sd.placeholder("b")
    sd.loss.huber_loss(a, b, None, name="l")
    assert [d["operand"] for *_, d in sd.to_networkx().edges(data=True)] == ["label", "predictions"]


def test_the_hidden_tuple_of_several_outputs_is_skipped():
    sd = SameDiff()
    sd.linalg.qr(sd.var("m", np.eye(2)), name="f")
    assert sorted(sd.to_networkx().edges()) == [("m", "f"), ("m", "f:1")]


def test_the_export_does_not_hold_on_to_the_graph():
    sd, _ = logistic_regression()
    graph = sd.to_networkx()
    graph.remove_node("x")
    assert "x" in sd


# ---------------------------------------------------------------------- what files can hold


def through_graphml(graph):
    file = io.BytesIO()
    networkx.write_graphml(graph, file)
    file.seek(0)
    return networkx.read_graphml(file, force_multigraph=True)


def through_gexf(graph):
    file = io.BytesIO()
    networkx.write_gexf(graph, file)
    file.seek(0)
    return networkx.MultiDiGraph(networkx.read_gexf(file))


def through_gml(graph):
    file = io.BytesIO()
    networkx.write_gml(graph, file)
    file.seek(0)
    return networkx.read_gml(file)


def through_json(graph):
    text = json.dumps(networkx.node_link_data(graph, edges="edges"), allow_nan=False)
    return networkx.node_link_graph(json.loads(text), edges="edges")


FORMATS = [through_graphml, through_gexf, through_gml, through_json]


def check_same(graph, read):
    """Formats add what they need, such as labels; nothing may be lost or changed."""
    assert list(read) == list(graph)
    for name, attributes in graph.nodes(data=True):
        assert attributes.items() <= read.nodes[name].items()
    for pair in {(u, v) for u, v, _ in graph.edges}:
        here, there = (sorted(g.get_edge_data(*pair).values(), key=lambda d: d["position"]) for g in (graph, read))
        assert len(here) == len(there)
        assert all(a.items() <= b.items() for a, b in zip(here, there, strict=True))


def everything():
    """Unknown sizes, settings of every form, several outputs, one operand twice, losses, two orders of gradients."""
    sd = SameDiff("float64")
    x, w = sd.placeholder("x", ("batch", None)), sd.var("net/w", shape=(3, 3), init="ones")
    h = sd.nn.dropout(sd.math.mul(x @ w, x @ w), 0.5)
    sd.linalg.qr(w, name="f")
    part = sd.concat([h[1:, None], sd.expand_dims(h, 1)[1:]], axis=1).mean(axis=(1, -1), name="part")
    loss = sd.loss.huber_loss(sd.where(part > 0, 0.0, part), part, name="loss")
    (g,) = sd.grad(loss, [w])
    sd.grad(g.sum(), w)
    return sd


@pytest.mark.parametrize("through", FORMATS)
@pytest.mark.parametrize("view", ["forward", "gradient", "both"])
def test_plain_data_survives_every_format(through, view):
    graph = everything().to_networkx(view, data="plain")
    values = [v for _, d in graph.nodes(data=True) for v in d.values()]
    values += [v for *_, d in graph.edges(data=True) for v in d.values()]
    assert {type(v) for v in values} == {str, bool, int}
    check_same(graph, through(graph))


def test_plain_data_says_the_same_as_rich():
    sd = everything()
    rich, plain = (sd.to_networkx("both", data=data) for data in ("rich", "plain"))
    assert list(rich.edges(keys=True)) == list(plain.edges(keys=True))
    for name, found in plain.nodes(data=True):
        wanted = rich.nodes[name]
        assert found.keys() == wanted.keys()
        for key in ("kind", "dtype", "is_loss", "is_output", "is_gradient", "scope", "origin"):
            assert found[key] == wanted[key]
        assert (found["op"], found["gradient_of"]) == (wanted["op"] or "", wanted["gradient_of"] or "")
        assert (found["attributes"] == "") == (wanted["attributes"] == {})
    assert plain.nodes["x"]["shape"] == "(batch, ?)"
    assert plain.nodes["loss"]["shape"] == "scalar"
    assert json.loads(plain.nodes["part"]["attributes"]) == {"axis": [1, -1], "keepdims": False}
    assert json.loads(plain.nodes["loss"]["attributes"])["loss_reduce"] == "MEAN_BY_NONZERO_WEIGHT_COUNT"
    assert all(d["position"] == k for *_, k, d in plain.edges(keys=True, data=True))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=4))
@example(["()", "[]", "a\uffff", "a\\uffff", "a\u0085b", "node", "_networkx_list_start", "&#34;", '"&amp;'])
def test_plain_data_survives_with_any_names(names):
    sd = SameDiff("float64")
    x = sd.placeholder("x", ("()", "<&>\uffff"))
    for name in names:
        try:
            x = sd.math.mul(x, x, name=name)
        except VariableNameError:
            continue
    graph = sd.to_networkx(data="plain")
    assert len(graph) == len(sd.variables())
    for through in FORMATS:
        check_same(graph, through(graph))


def test_settings_of_the_users_own_are_written_as_they_print():
    class Setting:
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    sd = SameDiff()
    y = sd.math.exp(sd.placeholder("x"), name="y")
    y.node.attrs = {"how": Setting(), "scale": np.float32(0.5), "bounds": (np.int64(1), None)}
    found = json.loads(sd.to_networkx(data="plain").nodes["y"]["attributes"])
    assert (found["scale"], found["bounds"]) == (0.5, [1, None])
    assert "Setting" in found["how"]


def test_the_settings_of_an_op_with_several_outputs_are_told():
    sd = SameDiff()
    sd.math.moments(sd.var("m", np.eye(2)), axis=0, name="f")
    assert sd.to_networkx().nodes["f:1"]["attributes"] == {"axis": 0, "keepdims": False, "index": 1}


@pytest.mark.parametrize("form", ["json", None, 1, ["plain"]])
def test_an_unknown_form_is_refused(form):
    with pytest.raises(ArgumentError, match="'rich' or 'plain'"):
        SameDiff().to_networkx(data=form)


@pytest.mark.slow
def test_the_time_grows_with_the_graph():
    def seconds(n):
        sd = SameDiff()
        x = sd.placeholder("x")
        for _ in range(n):
            x = -x
        start = time.perf_counter()
        assert len(sd.to_networkx(data="plain")) == n + 1
        return time.perf_counter() - start

    assert min(seconds(100_000) for _ in range(2)) < 40 * min(seconds(10_000) for _ in range(2))
