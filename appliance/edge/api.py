"""Our own HTTP API at ``/postroom/v1``: events by number, and captured mail.

Asked with a key; one of a sub-account sees that sub-account only. Errors are
``{"message": ...}`` with the status that says whose fault it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from quart import Blueprint, Response, request

from appliance.core.event import Event
from appliance.core.ids import parse_uuid
from appliance.edge.keys import Viewer
from appliance.edge.live import Authorise
from appliance.edge.subscription import Refused, Wish, read_wish
from appliance.flow.facts import event_facts
from appliance.flow.feed import Feed
from appliance.store.captured import get_captured
from appliance.store.database import Store
from appliance.store.messages import get_message

PREFIX = "/postroom/v1"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_READS = 50  # windows of the log that one request may look through
JSON = "application/json"
_LIMITS = {str(number): number for number in range(1, MAX_LIMIT + 1)}


def make_api(store: Store, feed: Feed, authorise: Authorise) -> Blueprint:
    """The API as a blueprint of the Quart app."""
    api = Blueprint("api", __name__, url_prefix=PREFIX)

    def viewer() -> Viewer | None:
        return authorise([(k.lower(), v) for k, v in request.scope["headers"]])

    @api.get("/events")
    async def events() -> Response:
        who = viewer()
        if who is None:
            return _problem(401, "the key is missing or not valid")
        wish, limit = _read_query()
        if isinstance(wish, Refused):
            return _problem(wish.status, wish.message)
        if wish.after is not None and wish.after > feed.last_number:
            return _problem(400, f"the last event is {feed.last_number}")
        wish = replace(wish, wanted=replace(wish.wanted, sub_account=who.sub_account))
        found, cursor = await _page(feed, wish, limit)
        body = {
            "events": [event_facts(event) for event in found],
            "next": cursor,
            "last": feed.last_number,
        }
        return Response(msgspec.json.encode(body), content_type=JSON)

    @api.get("/captured/<text>")
    async def captured(text: str) -> Response:
        who = viewer()
        if who is None:
            return _problem(401, "the key is missing or not valid")
        uuid = parse_uuid(text)
        if uuid is None or not await _may_see(store, who, uuid):
            return _problem(404, "no such mail is captured")
        mail = await store.read(get_captured, uuid)
        if mail is None:
            return _problem(404, "no such mail is captured")
        return Response(mail.raw, content_type="message/rfc822")

    return api


def _read_query() -> tuple[Wish | Refused, int]:
    """What the query asks for and how many of it."""
    asked = request.args.to_dict(flat=False)
    texts = asked.pop("limit", [str(DEFAULT_LIMIT)])
    limit = _LIMITS.get(texts[0]) if len(texts) == 1 else None
    if limit is None:
        return Refused(400, f"limit is one number from 1 to {MAX_LIMIT}"), 0
    return read_wish("?" + urlencode(asked, doseq=True)), limit


async def _page(feed: Feed, wish: Wish, limit: int) -> tuple[Sequence[Event], int]:
    """Up to ``limit`` wanted events, looked for in a bounded part of the log."""
    found: list[Event] = []
    cursor = wish.after or 0
    for _ in range(MAX_READS):
        if len(found) == limit or cursor >= feed.last_number:
            break
        events, cursor = await feed.read(cursor, limit - len(found), wish.wanted)
        found += events
    return found, cursor


async def _may_see(store: Store, who: Viewer, uuid: UUID) -> bool:
    if who.sub_account is None:
        return True
    deliveries = await store.read(get_message, uuid)
    return any(one.sub_account == who.sub_account for one in deliveries)


def _problem(status: int, message: str) -> Response:
    body = msgspec.json.encode({"message": message})
    return Response(body, status, content_type=JSON)
