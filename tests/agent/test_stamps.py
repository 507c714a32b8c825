"""The moments of log lines."""

import time

import pytest

from appliance.agent.stamps import SECOND_NS, Stamps


def at(text: str) -> float:
    """The local moment."""
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


@pytest.mark.parametrize(
    ("stamp", "now", "moment"),
    [
        ("Nov 26 05:00:00", "2026-11-26 06:00:00", "2026-11-26 05:00:00"),
        ("Nov  6 05:00:00", "2026-11-26 06:00:00", "2026-11-06 05:00:00"),
        ("Dec 31 23:59:59", "2027-01-01 00:00:05", "2026-12-31 23:59:59"),
        ("Jan  1 00:00:01", "2026-12-31 23:59:59", "2027-01-01 00:00:01"),
        ("Feb 29 12:00:00", "2028-03-01 00:00:00", "2028-02-29 12:00:00"),
    ],
)
def test_the_year_is_the_one_that_fits(stamp: str, now: str, moment: str) -> None:
    """December's lines that are read in January are last year's."""
    assert Stamps().read(stamp.encode(), at(now)) == at(moment) * SECOND_NS


def test_rfc_3339_says_it_all() -> None:
    """Zone and fraction."""
    stamps = Stamps()
    whole = 1795665600 * SECOND_NS
    assert stamps.read(b"2026-11-26T05:00:00+01:00", 0) == whole
    assert stamps.read(b"2026-11-26T04:00:00Z", 0) == whole
    assert (
        stamps.read(b"2026-11-26T04:00:00.5000001+00:00", 0) == whole + SECOND_NS // 2
    )


@pytest.mark.parametrize(
    "stamp", [b"Feb 31 00:00:00", b"Nov 26 25:00:00", b"2026-13-01T00:00:00Z"]
)
def test_no_moment_is_none(stamp: bytes) -> None:
    """The server then takes the time at which it hears of it."""
    assert Stamps().read(stamp, at("2026-11-26 06:00:00")) == 0


def test_the_clock_may_go_backwards() -> None:
    """ATTACKS 25: each line is read for itself."""
    stamps, now = Stamps(), at("2026-11-26 06:00:00")
    first = stamps.read(b"Nov 26 05:00:00", now)
    assert stamps.read(b"Nov 26 04:00:00", now) == first - 3600 * SECOND_NS
