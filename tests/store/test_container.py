"""The container: read by other programs, damaged in every bit, cut at every length."""

import io
import shutil
import subprocess
import zipfile
from hashlib import sha256

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.store import npy, zipped
from sdgraph.store.container import Reader, Writer
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from sdgraph.store.sums import LARGE, Summer
from tests.store.hostile_files import rich


def small() -> bytes:
    sd = SameDiff()
    sd.placeholder("x", ("b",))
    sd.loss.l2_loss(sd.var("w", [1.0, 2.0]))
    return to_bytes(sd)


DATA = small()


@pytest.mark.parametrize("first", range(0, len(DATA), 128))
def test_every_flipped_bit_is_found(first):
    accepted = []
    for k in range(first * 8, min(first + 128, len(DATA)) * 8):
        damaged = bytearray(DATA)
        damaged[k // 8] ^= 1 << k % 8
        try:
            from_bytes(SameDiff, bytes(damaged))
        except errors.FormatError:
            continue
        accepted.append(k)
    assert not accepted


def test_every_shorter_or_longer_file_is_found():
    for data in [*(DATA[:n] for n in range(len(DATA))), DATA + b"\0", b"\0" + DATA, DATA + DATA, b"PK\5\6" + bytes(18)]:
        with pytest.raises(errors.FormatError):
            from_bytes(SameDiff, data)


@pytest.mark.parametrize("data", [DATA, to_bytes(SameDiff()), to_bytes(rich())], ids=["small", "empty", "rich"])
def test_every_byte_that_is_put_in_or_left_out_is_found(data):
    rng = np.random.default_rng(0)
    places = range(len(data) + 1) if len(data) < 2000 else rng.integers(len(data), size=400)
    for k in places:
        # A byte that equals its neighbour changes the same places of the rest as any other.
        for damaged in (data[:k] + bytes([rng.integers(256)]) + data[k:], data[:k] + data[k + 1 :]):
            if damaged != data:
                with pytest.raises(errors.FormatError):
                    from_bytes(SameDiff, damaged)


def test_one_bit_of_every_third_byte_of_a_rich_file():
    data, rng = to_bytes(rich()), np.random.default_rng(1)
    for k in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[k] ^= 1 << rng.integers(8)
        with pytest.raises(errors.FormatError):
            from_bytes(SameDiff, bytes(damaged))


def test_the_error_says_where():
    damaged = bytearray(DATA)
    at = DATA.index(b"graph.json") - 20
    damaged[at] ^= 1
    with pytest.raises(errors.FormatError, match=rf"(?s)m\.sdg is damaged.*byte {at:,} of {len(DATA):,}"):
        from_bytes(SameDiff, bytes(damaged), "m.sdg")


def test_members_may_not_change_places_or_names():
    with zipfile.ZipFile(io.BytesIO(DATA)) as z:
        content = {name: z.read(name) for name in z.namelist()}
    for names in (sorted(content, reverse=True), [*content, "more"]):
        file = io.BytesIO()
        writer = Writer(file, Summer())
        for name in names:
            writer.add(name, [content.get(name, b"more")])
        writer.finish()
        if names[-1] == "more":
            with pytest.raises(errors.FormatError, match="members"):
                from_bytes(SameDiff, file.getvalue())
        else:
            assert file.getvalue() != DATA  # In another order it is another file, which is whole.


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_another_program_zipped_is_no_file_of_ours(compression):
    with zipfile.ZipFile(io.BytesIO(DATA)) as z:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as other:
            for name in z.namelist():
                other.writestr(name, z.read(name))
    with pytest.raises(errors.FormatError):
        from_bytes(SameDiff, file.getvalue())


# ---------------------------------------------------------------------- other programs


def test_numpy_and_zipfile_read_it(tmp_path):
    sd = SameDiff()
    with sd.name_scope("layer"):
        w = sd.var("w", shape=(3, 5), init="normal")
    odd = sd.var("a name with blanks", np.arange(3))
    path = tmp_path / "m.sdg"
    path.write_bytes(to_bytes(sd))
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        assert [i.date_time for i in z.infolist()] == [(1980, 1, 1, 0, 0, 0)] * 4
    with np.load(path, allow_pickle=False) as found:
        np.testing.assert_array_equal(found["tensors/layer/w"], w.value, strict=True)
        np.testing.assert_array_equal(found[f"tensors/#{odd.id}"], odd.value, strict=True)


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip")
def test_unzip_reads_it(tmp_path):
    path = tmp_path / "m.sdg"
    path.write_bytes(DATA)
    done = subprocess.run(["unzip", "-t", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "No errors" in done.stdout, done.stdout


def test_names_of_members_are_files_of_every_system():
    sd = SameDiff()
    for name in ("w", "W", "../up", "a/../b", ".hidden", "CON", "a/nul.x/b", "x" * 300, "ü", "a b", "end."):
        sd.var(name, 1.0)
    with zipfile.ZipFile(io.BytesIO(to_bytes(sd))) as z:
        names = z.namelist()[:-2]
    assert len({name.lower() for name in names}) == len(names) == 11
    assert all(name.isascii() and len(name) < 255 and ".." not in name and " " not in name for name in names)
    parts = [part.lower() for name in names for part in name.split("/")]
    assert not any(part.startswith((".", "con.", "nul.")) for part in parts)
    assert names[0] == "tensors/w.npy"


def test_data_stand_where_they_can_be_mapped():
    sd = SameDiff()
    for k in range(5):
        sd.var("w" * (k + 1) * 7, np.arange(k, dtype="float64"))
    reader = Reader(io.BytesIO(to_bytes(sd)), "m")
    assert all(m.data % zipped.ALIGNMENT == 0 for m in reader.members.values())


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (10**9, 1), (2,) * 32])
@pytest.mark.parametrize("dtype", ["bool", "float16", ">f8", "int64", "complex128"])
def test_the_header_of_an_array_is_numpys(shape, dtype):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": npy.little(np.dtype(dtype)).str, "fortran_order": False, "shape": shape}
    )
    file.seek(0)
    assert np.lib.format.read_magic(file) == (1, 0)
    theirs = np.lib.format.read_array_header_1_0(file)
    ours = io.BytesIO(npy.header(shape, np.dtype(dtype)))
    assert np.lib.format.read_magic(ours) == (1, 0) and np.lib.format.read_array_header_1_0(ours) == theirs
    assert ours.read() == b"" and len(ours.getvalue()) % 64 == 0


