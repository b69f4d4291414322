"""Large arrays from many Python threads, which share the same workers; a fork after they were used."""

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import sdgraph
from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import crew, machine
from tests.run.engines.test_threads import interrupted

N = 300_001
"""Elements whose loops are worth sharing."""


@pytest.fixture
def number_of_threads(monkeypatch):
    monkeypatch.setattr(threads, "_count", None)  # Put back afterwards.
    return sdgraph.set_num_threads


def cross_entropy():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    loss = sd.loss.sigmoid_cross_entropy(y, x, name="loss")
    return sd.compile([loss, sd.grad(loss, x)], engine="llvm")


def rows():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    logits, labels = (v[:300_000].reshape(-1, 30) for v in (x, y))
    loss = sd.loss.softmax_cross_entropy(labels, logits, name="loss")
    return sd.compile([loss, sd.grad(loss, x), sd.sum(sd.nn.softmax(logits), axis=0, name="columns")], engine="llvm")


def feeds(k):
    rng = np.random.default_rng(k)
    return {"x": rng.normal(size=N).astype(np.float32), "y": rng.random(N, np.float32)}


def same_bits(a, b):
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


def workers():
    return {t for t in threading.enumerate() if t.name == "sdgraph"}


def hammer(work, count):
    """Run ``work(k)`` on that many threads at once; what any of them raises is raised here."""
    failures = []
    barrier = threading.Barrier(count)

    def one(k):
        try:
            barrier.wait(30)
            work(k)
        except BaseException as e:
            failures.append(e)

    several = [threading.Thread(target=one, args=(k,)) for k in range(count)]
    for t in several:
        t.start()
    for t in several:
        t.join(120)
    assert not any(t.is_alive() for t in several)
    if failures:
        raise failures[0]


@pytest.fixture(scope="module")
def problems():
    """Two compiled functions, feeds, and by function and feeds the results on one thread."""
    functions = [cross_entropy(), rows()]
    given = [feeds(k) for k in range(3)]
    before = threads.get_num_threads()
    sdgraph.set_num_threads(1)
    wanted = [[f(x) for x in given] for f in functions]
    sdgraph.set_num_threads(before)
    return functions, given, wanted


@pytest.mark.parametrize("count", [1, 2, 3])
def test_functions_on_large_arrays_from_many_threads(problems, number_of_threads, count):
    functions, given, wanted = problems
    number_of_threads(count)
    threads._forget()  # So that this test needs workers of its own.
    before = workers()

    def work(k):
        for n in range(4):
            i, j = (k + n) % 2, k % 3
            assert same_bits(functions[i](given[j]), wanted[i][j])

    hammer(work, 6)
    assert len(workers() - before) == count - 1


def test_the_number_of_threads_may_change_meanwhile(problems, number_of_threads):
    functions, given, wanted = problems

    def work(k):
        for n in range(12):
            if k == 0:
                number_of_threads(1 + n % 5)
            assert same_bits(functions[k % 2](given[k % 3]), wanted[k % 2][k % 3])

    hammer(work, 4)


def test_a_function_of_unknown_shapes_is_compiled_by_many_threads_at_once(number_of_threads):
    number_of_threads(2)
    f = rows()
    results = {}
    hammer(lambda k: results.update({k: f(feeds(0))}), 6)
    assert all(same_bits(results[0], r) for r in results.values())


FORK = """
import os, sys, threading, warnings
import numpy as np
import sdgraph
from sdgraph import SameDiff
from sdgraph.run.engines import threads

warnings.simplefilter("ignore")  # Python warns of forks in processes with threads, which is what this is about.
sdgraph.set_num_threads(3)
x_value = np.linspace(-3, 3, 500_000, dtype=np.float32)

def function(name):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None,))
    y = getattr(sd.math, name)(x)
    return sd.compile([y, sd.sum(y * y * x, name="s"), *(sd.math.exp(x * k) for k in range(4))], engine="llvm")

f = function("tanh")
want = f(x=x_value)
assert threads._workers, "not large enough for workers"

def same():
    got = f(x=x_value)
    return all(got[k].tobytes() == want[k].tobytes() for k in want)

child = os.fork()
if child == 0:
    ok = threads._workers == 0 and same() and threads._workers  # Its own: threads do not survive a fork.
    ok = ok and np.isfinite(function("log1p")(x=abs(x_value))["log1p"]).all()  # Compiles in the child.
    os._exit(0 if ok else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) or not same())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_after_use(tmp_path):
    env = {**os.environ, "SDGRAPH_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", FORK], env=env, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


BUSY = """
import os, signal, sys, threading, warnings
import numpy as np
import sdgraph
from sdgraph import SameDiff

warnings.simplefilter("ignore")  # Python warns of forks in processes with threads, which is what this is about.
sdgraph.set_num_threads(3)

def function(k):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None,))
    y = sd.math.tanh(x)
    for j in range(10):
        y = sd.math.tanh(y * x) if k >> j & 1 else sd.math.sin(y + x)
    return sd.compile([sd.sum(y, name="y"), sd.grad(y, x)], engine="llvm")

