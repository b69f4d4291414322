"""Checksum and digest of buffers, on other cores and here."""

import threading
import zlib
from hashlib import sha256

import numpy as np
import pytest

from sdgraph.store.sums import CHUNK, LARGE, Summer, chunks

SIZES = [0, 1, LARGE - 1, LARGE, 2 * LARGE + 5]
DATA = np.random.default_rng(0).integers(0, 256, max(SIZES), dtype="uint8").tobytes()


def expected(data):
    return zlib.crc32(data), sha256(data).hexdigest()


@pytest.mark.parametrize("cut", [0, 1, 1000])
def test_they_are_those_of_the_whole(cut):
    before = threading.active_count()
    with Summer() as summer:
        found = [summer.sums([DATA[:cut], DATA[cut:size]]) for size in SIZES if size >= cut]
        assert threading.active_count() > before
    assert [sums() for sums in found] == [expected(DATA[:size]) for size in SIZES if size >= cut]
    assert threading.active_count() == before


def test_small_data_has_no_thread():
    before = threading.active_count()
    with Summer() as summer:
        assert summer.sums([DATA[:100]])() == expected(DATA[:100])
        assert threading.active_count() == before


def test_a_system_without_threads(monkeypatch):
    def none(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with Summer() as summer:
        assert summer.sums([DATA])() == expected(DATA)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_error_ends_the_threads(error):
    before = threading.active_count()
    with pytest.raises(error), Summer() as summer:
        for _ in range(50):
            summer.sums([DATA])
        raise error
    assert threading.active_count() == before


@pytest.mark.parametrize("data", [b"", np.zeros(0), np.zeros((3, 5)), np.array(True), bytes(CHUNK + 3)], ids=range(5))
def test_pieces_of_a_buffer_are_its_bytes(data):
    pieces = [*chunks(data)]
    assert b"".join(pieces) == bytes(memoryview(data)) and all(0 < len(p) <= CHUNK for p in pieces)
