import pytest

from sdgraph import SameDiff
from tests.show.pictures.graphs import layers, logistic_regression, weighted_loss
from tests.show.pictures.parsing import cards, label_lines, parsed


def nodes_of(graph):
    return [n for n in graph.nodes() if n.startswith("n")]


def test_one_card_per_variable():
    sd, _ = logistic_regression()
    assert {c[0].split()[0] for c in cards(sd.to_dot())} == {v.name.split("/")[-1] for v in sd.variables()}


def test_one_arrow_per_operand():
    sd, _ = logistic_regression()
    expected = sum(len([j for j in n.inputs if j >= 0]) for n in sd.nodes)
    assert len(parsed(sd.to_dot()).edges()) == expected


def test_both_operands_of_a_square_have_an_arrow():
    sd = SameDiff()
    x = sd.placeholder("x")
    sd.math.mul(x, x, name="y")
    assert [(a, b) for a, b in parsed(sd.to_dot()).edges()] == [("n0", "n1")] * 2


def test_scopes_are_boxes_with_their_cards():
    sd, _ = logistic_regression()
    graph = parsed(sd.to_dot())
    boxes = {label_lines(f"<TR>{b.graph_attr['label']}</TR>")[0]: len(b.nodes()) for b in graph.subgraphs()}
    assert boxes == {"model": 5, "objective": 2}
    flat = parsed(sd.to_dot(show_scopes=False))
    assert not flat.subgraphs()


def test_nested_scopes_are_nested_boxes():
    sd = SameDiff()
    with sd.name_scope("a"), sd.name_scope("b"):
        sd.placeholder("x")
    graph = parsed(sd.to_dot())
    (outer,) = graph.subgraphs()
    (inner,) = outer.subgraphs()
    assert "a" in outer.graph_attr["label"]
    assert "b" in inner.graph_attr["label"]
    assert len(inner.nodes()) == 1


@pytest.mark.parametrize(
    ("name", "shape", "style", "word"),
    [
        ("x", "box", "dashed", "placeholder"),
        ("w", "cylinder", "filled", "variable"),
        ("z", "box", "rounded", "add"),
        ("p", "box", "rounded", "sigmoid"),
        ("loss", "box", "rounded", "mean"),
    ],
)
def test_outline_and_word_tell_the_kind(name, shape, style, word):
    sd, _ = logistic_regression()
    graph = parsed(sd.to_dot())
    (card,) = [
        graph.get_node(n) for n in nodes_of(graph) if label_lines(graph.get_node(n).attr["label"])[0].split()[0] == name
    ]
    assert card.attr["shape"] == shape
    assert style in card.attr["style"]
    assert label_lines(card.attr["label"])[0].split()[1] == word


def test_a_loss_has_two_lines_around_it_and_an_output_a_thick_one():
    sd, _ = logistic_regression()
    graph = parsed(sd.to_dot())
    by_class = {graph.get_node(n).attr["class"]: graph.get_node(n).attr for n in nodes_of(graph)}
    assert by_class["sd-loss"]["peripheries"] == "2"
    assert float(by_class["sd-output"]["penwidth"]) > float(by_class["sd-op"]["penwidth"])


def test_shapes_dtypes_and_constants_are_lines():
    sd = SameDiff("float64")
    sd.constant("c", 0.25)
    sd.placeholder("x", shape=("batch", None, 3), dtype="int32")
    assert cards(sd.to_dot()) == [["c constant", "float64 ()", "0.25"], ["x placeholder", "int32 (batch, ?, 3)"]]
    assert cards(sd.to_dot(show_shapes=False, show_dtypes=False, values="none")) == [["c constant"], ["x placeholder"]]


def test_numbers_in_expressions_are_part_of_the_word():
    sd, _ = weighted_loss()
    words = [c[0] for c in cards(sd.to_dot())]
    assert "mul (·, 2)" in words
    assert "predictions add(·, 1)" in words
    assert not any(w.startswith("constant") for w in words)


def test_a_constant_of_the_users_is_a_card_even_if_scalar():
    sd = SameDiff()
    sd.math.mul(sd.placeholder("x"), sd.constant("rate", 0.1), name="y")
    assert [c[0] for c in cards(sd.to_dot())] == ["x placeholder", "rate constant", "y mul"]


