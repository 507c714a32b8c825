"""A log file that is open at a place: whole lines from there on.

It is opened to read, never through a symbolic link in its last part, and only if it is
a regular file: who can put a link or a pipe where the log was (ATTACKS 25) makes the
agent wait and say so, not read something else or hang.
"""

import errno
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.agent.maillog import MAX_LINE
from appliance.agent.place import MAX_LAST, FilePlace, digest

CHUNK = 128 * 1024


@dataclass(frozen=True, slots=True)
class FileChunk:
    """Lines without their ends; ``end`` is the place behind the last.

    A line that is too long stands alone, and cut.
    """

    lines: list[bytes]
    start: int
    end: FilePlace

    def after(self, index: int, done: int) -> FilePlace:
        """The place behind that line; up to there ``done`` bytes are read."""
        if index == len(self.lines) - 1:
            return self.end
        last = (self.lines[index] + b"\n")[-MAX_LAST:]
        device, inode = self.end.identity
        offset = self.start + done
        seen_s = self.end.seen_s
        return FilePlace(device, inode, offset, len(last), digest(last), seen_s)


class Changed(Exception):  # noqa: N818 - it is no error, it is what logs do
    """The file no longer holds what was read from it: it was cut."""


class LogFile:
    """One open file and how far it was read; close it."""

    def __init__(self, path: Path) -> None:
        """Open at the start.

        Raises:
            OSError: it cannot be opened, or is a link or no regular file.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self.path = path
        self._fd = os.open(path, flags)
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self._fd)
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        self.identity = found.st_dev, found.st_ino
        self._offset = 0
        self._last = b""
        self._head = b""  # of a line that is too long, while its end is looked for
        self._past = 0  # bytes of it that were read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    @property
    def place(self) -> FilePlace:
        """How far it was read."""
        last = self._last
        device, inode = self.identity
        offset, now_s = self._offset, time.time()
        return FilePlace(device, inode, offset, len(last), digest(last), now_s)

    @property
    def modified_ns(self) -> int:
        """When it was last written to."""
        return os.fstat(self._fd).st_mtime_ns

    def behind(self) -> int:
        """Bytes that were not read yet."""
        return max(0, os.fstat(self._fd).st_size - self._offset)

    def resume(self, place: FilePlace) -> bool:
        """Go to the place, if what stands before it is what stood there."""
        start = place.offset - place.length
        if start < 0 or place.length > MAX_LAST:
            return False
        last = os.pread(self._fd, place.length, start)
        if len(last) != place.length or digest(last) != place.digest:
            return False
        self._offset, self._last = place.offset, last
        return True

    def read(self, *, final: bool = False) -> FileChunk | None:
        """The next lines, None if there is no whole one; ``final`` takes half ones.

        Raises:
            Changed: the file was cut.
            OSError: it cannot be read.
        """
        while data := self._more():
            if self._past:
                if chunk := self._end_of_long(data):
                    return chunk
            elif data.startswith(b"\0"):
                self._skip_hole(len(data) - len(data.lstrip(b"\0")))
            elif whole := data.rfind(b"\n") + 1:
                return self._lines(data[:whole])
            elif len(data) >= CHUNK:
                self._head, self._past = data[:MAX_LINE], len(data)
            else:
                return self._lines(data) if final else None
        return None

    def _lines(self, text: bytes) -> FileChunk:
        start = self._offset
        self._offset += len(text)
        self._last = text[text.rfind(b"\n", 0, -1) + 1 :][-MAX_LAST:]
        return FileChunk(text.removesuffix(b"\n").split(b"\n"), start, self.place)

    def _skip_hole(self, size: int) -> None:
        """Who writes on where he was when the file was cut leaves zeros before it."""
        self._offset += size
        self._last = b"\0" * min(size, MAX_LAST)

    def _more(self) -> bytes:
        """What follows; read with what it follows on, so that no cut goes unseen."""
        last, offset = self._last, self._offset
        if self._past:
            if os.fstat(self._fd).st_size < offset + self._past:
                raise Changed
            return os.pread(self._fd, CHUNK, offset + self._past)
        data = os.pread(self._fd, len(last) + CHUNK, offset - len(last))
        if not data.startswith(last) or os.fstat(self._fd).st_size < offset:
            raise Changed
        return data[len(last) :]

    def _end_of_long(self, data: bytes) -> FileChunk | None:
        """The head of the line, once its end was seen."""
        found = data.find(b"\n") + 1
        self._past += found or len(data)
        if not found:
            return None
        start = self._offset
        self._offset += self._past
        kept = min(MAX_LAST, self._past)
        self._last = os.pread(self._fd, kept, self._offset - kept)
        head, self._head, self._past = self._head, b"", 0
        return FileChunk([head], start, self.place)
