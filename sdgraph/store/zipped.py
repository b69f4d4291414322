"""The bytes of a zip file around its data: local headers, directory and end record.

A writer and a reader share these functions, so there is one way to write a given list of members and a reader can
demand it, to the byte. Data is stored, not compressed, and begins at multiples of `ALIGNMENT`, so that it can be mapped
into memory. Must not know what the members hold.

References:
    PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", version 6.3.10, 2022: sections 4.3 to 4.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

ALIGNMENT: Final = 64
"""Bytes: a cache line, and more than any dtype asks for."""

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<4sHHHHIIH")
_END64: Final = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<4sIQI")
_EXTRA: Final = struct.Struct("<HH")
_WIDE: Final = struct.Struct("<Q")

_ZIP64: Final = 0x0001
_PADDING: Final = 0xD935
"""The extra field with which zipalign fills up; programs skip what they do not know."""

_FULL16: Final = 0xFFFF
_FULL32: Final = 0xFFFF_FFFF
_DATE: Final = 1 << 5 | 1
"""The first day of 1980, the earliest there is: a file tells nothing about when it was written."""
_UNIX: Final = 3
_MODE: Final = 0o100644 << 16
_PLAIN, _LARGE = 20, 45
"""Versions of the format that a reader needs, without and with sizes of 64 bits."""


class Member(NamedTuple):
    """One member: its name in ASCII, where its local header stands, its size in bytes and its checksum."""

    name: str
    offset: int
    size: int
    crc: int

    @property
    def data(self) -> int:
        """Where its data begins."""
        return self.offset + header_size(self.name, self.offset, self.size)

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.data + self.size


def header_size(name: str, offset: int, size: int) -> int:
    """Bytes of the local header that stands at ``offset``, its filling included."""
    plain = _LOCAL.size + len(name) + (_EXTRA.size + 2 * _WIDE.size if size >= _FULL32 else 0) + _EXTRA.size
    return plain + -(offset + plain) % ALIGNMENT


def local_header(m: Member) -> bytes:
    """What stands before a member's data."""
    name = m.name.encode("ascii")
    large = m.size >= _FULL32
    extra = _EXTRA.pack(_ZIP64, 2 * _WIDE.size) + _WIDE.pack(m.size) * 2 if large else b""
    filling = header_size(m.name, m.offset, m.size) - _LOCAL.size - len(name) - len(extra) - _EXTRA.size
    extra += _EXTRA.pack(_PADDING, filling) + bytes(filling)
    size = _FULL32 if large else m.size
    version = _LARGE if large else _PLAIN
    return _LOCAL.pack(b"PK\3\4", version, 0, 0, 0, _DATE, m.crc, size, size, len(name), len(extra)) + name + extra


def directory(members: Iterable[Member]) -> bytes:
    """The list of all members."""
    return b"".join(map(_entry, members))


def _entry(m: Member) -> bytes:
    name = m.name.encode("ascii")
    wide = [n for n in (m.size, m.size) if m.size >= _FULL32] + [n for n in (m.offset,) if m.offset >= _FULL32]
    extra = _EXTRA.pack(_ZIP64, len(wide) * _WIDE.size) + b"".join(map(_WIDE.pack, wide)) if wide else b""
    version = _LARGE if wide else _PLAIN
    size, offset = min(m.size, _FULL32), min(m.offset, _FULL32)
    made = _UNIX << 8 | version
    fixed = (made, version, 0, 0, 0, _DATE, m.crc, size, size, len(name), len(extra), 0, 0, 0, _MODE, offset)
    return _CENTRAL.pack(b"PK\1\2", *fixed) + name + extra


def end_record(count: int, start: int, size: int) -> bytes:
    """What stands behind a directory of ``count`` members that begins at ``start``."""
    tail = b""
    if count >= _FULL16 or start >= _FULL32 or size >= _FULL32:
        tail = _END64.pack(b"PK\6\6", _END64.size - 12, _UNIX << 8 | _LARGE, _LARGE, 0, 0, count, count, size, start)
        tail += _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    count, size, start = min(count, _FULL16), min(size, _FULL32), min(start, _FULL32)
    return tail + _END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0)


LONGEST_END: Final = _END64.size + _LOCATOR.size + _END.size
"""Bytes of the longest end record."""


class Unreadable(ValueError):
    """The bytes are no directory. Says where, counted from the begin of what was given."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


def directory_place(tail: bytes, size: int) -> tuple[int, int, int]:
    """From the last bytes of a file of ``size`` bytes: the number of members, and begin and size of the directory."""
    if len(tail) < _END.size or not tail[-_END.size :].startswith(b"PK\5\6"):
        raise Unreadable("the end record is missing", max(len(tail) - _END.size, 0))
    _, _, _, _, count, length, start, _ = _END.unpack(tail[-_END.size :])
    wide = len(tail) - LONGEST_END
    if wide >= 0 and tail[wide:].startswith(b"PK\6\6"):
        *_, count, length, start = _END64.unpack(tail[wide : wide + _END64.size])
    if start + length + len(end_record(count, start, length)) != size:
        raise Unreadable("the sizes in the end record are not those of the file")
    return count, start, length


def members_of(entries: bytes, count: int) -> list[Member]:
    """The members that a directory lists; whether it is written as `directory` writes it is for the caller to see."""
    found: list[Member] = []
    at = 0
    while at < len(entries) and len(found) < count:
        member, at = _read_entry(entries, at)
        found.append(member)
    if len(found) != count or at != len(entries):
        raise Unreadable("the directory does not have the entries that it should", at)
    return found


def _read_entry(entries: bytes, at: int) -> tuple[Member, int]:
    if not entries.startswith(b"PK\1\2", at) or at + _CENTRAL.size > len(entries):
        raise Unreadable("an entry of the directory is damaged", at)
    fields = _CENTRAL.unpack_from(entries, at)
    crc, size, n_name, n_extra, offset = fields[7], fields[9], fields[10], fields[11], fields[-1]
    first = at + _CENTRAL.size
    end = first + n_name + n_extra
    extra = entries[first + n_name : end]
    wide = list(struct.iter_unpack("<Q", extra[_EXTRA.size :])) if len(extra) % 8 == _EXTRA.size else []
    try:
        if size == _FULL32:
            (size,), _ = wide.pop(0), wide.pop(0)
        if offset == _FULL32:
            (offset,) = wide.pop(0)
        return Member(entries[first : first + n_name].decode("ascii"), offset, size, crc), end
    except (IndexError, UnicodeDecodeError) as e:
        raise Unreadable("an entry of the directory is damaged", at) from e


def first_difference(a: Sequence[int], b: Sequence[int]) -> int:
    """Where two byte strings differ first; the length of the shorter one if that begins the other."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
