"""All routes of the HTTP door, in the order in which they are looked for.

What most requests want is answered by plain functions in front (``hot``); the
rest by the Quart app (``web``), which is made when it is first asked for.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
)

from appliance.core.token import TokenKind
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.answer import JSON_TYPE, Answer
from appliance.dialects.sendpost.errors import Fault
from appliance.edge.http.account import AccountDoor, Request
from appliance.edge.http.hot import Hot, HotRoutes
from appliance.edge.http.later import Later
from appliance.edge.http.reports import ReportDoor
from appliance.edge.http.respond import NoBody, read_body, send_json
from appliance.edge.http.sendpost import SendDoor
from appliance.edge.live import Authorise
from appliance.edge.tickets import Tickets
from appliance.edge.tracker import Tracker, unavailable_as_503
from appliance.flow.feed import Feed
from appliance.flow.queue import QueueDesk
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable

ACCOUNT_ROOTS = (
    paths.PROVIDERS,
    paths.PROVIDERS_SHORT,
    paths.POOLS,
    paths.WEBHOOKS,
    paths.ACCOUNT_EVENTS,
    paths.MESSAGES,
    paths.STATS,
    paths.SUB_ACCOUNT_STATS,
)
SUB_ACCOUNT_ROOTS = (paths.DOMAINS, paths.SUPPRESSIONS)
# From headers, body (None: too large) and query.
Answering: TypeAlias = Callable[
    [Sequence[tuple[bytes, bytes]], bytes | None, bytes], Awaitable[Answer]
]
# What is asked for most: pixels, and that mail is sent.
QUICK = (f"GET {paths.TRACK}".encode(), f"POST {paths.SEND}".encode())
LONG = "/postroom/v1/events"  # a file of any size
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes lead to."""

    store: Store
    feed: Feed
    send: SendDoor
    tracker: Tracker
    authorise: Authorise
    tickets: Tickets
    queue: QueueDesk
    account: AccountDoor
    reports: ReportDoor
    sub_account: AccountDoor


def make_app(rooms: Rooms) -> ASGIFramework:
    """The application that the HTTP server runs."""

    def make_rest() -> ASGIFramework:
        from appliance.edge.web import make_web

        return make_web(
            rooms.store, rooms.feed, rooms.queue, rooms.authorise, rooms.tickets
        )

    return HotRoutes(_hot_routes(rooms), Later(make_rest))


def _hot_routes(rooms: Rooms) -> Mapping[tuple[str, str], Hot]:
    tracker = rooms.tracker
    send = _taking(rooms.send, rooms.send.answer)
    report = _taking(
        rooms.reports, lambda headers, body, _: rooms.reports.answer(headers, body)
    )
    see, act = unavailable_as_503(tracker.get), unavailable_as_503(tracker.post)
    routes: dict[tuple[str, str], Hot] = {
        ("POST", paths.SEND): send,
        ("POST", paths.SEND_TEMPLATE): send,
        ("POST", paths.EVENTS): report,
        **_refusing(rooms.send),
        **_calls(rooms.account, ACCOUNT_ROOTS),
        **_calls(rooms.sub_account, SUB_ACCOUNT_ROOTS),
        ("GET", "/healthz"): _alive,
        ("GET", "/readyz"): _ready(rooms.store),
    }
    for prefix, kind in paths.SPELLINGS:
        routes["GET", f"{prefix}*"] = see
        if kind is TokenKind.UNSUBSCRIBE:
            routes["POST", f"{prefix}*"] = act
    return routes


def _refusing(door: SendDoor) -> dict[tuple[str, str], Hot]:
    """Other methods and paths of the vendor's API get the vendor's errors."""
    missing = _refusal(door, Fault.NOT_FOUND)
    wrong = _refusal(door, Fault.METHOD_NOT_ALLOWED)
    routes = {(method, f"{paths.API}/*"): missing for method in METHODS}
    for path in (paths.SEND, paths.SEND_TEMPLATE, paths.EVENTS):
        routes |= {(method, path): wrong for method in METHODS if method != "POST"}
    return routes


def _calls(door: AccountDoor, roots: Sequence[str]) -> dict[tuple[str, str], Hot]:
    """What a kind of key opens, in every method: the door finds what is there."""
    call = _calling(door)
    return {
        (method, f"{root}{rest}"): call
        for root in roots
        for rest in ("", "/*")
        for method in METHODS
    }


def _calling(door: AccountDoor) -> Hot:
    async def call(
        scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        headers = list(scope["headers"])
        body = await read_body(scope, receive, door.body_limit(headers))
        if body is NoBody.GONE:
            return
        read = body if isinstance(body, bytes) else None
        method, path, query = scope["method"], scope["path"], scope["query_string"]
        await _say(send, await door.answer(Request(method, path, query, headers, read)))

    return call


def _refusal(door: SendDoor, fault: Fault) -> Hot:
    async def refuse(
        scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await _say(send, door.refuse(list(scope["headers"]), fault))

    return refuse


def _taking(door: SendDoor | ReportDoor, answer: Answering) -> Hot:
    """A route that reads a whole body, while the door has room for it."""

    async def take(
        scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        headers = list(scope["headers"])
        async with door.room_for(headers):
            body = await read_body(scope, receive, door.body_limit(headers))
            if body is NoBody.GONE:
                return
            read = body if isinstance(body, bytes) else None
            said = await answer(headers, read, scope["query_string"])
        await _say(send, said)

    return take


async def _say(send: ASGISendCallable, answer: Answer) -> None:
    extra = [
        (name.lower().encode(), value.encode())
        for name, value in answer.headers
        if name != JSON_TYPE[0]
    ]
    await send_json(send, answer.status, answer.body, extra)


async def _alive(
    _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """The process answers."""
    await send_json(send, 200, b'{"status":"ok"}')


def _ready(store: Store) -> Hot:
    async def ready(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if await _answers(store):
            await send_json(send, 200, b'{"status":"ok"}')
        else:
            await send_json(send, 503, b'{"status":"the database is not available"}')

    return ready


async def _answers(store: Store) -> bool:
    """True if mail can be taken: the database is read, and was written last time."""
    try:
        await store.pulse()
    except StoreUnavailable:
        return False
    return store.takes_writes
