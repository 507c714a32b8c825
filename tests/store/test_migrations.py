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


def test_records_of_domains_learn_of_their_keys(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known of each record stays, and each DKIM record finds its selector."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:3])
    migrate(db)
    uuid = bytes(16)
    db.execute("INSERT INTO account VALUES (1, ?, 'a', 1)", (uuid,))
    db.execute("INSERT INTO sub_account VALUES (1, ?, 1, 's', 0, 1)", (uuid,))
    db.execute(
        "INSERT INTO sender_domain (id, uuid, sub_account, name, created_ns)"
        " VALUES (1, ?, 1, 'd.example', 1)",
        (uuid,),
    )
    for selector, algorithm in (("k", "rsa-sha256"), ("ked", "ed25519-sha256")):
        db.execute(
            "INSERT INTO dkim_key VALUES (1, ?, ?, 'p', x'00')", (selector, algorithm)
        )
    for purpose in ("dkim", "dkim-ed25519", "dmarc"):
        db.execute(
            "INSERT INTO domain_record VALUES (1, ?, 'h', 'TXT', 'v', 'dns', 7, 'f')",
            (purpose,),
        )
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    rows = db.execute(
        "SELECT purpose, selector, host, proof, checked_ns, failure, misses"
        " FROM domain_record ORDER BY purpose"
    )
    rest = ("h", "dns", 7, "f", 0)
    assert rows.fetchall() == [
        ("dkim", "k", *rest),
        ("dkim-ed25519", "ked", *rest),
        ("dmarc", "", *rest),
    ]
    rows = db.execute("SELECT DISTINCT stage, since_ns FROM dkim_key")
    assert rows.fetchall() == [("active", 0)]


def test_pools_keep_their_shares_and_what_they_are_owed(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each becomes a pool of shares, and mail that waits stands where it stood."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:3])
    migrate(db)
    db.execute("INSERT INTO pool VALUES (1, x'00', 'main', 1)")
    for provider in (1, 2):
        db.execute(
            "INSERT INTO provider (id, uuid, name, kind, host, port, security,"
            " username, password_sealed, auth_method, verify_certificate,"
            " max_connections, retry_plan)"
            " VALUES (?, ?, ?, 'smtp', 'h', 25, 'none', '', x'00', 'auto', 1, 5, '')",
            (provider, bytes([provider]), str(provider)),
        )
    db.execute("INSERT INTO pool_share VALUES (1, 0, 2, 70, -30), (1, 1, 1, 30, 30)")
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    rows = db.execute(
        "SELECT route, position, provider, percent, credit FROM pool_share"
    )
    assert rows.fetchall() == [("", 0, 2, 70, -30), ("", 1, 1, 30, 30)]
    rows = db.execute("SELECT routing, overflow, overflow_pool, created_ns FROM pool")
    assert rows.fetchall() == [(2, 0, None, 0)]


def test_who_suppressed_is_what_the_reason_told(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries from before there was a column for it."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:4])
    migrate(db)
    db.execute("INSERT INTO account VALUES (1, ?, 'a', 1)", (bytes(16),))
    db.execute("INSERT INTO sub_account VALUES (1, ?, 1, 's', 0, 1)", (bytes(16),))
    db.executemany(
        "INSERT INTO suppression (uuid, sub_account, address, reason, at_ns,"
        " description, change) VALUES (?, 1, ?, ?, 1, '', 1)",
        [(bytes([reason]), str(reason), reason) for reason in range(4)],
    )
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    rows = db.execute("SELECT reason, source FROM suppression ORDER BY reason")
    assert rows.fetchall() == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_entries_from_before_there_were_scopes_are_for_all_mail_and_for_ever(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lifted ones too, under their numbers, and none of those is given away again."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:5])
    migrate(db)
    db.execute("INSERT INTO account VALUES (1, ?, 'a', 1)", (bytes(16),))
    db.execute("INSERT INTO sub_account VALUES (1, ?, 1, 's', 0, 1)", (bytes(16),))
    for number in (3, 8, 9):
        db.execute(
            "INSERT INTO suppression (id, uuid, sub_account, address, reason, at_ns,"
            " description, source, delivery, lifted, change)"
            " VALUES (?, ?, 1, ?, 2, 7, 'why', 2, x'05', ?, ?)",
            (number, bytes([number]), f"{number}@x", number == 3, number),
        )
    db.execute("DELETE FROM suppression WHERE id = 9")
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    rows = db.execute(
        "SELECT id, uuid, address, topic, domain, reason, at_ns, description, source,"
        " delivery, expires_ns, lifted, change FROM suppression ORDER BY id"
    )
    rest = ("", "", 2, 7, "why", 2, b"\x05", None)
    assert rows.fetchall() == [
        (3, b"\x03", "3@x", *rest, 1, 3),
        (8, b"\x08", "8@x", *rest, 0, 8),
    ]
    (last,) = db.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'suppression'"
    ).fetchone()
    assert last == 9


def test_hits_from_before_they_were_counted_are_counted(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In all; of people none, for nobody knew who they were."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:5])
    migrate(db)
    uuid = bytes(16)
    fill(db, "content", id=1)
    fill(db, "message", uuid=uuid, content=1)
    fill(db, "delivery", uuid=uuid, message=1, due_ns=1)
    for kind in (58, 65, 66, 65, 68):
        fill(db, "event", type=kind, delivery=uuid)
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    assert db.execute("SELECT * FROM engagement").fetchall() == [(1, 2, 0, 1, 0, 1)]


def fill(db: sqlite3.Connection, table: str, **known: object) -> None:
    """A row with these values, and something in each column that must have one."""
    empty = {"INTEGER": 0, "TEXT": "", "BLOB": b""}
    given = {
        name: known.get(name, empty[kind])
        for _, name, kind, required, *_ in db.execute(f"PRAGMA table_info({table})")
        if required or name in known
    }
    names, marks = ", ".join(given), ", ".join("?" * len(given))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  our own names
    db.execute(sql, list(given.values()))


def test_what_was_said_of_connections_becomes_a_limit(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the rates that were there; of whoever said nothing there is none."""
    steps = schema_steps()
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps[:7])
    migrate(db)
    for number, said in ((1, '{"gmail":3,"yahoo":5}'), (2, "{}")):
        db.execute(
            "INSERT INTO provider (id, uuid, name, kind, host, port, security,"
            " username, password_sealed, auth_method, verify_certificate,"
            " max_connections, retry_plan, class_connections) VALUES"
            " (?, ?, 'p' || ?1, 'smtp', 'h', 25, 'none', '', x'', 'auto', 1, 5, '', ?)",
            (number, bytes([number] * 16), said),
        )
    db.execute(
        "INSERT INTO throttle (provider, scope, key, per_hour)"
        " VALUES (1, 'class', 'gmail', 100)"
    )
    monkeypatch.setattr(migrations, "schema_steps", lambda: steps)
    migrate(db)
    rows = db.execute("SELECT provider, key, per_hour, at_once FROM throttle")
    assert rows.fetchall() == [(1, "gmail", 100, 3), (1, "yahoo", None, 5)]
