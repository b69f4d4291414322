"""From LLVM IR to addresses of machine code for this computer, each text compiled once.

Knows llvmlite, the host's CPU and the caches. Must not know what the code does.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import llvmlite
import llvmlite.binding as llvm

from sdgraph._version import __version__
from sdgraph.build import forks
from sdgraph.errors import EngineError
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import disk

_REGISTER_BITS = (("avx512f", 512), ("avx", 256))
_FUNCTION = re.compile(r"^define .*?@\.(\w+)\(", re.MULTILINE)

_T = TypeVar("_T")

_using = threading.RLock()
"""Held around every use of llvmlite, which has a lock of its own: once a fork has this one, that one is free."""

forks.renew(sys.modules[__name__], "_using", threading.RLock, waits=True)


def _ask(question: Callable[[], _T]) -> _T:
    """What LLVM says. An interrupt of the caller must not leave it half way, or llvmlite's lock taken."""

    def ask() -> _T:
        with _using:
            return question()

    return threads.apart(ask)


class _Host:
    """The compiler for this computer. Its methods are for who holds the lock."""

    def __init__(self) -> None:
        # Newer versions initialise LLVM themselves and have made the first call an error.
        for start in (llvm.initialize, llvm.initialize_native_target, llvm.initialize_native_asmprinter):
            try:
                start()
            except RuntimeError:
                continue
        self.triple = llvm.get_process_triple()
        self.cpu = llvm.get_host_cpu_name()
        self.features = llvm.get_host_cpu_features()
        self.machine = self._machine()
        backing = llvm.parse_assembly("")
        backing.triple = self.triple
        self.engine = llvm.create_mcjit_compiler(backing, self._machine())
        version = ".".join(map(str, llvm.llvm_version_info))
        parts = (__version__, llvmlite.__version__, version, self.triple, self.cpu, self.features.flatten())
        self.identity = "\n".join(parts)
        self.bits = next((bits for name, bits in _REGISTER_BITS if self.features.get(name)), 128)

    def _machine(self) -> Any:
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(
            cpu=self.cpu, features=self.features.flatten(), opt=2, reloc="default", codemodel="jitdefault", jit=True
        )

    def compile(self, text: str) -> bytes:
        """Object code of a module."""
        try:
            with llvm.parse_assembly(text) as module:
                module.triple = self.triple
                module.data_layout = str(self.machine.target_data)
                module.verify()
                _optimise(module, self.machine)
                return self.machine.emit_object(module)
        except RuntimeError as e:
            fix = "Run on engine='numpy', and report this: it is a fault of sdgraph."
            raise EngineError("LLVM does not take the code of a fused loop.", given=f"{e!s:.500}", fix=fix) from e

    def load(self, code: bytes, prefix: str, names: Collection[str]) -> dict[str, int]:
        """Link object code into this process; the addresses of its functions ``prefix + name``."""
        self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        return {name: self.engine.get_function_address(prefix + name) for name in names}


def _optimise(module: Any, target: Any) -> None:
    """Bring local variables into registers. The code comes vectorised and without repetition; more takes longer."""
    with (
        llvm.create_pipeline_tuning_options(speed_level=1) as options,
        llvm.create_pass_builder(target, options) as builder,
        llvm.create_new_module_pass_manager() as passes,
    ):
        passes.add_sroa_pass()
        passes.run(module, builder)


@functools.cache
def host() -> _Host:
    """The compiler, started on first use."""
    return _ask(_Host)


def lanes(bytes_: int) -> int:
    """How many elements of that many bytes a vector has."""
    return max(2, host().bits // 8 // bytes_)


def features() -> frozenset[str]:
    """What the host's CPU can do, in LLVM's words."""
    return frozenset(name for name, has in host().features.items() if has)


class Kernel(NamedTuple):
    """Compiled functions of one module."""

    text: str
    addresses: Mapping[str, int]
    """Where each function starts. Looked up once: asking LLVM waits for whoever compiles."""
    owner: Any
    """What the code lives as long as."""


_kernels: dict[str, Kernel] = {}
compiled_count = 0
"""How many modules this process has compiled, those from disk not counted."""


def kernel(text: str) -> Kernel:
    """Machine code for IR whose functions are all named ``@.name``; from the caches where it is known."""
    found = _kernels.get(text)
    return threads.apart(partial(_made, text)) if found is None else found


def _made(text: str) -> Kernel:
    global compiled_count
    computer = host()
    key = hashlib.sha256(f"{computer.identity}\n{text}".encode()).hexdigest()
    prefix = f"s{key[:16]}_"
    with _using:
        found = _kernels.get(text)
        if found is not None:
            return found
        stored = disk.load(key)
        code = computer.compile(text.replace("@.", "@" + prefix)) if stored is None else stored
        found = Kernel(text, computer.load(code, prefix, _FUNCTION.findall(text)), computer.engine)
        _kernels[text] = found
        compiled_count += stored is None
    if stored is None:
        disk.store(key, code)
    return found


def add_symbol(name: str, address: int) -> None:
    """Make an address known to code under a name."""
    host()
    _ask(lambda: llvm.add_symbol(name, address))


@functools.cache
def load_library(name: str) -> bool:
    """Make the functions of a shared library known to code; False where there is no such library."""
    host()
    has_symbol.cache_clear()
    try:
        _ask(lambda: llvm.load_library_permanently(name))
    except RuntimeError:
        return False
    return True


@functools.cache
def has_symbol(name: str) -> bool:
    """Whether code can refer to a name. To refer to an unknown one ends the process."""
    host()
    return _ask(lambda: llvm.address_of_symbol(name)) is not None
