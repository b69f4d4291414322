"""Calls of compiled loops that are no region: on the caller's thread where they are short, else among threads.

Must not know what the loops do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import crew, machine
from sdgraph.run.engines.llvm.translate.entry import entry

SHARED, LONG, PATIENT = 10.0, 50.0, 30_000.0
"""Estimated microseconds from which threads share a loop, from which a call gives up the interpreter's lock, and from
which it waits for the code that shares it."""

_Array = np.ndarray[Any, Any]
_Loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_Finish = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Loops:
    """Functions ``f0``, ``k1`` over chunks, and ``f1`` of a block: a number, and addresses of arrays.

    ``run`` does all three.
    """

    def __init__(self, kernel: machine.Kernel, plan: _Array, arrays: int, chunks: int, time: float) -> None:
        self._kernel, self._plan, self._arrays, self._time = kernel, plan, arrays, time
        self._chunks = chunks if time >= SHARED else 1
        self._all = chunks
        self._long = time >= LONG
        self._program = self._words(kernel)
        self._alone = entry()
        self._small = self._chunks == 1 and not self._long
        self._shares = self._alone is not None and not self._small and crew.can_watch()
        kernel.follow(self)

    def renewed(self, kernel: machine.Kernel) -> None:
        """Go over to better code."""
        self._program[:] = self._words(kernel)

    def _words(self, kernel: machine.Kernel) -> _Array:
        """The program, as ``layout.ll`` tells."""
        at = kernel.addresses
        block = [self._plan.ctypes.data, *range(self._arrays)]
        rest = [self._chunks, int(self._time), at["f0"], 1, at["k1"], at["f1"]]
        region = [at["run"], 1, self._arrays, *block, *rest]
        return np.array([0, 0, 1, len(block), 0, int(self._long), 1 + len(region), *region], np.int64)

    def __call__(self, *arrays: _Array) -> None:
        """Run them."""
        alone = self._alone
        if alone is None or not (self._small or self._shares):
            self._in_python(arrays)
        elif self._small:
            alone(self._program, *arrays)
        else:
            made = crew.crew() if self._time >= PATIENT else crew.soon()
            if made is None:
                alone(self._program, *arrays)
            elif self._long:
                crew.run(self._program, np.empty(crew.STATE + 16, np.int64), arrays, self._chunks, self._time)
            else:
                status = made.lead(self._program, crew.board, crew.board, *arrays)
                if status != crew.DONE:
                    crew.ended(status, self._chunks)

    def _in_python(self, arrays: Sequence[_Array]) -> None:
        """Run them where compiled code cannot hand them over."""
        block = np.array([self._plan.ctypes.data, *(a.ctypes.data for a in arrays)], np.int64)
        address, at = block.ctypes.data, self._kernel.addresses
        if self._small:
            _Finish(at["run"])(address)
            return
        _Finish(at["f0"])(address)
        threads.share(_Loop(at["k1"]), address, self._all, (arrays, block, self._plan))
        _Finish(at["f1"])(address)
