"""A mail from anybody, taken apart to be read: its fields and its leaves, in order.

For reports that come back, and for nothing that is sent on: line ends of any kind
are one kind here, NULs are gone, and what is broken is read as far as it goes. A
message within the mail is a leaf, whatever it holds: the report is never looked for
in there, since anybody may forward one (ATTACKS 14, 24). Nothing is ever unpacked.

What lies beyond the bounds is not looked at. Each level of nesting is searched once,
so the time is linear in ``MAX_OCTETS``.
"""

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.core.charsets import find_codec
from appliance.mime.content_type import ContentType, read_content_type
from appliance.mime.told import seen

MAX_OCTETS = 2 << 20
MAX_HEADER_OCTETS = 1 << 18
MAX_TEXT_OCTETS = 1 << 17
MAX_LINE_CHARS = 2_000
MAX_FIELDS = 1_000
MAX_PIECES = 100
MAX_DEPTH = 8

_MAX_LIKENESSES = 1_000
_MAX_BOUNDARY_CHARS = 200  # some write more than RFC 2046 5.1.1 lets them
_FIELD = re.compile(r"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_KIND = re.compile(rb"[ \t]*([A-Za-z0-9.+\-]{1,64}/[A-Za-z0-9.+\-]{1,64})")
_NO_DIGITS = bytes(
    set(range(256))
    - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)
_PLAIN = ContentType("text/plain", {})


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a header, unfolded: names in lower case, in order."""

    pairs: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str:
        """The first value of the field ``name``, "" if there is none."""
        return next((value for one, value in self.pairs if one == name), "")

    def has(self, *names: str) -> bool:
        """True if one of these fields is there."""
        return any(one in names for one, _ in self.pairs)


@dataclass(frozen=True, slots=True)
class Piece:
    """A leaf: its media type in lower case, and its body as it was written."""

    kind: str
    charset: str
    encoding: str
    body: bytes

    def text(self) -> str:
        """The body as text, decoded as well as that can be done, and cut."""
        octets = _decoded(self.encoding, self.body[: 2 * MAX_TEXT_OCTETS])
        text = _read(_with_lf(octets)[:MAX_TEXT_OCTETS], self.charset)
        lines = text.split("\n")
        return "\n".join(line[:MAX_LINE_CHARS] for line in lines)

    def header(self) -> Fields:
        """The header of the message that this leaf is."""
        return _cut(_decoded(self.encoding, self.body[: 2 * MAX_HEADER_OCTETS]))[0]


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail's own fields and its leaves."""

    fields: Fields
    pieces: tuple[Piece, ...]

    def of_kind(self, *kinds: str) -> Iterator[Piece]:
        """The leaves of one of these media types, in order."""
        return (piece for piece in self.pieces if piece.kind in kinds)


def read_mail(data: bytes) -> Mail:
    """The mail ``data``, as far as the bounds go."""
    octets = _with_lf(data[:MAX_OCTETS])
    fields, body = _cut(octets)
    walk = _Walk()
    walk.entity(fields, body, 0)
    return Mail(fields, tuple(walk.found))


def read_head(data: bytes) -> Fields:
    """The mail's own fields alone."""
    return _cut(_with_lf(data[:MAX_HEADER_OCTETS]))[0]


def read_fields(text: str) -> Iterator[tuple[str, str]]:
    """The fields in a block of lines, unfolded; what is no field is passed over."""
    name, pending = "", [""]
    for line in text.split("\n")[: MAX_FIELDS * 10]:
        if line[:1] in {" ", "\t"}:
            pending.append(line)
            continue
        if name:
            yield name, " ".join(pending).strip()
        match = _FIELD.fullmatch(line)
        name, pending = (match[1].lower(), [match[2]]) if match else ("", [""])
    if name:
        yield name, " ".join(pending).strip()


class _Walk:
    def __init__(self) -> None:
        self.found: list[Piece] = []
        self._looked_at = 0

    def entity(self, fields: Fields, body: bytes, depth: int) -> None:
        """Look at one entity and at what it holds."""
        self._looked_at += 1
        kind = _kind(fields)
        boundary = kind.parameters.get("boundary", "").rstrip()
        if not kind.name.startswith("multipart/") or depth == MAX_DEPTH:
            self.found.append(_piece(fields, kind, body))
        elif not 0 < len(boundary) <= _MAX_BOUNDARY_CHARS:
            self.found.append(_piece(fields, _PLAIN, body))
        else:
            self._container(body, boundary.encode(), depth)

    def _container(self, body: bytes, boundary: bytes, depth: int) -> None:
        for part in _split(body, boundary):
            if self._looked_at >= MAX_PIECES:
                return
            self.entity(*_cut(part), depth + 1)


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The parts between delimiter lines (RFC 2046 5.1.1); the last may lack its end."""
    delimiter = b"\n--" + boundary
    body = b"\n" + body
    start, pos, likenesses = -1, 0, 0
    while (at := body.find(delimiter, pos)) >= 0 and likenesses < _MAX_LIKENESSES:
        line_end = body.find(b"\n", at + len(delimiter))
        pos = line_end if line_end >= 0 else len(body)
        rest = body[at + len(delimiter) : pos]
        if rest.removeprefix(b"--").strip(b" \t"):  # a longer line that begins alike
            likenesses += 1
            continue
        if start >= 0:
            yield body[start:at]
        if rest.startswith(b"--"):
            return
        start = pos + 1
    if start >= 0:
        yield body[start:]


def _cut(entity: bytes) -> tuple[Fields, bytes]:
    """The fields and the body; an entity that begins with a blank line has none."""
    if entity.startswith(b"\n"):
        return Fields(()), entity[1:]
    end = entity.find(b"\n\n", 0, MAX_HEADER_OCTETS)
    if end >= 0:
        block, body = entity[:end], entity[end + 2 :]
    else:
        block, body = entity[:MAX_HEADER_OCTETS], b""
    fields: list[tuple[str, str]] = []
    for pair in read_fields(_read(block, "utf-8")):
        fields.append(pair)
        if len(fields) == MAX_FIELDS:
            break
    return Fields(tuple(fields)), body


def _kind(fields: Fields) -> ContentType:
    """The media type; its parameters only where they are beyond doubt."""
    value = fields.first("content-type").encode()
    if kind := read_content_type(value[:MAX_LINE_CHARS]):
        return kind
    match = _KIND.match(value)
    return ContentType(match[1].decode().lower(), {}) if match else _PLAIN


def _piece(fields: Fields, kind: ContentType, body: bytes) -> Piece:
    encoding = fields.first("content-transfer-encoding").lower()
    charset = kind.parameters.get("charset", "utf-8")
    return Piece(kind.name, charset, encoding, body)


def _with_lf(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").translate(None, b"\r\0")


def _read(octets: bytes, charset: str) -> str:
    """The text; octets that are not UTF-8 are taken for Latin-1, as most are."""
    codec = find_codec(charset) or "utf-8"
    if codec in {"utf-8", "us-ascii"}:
        try:
            return seen(octets.decode())
        except UnicodeDecodeError:
            codec = "iso-8859-1"
    return seen(octets.decode(codec, errors="replace"))


def _decoded(encoding: str, body: bytes) -> bytes:
    """What a body stands for (RFC 2045 6), what is broken left out."""
    if encoding == "quoted-printable":
        return a2b_qp(body)
    if encoding != "base64":
        return body
    digits = body.translate(None, _NO_DIGITS)
    try:
        return a2b_base64(digits[: len(digits) // 4 * 4] + _rest(digits))
    except Error:
        return b""


def _rest(digits: bytes) -> bytes:
    """The last octets with the padding that may be missing; one digit is none."""
    rest = digits[len(digits) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
