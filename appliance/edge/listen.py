"""From the words an operator sets (`127.0.0.1:8025`, `[::1]:0`) to open sockets."""

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

import trio

_BACKLOG = 1024
# A peer that does not acknowledge our bytes for this long is gone: without it the
# kernel keeps an unread answer for a quarter of an hour.
_USER_TIMEOUT_MS = 20_000


class BindError(Exception):
    """An address that cannot be listened on, and why, in words for the operator."""

    def __init__(self, address: str, error: OSError) -> None:
        why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        super().__init__(f"cannot listen on {address}: {why or error}")
        self.address = address


def open_sockets(binds: Sequence[str]) -> list[socket.socket]:
    """A listening socket that does not block for each ``host:port``; all or none.

    Raises:
        BindError: one of them cannot be had.
        ValueError: one is no ``host:port``.
    """
    with ExitStack() as opened:
        sockets = [opened.enter_context(_open(bind)) for bind in binds]
        opened.pop_all()
    return sockets


def open_listeners(binds: Sequence[str]) -> list[trio.SocketListener]:
    """As ``open_sockets``, for those whose streams are trio's.

    Raises:
        BindError: one of them cannot be had.
        ValueError: one is no ``host:port``.
    """
    return [
        trio.SocketListener(trio.socket.from_stdlib_socket(one))
        for one in open_sockets(binds)
    ]


def bound_address(listener: trio.SocketListener | socket.socket) -> str:
    """Where it really listens, as ``host:port``."""
    sock = listener if isinstance(listener, socket.socket) else listener.socket
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _open(bind: str) -> socket.socket:
    host, found, port = bind.rpartition(":")
    if not found or not port.isdecimal():
        raise ValueError(f"{bind!r} is not host:port")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, int(port)))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise BindError(bind, error) from error
    return sock
