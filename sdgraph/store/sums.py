"""Checksum and digest of data that is written or read, computed beside that where the data is large.

Must not know files.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from hashlib import sha256
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

CHUNK: Final = 1 << 23
"""Bytes that are written, read or summed at once."""

_WORTH_A_THREAD: Final = 1 << 21
"""Bytes whose digest takes longer than a thread takes to start."""


def chunks(data: Any) -> Iterator[memoryview]:
    """The bytes of a buffer, piece by piece."""
    view = memoryview(data)
    if view.nbytes:  # Python casts no view of nothing.
        view = view.cast("B")
    for k in range(0, len(view), CHUNK):
        yield view[k : k + CHUNK]


class Sums:
    """CRC-32 and SHA-256 of pieces that come one after another.

    Of large data a thread computes the digest, which takes longest, while the caller writes or reads on. A block must
    enclose the use, so that an error ends the thread.

    Args:
        size: Bytes that will come.

    Example:
        >>> with Sums(3) as sums:
        ...     sums.add(b"abc")
        >>> hex(sums.crc), sums.digest[:16]
        ('0x352441c2', 'ba7816bf8f01cfea')
    """

    def __init__(self, size: int) -> None:
        self.crc = 0
        """The checksum of what was added."""
        self._sha = sha256()
        self._waiting: SimpleQueue[memoryview | None] = SimpleQueue()
        self._given_up = False
        self._thread: Thread | None = None
        if size >= _WORTH_A_THREAD:
            thread = Thread(target=self._run, name="sdgraph digest")
            # Not on a system without threads, and not while the interpreter ends.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def __enter__(self) -> Sums:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._given_up = kind is not None
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def add(self, data: Any) -> None:
        """Go on with these bytes, which must stay as they are until the end of the block."""
        for chunk in chunks(data):
            if self._thread is None:
                self._sha.update(chunk)
            else:
                self._waiting.put(chunk)
            self.crc = zlib.crc32(chunk, self.crc)

    @property
    def digest(self) -> str:
        """The digest of what was added; known at the end of the block."""
        return self._sha.hexdigest()

    def _run(self) -> None:
        while (chunk := self._waiting.get()) is not None and not self._given_up:
            self._sha.update(chunk)
