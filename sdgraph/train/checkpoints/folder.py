"""The files that a run of training leaves in a folder: numbered, the newest found, others removed.

A file is written whole or not at all, and none is removed before a newer one is on the disk. Must not know what files
hold.
"""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeVar

from sdgraph.errors import FormatError, ResumeWarning, UnknownOpError
from sdgraph.store.atomic import remove_leftovers

T = TypeVar("T")

_NAME: Final = re.compile(r"step-(\d{9,})\.sdg")


class Folder:
    """Files by number.

    Args:
        path: The folder, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, number: int) -> Path:
        """The file of a number."""
        return self.path / f"step-{number:09}.sdg"

    def numbers(self) -> list[int]:
        """The numbers of the files that are there, ascending."""
        with contextlib.suppress(FileNotFoundError):
            found = [_NAME.fullmatch(name) for name in os.listdir(self.path)]
            return sorted(int(match[1]) for match in found if match is not None)
        return []

    def newest(self, read: Callable[[Path], T]) -> T | None:
        """What is in the newest file that can be read; None without any.

        Raises:
            FormatError: If there are files, and none can be read.

        Warns:
            ResumeWarning: For each file that cannot.
        """
        error: FormatError | None = None
        for number in reversed(self.numbers()):
            file = self.file(number)
            try:
                return read(file)
            except UnknownOpError:
                raise
            except FormatError as e:
                error = error or e
                warnings.warn(f"{file} cannot be read, so an older one is looked for. {e}", ResumeWarning, stacklevel=2)
        if error is not None:
            raise error
        return None

    def set_aside(self, above: int) -> None:
        """Rename files with greater numbers, which would be taken for the newest."""
        for number in self.numbers():
            if number > above:
                file = self.file(number)
                os.replace(file, file.with_name(f"{file.name}.damaged"))

    def remove_but(self, kept: Collection[int]) -> None:
        """Remove files with other numbers, the oldest first, and what is left of a write that was killed."""
        remove_leftovers(self.path, _NAME.fullmatch)
        for number in self.numbers():
            if number not in kept:
                self.file(number).unlink(missing_ok=True)
