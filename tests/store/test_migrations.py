import sqlite3

import pytest

from appliance.store import migrations
from appliance.store.errors import WrongSealingKeyError
from appliance.store.migrations import check_sealing, migrate, schema_steps
from appliance.store.sealed import Sealer


@pytest.fixture
def db() -> sqlite3.Connection:
    """An empty database in memory."""
    return sqlite3.connect(":memory:", isolation_level=None)


def version(db: sqlite3.Connection) -> int:
    """The version the file says it has."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_all_steps_are_applied_once(db: sqlite3.Connection) -> None:
    """A second look changes nothing."""
    migrate(db)
    tables = db.execute("SELECT sql FROM sqlite_master").fetchall()
    migrate(db)
    assert version(db) == len(schema_steps())
    assert db.execute("SELECT sql FROM sqlite_master").fetchall() == tables


def test_every_table_is_strict(db: sqlite3.Connection) -> None:
    """No column holds a value of another type than it says."""
    migrate(db)
    rows = db.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0"
        " AND name NOT LIKE 'sqlite_%'"
    )
    assert rows.fetchall() == []


def test_a_step_that_fails_leaves_the_step_before(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration is done or not done, never half."""
    steps = ["CREATE TABLE a (x);", "CREATE TABLE b (x);\nCREATE TABLE a (x);"]
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(db)
    assert version(db) == 1
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]


def test_the_first_sealing_key_stays_the_key(
    db: sqlite3.Connection,
) -> None:
    """The first key a file sees is its key."""
    migrate(db)
    check_sealing(db, Sealer(bytes(32)))
    check_sealing(db, Sealer(bytes(32)))
    with pytest.raises(WrongSealingKeyError):
        check_sealing(db, Sealer(b"\x01" * 32))


def test_no_delivery_gets_a_number_that_was_given_away(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebuilding the table forgets neither its rows nor those that were pruned."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:2])
    migrate(db)
    db.execute("UPDATE sqlite_sequence SET seq = 41 WHERE name = 'delivery'")
    db.execute("INSERT INTO sqlite_sequence VALUES ('delivery', 41)")
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    rows = db.execute("SELECT seq FROM sqlite_sequence WHERE name LIKE 'delivery%'")
    assert max(rows.fetchall()) == (41,)
