"""A mail from its parts: the header, the tree of entities, the delimiters.

The tree is ``mixed(alternative(text, amp, html), attachments)``, with every
level left out that would hold one thing. A mail that has only HTML stays that
way: a text that no one wrote says less than a reader's own rendering.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b

from appliance.core.address import Mailbox
from appliance.core.fields import is_reserved_field
from appliance.mime.entity import Entity, text_entity
from appliance.mime.headers import address_field, field, text_field
from appliance.mime.template import Rendered
from appliance.value import value

Headers = tuple[tuple[str, str], ...]

_UNSUBSCRIBE = "list-unsubscribe"
_ONE_CLICK = "list-unsubscribe-post"


@value
class Head:
    """What stands in the header besides subject and content.

    ``message_id`` is without its brackets. ``system`` are fields of ours;
    ``own`` are the sender's, which come last.
    """

    sender: Mailbox
    to: tuple[Mailbox, ...]
    message_id: str
    date_s: int
    cc: tuple[Mailbox, ...] = ()
    reply_to: Mailbox | None = None
    system: Headers = ()
    own: Headers = ()


def compose(head: Head, rendered: Rendered, seed: bytes) -> bytes:
    """The whole mail; ``seed``, such as the delivery's id, makes its delimiters.

    The same arguments give the same bytes.

    Raises:
        UnsafeHeader: a header holds what would break the message. Intake asks
            ``header_flaw`` before it takes a mail; values that are merged in
            may still be too long.
    """
    texts = [part for part in (rendered.text, rendered.amp) if part is not None]
    if rendered.html is not None:
        texts.append(text_entity("html", rendered.html))
    root = _multipart(b"alternative", texts or [text_entity("plain", "")], seed)
    parts = [root, *rendered.attachments]
    content = _multipart(b"mixed", parts, seed)
    ending = b"" if content.endswith(b"\r\n") else b"\r\n"
    return b"".join((_head(head, rendered.subject), content, ending))


def _head(head: Head, subject: str) -> bytes:
    out = [address_field("From", [head.sender])]
    if head.to:
        out.append(address_field("To", head.to))
    if head.cc:
        out.append(address_field("Cc", head.cc))
    if head.reply_to is not None:
        out.append(address_field("Reply-To", [head.reply_to]))
    out += (
        text_field("Subject", subject),
        field("Date", _date(head.date_s)),
        field("Message-ID", f"<{head.message_id}>"),
        b"MIME-Version: 1.0\r\n",
    )
    out += [field(name, value) for name, value in _merged(head)]
    return b"".join(out)


@lru_cache(maxsize=64)
def _date(moment_s: int) -> str:
    """RFC 5322 3.3; mails of one second share it."""
    return format_datetime(datetime.fromtimestamp(moment_s, UTC))


def _merged(head: Head) -> list[tuple[str, str]]:
    """Our fields, then the sender's; nobody's field stands there twice.

    A sender's List-Unsubscribe takes ours away and One-Click with it, for that
    is a promise about our URL (RFC 8058 3.1).
    """
    system = head.system
    if any(name.lower() == _UNSUBSCRIBE for name, _ in head.own):
        theirs = {_UNSUBSCRIBE, _ONE_CLICK}
        system = tuple(one for one in system if one[0].lower() not in theirs)
    ours = {name.lower() for name, _ in system}
    return [
        *system,
        *(
            one
            for one in head.own
            if one[0].lower() not in ours and not is_reserved_field(one[0])
        ),
    ]


def _multipart(subtype: bytes, parts: Sequence[Entity], seed: bytes) -> Entity:
    """The parts between delimiters; one part alone stands for itself."""
    if len(parts) == 1:
        return parts[0]
    boundary = _boundary(subtype, parts, seed)
    opening = b'Content-Type: multipart/%b;\r\n boundary="%b"\r\n\r\n' % (
        subtype,
        boundary,
    )
    pieces = [opening]
    for part in parts:
        pieces += (b"--", boundary, b"\r\n", part, b"\r\n")
    pieces += (b"--", boundary, b"--")
    return Entity(b"".join(pieces))


def _boundary(subtype: bytes, parts: Sequence[Entity], seed: bytes) -> bytes:
    """A delimiter that occurs in no part (RFC 2046 5.1.1, ATTACKS 10).

    Found anew until that is so; content is fixed before its seed is known, so
    the first one will do unless the sender can guess ids.
    """
    attempt = 0
    while True:
        text = b"%b %b %d" % (seed, subtype, attempt)
        boundary = b"=_" + blake2b(text, digest_size=16).hexdigest().encode()
        if all(part.find(boundary) < 0 for part in parts):
            return boundary
        attempt += 1
