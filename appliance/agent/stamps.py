"""The moments of log lines, in nanoseconds since 1970.

RFC 3339 says all of it. Classic syslog says neither year nor zone: the zone is this
machine's, and the year is that which puts the line no more than a day ahead of now, so
that December's lines that are read in January are last year's.
"""

import re
import time
from datetime import UTC, datetime, timedelta

SECOND_NS = 1_000_000_000
DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"(\.\d{6})\d+")


class Stamps:
    """Reads stamps; lines of one second are many, so the last answer is kept."""

    __slots__ = ("_last", "_last_ns")

    def __init__(self) -> None:
        self._last = b""
        self._last_ns = 0

    def read(self, stamp: bytes, now_s: float) -> int:
        """The moment, 0 for what is none (such as the 31st of February)."""
        if stamp != self._last:
            text = stamp.decode("ascii", "replace")
            read = _rfc3339 if text[:1].isdigit() else _syslog
            self._last, self._last_ns = stamp, read(text, now_s)
        return self._last_ns


def _rfc3339(text: str, now_s: float) -> int:
    del now_s
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        return 0


def _syslog(text: str, now_s: float) -> int:
    year = time.localtime(now_s + DAY_S).tm_year
    moments = (_in_year(text, one) for one in (year, year - 1))
    return next((one for one in moments if 0 < one <= now_s + DAY_S), 0) * SECOND_NS


def _in_year(text: str, year: int) -> int:
    """Seconds; the year is read with the day, for the 29th of February."""
    try:
        parts = time.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")
        return int(time.mktime(parts))
    except (ValueError, OverflowError):
        return 0
