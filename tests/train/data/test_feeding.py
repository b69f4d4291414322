"""What is given is checked, and becomes feeds in the dtypes of placeholders."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import FeedError
from sdgraph.train.data.feeding import needed_placeholders, reader


@pytest.fixture
def sd():
    sd = SameDiff(dtype="float32")
    x, y, rate = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None,), "int32"), sd.placeholder("rate")
    sd.placeholder("other", (None,))
    (x.sum(1) * rate + sd.cast(y, "float32")).rename("out")
    return sd


def test_placeholders_are_those_that_are_needed(sd):
    assert [p.name for p in needed_placeholders(sd, [sd["out"]])] == ["x", "y", "rate"]
    assert needed_placeholders(sd, []) == []


@pytest.mark.parametrize("given", [
    (np.ones((5, 2)), np.arange(5), 0.5),
    {"x": np.ones((5, 2)), "y": np.arange(5), "rate": 0.5},
    {"x": [[1, 1]] * 5, "y": list(range(5)), "rate": 0.5, "other": np.zeros(5)},
])  # fmt: skip
def test_arrays_get_the_dtypes_of_placeholders_once(sd, given):
    found = reader(sd, [sd["out"]]).arrays(given)
    assert [(found[k].dtype.name, found[k].shape) for k in ("x", "y", "rate")] == [
        ("float32", (5, 2)), ("int32", (5,)), ("float32", ())
    ]  # fmt: skip


def test_an_array_that_fits_is_not_copied(sd):
    x = np.ones((5, 2), "float32")
    assert reader(sd, [sd["out"]]).arrays({"x": x, "y": np.arange(5), "rate": 1.0})["x"] is x


def test_how_many_examples_there_are_is_no_size_of_a_batch():
    sd = SameDiff()
    x = sd.placeholder("x", (4, 2))
    (2 * x).rename("out")
    assert reader(sd, [sd["out"]]).arrays(np.ones((12, 2)))["x"].shape == (12, 2)
    np.testing.assert_array_equal(sd.predict(np.ones((12, 2)), "out", batch_size=4), np.full((12, 2), 2))
    with pytest.raises(FeedError, match=r"'x'(.|\n)*\(5, 2\)"):
        sd.predict(np.ones((12, 2)), "out", batch_size=5)


def test_variables_of_the_graph_are_names(sd):
    batch = reader(sd, [sd["out"]]).batch({sd["x"]: np.ones((5, 2)), sd["y"]: np.arange(5), "rate": 1.0})
    assert list(batch) == ["x", "y", "rate"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": np.ones((5, 2)), "y": np.arange(5)}, "'rate' is not fed"),
        ({"X": np.ones((5, 2)), "y": np.arange(5), "rate": 1}, "no placeholder 'X'(.|\n)*Did you mean 'x'"),
        ({"x": np.ones((5, 3)), "y": np.arange(5), "rate": 1}, r"'x' has the wrong shape(.|\n)*\(5, 3\)"),
        ({"x": np.ones((5, 2)), "y": np.arange(5) + 0.5, "rate": 1}, "'y'"),
        ({"x": np.ones((5, 2)), "y": np.arange(5), "rate": 1, "out": 1}, "'out' is the output of an op"),
    ],
)
def test_what_does_not_fit_is_named(sd, given, words):
    with pytest.raises(FeedError, match=words):
        reader(sd, [sd["out"]]).arrays(given)
