"""The event websocket, over real sockets, with trio-websocket as its client."""

import contextlib
import json
import logging
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from uuid import UUID

import pytest
import trio
import trio.testing
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    wrap_client_stream,
)

from appliance.core.event import Event, EventType
from appliance.core.ids import SubAccountId
from appliance.edge import live as live_module
from appliance.edge import live_reader
from appliance.edge.http.limits import Limits
from appliance.edge.keys import Viewer
from appliance.edge.live import PATH, LiveDoor, Reception
from appliance.edge.live_forms import OWN
from appliance.edge.subscription import Headers
from appliance.edge.tickets import Tickets
from appliance.settings.doors import Live
from tests.edge.http.malformed import HANDSHAKES, LIVE, ORDINARY, Case
from tests.fakes.feed import OURS, FakeFeed
from tests.fakes.http import Client, Server, serving

KEY = (b"Authorization", b"Bearer good")
ROOT = (b"Authorization", b"Bearer root")


class Keys:
    """Who may read: changes as keys are revoked."""

    def __init__(self) -> None:
        self.viewers = {b"Bearer good": Viewer(OURS), b"Bearer root": Viewer()}

    def authorise(self, headers: Headers) -> Viewer | None:
        """The viewer of the first key."""
        for name, value in headers:
            if name == b"authorization":
                return self.viewers.get(value)
        return None


class Short:
    """A format for the tests: it counts what it words, and does not tell of clicks."""

    def __init__(self) -> None:
        self.worded: list[int] = []

    async def render(self, events: Sequence[Event]) -> Sequence[str]:
        """Number, type and data."""
        self.worded += [event.number for event in events]
        return [self._word(event) for event in events]

    def _word(self, event: Event) -> str:
        facts = {"number": event.number, "type": event.type.label, **event.data}
        return "" if event.type is EventType.CLICKED else json.dumps(facts)


class House:
    """A server with a live door, its feed and its keys."""

    def __init__(self, settings: Live | None = None) -> None:
        self.feed = FakeFeed()
        self.keys = Keys()
        self.now = 0.0
        self.tickets = Tickets(lambda: self.now)
        self.short, self.other = Short(), Short()
        self.door = LiveDoor(
            self.feed,
            {OWN: self.short, "other": self.other},
            Reception(self.keys.authorise, self.tickets, "https://mail.example/x"),
            settings or Live(),
        )

    def ticket(self, key: bytes = KEY[1]) -> str:
        """A ticket for the bearer of a key."""
        headers = [(b"authorization", key)]
        viewer = self.keys.authorise(headers)
        assert viewer is not None
        text = self.tickets.issue(viewer, partial(self.keys.authorise, headers))
        assert text is not None
        return text

    def serving(
        self, limits: Limits | None = None
    ) -> contextlib.AbstractAsyncContextManager[Server]:
        """The server for the time of a block."""
        return serving(live=self.door, limits=limits)


@contextlib.asynccontextmanager
async def subscribed(
    server: Server, query: str = "", *headers: tuple[bytes, bytes]
) -> AsyncIterator[WebSocketConnection]:
    """A subscription of trio-websocket's client, on a stream that we close."""
    async with server.client() as client, trio.open_nursery() as nursery:
        yield await wrap_client_stream(
            nursery,
            client.stream,
            server.addresses[0],
            PATH + query,
            extra_headers=list(headers or [KEY]),
        )
        nursery.cancel_scope.cancel()


def handshake(query: str, *headers: tuple[bytes, bytes]) -> bytes:
    """The bytes of a handshake."""
    lines = [b"Sec-WebSocket-Version: 13", *(b": ".join(pair) for pair in headers)]
    first, _, rest = LIVE.partition(b" HTTP")
    return first + query.encode() + b" HTTP" + rest + b"\r\n".join(lines) + b"\r\n\r\n"


async def numbers(socket: WebSocketConnection, count: int) -> list[int]:
    """The numbers of the next events."""
    return [json.loads(await socket.get_message())["number"] for _ in range(count)]


async def close_of(socket: WebSocketConnection) -> tuple[int, str | None]:
    """How the server closes, whatever it sends before."""
    return (await rest_of(socket))[1:]


