"""Quick code and good code of one text: the same bits, and a change from one to the other that no call notices."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.errors import ExecutionError
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import entry, later, machine
from tests.fuzz.build import build
from tests.fuzz.generate import generate
from tests.groups import first_and_slow
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.test_every_op import with_gradients


@pytest.fixture(autouse=True)
def no_code_is_known(monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.delenv("SDGRAPH_QUICK", raising=False)
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    monkeypatch.setattr(later, "_QUIET", 3600.0)  # Until somebody waits for it.
    yield
    machine.settled()


def kernels():
    return list(machine._kernels.values())


def is_good(kernel):
    return kernel._followers is None


def same_bits(a, b):
    """Every number has the same bits. Which of two NaNs a sum of both is has never been told."""

    def bits(x):
        return np.where(np.isnan(x), np.nan, x).astype(x.dtype).tobytes() if x.dtype.kind in "fc" else x.tobytes()

    return a.keys() == b.keys() and all(bits(a[k]) == bits(b[k]) for k in a)


def on_both(f, feeds):
    """The results of quick code, and those of good code."""
    quick = f(feeds)
    assert not any(map(is_good, kernels()))
    machine.settled()
    assert all(map(is_good, kernels()))
    return quick, f(feeds)


# ---------------------------------------------------------------------- bits


@pytest.mark.parametrize("name", OPS)
def test_every_operation_and_its_gradient(name):
    sd, fetches, feeds = with_gradients(name, samples_of(name)[0], "float32", 1)
    f = sd.compile(list({v.id: v for v in fetches}.values()), engine="llvm")
    try:
        quick, good = on_both(f, feeds)
    except ExecutionError:
        return
    assert same_bits(quick, good)


@pytest.mark.parametrize("seed", first_and_slow(range(500, 540), 12))
def test_random_programs(seed):
    program = generate(seed)
    builder = build(program)
    f = builder.sd.compile([builder.made[r] for r in dict.fromkeys(program.outs)], engine="llvm")

    def results():
        found = []
        for run in program.runs:
            builder.set_variables(run)
            try:
                found.append(f(builder.arrays("placeholder", run)))
            except Exception as e:
                found.append(type(e))
        return found

    quick = results()
    machine.settled()
    assert all(map(is_good, kernels()))
    for before, after in zip(quick, results(), strict=True):
        assert before == after if isinstance(before, type) else same_bits(before, after)


@pytest.mark.parametrize("dtype", first_and_slow(["float32", "float64", "float16"], 1))
@pytest.mark.parametrize("graph", computers.GRAPHS)
@pytest.mark.parametrize("computer", computers.HERE)
def test_graphs_on_other_computers(graph, dtype, computer, monkeypatch):
    rng = np.random.default_rng(0)
    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        for shape in [(19, 10), (4, 150), (300, 70)]:
            feeds = {"x": rng.normal(size=shape).astype(dtype), "y": rng.uniform(0.1, 2, shape).astype(dtype)}
            f = computers.compiled(SameDiff, graph, shape, dtype, "llvm")
            quick = f(feeds)
            machine.settled()
            assert all(map(is_good, kernels()))
            assert same_bits(quick, f(feeds))


REPEATED = [
    "math.tanh",
    "math.exp",
    "math.expm1",
    "math.ln",
    "math.log1p",
    "math.erf",
    "nn.elu",
    "nn.sigmoid",
    "nn.gelu",
]
"""Operations that brief code writes as functions where a region has them several times."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("computer", computers.HERE)
@pytest.mark.parametrize("name", REPEATED)
def test_an_operation_many_times(name, computer, dtype, monkeypatch):
    special = [0.0, -0.0, 1e-7, -1e-7, 0.5, -0.5, 1.0, -1.0, 30.0, -30.0, 6e4, -6e4, np.inf, -np.inf, np.nan]
    x = np.concatenate([special, np.linspace(-4, 4, 92)]).astype(dtype)
    with computers.on(computers.COMPUTERS[computer], monkeypatch):
        sd = SameDiff()
        y = a = sd.placeholder("a", x.shape, dtype=dtype)
        namespace, op = name.split(".")
        made = []
        for k in range(6):
            y = getattr(getattr(sd, namespace), op)(y * (1.0 + 0.125 * k)) / (1.0 + sd.math.abs(y))
            made.append(y)
        fetches = [*made, *sd.grad(sd.sum(y), [a])]
        quick, good = on_both(sd.compile(fetches, engine="llvm"), {"a": x})
    assert any("define internal" in kernel.text for kernel in kernels())
    assert same_bits(quick, good)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(3, 1000), (40, 77), (1, 5), (9, 0), (300, 10), (2, 40, 30)])
