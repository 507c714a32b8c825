"""The HTTP server as a whole: hostile bytes, limits, deadlines and its end."""

import logging
from functools import partial

import httpx
import pytest
import trio
import trio.testing
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from hypercorn.utils import LifespanFailureError

from appliance.edge.http.limits import Limits
from appliance.edge.http.respond import send_json
from appliance.edge.http.server import serve_http
from appliance.edge.listen import BindError
from tests.edge.http.malformed import CASES, ORDINARY, PREFACE, Case, post
from tests.fakes.http import Server, echo, nothing_else, serving


@pytest.mark.parametrize("quick", [(), (b"GET /", b"POST /")], ids=["long", "short"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_no_bytes_end_the_server(
    case: Case, quick: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """ATTACKS 10: each gets its own answer, and the next client is served.

    Nothing of it is an error of ours, so nothing is logged as one.
    """
    caplog.set_level(logging.WARNING)
    async with serving(quick=quick) as server:
        answer = await server.ask(case.sent)
        assert (answer.status if answer else None) == case.status
        ordinary = await server.ask(ORDINARY)
        assert ordinary is not None
        assert (ordinary.status, ordinary.body) == (200, b"{}")
    assert caplog.records == []


async def test_binds_on_both_families() -> None:
    """Each is served, and reported as it is really bound."""
    async with serving(binds=["127.0.0.1:0", "[::1]:0"]) as server:
        first, second = server.addresses
        assert first.startswith("127.0.0.1:")
        assert second.startswith("[::1]:")
        for address in server.addresses:
            answer = await Server([address], server.closing).ask(ORDINARY)
            assert answer is not None
            assert answer.status == 200


async def test_a_port_in_use_is_one_clear_error() -> None:
    """Not a group of groups: the address and why."""
    async with serving() as server:
        (address,) = server.addresses
        with pytest.raises(BindError, match=f"{address}: it is in use"):
            await serve_http(
                echo, [address], limits=Limits(), live=None, closing=trio.Event()
            )


async def test_one_connection_too_many_is_told_so() -> None:
    """ATTACKS 4: the others go on, and a place that became free is given again."""
    async with serving(limits=Limits(max_connections=2)) as server:
        async with server.client() as one, server.client() as two:
            await one.send(ORDINARY)
            await two.send(ORDINARY)
            assert await one.answer()
            assert await two.answer()
            answer = await server.ask(ORDINARY)
            assert answer is not None
            assert answer.status == 503
            assert answer.headers["connection"] == "close"
            assert answer.body == b'{"message":"too many connections at once"}'
            await one.send(ORDINARY)
            assert await one.answer()
        await trio.testing.wait_all_tasks_blocked()
        answer = await server.ask(ORDINARY)
        assert answer is not None
        assert answer.status == 200


class Slow:
    """An application that answers when told."""

    def __init__(self) -> None:
        self.began = trio.Event()
        self.go_on = trio.Event()
        self.lifespan: list[str] = []

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request, or note the lifespan."""
        if scope["type"] != "http":
            self.lifespan.append("up")
            await nothing_else(scope, receive, send)
            self.lifespan.append("down")
            return
        self.began.set()
        await self.go_on.wait()
        await send_json(send, 200, b"{}")


@pytest.mark.parametrize("size", [2, 100_000])
async def test_a_running_request_ends_before_the_server_does(size: int) -> None:
    """Nothing new is accepted, what runs is answered, then the lifespan ends."""
    app = Slow()
    async with serving(app) as server, server.client() as client:
        await client.send(post(b"Content-Length: %d" % size, body=b"x" * size))
        await app.began.wait()
        server.closing.set()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="all attempts to connect"):
            await server.ask(ORDINARY)
        assert app.lifespan == ["up"]
        app.go_on.set()
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        await client.ends()
    assert app.lifespan == ["up", "down"]


async def test_idle_connections_do_not_hold_up_the_end() -> None:
    """Kept ones and those that have not said a word yet end at once."""
    async with serving() as server, server.client() as kept, server.client() as mute:
        await kept.send(ORDINARY)
        assert await kept.answer()
        server.closing.set()
        assert await kept.ends() == b""
        assert await mute.ends() == b""


async def test_a_request_that_does_not_end_is_cut() -> None:
    """After the drain timeout, with an answer that says to try again."""
    app = Slow()
    async with (
        serving(app, limits=Limits(drain_timeout=0.01)) as server,
        server.client() as client,
    ):
        await client.send(ORDINARY)
        await app.began.wait()
        server.closing.set()
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 500
    assert app.lifespan == ["up", "down"]


async def test_a_client_that_does_not_read_does_not_hold_up_the_end() -> None:
    """The stock server would wait for it as long as it lives."""

    async def large(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] == "http":
            await send_json(send, 200, b"x" * 50_000_000)
        else:
            await nothing_else(scope, receive, send)

    limits = Limits(drain_timeout=0.01)
    async with serving(large, limits=limits) as server, server.client() as client:
        await client.send(ORDINARY)
        await trio.testing.wait_all_tasks_blocked()
        server.closing.set()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(await client.ends()) < 50_000_000


async def test_a_cancelled_server_leaves_nothing_open() -> None:
    """The caller's nursery may end it at any time."""
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(
            partial(
                serve_http,
                echo,
                ["127.0.0.1:0"],
                limits=Limits(),
                live=None,
                closing=trio.Event(),
            )
        )
        async with Server(addresses, trio.Event()).client() as client:
            await client.send(ORDINARY[:-1])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_an_application_that_cannot_start_is_an_error() -> None:
    """The sockets are closed again, and nothing was ever accepted."""

    async def app(
        _scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    with pytest.raises(ExceptionGroup) as failed:
        await serve_http(
            app, ["127.0.0.1:0"], limits=Limits(), live=None, closing=trio.Event()
        )
    assert failed.group_contains(LifespanFailureError, match="no disk")


async def test_http2_is_off_unless_wanted() -> None:
    """A preface gets 505, an upgrade is passed over."""
    async with serving() as server:
        answer = await server.ask(PREFACE)
        assert answer is not None
        assert answer.status == 505


async def test_http2_with_prior_knowledge_if_wanted() -> None:
    """Two requests on one connection; the server ends although it is kept."""
    async with (
        serving(limits=Limits(http2=True)) as server,
        httpx.AsyncClient(http1=False, http2=True) as client,
    ):
        for body in (b"{}", b"x" * 200_000):
            answer = await client.post(f"{server.url}/echo", content=body)
            assert answer.http_version == "HTTP/2"
            assert answer.content == body
        server.closing.set()
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_no_bytes_behind_an_http2_preface_end_the_server(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole table again, as frames that are none."""
    caplog.set_level(logging.WARNING)
    async with serving(limits=Limits(http2=True)) as server:
        async with server.client() as client:
            await client.send(PREFACE + case.sent)
            await client.stream.send_eof()
            await client.ends()
        answer = await server.ask(ORDINARY)
        assert answer is not None
        assert answer.status == 200
