"""One recipient's copy: the unit of state, retry and events."""

from enum import IntEnum
from uuid import UUID

from appliance.core.address import Address, Mailbox
from appliance.core.attempt import NewAttempt
from appliance.core.event import NewEvent
from appliance.core.ids import (
    ContentId,
    DeliveryId,
    DomainId,
    MessageId,
    PoolId,
    ProviderId,
    SubAccountId,
)
from appliance.core.submission import Dimensions, Recipient, Tracking
from appliance.core.suppression import Stop
from appliance.core.throttle import Fare
from appliance.value import value


class State(IntEnum):
    """Where a delivery is; it is in exactly one of these at any time.

    ========== ========================== ===============================
    state      meaning                    leaves to
    ========== ========================== ===============================
    QUEUED     due now or later           IN_FLIGHT, HELD, DROPPED
    IN_FLIGHT  claimed by the relay       SENT, QUEUED, DROPPED, IN_DOUBT
    SENT       an upstream took it        (end)
    DROPPED    given up, with a reason    (end)
    HELD       waits for the operator     QUEUED, SENT, DROPPED
    IN_DOUBT   sent, or perhaps not       SENT, QUEUED, HELD, DROPPED
    ========== ========================== ===============================
    """

    QUEUED = 0
    IN_FLIGHT = 1
    SENT = 2
    DROPPED = 3
    HELD = 4
    IN_DOUBT = 5


class Role(IntEnum):
    """How the recipient was addressed."""

    TO = 0
    CC = 1
    BCC = 2


@value
class NewDelivery:
    """One copy about to be stored; ``dropped`` names why it is not even tried.

    ``stop`` is the suppression that is why, if one is.
    """

    uuid: UUID
    role: Role
    recipient: Recipient
    dropped: str = ""
    stop: Stop | None = None


@value
class Copy:
    """A claimed delivery with what is needed to make its bytes.

    ``sender`` is the From address; ``to`` and ``cc`` are what the header shows;
    ``attempts`` counts the tries that ended before this one; ``message_uuid``
    is that of the message's first delivery.
    """

    id: DeliveryId
    uuid: UUID
    message: MessageId
    message_uuid: UUID
    sub_account: SubAccountId
    domain: DomainId
    content: ContentId
    pool: PoolId
    provider: ProviderId
    sender: str
    recipient: Address
    fields: dict[str, str]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    tracking: Tracking
    dimensions: Dimensions
    submitted_ns: int
    attempts: int
    size_bytes: int


@value
class Settlement:
    """How one try ended and what follows from it.

    ``attempts`` counts the tries that ended, this one included. ``due_ns`` is
    set for QUEUED and IN_DOUBT only. ``event`` is recorded with the change of
    state, or not at all if the delivery is no longer the relay's; so is
    ``attempt``, the try itself. ``waits_for`` is what holds the delivery besides
    its time. ``fare`` is given back to the limits, for nothing was handed over.
    """

    delivery: DeliveryId
    state: State
    attempts: int
    due_ns: int | None = None
    code: int = 0
    text: str = ""
    event: NewEvent | None = None
    waits_for: str = ""
    attempt: NewAttempt | None = None
    fare: Fare | None = None
