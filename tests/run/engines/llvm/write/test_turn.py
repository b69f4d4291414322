"""Blocks of rows turned to a vector per column, and back, for all sizes of elements and registers."""

import ctypes
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.write.turn import Turn, turning, turning_in_brief

_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64
_FUNCTION = ctypes.CFUNCTYPE(None, _POINTER, _NUMBER, _POINTER, _NUMBER, _NUMBER, _POINTER)
LONGEST = 100
GUARD = 64


class Turning:
    """Both functions on arrays."""

    def __init__(self, lanes, size, columns, text=turning):
        self.lanes, self.size, self.columns = lanes, size, columns
        addresses = machine.kernel(text(lanes, size, columns)).addresses
        self.turn, self.back = (_FUNCTION(addresses[Turn(size, back).name]) for back in (False, True))
        self.spare = np.zeros(lanes * columns * size, np.uint8)

    def turned(self, rows, memory, step=None):
        turned = np.zeros((self.columns, self.lanes), f"u{self.size}")
        self.turn(memory, step or self.columns, turned.ctypes.data, self.columns, rows, self.spare.ctypes.data)
        return turned

    def write(self, turned, rows, memory, step=None):
        self.back(memory, step or self.columns, turned.ctypes.data, self.columns, rows, self.spare.ctypes.data)


def columns_of(lanes, size):
    return [*range(2, 40), 63, 64, 65, 95, 96, LONGEST]


@pytest.mark.parametrize("text", [turning, turning_in_brief])
@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_rows_come_to_lanes_and_back(lanes, size, text):
    rng = np.random.default_rng(lanes)
    for columns in columns_of(lanes, size):
        f = Turning(lanes, size, columns, text)
        for rows in range(1, lanes + 1):
            block = rng.integers(0, 256, (rows, columns * size), np.uint8).view(f"u{size}")
            turned = f.turned(rows, block.ctypes.data)
            assert np.array_equal(turned[:, :rows], block.T)
            turned[:, rows:] = 77  # What lanes without a row hold is written nowhere.
            written = np.full(rows * columns * size + 2 * GUARD, 9, np.uint8)
            f.write(turned, rows, written.ctypes.data + GUARD)
            assert np.array_equal(written[GUARD:-GUARD], block.view(np.uint8).ravel())
            assert (written[:GUARD] == 9).all() and (written[-GUARD:] == 9).all()


@pytest.mark.parametrize("text", [turning, turning_in_brief])
@pytest.mark.parametrize("size", [1, 4, 8])
@pytest.mark.parametrize("lanes", [2, 8, 16])
def test_rows_may_be_parts_of_longer_ones_and_in_reverse_order(lanes, size, text):
    rng = np.random.default_rng(lanes)
    for columns in (2, 3, 4, 5, 17, 63):
        f = Turning(lanes, size, columns, text)
        for rows in range(1, lanes + 1):
            block = rng.integers(0, 256, (rows, (columns + 3) * size), np.uint8).view(f"u{size}")
            for part in (block[:, 1:-2], block[::-1, 2:-1]):
                step = part.strides[0] // size
                turned = f.turned(rows, part.ctypes.data, step)
                assert np.array_equal(turned[:, :rows], part.T)
                written, wanted = ((a, a[:, 1:-2] if step > 0 else a[::-1, 2:-1]) for a in (block.copy(), block.copy()))
                other = rng.integers(0, 100, (columns, lanes)).astype(f"u{size}")
                f.write(other, rows, written[1].ctypes.data, step)
                wanted[1][...] = other[:, :rows].T
                assert np.array_equal(written[0], wanted[0])


@pytest.mark.parametrize("text", [turning, turning_in_brief])
def test_one_text_serves_all_columns(text):
    assert len({text(16, 4, columns) for columns in range(2, LONGEST)}) == 2
    assert len({text(8, 8, columns) for columns in range(2, LONGEST)}) == 1


def test_what_stands_for_it_at_first_is_short():
    assert 5 * len(turning_in_brief(16, 4, 10)) < len(turning(16, 4, 10))


_BETWEEN_PAGES = """
import ctypes, mmap
import numpy as np
from tests.run.engines.llvm.write.test_turn import Turning, columns_of

page = mmap.PAGESIZE
room = 4 * page
held = mmap.mmap(-1, room + 2 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(held))
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
for guard in (start, start + page + room):
    assert libc.mprotect(guard, page, 0) == 0
for lanes in (4, 16):
    for size in (1, 4, 8):
        for columns in columns_of(lanes, size):
            f = Turning(lanes, size, columns)
            for rows in (1, lanes - 1, lanes):
                for memory in (start + page, start + page + room - rows * columns * size):
                    f.write(f.turned(rows, memory), rows, memory)
print("kept within")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pages are guarded by the system's own call")
def test_nothing_is_touched_outside_of_the_rows():
    done = subprocess.run([sys.executable, "-c", _BETWEEN_PAGES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "kept within\n"), done.stderr
