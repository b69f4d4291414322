"""From LLVM IR to addresses of machine code for this computer, each text compiled quickly, and later once more.

Choosing instructions carefully takes most of the time of a first call. So a text that no cache knows is first made into
code quickly, which runs at once, and later into good code, whose addresses take the place of the first ones. Both do
the same operations in the same order, so their results have the same bits. Only good code is kept on disk, and what
comes from there is good from the start.

Knows llvmlite, what computer this is, and the caches. Must not know what the code does.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

import llvmlite
import llvmlite.binding as llvm

from sdgraph._version import __version__
from sdgraph.build import forks
from sdgraph.errors import EngineError
from sdgraph.lower import contracts
from sdgraph.run.engines import threads
from sdgraph.run.engines.llvm.translate import disk, later
from sdgraph.run.engines.llvm.translate.computer import Computer

_FUNCTION = re.compile(r"^define (?!internal ).*?@\.(\w+)\(", re.MULTILINE)

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


def _this_computer() -> Computer:
    return Computer.of(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features())


@functools.cache
def computer() -> Computer:
    """What code is made for, which is this computer. Whoever writes code asks here, so that tests can name another."""
    return _ask(_this_computer)


class _Level(NamedTuple):
    """How much time to take for code."""

    number: int
    """Of LLVM's code generator."""
    prefix: str
    """What names of functions begin with: both codes of a text are in memory together."""


_QUICK = _Level(0, "q")
_GOOD = _Level(2, "s")


class _Host:
    """The compiler for a computer. Its methods are for who holds the lock."""

    def __init__(self, made_for: Computer) -> None:
        # Newer versions initialise LLVM themselves and have made the first call an error.
        for start in (llvm.initialize, llvm.initialize_native_target, llvm.initialize_native_asmprinter):
            try:
                start()
            except RuntimeError:
                continue
        self.computer = made_for
        self.machines = {level: self._machine(level) for level in (_QUICK, _GOOD)}
        version = ".".join(map(str, llvm.llvm_version_info))
        parts = (__version__, llvmlite.__version__, version, made_for.triple, made_for.cpu, made_for.flags)
        self.identity = "\n".join(parts)

    @functools.cached_property
    def engine(self) -> Any:
        """What keeps code in memory, ready to run."""
        backing = llvm.parse_assembly("")
        backing.triple = self.computer.triple
        return llvm.create_mcjit_compiler(backing, self._machine(_GOOD))

    def _machine(self, level: _Level) -> Any:
        target = llvm.Target.from_triple(self.computer.triple)
        cpu, features = self.computer.cpu, self.computer.flags
        return target.create_target_machine(
            cpu=cpu, features=features, opt=level.number, reloc="default", codemodel="jitdefault", jit=True
        )

    def compile(self, text: str, level: _Level = _GOOD) -> bytes:
        """Object code of a module."""
        target = self.machines[level]
        try:
            with llvm.parse_assembly(text) as module:
                module.triple = self.computer.triple
                module.data_layout = self._layout
                if contracts.ON:
                    module.verify()
                if level == _GOOD:  # Without registers to keep variables in, quick code gains nothing by it.
                    _optimise(module, target)
                return target.emit_object(module)
        except RuntimeError as e:
            fix = "Run on engine='numpy', and report this: it is a fault of sdgraph."
            raise EngineError("LLVM does not take the code of a fused loop.", given=f"{e!s:.500}", fix=fix) from e

    @functools.cached_property
    def _layout(self) -> str:
        return str(self.machines[_GOOD].target_data)

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
def host_of(made_for: Computer) -> _Host:
    """The compiler for a computer."""
    return _ask(partial(_Host, made_for))


def host() -> _Host:
    """The compiler, started on first use."""
    return host_of(computer())


class Follower(Protocol):
    """Who keeps addresses of a kernel."""

    def renewed(self, kernel: Kernel) -> None:
        """Take the addresses that it has now. Called on any thread, at any time; the old ones stay good."""
        ...


