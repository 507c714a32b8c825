"""Brings the tables of a file to what this program knows.

``schema/0001_initial.sql`` and its successors are applied in order, each in one
transaction with the number that says so (``PRAGMA user_version``). A file is
never taken back: an older program refuses a newer file.
"""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from appliance.store.errors import NewerDatabaseError, WrongSealingKeyError
from appliance.store.sealed import Sealer


def schema_steps() -> list[str]:
    """The SQL scripts in order; the first makes version 1."""
    folder = files("appliance.store") / "schema"
    scripts = [one for one in folder.iterdir() if one.name.endswith(".sql")]
    return [one.read_text() for one in sorted(scripts, key=lambda one: one.name)]


def migrate(db: sqlite3.Connection) -> None:
    """Apply what is missing.

    Raises:
        NewerDatabaseError: the file is from a newer program.
    """
    steps = schema_steps()
    while (version := _version(db)) < len(steps):
        _apply(db, version, steps[version])
    if version > len(steps):
        raise NewerDatabaseError(
            f"the database has version {version}; this program knows {len(steps)}"
        )


def check_sealing(db: sqlite3.Connection, sealer: Sealer) -> None:
    """Return if the secrets in this file are under the sealer's key.

    The first key that a file sees is its key from then on.

    Raises:
        WrongSealingKeyError: it is another key.
    """
    (check,) = db.execute("SELECT sealing_check FROM meta").fetchone()
    if check is None:  # a write only if need be: readers must not wait for writers
        db.execute(
            "UPDATE meta SET sealing_check = ? WHERE sealing_check IS NULL",
            (sealer.make_check(),),
        )
        (check,) = db.execute("SELECT sealing_check FROM meta").fetchone()
    if not isinstance(check, bytes):
        raise WrongSealingKeyError("the database has lost its sealing check")
    sealer.verify(check)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _apply(db: sqlite3.Connection, version: int, script: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        if _version(db) == version:  # another process may have been faster
            for statement in _statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {version + 1}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: executescript would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
