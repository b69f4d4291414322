"""How the docstring of an op gets what its namespace and its shape rule tell."""

import inspect

from sdgraph import Namespace, SameDiff, composite, nd
from sdgraph.build.docstrings import Meaning, completed, entries, sections
from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import Operand, SDVariable

DOC = """Adds.

More about it.

Args:
    b: Its own words,
        in two lines.

Raises:
    ShapeError: Its own reason.

Example:
    >>> 1
    1"""

SHARED = {"a": Meaning("Shared words.", "ShapeError: A shared reason."), "b": "Not used.", "c": "The last."}


def example(self, a, b, c, *, name=None): ...


def rule(a):
    """A rule.

    Returns:
        What comes out.

    Raises:
        DTypeError: Of the rule.
    """


def test_what_is_missing_is_added_in_order_and_what_is_told_stays():
    assert (
        completed(DOC, list(inspect.signature(example).parameters)[1:], SHARED, rule)
        == """Adds.

More about it.

Args:
    a: Shared words.
    b: Its own words,
        in two lines.
    c: The last.
    name: Name of the result; without it one is made from that of the op.

Returns:
    What comes out.

Raises:
    ShapeError: Its own reason.
    DTypeError: Of the rule.

Example:
    >>> 1
    1"""
    )


def test_a_parameter_nobody_tells_is_not_made_up():
    found = sections(completed("Adds.", list(inspect.signature(example).parameters)[1:], {}, None))
    assert list(entries(found["Args"])) == ["name"]
    assert list(found) == ["", "Args"]


def test_help_and_nd_show_what_the_class_tells():
    for text in (inspect.getdoc(SameDiff().loss.huber_loss), inspect.getdoc(nd.loss.huber_loss)):
        assert text == REGISTRY["loss.huber_loss"].doc
        told = entries(sections(text)["Args"])
        assert list(told) == ["label", "predictions", "weights", "loss_reduce", "delta", "name"]


def test_docstrings_of_other_groups_change_only_on_request():
    class Plain(Namespace, prefix="plain_docs"):
        @composite
        def twice(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """Twice ``x``."""
            return x + x  # type: ignore[operator]

    class Told(Namespace, prefix="told_docs", shared={"x": "Any numbers."}):
        @composite
        def twice(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """Twice ``x``."""
            return x + x  # type: ignore[operator]

        @composite
        def silent(self, x: Operand) -> SDVariable:
            return x + x  # type: ignore[operator]

    assert Plain.twice.__doc__ == "Twice ``x``."
    assert "    x: Any numbers.\n    name: " in (Told.twice.__doc__ or "")
    assert Told.silent.__doc__ is None
