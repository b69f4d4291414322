"""Comparing sizes of which some are unknown."""

import re
from pathlib import Path

import pytest

import sdgraph
from sdgraph import SameDiff
from sdgraph.errors import ShapeError
from sdgraph.infer.shapes import known_to_differ, same_sizes, smaller


@pytest.mark.parametrize(
    ("a", "b", "differ", "least"),
    [
        (2, 3, True, 2),
        (3, 3, False, 3),
        (2, None, False, None),
        (None, None, False, None),
        ("n", "n", False, "n"),
        ("m", "n", False, None),
        (1, "n", False, None),
    ],
)
def test_two_sizes(a, b, differ, least):
    assert known_to_differ(a, b) is known_to_differ(b, a) is differ
    assert smaller(a, b) == least == smaller(b, a)
    assert same_sizes((7, a), (7, b)) is not differ


def test_shapes_of_different_rank_are_never_the_same():
    assert not same_sizes((2,), (2, 1)) and not same_sizes((), (None,)) and same_sizes((), ())


@pytest.mark.parametrize(
    ("shapes", "axis", "joined"),
    [
        ([(2, 3), (5, None), (None, 3)], 0, (None, 3)),
        ([(2, None), (2, 4), ("n", 1)], 1, (2, None)),
        ([("n", 3), (2, 3), ("n", 4)], 1, (2, 10)),
    ],
)
def test_what_one_part_does_not_know_of_a_joined_array_another_does(shapes, axis, joined):
    sd = SameDiff()
    parts = [sd.placeholder(f"x{k}", shape) for k, shape in enumerate(shapes)]
    assert sd.concat(*parts, axis=axis).shape == joined


def test_a_later_part_must_fit_all_before_it():
    sd = SameDiff()
    parts = [sd.placeholder(f"x{k}", shape) for k, shape in enumerate([(1, None), (9, 3), (1, 4)])]
    with pytest.raises(ShapeError, match="Only axis 0 may differ"):
        sd.concat(*parts, axis=0)


def test_sizes_are_compared_in_one_place():
    by_hand = re.compile(
        r"(type\(\w+\) is int|isinstance\(\w+, int\)) and (type\(\w+\) is int|isinstance\(\w+, int\)) and \w+ !="
    )
    package = Path(sdgraph.__file__).parent
    own = package / "infer" / "shapes.py"
    assert by_hand.search("type(n) is int and type(m) is int and n != m")
    assert not [str(p) for p in package.rglob("*.py") if p != own and by_hand.search(p.read_text("utf-8"))]
