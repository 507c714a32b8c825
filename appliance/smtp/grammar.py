"""The words of SMTP: what a server offers, and what may stand in a command.

Decides what is safe to put on the wire. Whether an address makes sense is
decided in `core/`; here it only has to be unable to end its command early.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from appliance.smtp.errors import LocalProtocolError
from appliance.smtp.reply import Reply
from appliance.value import value

MAX_PATH_BYTES: Final = 320  # 64 + @ + 255, RFC 5321 4.5.3.1.1 and 4.5.3.1.2

_OUTSIDE: Final = r'[^\s\x00-\x20\x7f-\x9f\ud800-\udfff<>"\\]'
_INSIDE: Final = r'(?:[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"\\]|\\[\x20-\x7e])'
# A dot-string or literal, or a quoted local part (RFC 5321 4.1.2).
_PATH: Final = re.compile(rf'(?:{_OUTSIDE}+|"{_INSIDE}*"@{_OUTSIDE}+)')
_NAME: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_SIZE: Final = re.compile(r"[0-9]{1,20}")  # RFC 1870 4


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server's last EHLO offered; the default is a server without EHLO."""

    pipelining: bool = False
    eight_bit_mime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    enhanced_status_codes: bool = False
    size: int | None = None  # None: not offered; 0: offered without a limit
    auth: frozenset[str] = frozenset()


def parse_capabilities(reply: Reply) -> Capabilities:
    """What an EHLO reply offers; a keyword that makes no sense offers nothing."""
    offered: dict[str, tuple[str, ...]] = {}
    mechanisms: set[str] = set()
    for line in reply.lines[1:]:
        # `AUTH=LOGIN` is what servers sent before RFC 2554; some still send both.
        keyword, *words = line.upper().replace("AUTH=", "AUTH ").split() or [""]
        offered[keyword] = tuple(words)
        if keyword == "AUTH":
            mechanisms.update(words)
    return Capabilities(
        pipelining="PIPELINING" in offered,
        eight_bit_mime="8BITMIME" in offered,
        smtputf8="SMTPUTF8" in offered,
        starttls="STARTTLS" in offered,
        enhanced_status_codes="ENHANCEDSTATUSCODES" in offered,
        size=_size_limit(offered["SIZE"]) if "SIZE" in offered else None,
        auth=frozenset(mechanisms),
    )


def _size_limit(words: tuple[str, ...]) -> int:
    return int(words[0]) if words and _SIZE.fullmatch(words[0]) else 0


def is_path(address: str) -> bool:
    """True if the address can stand between < and > without ending them."""
    return _PATH.fullmatch(address) is not None and (
        len(address.encode()) <= MAX_PATH_BYTES
    )


def path(address: str) -> bytes:
    """The address as it stands in MAIL and RCPT, with its < and >.

    Raises:
        LocalProtocolError: it could end the command and start another.
    """
    if not is_path(address):
        raise LocalProtocolError("an address cannot stand in a command")
    return b"<" + address.encode() + b">"


def is_client_name(name: str) -> bool:
    """True if EHLO can carry the name: a host name or an address literal."""
    return _NAME.fullmatch(name) is not None


@value
class WireContent:
    """A message as it travels behind DATA, made by `wire_content` only.

    `stuffed` ends in CRLF (or is empty) and lacks the final dot; `size` is what
    the SIZE parameter says: before stuffing, without the dot (RFC 1870 3).
    """

    stuffed: bytes = field(repr=False)
    size: int
    eight_bit: bool
    eight_bit_headers: bool


def wire_content(content: bytes) -> WireContent:
    """The content dot-stuffed (RFC 5321 4.5.2) and ended, in linear time.

    Raises:
        LocalProtocolError: it holds a CR or LF alone, with which a server that
            takes those for a line end could be made to see a second message.
    """
    if has_lone_line_end(content):
        raise LocalProtocolError("the content has a CR or LF that stands alone")
    eight_bit = not content.isascii()
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    stuffed = content
    if b"\r\n." in content:
        stuffed = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        stuffed = b"." + stuffed
    headers_too = eight_bit and not content.partition(b"\r\n\r\n")[0].isascii()
    return WireContent(stuffed, len(content), eight_bit, headers_too)


def has_lone_line_end(content: bytes) -> bool:
    """True if a CR is not followed by LF or an LF not led by CR."""
    rest = content.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest
