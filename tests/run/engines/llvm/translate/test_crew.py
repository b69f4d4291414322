"""Loops handed to threads that watch: every chunk once, who may help, who may watch, and what an interrupt leaves."""

import contextlib
import ctypes
import functools
import os
import re
import signal
import sys
import threading
import time
import weakref
from queue import SimpleQueue

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm

from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import crew, entry, machine
from tests.run.engines.llvm.computers import COMPUTERS

pytestmark = [
    pytest.mark.skipif(crew.crew() is None, reason="nobody can watch here"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),  # Python's, of forks beside threads.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),  # JAX's.
]

LOOPS = """
declare i32 @usleep(i32)
declare i64 @pthread_self()
; The block: how many chunks, the first slow one, microseconds for these, how many phases; counts and threads by chunk,
; sums by phase.
define void @.loop(ptr %a, i64 %lo, i64 %hi) {
start:
  %slow.at = getelementptr i64, ptr %a, i64 1
  %slow = load i64, ptr %slow.at
  %pause.at = getelementptr i64, ptr %a, i64 2
  %pause = load i32, ptr %pause.at
  %counts.at = getelementptr ptr, ptr %a, i64 4
  %counts = load ptr, ptr %counts.at
  %who.at = getelementptr ptr, ptr %a, i64 5
  %who = load ptr, ptr %who.at
  %me = call i64 @pthread_self()
  br label %loop
loop:
  %c = phi i64 [%lo, %start], [%c1, %next]
  %more = icmp slt i64 %c, %hi
  br i1 %more, label %work, label %done
work:
  %count = getelementptr i64, ptr %counts, i64 %c
  %old = atomicrmw add ptr %count, i64 1 seq_cst
  %mine = getelementptr i64, ptr %who, i64 %c
  store i64 %me, ptr %mine
  %is.slow = icmp sge i64 %c, %slow
  br i1 %is.slow, label %sleep, label %next
sleep:
  %slept = call i32 @usleep(i32 %pause)
  br label %next
next:
  %c1 = add i64 %c, 1
  br label %loop
done:
  ret void
}
define void @.nothing(ptr %a) {
  ret void
}
define void @.all(ptr %a) {
start:
  %n = load i64, ptr %a
  %phases.at = getelementptr i64, ptr %a, i64 3
  %phases = load i64, ptr %phases.at
  br label %loop
loop:
  %p = phi i64 [0, %start], [%p1, %phase]
  %more = icmp slt i64 %p, %phases
  br i1 %more, label %phase, label %done
phase:
  call void @.loop(ptr %a, i64 0, i64 %n)
  call void @.add(ptr %a)
  %p1 = add i64 %p, 1
  br label %loop
done:
  ret void
}
define void @.add(ptr %a) {
start:
  %n = load i64, ptr %a
  %counts.at = getelementptr ptr, ptr %a, i64 4
  %counts = load ptr, ptr %counts.at
  %sums.at = getelementptr ptr, ptr %a, i64 6
  %sums = load ptr, ptr %sums.at
  %phase = load i64, ptr %sums
  %phase1 = add i64 %phase, 1
  store i64 %phase1, ptr %sums
  %to = getelementptr i64, ptr %sums, i64 %phase1
  br label %loop
loop:
  %c = phi i64 [0, %start], [%c1, %work]
  %sum = phi i64 [0, %start], [%sum1, %work]
  %more = icmp slt i64 %c, %n
  br i1 %more, label %work, label %done
work:
  %at = getelementptr i64, ptr %counts, i64 %c
  %count = load i64, ptr %at
  %sum1 = add i64 %sum, %count
  %c1 = add i64 %c, 1
  br label %loop
done:
  store i64 %sum, ptr %to
  ret void
}
"""
CREW = crew.crew
SHORT, LONG, FOR_EVER = 20, 10_000, 1 << 40
"""Microseconds that loops are said to take, and a chunk that never comes."""


@pytest.fixture(autouse=True)
def own_crew(monkeypatch):
    for name, value in (("_jobs", SimpleQueue()), ("_idle", []), ("_workers", 0), ("_count", None)):
        monkeypatch.setattr(threads, name, value)
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    monkeypatch.setattr(crew, "board", crew._new_board())
    before = threads.setting.value
    yield
    threads.recall()
    threads.setting.value = before


def word(name):
    return int(crew.board[crew._PLACES[name]])


