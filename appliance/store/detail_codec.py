"""What a message carries along and no query asks for, as bytes and back."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from appliance.core.address import Mailbox
from appliance.core.submission import Dimensions, Submission, Tracking
from appliance.store.content_codec import Box, pack_mailbox, unpack_mailbox


@dataclass(frozen=True, slots=True)
class Detail:
    """The header's recipients, what is tracked, and what the sender attached."""

    to: Mailbox
    cc: tuple[Mailbox, ...]
    tracking: Tracking
    dimensions: Dimensions


class _Form(msgspec.Struct, array_like=True):
    """Fields may be added at the end, with a default."""

    to: Box
    cc: tuple[Box, ...]
    opens: bool
    clicks: bool
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    topic: str
    campaign: str
    metadata: dict[str, str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Form)
_fields_decoder = msgspec.msgpack.Decoder(dict[str, str])


def encode_detail(submission: Submission) -> bytes:
    """The detail of ``submission`` as bytes."""
    tracking, dimensions = submission.tracking, submission.dimensions
    return _encoder.encode(
        _Form(
            pack_mailbox(submission.to.mailbox),
            tuple(pack_mailbox(one.mailbox) for one in submission.cc),
            tracking.opens,
            tracking.clicks,
            dimensions.groups,
            dimensions.tags,
            dimensions.topic,
            dimensions.campaign,
            dict(dimensions.metadata),
        )
    )


def decode_detail(data: bytes) -> Detail:
    """The detail that was encoded."""
    form = _decoder.decode(data)
    return Detail(
        to=unpack_mailbox(form.to),
        cc=tuple(map(unpack_mailbox, form.cc)),
        tracking=Tracking(form.opens, form.clicks),
        dimensions=Dimensions(
            groups=form.groups,
            tags=form.tags,
            topic=form.topic,
            campaign=form.campaign,
            metadata=form.metadata,
        ),
    )


def encode_fields(fields: Mapping[str, str]) -> bytes | None:
    """A recipient's placeholder values as bytes; None for none."""
    return _encoder.encode(dict(fields)) if fields else None


def decode_fields(data: bytes | None) -> dict[str, str]:
    """The placeholder values that were encoded."""
    return {} if data is None else _fields_decoder.decode(data)
