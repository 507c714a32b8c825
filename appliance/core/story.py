"""All that is known of one message: who sent it, and how each copy of it fares."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from appliance.core.attempt import Attempt
from appliance.core.breaker import Health
from appliance.core.delivery import Role, State
from appliance.core.engagement import Tally
from appliance.core.event import Event
from appliance.core.ids import DeliveryId, ProviderId, SubAccountId


@dataclass(frozen=True, slots=True)
class Key:
    """The credential that a message came in by, as it is now; never its text."""

    uuid: UUID
    name: str
    hint: str
    dialect: str
    scope: str
    revoked_ns: int


@dataclass(frozen=True, slots=True)
class Head:
    """What the copies of a message share.

    ``key`` is None for the operator's own mail; ``key_gone`` if it was removed.
    ``domain`` is "" for one that was removed.
    """

    uuid: UUID
    sub_account: SubAccountId
    sub_account_name: str
    key: Key | None
    key_gone: bool
    domain: str
    domain_verified: bool
    sender: str
    subject: str
    size_bytes: int
    accepted_ns: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an address gets no mail, and since when."""

    reason: str
    at_ns: int
    description: str


@dataclass(frozen=True, slots=True)
class Deferral:
    """How long, how often and why the upstream's own tries failed so far."""

    first_ns: int
    last_ns: int
    tries: int
    code: int
    enhanced: str
    text: str
    relay: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One copy: where it stands, what holds it, and each try of it.

    ``share`` is the provider's percentage of the pool as it is now, None if it has
    none, and ``draw`` is why it was drawn. ``limit`` is the limit that holds it now,
    with the moment until which it does at least. ``suppression`` is what the list says
    now; at intake it was asked too. ``deferral`` is what the upstream's log told of its
    own tries, ``engagement`` what came of its pixel and its links.
    """

    id: DeliveryId
    uuid: UUID
    role: Role
    recipient: str
    state: State
    attempts: int
    pool: str
    provider: ProviderId | None
    share: int | None
    draw: str
    last_code: int
    last_text: str
    waits_for: str
    limit: tuple[str, int] | None
    created_ns: int
    due_ns: int | None
    settled_ns: int | None
    dot_ns: int | None
    suppression: Verdict | None
    tries: tuple[Attempt, ...]
    deferral: Deferral | None = None
    engagement: Tally | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A message with its copies and events, at one moment.

    Events outlive the rows: of an old message nothing else is left, and ``head`` is
    None. ``more`` copies are not told.
    """

    head: Head | None
    plots: tuple[Plot, ...]
    more: int
    events: tuple[Event, ...]
    providers: Mapping[ProviderId, str]
    health: Mapping[ProviderId, Health]

    def belongs_to(self, sub_account: SubAccountId) -> bool:
        """True if it is the story of this sub-account's mail."""
        if self.head is not None:
            return self.head.sub_account == sub_account
        return all(one.about.sub_account == sub_account for one in self.events)
