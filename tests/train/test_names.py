"""What `sdgraph.train` has, and what it says of what it lacks."""

import pytest

from sdgraph import train


def test_it_shows_what_a_user_calls():
    assert sorted(dir(train)) == sorted(train.__all__)
    assert all(hasattr(train, name) for name in train.__all__)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LivePlot", "sdgraph.viz.LivePlot"),
        ("plot_history", "sdgraph.viz.plot_history"),
        ("adam", "sdgraph.train.Adam"),
    ],
)
def test_what_it_lacks_is_said_to_be_elsewhere(name, words):
    with pytest.raises(AttributeError, match=words):
        getattr(train, name)
