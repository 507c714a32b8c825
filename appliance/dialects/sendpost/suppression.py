"""What the calls about suppressions ask for (spec 12.1).

Whole domains are written ``*@example.com``, which the vendor's clients pass on as
any other text. What is suppressed for some mail only (a topic, a sender domain) has no
place in these calls: they neither show, count nor lift it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from appliance.core.suppression import (
    EVERYTHING,
    SuppressionFilter,
    SuppressionReason,
    Target,
)
from appliance.dialects.addresses import read_target
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.sendpost.paging import Page, read_page, read_query

MAX_LIMIT = 100
MAX_ENTRIES = 1_000  # in one request: not published
MAX_DAYS = 60
_DAY_NS = 24 * 3600 * 1_000_000_000
_EPOCH = date(1970, 1, 1)
_LATEST_NS = 2**63 - 1  # of the store's integers
_NOTHING = Problem(Fault.UNKNOWN_ID, "The list of suppressions is empty")

# The names of the reasons, on the wire and in the body of a POST.
REASONS: Mapping[str, SuppressionReason] = MappingProxyType(
    {
        "hardBounce": SuppressionReason.HARD_BOUNCE,
        "manual": SuppressionReason.MANUAL,
        "unsubscribe": SuppressionReason.UNSUBSCRIBE,
        "spamComplaint": SuppressionReason.SPAM_COMPLAINT,
    }
)
_Asked = Mapping[str, Sequence[str]]


class _Entry(msgspec.Struct, frozen=True):
    email: str


_List = Annotated[list[_Entry], Meta(max_length=MAX_ENTRIES)] | None


class _AddBody(msgspec.Struct, frozen=True, rename="camel"):
    hard_bounce: _List = None
    manual: _List = None
    unsubscribe: _List = None
    spam_complaint: _List = None

    def lists(self) -> tuple[_List, ...]:
        """The lists in the order of ``REASONS``."""
        return self.hard_bounce, self.manual, self.unsubscribe, self.spam_complaint


class _RemoveBody(msgspec.Struct, frozen=True):
    suppressions: _List = None


_ADD = msgspec.json.Decoder(_AddBody)
_REMOVE = msgspec.json.Decoder(_RemoveBody)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of the list that a query asks for."""

    filter: SuppressionFilter
    page: Page


def parse_add(body: bytes) -> list[tuple[Target, SuppressionReason]] | Problem:
    """What shall be suppressed and why, each once; never raises."""
    read = decode(_ADD, body)
    if isinstance(read, Malformed):
        return invalid(read.path, read.what)
    lists = [entries or [] for entries in read.lists()]
    if problem := _check_number(sum(map(len, lists))):
        return problem
    found: dict[str, tuple[Target, SuppressionReason]] = {}
    for name, entries in zip(REASONS, lists, strict=True):
        targets = _targets(name, entries)
        if isinstance(targets, Problem):
            return targets
        for target in targets:
            found.setdefault(target.key, (target, REASONS[name]))
    return [*found.values()]


def parse_remove(body: bytes) -> list[Target] | Problem:
    """What shall be suppressed no longer; never raises."""
    read = decode(_REMOVE, body)
    if isinstance(read, Malformed):
        return invalid(read.path, read.what)
    entries = read.suppressions or []
    return _check_number(len(entries)) or _targets("suppressions", entries)


def parse_list(query: bytes, contract: Contract) -> Wanted | Problem:
    """The part of the list that is wanted; only old clients may leave out the days."""
    asked = read_query(query)
    page = read_page(query, MAX_LIMIT)
    if isinstance(asked, Problem):
        return asked
    if isinstance(page, Problem):
        return page
    days = _days(asked, needed=contract is Contract.V1)
    if isinstance(days, Problem):
        return days
    named = _first(asked, "type")
    if named and named not in REASONS:
        message = f"type is one of {', '.join(REASONS)}"
        return Problem(Fault.BAD_REQUEST, message, "type")
    wanted = SuppressionFilter(REASONS.get(named), page.search, *days, EVERYTHING)
    return Wanted(wanted, page)


def parse_count(query: bytes) -> SuppressionFilter | Problem:
    """Which suppressions are counted: those of some days, or all."""
    asked = read_query(query)
    if isinstance(asked, Problem):
        return asked
    days = _days(asked, needed=False)
    if isinstance(days, Problem):
        return days
    return SuppressionFilter(None, "", *days, EVERYTHING)


def _targets(name: str, entries: Sequence[_Entry]) -> list[Target] | Problem:
    found: list[Target] = []
    for at, entry in enumerate(entries):
        target = read_target(entry.email)
        if target is None:
            return invalid(f"{name}[{at}].email", "The address is invalid")
        found.append(target)
    return found


def _check_number(entries: int) -> Problem | None:
    if not entries:
        return _NOTHING
    if entries > MAX_ENTRIES:
        return invalid("", f"There are more than {MAX_ENTRIES} addresses")
    return None


def _days(asked: _Asked, *, needed: bool) -> tuple[int | None, int | None] | Problem:
    """From the first moment of ``from`` to the last of ``to``, both in UTC."""
    bounds: dict[str, date] = {}
    for name in ("from", "to"):
        text = _first(asked, name)
        day = _day(text)
        if day is None and (text or needed):
            message = f"{name} is a day, such as 2026-01-31"
            return Problem(Fault.BAD_REQUEST, message, name)
        if day is not None:
            bounds[name] = day
    first, last = bounds.get("from"), bounds.get("to")
    if first and last and not 0 <= (last - first).days < MAX_DAYS + 1:
        message = f"to is up to {MAX_DAYS} days behind from"
        return Problem(Fault.BAD_REQUEST, message, "to")
    return _begin_ns(first), _begin_ns(last, days=1)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _begin_ns(day: date | None, days: int = 0) -> int | None:
    if day is None:
        return None
    epoch_days = day.toordinal() - _EPOCH.toordinal() + days
    return max(0, min(epoch_days * _DAY_NS, _LATEST_NS))


def _first(asked: _Asked, name: str) -> str:
    return asked.get(name, [""])[0]
