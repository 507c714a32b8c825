"""Webhooks of this dialect (spec 13, 14): batches of events, signed with a time.

What an event may be told of is told flat, and again nested where the vendor's own
programs read it so. What no event has is null.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

import msgspec

from appliance.core.engagement import Verdict
from appliance.core.event import Event, EventType, Scalar
from appliance.core.report import Via
from appliance.core.retry import RetryPlan
from appliance.core.suppression import SuppressionReason, suppressed_by
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
_PLAIN: Mapping[EventType, str] = MappingProxyType(
    {
        EventType.PROCESSED: "email.sent",
        EventType.DEFERRED: "email.delayed",
        EventType.HARD_BOUNCED: "email.bounced",
        EventType.SOFT_BOUNCED: "email.bounced",
        EventType.COMPLAINED: "email.complained",
        EventType.UNSUBSCRIBED: "email.unsubscribed",
        EventType.OPENED: "email.opened",
        EventType.CLICKED: "email.clicked",
    }
)
_WORDS = (
    "email.sent",
    "email.delivered",
    "email.delayed",
    "email.bounced",
    "email.complained",
    "email.suppressed",
    "email.unsubscribed",
    "email.opened",
    "email.clicked",
)
_TRIES = {EventType.SENT, EventType.DELIVERED, EventType.DROPPED, EventType.DEFERRED}
_PERMANENT = 5
# Spec 13: enhanced status to the vendor's class of bounce.
_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "1.1": "InvalidRecipient",
        "1.2": "InvalidRecipient",
        "1.3": "InvalidRecipient",
        "1.4": "InvalidRecipient",
        "1.6": "InactiveMailbox",
        "2.1": "InactiveMailbox",
        "1.10": "BadDomain",
        "1.7": "InvalidSender",
        "1.8": "InvalidSender",
        "2.2": "QuotaIssues",
        "2.3": "QuotaIssues",
        "3.1": "QuotaIssues",
        "3.4": "QuotaIssues",
        "4.1": "NoAnswerFromHost",
        "4.2": "BadConnection",
        "4.3": "DNSFailure",
        "4.4": "RoutingErrors",
        "4.6": "RoutingErrors",
        "4.5": "TransientFailure",
        "4.7": "MessageExpired",
        "5.3": "TooManyRecipients",
    }
)
_FAMILIES: Mapping[str, str] = MappingProxyType(
    {"5": "ProtocolErrors", "6": "ProtocolErrors", "7": "PolicyRelated"}
)


_REASONS: Mapping[SuppressionReason, str] = MappingProxyType(
    {
        SuppressionReason.HARD_BOUNCE: "permanent_bounce",
        SuppressionReason.SPAM_COMPLAINT: "complaint",
        SuppressionReason.UNSUBSCRIBE: "unsubscribed",
        SuppressionReason.MANUAL: "manual",
    }
)
_SPECIALS = frozenset('()<>[]:;@\\,."')  # RFC 5322 3.2.3
_MACHINES = frozenset({Verdict.SCANNER.value, Verdict.PREFETCH.value})
# What picture proxies call themselves (core/user_agent.py), in the vendor's words.
_PROXIES: Mapping[str, str] = MappingProxyType(
    {"GoogleImageProxy": "google", "YahooMailProxy": "yahoo"}
)
_BOUNCED = frozenset({EventType.HARD_BOUNCED, EventType.SOFT_BOUNCED})


class AnypostWebhook(OneWord):
    """Spec 14; retries and the end of an endpoint by 14.5."""

    plain = _PLAIN
    suppressed = "email.suppressed"
    words = _WORDS
    usual = frozenset(_WORDS)
    forms = ("",)
    # A page of the log is less than a batch may be (spec 14.5).
    manners = Manners(
        RetryPlan((10, 60, 300, 1800, 7200, 21600, 43200)),
        batch=100,
        linger_s=2.0,
        at_a_time=1,
        disable_after=20,
        disable_span_s=3600,
        recovers=True,
    )

    def title(self, fact: Fact) -> str:
        """Its word; "" also for a hit by a program that no person sent."""
        return "" if _is_machine(fact.event.data) else super().title(fact)

    def render(self, fact: Fact, form: str) -> bytes:  # noqa: ARG002 - there is one
        """One element of ``events``."""
        return _encode(
            {
                "id": f"evt_{event_id(fact.event).hex}",
                "type": self.title(fact),
                "occurred_at": instant(fact.event.at_ns, 6),
                "data": _data(fact, self.title(fact)),
            }
        )

    def pack(self, key: str, rendered: Sequence[bytes]) -> bytes:
        """Batch id and events; the time in front of them is each try's own."""
        return b'"batch_id":%s,"events":[%s]' % (_encode(key), b",".join(rendered))

    def request(
        self,
        parcel: Parcel,
        keys: Sequence[str],
        now_s: int,
        attempt: int,  # noqa: ARG002 - told by other dialects
        id_: UUID,  # noqa: ARG002
    ) -> Request:
        """One try; ``timestamp`` is that of the signature."""
        body = b'{"timestamp":%d,%s}' % (now_s, parcel.content)
        headers = [("Content-Type", "application/json")]
        if keys:
            headers.append(("Anypost-Signature", signature(keys, now_s, body)))
        return Request(tuple(headers), body)

    def trial(self, now_ns: int) -> tuple[str, bytes]:
        """The synthetic event of spec 14.1."""
        nobody = UUID(int=0)
        data = {"email_id": f"email_{nobody}", "recipient": "test@example.com"}
        event = {
            "id": f"evt_{nobody.hex}",
            "type": "webhook.test",
            "occurred_at": instant(now_ns, 6),
            "data": data,
        }
        return "webhook.test", _encode(event)


