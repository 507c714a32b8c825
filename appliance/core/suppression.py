"""Who gets no mail: one address or a whole domain, why, and who said so.

Both are known by a key, so that memory answers with two exact look-ups, whatever
the length of the list. A domain's key is ``@example.com``, which no address has.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address
from appliance.core.ids import SubAccountId


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


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry of the list; ``address`` is the key of an address or a domain.

    ``delivery`` is the copy that was the cause, None if none was.
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

    @property
    def target(self) -> str:
        """What is suppressed, as people write it."""
        return f"*{self.address}" if self.address.startswith("@") else self.address


@dataclass(frozen=True, slots=True)
class SuppressionFilter:
    """Which entries are wanted: of a reason, with a text in them, of some days.

    ``from_ns`` is the first moment that counts and ``until_ns`` the first that does
    not any more; None is no bound.
    """

    reason: SuppressionReason | None = None
    search: str = ""
    from_ns: int | None = None
    until_ns: int | None = None


ALL = SuppressionFilter()


def domain_key(domain: str) -> str:
    """The key of a whole domain."""
    return f"@{domain}"


def suppressed_text(address: Address, reason: SuppressionReason) -> str:
    """Why a mail to ``address`` is dropped; support and customers search for it."""
    return f"Recipient is suppressed: {address} ({reason.label})"
