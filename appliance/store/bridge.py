"""aiosqlite under trio.

aiosqlite gives a connection a thread and a queue of functions, and answers
through an asyncio future. Its thread asks little of that future, so here is one
that answers through trio instead. The private names that this needs are listed
in ``PRIVATE_NAMES``; aiosqlite is pinned below 0.23 for their sake.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import aiosqlite
import outcome
import trio
from aiosqlite.core import _STOP_RUNNING_SENTINEL

P = ParamSpec("P")
R = TypeVar("R")

PRIVATE_NAMES = ("_tx", "_running", "_connection", "_connector", "_thread")
_CHUNK_ROWS = 64  # aiosqlite's default for iteration, which nobody here uses


class _Reply(Generic[R]):
    """The part of ``asyncio.Future`` that aiosqlite's thread touches."""

    __slots__ = ("_got", "_soon", "_task")

    def __init__(self) -> None:
        self._soon = trio.lowlevel.current_trio_token().run_sync_soon
        self._task: trio.lowlevel.Task | None = None
        self._got: outcome.Outcome[R] | None = None

    def get_loop(self) -> "_Reply[R]":
        return self

    def call_soon_threadsafe(self, fn: Callable[..., object], *args: object) -> None:
        with suppress(trio.RunFinishedError):  # nobody is left to want the answer
            self._soon(partial(fn, *args))

    def done(self) -> bool:
        return self._got is not None

    def set_result(self, value: R) -> None:
        self._set(outcome.Value(value))

    def set_exception(self, error: BaseException) -> None:
        self._set(outcome.Error(error))

    def _set(self, got: outcome.Outcome[R]) -> None:
        self._got = got
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)

    async def wait(self) -> R:
        """The answer. What is queued runs anyway, so a cancellation waits for it."""
        if self._got is None:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(
                lambda _: trio.lowlevel.Abort.FAILED
            )
        assert self._got is not None
        return self._got.unwrap()


class Connection(aiosqlite.Connection):
    """An aiosqlite connection whose coroutines belong to trio.

    Use as ``async with connect(...) as connection``. A function that has started
    in the connection's thread ends there; a cancellation is noticed afterwards.
    """

    async def __aenter__(self) -> Self:
        await self
        return self

    async def _hop(self, fn: Callable[[], R]) -> R:
        await trio.lowlevel.checkpoint_if_cancelled()
        reply = _Reply[R]()
        self._tx.put_nowait((reply, fn))  # type: ignore[arg-type]  # a future by duck
        return await reply.wait()

    async def _execute(self, fn: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        return await self._hop(partial(fn, *args, **kwargs))

    async def _connect(self) -> "Connection":
        if self._connection is None:
            try:
                self._connection = await self._hop(self._connector)
            except BaseException:
                self._end_thread()
                raise
        return self

    async def close(self) -> None:
        """Close the file and end the thread, cancelled or not."""
        if self._connection is None:
            return
        with trio.CancelScope(shield=True):
            try:
                await self._execute(self._connection.close)
            finally:
                self._connection = None
                self._end_thread()

    def _end_thread(self) -> None:
        self._running = False
        self._tx.put_nowait((None, lambda: _STOP_RUNNING_SENTINEL))

    async def transact(
        self,
        fn: Callable[Concatenate[sqlite3.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """The answer of ``fn(connection, ...)``, run as one unit in the thread."""
        return await self._execute(fn, self._conn, *args, **kwargs)

    def at_once(
        self,
        fn: Callable[Concatenate[sqlite3.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """The answer of ``fn(connection, ...)``, run here and now.

        For a connection that any thread may use, while its own has nothing to do.
        """
        return fn(self._conn, *args, **kwargs)


def connect(connector: Callable[[], sqlite3.Connection]) -> Connection:
    """A connection that is opened by ``connector``, in its own thread."""
    return Connection(connector, _CHUNK_ROWS)
