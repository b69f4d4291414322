"""Namespaces list their operations, in a terminal and in a notebook."""

import pytest

import sdgraph.nd as nd
from sdgraph import Namespace, Operand, SameDiff, SDVariable, composite
from sdgraph.build.op import REGISTRY

NAMESPACES = ("math", "nn", "cnn", "rnn", "image", "loss", "keras", "linalg", "random", "bitwise")


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_namespace_names_all_its_operations(name):
    own = {q.partition(".")[2] for q, op in REGISTRY.items() if op.is_ours and q.startswith(f"{name}.")}
    for called, namespace in (("sd", getattr(SameDiff(), name)), ("nd", getattr(nd, name))):
        head, *lines = repr(namespace).splitlines()
        listed = " ".join(lines).replace(",", "").split()
        assert own <= {*listed} and all(hasattr(namespace, each) for each in listed)
        assert head == f"{called}.{name}: {len(listed)} operations" and max(map(len, lines)) <= 100


def test_a_notebook_gets_a_table_of_calls_with_what_they_do():
    bundle = SameDiff().loss._repr_mimebundle_()
    assert bundle["text/plain"].startswith("sd.loss: ")
    assert "sd.loss.l2_loss(var)" in bundle["text/html"] and "Half the sum of squares" in bundle["text/html"]
    assert bundle["text/html"].count("<tr>") == 1 + len(repr(SameDiff().loss).split()) - 3


def test_a_namespace_of_a_users_is_called_as_its_class():
    class Mine(Namespace, prefix="listing_test"):
        @composite
        def double(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """Twice <x>."""
            return x + x

    assert repr(Mine(SameDiff())) == "Mine: 1 operation\n  double"
    assert "Twice &lt;x&gt;." in Mine(SameDiff())._repr_mimebundle_()["text/html"]


def test_a_graph_is_shown_as_a_graph():
    assert repr(SameDiff()) == "<SameDiff float32: empty>"
