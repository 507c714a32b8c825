"""Content-Type and Content-Disposition, read as far as it takes to leave a part alone.

Whoever asks wants to change a part of someone else's mail. So a value that
readers could take differently is no value: comments, parameters in pieces
(RFC 2231) and parameters given twice.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_WS = r"[\t\n\r ]*+"
_WORD = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]++"  # RFC 2045 5.1
_TYPE = re.compile(rf"{_WS}({_WORD}/{_WORD}){_WS}")
# Values without quotes are taken with the specials that many writers leave in.
_PARAMETER = re.compile(
    rf';{_WS}(?:({_WORD}){_WS}={_WS}(?:"((?>(?:[^"\\]|\\.)*))"|([^\s;"()\\,]++)){_WS})?'
)
_QUOTED_PAIR = re.compile(r"\\(.)")
_INLINE = re.compile(
    rb"[\t\n\r ]*+inline[\t\n\r ]*+(?:;.*)?", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type such as ``text/html``, its names in lower case."""

    name: str
    parameters: Mapping[str, str]


def read_content_type(value: bytes) -> ContentType | None:
    """The type that a field's value gives, or None if that is not beyond doubt."""
    if not value.isascii():
        return None
    text = value.replace(b"\r\n", b"").decode()
    kind = _TYPE.match(text)
    if kind is None:
        return None
    parameters: dict[str, str] = {}
    pos = kind.end()
    while pos < len(text):
        match = _PARAMETER.match(text, pos)
        if match is None:
            return None
        pos = match.end()
        name, quoted, bare = match.groups()
        if name is None:  # nothing between two semicolons
            continue
        if "*" in name or name.lower() in parameters:
            return None
        parameters[name.lower()] = bare or _QUOTED_PAIR.sub(r"\1", quoted or "")
    return ContentType(kind[1].lower(), parameters)


def is_inline(disposition: bytes) -> bool:
    """True if a Content-Disposition says that the part is shown and is no file."""
    return (
        bool(_INLINE.fullmatch(disposition)) and b"filename" not in disposition.lower()
    )
