"""What outlives the agent: the place up to which all is reported, and the queue ids.

The place is written after each batch that the server has taken, and synced: a few
hundred bytes. The queue ids are many, so they are written now and then only, with the
place at which they were so; after a restart the lines from there to the place are read
again in silence, which makes them what they were. They are written only while nothing
waits to be sent, because an id that was freed behind the place would be missing.

If the machine stops between the server's answer and the sync, that batch is sent again,
and the server takes what it knows without effect.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from appliance.agent.place import Cursor, FilePlace, Place, read_place

_PLACE = "place.json"
_IDS = "queue-ids.json"
_LOCK = "lock"
MAX_BYTES = 16 << 20


class Busy(Exception):  # noqa: N818 - the other one is no error
    """Another agent keeps its place here."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept; ``ids_place`` is where the queue ids were so."""

    place: Place | None = None
    ids_place: Place | None = None
    ids: Mapping[str, str] = field(default_factory=dict)


def _one_stream(first: Place, last: Place) -> bool:
    """True if going on at the first leads to the last."""
    if isinstance(first, FilePlace) and isinstance(last, FilePlace):
        return first.identity == last.identity and first.offset <= last.offset
    return isinstance(first, Cursor) and isinstance(last, Cursor)


class Keeper:
    """Keeps both in a folder, for one source of lines and one agent."""

    def __init__(self, folder: Path, source: str) -> None:
        """Take the folder; it is made if it is not there.

        Raises:
            Busy: another agent has it.
            OSError: it cannot be had.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._source = source
        self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Busy(str(folder)) from None

    def close(self) -> None:
        """Let another have it."""
        os.close(self._lock)

    def load(self) -> Kept:
        """What is kept of this source; what is broken counts as not there."""
        place = read_place(self._read(_PLACE).get("place"))
        told = self._read(_IDS)
        ids, ids_place = told.get("ids"), read_place(told.get("place"))
        if place is None or not isinstance(ids, dict):
            return Kept(place)
        if ids_place is None or not _one_stream(ids_place, place):
            ids_place = None
        return Kept(place, ids_place, ids)

    def keep_place(self, place: Place) -> None:
        """All before it is reported; on disk when this returns.

        Raises:
            OSError: it is not.
        """
        self._write(_PLACE, {"place": asdict(place)})

    def keep_ids(self, place: Place, ids: Mapping[str, str]) -> None:
        """The queue ids are these at this place, and nothing waits to be sent.

        Raises:
            OSError: that is not on disk.
        """
        self.keep_place(place)
        self._write(_IDS, {"place": asdict(place), "ids": dict(ids)})

    def _read(self, name: str) -> dict[str, object]:
        try:
            with (self._folder / name).open("rb") as file:
                told = json.loads(file.read(MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) and self._is_ours(told) else {}

    def _is_ours(self, told: dict[str, object]) -> bool:
        return told.get("source") == self._source

    def _write(self, name: str, facts: Mapping[str, object]) -> None:
        """The file is the new one or the old one, whenever the machine stops."""
        fresh = self._folder / f"{name}.new"
        with fresh.open("wb") as file:
            file.write(json.dumps({"source": self._source, **facts}).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
