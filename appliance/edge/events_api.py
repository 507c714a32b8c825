"""The log of events over HTTP: by pages both ways, as a file, and of one message."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from quart import Blueprint, Response, request
from quart.wrappers.response import ResponseBody

from appliance.core.event import EventFilter
from appliance.core.ids import parse_uuid
from appliance.edge.keys import Viewer
from appliance.edge.live import Authorise
from appliance.edge.subscription import Refused, narrowed, read_number, read_wish
from appliance.flow.event_export import Form, export
from appliance.flow.event_pages import EventPages
from appliance.flow.facts import copy_facts, event_facts
from appliance.flow.feed import Feed
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.messages import get_message

PREFIX = "/postroom/v1"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_EXPORTS = 4  # at a time
JSON = "application/json"
END = "end"  # ``before`` nothing yet
_LARGEST = 2**63 - 1
_TYPES = {Form.CSV: "text/csv; charset=utf-8", Form.NDJSON: "application/x-ndjson"}


class EventsError(Exception):
    """Why a request is refused: the status, and what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; ``form`` is None for a page of JSON."""

    wanted: EventFilter
    after: int | None
    before: int | None
    limit: int | None
    form: Form | None


def make_events_api(store: Store, feed: Feed, authorise: Authorise) -> Blueprint:
    """The routes as a blueprint of the Quart app."""
    api = Blueprint("events", __name__, url_prefix=PREFIX)
    pages = EventPages(store, feed)
    desk = _ExportDesk()

    def viewer() -> Viewer:
        who = authorise([(k.lower(), v) for k, v in request.scope["headers"]])
        if who is None:
            raise EventsError(401, "the key is missing or not valid")
        return who

    @api.get("/events")
    async def events() -> Response:
        who = viewer()
        query = read_query(request.args.to_dict(flat=False), who)
        if max(query.after or 0, 0) > pages.last_number:
            raise EventsError(400, f"the last event is {pages.last_number}")
        if query.form is None:
            return _answer(await _page(pages, query))
        return _file(store, query, query.form, pages.last_number, desk)

    @api.get("/messages/<text>/timeline")
    async def timeline(text: str) -> Response:
        who = viewer()
        query = read_query(request.args.to_dict(flat=False), who, timeline=True)
        uuid = parse_uuid(text)
        facts = None if uuid is None else await _timeline(store, uuid, query)
        if facts is None:
            raise EventsError(404, "no such message is known")
        return _answer(facts)

    @api.errorhandler(EventsError)
    async def refused(problem: EventsError) -> Response:
        answer = _answer({"message": problem.message}, problem.status)
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            answer.headers["Retry-After"] = "10"
        return answer

    return api


def read_query(
    asked: dict[str, list[str]], who: Viewer, *, timeline: bool = False
) -> Query:
    """What the query asks for, as far as this viewer may look.

    Raises:
        EventsError: it asks for what there is not, or is not its to see.
    """
    before = _one(asked, "before")
    limit = _one(asked, "limit")
    form = _one(asked, "format")
    wish = read_wish("?" + urlencode(asked, doseq=True))
    if isinstance(wish, Refused):
        raise EventsError(wish.status, wish.message)
    wanted = narrowed(wish.wanted, who.sub_account)
    if isinstance(wanted, Refused):
        raise EventsError(wanted.status, wanted.message)
    if before is not None and (timeline or form or wish.after is not None):
        raise EventsError(400, "before goes with neither after nor a format")
    if form is not None and (timeline or form not in _FORMS):
        raise EventsError(400, f"format is one of {', '.join(_FORMS)}")
    written = _FORMS[form or "json"]
    most = _LARGEST if written else MAX_LIMIT
    return Query(wanted, wish.after, _before(before), _limit(limit, most), written)


_FORMS: Mapping[str, Form | None] = {
    "json": None,
    "csv": Form.CSV,
    "ndjson": Form.NDJSON,
}


def _one(asked: dict[str, list[str]], name: str) -> str | None:
    texts = asked.pop(name, [])
    if len(texts) > 1:
        raise EventsError(400, f"{name} is given twice")
    return texts[0] if texts else None


def _before(text: str | None) -> int | None:
    if text is None or text == END:
        return None if text is None else _LARGEST
    try:
        return read_number(text)
    except ValueError:
        raise EventsError(400, f"before is a number, or {END}") from None


def _limit(text: str | None, most: int) -> int | None:
    if text is None:
        return None
    fits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not fits or not 1 <= int(text) <= most:
        raise EventsError(400, f"limit is one number from 1 to {most}")
    return int(text)


async def _page(pages: EventPages, query: Query) -> dict[str, object]:
    limit = query.limit or DEFAULT_LIMIT
    cursor: int | None
    if query.before is None:
        found, cursor = await pages.forward(query.wanted, query.after or 0, limit)
    else:
        found, cursor = await pages.back(query.wanted, query.before, limit)
    return {
        "events": [event_facts(event) for event in found],
        "next": cursor,
        "last": pages.last_number,
    }


def _file(
    store: Store, query: Query, form: Form, last: int, desk: "_ExportDesk"
) -> Response:
    """All of it, up to the number in ``Postroom-Last``; the next one begins there."""
    if desk.under_way >= MAX_EXPORTS:
        raise EventsError(503, "too many exports at a time")
    pieces = export(
        store,
        query.wanted,
        form,
        after=query.after or 0,
        upto=last,
        most=query.limit or _LARGEST,
    )
    answer = Response(_Export(pieces, desk), content_type=_TYPES[form])
    answer.headers["Content-Disposition"] = (
        f'attachment; filename="events.{form.value}"'
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Postroom-Last"] = str(last)
    return answer


@dataclass(slots=True)
class _ExportDesk:
    under_way: int = 0


class _Export(ResponseBody):
    """A body that is made while it is sent."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], desk: _ExportDesk) -> None:
        self._pieces = pieces
        self._desk = desk

    async def __aenter__(self) -> AsyncIterator[bytes]:
        self._desk.under_way += 1
        return self._pieces

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._desk.under_way -= 1
        await self._pieces.aclose()


async def _timeline(store: Store, uuid: UUID, query: Query) -> dict[str, object] | None:
    """The message's copies and events; None if the viewer knows of none."""
    limit = query.limit or DEFAULT_LIMIT
    owner = query.wanted.sub_account
    copies = [
        one
        for one in await store.read(get_message, uuid)
        if owner in (None, one.sub_account)
    ]
    wanted = replace(query.wanted, message=uuid)
    found = await store.read(
        list_events, wanted, after=query.after or 0, limit=limit + 1
    )
    if not copies and not found:
        return None
    return {
        "message": str(copies[0].message if copies else found[0].about.message),
        "copies": [copy_facts(one) for one in copies],
        "events": [event_facts(one) for one in found[:limit]],
        "next": int(found[limit - 1].number) if len(found) > limit else None,
    }


def _answer(facts: Mapping[str, object], status: int = 200) -> Response:
    return Response(msgspec.json.encode(facts), status, content_type=JSON)
