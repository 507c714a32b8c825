"""Webhooks of this dialect (spec 9.4): one event a request, and the mail it is about.

The vendor has two spellings of an event and does not say which is sent; an endpoint
may ask for one of them, and gets both unless it does. ``type`` is the number of this
kind of provider, ``typeName`` the vendor's own word.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

import msgspec

from appliance.core.address import Mailbox
from appliance.core.event import Event, EventType
from appliance.core.retry import RetryPlan
from appliance.core.webhook import Fact, Manners, Parcel, Request
from appliance.dialects.sendpost.webhook_agent import HYBRID, LEGACY, V1, agent_facts
from appliance.dialects.sendpost.webhook_wire import FLAGS, USUAL_FLAGS
from appliance.dialects.webhook import event_id, signature

_encode = msgspec.json.Encoder().encode
NATIVE: Mapping[EventType, str] = MappingProxyType(
    {
        EventType.PROCESSED: "processed",
        EventType.SENT: "sent",
        EventType.DELIVERED: "delivered",
        EventType.HARD_BOUNCED: "hardBounced",
        EventType.SOFT_BOUNCED: "softBounced",
        EventType.OPENED: "opened",
        EventType.CLICKED: "clicked",
        EventType.COMPLAINED: "spam",
        EventType.UNSUBSCRIBED: "unsubscribed",
    }
)
_UNIQUE: Mapping[EventType, str] = MappingProxyType(
    {EventType.OPENED: "uniqueOpen", EventType.CLICKED: "uniqueClick"}
)


class SendpostWebhook:
    """Spec 9.3 and 9.4."""

    words = FLAGS
    usual = frozenset(USUAL_FLAGS)
    forms = (HYBRID, V1, LEGACY)
    manners = Manners(
        RetryPlan((60, 300, 1800, 7200, 86400)),
        disable_after=50,
        disable_span_s=24 * 3600,
    )

    def words_of(self, fact: Fact) -> frozenset[str]:
        """Its word, and the one for the first of its kind if it is that."""
        word = self.title(fact)
        if not word:
            return frozenset()
        unique = _UNIQUE.get(fact.event.type)
        if unique and fact.event.data.get("first"):
            return frozenset((word, unique))
        return frozenset((word,))

    def title(self, fact: Fact) -> str:
        """The vendor's own word, "" if it is not told."""
        event = fact.event
        if event.type is EventType.DROPPED:
            return "smtpDropped" if _was_tried(event) else "dropped"
        return NATIVE.get(event.type, "")

    def render(self, fact: Fact, form: str) -> bytes:
        """The whole body."""
        return _encode(
            {
                "event": event_object(fact, self.title(fact), form or HYBRID),
                "emailMessage": _message(fact, form or HYBRID),
            }
        )

    def pack(self, key: str, rendered: Sequence[bytes]) -> bytes:  # noqa: ARG002
        """The body: it is the same in every try."""
        (body,) = rendered
        return body

    def request(
        self,
        parcel: Parcel,
        keys: Sequence[str],
        now_s: int,
        attempt: int,  # noqa: ARG002 - told by other dialects
        id_: UUID,  # noqa: ARG002
    ) -> Request:
        """One try."""
        headers = [("Content-Type", "application/json")]
        if keys:
            mark = signature(keys, now_s, parcel.content)
            headers.append(("X-SendPost-Signature", mark))
        return Request(tuple(headers), parcel.content)

    def trial(self, now_ns: int) -> tuple[str, bytes]:
        """An event that no mail has."""
        nobody = str(UUID(int=0))
        event = {
            "eventId": nobody,
            "eventID": nobody,
            "messageId": nobody,
            "messageID": nobody,
            "type": int(EventType.PROCESSED),
            "typeName": "test",
            "to": "test@example.com",
            "submittedAt": now_ns,
            "timestamp": now_ns,
        }
        return "test", _encode({"event": event, "emailMessage": {"messageID": nobody}})


def _was_tried(event: Event) -> bool:
    """True if a server was asked before the mail was given up."""
    return "stage" in event.data


