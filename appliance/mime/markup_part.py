"""One HTML part of someone else's mail: decoded, changed, encoded again.

Encoded as it was where that can be: else quoted-printable, and base64 for a
text that would then contain a delimiter of the message around it, which base64
cannot. What does not come back to the same octets is not touched at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from appliance.core.charsets import find_codec, is_spliceable
from appliance.mime.links import MakeUrl, Markup, scan
from appliance.mime.parts import HtmlPart
from appliance.mime.transfer import (
    base64_lines,
    has_long_line,
    quoted_printable,
    read_base64,
    read_quoted_printable,
)
from appliance.smtp.grammar import has_lone_line_end

_PLAIN = frozenset({b"", b"7bit", b"8bit"})
_QUOTED = b"quoted-printable"
_BASE64 = b"base64"
_PGP = b"-----BEGIN PGP "  # signed or encrypted without a MIME type of its own

# Where something ends in a message, and what comes in its place.
Edit = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class MarkupPart:
    """An HTML part with its links found."""

    place: HtmlPart
    markup: Markup = field(repr=False)
    codec: str
    is_ascii: bool
    line_ends: bytes

    @classmethod
    def read(cls, data: bytes, place: HtmlPart) -> "MarkupPart | None":
        """The part of ``data`` at ``place``, or None if it must stay as it is."""
        body = data[place.start : place.end]
        octets = _decoded(place.encoding, body)
        codec = find_codec(place.charset)
        if not octets or _PGP in octets or not codec or not is_spliceable(codec):
            return None
        try:
            html = octets.decode(codec)
            if html.encode(codec) != octets:
                return None
        except UnicodeError:
            return None
        line_ends = body[len(body.rstrip(b"\r\n")) :]
        return cls(place, scan(html), codec, octets.isascii(), line_ends)

    def edits(self, make: MakeUrl | None, pixel_url: str) -> list[Edit]:
        """What changes in the message; nothing if the HTML stays the same."""
        html = self.markup.rewrite(make, pixel_url)
        if html == self.markup.html:
            return []
        try:
            octets = html.encode(self.codec)
        except UnicodeError:  # a URL that the part's character set lacks
            return []
        place = self.place
        encoding, body = next(self._encodings(octets))
        edits = [(place.start, place.end, body)]
        if encoding != place.encoding:
            named = b"Content-Transfer-Encoding: %b\r\n" % encoding
            edits.insert(0, (place.field_start, place.field_end, named))
        return edits

    def _encodings(self, octets: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The ways in which ``octets`` can stand in the message, the best first."""
        own = self.place.encoding
        if own in _PLAIN and self._passes(octets) and not self._is_cut(octets):
            yield own, octets
        if own != _BASE64:
            coded = quoted_printable(octets)
            if self.line_ends and not coded.endswith(b"\r\n"):
                coded += b"=\r\n"
            if not self._is_cut(coded):
                yield _QUOTED, coded
        yield _BASE64, base64_lines(octets) + self.line_ends

    def _passes(self, octets: bytes) -> bool:
        """True if ``octets`` need no encoding where the part needed none."""
        return not (
            (self.is_ascii and not octets.isascii())
            or b"\0" in octets
            or has_lone_line_end(octets)
            or has_long_line(octets)
        )

    def _is_cut(self, body: bytes) -> bool:
        """True if a line of ``body`` would be taken for a delimiter."""
        lines = b"\r\n" + body
        return any(b"\r\n--" + one in lines for one in self.place.boundaries)


def _decoded(encoding: bytes, body: bytes) -> bytes | None:
    if encoding in _PLAIN:
        return body
    if encoding == _QUOTED:
        return read_quoted_printable(body)
    return read_base64(body) if encoding == _BASE64 else None
