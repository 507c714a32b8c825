"""One connection: kept, timed, cut, and never anyone else's trouble."""

import itertools
import logging
from typing import TypeAlias

import pytest
import trio
import trio.testing
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.edge.http.hot import Hot, HotRoutes
from appliance.edge.http.limits import Limits
from appliance.edge.http.respond import send_json
from tests.edge.http.malformed import ORDINARY, chunked, get, post
from tests.fakes.http import Answer, Client, Server, echo, nothing_else, serving

LARGE = 300_000  # more than runs where it was read
SHORT = Limits(header_timeout=0.01, body_timeout=0.01, idle_timeout=0.01)
Quick: TypeAlias = tuple[bytes, ...]


@pytest.fixture(params=[(), (b"POST /echo",)], ids=["long", "short"])
def quick(request: pytest.FixtureRequest) -> Quick:
    """What goes the short way: what is true of the long way is true of it."""
    ways: Quick = request.param
    return ways


def routes(*hot: Hot) -> HotRoutes:
    """An application of one route for POST /echo."""
    return HotRoutes({("POST", "/echo"): hot[0]}, nothing_else)


async def exchange(client: Client, data: bytes) -> Answer:
    """Send a request and take its answer."""
    await client.send(data)
    answer = await client.answer()
    assert answer is not None
    return answer


async def test_a_connection_is_kept_for_many_requests(quick: Quick) -> None:
    """One after the other, small and large, with length and in chunks."""
    large = b"x" * LARGE
    async with serving(quick=quick) as server, server.client() as client:
        for body in (b"{}", large, b"", b"{}"):
            length = b"Content-Length: %d" % len(body)
            assert (await exchange(client, post(length, body=body))).body == body
        pieces = chunked(b"%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (LARGE, large))
        assert (await exchange(client, pieces)).body == large
        assert (await exchange(client, ORDINARY)).body == b"{}"


async def test_an_answer_says_when_and_not_what_we_are(quick: Quick) -> None:
    """A date, no server (nobody needs the name and version of what to attack)."""
    async with serving(quick=quick) as server:
        answer = await server.ask(ORDINARY)
        assert answer is not None
        assert "date" in answer.headers
        assert "server" not in answer.headers


async def test_pipelined_requests_are_answered_in_order(quick: Quick) -> None:
    """However many are sent at once."""
    sent = [b"%d" % number for number in range(300)]
    async with serving(quick=quick) as server, server.client() as client:
        await client.send(
            b"".join(post(b"Content-Length: %d" % len(b), body=b) for b in sent)
        )
        for body in sent:
            answer = await client.answer()
            assert answer is not None
            assert answer.body == body


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cuts=st.lists(st.integers(0, 220), max_size=8))
async def test_any_chopping_of_the_bytes_gives_the_same_answers(
    cuts: list[int], quick: Quick
) -> None:
    """What comes in one packet or in many means the same."""
    data = ORDINARY + chunked(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n") + ORDINARY
    edges = [0, *sorted(cuts), len(data)]
    async with serving(quick=quick) as server, server.client() as client:
        for start, end in itertools.pairwise(edges):
            await client.send(data[start:end])
            await trio.testing.wait_all_tasks_blocked()
        bodies = [(await exchange(client, b"")).body for _ in range(3)]
    assert bodies == [b"{}", b"abc", b"{}"]


@pytest.mark.parametrize(
    "data",
    [
        post(b"Connection: close", b"Content-Length: 2", body=b"{}"),
        post(b"Content-Length: 2", body=b"{}", version=b"1.0"),
    ],
)
async def test_the_last_answer_says_so_and_the_connection_closes(
    data: bytes, quick: Quick
) -> None:
    """`Connection: close` and HTTP/1.0."""
    async with serving(quick=quick) as server, server.client() as client:
        answer = await exchange(client, data)
        assert answer.headers["connection"] == "close"
        assert await client.ends() == b""


async def test_a_client_that_asks_before_its_body_is_told_to_go_on(
    quick: Quick,
) -> None:
    """`Expect: 100-continue`, RFC 9110 10.1.1."""
    async with serving(quick=quick) as server, server.client() as client:
        await client.send(post(b"Expect: 100-continue", b"Content-Length: 2"))
        told = await client.stream.receive_some()
        assert told.startswith(b"HTTP/1.1 100 ")
        assert (await exchange(client, b"{}")).body == b"{}"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"GET / HTTP/1.1\r\nHost:", 408),
        (post(b"Content-Length: 20", body=b"{"), 408),
        (post(b"Content-Length: %d" % LARGE, body=b"{"), 408),
        (chunked(b"20\r\n{"), 408),
    ],
)
async def test_a_slow_client_is_given_up(
    sent: bytes, status: int | None, quick: Quick
) -> None:
    """ATTACKS 10: header and body each have their time; 408 to who began."""
    async with serving(quick=quick, limits=SHORT) as server, server.client() as client:
        await client.send(sent)
        answer = await client.answer()
        assert (answer.status if answer else None) == status
        assert await client.ends() == b""


