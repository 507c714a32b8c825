"""The body of a webhook as it is sent to be made or changed (spec 9.3)."""

from typing import Annotated

import msgspec
from msgspec import Meta

from appliance.core.webhook_url import MAX_URL

# The flags by which an endpoint says what it wants, and those that are set at first.
USUAL_FLAGS = (
    "delivered",
    "dropped",
    "softBounced",
    "hardBounced",
    "opened",
    "clicked",
    "unsubscribed",
    "spam",
)
FLAGS = (
    *USUAL_FLAGS,
    "processed",
    "sent",
    "smtpDropped",
    "uniqueOpen",
    "uniqueClick",
)


class WebhookBody(msgspec.Struct, frozen=True, rename="camel"):
    """A webhook; each field may be left out of a change."""

    url: Annotated[str, Meta(max_length=MAX_URL)] | None = None
    enabled: bool | None = None
    processed: bool | None = None
    sent: bool | None = None
    dropped: bool | None = None
    smtp_dropped: bool | None = None
    delivered: bool | None = None
    soft_bounced: bool | None = None
    hard_bounced: bool | None = None
    opened: bool | None = None
    clicked: bool | None = None
    unsubscribed: bool | None = None
    spam: bool | None = None
    unique_open: bool | None = None
    unique_click: bool | None = None


DECODER = msgspec.json.Decoder(WebhookBody)
