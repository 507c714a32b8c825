"""Connections to hosts that strangers named: what was checked is what is connected to.

A name is looked up once, all of its addresses are judged, and one of those is dialled.
So a name that leads elsewhere a moment later (DNS rebinding) leads nowhere, and one
with a single bad address among good ones is not dialled at all (ATTACKS 21).
"""

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import httpcore
import trio

from appliance.core.credential import Network
from appliance.core.networks import forbidden_address, forbidden_port
from appliance.net.http_stream import DirectStream

NEXT_AFTER_SECONDS = 3.0  # one address that does not answer is not waited for longer
MAX_ADDRESSES = 8

# An option of a socket, as httpcore hands it on.
Option = (
    tuple[int, int, int]
    | tuple[int, int, bytes | bytearray]
    | tuple[int, int, None, int]
)
Judge = Callable[[str, int], str]
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
_threads = trio.CapacityLimiter(16)


class ForbiddenHostError(Exception):
    """The host is not to be talked to; the text says why and holds no address."""


def judge_of(allowed: Sequence[Network]) -> Judge:
    """What is wrong with an address and a port, "" if nothing is.

    Inside the networks that the operator allowed any port is.
    """

    def judge(address: str, port: int) -> str:
        if allowed and not forbidden_address(address, allowed):
            public = not forbidden_address(address)
            return "" if not public else _port(port)
        return forbidden_address(address, allowed) or _port(port)

    return judge


def _port(port: int) -> str:
    return f"port {port}" if forbidden_port(port) else ""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Dials for httpcore; TLS, with the name that was asked for, comes on top."""

    def __init__(self, judge: Judge, look_up: LookUp) -> None:
        self._judge = judge
        self._look_up = look_up

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002 - the caller cancels
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Option] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of the host that answers.

        Raises:
            ForbiddenHostError: one of its addresses is not to be talked to.
            httpcore.ConnectError: none answers, or there is none.
        """
        addresses = await self._find(host, port)
        failure: Exception | None = None
        for left, address in _countdown(addresses):
            with trio.move_on_after(NEXT_AFTER_SECONDS if left else float("inf")):
                try:
                    return await _dial(address, port)
                except httpcore.ConnectError as error:
                    failure = error
        raise failure or httpcore.ConnectError("no connection in time")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)

    async def _find(self, host: str, port: int) -> list[str]:
        try:
            addresses = await self._look_up(host, port)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            text = f"the host name does not resolve: {why}"
            raise httpcore.ConnectError(text) from error
        for address in addresses:
            if wrong := self._judge(address, port):
                raise ForbiddenHostError(f"{host} is not to be talked to: {wrong}")
        return list(addresses[:MAX_ADDRESSES])


async def system_look_up(host: str, port: int) -> Sequence[str]:
    """All addresses that the system knows for a host.

    In threads of their own: names whose servers never answer hold up no other look-up.
    """
    find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await trio.to_thread.run_sync(
        find, abandon_on_cancel=True, limiter=_threads
    )
    return list(dict.fromkeys(str(one[4][0]) for one in found))


async def _dial(address: str, port: int) -> DirectStream:
    try:
        stream = await trio.open_tcp_stream(address, port)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    sock = socket.socket(fileno=stream.socket.detach())
    sock.setblocking(False)
    return DirectStream(sock)


def _countdown(addresses: Sequence[str]) -> list[tuple[int, str]]:
    """Each address with how many come behind it."""
    last = len(addresses) - 1
    return [(last - place, address) for place, address in enumerate(addresses)]
