"""Our own HTTP API at ``/postroom/v1``: captured mail.

Asked with a key; one of a sub-account sees that sub-account only. Errors are
``{"message": ...}`` with the status that says whose fault it is.
"""

from uuid import UUID

import msgspec
from quart import Blueprint, Response, request

from appliance.core.ids import parse_uuid
from appliance.edge.keys import Viewer
from appliance.edge.live import Authorise
from appliance.store.captured import get_captured
from appliance.store.database import Store
from appliance.store.messages import get_message

PREFIX = "/postroom/v1"
JSON = "application/json"


def make_api(store: Store, authorise: Authorise) -> Blueprint:
    """The API as a blueprint of the Quart app."""
    api = Blueprint("api", __name__, url_prefix=PREFIX)

    def viewer() -> Viewer | None:
        return authorise([(k.lower(), v) for k, v in request.scope["headers"]])

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


async def _may_see(store: Store, who: Viewer, uuid: UUID) -> bool:
    if who.sub_account is None:
        return True
    deliveries = await store.read(get_message, uuid)
    return any(one.sub_account == who.sub_account for one in deliveries)


def _problem(status: int, message: str) -> Response:
    body = msgspec.json.encode({"message": message})
    return Response(body, status, content_type=JSON)
