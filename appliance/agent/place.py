"""How far the log was read, in words that still mean something after a restart.

In a file it is the file's identity, the offset, and a digest of the last line, since
an inode number comes again and a file can be copied and cut. In the journal it is the
cursor of the last entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeAlias

MAX_LAST = 1024  # bytes of a line that are compared
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Behind a line of a file; ``length`` bytes of it have that digest.

    ``seen_s`` is when it was there: a log that is lost since is looked for behind it.
    """

    device: int
    inode: int
    offset: int
    length: int = 0
    digest: str = ""
    seen_s: float = field(default=0.0, compare=False)

    def reaches(self, other: "Place | None") -> bool:
        """True if nothing lies between this and the other that is behind it."""
        if not isinstance(other, FilePlace) or other.identity != self.identity:
            return True
        return self.offset >= other.offset

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is, whatever it is called."""
        return self.device, self.inode


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind an entry of the journal; ``at_us`` is the entry's moment."""

    cursor: str
    at_us: int = 0

    def reaches(self, other: "Place | None") -> bool:
        """True if nothing lies between this and the other that is behind it."""
        if not isinstance(other, Cursor):
            return True
        return self.cursor == other.cursor or self.at_us > other.at_us


Place: TypeAlias = FilePlace | Cursor


def digest(last: bytes) -> str:
    """What stands for the end of a line in a place."""
    return blake2b(last, digest_size=_DIGEST_BYTES).hexdigest()


def read_place(words: object) -> Place | None:
    """The place that was written down as these words, None if it is none."""
    if not isinstance(words, Mapping):
        return None
    kind = Cursor if "cursor" in words else FilePlace
    try:
        place = kind(**words)
    except TypeError:
        return None
    return place if _sound(place) else None


def _sound(place: Place) -> bool:
    if isinstance(place, Cursor):
        return isinstance(place.cursor, str) and type(place.at_us) is int
    numbers = (place.device, place.inode, place.offset, place.length)
    return (
        all(type(one) is int and one >= 0 for one in numbers)
        and isinstance(place.digest, str)
        and isinstance(place.seen_s, int | float)
    )
