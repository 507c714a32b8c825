"""What a sender wrote, as bytes and back.

A leading byte names the form of what follows, so that a later form can live
beside the rows of this one. Both are MessagePack arrays: form 1 is content that
was given in parts, attachments binary as they came out of their base64; form 2
is a whole mail with what was read in it.
"""

from typing import TypeAlias

import msgspec

from appliance.core.address import Address, Mailbox
from appliance.core.submission import AnyContent, Attachment, Content, RawContent

_FORM_1 = b"\x01"
_FORM_2 = b"\x02"
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


class _Form2(msgspec.Struct, array_like=True):
    """Fields may be added at the end, with a default."""

    sender: Box
    subject: str
    message_id: str
    data: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Form1)
_raw_decoder = msgspec.msgpack.Decoder(_Form2)


def encode_content(content: AnyContent) -> bytearray:
    """The bytes that ``decode_content`` turns into an equal content."""
    if isinstance(content, RawContent):
        return _encoded(_FORM_2, _raw_form(content))
    return _encoded(_FORM_1, _form(content))


def _encoded(mark: bytes, form: msgspec.Struct) -> bytearray:
    data = bytearray(mark)
    _encoder.encode_into(form, data, len(data))
    return data


def _raw_form(raw: RawContent) -> _Form2:
    return _Form2(pack_mailbox(raw.sender), raw.subject, raw.message_id, raw.data)


def _form(content: Content) -> _Form1:
    return _Form1(
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


def decode_content(data: bytes) -> AnyContent:
    """The content that was encoded.

    Raises:
        ValueError: the bytes are of no form that this program knows.
    """
    rest = memoryview(data)[1:]
    if data[:1] == _FORM_1:
        return _content(_decoder.decode(rest))
    if data[:1] == _FORM_2:
        raw = _raw_decoder.decode(rest)
        sender = unpack_mailbox(raw.sender)
        return RawContent(sender, raw.subject, raw.message_id, raw.data)
    raise ValueError(f"content of unknown form {data[:1].hex()}")


def _content(form: _Form1) -> Content:
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
