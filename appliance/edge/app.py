"""All routes of the HTTP door, in the order in which they are looked for.

What most requests want is answered by plain functions in front (``hot``); the
rest by the Quart app.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
)
from quart import Response, abort
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from appliance.core.token import TokenKind
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.answer import JSON_TYPE, Answer
from appliance.dialects.sendpost.errors import Fault
from appliance.docs import read_page
from appliance.edge.api import make_api
from appliance.edge.dashboard.doorman import Doorman
from appliance.edge.dashboard.pages import make_pages
from appliance.edge.explain_api import make_explain_api
from appliance.edge.http.hot import Hot, HotRoutes
from appliance.edge.http.lean import Lean
from appliance.edge.http.respond import NoBody, read_body, send_json
from appliance.edge.http.sendpost import SendDoor
from appliance.edge.live import Authorise
from appliance.edge.queue_api import make_queue_api
from appliance.edge.tracker import Tracker, unavailable_as_503
from appliance.flow.feed import Feed
from appliance.flow.queue import QueueDesk
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MAX_BODY_BYTES = 64 * 1024  # of requests to the Quart app; nothing larger is sent there


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes lead to."""

    store: Store
    feed: Feed
    send: SendDoor
    tracker: Tracker
    authorise: Authorise
    queue: QueueDesk


def make_app(rooms: Rooms) -> ASGIFramework:
    """The application that the HTTP server runs."""
    return HotRoutes(_hot_routes(rooms), _quart_app(rooms))


def _hot_routes(rooms: Rooms) -> Mapping[tuple[str, str], Hot]:
    tracker = rooms.tracker
    see, act = unavailable_as_503(tracker.get), unavailable_as_503(tracker.post)
    routes: dict[tuple[str, str], Hot] = {
        ("POST", paths.SEND): _sending(rooms.send),
        ("POST", paths.SEND_TEMPLATE): _sending(rooms.send),
        **_refusing(rooms.send),
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
    for path in (paths.SEND, paths.SEND_TEMPLATE):
        routes |= {(method, path): wrong for method in METHODS if method != "POST"}
    return routes


def _refusal(door: SendDoor, fault: Fault) -> Hot:
    async def refuse(
        scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await _say(send, door.refuse(list(scope["headers"]), fault))

    return refuse


def _sending(door: SendDoor) -> Hot:
    async def send_mail(
        scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        headers = list(scope["headers"])
        async with door.room_for(headers):
            body = await read_body(scope, receive, door.body_limit(headers))
            if body is NoBody.GONE:
                return
            read = body if isinstance(body, bytes) else None
            answer = await door.answer(headers, read, scope["query_string"])
        await _say(send, answer)

    return send_mail


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


def _quart_app(rooms: Rooms) -> QuartTrio:
    app = QuartTrio("postroom", static_folder=None, root_path="/")
    app.asgi_http_class = Lean
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.register_blueprint(make_api(rooms.store, rooms.feed, rooms.authorise))
    app.register_blueprint(make_explain_api(rooms.store, rooms.authorise))
    app.register_blueprint(make_queue_api(rooms.queue, rooms.authorise))
    doorman = Doorman(rooms.store)
    app.register_blueprint(make_pages(rooms.store, rooms.feed, doorman))

    @app.get("/docs/<name>")
    async def docs(name: str) -> Response:
        page = read_page(name)
        if page is None:
            abort(404)
        return Response(page, content_type="text/markdown; charset=utf-8")

    @app.errorhandler(StoreUnavailable)
    async def unavailable(_: StoreUnavailable) -> Response:
        return _plain(503, "the database is not available right now")

    @app.errorhandler(HTTPException)
    async def refused(error: HTTPException) -> Response:
        return _plain(error.code or 500, error.name.lower())

    return app


def _plain(status: int, message: str) -> Response:
    return Response(
        f'{{"message":"{message}"}}', status, content_type="application/json"
    )
