"""The stream that upstreams are talked to over keeps trio's promises."""

import socket
import ssl
import struct

import pytest
import trio
import trio.testing

from appliance.net.plain_stream import PlainStream, dial, has_hung_up


async def make_pair() -> tuple[PlainStream, PlainStream]:
    """Two ends of one connection over loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        ours = await dial(*listener.getsockname())
        sock, _ = listener.accept()
    sock.setblocking(False)
    return ours, PlainStream(sock)


class Yielding(PlainStream):
    """The one promise that is not kept on purpose, kept."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Let others have their turn first."""
        await trio.lowlevel.checkpoint()
        await super().send_all(data)


async def test_it_is_a_stream_as_trio_has_it() -> None:
    """Closing, cancelling, conflicts: by trio's own suite."""

    async def make() -> tuple[PlainStream, PlainStream]:
        ours, theirs = await make_pair()
        return Yielding(ours.socket), Yielding(theirs.socket)

    await trio.testing.check_two_way_stream(make, None)


async def test_what_does_not_fit_is_sent_when_there_is_room() -> None:
    """However much it is, all of it arrives in order."""
    ours, theirs = await make_pair()
    data = bytes(range(256)) * 40_000
    got = bytearray()

    async def read() -> None:
        while piece := await theirs.receive_some():
            got.extend(piece)

    async with theirs, trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async with ours:
            await ours.send_all(data)
    assert got == data


async def test_a_reset_is_a_broken_connection() -> None:
    """Not an end: what was under way is lost."""
    ours, theirs = await make_pair()
    linger = struct.pack("ii", 1, 0)
    theirs.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await theirs.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some()
    await ours.aclose()


async def test_nobody_there_is_an_os_error() -> None:
    """As trio's own way to connect says it."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(OSError, match="connect"):
        await dial("127.0.0.1", port)


async def test_a_peer_that_hung_up_is_noticed_without_reading() -> None:
    """Not while it is there, nor for what it said before; that is still to be read."""
    ours, theirs = await make_pair()
    assert not has_hung_up(ours)
    await theirs.send_all(b"bye")
    await trio.lowlevel.wait_readable(ours.socket)
    assert not has_hung_up(ours)
    assert await ours.receive_some() == b"bye"
    await theirs.aclose()
    await trio.lowlevel.wait_readable(ours.socket)
    assert has_hung_up(ours)
    assert has_hung_up(trio.SSLStream(ours, ssl.create_default_context()))
    await ours.aclose()
    assert has_hung_up(ours)


async def test_a_reset_is_a_hang_up() -> None:
    """RFC 9293 3.10.7: there is nothing more to be said to it."""
    ours, theirs = await make_pair()
    theirs.socket.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    await theirs.aclose()
    await trio.lowlevel.wait_readable(ours.socket)
    assert has_hung_up(ours)
    await ours.aclose()
