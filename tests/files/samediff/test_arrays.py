"""Arrays of SameDiff's files: dtypes, orders, empty ones, texts, and what is none."""

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph.files.samediff import arrays, schema
from sdgraph.files.samediff.schema import Record
from sdgraph.files.samediff.tables import Damaged
from tests.files.samediff import flat, real
from tests.files.samediff.flat import array as stored


def read(record):
    return arrays.to_numpy(Record(record))


@pytest.mark.parametrize("name", flat.NUMPY)
def test_every_dtype(name):
    values = [True, False, True] if name == "BOOL" else [1, 2, 3]
    got = read(stored(values, name))
    want = np.array(values, flat.NUMPY[name])
    assert got.dtype == want.dtype and got.tobytes() == want.tobytes() and got.dtype.isnative


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (1, 4, 1), (2, 1, 3)])
@pytest.mark.parametrize("order", ["c", "f"])
def test_both_orders(shape, order):
    values = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    np.testing.assert_array_equal(read(stored(values, "DOUBLE", order=order)), values)


def test_little_endian_bytes():
    record = {**stored([1.0, 2.0], "DOUBLE"), "buffer": np.array([1.0, 2.0], "<f8").tobytes(), "byte_order": 0}
    assert read(record).tolist() == [1.0, 2.0]
    del record["byte_order"]
    assert read(record).tolist() == [1.0, 2.0]


def test_bits_are_kept():
    bits = np.array([0x7FF8000000000123, 0xFFF0000000000000, 0x8000000000000000, 1], np.uint64)
    got = read(stored(bits.view(np.float64), "DOUBLE"))
    assert got.view(np.uint64).tolist() == bits.tolist()


def test_bfloat16_is_the_upper_half_of_float32():
    record = {**stored([0x3FC0, 0xC000, 0x7F80], "UINT16"), "dtype": schema.BFLOAT16}
    got = read(record)
    assert got.dtype == np.float32 and got.tolist() == [1.5, -2.0, np.inf]


def test_empty_arrays():
    assert read({"shape": [0, 16392, 1, 99], "dtype": 6}).shape == (0,)
    assert read({"shape": [2, 0, 3, 0, 0, 16392, 1, 99], "dtype": 5}).shape == (0, 3)
    assert read(stored(np.zeros((2, 0)), "DOUBLE")).shape == (2, 0)


def text(words, shape):
    ends = np.cumsum([0, *map(len, words)]).astype("<i8").tobytes()
    strides = [1] * len(shape)
    return Record(shape=[len(shape), *shape, *strides, 0, 1, 99], buffer=ends + b"".join(words), dtype=schema.UTF8)


def test_texts():
    assert arrays.is_text(text([b"a"], (1,)))
    assert arrays.texts(text([b"ab", b"", b"c\xfcd"], (3,))).tolist() == ["ab", "", "cüd"]
    assert arrays.texts(text(["ü".encode()], ()))[()] == "ü"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"shape": None}, "no shape"),
        ({"shape": []}, "no shape"),
        ({"shape": [33, *range(70)]}, "no shape"),
        ({"shape": [-1, 0, 1, 99]}, "no shape"),
        ({"shape": [1, 2, 1, 0, 1, 98]}, "no shape"),
        ({"shape": [1, -2, 1, 0, 1, 99]}, "shape"),
        ({"shape": [2, 2**40, 2**40, 1, 1, 0, 1, 99]}, "shape"),
        ({"shape": [1, 3, 1, 0, 1, 99]}, "16 bytes"),
        ({"shape": [1, 2, 2, 0, 1, 99]}, "steps"),
        ({"shape": [1, 2, -1, 0, 1, 99]}, "steps"),
        ({"shape": [1, 2, 2**62, 0, 1, 99]}, "steps"),
        ({"buffer": None}, "0 bytes"),
        ({"buffer": b""}, "0 bytes"),
        ({"dtype": 2}, "dtype 2"),
        ({"dtype": 50}, "dtype UTF8"),
        ({"dtype": None}, "dtype None"),
        ({"byte_order": 3}, "order"),
    ],
)
def test_what_is_no_array(change, why):
    with pytest.raises(Damaged, match=why):
        read({**stored([1.0, 2.0], "DOUBLE"), **change})


def test_an_array_of_nothing_does_not_grow():
    """A step of 0 would make one number a million of them."""
    with pytest.raises(Damaged):
        read({**stored([1.0], "DOUBLE"), "shape": [1, 10**9, 0, 0, 1, 99]})


@pytest.mark.parametrize("data", [b"", bytes(8), b"\1" + bytes(15), bytes(8) + b"\xff" * 8, bytes(16) + b"a"])
def test_what_is_no_text(data):
    with pytest.raises(Damaged, match="texts"):
        arrays.texts(Record(shape=[1, 1, 1, 0, 1, 99], buffer=data, dtype=50))


def test_texts_that_go_back():
    ends = np.array([0, 5, 2, 6], "<i8").tobytes()
    with pytest.raises(Damaged, match="texts"):
        arrays.texts(Record(shape=[1, 3, 1, 0, 1, 99], buffer=ends + b"abcdef", dtype=50))


@pytest.mark.parametrize(
    "value", [np.float64(2.5), np.arange(6.0).reshape(2, 3).T, np.array([True]), np.zeros((0, 3), "f4")]
)
def test_writing_and_reading(value):
    got = read(arrays.from_numpy(value))
    assert got.dtype == np.asarray(value).dtype
    np.testing.assert_array_equal(got, value)


def test_java_writes_the_same_bytes():
    """Every numeric array of the real files, read and written again, is what stood there."""
    from sdgraph.files.samediff.tables import TableReader

    compared = 0
    for name in real.NAMES:
        for variable in TableReader(real.path(name).read_bytes()).root(schema.GRAPH)["variables"]:
            record = variable["array"]
            if record is None or record["dtype"] in (schema.UTF8, schema.BFLOAT16, 14) or record["buffer"] is None:
                continue
            again = arrays.from_numpy(arrays.to_numpy(record))
            assert {k: again[k] for k in ("shape", "dtype", "byte_order")} == {
                k: record[k] for k in again if k != "buffer"
            }
            assert again["buffer"] == bytes(record["buffer"])
            compared += 1
    assert compared > 60
