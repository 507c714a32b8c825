"""Accepting HTTP connections, counting them, and letting them end.

The application's lifespan is around everything, the connections are around the
listeners: leaving the inner first is the order of shutdown. Hypercorn's
protocols serve each connection; its own accept loop is not used, because an
error in one connection would end it.
"""

from collections.abc import Sequence
from functools import partial

import trio
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState, LifespanState
from hypercorn.utils import wrap_app

from appliance import log as logs
from appliance.edge.http.connection import Connection
from appliance.edge.http.engine import Engine
from appliance.edge.http.http1 import House
from appliance.edge.http.limits import Limits
from appliance.edge.listen import bound_address, open_listeners
from appliance.edge.live import LiveDoor

log = logs.get("http")
_FULL_BODY = b'{"message":"too many connections at once"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nretry-after: 1\r\nconnection: close\r\n\r\n%b"
) % (len(_FULL_BODY), _FULL_BODY)
_LOOK_SECONDS = 0.25  # so much later than its limit a peer may be given up
_GOODBYES = 100  # refusals being said at a time; who comes on top is just closed
_GOODBYE_SECONDS = 1.0


async def serve_http(
    app: ASGIFramework,
    binds: Sequence[str],
    *,
    limits: Limits,
    live: LiveDoor | None,
    closing: trio.Event,
    quick: tuple[bytes, ...] = (),
    long: str = "",
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``app`` on every bind until ``closing``, then let requests end.

    Plain requests whose lines begin as one of ``quick`` take the short way.
    Answers at the path ``long`` may be: whoever leaves one is noticed at once.

    Starts with the addresses that are really bound. After ``closing`` nothing is
    accepted, idle connections end, running requests have the drain timeout, and
    whoever does not read is cut.

    Raises:
        BindError: an address cannot be had.
        ValueError: a bind is no ``host:port``.
    """
    listeners = open_listeners(binds)
    wrapped = wrap_app(app, 0, "asgi")
    state: LifespanState = {}
    house = House(
        wrapped,
        Engine(limits),
        WorkerContext(None),
        limits,
        live.path if live is not None else None,
        ConnectionState(state),
        quick,
        long,
    )
    lifespan = Lifespan(wrapped, house.engine, state)
    door = _Door(house, live, closing)
    try:
        async with trio.open_nursery() as outer:
            await outer.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            outer.start_soon(door.watch)
            if live is not None:
                outer.start_soon(live.run)
            await door.serve(listeners, task_status)
            await lifespan.wait_for_shutdown()
            outer.cancel_scope.cancel()
    finally:
        for listener in listeners:
            listener.socket.close()


class _Door:
    """The connections that are open, as many as there may be."""

    def __init__(
        self, house: House, live: LiveDoor | None, closing: trio.Event
    ) -> None:
        self._house = house
        self._live = live
        self._closing = closing
        self._open: set[Connection] = set()
        self._goodbyes = 0

    async def serve(
        self,
        listeners: Sequence[trio.SocketListener],
        task_status: trio.TaskStatus[list[str]],
    ) -> None:
        """Accept until the server closes, then see the open ones to their end."""
        async with trio.open_nursery() as handlers:
            async with trio.open_nursery() as accepting:
                for listener in listeners:
                    accept = partial(
                        trio.serve_listeners,
                        self.take,
                        [listener],
                        handler_nursery=handlers,
                    )
                    await accepting.start(accept)
                task_status.started([bound_address(one) for one in listeners])
                await self._closing.wait()
                accepting.cancel_scope.cancel()
            await self._house.context.terminated.set()
            for connection in self._open:
                connection.drain()
            handlers.cancel_scope.deadline = (
                trio.current_time() + self._house.limits.drain_timeout
            )

    async def take(self, stream: trio.SocketStream) -> None:
        """Serve one accepted stream to its end."""
        if len(self._open) >= self._house.limits.max_connections:
            await self._say_full(stream)
            return
        connection = Connection(self._house, stream)
        self._open.add(connection)
        try:
            handshake = await connection.run()
        finally:
            self._open.remove(connection)
        if handshake is not None and self._live is not None:
            await self._live.serve(stream, handshake, self._closing)

    async def watch(self) -> None:
        """Look every now and then for peers that are overdue."""
        while True:
            await trio.sleep(_LOOK_SECONDS)
            now = trio.current_time()
            for connection in self._open:
                connection.look(now)

    async def _say_full(self, stream: trio.SocketStream) -> None:
        if self._goodbyes >= _GOODBYES:
            return
        self._goodbyes += 1
        try:
            with trio.move_on_after(_GOODBYE_SECONDS):
                await stream.send_all(_FULL)
                await stream.send_eof()
                while await stream.receive_some(4096):
                    pass
        except (OSError, trio.BrokenResourceError):
            log.debug("http.peer_gone")
        finally:
            self._goodbyes -= 1
