"""The pages: mail of late, and what became of one message.

Everything shown may have been written by a stranger: templates escape, no page
runs a script or loads anything, and raw mail is served as plain text
(ATTACKS 19).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from uuid import UUID

from jinja2 import Environment, FunctionLoader, StrictUndefined
from quart import Blueprint, Response, abort, request

from appliance.core.delivery import State
from appliance.core.event import EventFilter
from appliance.core.ids import parse_uuid
from appliance.edge.dashboard.doorman import Doorman
from appliance.flow.feed import Feed
from appliance.store.captured import get_captured
from appliance.store.database import Store
from appliance.store.messages import DeliveryStatus, get_message, list_recent

RECENT = 100
MAX_EVENTS = 1_000
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_pages(store: Store, feed: Feed, doorman: Doorman) -> Blueprint:
    """The pages as a blueprint of the Quart app."""
    pages = Blueprint("pages", __name__)
    render = _renderer()

    @pages.before_request
    async def admit() -> Response | None:
        if await doorman.admits(request.authorization):
            return None
        challenge = {"WWW-Authenticate": 'Basic realm="Postroom", charset="UTF-8"'}
        return Response("Log in with the dashboard's user.\n", 401, challenge)

    @pages.after_request
    async def protect(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        return response

    @pages.get("/")
    async def recent() -> str:
        deliveries = await store.read(list_recent, RECENT)
        return render("recent.html", deliveries=deliveries)

    @pages.get("/messages/<text>")
    async def message(text: str) -> str:
        uuid = _uuid(text)
        deliveries = await store.read(get_message, uuid)
        if not deliveries:
            abort(404)
        wanted = EventFilter(message=deliveries[0].message)
        events = await feed.read_all(wanted, MAX_EVENTS)
        return render("message.html", deliveries=deliveries, events=events)

    @pages.get("/captured/<text>")
    async def captured(text: str) -> Response:
        mail = await store.read(get_captured, _uuid(text))
        if mail is None:
            abort(404)
        return Response(mail.raw, content_type="text/plain; charset=utf-8")

    return pages


def _uuid(text: str) -> UUID:
    uuid = parse_uuid(text)
    if uuid is None:
        abort(404)
    return uuid


def _renderer() -> Callable[..., str]:
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["moment"] = _moment
    environment.filters["standing"] = _standing

    def render(name: str, **values: object) -> str:
        return environment.get_template(name).render(values)

    return render


def _source(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text()


def _moment(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}"


def _standing(delivery: DeliveryStatus) -> str:
    """Where a delivery stands, in a few words."""
    if delivery.state is State.QUEUED and delivery.attempts:
        assert delivery.due_ns is not None
        return f"try {delivery.attempts + 1} at {_moment(delivery.due_ns)}"
    return delivery.state.name.lower().replace("_", " ")
