"""``Content`` as bytes and back.

A leading byte names the form of what follows, so that a later form can live
beside the rows of this one. Form 1 is a MessagePack array; attachments are
binary in it, as they came out of their base64.
"""

from typing import TypeAlias

import msgspec

from appliance.core.address import Address, Mailbox
from appliance.core.submission import Attachment, Content

_FORM_1 = b"\x01"
Box: TypeAlias = tuple[str, str, str]


class _Form1(msgspec.Struct, array_like=True):
    """Fields may be added at the end, with a default."""

    sender: Box
    subject: str
    text: str | None
    html: str | None
    amp: str | None
    preheader: str
    reply_to: Box | None
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[tuple[str, bytes], ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Form1)


def encode_content(content: Content) -> bytearray:
    """The bytes that ``decode_content`` turns into an equal ``Content``."""
    form = _Form1(
        pack_mailbox(content.sender),
        content.subject,
        content.text,
        content.html,
        content.amp,
        content.preheader,
        None if content.reply_to is None else pack_mailbox(content.reply_to),
        content.headers,
        tuple((one.filename, one.content) for one in content.attachments),
    )
    data = bytearray(_FORM_1)
    _encoder.encode_into(form, data, len(data))
    return data


def decode_content(data: bytes) -> Content:
    """The content that was encoded.

    Raises:
        ValueError: the bytes are of no form that this program knows.
    """
    if data[:1] != _FORM_1:
        raise ValueError(f"content of unknown form {data[:1].hex()}")
    form = _decoder.decode(memoryview(data)[1:])
    return Content(
        sender=unpack_mailbox(form.sender),
        subject=form.subject,
        text=form.text,
        html=form.html,
        amp=form.amp,
        preheader=form.preheader,
        reply_to=None if form.reply_to is None else unpack_mailbox(form.reply_to),
        headers=form.headers,
        attachments=tuple(Attachment(*one) for one in form.attachments),
    )


def pack_mailbox(mailbox: Mailbox) -> Box:
    """The three texts of a mailbox."""
    return mailbox.name, mailbox.address.local, mailbox.address.domain


def unpack_mailbox(box: Box) -> Mailbox:
    """The mailbox of three texts."""
    name, local, domain = box
    return Mailbox(Address(local, domain), name)