async def rest_of(
    socket: WebSocketConnection,
) -> tuple[list[int], int, str | None]:
    """The numbers that still come, and how the server closes."""
    seen: list[int] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            seen += await numbers(socket, 1)
    assert socket.closed is not None
    return seen, socket.closed.code, socket.closed.reason


async def test_replay_and_live_are_one_row_without_gap_or_repeat() -> None:
    """Events that come during the replay follow it, each once, in order."""
    house = House()
    for _ in range(250):
        house.feed.emit()
    async with house.serving() as server, subscribed(server, "?after=10") as socket:
        first = await numbers(socket, 50)
        for _ in range(50):
            house.feed.emit()
        rest = await numbers(socket, 240)
        house.feed.emit()
        assert first + rest + await numbers(socket, 1) == list(range(11, 302))


async def test_without_a_number_it_begins_now() -> None:
    """Who does not ask for the past gets only what comes."""
    house = House()
    house.feed.emit()
    async with house.serving() as server, subscribed(server) as socket:
        house.feed.emit()
        assert await numbers(socket, 1) == [2]


async def test_a_cut_reader_resumes_where_it_was() -> None:
    """What a subscriber saw before a cut and after it is the whole log."""
    house = House()
    for _ in range(30):
        house.feed.emit()
    async with house.serving() as server:
        async with subscribed(server, "?after=0") as socket:
            seen = await numbers(socket, 12)
        async with subscribed(server, f"?after={seen[-1]}") as socket:
            seen += await numbers(socket, 18)
    assert seen == list(range(1, 31))


async def test_filters_pass_over_what_is_not_wanted() -> None:
    """Types by name or number and a message; pages without a hit do not stall."""
    house = House()
    other = UUID(int=99)
    for _ in range(300):
        house.feed.emit(EventType.PROCESSED)
    wanted = [
        house.feed.emit(EventType.SENT, message=other),
        house.feed.emit(EventType.OPENED, message=other),
    ]
    house.feed.emit(EventType.SENT)
    house.feed.emit(EventType.DROPPED, message=other)
    query = f"?after=0&type=sent,65&message={other}"
    async with house.serving() as server, subscribed(server, query) as socket:
        assert await numbers(socket, 2) == wanted
        assert house.feed.emit(EventType.SENT, message=other) == 305
        assert await numbers(socket, 1) == [305]


async def test_nobody_reads_the_events_of_others() -> None:
    """ATTACKS 12: a key sees its own sub-account; the operator's sees all."""
    house = House()
    house.feed.emit(sub_account=SubAccountId(2))
    house.feed.emit()
    async with house.serving() as server:
        async with subscribed(server, "?after=0") as socket:
            assert await numbers(socket, 1) == [2]
        async with subscribed(server, "?after=0", ROOT) as socket:
            assert await numbers(socket, 2) == [1, 2]


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", [(b"X", b"y")], 401),
        ("", [(b"Authorization", b"Bearer bad")], 401),
        ("?after=x", [(b"Authorization", b"Bearer bad")], 401),
        ("", [KEY, (b"Origin", b"https://evil.example")], 403),
        ("", [KEY, (b"Origin", b"null")], 403),
        ("", [KEY, (b"Origin", b"")], 403),
        ("", [KEY, (b"Origin", b"http://[")], 403),
        ("?after=x", [KEY], 400),
        ("?after=-1", [KEY], 400),
        ("?after=1", [KEY], 400),
        ("?after=", [KEY], 400),
        ("?after=99999999999999999999", [KEY], 400),
        ("?after=0&after=0", [KEY], 400),
        ("?type=nothing", [KEY], 400),
        ("?type=sent,", [KEY], 400),
        ("?message=x", [KEY], 400),
        ("?typ=sent", [KEY], 400),
        ("?" + "a&" * 30, [KEY], 400),
    ],
)
async def test_a_refused_handshake_gets_a_real_status(
    query: str, headers: Sequence[tuple[bytes, bytes]], status: int
) -> None:
    """ATTACKS 20: no key, a foreign page or a wrong question: HTTP says so."""
    house = House()
    async with house.serving() as server:
        answer = await server.ask(handshake(query, *headers))
        assert answer is not None
        assert answer.status == status
        assert "message" in json.loads(answer.body)