def put(name, value):
    crew.board[crew._PLACES[name]] = value


def soon(condition, seconds=10):
    """Whether it holds in a while at the latest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.0005)
    return False


@pytest.fixture
def any_core(monkeypatch):
    """Workers that watch for a fifth of a second on any core, and callers that wait as long for them.

    On a computer that has much to do a worker may be on its caller's core, or on none for some milliseconds. With the
    times of every day it would go back to sleep then, again and again.
    """
    made = CREW()
    for time_ in ("watch", "jump", "patience"):
        monkeypatch.setitem(crew._TIMES, time_, 2 * 10**8)
    kernel = machine.kernel(crew.code(machine.computer(), tells_core=False))
    serve, recall = (ctypes.CFUNCTYPE(None, ctypes.c_void_p)(kernel.addresses[k]) for k in ("serve", "recall"))
    blind = made._replace(lead=entry.builtin(kernel, "lead"), serve=serve, recall=recall)
    monkeypatch.setattr(crew, "crew", lambda: blind)


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Loops:
    """Phases over chunks that count what is done and by whom."""

    def __init__(self, chunks, phases=2, *, said=LONG, unlocked=True, slow=FOR_EVER, pause=0):
        self.chunks, self.phases, self.said, self.unlocked = chunks, phases, said, unlocked
        self.counts, self.who = np.zeros(chunks, np.int64), np.zeros(chunks, np.int64)
        self.sums = np.zeros(1 + phases, np.int64)
        at = machine.kernel(LOOPS).addresses
        numbers, places = [chunks, slow, pause, phases], [0, 1, 2]
        region = [at["all"], len(numbers), len(places), *numbers, *places, chunks, said, at["nothing"], phases]
        region += [at["loop"], at["add"]] * phases
        self.program = np.array([0, 0, 1, 7, 0, int(unlocked), 1 + len(region), *region], np.int64)
        self.calls = 0

    def run(self):
        state = crew.board  # Then it is on the stack.
        if self.unlocked:
            state = np.empty(crew.STATE + 8, np.int64)
            state[0] = crew.NEW
        if self.said >= crew.WOKEN:
            crew.gather(self.chunks)
        status = crew.GO_ON
        while status == crew.GO_ON:
            status = crew.crew().lead(self.program, crew.board, state, self.counts, self.who, self.sums)
            self.calls += 1
        if status == crew.WANT_CREW:
            crew.gather(self.chunks)
        return self

    def right(self):
        """Every chunk was done once in each phase, and a phase began when the one before was done."""
        whole = [self.chunks * k for k in range(1, self.phases + 1)]
        return (self.counts == self.phases).all() and self.sums.tolist() == [self.phases, *whole]

    def helpers(self):
        return set(self.who.tolist()) - {threading.get_ident()}


def helped(**options):
    """Loops that others helped with, which takes some tries on a computer that has much to do."""
    for _ in range(200):
        loops = Loops(64, slow=0, pause=200, **options).run()
        assert loops.right()
        if loops.helpers():
            return loops
    raise AssertionError("nobody came")


def calm(seconds):
    """Nobody may watch for so long."""
    put("calm_until", now() + int(seconds * 1e9))


# ---------------------------------------------------------------------- chunks


@pytest.mark.parametrize("unlocked", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("chunks", [2, 3, 16, 17, 1000])
def test_every_chunk_is_done_once_in_each_phase(n, chunks, unlocked):
    threads.set_num_threads(n)
    for _ in range(20):
        loops = Loops(chunks, phases=3, unlocked=unlocked).run()
        assert loops.right()
        assert len(loops.helpers()) < n


def test_others_help_with_long_loops():
    threads.set_num_threads(3)
    assert len(helped().helpers()) <= 2


def test_many_callers_at_once():
    threads.set_num_threads(3)
    wrong = []

    def call(k):
        for n in range(40):
            loops = Loops(2 + (7 * k + n) % 50, phases=1 + n % 3, slow=20 if n % 10 == 0 else FOR_EVER, pause=50)
            if not loops.run().right():
                wrong.append((k, n))

    callers = [threading.Thread(target=call, args=(k,)) for k in range(20)]  # More than there are slots.
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    assert not wrong
    assert threads._workers == 2
    slots = crew.board[crew._PLACES["slots"] : crew._PLACES["beds"]].reshape(-1, 16)
    assert not slots[:, [0, 2]].any() and word("leading") == 0


def test_a_long_call_stops_now_and_then_and_goes_on_where_it_was():
    threads.set_num_threads(2)
    loops = Loops(300, phases=2, slow=0, pause=300).run()
    assert loops.right()
    assert loops.calls >= 3


def test_a_short_call_keeps_the_lock_of_the_interpreter_and_a_long_one_does_not():
    ticks, ended = [0], threading.Event()

    def tick():
        while not ended.is_set():
            ticks[0] += 1

    def counted(unlocked):
        loops = Loops(10, phases=1, unlocked=unlocked, said=SHORT, slow=0, pause=3000)
        state = np.empty(crew.STATE + 8, np.int64)
        state[0] = crew.NEW
        lead, board = crew.crew().lead, crew.board
        before = ticks[0]
        lead(loops.program, board, state, loops.counts, loops.who, loops.sums)
        return ticks[0] - before

    other = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    other.start()
    try:
        assert all(counted(True) > 0 for _ in range(5))
        # Longer than such a call, so that nobody else gets the lock from who does not give it up. A request that was
        # made before may still take it once.
        sys.setswitchinterval(0.3)
        assert any(counted(False) == 0 for _ in range(5))
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        other.join()


# ---------------------------------------------------------------------- who helps


def short_call():
    return Loops(16, said=SHORT, unlocked=False, slow=0, pause=20)


def short_calls():
    """The helpers of each of several short calls in a row."""
    several = [short_call() for _ in range(30)]
    for loops in several:
        loops.run()
    assert all(loops.right() for loops in several)
    return [loops.helpers() for loops in several]


def followers_are_helped():
    """Whether a short call right after one that woke somebody is helped, if not at once: the computer may be busy."""

    def some():
        long, short = Loops(16, slow=0, pause=200), short_call()
        for name in ("calm_until", "vain"):
            put(name, 0)
        long.run()
        put("calm_until", 0)  # The long one may have waited for somebody without a core.
        short.run()
        assert long.right() and short.right()
        return short.helpers()

    return soon(some, 30)


def test_a_short_call_gets_help_of_who_still_watches(any_core):
    threads.set_num_threads(2)
    assert followers_are_helped()


def one_of_many_in_a_row():
    """A short call that comes soon after many others, as this board has it."""
    put("ended", now() + 10**9)
    put("row", 100)
    return short_call().run()


def test_short_calls_in_a_row_wake_somebody(any_core):
    threads.set_num_threads(2)
    helped()
    assert soon(lambda: word("asleep") == 1)
    for name in ("calm_until", "calm_for", "vain"):
        put(name, 0)
    one_of_many_in_a_row()
    assert soon(lambda: word("vain") or word("calm_for"))  # It has watched.


knows_cores = pytest.mark.skipif(not crew.tells_core(), reason="nobody tells the core of a thread here")
several_cores = pytest.mark.skipif(threads.usable_cores() == 1, reason="there is no other core")


@contextlib.contextmanager
def only_on(core):
    """All threads of this process on one core."""
    allowed = os.sched_getaffinity(0)
    try:
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), {core})
        yield
    finally:
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), allowed)


def leave_core(core):
    code = machine.kernel(crew.code(machine.computer(), tells_core=True))
    return ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_int64)(code.addresses["leave_core"])(core)


@knows_cores
@several_cores
def test_a_thread_goes_to_another_core_and_may_still_use_all():
    of_thread = ctypes.CDLL(None).sched_getcpu

    def left():
        allowed, core = os.sched_getaffinity(0), of_thread()
        with only_on(core):
            pass
        return leave_core(core) and of_thread() != core and os.sched_getaffinity(0) == allowed

    assert soon(left)  # Where there is much to do, it may be sent back at once.


@knows_cores
def test_a_thread_with_one_core_stays():
    only = min(os.sched_getaffinity(0))
    with only_on(only):
        assert not leave_core(only)
        assert os.sched_getaffinity(0) == {only}


@knows_cores
@several_cores
def test_a_worker_that_cannot_leave_its_callers_core_makes_it_calm():
    threads.set_num_threads(2)
    helped()
    put("calm_for", 0)
    put("calm_until", 0)
    with only_on(min(os.sched_getaffinity(0))):

        def calm_after_calls():
            Loops(64, slow=0, pause=20).run()
            return word("calm_for") > 0

        assert soon(calm_after_calls)


def test_short_calls_in_a_row_start_workers():
    threads.set_num_threads(2)
    one_of_many_in_a_row()
    assert threads._workers == 1
    assert soon(lambda: word("crew") == 1)


def test_a_short_call_in_between_does_not():
    threads.set_num_threads(2)
    for _ in range(3):
        put("row", 100)
        put("ended", now() - 10**9)
        short_call().run()
    assert threads._workers == 0


def test_one_thread_gets_no_help_though_somebody_watches(any_core):
    threads.set_num_threads(2)
    helped()
    threads.set_num_threads(1)
    for said in (SHORT, LONG) * 30:
        assert not Loops(16, said=said, unlocked=said == LONG, slow=0, pause=20).run().helpers()


def test_short_calls_wake_nobody_where_they_are_far_apart():
    threads.set_num_threads(2)
    for _ in range(50):
        assert not Loops(16, said=SHORT, unlocked=False).run().helpers()
        time.sleep(0.0005)
    assert threads._workers == 0


def test_workers_are_used_again_and_sleep_when_nothing_comes():
    threads.set_num_threads(3)
    for _ in range(50):
        Loops(50).run()
    assert threads._workers == 2
    assert soon(lambda: word("crew") == word("asleep") == 2 and word("watching") == 0)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1
    helped()


def test_better_code_calls_workers_back_and_they_come_again():
    threads.set_num_threads(3)
    helped()
    assert soon(lambda: word("crew") == 2)
    crew._follower.renewed(crew.machine.kernel("define void @.nothing() {\n  ret void\n}"))
    assert soon(lambda: word("crew") == 0 and len(threads._idle) == 2)
    helped()


def test_workers_go_to_the_code_there_is_now():
    at = crew.machine.kernel("""
