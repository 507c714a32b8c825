"""The HTML parts of a message that came in, found by their offsets.

Only those that may be changed: below mixed, alternative and related, and
nowhere else, so never what is signed, encrypted or a message of its own. Files
are left out, and so is every part whose header can be read in two ways. A
message that is signed as a whole has none, nor has one that is nested deeper
or cut finer than people write (ATTACKS 14).

Nothing is copied but the headers of parts. Each level of nesting is searched
once, so the time is linear in the message.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from appliance.mime.content_type import ContentType, is_inline, read_content_type
from appliance.mime.headers import MalformedMessage, split_message
from appliance.smtp.grammar import has_lone_line_end

MAX_DEPTH = 32
MAX_PARTS = 1_000
_MAX_BOUNDARY = 70  # RFC 2046 5.1.1

_ALTERNATIVE = "multipart/alternative"
_CONTAINERS = frozenset({_ALTERNATIVE, "multipart/mixed", "multipart/related"})
_UNENCODED = frozenset({b"", b"7bit", b"8bit", b"binary"})
# Each has a hash of the body in it.
_SIGNATURES = frozenset(
    {
        b"dkim-signature",
        b"domainkey-signature",
        b"arc-message-signature",
        b"content-md5",
    }
)
_TYPE = b"content-type"
_ENCODING = b"content-transfer-encoding"
_DISPOSITION = b"content-disposition"
_TELLING = frozenset({_TYPE, _ENCODING, _DISPOSITION})


@dataclass(frozen=True, slots=True)
class HtmlPart:
    """Where an HTML part stands in its message, and how it is written.

    ``field_start`` to ``field_end`` is its Content-Transfer-Encoding field, or
    the place for one. ``boundaries`` are those around it. ``alternative`` is
    the number of the outermost multipart/alternative around it, 0 for none.
    """

    start: int
    end: int
    field_start: int
    field_end: int
    encoding: bytes
    charset: str
    boundaries: tuple[bytes, ...]
    alternative: int


def find_html(data: bytes) -> tuple[HtmlPart, ...]:
    """The HTML parts of the message ``data`` that may be changed, in order."""
    header = data[: max(0, data.find(b"\r\n\r\n"))].lower()
    if b"text/html" not in header and b"multipart/" not in header:  # plain text, mostly
        return ()
    walk = _Walk(data)
    try:
        walk.entity(0, len(data), (), 0)
    except _BeyondReason:
        return ()
    if not walk.found or has_lone_line_end(data):
        return ()
    return tuple(walk.found)


class _BeyondReason(Exception):  # noqa: N818 - ends the walk, nobody else sees it
    """More parts or levels than the bounds allow."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What a part's header says; its body begins at ``body``."""

    kind: ContentType
    encoding: bytes
    field_start: int
    field_end: int
    body: int
    is_file: bool


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.found: list[HtmlPart] = []
        self._data = data
        self._parts = 0
        self._alternatives = 0

    def entity(
        self, start: int, end: int, around: tuple[bytes, ...], alternative: int
    ) -> None:
        """Look at one entity and at what it holds."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _BeyondReason
        head = _read_head(self._data, start, end)
        if head is None:
            return
        if head.kind.name == "text/html":
            if not head.is_file and head.body < end:
                self._note(head, end, around, alternative)
        elif head.kind.name in _CONTAINERS and head.encoding in _UNENCODED:
            self._container(head, end, around, alternative)

    def _note(
        self, head: _Head, end: int, around: tuple[bytes, ...], alternative: int
    ) -> None:
        part = HtmlPart(
            head.body,
            end,
            head.field_start,
            head.field_end,
            head.encoding,
            # What says nothing is ASCII by the rules and UTF-8 by habit.
            head.kind.parameters.get("charset", "utf-8"),
            around,
            alternative,
        )
        self.found.append(part)

    def _container(
        self, head: _Head, end: int, around: tuple[bytes, ...], alternative: int
    ) -> None:
        boundary = head.kind.parameters.get("boundary", "").encode()
        if not 0 < len(boundary) <= _MAX_BOUNDARY:
            return
        if len(around) == MAX_DEPTH:
            raise _BeyondReason
        if head.kind.name == _ALTERNATIVE and not alternative:
            self._alternatives += 1
            alternative = self._alternatives
        around = (*around, boundary)
        for part_start, part_end in _split(self._data, head.body, end, boundary):
            self.entity(part_start, part_end, around, alternative)


def _split(
    data: bytes, start: int, end: int, boundary: bytes
) -> Iterator[tuple[int, int]]:
    """The parts between delimiter lines (RFC 2046 5.1.1), as offsets.

    The line end before a delimiter belongs to it.
    """
    delimiter = b"--" + boundary
    part = -1
    pos = start
    while (at := data.find(delimiter, pos, end)) >= 0:
        pos = at + len(delimiter)
        if at != start and data[at - 2 : at] != b"\r\n":
            continue
        line_end = data.find(b"\r\n", pos, end)
        rest = data[pos : line_end if line_end >= 0 else end]
        if rest.removeprefix(b"--").strip(b" \t"):  # a longer line that begins alike
            continue
        if part >= 0:
            yield part, max(part, at - 2)
        if rest.startswith(b"--") or line_end < 0:
            return
        part, pos = line_end + 2, line_end
    if part >= 0:
        yield part, end


def _read_head(data: bytes, start: int, end: int) -> _Head | None:
    """The header of the entity at ``start``; None if it is of no interest."""
    blank = data.find(b"\r\n\r\n", start, end)
    if blank < 0 or data.startswith(b"\r\n", start):
        return None
    try:
        fields, _ = split_message(data[start : blank + 2])
    except MalformedMessage:
        return None
    values: dict[bytes, bytes] = {}
    place = (blank + 2, blank + 2)
    at = start
    for one in fields:
        if one.name in _SIGNATURES or one.name in values:
            return None
        if one.name == _ENCODING:
            place = (at, at + len(one.raw))
        if one.name in _TELLING:
            values[one.name] = one.value
        at += len(one.raw)
    return _read_values(values, place, blank + 4)


def _read_values(
    values: Mapping[bytes, bytes], place: tuple[int, int], body: int
) -> _Head | None:
    kind = read_content_type(values.get(_TYPE, b"text/plain"))
    if kind is None:
        return None
    encoding = values.get(_ENCODING, b"").strip().lower()
    is_shown = is_inline(values.get(_DISPOSITION, b"inline"))
    is_file = not is_shown or "name" in kind.parameters
    return _Head(kind, encoding, *place, body, is_file)
