"""Plans on arrays that stay where they are: a result that takes the place of a feed is what it is elsewhere."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.run.executable import Executable

pytest.importorskip("llvmlite")

SHAPES = {"a": (6, 40), "b": (6, 40), "c": (40,), "d": (6, 1), "e": (6, 6), "f": (6, 6), "g": (), "h": (300, 50)}
COLUMNS = np.random.default_rng(8).normal(size=(300, 40)) / 20
UNARY = ("tanh", "exp", "square", "neg")


def program(seed, *, products=False):
    """A random graph of a few arrays, and which of its nodes take the place of which of them; products are BLAS's."""
    rng = np.random.default_rng(seed)
    sd = SameDiff("float64")
    chosen = sorted(rng.choice(list(SHAPES), size=rng.integers(2, 6), replace=False))
    leaves = {n: sd.placeholder(n, SHAPES[n]) for n in chosen}
    nodes = list(leaves.values())
    for _ in range(rng.integers(8, 40)):
        x, kind = nodes[rng.integers(len(nodes))], rng.integers(10)
        if kind < 2:
            nodes.append(getattr(sd.math, UNARY[rng.integers(len(UNARY))])(x * 0.5))
        elif kind < 4 and x.ndim:
            axis = [None, 0, -1, 1][rng.integers(4)]
            axis = None if axis is not None and axis >= x.ndim else axis
            keep = bool(rng.integers(2))
            nodes.append((sd.max if rng.integers(3) == 0 else sd.mean)(x, axis=axis, keepdims=keep)
                         if rng.integers(2) else sd.math.tanh(sd.sum(x, axis=axis, keepdims=keep)))  # fmt: skip
        elif kind == 4 and x.ndim == 2:
            nodes.append(sd.permute(x, (1, 0)))
        elif kind == 6 and x.ndim == 2 and products:
            nodes.append(sd.math.tanh(x @ sd.permute(x, (1, 0))) if rng.integers(2) else x @ COLUMNS[: x.shape[1]])
        elif kind == 5 and x.ndim == 2:
            nodes.append(sd.nn.softmax(x, axis=int(rng.integers(2))) if rng.integers(2) else sd.cumsum(x, axis=1))
        else:
            fits = [y for y in nodes if _broadcasts(x.shape, y.shape)]
            y = fits[rng.integers(len(fits))]
            nodes.append([x + y, x * y, x - 0.5 * y][rng.integers(3)])
    made, places, outs = nodes[len(leaves) :], [], []
    for name, leaf in leaves.items():
        fits = [v for v in made if v.shape == leaf.shape and v not in outs]
        if fits:
            outs.append(fits[rng.integers(len(fits))])
            places.append(name)
    for v in made[-3:]:
        if v not in outs:
            outs.append(v)
            places.append(None)
    return sd, outs, places, {n: rng.normal(size=SHAPES[n]) for n in chosen}


def _broadcasts(a, b):
    try:
        return len(np.broadcast_shapes(a, b)) <= 2
    except ValueError:
        return False


def standing(sd, outs, places, feeds):
    """The function on copies of the feeds that stand, the function, and where the results are."""
    f = Executable(sd, outs, "llvm", check_numerics=False, tiny=False)
    given = {n: a.copy() for n, a in feeds.items()}
    likes = [np.empty(v.shape, v.dtype) for v in outs]
    return f, f.stand(given, places, likes.__getitem__), given


def written_over(given, results):
    """How many results lie where a feed was."""
    return sum(any(r is a for a in given.values()) for r in results)


@pytest.mark.parametrize("seed", range(150))
def test_a_result_written_over_a_feed_is_what_it_is_elsewhere(seed):
    sd, outs, places, feeds = program(seed)
    f, found, _ = standing(sd, outs, places, feeds)
    if found is None:
        return
    asked = {p.name for p in f.placeholders}
    wanted = f.run({n: a for n, a in feeds.items() if n in asked})
    found.run()
    for v, a, b in zip(outs, found.results, wanted, strict=True):
        assert a.tobytes() == b.tobytes(), v.name


