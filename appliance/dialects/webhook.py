"""What a dialect decides of events that are told over HTTP.

All of it is pure: which word an event goes by, how it is worded, how a request is
signed. When a request is made, and made again, is `flow/webhooks.py`'s business.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import Protocol
from uuid import UUID

from appliance.core.event import Event, EventType
from appliance.core.suppression import suppressed_by
from appliance.core.webhook import Fact, Manners, Parcel, Request

_NS = 1_000_000_000


class WebhookDialect(Protocol):
    """A vendor's webhooks."""

    @property
    def manners(self) -> Manners:
        """How requests are delivered."""

    @property
    def words(self) -> Sequence[str]:
        """All kinds of events that an endpoint may want."""

    @property
    def usual(self) -> frozenset[str]:
        """What an endpoint wants that does not say."""

    @property
    def forms(self) -> Sequence[str]:
        """The variants of the payload, the usual one first."""

    def words_of(self, fact: Fact) -> frozenset[str]:
        """The words under which this event may be wanted; none: it is not told."""

    def render(self, fact: Fact, form: str) -> bytes:
        """The event as JSON, the same in every try."""

    def pack(self, key: str, rendered: Sequence[bytes]) -> bytes:
        """What is kept of a request until it has been taken."""

    def title(self, fact: Fact) -> str:
        """The word for one event, as people are shown it."""

    def request(
        self, parcel: Parcel, keys: Sequence[str], now_s: int, attempt: int, id_: UUID
    ) -> Request:
        """One try, signed for this moment with each of the keys."""

    def trial(self, now_ns: int) -> tuple[str, bytes]:
        """A title, and one event that is no event, by which an endpoint is tested."""


def signature(keys: Sequence[str], now_s: int, body: bytes) -> str:
    """``t=...,v1=...`` with one ``v1`` for each key.

    An HMAC-SHA256 under the whole text of the secret over time, dot and body. All
    three vendors' verifiers read it; those of two refuse a time 300 s ago.
    """
    signed = b"%d.%s" % (now_s, body)
    marks = (hmac.new(one.encode(), signed, sha256).hexdigest() for one in keys)
    return ",".join([f"t={now_s}", *(f"v1={mark}" for mark in marks)])


def event_id(event: Event) -> UUID:
    """An id that the event has in every try and every format.

    Of version 7: the event's time in front (RFC 9562 5.7), what is unlike behind it.
    """
    mark = b"%d %s" % (event.number, event.about.delivery.bytes)
    tail = int.from_bytes(blake2b(mark, digest_size=10).digest())
    value = ((event.at_ns // 1_000_000) & (1 << 48) - 1) << 80 | tail
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)


def instant(ns: int, digits: int = 3) -> str:
    """A moment in UTC with a ``Z`` (RFC 3339), to so many digits of a second."""
    at = datetime.fromtimestamp(ns // _NS, tz=UTC)
    part = f".{ns % _NS:09d}"[: digits + 1] if digits else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{part}Z"


class OneWord:
    """Of a dialect that tells each event under one word, or not at all."""

    plain: Mapping[EventType, str]
    suppressed: str  # what a copy is told as whose recipient wants none

    def words_of(self, fact: Fact) -> frozenset[str]:
        """Its one word, if it has one here."""
        word = self.title(fact)
        return frozenset((word,)) if word else frozenset()

    def title(self, fact: Fact) -> str:
        """Its word, "" if it is not told."""
        event = fact.event
        if fact.arrival:
            return "email.delivered"
        if event.type is EventType.DROPPED:
            unwanted = suppressed_by(event.data) is not None
            return self.suppressed if unwanted else "email.bounced"
        return self.plain.get(event.type, "")


def message_id(fact: Fact) -> str | None:
    """The Message-ID without its brackets; None where that is not known any more."""
    about = fact.event.about
    if fact.mail.to:
        return f"{about.message}@{about.sender.rpartition('@')[2]}"
    return fact.mail.message_id or None


def reply_words(event: Event) -> str | None:
    """What a server said, as it is quoted in mail; None if none said anything."""
    data = event.data
    words = (data.get("code"), data.get("enhanced"), data.get("text"))
    said = " ".join(str(one) for one in words if one)
    return said or None
