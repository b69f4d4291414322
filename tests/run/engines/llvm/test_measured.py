"""Limits of the computer: measured once, kept beside compiled code, and never believed where a file is not whole."""

import itertools
import os

import pytest

pytest.importorskip("llvmlite")

from sdgraph.run.engines.caches import Caches
from sdgraph.run.engines.limits import SHARES, Limits, Place
from sdgraph.run.engines.llvm import measured

GOOD = Limits(1, 64, 1e-10, 1e-10, 1e-10, 1e-9, 1e-9, (Place("memory", float("inf"), (1e-11,) * 4),))


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Nothing is known; measuring is counted and takes no time."""
    found = []

    def measure(count):
        found.append(count)
        return GOOD._replace(threads=count)

    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("SDGRAPH_CACHE", "1")
    monkeypatch.setattr(measured, "measure", measure)
    another_process(monkeypatch)
    return found


def another_process(monkeypatch):
    monkeypatch.setattr(measured, "_known", {})
    monkeypatch.setattr(measured, "_repeated", set())


def test_it_is_measured_once_and_kept_for_the_next_process(asked, monkeypatch):
    for _ in range(2):
        for _ in range(3):
            assert measured.limits(1) == GOOD
            assert measured.limits(2) == GOOD._replace(threads=2)
        another_process(monkeypatch)
    assert asked == [1, 2]


def test_a_cache_that_is_off_keeps_it_in_the_process(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    for _ in range(2):
        measured.limits(1)
        measured.limits(1)
        another_process(monkeypatch)
    assert asked == [1, 1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign"])
def test_a_file_that_is_not_whole_counts_as_none(asked, tmp_path, monkeypatch, damage):
    measured.limits(1)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    changed = data.replace(b"1e-10", b"1e-20", 1)
    file.write_bytes({"cut": data[:-5], "changed": changed, "empty": b"", "foreign": b"x" * len(data)}[damage])
    another_process(monkeypatch)
    assert measured.limits(1) == GOOD
    assert asked == [1, 1]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners of files are those of POSIX")
def test_a_file_that_others_may_write_counts_as_none(asked, tmp_path, monkeypatch):
    measured.limits(1)
    (file,) = tmp_path.iterdir()
    file.chmod(0o666)
    another_process(monkeypatch)
    measured.limits(1)
    assert asked == [1, 1]


@pytest.mark.parametrize(
    "text", ["", "[]", "nonsense", GOOD._replace(threads=2).text(), GOOD._replace(sum=-1.0).text()]
)
def test_what_is_kept_must_be_limits_of_that_many_threads(asked, monkeypatch, text):
    measured.disk.store(measured._key(1), text.encode())
    assert measured.limits(1) == GOOD
    assert asked == [1]


def test_another_computer_has_limits_of_its_own(asked, monkeypatch):
    measured.limits(1)
    another_process(monkeypatch)
    monkeypatch.setattr(measured, "caches", lambda: Caches(1, 2, 3))
    measured.limits(1)
    assert asked == [1, 1]


def test_measured_again_the_better_is_kept(asked, monkeypatch):
    measured.limits(1)
    now = GOOD._replace(product=5e-11, sum=1.0)
    monkeypatch.setattr(measured, "measure", lambda count: now)
    better = GOOD._replace(product=5e-11)
    assert measured.limits(1, again=True) == better == measured.limits(1)
    another_process(monkeypatch)
    assert measured.limits(1) == better


def test_a_process_measures_again_once(asked, monkeypatch):
    for _ in range(3):
        measured.limits(1, again=True)
    assert asked == [1]
    another_process(monkeypatch)
    for _ in range(3):
        measured.limits(1)
    for _ in range(3):
        measured.limits(1, again=True)
    assert asked == [1, 1]


@pytest.mark.parametrize("count", [1, 2])
def test_a_real_measurement_has_all_of_it(count, monkeypatch):
    monkeypatch.setattr(measured, "caches", lambda: Caches(32 << 10, 128 << 10, 1 << 20))
    monkeypatch.setattr(measured, "_TRIES", 1)
    found = measured.measure(count)
    assert Limits.of_text(found.text()) == found
    assert found.threads == count and [p.name for p in found.places] == ["L2", "L3", "memory"]
    assert [p.size for p in found.places] == [count * (128 << 10), (1 << 20) * 5 // 8, float("inf")]
    assert all(len(p.seconds) == len(SHARES) for p in found.places)
    # A division takes longer than a product on every CPU.
    assert found.division > found.product


def test_where_the_second_cache_is_the_last_there_is_no_third(monkeypatch):
    monkeypatch.setattr(measured, "caches", lambda: Caches(32 << 10, 1 << 20, 1 << 20))
    assert [name for name, _, _ in measured._sizes(1)] == ["L2", "memory"]


@pytest.mark.parametrize("count", [1, 2, 64])
@pytest.mark.parametrize("cache", [Caches(), Caches(48 << 10, 2 << 20, 1 << 30), Caches(32 << 10, 512 << 10, 4 << 20)])
def test_arrays_are_measured_where_they_surely_are(cache, count, monkeypatch):
    monkeypatch.setattr(measured, "caches", lambda: cache)
    sizes = measured._sizes(count)
    rooms = [room for _, room, _ in sizes]
    assert rooms == sorted(rooms) and rooms[-1] == float("inf")
    for _, room, size in sizes:
        assert size <= room
    for (_, room, _), (name, _, size) in itertools.pairwise(sizes):
        # The memory of a huge cache is not waited for.
        assert size > room or (name == "memory" and size >= measured._MOST)
