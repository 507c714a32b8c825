"""The server's end of one TCP connection: bytes in and out, TLS when it is asked for.

Reads and writes the socket itself instead of going through trio's streams, which
over TLS take twice the time a mail takes in all. Nothing is kept while nothing
comes: no buffer, no task. How a connection ends becomes a value here: no more
bytes. Deadlines are the caller's, who cancels.
"""

import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from trio.lowlevel import checkpoint, wait_readable, wait_writable

from appliance.net.tls_server import ServerTls

# What TLS gives at a time; more would only let one session work longer in a row.
CHUNK_BYTES: Final = 16 * 1024

Wait: TypeAlias = Callable[[socket.socket], Awaitable[None]]


class SocketWire:
    """A connected socket that does not block; ``aclose`` ends it."""

    __slots__ = ("_read", "_sock", "_tls", "_write", "broken", "cipher")

    def __init__(self, sock: socket.socket, tls: ServerTls) -> None:
        self._sock = sock
        self._tls = tls
        self._read: Callable[[int], bytes] = sock.recv
        self._write: Callable[[bytes], int] = sock.send
        self.broken = False  # the peer has gone, or there was no TLS
        self.cipher = ""  # such as "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" in clear

    async def receive(self) -> bytes:
        """The next bytes, b"" once none will come; others have their turn first."""
        await checkpoint()
        while not self.broken:
            try:
                # At once: under load it is there by now, and to be told so costs as
                # much as to read it. Of a long record TLS keeps the rest, too.
                return self._read(CHUNK_BYTES)
            except (OSError, ValueError) as error:
                await self._overcome(error, wait_readable)
        return b""

    async def send(self, data: bytes) -> None:
        """Hand the bytes to the kernel; into a broken connection they vanish."""
        while data and not self.broken:
            try:
                sent = self._write(data)
            except (OSError, ValueError) as error:
                await self._overcome(error, wait_writable)
            else:
                data = data[sent:]

    async def start_tls(self) -> bool:
        """True once both sides have agreed; else the connection is of no use."""
        try:
            self._sock.getpeername()  # ssl would lose a socket that has none
            sock = self._tls.context().wrap_socket(
                self._sock, server_side=True, do_handshake_on_connect=False
            )
        except OSError:  # the peer has gone by now
            self.broken = True
            return False
        self._sock, self._read, self._write = sock, sock.read, sock.write
        while not self.broken:
            try:
                sock.do_handshake()
            except (OSError, ValueError) as error:
                await self._overcome(error, wait_readable)
            else:
                suite = sock.cipher()
                self.cipher = f"{sock.version()} {suite[0]}" if suite else ""
                return True
        return False

    async def aclose(self) -> None:
        """Close; what was sent last is let arrive, for as long as the caller waits.

        A socket that is closed with bytes unread makes the peer's kernel throw
        away our last words, so its end is waited for.
        """
        try:
            if not self.broken:
                await self._say_the_end()
        finally:
            self.broken = True
            self._sock.close()

    async def _say_the_end(self) -> None:
        sock = self._sock
        with contextlib.suppress(OSError):  # also what TLS has to say against it
            if isinstance(sock, ssl.SSLSocket):
                with contextlib.suppress(OSError):
                    sock.unwrap()
            sock.shutdown(socket.SHUT_WR)
            while True:
                await wait_readable(sock)
                # Past TLS: what still comes is not for us.
                if not socket.socket.recv(sock, CHUNK_BYTES):
                    return

    async def _overcome(self, error: OSError | ValueError, wait: Wait) -> None:
        """Wait for what a step on the socket lacks, or note that it is the end."""
        match error:
            case ssl.SSLWantReadError():  # to send, too: TLS talks on its own
                await wait_readable(self._sock)
            case ssl.SSLWantWriteError():
                await wait_writable(self._sock)
            case BlockingIOError():
                await wait(self._sock)
            case _:  # ValueError: TLS that has ended on this socket
                self.broken = True
