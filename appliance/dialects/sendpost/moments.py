"""Moments as agents tell them: RFC 3339, or a number of which nobody says the unit."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 40  # characters
# The year 5138 in seconds is the year 1973 in milliseconds: below it is seconds.
_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))


def parse_moment(value: int | str) -> int | None:
    """Nanoseconds since 1970 (UTC), None for what is no moment."""
    if isinstance(value, int):
        return _scaled(value)
    if len(value) > _LONGEST or not value.isascii():
        return None
    if value.isdecimal():
        return _scaled(int(value))
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return None
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        return None


def _scaled(number: int) -> int | None:
    if number < 0:
        return None
    for below, factor in _UNITS:
        if number < below:
            return number * factor
    return number
