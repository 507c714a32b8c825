"""A connection that was taken over, with several tasks that send on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
import trio.testing

from appliance.edge.http.peeked import Peeked


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Peeked, trio.SocketStream]]:
    """Our end, whose kernel holds little, and the peer's."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        peer = await trio.open_tcp_stream(*listener.socket.getsockname())
        async with peer, await listener.accept() as stream:
            ours = Peeked(stream, b"head", limit=10, closed=lambda: None)
            ours.bound_sending(4096)
            yield ours, peer


async def test_what_was_offered_stays_whole_and_in_front() -> None:
    """What others send comes behind all of it."""
    async with connected() as (ours, peer), trio.open_nursery() as nursery:
        offered = b"o" * 1_000_000
        assert ours.offer(offered)
        assert ours.owes
        assert not ours.offer(b"no")
        nursery.start_soon(partial(ours.send_all, b"ping"))
        got = b""
        while len(got) < len(offered) + 4:
            got += await peer.receive_some()
        assert got == offered + b"ping"
        assert not ours.owes


async def test_while_somebody_sends_nothing_is_taken() -> None:
    """It would stand in the middle of what is being sent."""
    async with connected() as (ours, peer), trio.open_nursery() as nursery:
        sent = b"s" * 1_000_000
        nursery.start_soon(ours.send_all, sent)
        await trio.testing.wait_all_tasks_blocked()
        assert not ours.offer(b"no")
        got = 0
        while got < len(sent):
            got += len(await peer.receive_some())
    assert got == len(sent)


async def test_nothing_is_taken_for_a_peer_that_is_gone() -> None:
    """It is no error here: whoever sends next will meet it."""
    async with connected() as (ours, _):
        await ours.aclose()
        assert not ours.offer(b"x")
