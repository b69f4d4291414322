"""Limits that numpy's own loops find, where none can be compiled."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.run import profiling
from sdgraph.run.engines import choice
from sdgraph.run.engines.caches import Caches
from sdgraph.run.engines.limits import SHARES, Limits
from sdgraph.run.engines.reference import measured

pytestmark = pytest.mark.any_engine


@pytest.fixture
def small(monkeypatch):
    """Caches that are measured quickly, and nothing known."""
    monkeypatch.setattr(measured, "caches", lambda: Caches(32 << 10, 128 << 10, 1 << 20))
    measured.limits.cache_clear()
    yield
    measured.limits.cache_clear()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [1, 2])
def test_they_are_whole(count):
    found = measured.limits(count)
    assert Limits.of_text(found.text()) == found
    assert found.threads == count and [p.name for p in found.places] == ["L2", "L3", "memory"]
    assert all(len(p.seconds) == len(SHARES) for p in found.places)
    assert found is measured.limits(count)


def test_rates_follow_from_the_times_of_what_is_run(monkeypatch, small):
    def two_seconds(run):
        run()
        return 2.0

    monkeypatch.setattr(measured, "_best", two_seconds)
    found = measured.limits(1)
    # 384 x 384 x 384 products, four at once in a vector of 16 bytes.
    assert found.product == pytest.approx(2.0 / (384**3 / 4))


@pytest.mark.usefixtures("small")
def test_without_llvmlite_a_profile_takes_them(monkeypatch):
    monkeypatch.setattr(choice, "_installed", lambda package: False)
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    found = sd.compile(sd.math.exp(x, name="y")).profile(x=np.ones(1000), repeat=2)
    assert found.limits[0] == measured.limits(1)
    assert [p.part for p in found.parts] == ["math.exp"] and found.parts[0].needs > 0
    assert isinstance(found, profiling.Profile)


def test_where_there_is_no_third_cache_two_places_are_left(monkeypatch):
    monkeypatch.setattr(measured, "caches", lambda: Caches(32 << 10, 256 << 10, 256 << 10))
    measured.limits.cache_clear()
    try:
        assert [p.name for p in measured.limits(1).places] == ["L2", "memory"]
    finally:
        measured.limits.cache_clear()