class Kernel:
    """Compiled functions of one module."""

    def __init__(self, text: str, addresses: Mapping[str, int], owner: Any, *, good: bool) -> None:
        self.text = text
        self.addresses = addresses
        """Where each function starts. Looked up once: asking LLVM waits for whoever compiles."""
        self.owner = owner
        """What the code lives as long as."""
        self._followers: WeakKeyDictionary[Follower, None] | None = None if good else WeakKeyDictionary()
        """Who is to be told of better code; None where there will be none."""

    def follow(self, follower: Follower) -> None:
        """Tell somebody of better code, for as long as the follower lives; at once where that has come meanwhile."""
        waiting = self._followers
        if waiting is not None:
            waiting[follower] = None
        if self._followers is None:
            follower.renewed(self)

    def improve(self, addresses: Mapping[str, int]) -> None:
        """Go over to better code."""
        waiting, self.addresses, self._followers = self._followers, addresses, None
        for known in () if waiting is None else waiting.keyrefs():  # A list: others may come meanwhile.
            follower = known()
            if follower is not None:
                follower.renewed(self)


_kernels: dict[tuple[Computer, str], Kernel] = {}
compiled_count = 0
"""How many modules this process has compiled, those from disk not counted."""


def kernel(text: str, better: Callable[[], str] | None = None, edition: str = "", *, quick: bool = True) -> Kernel:
    """Machine code for IR whose functions are all named ``@.name``; from the caches where it is known.

    ``better`` writes the text that good code is made of, where that is another. It must do the same, and ``edition``
    tells apart what has written it. ``quick`` allows that code which is made quickly stands for it at first.
    """
    found = _kernels.get((computer(), text))
    return threads.apart(partial(_made, text, better, edition, quick)) if found is None else found


def settled() -> None:
    """Wait until all code is good: for measuring."""
    later.settled()


def _made(text: str, better: Callable[[], str] | None, edition: str, quick: bool) -> Kernel:
    global compiled_count
    compiler = host()
    key = hashlib.sha256(f"{compiler.identity}\n{edition}\n{text}".encode()).hexdigest()
    with later.urgent(), _using:
        found = _kernels.get((compiler.computer, text))
        if found is not None:
            return found
        stored = disk.load(key)
        quick = quick and stored is None and quick_first()
        if quick:
            addresses, code = _loaded(compiler, text, key, _QUICK)
        else:
            addresses, code = _loaded(compiler, better() if better and stored is None else text, key, _GOOD, stored)
        found = _kernels[compiler.computer, text] = Kernel(text, addresses, compiler.engine, good=not quick)
        compiled_count += stored is None
    if quick:
        later.put(partial(_improve, compiler, found, key, better))
    elif stored is None:
        disk.store(key, code)
    return found


def quick_first() -> bool:
    """Whether code is made quickly at first, which SDGRAPH_QUICK=0 turns off."""
    return os.environ.get("SDGRAPH_QUICK", "1") != "0"


def _improve(compiler: _Host, kernel: Kernel, key: str, better: Callable[[], str] | None) -> None:
    text = kernel.text if better is None else better()
    with _using:
        addresses, code = _loaded(compiler, text, key, _GOOD)
    kernel.improve(addresses)
    disk.store(key, code)


def _loaded(
    compiler: _Host, text: str, key: str, level: _Level, code: bytes | None = None
) -> tuple[dict[str, int], bytes]:
    """Where the functions of a text are in memory, and their code, which is made where it is None."""
    prefix = f"{level.prefix}{key[:16]}_"
    if code is None:
        code = compiler.compile(text.replace("@.", "@" + prefix), level)
    return compiler.load(code, prefix, _FUNCTION.findall(text)), code


def add_symbols(addresses: Mapping[str, int]) -> None:
    """Make addresses known to code under names."""
    host()

    def add() -> None:
        for name, address in addresses.items():
            llvm.add_symbol(name, address)

    _ask(add)


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
def _load_process() -> None:
    """Make the functions of what is loaded already known to code; LLVM does so by itself only when it runs some."""
    _ask(lambda: llvm.load_library_permanently(""))


@functools.cache
def has_symbol(name: str) -> bool:
    """Whether code can refer to a name. To refer to an unknown one ends the process."""
    host()
    _load_process()
    return _ask(lambda: llvm.address_of_symbol(name)) is not None
