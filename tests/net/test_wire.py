"""The server's end of a connection: whole bytes, in order, under TLS and not."""

import contextlib
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.net import wire as wire_module
from appliance.net.tls_server import ServerTls
from appliance.net.wire import SocketWire
from tests.fakes.smtp_doors import HOST, SOON, make_tls, trusting

LARGE = bytes(range(256)) * 20_000  # more than the kernel takes at once


@pytest.fixture
def tls(tmp_path: Path) -> ServerTls:
    """A certificate to serve."""
    return make_tls(tmp_path)


class Pair:
    """Our wire and the socket at its other end, in a trio stream."""

    def __init__(self, wire: SocketWire, peer: trio.SocketStream) -> None:
        self.wire = wire
        self.peer = peer

    async def cover(self, context: ssl.SSLContext | None = None) -> trio.abc.Stream:
        """Both ends under TLS; the peer's."""
        covered = trio.SSLStream(self.peer, context or trusting(), server_hostname=HOST)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(covered.do_handshake)
            assert await self.wire.start_tls()
        return covered


@contextlib.asynccontextmanager
async def connected(tls: ServerTls) -> AsyncIterator[Pair]:
    """A TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = await trio.open_tcp_stream(*listener.getsockname())
        sock, _ = listener.accept()
    sock.setblocking(False)
    wire = SocketWire(sock, tls)
    with trio.fail_after(SOON):
        try:
            yield Pair(wire, peer)
        finally:
            await trio.aclose_forcefully(peer)
            await wire.aclose()


async def end_of(pair: Pair, *, covered: bool) -> trio.abc.Stream:
    """The peer's end, under TLS or not."""
    return await pair.cover() if covered else pair.peer


async def received(wire: SocketWire, size: int) -> bytes:
    """So many bytes."""
    found = b""
    while len(found) < size:
        data = await wire.receive()
        assert data
        found += data
    return found


@pytest.mark.parametrize("covered", [False, True])
async def test_bytes_go_both_ways(tls: ServerTls, *, covered: bool) -> None:
    """Whole and in order, more than fits into the kernel; then the end."""
    async with connected(tls) as pair:
        peer = await end_of(pair, covered=covered)

        async def read() -> None:
            found = b""
            while len(found) < len(LARGE):
                found += await peer.receive_some()
            assert found == LARGE

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.wire.send, LARGE)
            nursery.start_soon(read)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send_all, LARGE)
            assert await received(pair.wire, len(LARGE)) == LARGE
        await trio.aclose_forcefully(pair.peer)
        assert await pair.wire.receive() == b""
        assert await pair.wire.receive() == b""


async def test_what_tls_holds_back_is_not_forgotten(
    tls: ServerTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record longer than a read: the socket shows nothing, TLS has the rest."""
    monkeypatch.setattr(wire_module, "CHUNK_BYTES", 100)
    async with connected(tls) as pair:
        peer = await pair.cover()
        await peer.send_all(LARGE[:16_000])
        assert await received(pair.wire, 16_000) == LARGE[:16_000]


@pytest.mark.parametrize("covered", [False, True])
async def test_a_busy_peer_starves_nobody(
    tls: ServerTls, monkeypatch: pytest.MonkeyPatch, *, covered: bool
) -> None:
    """ATTACKS 4: others have their turn at each read, whatever is there already."""
    monkeypatch.setattr(wire_module, "CHUNK_BYTES", 100)
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with connected(tls) as pair:
        peer = await end_of(pair, covered=covered)
        await peer.send_all(LARGE[:10_000])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(another)
            await received(pair.wire, 10_000)
            nursery.cancel_scope.cancel()
    assert turns >= 90


async def test_the_cipher_is_told(tls: ServerTls) -> None:
    """For the trace in the mail."""
    async with connected(tls) as pair:
        assert pair.wire.cipher == ""
        await pair.cover()
        assert pair.wire.cipher.startswith("TLSv1.3 TLS_")


@pytest.mark.parametrize(
    "words", [b"", b"EHLO client.test\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70_000]
)
async def test_what_is_no_handshake_is_no_connection(
    tls: ServerTls, words: bytes
) -> None:
    """ATTACKS 2: bytes in clear behind STARTTLS are never read as if covered."""
    async with connected(tls) as pair:
        if words:
            await pair.peer.send_all(words)
        else:
            await pair.peer.send_eof()
        assert not await pair.wire.start_tls()
        assert pair.wire.broken
        await pair.wire.send(b"into the void")
        assert await pair.wire.receive() == b""


def reset(stream: trio.SocketStream) -> None:
    """Close it as a machine does that was switched off and on."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@pytest.mark.parametrize("covered", [False, True])
async def test_a_reset_is_an_end(tls: ServerTls, *, covered: bool) -> None:
    """Nothing raises, and nothing waits for the peer any more."""
    async with connected(tls) as pair:
        await end_of(pair, covered=covered)
        reset(pair.peer)
        assert await pair.wire.receive() == b""
        await pair.wire.send(LARGE)
        await pair.wire.aclose()


async def test_a_peer_that_was_gone_before_tls_is_an_end(tls: ServerTls) -> None:
    """Nor does the handshake raise."""
    async with connected(tls) as pair:
        reset(pair.peer)
        assert not await pair.wire.start_tls()


async def test_half_a_handshake_waits_for_the_rest(tls: ServerTls) -> None:
    """ATTACKS 4: it ends when the caller says so, and the socket is free then."""
    async with connected(tls) as pair:
        await pair.peer.send_all(b"\x16\x03\x01\x02\x00\x01\x00")
        with trio.move_on_after(0.01) as scope:
            await pair.wire.start_tls()
        assert scope.cancelled_caught
        with trio.move_on_after(0.01):
            await pair.wire.aclose()
        with contextlib.suppress(trio.BrokenResourceError):
            assert await pair.peer.receive_some() == b""


@pytest.mark.parametrize("covered", [False, True])
async def test_last_words_arrive(tls: ServerTls, *, covered: bool) -> None:
    """Although much of what the peer has sent was not read: no reset eats them."""
    async with connected(tls) as pair:
        peer = await end_of(pair, covered=covered)
        await peer.send_all(LARGE[:100_000])
        words = b"421 4.7.0 Too many errors\r\n"
        await pair.wire.send(words)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.wire.aclose)
            found = b""
            while data := await peer.receive_some():
                found += data
            assert found == words
            await trio.aclose_forcefully(pair.peer)


async def test_tls_is_ended_by_word(tls: ServerTls) -> None:
    """RFC 8446 6.1: so that the peer knows that nothing was cut off."""
    async with connected(tls) as pair:
        peer = await pair.cover()  # which takes nothing else for an end
        with trio.move_on_after(0.01):
            await pair.wire.aclose()
        assert await peer.receive_some() == b""


async def test_renegotiation_is_refused(tls: ServerTls) -> None:
    """ATTACKS 4: here openssl's own client asks for it, in the middle of TLS 1.2."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host, port = listener.getsockname()
        client = await trio.lowlevel.open_process(
            ["openssl", "s_client", "-tls1_2", "-connect", f"{host}:{port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with trio.fail_after(SOON):
            await trio.lowlevel.wait_readable(listener)
            sock, _ = listener.accept()
            sock.setblocking(False)
            wire = SocketWire(sock, tls)
            assert await wire.start_tls()
            assert client.stdin is not None
            await client.stdin.send_all(b"R\n")
            while await wire.receive():
                pass
            await wire.aclose()
            await client.stdin.aclose()
            said = b""
            assert client.stderr is not None
            async for data in client.stderr:
                said += data
            await client.wait()
    assert b"no renegotiation" in said
