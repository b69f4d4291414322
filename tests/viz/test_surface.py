"""loss_surface: the map shows the loss, and the user's graph stays as it was."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sdgraph import SameDiff, viz
from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.train import Sgd, TrainingPath
from sdgraph.viz import surface

mpl = pytest.importorskip("matplotlib")


def bowl():
    sd = SameDiff("float64")
    u, v = sd.var("u", 1.0), sd.var("v", -2.0)
    loss = sd.math.add(u * u, 3.0 * (v * v), name="bowl")
    return sd, u, v, loss


def coloured(ax):
    """The coloured map in a picture; the lines over it are not filled."""
    (found,) = [c for c in ax.collections if getattr(c, "filled", False)]
    return found


def shows(ax, x, y, value):
    """Whether the colour of a place stands for a value: that of a point of the grid, since lines join these."""
    bands = coloured(ax)
    for (low, high), path in zip(itertools.pairwise(bands.levels), bands.get_paths(), strict=True):
        inside = sum(mpl.path.Path(edge).contains_point((x, y)) for edge in path.to_polygons()) % 2
        if inside and low <= value <= high:
            return True
    return False


def test_two_scalars():
    sd, u, v, loss = bowl()
    before = len(sd.nodes)
    ax = viz.loss_surface(sd, u, "v", loss=loss, span=(1, 2), points=5)
    assert_allclose((*ax.get_xlim(), *ax.get_ylim()), (0, 2, -4, 0))
    for x in (0.5, 1.0, 1.5):
        for y in (-3.0, -2.0, -1.0):
            value = x**2 + 3 * y**2
            assert shows(ax, x, y, value)
            assert not shows(ax, x, y, value + 5) and not shows(ax, x, y, value - 5)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("u", "v", "bowl")
    assert len(sd.nodes) == before
    assert (u.value, v.value) == (1.0, -2.0)


def test_the_arrow_points_down():
    sd, u, v, loss = bowl()
    ax = viz.loss_surface(sd, u, v, loss=loss, points=5)
    (arrow,) = [t for t in ax.texts if hasattr(t, "arrow_patch")]
    step = np.subtract(arrow.xy, (1.0, -2.0))
    assert_allclose(step / np.linalg.norm(step), np.array([-2.0, 12.0]) / np.hypot(2, 12))


def model():
    rng = np.random.default_rng(1)
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, 3))
    w = sd.var("w", rng.normal(size=(3, 2)))
    b = sd.var("b", rng.normal(size=2))
    y = sd.placeholder("y", (None, 2))
    sd.loss.mean_squared_error(y, x @ w + b, name="loss")
    return sd, {x: rng.normal(size=(4, 3)), "y": np.zeros((4, 2))}


def test_random_directions_are_the_loss_of_moved_variables():
    sd, feeds = model()
    ax = viz.loss_surface(sd, feeds=feeds, points=3, seed=7)
    here = sd.output(feeds)["loss"]
    assert shows(ax, 0, 0, here)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("first direction", "second direction")
    rng = np.random.default_rng(7)
    first = {n: surface.filter_normalised(rng.standard_normal(sd[n].shape), sd[n].value) for n in ("w", "b")}
    for n, d in first.items():
        sd[n].value = sd[n].value + d
    moved = sd.output(feeds)["loss"]
    assert shows(ax, 1 - 1e-9, 0, moved) and not shows(ax, 0, 0, moved)


def test_filters_keep_their_norms():
    value = np.arange(12.0).reshape(2, 3, 2)
    d = surface.filter_normalised(np.random.default_rng(0).normal(size=value.shape), value)
    assert_allclose(np.linalg.norm(d.reshape(6, 2), axis=0), np.linalg.norm(value.reshape(6, 2), axis=0))
    flat = surface.filter_normalised(np.ones(4), np.array([3.0, 0, 0, 4.0]))
    assert_allclose(flat, 2.5)


def test_one_direction_per_array_and_zeros():
    sd, feeds = model()
    ax = viz.loss_surface(sd, "w", "b", feeds=feeds, points=3)
    assert ax.get_xlabel() == "first direction in w"
    assert ax.get_ylabel() == "second direction in b"
    sd["w"].value = np.zeros((3, 2))
    sd["b"].value = np.zeros(2)
    ax = viz.loss_surface(sd, feeds=feeds, points=3)
    assert len(coloured(ax).levels) > 2


def test_a_path_and_log_colours():
    sd, u, v, loss = bowl()
    ax = viz.loss_surface(sd, u, v, loss=loss, points=4, log=True, path=[(1, -2), (0.5, 0.1)], theme="dark")
    assert any(len(line.get_xdata()) == 2 for line in ax.get_lines())


def test_places_where_the_loss_is_not_finite_are_left_out():
    sd = SameDiff("float64")
    u, v = sd.var("u", 0.5), sd.var("v", 0.5)
    loss = sd.math.add(sd.math.log(u), v)
    viz.loss_surface(sd, u, v, loss=loss, points=5)
    with pytest.raises(ArgumentError, match="not finite"):
        u.value = -3.0
        viz.loss_surface(sd, u, v, loss=loss, points=5)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"span": 0}, ArgumentError, "span"),
        ({"points": 2}, ArgumentError, "three points"),
        ({"a": "u", "b": "u"}, ArgumentError, "the same"),
        ({"a": "u"}, ArgumentError, "spanned by"),
        ({"a": "c", "b": "u"}, ArgumentTypeError, "trainable"),
        ({"a": "u", "b": "v", "path": [1, 2]}, ArgumentError, "path"),
        ({"a": "u", "b": "v", "loss": "many"}, ArgumentError, "scalar"),
        ({"a": "u", "b": "v", "loss": "below", "log": True}, ArgumentError, "logarithm"),
        ({"a": "u", "b": "v", "theme": "blue"}, ArgumentError, "theme"),
    ],
)
def test_errors(options, error, text):
    sd, u, v, _ = bowl()
    sd.constant("c", 1.0)
    sd.math.mul(u, [1.0, 2.0], name="many")
    sd.math.add(u + v, -9.0, name="below")
    with pytest.raises(error, match=text):
        viz.loss_surface(sd, **{"loss": "bowl", **options})


def trained(*names, every=1):
    """A bowl over two vectors that was trained, with its path."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None,))
    a, b = sd.var("a", np.array([3.0, 1.0, -1.0])), sd.var("b", np.array([[2.0], [1.0]]))
    u, v = sd.var("u", 2.0), sd.var("v", -1.0)
    scale = np.array([1.0, 4.0, 0.5])
    sd.add_loss((a**2 * scale).sum() + (b**2).sum() + u**2 + 3 * v**2 + 0 * x.sum())
    path = TrainingPath(list(names) or None, every=every)
    sd.fit(np.zeros(12), updater=Sgd(0.05), batch_size=1, callbacks=[path])
    return sd, path, {"x": [0.0]}


