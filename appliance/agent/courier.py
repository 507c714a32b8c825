"""Sends what waits, and decides by the answer: done, again later, or never.

Whatever does not get through (no answer, 5xx, 408, 429, a redirect) is tried again
without end, after 1 s and twice that up to 5 minutes. A refused key stops all posting
until the agent is started or told to reload (SIGHUP). Anything else that is refused
(4xx) is dropped and counted: the same words would be refused again.
"""

import json
import time
from collections.abc import Callable
from http import HTTPStatus

from appliance.agent.client import Answered, Client, Unanswered
from appliance.agent.config import ConfigError
from appliance.agent.events import encode_batch
from appliance.agent.outbox import MOST_AT_ONCE, Outbox
from appliance.agent.place import Place
from appliance.agent.stats import Stats
from appliance.log import get

log = get("agent")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
HEARTBEAT_S = 60.0
LOOK_S = 0.25  # at the outbox
_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Courier:
    """Empties the outbox; ``keep`` writes down each place that is done with."""

    def __init__(
        self,
        client: Client,
        read_key: Callable[[], str],
        outbox: Outbox,
        stats: Stats,
        keep: Callable[[Place], None],
    ) -> None:
        self._client = client
        self._read_key = read_key
        self._key = read_key()
        self._outbox = outbox
        self._stats = stats
        self._keep = keep
        self._pause_s = FIRST_PAUSE_S
        self._not_before_s = 0.0
        self._beat_s = 0.0
        self._reload = False

    def reload(self) -> None:
        """Read the key anew before the next post; safe in a signal handler."""
        self._reload = True

    def run_once(self, now_s: float, *, at_once: bool = False) -> float:
        """Send one batch if one is due; the seconds until it is worth asking again.

        Raises:
            OSError: the place cannot be written down.
        """
        if self._reload:
            self._take_key()
        if self._stats.refused_key:
            return LOOK_S
        wait_s = self._not_before_s - now_s
        if 0 < wait_s <= LONGEST_PAUSE_S:  # a clock that was set back does not count
            return min(wait_s, LOOK_S)
        batch = self._outbox.front(now_s, at_once=at_once)
        if batch or not 0 <= now_s - self._beat_s < HEARTBEAT_S:
            self._send(batch, now_s)
            return 0.0 if batch else LOOK_S
        return LOOK_S

    def _take_key(self) -> None:
        self._reload = False
        try:
            self._key = self._read_key()
        except (OSError, ConfigError) as error:
            log.error("agent.no_key", error=error)  # noqa: TRY400 - no bug
            return
        self._stats.refused_key = False
        self._not_before_s = 0.0

    def _send(self, batch: list[bytes], now_s: float) -> None:
        self._beat_s = now_s
        started_s = time.monotonic()
        reply = self._client.post(encode_batch(batch), self._key)
        self._stats.post_seconds += time.monotonic() - started_s
        self._stats.posts += 1
        if isinstance(reply, Unanswered):
            self._fail(reply.reason, now_s)
        elif reply.status == HTTPStatus.UNAUTHORIZED:
            self._stats.refused_key = True
            log.error("agent.key_refused", hint="provider event-key, then SIGHUP")
        elif reply.status // 100 == 2:  # noqa: PLR2004 - any success
            self._succeed(reply, batch, now_s)
        elif reply.status // 100 == 4 and reply.status not in _AGAIN:  # noqa: PLR2004
            self._drop(reply, batch)
        else:
            self._fail(f"status {reply.status}", now_s, reply.retry_after_s)

    def _fail(self, why: str, now_s: float, at_least_s: float = 0.0) -> None:
        stats = self._stats
        pause_s = min(max(self._pause_s, at_least_s), LONGEST_PAUSE_S)
        self._not_before_s = now_s + pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        stats.posts_failed += 1
        if not stats.failing_since_s:
            stats.failing_since_s = now_s
            log.warning("agent.post_failed", why=why, next_in_s=pause_s)
        stats.failure = why

    def _succeed(self, reply: Answered, batch: list[bytes], now_s: float) -> None:
        stats = self._stats
        if stats.failing_since_s:
            log.info("agent.post_works", failed_s=int(now_s - stats.failing_since_s))
        self._pause_s = FIRST_PAUSE_S
        stats.failing_since_s, stats.failure = 0.0, ""
        stats.last_post_s = now_s
        rejected = _rejected(reply.body)
        stats.events_rejected += rejected
        stats.events_sent += len(batch) - rejected
        self._done(batch)

    def _drop(self, reply: Answered, batch: list[bytes]) -> None:
        self._stats.events_failed += len(batch)
        log.error(
            "agent.batch_dropped",
            events=len(batch),
            status=reply.status,
            answer=reply.body.decode("utf-8", "replace"),
        )
        self._done(batch)

    def _done(self, batch: list[bytes]) -> None:
        """Written down before it is removed.

        The reader writes only while nothing waits, so that they never do both.
        """
        if batch:
            place = self._outbox.behind(len(batch))
            if place is not None:
                self._keep(place)
            self._outbox.remove(len(batch), place)


def _rejected(body: bytes) -> int:
    """How many of the events the server did not believe; the first is told why."""
    try:
        answer = json.loads(body)
        rejected, errors = int(answer["rejected"]), answer["errors"]
        if rejected:
            log.info("agent.rejected", events=rejected, first=errors[0])
    except (ValueError, TypeError, LookupError, RecursionError):
        return 0
    return min(max(rejected, 0), MOST_AT_ONCE)
