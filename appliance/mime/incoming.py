"""Mail that came in as bytes: what intake must know of it, and the mail it becomes.

Whoever takes the mail decides by what stands here. So what two readers could
take differently is refused, above all in From (ATTACKS 7); Sender and the
Resent fields say nothing about who may send. The body is not looked at.
"""

import re
from collections.abc import Callable
from dataclasses import field as attribute

from appliance.core.address import Mailbox
from appliance.core.encoded_words import decode_words
from appliance.mime.headers import (
    MAX_BLOCK_OCTETS,
    MAX_FIELDS,
    Field,
    MalformedMessage,
    split_message,
)
from appliance.mime.mailboxes import NotMailboxes, parse_mailboxes
from appliance.mime.trace import date
from appliance.value import value

# Less than others may send, so that what is put on top still fits.
_MAX_FIELDS = MAX_FIELDS - 100
_MAX_HEADER_OCTETS = MAX_BLOCK_OCTETS // 2
# What names the hidden recipients, and what the last server writes (RFC 5321 4.4).
_NEVER_KEPT = frozenset({b"bcc", b"resent-bcc", b"return-path"})
_NEVER_BLANK = frozenset({b"date", b"message-id"})  # RFC 5322 3.6
_BLANK = b" \t\r\n<>"  # nothing else in it, so nothing at all
_NO_STANDARD = b"x-"
_BLANKS = " \t"
_BLANK_LINE = re.compile(rb"\r\n[ \t]*+\r\n")
_MESSAGE_ID = re.compile(r"<([!-;=?-~]+)>")


class BadSender(MalformedMessage):
    """The From header does not say, in one way only, who sent the message."""


@value
class Incoming:
    """A message and what its header says.

    ``senders`` are all mailboxes of the one From field, their domains in
    A-labels. ``subject`` is decoded. ``message_id`` lacks its brackets and is
    "" if there is none, or none to rely on; then ``odd_message_id`` is what stands
    there, if anything does. ``hops`` counts Received fields.
    """

    fields: tuple[Field, ...]
    body: bytes = attribute(repr=False)
    senders: tuple[Mailbox, ...]
    subject: str
    message_id: str
    hops: int
    odd_message_id: str = ""

    def headers(self, prefix: bytes = b"") -> list[tuple[str, str]]:
        """The fields whose names begin so, in order.

        Names are in lower case, values unfolded and trimmed.
        """
        size = len(prefix)
        return [
            (one.name.decode(), _text(one))
            for one in self.fields
            if one.name[:size] == prefix
        ]


def read_incoming(data: bytes) -> Incoming:
    """The message that ``data`` holds.

    Raises:
        BadSender: there is not exactly one From field, or it cannot be relied on.
        MalformedMessage: the header block is none.
    """
    fields, body = split_message(data)
    if len(fields) > _MAX_FIELDS or len(data) - len(body) > _MAX_HEADER_OCTETS:
        raise MalformedMessage("The header of the message is too large")
    names = [one.name for one in fields]
    ids = [one for one in fields if one.name == b"message-id"]
    message_id = _message_id(ids)
    subject = _text(fields[names.index(b"subject")]) if b"subject" in names else ""
    return Incoming(
        tuple(fields),
        body,
        _senders([one for one in fields if one.name == b"from"]),
        decode_words(subject).strip(_BLANKS),
        message_id,
        names.count(b"received"),
        "" if message_id else next(filter(None, map(_odd_id, ids)), ""),
    )


def finish(
    incoming: Incoming,
    *,
    drop: Callable[[str], bool],
    front: bytes,
    date_s: int,
    message_id: str,
) -> bytes:
    """The mail that is kept: ``front``, then what came in, byte for byte.

    Left out are Bcc, Resent-Bcc and Return-Path, and of the fields that are no
    standard's those whose lower-case name ``drop`` wants gone. Date and Message-ID
    are added where missing; of one that is blank nothing is kept.
    """
    fields = [one for one in incoming.fields if _stays(one, drop)]
    names = [one.name for one in fields]
    pieces = [front, *(one.raw for one in fields)]
    if b"date" not in names:
        pieces.append(b"Date: %b\r\n" % date(date_s).encode())
    if b"message-id" not in names:
        pieces.append(b"Message-ID: <%b>\r\n" % message_id.encode())
    return b"".join([*pieces, b"\r\n", incoming.body])


def _stays(field: Field, drop: Callable[[str], bool]) -> bool:
    name = field.name
    if name[:2] == _NO_STANDARD:
        return not drop(name.decode())
    if name in _NEVER_BLANK:
        return bool(field.value.strip(_BLANK))
    return name not in _NEVER_KEPT


def _senders(fields: list[Field]) -> tuple[Mailbox, ...]:
    if not fields:
        raise BadSender("The message has no From header")
    if len(fields) > 1:
        raise BadSender("The message has more than one From header")
    raw = fields[0].raw
    # Some readers find no From in "From : x", and the end of the header in a
    # line of blanks.
    if not raw[:5].lower() == b"from:" or _BLANK_LINE.search(raw):
        raise BadSender("The From header is not spelled as a header should be")
    try:
        return parse_mailboxes(_unfolded(raw[5:]).decode())
    except UnicodeDecodeError:
        reason = "it is neither ASCII nor UTF-8"
    except NotMailboxes as error:
        reason = str(error)
    raise BadSender(f"The From header cannot be relied on: {reason}")


def _message_id(fields: list[Field]) -> str:
    if len(fields) != 1:
        return ""
    match = _MESSAGE_ID.fullmatch(_text(fields[0]))
    return match[1] if match else ""


def _odd_id(one: Field) -> str:
    """What stands where an id should, as it will leave."""
    return _text(one).strip(_BLANK.decode())


def _text(one: Field) -> str:
    return _unfolded(one.value).decode(errors="replace").strip(_BLANKS)


def _unfolded(value: bytes) -> bytes:
    return value.replace(b"\r\n", b"")
