"""Files of graphs with loops and branches: they come back, and nothing in them is believed."""

import copy
import pickle

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, FormatError
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.ops.control.loops import Tools, drawn, lstm, mixed
from tests.store.hostile_files import made, parts


def with_gradients():
    sd, loss = mixed()
    sd.grad(sd.grad(loss, "a"), "a")
    sd.while_loop(lambda v: v < 3.0, lambda v: v * sd.random.uniform(1.0, 2.0, ()), 1.0, max_steps=4, name="w")
    return sd


FEEDS = {"x": 0.3 * drawn(3, 4, seed=7)}


def values(sd):
    return sd.output(FEEDS, ["loss", "grad/a", "grad/a_1", "w"])


def test_they_come_back():
    sd = with_gradients()
    data = to_bytes(sd)
    assert parts(data)[0]["min_reader"] == 2
    wanted = values(sd)
    for other in (from_bytes(SameDiff, data), pickle.loads(pickle.dumps(sd)), copy.deepcopy(sd), sd.copy()):
        found = values(other)
        assert all((found[k] == wanted[k]).all() for k in wanted)
        assert to_bytes(other) == data
    other = from_bytes(SameDiff, data)
    (again,) = other.output(FEEDS, [other.grad("loss", "x")]).values()
    np.testing.assert_array_equal(again, next(iter(sd.output(FEEDS, [sd.grad("loss", "x")]).values())))


def test_loops_in_composites_are_part_of_their_digest():
    sd, loss = lstm()
    sd.grad(loss, "w")
    other = from_bytes(SameDiff, to_bytes(sd), ops=[Tools])
    x = drawn(4, 2, 3)
    assert other["grad/w"].eval({"x": x}).tobytes() == sd["grad/w"].eval({"x": x}).tobytes()


def test_a_graph_without_them_is_of_the_first_format():
    content, _ = parts(to_bytes(SameDiff()))
    assert content["min_reader"] == 1 and "functions" not in content


def test_they_stand_in_each_other_only_so_deep():
    sd = SameDiff()

    def deeper(k):
        return sd.cond(True, lambda: deeper(k - 1), lambda: 0.0) if k else sd.constant("c", 1.0)

    deeper(33)
    with pytest.raises(ArgumentError, match="32 deep"):
        to_bytes(sd)


def damages():
    """Changes of a file's functions and of what refers to them, each of which makes it none."""

    def loop(content, **settings):
        row = next(row for row in content["nodes"]["settings"] if "body" in row)
        row |= settings

    def first(content):
        return content["functions"][0]

    yield "no table", lambda c: c.pop("functions")
    yield "an empty table", lambda c: c.update(functions=[])
    yield "no list", lambda c: c.update(functions={})
    yield "no row", lambda c: c["functions"].append(3)
    yield "a row twice", lambda c: c["functions"].append(copy.deepcopy(c["functions"][-1]))
    yield "no parameters", lambda c: first(c).update(params=[])
    yield "a parameter twice", lambda c: first(c)["params"].append(first(c)["params"][0])
    yield "a result that is none", lambda c: first(c).update(outs=[10**6])
    yield "no results", lambda c: first(c).update(outs=[])
    yield "no texts", lambda c: [row.update(values=[[i, 7] for i, _ in row["values"]]) for row in c["functions"]]
    yield (
        "short values",
        lambda c: [row.update(values=[[i, "AAAA"] for i, _ in row["values"]]) for row in c["functions"]],
    )
    yield "no values", lambda c: [row.update(values=[]) for row in c["functions"]]
    yield "a body that is not there", lambda c: loop(c, body={"function": 999})
    yield "a body that is none", lambda c: loop(c, body={"function": "0"})
    yield "a number for a body", lambda c: loop(c, body=3)
    yield "more carries", lambda c: loop(c, n_carry=99)
    yield "no carries", lambda c: loop(c, n_carry=0)
    yield "nothing to run over", lambda c: loop(c, n_xs=0)
    yield "a length", lambda c: loop(c, length=-1)
    yield "a flag that is a number", lambda c: loop(c, reverse=1)
    yield "a condition", lambda c: loop(c, test=True)
    yield "counted", lambda c: loop(c, counted=True)
    yield "another setting", lambda c: loop(c, more=1)
    yield "nodes that are none", lambda c: first(c).update(nodes=[])
    yield (
        "one that nothing uses",
        lambda c: c["functions"].append(
            {**copy.deepcopy(c["functions"][0]), "outs": [0], "params": c["functions"][0]["params"]}
        ),
    )


@pytest.mark.parametrize(("what", "damage"), list(damages()), ids=lambda x: x if type(x) is str else "")
def test_damage_is_refused(what, damage):
    content, members = parts(to_bytes(with_gradients()))
    damage(content)
    with pytest.raises(FormatError):
        from_bytes(SameDiff, made(content, members))