def test_many_programs_write_over_feeds():
    made = [standing(*program(seed)) for seed in range(150)]
    written = [written_over(given, found.results) for _, found, given in made if found is not None]
    assert len(written) > 40 and sum(map(bool, written)) > 30


def of(build, shapes):
    """Places of a function of placeholders that build makes."""
    sd = SameDiff("float64")
    leaves = {n: sd.placeholder(n, shape) for n, shape in shapes.items()}
    outs = build(sd, **leaves)
    feeds = {n: np.random.default_rng(k).normal(size=shape) for k, (n, shape) in enumerate(shapes.items())}
    f, found, given = standing(sd, [*outs.values()], [*outs], feeds)
    wanted = f.run(feeds)
    if found is None:
        return set()
    found.run()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found.results, wanted, strict=True))
    return {n for n, r in zip(outs, found.results, strict=True) if r is given[n]}


def test_an_element_after_another_is_written_over():
    assert of(lambda sd, w, g: {"w": w - 0.1 * g}, {"w": (30, 7), "g": (30, 7)}) == {"w"}


def test_a_single_number_never_is():
    shapes = {"w": (1,), "g": (1, 1), "s": ()}
    assert of(lambda sd, w, g, s: {"w": w * 2.0, "g": g * s, "s": s + 1.0}, shapes) == set()


def test_what_a_later_region_reads_is_not():
    """The last region waits for a number that the one between them makes of what the first one gives."""

    def build(sd, w, k, v):
        new = w * 2.0
        number = sd.sum(sd.math.tanh(v * sd.sum(new)))
        return {"w": new, "k": k + w * sd.math.exp(number)}

    assert of(build, {"w": (6, 40), "k": (6, 40), "v": (300, 50)}) == {"k"}


def test_what_is_read_turned_is_not():
    assert of(lambda sd, w: {"w": w - sd.permute(w, (1, 0))}, {"w": (40, 40)}) == set()


def test_what_is_read_through_a_window_is_not():
    shapes = {"w": (64, 40), "g": (64, 40)}
    assert of(lambda sd, w, g: {"w": w + w[::-1], "g": g * 2.0}, shapes) == {"g"}
    assert of(lambda sd, w, g: {"w": w * 2.0, "g": g + w[::-1]}, shapes) == {"g"}


def test_what_is_read_by_index_is_not():
    def build(sd, w, g):
        return {"w": w + sd.gather(w, np.arange(64)[::-1].copy(), axis=0), "g": g * 2.0}

    assert "w" not in of(build, {"w": (64, 40), "g": (64, 40)})


def test_what_is_written_in_parts_is_not():
    def build(sd, w, g):
        return {"w": sd.concat(w[:32] * 2.0, w[32:] + w[:32], axis=0), "g": g * 2.0}

    assert of(build, {"w": (64, 40), "g": (64, 40)}) == {"g"}


def test_what_is_read_by_rows_of_another_place_is_not():
    """Each row of the result needs all of w, which is as long as a row."""
    found = of(lambda sd, w, x: {"w": sd.sum(x * w, axis=0), "x": x + w}, {"w": (40,), "x": (6, 40)})
    assert "w" not in found


def test_what_a_sweep_reads_again_is_not():
    """Where the sum of a column becomes too large for its type, the rows of a block are read again."""
    sd = SameDiff("float32")
    w = sd.placeholder("w", (64, 40))
    outs = [w * 2.0, sd.sum(w * 1e38, axis=0)]
    feeds = {"w": np.linspace(-1, 1, 64 * 40, dtype="f").reshape(64, 40)}
    f, found, given = standing(sd, outs, ["w", None], feeds)
    assert len(f.explain().parts) == 1
    wanted = f.run(feeds)
    assert found is not None
    found.run()
    assert found.results[0] is not given["w"]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found.results, wanted, strict=True))