# ---------------------------------------------------------------------- large ones


def test_many_members():
    file = io.BytesIO()
    writer = Writer(file, Summer())
    names = [f"m{k}" for k in range(70_000)]
    for name in names:
        writer.add(name, [name.encode()])
    writer.finish()
    with zipfile.ZipFile(file) as z:
        assert z.namelist() == names and z.read("m69999") == b"m69999"
    reader = Reader(file, "many")
    assert [*reader.members] == names
    assert reader.read(reader.members["m12345"], 10) == b"m12345"


def test_more_than_four_gigabytes(tmp_path):
    # A sparse file: what is not written takes no room.
    large, small = zipped.Member("large", 0, 5 << 30, 0), b"behind it"
    after = zipped.Member("small", large.end, len(small), 0x0)
    import zlib

    after = after._replace(crc=zlib.crc32(small))
    path = tmp_path / "large.sdg"
    with open(path, "wb") as file:
        file.write(zipped.local_header(large))
        file.seek(after.offset)
        file.write(zipped.local_header(after) + small)
        entries = zipped.directory([large, after])
        file.write(entries + zipped.end_record(2, after.end, len(entries)))
    with zipfile.ZipFile(path) as z:
        assert [i.file_size for i in z.infolist()] == [5 << 30, len(small)] and z.read("small") == small
    with open(path, "rb") as file:
        reader = Reader(file, "large")
        assert reader.read(reader.members["small"], 100) == small
        assert [m.size for m in reader.members.values()] == [5 << 30, len(small)]


def test_the_digest_is_that_of_the_data():
    file = io.BytesIO()
    parts = [b"abc", np.arange(5), b"", np.array(True)]
    with Summer() as summer:
        writer = Writer(file, summer)
        writer.add("m", parts)
        digest = writer.digests(fsync=False)["m"]
    assert digest == sha256(b"".join(bytes(memoryview(p)) for p in parts)).hexdigest()


def test_large_and_small_members_alternate():
    contents = {f"m{k}": bytes([k]) * (LARGE + k if k % 2 else k) for k in range(6)}
    file = io.BytesIO()
    with Summer() as summer:
        writer = Writer(file, summer)
        for k, (name, data) in enumerate(contents.items()):
            writer.add(name, [data[:1000], data[1000:]])
            if k == 3:
                writer.digests(fsync=False)  # In between, as before the text that has them.
        digests = writer.digests(fsync=False)
        writer.finish()
    assert digests == {name: sha256(data).hexdigest() for name, data in contents.items()}
    with zipfile.ZipFile(file) as z:
        assert z.testzip() is None and {name: z.read(name) for name in z.namelist()} == contents
    Reader(file, "m")
