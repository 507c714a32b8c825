"""What was said about a mail, noted as it goes over the wire.

Notes are cheap on purpose: lines and replies as they are, nothing is formatted. How a
connection came to be is noted once, in its `Opening`, for all that it carries. A
login is noted without its secrets, a content not at all.

Whoever reads them puts them into words; nothing is decided by them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from appliance.smtp.reply import Reply

MAX_NOTES: Final = 400  # of one side's trail: a hostile server may say much
Clock = Callable[[], float]
Note = bytes | Reply  # a line of ours, or an answer

CONTENT: Final = b"[the content, and its final dot]"
LOGIN: Final = b"AUTH [hidden]"


@dataclass(slots=True)
class Opening:
    """How a connection came to be, up to the first mail; times are in seconds."""

    began_at: float
    peer: str = ""
    tls: str = ""
    cipher: str = ""
    certificate: Mapping[str, str] = field(default_factory=dict)
    connect_s: float | None = None
    tls_s: float | None = None
    ready_s: float | None = None
    notes: list[Note] = field(default_factory=list)
    packed: bytes | None = None  # how it is stored, made once for all mails

    def note(self, what: Note) -> None:
        """Note one line or answer."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(what)


class Trail:
    """What was said about one mail on the last connection that carried it."""

    __slots__ = ("began_at", "content_at", "ended_at", "notes", "opening")

    def __init__(self) -> None:
        self.opening: Opening | None = None
        self.notes: list[Note] = []
        self.began_at = 0.0  # its MAIL was said
        self.content_at = 0.0  # its content was said; 0: never
        self.ended_at = 0.0

    def begin(self, opening: Opening | None, now: float) -> None:
        """A connection takes it; what was noted before is forgotten."""
        self.opening = opening
        self.notes = []
        self.began_at = now
        self.content_at = self.ended_at = 0.0

    def fail(self, opening: Opening, now: float) -> None:
        """The connection that it waited for did not come to be."""
        self.begin(opening, opening.began_at)
        self.ended_at = now

    def note(self, what: Note) -> None:
        """Note one line or answer."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(what)


monotonic: Final[Clock] = time.monotonic
