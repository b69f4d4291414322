"""The collector rests in the block, and looks at what is new when enough of it is waste."""

import gc
import weakref

import pytest

from sdgraph.store.collector import Resting


class Circle:
    def __init__(self):
        self.self = self


def test_it_rests_and_works_again():
    assert gc.isenabled()
    with Resting():
        assert not gc.isenabled()
        with Resting():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), Resting():
        raise KeyError
    assert gc.isenabled()


def test_who_does_not_want_it_does_not_get_it():
    gc.disable()
    try:
        with Resting() as collector:
            circle = weakref.ref(Circle())
            for _ in range(5000):
                collector.waste()
            assert circle() is not None
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_waste_goes():
    with Resting() as collector:
        circles = []
        for _ in range(3000):
            circles.append(weakref.ref(Circle()))
            collector.waste()
        assert sum(circle() is not None for circle in circles) <= 1000
