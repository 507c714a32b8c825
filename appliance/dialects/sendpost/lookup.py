"""What the calls about messages and the log of events ask for (spec 12.3, 13)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from appliance.core.event import EventFilter, EventType
from appliance.core.ids import SubAccountId, parse_uuid
from appliance.core.moments import read_moment
from appliance.core.webhook import Fact
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.paging import Page, read_page, read_query
from appliance.dialects.sendpost.webhook import (
    NATIVE,
    SendpostWebhook,
    event_object,
)
from appliance.dialects.sendpost.webhook_agent import HYBRID

MESSAGE_LIMIT = 50
MAX_MESSAGES = 100
MAX_EVENTS = 1_000
MAX_DAYS = 60
_DAY_NS = 24 * 3600 * 1_000_000_000
_DIGITS = 18  # of a number that a row can have
_MAX_EMAIL = 320
_ZONE = re.compile(r" (?=\d\d:?\d\d$)")
_UNTRIED, _TRIED = "dropped", "smtpDropped"
_TOLD = frozenset({*NATIVE, EventType.DROPPED})
_NAMES: Mapping[str, EventType] = MappingProxyType(
    {name: kind for kind, name in NATIVE.items()}
    | {_UNTRIED: EventType.DROPPED, _TRIED: EventType.DROPPED}
    | {str(int(kind)): kind for kind in _TOLD}
)
_Asked = Mapping[str, Sequence[str]]
_DIALECT = SendpostWebhook()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of the log that a query asks for; ``provider`` is a TPSP's id.

    ``tried``: of what was dropped only that of which a server was asked before, or
    only all else; None for both.
    """

    filter: EventFilter
    page: Page
    provider: int | None = None
    tried: bool | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the messages that a query asks for."""

    since_ns: int
    until_ns: int
    page: Page


class _BadError(Exception):
    """A parameter that cannot be taken; what is said of it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(Fault.BAD_REQUEST, message, name)


def parse_events(query: bytes) -> Wanted | Problem:
    """Which events are wanted, in a span of at most 60 days; never raises."""
    asked, page = read_query(query), read_page(query, MAX_EVENTS)
    if isinstance(asked, Problem):
        return asked
    if isinstance(page, Problem):
        return page
    try:
        since_ns, until_ns = _span(asked)
        owner = _number(asked, "subAccountId")
        wanted = EventFilter(
            types=_types(_first(asked, "type")),
            message=_uuid(_first(asked, "messageId")),
            sub_account=None if owner is None else SubAccountId(owner),
            recipient=_first(asked, "email")[:_MAX_EMAIL],
            since_ns=since_ns,
            until_ns=until_ns,
        )
        tried = _tried(_first(asked, "type"))
        return Wanted(wanted, page, _number(asked, "tpspId"), tried)
    except _BadError as error:
        return error.problem


def parse_messages(query: bytes) -> Span | Problem:
    """Which messages are wanted, in a span of at most 60 days; never raises."""
    asked = read_query(query)
    if isinstance(asked, Problem):
        return asked
    page = read_page(query, MAX_MESSAGES, MESSAGE_LIMIT)
    if isinstance(page, Problem):
        return page
    try:
        return Span(*_span(asked), page)
    except _BadError as error:
        return error.problem


def render_events(facts: Sequence[Fact]) -> Answer:
    """Events as a webhook would be told of them, in both spellings."""
    return render([event_object(fact, _DIALECT.title(fact), HYBRID) for fact in facts])


def _span(asked: _Asked) -> tuple[int, int]:
    """From the first moment to the one behind the last; a day counts whole."""
    since_ns = _moment(asked, "from")
    until_ns = _moment(asked, "to")
    if not 0 <= until_ns - since_ns <= (MAX_DAYS + 1) * _DAY_NS:
        raise _BadError("to", f"to is up to {MAX_DAYS} days behind from")
    return since_ns, until_ns


def _moment(asked: _Asked, name: str) -> int:
    # A plus that was not encoded has become a blank.
    text = _ZONE.sub("+", _first(asked, name))
    ns = read_moment(text, end_of_day=name == "to")
    if ns is None:
        raise _BadError(name, f"{name} is a moment, such as 2026-01-31T00:00:00Z")
    return ns


def _types(text: str) -> frozenset[EventType]:
    if not text:
        return _TOLD
    names = text.split(",")
    if wrong := [one for one in names if one not in _NAMES]:
        raise _BadError("type", f"{wrong[0][:50]!r} is no type of event")
    return frozenset(_NAMES[one] for one in names)


def _tried(text: str) -> bool | None:
    """Which of the two kinds of drop is named, None for neither or both."""
    names = text.split(",")
    if str(int(EventType.DROPPED)) in names or (_TRIED in names) == (_UNTRIED in names):
        return None
    return _TRIED in names


def _uuid(text: str) -> UUID | None:
    if not text:
        return None
    found = parse_uuid(text)
    if found is None:
        raise _BadError("messageId", "messageId is a UUID")
    return found


def _number(asked: _Asked, name: str) -> int | None:
    text = _first(asked, name)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise _BadError(name, f"{name} is a whole number")
    return int(text)


def _first(asked: _Asked, name: str) -> str:
    return asked.get(name, [""])[0]
