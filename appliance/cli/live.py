"""Following events: over the websocket while the server runs, else from the database.

Both tell the same numbers, so going from one to the other loses and repeats
nothing: what is shown is always behind the number shown last.
"""

import json
import math
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlencode, urlsplit

import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

from appliance import log
from appliance.cli.running import Running
from appliance.core.event import EventFilter, EventType
from appliance.flow.facts import event_facts
from appliance.store.database import Store
from appliance.store.events import last_number, list_events

Facts: TypeAlias = dict[str, object]

POLL_SECONDS = 0.5
BATCH = 500
_HANDSHAKE_SECONDS = 5.0
_ENDINGS = (
    ConnectionClosed,
    HandshakeError,
    OSError,
    ValueError,
    trio.BrokenResourceError,
    trio.TooSlowError,
)
_log = log.get("cli")


class Tail:
    """Shows events as they become known; ``number`` is where it stands."""

    def __init__(
        self,
        store: Store,
        find: Callable[[], Running | None],
        wanted: EventFilter,
        show: Callable[[Facts], None],
    ) -> None:
        self._store = store
        self._find = find
        self._wanted = wanted
        self._show = show
        self.number = 0

    async def start(self, after: int | None) -> None:
        """Stand at ``after``, or at the newest event there is."""
        self.number = await self._store.read(last_number) if after is None else after

    async def run(self) -> None:
        """Follows for ever."""
        while True:
            running = await trio.to_thread.run_sync(self._find)
            if running is not None:
                await self.listen(running)
            await self.poll()
            await trio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Show what the database has."""
        while events := await self._store.read(
            list_events, after=self.number, limit=BATCH
        ):
            for event in events:
                self._take(event_facts(event))

    async def listen(self, running: Running) -> None:
        """Show what the server tells, until the connection ends.

        It ends when the server stops or cuts us off, or when it is none of ours
        that has the port now; the database knows the rest.
        """
        try:
            await self._listen(running)
        except* _ENDINGS as endings:
            _log.debug("tail.disconnected", why=repr(endings.exceptions[0]))

    async def _listen(self, running: Running) -> None:
        url = urlsplit(running.live_url)
        if url.hostname is None or url.port is None:
            raise ValueError(running.live_url)
        headers = [(b"authorization", f"Bearer {running.control_key}".encode())]
        with trio.fail_after(_HANDSHAKE_SECONDS) as patience:
            stream = await trio.open_tcp_stream(url.hostname, url.port)
            # trio-websocket leaves the socket open when the server hangs up first.
            async with stream, trio.open_nursery() as nursery:
                connection = await wrap_client_stream(
                    nursery,
                    stream,
                    url.netloc,
                    f"{url.path}?{self._query()}",
                    extra_headers=headers,
                )
                patience.deadline = math.inf
                while True:
                    self._take(json.loads(await connection.get_message()))

    def _query(self) -> str:
        query = {"after": str(self.number)}
        if self._wanted.types:
            query["type"] = ",".join(one.label for one in self._wanted.types)
        if self._wanted.message is not None:
            query["message"] = str(self._wanted.message)
        return urlencode(query)

    def _take(self, facts: object) -> None:
        """Show an event, unless it was shown.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(facts, dict) or not isinstance(facts.get("number"), int):
            raise ValueError("not an event")  # noqa: TRY004 - what was said is wrong
        if facts["number"] <= self.number:
            return
        if wants(self._wanted, facts):
            self._show(facts)
        self.number = facts["number"]  # now: what could not be shown was not


def wants(wanted: EventFilter, facts: Facts) -> bool:
    """True if the filter accepts an event that is told as ``facts``."""
    types = {int(one) for one in wanted.types or EventType}
    ids = (facts.get("message"), facts.get("delivery"))
    return facts.get("type") in types and (
        wanted.message is None or str(wanted.message) in ids
    )
