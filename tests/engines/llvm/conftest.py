"""A computer that can do less: code for it must be as right as code for this one."""

import pytest


@pytest.fixture
def plain_cpu(monkeypatch):
    """Compile for the oldest CPU of this architecture: short registers, no instructions beyond arithmetic."""
    llvm = pytest.importorskip("llvmlite.binding")
    from sdgraph.engines.llvm import machine, segment

    machine.host()  # Start LLVM before its answers are changed.
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "")
    none = type(llvm.get_host_cpu_features())()
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: none)
    other = machine._Host()
    monkeypatch.setattr(machine, "host", lambda: other)
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    return other
