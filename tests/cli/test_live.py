"""Following events: the websocket and the database tell one story."""

import errno
import json
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from trio_websocket import WebSocketRequest, serve_websocket

from appliance.cli.live import Tail
from appliance.cli.running import Running
from appliance.core.event import About, EventFilter, EventType, NewEvent
from appliance.core.ids import SubAccountId, uuid7
from appliance.store.database import Store
from appliance.store.transaction import Tx
from tests.fakes.store import open_temp_store

ALL = EventFilter()
FAR = 5.0


async def record(store: Store, *types: EventType) -> None:
    """Events of these types."""

    def emit(tx: Tx) -> None:
        for kind in types:
            about = About(
                SubAccountId(1), uuid7(), uuid7(), "a@b.example", "c@d.example"
            )
            tx.emit(NewEvent(kind, 1_700_000_000_000_000_000, about))

    await store.write(emit)


class Server:
    """Tells the events that it is given, and keeps the handshakes."""

    def __init__(self, events: list[dict[str, object]]) -> None:
        self.events = events
        self.targets: list[str] = []
        self.keys: list[bytes] = []

    async def handle(self, request: WebSocketRequest) -> None:
        """Tell all events behind the number asked for, then hang up."""
        self.targets.append(request.path)
        self.keys.append(dict(request.headers)[b"authorization"])
        after = int(parse_qs(urlsplit(request.path).query)["after"][0])
        socket = await request.accept()
        for event in self.events:
            if int(str(event["number"])) > after:
                await socket.send_message(json.dumps(event))
        await socket.aclose()

    async def start(self, nursery: trio.Nursery) -> Running:
        """Where it is."""
        server = await nursery.start(
            partial(serve_websocket, self.handle, "127.0.0.1", 0, ssl_context=None)
        )
        return Running({"live": f"ws://127.0.0.1:{server.port}/live"}, "the-key")


def told(number: int, kind: EventType = EventType.SENT) -> dict[str, object]:
    """An event as a server tells it."""
    return {"number": number, "type": int(kind), "message": "m", "delivery": "d"}


async def test_the_database_is_followed_without_a_server(tmp_path: Path) -> None:
    """Each event once, in order, from the number that was asked for."""
    shown: list[dict[str, object]] = []
    async with open_temp_store(tmp_path) as store:
        await record(store, EventType.PROCESSED, EventType.SENT, EventType.OPENED)
        tail = Tail(store, lambda: None, ALL, shown.append)
        await tail.start(1)
        await tail.poll()
        await tail.poll()
        await record(store, EventType.CLICKED)
        await tail.poll()
    assert [one["number"] for one in shown] == [2, 3, 4]
    assert tail.number == 4


async def test_only_news_are_shown_unless_a_number_is_given(tmp_path: Path) -> None:
    """A tail begins at the end."""
    shown: list[dict[str, object]] = []
    async with open_temp_store(tmp_path) as store:
        await record(store, EventType.PROCESSED)
        tail = Tail(store, lambda: None, ALL, shown.append)
        await tail.start(None)
        await record(store, EventType.SENT)
        await tail.poll()
    assert [one["number"] for one in shown] == [2]


async def test_the_filter_holds_for_both_sources(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """The server is asked for what is wanted; what else comes is not shown."""
    server = Server([told(1), told(2, EventType.DROPPED)])
    running = await server.start(nursery)
    shown: list[dict[str, object]] = []
    wanted = EventFilter(frozenset({EventType.DROPPED}))
    async with open_temp_store(tmp_path) as store:
        tail = Tail(store, lambda: None, wanted, shown.append)
        with trio.fail_after(FAR):
            await tail.listen(running)
        for kind in (EventType.SENT, EventType.SENT, EventType.SENT, EventType.DROPPED):
            await record(store, kind)
        await tail.poll()
    assert [one["number"] for one in shown] == [2, 4]
    assert parse_qs(urlsplit(server.targets[0]).query) == {
        "after": ["0"],
        "type": ["dropped"],
    }
    assert server.keys == [b"Bearer the-key"]
    nursery.cancel_scope.cancel()


async def test_nothing_is_lost_or_shown_twice_when_the_server_comes_and_goes(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Going from one source to the other continues behind the last number."""
    server = Server([told(number) for number in (1, 2, 3)])
    running = await server.start(nursery)
    shown: list[dict[str, object]] = []
    async with open_temp_store(tmp_path) as store:
        await record(store, *[EventType.SENT] * 5)
        tail = Tail(store, lambda: None, ALL, shown.append)
        with trio.fail_after(FAR):
            await tail.listen(running)  # 1 to 3, then the server ends
        await tail.poll()  # 4 and 5
        server.events = [told(number) for number in (4, 5, 6)]
        with trio.fail_after(FAR):
            await tail.listen(running)
    assert [one["number"] for one in shown] == [1, 2, 3, 4, 5, 6]
    assert [urlsplit(one).query for one in server.targets] == ["after=0", "after=5"]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/live", "nonsense", ""])
async def test_a_server_that_cannot_be_reached_is_no_error(
    tmp_path: Path, url: str
) -> None:
    """The database is there."""
    async with open_temp_store(tmp_path) as store:
        tail = Tail(store, lambda: None, ALL, lambda _: None)
        with trio.fail_after(FAR):
            await tail.listen(Running({"live": url}, "x"))


@pytest.mark.parametrize("said", ["nonsense", "[]", "5", '{"number": "x"}', "\udcff"])
async def test_what_is_no_event_is_passed_over(
    tmp_path: Path, nursery: trio.Nursery, said: str
) -> None:
    """Another program may have the port: what it says ends listening, no more."""

    async def handle(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message(said.encode("utf-8", "surrogateescape"))
        await socket.aclose()

    server = await nursery.start(
        partial(serve_websocket, handle, "127.0.0.1", 0, ssl_context=None)
    )
    shown: list[object] = []
    async with open_temp_store(tmp_path) as store:
        tail = Tail(store, lambda: None, ALL, shown.append)
        with trio.fail_after(FAR):
            await tail.listen(Running({"live": f"ws://127.0.0.1:{server.port}/"}, "x"))
    assert not shown
    nursery.cancel_scope.cancel()


async def test_what_could_not_be_shown_was_not_shown(tmp_path: Path) -> None:
    """The number to resume from is that of the last event on the screen."""
    shown: list[dict[str, object]] = []

    def show(facts: dict[str, object]) -> None:
        if shown:
            raise OSError(errno.ENOSPC, "No space left on device")
        shown.append(facts)

    async with open_temp_store(tmp_path) as store:
        await record(store, EventType.PROCESSED, EventType.SENT)
        tail = Tail(store, lambda: None, ALL, show)
        await tail.start(0)
        with pytest.raises(OSError, match="No space"):
            await tail.poll()
    assert tail.number == 1
