"""Arrays that stay on the disk: one mapping for all of them, of the file that was checked."""

import gc
import os
import stat
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.store.arrays import mapped
from sdgraph.store.container import Reader
from sdgraph.store.load import structure
from sdgraph.store.sums import LARGE
from tests.groups import first_and_slow

posix = pytest.mark.skipif(os.name != "posix", reason="files of POSIX")


def saved(path, **values):
    sd = SameDiff()
    for name, value in values.items():
        sd.var(name, value)
    sd.save(path)
    return sd


def test_they_are_equal_and_read_only(tmp_path):
    values = {"a": np.arange(12.0).reshape(3, 4), "b": np.float32(2), "c": np.zeros((2, 0)), "d": np.arange(5) > 2}
    sd = saved(tmp_path / "m.sdg", **values)
    for verify in (None, True):
        again = SameDiff.load(tmp_path / "m.sdg", mmap=True, verify=verify)
        for name in values:
            np.testing.assert_array_equal(again[name].value, sd[name].value, strict=True)
            assert not again.values[again[name].id].flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            again.values[again["a"].id][0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            again.values[again["a"].id].flags.writeable = True


CHILD = """
import resource, sys
from sdgraph import SameDiff
SameDiff.load(sys.argv[1])  # What is imported on first use is there now.
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
sd = SameDiff.load(sys.argv[1], mmap=True)
print(len(sd), sum(float(v.value) for v in sd.variables()))
"""


@posix
def test_more_arrays_than_files_may_be_open(tmp_path):
    saved(tmp_path / "m.sdg", **{f"v{k}": float(k) for k in range(100)})
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "m.sdg"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "100 4950.0\n", done.stderr


def is_open(path):
    """Whether this process has a file open."""
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return str(path) in {os.readlink(link) for link in links if os.path.lexists(link)}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no list of open files")
def test_the_file_is_closed_with_the_last_array(tmp_path):
    path = tmp_path / "m.sdg"
    saved(path, a=1.0, b=[2.0, 3.0])
    sd = SameDiff.load(path, mmap=True)
    kept = sd["b"].value
    del sd
    gc.collect()
    assert kept.sum() == 5 and is_open(path)
    del kept
    gc.collect()
    assert not is_open(path)


@posix
def test_what_is_saved_in_its_place_changes_nothing(tmp_path):
    path = tmp_path / "m.sdg"
    saved(path, a=np.arange(1000.0))
    again = SameDiff.load(path, mmap=True)
    again["a"].value  # noqa: B018
    saved(path, a=np.zeros(1000))
    np.testing.assert_array_equal(again["a"].value, np.arange(1000.0, dtype="float32"))
    again.save(path)
    np.testing.assert_array_equal(SameDiff.load(path)["a"].value, np.arange(1000.0, dtype="float32"))


@posix
def test_it_is_the_file_that_was_opened(tmp_path):
    path, other = tmp_path / "m.sdg", tmp_path / "other.sdg"
    saved(path, a=1.0)
    saved(other, a=np.zeros(1000))
    whole = path.read_bytes()
    with open(path, "rb") as file:
        reader = Reader(file, "m.sdg")
        os.replace(other, path)
        assert bytes(mapped(reader, file)) == whole


@posix
def test_a_file_that_becomes_shorter_meanwhile(tmp_path):
    path = tmp_path / "m.sdg"
    saved(path, a=1.0)
    with open(path, "rb") as file:
        reader = Reader(file, "m.sdg")
        os.truncate(path, 100)
        with pytest.raises(errors.FormatError, match="shorter"):
            mapped(reader, file)


def test_damage_of_a_mapped_array_is_found_if_asked(tmp_path):
    path = tmp_path / "m.sdg"
    saved(path, a=np.arange(1000.0))
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    assert SameDiff.load(path, mmap=True)["a"].value.shape == (1000,)
    with pytest.raises(errors.FormatError, match=r"tensors/a\.npy"):
        SameDiff.load(path, mmap=True, verify=True)


def test_the_disk_works_while_digests_are_computed(tmp_path, monkeypatch):
    sizes, real = [], os.fsync

    def fsync(handle):
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            sizes.append(os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    sd = SameDiff()
    for k in range(3):
        sd.var(f"w{k}", np.zeros(LARGE, "uint8"))
    path = sd.save(tmp_path / "m.sdg")
    assert len(sizes) == 2 and 3 * LARGE < sizes[0] < sizes[1] == path.stat().st_size
    sizes.clear()
    sd.save(path, fsync=False)
    assert not sizes


# ---------------------------------------------------------------------- memory

HUGE = 32 << 20


def peak(call):
    """Bytes that Python and numpy hold at most during a call, more than before it."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", first_and_slow([(HUGE // 4,), (8, HUGE // 32)], 1))
def test_values_are_never_twice_in_memory(tmp_path, shape):
    path = tmp_path / "m.sdg"
    sd = saved(path, a=np.zeros(shape, "float32"))
    small = 2 << 20
    assert peak(lambda: sd.save(path))[0] < small
    assert peak(lambda: SameDiff.load(path))[0] < HUGE + small
    assert peak(lambda: SameDiff.load(path, mmap=True, verify=True))[0] < small
    assert peak(lambda: structure(SameDiff, path))[0] < small  # What `sdgraph summary` reads.