def test_many_reductions_of_all_kinds(shape, dtype):
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape).astype(dtype)
    if x.size > 50:
        x.flat[:: x.size // 7] = [3e4, np.inf, -np.inf, np.nan, -3e4, 0.0, 3e4, 3e4][: len(x.flat[:: x.size // 7])]
    sd = SameDiff()
    a = sd.placeholder("a", shape, dtype=dtype)
    scaled = a * 2e4
    last, first = len(shape) - 1, 0
    made = []
    for axes in (last, first, None):
        made += [sd.sum(v, axis=axes) for v in (a, scaled, sd.math.sin(a), a > 0.5)]
        if x.size:
            made += [sd.max(a, axis=axes), sd.min(scaled, axis=axes), sd.max(sd.math.sin(a), axis=axes)]
    quick, good = on_both(sd.compile(made, engine="llvm"), {"a": x})
    assert same_bits(quick, good)


def test_values_that_are_no_numbers():
    special = np.array([0.0, -0.0, 1e-45, -1e-40, 1.0, -1.0, 88.7, -104.0, 3e38, -3e38, np.inf, -np.inf, np.nan])
    x = np.array(np.meshgrid(special, special)).reshape(2, -1).astype(np.float32)
    sd = SameDiff()
    a, b = (sd.placeholder(k, (None,)) for k in "ab")
    values = [sd.math.exp(a) * b, sd.math.log1p(a), sd.nn.sigmoid(a - b), sd.math.erfc(a) / b, sd.math.tanh(a) + b]
    fetches = [*values, *(sd.sum(v) for v in values), *(sd.max(v) for v in values)]
    assert same_bits(*on_both(sd.compile(fetches, engine="llvm"), {"a": x[0], "b": x[1]}))


# ---------------------------------------------------------------------- going over


def problem(n):
    sd = SameDiff()
    x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
    loss = sd.loss.sigmoid_cross_entropy(y, x, name="loss")
    rng = np.random.default_rng(n)
    feeds = {"x": rng.normal(size=n).astype(np.float32), "y": rng.random(n, np.float32)}
    return sd.compile([loss, sd.grad(loss, x)], engine="llvm"), feeds


def addresses(f):
    """Where the code of a function's regions is, as its programs say."""
    words = [int(w) for runner in f._last.program._runners.values() for w in runner.program]
    found = {w for w in words if 1 << 32 < w < 1 << 56}  # What is as large as an address is one.
    assert found
    return found


@pytest.mark.parametrize("n", [100, 400_000])
def test_calls_on_many_threads_while_code_gets_better(n):
    f, feeds = problem(n)
    want = f(feeds)
    before = addresses(f)
    failures, ended, calls = [], threading.Event(), [0] * 4

    def hammer(k):
        while not ended.is_set() or calls[k] < 3:
            calls[k] += 1
            if not same_bits(f(feeds), want):
                failures.append(k)

    several = [threading.Thread(target=hammer, args=(k,)) for k in range(4)]
    for t in several:
        t.start()
    machine.settled()
    ended.set()
    for t in several:
        t.join(60)
    assert not failures and min(calls) >= 3
    assert not addresses(f) & before
    assert same_bits(f(feeds), want)


def test_the_way_in_from_python_gets_better():
    call = entry.entry.__wrapped__()
    kept = entry._kept.pop()
    quick = kept[0].function
    program = np.zeros(16, np.int64)  # No regions, nothing to check.
    assert not call(program)
    machine.settled()
    assert kept[0].function not in (None, quick)
    assert not call(program)


def test_a_function_made_while_code_gets_better_has_the_good_code(monkeypatch):
    f, feeds = problem(50)
    f(feeds)
    follow = machine.Kernel.follow

    def meanwhile(self, follower):
        machine.settled()
        follow(self, follower)

    monkeypatch.setattr(machine.Kernel, "follow", meanwhile)
    g, _ = problem(50)
    g(feeds)
    assert addresses(g) == addresses(f)


def test_what_waits_for_better_code_is_not_kept():
    f, feeds = problem(70)
    f(feeds)
    known = [weakref.ref(r) for r in f._last.program._runners.values()]
    del f
    gc.collect()
    assert known and not any(r() for r in known)
    machine.settled()


def test_where_good_code_fails_the_quick_stays(monkeypatch):
    f, feeds = problem(60)
    want = f(feeds)
    before = addresses(f)

    def fails(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(machine._Host, "compile", fails)
        machine.settled()
    assert addresses(f) == before and same_bits(f(feeds), want)


# ---------------------------------------------------------------------- what is compiled


def softmax(rows, columns, name):
    sd = SameDiff()
    x, y = sd.placeholder(f"{name}_x", (None, columns)), sd.placeholder(f"{name}_y", (None, columns))
    loss = sd.loss.softmax_cross_entropy(y, x, name=name)
    values = np.ones((rows, columns), np.float32)
    return sd.compile([loss, sd.grad(loss, x)], engine="llvm"), {f"{name}_x": values, f"{name}_y": values / columns}


FORMS = {"short rows": ((32, 10), (64, 9), (65, 12)), "rows": ((5, 100), (7, 1000), (3, 90))}


@pytest.mark.parametrize("form", FORMS)
def test_a_second_graph_of_the_same_form_writes_and_compiles_nothing(form, monkeypatch):
    (rows, columns), *others = FORMS[form]
    f, feeds = softmax(rows, columns, "first")
    f(feeds)
    compiled = machine.compiled_count
    monkeypatch.setattr(segment, "generate", lambda *a: pytest.fail("written anew"))
    for k, (m, n) in enumerate(others):
        g, feeds = softmax(m, n, f"other{k}")
        value = g(feeds)[f"other{k}"]
        np.testing.assert_allclose(value, np.log(n), rtol=1e-6)
    assert machine.compiled_count == compiled


def test_good_code_at_once_where_that_is_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("SDGRAPH_CACHE", "1")
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("SDGRAPH_QUICK", "0")
    f, feeds = problem(40)
    f(feeds)
    assert kernels() and all(map(is_good, kernels()))
    assert len(list(tmp_path.iterdir())) == len(kernels())


def test_only_good_code_goes_to_disk_and_what_comes_from_there_is_good(monkeypatch, tmp_path):
    monkeypatch.setenv("SDGRAPH_CACHE", "1")
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    f, feeds = problem(30)
    f(feeds)
    assert kernels() and not any(map(is_good, kernels())) and not list(tmp_path.iterdir())
    machine.settled()
    assert len(list(tmp_path.iterdir())) == len(kernels())
    monkeypatch.setattr(machine, "_kernels", {})
    g, _ = problem(30)
    before = machine.compiled_count
    assert same_bits(g(feeds), f(feeds))
    assert kernels() and all(map(is_good, kernels())) and machine.compiled_count == before


# ---------------------------------------------------------------------- processes

PROGRAM = """
import os, sys, threading, time, warnings
import numpy as np
from sdgraph import SameDiff
from sdgraph.run.engines.llvm.translate import later, machine

warnings.simplefilter("ignore")  # Python warns of forks in processes with threads, which is what this is about.
later._QUIET = {quiet}
x_value = np.linspace(-1, 1, 300, dtype=np.float32)

def function(k, length):
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    y = x
    for j in range(length):
        y = sd.math.tanh(y * x) if k >> j & 1 else sd.math.sin(y + x)
    return sd.compile([sd.sum(y, name="y"), sd.grad(y, x)], engine="llvm")

def begun():
    while later._current is None and later._waiting:
        time.sleep(0.0005)
"""


def run(program, quiet, **env):
    env = {**os.environ, "SDGRAPH_CACHE": "0", **env}
    command = [sys.executable, "-c", PROGRAM.format(quiet=quiet) + program]
    done = subprocess.run(command, env=env, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("length", [1, 60])
def test_a_process_that_ends_while_code_is_made(length):
    assert run(f"f = function(5, {length}); f(x=x_value); begun(); print('end')", quiet=0.0) == "end\n"


def test_a_process_that_ends_soon_makes_no_good_code(tmp_path):
    cache = {"SDGRAPH_CACHE": "1", "SDGRAPH_CACHE_DIR": str(tmp_path)}
    run("function(5, 3)(x=x_value)", quiet=3600.0, **cache)
    assert not list(tmp_path.iterdir())


def test_what_has_begun_when_a_process_ends_is_kept(tmp_path):
    cache = {"SDGRAPH_CACHE": "1", "SDGRAPH_CACHE_DIR": str(tmp_path)}
    run("function(5, 3)(x=x_value); begun()", quiet=0.0, **cache)
    names = [p.name for p in tmp_path.iterdir()]
    assert names and all(name.endswith(".kernel") for name in names)


def test_a_function_is_compiled_when_a_process_ends():
    """By what runs then, after good code is no longer made."""
    run("import atexit; later._end(); function(3, 2)(x=x_value); assert not later._waiting", quiet=0.0)


FORK = """
f = function(5, 20)
want = f(x=x_value)
def same():
    got = f(x=x_value)
    return all(got[k].tobytes() == want[k].tobytes() for k in want)
begun()
for k in range(4):
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(60)  # Ends the child if it waits for ever.
        machine.settled()
        ok = same() and np.isfinite(function(9 + k, 4)(x=x_value)["y"])
        machine.settled()
        ok = ok and same() and not later._waiting and all(x._followers is None for x in machine._kernels.values())
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    function(100 + k, 4)(x=x_value)
machine.settled()
assert same()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("quiet", [0.0, 0.02])
def test_forks_while_code_is_made(quiet):
    run(FORK, quiet)


def test_interrupts_while_code_is_made():
    program = """
import signal
f = function(5, 30)
f(x=x_value)
begun()
signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
hits = 0
for k in range(20):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        while True:
            f(x=x_value)
    except KeyboardInterrupt:
        hits += 1
machine.settled()
assert hits == 20 and all(x._followers is None for x in machine._kernels.values())
"""
    run(program, quiet=0.0)


SHARED_LATER = """
import os
import numpy as np
from sdgraph import SameDiff
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import crew, machine

threads.set_num_threads(2)
sd = SameDiff()
x = sd.placeholder("x", (None,))
f = sd.compile([sd.sum(sd.math.tanh(x)), x * 2.0], engine="llvm")
feeds = {"x": np.linspace(-3, 3, 100_000, dtype=np.float32)}


def bits():
    return [a.tobytes() for a in f(feeds).values()]

"""


@pytest.mark.parametrize(
    ("program", "quick"),
    [
        (
            "first = bits(); assert not crew._made\n"
            "machine.settled(); assert len(crew._made) == 1; assert bits() == first",
            "1",
        ),
        ("segment.PATIENT = 0.0; first = bits(); assert crew._made; machine.settled(); assert bits() == first", "1"),
        ("first = bits(); assert crew._made; assert bits() == first", "0"),
        (
            "first = bits(); child = os.fork()\n"
            "if child == 0:\n"
            "    same = bits() == first; machine.settled(); os._exit(not (same and bits() == first and crew._made))\n"
            "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0",
            "1",
        ),
    ],
    ids=["short", "long", "good at once", "in a child"],
)
def test_a_short_call_does_not_wait_for_the_code_that_shares_it(program, quick):
    env = {**os.environ, "SDGRAPH_CACHE": "0", "SDGRAPH_QUICK": quick}
    command = [sys.executable, "-W", "ignore", "-c", SHARED_LATER + program]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
