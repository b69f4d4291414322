"""Machine code: where its functions start is known when it is loaded."""

import ctypes
import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from sdgraph import SameDiff
from sdgraph.errors import EngineError
from sdgraph.run.engines.llvm.translate import machine


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
    monkeypatch.setattr(machine, "_using", Nobody())
    assert f(x=feed)["sum"] == 1_000_000


def test_a_kernel_knows_all_its_functions():
    text = "define i64 @.one() {\n  ret i64 1\n}\ndefine void @.two(ptr %a, i64 %n) {\n  ret void\n}"
    kernel = machine.kernel(text)
    assert set(kernel.addresses) == {"one", "two"}
    assert all(kernel.addresses.values())


def test_code_outlives_the_compiler(monkeypatch):
    try:
        machine.host_of.cache_clear()
        monkeypatch.setattr(machine, "_kernels", {})
        kernel = machine.kernel("define i64 @.forty() {\n  ret i64 40\n}")
        machine.host_of.cache_clear()
        gc.collect()
        for k in range(20):
            machine.kernel(f"define i64 @.other() {{\n  ret i64 {k}\n}}")
        assert ctypes.CFUNCTYPE(ctypes.c_int64)(kernel.addresses["forty"])() == 40
    finally:
        machine.host_of.cache_clear()


def with_another(feature, features):
    """The features with one of them turned around."""
    return type(features)({**features, feature: not features.get(feature)})


OTHER_COMPUTERS = {
    "cpu": ("get_host_cpu_name", lambda name: "generic"),
    "features": ("get_host_cpu_features", lambda features: with_another("sha", features)),
    "system": ("get_process_triple", lambda triple: triple.replace("linux", "linux2")),
}


@pytest.mark.parametrize("what", OTHER_COMPUTERS)
def test_another_computer_has_entries_of_its_own_on_disk(what, tmp_path, monkeypatch, compiled_anew):
    """A home folder may be shared by computers whose CPUs differ; code for the wrong one can end the process."""
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    assert [compiled_anew(), compiled_anew()] == [1, 0]
    name, changed = OTHER_COMPUTERS[what]
    answer = changed(getattr(llvm, name)())
    monkeypatch.setattr(llvm, name, lambda: answer)
    identity = machine.host_of(machine.computer.__wrapped__()).identity
    monkeypatch.undo()
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine.host(), "identity", identity)
    assert [compiled_anew(), compiled_anew()] == [1, 0]
    assert len(list(tmp_path.iterdir())) == 2


def test_threads_that_need_the_same_code_compile_it_once(monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.setenv("SDGRAPH_QUICK", "1")
    host = machine.host()
    compile_, texts = host.compile, []

    def slowly(text, level):
        texts.append((text, level))
        time.sleep(0.2)
        return compile_(text, level)

    monkeypatch.setattr(host, "compile", slowly)
    text = "define i64 @.once() {\n  ret i64 1\n}"
    barrier, found = threading.Barrier(3), []

    def work():
        barrier.wait(30)
        found.append(machine.kernel(text))

    several = [threading.Thread(target=work) for _ in range(3)]
    for t in several:
        t.start()
    for t in several:
        t.join(60)
    assert len(found) == 3 and all(k is found[0] for k in found)
    machine.settled()
    assert len(texts) == len({level for _, level in texts}) == 2


@pytest.mark.parametrize("ask", ["kernel", "has_symbol", "host"])
def test_nothing_that_uses_llvm_runs_where_an_interrupt_falls(ask, monkeypatch):
    """An interrupt in llvmlite's own Python code could leave its lock taken, for ever as other threads see it."""
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    users = []

    def note():
        users.append(threading.current_thread())

    ffi.register_lock_callback(note, note)
    try:
        if ask == "kernel":
            machine.kernel("define i64 @.apart() {\n  ret i64 2\n}")
        elif ask == "has_symbol":
            machine.has_symbol.__wrapped__("exp")
        else:
            kept = machine.host_of.__wrapped__(machine.computer.__wrapped__())
            assert kept is not machine.host()
        machine.settled()
    finally:
        ffi.unregister_lock_callback(note, note)
    assert users and threading.current_thread() not in users


@pytest.mark.parametrize("text", ["no code", "define i64 @.f() {\n  ret i32 %missing\n}"])
def test_code_that_llvm_refuses_is_an_error_of_the_engine(text):
    with pytest.raises(EngineError, match="engine='numpy'"):
        machine.kernel(text)
    assert machine.kernel("define i64 @.fine() {\n  ret i64 1\n}").addresses["fine"]


def test_functions_of_the_c_library_are_known_before_any_code_is_made():
    question = "from sdgraph.run.engines.llvm.translate import machine; print(machine.has_symbol('tgamma'))"
    done = subprocess.run([sys.executable, "-c", question], timeout=60, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_what_another_edition_has_kept_is_not_found(tmp_path, monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "1")
    monkeypatch.setenv("SDGRAPH_CACHE_DIR", str(tmp_path))
    text = "define i64 @.kept() {\n  ret i64 5\n}"
    compiled = []
    for edition in ("first", "first", "second"):
        monkeypatch.setattr(machine, "_kernels", {})
        before = machine.compiled_count
        assert machine.kernel(text, lambda: text, edition).addresses["kept"]
        machine.settled()
        compiled.append(machine.compiled_count - before)
    assert compiled == [1, 0, 1]
