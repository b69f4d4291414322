"""Threads that help with compiled loops, and watch for a while for the next one.

To wake a thread takes fifty microseconds and more. So a worker that is done looks at a word in memory for a short time
before it sleeps; a loop is handed to it within one. All that happens in compiled code and without the interpreter's
lock: ``crew.ll`` has what both sides do, ``lead.ll`` what Python calls. Here are the numbers that decide when somebody
watches, and how workers get there. Must not know regions.

A call returns only when no worker is at its loops any more, and Python's handlers of signals run between calls. So what
a call is given lives as long as anybody uses it, whatever interrupts the caller.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import later, machine
from sdgraph.run.engines.llvm.translate.computer import Computer
from sdgraph.run.engines.llvm.translate.entry import builtin, reads_arrays, text

WOKEN = 100
"""Microseconds from which a loop is worth to wake those who sleep."""
STATE = 4
"""Words of state before the scratch memory of a call."""
NEW = -1
"""The state before a call."""
DONE, WANT_CREW, GO_ON, FAILED = range(4)
"""What a call gives: all is done; it is, and there should be workers; call again; a check failed."""

_LINE = 16
"""Words apart that lie in different lines of the cache, neighbours that are fetched together included."""
_SLOTS, _BEDS = 16, 256
"""Callers whose loops are shared at one time, and workers, at most."""
_CREW = _LINE + 2
_CALM_UNTIL, _CORES, _SETTING = 2 * _LINE, 2 * _LINE + 3, 2 * _LINE + 4
_PLACES = {
    "watching": _LINE,
    "leading": _LINE + 1,
    "crew": _CREW,
    "asleep": _LINE + 3,
    "recall": _LINE + 4,
    "calm_until": _CALM_UNTIL,
    "calm_for": 2 * _LINE + 1,
    "vain": 2 * _LINE + 2,
    "cores": _CORES,
    "setting": _SETTING,
    "ended": 3 * _LINE,
    "row": 3 * _LINE + 1,
    "core": 3 * _LINE + 2,
    "slots": 4 * _LINE,
    "most_slots": _SLOTS,
    "beds": (4 + _SLOTS) * _LINE,
    "most_beds": _BEDS,
}
"""Places of words on the board; the first one is the bell."""
_TIMES = {
    "watch": 100_000,
    "jump": 100_000,
    "patience": 50_000,
    "least_calm": 2_000_000,
    "most_calm": 1_000_000_000,
    "slice": 10_000_000,
}
"""Nanoseconds: that a worker watches, by which the clock jumps where a thread was not running, that a caller waits for
a helper before it sleeps, of the first and of the longest calm, and after which a long call has a look at signals."""
_COUNTS = {"looks": 32, "memory": 32, "most_vain": 3, "least_row": 8, "parts": 16}
"""Looks at a word between two at the clock; lengths of a calm for which it is remembered; watches in vain that are
borne; calls in a row that are reason to watch; parts of a loop per thread."""
_WORTH = {"woken": WOKEN, "woken_in_calm": 250}
_RESULTS = {"done": DONE, "want_crew": WANT_CREW, "go_on": GO_ON, "failed": FAILED}


class Crew(NamedTuple):
    """The ways into compiled code that is shared."""

    lead: Callable[..., int]
    """``lead(program, board, state, *arrays)`` runs a program."""
    serve: Callable[[int], None]
    """``serve(address of the board)`` is what a worker does until workers are called back."""
    recall: Callable[[int], None]
    """``recall(address of the board)`` calls them back."""
    nothing: int
    """Where a function is that does nothing with a block."""


_made: list[Crew] = []
"""The ways into shared code, once they are there."""
_asked: list[bool] = []
"""Whether somebody has said that they should be there soon."""


def _new_board() -> np.ndarray[Any, Any]:
    words = (4 + _SLOTS + _BEDS) * _LINE
    memory = np.zeros(words + _LINE, np.int64)
    start = -memory.ctypes.data % (8 * _LINE) // 8
    made = memory[start : start + words]
    made[_SETTING] = ctypes.addressof(threads.setting)
    made[_CORES] = threads.usable_cores()
    return made


board = _new_board()
"""Where loops are handed over."""


def _forget() -> None:
    """After a fork nobody watches, and no caller waits."""
    global board
    board = _new_board()
    _asked.clear()


threads.forgotten.append(_forget)


@atexit.register
def _end() -> None:
    """Nobody watches while Python ends."""
    board[_CORES] = 0


def _pause(computer: Computer) -> dict[str, str]:
    """The instruction by which a thread that watches leaves the core to its neighbour."""
    if computer.is_x86_64:
        name, operand, types = "llvm.x86.sse2.pause", "", ""
    elif computer.is_arm64:
        name, operand, types = "llvm.aarch64.isb", "i32 15", "i32"
    else:
        return {"pause": "", "pause_declaration": ""}
    return {"pause": f"call void @{name}({operand})", "pause_declaration": f"declare void @{name}({types})"}


def code(computer: Computer, *, tells_core: bool) -> str:
    """All that callers and workers run."""
    numbers = {**_PLACES, **_TIMES, **_COUNTS, **_WORTH, **_RESULTS}
    clock = getattr(time, "CLOCK_MONOTONIC", 0)
    cores = "cores" if tells_core else "no_cores"
    return text("layout", cores, "crew", "lead", clock=clock, **numbers, **_pause(computer))


_USED = (
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
    "PyLong_FromLong",
    "PyThread_allocate_lock",
    "PyThread_acquire_lock",
    "PyThread_release_lock",
    "clock_gettime",
    "usleep",
)
"""Functions of Python and of the system that the code calls."""
_OF_CORES = ("sched_getcpu", "sched_getaffinity", "sched_setaffinity")
"""What tells the core of a thread and changes it, where there are such functions."""


def _address(name: str) -> int:
    """Where a function of this process is; 0 where there is none."""
    try:
        found = getattr(ctypes.pythonapi, name)
    except AttributeError:
        return 0
    return ctypes.cast(found, ctypes.c_void_p).value or 0


def tells_core() -> bool:
    """Whether the system tells which core a thread runs on, and sends it to another."""
    return all(map(_address, _OF_CORES))


@functools.cache
def can_watch() -> bool:
    """Whether the system has what watching needs, and Python one lock for all."""
    # Python says it in its configuration, too, which takes longer to read.
    if "t" in getattr(sys, "abiflags", "") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    return reads_arrays() and hasattr(time, "CLOCK_MONOTONIC") and all(map(_address, _USED))


def soon() -> Crew | None:
    """`crew` once it is there, and None until then: it is made when nobody waits for anything else."""
    if _made or not machine.quick_first():
        return crew()
    if not _asked:
        _asked.append(True)
        threads.apart(functools.partial(later.put, crew))
    return None


@functools.cache
def crew() -> Crew | None:
    """The ways into shared code, or None where there are none."""
    if not can_watch():
        return None
    told = tells_core()
    machine.add_symbols({name: _address(name) for name in (*_USED, *(_OF_CORES if told else ()))})
    kernel = machine.kernel(code(machine.computer(), tells_core=told))
    serve, recall = (functools.partial(_on_board, kernel, name) for name in ("serve", "recall"))
    made = Crew(builtin(kernel, "lead"), serve, recall, kernel.addresses["nothing"])
    threads.recall = functools.partial(_recall, made)
    kernel.follow(_follower)
    _made.append(made)
    return made


def _on_board(kernel: machine.Kernel, name: str, board: int) -> None:
    """Call a function of the code as it is now."""
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(kernel.addresses[name])(board)


class _Follower:
    """Calls workers back to Python once there is better code: they would stay in the old one for long."""

    def renewed(self, kernel: machine.Kernel) -> None:
        threads.recall()


_follower = _Follower()


def _serve(here: np.ndarray[Any, Any]) -> None:
    """Serve a board, which lives as long as this function."""
    made = crew()
    assert made is not None
    made.serve(here.ctypes.data)


def _recall(made: Crew) -> None:
    """Send all workers back to Python."""
    if board[_CREW]:
        made.recall(board.ctypes.data)


def gather(n: int) -> None:
    """See that there are workers for n threads at the board, or for as many as the setting allows."""
    most = threads.get_num_threads()
    threads.setting.value = most
    board[_CORES] = threads.usable_cores()
    if _is_traced():
        board[_CALM_UNTIL] = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + _TIMES["most_calm"]
    helpers = min(most, n, _BEDS + 1) - 1
    missing = helpers - int(board[_CREW])
    if missing > 0:
        threads.send(threads.Errand(functools.partial(_serve, board)), missing, helpers)


def _is_traced() -> bool:
    """Whether somebody looks at each step of this program, as a debugger does: then nobody watches."""
    if sys.gettrace() is not None or threading.gettrace() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(k) is not None for k in range(6))


def run(
    program: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    arrays: Sequence[np.ndarray[Any, Any]],
    chunks: int,
    time: float,
) -> bool:
    """Run a program among threads; true if a check failed.

    Between two calls of compiled code nobody is at the arrays, so an exception may end it there.

    Args:
        program: As ``layout.ll`` tells.
        state: Words for the state, and the scratch memory behind them.
        arrays: What it reads and writes.
        chunks: The chunks of its largest region.
        time: About how many microseconds it takes.
    """
    made = crew()
    assert made is not None
    state[0] = NEW
    if time >= WOKEN:
        gather(chunks)
    while (status := made.lead(program, board, state, *arrays)) == GO_ON:
        pass
    return ended(status, chunks)


def ended(status: int, chunks: int) -> bool:
    """What is to be done at the end of a call that gave something else than ``DONE``; true if a check failed."""
    if status == WANT_CREW:
        gather(chunks)
    return status == FAILED


def program_of(loop: int, block: Sequence[int], chunks: int, time: int = WOKEN) -> np.ndarray[Any, Any]:
    """The program of a single loop, by its address and the words of its block; ``time`` as for `run`."""
    made = crew()
    assert made is not None
    region = [made.nothing, len(block), 0, *block, chunks, time, made.nothing, 1, loop, made.nothing]
    return np.array([0, 0, 1, len(block), 0, 1, 1 + len(region), *region], np.int64)