def event_object(fact: Fact, word: str, form: str) -> dict[str, object]:
    """The event under that word."""
    event, about, mail = fact.event, fact.event.about, fact.mail
    id_, message = str(event_id(event)), str(about.message)
    accepted_ns = mail.accepted_ns or event.at_ns
    v1 = {
        "eventId": id_,
        "messageId": message,
        "type": int(event.type),
        "typeName": word,
        "from": about.sender,
        "to": about.recipient,
        "subject": mail.subject,
        "groups": list(about.dimensions.groups),
        "submittedAt": accepted_ns,
        "timestamp": event.at_ns,
        "eventMetadata": _metadata(event, form),
    }
    if form == V1:
        return v1
    legacy = {
        "eventID": id_,
        "type": int(event.type),
        "messageID": message,
        "submittedAt": event.at_ns,
        "smtpCode": event.data.get("code", 0),
        "smtpDescription": _said(event),
        "eventMetadata": v1["eventMetadata"],
        "groups": v1["groups"],
        "ipID": 0,
        "ipPoolID": mail.pool,
        "domainID": mail.domain,
        "tpspId": mail.provider,
        "messageType": fact.recipient_class.value,
        "messageSubject": mail.subject,
        "accountID": fact.account,
        "subAccountID": about.sub_account,
        "from": about.sender,
        "fromName": mail.sender_name,
        "to": about.recipient,
        "toName": _name(fact),
    }
    return legacy if form == LEGACY else legacy | v1


def _metadata(event: Event, form: str) -> dict[str, object]:
    data = event.data
    told: dict[str, object] = {}
    if data.get("code") or data.get("reason"):
        told |= {"smtpCode": data.get("code", 0), "smtpDescription": _said(event)}
    if event.type in {EventType.OPENED, EventType.CLICKED, EventType.UNSUBSCRIBED}:
        agent, ip = data.get("userAgent", ""), data.get("ip", "")
        told |= {"rawUserAgent": agent, **agent_facts(data, form)}
        if form != LEGACY:
            told["trackedIp"] = ip
        if form != V1:
            told["trackedIP"] = ip
    if form == HYBRID and "verdict" in data:  # the vendor has no word for it
        told["verdict"] = data["verdict"]
        told["verdictReason"] = data.get("verdictReason", "")
    if event.type is EventType.CLICKED:
        url = data.get("url", "")
        if form != LEGACY:
            told["clickedUrl"] = url
        if form != V1:
            told |= {"clickedURL": url, "sendpostLinkId": str(data.get("link", ""))}
    return told


def _message(fact: Fact, form: str) -> dict[str, object]:
    """The mail; the capital letters are the vendor's in both spellings."""
    about, mail = fact.event.about, fact.mail
    to = {"email": about.recipient, "name": _name(fact)}
    return {
        "messageID": str(about.message),
        "accountID": fact.account,
        "subAccountID": about.sub_account,
        "ipID": 0,
        "publicIP": "",
        "localIP": "",
        "emailType": fact.recipient_class.value,
        "submittedAt": mail.accepted_ns or fact.event.at_ns,
        "from": {"email": about.sender, "name": mail.sender_name},
        "replyTo": None if mail.reply_to is None else _person(mail.reply_to),
        "to": [to] if form == LEGACY else to,
        "groups": list(about.dimensions.groups),
        "ipPool": about.pool,
        "headers": dict(mail.headers),
        "customFields": dict(mail.fields),
        "trackOpens": mail.tracking.opens,
        "trackClicks": mail.tracking.clicks,
        "webhookEndpoint": mail.webhook_url,
    }


def _person(one: Mailbox) -> dict[str, object]:
    return {"email": str(one.address), "name": one.name}


def _name(fact: Fact) -> str:
    """As the header shows it."""
    wanted = fact.event.about.recipient
    shown = (*fact.mail.to, *fact.mail.cc)
    return next((one.name for one in shown if str(one.address) == wanted), "")


def _said(event: Event) -> str:
    """What a server said, else why nothing was asked of one."""
    return str(event.data.get("text") or event.data.get("reason", ""))
