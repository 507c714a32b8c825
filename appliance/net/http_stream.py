"""The client's end of one TCP connection, as httpcore wants it.

Reads and writes the socket itself instead of going through trio's streams, which over
TLS cost half as much again as a whole request. What is written leaves when an answer is
waited for: head and body in one TLS record and one system call.
"""

import select
import socket
import ssl
from typing import Any

import httpcore
from trio.lowlevel import checkpoint, wait_readable, wait_writable


class DirectStream(httpcore.AsyncNetworkStream):
    """A connected socket that does not block; the caller sets deadlines and cancels."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._written = bytearray()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109, ARG002
        """The next bytes, b"" at the end, after what was written has left.

        Raises:
            httpcore.ReadError: the connection is broken.
            httpcore.WriteError: it was before all had left.
        """
        await checkpoint()
        if self._written:
            await self._flush()
        while True:
            try:
                return self._sock.recv(max_bytes)
            except ssl.SSLZeroReturnError:
                return b""
            except OSError as error:
                await self._overcome(error, httpcore.ReadError)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002
        """Send this with the next read."""
        self._written += buffer

    async def aclose(self) -> None:
        """Close; HTTP has told by its lengths what is whole (RFC 9112 9.8)."""
        self._sock.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002
    ) -> httpcore.AsyncNetworkStream:
        """The connection covered by TLS, with the name checked.

        Raises:
            httpcore.ConnectError: no TLS came to be; the connection is closed.
        """
        try:
            self._sock = covered = ssl_context.wrap_socket(
                self._sock,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=True,
            )
            while True:
                try:
                    covered.do_handshake()
                except OSError as error:
                    await self._overcome(error, httpcore.ConnectError)
                else:
                    return self
        except BaseException:
            self._sock.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a stream."""
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            return bool(poll.poll(0))
        return self._sock if info == "socket" else None

    async def _flush(self) -> None:
        data, self._written = memoryview(self._written), bytearray()
        while data:
            try:
                data = data[self._sock.send(data) :]
            except OSError as error:
                await self._overcome(error, httpcore.WriteError)

    async def _overcome(
        self, error: OSError, failure: type[httpcore.NetworkError]
    ) -> None:
        """Wait for what a step on the socket lacks, or say that it is broken."""
        match error:
            case ssl.SSLWantReadError():  # to send, too: TLS talks on its own
                await wait_readable(self._sock)
            case ssl.SSLWantWriteError():
                await wait_writable(self._sock)
            case BlockingIOError() if failure is httpcore.WriteError:
                await wait_writable(self._sock)
            case BlockingIOError():
                await wait_readable(self._sock)
            case _:
                raise failure(str(error)) from error
