"""An application that is made when it is first asked for."""

from collections.abc import Callable

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    LifespanShutdownCompleteEvent,
    LifespanStartupCompleteEvent,
    Scope,
)


class Later:
    """Makes an application in a thread, so that mail goes on meanwhile.

    The application has no lifespan of its own: it is not there when that begins.
    """

    def __init__(self, make: Callable[[], ASGIFramework]) -> None:
        self._make = make
        self._made: ASGIFramework | None = None
        self._turn = trio.Lock()

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        async with self._turn:
            if self._made is None:
                self._made = await trio.to_thread.run_sync(self._make)
        await self._made(scope, receive, send)


async def _live(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Nothing has to be done at the start or the end."""
    await receive()
    await send(LifespanStartupCompleteEvent(type="lifespan.startup.complete"))
    await receive()
    await send(LifespanShutdownCompleteEvent(type="lifespan.shutdown.complete"))
