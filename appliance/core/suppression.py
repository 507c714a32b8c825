"""Who gets no mail: one address or a whole domain, what mail, why, and who said so.

Both are known by a key, so that memory answers with a few exact look-ups, whatever
the length of the list. A domain's key is ``@example.com``, which no address has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

from appliance.core.address import Address
from appliance.core.event import Scalar
from appliance.core.ids import SubAccountId

# The widest of what the dialects call a topic, a list or a stream.
_TOPIC = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class SuppressionReason(IntEnum):
    """Why an address is suppressed; the numbers are what the wire shows."""

    MANUAL = 0
    UNSUBSCRIBE = 1
    HARD_BOUNCE = 2
    SPAM_COMPLAINT = 3

    @property
    def label(self) -> str:
        """As people read it, such as ``hard bounce``."""
        return self.name.lower().replace("_", " ")


class Source(IntEnum):
    """Who suppressed it. A person may say "hard bounce" of what bounced elsewhere."""

    HAND = 0
    UNSUBSCRIBE = 1
    BOUNCE = 2
    COMPLAINT = 3

    @property
    def label(self) -> str:
        """As people read it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class WholeDomain:
    """All addresses at one domain, in ASCII and lower case; not those below it."""

    domain: str

    def __str__(self) -> str:
        return f"*@{self.domain}"

    @property
    def key(self) -> str:
        """The form under which it is stored and looked for."""
        return domain_key(self.domain)


Target: TypeAlias = Address | WholeDomain


class Scope(NamedTuple):
    """What mail a suppression is about: a topic, or all from one sender domain.

    At most one of the two is named; neither means all mail. A tuple, because memory
    finds entries by it a million times an hour.
    """

    topic: str = ""
    domain: str = ""

    @property
    def label(self) -> str:
        """As people read it, "" for all mail."""
        if self.topic:
            return f"topic {self.topic}"
        return f"mail from {self.domain}" if self.domain else ""


EVERYTHING = Scope()


class Mail(NamedTuple):
    """What of a mail decides which suppressions are about it.

    A mail without a topic is in the scope of no topic: it is about what somebody has
    bought or booked, and nobody who leaves a newsletter leaves that.
    """

    topic: str = ""
    sender_domain: str = ""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that it is in, the widest first."""
        scopes = EVERYTHING, Scope(self.topic), Scope("", self.sender_domain)
        return tuple(dict.fromkeys(scopes))


ANY_MAIL = Mail()


@dataclass(frozen=True, slots=True)
class Stop:
    """Why some mail does not go to somebody, and until when if not for ever."""

    reason: SuppressionReason
    scope: Scope = EVERYTHING
    expires_ns: int | None = None

    @property
    def label(self) -> str:
        """The reason as people read it, and the scope where there is one."""
        return ", ".join(filter(None, (self.reason.label, self.scope.label)))

    def holds(self, now_ns: int) -> bool:
        """False once it has expired."""
        return self.expires_ns is None or now_ns < self.expires_ns


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry of the list; ``address`` is the key of an address or a domain.

    ``delivery`` is the copy that was the cause, None if none was. ``expires_ns`` is
    the first moment at which it does not count any more, None if it always does.
    """

    id: int
    uuid: UUID
    sub_account: SubAccountId
    address: str
    reason: SuppressionReason
    at_ns: int
    description: str
    source: Source
    delivery: UUID | None
    scope: Scope = EVERYTHING
    expires_ns: int | None = None

    @property
    def target(self) -> str:
        """What is suppressed, as people write it."""
        return f"*{self.address}" if self.address.startswith("@") else self.address


@dataclass(frozen=True, slots=True)
class SuppressionFilter:
    """Which entries are wanted: of a reason, with a text in them, of some days.

    ``from_ns`` is the first moment that counts and ``until_ns`` the first that does
    not any more; None is no bound. ``scope`` is the only one wanted, None for all.
    """

    reason: SuppressionReason | None = None
    search: str = ""
    from_ns: int | None = None
    until_ns: int | None = None
    scope: Scope | None = None


ALL = SuppressionFilter()


def domain_key(domain: str) -> str:
    """The key of a whole domain."""
    return f"@{domain}"


def is_topic(text: str) -> bool:
    """True if a topic may be called so."""
    return _TOPIC.fullmatch(text) is not None


def suppressed_text(address: Address, why: Stop) -> str:
    """Why a mail to ``address`` is dropped; support and customers search for it."""
    return f"Recipient is suppressed: {address} ({why.label})"


def suppressed_data(why: Stop) -> dict[str, Scalar]:
    """The same for programs: what the event of such a drop says beside its reason."""
    facts = {
        "suppressed": why.reason.name.lower(),
        "suppressedTopic": why.scope.topic,
        "suppressedDomain": why.scope.domain,
    }
    return {name: fact for name, fact in facts.items() if fact}


def suppressed_by(data: Mapping[str, Scalar]) -> SuppressionReason | None:
    """Why the recipient of a dropped mail wants none, None if that was not why.

    Events of before this was recorded say it in their reason only, for people.
    """
    word = data.get("suppressed")
    return next((one for one in SuppressionReason if one.name.lower() == word), None)