define void @.first(ptr %a) {
  store i64 1, ptr %a
  ret void
}
define void @.second(ptr %a) {
  store i64 2, ptr %a
  ret void
}
""").addresses
    kernel = crew.machine.Kernel("", {"serve": at["first"]}, None, good=False)
    serve = functools.partial(crew._on_board, kernel, "serve")
    word = np.zeros(1, np.int64)
    serve(word.ctypes.data)
    assert word[0] == 1
    kernel.improve({"serve": at["second"]})
    serve(word.ctypes.data)
    assert word[0] == 2


def test_without_a_bed_a_worker_goes_back():
    put("beds", 1)
    crew.board[crew._PLACES["beds"] :: 16] = 1
    threads.set_num_threads(2)
    for _ in range(10):
        assert not Loops(50).run().helpers()
    assert soon(lambda: len(threads._idle) == threads._workers == 1)


def test_workers_go_back_to_python_where_a_loop_of_python_needs_them():
    threads.set_num_threads(2)
    helped()
    for _ in range(3):
        who = set()

        def loop(block, first, last, who=who):
            who.add(threading.get_ident())
            time.sleep(0.01)

        threads.share(loop, 0, 20)
        assert len(who) == 2
        helped()
    assert threads._workers == 1


# ---------------------------------------------------------------------- who watches


def test_nobody_watches_with_one_core(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 1)
    threads.set_num_threads(2)
    helped()
    # Who helped has gone: one that is on its way would be there for the first of them.
    assert soon(lambda: len(threads._idle) == threads._workers == 1 and word("watching") == 0)
    assert not any(short_calls())


def test_nobody_watches_while_it_is_to_be_calm(any_core):
    threads.set_num_threads(2)
    helped()
    calm(60)
    assert soon(lambda: word("watching") == 0)
    assert not any(short_calls())
    helped()
    assert followers_are_helped()


@contextlib.contextmanager
def traced():
    before = sys.gettrace()
    sys.settrace(lambda frame, event, arg: None)
    try:
        yield
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def threads_traced():
    before = threading.gettrace()
    threading.settrace(lambda frame, event, arg: None)
    try:
        yield
    finally:
        threading.settrace(before)


@contextlib.contextmanager
def monitored():
    sys.monitoring.use_tool_id(sys.monitoring.DEBUGGER_ID, "a debugger")
    try:
        yield
    finally:
        sys.monitoring.free_tool_id(sys.monitoring.DEBUGGER_ID)


LOOKING = [traced, threads_traced, *([monitored] if hasattr(sys, "monitoring") else [])]


@pytest.mark.parametrize("looking", LOOKING)
def test_nobody_watches_under_a_debugger(looking):
    threads.set_num_threads(2)
    helped()
    with looking():
        Loops(50).run()
        assert soon(lambda: word("watching") == 0)
        assert not any(short_calls())


def late_helper():
    """A helper whose part takes far longer than those of the caller, as where it has no core."""
    for _ in range(200):
        loops = Loops(64, phases=1, slow=33, pause=20_000).run()
        if loops.helpers():
            return
    raise AssertionError("nobody came")


@pytest.mark.parametrize("length", [0, 2_000_000, 64_000_000, 600_000_000])
def test_a_caller_that_waits_too_long_makes_it_calm_and_for_longer_each_time(length):
    threads.set_num_threads(2)
    helped()
    put("calm_for", length)
    calm(-0.001)
    late_helper()
    assert word("calm_for") >= min(max(2 * length, 2_000_000), 1_000_000_000)
    assert word("calm_for") <= 1_000_000_000
    assert word("calm_until") <= now() + 1_000_000_000


def test_a_calm_long_ago_is_forgotten():
    threads.set_num_threads(2)
    helped()
    put("calm_for", 600_000_000)
    calm(-1000)
    late_helper()
    assert 2_000_000 <= word("calm_for") < 600_000_000


def test_watching_in_vain_makes_it_calm():
    threads.set_num_threads(2)
    seen = set()

    def in_vain():
        Loops(16).run()
        time.sleep(0.001)
        seen.add(word("calm_for"))
        return len(seen) > 2

    assert soon(in_vain)


# ---------------------------------------------------------------------- interrupts and forks


class Interrupt(BaseException):
    """What a handler of signals raises."""


@pytest.fixture
def alarm():
    def interrupt(signum, frame):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("n", [1, 3])
def test_a_signal_ends_a_long_call_and_nobody_is_left_at_its_memory(alarm, n):
    threads.set_num_threads(n)
    for _ in range(5):
        loops = Loops(10_000, said=10_000_000, slow=0, pause=1000)
        there = weakref.ref(loops.counts)
        alarm(0.05)
        start = time.monotonic()
        with pytest.raises(Interrupt):
            loops.run()
        assert time.monotonic() - start < 3  # All of it takes at least seven, two phases on three threads.
        done = int(loops.counts.sum())
        time.sleep(0.02)
        assert done == loops.counts.sum() < 10_000
        del loops
        assert there() is None
        assert Loops(50).run().right()


def test_a_worker_that_comes_late_serves_the_board_that_asked(monkeypatch):
    sent = []
    monkeypatch.setattr(threads, "send", lambda errand, n, workers: sent.append(errand))
    served = []
    monkeypatch.setattr(crew, "crew", lambda: CREW()._replace(serve=served.append))
    threads.set_num_threads(2)
    crew.gather(2)
    asked = crew.board
    monkeypatch.setattr(crew, "board", crew._new_board())
    sent[0].go()
    assert served == [asked.ctypes.data]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_starts_a_crew_of_its_own():
    threads.set_num_threads(2)
    helped()
    child = os.fork()
    if child == 0:
        ok = False
        try:
            signal.alarm(60)  # Ends the child if it waits for ever.
            ok = word("crew") == word("watching") == threads._workers == 0
            ok = ok and helped().right()
            ok = ok and word("crew") == threads._workers == 1
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    helped()


# ---------------------------------------------------------------------- text


@pytest.mark.parametrize("tells_core", [False, True])
@pytest.mark.parametrize("name", COMPUTERS)
def test_the_code_is_taken_for_other_computers(name, tells_core):
    computer = COMPUTERS[name]
    text = crew.code(computer, tells_core=tells_core)
    assert set(re.findall(r"@llvm\.(x86|aarch64)", text)) == {"x86" if computer.is_x86_64 else "aarch64"}
    assert ("sched_getcpu" in text) == tells_core
    if computer.is_x86_64:
        assert machine.host_of(computer).compile(text.replace("@.", "@it_"))
    else:
        with llvm.parse_assembly(text) as module:
            module.verify()


def test_elsewhere_there_is_no_instruction_for_pauses():
    other = COMPUTERS["neon"]._replace(triple="riscv64-unknown-linux-gnu")
    assert not re.findall(r"@llvm\.(x86|aarch64)", crew.code(other, tells_core=True))
