"""What a message carries along and no query asks for, as bytes and back."""

from collections.abc import Mapping
from itertools import accumulate

import msgspec

from appliance.core.address import Mailbox
from appliance.core.submission import (
    Content,
    Dimensions,
    RawContent,
    Submission,
    Tracking,
)
from appliance.store.content_codec import Box, pack_mailbox, unpack_mailbox
from appliance.value import value

MAX_HEADERS = 4_096  # characters


@value
class Detail:
    """The header's recipients, what is tracked, and what the sender attached.

    Raw content has its own header, so ``to`` and ``cc`` are empty for it. ``headers``
    are the sender's own, the first few: what is told of a mail outlives its content.
    ``message_id`` is that of raw content, without its brackets.
    """

    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    tracking: Tracking
    dimensions: Dimensions
    envelope_sender: str
    sender_name: str = ""
    reply_to: Mailbox | None = None
    headers: tuple[tuple[str, str], ...] = ()
    message_id: str = ""


class _Form(msgspec.Struct, array_like=True):
    """Fields may be added at the end, with a default."""

    to: Box | None
    cc: tuple[Box, ...]
    opens: bool
    clicks: bool
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    topic: str
    campaign: str
    metadata: dict[str, str]
    more_to: tuple[Box, ...] = ()
    unsubscribes: bool = True
    envelope_sender: str = ""
    sender_name: str = ""
    reply_to: Box | None = None
    headers: tuple[tuple[str, str], ...] = ()
    message_id: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Form)
_fields_decoder = msgspec.msgpack.Decoder(dict[str, str])


def encode_detail(submission: Submission) -> bytes:
    """The detail of ``submission`` as bytes."""
    tracking, dimensions = submission.tracking, submission.dimensions
    content, reply_to = submission.content, None
    own = submission.own_headers
    to: tuple[Box, ...] = ()
    cc: tuple[Box, ...] = ()
    if isinstance(content, Content):
        own, reply_to = content.headers, content.reply_to
        to = tuple(pack_mailbox(one.mailbox) for one in submission.to)
        cc = tuple(pack_mailbox(one.mailbox) for one in submission.cc)
    return _encoder.encode(
        _Form(
            to[0] if to else None,
            cc,
            tracking.opens,
            tracking.clicks,
            dimensions.groups,
            dimensions.tags,
            dimensions.topic,
            dimensions.campaign,
            dict(dimensions.metadata),
            to[1:],
            tracking.unsubscribes,
            str(submission.envelope_sender or ""),
            content.sender.name,
            None if reply_to is None else pack_mailbox(reply_to),
            _first_few(own),
            content.message_id if isinstance(content, RawContent) else "",
        )
    )


def decode_detail(data: bytes) -> Detail:
    """The detail that was encoded."""
    form = _decoder.decode(data)
    to = () if form.to is None else (form.to, *form.more_to)
    return Detail(
        to=tuple(map(unpack_mailbox, to)),
        cc=tuple(map(unpack_mailbox, form.cc)),
        tracking=Tracking(form.opens, form.clicks, form.unsubscribes),
        dimensions=_dimensions(form),
        envelope_sender=form.envelope_sender,
        sender_name=form.sender_name,
        reply_to=None if form.reply_to is None else unpack_mailbox(form.reply_to),
        headers=form.headers,
        message_id=form.message_id,
    )


def _first_few(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """As many as there is room for in a row."""
    sizes = accumulate(len(name) + len(value) for name, value in headers)
    return headers[: sum(size <= MAX_HEADERS for size in sizes)]


def decode_dimensions(data: bytes) -> Dimensions:
    """The dimensions of the detail that was encoded, and no more of it."""
    return _dimensions(_decoder.decode(data))


def _dimensions(form: _Form) -> Dimensions:
    return Dimensions(form.groups, form.tags, form.topic, form.campaign, form.metadata)


def encode_fields(fields: Mapping[str, str]) -> bytes | None:
    """A recipient's placeholder values as bytes; None for none."""
    return _encoder.encode(dict(fields)) if fields else None


def decode_fields(data: bytes | None) -> dict[str, str]:
    """The placeholder values that were encoded."""
    return {} if data is None else _fields_decoder.decode(data)
