"""A file of named members, every byte of which is what the writer would write again.

The directory says what the members are. From that alone follows each byte that is not data, and a checksum follows each
byte that is, so that damage anywhere is found. Must not know what the members hold.
"""

from __future__ import annotations

import io
import itertools
import os
import zlib
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, Final, NoReturn

from sdgraph.errors import FormatError
from sdgraph.store import zipped
from sdgraph.store.sums import LARGE, Summer, Sums, chunks
from sdgraph.store.zipped import Member, Unreadable
from sdgraph.wording import counted

_MOST_MEMBERS: Final = 1 << 24
_LONGEST_NAME: Final = 2048


class Writer:
    """Writes members one after another into a new, empty file; `finish` adds the directory.

    Args:
        file: The file.
        summer: What computes the sums of members.
    """

    def __init__(self, file: BinaryIO, summer: Summer) -> None:
        self._file = file
        self._summer = summer
        self._members: list[Member] = []
        self._digests: dict[str, str] = {}
        self._waiting: list[tuple[int, Callable[[], Sums]]] = []
        self._end = 0

    def add(self, name: str, parts: Iterable[Any]) -> None:
        """Write a member whose data are these buffers one after another; they must stay as they are."""
        views = [memoryview(part) for part in parts]
        member = Member(name, self._end, sum(view.nbytes for view in views), 0)
        sums = self._summer.sums(views)
        if member.size < LARGE:
            member = self._summed(member, sums())
            self._file.write(zipped.local_header(member))
        else:
            # The header has a size that does not depend on the sums.
            self._waiting.append((len(self._members), sums))
            self._file.seek(member.data)
        for chunk in itertools.chain.from_iterable(map(chunks, views)):
            self._file.write(chunk)
        self._members.append(member)
        self._end = member.end

    def digests(self, *, fsync: bool) -> dict[str, str]:
        """The SHA-256 of each member so far; with ``fsync``, the disk works while there is something to wait for."""
        if self._waiting and fsync:
            self._file.flush()
            os.fsync(self._file.fileno())
        for k, sums in self._waiting:
            member = self._members[k] = self._summed(self._members[k], sums())
            self._file.seek(member.offset)
            self._file.write(zipped.local_header(member))
        if self._waiting:
            self._waiting.clear()
            self._file.seek(self._end)
        return dict(self._digests)

    def finish(self) -> None:
        """Write the directory behind the last member."""
        self.digests(fsync=False)
        entries = zipped.directory(self._members)
        self._file.write(entries + zipped.end_record(len(self._members), self._end, len(entries)))

    def _summed(self, member: Member, sums: Sums) -> Member:
        self._digests[member.name] = sums.digest
        return member._replace(crc=sums.crc)


class Reader:
    """The members of a file, which was compared with what `Writer` would make of its directory.

    Args:
        file: Opened for reading, and seekable.
        name: What messages call the file.

    Raises:
        FormatError: If a byte outside of the members' data is another one.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name
        self.size = file.seek(0, io.SEEK_END)
        members, start = self._directory()
        self._check_layout(members, start)
        self.members = {m.name: m for m in members}
        """The members by name."""
        if len(self.members) != len(members):
            self.refuse("two members have the same name", start)

    def refuse(self, why: str, at: int, member: str | None = None) -> NoReturn:
        """Raise the error that says where the file is not as it should be."""
        place = f"byte {at:,} of {self.size:,}" + (f", in the member {member!r}" if member else "")
        raise FormatError(
            f"{self.name} is damaged, or no file of sdgraph: {why.removesuffix('.')}.",
            given=place,
            fix="Take another copy of it. What sdgraph writes is whole, or not there.",
        )

    def read(self, member: Member, most: int) -> bytes:
        """The data of a member that has at most ``most`` bytes."""
        if member.size > most:
            self.refuse(f"this member has {counted(member.size, 'byte')}, more than any", member.offset, member.name)
        data = bytearray(member.size)
        self.fill(member, 0, memoryview(data))
        if zlib.crc32(data) != member.crc:
            self.refuse("its checksum is another one", member.data, member.name)
        return bytes(data)

    def fill(self, member: Member, start: int, buffer: memoryview) -> None:
        """Fill a buffer from a member's data, from byte ``start`` on."""
        at = member.data + start
        self._file.seek(at)
        for piece in chunks(buffer):
            while piece:
                n = self._file.readinto(piece)  # type: ignore[attr-defined]
                if not n:
                    self.refuse("it ends too early", at, member.name)
                piece, at = piece[n:], at + n

    def compare(self, member: Member, sums: Sums, digest: str) -> None:
        """See that what was read of a member has its checksum and its digest."""
        if sums.crc != member.crc or sums.digest != digest:
            self.refuse("its data have another digest", member.data, member.name)

    def _bytes(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(end - start)

    def _directory(self) -> tuple[list[Member], int]:
        """The members, and where the directory begins."""
        first = max(self.size - zipped.LONGEST_END, 0)
        try:
            count, start, length = zipped.directory_place(self._bytes(first, self.size), self.size)
            if count > _MOST_MEMBERS or length > count * (_LONGEST_NAME + 128):
                raise Unreadable("it has too many members")
            entries = self._bytes(start, start + length)
            first = start
            members = zipped.members_of(entries, count)
        except Unreadable as e:
            self.refuse(str(e), first + e.at)
        expected = zipped.directory(members) + zipped.end_record(count, start, length)
        found = self._bytes(start, self.size)
        if found != expected:
            self.refuse(
                "its directory is not written as sdgraph writes it", start + zipped.first_difference(found, expected)
            )
        return members, start

    def _check_layout(self, members: list[Member], start: int) -> None:
        """Member follows on member, and each header is the one that goes with the directory."""
        at = 0
        for m in members:
            if m.offset != at or m.end > start:
                self.refuse("its members do not follow on each other", at, m.name)
            header, expected = self._bytes(m.offset, m.data), zipped.local_header(m)
            if header != expected:
                where = m.offset + zipped.first_difference(header, expected)
                self.refuse("its header is not written as sdgraph writes it", where, m.name)
            at = m.end
        if at != start:
            self.refuse("something stands between the last member and the directory", at)
