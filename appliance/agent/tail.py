"""The log as one stream of lines, whatever rotation makes of its file.

Renamed: the old file is read to its end, also while the writer still has it open, and
the new one once something is in it; then nobody writes to the old one any more. Copied
and cut (copytruncate): what was not read yet is found in the copy by the digest of the
last line. After a restart both are found the same way, and so is every file of
several rotations in between, by the order in which they were last written. What was
compressed or removed meanwhile is lost, and that is said.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from appliance.agent.logfile import Changed, FileChunk, LogFile
from appliance.agent.place import FilePlace
from appliance.log import get

log = get("agent")

Identity: TypeAlias = tuple[int, int]

# What logrotate and Postfix add to a name: .1, -20261126, .20261126-052631.
_ROTATED = re.compile(r"[.-]\d[\d._-]{0,40}")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that is the log or was."""

    path: Path
    identity: Identity
    size: int
    modified_ns: int


class FileTail:
    """Reads a log file and those that it was rotated into; close it."""

    def __init__(self, path: Path, place: FilePlace | None = None) -> None:
        self._path = path
        self._sought = place
        self._file: LogFile | None = None
        self.lost = 0
        """How often lines could not be found again."""

    def close(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, *, final: bool = False) -> FileChunk | None:
        """The next lines, None if there are none in this file.

        Raises:
            OSError: the log is not there or cannot be read; to be tried again.
        """
        file = self._file or self._first()
        self._file = file
        try:
            return file.read(final=final)
        except Changed:
            self._sought = file.place
            self.close()
            return self.read(final=final)

    def next_file(self) -> bool:
        """True if the log goes on in another file, where this one is read to its end.

        Raises:
            OSError: there is something else in the log's place.
        """
        return self._file is not None and self._next(self._file) is not None

    def turn(self) -> FileChunk | None:
        """Go on in the next file; a half line at the end of this one is all it has."""
        rest = self.read(final=True)
        assert self._file is not None
        if rest is None and (found := self._next(self._file)):
            fresh = LogFile(found.path)
            self.close()
            self._file = fresh
        return rest

    @property
    def place(self) -> FilePlace | None:
        """How far it was read, None if nothing ever was."""
        return self._sought if self._file is None else self._file.place

    def behind(self) -> int:
        """Bytes of this file that were not read yet."""
        return 0 if self._file is None else self._file.behind()

    def _first(self) -> LogFile:
        """The file with the place, at it; else what was written since, from its start.

        A place that is found nowhere is dropped only when something can be read.
        """
        place = self._sought
        if place is None:
            return LogFile(self._path)
        if not place.offset:  # no line to know it by: all that was written since
            return LogFile(self._since(place).path)
        for found in self._all(first=place.identity):
            file = LogFile(found.path)
            if file.resume(place):
                self._sought = None
                return file
            file.close()
        file = LogFile(self._since(place).path)
        self._sought = None
        self.lost += 1
        log.warning("agent.place_lost", log=self._path, goes_on_in=file.path)
        return file

    def _since(self, place: FilePlace) -> _Found:
        since_ns = int(place.seen_s * 1e9)
        later = [one for one in self._all() if one.modified_ns >= since_ns and one.size]
        own = _Found(self._path, (0, 0), 0, 0)
        return min(later, key=lambda one: one.modified_ns, default=own)

    def _next(self, file: LogFile) -> _Found | None:
        try:
            now = _look(self._path)
        except FileNotFoundError:
            return None  # the writer has not made the new one yet
        if now.identity == file.identity:
            return None
        written_ns = file.modified_ns
        later = [
            one
            for one in self._all()
            if one.modified_ns > written_ns
            and one.size
            and one.identity != file.identity
        ]
        first = min(later, key=lambda one: one.modified_ns, default=now)
        return first if first.size else None

    def _all(self, first: Identity = (0, 0)) -> list[_Found]:
        """The log and its rotated files; ``first`` comes first, then the newest."""
        return sorted(
            self._candidates(),
            key=lambda one: (one.identity != first, -one.modified_ns),
        )

    def _candidates(self) -> Iterator[_Found]:
        name = self._path.name
        for entry in os.scandir(self._path.parent):
            rest = entry.name.removeprefix(name) if entry.name != name else ".0"
            if entry.name.startswith(name) and _ROTATED.fullmatch(rest):
                try:
                    yield _look(Path(entry.path))
                except OSError:
                    continue  # it went meanwhile, or is a link


def _look(path: Path) -> _Found:
    """What is there.

    Raises:
        OSError: nothing, or no regular file.
    """
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is a link or no regular file")
    identity = found.st_dev, found.st_ino
    return _Found(path, identity, found.st_size, found.st_mtime_ns)
