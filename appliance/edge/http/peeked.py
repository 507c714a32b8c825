"""A stream with the first bytes put back, for who takes a connection over."""

import os
import socket
from collections.abc import Callable

import trio


class Peeked(trio.abc.Stream):
    """The stream as if ``head`` had not been read yet.

    At most ``limit`` further bytes are taken from the peer; then it reads as
    ended. ``closed`` is called when our side closes. Several tasks may send: what
    one hands in stays together.
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
        self._turn = trio.Lock()
        self._rest = b""

    def bound_sending(self, size: int) -> None:
        """Let the kernel hold at most about ``size`` unread bytes for the peer."""
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream does, behind what is still to be sent."""
        async with self._turn:
            rest, self._rest = self._rest, b""
            await self._stream.send_all(rest + data if rest else data)

    @property
    def owes(self) -> bool:
        """True if some of what was offered is still to be sent: by ``send_all``."""
        return bool(self._rest)

    def offer(self, data: bytes) -> bool:
        """Send what the kernel takes at once, and owe the rest; False: not a byte."""
        if self._rest or self._turn.locked():
            return False
        try:
            sent = os.write(self._stream.socket.fileno(), data)
        except OSError:  # there is no room, or nobody
            return False
        self._rest = data[sent:]
        return True

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
