"""Webhooks of this dialect (spec 8): one event a request, the same facts twice.

The vendor's pages show them flat and in an envelope; so both are told.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

import msgspec

from appliance.core.bounce import Kind, classify
from appliance.core.event import Event, EventType
from appliance.core.report import Via
from appliance.core.retry import RetryPlan
from appliance.core.webhook import Fact, Manners, Parcel, Request
from appliance.dialects.webhook import (
    OneWord,
    event_id,
    instant,
    message_id,
    reply_words,
    signature,
)

_encode = msgspec.json.Encoder().encode
_GONE = 410
_PLAIN: Mapping[EventType, str] = MappingProxyType(
    {
        EventType.PROCESSED: "email.sent",
        EventType.DEFERRED: "email.deferred",
        EventType.HARD_BOUNCED: "email.bounced",
        EventType.SOFT_BOUNCED: "email.bounced",
        EventType.COMPLAINED: "email.complained",
        EventType.OPENED: "email.opened",
        EventType.CLICKED: "email.clicked",
        EventType.UNSUBSCRIBED: "email.unsubscribed",
    }
)
# Incoming mail is taken on an endpoint's word and never told: we take none in.
_WORDS = (
    "email.sent",
    "email.delivered",
    "email.bounced",
    "email.deferred",
    "email.complained",
    "email.received",
    "email.opened",
    "email.clicked",
    "email.unsubscribed",
)


class PostscaleWebhook(OneWord):
    """Spec 8.5: four tries, 410 is the last word, and no endpoint is disabled."""

    plain = _PLAIN
    suppressed = ""  # who is suppressed is refused at the door
    words = _WORDS
    usual = frozenset(_WORDS)
    forms = ("",)
    manners = Manners(RetryPlan((60, 300, 1800)), final=frozenset({_GONE}))

    def render(self, fact: Fact, form: str) -> bytes:  # noqa: ARG002 - there is one
        """The whole body."""
        word, at = self.title(fact), instant(fact.event.at_ns)
        told = _told(fact, word, at)
        head = {
            "id": f"evt_{event_id(fact.event).hex}",
            "type": word,
            "event": word,
            "created_at": at,
            "timestamp": at,
        }
        return _encode({**head, **told, "data": told})

    def pack(self, key: str, rendered: Sequence[bytes]) -> bytes:  # noqa: ARG002
        """The body: it is the same in every try."""
        (body,) = rendered
        return body

    def request(
        self, parcel: Parcel, keys: Sequence[str], now_s: int, attempt: int, id_: UUID
    ) -> Request:
        """One try, with an id of its own."""
        headers = [
            ("Content-Type", "application/json"),
            ("X-Postscale-Event", parcel.title),
            ("X-Postscale-Delivery-ID", str(id_)),
            ("X-Postscale-Attempt", str(attempt)),
        ]
        if keys:
            mark = signature(keys, now_s, parcel.content)
            headers.append(("X-Postscale-Signature", mark))
        return Request(tuple(headers), parcel.content)

    def trial(self, now_ns: int) -> tuple[str, bytes]:
        """An event that no mail has."""
        word, at = "webhook.test", instant(now_ns)
        head = {"id": f"evt_{UUID(int=0).hex}", "type": word, "event": word}
        return word, _encode(
            head | {"created_at": at, "timestamp": at, "data": {"test": True}}
        )


def _told(  # noqa: PLR0911 - a table
    fact: Fact, word: str, at: str
) -> dict[str, object]:
    event, about = fact.event, fact.event.about
    common: dict[str, object] = {
        "email_id": str(about.message),
        "message_id": message_id(fact),
        "from": about.sender,
        "to": about.recipient,
        "recipient": about.recipient,
        "subject": fact.mail.subject,
        "tags": list(about.dimensions.tags),
        "metadata": dict(about.dimensions.metadata),
    }
    data, said = event.data, reply_words(event)
    host = data.get("relay") or data.get("host") or about.provider
    match word:
        case "email.sent":
            return common | {"sent_at": at}
        case "email.delivered":
            told = {"delivered_at": at, "mx_host": host, "smtp_response": said}
            return common | told
        case "email.deferred":
            code, attempt = data.get("code"), data.get("attempt")
            return common | {
                "smtp_code": code,
                "smtp_response": said or data.get("reason"),
                "attempt": attempt,
                "next_attempt_at": data.get("retryAt"),
            }
        case "email.bounced":
            return common | {
                "bounce_type": "hard" if _is_hard(event) else "soft",
                "bounce_code": str(data.get("code", "") or ""),
                "smtp_response": said or data.get("reason"),
                "mx_host": host,
                "bounced_at": at,
                "source": "dsn" if data.get("via") == Via.DSN.value else "smtp",
            }
        case "email.complained":
            kind = data.get("feedbackType", "abuse")
            return common | {"feedback_type": kind, "complained_at": at}
        case "email.opened":
            return common | _visit(event)
        case "email.clicked":
            return common | {"url": data.get("url"), **_visit(event)}
    return common


def _visit(event: Event) -> dict[str, object]:
    """Who that was: a person, as far as it shows, or which kind of program."""
    data = event.data
    return {"verdict": data.get("verdict"), "verdict_reason": data.get("verdictReason")}


def _is_hard(event: Event) -> bool:
    """True if it is the address that is wrong (spec 10); what was given up may be so.

    Of what an upstream refused the rules judge, for nobody did yet; a mail that it
    put off until we gave up, or that it never answered, says nothing of an address.
    """
    if event.type is not EventType.DROPPED:
        return event.type is EventType.HARD_BOUNCED
    code, data = event.data.get("code"), event.data
    if not isinstance(code, int) or not code:
        return False
    said = classify(code, str(data.get("enhanced", "")), str(data.get("text", "")))
    return said.kind is Kind.HARD
