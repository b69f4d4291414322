"""Checksum and digest of pieces, with a thread and without."""

import threading
import zlib
from hashlib import sha256

import numpy as np
import pytest

from sdgraph.store import sums as module
from sdgraph.store.sums import CHUNK, Sums, chunks

SIZES = [0, 1, module._WORTH_A_THREAD - 1, module._WORTH_A_THREAD, 2 * CHUNK + 5]
DATA = np.random.default_rng(0).integers(0, 256, max(SIZES), dtype="uint8").tobytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1 << 20, CHUNK + 1])
def test_they_are_those_of_the_whole(size, piece):
    data = DATA[:size]
    with Sums(size) as sums:
        for k in range(0, size, piece):
            sums.add(data[k : k + piece])
    assert (sums.crc, sums.digest) == (zlib.crc32(data), sha256(data).hexdigest())
    assert threading.active_count() == 1


def test_only_large_data_has_a_thread():
    for size in SIZES:
        with Sums(size):
            assert threading.active_count() == 1 + (size >= module._WORTH_A_THREAD)


def test_a_system_without_threads(monkeypatch):
    def none(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with Sums(len(DATA)) as sums:
        sums.add(DATA)
    assert (sums.crc, sums.digest) == (zlib.crc32(DATA), sha256(DATA).hexdigest())


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_error_ends_the_thread(error):
    with pytest.raises(error), Sums(len(DATA)) as sums:
        sums.add(DATA)
        raise error
    assert threading.active_count() == 1


@pytest.mark.parametrize("data", [b"", np.zeros(0), np.zeros((3, 5)), np.array(True), bytes(CHUNK + 3)], ids=range(5))
def test_pieces_of_a_buffer_are_its_bytes(data):
    pieces = [*chunks(data)]
    assert b"".join(pieces) == bytes(memoryview(data)) and all(0 < len(p) <= CHUNK for p in pieces)
