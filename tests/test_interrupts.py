"""Signals at random moments: a graph has a call or has it not, and whatever is computed afterwards is right."""

import random
import signal
import sys
import time

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.run.engines import threads

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here"),
    # As the fixture below, for versions of pytest that put a hook of their own over it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def what_finalizers_raise_is_lost(monkeypatch):
    """What a signal's handler raises in a finalizer goes nowhere, which is Python's affair; no need to say so."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)


@pytest.fixture(autouse=True)
def numpy_warns_as_before():
    """A signal inside of numpy's own ``errstate`` leaves what that has set, for whatever runs next in this process."""
    before = np.geterr()
    yield
    np.seterr(**before)


def interrupted(call, delay, again=0.0):
    """Call it; after so many seconds, and then again and again, a signal raises KeyboardInterrupt. Whether one did."""
    armed = [True]

    def ring(signum, frame):
        if armed:
            raise KeyboardInterrupt

    hit = False
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(delay, 1e-6), again)
        call()
    except KeyboardInterrupt:
        hit = True
    while armed:
        try:
            armed.clear()
        except KeyboardInterrupt:
            continue
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    return hit


def duration(call):
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def moments(count, seconds, seed):
    """Delays within a call of that length, and for every second one how soon further signals come."""
    rng = random.Random(seed)
    return [(rng.random() * seconds, 0.0005 if k % 2 else 0.0) for k in range(count)]


# ---------------------------------------------------------------------- running


def wait_until_idle():
    end = time.monotonic() + 20
    while len(threads._idle) < threads._workers and time.monotonic() < end:
        time.sleep(0.001)
    return len(threads._idle)


@pytest.mark.parametrize("count", [2, 4])
def test_after_an_interrupted_run_no_result_changes_and_no_worker_is_lost(count, monkeypatch):
    pytest.importorskip("llvmlite")
    monkeypatch.setattr(threads, "_count", count)
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    y = x
    for _ in range(4):
        y = sd.math.tanh(y) * sd.math.exp(sd.math.sin(y))
    slow = sd.compile([y, sd.grad(y, x)], engine="llvm")
    quick = sd.compile(sd.math.add(x, 1.0, name="ones"), engine="llvm")
    values, zeros = np.linspace(-1, 1, 1_500_000, dtype=np.float32), np.zeros(1_500_000, np.float32)
    want = slow(x=values)
    quick(x=zeros)
    idle = wait_until_idle()
    assert idle == threads._workers >= count - 1
    hits = 0
    for delay, again in moments(30, duration(lambda: slow(x=values)), count):
        hits += interrupted(lambda: slow(x=values), delay, again)
        ones = quick(x=zeros)["ones"]
        assert wait_until_idle() == threads._workers == idle
        assert (ones == 1).all()
    assert hits > 5
    got = slow(x=values)
    assert all(got[name].tobytes() == want[name].tobytes() for name in want)


# ---------------------------------------------------------------------- compiling


def test_after_an_interrupted_compilation_all_functions_compile(monkeypatch):
    pytest.importorskip("llvmlite")
    from sdgraph.run.engines.llvm.translate import machine

    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    values = np.linspace(0.1, 0.9, 50)

    def compiled(k):
        """Another function for each number."""
        sd = SameDiff(dtype="float64")
        x = sd.placeholder("x", (None,))
        y, want = x, values
        for j in range(8):
            y, want = (sd.math.sin(y), np.sin(want)) if k >> j & 1 else (sd.math.sqrt(y + x), np.sqrt(want + values))
        return sd.compile(y, engine="llvm"), want

    numbers = iter(range(3))
    seconds = duration(lambda: compiled(next(numbers))[0](x=values))
    hits = 0
    for k, (delay, again) in enumerate(moments(40, seconds, 5), start=10):
        f, want = compiled(k)
        hits += interrupted(lambda f=f: f(x=values), delay, again)
        for function in (f, compiled(k)[0]):
            [got] = function(x=values).values()
            np.testing.assert_allclose(got, want, rtol=1e-13)
    assert hits > 5
    assert machine._using.acquire(timeout=10)
    machine._using.release()


# ---------------------------------------------------------------------- building

X, Y = np.arange(6.0).reshape(2, 3) / 6, np.ones((2, 2))


def statements(sd):
    """What a user writes, call by call; each call gets what the ones before it returned."""
    made = {}

    def layer():
        with sd.name_scope("layer"):
            made["h"] = sd.math.tanh(made["wx"])

    return [
        lambda: made.update(x=sd.placeholder("x", shape=(None, 3))),
        lambda: made.update(w=sd.var("w", np.full((3, 2), 0.25))),
        lambda: made.update(y=sd.placeholder("y", shape=(None, 2))),
        lambda: made.update(wx=sd.mmul(made["x"], made["w"])),
        layer,
        lambda: made.update(loss=sd.loss.mean_squared_error(made["y"], made["h"], name="loss")),
        lambda: made.update(rows=sd.unstack(made["w"], 0)),
        lambda: made.update(sum=made["rows"][0] + 0.5),
        lambda: made.update(g=sd.grad(made["loss"], made["w"])),
        lambda: made.update(hvp=sd.hvp(made["loss"], made["w"], np.ones((3, 2)))),
    ]


def run_all(calls):
    for call in calls:
        call()


def is_whole(sd):
    """Whether names, nodes and values fit one another, and nothing is left open."""
    leaves = {n.id for n in sd.nodes if n.op.kind.value in ("variable", "constant")}
    return (
        [sd.names.ids.get(n.name) for n in sd.nodes] == list(range(len(sd.nodes))) == [n.id for n in sd.nodes]
        and len(sd.names.ids) == len(sd.nodes)
        and set(sd.values) == leaves
        and sd.current_scope == ""
        and sd.journal is None
        and not sd.marks.in_gradient
    )


def test_an_interrupted_call_is_in_the_graph_or_is_not():
    sd, sizes = SameDiff(dtype="float64"), [0]
    for call in statements(sd):
        call()
        sizes.append(len(sd.nodes))
    hits = 0
    for delay, again in moments(150, duration(lambda: run_all(statements(SameDiff()))), 3):
        sd, begun = SameDiff(dtype="float64"), []

        def build(sd=sd, begun=begun):
            for call in statements(sd):
                begun.append(call)
                call()

        hits += interrupted(build, delay, again)
        assert is_whole(sd)
        assert len(sd.nodes) in sizes[max(len(begun) - 1, 0) : len(begun) + 1]
        with sd.name_scope("again"):
            run_all(statements(sd))
        h = np.tanh(X @ np.full((3, 2), 0.25))
        got = sd.grad(sd["again/loss"], sd["again/w"]).eval({"again/x": X, "again/y": Y})
        np.testing.assert_allclose(got, X.T @ (2 * (h - Y) * (1 - h**2)) / h.size, rtol=1e-12)
    assert hits > 20


def test_interrupted_gradients_are_right_when_they_are_asked_for_again():
    feeds = {"x": X, "y": Y}

    def fresh():
        sd = SameDiff(dtype="float64")
        run_all(statements(sd)[:6])
        return sd

    want = fresh().calculate_gradients(feeds)["w"]
    hits = 0
    for delay, again in moments(80, duration(lambda: fresh().calculate_gradients(feeds)), 4):
        sd = fresh()
        hits += interrupted(lambda sd=sd: sd.calculate_gradients(feeds), delay, again)
        assert is_whole(sd)
        assert sd.calculate_gradients(feeds)["w"].tobytes() == want.tobytes()
    assert hits > 10
