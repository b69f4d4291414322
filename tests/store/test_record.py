"""What stands beside a graph comes back as it was, or the file is refused; whoever wants the graph gets it."""

import io
import json

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.store.load import from_bytes, outline, structure, with_record
from sdgraph.store.record import Record, decode_fact, encode_fact
from sdgraph.store.save import to_bytes, write
from tests.store.hostile_files import NUMBERS, OTHERS, changed, made, parts, places, recorded


@pytest.fixture
def saved(tmp_path):
    data, record = recorded()
    path = tmp_path / "some.sdg"
    path.write_bytes(data)
    return path, record


def same(found, record):
    assert found.kind == record.kind
    assert repr(found.facts) == repr(record.facts)  # In the order that they had.
    assert list(found.arrays) == list(record.arrays)
    for name, array in record.arrays.items():
        got = found.arrays[name]
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes()), name


def test_it_comes_back(saved):
    path, record = saved
    sd, found = with_record(SameDiff, path)
    same(found, record)
    assert sd["w"].value.tolist() == [1.0, 2.0]


def test_its_facts_alone(saved):
    path, record = saved
    found = outline(path)
    assert repr(found.facts) == repr(record.facts)
    assert {name: (a.shape, a.dtype) for name, a in found.avals.items()} == {
        name: (a.shape, a.dtype) for name, a in record.arrays.items()
    }


@pytest.mark.parametrize("settings", [{}, {"mmap": True}, {"mmap": True, "verify": True}, {"verify": False}])
def test_who_wants_the_graph_gets_it(saved, settings):
    path, _ = saved
    sd = SameDiff.load(path, **settings)
    assert sd["w"].value.tolist() == [1.0, 2.0]
    assert structure(SameDiff, path)["w"].shape == (2,)
    assert to_bytes(sd) == to_bytes(from_bytes(SameDiff, to_bytes(sd)))


def test_a_file_without_one(tmp_path):
    path = SameDiff().save(tmp_path / "empty.sdg")
    assert outline(path) is None and with_record(SameDiff, path)[1] is None


def test_every_byte_of_its_arrays_is_compared(saved):
    path, record = saved
    data = bytearray(path.read_bytes())
    for array in record.arrays.values():
        if not array.size:
            continue
        at = data.index(array.tobytes(), data.index(b"record/"))
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(errors.FormatError):
            with_record(SameDiff, path)
        with pytest.raises(errors.FormatError):
            SameDiff.load(path)
        data[at] ^= 1


def test_every_place_of_it_changed_in_every_way(tmp_path):
    content, members = parts(recorded()[0])
    paths = [path for path in places(content) if path[:1] == ("record",)]
    rng, refused = np.random.default_rng(0), 0
    for path in paths:
        for how in ("replace", "drop", "twice", "swap", "add", "rename"):
            for other in rng.permutation(np.array([*NUMBERS, *OTHERS], object))[:6]:
                if (now := changed(content, path, how, other)) is None or now == content:
                    continue
                file = tmp_path / "other.sdg"
                file.write_bytes(made(now, members))
                try:
                    _, found = with_record(SameDiff, file)
                except errors.FormatError:
                    refused += 1
                    continue
                # What is taken is a record like any: it is written again as it stands.
                again = None if found is None else json.loads(json.dumps(encode_fact(found.facts)))
                assert again == (now["record"]["facts"] if "record" in now else None)
    assert refused > 300


@pytest.mark.parametrize(
    "facts",
    [
        {1: 2},
        {"a": object()},
        {"a": {3}},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": b""},
        {"a": np.zeros(2)},
    ],
)
def test_what_no_file_can_hold(facts):
    file = io.BytesIO()
    with pytest.raises(errors.ArgumentError, match="cannot be saved"):
        write(SameDiff(), file, user={}, origins=False, record=Record("test", facts, {}))
    assert file.getvalue() == b""


def test_facts_in_facts_beyond_measure():
    endless = []
    endless.append(endless)
    with pytest.raises(errors.ArgumentError, match="beyond measure"):
        write(SameDiff(), io.BytesIO(), user={}, origins=False, record=Record("test", {"a": endless}, {}))


def test_an_array_that_no_file_can_hold():
    for array in (np.array([None]), np.zeros(2, np.longdouble)):
        with pytest.raises(errors.ArgumentError, match="cannot be saved"):
            write(SameDiff(), io.BytesIO(), user={}, origins=False, record=Record("test", {}, {"a": array}))


def test_numbers_of_numpy_are_numbers():
    found = decode_fact(encode_fact({"a": np.float64(0.1), "b": np.int8(3), "c": np.bool_(True), "d": np.float32(0.5)}))
    assert found == {"a": 0.1, "b": 3, "c": True, "d": 0.5}
    assert [*map(type, found.values())] == [float, int, bool, float]
