"""Group commit: many tasks write, the disk syncs once for all that wait.

Calls collect while the disk is busy and are committed the moment it is free;
nobody waits for a timer. Results and events leave after the commit, events
first. Work that waits is bounded in number and bytes: whoever finds the queue
full waits for room before joining it.

A call that was handed to the thread commits whatever becomes of its task. One
that still waits is withdrawn when its task is cancelled.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import outcome
import trio

from appliance.core.event import Event
from appliance.store.bridge import Connection
from appliance.store.commit import (
    Batch,
    Call,
    Result,
    commit,
    draft,
    seal,
    stopped,
)
from appliance.store.errors import StoreUnavailable
from appliance.store.sealed import Sealer
from appliance.store.transaction import Tx

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
Listener = Callable[[tuple[Event, ...]], None]

MAX_ITEMS = 500  # one commit; PERFORMANCE.md: more gains nothing, p99 grows
MAX_BYTES = 8 * 1024 * 1024
FEW_ITEMS = 8  # for these alone no commit is begun in one go with the last
LIGHT_ITEMS = 64
LIGHT_BYTES = 512 * 1024
MAX_WAITING_ITEMS = 10_000
MAX_WAITING_BYTES = 64 * 1024 * 1024


class Writer:
    """The one task that writes, and the queue in front of it."""

    def __init__(
        self,
        connection: Connection,
        sealer: Sealer,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """``written`` is called after each commit."""
        self.listeners: list[Listener] = []
        self.healthy = True  # how the last commit ended
        self._connection = connection
        self._sealer = sealer
        self._written = written
        self._queue: deque[Call] = deque()
        self._handed: Sequence[Call] = ()
        self._waiting_bytes = 0
        self._bell = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._closing = False

    async def write(
        self, fn: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """The result of ``fn(tx, ...)``, which is on disk now."""

        def alone(tx: Tx, _: Sequence[object]) -> list[R]:
            return [fn(tx, *args, **kwargs)]

        result: R = await self._call(alone, None, 0)
        return result

    async def write_each(
        self, fn: Callable[[Tx, Sequence[T]], Sequence[R]], item: T, size_bytes: int = 0
    ) -> R:
        """The result for ``item``, which ``fn`` wrote together with others."""
        result: R = await self._call(fn, item, size_bytes)
        return result

    def write_later(
        self,
        fn: Callable[[Tx, Sequence[T]], Sequence[R]],
        item: T,
        done: Callable[[R | Exception], None],
    ) -> None:
        """Let ``fn`` write ``item`` with the next commit, then call ``done``.

        ``done`` gets the result or the error, in the trio thread, after the
        commit; it must not raise. A caller keeps the number of its open items
        bounded by giving a slot free in ``done`` only.

        Raises:
            StoreUnavailable: too much waits already, or the store is closed.
        """
        if self._closing:
            raise stopped()
        if len(self._queue) >= 2 * MAX_WAITING_ITEMS:
            raise StoreUnavailable("too many writes are waiting")
        self._join(Call(fn, item, 0, partial(_tell, done)))

    async def run(
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Commit what comes until ``close``, then what is left."""
        task_status.started()
        try:
            with trio.CancelScope(shield=True):
                while not (self._closing and not self._queue):
                    await self._run_once()
        finally:
            self._closing = True
            self._abandon()

    def close(self) -> None:
        """Let ``run`` end when all that was taken is on disk."""
        self._closing = True
        self._bell.set()
        self._room.unpark_all()

    async def _run_once(self) -> None:
        await self._bell.wait()
        self._bell = trio.Event()
        while calls := self._take():
            self._handed = calls
            self._room.unpark_all()
            events = await self._commit(calls)
            self._written()
            self.healthy = not any(map(_blames_the_disk, calls))
            try:
                if events:
                    for listener in self.listeners:
                        listener(events)
            finally:
                self._handed = ()
                for call in calls:
                    assert call.result is not None
                    call.deliver(call.result)
            if len(self._queue) < FEW_ITEMS:
                # Who has a mail as good as ready may join: each commit has its price.
                await trio.lowlevel.cancel_shielded_checkpoint()

    async def _commit(self, calls: Sequence[Call]) -> tuple[Event, ...]:
        """Write and sync; the rows of what is light are written right here."""
        if _is_light(calls):
            drafted = self._connection.at_once(draft, self._sealer, calls)
            if drafted is not None:
                return await self._connection.transact(
                    seal, self._sealer, calls, drafted
                )
        return await self._connection.transact(commit, self._sealer, calls)

    async def _call(self, run: Batch, item: object, size_bytes: int) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._closing and self._is_full():
            await self._room.park()
        if self._closing:
            raise stopped()
        task = trio.lowlevel.current_task()
        call = Call(run, item, size_bytes, partial(trio.lowlevel.reschedule, task))
        self._join(call)
        return await trio.lowlevel.wait_task_rescheduled(partial(self._withdraw, call))

    def _is_full(self) -> bool:
        return (
            len(self._queue) >= MAX_WAITING_ITEMS
            or self._waiting_bytes >= MAX_WAITING_BYTES
        )

    def _join(self, call: Call) -> None:
        self._queue.append(call)
        self._waiting_bytes += call.size_bytes
        self._bell.set()

    def _withdraw(self, call: Call, _: object) -> trio.lowlevel.Abort:
        if call.handed:
            return trio.lowlevel.Abort.FAILED
        call.withdrawn = True
        call.item = None
        self._waiting_bytes -= call.size_bytes
        self._room.unpark_all()
        return trio.lowlevel.Abort.SUCCEEDED

    def _take(self) -> list[Call]:
        """The calls of the next commit, at least one if any waits."""
        calls: list[Call] = []
        size = 0
        while self._queue and len(calls) < MAX_ITEMS:
            call = self._queue[0]
            if not call.withdrawn:
                if calls and size + call.size_bytes > MAX_BYTES:
                    break
                call.handed = True
                calls.append(call)
                size += call.size_bytes
            self._queue.popleft()
        self._waiting_bytes -= size
        return calls

    def _abandon(self) -> None:
        """Let nobody wait for a writer that a bug has ended."""
        calls = [*self._handed, *self._queue]
        self._handed = ()
        self._queue.clear()
        for call in calls:
            if not call.withdrawn:
                call.deliver(outcome.Error(stopped()))


def _is_light(calls: Sequence[Call]) -> bool:
    """True if writing the rows takes the event loop a few milliseconds at most."""
    return (
        len(calls) <= LIGHT_ITEMS
        and all(call.item is not None for call in calls)
        and sum(call.size_bytes for call in calls) <= LIGHT_BYTES
    )


def _blames_the_disk(call: Call) -> bool:
    result = call.result
    return isinstance(result, outcome.Error) and isinstance(
        result.error, StoreUnavailable
    )


def _tell(done: Callable[[Any], None], result: Result) -> None:
    match result:
        case outcome.Value(value):
            done(value)
        case outcome.Error(error):
            done(error)