large = np.linspace(-1, 1, 400_000, dtype=np.float32)
known = function(0)
want = known(x=large)
ended = threading.Event()

def compiling():
    k = 1
    while not ended.is_set():
        function(k)(x=large[:5])
        k += 1

def new_shapes():
    n = 10
    while not ended.is_set():
        known(x=large[:n])
        n += 1

def running():
    while not ended.is_set():
        known(x=large)

busy = [threading.Thread(target=t) for t in (compiling, new_shapes, running)]
for t in busy:
    t.start()
failed = 0
for k in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(40)  # Ends the child if it waits for ever.
        got = known(x=large)
        ok = all(got[name].tobytes() == want[name].tobytes() for name in want)
        ok = ok and np.isfinite(known(x=large[: 5000 + k])["y"])
        ok = ok and np.isfinite(function(1000 - k)(x=large)["y"])
        os._exit(0 if ok else 1)
    failed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
ended.set()
for t in busy:
    t.join()
sys.exit(failed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks_beside_threads_that_compile_and_run():
    env = {**os.environ, "SDGRAPH_CACHE": "0"}
    done = subprocess.run([sys.executable, "-c", BUSY, "6"], env=env, timeout=500, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def no_crew(monkeypatch):
    """A system on which nobody can watch: loops are handed over in Python."""
    monkeypatch.setattr(crew, "can_watch", lambda: False)


def test_the_same_where_nobody_can_watch(problems, number_of_threads, no_crew):
    _, given, wanted = problems
    number_of_threads(2)
    for f, want in zip((cross_entropy(), rows()), wanted, strict=True):
        assert all(same_bits(f(x), w) for x, w in zip(given, want, strict=True))


def test_a_job_owns_all_memory_that_its_code_points_to(problems, number_of_threads, no_crew, monkeypatch):
    _, given, wanted = problems
    functions = cross_entropy(), rows()
    number_of_threads(2)
    share, seen = threads.share, []

    def owned(address, keep):
        memory = [m for part in keep for m in (part if isinstance(part, tuple) else (part,))]
        return any(m.ctypes.data <= address < m.ctypes.data + m.nbytes for m in memory)

    def checked(loop, block, chunks, keep=None):
        (words,) = (m for m in keep if isinstance(m, np.ndarray) and m.ctypes.data == block)
        # What is as large as an address is one: sizes and strides here are small, constants are floats.
        code = {address for kernel in machine._kernels.values() for address in kernel.addresses.values()}
        pointers = [int(w) for w in words if 1 << 32 < w < 1 << 56 and int(w) not in code]
        assert pointers and all(owned(p, keep) for p in pointers)
        seen.append(block)
        share(loop, block, chunks, keep)

    monkeypatch.setattr(threads, "share", checked)
    for f, want in zip(functions, wanted, strict=True):
        assert same_bits(f(given[0]), want[0])
    assert seen


def test_an_interrupt_at_any_bytecode_of_a_call_leaves_the_next_one_right(problems, number_of_threads):
    functions, given, wanted = problems
    number_of_threads(2)
    places = [Runner._lead, crew.run, crew.ended, crew.gather, crew._recall, threads.send, threads._see_to]
    for steps in itertools.count(1):
        if steps % 5 == 1:
            threads._forget()  # So that workers are started again.
        if not interrupted(lambda: functions[0](given[0]), steps, places):
            break
        assert same_bits(functions[0](given[0]), wanted[0][0])
    assert steps > 50


@pytest.mark.parametrize("n", [2, 8193, 20_000, 70_000])
def test_short_calls_have_the_same_bits_with_and_without_help(number_of_threads, n):
    """Of one and of several regions, with scratch memory on the stack and elsewhere."""
    sd = SameDiff()
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    loss = sd.loss.mean_squared_error(y, x, name="loss")
    f = sd.compile([loss, sd.grad(loss, x), sd.cumsum(sd.mean(x * y) + x, name="after")], engine="llvm")
    g = sd.compile([loss, sd.grad(loss, x)], engine="llvm")
    given = {k: v[:n] for k, v in feeds(0).items()}
    number_of_threads(1)
    wanted = [h(given) for h in (f, g)]
    number_of_threads(3)
    for _ in range(200):
        assert all(same_bits(h(given), want) for h, want in zip((f, g), wanted, strict=True))


SMALL_STACKS = """
import threading
import numpy as np
import sdgraph
from sdgraph import SameDiff

threading.stack_size(32768)
sdgraph.set_num_threads(3)
sd = SameDiff()
x = sd.placeholder("x", shape=(None,))
y = x
for _ in range(40):
    y = sd.math.tanh(y) * sd.math.exp(sd.math.sin(y) + x)
f = sd.compile([sd.sum(y, name="y"), sd.grad(y, x)], engine="llvm")
assert np.isfinite(f(x=np.linspace(-1, 0, 300_000, dtype=np.float32))["y"])
assert threading.stack_size() == 32768
"""


def test_a_program_whose_threads_have_small_stacks():
    env = {**os.environ, "SDGRAPH_CACHE": "0"}
    done = subprocess.run([sys.executable, "-c", SMALL_STACKS], env=env, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
