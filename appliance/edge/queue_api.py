"""The queue over HTTP: listed and counted by who may read, changed by the operator.

An act answers after a bounded number of deliveries; ``next`` is the number to go
on behind, null when all is done. A sub-account's key sees its own deliveries and
changes none: what an operator holds is not its to release.
"""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
from quart import Blueprint, Response, request

from appliance.core.queue import Act, By, Order, QueueFilter
from appliance.core.queue_words import WrongWord, read_filter
from appliance.edge.keys import Viewer
from appliance.edge.live import Authorise
from appliance.flow.facts import tally_facts, waiting_facts
from appliance.flow.queue import QueueDesk
from appliance.log import get

PREFIX = "/postroom/v1/queue"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_CHANGES = 10_000  # deliveries that one request goes over: a second or two
JSON = "application/json"
_LARGEST = 2**63 - 1

log = get("postroom.queue")


class QueueError(Exception):
    """Why a request is refused: the status, and what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Body(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What an act is asked for with: a filter, or ``all``; where to, for a move."""

    state: str | None = None
    provider: str | None = None
    pool: str | None = None
    domain: str | None = None
    sender_domain: str | None = None
    reason: str | None = None
    message: str | None = None
    delivery: str | None = None
    older_than: str | None = None
    sub_account: int | str | None = None
    all: bool = False
    to_pool: str | None = None
    after: int = 0


_decode = msgspec.json.Decoder(Body).decode
_NO_FILTER = frozenset({"all", "toPool", "after"})


def make_queue_api(desk: QueueDesk, authorise: Authorise) -> Blueprint:
    """The routes as a blueprint of the Quart app."""
    api = Blueprint("queue", __name__, url_prefix=PREFIX)

    def viewer() -> Viewer:
        who = authorise([(k.lower(), v) for k, v in request.scope["headers"]])
        if who is None:
            raise QueueError(401, "the key is missing or not valid")
        return who

    @api.get("")
    async def look() -> Response:
        who, words = viewer(), _query()
        limit = _number(words, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        after = _number(words, "after", 0, 0, _LARGEST)
        wanted = await _wanted(desk, words, who)
        found = await desk.look(wanted, limit + 1, after=after)
        shown = found[:limit]
        more = len(found) > limit
        return _answer(
            {
                "deliveries": [waiting_facts(one) for one in shown],
                "next": int(shown[-1].number) if more else None,
            }
        )

    @api.get("/count")
    async def count() -> Response:
        who, words = viewer(), _query()
        by = _by(words.pop("by", By.STATE.value))
        total, counts = await desk.count(await _wanted(desk, words, who), by)
        groups = [{by.value: key, "deliveries": n} for key, n in counts.items()]
        return _answer({"by": by.value, "total": total, "counts": groups})

    @api.post("/<any(hold, release, retry, drop, move):word>")
    async def act(word: str) -> Response:
        if viewer().sub_account is not None:
            raise QueueError(403, "only a key of the whole account changes the queue")
        body = _body(await request.get_data())
        order = await _order(desk, Act(word), body)
        done = await desk.act(order, after=body.after, at_most=MAX_CHANGES)
        facts = tally_facts(done.tally)
        log.info("queue.changed", act=word, **facts)
        return _answer({"act": word, **facts, "next": done.next})

    @api.errorhandler(QueueError)
    async def refused(problem: QueueError) -> Response:
        return _answer({"message": problem.message}, problem.status)

    return api


# --- what is asked ----------------------------------------------------------------


def _query() -> dict[str, str]:
    asked = request.args.to_dict(flat=False)
    for name, texts in asked.items():
        if len(texts) > 1:
            raise QueueError(400, f"{name[:50]} is given twice")
    return {name: texts[0] for name, texts in asked.items()}


def _number(
    words: dict[str, str], name: str, default: int, least: int, most: int
) -> int:
    text = words.pop(name, str(default))
    fits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not fits or not least <= int(text) <= most:
        raise QueueError(400, f"{name} is one number from {least} to {most}")
    return int(text)


def _by(text: str) -> By:
    try:
        return By(text)
    except ValueError:
        known = ", ".join(one.value for one in By)
        raise QueueError(400, f"by is one of {known}") from None


def _body(raw: bytes | str) -> Body:
    try:
        body = _decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueueError(400, str(error)) from None
    if not 0 <= body.after <= _LARGEST:
        raise QueueError(400, f"after is one number from 0 to {_LARGEST}")
    return body


async def _order(desk: QueueDesk, act: Act, body: Body) -> Order:
    """What a body asks for."""
    told = msgspec.to_builtins(body)
    words = {
        name: str(value)
        for name, value in told.items()
        if name not in _NO_FILTER and value is not None
    }
    if bool(words) == body.all:
        raise QueueError(400, 'say which deliveries: by a filter, or by "all": true')
    if (act is Act.MOVE) != (body.to_pool is not None):
        raise QueueError(400, "toPool is the pool of a move, and of nothing else")
    wanted = await _wanted(desk, words, Viewer())
    if body.to_pool is None:
        return Order(act, wanted)
    pool = await desk.find_pool(body.to_pool)
    if isinstance(pool, str):
        raise QueueError(400, pool)
    return Order(act, wanted, pool)


async def _wanted(
    desk: QueueDesk, words: Mapping[str, str], who: Viewer
) -> QueueFilter:
    """The filter of these words, as far as this viewer may look."""
    wanted = read_filter(words, desk.now_ns())
    if isinstance(wanted, WrongWord):
        raise QueueError(400, wanted.message)
    if who.sub_account is not None:
        if wanted.sub_account not in (None, who.sub_account):
            raise QueueError(403, "this key sees its own sub-account only")
        wanted = replace(wanted, sub_account=who.sub_account)
    wrong = await desk.find_fault(wanted)
    if wrong:
        raise QueueError(400, wrong)
    return wanted


def _answer(facts: Mapping[str, object], status: int = 200) -> Response:
    return Response(msgspec.json.encode(facts), status, content_type=JSON)
