"""A message on its way in, kept within its bound and judged at its end.

Decides where the content behind DATA ends: at CRLF.CRLF and nowhere else. And
decides which content is no message: one that is too big, holds a NUL, or a CR or
LF that stands alone (RFC 5321 2.3.8). What it says is not looked at here.
"""

from io import BytesIO
from typing import Final

from appliance.smtp.grammar import has_lone_line_end
from appliance.smtp.reply import Reply
from appliance.smtp.server_words import HAS_NUL, LONE_LINE_END, TOO_BIG

_END: Final = b"\r\n.\r\n"
_DOT: Final = b"\r\n."
_HELD_BACK: Final = len(_END) - 1  # of these the end may be made


class Content:
    """What came of one message; nothing is kept of one that will be refused."""

    __slots__ = ("_kept", "_max_size", "_stuffing", "_too_big", "refusal")

    def __init__(self, max_size: int, too_big: Reply = TOO_BIG) -> None:
        self._max_size = max_size
        self._too_big = too_big  # what is said of more
        self._kept = BytesIO()
        self._stuffing = 0  # dots among what is kept that are not the message's
        self.refusal: Reply | None = None  # then what still comes is dropped

    @property
    def held(self) -> int:
        """How many bytes are in memory."""
        return self._kept.tell()

    def refuse(self, reply: Reply) -> None:
        """Drop what came and what will come; the first refusal stands."""
        if self.refusal is None:
            self.refusal = reply
            self._kept = BytesIO()

    def keep(self, piece: bytes) -> None:
        """Add to the message, unless it is too much or was already."""
        if self.refusal is not None:
            return
        if self._kept.tell() + len(piece) - self._stuffing > self._max_size:
            self.refuse(self._too_big)
        else:
            self._kept.write(piece)

    def finish(self, *, normalise: bool = False) -> bytes | Reply:
        """The message, or the words in which it is refused.

        With `normalise` a CR or LF alone becomes a line end as every other.
        """
        if self.refusal is not None:
            return self.refusal
        data = self._unstuffed(self._kept.getvalue())
        self._kept = BytesIO()
        if b"\0" in data:
            return HAS_NUL
        if has_lone_line_end(data):
            if not normalise:
                return LONE_LINE_END
            data = _normalised(data)
        if len(data) > self._max_size:
            return self._too_big
        if data and not data.endswith(b"\r\n"):
            data += b"\r\n"
        return data

    def _unstuffed(self, data: bytes) -> bytes:
        return data


class DottedContent(Content):
    """Content behind DATA, which ends with a dot on a line of its own."""

    __slots__ = ("_borrowed", "_tail", "is_complete")

    def __init__(self, max_size: int, too_big: Reply = TOO_BIG) -> None:
        super().__init__(max_size, too_big)
        # What was read and is not kept yet. It begins with a CRLF that is no
        # content, the command's own: a dot behind it stands first on its line.
        self._tail = b"\r\n"
        self._borrowed = len(self._tail)
        self.is_complete = False

    @property
    def held(self) -> int:
        """How many bytes are in memory."""
        return self._kept.tell() + len(self._tail)

    def feed(self, data: bytes, at: int) -> int:
        """Take in what belongs to the content; returns where the rest begins."""
        is_first = len(self._tail) == self._borrowed
        if is_first and not data.startswith(b".\r\n", at):
            end = data.find(_END, at)
            if end >= 0:
                return self._take_whole(data, at, end)
        return self._take_part(data, at)

    def _take_whole(self, data: bytes, at: int, end: int) -> int:
        """All of it came at once, as nearly every message does."""
        piece = data[at : end + 2]
        self._stuffing = piece.count(_DOT) + piece.startswith(b".")
        self.keep(piece)
        self._tail, self.is_complete = b"", True
        return end + len(_END)

    def _take_part(self, data: bytes, at: int) -> int:
        tail, lump = self._tail, self._tail + data[at:]
        end = lump.find(_END)
        self.is_complete = end >= 0
        # A dot of the tail was counted with it; the last dot is no stuffing.
        dots = lump.count(_DOT, 0, end + 2 if self.is_complete else len(lump))
        self._stuffing += dots - tail.count(_DOT)
        stop = end + 2 if self.is_complete else max(len(lump) - _HELD_BACK, 0)
        self.keep(lump[self._borrowed : stop])
        self._borrowed = max(self._borrowed - stop, 0)
        self._tail = b"" if self.is_complete else lump[stop:]
        if self.is_complete:
            return at + end + len(_END) - len(tail)
        return len(data)

    def _unstuffed(self, data: bytes) -> bytes:
        if not self._stuffing:
            return data
        return data.removeprefix(b".").replace(_DOT, b"\r\n")


def _normalised(data: bytes) -> bytes:
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n", b"\r\n")