def drawn_path(ax):
    return max((line.get_xydata() for line in ax.get_lines()), key=len)


def test_the_path_of_a_training_over_two_scalars():
    sd, path, feeds = trained()
    ax = viz.loss_surface(sd, "u", "v", feeds=feeds, path=path, points=5)
    np.testing.assert_allclose(drawn_path(ax), np.stack([path["u"], path["v"]], 1), atol=1e-12)
    low, high = ax.get_xlim()
    assert low < 0 < 2 < high


def test_a_path_spans_the_map_where_nothing_else_does():
    """Distances in the plane of the two principal components are those of the best approximation of rank two."""
    sd, path, feeds = trained()
    ax = viz.loss_surface(sd, feeds=feeds, path=path, points=5)
    away = np.concatenate([path[n].reshape(13, -1) - sd[n].value.reshape(1, -1) for n in ("a", "b", "u", "v")], 1)
    u, s, _ = np.linalg.svd(away, full_matrices=False)
    np.testing.assert_allclose(np.abs(drawn_path(ax)), np.abs(u[:, :2] * s[:2]), atol=1e-9)
    assert ax.get_xlabel() == f"first direction of the path, {s[0] ** 2 / (s**2).sum():.0%} of it"
    for at, (low, high) in zip(drawn_path(ax).T, (ax.get_xlim(), ax.get_ylim()), strict=True):
        assert low < at.min() and at.max() < high


def test_a_path_along_a_line_leaves_one_direction_to_chance():
    sd, path, feeds = trained("u")
    with pytest.raises(ArgumentError, match=r"does not have 'v'|spanned"):
        viz.loss_surface(sd, "v", feeds=feeds, path=path, points=5)
    sd, path, feeds = trained("a", every=100)
    ax = viz.loss_surface(sd, feeds=feeds, path=path, points=5)
    np.testing.assert_allclose(drawn_path(ax)[:, 1], 0, atol=1e-9)
    assert ax.get_ylabel() == "second direction of the path, 0% of it"


def test_a_path_in_the_plane_of_given_variables():
    sd, path, feeds = trained()
    ax = viz.loss_surface(sd, "a", feeds=feeds, path=path, points=5, span=3.0)
    assert len(drawn_path(ax)) == 13 and drawn_path(ax)[-1] == pytest.approx([0, 0], abs=1e-12)
    with pytest.raises(ArgumentError, match="The path does not have"):
        viz.loss_surface(sd, "a", feeds=feeds, path=trained("b")[1], points=5)
