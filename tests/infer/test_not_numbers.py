"""What is no array of numbers is told apart, whatever library it comes from; stand-ins have what their objects have."""

import numpy as np
import pytest

from sdgraph import SameDiff, nd
from sdgraph.errors import DTypeError, FeedError, SDGraphError


class Series:
    """A column as pandas has it."""

    def __init__(self, values):
        self.values = values
        self.dtype = np.asarray(values).dtype

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def to_numpy(self):
        return np.asarray(self.values)


class Frame:
    """A DataFrame as pandas has it."""

    def __init__(self, **columns):
        self.data = {name: Series(values) for name, values in columns.items()}
        self.columns, self.dtypes = list(columns), [column.dtype for column in self.data.values()]

    def __getitem__(self, name):
        return self.data[name]

    def __array__(self, dtype=None, copy=None):
        return np.array([column.values for column in self.data.values()], object).T


NAType = type("NAType", (), {"__repr__": lambda self: "<NA>"})


class Tensor:
    """A tensor of torch."""

    def __init__(self, *, requires_grad=False, dtype="torch.float32"):
        self.requires_grad, self.dtype = requires_grad, dtype

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class Sparse:
    def toarray(self):
        return np.eye(2)


CASES = {
    "text in a column": (Frame(a=[1.0, 2.0], b=["x", "y"]), ["column 'b'", "'x' at position 0", "df.drop"]),
    "missing in a column": (Frame(a=[1, 2], b=np.array([1, NAType()], object)), ["column 'b'", "row 1", "fillna"]),
    "missing in a series": (Series(np.array([1, NAType()], object)), ["row 1", "fillna"]),
    "dates in a column": (Frame(a=[1], b=np.array(["2020-01-01"], "datetime64[D]")), ["column 'b'"]),
    "part of a computation": (Tensor(requires_grad=True), ["x.detach().numpy()"]),
    "half precision of torch": (Tensor(dtype="torch.bfloat16"), ["x.float()"]),
    "sparse": (Sparse(), ["sparse", "x.toarray()"]),
    "set": ({1.0, 2.0}, ["A set has no order"]),
    "dictionary": ({"a": 1.0}, ["list(x.values())"]),
    "generator": ((k for k in range(2)), ["list(x)"]),
    "text": ("1.0", ["A text is no number"]),
    "text inside": ([[1.0, 2.0], [3.0, "red"]], ["'red' at position (1, 1)"]),
    "None inside": ([1.0, None], ["None at position 1"]),
    "object array": (np.array([1.0, "red"], object), ["'red' at position 1"]),
}


@pytest.mark.parametrize(("value", "told"), CASES.values(), ids=CASES)
def test_every_door_tells_what_a_value_is(value, told):
    sd = SameDiff()
    x, w = sd.placeholder("x", (None,)), sd.var("w", [1.0, 2.0])
    doors = {
        "feed": lambda: y.eval({"x": value}),
        "value": lambda: sd.set_value("w", value),
        "var": lambda: sd.var("v", value),
        "constant": lambda: sd.constant("c", value),
        "operand": lambda: w + value,
        "nd": lambda: nd.math.exp(value),
    }
    if isinstance(value, str):
        del doors["var"], doors["constant"], doors["operand"]
    y = x + 1
    before = len(sd)
    for name, door in doors.items():
        with pytest.raises(SDGraphError) as caught:
            door()
        for text in told:
            assert text in " ".join(str(caught.value).split()), name
    assert len(sd) == before


LOST = {
    "half": ([0.5, 1.0, 2.0], "int64", "0.5 at position 0 is no whole number"),
    "nan": ([[1.0], [float("nan")]], "int64", "nan at position (1, 0) is no number"),
    "too large": ([[1.0, 1e300]], "float32", "1e+300 at position (0, 1) is out of the range of float32"),
    "too large an integer": ([1, 300], "int8", "300 at position 1 is out of the range of int8"),
    "negative": ([1, -1], "uint8", "-1 at position 1 is out of the range of uint8"),
    "infinite": ([1.0, float("inf")], "int32", "inf at position 1 is out of the range of int32"),
    "no bool": ([0, 2], "bool", "2 at position 1 is neither 0 nor 1"),
    "scalar": (0.5, "int64", "0.5 is no whole number"),
    "array": (np.array([1.0, 2.5]), "int64", "2.5 at position 1 is no whole number"),
}


@pytest.mark.parametrize(("value", "dtype", "told"), LOST.values(), ids=LOST)
def test_a_number_that_does_not_cast_is_named_with_its_place(value, dtype, told):
    sd = SameDiff()
    x = sd.placeholder("x", np.shape(value), dtype)
    with pytest.raises(FeedError) as caught:
        sd.identity(x).eval({"x": value})
    assert told in " ".join(str(caught.value).split())
    v = sd.var("v", np.zeros(np.shape(value), dtype))
    with pytest.raises(DTypeError) as caught:
        v.value = value
    assert told in " ".join(str(caught.value).split())


def test_torch_and_scipy_themselves():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(DTypeError, match=r"x\.toarray\(\)"):
        SameDiff().var("w", sparse.csr_matrix(np.eye(2)))
    torch = pytest.importorskip("torch")
    with pytest.raises(DTypeError, match=r"x\.detach\(\)\.numpy\(\)"):
        SameDiff().var("w", torch.ones(2, requires_grad=True))


def test_pandas_itself():
    pd = pytest.importorskip("pandas")
    with pytest.raises(DTypeError, match="column 'b'"):
        SameDiff().var("w", pd.DataFrame({"a": [1.0], "b": ["red"]}))
    with pytest.raises(DTypeError, match="fillna"):
        SameDiff().var("w", pd.Series([1, None], dtype="Int64"))
