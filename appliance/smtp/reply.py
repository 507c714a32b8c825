"""What a server answers: one `Reply`, said by `encode` and found by `ReplyReader`.

Decides how generous to be with replies: LF alone ends a line, any text is made
printable, an odd enhanced code is ignored; and that no text of a reply of ours
can end its line. What a reply means for a message is left to `pipeline` and
`flow/`.
"""

import functools
import re
from dataclasses import field
from typing import Final, NamedTuple

from appliance.smtp.errors import LocalProtocolError, RemoteProtocolError
from appliance.value import value

# RFC 5321 4.5.3.1.5 says 512 with the line end; real servers exceed it with URLs.
MAX_LINE_BYTES: Final = 2_000
MAX_REPLY_LINES: Final = 100
MAX_REPLY_BYTES: Final = 64 * 1024

SERVICE_CLOSING: Final = 421  # RFC 5321 3.8: may answer any command

_DONE: Final = 2
_GO_ON: Final = 3
_SEVERITIES: Final = range(_DONE, 6)
_CODE: Final = re.compile(rb"[2-5][0-9][0-9]")
# RFC 2034 4 and RFC 3463 2: exactly three numbers, no more than three digits.
_ENHANCED: Final = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |$)")


class EnhancedCode(NamedTuple):
    """An enhanced status code such as 5.1.1 (RFC 3463)."""

    severity: int
    subject: int
    detail: int

    def __str__(self) -> str:
        """`5.1.1`."""
        return f"{self.severity}.{self.subject}.{self.detail}"


@value
class Reply:
    """One whole answer; every line is printable and free of codes."""

    code: int
    lines: tuple[str, ...] = ("",)
    enhanced: EnhancedCode | None = None
    # Most answers are the same few objects, said a thousand times each.
    _encoded: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def severity(self) -> int:
        """The first digit: 2 done, 3 go on, 4 not now, 5 no."""
        return self.code // 100

    @property
    def is_done(self) -> bool:
        """True for 2xx."""
        return self.severity == _DONE

    @property
    def is_go_on(self) -> bool:
        """True for 3xx: the server waits for more."""
        return self.severity == _GO_ON

    @property
    def is_refusal(self) -> bool:
        """True for 4xx and 5xx."""
        return self.severity > _GO_ON

    @property
    def text(self) -> str:
        """The words on one printable line."""
        return " ".join(line for line in self.lines if line)

    def __str__(self) -> str:
        """`550 5.1.1 No such user`, for logs and operators."""
        enhanced = "" if self.enhanced is None else str(self.enhanced)
        return " ".join(part for part in (str(self.code), enhanced, self.text) if part)

    def encode(self) -> bytes:
        """The reply as it goes on the wire, its enhanced code on every line.

        Each of `lines` is one line there, however long: what could end it, or
        harm who reads it, is replaced.

        Raises:
            LocalProtocolError: the code is none that SMTP knows.
        """
        if not self._encoded:
            encoded = _encode(self.code, self.lines, self.enhanced)
            object.__setattr__(self, "_encoded", encoded)
        return self._encoded


def _encode(code: int, lines: tuple[str, ...], enhanced: EnhancedCode | None) -> bytes:
    if code // 100 not in _SEVERITIES:
        raise LocalProtocolError(f"no reply has the code {code}")
    mark = "" if enhanced is None else f"{enhanced} "
    *others, last = map(_shown, lines or ("",))
    head = "".join(f"{code}-{mark}{line}\r\n" for line in others)
    return f"{head}{code} {mark}{last}\r\n".encode()


def printable(raw: bytes) -> str:
    """The bytes as text that can be shown, logged and stored without harm.

    Controls, line separators and direction overrides become U+FFFD, other kinds
    of space a space, bytes that are not UTF-8 U+FFFD. Never a surrogate.
    """
    return _shown(raw.decode("utf-8", "replace"))


def _shown(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(map(_harmless, text))


def _harmless(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char in "\t\u00a0" else "\ufffd"


def parse_enhanced(text: str, severity: int) -> EnhancedCode | None:
    """The enhanced code the text opens with, or None if it is not a sound one.

    A code whose class contradicts the reply (`550 2.0.0`) is no code: RFC 2034 4
    makes them agree, so one of the two is a lie and the reply code decides.
    """
    match = _ENHANCED.match(text)
    if match is None or int(match[1]) != severity:
        return None
    return EnhancedCode(int(match[1]), int(match[2]), int(match[3]))


def make_reply(code: int, raw_lines: list[bytes]) -> Reply:
    """The reply made of a code and the text behind it on each line."""
    lines = tuple(map(printable, raw_lines))
    enhanced = parse_enhanced(lines[0], code // 100)
    if enhanced is None:
        return Reply(code, lines)
    mark = str(enhanced)
    bare = tuple(line.removeprefix(mark).lstrip() for line in lines)
    return Reply(code, bare, enhanced)


# A server says the same few words all day; remembering them saves a tenth of the
# time a message takes. At most 256 lines are kept.
@functools.lru_cache(maxsize=256)
def _one_line_reply(code: int, raw: bytes) -> Reply:
    return make_reply(code, [raw])


class ReplyReader:
    """Cuts the byte stream into replies; keeps at most one unfinished reply."""

    __slots__ = ("_at", "_code", "_data", "_lines", "_size")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._code = 0
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def waiting(self) -> int:
        """How many bytes are held that no reply has used up."""
        return len(self._data) - self._at + self._size

    def feed(self, data: bytes) -> None:
        """Take in what the server sent."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def next_reply(self) -> Reply | None:
        """The next whole reply, or None until more bytes come.

        Raises:
            RemoteProtocolError: this is not a reply, or it is out of bounds.
        """
        while (line := self._next_line()) is not None:
            if self._take(line):
                reply = self._make()
                self._code, self._lines, self._size = 0, [], 0
                return reply
        return None

    def _make(self) -> Reply:
        if len(self._lines) == 1:
            return _one_line_reply(self._code, self._lines[0])
        return make_reply(self._code, self._lines)

    def _next_line(self) -> bytes | None:
        # The bound counts the line end, so that it falls on the same byte
        # however the stream was chopped.
        end = self._data.find(b"\n", self._at, self._at + MAX_LINE_BYTES)
        if end < 0:
            if len(self._data) - self._at >= MAX_LINE_BYTES:
                raise RemoteProtocolError("a reply line is too long")
            return None
        line = self._data[self._at : end]
        self._at = end + 1
        return line.removesuffix(b"\r")

    def _take(self, line: bytes) -> bool:
        """Add one line to the reply; True if it was the last."""
        code, mark = line[:3], line[3:4]
        if not (_CODE.fullmatch(code) and mark in b" -"):
            raise RemoteProtocolError(f"not an SMTP reply: {printable(line[:60])}")
        if self._lines and int(code) != self._code:
            raise RemoteProtocolError("a reply changes its code between lines")
        self._code = int(code)
        self._lines.append(line[4:])
        self._size += len(line)
        if len(self._lines) > MAX_REPLY_LINES or self._size > MAX_REPLY_BYTES:
            raise RemoteProtocolError("a reply does not end")
        return mark != b"-"
