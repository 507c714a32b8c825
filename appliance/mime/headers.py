"""Header fields as bytes: how they are written, and how a message is cut into them.

Writing folds at the blanks that are there (RFC 5322 2.2.3) and nowhere else: a
token that is longer than a line, such as the URL of List-Unsubscribe, stays
whole beside its name, for receivers that trip over ``Message-ID:`` with an
empty first line are more common than those that trip over 100 characters.
Nothing that could end a field is ever written (ATTACKS 9).

Reading looks at no more than the header block and keeps every byte. What the
fields mean is left to the callers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from appliance.core.address import Mailbox
from appliance.core.fields import (
    MAX_LINE_OCTETS,
    MAX_NAME_CHARS,
    header_flaw,
    is_field_name,
    is_safe_text,
)
from appliance.mime.words import encode_text, parameter, phrase

MAX_FIELDS = 1_000
MAX_BLOCK_OCTETS = 1 << 20

_WIDTH = 78  # RFC 5322 2.1.1
_ENCODED_WIDTH = 76  # RFC 2047 2
# One field with all of its lines. RFC 5322 4.5: blanks before the colon are obsolete
# and still understood, so that "From : x" cannot pass for something else than From.
_FIELD = rb"([!-9;-~]++)[ \t]*+:[^\r\n]*+(?>(?:\r\n[ \t][^\r\n]*+)*)\r\n"
_FIELDS = re.compile(b"(" + _FIELD + b")")
_BLOCK = re.compile(b"(?>(?:" + _FIELD + b")*)")
_WORDS = re.compile(r" *[^ ]+")


class UnsafeHeader(ValueError):  # noqa: N818 - a refusal about input, not an error of ours
    """A header that cannot be written without breaking the message."""


class MalformedMessage(ValueError):  # noqa: N818 - the peer's fault, as above
    """The header block is none: not fields, or more of them than is sane."""


def field(name: str, value: str) -> bytes:
    """A header as its sender gave it: ASCII word for word, other text encoded.

    Raises:
        UnsafeHeader: the name is no field name, the value holds a control
            character, or is not ASCII where only tokens may stand.
    """
    if _is_short(name, value):
        return f"{name}: {value}\r\n".encode()
    flaw = header_flaw(name, value)
    if flaw:
        raise UnsafeHeader(f"{name[:MAX_NAME_CHARS]!a}: {flaw}")
    if value.isascii():
        return _fold(name, _words(value), _WIDTH)
    return text_field(name, value)


def text_field(name: str, text: str) -> bytes:
    """A header whose value people read; what they see is exactly ``text``.

    Raises:
        UnsafeHeader: the text holds a control character.
    """
    if "=?" not in text and _is_short(name, text):
        return f"{name}: {text}\r\n".encode()
    _check(name, text)
    trimmed = text.replace("\t", " ").strip(" ")
    spelled = encode_text(trimmed, _ENCODED_WIDTH - len(name) - 2)
    width = _WIDTH if spelled is trimmed else _ENCODED_WIDTH
    return _fold(name, _words(spelled), width)


def address_field(name: str, mailboxes: Sequence[Mailbox]) -> bytes:
    """An address list (RFC 5322 3.4); a non-ASCII local part is UTF-8 (RFC 6532).

    Raises:
        UnsafeHeader: a name or an address holds a control character.
    """
    tokens: list[str] = []
    for mailbox in mailboxes:
        address = str(mailbox.address)
        _check(name, address)
        if tokens:
            tokens[-1] += ","
        if mailbox.name:
            _check(name, mailbox.name)
            room = _ENCODED_WIDTH - len(name) - 2
            tokens += _words(" " + phrase(mailbox.name.replace("\t", " "), room))
            address = f"<{address}>"
        # One token: a blank inside a quoted local part is no place to fold.
        tokens.append(" " + address)
    if tokens:
        tokens[0] = tokens[0][1:]
    return _fold(name, tokens, _ENCODED_WIDTH)


def parameter_field(name: str, value: str, parameters: Mapping[str, str]) -> bytes:
    """``Name: value; parameter=...``, by RFC 2231 where a parameter is not ASCII.

    Raises:
        UnsafeHeader: a parameter holds a control character.
    """
    pieces = [value]
    for key, text in parameters.items():
        _check(name, text)
        pieces += parameter(key, text.replace("\t", " "))
    tokens = [f" {piece};" for piece in pieces]
    tokens[0], tokens[-1] = tokens[0][1:], tokens[-1][:-1]
    if len(pieces) == 1:
        tokens = [value]
    return _fold(name, tokens, _WIDTH)


def _is_short(name: str, value: str) -> bool:
    """True if it is written as it stands, on one line: most fields are."""
    return (
        len(name) + len(value) + len(": ") <= _WIDTH
        and value.isascii()
        and value.isprintable()  # of ASCII, that is the blank to the tilde
        and value.strip(" ") == value != ""
        and is_field_name(name)
    )


def _check(name: str, text: str) -> None:
    if not is_safe_text(text):
        raise UnsafeHeader(f"{name}: control character in the value, or too long")


def _words(value: str) -> list[str]:
    """The words of a value, each with the blanks before it."""
    tokens: list[str] = _WORDS.findall(value.replace("\t", " "))
    return tokens


def _fold(name: str, tokens: list[str], width: int) -> bytes:
    """``Name: tokens`` on lines of ``width`` where the tokens allow it."""
    if not tokens:
        return f"{name}:\r\n".encode()
    line, lines = f"{name}:", []
    first = " " + tokens[0].lstrip(" ")
    if len(line) + len(first) + sum(map(len, tokens)) - len(tokens[0]) <= width:
        return f"{line}{first}{''.join(tokens[1:])}\r\n".encode()
    # The first token leaves its name only where it must: above the limit, or as
    # an encoded-word, whose line is bound to 76 (RFC 2047 2).
    room = width if first.startswith(" =?") else MAX_LINE_OCTETS
    if len(line) + len(first) > room:
        lines.append(line)
        line = ""
    line += first
    for token in tokens[1:]:
        if len(line) + len(token) > width:
            lines.append(line)
            line = token
        else:
            line += token
    lines.append(line)
    if max(map(len, lines)) > MAX_LINE_OCTETS:
        raise UnsafeHeader(f"{name}: a word too long for a line")
    return ("\r\n".join(lines) + "\r\n").encode()


class Field(NamedTuple):
    """One field of a header block: its name in lower case and all of its bytes.

    ``raw`` begins with the name as it was written and ends with CRLF.
    """

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What stands behind the colon, folded as it came, with its CRLF."""
        return self.raw.partition(b":")[2]


