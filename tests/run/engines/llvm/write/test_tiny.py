"""Loops without numbers below the smallest normal one: in them alone, in every thread, on every CPU that knows how."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff, set_num_threads
from sdgraph.run.engines.threads import get_num_threads
from sdgraph.run.executable import Executable
from tests.run.engines.llvm import computers
from tests.run.engines.llvm.write import test_for_other_computers

SMALL = {"float32": 1e-40, "float64": 1e-310}


def halves(n, dtype, *, tiny):
    """Half of each number, and the sum of all."""
    sd = SameDiff(dtype)
    x = sd.placeholder("x", (n,))
    return Executable(sd, [x * 0.5, sd.sum(x)], "llvm", tiny=tiny)


@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize("n", [2, 7, 1000, 3_000_000])
def test_small_numbers_are_0_there_and_nowhere_else(n, dtype):
    small = SMALL[dtype]
    x = np.full(n, small, dtype)
    x[0] = 1.0
    threads = get_num_threads()
    try:
        for most in (1, 2):
            set_num_threads(most)
            half, total = halves(n, dtype, tiny=False).run({"x": x})
            assert half[0] == 0.5 and not half[1:].any()
            assert total == 1.0
            # This thread computes as before, and so does other code in threads that helped.
            assert np.dtype(dtype).type(small) * np.dtype(dtype).type(0.5) > 0
            half, _ = halves(n, dtype, tiny=True).run({"x": x})
            assert (half[1:] > 0).all()
    finally:
        set_num_threads(threads)


def test_both_codes_live_side_by_side():
    """They are told apart, though all else is the same."""
    x = np.full(9, 1e-40, "f")
    for tiny in (True, False, True, False):
        assert bool(halves(9, "float32", tiny=tiny).run({"x": x})[0].any()) == tiny


@pytest.mark.parametrize(("name", "instruction"), [("sse2", "ldmxcsr"), ("avx512", "ldmxcsr"), ("neon", "set.fpcr")])
def test_what_is_written_for_other_computers(name, instruction, monkeypatch):
    def both():
        for tiny in (True, False):
            halves(100, "float32", tiny=tiny)

    texts = computers.texts_for(computers.COMPUTERS[name], monkeypatch, both)
    told = [text for text in texts if instruction in text and "@.k1" in text]
    assert len(told) == 1
    # Once before the loop, and once after it, which ends the function.
    body = told[0].split("define void @.k1")[1].split("}")[0]
    test_for_other_computers.translated(computers.COMPUTERS[name], told)
    calls = [line for line in body.splitlines() if "call void" in line and instruction in line]
    assert len(calls) == 2
