"""What an operator may ask of the queue: of which deliveries, and what for.

An act touches a delivery only in the states that ``TOUCHES`` names. What is in
flight is the relay's, so every act leaves it alone and says how much that was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from uuid import UUID

from appliance.core.delivery import State
from appliance.core.ids import DeliveryId, PoolId, SubAccountId

NOT_DRAWN = "-"  # in place of a provider's name; none begins with it


class Act(Enum):
    """What can become of deliveries that wait."""

    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"
    DROP = "drop"
    MOVE = "move"


# The only place that says from where an act leads.
TOUCHES: Mapping[Act, frozenset[State]] = MappingProxyType(
    {
        Act.HOLD: frozenset({State.QUEUED, State.IN_DOUBT}),
        Act.RELEASE: frozenset({State.HELD}),
        Act.RETRY: frozenset({State.QUEUED, State.IN_DOUBT}),
        Act.DROP: frozenset({State.QUEUED, State.HELD, State.IN_DOUBT}),
        Act.MOVE: frozenset({State.QUEUED, State.HELD}),
    }
)
UNFINISHED = frozenset({State.QUEUED, State.IN_FLIGHT, State.HELD, State.IN_DOUBT})


class By(Enum):
    """By what the queue is counted."""

    STATE = "state"
    PROVIDER = "provider"
    POOL = "pool"
    DOMAIN = "domain"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which unfinished deliveries are meant; what is empty or None means all.

    ``provider`` and ``pool`` are names; ``NOT_DRAWN`` is for deliveries that no
    provider was drawn for. ``domain`` is the recipient's. ``reason`` is looked
    for in what the last try ended with and in what the delivery waits for,
    in either case. ``before_ns`` is the time before which it came in.
    """

    states: frozenset[State] = frozenset()
    provider: str = ""
    pool: str = ""
    domain: str = ""
    sender_domain: str = ""
    reason: str = ""
    message: UUID | None = None
    delivery: UUID | None = None
    before_ns: int | None = None
    sub_account: SubAccountId | None = None


EVERYTHING = QueueFilter()


@dataclass(frozen=True, slots=True)
class Order:
    """An act on all deliveries of a filter; only a move has a pool."""

    act: Act
    wanted: QueueFilter
    pool: PoolId | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What an act did: changed, left because in flight, left because it had no need."""

    changed: int = 0
    in_flight: int = 0
    unchanged: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.changed + other.changed,
            self.in_flight + other.in_flight,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """One unfinished delivery as lists show it; ``number`` is the cursor of pages.

    ``waits_for`` is what holds it besides its time, "" for nothing, and if that is a
    limit, ``waits_until_ns`` when at the earliest it may go on. ``draw`` is why it goes
    where it goes.
    """

    number: DeliveryId
    uuid: UUID
    message: UUID
    sub_account: SubAccountId
    sender: str
    recipient: str
    subject: str
    pool: str
    provider: str
    state: State
    attempts: int
    created_ns: int
    due_ns: int | None
    last_code: int
    last_text: str
    waits_for: str
    waits_until_ns: int | None = None
    draw: str = ""
