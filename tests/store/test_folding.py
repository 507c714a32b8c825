"""The log is folded into the file beside the writer."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.store.bridge import connect
from appliance.store.connection import connect_folder, connect_writer, ensure_file
from appliance.store.folding import PAUSE_SECONDS, Folding


@pytest.fixture
def writing(tmp_path: Path) -> sqlite3.Connection:
    """The connection of a writer that is in the middle of a transaction."""
    path = tmp_path / "db"
    ensure_file(path)
    db = connect_writer(path)
    db.execute("CREATE TABLE t (x BLOB) STRICT")
    db.execute("INSERT INTO t VALUES (randomblob(100000))")
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO t VALUES (randomblob(10))")
    return db


@pytest.fixture
async def folding(
    tmp_path: Path, writing: sqlite3.Connection
) -> AsyncIterator[Folding]:
    """Beside that writer."""
    assert writing.in_transaction
    async with connect(lambda: connect_folder(tmp_path / "db")) as connection:
        yield Folding(connection)


async def test_what_is_committed_is_in_the_file(
    tmp_path: Path, folding: Folding, writing: sqlite3.Connection
) -> None:
    """While a transaction is under way: it is not waited for, and not disturbed."""
    small = (tmp_path / "db").stat().st_size
    await folding.run_once()
    assert (tmp_path / "db").stat().st_size >= small + 100_000
    writing.execute("COMMIT")
    assert writing.execute("SELECT count(*) FROM t").fetchone() == (2,)
    writing.close()


async def test_an_idle_house_does_not_touch_its_disk(
    tmp_path: Path,
    folding: Folding,
    writing: sqlite3.Connection,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
) -> None:
    """It sleeps until there was a commit, and then for a moment."""
    small = (tmp_path / "db").stat().st_size
    nursery.start_soon(folding.run)
    await trio.sleep(60)
    assert (tmp_path / "db").stat().st_size == small
    folding.written()
    while (tmp_path / "db").stat().st_size == small:  # noqa: ASYNC110  a thread does it
        await trio.sleep(0.1)
    assert autojump_clock.current_time() >= 60 + PAUSE_SECONDS
    folding.close()
    writing.close()