async def test_our_own_pages_may_subscribe() -> None:
    """An Origin of the same host, or one that the operator named, is welcome."""
    house = House(Live(origins=("https://dash.example.com",)))
    async with house.serving() as server:
        for origin in (server.url, "https://dash.example.com"):
            async with subscribed(server, "", KEY, (b"Origin", origin.encode())):
                pass


@pytest.mark.parametrize("case", HANDSHAKES, ids=lambda case: case.name)
async def test_a_malformed_handshake_ends_only_itself(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    """ATTACKS 10: a status or a close, nothing logged as ours, others are served."""
    caplog.set_level(logging.WARNING)
    house = House()
    async with house.serving() as server:
        answer = await server.ask(case.sent)
        assert (answer.status if answer else None) == case.status
        ordinary = await server.ask(ORDINARY)
        assert ordinary is not None
        assert ordinary.status == 200
    assert caplog.records == []


async def test_a_handshake_may_follow_requests_on_a_kept_connection() -> None:
    """A proxy reuses its connections, also for websockets."""
    house = House()
    house.feed.emit()
    async with house.serving() as server, server.client() as client:
        await client.send(ORDINARY)
        answer = await client.answer()
        assert answer is not None
        async with trio.open_nursery() as nursery:
            socket = await wrap_client_stream(
                nursery, client.stream, "a", PATH + "?after=0", extra_headers=[KEY]
            )
            assert await numbers(socket, 1) == [1]
            await socket.aclose()


async def test_there_is_room_for_so_many_subscribers() -> None:
    """One more gets 503; a place that became free is given again."""
    house = House(Live(max_subscribers=1))
    async with house.serving() as server:
        async with subscribed(server):
            answer = await server.ask(handshake("", KEY))
            assert answer is not None
            assert answer.status == 503
            assert "retry-after" in answer.headers
        await trio.testing.wait_all_tasks_blocked()
        async with subscribed(server):
            pass


async def test_subscribers_take_no_room_from_requests() -> None:
    """However many listen, requests have their own number of connections."""
    house = House()
    limits = Limits(max_connections=1)
    async with house.serving(limits) as server, subscribed(server):
        answer = await server.ask(ORDINARY)
        assert answer is not None
        assert answer.status == 200


async def test_the_end_of_the_server_says_where_to_go_on() -> None:
    """1001 with the last number that was sent; the server ends without delay."""
    house = House()
    async with house.serving() as server, subscribed(server, "?after=0") as socket:
        for _ in range(3):
            house.feed.emit()
        assert await numbers(socket, 3) == [1, 2, 3]
        await trio.testing.wait_all_tasks_blocked()
        server.closing.set()
        assert await close_of(socket) == (1001, "after=3")


async def test_a_slow_reader_is_told_where_to_go_on() -> None:
    """Who takes a frame too late gets 4008 and the last number it has in full."""
    house = House(Live(send_timeout=0.01))
    async with house.serving() as server:
        async with open_slow_socket(server, house) as socket:
            await trio.testing.wait_all_tasks_blocked(0.05)
            seen, code, reason = await rest_of(socket)
        assert code == 4008
        assert reason == f"too slow, resume with after={seen[-1]}"
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < 500


async def test_a_reader_that_never_reads_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dead reader holds its place for the send timeout and a little, no longer."""
    monkeypatch.setattr(live_reader, "CLOSING_SECONDS", 0.05)
    house = House(Live(send_timeout=0.01, max_subscribers=1))
    async with house.serving() as server, open_slow_socket(server, house):
        while house.door.subscribers:
            await trio.testing.wait_all_tasks_blocked(0.02)


async def test_a_reader_that_never_reads_does_not_hold_up_the_end() -> None:
    """The drain timeout is the longest that a dead reader can delay a stop."""
    house = House()
    limits = Limits(drain_timeout=0.05)
    async with house.serving(limits) as server, open_slow_socket(server, house):
        await trio.testing.wait_all_tasks_blocked()
        server.closing.set()
        while house.door.subscribers:
            await trio.testing.wait_all_tasks_blocked(0.02)


async def test_a_reader_that_falls_behind_misses_nothing() -> None:
    """It leaves the others in the middle of a frame, and goes on where that ended."""
    house = House()
    async with house.serving() as server, subscribed(server) as slow:
        async with subscribed(server) as quick:
            for number in range(1, 61):
                house.feed.emit(text="x" * 20_000)
                assert await numbers(quick, 1) == [number]
        assert await numbers(slow, 60) == list(range(1, 61))


@contextlib.asynccontextmanager
async def open_slow_socket(
    server: Server, house: House
) -> AsyncIterator[WebSocketConnection]:
    """A subscriber that reads only when asked, with more to read than fits."""
    for _ in range(500):
        house.feed.emit(text="x" * 20_000)
    async with subscribed(server, "?after=0") as socket:
        yield socket


async def test_a_reader_that_answers_no_ping_is_cut() -> None:
    """A peer that vanished without a word is noticed."""
    house = House(Live(ping_interval=0.01, pong_timeout=0.01))
    async with house.serving() as server, server.client() as client:
        await client.send(handshake("", KEY))
        assert (await client.ends()).startswith(b"HTTP/1.1 101 ")


async def test_a_revoked_key_ends_its_subscription() -> None:
    """At the next heartbeat, with 1008 and the number to go on from."""
    house = House(Live(ping_interval=0.01))
    async with house.serving() as server, subscribed(server) as socket:
        house.keys.viewers.clear()
        assert await close_of(socket) == (1008, "the key is no longer valid, after=0")


async def test_what_a_reader_says_is_ignored_within_bounds() -> None:
    """Small talk changes nothing; a large message ends the connection (1009)."""
    house = House()
    async with house.serving() as server, subscribed(server) as socket:
        for _ in range(20):
            await socket.send_message("hello")
        house.feed.emit()
        assert await numbers(socket, 1) == [1]
        await socket.send_message("x" * 2000)
        assert (await close_of(socket))[0] == 1009


async def test_a_reader_that_talks_without_end_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In all a reader may say only so much."""
    monkeypatch.setattr(live_module, "_HEARD_BYTES", 500)
    house = House()
    async with house.serving() as server, subscribed(server) as socket:
        for _ in range(100):
            with contextlib.suppress(ConnectionClosed):
                await socket.send_message("hello")
        assert (await close_of(socket))[0] == 1006


async def test_a_fault_of_the_feed_ends_only_its_reader(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug is logged; its reader learns where to go on, the next one is served."""
    house = House()
    async with house.serving() as server:
        async with subscribed(server, "?after=0") as socket:
            house.feed.broken = True
            house.feed.emit()
            assert await close_of(socket) == (1011, "try again with after=0")
        assert "live.feed_failed" in caplog.text
        house.feed.broken = False
        async with subscribed(server, "?after=0") as socket:
            assert await numbers(socket, 1) == [1]


async def test_a_ticket_opens_once_without_a_key() -> None:
    """ATTACKS 20: a browser needs no key in a URL; what it used is used up."""
    house = House()
    house.feed.emit(sub_account=SubAccountId(2))
    house.feed.emit()
    nothing = (b"X", b"y")
    query = f"?after=0&ticket={house.ticket()}"
    async with house.serving() as server:
        async with subscribed(server, query, nothing) as socket:
            assert await numbers(socket, 1) == [2]  # ATTACKS 12: of its buyer's
        answer = await server.ask(handshake(query, nothing))
        assert answer is not None
        assert answer.status == 401


@pytest.mark.parametrize("late", [True, False])
async def test_a_ticket_that_is_not_good_lets_nobody_in(*, late: bool) -> None:
    """One that is over, or none; a good key beside it does not count."""
    house = House()
    text = house.ticket() if late else "good"
    house.now = 60.0
    async with house.serving() as server:
        answer = await server.ask(handshake(f"?ticket={text}", KEY))
        assert answer is not None
        assert answer.status == 401
        assert text not in answer.body.decode()


async def test_a_foreign_page_does_not_use_up_a_ticket() -> None:
    """ATTACKS 20: it is refused with any ticket, by its Origin."""
    house = House()
    query = f"?ticket={house.ticket()}"
    async with house.serving() as server:
        answer = await server.ask(
            handshake(query, (b"Origin", b"https://evil.example"))
        )
        assert answer is not None
        assert answer.status == 403
        async with subscribed(server, query, (b"Origin", b"https://mail.example")):
            pass  # a page of ours, behind a proxy that does not tell our name


async def test_with_the_key_ends_what_its_tickets_opened() -> None:
    """A subscription is as good as what its ticket was bought with."""
    house = House(Live(ping_interval=0.01))
    query = f"?ticket={house.ticket()}"
    async with (
        house.serving() as server,
        subscribed(server, query, (b"X", b"y")) as one,
    ):
        house.keys.viewers.clear()
        assert (await close_of(one))[0] == 1008


async def test_the_reader_chooses_the_format() -> None:
    """What the format does not tell is passed over; an unknown one is refused."""
    house = House()
    house.feed.emit(EventType.CLICKED)
    house.feed.emit()
    async with house.serving() as server:
        async with subscribed(server, "?after=0&format=other") as socket:
            assert await numbers(socket, 1) == [2]
        assert (house.short.worded, house.other.worded) == ([], [1, 2])
        answer = await server.ask(handshake("?format=else", KEY))
        assert answer is not None
        assert answer.status == 400
        assert b"postroom, other" in answer.body


async def test_a_sub_account_cannot_ask_for_another() -> None:
    """ATTACKS 12: it is told so, with a key and with a ticket."""
    house = House()
    async with house.serving() as server:
        for query in ("?subAccount=2", f"?subAccount=2&ticket={house.ticket()}"):
            answer = await server.ask(handshake(query, KEY))
            assert answer is not None
            assert answer.status == 403
        async with subscribed(server, "?subAccount=2", ROOT) as socket:
            house.feed.emit()
            house.feed.emit(sub_account=SubAccountId(2))
            assert await numbers(socket, 1) == [2]


async def test_many_readers_share_the_wording_of_an_event() -> None:
    """Each event is worded once, however many are told."""
    house = House()
    async with house.serving() as server, contextlib.AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(subscribed(server)) for _ in range(20)
        ]
        for _ in range(3):
            house.feed.emit()
        for socket in sockets:
            assert await numbers(socket, 3) == [1, 2, 3]
    assert house.short.worded == [1, 2, 3]


async def test_a_client_that_compresses_is_understood() -> None:
    """RFC 7692: negotiated, read and written; and small talk stays bounded."""
    house = House()
    async with house.serving() as server, server.client() as client:
        offer = (b"Sec-WebSocket-Extensions", b"permessage-deflate")
        await client.send(handshake("", KEY, offer))
        head = await read_head(client)
        assert b"permessage-deflate; client_no_context_takeover;" in head
        house.feed.emit(text="x" * 2000)
        first, size = await client.stream.receive_some(2)
        assert first == 0xC1  # the last frame of a text, compressed
        assert size < 100
        body = zlib.decompressobj(-15).decompress(
            await client.stream.receive_some(size) + b"\0\0\xff\xff"
        )
        assert json.loads(body)["text"] == "x" * 2000
        bomb = zlib.compressobj(wbits=-15)
        packed = bomb.compress(b"x" * 3_000_000) + bomb.flush(zlib.Z_SYNC_FLUSH)
        masked = struct.pack("!BBH", 0xC1, 0xFE, len(packed) - 4) + bytes(4)
        await client.send(masked + packed[:-4])
        rest = await client.ends()
        assert rest[0] == 0x88
        assert struct.unpack("!H", rest[2:4]) == (1009,)


async def test_the_operator_can_do_without_compression() -> None:
    """Then it is not agreed on, and the reader reads plain frames."""
    house = House(Live(compress=False))
    async with house.serving() as server, server.client() as client:
        offer = (b"Sec-WebSocket-Extensions", b"permessage-deflate")
        await client.send(handshake("", KEY, offer))
        assert b"permessage-deflate" not in await read_head(client)
        house.feed.emit()
        assert (await client.stream.receive_some(1)) == b"\x81"


async def read_head(client: Client) -> bytes:
    """An answer without a body, to its last byte."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await client.stream.receive_some(1)
    return head