def head_labels(sd, **options):
    graph = parsed(sd.to_dot(**options))
    return [
        "".join(label_lines(f"<TR>{e.attr[k]}</TR>")[0] for k in ("label", "headlabel") if e.attr[k])
        for e in sorted(graph.edges(), key=lambda e: int(graph.get_edge(*e, e.name).attr["id"][1:]))
    ]


def test_operand_order_is_told_where_it_matters():
    sd = SameDiff()
    a, b = sd.placeholder("a"), sd.placeholder("b")
    sd.math.sub(a, b, name="difference")
    sd.math.add(a, b, name="total")
    assert head_labels(sd) == ["1", "2", "", ""]
    assert head_labels(sd, edge_labels="none") == [""] * 4
    assert head_labels(sd, edge_labels="all") == ["1", "2", "1", "2"]


def test_operands_of_a_loss_go_by_name():
    sd = SameDiff()
    sd.loss.huber_loss(sd.placeholder("t"), sd.placeholder("predictions"), sd.placeholder("w"), name="l")
    assert head_labels(sd) == ["label", "", "weights"]


def test_the_text_is_the_same_every_time():
    texts = {logistic_regression()[0].to_dot(view=view) for view in ["gradient"] * 3}
    assert len(texts) == 1


def test_drawing_leaves_the_graph_as_it_was():
    sd, feeds = logistic_regression()
    before = [n.name for n in sd.nodes]
    for view in ("forward", "gradient", "both"):
        sd.to_dot(view=view, feeds=feeds, wrt=["x"])
        sd.to_dot(expand="objective/ce", view=view)
    assert [n.name for n in sd.nodes] == before
    assert sd.marks.gradient_ranges == []


def test_an_empty_graph_is_an_empty_picture():
    assert nodes_of(parsed(SameDiff().to_dot())) == []
    assert nodes_of(parsed(SameDiff().to_dot(max_nodes=1, depth=0))) == []


def test_parts_without_connection_are_all_drawn():
    sd = SameDiff()
    for k in range(5):
        sd.placeholder(f"x{k}")
    assert len(cards(sd.to_dot())) == 5


def test_a_long_name_is_cut_on_the_card_and_whole_in_the_tooltip():
    name = "v" + "o" * 298 + "w"
    sd = SameDiff()
    sd.placeholder(name)
    ((first, _),) = cards(sd.to_dot())
    assert len(first) < 45
    graph = parsed(sd.to_dot())
    assert name in graph.get_node("n0").attr["tooltip"]


def test_outputs_of_an_op_with_several_are_cards_and_the_tuple_is_not():
    sd = SameDiff()
    sd.linalg.qr(sd.var("m", [[1.0, 2.0], [3.0, 4.0]]), name="f")
    assert [c[0] for c in cards(sd.to_dot())] == ["m variable", "f qr", "f:1 qr"]
    assert len(parsed(sd.to_dot()).edges()) == 2


def test_targets_draw_what_they_need():
    sd, _ = logistic_regression()
    assert [c[0].split()[0] for c in cards(sd.to_dot("model/p"))] == ["x", "w", "b", "matmul", "z", "p"]


def test_focus_draws_the_neighbours():
    sd, _ = logistic_regression()
    near = {c[0].split()[0] for c in cards(sd.to_dot(focus="model/z", radius=1))}
    assert near == {"matmul", "b", "z", "p", "ce"}


def test_expand_opens_a_loss():
    sd, feeds = weighted_loss()
    view = sd.plot(expand="huber", feeds=feeds)
    titles = [c.title for c in view.scene.cards]
    assert {"sub", "clip_by_value", "huber"} <= set(titles)
    assert "huber" in {c.path[0] for c in view.scene.cards if c.path}
    shown = {c.title: c.lines[-1].text for c in view.scene.cards}
    assert float(shown["huber"]) == pytest.approx(float(sd["huber"].eval(feeds)), rel=1e-3)


def test_graphviz_object_draws_the_same():
    sd, _ = logistic_regression()
    digraph = sd.to_graphviz()
    assert sorted(parsed(digraph.source).nodes()) == sorted(parsed(sd.to_dot()).nodes())
    digraph.node("mine")
    assert "mine" in digraph.source


def test_large_pictures_limit_the_work_of_old_engines():
    assert "nslimit" in layers(120).to_dot(max_nodes=None)
    assert "nslimit" not in layers(2).to_dot()
