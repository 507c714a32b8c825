"""What is counted of events, for whom, and over which time.

A counter is of one kind (all mail, a provider's, a tag's, ...) in one hour, day or
month of UTC. A long time is made of whole months and of days at its edges, so that a
year is answered from a few rows.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, date, datetime
from enum import IntEnum

from appliance.core.event import EventType
from appliance.core.ids import SubAccountId

HOUR_NS = 3600 * 1_000_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = 12


class Kind(IntEnum):
    """What mail is told apart by; the numbers are those of the database."""

    TOTAL = 0
    PROVIDER = 1
    POOL = 2
    DOMAIN = 3  # the sender's
    CLASS = 4  # the recipient's: core/recipient_class.py
    GROUP = 5
    TAG = 6
    TOPIC = 7
    CAMPAIGN = 8
    CODE = 9  # what the upstream said: core/stats.py Said

    @property
    def label(self) -> str:
        """The name that people read and type."""
        return self.name.lower()


class Span(IntEnum):
    """How long a counter counts; a period is a number of it since 1970.

    Hours and days are counted from the epoch, a month is twelve times its year.
    """

    HOUR = 0
    DAY = 1
    MONTH = 2


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events of each sort there were, in the order of the columns.

    ``unique_opened`` and ``unique_clicked`` count the first of each delivery, and
    ``throttled`` what left after it had waited for a limit; that is no event.
    """

    processed: int = 0
    sent: int = 0
    dropped: int = 0
    smtp_dropped: int = 0
    delivered: int = 0
    soft_bounced: int = 0
    hard_bounced: int = 0
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    complained: int = 0
    unique_opened: int = 0
    unique_clicked: int = 0
    throttled: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Counts(*(one + two for one, two in pairs))


NOTHING = Counts()
COUNTERS = tuple(one.name for one in fields(Counts))
_COLUMNS = {
    EventType.PROCESSED: "processed",
    EventType.SENT: "sent",
    EventType.DROPPED: "dropped",
    EventType.DELIVERED: "delivered",
    EventType.SOFT_BOUNCED: "soft_bounced",
    EventType.HARD_BOUNCED: "hard_bounced",
    EventType.OPENED: "opened",
    EventType.CLICKED: "clicked",
    EventType.UNSUBSCRIBED: "unsubscribed",
    EventType.COMPLAINED: "complained",
}
COUNTED = frozenset(_COLUMNS)


def counters_of(kind: EventType, *, tried: bool, first: bool) -> tuple[str, ...]:
    """The counters that an event of a counted type goes to.

    What is dropped after a server was ``tried`` is the relay's failure, all else was
    dropped before; ``first`` are the first open and the first click of a delivery.
    """
    name = _COLUMNS[kind]
    if kind is EventType.DROPPED and tried:
        return ("smtp_dropped",)
    if first and kind in (EventType.OPENED, EventType.CLICKED):
        return name, f"unique_{name}"
    return (name,)


@dataclass(frozen=True, slots=True)
class Said:
    """A key of the kind ``CODE``: what a provider's server, or its log, said last."""

    code: int
    enhanced: str
    provider: str

    @property
    def key(self) -> str:
        """As one text; a provider may have blanks in its name."""
        return f"{self.code} {self.enhanced or '-'} {self.provider}"

    @classmethod
    def parse(cls, key: str) -> "Said":
        """What ``key`` tells; the rest of too many has no code."""
        code, _, rest = key.partition(" ")
        enhanced, _, provider = rest.partition(" ")
        return cls(int(code or 0), "" if enhanced == "-" else enhanced, provider)


@dataclass(frozen=True, slots=True)
class Question:
    """Whose counters are wanted, over which days; both days are among them.

    ``sub_accounts`` None stands for all. The ``key`` is which of its kind, where not
    all of them are asked for; all mail has "".
    """

    first: int
    last: int
    kind: Kind = Kind.TOTAL
    key: str = ""
    sub_accounts: frozenset[SubAccountId] | None = None


def day_number(day: date) -> int:
    """The number of a day since 1970."""
    return day.toordinal() - _EPOCH


def day_of(number: int) -> date:
    """The day of that number."""
    return date.fromordinal(number + _EPOCH)


def hour_of(number: int) -> datetime:
    """The beginning of the hour of that number."""
    return datetime.fromtimestamp(number * 3600, tz=UTC)


def month_number(day: int) -> int:
    """The number of the month in which that day is."""
    at = day_of(day)
    return at.year * _MONTHS + at.month - 1


def periods(first: int, last: int) -> Iterator[tuple[Span, int]]:
    """The fewest periods that are together the days from ``first`` to ``last``."""
    day = first
    while day <= last:
        month = month_number(day)
        ahead = _first_day(month + 1)
        if day == _first_day(month) and ahead <= last + 1:
            yield Span.MONTH, month
            day = ahead
        else:
            yield Span.DAY, day
            day += 1


def _first_day(month: int) -> int:
    year, index = divmod(month, _MONTHS)
    return day_number(date(year, index + 1, 1))
