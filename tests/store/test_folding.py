"""The log is folded into the file beside the writer."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.store.bridge import connect
from appliance.store.connection import connect_folder, connect_writer, ensure_file
from appliance.store.folding import Folding


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
async def commits() -> list[int]:
    """How many commits there were, at the moment."""
    return [0]


@pytest.fixture
async def folding(
    tmp_path: Path, writing: sqlite3.Connection, commits: list[int]
) -> AsyncIterator[Folding]:
    """Beside that writer."""
    assert writing.in_transaction
    async with connect(lambda: connect_folder(tmp_path / "db")) as connection:
        yield Folding(connection, lambda: commits[0])


async def test_what_is_committed_is_in_the_file(
    tmp_path: Path, folding: Folding, commits: list[int], writing: sqlite3.Connection
) -> None:
    """While a transaction is under way: it is not waited for, and not disturbed."""
    small = (tmp_path / "db").stat().st_size
    commits[0] += 1
    assert await folding.run_once()
    assert (tmp_path / "db").stat().st_size >= small + 100_000
    writing.execute("COMMIT")
    assert writing.execute("SELECT count(*) FROM t").fetchone() == (2,)
    writing.close()


async def test_nothing_new_is_no_work(
    folding: Folding, commits: list[int], writing: sqlite3.Connection
) -> None:
    """An idle house does not touch its disk."""
    assert not await folding.run_once()
    commits[0] += 1
    assert await folding.run_once()
    assert not await folding.run_once()
    writing.close()
