"""Data folders in which a great many deliveries wait.

One mail is handed in by command; the others are copies of its rows with ids and
moments of their own, written by SQL: handing in a million would take an hour. Each has
a message and a `processed` event, as real ones have; the content is shared.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.contenders import POOL, make_postroom
from scripts.benchmarks.tools import SENDER
from tests.fakes.postroom import Postroom
from tests.fakes.programs import free_port

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
_QUEUED = 0
_UPSTREAM = "(SELECT id FROM provider WHERE name = 'sink')"
_ROWS = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)
    INSERT INTO {table} ({columns}) SELECT {values} FROM n, {table} AS t
    WHERE t.{key} = (SELECT max({key}) FROM {table}) ORDER BY i
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many more deliveries, due from ``due_ns`` on, over ``spread_ns``.

    Those that are not ``fresh`` have been tried before, at the one upstream.
    """

    number: int
    due_ns: int
    spread_ns: int = 0
    tenants: int = 1
    fresh: bool = False


class Folders:
    """Data folders that are alike but for what waits in them.

    Their upstream is at ``port``, where nobody is unless somebody is put there.
    """

    def __init__(self, place: Path) -> None:
        self.port = free_port()
        self.place = place
        (first := place / "first").mkdir()
        self._first = make_postroom(first, self.port)
        words = ("--from", SENDER, "--to", "user@rcpt.example", "--subject", "Hello")
        self._first.run("send", *words, "--text", "Hello", "--pool", POOL)

    def make(self, name: str, *crowds: Crowd) -> Postroom:
        """A folder in which these wait; nothing runs on it yet."""
        made = Postroom(self.place / name)
        made.keys = self._first.keys
        shutil.copytree(self._first.data, made.data)
        with opened(made) as db:
            for crowd in crowds:
                _add(db, crowd)
            db.execute("DELETE FROM delivery WHERE id = 1")  # what they are made of
        return made


@contextmanager
def opened(postroom: Postroom) -> Iterator[sqlite3.Connection]:
    """The folder's database, while nothing runs on it; committed at the end."""
    db = sqlite3.connect(postroom.data / "postroom.db", isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -200000")
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.close()


def _add(db: sqlite3.Connection, crowd: Crowd) -> None:
    (first,) = db.execute("SELECT max(id) FROM message").fetchone()
    id_ = f"{first} + i"
    uuid = f"CAST(printf('%016d', {id_}) AS BLOB)"  # they grow, as real ones do
    now_ns = str(time.time_ns())
    _copy(db, "message", "id", {"id": id_, "uuid": uuid}, crowd.number)
    changed = {
        "id": id_,
        "uuid": uuid,
        "message": id_,
        "sub_account": f"1 + i % {crowd.tenants}",
        "provider": "NULL" if crowd.fresh else _UPSTREAM,
        "recipient": f"printf('user%d@rcpt%d.example', {id_}, i % 1000)",
        "recipient_domain": "printf('rcpt%d.example', i % 1000)",
        "state": str(_QUEUED),
        "due_ns": f"{crowd.due_ns} + i * {crowd.spread_ns // max(1, crowd.number)}",
        "attempts": str(int(not crowd.fresh)),
        "created_ns": now_ns,
    }
    _copy(db, "delivery", "id", changed, crowd.number)
    event = {
        "number": "(SELECT seq FROM sqlite_sequence WHERE name = 'event') + i",
        "message": uuid,
        "delivery": uuid,
    }
    _copy(db, "event", "number", event, crowd.number)


def _copy(
    db: sqlite3.Connection,
    table: str,
    key: str,
    changed: Mapping[str, str],
    number: int,
) -> None:
    """Copies of the table's last row, with these columns changed."""
    rows = db.execute(f"SELECT name FROM pragma_table_info('{table}')")  # noqa: S608
    columns = [name for (name,) in rows]
    values = [changed.get(name, f"t.{name}") for name in columns]
    statement = _ROWS.format(
        table=table, key=key, columns=", ".join(columns), values=", ".join(values)
    )
    db.execute(statement, {"number": number})
