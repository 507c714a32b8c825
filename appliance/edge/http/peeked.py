"""A stream with the first bytes put back, for who takes a connection over."""

import socket
from collections.abc import Callable

import trio


class Peeked(trio.abc.Stream):
    """The stream as if ``head`` had not been read yet.

    At most ``limit`` further bytes are taken from the peer; then it reads as
    ended. ``closed`` is called when our side closes.
    """

    def __init__(
        self,
        stream: trio.SocketStream,
        head: bytes,
        *,
        limit: int,
        closed: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._head = head
        self._left = limit
        self._closed = closed

    def bound_sending(self, size: int) -> None:
        """Let the kernel hold at most about ``size`` unread bytes for the peer."""
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream does."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The head first, then what the peer sends."""
        if self._head:
            await trio.lowlevel.checkpoint()
            data, self._head = (
                self._head[:max_bytes],
                self._head[max_bytes or len(self._head) :],
            )
            return data
        data = bytes(await self._stream.receive_some(max_bytes))
        self._left -= len(data)
        return data if self._left >= 0 else b""

    async def aclose(self) -> None:
        """As the stream does, once told."""
        self._closed()
        await self._stream.aclose()
