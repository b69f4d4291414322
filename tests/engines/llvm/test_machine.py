"""Machine code: where its functions start is known when it is loaded."""

import ctypes
import gc

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.engines.llvm import machine


class Nobody:
    """A compiler that nobody may ask."""

    def __getattr__(self, name):
        raise AssertionError(f"a run asked the compiler for {name}")


def test_a_large_run_asks_the_compiler_for_nothing(monkeypatch):
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None,))
    f = sd.compile(sd.sum(sd.math.exp(x)), engine="llvm")
    feed = np.zeros(1_000_000, np.float32)
    f(x=feed)
    monkeypatch.setattr(machine.host(), "engine", Nobody())
    monkeypatch.setattr(machine.host(), "lock", Nobody())
    assert f(x=feed)["sum"] == 1_000_000


def test_a_kernel_knows_all_its_functions():
    text = "define i64 @.one() {\n  ret i64 1\n}\ndefine void @.two(ptr %a, i64 %n) {\n  ret void\n}"
    kernel = machine.kernel(text)
    assert set(kernel.addresses) == {"one", "two"}
    assert all(kernel.addresses.values())


def test_code_outlives_the_compiler(monkeypatch):
    try:
        machine.host.cache_clear()
        monkeypatch.setattr(machine, "_kernels", {})
        kernel = machine.kernel("define i64 @.forty() {\n  ret i64 40\n}")
        machine.host.cache_clear()
        gc.collect()
        for k in range(20):
            machine.kernel(f"define i64 @.other() {{\n  ret i64 {k}\n}}")
        assert ctypes.CFUNCTYPE(ctypes.c_int64)(kernel.addresses["forty"])() == 40
    finally:
        machine.host.cache_clear()
