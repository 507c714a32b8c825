"""A TCP connection as a trio stream that costs what its system calls cost.

trio's own stream asks the scheduler twice and enters three context managers for
each piece; with an upstream that answers at once that is half of what a mail costs
the network. The promises are those of ``trio.abc.Stream``, but that ``send_all`` lets
nobody else have a turn if the kernel takes all at once: whoever has sent, waits next.
"""

import socket
from typing import Final

import trio
from trio.lowlevel import (
    checkpoint,
    notify_closing,
    wait_readable,
    wait_writable,
)

_CHUNK_BYTES: Final = 64 * 1024


class PlainStream(trio.abc.Stream):
    """A connected socket that does not block; ``aclose`` ends it.

    One task at a time sends, and one receives.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand the bytes to the kernel.

        Raises:
            trio.BrokenResourceError: the peer has gone.
            trio.ClosedResourceError: it was closed here.
        """
        self._must_be_open()
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.socket.send(rest) :]
            except BlockingIOError:
                await wait_writable(self.socket)
            except OSError as error:
                raise self._end(error) from error

    async def wait_send_all_might_not_block(self) -> None:
        """Returns once some bytes could be sent.

        Raises:
            trio.ClosedResourceError: it was closed here.
        """
        self._must_be_open()
        await wait_writable(self.socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes, b"" once none will come; others have their turn first.

        Raises:
            trio.BrokenResourceError: the connection was lost.
            trio.ClosedResourceError: it was closed here.
            ValueError: no byte is wanted.
        """
        await checkpoint()
        if max_bytes is None:
            max_bytes = _CHUNK_BYTES
        elif max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        while True:
            try:
                return self.socket.recv(max_bytes)
            except BlockingIOError:
                await wait_readable(self.socket)
            except OSError as error:
                raise self._end(error) from error

    async def aclose(self) -> None:
        """Close at once; whoever waits on it is told."""
        if self.socket.fileno() >= 0:
            notify_closing(self.socket)
            self.socket.close()
        await checkpoint()

    def _must_be_open(self) -> None:
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this socket was closed")

    def _end(self, error: OSError) -> Exception:
        if self.socket.fileno() < 0:
            return trio.ClosedResourceError("this socket was closed")
        return trio.BrokenResourceError(f"the connection broke: {error.strerror}")


async def dial(host: str, port: int) -> PlainStream:
    """A connection to the first address that takes one (RFC 8305).

    Raises:
        OSError: none does.
        UnicodeError: the host cannot be a name.
    """
    stream = await trio.open_tcp_stream(host, port)
    sock = socket.socket(fileno=stream.socket.detach())
    sock.setblocking(False)
    return PlainStream(sock)


def has_hung_up(stream: trio.abc.Stream) -> bool:
    """True if the peer has ended the connection; nothing that it said is taken."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if not isinstance(stream, PlainStream):
        return False
    try:
        return not stream.socket.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
