"""What a provider's log agent hands in, and the answer to it (spec 11.1 to 11.3).

Three envelopes mean the same: ``{"events": [...]}``, a bare list, one event. Each
event is read for itself, so that a bad one spoils no other. A bounce is hard or soft
as ``classification`` says; an agent that judges nothing leaves it out, and then the
rules judge, whichever of its two names the bounce has.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from appliance.core import bounce
from appliance.core.event import EventType, Scalar
from appliance.core.ids import parse_uuid
from appliance.core.report import Report, Via
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.sendpost.moments import parse_moment
from appliance.smtp.reply import printable

MAX_EVENTS = 1000
MAX_TEXT = 1_000  # characters of a server's words that are kept
MAX_WORD = 320  # an address, a host name, a queue id
NOT_YOURS = "message_id is unknown, or was not relayed through this provider"

_CODE = re.compile(r"[2-5][0-9]{2}", re.ASCII)
_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_BOUNCES = ("bounced", "soft_bounced")
_PLAIN = {"delivered": EventType.DELIVERED, "deferred": EventType.DEFERRED}
_TYPES = frozenset({*_PLAIN, *_BOUNCES})
_KINDS = {
    bounce.Kind.HARD: EventType.HARD_BOUNCED,
    bounce.Kind.SOFT: EventType.SOFT_BOUNCED,
}


class _Event(msgspec.Struct, frozen=True):
    """One event; null is the same as absent, and what is not named is ignored."""

    message_id: str
    event_type: str
    recipient: str | None = None
    smtp_description: str | None = None
    smtp_code: int | str | None = None
    enhanced_code: str | None = None
    timestamp: int | str | None = None
    queue_id: str | None = None
    relay: str | None = None
    mta: str | None = None
    hostname: str | None = None
    classification: Literal["hard", "soft"] | None = None
    reason: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET


class _Named(msgspec.Struct, frozen=True):
    message_id: str = ""


_envelope = msgspec.json.Decoder(_Envelope)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(_Event)
_named = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why one event is not taken; ``message_id`` is what it says it is about."""

    message_id: str
    error: str


Item: TypeAlias = Report | Flaw


def parse_reports(body: bytes) -> list[Item] | Problem:
    """Each event of ``body`` in order; an empty list is a sign of life."""
    items = _items(body)
    if isinstance(items, Malformed):
        return invalid(items.path, items.what)
    if len(items) > MAX_EVENTS:
        return Problem(Fault.TOO_LARGE, f"There are over {MAX_EVENTS} events")
    return [_item(bytes(one)) for one in items]


def render_reports(items: Sequence[Item], believed: Sequence[bool]) -> bytes:
    """The answer; ``believed`` has one for each report among the items."""
    answers = iter(believed)
    errors = []
    for index, item in enumerate(items):
        flaw = item
        if isinstance(item, Report):
            if next(answers):
                continue
            flaw = Flaw(str(item.delivery), NOT_YOURS)
        assert isinstance(flaw, Flaw)
        told = {"message_id": flaw.message_id, "error": flaw.error}
        errors.append({"index": index, **told})
    accepted = len(items) - len(errors)
    answer = {"accepted": accepted, "rejected": len(errors), "errors": errors}
    return msgspec.json.encode(answer)


def _items(body: bytes) -> list[msgspec.Raw] | Malformed:
    if body.lstrip(b" \t\r\n").startswith(b"["):
        return decode(_list, body)
    envelope = decode(_envelope, body)
    if isinstance(envelope, Malformed):
        return envelope
    if envelope.events is msgspec.UNSET:
        return [msgspec.Raw(body)]
    return envelope.events or []


def _item(text: bytes) -> Item:
    event = decode(_event, text)
    if isinstance(event, Malformed):
        named = decode(_named, text)
        who = "" if isinstance(named, Malformed) else named.message_id
        return Flaw(_cut(who, MAX_WORD), _cut(_sentence(event), MAX_WORD))
    found = _report(event)
    if isinstance(found, str):
        return Flaw(_cut(event.message_id, MAX_WORD), found)
    return found


def _report(event: _Event) -> Report | str:
    """The report, or what is wrong with it."""
    delivery = parse_uuid(event.message_id)
    if delivery is None:
        return "message_id is not a UUID"
    if event.event_type not in _TYPES:
        return "event_type is not one of delivered, bounced, deferred, soft_bounced"
    at_ns = 0 if event.timestamp is None else parse_moment(event.timestamp)
    if at_ns is None:
        return "timestamp is neither RFC 3339 nor a number of s, ms or ns"
    data = _data(event)
    type_ = _PLAIN.get(event.event_type)
    if type_ is None:
        type_, judged = _judge(event)
        data |= judged
    recipient = _cut(event.recipient or "", MAX_WORD).strip("<> ")
    return Report(type_, delivery, recipient, at_ns, data)


def _data(event: _Event) -> dict[str, Scalar]:
    """The words of the event; what is not told is left out."""
    told: dict[str, Scalar] = {
        "code": _code(event),
        "text": _cut(event.smtp_description or "", MAX_TEXT),
        "enhanced": _enhanced(event),
        "queueId": _cut(event.queue_id or "", MAX_WORD),
        "relay": _cut(event.relay or "", MAX_WORD),
        "mta": _cut(event.mta or "", MAX_WORD),
        "host": _cut(event.hostname or "", MAX_WORD),
    }
    known = {name: value for name, value in told.items() if value}
    return {**known, "via": Via.AGENT.value}


def _judge(event: _Event) -> tuple[EventType, dict[str, Scalar]]:
    if event.classification is not None:
        kind = bounce.Kind(event.classification)
        reason = _cut(event.reason or "", MAX_WORD)
        return _KINDS[kind], {"reason": reason} if reason else {}
    code, enhanced = _code(event), _enhanced(event)
    text = event.smtp_description or ""
    if code or enhanced:
        verdict = bounce.classify(code, enhanced, text)
    else:
        verdict = bounce.classify_text(text)
    judged: dict[str, Scalar] = {"reason": verdict.reason.value, "rule": verdict.rule}
    return _KINDS[verdict.kind], judged


def _code(event: _Event) -> int:
    """The reply code, 0 for none that could be one."""
    text = str(event.smtp_code)
    return int(text) if _CODE.fullmatch(text) else 0


def _enhanced(event: _Event) -> str:
    text = event.enhanced_code or ""
    return text if _ENHANCED.fullmatch(text) else ""


def _cut(text: str, most: int) -> str:
    if text.isascii() and text.isprintable():  # nearly all: nothing to mend
        return text[:most]
    return printable(text[:most].encode("utf-8", "replace"))


def _sentence(flaw: Malformed) -> str:
    return f"{flaw.path}: {flaw.what}" if flaw.path else flaw.what
