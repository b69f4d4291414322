"""What a step does at least that runs as a numpy kernel."""

import numpy as np
import pytest

from sdgraph import SameDiff

pytestmark = pytest.mark.any_engine


def works(make, **shapes):
    sd = SameDiff()
    fetches = make(sd, **{name: sd.placeholder(name, shape) for name, shape in shapes.items()})
    f = sd.compile(fetches, engine="numpy")
    f({name: np.zeros(shape, "float32") for name, shape in shapes.items()})
    return {p.title: p.does for p in f._last.program.parts()}


def test_arrays_count_as_they_are_read_and_written():
    (found,) = works(lambda sd, x, y: x + y, x=(6, 5), y=(5,)).values()
    assert [(t.read, t.written) for t in found.touches] == [(120, 0), (20, 0), (0, 120)]


def test_the_same_operand_twice_is_read_once():
    (found,) = works(lambda sd, x: x * x, x=(10,)).values()
    assert found.bytes == 80


def test_a_view_moves_nothing():
    found = works(lambda sd, x: sd.math.exp(x) @ sd.permute(x, (1, 0)), x=(5, 6))
    assert found["permute"].bytes == 0 and found["permute"].touches == ()


def test_what_must_be_put_in_order_is_copied():
    found = works(lambda sd, x: sd.math.exp(sd.permute(x, (1, 0)).reshape((30,))), x=(5, 6))
    assert found["permute"].bytes == 0
    assert [(t.read, t.written) for t in found["reshape"].touches] == [(120, 0), (0, 120)]
    plain = works(lambda sd, x: sd.math.exp(x.reshape((30,))), x=(5, 6))
    assert sum(w.bytes for title, w in plain.items() if "reshape" in title) == 0


def test_a_view_is_the_memory_of_its_operand():
    found = works(lambda sd, x: sd.math.exp(sd.permute(x, (1, 0))) + 1.0, x=(5, 6))
    exp = next(w for title, w in found.items() if "exp" in title)
    assert exp.touches[0].value == 0


@pytest.mark.parametrize(
    ("make", "shapes", "multiplied"),
    [
        (lambda sd, x, y: x @ y, {"x": (4, 6), "y": (6, 5)}, 120),
        (lambda sd, x, y: x @ y, {"x": (3, 4, 6), "y": (3, 6, 5)}, 360),
        (lambda sd, x, y: x @ y, {"x": (4, 6), "y": (6,)}, 24),
        (lambda sd, x, y: x + y, {"x": (4,), "y": (4,)}, 0),
    ],
)
def test_products_of_matrices_multiply(make, shapes, multiplied):
    assert sum(w.multiplied for w in works(make, **shapes).values()) == multiplied


def test_tensordot_multiplies_along_its_axes():
    found = works(lambda sd, x, y: sd.tensordot(x, y, (1, 2), (0, 1)), x=(4, 3, 5), y=(3, 5, 7))
    assert sum(w.multiplied for w in found.values()) == 4 * 7 * 15


def test_who_picks_reads_what_it_picks():
    found = works(lambda sd, x: sd.gather(x, [1, 2], axis=0), x=(1000, 3))
    gather = next(w for title, w in found.items() if "gather" in title)
    assert gather.touches[0].read == 24 and gather.touches[-1].written == 24
