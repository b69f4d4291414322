"""A file that is replaced as a whole: whoever looks finds the old one or the new one, whatever happens meanwhile.

Must not know what is written.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import io
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

_DAY: Final = 86_400.0
_TEMPORARY: Final = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.(?P<host>[0-9a-f]{4})[0-9a-f]{8}\.tmp")
_LONGEST: Final = 200
"""Bytes of a name that a temporary name holds as it is: file systems have room for some 255."""
_NO_FOLDERS: Final = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM}
"""How file systems say that a folder is nothing to wait for, or that it may be written but not opened."""


def replaced(path: str | os.PathLike[str], write: Callable[[BinaryIO], object], *, fsync: bool, keep: bool) -> Path:
    """Let ``write`` fill a new file, and put it where ``path`` says.

    The new file has the permissions of the old one, or those of any new file. A link stays, and what it points to is
    replaced; another hard link to the old file keeps the old one. What earlier calls left behind when they were killed
    is removed. What is no file but a device or a pipe is written to.

    Args:
        path: The file; its folder must exist.
        write: Is given the new file, empty and opened for reading and writing.
        fsync: Whether to wait until the disk has it.
        keep: Whether the old file stays under its name with ``~`` behind it.

    Returns:
        The path.

    Raises:
        OSError: If the file cannot be written; names the path.
    """
    try:
        mode = _mode(path)
        if mode is None or stat.S_ISREG(mode):
            _replace(Path(os.path.realpath(path)), mode, write, fsync=fsync, keep=keep)
        elif stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        else:
            _pour(path, write)
    except OSError as e:
        if e.errno is None or (e.filename is not None and not _TEMPORARY.fullmatch(os.path.basename(str(e.filename)))):
            raise
        # Nobody knows the temporary file, and an error of writing names none.
        raise OSError(e.errno, e.strerror, os.fspath(path)) from e
    return Path(path)


def _mode(path: str | os.PathLike[str]) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _pour(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write to what nobody can go back in."""
    whole = io.BytesIO()
    write(whole)
    with open(path, "wb") as file:
        file.write(whole.getbuffer())


def _replace(target: Path, mode: int | None, write: Callable[[BinaryIO], object], *, fsync: bool, keep: bool) -> None:
    remove_leftovers(target.parent, _label(target.name).__eq__)
    temporary, second = _temporary(target), _temporary(target)
    allowed = 0o666 if mode is None else stat.S_IMODE(mode)
    try:
        # Nobody may open it who may not open the old one, not even before it has its permissions.
        with open(temporary, "x+b", opener=lambda name, flags: os.open(name, flags, allowed)) as file:
            if mode is not None:
                os.chmod(temporary, allowed)
            write(file)
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        if keep and mode is not None:
            _keep(target, second)
        os.replace(temporary, target)
    except BaseException:
        # Also for Ctrl-C, which may come between any two of these lines.
        for left in (temporary, second):
            with contextlib.suppress(OSError):
                os.unlink(left)
        raise
    if fsync:
        _sync_folder(target.parent)


def _keep(target: Path, second: Path) -> None:
    """Give the old file a second name, before the new one takes its first: there is a whole file at any time."""
    try:
        os.link(target, second)
    except OSError:
        shutil.copy2(target, second)  # Not every file system has links.
    os.replace(second, target.with_name(target.name + "~"))
    # Nothing was renamed if both were the same file already.
    second.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the new name; systems that cannot open a folder do that by themselves."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as e:
        if e.errno not in _NO_FOLDERS:
            raise


# ---------------------------------------------------------------------- temporary files


def _temporary(target: Path) -> Path:
    return target.with_name(f".{_label(target.name)}.{os.getpid()}.{_host()}{secrets.token_hex(4)}.tmp")


def _label(name: str) -> str:
    """What a temporary name holds of a name: a digest where there is no room for all of it."""
    data = os.fsencode(name)
    return name if len(data) <= _LONGEST else hashlib.sha256(data).hexdigest()


@functools.cache
def _host() -> str:
    """What tells this computer from others that see the folder, where the numbers of processes mean others."""
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:4]


def remove_leftovers(folder: Path, label: Callable[[str], object]) -> None:
    """Remove what processes that are gone left of files whose label is wanted; never what one that lives is writing."""
    now = time.time()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match is None or not label(match["name"]):
                continue
            with contextlib.suppress(OSError):
                if now - entry.stat(follow_symlinks=False).st_mtime > _DAY or not (
                    match["host"] != _host() or _lives(int(match["process"]))
                ):
                    os.unlink(entry.path)


def _lives(process: int) -> bool:
    """Whether a process is there; where asking would end it, time decides alone."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
