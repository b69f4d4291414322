"""Functions that are called again and again: each call gives what it gives at length, and what it gives stays."""

import threading

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import FeedError
from sdgraph.run.executable import Executable
from sdgraph.run.repeated import Repeated


def nothing(arrays):
    """What follows."""


RNG = np.random.default_rng(2)


@pytest.fixture(params=["numpy", "llvm"])
def engine(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


def graph():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None, 5)), sd.placeholder("y", (None, 3))
    w, frozen = sd.var("w", RNG.normal(size=(5, 3))), sd.var("frozen", RNG.normal(size=3))
    loss = (sd.math.tanh(x @ w + frozen - y) ** 2).mean()
    return sd, [loss, sd.grad(loss, w)]


def feeds(n):
    return {"x": RNG.normal(size=(n, 5)), "y": RNG.normal(size=(n, 3))}


def test_each_call_gives_what_a_call_at_length_gives(engine):
    sd, outs = graph()
    f = Executable(sd, outs, engine)
    again, kept = Repeated(f, 1, nothing), []
    for k in range(40):
        given = feeds((4, 4, 4, 7)[k % 4] if k < 30 else 4)
        if k == 20:
            sd["frozen"].value = np.zeros(3)
        (loss, g), memory = again.run(given, k)
        wanted = f.run(given, k)
        assert loss.tobytes() == wanted[0].tobytes() and g.tobytes() == wanted[1].tobytes()
        again.free(memory)
        kept.append((loss, loss.copy()))
    assert all(a == b for a, b in kept)  # What was given away is nobody else's.
    assert (memory is not None) == (engine == "llvm")


def test_what_does_not_fit_goes_the_long_way(engine):
    sd, outs = graph()
    f = Executable(sd, outs, engine)
    again = Repeated(f, 1, nothing)
    given = feeds(4)
    for _ in range(4):
        again.free(again.run(given, 0)[1])
    x, y = given["x"], given["y"]
    wanted = f.run(given)[0]
    others = [
        {sd["x"]: x, sd["y"]: y}, {"x": x.tolist(), "y": y}, {"x": np.asfortranarray(x), "y": y},
        {"y": y, "x": x}, {"x": x.astype("f"), "y": y},
    ]  # fmt: skip
    for one in others:
        (loss, _), memory = again.run(one, 0)
        again.free(memory)
        np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    for bad in (
        None,
        {},
        {"x": x},
        {"x": x, "z": y},
        {"x": x, "y": y, "z": y},
        {"x": x, "y": y[:, :2]},
        {"x": x, "y": "no"},
    ):
        with pytest.raises(FeedError):
            again.run(bad, 0)
    (loss, _), memory = again.run(given, 0)
    assert loss == wanted


def test_memory_that_is_in_use_is_not_given_to_another(engine):
    sd, outs = graph()
    f = Executable(sd, outs, engine)
    again = Repeated(f, 1, nothing)
    for _ in range(4):
        again.free(again.run(feeds(4), 0)[1])
    one, other = feeds(4), feeds(4)
    (_, g), memory = again.run(one, 0)
    (_, h), second = again.run(other, 0)  # As a callback or another thread would, amid a step.
    assert g.tobytes() == f.run(one)[1].tobytes() and h.tobytes() == f.run(other)[1].tobytes()
    again.free(second)
    again.free(memory)


def test_threads_may_call_it_at_the_same_time(engine):
    sd, outs = graph()
    f = Executable(sd, outs, engine)
    again, wrong = Repeated(f, 1, nothing), []

    def call():
        for n in (4, 4, 4, 6, 6, 6, 4) * 40:
            given = feeds_of[n]
            (_, g), memory = again.run(given, 0)
            if g.tobytes() != wanted[n]:
                wrong.append(n)
            again.free(memory)

    feeds_of = {n: feeds(n) for n in (4, 6)}
    wanted = {n: f.run(given)[1].tobytes() for n, given in feeds_of.items()}
    threads = [threading.Thread(target=call) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_many_shapes_leave_few_behind():
    pytest.importorskip("llvmlite")
    sd, outs = graph()
    again = Repeated(Executable(sd, outs, "llvm"), 1, nothing)
    for n in range(1, 12):
        for _ in range(3):
            again.free(again.run(feeds(n), 0)[1])
    assert 1 <= len(again._ready) + len(again._parked) <= 4
