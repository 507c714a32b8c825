"""What the calls about statistics ask for, and what they answer (spec 12.2).

The vendor's two generations read the days of a list at different places; the newer
one gets both. What is not published is decided as the specification proposes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from appliance.core.stats import Counts, day_number
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.paging import read_query

MOST_DAYS = 31  # of a list of days
MOST_DAYS_IN_ALL = 366
PRIVATE_HEADER = b"x-sendpost-private-api"
NO_SUB_ACCOUNT = Problem(Fault.NOT_FOUND, "There is no such sub-account")
NOT_YET = Problem(Fault.UNAVAILABLE, "Events are still being counted: try again later")

SPAM, SPAMS = "spam", "spams"
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "processed": "processed",
        "sent": "sent",
        "dropped": "dropped",
        "smtpDropped": "smtp_dropped",
        "delivered": "delivered",
        "softBounced": "soft_bounced",
        "hardBounced": "hard_bounced",
        "opened": "opened",
        "clicked": "clicked",
        "unsubscribed": "unsubscribed",
    }
)


@dataclass(frozen=True, slots=True)
class Days:
    """From which day to which, both of them too, as core/stats.py numbers them.

    ``group`` is "" where none was named.
    """

    first: int
    last: int
    group: str = ""


def parse_days(query: bytes, most: int, *, with_group: bool = False) -> Days | Problem:
    """The days that a query names, at most so many behind the first; never raises."""
    asked = read_query(query)
    if isinstance(asked, Problem):
        return asked
    first = _day(asked.get("from", [""])[0])
    last = _day(asked.get("to", [""])[0])
    if first is None or last is None:
        name = "from" if first is None else "to"
        return _bad(name, f"{name} is a day, such as 2026-01-31")
    if not 0 <= last - first <= most:
        return _bad("to", f"to is up to {most} days behind from")
    group = asked.get("group", [""])[0] if with_group else ""
    if with_group and not group:
        return _bad("group", "group is missing")
    return Days(first, last, group)


def names_group(query: bytes) -> bool:
    """True if the query asks for one group."""
    asked = read_query(query)
    return isinstance(asked, Problem) or "group" in asked


def is_private(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True for the dashboard's own requests."""
    return (PRIVATE_HEADER, b"true") in {(key, one.lower()) for key, one in headers}


def reads_spam(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True for the client that refuses what it does not know (spec 12.2)."""
    agents = [value for key, value in headers if key == b"user-agent"]
    return any(one.endswith(b"/java") for one in agents)


def counters(counts: Counts, *spam: str) -> dict[str, object]:
    """The eleven counters; complaints under ``spam``, unless told else."""
    facts: dict[str, object] = {
        field: getattr(counts, name) for field, name in _FIELDS.items()
    }
    return facts | dict.fromkeys(spam or (SPAM,), counts.complained)


def render_days(days: Mapping[date, Counts], contract: Contract) -> Answer:
    """A row for each day, of a sub-account or a group."""
    found = [(day.isoformat(), counters(counts)) for day, counts in days.items()]
    if contract is Contract.LEGACY:
        return render([{"date": day, "stat": stat} for day, stat in found])
    return render([{"date": day, "stat": stat, **stat} for day, stat in found])


def render_account_days(
    days: Mapping[date, Counts], contract: Contract, *, only_spam: bool
) -> Answer:
    """A row for each day of a whole account, which is nested in both contracts."""
    both = contract is Contract.LEGACY and not only_spam
    spam = (SPAM, SPAMS) if both else (SPAM,)
    return render(
        [
            {"date": day.isoformat(), "stat": counters(counts, *spam)}
            for day, counts in days.items()
        ]
    )


def render_total(counts: Counts, spam: str = SPAM) -> Answer:
    """All of a time in one."""
    return render(counters(counts, spam))


def spam_of_account(contract: Contract) -> str:
    """How the aggregate of an account spells it."""
    return SPAMS if contract is Contract.LEGACY else SPAM


def _bad(name: str, message: str) -> Problem:
    return Problem(Fault.BAD_REQUEST, message, name)


def _day(text: str) -> int | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day_number(day) if day.isoformat() == text else None
