"""Bytes from a client that nothing has used up yet, cut into lines within a bound.

Decides what is a line: it ends with CRLF and is no longer than its kind may be.
One that is too long is used up and refused. At an LF alone it is not known what
is a line and what is not: whoever gets `BARE_LINE_END` should read no further.
Content is not cut here; who reads it takes from `data` at `at`.
"""

from typing import Final

from appliance.smtp.reply import Reply
from appliance.smtp.server_words import BARE_LINE_END, LINE_TOO_LONG, RESPONSE_TOO_LONG

# RFC 5321 4.5.3.1.4 says 512 and each extension adds its own; a path of SMTPUTF8
# with every parameter stays far below this.
MAX_LINE_BYTES: Final = 2_048
MAX_AUTH_LINE_BYTES: Final = 12_288  # RFC 4954 4
_CR: Final = 0x0D


class Inbox:
    """What is unread; holds no line longer than the bounds above."""

    __slots__ = ("_overlong", "at", "data")

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self._overlong: Reply | None = None  # what a line earned that is being dropped

    @property
    def waiting(self) -> int:
        """How many bytes are unread."""
        return len(self.data) - self.at

    def feed(self, data: bytes) -> None:
        """Take in what the client sent."""
        rest = self.data[self.at :]
        self.data = rest + data if rest else data
        self.at = 0

    def shrink(self) -> None:
        """Hold on to nothing that is used up; a session may idle for hours."""
        if self.at >= len(self.data):
            self.data, self.at = b"", 0

    def clear(self) -> bool:
        """Forget all that is unread; True if there was anything."""
        had = self.waiting > 0
        self.data, self.at, self._overlong = b"", 0, None
        return had

    def begins_with(self, octet: bytes) -> bool:
        """True if the next line begins so."""
        return self._overlong is None and self.data.startswith(octet, self.at)

    def take(self, size: int) -> bytes:
        """The next bytes, at most so many."""
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def next_line(self, *, in_auth: bool = False) -> bytes | Reply | None:
        """The next line without its end, its refusal, or None until more comes."""
        if self._overlong is not None:
            return self._end_of_overlong(self._overlong)
        data, at = self.data, self.at
        end = data.find(b"\n", at, at + MAX_LINE_BYTES)
        if end < 0:
            if self.waiting < MAX_LINE_BYTES:
                return None
            end = self._long_end(in_auth=in_auth)
            if end < 0:
                return None if self._overlong is None else self.next_line()
        self.at = end + 1
        is_whole = end > at and data[end - 1] == _CR
        return data[at : end - 1] if is_whole else BARE_LINE_END

    def _long_end(self, *, in_auth: bool) -> int:
        """Where a long line ends; less than 0 if it has not, or must not."""
        is_auth = self.data[self.at : self.at + 5].upper() == b"AUTH "
        if not (in_auth or is_auth):
            self._overlong = LINE_TOO_LONG
            return -1
        end = self.data.find(b"\n", self.at, self.at + MAX_AUTH_LINE_BYTES)
        if end < 0 and self.waiting >= MAX_AUTH_LINE_BYTES:
            self._overlong = RESPONSE_TOO_LONG
        return end

    def _end_of_overlong(self, refusal: Reply) -> Reply | None:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            # The last byte says whether an LF that comes next stands alone.
            self.data, self.at = self.data[-1:], 0
            return None
        is_whole = self.data[end - 1 : end] == b"\r"
        self.at = end + 1
        self._overlong = None
        return refusal if is_whole else BARE_LINE_END