def split_block(raw: bytes) -> tuple[bytes, bytes]:
    """The header block, with the CRLF of its last line, and the body.

    Raises:
        MalformedMessage: a line is neither a field nor the rest of one, a CR or
            LF stands alone, or the block is larger than the bounds above.
    """
    if raw.startswith(b"\r\n"):
        return b"", raw[2:]
    end = raw.find(b"\r\n\r\n", 0, MAX_BLOCK_OCTETS)
    if end < 0 and len(raw) > MAX_BLOCK_OCTETS:
        raise MalformedMessage("header block is too large")
    block, body = (raw, b"") if end < 0 else (raw[: end + 2], raw[end + 4 :])
    if not (block.endswith(b"\r\n") or not block):
        block += b"\r\n"
    if not _BLOCK.fullmatch(block):
        raise MalformedMessage(_complaint(block))
    return block, body


def split_message(raw: bytes) -> tuple[list[Field], bytes]:
    """The fields of the header block and the body, which is not looked at.

    Raises:
        MalformedMessage: the block is none by ``split_block``, or has too many.
    """
    block, body = split_block(raw)
    found = _FIELDS.findall(block)
    if len(found) > MAX_FIELDS:
        raise MalformedMessage("too many header fields")
    return [Field(name.lower(), field) for field, name in found], body


def join_message(fields: Iterable[Field], body: bytes) -> bytes:
    """The message that ``split_message`` took apart."""
    return b"".join([*(one.raw for one in fields), b"\r\n", body])


def _complaint(block: bytes) -> str:
    if block.count(b"\r") == block.count(b"\n") == block.count(b"\r\n"):
        return "a header line is no field"
    return "a CR or LF stands alone in the header"
