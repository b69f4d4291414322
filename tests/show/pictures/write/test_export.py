import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError
from tests.show.pictures.graphs import logistic_regression, weighted_loss

networkx = pytest.importorskip("networkx")


def test_nodes_and_edges_are_those_of_the_graph():
    sd, feeds = weighted_loss()
    sd.calculate_gradients(feeds)
    graph = sd.to_networkx("both")
    assert list(graph.nodes) == [v.name for v in sd.variables()]
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
    assert set(sd.to_networkx("both")) == {v.name for v in sd.variables()}
    gradient = sd.to_networkx("gradient")
    assert any(d["is_gradient"] for _, d in gradient.nodes(data=True))
    assert "model/p" not in gradient
    with pytest.raises(ArgumentError, match="both"):
        sd.to_networkx("all")


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
