"""Who is told of events over HTTP, and what is told.

An endpoint reads the log of events behind a cursor of its own. Nothing is kept for
it but that number, and what failed and waits to be tried again.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType
from uuid import UUID

from appliance.core.address import Mailbox
from appliance.core.breaker import HEALTHY, Health
from appliance.core.event import About, Event
from appliance.core.ids import (
    AccountId,
    EventNumber,
    ProviderId,
    SubAccountId,
)
from appliance.core.recipient_class import RecipientClass
from appliance.core.retry import RetryPlan
from appliance.core.submission import Tracking

WebhookId = NewType("WebhookId", int)
WaitingId = NewType("WaitingId", int)

SECRET_PREFIX = "whsec_"  # noqa: S105 - what all of them begin with
GRACE_SECONDS = 24 * 3600
MAX_GRACE_SECONDS = 7 * 24 * 3600
EVERYTHING = Tracking()
PER_MESSAGE = ""  # the dialect of endpoints that messages named themselves


class Standing(Enum):
    """How an endpoint is doing.

    ======== =============================== ====================
    standing meaning                         leaves to
    ======== =============================== ====================
    ACTIVE   the last delivery was taken     DEGRADED
    DEGRADED the last delivery failed        ACTIVE, DISABLED
    DISABLED so many failed that none is     ACTIVE
             tried until somebody says so
    ======== =============================== ====================
    """

    ACTIVE = "active"
    DEGRADED = "degraded"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Secret:
    """What requests are signed with, until a moment; None: for as long as it stands."""

    text: str = field(repr=False)
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint's settings.

    ``sub_account`` is whose events it is told, None for all of the account's.
    ``wanted`` are the dialect's own words for kinds of events, ``form`` its word for a
    variant of the payload. A paused endpoint is told nothing, and what happens
    meanwhile it never learns.
    """

    account: AccountId
    sub_account: SubAccountId | None
    dialect: str
    url: str
    wanted: frozenset[str]
    name: str = ""
    form: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(NewEndpoint):
    """An endpoint as it is stored.

    ``after`` is the number of the last event that it has been told, or that waits for
    it. So many tries failed ``in_a_row``. ``disabled_ns`` is when it was given up,
    None if it was not. ``missed`` counts the events that were forgotten before it
    could be told.
    """

    id: WebhookId
    uuid: UUID
    secrets: tuple[Secret, ...] = ()
    after: EventNumber
    health: Health = HEALTHY
    in_a_row: int = 0
    disabled_ns: int | None = None
    taken_ns: int = 0
    missed: int = 0
    created_ns: int = 0
    changed_ns: int = 0

    @property
    def standing(self) -> Standing:
        """How it is doing."""
        if self.disabled_ns is not None:
            return Standing.DISABLED
        return Standing.DEGRADED if self.health.failures else Standing.ACTIVE

    @property
    def reason(self) -> str:
        """Why it is not doing well, "" if it is."""
        return "" if self.standing is Standing.ACTIVE else self.health.last_error

    @property
    def per_message(self) -> bool:
        """True if messages named it, and nobody else did."""
        return self.dialect == PER_MESSAGE

    def keys(self, now_ns: int) -> tuple[str, ...]:
        """The secrets that are good now, the newest first."""
        return tuple(
            one.text
            for one in self.secrets
            if one.until_ns is None or now_ns < one.until_ns
        )


@dataclass(frozen=True, slots=True)
class Mail:
    """What is told of the mail beside what the event itself says.

    The ids are 0 where they are not known; so is ``sent_ns``, when an upstream took it.
    ``headers`` are the sender's own; ``fields`` this recipient's values. ``message_id``
    is that with which a mail came, "" if it is ours.
    """

    subject: str = ""
    accepted_ns: int = 0
    webhook_url: str = ""
    pool: int = 0
    provider: int = 0
    domain: int = 0
    to: tuple[Mailbox, ...] = ()
    tracking: Tracking = EVERYTHING
    sent_ns: int = 0
    sender_name: str = ""
    reply_to: Mailbox | None = None
    message_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    cc: tuple[Mailbox, ...] = ()


UNKNOWN_MAIL = Mail()


@dataclass(frozen=True, slots=True)
class Fact:
    """An event with all that an endpoint may be told of it.

    ``arrival`` is true for the one event by which the mail counts as delivered where
    that is told once. ``apart`` is true if the message named an endpoint of its own.
    ``recipient_class`` is whose servers take the recipient's mail in.
    """

    event: Event
    account: AccountId
    mail: Mail = UNKNOWN_MAIL
    arrival: bool = False
    apart: bool = False
    recipient_class: RecipientClass = RecipientClass.DEFAULT


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one request tells: some events, as they were first worded.

    ``key`` names it in every try. ``title`` is the word for what is in it.
    """

    key: str
    numbers: tuple[EventNumber, ...]
    title: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parcel that is to be tried again, after ``tries`` of them."""

    id: WaitingId
    parcel: Parcel
    tries: int
    first_ns: int


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted: the headers of one try, and the body."""

    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """How a try ended: an answer, or why there was none.

    ``status`` is 0 without an answer. ``body`` is how the answer began.
    """

    status: int = 0
    error: str = ""
    body: bytes = field(default=b"", repr=False)
    took_ms: int = 0
    retry_after_s: int = 0

    @property
    def good(self) -> bool:
        """True for any 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 15.3

    @property
    def words(self) -> str:
        """What went wrong, in a few words; "" if nothing did."""
        if self.good:
            return ""
        return self.error or f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Manners:
    """How a dialect wants its requests delivered.

    ``plan`` are the retries that the vendor documents. So many failures in a row over
    such a span disable an endpoint; None: none do. One that ``recovers`` is tried even
    then. A request tells up to ``batch`` events, which were gathered for at most
    ``linger_s``; ``at_a_time`` requests are under way at once, None: as many as the
    operator allows. ``final`` are the answers after which no try follows.
    """

    plan: RetryPlan
    batch: int = 1
    linger_s: float = 0.0
    at_a_time: int | None = None
    disable_after: int | None = None
    disable_span_s: int = 0
    recovers: bool = False
    final: frozenset[int] = frozenset()


def make_secret() -> str:
    """A new secret of 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def about_webhook() -> About:
    """What a fact about an endpoint is about: nobody's mail."""
    nobody = UUID(int=0)
    return About(SubAccountId(0), nobody, nobody, "", "")


@dataclass(frozen=True, slots=True)
class Span:
    """Since when, and until when, a provider's log agent tells what was delivered."""

    since_ns: int | None = None
    until_ns: int | None = None

    def holds(self, moment_ns: int) -> bool:
        """True for mail that the provider took at that moment."""
        if self.since_ns is None or moment_ns < self.since_ns:
            return False
        return self.until_ns is None or moment_ns < self.until_ns


Spans = Mapping[ProviderId, Span]
