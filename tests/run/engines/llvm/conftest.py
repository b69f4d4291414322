"""The oldest CPU, and compiling as a new process would."""

import pytest


@pytest.fixture
def plain_cpu(monkeypatch):
    """The oldest CPU of this architecture: short registers, no instructions beyond arithmetic."""
    pytest.importorskip("llvmlite")
    from sdgraph.run.engines.llvm.translate import machine
    from tests.run.engines.llvm import computers

    oldest = machine.computer()._replace(cpu="", features=frozenset(), missing=frozenset())
    with computers.on(oldest, monkeypatch):
        yield oldest


@pytest.fixture
def compiled_anew(monkeypatch):
    """A function that asks for one kernel as a new process would; it returns how many were compiled for that."""
    from sdgraph.run.engines.llvm.translate import machine

    machine.settled()  # What other tests have left to do is not to be found among this one's files.

    def ask():
        monkeypatch.setattr(machine, "_kernels", {})
        before = machine.compiled_count
        assert machine.kernel("define i64 @.answer() {\n  ret i64 42\n}").addresses["answer"]
        machine.settled()
        return machine.compiled_count - before

    return ask


@pytest.fixture
def last_level(monkeypatch):
    """Set the size of the last cache; arrays count as large from 64 bytes on, and every loop is shared."""
    pytest.importorskip("llvmlite")
    from sdgraph.run.engines import buffers, threads
    from sdgraph.run.engines.caches import Caches
    from sdgraph.run.engines.llvm import segment

    monkeypatch.setattr(buffers, "LARGE", 64)
    monkeypatch.setattr(buffers, "_free", {})
    monkeypatch.setattr(segment, "SHARED", 0)
    yield lambda n: monkeypatch.setattr(segment, "caches", lambda: Caches(last=n))
    monkeypatch.setattr(threads, "_count", None)
