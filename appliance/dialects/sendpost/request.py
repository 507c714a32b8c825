"""The send request (spec 5.1, 5.2) to submissions.

Decides what a request means once its rules hold. A sender or recipient whose
address is none does not spoil the request: its entries say so, each in its
place, because the answer has one element for each (spec 5.5, 5.6).
"""

from collections.abc import Mapping, Sequence

from appliance.core.address import Mailbox
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import (
    Attachment,
    Content,
    Dimensions,
    Recipient,
    Submission,
    Tracking,
)
from appliance.dialects.addresses import read_address
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.limits import DEFAULT_LIMITS, Limits
from appliance.dialects.sendpost import wire
from appliance.dialects.sendpost.errors import Problem, invalid
from appliance.dialects.sendpost.files import read_files
from appliance.dialects.sendpost.headers import strips
from appliance.dialects.sendpost.rules import check, check_count
from appliance.value import value


@value
class Entry:
    """One element of ``to``; ``text`` is the address as sent, for the answer.

    An address that is none, here or among its copies, makes ``to`` a refusal.
    """

    text: str
    to: Recipient | Refusal
    cc: tuple[Recipient, ...] = ()
    bcc: tuple[Recipient, ...] = ()


@value
class SendRequest:
    """A request that keeps to the rules; ``entries`` are in the order of ``to``.

    ``content`` is a refusal when the sender's address is none. ``pool`` is a
    name, "" for the default.
    """

    content: Content | Refusal
    entries: tuple[Entry, ...]
    pool: str
    tracking: Tracking
    dimensions: Dimensions
    webhook_url: str


def parse_send(body: bytes, limits: Limits = DEFAULT_LIMITS) -> SendRequest | Problem:
    """What a send request asks for, or why it is refused as a whole; never raises."""
    if len(body) > limits.body_bytes:
        return invalid("", f"The body is larger than {limits.body_bytes} bytes")
    send = decode(wire.DECODER, body)
    if isinstance(send, Malformed):
        return invalid(send.path, send.what)
    problem = check(send) or check_count(send, limits.recipients)
    if problem is not None:
        return problem
    files = read_files(send.attachments or (), limits.attachment_bytes)
    if isinstance(files, Problem):
        return files
    return _understand(send, files)


def submissions(request: SendRequest) -> tuple[Submission | Refusal, ...]:
    """For each entry, in order, what to hand in, or why that is impossible.

    All submissions hold the same content object.
    """
    return tuple(_submission(request, entry) for entry in request.entries)


def _submission(request: SendRequest, entry: Entry) -> Submission | Refusal:
    if isinstance(request.content, Refusal):
        return request.content
    if isinstance(entry.to, Refusal):
        return entry.to
    return Submission(
        content=request.content,
        to=(entry.to,),
        cc=entry.cc,
        bcc=entry.bcc,
        pool=request.pool,
        tracking=request.tracking,
        dimensions=request.dimensions,
        webhook_url=request.webhook_url,
    )


def _understand(
    send: wire.Send, files: tuple[Attachment, ...]
) -> SendRequest | Problem:
    reply_to = _reply_to(send.reply_to)
    if isinstance(reply_to, Problem):
        return reply_to
    return SendRequest(
        content=_content(send, reply_to, files),
        entries=tuple(_entry(f"to[{n}]", to) for n, to in enumerate(send.to)),
        pool=send.ippool or "",
        tracking=Tracking(
            send.track_opens is not False, send.track_clicks is not False
        ),
        dimensions=Dimensions(groups=_groups(send.groups or ())),
        webhook_url=send.webhook_endpoint or "",
    )


def _content(
    send: wire.Send, reply_to: Mailbox | None, files: tuple[Attachment, ...]
) -> Content | Refusal:
    sender = _mailbox(send.sender)
    if sender is None:
        return Refusal(Reason.SENDER_INVALID, "from.email", "Sender address is invalid")
    return Content(
        sender=sender,
        subject=send.subject or "",
        text=send.text_body or None,
        html=send.html_body or None,
        amp=send.amp_body or None,
        preheader=send.pre_text or "",
        reply_to=reply_to,
        headers=tuple(
            (name, value)
            for name, value in (send.headers or {}).items()
            if not strips(name)
        ),
        attachments=files,
    )


def _reply_to(person: wire.Person | None) -> Mailbox | Problem | None:
    # Answers show an absent one as {"email": "", "name": ""}; clients send it back.
    if person is None or not person.email:
        return None
    mailbox = _mailbox(person)
    if mailbox is None:
        return invalid("replyTo.email", "replyTo.email is not an address")
    return mailbox


def _groups(names: Sequence[str]) -> tuple[str, ...]:
    """Each group once: statistics count a message once in each of its groups."""
    return tuple(dict.fromkeys(name for name in names if name))


def _entry(path: str, to: wire.To) -> Entry:
    recipient = _recipient(path, to, {})
    if isinstance(recipient, Refusal):
        return Entry(to.email, recipient)
    copies = []
    for kind, people in (("cc", to.cc), ("bcc", to.bcc)):
        read = _copies(f"{path}.{kind}", people or (), recipient.fields)
        if isinstance(read, Refusal):
            return Entry(to.email, read)
        copies.append(read)
    cc, bcc = copies
    return Entry(to.email, recipient, cc, bcc)


def _copies(
    path: str, people: Sequence[wire.CopyTo], fields: Mapping[str, str]
) -> tuple[Recipient, ...] | Refusal:
    """Those who get a copy; what a copy does not name, it shares with the ``to``."""
    copies = []
    for number, person in enumerate(people):
        copy = _recipient(f"{path}[{number}]", person, fields)
        if isinstance(copy, Refusal):
            return copy
        copies.append(copy)
    return tuple(copies)


def _recipient(
    path: str, person: wire.CopyTo, fields: Mapping[str, str]
) -> Recipient | Refusal:
    mailbox = _mailbox(person)
    if mailbox is None:
        where = f"{path}.email"
        detail = f"Recipient address is invalid: {where}"
        return Refusal(Reason.RECIPIENT_INVALID, where, detail)
    if not person.custom_fields:
        return Recipient(mailbox, fields)
    own = {name: wire.field_text(raw) for name, raw in person.custom_fields.items()}
    return Recipient(mailbox, {**fields, **own})


def _mailbox(person: wire.Person) -> Mailbox | None:
    address = read_address(person.email)
    return None if address is None else Mailbox(address, person.name or "")
