"""One try: a parcel signed for this moment, posted, and judged.

What follows from an answer is decided here and in ``core/breaker.py``, without a row
or a socket. Everything that is no 2xx failed, and a redirect is one of those.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

import trio

from appliance.core.credential import Network
from appliance.core.ids import uuid7
from appliance.core.retry import RetryPlan
from appliance.core.webhook import (
    Endpoint,
    Fact,
    Parcel,
    Request,
    Response,
    Waiting,
)
from appliance.core.webhook_url import check_url
from appliance.dialects.webhook import event_id
from appliance.dialects.webhooks import webhooks_of
from appliance.log import get
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.net.http_client import HttpClient

log = get("postroom.webhooks")

SECOND_NS = 1_000_000_000
NO_PLAN = RetryPlan(())
TURN = 8  # parcels that are worded before others have a turn


@dataclass(frozen=True, slots=True)
class Habits:
    """What the operator set: how long, how many, where to.

    ``first_plan`` are the first retries, None: as each dialect documents them.
    ``long_plan`` are those that follow, over days.
    """

    timeout_s: float = 10.0
    at_a_time: int = 8
    max_rate: float = math.inf
    first_plan: RetryPlan | None = None
    long_plan: RetryPlan = NO_PLAN
    max_waiting: int = 5_000
    kept: int = 100
    allow_http: bool = False
    allowed: tuple[Network, ...] = ()
    ca_file: str = ""

    def plan_of(self, documented: RetryPlan) -> RetryPlan:
        """All retries of one parcel."""
        first = documented if self.first_plan is None else self.first_plan
        return RetryPlan(first.pauses + self.long_plan.pauses)


def habits_of(settings: Settings) -> Habits:
    """What the settings say."""
    own = settings.webhooks
    return Habits(
        timeout_s=own.timeout,
        at_a_time=own.at_a_time,
        max_rate=own.max_rate,
        first_plan=RetryPlan(own.first_retries) if own.first_retries else None,
        long_plan=RetryPlan(own.retry_plan),
        max_waiting=own.max_waiting,
        kept=own.kept,
        allow_http=own.allow_http,
        allowed=own.allowed_networks,
        ca_file=own.ca_file,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """A parcel to post now: a new one, or one that waited.

    ``before`` is the number of the last event that is done when this one is not.
    """

    parcel: Parcel
    before: int = 0
    waited: Waiting | None = None
    replayed: bool = False

    @property
    def attempt(self) -> int:
        """Which try this is, from 1 on."""
        return 1 if self.waited is None else self.waited.tries + 1


def make_client(habits: Habits) -> "HttpClient":
    """Connections to one receiver."""
    from pathlib import Path

    from appliance.net.http_client import HttpClient  # 3 MB that most houses need not
    from appliance.net.http_connect import judge_of
    from appliance.net.tls import web_context

    ca_file = Path(habits.ca_file) if habits.ca_file else None
    try:
        context = web_context(ca_file=ca_file)
    except OSError as error:
        log.warning("webhook.no_ca_file", file=habits.ca_file, error=error)
        context = web_context()
    return HttpClient(judge_of(habits.allowed), context)


async def parcels(
    endpoint: Endpoint, facts: Sequence[Fact], *, everything: bool = False
) -> list[Parcel]:
    """What is to be posted of these events, in order.

    Only what the endpoint wants, unless ``everything`` that has a word is asked for.
    """
    dialect = webhooks_of(endpoint.dialect)
    everything = everything or endpoint.per_message
    wanted = []
    for fact in facts:
        words = dialect.words_of(fact)
        if words and (everything or words & endpoint.wanted):
            wanted.append(fact)
    size = dialect.manners.batch
    made = []
    for at in range(0, len(wanted), size):
        made.append(_parcel(endpoint, wanted[at : at + size], batched=size > 1))
        if len(made) % TURN == 0:
            await trio.lowlevel.checkpoint()
    return made


def _parcel(endpoint: Endpoint, facts: Sequence[Fact], *, batched: bool) -> Parcel:
    dialect = webhooks_of(endpoint.dialect)
    numbers = tuple(one.event.number for one in facts)
    key = _batch_key(endpoint, numbers) if batched else str(event_id(facts[0].event))
    titles = sorted({dialect.title(one) for one in facts})
    rendered = [dialect.render(one, endpoint.form) for one in facts]
    return Parcel(key, numbers, ", ".join(titles), dialect.pack(key, rendered))


def _batch_key(endpoint: Endpoint, numbers: Sequence[int]) -> str:
    """The same for the same events to the same endpoint, in every try."""
    mark = endpoint.uuid.bytes + ",".join(map(str, numbers)).encode()
    return blake2b(mark, digest_size=32).hexdigest()


@lru_cache(maxsize=1024)  # the same few URLs, hundreds of times a second
def _wrong_with(url: str, habits: Habits) -> str:
    return check_url(url, allow_http=habits.allow_http, allowed=habits.allowed)


async def post(
    client: "HttpClient",
    endpoint: Endpoint,
    parcel: Parcel,
    *,
    attempt: int,
    habits: Habits,
    now_ns: int,
) -> tuple[Request, Response]:
    """What was posted, and what came of it within the time there is."""
    dialect, keys = webhooks_of(endpoint.dialect), endpoint.keys(now_ns)
    request = dialect.request(parcel, keys, now_ns // SECOND_NS, attempt, uuid7())
    wrong = _wrong_with(endpoint.url, habits)
    if wrong:
        return request, Response(error=wrong)
    with trio.move_on_after(habits.timeout_s):
        return request, await client.post(endpoint.url, request)
    took_ms = round(habits.timeout_s * 1000)
    late = f"no answer within {habits.timeout_s:g} s"
    return request, Response(error=late, took_ms=took_ms)


async def try_out(
    endpoint: Endpoint, habits: Habits, now_ns: int
) -> tuple[Request, Response]:
    """One synthetic event to an endpoint, whether it is in use or not.

    It is not tried again, and is in no log.
    """
    client = make_client(habits)
    try:
        return await post(
            client,
            endpoint,
            trial(endpoint, now_ns),
            attempt=1,
            habits=habits,
            now_ns=now_ns,
        )
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            await client.aclose()


def trial(endpoint: Endpoint, now_ns: int) -> Parcel:
    """A parcel with an event that is none."""
    dialect = webhooks_of(endpoint.dialect)
    title, rendered = dialect.trial(now_ns)
    key = _batch_key(endpoint, (now_ns,))
    return Parcel(key, (), title, dialect.pack(key, [rendered]))
