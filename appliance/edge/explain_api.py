"""The whole story of one message over HTTP, for who may read its events."""

import time

import msgspec
from quart import Blueprint, Response, request

from appliance.core.ids import parse_uuid
from appliance.edge.live import Authorise
from appliance.flow.explain import story_facts
from appliance.store.database import Store
from appliance.store.explain import explain

PREFIX = "/postroom/v1/messages"
JSON = "application/json"


def make_explain_api(store: Store, authorise: Authorise) -> Blueprint:
    """The route as a blueprint of the Quart app."""
    api = Blueprint("explain", __name__, url_prefix=PREFIX)

    @api.get("/<text>/explain")
    async def story(text: str) -> Response:
        headers = [(name.lower(), value) for name, value in request.scope["headers"]]
        who = authorise(headers)
        if who is None:
            return _answer({"message": "the key is missing or not valid"}, 401)
        uuid, now_ns = parse_uuid(text), time.time_ns()
        found = None if uuid is None else await store.read(explain, uuid, now_ns)
        hidden = found is not None and not (
            who.sub_account is None or found.belongs_to(who.sub_account)
        )
        if found is None or hidden:
            return _answer({"message": "no such message is known"}, 404)
        return _answer(story_facts(found, now_ns))

    return api


def _answer(body: dict[str, object], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, content_type=JSON)