def _data(fact: Fact, word: str) -> dict[str, object]:
    event, about, mail = fact.event, fact.event.about, fact.mail
    attached = about.dimensions
    bounced = word == "email.bounced"
    data = event.data
    flat: dict[str, object] = {
        "email_id": f"email_{about.delivery}",
        "message_id": message_id(fact),
        "from": _from(fact),
        "from_domain": about.sender.rpartition("@")[2].lower() or None,
        "recipient": about.recipient,
        "subject": mail.subject or None,
        "campaign": attached.campaign or None,
        "topic": attached.topic or None,
        "template_id": None,
        "tags": list(attached.tags),
        "ip_pool": about.pool or None,
        "smtp_code": _code(event),
        "bounce_type": _bounce_type(event) if bounced else None,
        "bounce_classification": _classify(event) if bounced else None,
        "attempt": data.get("attempt") if event.type in _TRIES else None,
        "tracking": _tracking(data),
    }
    return flat | _headers(fact) | _nested(fact, word, flat)


def _from(fact: Fact) -> str:
    """The author as a header shows it (spec 18, U22)."""
    sender, name = fact.event.about.sender, fact.mail.sender_name
    if not name:
        return sender
    shown = name if not _SPECIALS & {*name} else f'"{_escape(name)}"'
    return f"{shown} <{sender}>"


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _headers(fact: Fact) -> dict[str, object]:
    """The sender's X- headers; of what came back by mail none are told (spec 14.4)."""
    event = fact.event
    came_back = event.type in _BOUNCED and event.data.get("via") == Via.DSN.value
    if came_back or event.type is EventType.COMPLAINED:
        return {}
    found = {
        name.lower().replace("-", "_"): value
        for name, value in fact.mail.headers.items()
        if name[:2] in ("X-", "x-")
    }
    return {"headers": found}


def _nested(  # noqa: PLR0911 - a table
    fact: Fact, word: str, flat: Mapping[str, object]
) -> dict[str, object]:
    data = fact.event.data
    words = reply_words(fact.event) or data.get("reason")
    match word:
        case "email.bounced":
            bounce = {
                "type": flat["bounce_type"],
                "classification": flat["bounce_classification"],
                "smtp_code": flat["smtp_code"],
                "message": words,
            }
            return {"bounce": bounce}
        case "email.suppressed":
            return {"suppression": _suppression(data)}
        case "email.complained":
            return {"complaint": {"type": data.get("feedbackType", "abuse")}}
        case "email.unsubscribed":
            return {"unsubscribe": {"topic": flat["topic"] or "*"}}
        case "email.clicked":
            return {"click": {"url": data.get("url")}}
        case "email.delayed":
            attempt = data.get("attempt")
            code = flat["smtp_code"]
            return {"delay": {"smtp_code": code, "message": words, "attempt": attempt}}
    return {}


def _code(event: Event) -> Scalar | None:
    """The code of the reply; 250 for what was delivered without one being told."""
    taken = event.type in {EventType.SENT, EventType.DELIVERED}
    return event.data.get("code") or (250 if taken else None)


def _bounce_type(event: Event) -> str:
    if event.type is EventType.SOFT_BOUNCED:
        return "transient"
    code = event.data.get("code")
    permanent = isinstance(code, int) and code // 100 == _PERMANENT
    hard = event.type is EventType.HARD_BOUNCED or permanent
    return "permanent" if hard else "expired"


def _classify(event: Event) -> str:
    status = str(event.data.get("enhanced", ""))
    _, _, detail = status.partition(".")
    if detail in _CLASSES:
        return _CLASSES[detail]
    if _bounce_type(event) == "expired":
        return "MessageExpired"
    return _FAMILIES.get(detail.partition(".")[0], "Uncategorized")


def _suppression(data: Mapping[str, Scalar]) -> dict[str, object]:
    """Which entry of the list is why; who made it is not part of the event."""
    why = suppressed_by(data) or SuppressionReason.MANUAL
    topic = data.get("suppressedTopic", "*")
    return {"reason": _REASONS[why], "topic": topic, "origin": None}


def _is_machine(data: Mapping[str, Scalar]) -> bool:
    """True for what no person did: the vendor tells of none of it (spec 11.1)."""
    return data.get("verdict") in _MACHINES


def _tracking(data: Mapping[str, Scalar]) -> dict[str, object] | None:
    """Null but for the proxy of a mail service that shows a person the picture."""
    if data.get("verdict") != Verdict.PROXY.value:
        return None
    source = _PROXIES.get(str(data.get("agentFamily", "")), "other")
    return {"bot": {"source": source, "kind": Verdict.PROXY.value}}
