"""Facts about deliveries, numbered in the order in which they became known.

A few are about an upstream or a webhook instead: no delivery's, and no
sub-account's to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from string import ascii_lowercase, ascii_uppercase
from typing import TypeAlias
from uuid import UUID

from appliance.core.ids import EventNumber, SubAccountId
from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.value import value

Scalar: TypeAlias = str | int | bool


class EventType(IntEnum):
    """What became known; the numbers are what the wire and the database show."""

    PROCESSED = 58
    SENT = 59
    DELIVERED = 60
    DEFERRED = 61
    DROPPED = 62
    HARD_BOUNCED = 63
    SOFT_BOUNCED = 64
    OPENED = 65
    CLICKED = 66
    COMPLAINED = 67
    UNSUBSCRIBED = 68
    IN_DOUBT = 69
    PROVIDER_DOWN = 70
    PROVIDER_UP = 71
    WEBHOOK_DEGRADED = 72
    WEBHOOK_DISABLED = 73

    @property
    def label(self) -> str:
        """The name that people read and type, such as ``hard_bounced``."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> "EventType | None":
        """The type that a label or a number names, else None."""
        return _BY_TEXT.get(text.strip().lower())


_BY_TEXT = {kind.label: kind for kind in EventType} | {
    str(int(kind)): kind for kind in EventType
}


@value
class About:
    """Which delivery a fact is about, in words that outlive its row.

    ``dimensions`` are what the sender attached in order to find the mail again.
    """

    sub_account: SubAccountId
    message: UUID
    delivery: UUID
    sender: str
    recipient: str
    pool: str = ""
    provider: str = ""
    dimensions: Dimensions = NO_DIMENSIONS


_NONE = UUID(int=0)


def about_provider(name: str) -> About:
    """What a fact about an upstream is about: nobody's mail."""
    return About(SubAccountId(0), _NONE, _NONE, "", "", provider=name)


@value
class NewEvent:
    """A fact about to be recorded; ``data`` is small, flat and may be hostile text."""

    type: EventType
    at_ns: int
    about: About
    data: Mapping[str, Scalar] = field(default_factory=dict)


@value
class Event:
    """A recorded fact; its number is the cursor that all readers share."""

    number: EventNumber
    type: EventType
    at_ns: int
    about: About
    data: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a reader wants; what is empty or None wants all.

    ``message`` is the UUID of a message or of one of its deliveries. Small and
    capital ASCII letters of ``recipient`` are the same. ``until_ns`` is the first
    moment that is not wanted.
    """

    types: frozenset[EventType] = frozenset()
    message: UUID | None = None
    sub_account: SubAccountId | None = None
    recipient: str = ""
    group: str = ""
    tag: str = ""
    topic: str = ""
    campaign: str = ""
    pool: str = ""
    provider: str = ""
    since_ns: int | None = None
    until_ns: int | None = None

    def accepts(self, event: Event) -> bool:
        """True if the reader wants this event."""
        about = event.about
        return (
            (not self.types or event.type in self.types)
            and (
                self.message is None or self.message in (about.message, about.delivery)
            )
            and self.sub_account in (None, about.sub_account)
            and self.pool in ("", about.pool)
            and self.provider in ("", about.provider)
            and (self.since_ns is None or event.at_ns >= self.since_ns)
            and (self.until_ns is None or event.at_ns < self.until_ns)
            and (not self.recipient or _same(self.recipient, about.recipient))
            and self._finds(about.dimensions)
        )

    def _finds(self, attached: Dimensions) -> bool:
        return (
            self.topic in ("", attached.topic)
            and self.campaign in ("", attached.campaign)
            and (not self.group or self.group in attached.groups)
            and (not self.tag or self.tag in attached.tags)
        )


_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


def _same(one: str, other: str) -> bool:
    """As the store compares: in ASCII only, where lower() knows more letters."""
    return one.translate(_SMALL) == other.translate(_SMALL)


EVERYTHING = EventFilter()
