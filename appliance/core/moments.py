"""Moments and days as people and programs write them (RFC 3339, ISO 8601)."""

from datetime import UTC, date, datetime, time, timedelta

MAX_NS = 2**63 - 1  # of the store's integers
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_LONGEST = 40  # characters


def read_moment(text: str, *, end_of_day: bool = False) -> int | None:
    """Nanoseconds since 1970 (UTC), None for what is neither moment nor day.

    A day is its first moment, or the first one behind it. What names no zone is UTC.
    """
    if len(text) > _LONGEST or not text.isascii():
        return None
    try:
        return _ns(_day(text, end_of_day=end_of_day) or datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _day(text: str, *, end_of_day: bool) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    first = datetime.combine(day, time(), UTC)
    return first + _DAY if end_of_day else first


def _ns(moment: datetime) -> int:
    at = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0, min((at - _EPOCH) // timedelta(microseconds=1) * 1000, MAX_NS))
