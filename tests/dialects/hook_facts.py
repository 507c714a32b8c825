"""Facts to be worded by the dialects' webhooks."""

from collections.abc import Mapping
from uuid import UUID

from appliance.core.address import Address, Mailbox
from appliance.core.event import About, Event, EventType, Scalar
from appliance.core.ids import AccountId, EventNumber, SubAccountId
from appliance.core.recipient_class import RecipientClass
from appliance.core.submission import Dimensions
from appliance.core.webhook import Fact, Mail

NOW_NS = 1_777_550_405_123_456_789  # 2026-04-30T12:00:05.123456789Z
MESSAGE = UUID("018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7d")
DELIVERY = UUID("018f4f3e-7b2c-7c80-8e21-1a3a4f5b6c7e")
ATTACHED = Dimensions(
    groups=("newsletter",),
    tags=("welcome",),
    topic="news",
    campaign="spring",
    metadata={"order-id": "ord_456"},
)


def fact(
    type_: EventType,
    data: Mapping[str, Scalar] | None = None,
    *,
    arrival: bool = False,
    number: int = 4711,
) -> Fact:
    """What became known of one mail."""
    about = About(
        SubAccountId(2),
        MESSAGE,
        DELIVERY,
        "hello@yourapp.com",
        "user@example.com",
        "main",
        "post",
        ATTACHED,
    )
    event = Event(EventNumber(number), type_, NOW_NS, about, data or {})
    mail = Mail(
        subject="Welcome!",
        accepted_ns=NOW_NS - 5_000_000_000,
        pool=3,
        provider=4,
        domain=5,
        to=(Mailbox(Address("user", "example.com"), "A. User"),),
        sender_name="Hello",
        reply_to=Mailbox(Address("help", "yourapp.com"), "Help"),
        headers={"X-Listmonk-Campaign": "c-1", "List-Id": "<news.yourapp.com>"},
        fields={"plan": "gold"},
    )
    kind = RecipientClass.GOOGLEWORKSPACE
    return Fact(event, AccountId(1), mail, arrival, recipient_class=kind)


REPLY: dict[str, Scalar] = {"code": 550, "enhanced": "5.1.1", "text": "user unknown"}
SUPPRESSED: dict[str, Scalar] = {
    "reason": "Recipient is suppressed: user@example.com (hard bounce)",
    "suppressed": "hard_bounce",
}
CHROME: dict[str, Scalar] = {
    "userAgent": "Mozilla",
    "verdict": "human",
    "agentFamily": "Chrome",
    "agentVersion": "126.0",
    "osFamily": "Windows",
    "osVersion": "10",
}
