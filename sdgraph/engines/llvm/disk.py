"""Compiled code on disk, so that the next process compiles nothing.

One file per kernel in a directory of the user's own, named after a digest of everything that decides the code. What is
damaged, belongs to someone else or can be written by others is ignored. ``SDGRAPH_CACHE=0`` turns it off,
``SDGRAPH_CACHE_DIR`` moves it. Must not know LLVM.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

_MAGIC = b"sdgraph kernel 1\n"
_DIGEST = 32
_MOST_FILES = 4096
_ABANDONED = 3600.0
"""Seconds after which nobody is still writing a file."""


def enabled() -> bool:
    """Whether code is kept on disk."""
    return os.environ.get("SDGRAPH_CACHE", "1") != "0"


def directory() -> Path:
    """Where code is kept."""
    chosen = os.environ.get("SDGRAPH_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sdgraph"


def load(key: str) -> bytes | None:
    """The code stored under a key, or None if there is none that can be trusted."""
    if not enabled():
        return None
    try:
        with open(directory() / f"{key}.kernel", "rb") as f:
            if not _is_own(os.fstat(f.fileno())):
                return None
            data = f.read()
    except (OSError, RuntimeError):  # No home directory is a RuntimeError.
        return None
    head = len(_MAGIC) + _DIGEST
    digest, code = data[len(_MAGIC) : head], data[head:]
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(key.encode() + code).digest() != digest:
        return None
    return code


def store(key: str, code: bytes) -> None:
    """Keep code under a key; where that fails it is compiled again next time."""
    if not enabled():
        return
    try:
        folder = directory()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_own(folder.stat()):
            return
        handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(_MAGIC + hashlib.sha256(key.encode() + code).digest() + code)
            # A reader in another process sees no file or the whole one.
            os.replace(name, folder / f"{key}.kernel")
        except OSError:
            os.unlink(name)
        _trim(folder)
    except (OSError, RuntimeError):
        return


def _is_own(status: os.stat_result) -> bool:
    """Whether only this user can have written it: the code will be run."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _trim(folder: Path) -> None:
    """Drop the oldest quarter when there are too many, and what processes that were killed left half written."""
    for p in folder.glob(".*.tmp"):
        if p.stat().st_mtime < time.time() - _ABANDONED:
            p.unlink(missing_ok=True)
    files = list(folder.glob("*.kernel"))
    if len(files) <= _MOST_FILES:
        return
    files.sort(key=lambda p: p.stat().st_mtime)
    for p in files[: _MOST_FILES // 4]:
        p.unlink(missing_ok=True)