async def test_dripping_does_not_make_the_time_longer(quick: Quick) -> None:
    """The header's time is for all of it, not for each byte."""
    async with serving(quick=quick, limits=SHORT) as server, server.client() as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip, client)
            answer = await client.answer()
            nursery.cancel_scope.cancel()
        assert answer is not None
        assert answer.status == 408


async def drip(client: Client) -> None:
    """Send a header that never ends, slowly."""
    await client.send(b"GET / HTTP/1.1\r\n")
    while True:
        await client.send(b"A: b\r\n")
        await trio.testing.wait_all_tasks_blocked(0.005)


async def test_an_idle_connection_ends_without_a_word(quick: Quick) -> None:
    """An answer to nothing would be taken for the answer to the next request."""
    limits = Limits(idle_timeout=0.01)
    async with serving(quick=quick, limits=limits) as server, server.client() as client:
        await exchange(client, ORDINARY)
        assert await client.ends() == b""


async def test_two_framings_run_no_second_request(quick: Quick) -> None:
    """ATTACKS 10: with Content-Length and Transfer-Encoding nothing runs at all."""
    seen: list[str] = []

    async def app(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
        await echo(scope, receive, send)

    smuggled = get(target=b"/smuggled")
    framings = (b"Content-Length: 4", b"Transfer-Encoding: chunked")
    async with serving(app, quick=quick) as server:
        for order in (framings, framings[::-1]):
            answer = await server.ask(post(*order, body=b"0\r\n\r\n" + smuggled))
            assert answer is not None
            assert answer.status == 400
    assert seen == []


async def test_a_body_that_nobody_reads_does_not_hide_the_answer(quick: Quick) -> None:
    """A refusal before the body reaches a client that is still sending."""

    async def refuse(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await send_json(send, 401, b"{}")

    async with (
        serving(routes(refuse), quick=quick) as server,
        server.client() as client,
    ):
        async with trio.open_nursery() as nursery:
            data = post(b"Content-Length: 20000000", body=b"x" * 20_000_000)
            nursery.start_soon(client.send, data)
            answer = await client.answer()
        assert answer is not None
        assert answer.status == 401
        assert answer.headers["connection"] == "close"


async def test_a_body_over_the_limit_is_answered_with_413(quick: Quick) -> None:
    """Announced or not; the client hears it although it sends on."""
    async with serving(quick=quick) as server:
        for data in (
            post(b"Content-Length: 5000000", body=b"x" * 5_000_000),
            chunked(b"ffffff\r\n" + b"x" * 5_000_000),
        ):
            async with server.client() as client, trio.open_nursery() as nursery:
                nursery.start_soon(client.send, data)
                answer = await client.answer()
                assert answer is not None
                assert answer.status == 413


async def test_a_large_body_is_read_as_fast_as_it_is_taken(quick: Quick) -> None:
    """An application that does not read holds its client up, not our memory."""
    go_on = trio.Event()

    async def hesitant(
        scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await go_on.wait()
        await echo(scope, receive, send)

    sent = trio.Event()

    async def send(client: Client) -> None:
        await client.send(post(b"Content-Length: 20000000", body=b"x" * 20_000_000))
        sent.set()

    async with (
        serving(routes(hesitant), quick=quick) as server,
        server.client() as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(send, client)
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert not sent.is_set()
        go_on.set()
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 413


@pytest.mark.parametrize("large", [False, True])
async def test_a_bug_of_the_application_is_a_500_and_logged(
    *, large: bool, caplog: pytest.LogCaptureFixture, quick: Quick
) -> None:
    """The connection goes on if it can; the server always does."""

    async def broken(*_: object) -> None:
        raise LookupError("a bug")

    body = b"x" * (LARGE if large else 2)
    data = post(b"Content-Length: %d" % len(body), body=body)
    async with serving(routes(broken), quick=quick) as server:
        for _ in range(2):
            answer = await server.ask(data)
            assert answer is not None
            assert answer.status == 500
    assert [one.getMessage() for one in caplog.records] == ["http.app_failed"] * 2
    assert caplog.records[0].exc_info is not None


async def test_a_bug_behind_the_head_ends_the_connection() -> None:
    """Half an answer is never made to look like a whole one."""

    async def broken(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        headers = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise LookupError("a bug")

    async with serving(routes(broken)) as server, server.client() as client:
        await client.send(ORDINARY)
        assert (await client.ends()).endswith(b"\r\n\r\nx")


async def test_a_handler_is_not_cancelled_by_a_client_that_leaves(quick: Quick) -> None:
    """What it began it ends: an accepted mail is stored, answer heard or not."""
    began, done, go_on = trio.Event(), trio.Event(), trio.Event()

    async def slow(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        began.set()
        await go_on.wait()
        await send_json(send, 200, b"{}")
        done.set()

    async with serving(routes(slow), quick=quick) as server:
        async with server.client() as client:
            await client.send(ORDINARY)
            await began.wait()
        go_on.set()
        await done.wait()


def endless(size: int) -> Hot:
    """A route whose answer is larger than any buffer."""

    async def hot(
        _scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await send_json(send, 200, b"x" * size)

    return hot


async def test_a_client_that_does_not_read_is_cut() -> None:
    """After the send timeout its place is free again."""
    limits = Limits(send_timeout=0.02, max_connections=1)
    async with (
        serving(routes(endless(50_000_000)), limits=limits) as server,
        server.client() as client,
    ):
        await client.send(ORDINARY)
        await has_room(server)
        assert len(await client.ends()) < 50_000_000


async def has_room(server: Server) -> None:
    """Waits until another connection is not refused."""
    while True:
        answer = await server.ask(get())
        if answer is not None and answer.status != 503:
            return


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    """The send timeout is for each piece of an answer, not for all of it."""
    limits = Limits(send_timeout=0.2)
    async with (
        serving(routes(endless(3_000_000)), limits=limits) as server,
        server.client() as client,
    ):
        await client.send(ORDINARY)
        for _ in range(10):
            await trio.testing.wait_all_tasks_blocked(0.03)
            await client.stream.receive_some(100_000)
        rest = await client.stream.receive_some(100_000)
        assert rest
        size = 10 * 100_000 + len(rest)
        while size < 3_000_000:
            size += len(await client.stream.receive_some(100_000))


async def test_errors_of_peers_are_not_logged_as_ours(
    caplog: pytest.LogCaptureFixture, quick: Quick
) -> None:
    """Resets and half requests are everyday."""
    caplog.set_level(logging.INFO)
    async with serving(quick=quick) as server:
        for data in (b"", b"GET", ORDINARY[:-1], chunked(b"5\r\nab")):
            async with server.client() as client:
                await client.send(data)
        await trio.testing.wait_all_tasks_blocked()
    assert caplog.records == []
