"""Checksum and digest of data that is written or read, computed on other cores meanwhile where the data is large.

Must not know files.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sdgraph.run.engines.threads import get_num_threads

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

CHUNK: Final = 1 << 23
"""Bytes that are written or read at once."""

LARGE: Final = 1 << 21
"""Bytes whose sums take longer than a thread takes to start."""

_STEP: Final = 1 << 20
"""Bytes that are summed at once: both sums find them in the cache, and a thread that must end does so soon."""


class Sums(NamedTuple):
    """CRC-32, and SHA-256 in hexadecimal digits."""

    crc: int
    digest: str


def chunks(data: Any, size: int = CHUNK) -> Iterator[memoryview]:
    """The bytes of a buffer, piece by piece."""
    view = memoryview(data)
    if view.nbytes:  # Python casts no view of nothing.
        view = view.cast("B")
    for k in range(0, len(view), size):
        yield view[k : k + size]


class Summer:
    """Computes sums of buffers. A block must enclose the use, so that an error ends the threads.

    Example:
        >>> with Summer() as summer:
        ...     found = summer.sums([b"ab", b"c"])
        >>> hex(found().crc), found().digest[:16]
        ('0x352441c2', 'ba7816bf8f01cfea')
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._given_up = False

    def __enter__(self) -> Summer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._given_up = kind is not None
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=self._given_up)

    def sums(self, parts: Iterable[Any]) -> Callable[[], Sums]:
        """A function that gives the sums of these buffers in a row; they must stay as they are until it was called."""
        views = [memoryview(part) for part in parts]
        if sum(view.nbytes for view in views) >= LARGE:
            try:
                return self._threads().submit(self._of, views).result
            except RuntimeError:
                pass  # A system without threads, or an interpreter that ends.
        found = self._of(views)
        return lambda: found

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(get_num_threads(), thread_name_prefix="sdgraph sums")
        return self._pool

    def _of(self, views: list[memoryview]) -> Sums:
        crc, sha = 0, sha256()
        for view in views:
            for piece in chunks(view, _STEP):
                if self._given_up:
                    break
                sha.update(piece)
                crc = zlib.crc32(piece, crc)
        return Sums(crc, sha.hexdigest())
