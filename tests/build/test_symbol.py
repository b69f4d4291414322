"""What Python would need a value for: every habit works or tells what to write, and changes nothing."""

import math

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import SDGraphError
from tests.graph_state import graph_state


def loop(x):
    for _ in x:
        pass


def assign(x):
    x[0] = 1.0


def delete(x):
    del x[0]


HABITS = {
    "bool": (bool, "sd.where(condition, a, b)"),
    "not": (lambda x: not x, "~ for not"),
    "and": (lambda x: x and 1, "& for and"),
    "float": (float, "float(v.eval(feeds))"),
    "int": (int, "int(v.eval(feeds))"),
    "complex": (complex, "complex(v.eval(feeds))"),
    "math.sin": (math.sin, "sd.math"),
    "math.trunc": (math.trunc, "sd.math.floor"),
    "percent": (lambda x: "%.2f" % x, "float(v.eval(feeds))"),  # noqa: UP031
    "format": (lambda x: f"{x:.3f}", "{v.eval(feeds):.3f}"),
    "format, exponent": (lambda x: f"{x:10.2e}", "{v.eval(feeds):10.2e}"),
    "loop": (loop, "sd.unstack"),
    "list": (list, "sd.unstack"),
    "sum": (sum, "v.sum()"),
    "sorted": (sorted, "sd.unstack"),
    "max": (max, "v.max()"),
    "in": (lambda x: 3 in x, "sd.any(v.eq(value))"),
    "reversed": (reversed, "v[::-1]"),
    "len": (len, "v.shape[0]"),
    "range": (range, "int(v.eval(feeds))"),
    "assign": (assign, "sd.scatter_update(x, indices, updates)"),
    "delete": (delete, "sd.gather(x, indices, axis=0)"),
    "list of indices": (lambda x: x[[0, 2]], "sd.gather(x, [0, 2], axis=0)"),
    "array of indices": (lambda x: x[np.array([0, 2])], "sd.gather(x, array([0, 2]), axis=0)"),
    "indices of the last axis": (lambda x: x[..., [0, 1]], "sd.gather(x, [0, 1], axis=1)"),
    "indices beside None": (lambda x: x[None, :, [0, 1]], "sd.gather(x, [0, 1], axis=1)"),
    "mask": (lambda x: x[[True, False]], "sd.where(mask, x, 0)"),
    "array of bools": (lambda x: x[np.array([True, False])], "sd.where(mask, x, 0)"),
    "mask of the graph": (lambda x: x[x.sd["mask"]], "sd.where(mask, x, 0)"),
    "mask of the graph in an axis": (lambda x: x[:, x.sd["mask"]], "sd.where(mask, x, 0)"),
    "text": (lambda x: x["w"], "sd['w']"),
    "float as an index": (lambda x: x[0.5], "whole numbers"),
    "gather with a mask": (lambda x: x.sd.gather(x, x.sd["mask"]), "sd.where(mask, v, 0)"),
}


@pytest.mark.parametrize(("habit", "told"), HABITS.values(), ids=HABITS)
def test_a_habit_is_told_what_to_write(habit, told):
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    sd.constant("mask", np.array([True, False]))
    before = graph_state(sd)
    with pytest.raises(SDGraphError) as caught:
        habit(x)
    assert told in " ".join(str(caught.value).split())
    assert graph_state(sd) == before


def test_a_variable_with_a_value_is_told_how_to_change_that():
    w = SameDiff().var("w", [1.0, 2.0])
    with pytest.raises(SDGraphError, match=r"(?s)a = w\.value\.copy\(\).*w\.value = a"):
        w[0] = 3.0


def test_what_texts_can_do_works():
    x = SameDiff().placeholder("x")
    assert f"{x}" == str(x) == repr(x) and f"{x:>60}" == repr(x).rjust(60) and f"{x!r:.4}" == "<SDV"
