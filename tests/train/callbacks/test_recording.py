"""Norms and ways of variables, against numpy."""

import numpy as np
import pytest

from sdgraph.errors import ArgumentError
from sdgraph.train import Adam, Norms, Sgd, TrainingPath
from tests.train.test_fitting import X, Y, linear


def by_hand(steps, rate=0.1):
    """Norms of w, its gradient and its update over full-batch steps of gradient descent."""
    w, b, rows = np.zeros(3), 0.0, []
    for _ in range(steps):
        off = X @ w + b - Y
        g = 2 * X.T @ off / 50
        rows.append([np.linalg.norm(w), np.linalg.norm(g), np.linalg.norm(rate * g)])
        w, b = w - rate * g, b - rate * 2 * off.mean()
    return np.array(rows), w


@pytest.mark.parametrize("every", [1, 3])
def test_norms_are_those_of_numpy(every):
    norms = Norms(every)
    linear().fit((X, Y), updater=Sgd(0.1), epochs=7, batch_size=50, callbacks=[norms])
    expected, _ = by_hand(7)
    assert norms.steps == list(range(0, 7, every)) and norms.names() == ["w", "b"]
    found = np.array([norms["w"][what] for what in ("weight", "gradient", "update")]).T
    np.testing.assert_allclose(found, expected[::every], rtol=1e-12)
    assert "gradient" in repr(norms) and "w" in repr(norms)


def test_looking_changes_nothing():
    plain, watched = linear(), linear()
    plain.fit((X, Y), updater=Adam(0.01), epochs=3)
    watched.fit((X, Y), updater=Adam(0.01), epochs=3, callbacks=[Norms(2), TrainingPath()])
    assert plain["w"].value.tobytes() == watched["w"].value.tobytes()


def test_steps_that_only_gather_change_nothing():
    norms = Norms()
    linear().fit((X, Y), updater=Sgd(0.1), batch_size=25, accumulate=2, callbacks=[norms])
    assert norms["w"]["update"][0] == 0 < norms["w"]["update"][1]


def test_only_some_variables_and_none_that_is_not_trained():
    norms = Norms(variables=["b"])
    linear().fit((X, Y), updater={"w": None, "b": Sgd(0.1)}, callbacks=[norms])
    assert norms.names() == ["b"]
    for make in (Norms, TrainingPath):
        with pytest.raises(ArgumentError, match=r"'p'(.|\n)*'w' or 'b'"):
            linear().fit((X, Y), updater=Sgd(0.1), callbacks=[make(variables=["p"])])


def test_a_path_is_from_the_beginning_to_the_end():
    path, sd = TrainingPath(every=2), linear()
    sd.fit((X, Y), updater=Sgd(0.1), epochs=5, batch_size=50, callbacks=[path])
    assert len(path) == 4 and path.names() == ["w", "b"]
    np.testing.assert_array_equal(path["w"][0], np.zeros(3))
    np.testing.assert_array_equal(path["w"][-1], sd["w"].value)
    np.testing.assert_allclose(path["w"][1], by_hand(2)[1], rtol=1e-12)


def test_a_path_goes_on():
    path, sd = TrainingPath(), linear()
    for _ in range(3):
        sd.fit((X, Y), updater=Sgd(0.1), batch_size=50, callbacks=[path])
    assert len(path) == 4
