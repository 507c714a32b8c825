"""Running the application for one request: in the reader's task, or in its own.

A request with a small body, which is nearly every one, runs in the task that
read it, once the body is there: no task, no channel, no switch. It is not
cancelled when the client leaves, so what a handler began it ends. A large or
chunked body is passed on in pieces to a task of its own; the client is read
only as fast as the application takes the pieces.

Stock hypercorn would wait for ever to tell an application that left its body
unread that the client is gone; here an ended application takes no messages.
"""

import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio
from hypercorn.config import Config
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendEvent,
    Scope,
)

from appliance import log as logs

AppSend: TypeAlias = Callable[[ASGISendEvent | None], Awaitable[None]]
Put: TypeAlias = Callable[[ASGIReceiveEvent], Awaitable[None]]

log = logs.get("http")
_LEFT: ASGIReceiveEvent = {"type": "http.disconnect"}
_PIECES = 4  # of at most 64 KiB, between the reader and the application


async def _run(
    app: AppWrapper, scope: Scope, receive: ASGIReceiveCallable, send: AppSend
) -> None:
    """Run the application; its bugs are logged and answered with 500."""
    try:
        await app(scope, receive, send, trio.to_thread.run_sync, trio.from_thread.run)
    except* Exception:
        log.exception("http.app_failed", path=scope.get("path"))
    finally:
        await send(None)


class Whole(TaskGroup):
    """Runs a request where it was read, when its body is whole."""

    async def spawn_app(
        self, app: AppWrapper, config: Config, scope: Scope, send: AppSend
    ) -> Put:
        """Take one request; hypercorn hands its messages to what is returned."""
        del config
        return _WholeRun(app, scope, send).put


class _WholeRun:
    __slots__ = ("_app", "_body", "_given", "_left", "_scope", "_send", "_waiting")

    def __init__(self, app: AppWrapper, scope: Scope, send: AppSend) -> None:
        self._app = app
        self._scope = scope
        self._send = send
        self._body = b""
        self._given = False
        self._left = False
        self._waiting: trio.Event | None = None

    async def put(self, message: ASGIReceiveEvent) -> None:
        if message["type"] != "http.request":
            self._left = True
            if self._waiting is not None:
                self._waiting.set()
        elif message["more_body"]:
            self._body += message["body"]
        else:
            await _run(self._app, self._scope, self._receive, self._send)

    async def _receive(self) -> ASGIReceiveEvent:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        if not self._left:  # by our own answer: nobody reads the client meanwhile
            self._waiting = trio.Event()
            await self._waiting.wait()
        return _LEFT


class Pieces(TaskGroup):
    """The tasks of one connection; its requests get their bodies in pieces.

    ``body_timeout`` is for HTTP/2, where a connection waits for several bodies at
    once; in HTTP/1.1 the connection itself times the one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body_timeout = math.inf

    async def spawn_app(
        self, app: AppWrapper, config: Config, scope: Scope, send: AppSend
    ) -> Put:
        """Start one request; hypercorn hands its messages to what is returned."""
        del config
        run = _PiecesRun(trio.current_time() + self.body_timeout)
        self.spawn(run.run, app, scope, send)
        return run.put


class _PiecesRun:
    __slots__ = ("_due", "_inlet", "_outlet")

    def __init__(self, due: float) -> None:
        self._due = due
        self._inlet, self._outlet = trio.open_memory_channel[ASGIReceiveEvent](_PIECES)

    async def run(self, app: AppWrapper, scope: Scope, send: AppSend) -> None:
        with self._outlet:
            await _run(app, scope, self._receive, send)

    async def put(self, message: ASGIReceiveEvent) -> None:
        if message["type"] != "http.request":
            self._inlet.close()
            return
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._inlet.send(message)

    async def _receive(self) -> ASGIReceiveEvent:
        with trio.move_on_at(self._due):
            try:
                message = await self._outlet.receive()
            except trio.EndOfChannel:
                return _LEFT
            if message["type"] == "http.request" and not message["more_body"]:
                self._due = math.inf
            return message
        return _LEFT
