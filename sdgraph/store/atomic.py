"""A file that is replaced as a whole: whoever looks finds the old one or the new one, whatever happens meanwhile.

Must not know what is written.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

_DAY: Final = 86_400.0
_TEMPORARY: Final = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.[0-9a-f]{8}\.tmp")


def replaced(path: str | os.PathLike[str], write: Callable[[BinaryIO], object], *, fsync: bool, keep: bool) -> Path:
    """Let ``write`` fill a new file, and put it where ``path`` says.

    The new file has the permissions of the old one, or those of any new file. A link stays, and what it points to is
    replaced. What earlier calls left behind when they were killed is removed.

    Args:
        path: The file; its folder must exist.
        write: Is given the new file, empty and opened for reading and writing.
        fsync: Whether to wait until the disk has it.
        keep: Whether the old file stays under its name with ``~`` behind it.

    Returns:
        The path.

    Raises:
        OSError: If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    _remove_leftovers(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "x+b") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            write(file)
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        if keep:
            _keep(target)
        os.replace(temporary, target)
    except BaseException:
        # Also for Ctrl-C, which may come between any two of these lines.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if fsync:
        _sync_folder(target.parent)
    return Path(path)


def _keep(target: Path) -> None:
    """Give the old file a second name, before the new one takes its first: there is a whole file at any time."""
    second = target.with_name(target.name + "~")
    between = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        os.link(target, between)
    except FileNotFoundError:
        return
    except OSError:
        shutil.copy2(target, between)  # Not every file system has links.
    os.replace(between, second)


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the new name; systems that cannot open a folder do that by themselves."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_leftovers(target: Path) -> None:
    """Remove what processes that are gone left of this file; never what one that lives is writing."""
    now = time.time()
    with contextlib.suppress(OSError):
        for entry in os.scandir(target.parent):
            match = _TEMPORARY.fullmatch(entry.name)
            if match is None or match["name"] != target.name:
                continue
            with contextlib.suppress(OSError):
                if not _lives(int(match["process"])) or now - entry.stat().st_mtime > _DAY:
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
