"""Compiled code on disk, so that the next process compiles nothing.

One file per kernel in a directory of the user's own, named after a digest of everything that decides the code. What is
read here will be run. So a file counts only if this user alone can have written it there: it is a regular file, it and
its directory belong to the user, nobody else may write to either, and links to elsewhere are not followed.
``SDGRAPH_CACHE=0`` turns it off, ``SDGRAPH_CACHE_DIR`` moves it. Must not know LLVM.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
import tempfile
import time
from pathlib import Path

_MAGIC = b"sdgraph kernel 1\n"
_DIGEST = 32
_MOST_FILES = 4096
_MOST_BYTES = 128 << 20
_TRIM_EVERY = 64
"""Files that a process writes between two looks at how large the directory has become; the first is followed by one."""
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
        folder = directory()
        data = _read(folder / f"{key}.kernel") if _is_own_folder(folder) else None
    except (OSError, RuntimeError):  # No home directory is a RuntimeError.
        return None
    if data is None:
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
        if _may_make(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_own_folder(folder):
            return
        handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(_MAGIC + hashlib.sha256(key.encode() + code).digest() + code)
            # A reader in another process sees no file or the whole one.
            os.replace(name, folder / f"{key}.kernel")
        except OSError:
            os.unlink(name)
        if next(_stores) % _TRIM_EVERY == 0:
            _trim(folder)
    except (OSError, RuntimeError):
        return


_stores = itertools.count()


def _read(path: Path) -> bytes | None:
    """What stands in a file that only this user can have written, or None."""
    # Not to block: opening what another process should write to, a FIFO, would wait for it.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or not _is_own(status):
            return None
        with open(handle, "rb", closefd=False) as f:
            return f.read()
    finally:
        os.close(handle)


def _is_own(status: os.stat_result) -> bool:
    """Whether only this user can have written it."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _is_own_folder(folder: Path) -> bool:
    """Whether only this user can have put files there; a link to a directory must be the user's as well."""
    status = folder.lstat()
    if stat.S_ISLNK(status.st_mode):
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
            return False
        status = folder.stat()
    return stat.S_ISDIR(status.st_mode) and _is_own(status)


def _may_make(folder: Path) -> bool:
    """Whether to make the directory: not in another user's home, who could never write there.

    Root has such a home where a program is run through sudo.
    """
    if not hasattr(os, "geteuid") or os.environ.get("SDGRAPH_CACHE_DIR"):
        return True
    above = next(p for p in (folder, *folder.parents) if p.exists())
    return above.stat().st_uid in (0, os.geteuid())


def _trim(folder: Path) -> None:
    """Drop the oldest until a quarter is free, where there is too much; and what killed processes left half written."""
    files = []
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        with contextlib.suppress(FileNotFoundError):  # Another process trims, too.
            status = entry.stat(follow_symlinks=False)
            if entry.name.endswith(".kernel"):
                files.append((status.st_mtime, status.st_size, entry.path))
            elif entry.name.endswith(".tmp") and status.st_mtime < time.time() - _ABANDONED:
                os.unlink(entry)
    total = sum(size for _, size, _ in files)
    if len(files) <= _MOST_FILES and total <= _MOST_BYTES:
        return
    for k, (_, size, path) in enumerate(sorted(files)):
        if len(files) - k <= _MOST_FILES * 3 // 4 and total <= _MOST_BYTES * 3 // 4:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
