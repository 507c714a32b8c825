"""``POST /postroom/v1/live/ticket``: a key is changed into a ticket for a browser."""

from functools import partial

import msgspec
from quart import Blueprint, Response, request

from appliance.edge.live import PATH, Authorise
from appliance.edge.tickets import GOOD_SECONDS, Tickets

_JSON = "application/json"


def make_ticket_api(tickets: Tickets, authorise: Authorise) -> Blueprint:
    """The route as a blueprint of the Quart app."""
    api = Blueprint("ticket", __name__)

    @api.post(f"{PATH}/ticket")
    async def ticket() -> Response:
        headers = [(name.lower(), value) for name, value in request.scope["headers"]]
        owner = authorise(headers)
        if owner is None:
            return _answer({"message": "the key is missing or not valid"}, 401)
        text = tickets.issue(owner, partial(authorise, headers))
        if text is None:
            return _answer({"message": "too many tickets are not used yet"}, 429)
        return _answer({"ticket": text, "seconds": GOOD_SECONDS}, 201)

    return api


def _answer(facts: dict[str, object], status: int) -> Response:
    answer = Response(msgspec.json.encode(facts), status, content_type=_JSON)
    answer.headers["cache-control"] = "no-store"
    if status == 429:  # noqa: PLR2004 - RFC 6585 4
        answer.headers["retry-after"] = str(GOOD_SECONDS)
    return answer
