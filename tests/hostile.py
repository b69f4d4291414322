"""Arguments that no call expects, and what a call may do with them: work, or raise our errors and change nothing."""

import traceback

import numpy as np

from sdgraph import SameDiff
from sdgraph.errors import SDGraphError
from tests.graph_state import graph_state

LONGEST = 2000
"""Characters of a message."""


def _raising(*names):
    """An object that raises when it is asked for any of these."""

    def refuse(*_, **__):
        raise ZeroDivisionError("hostile")

    return type(f"Hostile{''.join(names)}", (), dict.fromkeys(names, refuse))()


def _nested(kind, depth=5000):
    inner = kind()
    for _ in range(depth):
        inner = kind((inner,))
    return inner


_cycle: list = []
_cycle.append(_cycle)

_SPECIAL = (
    "__array__",
    "__repr__",
    "__str__",
    "__iter__",
    "__len__",
    "__hash__",
    "__eq__",
    "__lt__",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "__getitem__",
    "__fspath__",
    "__add__",
)

HOSTILE = {
    **{name: _raising(name) for name in _SPECIAL},
    "hostile in every way": _raising(*_SPECIAL),
    "object": object(),
    "None": None,
    "NotImplemented": NotImplemented,
    "True": True,
    "0": 0,
    "-1": -1,
    "2**31": 2**31,
    "10**30": 10**30,
    "-10**30": -(10**30),
    "5000 digits": 10**5000,
    "nan": float("nan"),
    "inf": float("inf"),
    "1e308": 1e308,
    "1.5": 1.5,
    "1j": 1j,
    "text": "no such thing",
    "a megabyte of text": "x" * 10**6,
    "surrogate": "\ud800",
    "null": "\0",
    "numpy text": np.str_("a"),
    "bytes": b"abc",
    "list 5000 deep": _nested(list),
    "tuple 5000 deep": _nested(tuple),
    "list in itself": _cycle,
    "empty list": [],
    "ragged": [[1], [1, 2]],
    "65 sizes": (1,) * 65,
    "negative sizes": (-5, -6),
    "many axes": (0, 1, 2, 3, 4, 5, 6),
    "range": range(10**4),
    "dict": {"a": 1},
    "set": {1, 2},
    "type": int,
    "function": len,
    "slice": slice(None),
    "...": ...,
    "array of text": np.array(["a"]),
    "array of objects": np.array([object()]),
    "array of dates": np.array(["2020-01-01"], "datetime64[D]"),
    "array of records": np.zeros(2, [("a", "f4")]),
    "array of rank 64": np.zeros((1,) * 64),
    "array of nan": np.array([np.nan]),
    "masked array": np.ma.array([1.0], mask=[True]),
}


def a_graph() -> SameDiff:
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    sd.placeholder("i", (2,), "int64")
    y = sd.math.tanh(x @ sd.var("w", np.ones((3, 2), "float32")), name="y")
    sd.var("v", [1.0, 2.0, 3.0])
    sd.loss.l2_loss(y, name="loss")
    sd.random.normal(0.0, 1.0, (2,), name="drawn")
    return sd


FEEDS = {"x": np.ones((2, 3), "float32"), "i": np.array([0, 1])}


def attempt(call, sd=None, what=""):
    """Do it; whatever it raises must be ours, short, and leave the graph as it was."""
    before = None if sd is None else _without_caches(sd)
    try:
        call()
        return
    except SDGraphError as e:
        assert len(str(e)) < LONGEST and len(repr(e)) < LONGEST, what
    except (Warning, OSError):
        # A file that is not there, or cannot be written: Python's own error says which.
        pass
    except TypeError as e:
        # Python's own: too few arguments, or one too many.
        if len(traceback.extract_tb(e.__traceback__)) > 2 or "argument" not in str(e):
            raise AssertionError(f"{what}: {e!r}") from e
    except Exception as e:
        raise AssertionError(f"{what}: {type(e).__name__}") from e
    assert before is None or _without_caches(sd) == before, what


def _without_caches(sd):
    """A function that was compiled before its feeds were looked at may stay."""
    return {name: table for name, table in graph_state(sd).items() if name != "executables"}
