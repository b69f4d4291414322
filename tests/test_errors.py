"""Errors as objects: they come out of a pickle, a copy and another process as they were."""

import concurrent.futures
import copy
import functools
import multiprocessing
import pickle

import pytest

from sdgraph import SameDiff, errors
from sdgraph.errors import GradientCheckError, SDGraphError, ShapeError

WAYS = {
    **{f"pickle {k}": lambda e, k=k: pickle.loads(pickle.dumps(e, k)) for k in range(pickle.HIGHEST_PROTOCOL + 1)},
    "pickled twice": lambda e: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(e)))),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def an_error(kind: type[SDGraphError], **more) -> SDGraphError:
    """One that has all parts."""
    v = SameDiff().var("v", 1.0)
    e = kind("It is wrong.", given="this", expected="that", node="v", node_origin=v.origin, fix="Do it.", **more)
    e.in_call("sd.math.op", "x 'v': float32 ()")
    e.add_note("And a note.")
    return e


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [n for n in errors.__all__ if issubclass(getattr(errors, n), SDGraphError)])
def test_an_error_goes_through_a_pickle_whole(name, way):
    e = an_error(getattr(errors, name))
    other = WAYS[way](e)
    assert type(other) is type(e) and other is not e
    assert str(other) == str(e)
    # A long one goes on in lines that have no label: a checkout may lie deep.
    labels = [line.split(":")[0].strip() for line in str(e).split("\n")[1:] if not line.startswith(" " * 12)]
    assert labels == ["operands", "given", "expected", "node", "at", "fix"]
    assert other.args == e.args and other.__notes__ == e.__notes__
    for part in ("message", "given", "expected", "node", "fix", "op", "operands"):
        assert getattr(other, part) == getattr(e, part)
    for place, its in ((e.node_origin, other.node_origin), (e.called_at, other.called_at)):
        assert (its.filename, its.line, its.function, str(its)) == (__file__, place.line, "an_error", str(place))


def test_what_a_class_of_ones_own_adds_is_kept():
    class Own(ShapeError):
        def __init__(self, rows, columns):
            super().__init__(f"{rows} rows", given=f"{columns} columns")
            self.rows = rows

    Own.__qualname__ = Own.__name__
    globals()["Own"] = Own
    e = Own(3, 4)
    for way in WAYS.values():
        other = way(e)
        assert (other.rows, other.given, str(other)) == (3, "4 columns", str(e))
    e = an_error(GradientCheckError, entries=((0, 1.0, 2.0),))
    assert pickle.loads(pickle.dumps(e)).entries == ((0, 1.0, 2.0),)


def fails(_):
    sd = SameDiff()
    sd.var("a", [[1.0, 2.0]]) @ sd.var("b", [[1.0, 2.0]])


@pytest.mark.slow
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_an_error_arrives_from_another_process(method):
    with pytest.raises(ShapeError) as here:
        fails(0)
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        ways = [
            functools.partial(pool.map, fails, [0]),
            functools.partial(pool.apply, fails, [0]),
        ]
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
            ways.append(executor.submit(fails, 0).result)
            for way in ways:
                with pytest.raises(ShapeError) as there:
                    way()
                assert str(there.value) == str(here.value)
                assert there.value.operands == here.value.operands
                assert (there.value.called_at.line, there.value.called_at.function) == (
                    here.value.called_at.line,
                    "fails",
                )
