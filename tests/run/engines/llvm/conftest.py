"""Computers that can do less, whose code must be as right as that of this one; and compiling as a new process would."""

import platform

import pytest

_OF_AVX2 = [
    "sse2",
    "sse3",
    "ssse3",
    "sse4.1",
    "sse4.2",
    "popcnt",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "bmi",
    "bmi2",
    "lzcnt",
    "movbe",
]


def _other_cpu(monkeypatch, name, features):
    """Compile for another CPU than this one."""
    llvm = pytest.importorskip("llvmlite.binding")
    from sdgraph.run.engines.llvm import segment
    from sdgraph.run.engines.llvm.translate import machine

    machine.host()  # Start LLVM before its answers are changed.
    known = type(llvm.get_host_cpu_features())(dict.fromkeys(features, True))
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: name)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: known)
    other = machine._Host()
    monkeypatch.setattr(machine, "host", lambda: other)
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    return other


@pytest.fixture
def plain_cpu(monkeypatch):
    """The oldest CPU of this architecture: short registers, no instructions beyond arithmetic."""
    return _other_cpu(monkeypatch, "", ())


@pytest.fixture
def avx2_cpu(monkeypatch):
    """A CPU with registers of 256 bits and no masks; this one must be able to run its code."""
    llvm = pytest.importorskip("llvmlite.binding")
    here = llvm.get_host_cpu_features()
    if platform.machine() not in ("x86_64", "AMD64") or not all(here.get(k) for k in _OF_AVX2):
        pytest.skip("this CPU has no AVX2")
    return _other_cpu(monkeypatch, "haswell", _OF_AVX2)


@pytest.fixture
def compiled_anew(monkeypatch):
    """A function that asks for one kernel as a new process would; it returns how many were compiled for that."""
    from sdgraph.run.engines.llvm.translate import machine

    def ask():
        monkeypatch.setattr(machine, "_kernels", {})
        before = machine.compiled_count
        assert machine.kernel("define i64 @.answer() {\n  ret i64 42\n}").addresses["answer"]
        return machine.compiled_count - before

    return ask
