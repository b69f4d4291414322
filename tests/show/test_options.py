"""The options of pictures in the signatures of the methods that take them, for editors and for type checkers."""

import inspect

import pytest

from sdgraph import SameDiff
from sdgraph.build.annotations import written
from sdgraph.show import keywords
from sdgraph.show.options import CHOICES, NOT_FOR_PAGES, Options
from sdgraph.viz import set_options

DRAWING = ["plot", "render", "to_dot", "to_mermaid", "to_graphviz"]
PAGES = ["explore", "to_html"]


def options_of(function):
    named = ("path", "targets", "plan", "height")
    return {k: p for k, p in inspect.signature(function).parameters.items() if k not in named}


@pytest.mark.parametrize("name", [*DRAWING, *PAGES])
def test_a_signature_has_every_option_with_its_type_and_default(name):
    found = options_of(getattr(SameDiff(), name))
    assert list(found) == [k for k in Options._fields if name in DRAWING or k not in NOT_FOR_PAGES]
    for k, p in found.items():
        assert p.kind is p.KEYWORD_ONLY and p.default == Options._field_defaults[k]
        for choice in CHOICES.get(k, ()):
            assert repr(choice) in str(p)
    assert "'kind', 'grad_norm'" in str(inspect.signature(SameDiff().plot).parameters["color_by"])


def test_options_of_all_pictures_are_in_a_signature_too():
    assert list(options_of(set_options)) == list(Options._fields)


def test_no_type_is_in_quotes():
    for name in (*DRAWING, *PAGES):
        text = str(inspect.signature(getattr(SameDiff(), name)))
        assert not any(f": '{word}" in text for word in ("Var", "Feeds", "Made", "str", "int"))
        assert "ForwardRef" not in text and "-> '" not in text


@pytest.mark.parametrize("keyword_class, left_out", [("PictureOptions", ()), ("PageOptions", NOT_FOR_PAGES)])
def test_type_checkers_know_the_same_options(keyword_class, left_out):
    """Both are read as text: the names of types mean the same in both modules."""
    found = {k: str(written(v)) for k, v in getattr(keywords, keyword_class).__annotations__.items()}
    own = inspect.getsource(Options)
    told = dict(
        line.strip().partition(": ")[::2] for line in own.splitlines() if line.startswith("    ") and " = " in line
    )
    wanted = {k: text.rpartition(" = ")[0].strip('"') for k, text in told.items() if k in Options._fields}
    assert found == {k: v for k, v in wanted.items() if k not in left_out}
    assert len(wanted) == len(Options._fields)


def test_choices_are_those_of_the_types():
    assert CHOICES["view"] == ("forward", "gradient", "both")
    assert set(CHOICES) == {"view", "theme", "direction", "engine", "values", "edge_labels"}


@pytest.mark.parametrize("name", ["plot", "explore"])
def test_help_tells_what_each_option_means(name):
    doc = inspect.getdoc(getattr(SameDiff, name))
    assert '\n    values: ``"scalars"`` shows values of scalars' in doc and "**options" not in doc
    assert ("\n    focus: " in doc) is (name == "plot")
