"""How much mail an upstream takes, in a time and at a time, as values without a clock.

A bucket holds tokens; a delivery that goes takes one. It is full at first, holds as
many as may go in its period, and fills at that rate: who sends evenly sends the
rate, and after a quiet period a full bucket may go at once.

Whole numbers only. What is left in a bucket is counted in microseconds of its period
(one token is a whole period's worth), so no fraction of a token is ever lost, a
changed rate leaves the tokens as they are, and 64 bits hold it all. A clock that
jumps ahead fills the bucket, once; one that jumps back makes it fill from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.core.ids import ProviderId
from appliance.core.recipient_class import RecipientClass

HOUR_US = 3_600_000_000
SECOND_US = 1_000_000
MAX_RATE = 1_000_000_000  # per hour or second: a full bucket is within 64 bits
PLENTY = 1 << 62  # tokens, where nothing limits


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many deliveries in an hour, in a second, and under way at a time.

    None is any number. A connection carries mail of several kinds in turn, so it is the
    mails that ``at_once`` counts: they are on no more connections than that.
    """

    per_hour: int | None = None
    per_second: int | None = None
    at_once: int | None = None

    def __bool__(self) -> bool:
        """True if it limits anything."""
        return any(one is not None for one, _ in self._parts)

    def __str__(self) -> str:
        """The limit as an operator writes it: ``100/h``, ``5/s``, ``3/c``."""
        return ", ".join(
            f"{one}/{unit}" for one, unit in self._parts if one is not None
        )

    @property
    def _parts(self) -> tuple[tuple[int | None, str], ...]:
        return (self.per_hour, "h"), (self.per_second, "s"), (self.at_once, "c")


UNLIMITED = Limit()


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of one provider; each delivery is under up to three of them."""

    overall: Limit = UNLIMITED
    classes: Mapping[RecipientClass, Limit] = field(default_factory=dict)
    domains: Mapping[str, Limit] = field(default_factory=dict)


NO_LIMITS = Limits()


def check_limit(limit: Limit) -> str:
    """What is wrong with a limit, "" if nothing is."""
    for one in (limit.per_hour, limit.per_second, limit.at_once):
        if one is not None and not 1 <= one <= MAX_RATE:
            return f"a limit is a whole number from 1 to {MAX_RATE}, not {one}"
    return ""


@dataclass(frozen=True, slots=True)
class Level:
    """What was left of one bucket at a moment; ``left`` None is a full one."""

    left: int | None = None
    at_us: int = 0

    def filled(self, rate: int, period_us: int, now_us: int) -> "Level":
        """The level now, after it has filled at ``rate`` tokens in each period."""
        full = rate * period_us
        if self.left is None:
            return Level(full, now_us)
        passed = max(0, now_us - self.at_us)
        return Level(min(full, self.left + passed * rate), now_us)


FULL = Level()


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens of one ``Limit``: both of its rates must have one."""

    hour: Level = FULL
    second: Level = FULL

    def filled(self, limit: Limit, now_us: int) -> "Bucket":
        """The bucket as it is now."""
        hour, second = self.hour, self.second
        if limit.per_hour is not None:
            hour = hour.filled(limit.per_hour, HOUR_US, now_us)
        if limit.per_second is not None:
            second = second.filled(limit.per_second, SECOND_US, now_us)
        return Bucket(hour, second)

    def tokens(self, limit: Limit) -> int:
        """How many may go at once, of a bucket that was filled just now."""
        most = PLENTY
        if limit.per_hour is not None:
            most = min(most, (self.hour.left or 0) // HOUR_US)
        if limit.per_second is not None:
            most = min(most, (self.second.left or 0) // SECOND_US)
        return most

    def less(self, limit: Limit, tokens: int) -> "Bucket":
        """The bucket after so many were taken, or given back if it is negative."""
        hour, second = self.hour, self.second
        if limit.per_hour is not None:
            hour = _less(hour, tokens * HOUR_US)
        if limit.per_second is not None:
            second = _less(second, tokens * SECOND_US)
        return Bucket(hour, second)

    def next_us(self, limit: Limit, now_us: int) -> int:
        """When there is a token, of a bucket that was filled just now."""
        waits = [0]
        if limit.per_hour is not None:
            waits.append(_wait_us(self.hour, limit.per_hour, HOUR_US))
        if limit.per_second is not None:
            waits.append(_wait_us(self.second, limit.per_second, SECOND_US))
        return now_us + max(waits)


FULL_BUCKET = Bucket()


@dataclass(frozen=True, slots=True)
class Fare:
    """The limits that one delivery is under.

    It took a token of each, to be given back if it did not go, and holds a place.
    """

    provider: ProviderId
    recipient_class: RecipientClass
    domain: str


def _less(level: Level, cost: int) -> Level:
    return Level(max(0, (level.left or 0) - cost), level.at_us)


def _wait_us(level: Level, rate: int, period_us: int) -> int:
    """Microseconds until one token, rounded up."""
    missing = max(0, period_us - (level.left or 0))
    return -(-missing // rate)
