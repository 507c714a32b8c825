import sqlite3
import threading
from functools import partial

import aiosqlite
import pytest
import trio

from appliance.store.bridge import PRIVATE_NAMES, Connection, connect


def memory() -> Connection:
    """A connection to a database in memory."""
    return connect(partial(sqlite3.connect, ":memory:"))


@pytest.mark.parametrize("name", PRIVATE_NAMES)
async def test_aiosqlite_still_has_each_private_name_of_the_bridge(name: str) -> None:
    """An upgrade of aiosqlite that drops a name fails here, not in production."""
    connection = memory()
    assert hasattr(connection, name)
    await connection
    await connection.close()


def test_aiosqlite_still_calls_the_hooks_that_the_bridge_overrides() -> None:
    """``_connect``, ``_execute`` and ``_conn`` are what the base class goes through."""
    for name in ("_connect", "_execute", "_conn"):
        assert hasattr(aiosqlite.Connection, name)
    assert "_connect" in aiosqlite.Connection.__await__.__code__.co_names
    assert "_execute" in aiosqlite.Connection.commit.__code__.co_names


def test_the_thread_still_ends_at_the_sentinel() -> None:
    """The thread ends at the sentinel, and a reply may be missing."""
    code = aiosqlite.core._connection_worker_thread.__code__
    assert "_STOP_RUNNING_SENTINEL" in code.co_names
    assert "future" in code.co_varnames


async def test_public_calls_of_aiosqlite_work_under_trio() -> None:
    """Cursors and context managers of the library are as usable as ever."""
    async with memory() as connection:
        await connection.execute("CREATE TABLE t (x)")
        await connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        async with connection.execute("SELECT sum(x) FROM t") as cursor:
            assert await cursor.fetchone() == (3,)


async def test_transact_runs_a_function_in_the_thread_of_the_connection() -> None:
    """A whole transaction is one hop."""

    def where(_: sqlite3.Connection, number: int) -> tuple[int, bool]:
        return number, threading.current_thread() is not threading.main_thread()

    async with memory() as connection:
        assert await connection.transact(where, 7) == (7, True)


async def test_an_error_travels_to_the_caller_and_the_connection_goes_on() -> None:
    """An exception in the thread is raised where the call was made."""
    async with memory() as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await connection.execute("SELECT * FROM nowhere")
        assert await connection.transact(lambda _: 1) == 1


async def test_a_cancelled_call_ends_in_the_thread_first() -> None:
    """What has started is waited for, so that nothing runs behind one's back."""
    started, finished = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        started.set()
        finished.wait(5)

    async def cancel_when_started(scope: trio.CancelScope) -> None:
        await trio.to_thread.run_sync(started.wait)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        finished.set()

    async with memory() as connection, trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_when_started, scope)
            await connection.transact(slow)
            assert finished.is_set()
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught


async def test_a_connection_that_cannot_open_leaves_no_thread() -> None:
    """A failed opening ends its thread, or the process could never end."""
    connection = connect(partial(sqlite3.connect, "/nowhere/at/all.db"))
    with pytest.raises(sqlite3.OperationalError):
        await connection
    connection._thread.join(5)
    assert not connection._thread.is_alive()


async def test_a_closed_connection_refuses_calls_and_leaves_no_thread() -> None:
    """After closing there is an error instead of a wait without end."""
    connection = memory()
    await connection
    await connection.close()
    await connection.close()
    with pytest.raises(ValueError, match="no active connection"):
        await connection.transact(lambda _: None)
    connection._thread.join(5)
    assert not connection._thread.is_alive()
