"""The request body as the vendor documents it (spec 5.1, 5.2), typed.

Fields that are not named here are ignored, among them those for other kinds of
provider (``tpspTemplate``, ``tpspIppool``, ``sgIppool``). An explicit null is
the same as an absent field.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

MAX_RECIPIENTS = 1000
MAX_COPIES = 50  # of each kind, of each recipient
MAX_ATTACHMENTS = 500  # not published; bounds many small ones (ATTACKS 10)
MAX_GROUPS = 100  # not published
MAX_FIELDS = 500  # not published; of each recipient

Name: TypeAlias = Annotated[str, Meta(max_length=256)]
# Each value keeps its JSON text, so that 19.90 stays 19.90.
CustomFields: TypeAlias = Annotated[dict[str, msgspec.Raw], Meta(max_length=MAX_FIELDS)]


class Person(msgspec.Struct, frozen=True):
    """An address and the name beside it."""

    email: str
    name: Name | None = None


class CopyTo(Person, frozen=True, rename="camel"):
    """One who gets a copy."""

    custom_fields: CustomFields | None = None


class To(CopyTo, frozen=True):
    """One recipient, who gets a message of their own."""

    cc: Annotated[list[CopyTo], Meta(max_length=MAX_COPIES)] | None = None
    bcc: Annotated[list[CopyTo], Meta(max_length=MAX_COPIES)] | None = None


class File(msgspec.Struct, frozen=True):
    """An attachment; ``content`` is base64."""

    content: str
    filename: Annotated[str, Meta(min_length=1, max_length=255)]


class Send(msgspec.Struct, frozen=True, rename="camel"):
    """The body of both send requests."""

    sender: Person = msgspec.field(name="from")
    to: Annotated[list[To], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    reply_to: Person | None = None
    subject: Annotated[str, Meta(max_length=998)] | None = None
    pre_text: Annotated[str, Meta(max_length=200)] | None = None
    html_body: str | None = None
    text_body: str | None = None
    amp_body: str | None = None
    template: str | None = None
    template_id: str | None = None
    ippool: Annotated[str, Meta(max_length=256)] | None = None
    headers: dict[str, str] | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    groups: (
        Annotated[
            list[Annotated[str, Meta(max_length=256)]], Meta(max_length=MAX_GROUPS)
        ]
        | None
    ) = None
    attachments: Annotated[list[File], Meta(max_length=MAX_ATTACHMENTS)] | None = None
    webhook_endpoint: str | None = None


DECODER = msgspec.json.Decoder(Send)
_STRING = msgspec.json.Decoder(str)


def field_text(value: msgspec.Raw) -> str:
    """The text that a custom field stands for in the mail.

    A string stands for itself and null for nothing; numbers, booleans, lists
    and objects for their JSON text as it was sent. The body it comes from has
    been decoded, so it is known to be well-formed and UTF-8.
    """
    text = bytes(value)
    if text.startswith(b'"'):
        return _STRING.decode(text)
    return "" if text == b"null" else text.decode()
